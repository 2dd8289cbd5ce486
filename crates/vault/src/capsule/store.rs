//! The only code that touches capsules in stable memory.

use std::collections::BTreeSet;
use std::ops::Bound;

use ic_stable_structures::{BTreeMap, Memory};

#[cfg(any(test, feature = "recount"))]
use super::record::OwnerRecord;
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
    listed: BTreeMap<Key<33>, Key<0>, Region<M>>,
    emptying: BTreeMap<Key<8>, Key<0>, Region<M>>,
}

/// How somebody comes to have a capsule in its list: the order in which the list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Made it, and owns it.
    Made = 0,
    /// Was made an owner or controller by somebody else.
    Governs = 1,
    Subject = 2,
}

/// A capsule in somebody's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    pub person: PersonKey,
    pub standing: Standing,
    pub since: u64,
    pub capsule: CapsuleId,
}

impl Listed {
    fn key(&self) -> Key<33> {
        Key::of(&[
            &self.person.0,
            &[self.standing as u8],
            &self.since.to_be_bytes(),
            &self.capsule.0.to_be_bytes(),
        ])
    }
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
            listed: BTreeMap::init(manager.tree_region(regions::LISTED_CAPSULES)),
            emptying: BTreeMap::init(manager.tree_region(regions::EMPTYING)),
        }
    }

    /// What a new capsule needs.
    pub fn needs_for_insert() -> Vec<(RegionId, u64)> {
        vec![
            (regions::CAPSULES, crate::tree_need(1, 1_024)),
            (regions::CAPSULE_USAGE, crate::tree_need(1, 64)),
            (regions::CAPSULE_ROLES, crate::tree_need(2, 0)),
            (regions::LISTED_CAPSULES, crate::tree_need(2, 0)),
            (regions::OWN_CAPSULES, crate::tree_need(1, 0)),
        ]
    }

    /// What hiding a capsule with these people needs.
    pub fn needs_for_removal(record: &CapsuleRecord) -> Vec<(RegionId, u64)> {
        let mut needs = Self::needs_for_people(Some(record), None);
        needs.extend([
            (regions::CAPSULES, crate::tree_need(1, 0)),
            (regions::EMPTYING, crate::tree_need(1, 0)),
        ]);
        needs
    }

    /// What [`Self::set_people`] needs, and noting or forgetting of one of them what the record does not say.
    pub fn needs_for_people(
        before: Option<&CapsuleRecord>,
        after: Option<&CapsuleRecord>,
    ) -> Vec<(RegionId, u64)> {
        let people = |record: &CapsuleRecord| record.owners.len() + record.controllers.len() + 1;
        let most = before.map_or(0, people) + after.map_or(0, people);
        // What both have in common stays untouched; somebody can have two parts.
        let changes = match (before, after) {
            (Some(before), Some(after)) => 2 * people(before).abs_diff(people(after)) + 1,
            // Of a capsule that goes, some roles are removed and noted anew.
            _ => 2 * most,
        };
        vec![
            (regions::CAPSULE_ROLES, crate::tree_need(changes, 0)),
            (regions::LISTED_CAPSULES, crate::tree_need(changes, 0)),
            (regions::OWN_CAPSULES, crate::tree_need(1, 0)),
        ]
    }

    /// What storing a record of this length needs.
    pub fn need_for_record(record_len: usize) -> (RegionId, u64) {
        (regions::CAPSULES, crate::tree_need(1, record_len))
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

    /// Makes the index of roles, and people's lists, say what the capsule's record says. `None`: there is no capsule.
    pub fn set_people(
        &mut self,
        capsule: CapsuleId,
        before: Option<&CapsuleRecord>,
        after: Option<&CapsuleRecord>,
    ) {
        let roles = |record: Option<&CapsuleRecord>| record.map(CapsuleRecord::roles);
        let (old, new) = (
            roles(before).unwrap_or_default(),
            roles(after).unwrap_or_default(),
        );
        let people: BTreeSet<PersonKey> = old.keys().chain(new.keys()).copied().collect();
        for person in people {
            if old.get(&person) != new.get(&person) {
                let now = new.get(&person).copied().unwrap_or_default();
                self.set_roles(person, capsule, now);
            }
        }
        let listed = |record: Option<&CapsuleRecord>| record.map(|record| record.listed(capsule));
        let (old, new) = (
            listed(before).unwrap_or_default(),
            listed(after).unwrap_or_default(),
        );
        for gone in old.difference(&new) {
            self.listed.remove(&gone.key());
        }
        for added in new.difference(&old) {
            self.listed.insert(added.key(), Key([]));
        }
    }

    /// Puts the capsule into the lists of its people, as its record says.
    pub fn list(&mut self, capsule: CapsuleId, record: &CapsuleRecord) {
        for listed in record.listed(capsule) {
            self.listed.insert(listed.key(), Key([]));
        }
    }

    /// At most `most` capsules in the order of their ids, behind `after`.
    pub fn ids_after(&self, after: Option<CapsuleId>, most: usize) -> Vec<CapsuleId> {
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(capsule_key(id)));
        self.capsules
            .keys_range((from, Bound::Unbounded))
            .take(most)
            .map(|key| CapsuleId(key.number(0)))
            .collect()
    }

    /// The capsules in which a principal or name stands so, those of longest standing first.
    pub fn listed(
        &self,
        person: PersonKey,
        standing: Standing,
    ) -> impl Iterator<Item = CapsuleId> + '_ {
        let at = |since, capsule| Listed {
            person,
            standing,
            since,
            capsule: CapsuleId(capsule),
        };
        self.listed
            .keys_range(at(0, 0).key()..=at(u64::MAX, u64::MAX).key())
            .map(|key| CapsuleId(key.number(25)))
    }

    /// The capsule is the principal's own no longer.
    pub fn remove_own(&mut self, person: PersonKey) {
        self.own.remove(&Key(person.0));
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

    /// Checks that the indexes of people say what the records of all capsules say, for recounting in tests.
    ///
    /// # Errors
    /// What differs, in words.
    #[cfg(any(test, feature = "recount"))]
    pub fn recount_people(&self) -> Result<(), String> {
        let mut roles = BTreeSet::new();
        let mut listed = BTreeSet::new();
        for entry in self.capsules.iter() {
            let capsule = CapsuleId(entry.key().number(0));
            let record = entry.value().decode();
            let here = record.roles().into_iter();
            roles.extend(here.map(|(person, roles)| (person, capsule, roles.0)));
            listed.extend(record.listed(capsule).iter().map(Listed::key));
        }
        let marks = Roles::LEFT.with(Roles::FORMER_OWNER).0;
        let mut kept = BTreeSet::new();
        for entry in self.roles.iter() {
            let (key, found) = (entry.key(), Roles(entry.value().0[0]));
            let (person, capsule) = (PersonKey(key.part(0)), CapsuleId(key.number(16)));
            if found.has(Roles::FORMER_OWNER) && self.exists(capsule) {
                return Err(format!("a former owner of {capsule}, which is there"));
            }
            if found.0 & !marks != 0 {
                kept.insert((person, capsule, found.0 & !marks));
            }
        }
        if kept != roles {
            return Err(format!("roles: kept {kept:?}, by the records {roles:?}"));
        }
        if self.listed.keys().collect::<BTreeSet<_>>() != listed {
            return Err("people's lists of capsules do not say what the records say".into());
        }
        for entry in self.own.iter() {
            let capsule = CapsuleId(entry.value().number(0));
            let is_own = self.get(capsule).is_some_and(|record| {
                let owner = |other: &OwnerRecord| other.person == record.subject;
                PersonKey::of(&record.subject.0).0 == entry.key().0
                    && record.owners.iter().any(owner)
            });
            if !is_own {
                return Err(format!("{capsule} is not its subject's own"));
            }
        }
        Ok(())
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
