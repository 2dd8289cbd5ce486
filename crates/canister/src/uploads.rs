//! Endpoints of uploads and blobs.

use candid::candid_method;
use keepsake_api::*;
use keepsake_vault::{Call, FinishStep};

use crate::arguments;
use crate::reply::Reply;
use crate::state::{call, ensure_seed_for, next_message, read, write};

/// What a client has to know before it sends content, in bytes. For everybody, anonymous callers too.
#[ic_cdk::query(manual_reply = true)]
fn upload_config() -> Reply<UploadConfig> {
    Reply::send(read(|vault| vault.upload_config()))
}

/// Opens an upload of 1 to 16,384 chunks; the same (capsule, caller, idempotency key) returns the session that is open.
/// At most 100 open sessions a caller and capsule, else ResourceExhausted. A session lives 7 days after its last chunk.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
async fn uploads_begin(
    capsule: String,
    expected_chunks: u32,
    idem: String,
) -> Reply<Result<u64, Error>> {
    let call = call();
    Reply::send(match ensure_seed_for(call).await {
        Ok(()) => write(|vault| vault.uploads_begin(call, &capsule, expected_chunks, &idem))
            .map_err(Error::from),
        Err(error) => Err(error),
    })
}

/// Receives one chunk of a session of the caller's: any order, in parallel, any number of times. The same bytes again change
/// nothing, other bytes replace the first. Errors: chunk_out_of_range, chunk_too_large; Conflict where the session has ended.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
fn uploads_put_chunk(session: u64, index: u32, bytes: ByteBuf) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.uploads_put_chunk(call(), session, index, &bytes)
    }))
}

/// Makes the blob, complete and verified, or nothing: chunk_missing (with the indexes), size_mismatch, hash_mismatch; the session
/// stays open then. Asked again, the same answer. Creates no memory: `memory_id` is empty.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
async fn uploads_finish(
    session: u64,
    sha256: ByteBuf,
    total_len: u64,
) -> Reply<Result<UploadFinishResult, Error>> {
    Reply::send(finish(call(), session, &sha256, total_len).await)
}

/// Finishes in as many messages as hashing takes.
async fn finish(
    call: Call,
    session: u64,
    sha256: &[u8],
    total_len: u64,
) -> Result<UploadFinishResult, Error> {
    loop {
        match write(|vault| vault.uploads_finish(call, session, sha256, total_len))? {
            FinishStep::Done(result) => return Ok(result),
            FinishStep::HashMore => next_message().await?,
        }
    }
}

/// Makes a blob of at most 1,800,000 bytes in one message, verified, or nothing: chunk_too_large, hash_mismatch; ResourceExhausted where
/// the quota does not take it. The same request returns the same blob; the same key with other content makes another one. Content that
/// the capsule holds already is stored once.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
async fn uploads_put_blob(
    capsule: String,
    bytes: ByteBuf,
    sha256: ByteBuf,
    idem: String,
) -> Reply<Result<UploadFinishResult, Error>> {
    let call = call();
    Reply::send(match ensure_seed_for(call).await {
        Ok(()) => write(|vault| vault.uploads_put_blob(call, &capsule, &bytes, &sha256, &idem))
            .map_err(Error::from),
        Err(error) => Err(error),
    })
}

/// Gives an upload up and frees everything it holds. Again: Ok.
#[ic_cdk::update(manual_reply = true)]
fn uploads_abort(session: u64) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| vault.uploads_abort(call(), session)))
}

/// How far an upload of the caller's is, and which of its chunks are missing: at most the first 1,000 ranges.
#[ic_cdk::query(manual_reply = true)]
fn uploads_status(session: u64) -> Reply<Result<UploadStatus, Error>> {
    Reply::of(read(|vault| vault.uploads_status(call(), session)))
}

/// The caller's uploads that have not expired, at most 1,000.
#[ic_cdk::query(manual_reply = true)]
fn uploads_list() -> Reply<Result<Vec<UploadStatus>, Error>> {
    Reply::of(read(|vault| vault.uploads_list(call())))
}

/// The caller's uploads in words, a line each; `uploads_list` is for programs.
#[ic_cdk::query(manual_reply = true)]
fn sessions_list() -> Reply<Result<String, Error>> {
    Reply::of(read(|vault| vault.uploads_list(call())).map(|uploads| {
        let lines: Vec<String> = uploads.iter().map(describe).collect();
        lines.join("\n")
    }))
}

/// How many uploads of the caller's are in which state, in words.
#[ic_cdk::query(manual_reply = true)]
fn sessions_stats() -> Reply<Result<String, Error>> {
    Reply::of(read(|vault| vault.uploads_list(call())).map(|uploads| {
        let count = |state: fn(&UploadState) -> bool| {
            uploads.iter().filter(|upload| state(&upload.state)).count()
        };
        let open = count(|state| matches!(state, UploadState::Open));
        let finished = count(|state| matches!(state, UploadState::Finished { .. }));
        let aborted = count(|state| matches!(state, UploadState::Aborted));
        let bytes: u64 = uploads
            .iter()
            .filter(|upload| upload.state == UploadState::Open)
            .map(|upload| upload.received_bytes)
            .sum();
        format!("{open} open ({bytes} bytes received), {finished} finished, {aborted} aborted")
    }))
}

/// Clears away the caller's own expired uploads; says how many. Everybody's are cleared away by themselves.
#[ic_cdk::update(manual_reply = true)]
fn sessions_cleanup_expired() -> Reply<Result<String, Error>> {
    Reply::of(
        write(|vault| vault.uploads_cleanup_expired(call()))
            .map(|count| format!("{count} expired sessions cleared away")),
    )
}

fn describe(upload: &UploadStatus) -> String {
    let state = match &upload.state {
        UploadState::Open => "open".to_owned(),
        UploadState::Finished { blob_id } => format!("finished as {blob_id}"),
        UploadState::Aborted => "aborted".to_owned(),
    };
    format!(
        "{} in {}: {state}, {} of {} chunks, {} bytes",
        upload.session,
        upload.capsule_id,
        upload.received_chunks,
        upload.expected_chunks,
        upload.received_bytes
    )
}

/// Deletes a blob that no memory references; Conflict while one does, in the trash or not. For owners and controllers of its capsule.
/// Again: the same.
#[ic_cdk::update(manual_reply = true)]
fn blob_delete(locator: String) -> Reply<Result<String, Error>> {
    Reply::of(write(|vault| vault.blob_delete(call(), &locator)))
}

/// Length and number of chunks of a blob that the caller may read: by the capsule, or by a memory that references it.
#[ic_cdk::query(manual_reply = true)]
fn blob_get_meta(locator: String) -> Reply<Result<BlobMeta, Error>> {
    Reply::of(read(|vault| vault.blob_get_meta(call(), &locator)))
}

/// A whole blob of at most 3,000,000 bytes; longer ones are read with blob_read_chunk.
#[ic_cdk::query(manual_reply = true)]
fn blob_read(locator: String) -> Reply<Result<ByteBuf, Error>> {
    read(|vault| Reply::of_range(vault, vault.blob_range(call(), &locator)))
}

/// One chunk of a blob, as it was uploaded; empty past the end.
#[ic_cdk::query(manual_reply = true)]
fn blob_read_chunk(locator: String, index: u32) -> Reply<Result<ByteBuf, Error>> {
    read(|vault| Reply::of_range(vault, vault.blob_chunk_range(call(), &locator, index)))
}

/// Opens an upload of content that is announced: the quota is checked before any byte travels, and what the capsule holds already needs no
/// upload. Every chunk then has `chunk_size` bytes, and the last one what is left; else size_mismatch.
#[ic_cdk::update(manual_reply = true, hidden = true, decode_with = "arguments::decode")]
#[candid_method(update)]
async fn uploads_begin_announced(
    capsule: String,
    content: UploadAnnouncement,
    idem: String,
) -> Reply<Result<UploadBegin, Error>> {
    let call = call();
    Reply::send(match ensure_seed_for(call).await {
        Ok(()) => write(|vault| vault.uploads_begin_announced(call, &capsule, &content, &idem))
            .map_err(Error::from),
        Err(error) => Err(error),
    })
}

/// For each of at most 1,000 SHA-256 a blob of the capsule with that content, where it has one.
#[ic_cdk::query(manual_reply = true)]
fn blobs_by_hash(
    capsule: String,
    hashes: Vec<ByteBuf>,
) -> Reply<Result<Vec<Option<HeldBlob>>, Error>> {
    Reply::of(read(|vault| vault.blobs_by_hash(call(), &capsule, &hashes)))
}
