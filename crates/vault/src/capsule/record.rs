//! What is stored of a capsule: its profile, and apart from it the counters that change with every memory.

use keepsake_api::PersonRef;
use minicbor::{Decode, Encode};

use crate::stored::StoredPerson;

/// A capsule's profile.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CapsuleRecord {
    #[n(0)]
    pub subject: StoredPerson,
    #[n(1)]
    pub owners: Vec<OwnerRecord>,
    #[n(2)]
    pub controllers: Vec<ControllerRecord>,
    #[n(3)]
    pub created_at: u64,
    #[n(4)]
    pub bound_to_neon: bool,
}

impl CapsuleRecord {
    pub fn owner_refs(&self) -> Vec<PersonRef> {
        self.owners
            .iter()
            .map(|owner| owner.person.0.clone())
            .collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OwnerRecord {
    #[n(0)]
    pub person: StoredPerson,
    #[n(1)]
    pub since: u64,
    /// Which owner added this one; `None` for who made the capsule.
    #[n(2)]
    pub added_by: Option<StoredPerson>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ControllerRecord {
    #[n(0)]
    pub person: StoredPerson,
    #[n(1)]
    pub granted_at: u64,
    #[n(2)]
    pub granted_by: StoredPerson,
}

/// A capsule's counters. They are exact: recounting everything gives the same figures (I7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct CapsuleUsage {
    /// Those that are not in the trash.
    #[n(0)]
    pub memories: u64,
    /// Bytes of inline assets; what the inline budget bounds.
    #[n(1)]
    pub inline_bytes: u64,
    /// Bytes of blob content, equal content counted once.
    #[n(2)]
    pub blob_bytes: u64,
    /// Time of the last change of the capsule or of anything in it.
    #[n(3)]
    pub updated_at: u64,
    /// Memories in the trash. Their bytes count above until they are reclaimed.
    #[n(4)]
    #[cbor(default)]
    pub trashed: u64,
    /// Bytes of chunks of uploads under way: the sum of what each says of itself. They count while there is a quota of bytes.
    #[n(5)]
    #[cbor(default)]
    pub uploading: u64,
}

impl CapsuleUsage {
    /// What the quota of bytes bounds.
    pub fn bytes(&self) -> u64 {
        self.blob_bytes
            .saturating_add(self.inline_bytes)
            .saturating_add(self.uploading)
    }
}
