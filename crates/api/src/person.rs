//! People of several principals, and offers to become one.

use candid::{CandidType, Principal};
use serde::{Deserialize, Serialize};

/// One of the principals that act as one person.
#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkedPrincipal {
    pub principal: Principal,
    /// Since when it is linked; `None` for a principal that is not linked with any other.
    pub since: Option<u64>,
}

/// An offer that two principals act as one person.
#[derive(CandidType, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkOffer {
    /// The other side: whom it was made to, or the first principal of who made it.
    pub principal: Principal,
    /// From then on it cannot be accepted any more.
    pub expires_at: u64,
}

/// Who the caller is.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The principals that act as one, the primary first: what the person writes is named after that one.
    pub principals: Vec<LinkedPrincipal>,
    /// What the person offers to others.
    pub offers_made: Vec<LinkOffer>,
    /// What others offer to the principal that calls: at most 8 are shown, and any can be accepted.
    pub offers_received: Vec<LinkOffer>,
}
