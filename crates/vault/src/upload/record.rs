//! What is stored of an upload session.

use candid::Principal;
use minicbor::{Decode, Encode};

use crate::access::PersonKey;
use crate::arena::Extent;
use crate::hash::{ResumableSha256, Sha256Digest};
use crate::ids::CapsuleId;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SessionRecord {
    #[n(0)]
    capsule: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    creator: Vec<u8>,
    /// Key of the idempotency key's entry.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub idem_key: [u8; 16],
    #[n(3)]
    pub expected_chunks: u32,
    #[n(4)]
    pub created_at: u64,
    /// When the last chunk came, or the session ended. It lives 7 days from then.
    #[n(5)]
    pub last_activity: u64,
    #[n(6)]
    pub state: SessionState,
    /// When to look whether it has expired: its entry among the deadlines.
    #[n(7)]
    pub deadline: u64,
    /// What the client said of the content before it sent any.
    #[n(8)]
    pub announced: Option<Announced>,
}

/// Content that a client announced: every chunk has `chunk_size` bytes, and the last one what is left.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Announced {
    #[n(0)]
    pub chunk_size: u32,
    #[n(1)]
    pub len: u64,
}

impl Announced {
    /// How many chunks it comes in: at least one.
    pub fn chunks(&self) -> u64 {
        self.len.div_ceil(u64::from(self.chunk_size)).max(1)
    }

    /// How long the chunk with this index is.
    pub fn chunk_len(&self, index: u32) -> u64 {
        let start = u64::from(index) * u64::from(self.chunk_size);
        (self.len - start.min(self.len)).min(u64::from(self.chunk_size))
    }
}

impl SessionRecord {
    pub fn new(
        capsule: CapsuleId,
        creator: Principal,
        idem_key: [u8; 16],
        expected_chunks: u32,
        now: u64,
        table: Extent,
    ) -> Self {
        Self {
            capsule: capsule.0,
            creator: creator.as_slice().to_vec(),
            idem_key,
            expected_chunks,
            created_at: now,
            last_activity: now,
            state: SessionState::Open(Progress {
                table,
                received: 0,
                bytes: 0,
                hashed_chunks: 0,
                hash: ResumableSha256::default(),
                counted: 0,
            }),
            deadline: now.saturating_add(crate::limits::SESSION_LIFETIME),
            announced: None,
        }
    }

    pub fn capsule(&self) -> CapsuleId {
        CapsuleId(self.capsule)
    }

    /// From when on the session is gone, as if it had never been.
    pub fn expires_at(&self) -> u64 {
        self.last_activity
            .saturating_add(crate::limits::SESSION_LIFETIME)
    }

    pub fn creator(&self) -> &[u8] {
        &self.creator
    }

    pub fn creator_key(&self) -> PersonKey {
        PersonKey::of_principal(Principal::from_slice(&self.creator))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SessionState {
    #[n(0)]
    Open(#[n(0)] Progress),
    /// The blob exists. Kept so that a repeated finish gets the same answer.
    #[n(1)]
    Finished {
        #[n(0)]
        blob: u64,
        #[cbor(n(1), with = "minicbor::bytes")]
        sha256: Sha256Digest,
        #[n(2)]
        len: u64,
        #[n(3)]
        at: u64,
    },
    /// Kept so that a repeated abort gets the same answer.
    #[n(2)]
    Aborted,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Progress {
    /// The chunk table in the arena: one entry for each expected chunk.
    #[n(0)]
    pub table: Extent,
    /// Chunks that are there.
    #[n(1)]
    pub received: u32,
    /// Their bytes.
    #[n(2)]
    pub bytes: u64,
    /// How many chunks, from the first on, are in the hash.
    #[n(3)]
    pub hashed_chunks: u32,
    #[n(4)]
    pub hash: ResumableSha256,
    /// How many of the bytes are in the capsule's counter of uploads under way.
    #[n(5)]
    #[cbor(default)]
    pub counted: u64,
}
