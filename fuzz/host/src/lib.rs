//! What the host's fuzz targets are made of: a canister in memory behind the host's real interface, and requests out of the fuzzer's bytes; a
//! gallery as the canister has it, and requests for its pages.

pub mod canister;
pub mod envelopes;
pub mod pages;
pub mod requests;
