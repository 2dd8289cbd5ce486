//! What only assets of one kind have, as it stands in a sidecar.

use keepsake_api::{
    AssetMetadata, AssetMetadataBase, AudioAssetMetadata, DocumentAssetMetadata,
    ImageAssetMetadata, NoteAssetMetadata, VideoAssetMetadata,
};
use serde::{Deserialize, Serialize};

use super::values::Single;

/// What only assets of one kind have. Fields as in the interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Details {
    Image {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        color_space: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exif_data: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compression_ratio: Option<Single>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dpi: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        orientation: Option<u8>,
    },
    Video {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame_rate: Option<Single>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        codec: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bitrate: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resolution: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        aspect_ratio: Option<Single>,
    },
    Audio {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sample_rate: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channels: Option<u8>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bitrate: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        codec: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bit_depth: Option<u8>,
    },
    Document {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page_count: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        document_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        word_count: Option<u32>,
    },
    Note {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        word_count: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<String>,
    },
}

impl Details {
    /// Those of an asset.
    pub fn of(metadata: &AssetMetadata) -> Self {
        match metadata {
            AssetMetadata::Image(m) => Details::Image {
                color_space: m.color_space.clone(),
                exif_data: m.exif_data.clone(),
                compression_ratio: m.compression_ratio.map(Single),
                dpi: m.dpi,
                orientation: m.orientation,
            },
            AssetMetadata::Video(m) => Details::Video {
                duration: m.duration,
                frame_rate: m.frame_rate.map(Single),
                codec: m.codec.clone(),
                bitrate: m.bitrate,
                resolution: m.resolution.clone(),
                aspect_ratio: m.aspect_ratio.map(Single),
            },
            AssetMetadata::Audio(m) => Details::Audio {
                duration: m.duration,
                sample_rate: m.sample_rate,
                channels: m.channels,
                bitrate: m.bitrate,
                codec: m.codec.clone(),
                bit_depth: m.bit_depth,
            },
            AssetMetadata::Document(m) => Details::Document {
                page_count: m.page_count,
                document_type: m.document_type.clone(),
                language: m.language.clone(),
                word_count: m.word_count,
            },
            AssetMetadata::Note(m) => Details::Note {
                word_count: m.word_count,
                language: m.language.clone(),
                format: m.format.clone(),
            },
        }
    }

    /// An asset's metadata again, with what every kind has.
    pub fn metadata(self, base: AssetMetadataBase) -> AssetMetadata {
        let number = |single: Option<Single>| single.map(|single| single.0);
        match self {
            Details::Image {
                color_space,
                exif_data,
                compression_ratio,
                dpi,
                orientation,
            } => AssetMetadata::Image(ImageAssetMetadata {
                base,
                color_space,
                exif_data,
                compression_ratio: number(compression_ratio),
                dpi,
                orientation,
            }),
            Details::Video {
                duration,
                frame_rate,
                codec,
                bitrate,
                resolution,
                aspect_ratio,
            } => AssetMetadata::Video(VideoAssetMetadata {
                base,
                duration,
                frame_rate: number(frame_rate),
                codec,
                bitrate,
                resolution,
                aspect_ratio: number(aspect_ratio),
            }),
            Details::Audio {
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
            Details::Document {
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
            Details::Note {
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
