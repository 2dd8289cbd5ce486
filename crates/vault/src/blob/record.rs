//! What is stored of a blob.

use minicbor::{Decode, Encode};

use crate::arena::Extent;
use crate::hash::Sha256Digest;
use crate::ids::{BlobId, CapsuleId};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BlobRecord {
    #[n(0)]
    capsule: u64,
    #[n(1)]
    pub created_at: u64,
    #[n(2)]
    pub chunking: Chunking,
    /// How many assets reference this blob id.
    #[n(3)]
    pub references: u32,
    /// The id was deleted; the record stays while other ids share its content.
    #[n(4)]
    pub is_deleted: bool,
    #[n(5)]
    pub content: Content,
    /// No memory has referenced it yet: it goes a day after it came.
    #[n(6)]
    pub never_referenced: bool,
}

impl BlobRecord {
    pub fn new(capsule: CapsuleId, created_at: u64, chunking: Chunking, content: Content) -> Self {
        Self {
            capsule: capsule.0,
            created_at,
            chunking,
            references: 0,
            is_deleted: false,
            content,
            never_referenced: true,
        }
    }

    pub fn capsule(&self) -> CapsuleId {
        CapsuleId(self.capsule)
    }
}

/// How the blob was cut when it was uploaded: its chunks are read as they came.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Chunking {
    /// All chunks have `size` bytes, except the last, which has at most as many.
    #[n(0)]
    Uniform {
        #[n(0)]
        size: u32,
        #[n(1)]
        count: u32,
    },
    /// A table in the arena: where each chunk ends, as little-endian 64-bit numbers.
    #[n(1)]
    Ends(#[n(0)] Extent),
}

impl Chunking {
    pub fn count(&self) -> u32 {
        match self {
            Chunking::Uniform { count, .. } => *count,
            Chunking::Ends(table) => (table.len / 8) as u32,
        }
    }

    /// The chunk table's place, where there is one.
    pub fn table(&self) -> Option<Extent> {
        match self {
            Chunking::Uniform { .. } => None,
            Chunking::Ends(table) => Some(*table),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Content {
    #[n(0)]
    Held(#[n(0)] HeldContent),
    /// The blob with this number holds the same content.
    #[n(1)]
    SharedWith(#[n(0)] u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HeldContent {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub sha256: Sha256Digest,
    #[n(1)]
    pub len: u64,
    #[n(2)]
    pub extents: Extents,
    /// How many blob ids that are not deleted have this content, the holder's own included.
    #[n(3)]
    pub ids: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Extents {
    #[n(0)]
    One(#[n(0)] Extent),
    /// A table in the arena: for each extent in the content's order, where it begins in the content and in the arena, as
    /// little-endian 64-bit numbers.
    #[n(1)]
    Many(#[n(0)] Extent),
}

/// A blob as callers see it: its own id and cutting, and the content, wherever it is held.
pub struct Blob {
    pub id: BlobId,
    pub record: BlobRecord,
    pub holder: BlobId,
    pub content: HeldContent,
}
