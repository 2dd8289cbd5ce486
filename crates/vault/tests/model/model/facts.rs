//! What access entries depend on: events that have happened, and who is in which connection group, as the contract says.

use keepsake_api::{AccessEvent, ConnectionGroup, PersonRef};
use keepsake_vault::limits;

use super::people::person;
use super::{Answer, Model, invalid, none_of};
use crate::pools::ANONYMOUS;

fn is_good(text: &str) -> bool {
    (1..=limits::ENTRY_TEXT_MAX).contains(&text.len())
}

/// A principal that can call, or a name.
pub fn is_somebody(named: &PersonRef) -> bool {
    match named {
        PersonRef::Principal(_) => *named != person(ANONYMOUS),
        PersonRef::Opaque(name) => (1..=limits::OPAQUE_PERSON_MAX).contains(&name.len()),
    }
}

impl Model {
    /// Recorded once and for all.
    pub fn capsule_event_record(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        event: &AccessEvent,
    ) -> Answer<()> {
        let capsule = self.owned(who, capsule)?;
        if matches!(event, AccessEvent::Custom(name) if !is_good(name)) {
            none_of(vec![invalid("event")])?;
        }
        let events = &mut self.capsules[capsule].events;
        if !events.contains(event) {
            events.push(event.clone());
        }
        Ok(())
    }

    /// The group as it is kept; putting it again as it is changes nothing.
    pub fn connection_group_put(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        group: ConnectionGroup,
    ) -> Answer<ConnectionGroup> {
        let capsule = self.governed(who, capsule)?;
        let mut wrong = vec![];
        for (name, text) in [("id", &group.id), ("name", &group.name)] {
            if !is_good(text) {
                wrong.push(invalid(name));
            }
        }
        if !group.members.iter().all(is_somebody) {
            wrong.push(invalid("members"));
        }
        none_of(wrong)?;
        let groups = &mut self.capsules[capsule].groups;
        let before = groups.get(&group.id);
        let mut after = ConnectionGroup {
            created_at: before.map_or(now, |before| before.created_at),
            updated_at: before.map_or(now, |before| before.updated_at),
            ..group
        };
        if before != Some(&after) {
            after.updated_at = now;
        }
        groups.insert(after.id.clone(), after.clone());
        Ok(after)
    }

    pub fn connection_group_remove(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        group: &str,
    ) -> Answer<()> {
        let capsule = self.governed(who, capsule)?;
        self.capsules[capsule].groups.remove(group);
        Ok(())
    }

    pub fn is_member(&self, who: usize, capsule: usize, group: &str) -> bool {
        let group = self.capsules[capsule].groups.get(group);
        group.is_some_and(|group| group.members.iter().any(|member| self.is(who, member)))
    }
}
