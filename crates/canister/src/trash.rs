//! Endpoints of the trash.

use keepsake_api::*;

use crate::memories::delete_in_steps;
use crate::reply::Reply;
use crate::state::{StableVault, call, means, read, write};

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
    let call = call();
    let step = |vault: &mut StableVault| vault.memories_trash_empty_step(call, &capsule, call.now);
    let left = |vault: &StableVault| {
        vault
            .capsule_status(call, &capsule, means())
            .map_or(0, |capsule| capsule.memories_trashed)
    };
    Reply::send(delete_in_steps(step, left).await)
}
