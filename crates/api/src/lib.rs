//! Wire types of the vault: what its Candid interface says, as Rust types, for the canister and the Rust
//! client alike. No logic lives here; what each call does is documented in `docs/interface.md` and on the
//! operations of the vault crate.
//!
//! All times are nanoseconds since 1970 UTC, all sizes are bytes. Byte strings are [`ByteBuf`], which Candid
//! decodes at one instruction a byte (a `Vec<u8>` costs 61).

mod access;
mod asset;
mod capsule;
mod error;
mod http;
mod lifecycle;
mod memory;
mod person;
mod share_link;
mod status;
mod upload;

pub use access::*;
pub use asset::*;
pub use capsule::*;
pub use error::*;
pub use http::*;
pub use lifecycle::*;
pub use memory::*;
pub use person::*;
pub use serde_bytes::ByteBuf;
pub use share_link::*;
pub use status::*;
pub use upload::*;
