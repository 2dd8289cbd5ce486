//! The management canister: who may do what, and what it does to the canister, for good and over restarts.

mod support;

use candid::{CandidType, Decode, Encode, Nat, Principal};
use ic_management_canister_types::*;
use keepsake_host::engine::{Config, Engine, SubmitError};
use keepsake_host::message::{Ingress, Reject, RejectCode, RequestStatus};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU8, Ordering};
use support::*;

const MIRROR: &str = include_str!("canisters/mirror.wat");

static REQUESTS: AtomicU8 = AtomicU8::new(1);

fn owned(text: &str) -> Home {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(Config {
        controllers: vec![user()],
        ..Config::new(folder.path())
    })
    .unwrap();
    engine.install(&wasm(text), b"").unwrap();
    Home { engine, folder }
}

fn call(engine: &Engine, sender: Principal, method: &str, arg: Vec<u8>) -> Ingress {
    Ingress {
        sender,
        canister_id: Principal::management_canister(),
        arg,
        ..ingress(
            engine,
            REQUESTS.fetch_add(1, Ordering::Relaxed),
            method,
            b"",
        )
    }
}

/// Calls the management canister; what is refused before it is executed is a reject like any other here.
async fn manage_as(
    home: &Home,
    sender: Principal,
    method: &str,
    arg: impl CandidType,
) -> Result<Vec<u8>, Reject> {
    let message = call(&home.engine, sender, method, Encode!(&arg).unwrap());
    match home.engine.submit(message).await {
        Ok(RequestStatus::Replied(reply)) => Ok(reply),
        Ok(RequestStatus::Rejected(reject)) | Err(SubmitError::Refused(reject)) => Err(reject),
        other => panic!("{other:?}"),
    }
}

async fn manage(home: &Home, method: &str, arg: impl CandidType) -> Result<Vec<u8>, Reject> {
    manage_as(home, user(), method, arg).await
}

fn here(home: &Home) -> CanisterIdRecord {
    CanisterIdRecord {
        canister_id: home.engine.canister_id(),
    }
}

async fn status(home: &Home) -> CanisterStatusResult {
    let reply = manage(home, "canister_status", here(home)).await.unwrap();
    Decode!(&reply, CanisterStatusResult).unwrap()
}

fn code(reject: &Reject) -> &str {
    reject.error_code.as_deref().unwrap_or_default()
}

fn install(home: &Home, mode: CanisterInstallMode, wasm_module: Vec<u8>) -> InstallCodeArgs {
    InstallCodeArgs {
        mode,
        canister_id: home.engine.canister_id(),
        wasm_module,
        arg: Vec::new(),
        sender_canister_version: None,
    }
}

#[tokio::test]
async fn settings_are_kept_and_reach_the_canister() {
    let home = owned(MIRROR);
    let friend = Principal::self_authenticating([9; 32]);
    assert_eq!(number(&home.query("controls", b"").await.unwrap()), 1);
    let version = status(&home).await.version;
    let update = UpdateSettingsArgs {
        canister_id: home.engine.canister_id(),
        settings: CanisterSettings {
            controllers: Some(vec![friend, user()]),
            freezing_threshold: Some(Nat::from(5u8)),
            environment_variables: Some(vec![
                EnvironmentVariable {
                    name: "two".into(),
                    value: "2".into(),
                },
                EnvironmentVariable {
                    name: "one".into(),
                    value: "first".into(),
                },
            ]),
            ..CanisterSettings::default()
        },
        sender_canister_version: None,
    };
    manage(&home, "update_settings", &update).await.unwrap();
    let mut home = home;
    for _ in 0..2 {
        let status = status(&home).await;
        assert_eq!(status.settings.freezing_threshold, Nat::from(5u8));
        assert!(status.version > version);
        assert!(status.settings.controllers.contains(&friend));
        assert!(home.engine.state().controllers.contains(&friend));
        assert_eq!(number(&home.query("variables", b"").await.unwrap()), 2);
        assert_eq!(home.query("variable", b"one").await.unwrap(), b"onefirst");
        assert!(home.query("variable", b"three").await.is_err());
        let controls = home.engine.query(friend, "controls", b"").await.unwrap();
        assert_eq!(number(&controls), 1);
        home = home.reopen();
    }
}

#[tokio::test]
async fn only_controllers_manage_and_nothing_else_is_there() {
    let home = owned(CELL);
    let stranger = Principal::self_authenticating([8; 32]);
    for method in [
        "canister_status",
        "stop_canister",
        "list_canister_snapshots",
        "stored_chunks",
    ] {
        let reject = manage_as(&home, stranger, method, here(&home))
            .await
            .unwrap_err();
        assert_eq!(code(&reject), "IC0512", "{method}");
        let foreign = CanisterIdRecord {
            canister_id: stranger,
        };
        let reject = manage(&home, method, foreign).await.unwrap_err();
        assert_eq!(code(&reject), "IC0301", "{method}");
        let reject = manage(&home, method, "nonsense").await.unwrap_err();
        assert_eq!(code(&reject), "IC0408", "{method}");
    }
    for method in [
        "create_canister",
        "delete_canister",
        "uninstall_code",
        "raw_rand",
    ] {
        let reject = manage(&home, method, here(&home)).await.unwrap_err();
        assert_eq!(reject.code, RejectCode::CanisterReject, "{method}");
    }
    let reject = manage(&home, "no_such_method", ()).await.unwrap_err();
    assert_eq!(code(&reject), "IC0407");
    assert_eq!(home.cell().await.stable, 7);
}

#[tokio::test]
async fn a_trapping_upgrade_or_reinstallation_leaves_everything_as_it_was() {
    let home = owned(CELL);
    home.update("set", &arg(42)).await.unwrap();
    let bad = CELL
        .replace("(func (export \"canister_post_upgrade\")", "(func (export \"canister_post_upgrade\") (call $set (i32.const 5)) unreachable)\n(func")
        .replace("(func (export \"canister_init\")", "(func (export \"canister_init\") (call $set (i32.const 6)) unreachable)\n(func");
    for mode in [
        CanisterInstallMode::Upgrade(None),
        CanisterInstallMode::Reinstall,
    ] {
        let reject = manage(&home, "install_code", install(&home, mode, wasm(&bad)))
            .await
            .unwrap_err();
        assert_eq!(code(&reject), "IC0503");
        assert_eq!(home.cell().await, Cell::all(42, 1));
        home.update("add", b"").await.unwrap();
        home.update("set", &arg(42)).await.unwrap();
    }
    let reject = manage(
        &home,
        "install_code",
        install(&home, CanisterInstallMode::Install, wasm(CELL)),
    );
    assert_eq!(code(&reject.await.unwrap_err()), "IC0514");
    let reject = manage(
        &home,
        "install_code",
        install(&home, CanisterInstallMode::Reinstall, vec![1, 2, 3]),
    );
    assert_eq!(code(&reject.await.unwrap_err()), "IC0505");
    assert_eq!(home.reopen().cell().await.stable, 42);
}

#[tokio::test]
async fn an_empty_home_is_filled_by_its_controller() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        controllers: vec![user()],
        ..Config::new(folder.path())
    };
    let engine = Engine::open(config).unwrap();
    let home = Home { engine, folder };
    assert_eq!(status(&home).await.module_hash, None);
    let upgrade = install(&home, CanisterInstallMode::Upgrade(None), wasm(CELL));
    let reject = manage(&home, "install_code", upgrade).await.unwrap_err();
    assert_eq!(code(&reject), "IC0537");
    let first = install(&home, CanisterInstallMode::Install, wasm(CELL));
    manage(&home, "install_code", first).await.unwrap();
    assert_eq!(home.cell().await, Cell::all(7, 1));
    assert_eq!(home.reopen().cell().await.stable, 7);
}

#[tokio::test]
async fn a_reinstallation_begins_anew_and_an_upgrade_does_not() {
    let home = owned(CELL);
    home.update("fill", &arg(20)).await.unwrap();
    home.update("certify", b"abcd").await.unwrap();
    manage(
        &home,
        "install_code",
        install(&home, CanisterInstallMode::Upgrade(None), wasm(CELL)),
    )
    .await
    .unwrap();
    assert_eq!(home.cell().await.stable, 3);
    assert_eq!(number(&home.query("starts", b"").await.unwrap()), 1);
    for round in 0..2 {
        manage(
            &home,
            "install_code",
            install(&home, CanisterInstallMode::Reinstall, wasm(CELL)),
        )
        .await
        .unwrap();
        assert_eq!(home.cell().await, Cell::all(7, 1), "{round}");
        assert_eq!(number(&home.query("starts", b"").await.unwrap()), 0);
        assert_eq!(
            status(&home).await.memory_metrics.stable_memory_size,
            Nat::from(65_536u32)
        );
        assert!(home.engine.state().certified_data.is_empty());
        home.update("fill", &arg(2)).await.unwrap();
    }
    let home = home.reopen();
    assert_eq!(home.cell().await.stable, 3);
    assert_eq!(number(&home.query("starts", b"").await.unwrap()), 1);
}

#[tokio::test]
async fn code_comes_in_chunks() {
    let home = owned(MIRROR);
    let module = wasm(CELL);
    let mut hashes = Vec::new();
    for chunk in module.chunks(1000) {
        let upload = UploadChunkArgs {
            canister_id: home.engine.canister_id(),
            chunk: chunk.to_vec(),
        };
        let reply = manage(&home, "upload_chunk", upload).await.unwrap();
        hashes.push(Decode!(&reply, ChunkHash).unwrap());
    }
    let home = home.reopen();
    let stored = manage(&home, "stored_chunks", here(&home)).await.unwrap();
    assert_eq!(
        Decode!(&stored, Vec<ChunkHash>).unwrap().len(),
        hashes.len()
    );
    let chunked =
        |wasm_module_hash: Vec<u8>, chunk_hashes_list: Vec<ChunkHash>| InstallChunkedCodeArgs {
            mode: CanisterInstallMode::Reinstall,
            target_canister: home.engine.canister_id(),
            store_canister: None,
            chunk_hashes_list,
            wasm_module_hash,
            arg: Vec::new(),
            sender_canister_version: None,
        };
    let hash = Sha256::digest(&module).to_vec();
    let wrong = chunked(vec![0; 32], hashes.clone());
    assert!(manage(&home, "install_chunked_code", wrong).await.is_err());
    let missing = chunked(hash.clone(), vec![ChunkHash { hash: vec![0; 32] }]);
    assert!(
        manage(&home, "install_chunked_code", missing)
            .await
            .is_err()
    );
    manage(&home, "install_chunked_code", chunked(hash, hashes))
        .await
        .unwrap();
    assert_eq!(home.cell().await, Cell::all(7, 1));
    manage(&home, "clear_chunk_store", here(&home))
        .await
        .unwrap();
    let stored = manage(&home, "stored_chunks", here(&home)).await.unwrap();
    assert!(Decode!(&stored, Vec<ChunkHash>).unwrap().is_empty());
}

#[tokio::test]
async fn a_stopped_canister_takes_no_calls_until_it_is_started() {
    let home = owned(MIRROR);
    assert_eq!(number(&home.update("status", b"").await.unwrap()), 1);
    manage(&home, "stop_canister", here(&home)).await.unwrap();
    let home = home.reopen();
    assert_eq!(status(&home).await.status, CanisterStatusType::Stopped);
    assert_eq!(
        code(&home.update("status", b"").await.unwrap_err()),
        "IC0508"
    );
    assert_eq!(
        code(&home.query("controls", b"").await.unwrap_err()),
        "IC0508"
    );
    // Stopping again, and starting twice, change nothing.
    manage(&home, "stop_canister", here(&home)).await.unwrap();
    for _ in 0..2 {
        manage(&home, "start_canister", here(&home)).await.unwrap();
    }
    assert_eq!(number(&home.update("status", b"").await.unwrap()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_the_calls_under_way() {
    let home = owned(CELL);
    let engine = home.engine.clone();
    let message = ingress(&engine, 255, "chain", b"abcd");
    let chain = tokio::spawn(async move { engine.submit(message).await });
    while home.engine.request_status(&request_id(255)) != Some(RequestStatus::Processing) {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    manage(&home, "stop_canister", here(&home)).await.unwrap();
    assert_eq!(status(&home).await.status, CanisterStatusType::Stopped);
    // It calls itself for ever; while it was stopping, that was rejected, and its callback could still answer.
    let ended = chain.await.unwrap().unwrap();
    assert_eq!(replied(ended), arg(RejectCode::CanisterError as u32));
}

#[tokio::test]
async fn the_log_has_what_was_printed_and_traps() {
    let home = owned(MIRROR);
    home.update("print", b"hello").await.unwrap();
    let fetch = Encode!(&FetchCanisterLogsArgs {
        canister_id: home.engine.canister_id(),
        filter: None,
    })
    .unwrap();
    let fetched = home
        .engine
        .query_management(user(), "fetch_canister_logs", fetch.clone())
        .await
        .unwrap();
    let log = Decode!(&fetched, FetchCanisterLogsResult).unwrap();
    assert_eq!(log.canister_log_records[0].content, b"hello");
    let stranger = Principal::self_authenticating([8; 32]);
    let refused = home
        .engine
        .query_management(stranger, "fetch_canister_logs", fetch);
    assert_eq!(code(&refused.await.unwrap_err()), "IC0512");
}
