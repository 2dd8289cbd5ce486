//! The only code that touches capsules in stable memory.

use ic_stable_structures::{BTreeMap, Memory};

use super::record::{CapsuleRecord, CapsuleUsage};
use crate::access::{PersonKey, Roles};
use crate::ids::CapsuleId;
use crate::person::Person;
use crate::regions::{self, RegionId};
use crate::stable::{Key, Record, Region, RegionManager};

pub struct CapsuleStore<M: Memory> {
    capsules: BTreeMap<Key<8>, Record<CapsuleRecord>, Region<M>>,
    usage: BTreeMap<Key<8>, Record<CapsuleUsage>, Region<M>>,
    roles: BTreeMap<Key<24>, Key<1>, Region<M>>,
    own: BTreeMap<Key<16>, Key<8>, Region<M>>,
    emptying: BTreeMap<Key<8>, Key<0>, Region<M>>,
}

fn capsule_key(capsule: CapsuleId) -> Key<8> {
    Key(capsule.0.to_be_bytes())
}

fn role_key(person: PersonKey, capsule: CapsuleId) -> Key<24> {
    Key::of(&[&person.0, &capsule.0.to_be_bytes()])
}

impl<M: Memory> CapsuleStore<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            capsules: BTreeMap::init(manager.tree_region(regions::CAPSULES)),
            usage: BTreeMap::init(manager.tree_region(regions::CAPSULE_USAGE)),
            roles: BTreeMap::init(manager.tree_region(regions::CAPSULE_ROLES)),
            own: BTreeMap::init(manager.tree_region(regions::OWN_CAPSULES)),
            emptying: BTreeMap::init(manager.tree_region(regions::EMPTYING)),
        }
    }

    /// What a new capsule needs.
    pub fn needs_for_insert() -> Vec<(RegionId, u64)> {
        vec![
            (regions::CAPSULES, crate::tree_need(1, 1_024)),
            (regions::CAPSULE_USAGE, crate::tree_need(1, 64)),
            (regions::CAPSULE_ROLES, crate::tree_need(2, 0)),
            (regions::OWN_CAPSULES, crate::tree_need(1, 0)),
        ]
    }

    /// What hiding a capsule with this many people needs.
    pub fn needs_for_removal(people: usize) -> Vec<(RegionId, u64)> {
        vec![
            (regions::CAPSULES, crate::tree_need(1, 0)),
            (regions::CAPSULE_ROLES, crate::tree_need(people, 0)),
            (regions::OWN_CAPSULES, crate::tree_need(1, 0)),
            (regions::EMPTYING, crate::tree_need(1, 0)),
        ]
    }

    /// What a change of the counters needs.
    pub fn need_for_usage() -> (RegionId, u64) {
        (regions::CAPSULE_USAGE, crate::tree_need(1, 64))
    }

    pub fn exists(&self, capsule: CapsuleId) -> bool {
        self.capsules.contains_key(&capsule_key(capsule))
    }

    pub fn get(&self, capsule: CapsuleId) -> Option<CapsuleRecord> {
        self.capsules
            .get(&capsule_key(capsule))
            .map(|record| record.decode())
    }

    pub fn set(&mut self, capsule: CapsuleId, record: &CapsuleRecord) {
        self.capsules
            .insert(capsule_key(capsule), Record::encode(record));
    }

    /// The counters; zero where the capsule has none yet.
    pub fn usage(&self, capsule: CapsuleId) -> CapsuleUsage {
        self.usage
            .get(&capsule_key(capsule))
            .map(|record| record.decode())
            .unwrap_or_default()
    }

    pub fn set_usage(&mut self, capsule: CapsuleId, usage: &CapsuleUsage) {
        self.usage
            .insert(capsule_key(capsule), Record::encode(usage));
    }

    /// What the person is in the capsule, by all its principals together; nothing where the capsule does not exist.
    pub fn roles(&self, person: &Person, capsule: CapsuleId) -> Roles {
        person
            .keys()
            .map(|key| self.roles_of_key(key, capsule))
            .fold(Roles::default(), Roles::with)
    }

    /// What one principal or name is in the capsule.
    pub fn roles_of_key(&self, person: PersonKey, capsule: CapsuleId) -> Roles {
        self.roles
            .get(&role_key(person, capsule))
            .map_or(Roles::default(), |roles| Roles(roles.0[0]))
    }

    /// Sets what a principal or name is in the capsule; nothing is forgotten.
    pub fn set_roles(&mut self, person: PersonKey, capsule: CapsuleId, roles: Roles) {
        let key = role_key(person, capsule);
        if roles == Roles::default() {
            self.roles.remove(&key);
        } else {
            self.roles.insert(key, Key([roles.0]));
        }
    }

    /// Takes the capsule away from everybody's sight, and notes that it has to be emptied. Roles are the caller's.
    pub fn hide(&mut self, capsule: CapsuleId, subject: PersonKey) {
        self.capsules.remove(&capsule_key(capsule));
        if self.own_of_key(subject) == Some(capsule) {
            self.own.remove(&Key(subject.0));
        }
        self.emptying.insert(capsule_key(capsule), Key([]));
    }

    pub fn len(&self) -> u64 {
        self.capsules.len()
    }

    /// How many capsules were hidden and not forgotten yet.
    pub fn emptying_len(&self) -> u64 {
        self.emptying.len()
    }

    /// A capsule that was hidden and not forgotten yet.
    pub fn first_to_empty(&self) -> Option<CapsuleId> {
        self.emptying
            .first_key_value()
            .map(|(key, _)| CapsuleId(key.number(0)))
    }

    /// Forgets a capsule that was hidden and is empty.
    pub fn forget(&mut self, capsule: CapsuleId) {
        self.usage.remove(&capsule_key(capsule));
        self.emptying.remove(&capsule_key(capsule));
    }

    /// The capsules in which a principal or name is anything, by id.
    pub fn of_person(&self, person: PersonKey) -> impl Iterator<Item = (CapsuleId, Roles)> + '_ {
        self.roles
            .range(role_key(person, CapsuleId(0))..=role_key(person, CapsuleId(u64::MAX)))
            .map(|entry| (CapsuleId(entry.key().number(16)), Roles(entry.value().0[0])))
    }

    /// The person's own capsule: its first principal's, else that of the next which has one.
    pub fn own(&self, person: &Person) -> Option<CapsuleId> {
        person.keys().find_map(|key| self.own_of_key(key))
    }

    /// The capsule that is a principal's own.
    pub fn own_of_key(&self, person: PersonKey) -> Option<CapsuleId> {
        self.own
            .get(&Key(person.0))
            .map(|capsule| CapsuleId(capsule.number(0)))
    }

    pub fn set_own(&mut self, person: PersonKey, capsule: CapsuleId) {
        self.own.insert(Key(person.0), capsule_key(capsule));
    }

    /// The counters of every capsule, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all(&self) -> Vec<(CapsuleId, CapsuleUsage)> {
        self.usage
            .iter()
            .map(|entry| (CapsuleId(entry.key().number(0)), entry.value().decode()))
            .collect()
    }
}
