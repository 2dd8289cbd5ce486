//! Who owns and controls a capsule. What a capsule's record says of people is what the index of roles says (I7): both change
//! together, here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use ic_stable_structures::Memory;
use keepsake_api::PersonRef;

use super::record::{CapsuleRecord, ControllerRecord, OwnerRecord};
use super::store::{CapsuleStore, Listed, Standing};
use crate::Vault;
use crate::access::{PersonKey, Roles, check_person};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ids::CapsuleId;
use crate::limits;
use crate::person::Person;
use crate::stable::Record;
use crate::stored::StoredPerson;

impl CapsuleRecord {
    /// What each person is in the capsule.
    pub fn roles(&self) -> BTreeMap<PersonKey, Roles> {
        let mut roles: BTreeMap<PersonKey, Roles> = BTreeMap::new();
        let owners = self.owners.iter().map(|o| (&o.person, Roles::OWNER));
        let controllers = self.controllers.iter();
        let controllers = controllers.map(|c| (&c.person, Roles::CONTROLLER));
        for (person, role) in owners
            .chain(controllers)
            .chain([(&self.subject, Roles::SUBJECT)])
        {
            let all = roles.entry(PersonKey::of(&person.0)).or_default();
            *all = all.with(role);
        }
        roles
    }

    /// Where the capsule stands in people's lists.
    pub fn listed(&self, capsule: CapsuleId) -> BTreeSet<Listed> {
        let listed = |person: &StoredPerson, standing, since| Listed {
            person: PersonKey::of(&person.0),
            standing,
            since,
            capsule,
        };
        let owners = self.owners.iter().map(|owner| {
            let standing = match owner.added_by {
                None => Standing::Made,
                Some(_) => Standing::Governs,
            };
            listed(&owner.person, standing, owner.since)
        });
        let controllers = self
            .controllers
            .iter()
            .map(|controller| listed(&controller.person, Standing::Governs, controller.granted_at));
        let subject = listed(&self.subject, Standing::Subject, self.created_at);
        owners.chain(controllers).chain([subject]).collect()
    }

    /// Whether an owner is left who can sign in.
    fn has_owner_who_calls(&self) -> bool {
        self.owners
            .iter()
            .any(|owner| matches!(owner.person.0, PersonRef::Principal(_)))
    }
}

impl<M: Memory> Vault<M> {
    /// Makes somebody an owner, who may do everything that the caller may, the deletion of the capsule included. Nothing for one who
    /// owns it already.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for one who may read but does not own the capsule; [`Error::NotFound`] for
    /// a capsule that the caller may not read; [`Error::Invalid`] for somebody who is nobody; [`Error::ResourceExhausted`] at
    /// [`limits::OWNERS_MAX`] owners.
    pub fn capsule_owner_add(&mut self, call: Call, id: &str, owner: PersonRef) -> Result<()> {
        let (person, capsule, before) = self.capsule_to_share(call, id)?;
        check_person("owner", &owner)?;
        if before.owners.iter().any(|other| other.person.0 == owner) {
            return Ok(());
        }
        if before.owners.len() >= limits::OWNERS_MAX {
            return Err(Error::ResourceExhausted);
        }
        let mut after = before.clone();
        after.owners.push(OwnerRecord {
            person: StoredPerson(owner),
            since: call.now,
            added_by: Some(StoredPerson(PersonRef::Principal(person.acting))),
        });
        self.change_people(call, capsule, None, &before, &after)
    }

    /// Takes somebody, the caller too, out of the owners. Nothing for one who is not among them, and for the caller who has left before.
    ///
    /// Where the subject gives up its own capsule, it is no longer the subject's own: `capsules_create` makes another.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::NotFound`], [`Error::Invalid`] as [`Self::capsule_owner_add`]; [`Error::Conflict`] where no
    /// owner would be left who can call.
    pub fn capsule_owner_remove(&mut self, call: Call, id: &str, owner: PersonRef) -> Result<()> {
        if self.has_left(call, id, &owner, Roles::OWNER)? {
            return Ok(());
        }
        let (person, capsule, before) = self.capsule_to_share(call, id)?;
        check_person("owner", &owner)?;
        let mut after = before.clone();
        after.owners.retain(|other| other.person.0 != owner);
        if after == before {
            return Ok(());
        }
        if !after.has_owner_who_calls() {
            return Err(Error::Conflict(
                "a capsule keeps at least one owner who is a principal; add another first, or delete the capsule"
                    .into(),
            ));
        }
        let leaving = Some(PersonKey::of(&owner)).filter(|key| person.has_key(*key));
        self.change_people(call, capsule, leaving, &before, &after)
    }

    /// Makes somebody a controller, who may do everything but delete the capsule and say who owns and controls it. Nothing for one who
    /// controls it already.
    ///
    /// # Errors
    /// As [`Self::capsule_owner_add`]; [`Error::ResourceExhausted`] at [`limits::CONTROLLERS_MAX`] controllers.
    pub fn capsule_controller_add(
        &mut self,
        call: Call,
        id: &str,
        controller: PersonRef,
    ) -> Result<()> {
        let (person, capsule, before) = self.capsule_to_share(call, id)?;
        check_person("controller", &controller)?;
        let mut others = before.controllers.iter();
        if others.any(|other| other.person.0 == controller) {
            return Ok(());
        }
        if before.controllers.len() >= limits::CONTROLLERS_MAX {
            return Err(Error::ResourceExhausted);
        }
        let mut after = before.clone();
        after.controllers.push(ControllerRecord {
            person: StoredPerson(controller),
            granted_at: call.now,
            granted_by: StoredPerson(PersonRef::Principal(person.acting)),
        });
        self.change_people(call, capsule, None, &before, &after)
    }

    /// Takes somebody out of the controllers; a controller may take itself out. Nothing for one who is not among them, and for the
    /// caller who has left before.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::NotFound`], [`Error::Invalid`] as [`Self::capsule_owner_add`].
    pub fn capsule_controller_remove(
        &mut self,
        call: Call,
        id: &str,
        controller: PersonRef,
    ) -> Result<()> {
        if self.has_left(call, id, &controller, Roles::OWNER.with(Roles::CONTROLLER))? {
            return Ok(());
        }
        let person = self.person(call)?;
        let (capsule, roles) = self.capsule_for(&person, id)?;
        let leaving = Some(PersonKey::of(&controller)).filter(|key| person.has_key(*key));
        let may_leave = leaving.is_some() && roles.has(Roles::CONTROLLER);
        if !roles.has(Roles::OWNER) && !may_leave {
            return Err(Error::Unauthorized);
        }
        check_person("controller", &controller)?;
        let before = self.capsules.get(capsule).ok_or(Error::NotFound)?;
        let mut after = before.clone();
        after
            .controllers
            .retain(|other| other.person.0 != controller);
        if after == before {
            return Ok(());
        }
        self.change_people(call, capsule, leaving, &before, &after)
    }

    /// Whether this is the caller, who has taken itself out before and has none of these roles any more.
    fn has_left(&self, call: Call, id: &str, who: &PersonRef, roles: Roles) -> Result<bool> {
        let person = self.person(call)?;
        Ok(CapsuleId::parse(id).is_some_and(|capsule| {
            let now = self.capsules.roles(&person, capsule);
            person.has_key(PersonKey::of(who)) && now.has(Roles::LEFT) && !now.has(roles)
        }))
    }

    /// A capsule that the caller owns.
    fn capsule_to_share(&self, call: Call, id: &str) -> Result<(Person, CapsuleId, CapsuleRecord)> {
        let person = self.person(call)?;
        let (capsule, roles) = self.capsule_for(&person, id)?;
        if !roles.has(Roles::OWNER) {
            return Err(Error::Unauthorized);
        }
        let record = self.capsules.get(capsule).ok_or(Error::NotFound)?;
        Ok((person, capsule, record))
    }

    /// Stores who owns and controls a capsule. Who takes itself out is remembered, so that doing so again is answered as before.
    fn change_people(
        &mut self,
        call: Call,
        capsule: CapsuleId,
        leaving: Option<PersonKey>,
        before: &CapsuleRecord,
        after: &CapsuleRecord,
    ) -> Result<()> {
        let record_len = Record::encode(after).len();
        let mut needs = CapsuleStore::<M>::needs_for_people(Some(before), Some(after));
        needs.push(CapsuleStore::<M>::need_for_record(record_len));
        needs.push(CapsuleStore::<M>::need_for_usage());
        // Taking somebody's power away must be possible in a vault that is full.
        if after.owners.len() + after.controllers.len()
            < before.owners.len() + before.controllers.len()
        {
            self.regions.reserve_for_freeing(&needs)?;
        } else {
            self.regions.reserve(&needs)?;
        }

        self.capsules.set(capsule, after);
        self.capsules.set_people(capsule, Some(before), Some(after));
        if let Some(key) = leaving {
            let left = self.capsules.roles_of_key(key, capsule);
            self.capsules
                .set_roles(key, capsule, left.with(Roles::LEFT));
        }
        let subject = PersonKey::of(&after.subject.0);
        if self.capsules.own_of_key(subject) == Some(capsule)
            && !after
                .owners
                .iter()
                .any(|owner| owner.person == after.subject)
        {
            self.capsules.remove_own(subject);
        }
        self.touch_capsule(capsule, call.now);
        Ok(())
    }
}
