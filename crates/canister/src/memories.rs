//! Endpoints of memories.

use keepsake_api::*;
use keepsake_vault::NewMemory;

use crate::state::{call, read, write};

#[ic_cdk::update]
#[allow(clippy::too_many_arguments)] // the interface's arguments, which existing clients send
fn memories_create(
    capsule: String,
    inline: Option<ByteBuf>,
    blob: Option<BlobRef>,
    external_location: Option<BlobHosting>,
    external_storage_key: Option<String>,
    external_url: Option<String>,
    external_size: Option<u64>,
    external_sha256: Option<ByteBuf>,
    metadata: AssetMetadata,
    idem: String,
) -> Result<String, Error> {
    let new = NewMemory {
        capsule,
        inline,
        blob,
        location: external_location,
        storage_key: external_storage_key,
        url: external_url,
        size: external_size,
        sha256: external_sha256,
        metadata,
        idem,
    };
    Ok(write(|vault| vault.memories_create(call(), new))?)
}

#[ic_cdk::update]
fn memories_create_with_internal_blobs(
    capsule: String,
    metadata: MemoryMetadata,
    blobs: Vec<InternalBlobAssetInput>,
    idem: String,
) -> Result<String, Error> {
    Ok(write(|vault| {
        vault.memories_create_with_assets(call(), &capsule, metadata, blobs, Vec::new(), &idem)
    })?)
}

#[ic_cdk::update]
fn memories_create_with_internal_blobs_and_inline_assets(
    capsule: String,
    metadata: MemoryMetadata,
    blobs: Vec<InternalBlobAssetInput>,
    inline_assets: Vec<InlineAssetInput>,
    idem: String,
) -> Result<String, Error> {
    Ok(write(|vault| {
        vault.memories_create_with_assets(call(), &capsule, metadata, blobs, inline_assets, &idem)
    })?)
}

#[ic_cdk::update]
fn memories_add_asset(
    memory: String,
    asset: InternalBlobAssetInput,
    idem: String,
) -> Result<String, Error> {
    Ok(write(|vault| {
        vault.memories_add_asset(call(), &memory, asset, &idem)
    })?)
}

#[ic_cdk::update]
fn memories_add_inline_asset(
    memory: String,
    asset: InlineAssetInput,
    idem: String,
) -> Result<String, Error> {
    Ok(write(|vault| {
        vault.memories_add_inline_asset(call(), &memory, asset, &idem)
    })?)
}

#[ic_cdk::query]
fn memories_read(memory: String) -> Result<Memory, Error> {
    Ok(read(|vault| vault.memories_read(call(), &memory))?)
}

#[ic_cdk::query]
fn memories_list(
    capsule: String,
    cursor: Option<String>,
    limit: Option<u32>,
) -> Result<Page, Error> {
    Ok(read(|vault| {
        vault.memories_list(call(), &capsule, cursor.as_deref(), limit)
    })?)
}

#[ic_cdk::query]
fn memories_list_by_capsule(
    capsule: String,
    cursor: Option<String>,
    limit: Option<u32>,
) -> Result<Page, Error> {
    memories_list(capsule, cursor, limit)
}

#[ic_cdk::update]
fn memories_delete(memory: String, delete_assets: bool) -> Result<(), Error> {
    Ok(write(|vault| {
        vault.memories_delete(call(), &memory, delete_assets)
    })?)
}
