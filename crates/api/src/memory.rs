//! Memories: one remembered thing each, with its assets.

use candid::CandidType;
use serde::{Deserialize, Serialize};

use crate::{
    AccessEntry, DatabaseHosting, Error, MemoryAssetBlobExternal, MemoryAssetBlobInternal,
    MemoryAssetInline, SharingStatus,
};

#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryType {
    Image,
    Video,
    Audio,
    Document,
    Note,
}

/// What is known of a memory. The vault computes `updated_at`, `uploaded_at`, `created_by`, `total_size`,
/// `asset_count`, `shared_count` and `sharing_status`; the rest is the client's.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct MemoryMetadata {
    pub memory_type: MemoryType,
    pub title: Option<String>,
    pub description: Option<String>,
    pub content_type: String,
    pub created_at: u64,
    pub updated_at: u64,
    pub uploaded_at: u64,
    pub date_of_memory: Option<u64>,
    pub file_created_at: Option<u64>,
    pub parent_folder_id: Option<String>,
    pub tags: Vec<String>,
    pub deleted_at: Option<u64>,
    pub people_in_memory: Option<Vec<String>>,
    pub location: Option<String>,
    pub memory_notes: Option<String>,
    pub created_by: Option<String>,
    pub database_storage_edges: Vec<DatabaseHosting>,
    pub shared_count: u32,
    pub sharing_status: SharingStatus,
    pub total_size: u64,
    pub asset_count: u32,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Memory {
    pub id: String,
    pub capsule_id: String,
    pub metadata: MemoryMetadata,
    /// All of them for who may share or owns; otherwise those that concern the caller.
    pub access_entries: Vec<AccessEntry>,
    pub inline_assets: Vec<MemoryAssetInline>,
    pub blob_internal_assets: Vec<MemoryAssetBlobInternal>,
    pub blob_external_assets: Vec<MemoryAssetBlobExternal>,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetKind {
    Original,
    Display,
    Thumbnail,
}

/// Where an asset is served over HTTP, and the token that opens it.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct AssetLink {
    pub path: String,
    pub token: String,
    pub asset_id: String,
    pub asset_kind: AssetKind,
    pub content_type: String,
    pub bytes: Option<u64>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub etag: Option<String>,
    /// Nanoseconds since 1970 UTC (Candid `nat`).
    pub expires_at_ns: u128,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetLinks {
    pub original: Option<AssetLink>,
    pub display: Option<AssetLink>,
    pub thumbnail: Option<AssetLink>,
}

/// A memory in a listing.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct MemoryHeader {
    pub id: String,
    pub capsule_id: String,
    pub name: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub memory_type: MemoryType,
    pub size: u64,
    pub asset_count: u32,
    pub tags: Vec<String>,
    pub parent_folder_id: Option<String>,
    pub sharing_status: SharingStatus,
    pub shared_count: u32,
    pub assets: AssetLinks,
    /// The placeholder image as base64, where it is inline and under 1,000 bytes.
    pub placeholder_data: Option<String>,
    pub database_storage_edges: Vec<DatabaseHosting>,
    pub created_at: u64,
    pub updated_at: u64,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Page {
    pub items: Vec<MemoryHeader>,
    /// Opaque; hand it in for the next page. `None`: this was the last.
    pub next_cursor: Option<String>,
}

/// A memory in the trash.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct TrashedMemory {
    /// As in listings, without links: nothing in the trash is served.
    pub header: MemoryHeader,
    pub trashed_at: u64,
    /// From then on it cannot be restored, and its space comes back.
    pub reclaimed_at: u64,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct TrashPage {
    pub items: Vec<TrashedMemory>,
    /// Opaque; hand it in for the next page. `None`: this was the last.
    pub next_cursor: Option<String>,
}

/// What a client may change of a memory; `None` leaves it as it is.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct MemoryUpdateData {
    /// The title, also where `metadata` has another.
    pub name: Option<String>,
    /// Replaces what a client may set.
    pub metadata: Option<MemoryMetadata>,
    /// Replaces all entries.
    pub access_entries: Option<Vec<AccessEntry>>,
}

/// Whether a memory is there for the caller, and whether it has an asset.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct MemoryPresenceResult {
    pub memory_id: String,
    pub metadata_present: bool,
    pub asset_present: bool,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct BulkDeleteResult {
    pub deleted_count: u32,
    pub failed_count: u32,
    pub message: String,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct BulkFailure {
    pub id: String,
    pub err: Error,
}

/// What became of each id of a bulk call.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct BulkResult {
    pub ok: Vec<String>,
    pub failed: Vec<BulkFailure>,
}
