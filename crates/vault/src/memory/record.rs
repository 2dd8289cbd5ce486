//! What is stored of a memory.

use keepsake_api::{AccessEntry, AssetType, BlobHosting};
use minicbor::{Decode, Encode};

use crate::access::Permissions;
use crate::arena::Extent;
use crate::hash::Sha256Digest;
use crate::ids::{AssetId, CapsuleId, MemoryId};
use crate::stored::{Coded, StoredAccessEntry, StoredAssetMetadata, StoredMemoryMetadata};

/// A memory with what its key says.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    pub id: MemoryId,
    pub capsule: CapsuleId,
    pub record: MemoryRecord,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct MemoryRecord {
    #[n(0)]
    pub metadata: StoredMemoryMetadata,
    #[n(1)]
    pub access: Vec<StoredAccessEntry>,
    #[n(2)]
    pub assets: Vec<AssetRecord>,
}

impl MemoryRecord {
    /// What listings are ordered by, in nanoseconds: when it happened, else when it was created.
    pub fn time(&self) -> u64 {
        self.metadata
            .date_of_memory
            .unwrap_or(self.metadata.created_at)
    }

    /// Bytes of all assets together, external ones of unknown length counted as 0.
    pub fn total_size(&self) -> u64 {
        self.assets
            .iter()
            .fold(0, |sum, asset| sum.saturating_add(asset.len()))
    }

    pub fn access_entries(&self) -> Vec<AccessEntry> {
        self.access.iter().cloned().map(Into::into).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct AssetRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    id: [u8; 16],
    #[n(1)]
    pub content: StoredAsset,
    #[n(2)]
    pub metadata: StoredAssetMetadata,
}

impl AssetRecord {
    pub fn new(id: AssetId, content: StoredAsset, metadata: StoredAssetMetadata) -> Self {
        Self {
            id: id.0,
            content,
            metadata,
        }
    }

    pub fn id(&self) -> AssetId {
        AssetId(self.id)
    }

    /// Length of the content in bytes; 0 where that is not known.
    pub fn len(&self) -> u64 {
        match &self.content {
            StoredAsset::Inline { place, .. } => place.len,
            StoredAsset::Blob { len, .. } => *len,
            StoredAsset::External { len, .. } => len.unwrap_or(0),
        }
    }

    /// Whether the content is kept elsewhere.
    pub fn is_external(&self) -> bool {
        matches!(self.content, StoredAsset::External { .. })
    }

    /// What reading the content takes: a derivative is part of viewing, everything else is downloading.
    pub fn needed_to_read(&self) -> Permissions {
        match self.metadata.base.asset_type.0 {
            AssetType::Display | AssetType::Thumbnail | AssetType::Placeholder => Permissions::VIEW,
            AssetType::Original | AssetType::Metadata => {
                Permissions::VIEW.union(Permissions::DOWNLOAD)
            }
        }
    }

    pub fn sha256(&self) -> Option<Sha256Digest> {
        match &self.content {
            StoredAsset::Inline { sha256, .. } | StoredAsset::Blob { sha256, .. } => Some(*sha256),
            StoredAsset::External { sha256, .. } => *sha256,
        }
    }
}

/// Where an asset's content is.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum StoredAsset {
    #[n(0)]
    Inline {
        #[n(0)]
        place: Extent,
        #[cbor(n(1), with = "minicbor::bytes")]
        sha256: Sha256Digest,
    },
    /// Length and hash stand here too: a blob never changes, and reading a memory need not look it up.
    #[n(1)]
    Blob {
        #[n(0)]
        blob: u64,
        #[n(1)]
        len: u64,
        #[cbor(n(2), with = "minicbor::bytes")]
        sha256: Sha256Digest,
    },
    #[n(2)]
    External {
        #[n(0)]
        location: Coded<BlobHosting>,
        #[n(1)]
        storage_key: String,
        #[n(2)]
        url: Option<String>,
        #[n(3)]
        len: Option<u64>,
        #[cbor(n(4), with = "minicbor::bytes")]
        sha256: Option<Sha256Digest>,
    },
}
