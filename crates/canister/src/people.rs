//! Endpoints of people: linking principals, so that they act as one person.

use candid::Principal;
use keepsake_api::*;

use crate::reply::Reply;
use crate::state::{call, read, write};

/// Offers that this principal acts as one person with the caller: it accepts by person_link_accept within 24 hours, or not at all. Made
/// again, the offer begins anew; at most 8 are open. Errors: ResourceExhausted also for a person of 8 principals.
#[ic_cdk::update(manual_reply = true)]
fn person_link_offer(principal: Principal) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| vault.person_link_offer(call(), principal)))
}

/// Accepts the offer of the person that this principal belongs to: the caller becomes one of its principals, with all that it may do.
/// Again: Ok. Errors: NotFound where there is no such offer; Conflict where the caller is linked with somebody else: unlink it first.
#[ic_cdk::update(manual_reply = true)]
fn person_link_accept(principal: Principal) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| vault.person_link_accept(call(), principal)))
}

/// Takes a principal out of the caller's person, a lost device's or the caller itself, and withdraws an open offer to it. What is named
/// after it stays its own. Again, and for a principal that is not the caller's: Ok. Errors: Conflict for the first principal, the
/// primary, which only it itself takes out.
#[ic_cdk::update(manual_reply = true)]
fn person_unlink(principal: Principal) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| vault.person_unlink(call(), principal)))
}

/// Who the caller is: the principals that act as one, the primary first, and open offers to link.
#[ic_cdk::query(manual_reply = true)]
fn person_read() -> Reply<Result<Person, Error>> {
    Reply::of(read(|vault| vault.person_read(call())))
}
