//! Endpoints of the vault's and a capsule's state.

use keepsake_api::*;

use crate::reply::Reply;
use crate::state::{call, is_operator, means, read};

/// State of the vault: memory, cycles, what is cleared away, quotas, and whether new content is refused. For the canister's controllers, and
/// for whoever owns or controls a capsule; Unauthorized for others.
#[ic_cdk::query(manual_reply = true)]
fn vault_status() -> Reply<Result<VaultStatus, Error>> {
    Reply::of(read(|vault| {
        vault.vault_status(call(), is_operator(), means())
    }))
}

/// How much of its quotas a capsule uses. For whoever may read the capsule.
#[ic_cdk::query(manual_reply = true)]
fn capsule_status(capsule: String) -> Reply<Result<CapsuleStatus, Error>> {
    Reply::of(read(|vault| {
        vault.capsule_status(call(), &capsule, means())
    }))
}
