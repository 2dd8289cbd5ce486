//! The only code that touches memories in stable memory. Their records lie in the order of listings, so that a page is one
//! range; an index leads from the id to the record.

use std::ops::Bound;

use ic_stable_structures::{BTreeMap, Memory as StableMemory};

use super::record::{Memory, MemoryRecord};
use crate::ids::{CapsuleId, MemoryId};
use crate::regions::{self, RegionId};
use crate::stable::{Key, Record, Region, RegionManager};

pub struct MemoryStore<M: StableMemory> {
    index: BTreeMap<Key<16>, Key<17>, Region<M>>,
    timeline: BTreeMap<Key<32>, Record<MemoryRecord>, Region<M>>,
}

/// Where a listing goes on: behind the memory with this time and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub time: u64,
    pub memory: MemoryId,
}

fn timeline_key(capsule: CapsuleId, position: Position) -> Key<32> {
    // Times are inverted: newest first.
    Key::of(&[
        &capsule.0.to_be_bytes(),
        &(!position.time).to_be_bytes(),
        &position.memory.0,
    ])
}

const LIVE: u8 = 0;
const DELETED: u8 = 1;

fn index_value(state: u8, capsule: CapsuleId, time: u64) -> Key<17> {
    Key::of(&[&[state], &capsule.0.to_be_bytes(), &time.to_be_bytes()])
}

impl<M: StableMemory> MemoryStore<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            index: BTreeMap::init(manager.tree_region(regions::MEMORY_INDEX)),
            timeline: BTreeMap::init(manager.tree_region(regions::TIMELINE)),
        }
    }

    /// What writing a record of this length needs.
    pub fn needs(record_len: usize) -> Vec<(RegionId, u64)> {
        vec![
            (regions::MEMORY_INDEX, crate::tree_need(1, 0)),
            (regions::TIMELINE, crate::tree_need(2, record_len)),
        ]
    }

    pub fn exists(&self, id: MemoryId) -> bool {
        self.index
            .get(&Key(id.0))
            .is_some_and(|value| value.0[0] == LIVE)
    }

    pub fn get(&self, id: MemoryId) -> Option<Memory> {
        self.get_with_len(id).map(|(memory, _)| memory)
    }

    /// A memory with the length of its record in bytes.
    pub fn get_with_len(&self, id: MemoryId) -> Option<(Memory, usize)> {
        let (capsule, record) = self.find(id)?;
        let memory = Memory {
            id,
            capsule,
            record: record.decode(),
        };
        Some((memory, record.len()))
    }

    /// The memory's record as it is stored.
    pub fn encoded(&self, id: MemoryId) -> Option<Record<MemoryRecord>> {
        self.find(id).map(|(_, record)| record)
    }

    fn find(&self, id: MemoryId) -> Option<(CapsuleId, Record<MemoryRecord>)> {
        let value = self.index.get(&Key(id.0))?;
        if value.0[0] != LIVE {
            return None;
        }
        let capsule = CapsuleId(value.number(1));
        let position = Position {
            time: value.number(9),
            memory: id,
        };
        let record = self.timeline.get(&timeline_key(capsule, position))?;
        Some((capsule, record))
    }

    /// The capsule that a memory is in, or was in before it was deleted.
    pub fn capsule_of(&self, id: MemoryId) -> Option<CapsuleId> {
        self.index
            .get(&Key(id.0))
            .map(|value| CapsuleId(value.number(1)))
    }

    /// The capsule that a deleted memory was in.
    pub fn deleted_from(&self, id: MemoryId) -> Option<CapsuleId> {
        let value = self.index.get(&Key(id.0))?;
        (value.0[0] == DELETED).then(|| CapsuleId(value.number(1)))
    }

    /// Adds or replaces a memory. `time_before` is the time of the record it replaces.
    pub fn put(
        &mut self,
        memory: &Memory,
        encoded: Record<MemoryRecord>,
        time_before: Option<u64>,
    ) {
        let position = Position {
            time: memory.record.time(),
            memory: memory.id,
        };
        if time_before != Some(position.time) {
            if let Some(time) = time_before {
                self.timeline
                    .remove(&timeline_key(memory.capsule, Position { time, ..position }));
            }
            self.index.insert(
                Key(memory.id.0),
                index_value(LIVE, memory.capsule, position.time),
            );
        }
        self.timeline
            .insert(timeline_key(memory.capsule, position), encoded);
    }

    /// Removes the memory, and remembers that it was deleted, so that a repeated deletion gets the same answer.
    pub fn delete(&mut self, memory: &Memory, now: u64) {
        let position = Position {
            time: memory.record.time(),
            memory: memory.id,
        };
        self.timeline
            .remove(&timeline_key(memory.capsule, position));
        self.index
            .insert(Key(memory.id.0), index_value(DELETED, memory.capsule, now));
    }

    /// The capsule's memories from behind `after` on, newest first, each with the length of its record in bytes.
    pub fn list(
        &self,
        capsule: CapsuleId,
        after: Option<Position>,
    ) -> impl Iterator<Item = (Memory, usize)> + '_ {
        let first = Position {
            time: u64::MAX,
            memory: MemoryId([0; 16]),
        };
        let last = Position {
            time: 0,
            memory: MemoryId([255; 16]),
        };
        let from = match after {
            Some(position) => Bound::Excluded(timeline_key(capsule, position)),
            None => Bound::Included(timeline_key(capsule, first)),
        };
        self.timeline
            .range((from, Bound::Included(timeline_key(capsule, last))))
            .map(move |entry| {
                let record = entry.value();
                let memory = Memory {
                    id: MemoryId(entry.key().part(16)),
                    capsule,
                    record: record.decode(),
                };
                (memory, record.len())
            })
    }

    /// Live entries of the index with capsule and time, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all_indexed(&self) -> Vec<(MemoryId, CapsuleId, u64)> {
        self.index
            .iter()
            .filter(|entry| entry.value().0[0] == LIVE)
            .map(|entry| {
                let value = entry.value();
                let id = MemoryId(entry.key().0);
                (id, CapsuleId(value.number(1)), value.number(9))
            })
            .collect()
    }

    /// How many records the timeline has, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn timeline_len(&self) -> u64 {
        self.timeline.len()
    }
}
