//! Who calls: every way in which somebody can have, have had, or not have, a part in the capsule that the matrix is about.

use candid::Principal;
use keepsake_api::{
    AccessCondition, AccessEntry, AccessEvent, GrantSource, PersonRef, ResourceRole,
};

use crate::world::NOW;

/// The bits of a permission mask (contract, "Callers and permissions").
pub const VIEW: u32 = 1;
pub const DOWNLOAD: u32 = 2;
pub const SHARE: u32 = 4;
pub const MANAGE: u32 = 8;
pub const OWN: u32 = 16;
pub const ALL: u32 = 31;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Anonymous,
    /// Has a capsule of its own, and no part in this one.
    Stranger,
    /// Has nothing at all.
    Newcomer,
    /// Made the capsule.
    Owner,
    SecondOwner,
    Controller,
    Subject,
    /// Were taken out by another owner.
    FormerOwner,
    FormerController,
    /// Took themselves out.
    OwnerWhoLeft,
    ControllerWhoLeft,
    /// A principal linked to the owner's person.
    LinkedToOwner,
    /// Has an entry with this mask; 0: what the role gives.
    Entry(u32, ResourceRole),
    /// The same as `Entry(DOWNLOAD and VIEW)` by a linked principal: the entry names the person's first, or its second, principal.
    LinkedToGrantee,
    LinkedByGrantee,
    /// In a connection group that has an entry with VIEW, and once in it.
    Member,
    FormerMember,
    /// Has an entry with VIEW under a condition that does not hold now, or does.
    Waits(Condition),
    Waited(Condition),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Scheduled,
    Expires,
    Event,
}

/// One caller of the matrix.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    pub name: &'static str,
    pub standing: Standing,
    /// Makes the caller's principal.
    number: u8,
}

const fn role(number: u8, name: &'static str, standing: Standing) -> Role {
    Role {
        name,
        standing,
        number,
    }
}

const fn entry(number: u8, name: &'static str, mask: u32) -> Role {
    role(number, name, Standing::Entry(mask, ResourceRole::Guest))
}

const fn by_role(number: u8, name: &'static str, given: ResourceRole) -> Role {
    role(number, name, Standing::Entry(0, given))
}

pub const ANONYMOUS: Role = role(0, "anonymous", Standing::Anonymous);
pub const OWNER: Role = role(1, "owner", Standing::Owner);
pub const SECOND_OWNER: Role = role(2, "second owner", Standing::SecondOwner);
pub const CONTROLLER: Role = role(3, "controller", Standing::Controller);
pub const SUBJECT: Role = role(4, "subject", Standing::Subject);
pub const FORMER_OWNER: Role = role(5, "former owner", Standing::FormerOwner);
pub const FORMER_CONTROLLER: Role = role(6, "former controller", Standing::FormerController);
pub const OWNER_WHO_LEFT: Role = role(7, "owner who left", Standing::OwnerWhoLeft);
pub const CONTROLLER_WHO_LEFT: Role = role(8, "controller who left", Standing::ControllerWhoLeft);
pub const LINKED_TO_OWNER: Role = role(9, "principal linked to the owner", Standing::LinkedToOwner);
pub const STRANGER: Role = role(10, "stranger", Standing::Stranger);
pub const LINKED_TO_GRANTEE: Role = role(
    12,
    "principal linked to a grantee",
    Standing::LinkedToGrantee,
);
pub const LINKED_BY_GRANTEE: Role = role(
    13,
    "person of which a linked principal is the grantee",
    Standing::LinkedByGrantee,
);
pub const MEMBER: Role = role(14, "member of a group", Standing::Member);
pub const FORMER_MEMBER: Role = role(15, "former member of a group", Standing::FormerMember);
pub const OWN_ENTRY: Role = entry(29, "entry with VIEW and OWN", VIEW | OWN);

pub const ROLES: &[Role] = &[
    ANONYMOUS,
    OWNER,
    SECOND_OWNER,
    CONTROLLER,
    SUBJECT,
    FORMER_OWNER,
    FORMER_CONTROLLER,
    OWNER_WHO_LEFT,
    CONTROLLER_WHO_LEFT,
    LINKED_TO_OWNER,
    STRANGER,
    role(11, "newcomer", Standing::Newcomer),
    LINKED_TO_GRANTEE,
    LINKED_BY_GRANTEE,
    MEMBER,
    FORMER_MEMBER,
    entry(20, "entry with VIEW", VIEW),
    entry(21, "entry with DOWNLOAD alone", DOWNLOAD),
    entry(22, "entry with SHARE alone", SHARE),
    entry(23, "entry with MANAGE alone", MANAGE),
    entry(24, "entry with OWN alone", OWN),
    entry(25, "entry with everything but VIEW", ALL - VIEW),
    entry(26, "entry with VIEW and DOWNLOAD", VIEW | DOWNLOAD),
    entry(27, "entry with VIEW and SHARE", VIEW | SHARE),
    entry(28, "entry with VIEW and MANAGE", VIEW | MANAGE),
    OWN_ENTRY,
    entry(
        30,
        "entry with VIEW, DOWNLOAD and MANAGE",
        VIEW | DOWNLOAD | MANAGE,
    ),
    entry(31, "entry with everything", ALL),
    by_role(32, "entry as Guest", ResourceRole::Guest),
    by_role(33, "entry as Member", ResourceRole::Member),
    by_role(34, "entry as Admin", ResourceRole::Admin),
    by_role(35, "entry as SuperAdmin", ResourceRole::SuperAdmin),
    by_role(36, "entry as Owner", ResourceRole::Owner),
    role(
        40,
        "entry from tomorrow on",
        Standing::Waits(Condition::Scheduled),
    ),
    role(
        41,
        "entry that expired",
        Standing::Waits(Condition::Expires),
    ),
    role(
        42,
        "entry after an event that was not recorded",
        Standing::Waits(Condition::Event),
    ),
    role(
        43,
        "entry since yesterday",
        Standing::Waited(Condition::Scheduled),
    ),
    role(
        44,
        "entry until tomorrow",
        Standing::Waited(Condition::Expires),
    ),
    role(
        45,
        "entry after an event that was recorded",
        Standing::Waited(Condition::Event),
    ),
];

/// A principal that is nobody's role.
pub fn other_principal(number: u8) -> Principal {
    Principal::self_authenticating([number, 255])
}

/// The event that the owner has recorded, and one that the owner has not.
pub fn recorded() -> AccessEvent {
    AccessEvent::Graduation
}

pub fn not_recorded() -> AccessEvent {
    AccessEvent::Custom("the house is sold".into())
}

/// The connection group that has an entry.
pub const GROUP: &str = "family";

impl Role {
    pub fn principal(&self) -> Principal {
        match self.standing {
            Standing::Anonymous => Principal::anonymous(),
            _ => Principal::self_authenticating([self.number, 1]),
        }
    }

    pub fn person(&self) -> PersonRef {
        PersonRef::Principal(self.principal())
    }

    /// The principal that this role's person has beside the role's own, or will be linked with.
    pub fn other(&self) -> Principal {
        other_principal(self.number)
    }

    /// Somebody who has made the role an offer to be linked, or an offer that has ended.
    pub fn offerer(&self, kind: u8) -> Principal {
        Principal::self_authenticating([self.number, 50 + kind])
    }

    pub fn is_named(&self) -> bool {
        self.standing != Standing::Anonymous
    }

    /// Whether this is the role that deleted [`crate::things::OfMemory::DeletedByGrantee`].
    pub fn deleted_by_entry(&self) -> bool {
        self.number == OWN_ENTRY.number
    }

    /// Whether the person has several principals.
    pub fn is_linked(&self) -> bool {
        use Standing::*;
        matches!(
            self.standing,
            Owner | LinkedToOwner | LinkedToGrantee | LinkedByGrantee
        )
    }

    /// The entry by which the role has access to a shared memory.
    fn own_entry(&self) -> Option<AccessEntry> {
        let day = 24 * 3_600 * 1_000_000_000;
        let mut entry = plain_entry(self.name, Some(self.person()), VIEW);
        match self.standing {
            Standing::Entry(mask, given) => {
                entry.perm_mask = mask;
                entry.role = given;
            }
            Standing::LinkedToGrantee => {
                entry.person_ref = Some(PersonRef::Principal(self.other()));
                entry.perm_mask = VIEW | DOWNLOAD;
            }
            Standing::LinkedByGrantee => {
                entry.person_ref = Some(PersonRef::Principal(self.other()));
                entry.perm_mask = VIEW | DOWNLOAD;
            }
            Standing::Member => {
                entry.person_ref = None;
                entry.grant_source = GrantSource::Group;
                entry.source_id = Some(GROUP.into());
            }
            Standing::Waits(condition) | Standing::Waited(condition) => {
                let waits = matches!(self.standing, Standing::Waits(_));
                entry.condition = match (condition, waits) {
                    (Condition::Scheduled, true) => AccessCondition::Scheduled {
                        accessible_after: NOW + day,
                    },
                    (Condition::Scheduled, false) => AccessCondition::Scheduled {
                        accessible_after: NOW - day,
                    },
                    (Condition::Expires, true) => AccessCondition::ExpiresAt { expires: NOW },
                    (Condition::Expires, false) => {
                        AccessCondition::ExpiresAt { expires: NOW + day }
                    }
                    (Condition::Event, true) => AccessCondition::EventTriggered {
                        event: not_recorded(),
                    },
                    (Condition::Event, false) => {
                        AccessCondition::EventTriggered { event: recorded() }
                    }
                };
            }
            _ => return None,
        }
        Some(entry)
    }
}

/// An entry that counts at once: for a person, or for everybody.
pub fn plain_entry(id: &str, person: Option<PersonRef>, mask: u32) -> AccessEntry {
    AccessEntry {
        id: id.into(),
        is_public: person.is_none(),
        person_ref: person,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask: mask,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}

/// The entries of a memory that is shared with everybody who can have one.
pub fn all_entries() -> Vec<AccessEntry> {
    ROLES.iter().filter_map(Role::own_entry).collect()
}

/// Entries that give every caller everything: what tokens are minted by, before the real ones take their place.
pub fn entries_for_all() -> Vec<AccessEntry> {
    ROLES
        .iter()
        .filter(|role| role.is_named())
        .map(|role| plain_entry(role.name, Some(role.person()), ALL))
        .collect()
}
