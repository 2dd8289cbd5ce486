//! Recording events, and keeping connection groups: what entries with conditions and for groups depend on.

use ic_stable_structures::Memory;
use keepsake_api::{AccessEvent, ConnectionGroup, PersonRef};

use super::facts::{FactStore, GroupKey, GroupRecord};
use super::store::CapsuleStore;
use crate::Vault;
use crate::access::{Roles, check_person};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ids::CapsuleId;
use crate::limits;
use crate::stored::StoredPerson;

impl<M: Memory> Vault<M> {
    /// Records that an event has happened: entries that wait for it count from now on. It cannot be taken back. Again: nothing.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for one who may read but does not own the capsule;
    /// [`Error::NotFound`] for a capsule that the caller may not read; [`Error::Invalid`] for an event whose name is too long;
    /// [`Error::ResourceExhausted`] at [`limits::EVENTS_MAX`] events.
    pub fn capsule_event_record(
        &mut self,
        call: Call,
        id: &str,
        event: &AccessEvent,
    ) -> Result<()> {
        let person = self.person(call)?;
        let (capsule, roles) = self.capsule_for(&person, id)?;
        if !roles.has(Roles::OWNER) {
            return Err(Error::Unauthorized);
        }
        if let AccessEvent::Custom(name) = event {
            check_text("event", name)?;
        }
        use crate::access::CapsuleFacts;
        if self.facts.of(capsule).recorded(event) {
            return Ok(());
        }
        if self.facts.event_count(capsule, limits::EVENTS_MAX) >= limits::EVENTS_MAX {
            return Err(Error::ResourceExhausted);
        }
        self.regions.reserve(&[
            FactStore::<M>::need_for_event(),
            CapsuleStore::<M>::need_for_usage(),
        ])?;
        self.facts.record_event(capsule, event, call.now);
        self.touch_capsule(capsule, call.now);
        Ok(())
    }

    /// Makes a connection group, or replaces the one with this id; returns it as it is stored. Entries for the group count for its members at
    /// once. The same again changes nothing.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for one who may read but not govern the capsule;
    /// [`Error::NotFound`] for a capsule that the caller may not read; [`Error::Invalid`] for texts that are empty or too long, for a member
    /// who is nobody, and for more than [`limits::GROUP_MEMBERS_MAX`]; [`Error::ResourceExhausted`] at [`limits::GROUPS_MAX`] groups.
    pub fn connection_group_put(
        &mut self,
        call: Call,
        capsule: &str,
        id: &str,
        name: &str,
        description: Option<String>,
        members: Vec<PersonRef>,
    ) -> Result<ConnectionGroup> {
        let capsule = self.governed_capsule(call, capsule)?;
        check_text("id", id)?;
        check_text("name", name)?;
        if let Some(description) = &description {
            check_text("description", description)?;
        }
        if members.len() > limits::GROUP_MEMBERS_MAX {
            return Err(Error::invalid(
                "members",
                format!(
                    "{}; at most {} are allowed",
                    members.len(),
                    limits::GROUP_MEMBERS_MAX
                ),
            ));
        }
        members
            .iter()
            .try_for_each(|member| check_person("members", member))?;
        let key = GroupKey::of(capsule, id);
        let before = self.facts.group(capsule, key);
        if before.is_none()
            && self.facts.groups(capsule).take(limits::GROUPS_MAX).count() == limits::GROUPS_MAX
        {
            return Err(Error::ResourceExhausted);
        }
        let mut group = GroupRecord {
            id: id.to_owned(),
            name: name.to_owned(),
            description,
            members: members.into_iter().map(StoredPerson).collect(),
            created_at: before.as_ref().map_or(call.now, |before| before.created_at),
            updated_at: before.as_ref().map_or(call.now, |before| before.updated_at),
        };
        if before.as_ref() == Some(&group) {
            return Ok(group.on_the_wire());
        }
        group.updated_at = call.now;
        let moving = group.members.len() + before.map_or(0, |before| before.members.len());
        let mut needs = FactStore::<M>::needs_for_group(moving, group.encoded_len());
        needs.push(CapsuleStore::<M>::need_for_usage());
        self.regions.reserve(&needs)?;
        self.facts.set_group(capsule, key, Some(&group));
        self.touch_capsule(capsule, call.now);
        Ok(group.on_the_wire())
    }

    /// Removes a connection group: entries for it count for nobody any more. Again: nothing.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], [`Error::NotFound`] as [`Self::connection_group_put`].
    pub fn connection_group_remove(&mut self, call: Call, capsule: &str, id: &str) -> Result<()> {
        let capsule = self.governed_capsule(call, capsule)?;
        let key = GroupKey::of(capsule, id);
        let Some(before) = self.facts.group(capsule, key) else {
            return Ok(());
        };
        let mut needs = FactStore::<M>::needs_for_group(before.members.len(), 0);
        needs.push(CapsuleStore::<M>::need_for_usage());
        self.regions.reserve_for_freeing(&needs)?;
        self.facts.set_group(capsule, key, None);
        self.touch_capsule(capsule, call.now);
        Ok(())
    }

    fn governed_capsule(&self, call: Call, id: &str) -> Result<CapsuleId> {
        let person = self.person(call)?;
        let (capsule, roles) = self.capsule_for(&person, id)?;
        if roles.may_govern() {
            Ok(capsule)
        } else {
            Err(Error::Unauthorized)
        }
    }

    pub(super) fn touch_capsule(&mut self, capsule: CapsuleId, now: u64) {
        let mut usage = self.capsules.usage(capsule);
        usage.updated_at = now;
        self.capsules.set_usage(capsule, &usage);
    }
}

fn check_text(name: &'static str, text: &str) -> Result<()> {
    if text.is_empty() || text.len() > limits::ENTRY_TEXT_MAX {
        return Err(Error::invalid(
            name,
            format!(
                "{} bytes; 1 to {} are allowed",
                text.len(),
                limits::ENTRY_TEXT_MAX
            ),
        ));
    }
    Ok(())
}
