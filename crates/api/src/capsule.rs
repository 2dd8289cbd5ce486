//! Capsules: a person's space.

use candid::CandidType;
use serde::{Deserialize, Serialize};

use crate::{AccessEntry, Memory, MemoryType, PersonRef, SharingStatus};

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct OwnerState {
    pub since: u64,
    pub last_activity_at: u64,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ControllerState {
    pub granted_at: u64,
    pub granted_by: PersonRef,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStatus {
    Pending,
    Accepted,
    Blocked,
    Revoked,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub peer: PersonRef,
    pub status: ConnectionStatus,
    pub created_at: u64,
    pub updated_at: u64,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ConnectionGroup {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub members: Vec<PersonRef>,
    pub created_at: u64,
    pub updated_at: u64,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendHosting {
    Icp,
    Vercel,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseHosting {
    Icp,
    Neon,
}

/// Where content is kept. `Icp` is the vault itself; the others are external.
#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobHosting {
    Icp,
    S3,
    VercelBlob,
    Ipfs,
    Arweave,
    Neon,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct HostingPreferences {
    pub frontend_hosting: BackendHosting,
    pub backend_hosting: BackendHosting,
    pub database_hosting: DatabaseHosting,
    pub blob_hosting: BlobHosting,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FolderMetadata {
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub total_memories: u32,
    pub shared_count: u32,
    pub sharing_status: SharingStatus,
    pub storage_location: Vec<BlobHosting>,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Folder {
    pub id: String,
    pub capsule_id: String,
    pub metadata: FolderMetadata,
    pub access_entries: Vec<AccessEntry>,
    pub created_at: u64,
    pub updated_at: u64,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct GalleryItem {
    pub memory_id: String,
    pub memory_type: MemoryType,
    pub position: u32,
    pub caption: Option<String>,
    pub metadata: Vec<(String, String)>,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Gallery {
    pub id: String,
    pub capsule_id: String,
    pub metadata: FolderMetadata,
    pub cover_memory_id: Option<String>,
    pub items: Vec<GalleryItem>,
    pub access_entries: Vec<AccessEntry>,
    pub created_at: u64,
    pub updated_at: u64,
}

/// A capsule with all that hangs on it, as `capsules_create` answers.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Capsule {
    pub id: String,
    /// Whom it is about.
    pub subject: PersonRef,
    pub owners: Vec<(PersonRef, OwnerState)>,
    pub controllers: Vec<(PersonRef, ControllerState)>,
    pub connections: Vec<(PersonRef, Connection)>,
    pub connection_groups: Vec<(String, ConnectionGroup)>,
    /// At most the newest 100; all of them by `memories_list`.
    pub memories: Vec<(String, Memory)>,
    pub galleries: Vec<(String, Gallery)>,
    pub folders: Vec<(String, Folder)>,
    pub inline_bytes_used: u64,
    pub has_advanced_settings: bool,
    pub bound_to_neon: bool,
    pub hosting_preferences: HostingPreferences,
    pub created_at: u64,
    pub updated_at: u64,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct CapsuleHeader {
    pub id: String,
    pub subject: PersonRef,
    pub owner_count: u64,
    pub controller_count: u64,
    pub memory_count: u64,
    pub created_at: u64,
    pub updated_at: u64,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct CapsuleInfo {
    pub capsule_id: String,
    pub subject: PersonRef,
    pub is_owner: bool,
    pub is_controller: bool,
    /// Subject and owner are the caller, who made it as its own and has not given it up since.
    pub is_self_capsule: bool,
    pub bound_to_neon: bool,
    pub memory_count: u64,
    pub gallery_count: u64,
    pub connection_count: u64,
    pub created_at: u64,
    pub updated_at: u64,
}

/// What a client may change of a capsule; `None` leaves it as it is.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct CapsuleUpdateData {
    pub bound_to_neon: Option<bool>,
}
