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

/// Chunks from `first` to `last`, both included, counted from 0.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    pub first: u32,
    pub last: u32,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum UploadState {
    Open,
    Finished { blob_id: String },
    Aborted,
}

/// How far an upload is.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct UploadStatus {
    pub session: u64,
    pub capsule_id: String,
    pub state: UploadState,
    pub expected_chunks: u32,
    pub received_chunks: u32,
    pub received_bytes: u64,
    /// The chunks that are not there yet, in order: at most the first 1,000 ranges.
    pub missing: Vec<ChunkRange>,
    pub created_at: u64,
    /// When the session goes, unless a chunk comes before.
    pub expires_at: u64,
}

/// What a client says of content before it sends any: every chunk has `chunk_size` bytes, and the last one what is left.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct UploadAnnouncement {
    pub sha256: ByteBuf,
    pub total_len: u64,
    pub chunk_size: u32,
}

/// How an announced upload goes on.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum UploadBegin {
    /// The capsule holds this content already: nothing has to be sent.
    Present(HeldBlob),
    Open {
        session: u64,
        expected_chunks: u32,
    },
}

/// A blob of the capsule.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct HeldBlob {
    pub blob_id: String,
    pub size: u64,
}
