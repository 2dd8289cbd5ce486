//! Why an operation did nothing, typed; [`From`] below is the one place where it becomes the wire's error, with the beginnings
//! that clients match on (contract, "Errors").

use crate::limits;
use crate::stable::OutOfMemory;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the caller may not do this")]
    Unauthorized,
    #[error("there is no such thing, or the caller may not see it")]
    NotFound,
    #[error("a budget, quota or limit is used up")]
    ResourceExhausted,
    #[error("idem_empty: an idempotency key has 1 to {max} bytes", max = limits::IDEM_MAX)]
    IdemEmpty,
    #[error("idem_too_long: {0} bytes; an idempotency key has 1 to {max}", max = limits::IDEM_MAX)]
    IdemTooLong(usize),
    #[error("inline_too_large:{len}>{max}", max = limits::INLINE_MAX)]
    InlineTooLarge { len: usize },
    #[error("blob_mismatch: {0}")]
    BlobMismatch(String),
    #[error(
        "blob_id_malformed: a blob id is blob_<n> with n in decimal, without sign or leading zeros"
    )]
    BlobIdMalformed,
    #[error("chunk_missing: {0}")]
    ChunkMissing(String),
    #[error(
        "chunk_out_of_range: index {index}; the session expects {expected} chunks, counted from 0"
    )]
    ChunkOutOfRange { index: u32, expected: u32 },
    #[error("chunk_too_large: {len} bytes; a chunk has at most {max}", max = limits::CHUNK_MAX)]
    ChunkTooLarge { len: usize },
    #[error("hash_mismatch: {0}")]
    HashMismatch(String),
    #[error("size_mismatch: {given} bytes given, the content has {actual}")]
    SizeMismatch { given: u64, actual: u64 },
    #[error("expected_chunks_zero: an upload has 1 to {max} chunks", max = limits::CHUNKS_MAX)]
    ExpectedChunksZero,
    #[error("expected_chunks_too_large: {0}; an upload has 1 to {max} chunks", max = limits::CHUNKS_MAX)]
    ExpectedChunksTooLarge(u32),
    #[error("exactly_one_asset: {0}")]
    ExactlyOneAsset(String),
    /// Any other malformed argument: its name, and what is wrong and allowed.
    #[error("{name}: {problem}")]
    Invalid { name: &'static str, problem: String },
    #[error("{0}")]
    Conflict(String),
    /// The canister draws the seed before the first operation that needs it.
    #[error("the vault has no random seed yet")]
    NoSeed,
}

impl Error {
    pub(crate) fn invalid(name: &'static str, problem: impl Into<String>) -> Self {
        Error::Invalid {
            name,
            problem: problem.into(),
        }
    }
}

impl From<OutOfMemory> for Error {
    fn from(_: OutOfMemory) -> Self {
        Error::ResourceExhausted
    }
}

impl From<Error> for keepsake_api::Error {
    fn from(error: Error) -> Self {
        use keepsake_api::Error as Wire;
        match error {
            Error::Unauthorized => Wire::Unauthorized,
            Error::NotFound => Wire::NotFound,
            Error::ResourceExhausted => Wire::ResourceExhausted,
            Error::Conflict(what) => Wire::Conflict(what),
            Error::NoSeed => Wire::Internal(error.to_string()),
            Error::IdemEmpty
            | Error::IdemTooLong(_)
            | Error::InlineTooLarge { .. }
            | Error::BlobMismatch(_)
            | Error::BlobIdMalformed
            | Error::ChunkMissing(_)
            | Error::ChunkOutOfRange { .. }
            | Error::ChunkTooLarge { .. }
            | Error::HashMismatch(_)
            | Error::SizeMismatch { .. }
            | Error::ExpectedChunksZero
            | Error::ExpectedChunksTooLarge(_)
            | Error::ExactlyOneAsset(_)
            | Error::Invalid { .. } => Wire::InvalidArgument(error.to_string()),
        }
    }
}

pub type Result<T> = std::result::Result<T, Error>;
