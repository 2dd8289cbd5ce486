//! Endpoints of share links.

use keepsake_api::*;

use crate::reply::Reply;
use crate::state::{call, read, write};

/// Makes a link to a capsule (for owners and controllers), or to 1 to 1,000 of its memories (SHARE on each, and DOWNLOAD where downloads are
/// allowed). The caller draws a secret of 32 random bytes and sends its SHA-256: whoever has the secret sees what the link shows, and never
/// more than its maker may share at that moment. Expires after 30 days unless said otherwise, after 5 years at most. Again: the link as it
/// is. Errors: Conflict for a secret that was used before; ResourceExhausted at 200 links (100 for who does not govern the capsule).
#[ic_cdk::update(manual_reply = true)]
fn share_links_create(link: ShareLinkInput) -> Reply<Result<ShareLink, Error>> {
    Reply::of(write(|vault| vault.share_links_create(call(), link)))
}

/// The capsule's links that have not ended, the newest first, with their uses: all for owners and controllers, for others those that they
/// made.
#[ic_cdk::query(manual_reply = true)]
fn share_links_list(capsule: String) -> Reply<Result<Vec<ShareLink>, Error>> {
    Reply::of(read(|vault| vault.share_links_list(call(), &capsule)))
}

/// Ends a link: it shows nothing any more, and its pictures cannot be fetched. For owners, controllers, and who made it. Again: Ok.
#[ic_cdk::update(manual_reply = true)]
fn share_links_revoke(capsule: String, link: String) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.share_links_revoke(call(), &capsule, &link)
    }))
}

/// Counts a use of the link with this secret; the same nonce (1 to 64 random bytes) is counted once. Any caller but the anonymous one: pages
/// sign it with a key that they throw away. NotFound for a secret that opens nothing: never, or not any more.
#[ic_cdk::update(manual_reply = true)]
fn share_links_open(secret: ByteBuf, nonce: ByteBuf) -> Reply<Result<SharedLink, Error>> {
    Reply::of(write(|vault| {
        vault.share_links_open(call(), &secret, &nonce)
    }))
}

/// A page of what the link with this secret shows, to anybody: a capsule newest first, selected memories in their order; 50 unless `limit`
/// says otherwise, at most 100. Without what is in the trash, time capsules that have not opened, and what its maker may not share any
/// more. NotFound as share_links_open.
#[ic_cdk::query(manual_reply = true)]
fn share_links_memories(
    secret: ByteBuf,
    cursor: Option<String>,
    limit: Option<u32>,
) -> Reply<Result<SharedPage, Error>> {
    Reply::of(read(|vault| {
        vault.share_links_memories(call().now, &secret, cursor.as_deref(), limit)
    }))
}

/// One memory that the link with this secret shows, to anybody, with the assets that it gives: originals only where it allows downloads.
#[ic_cdk::query(manual_reply = true)]
fn share_links_memory(secret: ByteBuf, memory: String) -> Reply<Result<SharedMemory, Error>> {
    Reply::of(read(|vault| {
        vault.share_links_memory(call().now, &secret, &memory)
    }))
}

/// Bytes of an asset that the link with this secret gives, to anybody: `len` from `start` on, at most 2,000,000; empty past the end.
#[ic_cdk::query(manual_reply = true)]
fn share_links_asset(
    secret: ByteBuf,
    memory: String,
    asset: String,
    start: u64,
    len: u32,
) -> Reply<Result<ByteBuf, Error>> {
    read(|vault| {
        let range = vault.share_links_asset(call().now, &secret, &memory, &asset, start, len);
        Reply::of_shared(vault, range)
    })
}
