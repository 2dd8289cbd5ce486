//! What the vault does by itself: it clears away what nobody needs any more, in bounded steps. Nothing of it is needed for anything to be
//! right, and any step may be cut off by an upgrade.

mod backfill;
mod progress;

pub use backfill::{BACKFILLED, Cursor};
pub use progress::MaintenanceStore;
#[cfg(any(test, feature = "recount"))]
pub use progress::Swept;

use ic_stable_structures::Memory;

use crate::Vault;
use crate::error::Result;
use crate::ids::BlobId;
use crate::limits;

/// How far a message's work had come at some point.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    freed: u64,
}

impl<M: Memory> Vault<M> {
    /// One step: sessions and share links that have expired, blobs that no memory ever referenced within a day, memories whose time in the
    /// trash is over, and capsules that were deleted; and indexes that an earlier build did not have. Returns whether there is more to do now.
    pub fn sweep(&mut self, now: u64) -> bool {
        let before = self.inventory();
        let most = limits::SWEPT_PER_MESSAGE;
        // Each gets its step: none keeps the others waiting.
        let indexes = self.backfill();
        let sessions = self.sweep_sessions(now, most);
        let blobs = self.sweep_unreferenced(now, most);
        let trash = self.sweep_trash(now, most);
        let links = self.sweep_share_links(now, most);
        let capsules = self.empty_capsules(now, most);
        self.note_sweep(before, now);
        indexes || sessions || blobs || trash || links || capsules
    }

    fn sweep_unreferenced(&mut self, now: u64, most: usize) -> bool {
        let Some(before) = now.checked_sub(limits::UNREFERENCED_LIFETIME) else {
            return false;
        };
        let due: Vec<BlobId> = self.blobs.unreferenced(before).take(most + 1).collect();
        let work = self.work();
        for blob in due.iter().take(most) {
            if self.is_enough(work) {
                return true;
            }
            // Without the few kilobytes that freeing takes it is tried again at the next sweep.
            if self.delete_blob(*blob).is_err() {
                return false;
            }
        }
        due.len() > most
    }

    /// Where this message's work stands now, for [`Self::is_enough`].
    pub(crate) fn work(&self) -> Work {
        Work {
            freed: self.arena.freed(),
        }
    }

    /// Whether as much was freed since `start` as one message should.
    pub(crate) fn is_enough(&self, start: Work) -> bool {
        self.arena.freed() - start.freed >= limits::FREED_PER_MESSAGE
    }

    /// Deletes a blob unless a memory references it, which is looked at in the step that frees.
    pub(crate) fn delete_blob(&mut self, id: BlobId) -> Result<()> {
        match self.blobs.get(id) {
            Some(blob) if blob.record.references == 0 => {
                self.reserve_for_removal(&blob)?;
                self.remove_blob(&blob);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
