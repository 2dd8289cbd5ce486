//! The arguments that the scene's calls are made with: everything that a client can say.

use keepsake_api::*;
use keepsake_vault::NewMemory;

use crate::scene::{DAY, NOW};

pub fn entry(id: &str, person: Option<PersonRef>, mask: u32) -> AccessEntry {
    AccessEntry {
        id: id.into(),
        is_public: person.is_none(),
        person_ref: person,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask: mask,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}

pub fn base(asset_type: AssetType) -> AssetMetadataBase {
    let some = |text: &str| Some(text.to_owned());
    AssetMetadataBase {
        name: "IMG_0001.jpg".into(),
        description: some("at the lake"),
        tags: vec!["lake".into()],
        asset_type,
        bytes: 0,
        mime_type: "image/jpeg".into(),
        sha256: None,
        width: Some(4_032),
        height: Some(3_024),
        url: some("https://example.org/1"),
        storage_key: some("photos/1.jpg"),
        bucket: some("photos"),
        asset_location: some("s3"),
        processing_status: some("done"),
        processing_error: some("none"),
        created_at: 1,
        updated_at: 2,
        deleted_at: Some(3),
    }
}

pub fn image(asset_type: AssetType) -> AssetMetadata {
    AssetMetadata::Image(ImageAssetMetadata {
        base: base(asset_type),
        color_space: Some("sRGB".into()),
        exif_data: Some("{}".into()),
        compression_ratio: Some(0.5),
        dpi: Some(300),
        orientation: Some(6),
    })
}

/// Metadata of every kind of asset.
pub fn kinds() -> [AssetMetadata; 4] {
    let base = || base(AssetType::Original);
    [
        AssetMetadata::Video(VideoAssetMetadata {
            base: base(),
            duration: Some(90_000),
            frame_rate: Some(29.97),
            codec: Some("hevc".into()),
            bitrate: Some(8_000_000),
            resolution: Some("1920x1080".into()),
            aspect_ratio: Some(1.5),
        }),
        AssetMetadata::Audio(AudioAssetMetadata {
            base: base(),
            duration: Some(1_000),
            sample_rate: Some(48_000),
            channels: Some(2),
            bitrate: Some(256_000),
            codec: Some("aac".into()),
            bit_depth: Some(16),
        }),
        AssetMetadata::Document(DocumentAssetMetadata {
            base: base(),
            page_count: Some(3),
            document_type: Some("letter".into()),
            language: Some("de".into()),
            word_count: Some(1_200),
        }),
        AssetMetadata::Note(NoteAssetMetadata {
            base: base(),
            word_count: Some(12),
            language: Some("en".into()),
            format: Some("markdown".into()),
        }),
    ]
}

pub fn memory_metadata(date_of_memory: Option<u64>) -> MemoryMetadata {
    MemoryMetadata {
        memory_type: MemoryType::Video,
        title: Some("At the lake".into()),
        description: Some("with everybody".into()),
        content_type: "video/mp4".into(),
        created_at: NOW - 100 * DAY,
        updated_at: 0,
        uploaded_at: 0,
        date_of_memory,
        file_created_at: Some(NOW - 101 * DAY),
        parent_folder_id: Some("summer".into()),
        tags: vec!["lake".into(), "2024".into()],
        deleted_at: None,
        people_in_memory: Some(vec!["Ada".into(), "Grace".into()]),
        location: Some("47.5, 9.4".into()),
        memory_notes: Some("cold water".into()),
        created_by: None,
        database_storage_edges: vec![DatabaseHosting::Icp, DatabaseHosting::Neon],
        shared_count: 0,
        sharing_status: SharingStatus::Private,
        total_size: 0,
        asset_count: 0,
    }
}

pub fn new_memory(capsule: &str, idem: &str) -> NewMemory {
    NewMemory {
        capsule: capsule.into(),
        inline: None,
        blob: None,
        location: None,
        storage_key: None,
        url: None,
        size: None,
        sha256: None,
        metadata: image(AssetType::Original),
        idem: idem.into(),
    }
}

/// The memory "inline", as its creation is asked for.
pub fn inline_memory(capsule: &str) -> NewMemory {
    NewMemory {
        inline: Some(b"a small picture".to_vec().into()),
        ..new_memory(capsule, "inline")
    }
}

/// The memory "external".
pub fn external_memory(capsule: &str, key: &str) -> NewMemory {
    NewMemory {
        location: Some(BlobHosting::S3),
        storage_key: Some(key.into()),
        url: Some("https://example.org/1".into()),
        size: Some(10),
        sha256: Some(vec![9; 32].into()),
        ..new_memory(capsule, key)
    }
}
