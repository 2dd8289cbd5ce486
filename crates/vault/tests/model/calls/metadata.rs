//! Metadata as clients send it: with and without everything that may be left out, and with wrong values where the vault knows better.

use keepsake_api::{
    AssetMetadata, AssetMetadataBase, AudioAssetMetadata, ByteBuf, DatabaseHosting,
    DocumentAssetMetadata, ImageAssetMetadata, MemoryMetadata, MemoryType, NoteAssetMetadata,
    SharingStatus, VideoAssetMetadata,
};

use super::{Given, MemorySaid, Said};

/// A length as an argument gives it.
pub fn size(given: Given, right: u64) -> u64 {
    match given {
        Given::Nothing => 0,
        Given::Right => right,
        Given::Wrong | Given::Malformed => right + 1,
    }
}

/// A hash as an argument gives it.
pub fn hash(given: Given, right: [u8; 32]) -> Option<Vec<u8>> {
    match given {
        Given::Nothing => None,
        Given::Right => Some(right.to_vec()),
        Given::Wrong => Some(right.iter().map(|b| !b).collect()),
        Given::Malformed => Some(right[..31].to_vec()),
    }
}

impl Said {
    /// The metadata for content of this length and hash.
    pub fn metadata(&self, len: u64, sha: [u8; 32]) -> AssetMetadata {
        let rich = self.rich;
        let base = AssetMetadataBase {
            name: if rich {
                "IMG_2041.jpg".into()
            } else {
                String::new()
            },
            description: rich.then(|| "Sommer 2019".into()),
            tags: if rich {
                vec!["lake".into(), "lake".into(), String::new()]
            } else {
                vec![]
            },
            asset_type: self.asset_type,
            bytes: size(self.bytes, len),
            mime_type: if rich {
                "image/jpeg".into()
            } else {
                "application/octet-stream".into()
            },
            sha256: hash(self.sha256, sha).map(ByteBuf::from),
            width: rich.then_some(4_032),
            height: rich.then_some(u32::MAX),
            url: rich.then(|| "https://example.org/a".into()),
            storage_key: rich.then(|| "a".into()),
            bucket: rich.then(|| "b".into()),
            asset_location: rich.then(|| "icp".into()),
            processing_status: rich.then(|| "done".into()),
            processing_error: rich.then(String::new),
            created_at: self.created_at,
            updated_at: self.created_at,
            deleted_at: None,
        };
        let ratio = rich.then_some(1.5);
        match self.kind {
            MemoryType::Image => AssetMetadata::Image(ImageAssetMetadata {
                base,
                color_space: rich.then(|| "sRGB".into()),
                exif_data: rich.then(|| "{}".into()),
                compression_ratio: ratio,
                dpi: rich.then_some(300),
                orientation: rich.then_some(6),
            }),
            MemoryType::Video => AssetMetadata::Video(VideoAssetMetadata {
                base,
                duration: rich.then_some(u64::MAX),
                frame_rate: ratio,
                codec: rich.then(|| "hevc".into()),
                bitrate: rich.then_some(1),
                resolution: rich.then(|| "3840x2160".into()),
                aspect_ratio: ratio,
            }),
            MemoryType::Audio => AssetMetadata::Audio(AudioAssetMetadata {
                base,
                duration: rich.then_some(3),
                sample_rate: rich.then_some(48_000),
                channels: rich.then_some(2),
                bitrate: rich.then_some(1),
                codec: rich.then(|| "opus".into()),
                bit_depth: rich.then_some(16),
            }),
            MemoryType::Document => AssetMetadata::Document(DocumentAssetMetadata {
                base,
                page_count: rich.then_some(3),
                document_type: rich.then(|| "pdf".into()),
                language: rich.then(|| "de".into()),
                word_count: rich.then_some(9),
            }),
            MemoryType::Note => AssetMetadata::Note(NoteAssetMetadata {
                base,
                word_count: rich.then_some(0),
                language: rich.then(|| "en".into()),
                format: rich.then(|| "md".into()),
            }),
        }
    }
}

impl MemorySaid {
    /// The metadata as a client sends it, with nonsense in all that the vault computes.
    pub fn metadata(&self) -> MemoryMetadata {
        let rich = self.rich;
        MemoryMetadata {
            memory_type: self.kind,
            title: self.title.map(Into::into),
            description: rich.then(|| "by the lake".into()),
            content_type: "image/jpeg".into(),
            created_at: self.created_at,
            updated_at: 11,
            uploaded_at: 12,
            date_of_memory: self.date_of_memory,
            file_created_at: rich.then_some(13),
            parent_folder_id: rich.then(|| "folder".into()),
            tags: if rich {
                vec!["a".into(), "ä".into()]
            } else {
                vec![]
            },
            deleted_at: None,
            people_in_memory: rich.then(|| vec!["Ada".into()]),
            location: rich.then(|| "47.4,8.5".into()),
            memory_notes: rich.then(String::new),
            created_by: Some("somebody else".into()),
            database_storage_edges: if rich {
                vec![DatabaseHosting::Icp]
            } else {
                vec![]
            },
            shared_count: 77,
            sharing_status: SharingStatus::Public,
            total_size: 78,
            asset_count: 79,
        }
    }
}
