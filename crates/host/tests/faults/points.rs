//! The process is killed at every step of a commit: before, in and after each kind of call by which the database reaches the disk, and around
//! the acknowledgement.

use super::ledger::{LEDGER, Notes, recount_engine, work};
use super::shim;
use super::support::*;
use rand::Rng;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

/// Workloads for each point.
const WORKLOADS: u32 = 20;

/// Messages a child sends unless it is killed.
const MESSAGES: u32 = 60;

const FIRST: &str = "KEEPSAKE_TEST_FIRST";

/// The points, in the order in which a commit comes to them, and up to which occurrence of them the child lives.
///
/// Between two of them only memory changes, so that a kill there leaves what a kill at either leaves. A commit writes pages ("data"), flushes
/// them ("sync"), and writes the page that makes them count, through to the disk ("meta"); then it is acknowledged ("note").
const POINTS: [(&str, &str, u32); 9] = [
    ("data", "before", 60),
    ("data", "half", 60),
    ("data", "after", 60),
    ("sync", "before", 6),
    ("sync", "after", 6),
    ("meta", "before", 6),
    ("meta", "after", 6),
    ("note", "before", 60),
    ("note", "after", 60),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the tests below"]
async fn child() {
    let Some(folder) = shim::in_child() else {
        return;
    };
    let first = std::env::var(FIRST).unwrap().parse().unwrap();
    let engine = open(&folder);
    // From now on the shim counts.
    fs::write(std::env::var("KEEPSAKE_SHIM_SWITCH").unwrap(), "").unwrap();
    let notes = std::env::var("KEEPSAKE_SHIM_NOTES").unwrap();
    work(
        &engine,
        Path::new(&notes),
        first,
        MESSAGES,
        u64::from(first),
    )
    .await;
}

fn workloads_killed_at(kind: &str, action: &str, up_to: u32) {
    let Home { engine, folder } = home(LEDGER);
    drop(engine);
    let aside = tempfile::tempdir().unwrap();
    let (switch, notes_file) = (
        aside.path().join("switch"),
        aside.path().canonicalize().unwrap().join("notes"),
    );
    let mut notes = Notes::default();
    let mut killed = 0;
    for _ in 0..WORKLOADS {
        let _ = fs::remove_file(&switch);
        let occurrence = rand::rng().random_range(1..=up_to);
        let output = shim::child("points::child", folder.path())
            .env(
                "KEEPSAKE_SHIM_PLAN",
                format!("{kind} {occurrence} {action}"),
            )
            .env("KEEPSAKE_SHIM_SWITCH", &switch)
            .env("KEEPSAKE_SHIM_NOTES", &notes_file)
            .env(FIRST, notes.begun.to_string())
            .output()
            .unwrap();
        assert!(
            output.status.success() || output.status.signal() == Some(9),
            "{output:?}"
        );
        killed += u32::from(output.status.signal() == Some(9));
        notes.read(&fs::read(&notes_file).unwrap_or_default());
        let engine = open(folder.path());
        if let Err(wrong) = recount_engine(&engine, &notes) {
            panic!("killed at {kind} {occurrence}, {action}: {wrong}");
        }
    }
    assert!(killed >= WORKLOADS / 2, "{killed} of {WORKLOADS} killed");
}

#[test]
fn a_kill_while_pages_are_written_loses_nothing() {
    for (kind, action, up_to) in &POINTS[0..3] {
        workloads_killed_at(kind, action, *up_to);
    }
}

#[test]
fn a_kill_around_the_flush_loses_nothing() {
    for (kind, action, up_to) in &POINTS[3..5] {
        workloads_killed_at(kind, action, *up_to);
    }
}

#[test]
fn a_kill_around_the_last_write_loses_nothing() {
    for (kind, action, up_to) in &POINTS[5..7] {
        workloads_killed_at(kind, action, *up_to);
    }
}

#[test]
fn a_kill_around_the_acknowledgement_loses_nothing() {
    for (kind, action, up_to) in &POINTS[7..9] {
        workloads_killed_at(kind, action, *up_to);
    }
}

#[test]
#[ignore = "run by the test below"]
fn child_of_the_first_start() {
    if let Some(folder) = shim::in_child() {
        let engine = open(&folder);
        engine.secret("test", || vec![7; 32]).unwrap();
        engine.install(&wasm(LEDGER), b"").unwrap();
    }
}

/// Every write, flush and rename of the first start, one after the other: the next start finds none or all of it.
#[test]
fn a_kill_anywhere_in_the_first_start_is_made_good_by_the_next() {
    for action in ["before", "half", "after"] {
        for occurrence in 1.. {
            let folder = tempfile::tempdir().unwrap();
            let output = shim::child("points::child_of_the_first_start", folder.path())
                .env("KEEPSAKE_SHIM_PLAN", format!("any {occurrence} {action}"))
                .output()
                .unwrap();
            let killed = output.status.signal() == Some(9);
            assert!(killed || output.status.success(), "{output:?}");
            let engine = open(folder.path());
            let secret = engine.secret("test", || vec![7; 32]).unwrap();
            assert_eq!(secret, [7; 32]);
            engine.install(&wasm(LEDGER), b"").unwrap();
            assert_eq!(recount_engine(&engine, &Notes::default()), Ok(0));
            if !killed {
                assert!(occurrence > 10, "{occurrence} calls in all");
                break;
            }
        }
    }
}
