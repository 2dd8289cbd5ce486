//! An asset's metadata as stored. Length and hash are not here: they belong to the content and are stored with it.

use keepsake_api::{
    AssetMetadata, AssetMetadataBase, AssetType, AudioAssetMetadata, ByteBuf,
    DocumentAssetMetadata, ImageAssetMetadata, NoteAssetMetadata, VideoAssetMetadata,
};
use minicbor::{Decode, Encode};

use super::Coded;

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct StoredAssetMetadata {
    #[n(0)]
    pub base: StoredBase,
    #[n(1)]
    pub kind: StoredKind,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct StoredBase {
    #[n(0)]
    pub name: String,
    #[n(1)]
    pub description: Option<String>,
    #[n(2)]
    pub tags: Vec<String>,
    #[n(3)]
    pub asset_type: Coded<AssetType>,
    #[n(4)]
    pub mime_type: String,
    #[n(5)]
    pub width: Option<u32>,
    #[n(6)]
    pub height: Option<u32>,
    #[n(7)]
    pub url: Option<String>,
    #[n(8)]
    pub storage_key: Option<String>,
    #[n(9)]
    pub bucket: Option<String>,
    #[n(10)]
    pub asset_location: Option<String>,
    #[n(11)]
    pub processing_status: Option<String>,
    #[n(12)]
    pub processing_error: Option<String>,
    #[n(13)]
    pub created_at: u64,
    #[n(14)]
    pub updated_at: u64,
    #[n(15)]
    pub deleted_at: Option<u64>,
}

/// What only assets of one kind have.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum StoredKind {
    #[n(0)]
    Image {
        #[n(0)]
        color_space: Option<String>,
        #[n(1)]
        exif_data: Option<String>,
        #[n(2)]
        compression_ratio: Option<f32>,
        #[n(3)]
        dpi: Option<u32>,
        #[n(4)]
        orientation: Option<u8>,
    },
    #[n(1)]
    Video {
        #[n(0)]
        duration: Option<u64>,
        #[n(1)]
        frame_rate: Option<f32>,
        #[n(2)]
        codec: Option<String>,
        #[n(3)]
        bitrate: Option<u64>,
        #[n(4)]
        resolution: Option<String>,
        #[n(5)]
        aspect_ratio: Option<f32>,
    },
    #[n(2)]
    Audio {
        #[n(0)]
        duration: Option<u64>,
        #[n(1)]
        sample_rate: Option<u32>,
        #[n(2)]
        channels: Option<u8>,
        #[n(3)]
        bitrate: Option<u64>,
        #[n(4)]
        codec: Option<String>,
        #[n(5)]
        bit_depth: Option<u8>,
    },
    #[n(3)]
    Document {
        #[n(0)]
        page_count: Option<u32>,
        #[n(1)]
        document_type: Option<String>,
        #[n(2)]
        language: Option<String>,
        #[n(3)]
        word_count: Option<u32>,
    },
    #[n(4)]
    Note {
        #[n(0)]
        word_count: Option<u32>,
        #[n(1)]
        language: Option<String>,
        #[n(2)]
        format: Option<String>,
    },
}

impl From<AssetMetadata> for StoredAssetMetadata {
    fn from(metadata: AssetMetadata) -> Self {
        let (base, kind) = match metadata {
            AssetMetadata::Image(m) => (
                m.base,
                StoredKind::Image {
                    color_space: m.color_space,
                    exif_data: m.exif_data,
                    compression_ratio: m.compression_ratio,
                    dpi: m.dpi,
                    orientation: m.orientation,
                },
            ),
            AssetMetadata::Video(m) => (
                m.base,
                StoredKind::Video {
                    duration: m.duration,
                    frame_rate: m.frame_rate,
                    codec: m.codec,
                    bitrate: m.bitrate,
                    resolution: m.resolution,
                    aspect_ratio: m.aspect_ratio,
                },
            ),
            AssetMetadata::Audio(m) => (
                m.base,
                StoredKind::Audio {
                    duration: m.duration,
                    sample_rate: m.sample_rate,
                    channels: m.channels,
                    bitrate: m.bitrate,
                    codec: m.codec,
                    bit_depth: m.bit_depth,
                },
            ),
            AssetMetadata::Document(m) => (
                m.base,
                StoredKind::Document {
                    page_count: m.page_count,
                    document_type: m.document_type,
                    language: m.language,
                    word_count: m.word_count,
                },
            ),
            AssetMetadata::Note(m) => (
                m.base,
                StoredKind::Note {
                    word_count: m.word_count,
                    language: m.language,
                    format: m.format,
                },
            ),
        };
        StoredAssetMetadata {
            base: StoredBase {
                name: base.name,
                description: base.description,
                tags: base.tags,
                asset_type: Coded(base.asset_type),
                mime_type: base.mime_type,
                width: base.width,
                height: base.height,
                url: base.url,
                storage_key: base.storage_key,
                bucket: base.bucket,
                asset_location: base.asset_location,
                processing_status: base.processing_status,
                processing_error: base.processing_error,
                created_at: base.created_at,
                updated_at: base.updated_at,
                deleted_at: base.deleted_at,
            },
            kind,
        }
    }
}

impl StoredAssetMetadata {
    /// Leaves out where the content is kept.
    pub fn forget_address(&mut self) {
        self.base.url = None;
        self.base.storage_key = None;
        self.base.bucket = None;
    }

    /// The wire form, for content of this length and hash.
    pub fn on_the_wire(self, bytes: u64, sha256: Option<[u8; 32]>) -> AssetMetadata {
        let base = AssetMetadataBase {
            bytes,
            sha256: sha256.map(|hash| ByteBuf::from(hash.to_vec())),
            name: self.base.name,
            description: self.base.description,
            tags: self.base.tags,
            asset_type: self.base.asset_type.0,
            mime_type: self.base.mime_type,
            width: self.base.width,
            height: self.base.height,
            url: self.base.url,
            storage_key: self.base.storage_key,
            bucket: self.base.bucket,
            asset_location: self.base.asset_location,
            processing_status: self.base.processing_status,
            processing_error: self.base.processing_error,
            created_at: self.base.created_at,
            updated_at: self.base.updated_at,
            deleted_at: self.base.deleted_at,
        };
        match self.kind {
            StoredKind::Image {
                color_space,
                exif_data,
                compression_ratio,
                dpi,
                orientation,
            } => AssetMetadata::Image(ImageAssetMetadata {
                base,
                color_space,
                exif_data,
                compression_ratio,
                dpi,
                orientation,
            }),
            StoredKind::Video {
                duration,
                frame_rate,
                codec,
                bitrate,
                resolution,
                aspect_ratio,
            } => AssetMetadata::Video(VideoAssetMetadata {
                base,
                duration,
                frame_rate,
                codec,
                bitrate,
                resolution,
                aspect_ratio,
            }),
            StoredKind::Audio {
                duration,
                sample_rate,
                channels,
                bitrate,
                codec,
                bit_depth,
            } => AssetMetadata::Audio(AudioAssetMetadata {
                base,
                duration,
                sample_rate,
                channels,
                bitrate,
                codec,
                bit_depth,
            }),
            StoredKind::Document {
                page_count,
                document_type,
                language,
                word_count,
            } => AssetMetadata::Document(DocumentAssetMetadata {
                base,
                page_count,
                document_type,
                language,
                word_count,
            }),
            StoredKind::Note {
                word_count,
                language,
                format,
            } => AssetMetadata::Note(NoteAssetMetadata {
                base,
                word_count,
                language,
                format,
            }),
        }
    }
}
