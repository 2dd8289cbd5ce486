//! How much the sweep has cleared away, kept for the status and the metrics: one small record, written once a step.

use ic_stable_structures::{Cell, Memory};
use keepsake_api::Cleared;
use minicbor::{Decode, Encode};

use crate::Vault;
use crate::stable::{Record, Region};

/// What the sweep has done up to now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Swept {
    /// When the last step ended, in nanoseconds since 1970 UTC.
    #[n(0)]
    pub last_run: Option<u64>,
    #[n(1)]
    pub capsules: u64,
    #[n(2)]
    pub memories: u64,
    #[n(3)]
    pub blobs: u64,
    #[n(4)]
    pub uploads: u64,
    /// Bytes of content.
    #[n(5)]
    pub bytes: u64,
}

impl Swept {
    pub fn cleared(&self) -> Cleared {
        Cleared {
            capsules: self.capsules,
            memories: self.memories,
            blobs: self.blobs,
            uploads: self.uploads,
            bytes: self.bytes,
        }
    }
}

pub struct MaintenanceStore<M: Memory> {
    cell: Cell<Record<Swept>, Region<M>>,
    current: Swept,
}

impl<M: Memory> MaintenanceStore<M> {
    /// Reads the record, or writes the first one. Its region's first bucket, which is reserved when the vault is opened, takes every
    /// later one.
    pub fn open(region: Region<M>) -> Self {
        let cell = Cell::init(region, Record::encode(&Swept::default()));
        let current = cell.get().decode();
        Self { cell, current }
    }

    pub fn get(&self) -> &Swept {
        &self.current
    }

    fn set(&mut self, swept: Swept) {
        self.cell.set(Record::encode(&swept));
        self.current = swept;
    }
}

/// What there is of each kind of thing that a sweep clears away.
#[derive(Clone, Copy)]
pub(super) struct Inventory {
    capsules: u64,
    memories: u64,
    blobs: u64,
    uploads: u64,
    bytes: u64,
}

impl<M: Memory> Vault<M> {
    pub(super) fn inventory(&self) -> Inventory {
        Inventory {
            capsules: self.capsules.emptying_len(),
            memories: self.memories.timeline_len() + self.memories.trash_len(),
            blobs: self.blobs.len(),
            uploads: self.sessions.len(),
            bytes: self.arena.used_bytes(),
        }
    }

    /// Adds what a step has cleared away: what there was `before` and is no more. A step adds nothing of any kind.
    pub(super) fn note_sweep(&mut self, before: Inventory, now: u64) {
        let after = self.inventory();
        let so_far = self.maintenance.get();
        self.maintenance.set(Swept {
            last_run: Some(now),
            capsules: so_far.capsules + before.capsules.saturating_sub(after.capsules),
            memories: so_far.memories + before.memories.saturating_sub(after.memories),
            blobs: so_far.blobs + before.blobs.saturating_sub(after.blobs),
            uploads: so_far.uploads + before.uploads.saturating_sub(after.uploads),
            bytes: so_far.bytes + before.bytes.saturating_sub(after.bytes),
        });
    }
}
