//! Bytes to keep, and what is said of them.

use keepsake_client::api::{
    AssetMetadata, AssetMetadataBase, AssetType, MemoryMetadata, MemoryType, SharingStatus,
};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

/// `len` bytes that look like noise, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Metadata of one asset; what the vault fills in is left to it.
pub fn asset(name: &str, asset_type: AssetType) -> AssetMetadata {
    AssetMetadata::Note(AssetMetadataBase::new(name, asset_type, "application/octet-stream").into())
}

/// Metadata of a memory; what the vault computes is left to it.
pub fn memory(title: &str) -> MemoryMetadata {
    MemoryMetadata {
        memory_type: MemoryType::Document,
        title: Some(title.to_owned()),
        description: None,
        content_type: "application/octet-stream".to_owned(),
        created_at: 0,
        updated_at: 0,
        uploaded_at: 0,
        date_of_memory: None,
        file_created_at: None,
        parent_folder_id: None,
        tags: Vec::new(),
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
