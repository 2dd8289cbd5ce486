//! Rust client of a vault: typed calls over the official agent, an upload engine, and derivatives of photos.
//!
//! - [`Vault`]: one method for each call of the vault's interface, retried where that is safe, with query
//!   signatures and certificates verified.
//! - [`Uploader`]: content in, chunk by chunk, in parallel, resumable ([`upload`]).
//! - [`Importer`]: a file becomes a memory with its derivatives, once, however often it is run ([`import`]).
//! - [`archive`]: memories in a folder that people can read, and from one vault into another.
//! - [`read_asset`], [`verify_asset`]: content out again, compared with its SHA-256 ([`download`]).
//!
//! Invariants carried here: originals stay as they are, byte for byte; what arrives is what was hashed; a run
//! repeated after any failure converges on the same memories (DESIGN I5 seen from the client).

pub mod archive;
mod asked;
pub mod capture;
pub mod companions;
mod connect;
pub mod derivatives;
pub mod download;
pub mod error;
pub mod identity;
pub mod import;
mod jpeg;
mod known;
mod live;
pub mod media;
pub mod retry;
pub mod sidecar;
pub mod upload;
pub mod vault;
mod webp_container;

pub use companions::{Bundle, Companions};
pub use connect::DEFAULT_CANISTER_ID;
pub use download::{AssetRef, assets_of, read_asset, verify_asset};
pub use error::ClientError;
pub use import::{
    CompanionRole, DerivativeFate, Fate, Foreseen, Importer, Kept, KeptCompanion, NoProgress,
    Progress,
};
pub use keepsake_api as api;
pub use retry::RetryPolicy;
pub use upload::{Content, StoredBlob, Uploader};
pub use vault::{NewContent, Vault};
