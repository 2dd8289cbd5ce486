//! Endpoints of capsules.

use keepsake_api::*;

use crate::reply::Reply;
use crate::state::{call, ensure_seed_for, read, write};

/// Without a subject: the caller's own capsule, created at the first call and returned at every later one. With one: a new
/// capsule about that person, owned by the caller. The answer's `memories` are empty; `memories_list` reads them.
/// Errors: InvalidArgument for a subject that is nobody; ResourceExhausted at 1,000 capsules a person.
#[ic_cdk::update(manual_reply = true)]
async fn capsules_create(subject: Option<PersonRef>) -> Reply<Result<Capsule, Error>> {
    let call = call();
    Reply::send(match ensure_seed_for(call).await {
        Ok(()) => write(|vault| vault.capsules_create(call, subject)).map_err(Error::from),
        Err(error) => Err(error),
    })
}

/// A capsule that the caller owns, controls or is the subject of; without an id, the caller's own.
/// Errors: NotFound, also where the caller may not know that it exists.
#[ic_cdk::query(manual_reply = true)]
fn capsules_read_basic(capsule: Option<String>) -> Reply<Result<CapsuleInfo, Error>> {
    Reply::of(read(|vault| {
        vault.capsules_read_basic(call(), capsule.as_deref())
    }))
}

/// Every capsule that the caller owns, controls or is the subject of, at most 1,000: the governed ones first.
#[ic_cdk::query(manual_reply = true)]
fn capsules_list() -> Reply<Vec<CapsuleHeader>> {
    Reply::send(read(|vault| vault.capsules_list(call())))
}
