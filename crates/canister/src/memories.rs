//! Endpoints of memories.

use candid::candid_method;
use keepsake_api::*;
use keepsake_vault::{BulkDelete, Call, NewMemory};

use crate::arguments;
use crate::reply::Reply;
use crate::state::{StableVault, call, next_message, read, write};

/// Creates a memory from exactly one of: inline bytes, a blob uploaded before, an external location. The id follows from (capsule,
/// content, idempotency key), so that the same request returns the same memory. The external arguments count only with a location.
/// Errors: exactly_one_asset, inline_too_large, blob_mismatch, size_mismatch, hash_mismatch, idem_empty, idem_too_long;
/// ResourceExhausted where the capsule's inline budget does not take it.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
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
) -> Reply<Result<String, Error>> {
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
    Reply::of(write(|vault| vault.memories_create(call(), new)))
}

/// Creates a memory from 1 to 100 blobs of the capsule, with the metadata given. The id follows from the ordered list and the
/// idempotency key.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
fn memories_create_with_internal_blobs(
    capsule: String,
    metadata: MemoryMetadata,
    blobs: Vec<InternalBlobAssetInput>,
    idem: String,
) -> Reply<Result<String, Error>> {
    Reply::of(write(|vault| {
        vault.memories_create_with_assets(call(), &capsule, metadata, blobs, Vec::new(), &idem)
    }))
}

/// The same with up to 100 inline assets in the same call: a memory with all its assets in one message.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
fn memories_create_with_internal_blobs_and_inline_assets(
    capsule: String,
    metadata: MemoryMetadata,
    blobs: Vec<InternalBlobAssetInput>,
    inline_assets: Vec<InlineAssetInput>,
    idem: String,
) -> Reply<Result<String, Error>> {
    Reply::of(write(|vault| {
        vault.memories_create_with_assets(call(), &capsule, metadata, blobs, inline_assets, &idem)
    }))
}

/// Adds a blob of the capsule to a memory; returns the asset's id, the same for the same request. Needs MANAGE.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
fn memories_add_asset(
    memory: String,
    asset: InternalBlobAssetInput,
    idem: String,
) -> Reply<Result<String, Error>> {
    Reply::of(write(|vault| {
        vault.memories_add_asset(call(), &memory, asset, &idem)
    }))
}

/// Adds inline bytes to a memory; returns the asset's id, the same for the same request. Needs MANAGE.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
fn memories_add_inline_asset(
    memory: String,
    asset: InlineAssetInput,
    idem: String,
) -> Reply<Result<String, Error>> {
    Reply::of(write(|vault| {
        vault.memories_add_inline_asset(call(), &memory, asset, &idem)
    }))
}

/// Adds up to 100 blobs and 100 inline assets in one call, all or none; returns their ids, blobs first, the same for the same request. A
/// message costs as much as 600 bytes of it: small derivatives travel together. Needs MANAGE.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
fn memories_add_assets(
    memory: String,
    blobs: Vec<InternalBlobAssetInput>,
    inline_assets: Vec<InlineAssetInput>,
    idem: String,
) -> Reply<Result<Vec<String>, Error>> {
    Reply::of(write(|vault| {
        vault.memories_add_assets(call(), &memory, blobs, inline_assets, &idem)
    }))
}

/// A memory that the caller may view, with all its assets. Inline bytes are left out, the largest first, where the reply would
/// pass the message limit.
#[ic_cdk::query(manual_reply = true)]
fn memories_read(memory: String) -> Reply<Result<Memory, Error>> {
    Reply::of(read(|vault| vault.memories_read(call(), &memory)))
}

/// A page of a capsule's memories, newest first by `date_of_memory`, else `created_at`: 50 unless `limit` says otherwise, at most 100.
/// The cursor is `next_cursor` of the page before; it stays correct while memories come and go.
#[ic_cdk::query(manual_reply = true)]
fn memories_list(
    capsule: String,
    cursor: Option<String>,
    limit: Option<u32>,
) -> Reply<Result<Page, Error>> {
    Reply::of(read(|vault| {
        vault.memories_list(call(), &capsule, cursor.as_deref(), limit)
    }))
}

/// The same as memories_list.
#[ic_cdk::query(manual_reply = true)]
fn memories_list_by_capsule(
    capsule: String,
    cursor: Option<String>,
    limit: Option<u32>,
) -> Reply<Result<Page, Error>> {
    memories_list(capsule, cursor, limit)
}

/// Deletes a memory and its inline assets; with `true`, also its blobs that nothing else references, and its external content goes on
/// the list of external deletions. One in the trash is deleted for good. Needs OWN. Again: Ok.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
fn memories_delete(memory: String, delete_assets: bool) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.memories_delete(call(), &memory, delete_assets)
    }))
}

/// Deletes at most 1,000 memories of a capsule, each judged by itself; ids of other capsules count as failed.
#[ic_cdk::update(manual_reply = true)]
async fn memories_delete_bulk(
    capsule: String,
    memories: Vec<String>,
    delete_assets: bool,
) -> Reply<Result<BulkDeleteResult, Error>> {
    Reply::send(delete_bulk(call(), &capsule, &memories, delete_assets).await)
}

async fn delete_bulk(
    call: Call,
    capsule: &str,
    memories: &[String],
    delete_assets: bool,
) -> Result<BulkDeleteResult, Error> {
    let mut bulk = BulkDelete::default();
    while write(|vault| {
        vault.memories_delete_bulk_step(call, capsule, memories, delete_assets, &mut bulk)
    })? {
        next_message().await?;
    }
    Ok(bulk.result(memories.len()))
}

/// For each of at most 1,000 ids whether the memory is there for the caller, and whether it has an asset.
#[ic_cdk::query(manual_reply = true)]
fn memories_ping(memories: Vec<String>) -> Reply<Result<Vec<MemoryPresenceResult>, Error>> {
    Reply::of(read(|vault| vault.memories_ping(call(), memories)))
}

/// Changes title, metadata (MANAGE) or access entries (SHARE; never above the caller's own), each where it is given; returns the memory.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
fn memories_update(memory: String, update: MemoryUpdateData) -> Reply<Result<Memory, Error>> {
    Reply::of(write(|vault| {
        vault.memories_update(call(), &memory, update)
    }))
}

/// Adds one access entry, or replaces the one with its id; the others stay as they are, whoever changes them meanwhile. Needs SHARE.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
fn access_grant(memory: String, entry: AccessEntry) -> Reply<Result<AccessEntry, Error>> {
    Reply::of(write(|vault| vault.access_grant(call(), &memory, entry)))
}

/// Takes one access entry away. Again: Ok. Needs SHARE.
#[ic_cdk::update(manual_reply = true)]
fn access_revoke(memory: String, entry_id: String) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.access_revoke(call(), &memory, &entry_id)
    }))
}

/// A page of the memories that somebody shares with the caller by an entry that counts now.
#[ic_cdk::query(manual_reply = true)]
fn memories_shared_with_me(
    cursor: Option<String>,
    limit: Option<u32>,
) -> Reply<Result<Page, Error>> {
    Reply::of(read(|vault| {
        vault.memories_shared_with_me(call(), cursor.as_deref(), limit)
    }))
}

/// Deletes every memory that the capsule has when the call arrives, in as many messages as that takes; what is in the trash stays there.
/// For owners and controllers.
#[ic_cdk::update(manual_reply = true)]
async fn memories_delete_all(
    capsule: String,
    delete_assets: bool,
) -> Reply<Result<BulkDeleteResult, Error>> {
    let call = call();
    let step = |vault: &mut StableVault| {
        vault.memories_delete_all_step(call, &capsule, delete_assets, call.now)
    };
    let left = |vault: &StableVault| {
        vault
            .capsules_read_basic(call, Some(&capsule))
            .map_or(0, |capsule| capsule.memory_count)
    };
    Reply::send(delete_in_steps(step, left).await)
}

/// Takes steps that say how many memories they deleted and whether there are more, each in a message of its own. Where a vault is so full
/// that even deleting stops half way, what was deleted is told, and how many memories are `left` then.
///
/// # Errors
/// The first step's; [`Error::Internal`] where the canister is being stopped: the call can be sent again.
pub async fn delete_in_steps(
    step: impl Fn(&mut StableVault) -> keepsake_vault::Result<(u32, bool)>,
    left: impl Fn(&StableVault) -> u64,
) -> Result<BulkDeleteResult, Error> {
    let mut deleted_count = 0;
    loop {
        let (failed_count, more) = match write(&step) {
            Ok((deleted, more)) => {
                deleted_count += deleted;
                (0, more)
            }
            Err(keepsake_vault::Error::ResourceExhausted) if deleted_count > 0 => {
                (u32::try_from(read(&left)).unwrap_or(u32::MAX), false)
            }
            Err(error) => return Err(error.into()),
        };
        if !more {
            let message = match failed_count {
                0 => format!("{deleted_count} deleted"),
                left => format!("{deleted_count} deleted, {left} left: the vault is full"),
            };
            return Ok(BulkDeleteResult {
                deleted_count,
                failed_count,
                message,
            });
        }
        next_message().await?;
    }
}
