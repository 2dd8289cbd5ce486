//! A disk that fails or is full: updates end with a clear error, queries go on, nothing of a failed update is kept, and all goes on when the disk
//! does.

use super::ledger::{LEDGER, Notes, put, recount_engine};
use super::shim;
use super::support::*;
use keepsake_host::engine::{Engine, SubmitError};
use keepsake_host::message::RequestStatus;
use std::fs;
use std::time::{Duration, Instant};

async fn submit(engine: &Engine, number: u32) -> Result<RequestStatus, SubmitError> {
    engine.submit(put(engine.canister_id(), number)).await
}

async fn count(engine: &Engine) -> u32 {
    number(&engine.query(user(), "count", b"").await.unwrap())
}

/// Goes through a failure, which the switch turns on and off.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the tests below"]
async fn child() {
    let Some(folder) = shim::in_child() else {
        return;
    };
    let switch = std::env::var("KEEPSAKE_SHIM_SWITCH").unwrap();
    let says = std::env::var("KEEPSAKE_TEST_SAYS").unwrap();
    let engine = open(&folder);
    replied(submit(&engine, 0).await.unwrap());
    let mut kept = vec![0];
    for round in 0..3 {
        fs::write(&switch, "").unwrap();
        let failed = Instant::now();
        let mut attempts = 0;
        // Beyond the time after which the host tries again by itself.
        while failed.elapsed() < Duration::from_millis(1_300) {
            let number = 100 * (round + 1) + attempts;
            match submit(&engine, number).await {
                Err(SubmitError::Storage(text)) => assert!(text.contains(&says), "{text}"),
                other => panic!("{other:?}"),
            }
            assert_eq!(engine.request_status(&super::ledger::id(number)), None);
            assert_eq!(count(&engine).await, kept.len() as u32);
            attempts += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fs::remove_file(&switch).unwrap();
        // A message of before, sent again, has its only effect now.
        let number = 100 * (round + 1);
        loop {
            match submit(&engine, number).await {
                Ok(status) => break drop(replied(status)),
                Err(SubmitError::Storage(_)) if failed.elapsed() < Duration::from_secs(10) => {}
                Err(error) => panic!("{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        kept.push(number);
        assert_eq!(count(&engine).await, kept.len() as u32);
    }
    let notes = Notes {
        begun: 1_000,
        acknowledged: kept.iter().copied().zip(0..).collect(),
    };
    assert_eq!(recount_engine(&engine, &notes), Ok(4));
    drop(engine);
    assert_eq!(recount_engine(&open(&folder), &notes), Ok(4));
}

fn survives(kind: &str, error: i32, says: &str) {
    let Home { engine, folder } = home(LEDGER);
    drop(engine);
    let aside = tempfile::tempdir().unwrap();
    let output = shim::child("disk::child", folder.path())
        .env("KEEPSAKE_SHIM_PLAN", format!("{kind} 1 {error}"))
        .env("KEEPSAKE_SHIM_SWITCH", aside.path().join("switch"))
        .env("KEEPSAKE_TEST_SAYS", says)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let audit = keepsake_host::store::audit(&folder.path().join("data"), &mut |_, _| {}).unwrap();
    assert_eq!(audit.problems, [""; 0]);
}

#[test]
fn a_full_disk() {
    survives("data", libc::ENOSPC, "full");
}

#[test]
fn pages_that_cannot_be_written() {
    survives("data", libc::EIO, "Input/output");
}

#[test]
fn a_flush_that_fails() {
    survives("sync", libc::EIO, "Input/output");
}

#[test]
fn a_flush_that_finds_the_disk_full() {
    survives("sync", libc::ENOSPC, "full");
}

/// LMDB gives up after it; the host opens the database again.
#[test]
fn a_last_write_that_fails() {
    survives("meta", libc::EIO, "");
}
