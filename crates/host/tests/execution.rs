//! Messages: what succeeds is there for everyone, what fails leaves no trace.

mod support;

use keepsake_host::message::RejectCode;
use support::*;

#[tokio::test]
async fn an_update_changes_heap_global_and_stable_memory() {
    let home = home(CELL);
    assert_eq!(home.cell().await, Cell::all(7, 1));
    assert_eq!(Cell::read(&home.update("set", &arg(42)).await.unwrap()), Cell::all(42, 1));
    assert_eq!(home.cell().await, Cell::all(42, 1));
}

#[tokio::test]
async fn a_trap_leaves_no_trace() {
    let home = home(CELL);
    home.update("set", &arg(1)).await.unwrap();
    let reject = home.update("set_and_trap", &arg(2)).await.unwrap_err();
    assert_eq!(reject.code, RejectCode::CanisterError);
    assert_eq!(reject.error_code.as_deref(), Some("IC0503"));
    assert!(reject.message.contains("on purpose"), "{}", reject.message);
    assert_eq!(home.cell().await, Cell::all(1, 1));
    assert_eq!(Cell::read(&home.update("add", b"").await.unwrap()), Cell::all(2, 1));
}

#[tokio::test]
async fn a_trap_after_growing_leaves_no_trace() {
    let home = home(CELL);
    home.update("set", &arg(1)).await.unwrap();
    let reject = home.update("grow_and_trap", &arg(2)).await.unwrap_err();
    assert_eq!(reject.error_code.as_deref(), Some("IC0502"));
    assert_eq!(home.cell().await, Cell::all(1, 1));
    assert_eq!(Cell::read(&home.update("add", b"").await.unwrap()), Cell::all(2, 1));
    // Growth that succeeds stays, and survives a later trap that grows further.
    assert_eq!(Cell::read(&home.update("grow", b"").await.unwrap()), Cell::all(2, 3));
    home.update("grow_and_trap", &arg(9)).await.unwrap_err();
    assert_eq!(home.cell().await, Cell::all(2, 3));
    assert_eq!(number(&home.query("grown", b"").await.unwrap()), 77);
    assert_eq!(Cell::read(&home.update("add", b"").await.unwrap()), Cell::all(3, 3));
}

#[tokio::test]
async fn a_query_changes_nothing() {
    let home = home(CELL);
    for value in 0..5 {
        let seen = Cell::read(&home.query("set_in_query", &arg(100 + value)).await.unwrap());
        assert_eq!(seen, Cell::all(100 + value, 4));
        assert_eq!(home.cell().await, Cell::all(7, 1));
    }
    assert_eq!(Cell::read(&home.update("add", b"").await.unwrap()), Cell::all(8, 1));
}

#[tokio::test]
async fn a_query_method_called_as_an_update_changes_nothing_either() {
    let home = home(CELL);
    let seen = Cell::read(&home.update("set_in_query", &arg(5)).await.unwrap());
    assert_eq!(seen, Cell::all(5, 4));
    assert_eq!(home.cell().await, Cell::all(7, 1));
}

#[tokio::test]
async fn a_query_during_an_update_sees_the_state_before() {
    let home = home(CELL);
    home.update("set", &arg(1)).await.unwrap();
    let engine = home.engine.clone();
    let slow = tokio::spawn(async move { engine.execute_update(user(), "slow", &arg(2)).await });
    let mut during = 0;
    while !slow.is_finished() {
        let cell = home.cell().await;
        if cell == Cell::all(1, 1) {
            during += 1;
        } else {
            assert_eq!(cell, Cell::all(2, 1));
        }
    }
    assert!(during > 0);
    slow.await.unwrap().result.unwrap();
    assert_eq!(home.cell().await, Cell::all(2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_sees_heap_and_stable_memory_of_one_commit() {
    let home = home(CELL);
    let engine = home.engine.clone();
    let updates = tokio::spawn(async move {
        for _ in 0..300 {
            engine.execute_update(user(), "add", b"").await.result.unwrap();
        }
    });
    let mut last = 0;
    while !updates.is_finished() {
        let cell = home.cell().await;
        assert_eq!(cell, Cell::all(cell.heap, 1));
        assert!(cell.heap >= last);
        last = cell.heap;
    }
    updates.await.unwrap();
    assert_eq!(home.cell().await, Cell::all(307, 1));
}

#[tokio::test]
async fn the_instruction_limit_ends_a_message_and_undoes_it() {
    // The weights make this loop 2 a round; 40 billion take a while, so the query's 5 billion are tried as well.
    let home = home(CELL);
    let executed = home.engine.execute_update(user(), "set_and_spin", &arg(3)).await;
    let reject = executed.result.unwrap_err();
    assert_eq!(reject.code, RejectCode::CanisterError);
    assert_eq!(reject.error_code.as_deref(), Some("IC0522"));
    assert!(executed.instructions >= 40_000_000_000);
    assert_eq!(home.cell().await, Cell::all(7, 1));
}

#[tokio::test]
async fn instructions_are_counted_the_same_every_time() {
    let home = home(CELL);
    let first = home.engine.execute_query(user(), "instructions", b"").await;
    let second = home.engine.execute_query(user(), "instructions", b"").await;
    assert_eq!(first, second);
    let inside = u64::from_le_bytes(first.result.unwrap().try_into().unwrap());
    // 1 + 1 for the constants before the call, 5 for the call and 200 for the system call.
    assert_eq!(inside, 207);
    assert!(first.instructions > inside + 2 * 500);
}

#[tokio::test]
async fn missing_methods_missing_replies_and_rejects_are_told_apart() {
    let home = home(CELL);
    let code = |reject: keepsake_host::message::Reject| (reject.code, reject.error_code.unwrap());
    assert_eq!(
        code(home.update("nothing", b"").await.unwrap_err()),
        (RejectCode::DestinationInvalid, "IC0536".into())
    );
    assert_eq!(
        code(home.query("set", &arg(1)).await.unwrap_err()),
        (RejectCode::DestinationInvalid, "IC0536".into())
    );
    assert_eq!(
        code(home.update("silent", &arg(21)).await.unwrap_err()),
        (RejectCode::CanisterError, "IC0506".into())
    );
    // What did not trap stays, answered or not.
    assert_eq!(home.cell().await, Cell::all(21, 1));
    let reject = home.update("refuse", &arg(22)).await.unwrap_err();
    assert_eq!(reject.code, RejectCode::CanisterReject);
    assert_eq!(reject.message, "rejected on purpose");
    assert_eq!(home.cell().await, Cell::all(22, 1));
}

#[tokio::test]
async fn a_system_call_outside_its_contexts_traps_and_is_named() {
    let home = home(CELL);
    let reject = home.query("call_in_query", b"").await.unwrap_err();
    assert!(reject.message.contains("ic0_global_timer_set"), "{}", reject.message);
    // A range outside the argument.
    let reject = home.update("set", b"").await.unwrap_err();
    assert_eq!(reject.error_code.as_deref(), Some("IC0504"));
}

#[tokio::test]
async fn the_caller_is_who_called() {
    let home = home(CELL);
    assert_eq!(home.update("whoami", b"").await.unwrap(), user().as_slice());
}

#[tokio::test]
async fn endless_recursion_is_a_trap() {
    let home = home(CELL);
    let reject = home.update("recurse", b"").await.unwrap_err();
    assert_eq!(reject.error_code.as_deref(), Some("IC0502"));
    assert!(reject.message.contains("stack"), "{}", reject.message);
    assert_eq!(home.cell().await, Cell::all(7, 1));
}
