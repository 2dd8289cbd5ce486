//! Endpoints of uploads and blobs.

use keepsake_api::*;
use keepsake_vault::FinishStep;

use crate::state::{call, ensure_seed, next_message, read, write};

#[ic_cdk::query]
fn upload_config() -> UploadConfig {
    read(|vault| vault.upload_config())
}

#[ic_cdk::update]
async fn uploads_begin(capsule: String, expected_chunks: u32, idem: String) -> Result<u64, Error> {
    let call = call();
    call.person()?;
    ensure_seed().await?;
    Ok(write(|vault| {
        vault.uploads_begin(call, &capsule, expected_chunks, &idem)
    })?)
}

#[ic_cdk::update]
fn uploads_put_chunk(session: u64, index: u32, bytes: ByteBuf) -> Result<(), Error> {
    Ok(write(|vault| {
        vault.uploads_put_chunk(call(), session, index, &bytes)
    })?)
}

#[ic_cdk::update]
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

#[ic_cdk::update]
fn uploads_abort(session: u64) -> Result<(), Error> {
    Ok(write(|vault| vault.uploads_abort(call(), session))?)
}

#[ic_cdk::query]
fn blob_get_meta(locator: String) -> Result<BlobMeta, Error> {
    Ok(read(|vault| vault.blob_get_meta(call(), &locator))?)
}

#[ic_cdk::query]
fn blob_read(locator: String) -> Result<ByteBuf, Error> {
    Ok(read(|vault| vault.blob_read(call(), &locator)).map(ByteBuf::from)?)
}

#[ic_cdk::query]
fn blob_read_chunk(locator: String, index: u32) -> Result<ByteBuf, Error> {
    Ok(read(|vault| vault.blob_read_chunk(call(), &locator, index)).map(ByteBuf::from)?)
}
