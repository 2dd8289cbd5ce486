//! The only code that touches share links in stable memory.

use ic_stable_structures::{BTreeMap, Memory};

use super::record::{OpenShareLink, SelectionPart, StoredShareLink};
use crate::ids::{CapsuleId, MemoryId, ShareLinkId};
use crate::regions::{self, RegionId};
use crate::stable::{Key, Record, Region, RegionManager};

pub struct ShareLinkStore<M: Memory> {
    links: BTreeMap<Key<16>, Record<StoredShareLink>, Region<M>>,
    by_capsule: BTreeMap<Key<32>, Key<0>, Region<M>>,
    ends: BTreeMap<Key<24>, Key<0>, Region<M>>,
    selections: BTreeMap<Key<18>, Record<SelectionPart>, Region<M>>,
}

const FIRST: ShareLinkId = ShareLinkId([0; 16]);
const LAST: ShareLinkId = ShareLinkId([255; 16]);

/// A bound on the length of a stored link that has ended, in bytes.
const ENDED_BOUND: usize = 64;
/// A bound on what a part of a selection has beside its ids, in bytes.
const PART_OVERHEAD: usize = 8;

fn capsule_key(capsule: CapsuleId, ends: u64, link: ShareLinkId) -> Key<32> {
    Key::of(&[&capsule.0.to_be_bytes(), &ends.to_be_bytes(), &link.0])
}

fn end_key(ends: u64, link: ShareLinkId) -> Key<24> {
    Key::of(&[&ends.to_be_bytes(), &link.0])
}

fn part_key(link: ShareLinkId, part: u16) -> Key<18> {
    Key::of(&[&link.0, &part.to_be_bytes()])
}

impl<M: Memory> ShareLinkStore<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            links: BTreeMap::init(manager.tree_region(regions::SHARE_LINKS)),
            by_capsule: BTreeMap::init(manager.tree_region(regions::SHARE_LINKS_BY_CAPSULE)),
            ends: BTreeMap::init(manager.tree_region(regions::SHARE_LINK_ENDS)),
            selections: BTreeMap::init(manager.tree_region(regions::SHARE_LINK_SELECTIONS)),
        }
    }

    /// What a new link with this many selected memories needs.
    pub fn needs_for_insert(link: &OpenShareLink, selected: usize) -> Vec<(RegionId, u64)> {
        let mut needs = vec![
            (regions::SHARE_LINKS, Self::need_for_record(link).1),
            (regions::SHARE_LINKS_BY_CAPSULE, crate::tree_need(1, 0)),
            (regions::SHARE_LINK_ENDS, crate::tree_need(1, 0)),
        ];
        if selected > 0 {
            let parts = selected.div_ceil(SelectionPart::MOST);
            let need = crate::tree_need(parts, 16 * selected + PART_OVERHEAD * parts);
            needs.push((regions::SHARE_LINK_SELECTIONS, need));
        }
        needs
    }

    /// What writing this record in place of the one before needs.
    pub fn need_for_record(link: &OpenShareLink) -> (RegionId, u64) {
        let len = Record::encode(&StoredShareLink::Open(link.clone())).len();
        (regions::SHARE_LINKS, crate::tree_need(1, len))
    }

    /// What ending a link needs.
    pub fn needs_for_ending(link: &OpenShareLink) -> Vec<(RegionId, u64)> {
        let mut needs = vec![
            (regions::SHARE_LINKS, crate::tree_need(1, ENDED_BOUND)),
            (regions::SHARE_LINKS_BY_CAPSULE, crate::tree_need(1, 0)),
            (regions::SHARE_LINK_ENDS, crate::tree_need(1, 0)),
        ];
        if let Some(selected) = link.selected {
            let parts = (selected as usize).div_ceil(SelectionPart::MOST);
            needs.push((regions::SHARE_LINK_SELECTIONS, crate::tree_need(parts, 0)));
        }
        needs
    }

    /// The link, also after its end; `None` where there never was one.
    pub fn get(&self, link: ShareLinkId) -> Option<StoredShareLink> {
        self.links.get(&Key(link.0)).map(|record| record.decode())
    }

    /// Adds a link with its selection.
    pub fn insert(&mut self, link: ShareLinkId, record: &OpenShareLink, selection: &[MemoryId]) {
        self.by_capsule.insert(
            capsule_key(record.capsule(), record.expires_at, link),
            Key([]),
        );
        self.ends.insert(end_key(record.expires_at, link), Key([]));
        for (part, ids) in (0u16..).zip(selection.chunks(SelectionPart::MOST)) {
            let ids = Record::encode(&SelectionPart::new(ids));
            self.selections.insert(part_key(link, part), ids);
        }
        self.set(link, record);
    }

    /// Replaces a link's record by one that differs in nothing that it is found by.
    pub fn set(&mut self, link: ShareLinkId, record: &OpenShareLink) {
        let stored = Record::encode(&StoredShareLink::Open(record.clone()));
        self.links.insert(Key(link.0), stored);
    }

    /// Ends a link: what is left says where it was.
    pub fn end(&mut self, link: ShareLinkId, record: OpenShareLink) {
        let key = capsule_key(record.capsule(), record.expires_at, link);
        self.by_capsule.remove(&key);
        self.ends.remove(&end_key(record.expires_at, link));
        let parts = record.selected.map_or(0, |selected| {
            (selected as usize).div_ceil(SelectionPart::MOST)
        });
        for part in (0u16..).take(parts) {
            self.selections.remove(&part_key(link, part));
        }
        let ended = Record::encode(&StoredShareLink::Ended(record.ended()));
        self.links.insert(Key(link.0), ended);
    }

    /// The capsule's links that end behind `now`, those that end first first.
    pub fn of_capsule(
        &self,
        capsule: CapsuleId,
        now: u64,
    ) -> impl Iterator<Item = ShareLinkId> + '_ {
        let from = capsule_key(capsule, now.saturating_add(1), FIRST);
        let to = capsule_key(capsule, u64::MAX, LAST);
        self.by_capsule
            .keys_range(from..=to)
            .map(|key| ShareLinkId(key.part(16)))
    }

    /// Links of any capsule that have expired by `now`, those that expired first first.
    pub fn expired(&self, now: u64) -> impl Iterator<Item = ShareLinkId> + '_ {
        self.ends
            .keys_range(..=end_key(now, LAST))
            .map(|key| ShareLinkId(key.part(8)))
    }

    /// The memories selected for the link, in their order, from the `from`th on, counted from 0.
    pub fn selection(&self, link: ShareLinkId, from: usize) -> impl Iterator<Item = MemoryId> + '_ {
        let skipped = from / SelectionPart::MOST;
        let first = u16::try_from(skipped).unwrap_or(u16::MAX);
        let skip = from - usize::from(first) * SelectionPart::MOST;
        self.selections
            .range(part_key(link, first)..=part_key(link, u16::MAX))
            .flat_map(|entry| {
                let part = entry.value().decode();
                part.memories().collect::<Vec<_>>()
            })
            .skip(skip)
    }

    /// Checks the indexes and selections against the links, for recounting in tests.
    ///
    /// # Errors
    /// What differs, in words.
    #[cfg(any(test, feature = "recount"))]
    pub fn recount(&self) -> Result<(), String> {
        use std::collections::BTreeSet;

        let (mut by_capsule, mut ends) = (BTreeSet::new(), BTreeSet::new());
        let mut parts = BTreeSet::new();
        for entry in self.links.iter() {
            let id = ShareLinkId(entry.key().0);
            let StoredShareLink::Open(link) = entry.value().decode() else {
                continue;
            };
            by_capsule.insert(capsule_key(link.capsule(), link.expires_at, id));
            ends.insert(end_key(link.expires_at, id));
            let selected = link.selected.unwrap_or(0) as usize;
            let memories: BTreeSet<_> = self.selection(id, 0).collect();
            if (selected, selected) != (memories.len(), self.selection(id, 0).count()) {
                return Err(format!("the selection of {id} has not {selected} memories"));
            }
            let count = selected.div_ceil(SelectionPart::MOST);
            parts.extend((0u16..).take(count).map(|part| part_key(id, part)));
        }
        if self.by_capsule.keys().collect::<BTreeSet<_>>() != by_capsule
            || self.ends.keys().collect::<BTreeSet<_>>() != ends
        {
            return Err("the indexes of share links do not name the links".into());
        }
        if self.selections.keys().collect::<BTreeSet<_>>() != parts {
            return Err("selections that no share link has".into());
        }
        Ok(())
    }
}
