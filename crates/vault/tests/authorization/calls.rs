//! One cell of the matrix, and the arguments that its call is made with.

use keepsake_api::{
    AssetMetadata, AssetMetadataBase, AssetType, BlobHosting, BlobRef, ByteBuf, HttpRequest,
    InlineAssetInput, InternalBlobAssetInput, MemoryMetadata, MemoryType, SharingStatus,
};
use keepsake_vault::{Call, NewMemory};
use sha2::{Digest, Sha256};

use crate::people::Role;
use crate::things::{Target, Thing};
use crate::world::{NOW, World};

/// A call that is about to be made: by whom, on what.
pub struct Cell<'a> {
    pub world: &'a World,
    pub role: &'a Role,
    pub target: Target,
    pub thing: &'a Thing,
    pub call: Call,
}

impl<'a> Cell<'a> {
    pub fn new(world: &'a World, role: &'a Role, target: Target) -> Self {
        Cell {
            world,
            role,
            target,
            thing: world.thing(role, target),
            call: Call {
                caller: role.principal(),
                now: NOW,
            },
        }
    }

    pub fn id(&self) -> &'a str {
        &self.thing.id
    }

    /// A request for one of the memory's assets.
    pub fn request(&self, asset: usize, token: Option<&str>) -> HttpRequest {
        let variant = ["original", "thumbnail"][asset];
        let token = token.map_or(String::new(), |token| format!("?token={token}"));
        HttpRequest {
            method: "GET".into(),
            url: format!("/asset/{}/{variant}{token}", self.id()),
            headers: Vec::new(),
            body: ByteBuf::new(),
            certificate_version: None,
        }
    }
}

pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

pub fn image(asset_type: AssetType) -> AssetMetadata {
    AssetMetadata::Image(AssetMetadataBase::new("picture", asset_type, "image/png").into())
}

pub fn inline_input(bytes: &[u8], asset_type: AssetType) -> InlineAssetInput {
    InlineAssetInput {
        bytes: ByteBuf::from(bytes.to_vec()),
        metadata: image(asset_type),
    }
}

pub fn blob_input(blob: &str, asset_type: AssetType) -> InternalBlobAssetInput {
    InternalBlobAssetInput {
        blob_id: blob.into(),
        metadata: image(asset_type),
    }
}

fn nothing(capsule: &str, idem: &str) -> NewMemory {
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

pub fn inline(capsule: &str, bytes: &[u8], idem: &str) -> NewMemory {
    NewMemory {
        inline: Some(ByteBuf::from(bytes.to_vec())),
        ..nothing(capsule, idem)
    }
}

pub fn of_blob(capsule: &str, blob: &str, idem: &str) -> NewMemory {
    NewMemory {
        blob: Some(BlobRef {
            locator: blob.into(),
            hash: None,
            len: 0,
        }),
        ..nothing(capsule, idem)
    }
}

pub fn external(capsule: &str, storage_key: &str, idem: &str) -> NewMemory {
    NewMemory {
        location: Some(BlobHosting::S3),
        storage_key: Some(storage_key.into()),
        size: Some(10),
        ..nothing(capsule, idem)
    }
}

/// Metadata of a memory with this date.
pub fn dated(date_of_memory: Option<u64>) -> MemoryMetadata {
    MemoryMetadata {
        memory_type: MemoryType::Image,
        title: Some("picture".into()),
        description: None,
        content_type: "image/png".into(),
        created_at: 0,
        updated_at: 0,
        uploaded_at: 0,
        date_of_memory,
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
