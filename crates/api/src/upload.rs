//! Uploads and blobs.

use candid::CandidType;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// What a client has to know before it sends content. All in bytes.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct UploadConfig {
    /// The longest inline asset.
    pub inline_max: u32,
    /// The longest chunk.
    pub chunk_size: u32,
    pub inline_budget_per_capsule: u32,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageBackend {
    Icp,
    S3,
    VercelBlob,
    Ipfs,
    Arweave,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct UploadFinishResult {
    pub blob_id: String,
    /// Empty: finishing an upload creates no memory.
    pub memory_id: String,
    pub size: u64,
    pub checksum_sha256: Option<ByteBuf>,
    pub storage_backend: StorageBackend,
    pub storage_location: String,
    pub remote_id: Option<String>,
    pub uploaded_at: u64,
    pub expires_at: Option<u64>,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct BlobMeta {
    pub size: u64,
    pub chunk_count: u32,
}
