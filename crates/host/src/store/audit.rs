//! Verifies everything at rest in a state folder: the database's structure, and the checksum of every unit and record.
//!
//! Reads the file itself ([`super::pages`]), so that nothing found in it is trusted, and nothing is changed. What the canister keeps in its stable
//! memory is its own matter; here a unit is bytes with a checksum.

use super::database::DATA_FILE;
use super::pages::{self, Pages, Problems};
use super::presence::BLOCK_UNITS;
use super::seal::{self, Place};
use super::{CanisterRecord, RequestRecord, StoreError, UNIT_BYTES, split_expiry_key};
use crate::message::RequestId;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::Path;

/// What an audit has found.
#[derive(Debug, Default, Clone)]
pub struct Audit {
    /// What is wrong, in words; at most 200 of [`Audit::problem_count`].
    pub problems: Vec<String>,
    pub problem_count: u64,
    /// Every page is reachable and as it was written, apart from the contents' checksums: the database can be opened and answers.
    pub structure_sound: bool,
    /// Units of stable memory that were read.
    pub units: u64,
    /// Of these, those written before there were checksums: read, and with nothing to be held against.
    pub units_without_checksum: u64,
    /// Requests with their answers that are still kept.
    pub requests: u64,
    /// Pages of the database, and how many of them hold something.
    pub pages: u64,
    pub pages_used: u64,
    /// The canister's record, where it is whole.
    pub canister: Option<CanisterRecord>,
}

/// What the tables say, to be held against each other.
#[derive(Default)]
struct Seen {
    problems: Problems,
    units: u64,
    unchecked: u64,
    /// The units there are: bits by block.
    units_found: BTreeMap<u64, Box<[u8; UNIT_BYTES]>>,
    /// The units there should be.
    units_written: BTreeMap<u64, Box<[u8; UNIT_BYTES]>>,
    requests: BTreeSet<(u64, RequestId)>,
    /// Requests whose record is damaged: when they expire is not known.
    damaged_requests: BTreeSet<RequestId>,
    expiries: BTreeSet<(u64, RequestId)>,
    canister: Option<CanisterRecord>,
    wasm_hash: Option<[u8; 32]>,
}

/// Reads and verifies everything in the database in the folder `data` of a state folder, which nobody may be writing to. `progress` hears now and
/// then how many pages have been reached, and of how many.
///
/// # Errors
/// Where there is no database, or it cannot be read at all. What is damaged is no error: it is in the result.
pub fn audit(data: &Path, progress: &mut dyn FnMut(u64, u64)) -> io::Result<Audit> {
    let file = File::open(data.join(DATA_FILE))?;
    let mut seen = Seen::default();
    let mut problems = Problems::default();
    let counts = pages::walk(
        &file,
        &mut problems,
        &mut |table, key, value| seen.entry(table, key, value),
        &mut |counts: Pages| progress(counts.used, counts.all),
    )?;
    let structure_sound = problems.count == 0;
    // The structure comes first: what it lacks explains the rest.
    seen.compare();
    let undescribed = seen.problems.count - seen.problems.described.len() as u64;
    for problem in seen.problems.described {
        problems.add(problem);
    }
    problems.count += undescribed;
    Ok(Audit {
        problems: problems.described,
        problem_count: problems.count,
        structure_sound,
        units: seen.units,
        units_without_checksum: seen.unchecked,
        requests: seen.requests.len() as u64 + seen.damaged_requests.len() as u64,
        pages: counts.all,
        pages_used: counts.used,
        canister: seen.canister,
    })
}

impl Seen {
    fn entry(&mut self, table: &str, key: &[u8], value: &[u8]) {
        let checked = match table {
            "stable" | "present" => match key.try_into() {
                Ok(index) => self.bytes(table, u64::from_be_bytes(index), value),
                Err(_) => Err(StoreError::Damaged(format!("a key in `{table}`"))),
            },
            "requests" => self.request(key, value),
            "expiries" => split_expiry_key(key).map(|entry| {
                self.expiries.insert(entry);
            }),
            "meta" => self.named(key, value),
            _ => Ok(()),
        };
        if let Err(error) = checked {
            self.problems.add(what(&error));
        }
    }

    fn bytes(&mut self, table: &str, index: u64, value: &[u8]) -> Result<(), StoreError> {
        if table == "present" {
            let (bits, _) = seal::open_unit(Place::Presence(index), value)?;
            self.units_written.insert(index, Box::new(*bits));
            return Ok(());
        }
        self.units += 1;
        let within = (index % BLOCK_UNITS) as usize;
        self.units_found
            .entry(index / BLOCK_UNITS)
            .or_insert_with(|| Box::new([0; UNIT_BYTES]))[within / 8] |= 1 << (within % 8);
        let (_, has_checksum) = seal::open_unit(Place::Unit(index), value)?;
        self.unchecked += u64::from(!has_checksum);
        Ok(())
    }

    fn request(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let id = RequestId::try_from(key)
            .map_err(|_| StoreError::Damaged("a key in `requests`".into()))?;
        match RequestRecord::from_bytes(&id, value) {
            Ok(record) => {
                self.requests.insert((record.expiry, id));
                Ok(())
            }
            Err(error) => {
                self.damaged_requests.insert(id);
                Err(error)
            }
        }
    }

    fn named(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        match key {
            b"canister" => self.canister = Some(CanisterRecord::from_bytes(value)?),
            b"wasm" => self.wasm_hash = Some(Sha256::digest(value).into()),
            _ => {}
        }
        Ok(())
    }

    /// Holds the tables against each other.
    fn compare(&mut self) {
        for (block, written) in &self.units_written {
            let none = [0; UNIT_BYTES];
            let found = self.units_found.get(block).map_or(&none, |found| &**found);
            for (byte, (written, found)) in written.iter().zip(found).enumerate() {
                for bit in (0..8).filter(|bit| written & !found & (1 << bit) != 0) {
                    let unit = block * BLOCK_UNITS + byte as u64 * 8 + bit;
                    self.problems
                        .add(format!("unit {unit} of stable memory is gone"));
                }
            }
        }
        for (_, id) in self.requests.difference(&self.expiries) {
            self.problems
                .add(format!("when request {} expires is gone", hex::encode(id)));
        }
        for (expiry, id) in self.expiries.difference(&self.requests) {
            if !self.damaged_requests.contains(id) {
                self.problems.add(format!(
                    "request {}, which expires at {expiry}, is gone",
                    hex::encode(id)
                ));
            }
        }
        match &self.canister {
            Some(canister) if canister.module_hash != self.wasm_hash => {
                self.problems
                    .add("the installed module is not what was written");
            }
            Some(_) => {}
            None => self.problems.add("the canister's record is gone"),
        }
    }
}

/// The problem alone, without what a server would say around it.
fn what(error: &StoreError) -> String {
    match error {
        StoreError::Damaged(what) => format!("{what} is not what was written"),
        other => other.to_string(),
    }
}
