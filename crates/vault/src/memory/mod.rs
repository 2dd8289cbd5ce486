//! Memories: one remembered thing each, with its metadata, access entries and assets. A memory's record holds its metadata and
//! its asset list, never content.

mod add_asset;
mod asset_read;
mod assets;
mod create;
mod delete;
mod entries;
mod external;
mod grants;
mod list;
mod presence;
mod read;
mod record;
mod release;
mod remove_asset;
mod serve;
mod shared;
mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod trash;
mod update;

pub use create::NewMemory;
pub use delete::BulkDelete;
pub use external::ExternalContent;
#[cfg(any(test, feature = "recount"))]
pub use external::ExternalDeletion;
pub use grants::{Grantee, Grants};
pub(crate) use list::{ListingTokens, header_len, page_limit};
#[cfg(any(test, feature = "recount"))]
pub use record::MemoryRecord;
pub use record::{AssetRecord, Memory, StoredAsset};
pub use serve::{AssetRequest, Refusal, ServedAsset};
pub use store::{MemoryStore, Position};
