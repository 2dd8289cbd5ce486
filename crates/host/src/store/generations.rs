//! Generations of stable memory: how all of it is replaced by other content, as a reinstallation and the loading of a snapshot do, in many
//! transactions and yet at once.
//!
//! Every generation has a range of unit indices of its own in the table, and the canister's record says which is the present one. A
//! replacement is written into the next one while the present one goes on; the commit that changes the record puts it in place. What was cut off
//! before leaves units of a generation that nobody reads; they are used by another attempt, or removed. The range of a generation that has never
//! been the present one may be written to; that of a past one is only removed.

use super::database::DATA_FILE;
use super::presence::BLOCK_UNITS;
use super::{Folder, FolderError, Store, StoreError, UNIT_BYTES, View, write_units};
use heed::CommitOrAbort;
use std::ops::Range;
use std::path::Path;

/// Bits of a unit's index within its generation: 500 GiB of stable memory have fewer than 2^28 units.
const INDEX_BITS: u32 = 32;

/// Units removed in one transaction, so that commits do not wait for long.
const REMOVED_AT_ONCE: u64 = 16_384;

/// Where the units of a generation begin in the table.
pub(super) fn base(generation: u64) -> u64 {
    generation << INDEX_BITS
}

/// The units of a generation.
fn units_of(generation: u64) -> Range<u64> {
    base(generation)..base(generation + 1)
}

impl Store {
    /// Writes units, in ascending order of their indices, to a generation that is not the present one. Durable on return.
    ///
    /// # Errors
    /// As of [`Store::commit`].
    pub fn write_generation<'a>(
        &self,
        generation: u64,
        units: impl Iterator<Item = (u64, &'a [u8; UNIT_BYTES])>,
    ) -> Result<(), StoreError> {
        self.transact(|tables, txn| write_units(tables, txn, base(generation), units))
    }

    /// Removes the units of a generation that is not the present one, in steps between which others may commit.
    ///
    /// # Errors
    /// As of [`Store::commit`]; some may be removed then.
    pub fn remove_generation(&self, generation: u64) -> Result<(), StoreError> {
        self.remove(units_of(generation))
    }

    /// Removes what other generations than the present one have left behind: of those before, or of all.
    ///
    /// # Errors
    /// As of [`Store::commit`].
    pub fn remove_leftovers(&self, only_past: bool) -> Result<(), StoreError> {
        let view = self.view()?;
        let present = view.canister()?.map_or(0, |record| record.generation);
        drop(view);
        self.remove(0..base(present))?;
        if only_past {
            return Ok(());
        }
        self.remove(base(present + 1)..u64::MAX)
    }

    /// Lets go of what processes were reading that are gone.
    ///
    /// # Errors
    /// Where the database cannot be used.
    pub fn forget_dead_readers(&self) -> Result<(), StoreError> {
        let state = self.read();
        if let Some(opened) = &state.opened {
            opened.env.clear_stale_readers()?;
        }
        Ok(())
    }

    fn remove(&self, units: Range<u64>) -> Result<(), StoreError> {
        // First the bits that say which units there have to be, in whole blocks: those at the ends are shared with no unit that is used, as
        // a generation's units end far before its range does.
        let blocks = units.start.div_ceil(BLOCK_UNITS)..units.end / BLOCK_UNITS;
        let blocks = match units.start % BLOCK_UNITS {
            0 => blocks,
            // The block in which the range begins has its first units.
            _ => blocks.start - 1..blocks.end,
        };
        if !self.is_empty(&units)? {
            self.transact(|tables, txn| Ok(tables.present.delete_range(txn, &blocks)?))?;
        }
        while !self.is_empty(&units)? {
            self.transact(|tables, txn| {
                let first = match tables.stable.range(txn, &units)?.next() {
                    Some(entry) => entry?.0,
                    None => return Ok(()),
                };
                let part = first..units.end.min(first.saturating_add(REMOVED_AT_ONCE));
                tables.stable.delete_range(txn, &part)?;
                Ok(())
            })?;
        }
        Ok(())
    }

    fn is_empty(&self, units: &Range<u64>) -> Result<bool, StoreError> {
        let view = self.view()?;
        let first = view.tables.stable.range(&view.txn, units)?.next();
        match first {
            None => Ok(true),
            Some(entry) => entry.map(|_| false).map_err(StoreError::from),
        }
    }
}

impl View {
    /// The same moment, with another generation's content as stable memory.
    pub fn in_generation(self, generation: u64) -> View {
        View {
            base: base(generation),
            ..self
        }
    }

    /// The units that were ever written, verified, in ascending order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for one that is not what was written; those that are gone are not noticed here.
    pub fn units(
        &self,
    ) -> Result<impl Iterator<Item = Result<(u64, &[u8; UNIT_BYTES]), StoreError>>, StoreError>
    {
        let range = self.base..self.base + (1 << INDEX_BITS);
        let entries = self.tables.stable.range(&self.txn, &range)?;
        Ok(entries.map(|entry| {
            let (index, record) = entry?;
            let place = super::seal::Place::Unit(index);
            let (data, _) = super::seal::open_unit(place, record)?;
            Ok((index - self.base, data))
        }))
    }

    /// Whether there is no unit at all.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn is_blank(&self) -> Result<bool, StoreError> {
        Ok(self.units()?.next().is_none())
    }
}

/// The database of a state folder that another process may be serving: only read from, at its last commit.
pub struct Reader {
    view: View,
}

impl Reader {
    /// Opens it at the last commit. What is read is kept on the disk until this is dropped, so that the file of a vault in use grows meanwhile.
    ///
    /// # Errors
    /// Where the folder is no state folder of this version, or cannot be read.
    pub fn open(path: &Path) -> Result<Reader, ReadError> {
        Folder::check_version(path)?;
        let data = path.join("data");
        if !data.join(DATA_FILE).is_file() {
            return Err(ReadError::Folder(FolderError::Foreign(path.to_path_buf())));
        }
        let env = super::database::open_to_read(&data)?;
        let txn = env.read_txn().map_err(StoreError::from)?;
        let opened = env
            .open_databases_and_commit(txn, |open, txn| -> Result<_, heed::Error> {
                let tables = (
                    open.open_database(txn, Some("meta"))?,
                    open.open_database(txn, Some("stable"))?,
                    open.open_database(txn, Some("present"))?,
                    open.open_database(txn, Some("requests"))?,
                    open.open_database(txn, Some("expiries"))?,
                );
                Ok(match tables {
                    (Some(a), Some(b), Some(c), Some(d), Some(e)) => {
                        CommitOrAbort::Commit((a, b, c, d, e))
                    }
                    _ => CommitOrAbort::Abort(()),
                })
            })
            .map_err(StoreError::from)?;
        let CommitOrAbort::Commit((meta, stable, present, requests, expiries)) = opened else {
            return Err(StoreError::Record("its tables".into()).into());
        };
        let tables = super::Tables {
            meta,
            stable,
            present,
            requests,
            expiries,
        };
        let txn = env.static_read_txn().map_err(StoreError::from)?;
        Ok(Reader {
            view: View::new(txn, tables)?,
        })
    }

    /// Everything as of the last commit when it was opened.
    pub fn into_view(self) -> View {
        self.view
    }
}

/// Why a state folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::RunState;
    use crate::store::{CanisterRecord, Commit, Overlay, StableMemory, WASM_PAGE};

    fn commit(store: &Store, generation: u64, units: &Overlay) {
        let record = CanisterRecord {
            canister_id: candid::Principal::anonymous(),
            module_hash: None,
            stable_pages: 2,
            time: 0,
            certified_data: serde_bytes::ByteBuf::new(),
            canister_version: 0,
            commit: 0,
            generation,
            settings: None,
            run_state: RunState::Running,
        };
        store
            .commit(&Commit {
                canister: &record,
                units,
                requests: &[],
                wasm: None,
                prune_before: 0,
            })
            .unwrap();
    }

    fn first_byte(view: View, unit: u64) -> Result<u8, crate::store::StableError> {
        let mut byte = [9];
        StableMemory::new(view, None, 2).read(unit * UNIT_BYTES as u64, &mut byte)?;
        Ok(byte[0])
    }

    #[test]
    fn generations_are_apart_and_what_is_removed_reads_as_never_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let mut memory = StableMemory::new(store.view().unwrap(), None, 2);
        memory.write(0, &[1; 2 * WASM_PAGE as usize]).unwrap();
        memory.accept();
        commit(&store, 0, &memory.into_group().0);

        let many: Vec<(u64, [u8; UNIT_BYTES])> = (0..20).map(|n| (n, [2; UNIT_BYTES])).collect();
        let units = || many.iter().map(|(index, data)| (*index, data));
        store.write_generation(1, units()).unwrap();
        store.write_generation(2, units()).unwrap();
        assert_eq!(first_byte(store.view().unwrap(), 3).unwrap(), 1);
        let next = |generation| store.view().unwrap().in_generation(generation);
        assert_eq!(first_byte(next(1), 3).unwrap(), 2);

        // Only the past goes: there is none.
        store.remove_leftovers(true).unwrap();
        assert!(!next(1).is_blank().unwrap() && !next(2).is_blank().unwrap());
        store.remove_generation(1).unwrap();
        assert!(next(1).is_blank().unwrap());
        // Not taken for a unit that was lost.
        assert_eq!(first_byte(next(1), 3).unwrap(), 0);
        assert_eq!(first_byte(next(2), 3).unwrap(), 2);
        store.write_generation(1, units().take(2)).unwrap();
        assert_eq!(first_byte(next(1), 3).unwrap(), 0);

        // Another one becomes the present one, in one commit.
        commit(&store, 2, &Overlay::default());
        assert_eq!(first_byte(store.view().unwrap(), 3).unwrap(), 2);
        assert_eq!(first_byte(store.view().unwrap(), 25).unwrap(), 0);
        store.remove_leftovers(false).unwrap();
        assert!(next(0).is_blank().unwrap() && next(1).is_blank().unwrap());
        assert_eq!(store.view().unwrap().units().unwrap().count(), 20);
        assert_eq!(first_byte(store.view().unwrap(), 3).unwrap(), 2);
    }
}
