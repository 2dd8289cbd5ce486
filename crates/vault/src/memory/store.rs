//! The only code that touches memories in stable memory. Their records lie in the order of listings, so that a page is one
//! range; an index leads from the id to the record. What is in the trash lies apart, in the order in which it came there: only who asks
//! for the trash finds it.

use std::ops::Bound;

use ic_stable_structures::{BTreeMap, Memory as StableMemory};

use super::record::{Memory, MemoryRecord};
use crate::access::PersonKey;
use crate::ids::{CapsuleId, MemoryId};
use crate::regions::{self, RegionId};
use crate::stable::{Key, Record, Region, RegionManager};

pub struct MemoryStore<M: StableMemory> {
    index: BTreeMap<Key<16>, Key<17>, Region<M>>,
    timeline: BTreeMap<Key<32>, Record<MemoryRecord>, Region<M>>,
    trash: BTreeMap<Key<32>, Record<MemoryRecord>, Region<M>>,
    trash_by_age: BTreeMap<Key<24>, Key<16>, Region<M>>,
}

/// What the index says of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Live,
    /// In the trash since this time.
    Trashed {
        since: u64,
    },
    /// Deleted from this capsule, by this person where the vault knows.
    Deleted {
        from: CapsuleId,
        by: Option<Deleter>,
    },
}

/// Who deleted a memory, as the index remembers it: the first 8 bytes of the person's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleter([u8; 8]);

impl Deleter {
    pub fn is(self, person: PersonKey) -> bool {
        person.0.starts_with(&self.0)
    }
}

/// Where the record of a memory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Timeline,
    /// In the trash, since this time.
    Trash {
        since: u64,
    },
}

/// Where a listing goes on: behind the memory with this time and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub time: u64,
    pub memory: MemoryId,
}

/// The key of a record in the timeline, and in the trash, where its time is that of trashing.
fn timeline_key(capsule: CapsuleId, position: Position) -> Key<32> {
    // Times are inverted: newest first.
    Key::of(&[
        &capsule.0.to_be_bytes(),
        &(!position.time).to_be_bytes(),
        &position.memory.0,
    ])
}

fn age_key(since: u64, memory: MemoryId) -> Key<24> {
    Key::of(&[&since.to_be_bytes(), &memory.0])
}

// The first byte of what the index says; the capsule follows, and 8 bytes more: the time in listings, of deletion or of trashing, or
// who deleted the memory.
const LIVE: u8 = 0;
const DELETED: u8 = 1;
const TRASHED: u8 = 2;
const DELETED_BY: u8 = 3;

fn index_value(state: u8, capsule: CapsuleId, time: u64) -> Key<17> {
    Key::of(&[&[state], &capsule.0.to_be_bytes(), &time.to_be_bytes()])
}

impl<M: StableMemory> MemoryStore<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            index: BTreeMap::init(manager.tree_region(regions::MEMORY_INDEX)),
            timeline: BTreeMap::init(manager.tree_region(regions::TIMELINE)),
            trash: BTreeMap::init(manager.tree_region(regions::TRASH)),
            trash_by_age: BTreeMap::init(manager.tree_region(regions::TRASH_BY_AGE)),
        }
    }

    /// What writing a record of this length needs.
    pub fn needs(record_len: usize) -> Vec<(RegionId, u64)> {
        vec![
            (regions::MEMORY_INDEX, crate::tree_need(1, 0)),
            (regions::TIMELINE, crate::tree_need(2, record_len)),
        ]
    }

    /// What moving a record between the timeline and the trash needs, with the lengths of what comes into each: 0 where it leaves. The
    /// index needs nothing: an entry is replaced by one of the same length.
    pub fn needs_for_moving(to_timeline: usize, to_trash: usize) -> Vec<(RegionId, u64)> {
        vec![
            (regions::TIMELINE, crate::tree_need(1, to_timeline)),
            (regions::TRASH, crate::tree_need(1, to_trash)),
            (regions::TRASH_BY_AGE, crate::tree_need(1, 0)),
        ]
    }

    /// What became of the memory; `None` where there never was one.
    pub fn state(&self, id: MemoryId) -> Option<State> {
        let value = self.index.get(&Key(id.0))?;
        Some(match value.0[0] {
            LIVE => State::Live,
            TRASHED => State::Trashed {
                since: value.number(9),
            },
            state => State::Deleted {
                from: CapsuleId(value.number(1)),
                by: (state == DELETED_BY).then(|| Deleter(value.part(9))),
            },
        })
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

    /// The first memory, by id, from `from` on that was not deleted. In the trash or not.
    pub fn first_kept_from(&self, from: MemoryId) -> Option<MemoryId> {
        self.index
            .range(Key(from.0)..)
            .find(|entry| [LIVE, TRASHED].contains(&entry.value().0[0]))
            .map(|entry| MemoryId(entry.key().0))
    }

    /// A memory in the trash, since when it is there, and who put it there.
    pub fn trashed(&self, id: MemoryId) -> Option<(Memory, u64, PersonKey)> {
        let value = self.index.get(&Key(id.0))?;
        if value.0[0] != TRASHED {
            return None;
        }
        let capsule = CapsuleId(value.number(1));
        let since = value.number(9);
        let position = Position {
            time: since,
            memory: id,
        };
        let record = self.trash.get(&timeline_key(capsule, position))?.decode();
        let memory = Memory {
            id,
            capsule,
            record,
        };
        let by = self.trash_by_age.get(&age_key(since, id))?;
        Some((memory, since, PersonKey(by.0)))
    }

    /// How many memories there are that are not in the trash.
    pub fn timeline_len(&self) -> u64 {
        self.timeline.len()
    }

    /// How many memories are in the trash.
    pub fn trash_len(&self) -> u64 {
        self.trash.len()
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

    /// Removes the memory, and remembers that it was deleted and by whom, so that a repeated deletion gets the same answer. What
    /// somebody put in the trash, that person has deleted, unless `by` says who else did.
    pub fn delete(&mut self, memory: &Memory, place: Place, now: u64, by: Option<PersonKey>) {
        let by = match place {
            Place::Timeline => {
                self.timeline.remove(&listed_key(memory));
                by
            }
            Place::Trash { since } => by.or(self.take_out(memory, since)),
        };
        let value = match by {
            Some(PersonKey(key)) => Key::of(&[
                &[DELETED_BY],
                &memory.capsule.0.to_be_bytes(),
                &key[..size_of::<Deleter>()],
            ]),
            None => index_value(DELETED, memory.capsule, now),
        };
        self.index.insert(Key(memory.id.0), value);
    }

    /// Moves a memory's record from the timeline into the trash.
    pub fn trash(&mut self, memory: &Memory, now: u64, by: PersonKey) {
        if let Some(record) = self.timeline.remove(&listed_key(memory)) {
            let position = Position {
                time: now,
                memory: memory.id,
            };
            self.trash
                .insert(timeline_key(memory.capsule, position), record);
            self.trash_by_age.insert(age_key(now, memory.id), Key(by.0));
            self.index
                .insert(Key(memory.id.0), index_value(TRASHED, memory.capsule, now));
        }
    }

    /// Puts a memory that is in the trash since `since` back where it was.
    pub fn restore(&mut self, memory: &Memory, since: u64) {
        self.take_out(memory, since);
        self.put(memory, Record::encode(&memory.record), None);
    }

    /// Takes a record out of the trash. Returns who put it there.
    fn take_out(&mut self, memory: &Memory, since: u64) -> Option<PersonKey> {
        let position = Position {
            time: since,
            memory: memory.id,
        };
        self.trash.remove(&timeline_key(memory.capsule, position));
        self.trash_by_age
            .remove(&age_key(since, memory.id))
            .map(|by| PersonKey(by.0))
    }

    /// The capsule's memories from behind `after` on, newest first, each with the length of its record in bytes.
    pub fn list(
        &self,
        capsule: CapsuleId,
        after: Option<Position>,
    ) -> impl Iterator<Item = (Memory, usize)> + '_ {
        self.timeline
            .range(behind(capsule, u64::MAX, after))
            .map(move |entry| read_listed(capsule, entry.key(), &entry.value()))
            .map(|(memory, _, len)| (memory, len))
    }

    /// The capsule's memories that are in the trash since `newest` or longer, from behind `after` on, newest first, each with the time
    /// since when and the length of its record in bytes.
    pub fn list_trash(
        &self,
        capsule: CapsuleId,
        newest: u64,
        after: Option<Position>,
    ) -> impl Iterator<Item = (Memory, u64, usize)> + '_ {
        self.trash
            .range(behind(capsule, newest, after))
            .map(move |entry| read_listed(capsule, entry.key(), &entry.value()))
    }

    /// Any memory of the capsule, and where its record lies.
    pub fn any_of(&self, capsule: CapsuleId) -> Option<(Memory, Place)> {
        let listed = self.list(capsule, None).next();
        listed
            .map(|(memory, _)| (memory, Place::Timeline))
            .or_else(|| {
                let (memory, since, _) = self.list_trash(capsule, u64::MAX, None).next()?;
                Some((memory, Place::Trash { since }))
            })
    }

    /// Memories of any capsule that are in the trash since `before` or longer, oldest first.
    pub fn trashed_before(&self, before: u64) -> impl Iterator<Item = MemoryId> + '_ {
        self.trash_by_age
            .keys_range(..=age_key(before, MemoryId([255; 16])))
            .map(|key| MemoryId(key.part(8)))
    }

    /// At most `most` ids of memories, deleted ones too, in their order behind `after`.
    pub fn ids_after(&self, after: Option<MemoryId>, most: usize) -> Vec<MemoryId> {
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(Key(id.0)));
        self.index
            .keys_range((from, Bound::Unbounded))
            .take(most)
            .map(|key| MemoryId(key.0))
            .collect()
    }

    /// Entries of the index that are not deleted, with capsule, time, and whether the memory is in the trash, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all_indexed(&self) -> Vec<(MemoryId, CapsuleId, u64, bool)> {
        self.index
            .iter()
            .filter(|entry| [LIVE, TRASHED].contains(&entry.value().0[0]))
            .map(|entry| {
                let value = entry.value();
                let id = MemoryId(entry.key().0);
                let is_trashed = value.0[0] == TRASHED;
                (id, CapsuleId(value.number(1)), value.number(9), is_trashed)
            })
            .collect()
    }

    /// Every memory in the trash, since when, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all_trashed_by_age(&self) -> Vec<(MemoryId, u64)> {
        self.trash_by_age
            .keys()
            .map(|key| (MemoryId(key.part(8)), key.number(0)))
            .collect()
    }
}

fn listed_key(memory: &Memory) -> Key<32> {
    let position = Position {
        time: memory.record.time(),
        memory: memory.id,
    };
    timeline_key(memory.capsule, position)
}

/// The keys of a capsule's records that are not newer than `newest`, behind `after`.
fn behind(
    capsule: CapsuleId,
    newest: u64,
    after: Option<Position>,
) -> (Bound<Key<32>>, Bound<Key<32>>) {
    let first = Position {
        time: newest,
        memory: MemoryId([0; 16]),
    };
    let last = Position {
        time: 0,
        memory: MemoryId([255; 16]),
    };
    let first = timeline_key(capsule, first);
    let from = match after.map(|position| timeline_key(capsule, position)) {
        Some(after) if after >= first => Bound::Excluded(after),
        _ => Bound::Included(first),
    };
    (from, Bound::Included(timeline_key(capsule, last)))
}

fn read_listed(
    capsule: CapsuleId,
    key: &Key<32>,
    record: &Record<MemoryRecord>,
) -> (Memory, u64, usize) {
    let memory = Memory {
        id: MemoryId(key.part(16)),
        capsule,
        record: record.decode(),
    };
    (memory, !key.number(8), record.len())
}
