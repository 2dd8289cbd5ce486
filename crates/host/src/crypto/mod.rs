//! Keys, signatures and hashes of the Internet Computer interface, free of HTTP and of the state tree.
//!
//! - [`representation`]: the representation-independent hash that request ids and signatures are taken over.
//! - [`public_key`]: the keys a caller may sign with, and the verification of their signatures.
//! - [`canister_signature`]: those that canisters of other networks make.
//! - [`root_key`]: the BLS12-381 key of this host, which signs certificates.
//! - [`node_key`]: the Ed25519 key of this host, which signs query replies.
//!
//! Every signature is made over a domain separator followed by the message (specification, "Signatures"), so
//! that a signature made for one purpose is worthless for another.

pub mod canister_signature;
pub mod node_key;
pub mod public_key;
pub mod representation;
pub mod root_key;
mod webauthn;

/// Domain separators of the specification. The first byte of each is the length of the rest, which makes them
/// prefix-free.
pub mod domain {
    /// Of a request, before its request id.
    pub const REQUEST: &[u8] = b"\x0Aic-request";
    /// Of a delegation from one key to another, before the hash of the delegation.
    pub const DELEGATION: &[u8] = b"\x1Aic-request-auth-delegation";
    /// Of a query reply, before the hash of the reply.
    pub const RESPONSE: &[u8] = b"\x0Bic-response";
    /// Of a certificate, before the root hash of the state tree.
    pub const STATE_ROOT: &[u8] = b"\x0Dic-state-root";
}

/// A SHA-256 digest.
pub type Sha256Digest = [u8; 32];

/// SHA-256 of the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> Sha256Digest {
    use sha2::Digest;
    let mut hasher = sha2::Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
