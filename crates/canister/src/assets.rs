//! Endpoints of single assets.

use keepsake_api::*;
use keepsake_vault::Call;

use crate::reply::Reply;
use crate::state::{call, next_message, read, write};

/// The ids of a memory's assets, by kind.
#[ic_cdk::query(manual_reply = true)]
fn memories_list_assets(memory: String) -> Reply<Result<MemoryAssetsList, Error>> {
    Reply::of(read(|vault| vault.memories_list_assets(call(), &memory)))
}

/// One asset by its place in the order inline, internal, external: inline bytes, or where the content is. An original needs
/// DOWNLOAD, a derivative VIEW.
#[ic_cdk::query(manual_reply = true)]
fn memories_read_asset(memory: String, index: u32) -> Reply<Result<MemoryAssetData, Error>> {
    Reply::of(read(|vault| {
        vault.memories_read_asset(call(), &memory, index)
    }))
}

/// One asset by its id: inline bytes, or where the content is. An original needs DOWNLOAD, a derivative VIEW.
#[ic_cdk::query(manual_reply = true)]
fn asset_get_by_id(memory: String, asset: String) -> Reply<Result<MemoryAssetData, Error>> {
    Reply::of(read(|vault| vault.asset_get_by_id(call(), &memory, &asset)))
}

/// Removes one asset, named by its id, blob locator, storage key, or place; its content goes with it where nothing else references it.
/// Needs MANAGE. Where the memory has no such asset: Ok with `asset_removed = false`.
#[ic_cdk::update(manual_reply = true)]
fn asset_remove(memory: String, reference: String) -> Reply<Result<AssetRemovalResult, Error>> {
    Reply::of(write(|vault| {
        vault.asset_remove(call(), &memory, &reference)
    }))
}

/// Removes the asset with this id; NotFound where the memory has no such asset. Needs MANAGE.
#[ic_cdk::update(manual_reply = true)]
fn asset_remove_by_id(memory: String, asset: String) -> Reply<Result<AssetRemovalResult, Error>> {
    Reply::of(write(|vault| {
        vault.asset_remove_by_id(call(), &memory, &asset)
    }))
}

/// Removes an inline asset by its place among the memory's inline assets. Needs MANAGE.
#[ic_cdk::update(manual_reply = true)]
fn asset_remove_inline(memory: String, index: u32) -> Reply<Result<AssetRemovalResult, Error>> {
    Reply::of(write(|vault| {
        vault.asset_remove_inline(call(), &memory, index)
    }))
}

/// Removes an internal asset by its blob's locator. Needs MANAGE.
#[ic_cdk::update(manual_reply = true)]
fn asset_remove_internal(memory: String, blob: String) -> Reply<Result<AssetRemovalResult, Error>> {
    Reply::of(write(|vault| {
        vault.asset_remove_internal(call(), &memory, &blob)
    }))
}

/// Removes an external asset by its storage key; its address goes on the list of external deletions. Needs MANAGE.
#[ic_cdk::update(manual_reply = true)]
fn asset_remove_external(
    memory: String,
    storage_key: String,
) -> Reply<Result<AssetRemovalResult, Error>> {
    Reply::of(write(|vault| {
        vault.asset_remove_external(call(), &memory, &storage_key)
    }))
}

/// Removes all assets of a memory and keeps the memory. `assets_cleaned` is the real count; again: 0. Needs MANAGE.
#[ic_cdk::update(manual_reply = true)]
fn memories_cleanup_assets_all(memory: String) -> Reply<Result<AssetCleanupResult, Error>> {
    Reply::of(write(|vault| {
        vault.memories_cleanup_assets_all(call(), &memory)
    }))
}

/// The same for at most 1,000 memories, each judged by itself.
#[ic_cdk::update(manual_reply = true)]
async fn memories_cleanup_assets_bulk(memories: Vec<String>) -> Reply<Result<BulkResult, Error>> {
    Reply::send(cleanup_bulk(call(), &memories).await)
}

async fn cleanup_bulk(call: Call, memories: &[String]) -> Result<BulkResult, Error> {
    let mut result = BulkResult {
        ok: Vec::new(),
        failed: Vec::new(),
    };
    while write(|vault| vault.memories_cleanup_assets_bulk_step(call, memories, &mut result))? {
        next_message().await?;
    }
    Ok(result)
}

/// External content that no asset of the capsule has any more, at most 1,000 at a time: a client deletes it where it is, and acknowledges.
/// For owners and controllers; a former owner reads it after the capsule's deletion too.
#[ic_cdk::query(manual_reply = true)]
fn external_deletions_list(capsule: String) -> Reply<Result<Vec<ExternalDeletion>, Error>> {
    Reply::of(read(|vault| {
        vault.external_deletions_list(call(), &capsule)
    }))
}

/// Takes deletions off the list that a client has carried out; returns how many were on it.
#[ic_cdk::update(manual_reply = true)]
fn external_deletions_acknowledge(capsule: String, ids: Vec<String>) -> Reply<Result<u32, Error>> {
    Reply::of(write(|vault| {
        vault.external_deletions_acknowledge(call(), &capsule, &ids)
    }))
}
