//! The process is killed at random moments under load: what was acknowledged is there, and was executed once.
//!
//! The process is this test itself, started again as a child that runs only [`child`].

mod support;

use futures::StreamExt;
use keepsake_host::message::{Ingress, RequestId};
use rand::Rng;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::*;

const ROUNDS: u32 = 30;
const FOLDER: &str = "KEEPSAKE_TEST_CRASH_FOLDER";
const FIRST: &str = "KEEPSAKE_TEST_CRASH_FIRST";

fn id(number: u32) -> RequestId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_le_bytes());
    id
}

fn add(engine: &keepsake_host::engine::Engine, number: u32) -> Ingress {
    Ingress {
        request_id: id(number),
        ..ingress(engine, 0, "add", b"")
    }
}

/// Adds one after the other, sixteen in flight, and writes a line for each acknowledged, until killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test below"]
async fn child() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) else {
        return;
    };
    let engine = open(Path::new(&folder));
    println!("\nopened");
    futures::stream::iter(first.parse::<u32>().unwrap()..)
        .map(|number| {
            let message = add(&engine, number);
            let engine = &engine;
            async move { (number, engine.submit(message).await) }
        })
        .buffer_unordered(16)
        .for_each(|(number, status)| async move {
            let sum = Cell::read(&replied(status.unwrap())).stable;
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nadded {number} {sum}").unwrap();
            out.flush().unwrap();
        })
        .await;
}

/// Runs the child until killed; returns what it acknowledged: the sums by number.
fn run_and_kill(folder: &Path, first: u32) -> BTreeMap<u32, u32> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines.any(|line| line.unwrap() == "opened"),
        "the child did not open the folder"
    );
    std::thread::sleep(Duration::from_micros(rand::rng().random_range(0..60_000)));
    child.kill().unwrap();
    child.wait().unwrap();
    // A line cut off by the kill was not acknowledged to anyone.
    lines
        .map_while(Result::ok)
        .filter_map(|line| {
            let mut words = line.strip_prefix("added ")?.split(' ');
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .collect()
}

#[tokio::test]
async fn a_kill_loses_nothing_acknowledged_and_repeats_nothing() {
    let Home { engine, folder } = home(CELL);
    drop(engine);
    let (mut first, mut sum) = (0, 7);
    for _ in 0..ROUNDS {
        let acknowledged = run_and_kill(folder.path(), first);
        let engine = open(folder.path());
        let now = Cell::read(&engine.query(user(), "get", b"").await.unwrap()).stable;
        let executed = now - sum;
        assert!(executed as usize >= acknowledged.len());
        // Sixteen may have been executed and not acknowledged; whatever their number, each counted once.
        let mut found = 0;
        for number in first..first + executed + 16 {
            let status = engine.request_status(&id(number));
            if let Some(sum) = acknowledged.get(&number) {
                let reply = replied(status.expect("an acknowledged request is kept"));
                assert_eq!(Cell::read(&reply).stable, *sum);
                found += 1;
            } else if let Some(status) = status {
                replied(status);
                found += 1;
            }
        }
        assert_eq!(found, executed);
        if let Some((number, sum)) = acknowledged.first_key_value() {
            let again = engine.submit(add(&engine, *number)).await.unwrap();
            assert_eq!(Cell::read(&replied(again)).stable, *sum);
        }
        let after = Cell::read(&engine.query(user(), "get", b"").await.unwrap()).stable;
        assert_eq!(after, now);
        first += executed + 16;
        sum = now;
    }
    assert!(sum > 7, "nothing was executed before the kills");
}
