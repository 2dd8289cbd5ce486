//! What is kept over restarts and upgrades, and what is executed once.

mod support;

use futures::future::join_all;
use keepsake_host::engine::{Config, Engine, InstallError, Installed, OpenError, SubmitError};
use keepsake_host::message::{RejectCode, RequestStatus, StateTree, TreeChanges};
use std::sync::{Arc, Mutex};
use support::*;

#[tokio::test]
async fn a_restart_keeps_stable_memory_and_runs_post_upgrade() {
    let home = home(CELL);
    home.update("set", &arg(42)).await.unwrap();
    let id = home.engine.canister_id();
    let home = home.reopen();
    assert_eq!(home.engine.canister_id(), id);
    let cell = home.cell().await;
    assert_eq!((cell.heap, cell.global, cell.stable), (0, 0, 42));
    assert_eq!(number(&home.query("starts", b"").await.unwrap()), 1);
    assert_eq!(
        home.engine.install(&wasm(CELL), b"").unwrap(),
        Installed::Unchanged
    );
    assert_eq!(number(&home.query("starts", b"").await.unwrap()), 1);
}

#[tokio::test]
async fn a_request_is_executed_once_however_often_it_comes() {
    let home = home(CELL);
    let message = ingress(&home.engine, 1, "add", b"");
    let (first, second) = tokio::join!(
        home.engine.submit(message.clone()),
        home.engine.submit(message.clone())
    );
    assert_eq!(first, second);
    assert_eq!(Cell::read(&replied(first.unwrap())), Cell::all(8, 1));
    let home = home.reopen();
    let again = home.engine.submit(message.clone()).await.unwrap();
    assert_eq!(Cell::read(&replied(again)), Cell::all(8, 1));
    assert_eq!(home.cell().await.stable, 8);
    let info = home.engine.request_info(&request_id(1)).unwrap();
    assert_eq!(
        (info.sender, info.canister_id),
        (user(), home.engine.canister_id())
    );
    assert_eq!(home.engine.request_status(&request_id(2)), None);
}

#[tokio::test]
async fn a_rejected_request_keeps_its_rejection() {
    let home = home(CELL);
    let message = ingress(&home.engine, 1, "set_and_trap", &arg(3));
    let first = home.engine.submit(message.clone()).await.unwrap();
    assert!(
        matches!(&first, RequestStatus::Rejected(reject) if reject.code == RejectCode::CanisterError)
    );
    let home = home.reopen();
    assert_eq!(home.engine.submit(message).await.unwrap(), first);
}

#[tokio::test]
async fn an_expired_request_and_another_canisters_are_refused() {
    let home = home(CELL);
    let mut message = ingress(&home.engine, 1, "add", b"");
    message.expiry = now() - 1;
    assert_eq!(home.engine.submit(message).await, Err(SubmitError::Expired));
    let mut message = ingress(&home.engine, 2, "add", b"");
    message.canister_id = user();
    let refused = home.engine.submit(message).await;
    assert!(
        matches!(refused, Err(SubmitError::Refused(reject)) if reject.code == RejectCode::DestinationInvalid)
    );
    assert_eq!(home.cell().await, Cell::all(7, 1));
}

#[tokio::test]
async fn an_upgrade_keeps_stable_memory_and_one_that_traps_changes_nothing() {
    let home = home(CELL);
    home.update("set", &arg(42)).await.unwrap();
    let traps = CELL.replace(
        "(func (export \"canister_post_upgrade\")",
        "(func (export \"canister_post_upgrade\") (call $set (i32.const 1)) (call $trap (i32.const 1024) (i32.const 10))",
    );
    let before = home.engine.state();
    let error = home.engine.install(&wasm(&traps), b"").unwrap_err();
    assert!(
        matches!(&error, InstallError::Trapped { stage: "canister_post_upgrade", trap } if trap.contains("on purpose")),
        "{error}"
    );
    assert_eq!(home.cell().await, Cell::all(42, 1));
    assert_eq!(home.engine.state(), before);
    assert_eq!(
        Cell::read(&home.update("add", b"").await.unwrap()),
        Cell::all(43, 1)
    );
    let home = home.reopen();
    assert_eq!(home.engine.state().module_hash, before.module_hash);
    assert_eq!(number(&home.query("starts", b"").await.unwrap()), 1);

    let other = CELL.replace("\"canister_query starts\"", "\"canister_query beginnings\"");
    assert_eq!(
        home.engine.install(&wasm(&other), b"").unwrap(),
        Installed::Upgraded
    );
    assert_ne!(home.engine.state().module_hash, before.module_hash);
    assert_eq!(number(&home.query("beginnings", b"").await.unwrap()), 2);
    assert_eq!(home.cell().await.stable, 43);
}

#[tokio::test]
async fn a_pre_upgrade_that_traps_keeps_the_old_module() {
    let old = CELL.replace(
        "(func (export \"canister_post_upgrade\")",
        "(func (export \"canister_pre_upgrade\") (call $set (i32.const 1)) (unreachable)) (func (export \"canister_post_upgrade\")",
    );
    let home = home(&old);
    home.update("set", &arg(42)).await.unwrap();
    let error = home.engine.install(&wasm(CELL), b"").unwrap_err();
    assert!(matches!(
        error,
        InstallError::Trapped {
            stage: "canister_pre_upgrade",
            ..
        }
    ));
    assert_eq!(home.cell().await, Cell::all(42, 1));
}

#[tokio::test]
async fn a_canister_that_does_not_start_says_so_and_can_be_replaced() {
    let traps = CELL.replace(
        "(func (export \"canister_post_upgrade\")",
        "(func (export \"canister_post_upgrade\") (unreachable)",
    );
    let home = home(&traps);
    home.update("set", &arg(42)).await.unwrap();
    let home = home.reopen();
    assert!(
        home.engine
            .fault()
            .unwrap()
            .contains("canister_post_upgrade")
    );
    assert!(
        home.query("get", b"")
            .await
            .unwrap_err()
            .message
            .contains("could not be started")
    );
    assert!(home.update("add", b"").await.is_err());
    assert_eq!(
        home.engine.install(&wasm(CELL), b"").unwrap(),
        Installed::Upgraded
    );
    assert_eq!(home.engine.fault(), None);
    assert_eq!(home.cell().await.stable, 42);
}

#[tokio::test]
async fn a_module_that_cannot_be_installed_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let install = |text: &str| engine.install(&wasm(text), b"").unwrap_err().to_string();
    let error = install(
        r#"(module (import "ic0" "time" (func (result i64))) (import "ic0" "fly" (func)) (import "env" "abort" (func)))"#,
    );
    assert!(
        error.contains("ic0.fly") && error.contains("env.abort") && !error.contains("ic0.time"),
        "{error}"
    );
    assert!(install(r#"(module (import "ic0" "time" (func (result i32))))"#).contains("ic0.time"));
    assert!(
        install(r#"(module (func (export "canister_update x") (param i32)))"#)
            .contains("canister_update x")
    );
    let table = r#"(module (table 1 funcref) (func (table.set (i32.const 0) (ref.null func))))"#;
    assert!(install(table).contains("table.set"));
    assert!(engine.install(b"not wasm", b"").is_err());
    assert!(engine.install(&[0x1f, 0x8b, 0x08, 0x00], b"").is_err());
    assert_eq!(engine.state().module_hash, None);
    let reject = engine.query(user(), "get", b"").await.unwrap_err();
    assert_eq!(reject.error_code.as_deref(), Some("IC0537"));
}

#[tokio::test]
async fn a_compressed_module_is_installed_under_the_hash_of_the_compressed_bytes() {
    use sha2::Digest;
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&wasm(CELL)).unwrap();
    let compressed = gzip.finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    engine.install(&compressed, b"").unwrap();
    let hash: [u8; 32] = sha2::Sha256::digest(&compressed).into();
    assert_eq!(engine.state().module_hash, Some(hash));
    assert_eq!(
        engine.install(&compressed, b"").unwrap(),
        Installed::Unchanged
    );
}

#[tokio::test]
async fn a_folder_in_use_or_of_another_canister_is_refused() {
    let home = home(CELL);
    let again = Engine::open(Config::new(home.folder.path()));
    assert!(matches!(again.err(), Some(OpenError::Folder(_))));
    let Home { engine, folder } = home;
    drop(engine);
    let other = Engine::open(Config {
        canister_id: Some(user()),
        ..Config::new(folder.path())
    });
    assert!(matches!(other.err(), Some(OpenError::OtherCanister { asked, .. }) if asked == user()));
    open(folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_flight_share_commits_and_all_count() {
    let home = home(CELL);
    let before = home.engine.commits();
    let mut highest = 0;
    for _ in 0..8 {
        let calls = (0..64).map(|_| home.update("add", b""));
        for reply in join_all(calls).await {
            highest = highest.max(Cell::read(&reply.unwrap()).stable);
        }
    }
    assert_eq!(highest, 7 + 512);
    let commits = home.engine.commits() - before;
    assert!(commits < 512 / 2, "{commits} commits for 512 messages");
    let home = home.reopen();
    assert_eq!(home.cell().await.stable, 7 + 512);
}

#[derive(Default)]
struct Recorder(Mutex<Vec<TreeChanges>>);

impl StateTree for Recorder {
    fn apply(&self, changes: &TreeChanges) {
        self.0.lock().unwrap().push(changes.clone());
    }

    fn data_certificate(&self) -> Option<Vec<u8>> {
        None
    }
}

#[tokio::test]
async fn certifiers_see_what_is_stored_and_every_change_before_the_answer() {
    let home = home(CELL);
    home.engine
        .submit(ingress(&home.engine, 1, "add", b""))
        .await
        .unwrap();
    let recorder = Arc::new(Recorder::default());
    home.engine.set_observer(recorder.clone()).unwrap();
    home.engine
        .submit(ingress(&home.engine, 2, "certify", b"abcd"))
        .await
        .unwrap();
    let seen = recorder.0.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].requests[0].0, request_id(1));
    assert!(seen[0].canister.as_ref().unwrap().module_hash.is_some());
    assert_eq!(
        seen[1].requests,
        [(request_id(2), RequestStatus::Replied(Vec::new()))]
    );
    assert_eq!(seen[1].canister.as_ref().unwrap().certified_data, b"abcd");
    assert!(seen[0].time <= seen[1].time);
}

#[tokio::test]
async fn a_shut_down_engine_refuses_and_leaves_everything_in_place() {
    let home = home(CELL);
    home.update("set", &arg(5)).await.unwrap();
    home.engine.shutdown();
    assert!(home.update("add", b"").await.is_err());
    assert!(home.query("get", b"").await.is_err());
    let message = ingress(&home.engine, 1, "add", b"");
    assert_eq!(home.engine.submit(message).await, Err(SubmitError::Stopped));
    let home = home.reopen();
    assert_eq!(home.cell().await.stable, 5);
}

#[tokio::test]
async fn what_does_not_fit_on_the_disk_is_undone_and_smaller_updates_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(Config {
        max_store_bytes: Some(4 << 20),
        ..Config::new(folder.path())
    })
    .unwrap();
    engine.install(&wasm(CELL), b"").unwrap();
    let home = Home { engine, folder };
    home.update("set", &arg(42)).await.unwrap();
    // 8 MiB.
    let full = home
        .engine
        .submit(ingress(&home.engine, 1, "fill", &arg(128)))
        .await;
    assert!(
        matches!(&full, Err(SubmitError::Storage(text)) if text.contains("full")),
        "{full:?}"
    );
    assert_eq!(home.engine.request_status(&request_id(1)), None);
    // Queries go on with what is committed.
    assert_eq!(home.cell().await, Cell::all(42, 1));
    // The next update finds the canister started again from the last commit.
    let added = Cell::read(&home.update("set", &arg(43)).await.unwrap());
    assert_eq!(added, Cell::all(43, 1));
    let starts = number(&home.query("starts", b"").await.unwrap());
    assert_eq!(starts, 1);
    let Home { engine, folder } = home;
    drop(engine);
    let home = Home {
        engine: open(folder.path()),
        folder,
    };
    assert_eq!(home.cell().await.stable, 43);
    // With room, the same message succeeds.
    replied(
        home.engine
            .submit(ingress(&home.engine, 1, "fill", &arg(128)))
            .await
            .unwrap(),
    );
    assert_eq!(home.cell().await.stable, 3);
}
