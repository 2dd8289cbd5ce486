//! Who has an entry on which memory: the index behind "shared with me", and behind reading a blob through a memory. It knows of
//! what is in the timeline only: what is in the trash is shared with nobody.

use ic_stable_structures::{BTreeMap, Memory};
use keepsake_api::{AccessEntry, GrantSource};

use crate::access::{PersonKey, is_public};
use crate::capsule::GroupKey;
use crate::hash::sha256_of_fields;
use crate::ids::{CapsuleId, MemoryId};
use crate::regions::{self, RegionId};
use crate::stable::{Key, Region, RegionManager};

/// Whom an entry is for, as stored in keys: a person, a connection group of a capsule, or everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grantee(pub [u8; 16]);

impl Grantee {
    /// `None` for an entry for everybody.
    pub fn of(capsule: CapsuleId, entry: &AccessEntry) -> Option<Self> {
        if entry.grant_source == GrantSource::Group {
            let group = entry.source_id.as_deref().unwrap_or_default();
            return Some(Self::of_group(GroupKey::of(capsule, group)));
        }
        entry
            .person_ref
            .as_ref()
            .map(|person| Self::of_person(PersonKey::of(person)))
    }

    pub fn of_person(person: PersonKey) -> Self {
        Grantee(person.0)
    }

    pub fn of_group(group: GroupKey) -> Self {
        Grantee(group.0)
    }

    /// Everybody, of entries on memories of this capsule.
    pub fn of_public(capsule: CapsuleId) -> Self {
        let digest = sha256_of_fields("public", &[&capsule.0.to_be_bytes()]);
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Grantee(key)
    }

    /// All whom these entries are for, each once.
    pub fn all(capsule: CapsuleId, entries: &[AccessEntry]) -> Vec<Self> {
        let mut all: Vec<_> = entries
            .iter()
            .filter_map(|entry| Self::of(capsule, entry))
            .collect();
        if entries.iter().any(is_public) {
            all.push(Self::of_public(capsule));
        }
        all.sort();
        all.dedup();
        all
    }
}

pub struct Grants<M: Memory> {
    map: BTreeMap<Key<32>, Key<0>, Region<M>>,
}

fn grant_key(grantee: Grantee, memory: MemoryId) -> Key<32> {
    Key::of(&[&grantee.0, &memory.0])
}

impl<M: Memory> Grants<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            map: BTreeMap::init(manager.tree_region(regions::GRANTS)),
        }
    }

    pub fn need(changes: usize) -> (RegionId, u64) {
        (regions::GRANTS, crate::tree_need(changes, 0))
    }

    /// Makes the index say that the memory has entries for `after` instead of `before`, both sorted.
    pub fn replace(&mut self, memory: MemoryId, before: &[Grantee], after: &[Grantee]) {
        for grantee in before.iter().filter(|g| after.binary_search(g).is_err()) {
            self.map.remove(&grant_key(*grantee, memory));
        }
        for grantee in after.iter().filter(|g| before.binary_search(g).is_err()) {
            self.map.insert(grant_key(*grantee, memory), Key([]));
        }
    }

    /// The memories that have an entry for the grantee, by id, behind `after`.
    pub fn of(
        &self,
        grantee: Grantee,
        after: Option<MemoryId>,
    ) -> impl Iterator<Item = MemoryId> + '_ {
        use std::ops::Bound;
        let from = match after {
            Some(memory) => Bound::Excluded(grant_key(grantee, memory)),
            None => Bound::Included(grant_key(grantee, MemoryId([0; 16]))),
        };
        let to = Bound::Included(grant_key(grantee, MemoryId([255; 16])));
        self.map
            .keys_range((from, to))
            .map(|key| MemoryId(key.part(16)))
    }

    /// The first memory that has an entry for the grantee, by id, from `from` on.
    pub fn first_from(&self, grantee: Grantee, from: MemoryId) -> Option<MemoryId> {
        let last = grant_key(grantee, MemoryId([255; 16]));
        let key = self
            .map
            .keys_range(grant_key(grantee, from)..=last)
            .next()?;
        Some(MemoryId(key.part(16)))
    }

    /// Every (grantee, memory), for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all(&self) -> Vec<(Grantee, MemoryId)> {
        self.map
            .keys()
            .map(|key| (Grantee(key.part(0)), MemoryId(key.part(16))))
            .collect()
    }
}
