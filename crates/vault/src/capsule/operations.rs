//! What callers do with capsules (contract, "Capsules").

use std::collections::BTreeMap;

use ic_stable_structures::Memory;
use keepsake_api::{
    BackendHosting, BlobHosting, Capsule, CapsuleHeader, CapsuleInfo, CapsuleUpdateData,
    ControllerState, DatabaseHosting, HostingPreferences, OwnerState, PersonRef,
};

use super::record::{CapsuleRecord, CapsuleUsage, OwnerRecord};
use super::store::CapsuleStore;
use crate::Vault;
use crate::access::{Permissions, PersonKey, Roles, check_person};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ids::CapsuleId;
use crate::limits;
use crate::person::Person;
use crate::stored::StoredPerson;

impl<M: Memory> Vault<M> {
    /// Without a subject: the caller's own capsule, made at the first call. With one: a new capsule about that person, which
    /// the caller owns; where the subject is the caller, that is the caller's own.
    ///
    /// The answer carries no memories: a client that asks for its capsule at every start must not pay for all that is in it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::Invalid`] for a subject that is nobody;
    /// [`Error::ResourceExhausted`] where the caller or the subject has [`limits::CAPSULES_PER_PERSON_MAX`] capsules, and
    /// where cycles are low.
    pub fn capsules_create(&mut self, call: Call, subject: Option<PersonRef>) -> Result<Capsule> {
        let person = self.person(call)?;
        let caller = person.primary_key();
        let owner = PersonRef::Principal(person.acting);
        let mut subject = subject.unwrap_or_else(|| owner.clone());
        check_person("subject", &subject)?;
        let is_own = person.has_key(PersonKey::of(&subject));
        if is_own {
            if let Some(own) = self.capsules.own(&person) {
                return self.capsule_on_the_wire(own);
            }
            subject = owner.clone();
        }
        self.check_means()?;
        let subject_key = PersonKey::of(&subject);
        // Owned ones are counted apart from those about a person, so that strangers who make capsules about somebody
        // cannot use up what that person may own.
        let count = |person, role: Roles| {
            let same_role = |(_, roles): &(CapsuleId, Roles)| roles.has(role);
            self.capsules.of_person(person).filter(same_role).count()
        };
        let most = limits::CAPSULES_PER_PERSON_MAX as usize;
        if !is_own
            && (count(caller, Roles::OWNER) >= most || count(subject_key, Roles::SUBJECT) >= most)
        {
            return Err(Error::ResourceExhausted);
        }
        self.regions
            .reserve(&CapsuleStore::<M>::needs_for_insert())?;

        let capsules = &self.capsules;
        let capsule = CapsuleId(
            self.settings
                .draw("capsule", |number| !capsules.exists(CapsuleId(number)))?,
        );
        let record = CapsuleRecord {
            subject: StoredPerson(subject),
            owners: vec![OwnerRecord {
                person: StoredPerson(owner),
                since: call.now,
            }],
            controllers: Vec::new(),
            created_at: call.now,
            bound_to_neon: false,
        };
        self.capsules.set(capsule, &record);
        self.capsules.set_usage(
            capsule,
            &CapsuleUsage {
                updated_at: call.now,
                ..CapsuleUsage::default()
            },
        );
        if is_own {
            self.capsules
                .set_roles(caller, capsule, Roles::OWNER.with(Roles::SUBJECT));
            self.capsules.set_own(caller, capsule);
        } else {
            self.capsules.set_roles(caller, capsule, Roles::OWNER);
            self.capsules
                .set_roles(subject_key, capsule, Roles::SUBJECT);
        }
        self.capsule_on_the_wire(capsule)
    }

    /// A capsule that the caller may read; without an id, the caller's own.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] where there is none that the caller may read.
    pub fn capsules_read_basic(&self, call: Call, id: Option<&str>) -> Result<CapsuleInfo> {
        let (capsule, roles) = self.readable_capsule(call, id)?;
        let record = self.capsules.get(capsule).ok_or(Error::NotFound)?;
        let usage = self.capsules.usage(capsule);
        Ok(CapsuleInfo {
            capsule_id: capsule.to_string(),
            subject: record.subject.0,
            is_owner: roles.has(Roles::OWNER),
            is_controller: roles.has(Roles::CONTROLLER),
            is_self_capsule: roles.has(Roles::OWNER) && roles.has(Roles::SUBJECT),
            bound_to_neon: record.bound_to_neon,
            memory_count: usage.memories,
            gallery_count: 0,
            connection_count: 0,
            created_at: record.created_at,
            updated_at: usage.updated_at,
        })
    }

    /// A capsule with its newest memories, at most [`limits::CAPSULE_MEMORIES_MAX`] and as many as fit a reply; without an id, the
    /// caller's own.
    ///
    /// # Errors
    /// As [`Self::capsules_read_basic`].
    pub fn capsules_read_full(&self, call: Call, id: Option<&str>) -> Result<Capsule> {
        let (capsule, roles) = self.readable_capsule(call, id)?;
        let mut answer = self.capsule_on_the_wire(capsule)?;
        let person = self.person(call)?;
        answer.memories =
            self.newest_memories(&person, call.now, capsule, Permissions::of_roles(roles));
        Ok(answer)
    }

    /// Changes what a client may set of a capsule; returns it, without memories.
    ///
    /// # Errors
    /// As [`Self::capsules_read_basic`]; [`Error::Unauthorized`] for one who may read but not govern it.
    pub fn capsules_update(
        &mut self,
        call: Call,
        id: &str,
        update: CapsuleUpdateData,
    ) -> Result<Capsule> {
        let (capsule, roles) = self.readable_capsule(call, Some(id))?;
        if !roles.may_govern() {
            return Err(Error::Unauthorized);
        }
        let before = self.capsules.get(capsule).ok_or(Error::NotFound)?;
        let mut record = before.clone();
        record.bound_to_neon = update.bound_to_neon.unwrap_or(before.bound_to_neon);
        if record != before {
            self.regions
                .reserve(&CapsuleStore::<M>::needs_for_insert())?;
            self.capsules.set(capsule, &record);
            let mut usage = self.capsules.usage(capsule);
            usage.updated_at = call.now;
            self.capsules.set_usage(capsule, &usage);
        }
        self.capsule_on_the_wire(capsule)
    }

    /// Every capsule that the caller owns, controls or is the subject of, at most [`limits::CAPSULES_PER_PERSON_MAX`]: those that
    /// the caller governs first, then by id. Empty for the anonymous caller, whom the interface gives no error here.
    pub fn capsules_list(&self, call: Call) -> Vec<CapsuleHeader> {
        let Ok(person) = self.person(call) else {
            return Vec::new();
        };
        let mut roles: BTreeMap<CapsuleId, Roles> = BTreeMap::new();
        for (capsule, here) in person.keys().flat_map(|key| self.capsules.of_person(key)) {
            let all = roles.entry(capsule).or_default();
            *all = all.with(here);
        }
        let mut capsules: Vec<(CapsuleId, Roles)> = roles.into_iter().collect();
        capsules.sort_by_key(|(capsule, roles)| (!roles.may_govern(), *capsule));
        capsules
            .into_iter()
            .take(limits::CAPSULES_PER_PERSON_MAX as usize)
            .filter_map(|(capsule, _)| {
                let record = self.capsules.get(capsule)?;
                let usage = self.capsules.usage(capsule);
                Some(CapsuleHeader {
                    id: capsule.to_string(),
                    subject: record.subject.0,
                    owner_count: record.owners.len() as u64,
                    controller_count: record.controllers.len() as u64,
                    memory_count: usage.memories,
                    created_at: record.created_at,
                    updated_at: usage.updated_at,
                })
            })
            .collect()
    }

    fn readable_capsule(&self, call: Call, id: Option<&str>) -> Result<(CapsuleId, Roles)> {
        let person = self.person(call)?;
        let capsule = match id {
            Some(id) => CapsuleId::parse(id).ok_or(Error::NotFound)?,
            None => self.capsules.own(&person).ok_or(Error::NotFound)?,
        };
        let roles = self.capsules.roles(&person, capsule);
        if roles.may_use() {
            Ok((capsule, roles))
        } else {
            Err(Error::NotFound)
        }
    }

    /// The capsule named, and what the caller is in it.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the caller may not read it, as where it does not exist.
    pub(crate) fn capsule_for(&self, person: &Person, id: &str) -> Result<(CapsuleId, Roles)> {
        let capsule = CapsuleId::parse(id).ok_or(Error::NotFound)?;
        let roles = self.capsules.roles(person, capsule);
        if roles.may_use() {
            Ok((capsule, roles))
        } else {
            Err(Error::NotFound)
        }
    }

    fn capsule_on_the_wire(&self, capsule: CapsuleId) -> Result<Capsule> {
        let record = self.capsules.get(capsule).ok_or(Error::NotFound)?;
        let usage = self.capsules.usage(capsule);
        Ok(Capsule {
            id: capsule.to_string(),
            subject: record.subject.0,
            owners: record
                .owners
                .into_iter()
                .map(|owner| {
                    let state = OwnerState {
                        since: owner.since,
                        last_activity_at: usage.updated_at,
                    };
                    (owner.person.0, state)
                })
                .collect(),
            controllers: record
                .controllers
                .into_iter()
                .map(|controller| {
                    let state = ControllerState {
                        granted_at: controller.granted_at,
                        granted_by: controller.granted_by.0,
                    };
                    (controller.person.0, state)
                })
                .collect(),
            connections: Vec::new(),
            connection_groups: self
                .facts
                .groups(capsule)
                .map(|group| (group.id.clone(), group.on_the_wire()))
                .collect(),
            memories: Vec::new(),
            galleries: Vec::new(),
            folders: Vec::new(),
            inline_bytes_used: usage.inline_bytes,
            has_advanced_settings: false,
            bound_to_neon: record.bound_to_neon,
            hosting_preferences: HostingPreferences {
                frontend_hosting: BackendHosting::Icp,
                backend_hosting: BackendHosting::Icp,
                database_hosting: DatabaseHosting::Icp,
                blob_hosting: BlobHosting::Icp,
            },
            created_at: record.created_at,
            updated_at: usage.updated_at,
        })
    }
}
