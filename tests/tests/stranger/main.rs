//! Somebody who has no part in a capsule, and the anonymous caller, try every method with every id that is in it: they
//! get nothing, learn nothing, and change nothing.

mod attempts;
mod furnish;
mod verdicts;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use candid::{Principal, encode_args, types::FuncMode};
use candid_parser::utils::CandidSource;
use ic_agent::{Agent, AgentError, identity::AnonymousIdentity};
use keepsake_client::{
    NewContent, Vault,
    api::{
        AssetType, ByteBuf, Capsule, CapsuleHeader, Error, PersonRef, UploadConfig, VaultStatus,
    },
};
use keepsake_tests::{
    artefacts,
    audit::{Inventory, audit},
    content::{asset, noise, sha256},
    home::Home,
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::attempts::{Attempt, attempts, entry, principal};
use crate::furnish::{Ids, OPEN, furnish, upload};
use crate::verdicts::{achieved, decode, error, rejection, says_nothing, served};

const OWNER: u8 = 1;
const STRANGER: u8 = 2;
/// Offers to link with the owner.
const HELPER: u8 = 3;

/// Methods that are for everybody.
const PUBLIC: [&str; 3] = ["whoami", "upload_config", "http_request"];

/// For who controls the canister, which nobody here does.
const OPERATORS: &str = "http_token_key_rotate";

/// Methods for whoever has a share link's secret, named or not.
const BY_SECRET: [&str; 3] = [
    "share_links_memories",
    "share_links_memory",
    "share_links_asset",
];

/// Every method of the interface; the flag says whether it is a query.
static METHODS: LazyLock<BTreeMap<String, bool>> = LazyLock::new(|| {
    let (env, service) = CandidSource::File(&artefacts::interface()).load().unwrap();
    let service = service.unwrap();
    env.as_service(&service)
        .unwrap()
        .iter()
        .map(|(name, function)| {
            let modes = &env.as_func(function).unwrap().modes;
            (name.clone(), modes.contains(&FuncMode::Query))
        })
        .collect()
});

async fn send(
    agent: &Agent,
    canister: Principal,
    attempt: &Attempt,
) -> Result<Vec<u8>, AgentError> {
    if METHODS[attempt.method] {
        let query = agent.query(&canister, attempt.method);
        query.with_arg(attempt.arg.clone()).call().await
    } else {
        let update = agent.update(&canister, attempt.method);
        update.with_arg(attempt.arg.clone()).call_and_wait().await
    }
}

/// Tries everything as `agent`, with names that are there and with names that are not: the answers must be the same. Methods for
/// everybody and the list of capsules are left to the caller, whom their replies are returned to.
async fn try_all(
    agent: &Agent,
    canister: Principal,
    there: &Ids,
    not_there: &Ids,
    own: Option<(&str, &str)>,
) -> BTreeMap<&'static str, Vec<u8>> {
    let pairs = attempts(there, own)
        .into_iter()
        .zip(attempts(not_there, own));
    // Nothing of this has an effect: the order means nothing.
    let window = Arc::new(Semaphore::new(16));
    let mut sent = JoinSet::new();
    for (attempt, blind) in pairs {
        assert_eq!(attempt.method, blind.method);
        let (agent, window) = (agent.clone(), window.clone());
        sent.spawn(async move {
            let _permit = window.acquire_owned().await.unwrap();
            let found = send(&agent, canister, &attempt).await;
            let expected = send(&agent, canister, &blind).await;
            (attempt, blind, (found, expected))
        });
    }
    let mut others = BTreeMap::new();
    while let Some(answered) = sent.join_next().await {
        let (attempt, blind, (found, expected)) = answered.unwrap();
        let Attempt { method, what, .. } = &attempt;
        let place = format!("{method}({what})");
        if *method == "mint_http_token" {
            let answers = [found, expected].map(|answer| rejection(&place, answer));
            assert_eq!(answers, [(); 2].map(|_| Error::NotFound.to_string()));
            continue;
        }
        let (found, expected) = (found.unwrap(), expected.unwrap());
        if *method == "http_request" {
            assert_eq!(served(what, &found), served(&blind.what, &expected));
            continue;
        }
        if *method == "vault_status" && own.is_some() {
            // Whoever has a capsule sees the state of the vault.
            decode::<Result<VaultStatus, Error>>(&found).unwrap();
            continue;
        }
        if PUBLIC.contains(method) || *method == "capsules_list" {
            others.insert(*method, found);
            continue;
        }
        if let Some(nothing) = says_nothing(method, &found) {
            assert!(nothing, "{place} gives something");
            assert_eq!(says_nothing(method, &expected), Some(true), "{place}");
            continue;
        }
        let found = error(method, what, &found);
        let expected = error(method, &blind.what, &expected);
        let text = |ids: &Ids, error: &Error| ids.without_names(format!("{error:?}"));
        assert_eq!(text(there, &found), text(not_there, &expected), "{place}");
        assert!(
            matches!(
                found,
                Error::NotFound | Error::Unauthorized | Error::InvalidArgument(_)
            ),
            "{place}: {found}"
        );
    }
    others
}

#[test]
fn every_method_is_tried() {
    let ids = Ids {
        capsule: "c".into(),
        memories: vec!["m".into()],
        blobs: vec!["b".into()],
        assets: vec!["a".into()],
        sessions: [1, 2],
        cursor: "x".into(),
        link: "l".into(),
        secret: vec![1; 32],
    };
    let mut tried: BTreeSet<String> = attempts(&ids, None)
        .into_iter()
        .map(|attempt| attempt.method.to_owned())
        .collect();
    // A stranger may make a capsule of its own; what it gets then is looked at below.
    tried.insert("capsules_create".to_owned());
    let all: BTreeSet<String> = METHODS.keys().cloned().collect();
    assert_eq!(tried, all);
}

/// None of the calls fails for being malformed: each method works for the owner, with the same arguments.
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_succeeds_with_the_same_calls() {
    let home = Home::new().await;
    let owner = home.vault(OWNER).await;
    let ids = furnish(&owner).await;
    let agent = keepsake_tests::agent(&home.url(), keepsake_tests::person(OWNER)).await;
    let helper = keepsake_tests::agent(&home.url(), keepsake_tests::person(HELPER)).await;
    let offer = Attempt {
        method: "person_link_offer",
        arg: encode_args((principal(OWNER),)).unwrap(),
        what: "the owner".to_owned(),
    };
    let reply = send(&helper, owner.canister_id(), &offer).await.unwrap();
    assert!(achieved(offer.method, &reply));
    let mut succeeded = BTreeSet::new();
    for attempt in attempts(&ids, None) {
        let reply = match send(&agent, owner.canister_id(), &attempt).await {
            Ok(reply) => reply,
            // The one method that has no other way to refuse.
            Err(_) if attempt.method == "mint_http_token" => continue,
            Err(error) => panic!("{}({}): {error}", attempt.method, attempt.what),
        };
        if achieved(attempt.method, &reply) {
            succeeded.insert(attempt.method);
        }
    }
    let mut expected: BTreeSet<&str> = METHODS.keys().map(String::as_str).collect();
    expected.remove("capsules_create");
    expected.remove(OPERATORS);
    assert_eq!(succeeded, expected);
    let state = home.stop().await;
    keepsake_tests::state::recount(state.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_nothing_and_changes_nothing() {
    let home = Home::new().await;
    let owner = home.vault(OWNER).await;
    let ids = furnish(&owner).await.without_secret();
    // Names of the same form that mean nothing here: those of another vault.
    let elsewhere = Home::new().await;
    let nothing = furnish(&elsewhere.vault(OWNER).await)
        .await
        .without_secret();
    let before = everything(&owner, &ids).await;

    let canister = owner.canister_id();
    let identity = keepsake_tests::person(STRANGER);
    let principal = identity.sender().unwrap();
    let agent = keepsake_tests::agent(&home.url(), identity).await;
    let replies = try_all(&agent, canister, &ids, &nothing, None).await;
    assert_eq!(decode::<Principal>(&replies["whoami"]), principal);
    let config: UploadConfig = decode(&replies["upload_config"]);
    assert_eq!(config, owner.upload_config().await.unwrap());
    assert_eq!(decode::<Vec<CapsuleHeader>>(&replies["capsules_list"]), []);

    // With a capsule of its own, which is new and empty, the stranger gets no further.
    let stranger = home.vault(STRANGER).await;
    let capsule: Capsule = stranger.capsules_create(None).await.unwrap();
    assert_ne!(capsule.id, ids.capsule);
    assert_eq!(capsule.memories, []);
    assert_eq!(capsule.subject, PersonRef::Principal(principal));
    let metadata = asset("own", AssetType::Original);
    let note = stranger
        .memories_create(&capsule.id, NewContent::Inline(b"own"), &metadata, "note")
        .await
        .unwrap();
    let own = Some((capsule.id.as_str(), note.as_str()));
    let replies = try_all(&agent, canister, &ids, &nothing, own).await;
    let listed: Vec<CapsuleHeader> = decode(&replies["capsules_list"]);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, capsule.id);

    // Who has the same content keeps it apart, and learns nothing from it.
    let same = upload(&stranger, &capsule.id, noise(1, 3_000)).await;
    assert!(!ids.blobs.contains(&same));
    assert_eq!(stranger.blob_read(&same).await.unwrap(), noise(1, 3_000));
    let session = stranger.uploads_begin(&capsule.id, 2, OPEN).await.unwrap();
    assert!(!ids.sessions.contains(&session));
    stranger.uploads_abort(session).await.unwrap();
    stranger.memories_delete(&note, true).await.unwrap();

    let after = everything(&owner, &ids).await;
    assert!(after == before, "a stranger changed something");
    // A capsule about the owner is another one, and is not taken for the owner's own.
    let about = Some(PersonRef::Principal(
        keepsake_tests::person(OWNER).sender().unwrap(),
    ));
    let about = stranger.capsules_create(about).await.unwrap();
    assert_ne!(about.id, ids.capsule);
    assert_eq!(about.memories, []);
    let own = owner.capsules_read_basic(None).await.unwrap();
    assert_eq!(own.capsule_id, ids.capsule);
    assert_eq!(everything(&owner, &ids).await.0.memories, before.0.memories);
    // The open session is as it was.
    let open = ids.sessions[0];
    owner.uploads_put_chunk(open, 1, b"second").await.unwrap();
    owner
        .uploads_finish(open, &sha256(b"first second"), 12)
        .await
        .unwrap();
    let state = home.stop().await;
    keepsake_tests::state::recount(state.path());
}

/// The queries that give the caller something, with any of these names.
async fn seen(agent: &Agent, canister: Principal, ids: &Ids) -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    for attempt in attempts(ids, None) {
        let method = attempt.method;
        if !METHODS[method] || PUBLIC.contains(&method) || seen.contains(method) {
            continue;
        }
        let Ok(reply) = send(agent, canister, &attempt).await else {
            assert!(method.starts_with("mint_http_token"));
            continue;
        };
        let gives = match method {
            "memories_shared_with_me" => says_nothing(method, &reply) == Some(false),
            _ => achieved(method, &reply),
        };
        if gives {
            seen.insert(method);
        }
    }
    seen
}

/// What the silence above is worth: the same calls speak when there is something to say.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_is_seen_until_it_is_revoked() {
    let home = Home::new().await;
    let owner = home.vault(OWNER).await;
    let ids = furnish(&owner).await.without_secret();
    let canister = owner.canister_id();
    let agent = keepsake_tests::agent(&home.url(), keepsake_tests::person(STRANGER)).await;
    assert_eq!(seen(&agent, canister, &ids).await, BTreeSet::new());

    let owners = keepsake_tests::agent(&home.url(), keepsake_tests::person(OWNER)).await;
    let pictured = &ids.memories[1];
    let change = async |method, arg: Result<Vec<u8>, candid::Error>| {
        let call = Attempt {
            method,
            arg: arg.unwrap(),
            what: pictured.clone(),
        };
        let reply = send(&owners, canister, &call).await.unwrap();
        assert!(achieved(method, &reply), "{method}");
    };
    change("access_grant", encode_args((pictured, entry("shared")))).await;
    let of_one_memory = [
        "asset_get_by_id",
        "blob_get_meta",
        "blob_read",
        "blob_read_chunk",
        "memories_list_assets",
        "memories_ping",
        "memories_read",
        "memories_read_asset",
        "memories_shared_with_me",
        "mint_http_token",
        "mint_http_tokens_bulk",
    ];
    assert_eq!(
        seen(&agent, canister, &ids).await,
        BTreeSet::from(of_one_memory)
    );

    change("access_revoke", encode_args((pictured, "shared"))).await;
    assert_eq!(seen(&agent, canister, &ids).await, BTreeSet::new());
}

/// A stranger, and nobody, with the secret of a share link: they see what it shows, and nothing once it was revoked.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_links_secret_sees_what_it_shows_until_it_is_revoked() {
    let home = Home::new().await;
    let owner = home.vault(OWNER).await;
    let ids = furnish(&owner).await;
    let canister = owner.canister_id();
    let stranger = keepsake_tests::agent(&home.url(), keepsake_tests::person(STRANGER)).await;
    let nobody = keepsake_tests::agent(&home.url(), Arc::new(AnonymousIdentity)).await;
    let agents = [stranger, nobody];
    for agent in &agents {
        let seen = seen(agent, canister, &ids).await;
        assert_eq!(seen, BTreeSet::from(BY_SECRET));
    }
    let nonce = ByteBuf::from(b"nonce".to_vec());
    let secret = ByteBuf::from(ids.secret.clone());
    let open = Attempt {
        method: "share_links_open",
        arg: encode_args((&secret, &nonce)).unwrap(),
        what: String::new(),
    };
    for _ in 0..2 {
        let reply = send(&agents[0], canister, &open).await.unwrap();
        assert!(achieved(open.method, &reply));
    }
    rejection("nobody opens", send(&agents[1], canister, &open).await);
    let links = owner.share_links_list(&ids.capsule).await.unwrap();
    assert_eq!((links.len(), links[0].uses), (1, 1));

    let revoked = owner.share_links_revoke(&ids.capsule, &ids.link).await;
    revoked.unwrap();
    for agent in &agents {
        assert_eq!(seen(agent, canister, &ids).await, BTreeSet::new());
    }
    let reply = send(&agents[0], canister, &open).await.unwrap();
    assert_eq!(error(open.method, "", &reply), Error::NotFound);
}

/// Everything the owner has, with the blobs that nothing references.
async fn everything(owner: &Vault, ids: &Ids) -> (Inventory, Vec<Vec<u8>>) {
    let mut blobs = Vec::new();
    for blob in &ids.blobs {
        blobs.push(owner.blob_read(blob).await.unwrap());
    }
    (audit(owner).await, blobs)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anonymous_caller_gets_nothing_and_changes_nothing() {
    let home = Home::new().await;
    let owner = home.vault(OWNER).await;
    let ids = furnish(&owner).await.without_secret();
    let before = everything(&owner, &ids).await;
    let canister = owner.canister_id();
    let agent = keepsake_tests::agent(&home.url(), Arc::new(AnonymousIdentity)).await;
    let mut all = attempts(&ids, None);
    for subject in [None, Some(PersonRef::Opaque("grandmother".to_owned()))] {
        all.push(Attempt {
            method: "capsules_create",
            arg: encode_args((subject,)).unwrap(),
            what: String::new(),
        });
    }
    for attempt in all {
        let Attempt { method, arg, what } = &attempt;
        let reply = send(&agent, canister, &attempt).await;
        if PUBLIC.contains(method) {
            reply.unwrap();
            continue;
        }
        let place = format!("{method}({what})");
        if !METHODS[*method] {
            // Refused before it is executed: nothing of it is kept, and it costs nothing.
            rejection(&place, reply);
            // A call that got past that, as from another canister, is refused by the vault itself.
            let anonymous = Principal::anonymous();
            let executed = home.engine.execute_update(anonymous, method, arg).await;
            assert_eq!(
                error(method, what, &executed.result.unwrap()),
                Error::Unauthorized,
                "{place}"
            );
        } else if method.starts_with("mint_http_token") {
            let unauthorized = Error::Unauthorized.to_string();
            assert_eq!(rejection(&place, reply), unauthorized, "{place}");
        } else if *method == "capsules_list" {
            assert_eq!(says_nothing(method, &reply.unwrap()), Some(true));
        } else if BY_SECRET.contains(method) {
            let refused = error(method, what, &reply.unwrap());
            assert_eq!(refused, Error::NotFound, "{place}");
        } else {
            assert_eq!(
                error(method, what, &reply.unwrap()),
                Error::Unauthorized,
                "{place}"
            );
        }
    }
    let after = everything(&owner, &ids).await;
    assert!(after == before, "the anonymous caller changed something");
}
