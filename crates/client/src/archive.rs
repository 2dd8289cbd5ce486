//! Memories outside a vault: a folder that people can read without this program, and the way between two vaults.
//!
//! - [`export`](export::export): a folder with every original under its name, sidecars in JSON and XMP, and manifests.
//! - [`import`](arrive::import): such a folder into a vault.
//! - [`mirror`](arrive::mirror): one vault into another, without a folder between.
//! - [`check`](check::check): an archive against its manifest.
//!
//! The folder is a bag (BagIt, RFC 8493), so that any tool for archives, or `sha256sum -c manifest-sha256.txt`, checks it:
//!
//! ```text
//! README.txt                                what this is, for whoever finds it
//! bagit.txt, bag-info.txt                   the standard's own files
//! manifest-sha256.txt, manifest.jsonl       what is under data/, with hashes ([`manifest`])
//! tagmanifest-sha256.txt                    hashes of everything else
//! source/mine.jsonl                         what belongs to the one vault: ids, times, who may see what ([`source`])
//! data/mine/capsule.json
//! data/mine/2019/2019-07/IMG_1234.jpg       an original
//! data/mine/2019/2019-07/IMG_1234.jpg.json  everything about the memory ([`portable`])
//! data/mine/2019/2019-07/IMG_1234.jpg.xmp   the same for programs for photos ([`xmp`])
//! data/mine/2019/2019-07/derivatives/IMG_1234.jpg.display.webp
//! ```
//!
//! Invariants carried here: what is under `data/` depends on nothing but the memories ([`portable`]), so that export,
//! import and export again give the same manifest; nothing is written outside the folder, whatever a title says
//! ([`names`], [`files`]); a file has its name only when it is whole, verified and on the disk; every command repeated
//! after any failure converges (DESIGN I5 seen from the client).

pub mod arrive;
pub mod check;
pub mod details;
pub mod export;
pub mod files;
pub mod manifest;
mod names;
pub mod portable;
pub mod source;
mod target;
mod transfer;
pub mod values;
mod xmp;

use std::{io, path::PathBuf};

use crate::ClientError;

/// Why an archive could not be written, read or brought into a vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A call of a vault failed.
    #[error(transparent)]
    Vault(#[from] ClientError),
    /// A file of the archive could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    /// There is no manifest.
    #[error("{dir} is no archive: it has no manifest.jsonl", dir = dir.display())]
    NoArchive { dir: PathBuf },
    /// An export would mix its files with others.
    #[error(
        "{dir} holds other files; export into a new folder, or into one that an export made",
        dir = dir.display()
    )]
    NotEmpty { dir: PathBuf },
    /// The folder holds what came from another capsule.
    #[error(
        "{dir} holds the archive of another capsule ({capsule_id}); export into another folder",
        dir = dir.display()
    )]
    OtherCapsule { dir: PathBuf, capsule_id: String },
    /// Another export writes into the folder.
    #[error("{dir}: another export into this folder is running", dir = dir.display())]
    Busy { dir: PathBuf },
    /// A path of the archive leads somewhere else.
    #[error("{path:?} leads out of the archive; nothing of it was used")]
    UnsafePath { path: String },
    /// A part of the archive is not what it should be.
    #[error("{what} cannot be used: {reason}")]
    Malformed { what: String, reason: String },
    /// A memory is more than a vault takes.
    #[error("{reason}")]
    CannotArrive { reason: String },
    /// Who was told of the progress could not take it.
    #[error("cannot write: {0}")]
    Output(io::Error),
}

impl ArchiveError {
    pub(crate) fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        ArchiveError::File {
            path: path.into(),
            source,
        }
    }

    /// Whether it is one memory's alone: others may well succeed.
    pub(crate) fn is_one_memorys(&self) -> bool {
        match self {
            ArchiveError::Vault(error) => {
                !error.is_transient() && !matches!(error, ClientError::Stopped)
            }
            // A disk that is full or broken fails everything.
            ArchiveError::File { .. } | ArchiveError::Output(_) | ArchiveError::Busy { .. } => {
                false
            }
            _ => true,
        }
    }
}

/// What became of one memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// New where it was brought to.
    Added,
    /// It was there, and is now as it is where it came from.
    Updated,
    /// It was there as it is.
    Unchanged,
    /// It is there, and differs; it was left as it is.
    Differs,
    /// It is in the archive, or in the vault that was brought up to date, and no more where it came from.
    Gone,
    /// The same, and it was taken away there too.
    Removed,
    /// It failed, and was left out.
    Failed,
}

impl Status {
    /// One word, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Status::Added => "added",
            Status::Updated => "updated",
            Status::Unchanged => "unchanged",
            Status::Differs => "differs",
            Status::Gone => "gone",
            Status::Removed => "removed",
            Status::Failed => "failed",
        }
    }
}

/// What became of one file of a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its path in the archive, or its name where there is no archive.
    pub path: String,
    pub bytes: u64,
    /// Whether it travelled in this run.
    pub moved: bool,
}

/// What became of one memory and its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryReport {
    pub status: Status,
    /// Its sidecar's path in the archive, else its title, else nothing.
    pub name: String,
    /// In the vault that was exported, or brought into; `None` where it has none.
    pub memory_id: Option<String>,
    pub files: Vec<FileReport>,
    /// For [`Status::Failed`].
    pub error: Option<String>,
}

impl MemoryReport {
    /// Bytes that travelled in this run.
    pub fn bytes_moved(&self) -> u64 {
        let moved = self.files.iter().filter(|file| file.moved);
        moved.map(|file| file.bytes).sum()
    }
}

/// Who is told while a run goes on.
pub trait Watch {
    /// So many memories, of so many bytes, are to be looked at: an estimate.
    fn planned(&self, _memories: usize, _bytes: u64) {}
    /// So many bytes more were dealt with.
    fn advanced(&self, _bytes: u64) {}
    /// A memory is done with.
    ///
    /// # Errors
    /// What ends the run.
    fn done(&self, report: &MemoryReport) -> io::Result<()>;
}

/// Work on files, off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ArchiveError::Vault(ClientError::Stopped))?
}
