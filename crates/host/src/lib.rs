//! Runs one canister on this machine and answers for it as the Internet Computer would.
//!
//! [`engine`] executes a canister's wasm on [`runtime`] (wasmtime, the System API) with its state in [`store`] (LMDB);
//! [`http`] speaks the IC HTTP interface to official agents, with real certificates from [`certificate`] and keys
//! and signatures from [`crypto`]; [`message`] is what passes between the two halves. A single-node home for a canister, not a
//! replica; it knows nothing of what the canister does.

pub mod certificate;
pub mod check;
pub mod crypto;
pub mod engine;
pub mod http;
pub mod message;
pub mod metrics;
pub mod runtime;
pub mod settings;
pub mod snapshot;
pub mod store;
