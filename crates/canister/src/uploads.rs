//! Endpoints of uploads and blobs.

use std::marker::PhantomData;

use keepsake_api::*;
use keepsake_vault::{BlobRange, FinishStep};

use crate::reply;
use crate::state::{StableVault, call, ensure_seed, next_message, read, write};

/// What a client has to know before it sends content, in bytes. For everybody, anonymous callers too.
#[ic_cdk::query(encode_with = "crate::reply::encode")]
fn upload_config() -> UploadConfig {
    read(|vault| vault.upload_config())
}

/// Opens an upload of 1 to 16,384 chunks; the same (capsule, caller, idempotency key) returns the session that is open.
/// At most 100 open sessions a caller and capsule, else ResourceExhausted. A session lives 7 days after its last chunk.
#[ic_cdk::update(encode_with = "crate::reply::encode")]
async fn uploads_begin(capsule: String, expected_chunks: u32, idem: String) -> Result<u64, Error> {
    let call = call();
    call.person()?;
    ensure_seed().await?;
    Ok(write(|vault| {
        vault.uploads_begin(call, &capsule, expected_chunks, &idem)
    })?)
}

/// Receives one chunk of a session of the caller's: any order, in parallel, any number of times. The same bytes again change
/// nothing, other bytes replace the first. Errors: chunk_out_of_range, chunk_too_large; Conflict where the session has ended.
#[ic_cdk::update(encode_with = "crate::reply::encode")]
fn uploads_put_chunk(session: u64, index: u32, bytes: ByteBuf) -> Result<(), Error> {
    Ok(write(|vault| {
        vault.uploads_put_chunk(call(), session, index, &bytes)
    })?)
}

/// Makes the blob, complete and verified, or nothing: chunk_missing (with the indexes), size_mismatch, hash_mismatch; the session
/// stays open then. Asked again, the same answer. Creates no memory: `memory_id` is empty.
#[ic_cdk::update(encode_with = "crate::reply::encode")]
async fn uploads_finish(
    session: u64,
    sha256: ByteBuf,
    total_len: u64,
) -> Result<UploadFinishResult, Error> {
    let call = call();
    loop {
        match write(|vault| vault.uploads_finish(call, session, &sha256, total_len))? {
            FinishStep::Done(result) => return Ok(result),
            FinishStep::HashMore => next_message().await?,
        }
    }
}

/// Gives an upload up and frees everything it holds. Again: Ok.
#[ic_cdk::update(encode_with = "crate::reply::encode")]
fn uploads_abort(session: u64) -> Result<(), Error> {
    Ok(write(|vault| vault.uploads_abort(call(), session))?)
}

/// Length and number of chunks of a blob that the caller may read: by the capsule, or by a memory that references it.
#[ic_cdk::query(encode_with = "crate::reply::encode")]
fn blob_get_meta(locator: String) -> Result<BlobMeta, Error> {
    Ok(read(|vault| vault.blob_get_meta(call(), &locator))?)
}

/// A whole blob of at most 3,000,000 bytes; longer ones are read with blob_read_chunk.
#[ic_cdk::query(manual_reply = true)]
fn blob_read(locator: String) -> PhantomData<Result<ByteBuf, Error>> {
    reply_with_range(|vault| vault.blob_range(call(), &locator))
}

/// One chunk of a blob, as it was uploaded; empty past the end.
#[ic_cdk::query(manual_reply = true)]
fn blob_read_chunk(locator: String, index: u32) -> PhantomData<Result<ByteBuf, Error>> {
    reply_with_range(|vault| vault.blob_chunk_range(call(), &locator, index))
}

fn reply_with_range(
    find: impl FnOnce(&StableVault) -> keepsake_vault::Result<BlobRange>,
) -> PhantomData<Result<ByteBuf, Error>> {
    let reply = read(|vault| match find(vault) {
        Ok(range) => reply::encode_bytes(range.len(), |reply| vault.append_range(&range, reply)),
        Err(error) => reply::encode(Err::<ByteBuf, Error>(error.into())),
    });
    ic_cdk::api::msg_reply(reply);
    PhantomData
}
