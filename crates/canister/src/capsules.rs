//! Endpoints of capsules.

use keepsake_api::*;

use crate::state::{call, ensure_seed, read, write};

#[ic_cdk::update]
async fn capsules_create(subject: Option<PersonRef>) -> Result<Capsule, Error> {
    let call = call();
    call.person()?;
    ensure_seed().await?;
    Ok(write(|vault| vault.capsules_create(call, subject))?)
}

#[ic_cdk::query]
fn capsules_read_basic(capsule: Option<String>) -> Result<CapsuleInfo, Error> {
    Ok(read(|vault| {
        vault.capsules_read_basic(call(), capsule.as_deref())
    })?)
}

#[ic_cdk::query]
fn capsules_list() -> Vec<CapsuleHeader> {
    read(|vault| vault.capsules_list(call()))
}
