//! Arguments as a client sends them for a photo.

use keepsake_api::{
    AccessCondition, AccessEntry, AssetMetadata, AssetMetadataBase, AssetType, BlobHosting,
    BlobRef, GrantSource, ImageAssetMetadata, MemoryMetadata, MemoryType, PersonRef, ResourceRole,
    SharingStatus,
};
use serde_bytes::ByteBuf;

/// The arguments of `memories_create`, in their order.
pub type Create<'a> = (
    &'a str,
    Option<ByteBuf>,
    Option<BlobRef>,
    Option<BlobHosting>,
    Option<String>,
    Option<String>,
    Option<u64>,
    Option<ByteBuf>,
    AssetMetadata,
    String,
);

/// A memory of inline bytes.
pub fn inline(capsule: &str, bytes: ByteBuf, serial: u64) -> Create<'_> {
    let metadata = photo(AssetType::Original, "IMG_2041.jpg");
    (
        capsule,
        Some(bytes),
        None,
        None,
        None,
        None,
        None,
        None,
        metadata,
        idem(serial),
    )
}

/// A memory of a blob uploaded before.
pub fn reference<'a>(
    capsule: &'a str,
    blob: &str,
    sha256: &ByteBuf,
    len: u64,
    serial: u64,
) -> Create<'a> {
    let blob = BlobRef {
        locator: blob.to_owned(),
        hash: Some(sha256.clone()),
        len,
    };
    let metadata = photo(AssetType::Original, "IMG_2041.jpg");
    (
        capsule,
        None,
        Some(blob),
        None,
        None,
        None,
        None,
        None,
        metadata,
        idem(serial),
    )
}

/// A memory of content kept elsewhere.
pub fn external(capsule: &str, sha256: ByteBuf, serial: u64) -> Create<'_> {
    let (key, url) = (
        format!("photos/{serial}"),
        format!("https://photos.example/{serial}"),
    );
    let (location, size) = (BlobHosting::S3, 5_000_000);
    let metadata = photo(AssetType::Original, "IMG_2041.jpg");
    (
        capsule,
        None,
        None,
        Some(location),
        Some(key),
        Some(url),
        Some(size),
        Some(sha256),
        metadata,
        idem(serial),
    )
}

fn idem(serial: u64) -> String {
    format!("memory {serial}")
}

/// Metadata of one asset of a photo.
pub fn photo(asset_type: AssetType, name: &str) -> AssetMetadata {
    let base = AssetMetadataBase {
        tags: vec!["summer".to_owned()],
        width: Some(4032),
        height: Some(3024),
        ..AssetMetadataBase::new(name, asset_type, "image/jpeg")
    };
    AssetMetadata::Image(ImageAssetMetadata {
        orientation: Some(1),
        ..base.into()
    })
}

/// Metadata of a photo as a memory.
pub fn memory() -> MemoryMetadata {
    MemoryMetadata {
        memory_type: MemoryType::Image,
        title: Some("IMG_2041.jpg".to_owned()),
        description: None,
        content_type: "image/jpeg".to_owned(),
        created_at: 0,
        updated_at: 0,
        uploaded_at: 0,
        date_of_memory: Some(1_690_000_000_000_000_000),
        file_created_at: None,
        parent_folder_id: None,
        tags: vec!["summer".to_owned()],
        deleted_at: None,
        people_in_memory: None,
        location: None,
        memory_notes: None,
        created_by: None,
        database_storage_edges: Vec::new(),
        shared_count: 0,
        sharing_status: SharingStatus::Private,
        total_size: 0,
        asset_count: 0,
    }
}

/// An entry that lets somebody see a memory.
pub fn share(number: usize) -> AccessEntry {
    AccessEntry {
        id: format!("entry {number}"),
        person_ref: Some(PersonRef::Opaque(format!("a friend {number}"))),
        is_public: false,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask: 0,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}
