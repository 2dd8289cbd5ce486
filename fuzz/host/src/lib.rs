//! What the host's fuzz target is made of: a canister in memory behind the host's real interface, and requests out of the fuzzer's bytes.

pub mod canister;
pub mod envelopes;
pub mod requests;
