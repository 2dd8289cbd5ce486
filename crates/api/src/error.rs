//! The error every call answers with.

use candid::CandidType;
use serde::{Deserialize, Serialize};

/// Why a call did nothing. The variants are closed: clients decode exactly these.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The caller may see the thing but not do this to it, or is anonymous.
    Unauthorized,
    /// There is no such thing, or the caller may not know that there is.
    NotFound,
    /// An argument is malformed or out of bounds: `name: what is wrong and what is allowed`.
    InvalidArgument(String),
    /// The thing changed meanwhile, or is in use.
    Conflict(String),
    /// A budget, quota, session limit or the canister's capacity is used up.
    ResourceExhausted,
    /// The request is well formed, but this vault does not offer it.
    NotImplemented(String),
    /// A bug of ours.
    Internal(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Unauthorized => f.write_str("not allowed for this caller"),
            Error::NotFound => f.write_str("not found"),
            Error::InvalidArgument(what) => write!(f, "invalid argument: {what}"),
            Error::Conflict(what) => write!(f, "conflict: {what}"),
            Error::ResourceExhausted => {
                f.write_str("a budget, quota or limit of the vault is used up")
            }
            Error::NotImplemented(what) => write!(f, "not offered by this vault: {what}"),
            Error::Internal(what) => write!(f, "internal error of the vault: {what}"),
        }
    }
}

impl std::error::Error for Error {}
