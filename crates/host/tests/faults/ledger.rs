//! The ledger canister, calls to it, and the recount: what was acknowledged is there once, and nothing is there by half.

use super::support::*;
use candid::Principal;
use futures::StreamExt;
use keepsake_host::engine::Engine;
use keepsake_host::message::{Ingress, RequestId, RequestStatus};
use keepsake_host::store::{StableMemory, StoreError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

pub const LEDGER: &str = include_str!("../canisters/ledger.wat");

const BLOCKS: u64 = 1 << 20;
const BLOCK: u64 = 65_536;

pub fn id(number: u32) -> RequestId {
    let mut id = [0x5a; 32];
    id[..4].copy_from_slice(&number.to_le_bytes());
    id
}

/// Bytes of its block that a number fills.
fn len(number: u32) -> u32 {
    number.wrapping_mul(2_654_435_761) >> 16
}

pub fn put(canister_id: Principal, number: u32) -> Ingress {
    Ingress {
        request_id: id(number),
        sender: user(),
        canister_id,
        method: "put".into(),
        arg: [number.to_le_bytes(), len(number).to_le_bytes()].concat(),
        expiry: now() + 300_000_000_000,
    }
}

/// Numbers that were sent, and the places of those that were acknowledged.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    /// All numbers below it may have been sent.
    pub begun: u32,
    pub acknowledged: BTreeMap<u32, u32>,
}

impl Notes {
    /// Takes over what a child has written; a line cut off was told to nobody.
    pub fn read(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            let words: Vec<u32> = line
                .split_whitespace()
                .skip(1)
                .map(|word| word.parse().unwrap())
                .collect();
            match line.as_bytes()[0] {
                b'b' => self.begun = self.begun.max(words[0] + 1),
                b'a' => {
                    self.acknowledged.insert(words[0], words[1]);
                }
                other => panic!("a note begins with {other}"),
            }
        }
    }
}

/// Sends numbers from `first` on, some at a time, and notes each before it is sent and when it is acknowledged.
pub async fn work(engine: &Engine, notes: &Path, first: u32, count: u32, seed: u64) {
    let notes: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(notes)
        .unwrap();
    let notes = Mutex::new(notes);
    let note = |line: String| notes.lock().unwrap().write_all(line.as_bytes()).unwrap();
    let in_flight = StdRng::seed_from_u64(seed).random_range(1..8);
    futures::stream::iter(first..first + count)
        .map(|number| {
            note(format!("b {number}\n"));
            let message = put(engine.canister_id(), number);
            async move { (number, engine.submit(message).await) }
        })
        .buffer_unordered(in_flight)
        .for_each(|(number, status)| {
            let place = super::support::number(&replied(status.unwrap()));
            note(format!("a {number} {place}\n"));
            std::future::ready(())
        })
        .await;
}

/// What a recount that could not read everything begins its error with.
pub const UNREADABLE: &str = "unreadable: ";

/// What is wrong with a ledger, in words.
pub type Recount = Result<u32, String>;

/// Recounts everything; the count where all is well.
pub fn recount(
    memory: &mut StableMemory,
    notes: &Notes,
    mut status: impl FnMut(u32) -> Result<Option<RequestStatus>, StoreError>,
) -> Recount {
    let mut read = |at: u64, bytes: usize| {
        let mut into = vec![0; bytes];
        match memory.read(at, &mut into) {
            Ok(()) => Ok(into),
            Err(error) => Err(format!("{UNREADABLE}{error}")),
        }
    };
    let count = number(&read(0, 4)?);
    if count > notes.begun {
        return Err(format!("{count} entries, and {} begun", notes.begun));
    }
    let mut places = BTreeMap::new();
    let mut last_in_block = BTreeMap::new();
    let entries = read(64, count as usize * 4)?;
    for (place, entry) in entries.chunks_exact(4).enumerate() {
        let entry = number(entry);
        if entry >= notes.begun {
            return Err(format!("{entry} was never sent"));
        }
        if places.insert(entry, place as u32).is_some() {
            return Err(format!("{entry} is there twice"));
        }
        last_in_block.insert(entry % 16, entry);
    }
    for (number, place) in &notes.acknowledged {
        if places.get(number) != Some(place) {
            return Err(format!("{number} was acknowledged and is not at {place}"));
        }
    }
    for (block, last) in last_in_block {
        let content = read(BLOCKS + u64::from(block) * BLOCK, len(last) as usize)?;
        if content.iter().any(|byte| *byte != last as u8) {
            return Err(format!("the block of {last} is not its own"));
        }
    }
    for number in 0..notes.begun {
        let kept = status(number).map_err(|error| format!("{UNREADABLE}{error}"))?;
        let wanted = places
            .get(&number)
            .map(|place| RequestStatus::Replied(place.to_le_bytes().to_vec()));
        if kept != wanted {
            return Err(format!(
                "the status of {number} is {kept:?}, not {wanted:?}"
            ));
        }
    }
    Ok(count)
}

/// Recounts what an engine has.
pub fn recount_engine(engine: &Engine, notes: &Notes) -> Recount {
    let mut memory = engine.stable_memory().map_err(|error| error.to_string())?;
    recount(&mut memory, notes, |number| {
        Ok(engine.request_status(&id(number)))
    })
}
