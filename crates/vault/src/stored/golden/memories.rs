//! Records of memories and their metadata.

use keepsake_api::{AccessCondition, AssetType, BlobHosting, DatabaseHosting, MemoryType};

use super::records::{NOW, entry, extent, some};
use super::{Fields, Records, Variant};
use crate::ids::AssetId;
use crate::memory::{AssetRecord, ExternalDeletion, MemoryRecord, StoredAsset};
use crate::stored::asset_metadata::{StoredBase, StoredKind};
use crate::stored::{Coded, StoredAssetMetadata, StoredMemoryMetadata};

fn base() -> StoredBase {
    StoredBase {
        name: "IMG_0001.jpg".into(),
        description: some("at the lake"),
        tags: vec!["lake".into(), "2024".into()],
        asset_type: Coded(AssetType::Display),
        mime_type: "image/jpeg".into(),
        width: Some(4_032),
        height: Some(3_024),
        url: some("https://example.org/1"),
        storage_key: some("photos/1.jpg"),
        bucket: some("photos"),
        asset_location: some("s3"),
        processing_status: some("done"),
        processing_error: some("none"),
        created_at: NOW,
        updated_at: NOW + 1,
        deleted_at: Some(NOW + 2),
    }
}

/// With nothing that may be missing.
fn sparse_base() -> StoredBase {
    StoredBase {
        name: String::new(),
        description: None,
        tags: Vec::new(),
        asset_type: Coded(AssetType::Original),
        mime_type: String::new(),
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

fn image() -> StoredKind {
    StoredKind::Image {
        color_space: some("sRGB"),
        exif_data: some("{}"),
        compression_ratio: Some(0.5),
        dpi: Some(300),
        orientation: Some(6),
    }
}

pub fn of_metadata(records: &mut Records) {
    records.today("asset metadata, base", Fields(16), base());
    records.today("asset metadata, sparse base", Fields(16), sparse_base());
    let kinds = [
        ("image", 5, image()),
        (
            "video",
            6,
            StoredKind::Video {
                duration: Some(90_000),
                frame_rate: Some(29.97),
                codec: some("hevc"),
                bitrate: Some(8_000_000),
                resolution: some("1920x1080"),
                aspect_ratio: Some(1.5),
            },
        ),
        (
            "audio",
            6,
            StoredKind::Audio {
                duration: Some(1_000),
                sample_rate: Some(48_000),
                channels: Some(2),
                bitrate: Some(256_000),
                codec: some("aac"),
                bit_depth: Some(16),
            },
        ),
        (
            "document",
            4,
            StoredKind::Document {
                page_count: Some(3),
                document_type: some("letter"),
                language: some("de"),
                word_count: Some(1_200),
            },
        ),
        (
            "note",
            3,
            StoredKind::Note {
                word_count: Some(12),
                language: some("en"),
                format: some("markdown"),
            },
        ),
        (
            "sparse note",
            3,
            StoredKind::Note {
                word_count: None,
                language: None,
                format: None,
            },
        ),
    ];
    for (name, fields, kind) in kinds {
        records.today(&format!("asset metadata, {name}"), Variant(fields), kind);
    }
    let metadata = StoredAssetMetadata {
        base: base(),
        kind: image(),
    };
    records.today("asset metadata", Fields(2), metadata);
    records.today("memory metadata", Fields(17), memory_metadata());
}

fn memory_metadata() -> StoredMemoryMetadata {
    StoredMemoryMetadata {
        memory_type: Coded(MemoryType::Video),
        title: some("At the lake"),
        description: some("with everybody"),
        content_type: "video/mp4".into(),
        created_at: NOW,
        updated_at: NOW + 1,
        uploaded_at: NOW + 2,
        date_of_memory: Some(NOW - 1),
        file_created_at: Some(NOW - 2),
        parent_folder_id: some("summer"),
        tags: vec!["lake".into()],
        deleted_at: Some(NOW + 3),
        people_in_memory: Some(vec!["Ada".into(), "Grace".into()]),
        location: some("47.5, 9.4"),
        memory_notes: some("cold water"),
        created_by: some("somebody"),
        database_storage_edges: vec![Coded(DatabaseHosting::Icp), Coded(DatabaseHosting::Neon)],
    }
}

pub fn of_memories(records: &mut Records) {
    let inline = StoredAsset::Inline {
        place: extent(64, 1_000),
        sha256: [1; 32],
    };
    let blob = StoredAsset::Blob {
        blob: u64::MAX,
        len: 5_000_000_000,
        sha256: [2; 32],
    };
    let external = StoredAsset::External {
        location: Coded(BlobHosting::Arweave),
        storage_key: "photos/1.jpg".into(),
        url: some("https://example.org/1"),
        len: Some(10),
        sha256: Some([3; 32]),
    };
    let unknown = StoredAsset::External {
        location: Coded(BlobHosting::S3),
        storage_key: "photos/2.jpg".into(),
        url: None,
        len: None,
        sha256: None,
    };
    records.today("asset, inline", Variant(2), inline.clone());
    records.today("asset, blob", Variant(3), blob.clone());
    records.today("asset, external", Variant(5), external.clone());
    records.today("asset, external unknown", Variant(5), unknown.clone());
    let assets: Vec<AssetRecord> = [inline, blob, external, unknown]
        .into_iter()
        .zip(1..)
        .map(|(content, n)| {
            let metadata = StoredAssetMetadata {
                base: if n == 4 { sparse_base() } else { base() },
                kind: image(),
            };
            AssetRecord::new(AssetId([n; 16]), content, metadata)
        })
        .collect();
    assert_eq!(assets[1].id(), AssetId([2; 16]));
    records.today("asset", Fields(3), assets[1].clone());
    let bare = MemoryRecord {
        metadata: memory_metadata(),
        access: Vec::new(),
        assets: Vec::new(),
    };
    let memory = MemoryRecord {
        access: vec![entry(AccessCondition::Immediate)],
        assets,
        ..bare.clone()
    };
    assert_eq!(
        (memory.time(), memory.total_size()),
        (NOW - 1, 5_000_001_010)
    );
    records.today("memory", Fields(3), memory);
    records.today("memory, bare", Fields(3), bare);
    let deletion = ExternalDeletion {
        location: Coded(BlobHosting::VercelBlob),
        storage_key: "photos/1.jpg".into(),
        at: NOW,
    };
    records.today("external deletion", Fields(3), deletion);
}
