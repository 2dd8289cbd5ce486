//! Messages: what succeeds is there for everyone, what fails leaves no trace.

mod support;

use keepsake_host::engine::{Config, Engine};
use keepsake_host::message::RejectCode;
use support::*;

#[tokio::test]
async fn an_update_changes_heap_global_and_stable_memory() {
    let home = home(CELL);
    assert_eq!(home.cell().await, Cell::all(7, 1));
    assert_eq!(
        Cell::read(&home.update("set", &arg(42)).await.unwrap()),
        Cell::all(42, 1)
    );
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
    assert_eq!(
        Cell::read(&home.update("add", b"").await.unwrap()),
        Cell::all(2, 1)
    );
}

#[tokio::test]
async fn a_trap_after_growing_leaves_no_trace() {
    let home = home(CELL);
    home.update("set", &arg(1)).await.unwrap();
    let reject = home.update("grow_and_trap", &arg(2)).await.unwrap_err();
    assert_eq!(reject.error_code.as_deref(), Some("IC0502"));
    assert_eq!(home.cell().await, Cell::all(1, 1));
    assert_eq!(
        Cell::read(&home.update("add", b"").await.unwrap()),
        Cell::all(2, 1)
    );
    // Growth that succeeds stays, and survives a later trap that grows further.
    assert_eq!(
        Cell::read(&home.update("grow", b"").await.unwrap()),
        Cell::all(2, 3)
    );
    home.update("grow_and_trap", &arg(9)).await.unwrap_err();
    assert_eq!(home.cell().await, Cell::all(2, 3));
    assert_eq!(number(&home.query("grown", b"").await.unwrap()), 77);
    assert_eq!(
        Cell::read(&home.update("add", b"").await.unwrap()),
        Cell::all(3, 3)
    );
}

#[tokio::test]
async fn a_query_changes_nothing() {
    let home = home(CELL);
    for value in 0..5 {
        let seen = Cell::read(&home.query("set_in_query", &arg(100 + value)).await.unwrap());
        assert_eq!(seen, Cell::all(100 + value, 4));
        assert_eq!(home.cell().await, Cell::all(7, 1));
    }
    assert_eq!(
        Cell::read(&home.update("add", b"").await.unwrap()),
        Cell::all(8, 1)
    );
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
            engine
                .execute_update(user(), "add", b"")
                .await
                .result
                .unwrap();
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
    let home = home(CELL);
    let executed = home
        .engine
        .execute_update(user(), "set_and_spin", &arg(3))
        .await;
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
        (RejectCode::CanisterError, "IC0536".into())
    );
    assert_eq!(
        code(home.query("set", &arg(1)).await.unwrap_err()),
        (RejectCode::CanisterError, "IC0536".into())
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
    assert!(
        reject.message.contains("ic0_global_timer_set"),
        "{}",
        reject.message
    );
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

/// Accepts updates of callers other than the anonymous one, and only the method `open`.
const INSPECTING: &str = r#"(module
  (import "ic0" "msg_method_name_size" (func $size (result i32)))
  (import "ic0" "msg_method_name_copy" (func $copy (param i32 i32 i32)))
  (import "ic0" "msg_caller_size" (func $caller_size (result i32)))
  (import "ic0" "accept_message" (func $accept))
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
  (memory 1)
  (func (export "canister_inspect_message")
    (drop (call $grow (i64.const 1)))
    (if (i32.eq (call $caller_size) (i32.const 1)) (then unreachable))
    (call $copy (i32.const 0) (i32.const 0) (call $size))
    (if (i32.eq (i32.load (i32.const 0)) (i32.const 0x6e65706f)) (then (call $accept))))
  (func (export "canister_update open") (call $reply))
  (func (export "canister_update shut") (call $reply)))"#;

#[tokio::test]
async fn what_the_canister_does_not_accept_is_not_executed_and_not_kept() {
    use keepsake_host::engine::SubmitError;
    use keepsake_host::message::RequestStatus;
    let home = home(INSPECTING);
    let accepted = home
        .engine
        .submit(ingress(&home.engine, 1, "open", b""))
        .await;
    assert_eq!(accepted, Ok(RequestStatus::Replied(Vec::new())));
    let refused = home
        .engine
        .submit(ingress(&home.engine, 2, "shut", b""))
        .await;
    assert!(
        matches!(&refused, Err(SubmitError::Refused(reject)) if reject.code == RejectCode::CanisterReject),
        "{refused:?}"
    );
    assert_eq!(home.engine.request_status(&request_id(2)), None);
    let mut anonymous = ingress(&home.engine, 3, "open", b"");
    anonymous.sender = candid::Principal::anonymous();
    let refused = home.engine.submit(anonymous).await;
    assert!(
        matches!(&refused, Err(SubmitError::Refused(reject)) if reject.code == RejectCode::CanisterError),
        "{refused:?}"
    );
    // In process, nothing is inspected.
    home.update("shut", b"").await.unwrap();
}

/// Sets its certified data to the argument; the query replies with the certificate.
const CERTIFIED: &str = r#"(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "certified_data_set" (func $set (param i32 i32)))
  (import "ic0" "data_certificate_present" (func $present (result i32)))
  (import "ic0" "data_certificate_size" (func $size (result i32)))
  (import "ic0" "data_certificate_copy" (func $copy (param i32 i32 i32)))
  (memory 1)
  (func (export "canister_update certify")
    (call $arg_copy (i32.const 0) (i32.const 0) (call $arg_size))
    (call $set (i32.const 0) (call $arg_size))
    (i32.store (i32.const 100) (i32.load (i32.const 0)))
    (call $reply))
  (func (export "canister_query certificate")
    (if (i32.eqz (call $present)) (then unreachable))
    (call $append (i32.const 100) (i32.const 4))
    (call $copy (i32.const 0) (i32.const 0) (call $size))
    (call $append (i32.const 0) (call $size))
    (call $reply)))"#;

/// A certificate is the certified data itself.
#[derive(Default)]
struct Certifier(std::sync::Mutex<Vec<u8>>);

impl keepsake_host::message::StateTree for Certifier {
    fn apply(&self, changes: &keepsake_host::message::TreeChanges) {
        if let Some(canister) = &changes.canister {
            *self.0.lock().unwrap() = canister.certified_data.clone();
        }
    }

    fn data_certificate(&self) -> Option<Vec<u8>> {
        Some(self.0.lock().unwrap().clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_gets_the_certificate_of_the_state_it_sees() {
    let home = home(CERTIFIED);
    home.engine
        .set_observer(std::sync::Arc::new(Certifier::default()))
        .unwrap();
    home.update("certify", &arg(0)).await.unwrap();
    let engine = home.engine.clone();
    let updates = tokio::spawn(async move {
        for value in 1..300 {
            engine
                .execute_update(user(), "certify", &arg(value))
                .await
                .result
                .unwrap();
        }
    });
    while !updates.is_finished() {
        let reply = home.query("certificate", b"").await.unwrap();
        assert_eq!(reply[..4], reply[4..]);
    }
    updates.await.unwrap();
    let home = home.reopen();
    assert_eq!(home.engine.state().certified_data, arg(299));
}

/// The start function adds one to what the data segment has put in place.
const STARTING: &str = r#"(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (memory 1)
  (data (i32.const 0) "\05")
  (data (i32.const 65532) "end!")
  (start $start)
  (func $start (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))))
  (func (export "canister_update set") (i32.store (i32.const 0) (i32.const 9)) (call $reply))
  (func (export "canister_update trap") (drop (memory.grow (i32.const 1))) (i32.store (i32.const 0) (i32.const 8)) (unreachable))
  (func (export "canister_query get") (call $append (i32.const 0) (i32.const 4)) (call $append (i32.const 65532) (i32.const 4)) (call $reply)))"#;

#[tokio::test]
async fn the_start_function_runs_at_every_start_and_at_no_other_time() {
    let home = home(STARTING);
    assert_eq!(home.query("get", b"").await.unwrap(), b"\x06\0\0\0end!");
    home.update("set", b"").await.unwrap();
    // A new instance is made behind this; neither the data segment nor the start function shows in it.
    home.update("trap", b"").await.unwrap_err();
    assert_eq!(home.query("get", b"").await.unwrap(), b"\x09\0\0\0end!");
    home.update("set", b"").await.unwrap();
    let home = home.reopen();
    assert_eq!(home.query("get", b"").await.unwrap(), b"\x06\0\0\0end!");
}

#[tokio::test]
async fn modules_without_memory_table_or_exports_are_modules() {
    for text in [
        "(module)",
        "(module (func) (start 0))",
        r#"(module (import "ic0" "msg_reply" (func $reply)) (func (export "canister_update go") (call $reply)))"#,
    ] {
        let home = home(text);
        assert_eq!(home.update("go", b"").await.is_ok(), text.contains("go"));
        assert!(home.query("get", b"").await.is_err());
        home.reopen();
    }
    // What needs a memory and has none is a trap.
    let home = home(
        r#"(module (import "ic0" "msg_caller_copy" (func $copy (param i32 i32 i32)))
          (func (export "canister_update go") (call $copy (i32.const 0) (i32.const 0) (i32.const 1))))"#,
    );
    assert_eq!(
        home.update("go", b"")
            .await
            .unwrap_err()
            .error_code
            .as_deref(),
        Some("IC0504")
    );
}

#[tokio::test]
async fn a_call_uses_no_more_instructions_than_it_was_given() {
    let home = home(CELL);
    let within = async |method: &str, input: &[u8], instructions| {
        home.engine
            .execute_update_within(user(), method, input, instructions)
            .await
    };
    let whole = within("set", &arg(1), u64::MAX).await;
    whole.result.unwrap();
    let needed = whole.instructions;
    let short = within("set", &arg(2), needed - 1).await;
    assert_eq!(
        short.result.unwrap_err().error_code.as_deref(),
        Some("IC0522")
    );
    assert_eq!(home.cell().await, Cell::all(1, 1));
    let enough = within("set", &arg(3), needed).await;
    enough.result.unwrap();
    assert_eq!(enough.instructions, needed);
    assert_eq!(home.cell().await, Cell::all(3, 1));

    // A callback has what the messages before it left: without it, it goes back to what they did.
    let whole = within("call_echo", b"abcd", u64::MAX).await;
    whole.result.unwrap();
    home.update("set", &arg(4)).await.unwrap();
    let short = within("call_echo", b"abcd", whole.instructions - 1).await;
    assert_eq!(
        short.result.unwrap_err().error_code.as_deref(),
        Some("IC0522")
    );
    assert_eq!(home.cell().await.stable, 11);
    let enough = within("call_echo", b"abcd", whole.instructions).await;
    assert_eq!(enough.result.unwrap(), b"abcd");
}

#[tokio::test]
async fn stable_memory_ends_where_it_is_configured_to() {
    let folder = tempfile::tempdir().unwrap();
    let config = |max_stable_pages| Config {
        max_stable_pages,
        ..Config::new(folder.path())
    };
    let engine = Engine::open(config(2)).unwrap();
    engine.install(&wasm(CELL), b"").unwrap();
    let pages = |engine: &Engine| engine.stable_memory().unwrap().pages();
    assert_eq!(pages(&engine), 1);
    // It grows by two pages, whether it may or not, and writes to them.
    let fill = async |engine: &Engine| {
        let executed = engine.execute_update(user(), "fill", &arg(2)).await;
        executed
            .result
            .map(drop)
            .map_err(|reject| reject.error_code)
    };
    let beyond = Err(Some("IC0504".to_owned()));
    assert_eq!(fill(&engine).await, beyond);
    assert_eq!(pages(&engine), 1);
    drop(engine);

    let engine = Engine::open(config(3)).unwrap();
    assert_eq!(fill(&engine).await, Ok(()));
    assert_eq!(pages(&engine), 3);
    drop(engine);

    // What is there stays, with a bound below it too.
    let engine = Engine::open(config(1)).unwrap();
    assert_eq!(pages(&engine), 3);
    let mut stable = engine.stable_memory().unwrap();
    let mut read = || {
        let mut found = [0; 4];
        stable.read(0, &mut found).unwrap();
        number(&found)
    };
    assert_eq!(read(), 3);
    // What was taken before an update does not follow it.
    let set = engine.execute_update(user(), "set", &arg(9)).await;
    set.result.unwrap();
    assert_eq!(read(), 3);
    assert_eq!(pages(&engine), 3);
}
