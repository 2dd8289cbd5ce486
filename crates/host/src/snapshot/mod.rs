//! Snapshots of a canister as directories, in the layout of `icp canister snapshot download` and `upload`: what a vault moves in between
//! a machine and the Internet Computer, and between machines.
//!
//! [`layout`] names the files and reads and writes their parts; [`write`] puts a canister's state there, [`read`] takes one from there,
//! [`save`] saves the state in a state folder, whether it is served or not, [`SnapshotAtRest`] looks at one without loading it. What is in a snapshot is everything the canister has, secrets
//! included: files are readable by their owner only.
//!
//! Invariants: a directory without `metadata.json` is no snapshot, and that file is written last, so that what was cut off is never taken for whole;
//! everything is flushed to the disk before a snapshot is called complete.

pub mod layout;
pub(crate) mod read;
mod rest;
mod save;
pub(crate) mod write;

pub use layout::{Layout, Metadata};
pub use rest::SnapshotAtRest;
pub use save::{Saved, save};

use crate::runtime::ModuleError;
use crate::store::{FolderError, StoreError};
use std::io;
use std::path::{Path, PathBuf};

/// What is done of some long work, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// Is told of progress, and says whether to go on.
pub type Watch<'a> = dyn FnMut(Progress) -> bool + Send + 'a;

/// Why a snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{0} is no snapshot: it has no metadata.json")]
    NotASnapshot(PathBuf),
    #[error("{0} holds a snapshot already")]
    Exists(PathBuf),
    #[error("{0} holds other files; a snapshot needs a folder of its own")]
    Foreign(PathBuf),
    /// It contradicts itself, or what it is to be loaded into.
    #[error("the snapshot cannot be used: {0}")]
    Invalid(String),
    #[error("the snapshot's module cannot be used: {0}")]
    Module(#[from] ModuleError),
    /// The module's post_upgrade or start function trapped where the snapshot has to be of a canister that was started.
    #[error("the canister cannot be started: {0}")]
    Start(String),
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("there is no canister in the state folder {0}")]
    Empty(PathBuf),
    #[error("this machine cannot run the canister: {0}")]
    Machine(String),
    #[error("interrupted")]
    Interrupted,
}

impl SnapshotError {
    /// An error about a file.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> SnapshotError + '_ {
        |error| SnapshotError::Io {
            path: path.to_path_buf(),
            error,
        }
    }
}
