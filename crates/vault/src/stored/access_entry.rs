//! An access entry as stored.

use keepsake_api::{AccessCondition, AccessEntry, AccessEvent, GrantSource, ResourceRole};
use minicbor::{Decode, Encode};

use super::{Coded, StoredPerson};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StoredAccessEntry {
    #[n(0)]
    id: String,
    #[n(1)]
    person: Option<StoredPerson>,
    #[n(2)]
    is_public: bool,
    #[n(3)]
    grant_source: Coded<GrantSource>,
    #[n(4)]
    source_id: Option<String>,
    #[n(5)]
    role: Coded<ResourceRole>,
    #[n(6)]
    perm_mask: u32,
    #[n(7)]
    invited_by: Option<StoredPerson>,
    #[n(8)]
    created_at: u64,
    #[n(9)]
    updated_at: u64,
    #[n(10)]
    condition: StoredCondition,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum StoredCondition {
    #[n(0)]
    Immediate,
    #[n(1)]
    Scheduled(#[n(0)] u64),
    #[n(2)]
    ExpiresAt(#[n(0)] u64),
    #[n(3)]
    EventTriggered(#[n(0)] StoredEvent),
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum StoredEvent {
    #[n(0)]
    AfterDeath,
    #[n(1)]
    Anniversary(#[n(0)] u32),
    #[n(2)]
    Birthday(#[n(0)] u32),
    #[n(3)]
    Graduation,
    #[n(4)]
    Wedding,
    #[n(5)]
    CapsuleMaturity(#[n(0)] u32),
    #[n(6)]
    ConnectionCount(#[n(0)] u32),
    #[n(7)]
    Custom(#[n(0)] String),
}

impl From<AccessEvent> for StoredEvent {
    fn from(event: AccessEvent) -> Self {
        match event {
            AccessEvent::AfterDeath => StoredEvent::AfterDeath,
            AccessEvent::Anniversary(n) => StoredEvent::Anniversary(n),
            AccessEvent::Birthday(n) => StoredEvent::Birthday(n),
            AccessEvent::Graduation => StoredEvent::Graduation,
            AccessEvent::Wedding => StoredEvent::Wedding,
            AccessEvent::CapsuleMaturity(n) => StoredEvent::CapsuleMaturity(n),
            AccessEvent::ConnectionCount(n) => StoredEvent::ConnectionCount(n),
            AccessEvent::Custom(name) => StoredEvent::Custom(name),
        }
    }
}

impl From<StoredEvent> for AccessEvent {
    fn from(event: StoredEvent) -> Self {
        match event {
            StoredEvent::AfterDeath => AccessEvent::AfterDeath,
            StoredEvent::Anniversary(n) => AccessEvent::Anniversary(n),
            StoredEvent::Birthday(n) => AccessEvent::Birthday(n),
            StoredEvent::Graduation => AccessEvent::Graduation,
            StoredEvent::Wedding => AccessEvent::Wedding,
            StoredEvent::CapsuleMaturity(n) => AccessEvent::CapsuleMaturity(n),
            StoredEvent::ConnectionCount(n) => AccessEvent::ConnectionCount(n),
            StoredEvent::Custom(name) => AccessEvent::Custom(name),
        }
    }
}

impl From<AccessEntry> for StoredAccessEntry {
    fn from(entry: AccessEntry) -> Self {
        StoredAccessEntry {
            id: entry.id,
            person: entry.person_ref.map(StoredPerson),
            is_public: entry.is_public,
            grant_source: Coded(entry.grant_source),
            source_id: entry.source_id,
            role: Coded(entry.role),
            perm_mask: entry.perm_mask,
            invited_by: entry.invited_by_person_ref.map(StoredPerson),
            created_at: entry.created_at,
            updated_at: entry.updated_at,
            condition: match entry.condition {
                AccessCondition::Immediate => StoredCondition::Immediate,
                AccessCondition::Scheduled { accessible_after } => {
                    StoredCondition::Scheduled(accessible_after)
                }
                AccessCondition::ExpiresAt { expires } => StoredCondition::ExpiresAt(expires),
                AccessCondition::EventTriggered { event } => {
                    StoredCondition::EventTriggered(event.into())
                }
            },
        }
    }
}

impl From<StoredAccessEntry> for AccessEntry {
    fn from(entry: StoredAccessEntry) -> Self {
        AccessEntry {
            id: entry.id,
            person_ref: entry.person.map(|person| person.0),
            is_public: entry.is_public,
            grant_source: entry.grant_source.0,
            source_id: entry.source_id,
            role: entry.role.0,
            perm_mask: entry.perm_mask,
            invited_by_person_ref: entry.invited_by.map(|person| person.0),
            created_at: entry.created_at,
            updated_at: entry.updated_at,
            condition: match entry.condition {
                StoredCondition::Immediate => AccessCondition::Immediate,
                StoredCondition::Scheduled(accessible_after) => {
                    AccessCondition::Scheduled { accessible_after }
                }
                StoredCondition::ExpiresAt(expires) => AccessCondition::ExpiresAt { expires },
                StoredCondition::EventTriggered(event) => AccessCondition::EventTriggered {
                    event: event.into(),
                },
            },
        }
    }
}
