//! Free extents of the arena, under two keys: by offset, to find neighbours, and by length, to find what fits.

use ic_stable_structures::{BTreeMap, Memory};

use super::Extent;
use crate::regions;
use crate::stable::{Key, Region, RegionManager};

pub struct FreeSpace<M: Memory> {
    by_offset: BTreeMap<Key<8>, Key<8>, Region<M>>,
    by_length: BTreeMap<Key<16>, Key<0>, Region<M>>,
}

fn offset_key(offset: u64) -> Key<8> {
    Key(offset.to_be_bytes())
}

fn length_key(extent: Extent) -> Key<16> {
    Key::of(&[&extent.len.to_be_bytes(), &extent.offset.to_be_bytes()])
}

fn extent_of(key: Key<16>) -> Extent {
    Extent {
        len: key.number(0),
        offset: key.number(8),
    }
}

impl<M: Memory> FreeSpace<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            by_offset: BTreeMap::init(manager.tree_region(regions::FREE_BY_OFFSET)),
            by_length: BTreeMap::init(manager.tree_region(regions::FREE_BY_LENGTH)),
        }
    }

    pub fn insert(&mut self, extent: Extent) {
        self.by_offset
            .insert(offset_key(extent.offset), Key(extent.len.to_be_bytes()));
        self.by_length.insert(length_key(extent), Key([]));
    }

    /// Removes the free extent that begins here.
    ///
    /// Panics (in a canister: traps) where there is none: callers found it by this very index.
    pub fn remove_at(&mut self, offset: u64) -> Extent {
        let Some(len) = self.by_offset.remove(&offset_key(offset)) else {
            panic!("no free extent begins at {offset}");
        };
        let extent = Extent {
            offset,
            len: len.number(0),
        };
        self.by_length.remove(&length_key(extent));
        extent
    }

    pub fn starting_at(&self, offset: u64) -> Option<Extent> {
        self.by_offset.get(&offset_key(offset)).map(|len| Extent {
            offset,
            len: len.number(0),
        })
    }

    pub fn ending_at(&self, end: u64) -> Option<Extent> {
        let (key, len) = self
            .by_offset
            .range(..offset_key(end))
            .next_back()?
            .into_pair();
        let extent = Extent {
            offset: key.number(0),
            len: len.number(0),
        };
        (extent.offset + extent.len == end).then_some(extent)
    }

    /// The shortest free extent that is at least this long; of equals the first.
    pub fn best_fit(&self, len: u64) -> Option<Extent> {
        let from = length_key(Extent { offset: 0, len });
        self.by_length.keys_range(from..).next().map(extent_of)
    }

    pub fn largest_first(&self) -> impl Iterator<Item = Extent> + '_ {
        self.by_length.keys_range(..).rev().map(extent_of)
    }

    #[cfg(any(test, feature = "recount"))]
    pub fn all(&self) -> Vec<Extent> {
        let by_offset: Vec<Extent> = self
            .by_offset
            .iter()
            .map(|entry| Extent {
                offset: entry.key().number(0),
                len: entry.value().number(0),
            })
            .collect();
        let mut by_length: Vec<Extent> = self.by_length.keys().map(extent_of).collect();
        by_length.sort_by_key(|extent| extent.offset);
        assert_eq!(
            by_offset, by_length,
            "the two indexes of free space disagree"
        );
        by_offset
    }
}
