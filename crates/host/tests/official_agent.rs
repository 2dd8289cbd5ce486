//! The official Rust agent against a served engine, all of the agent's verification on.

mod support;

use candid::{CandidType, Decode, Encode, Principal};
use ic_agent::hash_tree::LookupResult;
use ic_agent::identity::{
    AnonymousIdentity, BasicIdentity, DelegatedIdentity, Delegation, Prime256v1Identity,
    Secp256k1Identity, SignedDelegation,
};
use ic_agent::{Agent, AgentError, Certificate, Identity};
use ic_management_canister_types::{
    CanisterIdRecord, FetchCanisterLogsArgs, FetchCanisterLogsResult, LoadCanisterSnapshotArgs,
    Snapshot, TakeCanisterSnapshotArgs,
};
use keepsake_host::engine::{Config, Engine, Installed};
use keepsake_host::http::{Options, Server};
use serde_bytes::ByteBuf;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use support::wasm;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DESK: &str = include_str!("canisters/desk.wat");

#[derive(CandidType)]
struct Page {
    status_code: u16,
    headers: Vec<(String, String)>,
    body: ByteBuf,
}

/// The desk canister, whose page says `text`.
fn desk(text: &str) -> Vec<u8> {
    let headers = vec![("content-type".to_string(), "text/html".to_string())];
    let page = Page {
        status_code: 200,
        headers,
        body: ByteBuf::from(text),
    };
    let reply = Encode!(&page).unwrap();
    let escaped: String = reply.iter().map(|byte| format!("\\{byte:02x}")).collect();
    wasm(&DESK.replace("SIZE", &reply.len().to_string()).replacen(
        "\"PAGE\"",
        &format!("\"{escaped}\""),
        1,
    ))
}

/// A served engine over a temporary folder.
struct Home {
    engine: Engine,
    server: Server,
    folder: TempDir,
}

fn controller() -> BasicIdentity {
    BasicIdentity::from_raw_key(&[9; 32])
}

async fn serve(engine: &Engine) -> Server {
    Server::start(engine, "127.0.0.1:0".parse().unwrap(), Options::default())
        .await
        .unwrap()
}

fn open(folder: &Path) -> Engine {
    Engine::open(Config {
        controllers: vec![controller().sender().unwrap()],
        ..Config::new(folder)
    })
    .unwrap()
}

impl Home {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(folder.path());
        assert_eq!(
            engine.install(&desk("hello"), b"").unwrap(),
            Installed::Installed
        );
        let server = serve(&engine).await;
        Self {
            engine,
            server,
            folder,
        }
    }

    async fn restart(self) -> Self {
        let Self {
            engine,
            server,
            folder,
        } = self;
        server.stop().await.unwrap();
        engine.shutdown();
        drop(engine);
        let engine = open(folder.path());
        let server = serve(&engine).await;
        Self {
            engine,
            server,
            folder,
        }
    }

    fn canister(&self) -> Principal {
        self.engine.canister_id()
    }

    async fn agent(&self, identity: impl Identity + 'static) -> Agent {
        self.agent_of(Arc::new(identity)).await
    }

    async fn agent_of(&self, identity: Arc<dyn Identity>) -> Agent {
        let agent = Agent::builder()
            .with_url(self.server.url())
            .with_arc_identity(identity)
            .build()
            .unwrap();
        agent.fetch_root_key().await.unwrap();
        assert_eq!(agent.read_root_key(), self.server.root_key());
        agent
    }
}

fn user(seed: u8) -> BasicIdentity {
    BasicIdentity::from_raw_key(&[seed; 32])
}

fn delegated(targets: Option<Vec<Principal>>) -> DelegatedIdentity {
    let (owner, session) = (user(5), user(6));
    let in_an_hour = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64
        + 3_600_000_000_000;
    let delegation = Delegation {
        pubkey: session.public_key().unwrap(),
        expiration: in_an_hour,
        targets,
        permissions: None,
    };
    let signature = owner
        .sign_delegation(&delegation)
        .unwrap()
        .signature
        .unwrap();
    let chain = vec![SignedDelegation {
        delegation,
        signature,
    }];
    DelegatedIdentity::new(owner.public_key().unwrap(), Box::new(session), chain).unwrap()
}

#[tokio::test]
async fn every_kind_of_identity_is_known_by_its_principal() {
    let home = Home::new().await;
    let canister = home.canister();
    let identities: Vec<Arc<dyn Identity>> = vec![
        Arc::new(AnonymousIdentity),
        Arc::new(user(5)),
        Arc::new(Secp256k1Identity::from_private_key(
            k256::SecretKey::from_slice(&[5; 32]).unwrap(),
        )),
        Arc::new(Prime256v1Identity::from_private_key(
            p256::SecretKey::from_slice(&[5; 32]).unwrap(),
        )),
        Arc::new(delegated(None)),
        Arc::new(delegated(Some(vec![canister]))),
    ];
    for identity in identities {
        let principal = identity.sender().unwrap();
        let agent = home.agent_of(identity).await;
        let by_update = agent
            .update(&canister, "whoami")
            .with_arg(vec![])
            .call_and_wait()
            .await
            .unwrap();
        assert_eq!(by_update, principal.as_slice());
        let by_query = agent
            .query(&canister, "whoami_query")
            .with_arg(vec![])
            .call()
            .await
            .unwrap();
        assert_eq!(by_query, principal.as_slice());
        let interface = agent
            .read_state_canister_metadata(canister, "candid:service")
            .await
            .unwrap();
        assert_eq!(interface, b"service : {}");
    }
    let elsewhere = home
        .agent(delegated(Some(vec![Principal::from_slice(&[1, 2, 3])])))
        .await;
    let refused = elsewhere
        .update(&canister, "whoami")
        .with_arg(vec![])
        .call_and_wait()
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, AgentError::HttpError(error) if error.status == 403),
        "{refused:?}"
    );
}

#[tokio::test]
async fn rejections_are_told() {
    let home = Home::new().await;
    let canister = home.canister();
    let agent = home.agent(user(5)).await;
    let trapped = agent
        .update(&canister, "fail")
        .with_arg(vec![])
        .call_and_wait()
        .await
        .unwrap_err();
    let AgentError::CertifiedReject { reject, .. } = trapped else {
        panic!("{trapped:?}")
    };
    assert!(reject.reject_message.contains("on purpose"), "{reject:?}");
    let refused = agent
        .update(&canister, "refused")
        .with_arg(vec![])
        .call_and_wait()
        .await
        .unwrap_err();
    assert!(
        matches!(refused, AgentError::UncertifiedReject { .. }),
        "{refused:?}"
    );
    let unknown = agent
        .query(&canister, "unknown")
        .with_arg(vec![])
        .call()
        .await
        .unwrap_err();
    assert!(
        matches!(unknown, AgentError::UncertifiedReject { .. }),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn large_arguments_and_replies() {
    let home = Home::new().await;
    let agent = home.agent(user(5)).await;
    let arg: Vec<u8> = (0..1_900_000u32).map(|number| number as u8).collect();
    let reply = agent
        .update(&home.canister(), "echo")
        .with_arg(arg.clone())
        .call_and_wait()
        .await
        .unwrap();
    assert!(reply == arg);
}

#[tokio::test]
async fn a_replay_changes_nothing_even_after_a_restart() {
    let home = Home::new().await;
    let canister = home.canister();
    let agent = home.agent(user(5)).await;
    let signed = agent
        .update(&canister, "add")
        .with_arg(vec![])
        .sign()
        .unwrap();
    for _ in 0..3 {
        agent
            .update_signed(canister, signed.signed_update.clone())
            .await
            .unwrap();
    }
    let root_key = home.server.root_key().to_vec();
    let home = home.restart().await;
    assert_eq!(
        home.server.root_key(),
        root_key,
        "clients that trust the root key go on trusting it"
    );
    let agent = home.agent(user(5)).await;
    agent
        .update_signed(canister, signed.signed_update.clone())
        .await
        .unwrap();
    let (status, _) = agent.wait(&signed.request_id, canister).await.unwrap();
    assert_eq!(status, 1u32.to_le_bytes());
    assert_eq!(
        agent
            .query(&canister, "count")
            .with_arg(vec![])
            .call()
            .await
            .unwrap(),
        1u32.to_le_bytes()
    );

    let stranger = home.agent(user(7)).await;
    let refused = stranger
        .wait(&signed.request_id, canister)
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, AgentError::HttpError(error) if error.status == 403),
        "{refused:?}"
    );
}

#[tokio::test]
async fn certified_data_is_proven_to_callers_of_queries() {
    let home = Home::new().await;
    let canister = home.canister();
    let agent = home.agent(user(5)).await;
    for count in 1..=3u32 {
        agent
            .update(&canister, "add")
            .with_arg(vec![])
            .call_and_wait()
            .await
            .unwrap();
        let certificate = agent
            .query(&canister, "certificate")
            .with_arg(vec![])
            .call()
            .await
            .unwrap();
        let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
        agent.verify(&certificate, canister).unwrap();
        let path = [b"canister", canister.as_slice(), b"certified_data"];
        assert_eq!(
            certificate.tree.lookup_path(path),
            LookupResult::Found(&count.to_le_bytes())
        );
    }
}

#[tokio::test]
async fn private_metadata_is_for_controllers() {
    let home = Home::new().await;
    let canister = home.canister();
    let stranger = home.agent(user(5)).await;
    let refused = stranger
        .read_state_canister_metadata(canister, "secret")
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, AgentError::HttpError(error) if error.status == 403),
        "{refused:?}"
    );
    let controller = home.agent(controller()).await;
    assert_eq!(
        controller
            .read_state_canister_metadata(canister, "secret")
            .await
            .unwrap(),
        b"for controllers"
    );
}

#[tokio::test]
async fn many_in_flight_each_counted_once() {
    let home = Home::new().await;
    let canister = home.canister();
    let agent = home.agent(user(5)).await;
    let calls = (0..64).map(|_| {
        agent
            .update(&canister, "add")
            .with_arg(vec![])
            .call_and_wait()
    });
    let mut counts: Vec<u32> = futures::future::join_all(calls)
        .await
        .into_iter()
        .map(|reply| u32::from_le_bytes(reply.unwrap().try_into().unwrap()))
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=64).collect::<Vec<u32>>());
}

#[tokio::test]
async fn an_upgrade_shows_while_being_served() {
    let home = Home::new().await;
    let canister = home.canister();
    let agent = home.agent(user(5)).await;
    let before = agent
        .read_state_canister_module_hash(canister)
        .await
        .unwrap();
    agent
        .update(&canister, "add")
        .with_arg(vec![])
        .call_and_wait()
        .await
        .unwrap();
    assert_eq!(
        home.engine.install(&desk("goodbye"), b"").unwrap(),
        Installed::Upgraded
    );
    assert_ne!(
        agent
            .read_state_canister_module_hash(canister)
            .await
            .unwrap(),
        before
    );
    assert_eq!(
        agent
            .query(&canister, "count")
            .with_arg(vec![])
            .call()
            .await
            .unwrap(),
        1u32.to_le_bytes()
    );
}

#[tokio::test]
async fn the_canisters_page() {
    let home = Home::new().await;
    let page = async |host: String| {
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(home.server.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    };
    // It is not certified, and where pages are verified it is not shown.
    let verified = page(format!("{}.localhost", home.canister())).await;
    assert!(verified.starts_with("HTTP/1.1 502 "), "{verified}");
    assert!(!verified.ends_with("hello"), "{verified}");
    let raw = page(format!("{}.raw.localhost", home.canister())).await;
    assert!(
        raw.starts_with("HTTP/1.1 200 OK\r\n") && raw.ends_with("\r\n\r\nhello"),
        "{raw}"
    );
}

#[tokio::test]
async fn the_subnet_is_described() {
    let home = Home::new().await;
    let agent = home.agent(user(5)).await;
    let subnet = agent
        .get_subnet_by_canister(&home.canister())
        .await
        .unwrap();
    assert!(subnet.contains_canister(&home.canister()));
    assert_eq!(
        subnet.id(),
        Principal::self_authenticating(home.server.root_key())
    );
    let again = agent.fetch_subnet_by_id(&subnet.id()).await.unwrap();
    assert_eq!(again.iter_nodes().count(), 1);
}

/// What a client of the management canister calls, with the canister as the effective one.
async fn manage<A: CandidType>(
    agent: &Agent,
    canister: Principal,
    method: &str,
    arg: A,
) -> Result<Vec<u8>, AgentError> {
    agent
        .update(&Principal::management_canister(), method)
        .with_effective_canister_id(canister)
        .with_arg(Encode!(&arg).unwrap())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_manages_the_canister_through_the_agent() {
    let home = Home::new().await;
    let canister = home.canister();
    let here = CanisterIdRecord {
        canister_id: canister,
    };
    let owner = home.agent(controller()).await;
    let stranger = home.agent(AnonymousIdentity).await;
    let refused = manage(&stranger, canister, "stop_canister", &here).await;
    assert!(
        matches!(&refused, Err(AgentError::UncertifiedReject { reject, .. })
            if reject.error_code.as_deref() == Some("IC0512")),
        "{refused:?}"
    );

    let take = TakeCanisterSnapshotArgs {
        canister_id: canister,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    owner.update(&canister, "add").await.unwrap();
    let taken = manage(&owner, canister, "take_canister_snapshot", &take)
        .await
        .unwrap();
    let snapshot = Decode!(&taken, Snapshot).unwrap();
    owner.update(&canister, "add").await.unwrap();
    manage(&owner, canister, "stop_canister", &here)
        .await
        .unwrap();
    let stopped = owner.update(&canister, "add").await;
    assert!(
        matches!(&stopped, Err(AgentError::UncertifiedReject { reject, .. })
            if reject.error_code.as_deref() == Some("IC0508")),
        "{stopped:?}"
    );
    let load = LoadCanisterSnapshotArgs {
        canister_id: canister,
        snapshot_id: snapshot.id,
        sender_canister_version: None,
    };
    manage(&owner, canister, "load_canister_snapshot", &load)
        .await
        .unwrap();
    manage(&owner, canister, "start_canister", &here)
        .await
        .unwrap();
    // One, as when the snapshot was taken; and certified, as its certificate shows.
    let count = owner.query(&canister, "count").call().await.unwrap();
    assert_eq!(count, 1u32.to_le_bytes());
    let certificate = owner.query(&canister, "certificate").call().await.unwrap();
    let certificate: Certificate = serde_cbor::from_slice(&certificate).unwrap();
    owner.verify(&certificate, canister).unwrap();
    let path = [
        "canister".as_bytes(),
        canister.as_slice(),
        b"certified_data",
    ];
    assert_eq!(
        certificate.tree.lookup_path(path),
        LookupResult::Found(&1u32.to_le_bytes())
    );

    // Logs come by query only, signed like any other.
    let fetch = FetchCanisterLogsArgs {
        canister_id: canister,
        filter: None,
    };
    assert!(
        manage(&owner, canister, "fetch_canister_logs", &fetch)
            .await
            .is_err()
    );
    assert!(owner.update(&canister, "fail").await.is_err());
    let log = owner
        .query(&Principal::management_canister(), "fetch_canister_logs")
        .with_effective_canister_id(canister)
        .with_arg(Encode!(&fetch).unwrap())
        .call()
        .await
        .unwrap();
    let log = Decode!(&log, FetchCanisterLogsResult).unwrap();
    let last = log.canister_log_records.last().unwrap();
    assert!(String::from_utf8_lossy(&last.content).contains("on purpose"));
}
