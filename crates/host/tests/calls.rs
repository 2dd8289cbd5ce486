//! Calls of the canister to itself and to the management canister, and the timer.

mod support;

use keepsake_host::engine::{Installed, SubmitError};
use keepsake_host::message::{RejectCode, RequestStatus};
use std::time::{Duration, Instant};
use support::*;

#[tokio::test]
async fn a_self_call_comes_back_to_its_callback() {
    let home = home(CELL);
    assert_eq!(home.update("call_echo", b"abcd").await.unwrap(), b"abcd");
    assert_eq!(home.cell().await.stable, 11);
}

#[tokio::test]
async fn a_trap_in_the_callee_is_a_reject_and_undoes_the_callee_only() {
    let home = home(CELL);
    // 5: CanisterError.
    assert_eq!(home.update("call_fail", b"").await.unwrap(), arg(5));
    assert_eq!(home.cell().await.stable, 12);
}

#[tokio::test]
async fn a_trap_in_a_callback_goes_back_to_the_call_and_cleans_up() {
    let home = home(CELL);
    let reject = home
        .update("call_and_trap_in_callback", b"")
        .await
        .unwrap_err();
    assert_eq!(reject.error_code.as_deref(), Some("IC0503"));
    let cell = home.cell().await;
    assert_eq!((cell.heap, cell.stable), (13, 13));
    // The cleanup callback has left its mark in the global.
    assert_eq!(cell.global, 55);
}

#[tokio::test]
async fn raw_rand_gives_32_random_bytes() {
    let home = home(CELL);
    let first = home.update("random", b"").await.unwrap();
    let second = home.update("random", b"").await.unwrap();
    assert_ne!(first, second);
    let bytes = candid::decode_one::<Vec<u8>>(&first).unwrap();
    assert_eq!(bytes.len(), 32);
}

#[tokio::test]
async fn a_call_made_by_ingress_is_answered_and_kept() {
    let home = home(CELL);
    let message = ingress(&home.engine, 1, "call_echo", b"efgh");
    assert_eq!(
        replied(home.engine.submit(message.clone()).await.unwrap()),
        b"efgh"
    );
    let home = home.reopen();
    assert_eq!(replied(home.engine.submit(message).await.unwrap()), b"efgh");
}

#[tokio::test]
async fn the_timer_fires_once_when_due() {
    let home = home(CELL);
    home.update("arm", b"").await.unwrap();
    let begun = Instant::now();
    while home.cell().await.stable == 7 {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the timer did not fire"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(10));
    assert_eq!(home.cell().await, Cell::all(8, 1));
    // It stays inactive: the next message finds the number as the timer left it.
    assert_eq!(
        Cell::read(&home.update("add", b"").await.unwrap()),
        Cell::all(9, 1)
    );
}

#[tokio::test]
async fn the_calls_of_one_message_are_bounded_and_all_come_back() {
    let home = home(CELL);
    let made = number(&home.update("fan_out", b"").await.unwrap());
    assert_eq!(made, 500);
    let begun = Instant::now();
    while home.cell().await.stable != 7 + made {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "callbacks are missing"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_timer_that_is_always_due_does_not_keep_others_out() {
    let home = home(CELL);
    home.update("rush", b"").await.unwrap();
    for _ in 0..50 {
        home.update("echo", b"abcd").await.unwrap();
    }
    let home = home.reopen();
    assert!(home.cell().await.stable > 7);
}

/// Submits a call that is never answered, and waits until it is being processed.
async fn begin_chain(home: &Home) -> tokio::task::JoinHandle<Result<RequestStatus, SubmitError>> {
    let engine = home.engine.clone();
    let message = ingress(&engine, 1, "chain", b"abcd");
    let waiting = tokio::spawn(async move { engine.submit(message).await });
    while home.engine.request_status(&request_id(1)) != Some(RequestStatus::Processing) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Others go on meanwhile, and their commits carry it along.
    home.update("set", &arg(3)).await.unwrap();
    waiting
}

fn is_unknown(status: Option<RequestStatus>) -> bool {
    matches!(status, Some(RequestStatus::Rejected(reject)) if reject.code == RejectCode::SysUnknown)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_at_a_restart_ends_as_unknown() {
    let home = home(CELL);
    let waiting = begin_chain(&home).await;
    home.engine.shutdown();
    assert_eq!(waiting.await.unwrap(), Err(SubmitError::Stopped));
    let home = home.reopen();
    assert!(is_unknown(home.engine.request_status(&request_id(1))));
    let message = ingress(&home.engine, 1, "chain", b"abcd");
    assert!(is_unknown(home.engine.submit(message).await.ok()));
    assert_eq!(home.cell().await.stable, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_at_an_upgrade_ends_as_unknown() {
    let home = home(CELL);
    let waiting = begin_chain(&home).await;
    let other = CELL.replace("\"canister_query starts\"", "\"canister_query beginnings\"");
    assert_eq!(
        home.engine.install(&wasm(&other), b"").unwrap(),
        Installed::Upgraded
    );
    assert!(is_unknown(waiting.await.unwrap().ok()));
    assert!(is_unknown(home.engine.request_status(&request_id(1))));
    assert_eq!(home.cell().await.stable, 3);
}
