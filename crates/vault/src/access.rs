//! Who may do what (contract, "Callers and permissions"). Carries I6: every operation asks here before it looks at
//! anything else.

use candid::Principal;
use keepsake_api::{
    AccessCondition, AccessEntry, AccessEvent, GrantSource, PersonRef, ResourceRole, SharingStatus,
};

use crate::error::{Error, Result};
use crate::hash::sha256_of_fields;
use crate::limits;
use crate::person::Person;

/// A person as stored in keys: 16 bytes of a hash of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonKey(pub [u8; 16]);

impl PersonKey {
    pub fn of_principal(principal: Principal) -> Self {
        Self::of_fields(&[b"principal", principal.as_slice()])
    }

    pub fn of(person: &PersonRef) -> Self {
        match person {
            PersonRef::Principal(principal) => Self::of_principal(*principal),
            PersonRef::Opaque(name) => Self::of_fields(&[b"opaque", name.as_bytes()]),
        }
    }

    fn of_fields(fields: &[&[u8]]) -> Self {
        let digest = sha256_of_fields("person", fields);
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        PersonKey(key)
    }
}

/// # Errors
/// [`Error::Invalid`] for the anonymous principal, who is nobody, and for a name that is empty or too long.
pub fn check_person(name: &'static str, person: &PersonRef) -> Result<()> {
    match person {
        PersonRef::Principal(principal) if *principal == Principal::anonymous() => Err(
            Error::invalid(name, "the anonymous principal is not a person"),
        ),
        PersonRef::Opaque(text) if text.is_empty() || text.len() > limits::OPAQUE_PERSON_MAX => {
            Err(Error::invalid(
                name,
                format!(
                    "a name of {} bytes; 1 to {} are allowed",
                    text.len(),
                    limits::OPAQUE_PERSON_MAX
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// What a person is in a capsule; a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(pub u8);

impl Roles {
    pub const OWNER: Roles = Roles(1);
    pub const CONTROLLER: Roles = Roles(2);
    pub const SUBJECT: Roles = Roles(4);
    /// Has taken itself out of the owners or controllers: nothing may be done for that, but doing it again is answered as before.
    pub const LEFT: Roles = Roles(64);
    /// Owned the capsule when it was deleted: nothing may be done, but deleting it again is answered as before.
    pub const FORMER_OWNER: Roles = Roles(128);

    pub fn with(self, other: Roles) -> Roles {
        Roles(self.0 | other.0)
    }

    pub fn has(self, other: Roles) -> bool {
        self.0 & other.0 != 0
    }

    /// Read the capsule, list it, create memories and upload: owner, controller, subject.
    pub fn may_use(self) -> bool {
        self.has(Roles(
            Roles::OWNER.0 | Roles::CONTROLLER.0 | Roles::SUBJECT.0,
        ))
    }

    /// Delete memories and content, change access entries: owner, controller.
    pub fn may_govern(self) -> bool {
        self.has(Roles(Roles::OWNER.0 | Roles::CONTROLLER.0))
    }
}

/// What may be done with one memory; a set of the interface's bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(pub u32);

impl Permissions {
    pub const VIEW: Permissions = Permissions(1);
    pub const DOWNLOAD: Permissions = Permissions(2);
    pub const SHARE: Permissions = Permissions(4);
    pub const MANAGE: Permissions = Permissions(8);
    pub const OWN: Permissions = Permissions(16);
    pub const ALL: Permissions = Permissions(31);

    pub fn has(self, other: Permissions) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn union(self, other: Permissions) -> Permissions {
        Permissions(self.0 | other.0)
    }

    /// What a role stands for.
    pub fn of_role(role: ResourceRole) -> Permissions {
        Permissions(match role {
            ResourceRole::Owner => 31,
            ResourceRole::SuperAdmin | ResourceRole::Admin => 15,
            ResourceRole::Member => 3,
            ResourceRole::Guest => 1,
        })
    }

    /// What the capsule's roles give on each of its memories: all to owners and controllers; everything but sharing and
    /// deleting to the subject.
    pub fn of_roles(roles: Roles) -> Permissions {
        if roles.may_govern() {
            Permissions::ALL
        } else if roles.has(Roles::SUBJECT) {
            Permissions(1 | 2 | 8)
        } else {
            Permissions(0)
        }
    }

    fn of_entry(entry: &AccessEntry) -> Permissions {
        match entry.perm_mask {
            0 => Permissions::of_role(entry.role),
            mask => Permissions(mask & Permissions::ALL.0),
        }
    }
}

/// What the capsule knows that conditions and groups depend on.
pub trait CapsuleFacts {
    /// Whether the capsule's owner has recorded this event.
    fn recorded(&self, event: &AccessEvent) -> bool;
    /// Whether one of a person's principals is a member of this connection group.
    fn is_member(&self, group: &str, person: PersonKey) -> bool;
}

/// Whether the entry's condition holds at this time.
pub fn counts(entry: &AccessEntry, now: u64, facts: &impl CapsuleFacts) -> bool {
    match &entry.condition {
        AccessCondition::Immediate => true,
        AccessCondition::Scheduled { accessible_after } => now >= *accessible_after,
        AccessCondition::ExpiresAt { expires } => now < *expires,
        AccessCondition::EventTriggered { event } => facts.recorded(event),
    }
}

/// Whether the entry does not count yet, and will: a memory with such an entry is a time capsule that has not opened.
pub fn waits(entry: &AccessEntry, now: u64, facts: &impl CapsuleFacts) -> bool {
    match &entry.condition {
        AccessCondition::Immediate | AccessCondition::ExpiresAt { .. } => false,
        AccessCondition::Scheduled { .. } | AccessCondition::EventTriggered { .. } => {
            !counts(entry, now, facts)
        }
    }
}

/// Whether the entry is for everybody.
pub fn is_public(entry: &AccessEntry) -> bool {
    entry.is_public || (entry.person_ref.is_none() && entry.grant_source != GrantSource::Group)
}

/// Whether the entry is for this person: by one of its names, by a group that has one of them, or because it is for everybody.
pub fn concerns(entry: &AccessEntry, person: &Person, facts: &impl CapsuleFacts) -> bool {
    if is_public(entry) {
        return true;
    }
    if entry.grant_source == GrantSource::Group {
        return entry
            .source_id
            .as_deref()
            .is_some_and(|group| person.keys().any(|key| facts.is_member(group, key)));
    }
    named(entry).is_some_and(|who| person.has_key(PersonKey::of(who)))
}

/// The person that the entry is for. A Group entry is for the group's members alone, whomever its `person_ref` names.
fn named(entry: &AccessEntry) -> Option<&PersonRef> {
    match entry.grant_source {
        GrantSource::Group => None,
        _ => entry.person_ref.as_ref(),
    }
}

/// The union of what the capsule's roles and all entries that count give the person on one memory.
pub fn permissions(
    roles: Roles,
    entries: &[AccessEntry],
    person: &Person,
    now: u64,
    facts: &impl CapsuleFacts,
) -> Permissions {
    entries
        .iter()
        .filter(|entry| counts(entry, now, facts) && concerns(entry, person, facts))
        .map(Permissions::of_entry)
        .fold(Permissions::of_roles(roles), Permissions::union)
}

/// Sharing status as the entries that count at this time give it.
pub fn sharing_status(
    entries: &[AccessEntry],
    owners: &[PersonRef],
    now: u64,
    facts: &impl CapsuleFacts,
) -> SharingStatus {
    let mut counting = entries.iter().filter(|entry| counts(entry, now, facts));
    let mut shared = false;
    if counting.any(|entry| {
        shared |= is_for_somebody_else(entry, owners);
        is_public(entry)
    }) {
        SharingStatus::Public
    } else if shared {
        SharingStatus::Shared
    } else {
        SharingStatus::Private
    }
}

/// How many people other than the owners have an entry.
pub fn shared_count(entries: &[AccessEntry], owners: &[PersonRef]) -> u32 {
    let mut people: Vec<&PersonRef> = entries
        .iter()
        .filter_map(named)
        .filter(|person| !owners.contains(person))
        .collect();
    people.sort();
    people.dedup();
    people.len() as u32
}

fn is_for_somebody_else(entry: &AccessEntry, owners: &[PersonRef]) -> bool {
    match named(entry) {
        Some(person) => !owners.contains(person),
        None => !is_public(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Facts;

    impl CapsuleFacts for Facts {
        fn recorded(&self, event: &AccessEvent) -> bool {
            *event == AccessEvent::Graduation
        }
        fn is_member(&self, group: &str, person: PersonKey) -> bool {
            group == "family" && person == PersonKey::of(&aunt())
        }
    }

    fn aunt() -> PersonRef {
        PersonRef::Principal(Principal::self_authenticating([1]))
    }

    fn entry(person: Option<PersonRef>, mask: u32, condition: AccessCondition) -> AccessEntry {
        AccessEntry {
            id: "e".into(),
            is_public: person.is_none(),
            person_ref: person,
            grant_source: GrantSource::User,
            source_id: None,
            role: ResourceRole::Guest,
            perm_mask: mask,
            invited_by_person_ref: None,
            created_at: 0,
            updated_at: 0,
            condition,
        }
    }

    fn mask(entries: &[AccessEntry], now: u64) -> u32 {
        permissions(
            Roles::default(),
            entries,
            &Person::alone(Principal::self_authenticating([1])),
            now,
            &Facts,
        )
        .0
    }

    #[test]
    fn conditions_hold_exactly_when_they_say() {
        use AccessCondition::*;
        let at = |condition: AccessCondition, now| mask(&[entry(Some(aunt()), 3, condition)], now);
        assert_eq!(at(Immediate, 0), 3);
        assert_eq!(
            at(
                Scheduled {
                    accessible_after: 10
                },
                9
            ),
            0
        );
        assert_eq!(
            at(
                Scheduled {
                    accessible_after: 10
                },
                10
            ),
            3
        );
        assert_eq!(at(ExpiresAt { expires: 10 }, 9), 3);
        assert_eq!(at(ExpiresAt { expires: 10 }, 10), 0);
        assert_eq!(
            at(
                EventTriggered {
                    event: AccessEvent::Graduation
                },
                0
            ),
            3
        );
        assert_eq!(
            at(
                EventTriggered {
                    event: AccessEvent::Wedding
                },
                0
            ),
            0
        );
    }

    #[test]
    fn masks_are_united_and_zero_takes_the_roles() {
        let immediate = || AccessCondition::Immediate;
        let stranger = PersonRef::Opaque("stranger".into());
        assert_eq!(mask(&[entry(Some(stranger), 31, immediate())], 0), 0);
        assert_eq!(
            mask(
                &[
                    entry(Some(aunt()), 2, immediate()),
                    entry(None, 1, immediate())
                ],
                0
            ),
            3
        );
        assert_eq!(mask(&[entry(Some(aunt()), 0, immediate())], 0), 1);
        let mut group = entry(None, 4, immediate());
        group.is_public = false;
        group.grant_source = GrantSource::Group;
        group.source_id = Some("family".into());
        assert_eq!(mask(std::slice::from_ref(&group), 0), 4);
        group.source_id = Some("colleagues".into());
        assert_eq!(mask(&[group], 0), 0);
    }

    #[test]
    fn roles_give_what_the_contracts_table_says() {
        assert_eq!(Permissions::of_roles(Roles::OWNER), Permissions::ALL);
        assert_eq!(Permissions::of_roles(Roles::CONTROLLER), Permissions::ALL);
        assert_eq!(Permissions::of_roles(Roles::SUBJECT), Permissions(11));
        assert_eq!(Permissions::of_roles(Roles::default()), Permissions(0));
        assert_eq!(
            Permissions::of_roles(Roles::SUBJECT.with(Roles::OWNER)),
            Permissions::ALL
        );
    }
}
