//! What is told of a file on its way and in the end.

use keepsake_api::MemoryType;

use super::companion::KeptCompanion;
use crate::{capture::CaptureTime, derivatives::Kind};

/// What a run tells while it works on one file. All methods may be called from any thread.
pub trait Progress: Send + Sync {
    /// The file's length in bytes is known.
    fn started(&self, _bytes: u64) {}
    /// The SHA-256 of an original longer than one message is known; its memory may not be there yet.
    fn identified(&self, _sha256: [u8; 32]) {}
    /// So many more bytes of the original are in the vault.
    fn sent(&self, _bytes: u64) {}
    /// The original is kept; now a derivative was added.
    fn derivative(&self, _kind: Kind) {}
}

/// For callers that do not look.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}

/// What became of a file's original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A new memory.
    Created,
    /// The capsule held it, and nothing was added.
    AlreadyThere,
    /// The capsule held it, and missing derivatives or companions were added.
    Repaired,
}

/// What became of one derivative, or of one companion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DerivativeFate {
    Added,
    AlreadyThere,
    /// Not made or not added, and why.
    Failed(String),
}

/// What [`Importer::keep_bundle`](super::Importer::keep_bundle) would do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreseen {
    /// Send it, and make a memory.
    Create,
    /// Make a memory of content that the capsule holds.
    CreateFromHeld,
    /// Add derivatives or companions that its memory lacks.
    Repair,
    AlreadyThere,
}

/// A file that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    pub fate: Fate,
    pub memory_id: String,
    pub memory_type: MemoryType,
    pub mime: String,
    pub sha256: [u8; 32],
    /// Bytes of the original.
    pub len: u64,
    pub captured: Option<CaptureTime>,
    /// One entry for each derivative that the file should have; none for what is no photo, or is not decoded.
    pub derivatives: Vec<(Kind, DerivativeFate)>,
    /// One entry for each file that belongs to it.
    pub companions: Vec<KeptCompanion>,
}

impl Kept {
    /// Whether everything that should be there is.
    pub fn is_whole(&self) -> bool {
        let derivatives = self.derivatives.iter().map(|(_, fate)| fate);
        derivatives
            .chain(self.companions.iter().map(|companion| &companion.fate))
            .all(|fate| !matches!(fate, DerivativeFate::Failed(_)))
    }
}
