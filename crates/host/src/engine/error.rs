//! What can go wrong at the engine's boundary.

use crate::message::Reject;
use crate::runtime::ModuleError;
use crate::store::{FolderError, StoreError};
use candid::Principal;

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the state folder belongs to canister {found}, not to {asked}")]
    OtherCanister { found: Principal, asked: Principal },
    /// The start could not be committed.
    #[error("the state could not be stored: {0}")]
    Storage(String),
    #[error("this machine cannot run the canister: {0}")]
    Machine(String),
}

/// Why a module was not installed. What was installed before runs on, its state untouched.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The start function, canister_init, canister_pre_upgrade or canister_post_upgrade trapped.
    #[error("the canister's {stage} trapped: {trap}")]
    Trapped { stage: &'static str, trap: String },
    #[error("the installation could not be stored: {0}")]
    Storage(String),
    #[error("the host is shutting down")]
    Stopped,
}

/// What an installation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The first module in this state folder.
    Installed,
    /// Another module took over the state.
    Upgraded,
    /// The same module was installed already; nothing was run.
    Unchanged,
}

/// Why an update call has no status. Nothing of it is kept, and it may be sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The canister, or the host for it, did not accept the message.
    #[error("{}", .0.message)]
    Refused(Reject),
    #[error("too many messages are waiting to be executed")]
    Busy,
    #[error("the message has expired")]
    Expired,
    /// What it did could not be stored, and was undone.
    #[error("the state could not be stored: {0}")]
    Storage(String),
    #[error("the host is shutting down")]
    Stopped,
}
