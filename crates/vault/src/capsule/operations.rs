//! What callers do with capsules (contract, "Capsules").

use std::collections::BTreeMap;

use ic_stable_structures::Memory;
use keepsake_api::{
    BackendHosting, BlobHosting, Capsule, CapsuleHeader, CapsuleInfo, CapsuleUpdateData,
    ControllerState, DatabaseHosting, HostingPreferences, OwnerState, PersonRef,
};

use super::record::{CapsuleRecord, CapsuleUsage, OwnerRecord};
use super::store::{CapsuleStore, Standing};
use crate::Vault;
use crate::access::{Permissions, PersonKey, Roles, check_person};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ids::CapsuleId;
use crate::limits;
use crate::person::Person;
use crate::stable::Record;
use crate::stored::StoredPerson;

impl<M: Memory> Vault<M> {
    /// Without a subject: the caller's own capsule, made at the first call. With one: a new capsule about that person, which
    /// the caller owns; where the subject is the caller, that is the caller's own.
    ///
    /// The answer carries no memories: a client that asks for its capsule at every start must not pay for all that is in it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::Invalid`] for a subject that is nobody;
    /// [`Error::ResourceExhausted`] where the caller has made [`limits::CAPSULES_PER_PERSON_MAX`] capsules that it still owns, and
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
        // Only what the caller made counts: others, who give the caller a part in theirs or make capsules about somebody, cannot
        // use up what may be made, and the caller's own there always is.
        let most = limits::CAPSULES_PER_PERSON_MAX as usize;
        let made = || self.capsules.listed(caller, Standing::Made);
        if !is_own && made().take(most).count() == most {
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
                added_by: None,
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
        self.capsules.set_people(capsule, None, Some(&record));
        if is_own {
            self.capsules.set_own(caller, capsule);
        }
        self.capsule_on_the_wire(capsule)
    }

    /// A capsule that the caller may read; without an id, the caller's own.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] where there is none that the caller may read.
    pub fn capsules_read_basic(&self, call: Call, id: Option<&str>) -> Result<CapsuleInfo> {
        let person = self.person(call)?;
        let (capsule, roles) = self.readable_capsule(&person, id)?;
        let record = self.capsules.get(capsule).ok_or(Error::NotFound)?;
        let usage = self.capsules.usage(capsule);
        Ok(CapsuleInfo {
            capsule_id: capsule.to_string(),
            subject: record.subject.0,
            is_owner: roles.has(Roles::OWNER),
            is_controller: roles.has(Roles::CONTROLLER),
            is_self_capsule: self.is_own_capsule(&person, capsule, roles),
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
        let person = self.person(call)?;
        let (capsule, roles) = self.readable_capsule(&person, id)?;
        let mut answer = self.capsule_on_the_wire(capsule)?;
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
        let (capsule, roles) = self.readable_capsule(&self.person(call)?, Some(id))?;
        if !roles.may_govern() {
            return Err(Error::Unauthorized);
        }
        let before = self.capsules.get(capsule).ok_or(Error::NotFound)?;
        let mut record = before.clone();
        record.bound_to_neon = update.bound_to_neon.unwrap_or(before.bound_to_neon);
        if record != before {
            self.regions.reserve(&[
                CapsuleStore::<M>::need_for_record(Record::encode(&record).len()),
                CapsuleStore::<M>::need_for_usage(),
            ])?;
            self.capsules.set(capsule, &record);
            let mut usage = self.capsules.usage(capsule);
            usage.updated_at = call.now;
            self.capsules.set_usage(capsule, &usage);
        }
        self.capsule_on_the_wire(capsule)
    }

    /// Every capsule that the caller owns, controls or is the subject of, at most [`limits::CAPSULES_PER_PERSON_MAX`]: those that
    /// the caller governs first, then by id. Where there are more, those that the caller made are there, and of what others gave the
    /// caller a part in what has been there the longest. Empty for the anonymous caller, whom the interface gives no error here.
    pub fn capsules_list(&self, call: Call) -> Vec<CapsuleHeader> {
        let Ok(person) = self.person(call) else {
            return Vec::new();
        };
        let most = limits::CAPSULES_PER_PERSON_MAX as usize;
        let mut standings: BTreeMap<CapsuleId, Standing> = BTreeMap::new();
        // Each counts for the best standing that one of the principals has in it. There may be any number that others gave.
        for standing in [Standing::Made, Standing::Governs, Standing::Subject] {
            for key in person.keys() {
                for capsule in self.capsules.listed(key, standing) {
                    if standings.len() == most {
                        break;
                    }
                    standings.entry(capsule).or_insert(standing);
                }
            }
        }
        let mut capsules: Vec<(CapsuleId, Standing)> = standings.into_iter().collect();
        capsules.sort_by_key(|(capsule, standing)| (*standing == Standing::Subject, *capsule));
        capsules
            .into_iter()
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

    /// Whether the capsule is the own one of a principal of the person: made by it about itself, and never given up since. What somebody else
    /// made about the person is not, whoever owns it now: else a stranger could slip in a capsule that stays the stranger's too.
    fn is_own_capsule(&self, person: &Person, capsule: CapsuleId, roles: Roles) -> bool {
        roles.has(Roles::OWNER)
            && roles.has(Roles::SUBJECT)
            && person
                .keys()
                .any(|key| self.capsules.own_of_key(key) == Some(capsule))
    }

    fn readable_capsule(&self, person: &Person, id: Option<&str>) -> Result<(CapsuleId, Roles)> {
        let capsule = match id {
            Some(id) => CapsuleId::parse(id).ok_or(Error::NotFound)?,
            None => self.capsules.own(person).ok_or(Error::NotFound)?,
        };
        let roles = self.capsules.roles(person, capsule);
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
