//! Fills the indexes that a vault written by an earlier build does not have yet, from the records, in bounded steps (I1: `post_upgrade` does
//! none of it). Until an index is full, something may not be found by it: a capsule in its people's lists, a blob by a public entry. Nothing
//! is lost, and nobody is let in who should not be.
//!
//! Filling in is the same whatever changed meanwhile: operations keep up the entries of what they touch, and an entry is filled in from the
//! record as it is then. A step that is cut off is simply done again.

use ic_stable_structures::Memory;

use crate::Vault;
use crate::capsule::CapsuleStore;
use crate::error::Result;
use crate::ids::{CapsuleId, MemoryId};
use crate::limits;
use crate::memory::{Grantee, Grants};

/// Indexes that did not exist from the beginning, in the order in which they came. A vault's settings say how many of them are full; a
/// new one is added at the end.
#[derive(Clone, Copy)]
enum Index {
    /// The capsules in people's lists.
    ListedCapsules,
    /// The memories with an entry for everybody.
    PublicEntries,
}

const INDEXES: [Index; 2] = [Index::ListedCapsules, Index::PublicEntries];

/// How many indexes a vault that this build makes has from the start.
pub const BACKFILLED: u32 = INDEXES.len() as u32;

/// The key of the last record that was looked at.
pub type Cursor = [u8; 16];

impl<M: Memory> Vault<M> {
    /// One step, for [`limits::BACKFILLED_PER_MESSAGE`] records. Returns whether there is more to do.
    pub(super) fn backfill(&mut self) -> bool {
        let (done, after) = self.settings.backfill();
        let Some(index) = INDEXES.get(done as usize) else {
            return false;
        };
        let step = match index {
            Index::ListedCapsules => self.backfill_lists(after),
            Index::PublicEntries => self.backfill_public(after),
        };
        match step {
            Ok(Some(at)) => self.settings.set_backfill(done, Some(at)),
            Ok(None) => self.settings.set_backfill(done + 1, None),
            // Without the memory that the index takes it is tried again at the next sweep.
            Err(_) => return false,
        }
        true
    }

    fn backfill_lists(&mut self, after: Option<Cursor>) -> Result<Option<Cursor>> {
        let after = after.and_then(|at| {
            at.first_chunk()
                .map(|id| CapsuleId(u64::from_be_bytes(*id)))
        });
        let capsules = self
            .capsules
            .ids_after(after, limits::BACKFILLED_PER_MESSAGE);
        for capsule in &capsules {
            if let Some(record) = self.capsules.get(*capsule) {
                let needs = CapsuleStore::<M>::needs_for_people(None, Some(&record));
                self.regions.reserve(&needs)?;
                self.capsules.list(*capsule, &record);
            }
        }
        Ok(capsules.last().map(|capsule| {
            let mut at = [0; 16];
            at[..8].copy_from_slice(&capsule.0.to_be_bytes());
            at
        }))
    }

    fn backfill_public(&mut self, after: Option<Cursor>) -> Result<Option<Cursor>> {
        let ids = self
            .memories
            .ids_after(after.map(MemoryId), limits::BACKFILLED_PER_MESSAGE);
        for id in &ids {
            // Entries of a memory in the trash are not in the index.
            let Some(memory) = self.memories.get(*id) else {
                continue;
            };
            if memory.record.access.is_empty() {
                continue;
            }
            let grantees = Grantee::all(memory.capsule, &memory.record.access_entries());
            self.regions.reserve(&[Grants::<M>::need(grantees.len())])?;
            self.grants.replace(*id, &[], &grantees);
        }
        Ok(ids.last().map(|id| id.0))
    }
}
