//! Blobs: immutable content of a known length and SHA-256. Equal content in one capsule is kept once, under as many blob
//! ids as were handed out; never across capsules, which would tell a stranger what others keep.

mod content;
mod operations;
mod readers;
mod record;
mod store;

pub use content::{
    CHUNK_ENTRY, ChunkEntry, append_content, chunk_range, extent_table, extent_table_len, joined,
    read_range, store_parts,
};
pub use operations::BlobRange;
pub use record::{Blob, BlobRecord, Chunking, Content, Extents, HeldContent};
pub use store::{BlobStore, Slot};
