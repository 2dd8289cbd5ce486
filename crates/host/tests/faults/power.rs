//! Power lost at any moment: what a disk may hold then is made from a record of the writes, and opened.
//!
//! A disk keeps what was flushed. Of what was written since, in whatever order, it keeps any sectors and loses the others, and the file may be as long
//! as it was or longer. A sector is written whole or not at all, which disks guarantee; that LMDB's last write lies within one makes the rest work.

use super::ledger::{LEDGER, Notes, id, recount, work};
use super::shim;
use super::support::*;
use keepsake_host::engine::Engine;
use keepsake_host::store::{Commit, Overlay, StableMemory, Store, audit};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const MESSAGES: u32 = 120;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the tests below"]
async fn child() {
    let Some(folder) = shim::in_child() else {
        return;
    };
    let engine = open(&folder);
    let notes = std::env::var("KEEPSAKE_SHIM_NOTES").unwrap();
    work(
        &engine,
        Path::new(&notes),
        0,
        MESSAGES,
        rand::rng().random(),
    )
    .await;
}

enum Step {
    Write {
        at: u64,
        bytes: Vec<u8>,
    },
    /// On the disk when it returned.
    WriteThrough {
        at: u64,
        bytes: Vec<u8>,
    },
    Flush,
    Note(Vec<u8>),
}

fn parse(mut trace: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    while let [kind, rest @ ..] = trace {
        let number = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().unwrap());
        let (at, len) = (number(0), number(8) as usize);
        let bytes = rest[16..16 + len].to_vec();
        trace = &rest[16 + len..];
        steps.push(match kind {
            b'w' => Step::Write { at, bytes },
            b'm' => Step::WriteThrough { at, bytes },
            b's' => Step::Flush,
            b'n' => Step::Note(bytes),
            other => panic!("a step of kind {other}"),
        });
    }
    steps
}

/// The database before a workload, and the workload's steps.
struct Record {
    before: Vec<u8>,
    steps: Vec<Step>,
}

fn record() -> Record {
    let Home { engine, folder } = home(LEDGER);
    drop(engine);
    let before = fs::read(folder.path().join("data/data.mdb")).unwrap();
    let aside = tempfile::tempdir().unwrap();
    let aside = aside.path().canonicalize().unwrap();
    let output = shim::child("power::child", folder.path())
        .env("KEEPSAKE_SHIM_TRACE", aside.join("trace"))
        .env("KEEPSAKE_SHIM_NOTES", aside.join("notes"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let steps = parse(&fs::read(aside.join("trace")).unwrap());
    assert!(
        steps
            .iter()
            .any(|step| matches!(step, Step::WriteThrough { .. }))
    );
    Record { before, steps }
}

fn apply(image: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let (at, end) = (at as usize, at as usize + bytes.len());
    if image.len() < end {
        image.resize(end, 0);
    }
    image[at..end].copy_from_slice(bytes);
}

/// What of unflushed writes a disk has kept: any sectors, of any of the writes to each.
fn keep_some(image: &mut Vec<u8>, pending: &[(u64, &[u8])], random: &mut StdRng) {
    let sector = if random.random() { 512 } else { 4096 };
    let kept = [0.0, 0.1, 0.5, 0.9, 1.0][random.random_range(0..5)];
    let mut choices: BTreeMap<u64, Vec<(u64, &[u8])>> = BTreeMap::new();
    for (at, bytes) in pending {
        let (mut at, mut bytes) = (*at, *bytes);
        while !bytes.is_empty() {
            let rest = (sector - at % sector) as usize;
            let (part, tail) = bytes.split_at(rest.min(bytes.len()));
            choices.entry(at / sector).or_default().push((at, part));
            at += part.len() as u64;
            bytes = tail;
        }
    }
    let flushed = image.len();
    for versions in choices.into_values() {
        if random.random_bool(kept) {
            // Parts of one sector written one after the other: up to any of them.
            let up_to = random.random_range(1..=versions.len());
            for (at, bytes) in &versions[..up_to] {
                apply(image, *at, bytes);
            }
        }
    }
    if random.random_bool(0.2) {
        image.truncate(flushed);
    }
}

/// A place for images: in memory, where there is such a place.
fn place() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir()
        && let Ok(place) = tempfile::tempdir_in(memory)
    {
        return place;
    }
    tempfile::tempdir().unwrap()
}

/// Opens an image and recounts it.
fn check(image: &[u8], notes: &Notes, folder: &Path, thoroughly: bool) -> Result<u32, String> {
    let data = folder.join("data");
    let _ = fs::remove_dir_all(&data);
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("data.mdb"), image).unwrap();
    if thoroughly {
        let audit = audit(&data, &mut |_, _| {}).map_err(|error| error.to_string())?;
        if audit.problem_count > 0 {
            return Err(audit.problems.join("; "));
        }
    }
    let store = Store::open(&data, None).map_err(|error| error.to_string())?;
    let recounted = |store: &Store| {
        let failed = |error: keepsake_host::store::StoreError| error.to_string();
        let record = store
            .view()
            .and_then(|view| view.canister())
            .map_err(failed)?;
        let mut record = record.ok_or("there is no canister")?;
        let view = store.view().map_err(failed)?;
        let mut memory = StableMemory::new(view, None, record.stable_pages);
        let view = store.view().map_err(failed)?;
        let count = recount(&mut memory, notes, |number| {
            Ok(view.request(&id(number))?.map(|record| record.status()))
        })?;
        record.commit += 1;
        Ok::<_, String>((count, record))
    };
    let (count, record) = recounted(&store)?;
    // What was lost must not come back over what is written next.
    let next = Commit {
        canister: &record,
        units: &Overlay::default(),
        requests: &[],
        wasm: None,
        prune_before: 0,
    };
    store.commit(&next).map_err(|error| error.to_string())?;
    let (again, _) = recounted(&store)?;
    if count != again {
        return Err(format!(
            "{count} entries, and {again} after the next commit"
        ));
    }
    Ok(count)
}

/// Whether a disk does what a flush asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    Honest,
    /// Says that it has, and has not.
    Lying,
}

/// Makes images of moments all over the record, and opens them. What is wrong with the first that is, in words.
fn images(record: &Record, disk: Disk, count: usize, seed: u64) -> Result<(), String> {
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut moments: Vec<usize> = (0..count)
        .map(|_| random.random_range(0..=record.steps.len()))
        .collect();
    moments.sort_unstable();
    let folder = place();
    let mut flushed = record.before.clone();
    let mut pending: Vec<(u64, &[u8])> = Vec::new();
    let mut notes = Notes::default();
    let (mut next, mut torn, mut highest) = (0, 0, 0);
    for (done, moment) in moments.into_iter().enumerate() {
        for step in &record.steps[next..moment] {
            match step {
                Step::Write { at, bytes } => pending.push((*at, bytes)),
                Step::WriteThrough { at, bytes } => {
                    // Flushes itself, and nothing else.
                    apply(&mut flushed, *at, bytes);
                }
                Step::Flush if disk == Disk::Lying => {}
                Step::Flush => {
                    for (at, bytes) in pending.drain(..) {
                        apply(&mut flushed, at, bytes);
                    }
                }
                Step::Note(line) => notes.read(line),
            }
        }
        next = moment;
        let mut image = flushed.clone();
        // The call under way at this moment may have had its effect, or a part of it.
        let mut unflushed = pending.clone();
        if let Some(Step::Write { at, bytes } | Step::WriteThrough { at, bytes }) =
            record.steps.get(moment)
        {
            unflushed.push((*at, bytes));
        }
        torn += u32::from(!unflushed.is_empty());
        keep_some(&mut image, &unflushed, &mut random);
        // The audit trusts nothing it finds; the database itself may not survive what a lying disk makes.
        let thoroughly = done % 10 == 0 || disk == Disk::Lying;
        let found = check(&image, &notes, folder.path(), thoroughly)
            .map_err(|wrong| format!("image {done}, at step {moment}: {wrong}"))?;
        highest = highest.max(found);
        // Now and then the whole host starts from one.
        if done % 100 == 0 {
            let _ = fs::remove_file(folder.path().join("version"));
            fs::write(folder.path().join("version"), "2\n").unwrap();
            let engine = Engine::open(keepsake_host::engine::Config::new(folder.path())).unwrap();
            super::ledger::recount_engine(&engine, &notes).unwrap();
        }
    }
    println!("{count} images, {torn} with writes under way; up to {highest} entries");
    assert!(
        torn as usize > count / 3,
        "{torn} of {count} images had unflushed writes"
    );
    assert!(highest > MESSAGES / 2);
    Ok(())
}

#[test]
fn after_a_loss_of_power_every_acknowledged_message_is_there() {
    images(&record(), Disk::Honest, 500, rand::rng().random()).unwrap();
}

/// These tests would notice.
#[test]
fn a_disk_that_lies_about_flushes_is_found_out() {
    let found = images(&record(), Disk::Lying, 100, rand::rng().random());
    println!("{}", found.unwrap_err());
}

#[test]
#[ignore = "takes a minute or two: cargo test -p keepsake-host --test faults -- --ignored ten_thousand"]
fn ten_thousand_losses_of_power() {
    for _ in 0..5 {
        images(&record(), Disk::Honest, 2_000, rand::rng().random()).unwrap();
    }
}
