//! A memory's metadata as stored: what the client says, and what the vault adds once. What follows from the assets and access
//! entries (sizes, counts, sharing) is computed when it is read and stored nowhere, so that it cannot go wrong.

use keepsake_api::{DatabaseHosting, MemoryMetadata, MemoryType, SharingStatus};
use minicbor::{Decode, Encode};

use super::Coded;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StoredMemoryMetadata {
    #[n(0)]
    pub memory_type: Coded<MemoryType>,
    #[n(1)]
    pub title: Option<String>,
    #[n(2)]
    pub description: Option<String>,
    #[n(3)]
    pub content_type: String,
    #[n(4)]
    pub created_at: u64,
    #[n(5)]
    pub updated_at: u64,
    #[n(6)]
    pub uploaded_at: u64,
    #[n(7)]
    pub date_of_memory: Option<u64>,
    #[n(8)]
    pub file_created_at: Option<u64>,
    #[n(9)]
    pub parent_folder_id: Option<String>,
    #[n(10)]
    pub tags: Vec<String>,
    #[n(11)]
    pub deleted_at: Option<u64>,
    #[n(12)]
    pub people_in_memory: Option<Vec<String>>,
    #[n(13)]
    pub location: Option<String>,
    #[n(14)]
    pub memory_notes: Option<String>,
    #[n(15)]
    pub created_by: Option<String>,
    #[n(16)]
    pub database_storage_edges: Vec<Coded<DatabaseHosting>>,
}

/// What is computed whenever a memory's metadata is read.
pub struct Derived {
    pub shared_count: u32,
    pub sharing_status: SharingStatus,
    pub total_size: u64,
    pub asset_count: u32,
}

impl From<MemoryMetadata> for StoredMemoryMetadata {
    fn from(metadata: MemoryMetadata) -> Self {
        StoredMemoryMetadata {
            memory_type: Coded(metadata.memory_type),
            title: metadata.title,
            description: metadata.description,
            content_type: metadata.content_type,
            created_at: metadata.created_at,
            updated_at: metadata.updated_at,
            uploaded_at: metadata.uploaded_at,
            date_of_memory: metadata.date_of_memory,
            file_created_at: metadata.file_created_at,
            parent_folder_id: metadata.parent_folder_id,
            tags: metadata.tags,
            deleted_at: metadata.deleted_at,
            people_in_memory: metadata.people_in_memory,
            location: metadata.location,
            memory_notes: metadata.memory_notes,
            created_by: metadata.created_by,
            database_storage_edges: metadata
                .database_storage_edges
                .into_iter()
                .map(Coded)
                .collect(),
        }
    }
}

impl StoredMemoryMetadata {
    pub fn on_the_wire(self, derived: Derived) -> MemoryMetadata {
        MemoryMetadata {
            memory_type: self.memory_type.0,
            title: self.title,
            description: self.description,
            content_type: self.content_type,
            created_at: self.created_at,
            updated_at: self.updated_at,
            uploaded_at: self.uploaded_at,
            date_of_memory: self.date_of_memory,
            file_created_at: self.file_created_at,
            parent_folder_id: self.parent_folder_id,
            tags: self.tags,
            deleted_at: self.deleted_at,
            people_in_memory: self.people_in_memory,
            location: self.location,
            memory_notes: self.memory_notes,
            created_by: self.created_by,
            database_storage_edges: self
                .database_storage_edges
                .into_iter()
                .map(|edge| edge.0)
                .collect(),
            shared_count: derived.shared_count,
            sharing_status: derived.sharing_status,
            total_size: derived.total_size,
            asset_count: derived.asset_count,
        }
    }
}
