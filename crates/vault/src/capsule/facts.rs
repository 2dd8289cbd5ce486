//! What a capsule knows that access entries depend on: events that its owner has recorded, and who is in which connection group.

use ic_stable_structures::{BTreeMap, Memory};
use keepsake_api::{AccessEvent, ConnectionGroup};
use minicbor::{Decode, Encode};

use crate::access::{CapsuleFacts, PersonKey};
use crate::hash::sha256_of_fields;
use crate::ids::CapsuleId;
use crate::person::Person;
use crate::regions::{self, RegionId};
use crate::stable::{Key, Record, Region, RegionManager};
use crate::stored::{StoredEvent, StoredPerson};

/// A connection group as stored in keys: 16 bytes of a hash of capsule and group id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey(pub [u8; 16]);

impl GroupKey {
    pub fn of(capsule: CapsuleId, group: &str) -> Self {
        let digest = sha256_of_fields("group", &[&capsule.0.to_be_bytes(), group.as_bytes()]);
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        GroupKey(key)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GroupRecord {
    #[n(0)]
    pub id: String,
    #[n(1)]
    pub name: String,
    #[n(2)]
    pub description: Option<String>,
    #[n(3)]
    pub members: Vec<StoredPerson>,
    #[n(4)]
    pub created_at: u64,
    #[n(5)]
    pub updated_at: u64,
}

impl GroupRecord {
    pub fn on_the_wire(self) -> ConnectionGroup {
        ConnectionGroup {
            id: self.id,
            name: self.name,
            description: self.description,
            members: self.members.into_iter().map(|member| member.0).collect(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// Length of the stored record in bytes.
    pub fn encoded_len(&self) -> usize {
        Record::encode(self).len()
    }

    /// The members as stored in keys, each once.
    pub fn member_keys(&self) -> Vec<PersonKey> {
        let mut keys: Vec<_> = self
            .members
            .iter()
            .map(|member| PersonKey::of(&member.0))
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

/// Events and groups in stable memory.
pub struct FactStore<M: Memory> {
    events: BTreeMap<Key<24>, Key<8>, Region<M>>,
    groups: BTreeMap<Key<24>, Record<GroupRecord>, Region<M>>,
    memberships: BTreeMap<Key<32>, Key<0>, Region<M>>,
}

fn event_key(capsule: CapsuleId, event: &AccessEvent) -> Key<24> {
    let encoded = minicbor::to_vec(StoredEvent::from(event.clone())).unwrap_or_default();
    let digest = sha256_of_fields("event", &[&encoded]);
    Key::of(&[&capsule.0.to_be_bytes(), &digest[..16]])
}

fn group_key(capsule: CapsuleId, group: GroupKey) -> Key<24> {
    Key::of(&[&capsule.0.to_be_bytes(), &group.0])
}

fn membership_key(person: PersonKey, group: GroupKey) -> Key<32> {
    Key::of(&[&person.0, &group.0])
}

impl<M: Memory> FactStore<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            events: BTreeMap::init(manager.tree_region(regions::EVENTS)),
            groups: BTreeMap::init(manager.tree_region(regions::GROUPS)),
            memberships: BTreeMap::init(manager.tree_region(regions::MEMBERSHIPS)),
        }
    }

    pub fn need_for_event() -> (RegionId, u64) {
        (regions::EVENTS, crate::tree_need(1, 0))
    }

    /// What storing or removing a group needs, with this many members coming or going.
    pub fn needs_for_group(members: usize, record_len: usize) -> Vec<(RegionId, u64)> {
        vec![
            (regions::GROUPS, crate::tree_need(1, record_len)),
            (regions::MEMBERSHIPS, crate::tree_need(members, 0)),
        ]
    }

    pub fn record_event(&mut self, capsule: CapsuleId, event: &AccessEvent, at: u64) {
        let key = event_key(capsule, event);
        if !self.events.contains_key(&key) {
            self.events.insert(key, Key(at.to_be_bytes()));
        }
    }

    /// How many events the capsule has recorded; counts no further than `most`.
    pub fn event_count(&self, capsule: CapsuleId, most: usize) -> usize {
        self.events
            .keys_range(of_capsule(capsule))
            .take(most)
            .count()
    }

    pub fn group(&self, capsule: CapsuleId, group: GroupKey) -> Option<GroupRecord> {
        self.groups
            .get(&group_key(capsule, group))
            .map(|record| record.decode())
    }

    pub fn groups(&self, capsule: CapsuleId) -> impl Iterator<Item = GroupRecord> + '_ {
        self.groups
            .range(of_capsule(capsule))
            .map(|entry| entry.value().decode())
    }

    /// Stores the group, or removes it, with its memberships.
    pub fn set_group(&mut self, capsule: CapsuleId, group: GroupKey, record: Option<&GroupRecord>) {
        let key = group_key(capsule, group);
        if let Some(before) = self.group(capsule, group) {
            for member in before.member_keys() {
                self.memberships.remove(&membership_key(member, group));
            }
        }
        match record {
            Some(record) => {
                for member in record.member_keys() {
                    self.memberships
                        .insert(membership_key(member, group), Key([]));
                }
                self.groups.insert(key, Record::encode(record));
            }
            None => {
                self.groups.remove(&key);
            }
        }
    }

    /// The groups that a principal or name is in, of any capsule, in order from `from` on.
    pub fn groups_of(
        &self,
        person: PersonKey,
        from: GroupKey,
    ) -> impl Iterator<Item = GroupKey> + '_ {
        let from = membership_key(person, from);
        let to = membership_key(person, GroupKey([255; 16]));
        self.memberships
            .keys_range(from..=to)
            .map(|key| GroupKey(key.part(16)))
    }

    /// The groups of the capsule that one of the person's principals is in.
    pub fn groups_with<'a>(
        &'a self,
        capsule: CapsuleId,
        person: &'a Person,
    ) -> impl Iterator<Item = GroupKey> + 'a {
        self.groups
            .keys_range(of_capsule(capsule))
            .map(|key| GroupKey(key.part(8)))
            .filter(|group| {
                let mut keys = person.keys();
                keys.any(|key| self.memberships.contains_key(&membership_key(key, *group)))
            })
    }

    /// Forgets up to `most` events and groups of a capsule that was deleted. Returns how many; the reservation is the caller's.
    pub fn forget(&mut self, capsule: CapsuleId, most: usize) -> usize {
        let events: Vec<_> = self
            .events
            .keys_range(of_capsule(capsule))
            .take(most)
            .collect();
        for key in &events {
            self.events.remove(key);
        }
        let groups: Vec<_> = self.groups(capsule).take(most - events.len()).collect();
        for group in &groups {
            self.set_group(capsule, GroupKey::of(capsule, &group.id), None);
        }
        events.len() + groups.len()
    }

    /// What one capsule knows.
    pub fn of(&self, capsule: CapsuleId) -> KnownFacts<'_, M> {
        KnownFacts {
            store: self,
            capsule,
        }
    }

    /// How many memberships there are, and every group with its capsule, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn memberships(&self) -> (u64, u64) {
        let counted = self
            .groups
            .iter()
            .map(|entry| entry.value().decode().member_keys().len() as u64)
            .sum();
        (self.memberships.len(), counted)
    }
}

fn of_capsule(capsule: CapsuleId) -> std::ops::RangeInclusive<Key<24>> {
    group_key(capsule, GroupKey([0; 16]))..=group_key(capsule, GroupKey([255; 16]))
}

/// The facts of one capsule, for judging its memories' entries.
pub struct KnownFacts<'a, M: Memory> {
    store: &'a FactStore<M>,
    capsule: CapsuleId,
}

impl<M: Memory> CapsuleFacts for KnownFacts<'_, M> {
    fn recorded(&self, event: &AccessEvent) -> bool {
        self.store
            .events
            .contains_key(&event_key(self.capsule, event))
    }

    fn is_member(&self, group: &str, person: PersonKey) -> bool {
        let group = GroupKey::of(self.capsule, group);
        self.store
            .memberships
            .contains_key(&membership_key(person, group))
    }
}
