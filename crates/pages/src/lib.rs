//! The gallery's files inside the canister, and what HTTP gateways verify every answer by (HTTP gateway protocol, response verification
//! version 2).
//!
//! The files are known when the canister is compiled: [`embed`] compresses and hashes them then, in the canister's build script, and
//! computes what the certified tree holds for each. At its start the canister puts these digests together ([`Site::new`]): the cost is that
//! of the tree's upper levels and of the one page that carries the network's root key, whatever the vault holds (I1). No body is hashed
//! at run time.
//!
//! What a path may be answered with is certified there, exact in status, headers and body, and for the request it is meant for: a replica
//! cannot answer with an older page, a page of its own, or that a page has not changed when it has. Content that somebody put into the vault
//! is not compared, and has a leaf of its own that says so for the paths below `/asset/` and for `/metrics`, and for nothing else
//! (docs/decisions/0005).
//!
//! Nothing here knows the vault; and nothing in a request can make it panic.

mod answer;
pub mod embed;
mod file;
mod headers;
mod negotiation;
mod site;
mod tree;

#[cfg(test)]
mod tests;

pub use file::{Body, Encoded, File};
pub use site::{Environment, Request, Response, Route, Site, Unchecked};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).into()
}
