//! Endpoints of the trash.

use keepsake_api::*;
use keepsake_vault::Call;

use crate::reply::Reply;
use crate::state::{StableVault, call, next_message, read, write};

/// Puts a memory in the trash: it is gone from every call but these, can be restored for 30 days, and is deleted with its assets then. Its
/// bytes count until then. Needs OWN, as a deletion does. Again: Ok.
#[ic_cdk::update(manual_reply = true)]
fn memories_trash(memory: String) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| vault.memories_trash(call(), &memory)))
}

/// Takes a memory out of the trash: it is as it was. The request that created it does the same. Needs OWN. Again: Ok; NotFound after 30
/// days, and after a deletion.
#[ic_cdk::update(manual_reply = true)]
fn memories_restore(memory: String) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| vault.memories_restore(call(), &memory)))
}

/// A page of a capsule's trash, what was put there last first: 50 unless `limit` says otherwise, at most 100. For owners and controllers.
#[ic_cdk::query(manual_reply = true)]
fn memories_trashed(
    capsule: String,
    cursor: Option<String>,
    limit: Option<u32>,
) -> Reply<Result<TrashPage, Error>> {
    Reply::of(read(|vault| {
        vault.memories_trashed(call(), &capsule, cursor.as_deref(), limit)
    }))
}

/// Deletes for good, with its assets, all that is in the capsule's trash when the call arrives, in as many messages as that takes. For
/// owners and controllers.
#[ic_cdk::update(manual_reply = true)]
async fn memories_trash_empty(capsule: String) -> Reply<Result<BulkDeleteResult, Error>> {
    Reply::send(empty(call(), &capsule).await)
}

async fn empty(call: Call, capsule: &str) -> Result<BulkDeleteResult, Error> {
    let mut deleted_count = 0;
    loop {
        let step =
            |vault: &mut StableVault| vault.memories_trash_empty_step(call, capsule, call.now);
        let (deleted, more) = write(step)?;
        deleted_count += deleted;
        if !more {
            return Ok(BulkDeleteResult {
                deleted_count,
                failed_count: 0,
                message: format!("{deleted_count} deleted"),
            });
        }
        next_message().await?;
    }
}
