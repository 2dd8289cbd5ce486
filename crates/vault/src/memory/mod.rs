//! Memories: one remembered thing each, with its metadata, access entries and assets. A memory's record holds its metadata and
//! its asset list, never content.

mod add_asset;
mod assets;
mod create;
mod delete;
mod external;
mod list;
mod read;
mod record;
mod store;

pub use create::NewMemory;
pub use external::ExternalDeletions;
pub use record::StoredAsset;
pub use store::MemoryStore;
