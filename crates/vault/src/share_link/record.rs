//! What is stored of a share link.

use candid::Principal;
use minicbor::{Decode, Encode};

use crate::ids::{CapsuleId, MemoryId};
use crate::limits;

/// A share link, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum StoredShareLink {
    #[n(0)]
    Open(#[n(0)] OpenShareLink),
    /// It was revoked or has expired. Kept for ever: its secret is spent.
    #[n(1)]
    Ended(#[n(0)] EndedShareLink),
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OpenShareLink {
    #[n(0)]
    capsule: u64,
    /// The principal of who made it, the primary one of a person of several.
    #[cbor(n(1), with = "minicbor::bytes")]
    maker: Vec<u8>,
    #[n(2)]
    pub title: Option<String>,
    /// Nanoseconds since 1970 UTC, as all times here.
    #[n(3)]
    pub created_at: u64,
    /// From then on it opens nothing.
    #[n(4)]
    pub expires_at: u64,
    #[n(5)]
    pub allow_download: bool,
    /// How many memories were selected; none: the whole capsule.
    #[n(6)]
    pub selected: Option<u32>,
    #[n(7)]
    pub uses: u64,
    #[n(8)]
    pub last_used_at: Option<u64>,
    /// The last uses by [`USE_LEN`] bytes each, the oldest first.
    #[cbor(n(9), with = "minicbor::bytes")]
    recent: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EndedShareLink {
    #[n(0)]
    capsule: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    maker: Vec<u8>,
}

/// Bytes that a use is remembered by.
pub const USE_LEN: usize = 8;

impl OpenShareLink {
    /// A link to the whole capsule that was never used.
    pub fn new(capsule: CapsuleId, maker: Principal, created_at: u64, expires_at: u64) -> Self {
        Self {
            capsule: capsule.0,
            maker: maker.as_slice().to_vec(),
            title: None,
            created_at,
            expires_at,
            allow_download: false,
            selected: None,
            uses: 0,
            last_used_at: None,
            recent: Vec::new(),
        }
    }

    pub fn capsule(&self) -> CapsuleId {
        CapsuleId(self.capsule)
    }

    pub fn maker(&self) -> Principal {
        // Only bytes of principals are stored, which are 29 at the most.
        Principal::from_slice(&self.maker)
    }

    /// Whether the use is among those that are remembered.
    pub fn remembers(&self, used: &[u8; USE_LEN]) -> bool {
        self.recent.chunks_exact(USE_LEN).any(|known| known == used)
    }

    /// Counts a use, and remembers it in place of the oldest.
    pub fn count(&mut self, used: &[u8; USE_LEN], now: u64) {
        self.uses = self.uses.saturating_add(1);
        self.last_used_at = Some(now);
        if self.recent.len() >= limits::SHARE_USES_REMEMBERED * USE_LEN {
            self.recent.drain(..USE_LEN);
        }
        self.recent.extend_from_slice(used);
    }

    /// What is left when it ends.
    pub fn ended(self) -> EndedShareLink {
        EndedShareLink {
            capsule: self.capsule,
            maker: self.maker,
        }
    }
}

impl EndedShareLink {
    /// The capsule that it was a link to.
    pub fn capsule(&self) -> CapsuleId {
        CapsuleId(self.capsule)
    }

    pub fn maker(&self) -> Principal {
        // As of an open one.
        Principal::from_slice(&self.maker)
    }
}

/// Some of the memories that were selected for a link, [`Self::MOST`] at the most.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SelectionPart {
    /// Their ids, one after the other.
    #[cbor(n(0), with = "minicbor::bytes")]
    ids: Vec<u8>,
}

impl SelectionPart {
    /// Most ids in a part: counting through a selection reads little, and no record of a tree is large.
    pub const MOST: usize = 64;

    pub fn new(memories: &[MemoryId]) -> Self {
        Self {
            ids: memories.iter().flat_map(|memory| memory.0).collect(),
        }
    }

    pub fn memories(&self) -> impl Iterator<Item = MemoryId> + '_ {
        self.ids.chunks_exact(16).map(|id| {
            let mut memory = [0; 16];
            memory.copy_from_slice(id);
            MemoryId(memory)
        })
    }
}
