//! Assets: the files of a memory.

use candid::CandidType;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::BlobHosting;

#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetType {
    Original,
    Display,
    Thumbnail,
    Placeholder,
    Metadata,
}

/// What is known of any asset. `bytes` of 0 in a request means: fill it in.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct AssetMetadataBase {
    pub name: String,
    pub description: Option<String>,
    pub tags: Vec<String>,
    pub asset_type: AssetType,
    pub bytes: u64,
    pub mime_type: String,
    pub sha256: Option<ByteBuf>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub url: Option<String>,
    pub storage_key: Option<String>,
    pub bucket: Option<String>,
    pub asset_location: Option<String>,
    pub processing_status: Option<String>,
    pub processing_error: Option<String>,
    pub created_at: u64,
    pub updated_at: u64,
    pub deleted_at: Option<u64>,
}

impl AssetMetadataBase {
    /// What a request has to say of an asset; everything else is empty, and left to the vault.
    pub fn new(
        name: impl Into<String>,
        asset_type: AssetType,
        mime_type: impl Into<String>,
    ) -> AssetMetadataBase {
        AssetMetadataBase {
            name: name.into(),
            description: None,
            tags: Vec::new(),
            asset_type,
            bytes: 0,
            mime_type: mime_type.into(),
            sha256: None,
            width: None,
            height: None,
            url: None,
            storage_key: None,
            bucket: None,
            asset_location: None,
            processing_status: None,
            processing_error: None,
            created_at: 0,
            updated_at: 0,
            deleted_at: None,
        }
    }
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ImageAssetMetadata {
    pub base: AssetMetadataBase,
    pub color_space: Option<String>,
    pub exif_data: Option<String>,
    pub compression_ratio: Option<f32>,
    pub dpi: Option<u32>,
    pub orientation: Option<u8>,
}

/// With nothing said that only this kind has.
impl From<AssetMetadataBase> for ImageAssetMetadata {
    fn from(base: AssetMetadataBase) -> Self {
        ImageAssetMetadata {
            base,
            color_space: None,
            exif_data: None,
            compression_ratio: None,
            dpi: None,
            orientation: None,
        }
    }
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct VideoAssetMetadata {
    pub base: AssetMetadataBase,
    pub duration: Option<u64>,
    pub frame_rate: Option<f32>,
    pub codec: Option<String>,
    pub bitrate: Option<u64>,
    pub resolution: Option<String>,
    pub aspect_ratio: Option<f32>,
}

/// With nothing said that only this kind has.
impl From<AssetMetadataBase> for VideoAssetMetadata {
    fn from(base: AssetMetadataBase) -> Self {
        VideoAssetMetadata {
            base,
            duration: None,
            frame_rate: None,
            codec: None,
            bitrate: None,
            resolution: None,
            aspect_ratio: None,
        }
    }
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct AudioAssetMetadata {
    pub base: AssetMetadataBase,
    pub duration: Option<u64>,
    pub sample_rate: Option<u32>,
    pub channels: Option<u8>,
    pub bitrate: Option<u64>,
    pub codec: Option<String>,
    pub bit_depth: Option<u8>,
}

/// With nothing said that only this kind has.
impl From<AssetMetadataBase> for AudioAssetMetadata {
    fn from(base: AssetMetadataBase) -> Self {
        AudioAssetMetadata {
            base,
            duration: None,
            sample_rate: None,
            channels: None,
            bitrate: None,
            codec: None,
            bit_depth: None,
        }
    }
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct DocumentAssetMetadata {
    pub base: AssetMetadataBase,
    pub page_count: Option<u32>,
    pub document_type: Option<String>,
    pub language: Option<String>,
    pub word_count: Option<u32>,
}

/// With nothing said that only this kind has.
impl From<AssetMetadataBase> for DocumentAssetMetadata {
    fn from(base: AssetMetadataBase) -> Self {
        DocumentAssetMetadata {
            base,
            page_count: None,
            document_type: None,
            language: None,
            word_count: None,
        }
    }
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct NoteAssetMetadata {
    pub base: AssetMetadataBase,
    pub word_count: Option<u32>,
    pub language: Option<String>,
    pub format: Option<String>,
}

/// With nothing said that only this kind has.
impl From<AssetMetadataBase> for NoteAssetMetadata {
    fn from(base: AssetMetadataBase) -> Self {
        NoteAssetMetadata {
            base,
            word_count: None,
            language: None,
            format: None,
        }
    }
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum AssetMetadata {
    Image(ImageAssetMetadata),
    Video(VideoAssetMetadata),
    Audio(AudioAssetMetadata),
    Document(DocumentAssetMetadata),
    Note(NoteAssetMetadata),
}

impl AssetMetadata {
    /// The part that every kind of asset has.
    pub fn base(&self) -> &AssetMetadataBase {
        match self {
            AssetMetadata::Image(m) => &m.base,
            AssetMetadata::Video(m) => &m.base,
            AssetMetadata::Audio(m) => &m.base,
            AssetMetadata::Document(m) => &m.base,
            AssetMetadata::Note(m) => &m.base,
        }
    }

    /// The part that every kind of asset has, to change.
    pub fn base_mut(&mut self) -> &mut AssetMetadataBase {
        match self {
            AssetMetadata::Image(m) => &mut m.base,
            AssetMetadata::Video(m) => &mut m.base,
            AssetMetadata::Audio(m) => &mut m.base,
            AssetMetadata::Document(m) => &mut m.base,
            AssetMetadata::Note(m) => &mut m.base,
        }
    }
}

/// A blob, as a memory refers to it. A `len` of 0 in a request means: as stored.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// `blob_<n>`, which is also the blob's id.
    pub locator: String,
    pub hash: Option<ByteBuf>,
    pub len: u64,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct MemoryAssetInline {
    pub asset_id: String,
    pub bytes: ByteBuf,
    pub metadata: AssetMetadata,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct MemoryAssetBlobInternal {
    pub asset_id: String,
    pub blob_ref: BlobRef,
    pub metadata: AssetMetadata,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct MemoryAssetBlobExternal {
    pub asset_id: String,
    pub location: BlobHosting,
    pub storage_key: String,
    pub url: Option<String>,
    pub metadata: AssetMetadata,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct InlineAssetInput {
    pub bytes: ByteBuf,
    pub metadata: AssetMetadata,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct InternalBlobAssetInput {
    pub blob_id: String,
    pub metadata: AssetMetadata,
}

/// One asset's content, or where it is.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum MemoryAssetData {
    Inline {
        bytes: ByteBuf,
        content_type: String,
        size: u64,
        sha256: Option<ByteBuf>,
    },
    /// Read it with `blob_read_chunk`.
    InternalBlob {
        blob_id: String,
        size: u64,
        sha256: Option<ByteBuf>,
    },
    ExternalUrl {
        /// The address, or the storage key where no address is known.
        url: String,
        size: Option<u64>,
        sha256: Option<ByteBuf>,
    },
}

/// The ids of a memory's assets. Indexes count them in this order: inline, internal, external.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct MemoryAssetsList {
    pub memory_id: String,
    pub inline_assets: Vec<String>,
    pub internal_assets: Vec<String>,
    pub external_assets: Vec<String>,
    pub total_count: u32,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct AssetRemovalResult {
    pub memory_id: String,
    /// Whether there was such an asset.
    pub asset_removed: bool,
    pub message: String,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct AssetCleanupResult {
    pub memory_id: String,
    pub assets_cleaned: u32,
    pub message: String,
}

/// External content that no asset has any more: a client deletes it and acknowledges.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ExternalDeletion {
    pub id: String,
    pub location: BlobHosting,
    pub storage_key: String,
    /// When the last asset that had it was removed.
    pub removed_at: u64,
}
