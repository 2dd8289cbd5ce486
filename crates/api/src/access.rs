//! People and what they may do.

use candid::{CandidType, Principal};
use serde::{Deserialize, Serialize};

/// Somebody: by principal, or by a name that only the client understands.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PersonRef {
    Principal(Principal),
    Opaque(String),
}

/// A role stands for a permission mask: Owner 31, SuperAdmin and Admin 15, Member 3, Guest 1.
#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceRole {
    Owner,
    SuperAdmin,
    Admin,
    Member,
    Guest,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantSource {
    User,
    /// The entry counts for the members of the connection group that `source_id` names.
    Group,
    MagicLink,
    System,
}

/// Derived from the access entries that count: Public with a public one, Shared with one for somebody else.
#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharingStatus {
    Public,
    Shared,
    Private,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum AccessEvent {
    AfterDeath,
    Anniversary(u32),
    Birthday(u32),
    Graduation,
    Wedding,
    CapsuleMaturity(u32),
    ConnectionCount(u32),
    Custom(String),
}

/// When an access entry counts.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum AccessCondition {
    Immediate,
    /// From this time on.
    Scheduled {
        accessible_after: u64,
    },
    /// Before this time.
    ExpiresAt {
        expires: u64,
    },
    /// Once the capsule's owner has recorded the event.
    EventTriggered {
        event: AccessEvent,
    },
}

/// What one person, one group or the public may do with a memory.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct AccessEntry {
    pub id: String,
    /// `None`: the public.
    pub person_ref: Option<PersonRef>,
    pub is_public: bool,
    pub grant_source: GrantSource,
    pub source_id: Option<String>,
    pub role: ResourceRole,
    /// VIEW 1, DOWNLOAD 2, SHARE 4, MANAGE 8, OWN 16; 0 takes the role's.
    pub perm_mask: u32,
    pub invited_by_person_ref: Option<PersonRef>,
    pub created_at: u64,
    pub updated_at: u64,
    pub condition: AccessCondition,
}
