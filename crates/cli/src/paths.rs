//! Where the user's key, the vault's state and the journals of uploads live, by each platform's convention.

use std::path::PathBuf;

use anyhow::{Context, Result};
use directories::ProjectDirs;

fn folders() -> Result<ProjectDirs> {
    ProjectDirs::from("", "", "keepsake")
        .context("this account has no home folder; name the files with --identity and --state")
}

/// The user's own key.
pub fn own_key() -> Result<PathBuf> {
    Ok(folders()?.config_dir().join("identity.pem"))
}

/// The state of the vault that this user serves.
pub fn state() -> Result<PathBuf> {
    Ok(folders()?.data_dir().join("vault"))
}

/// The journals of uploads.
pub fn journals() -> Result<PathBuf> {
    let folders = folders()?;
    let state = folders.state_dir().unwrap_or(folders.data_local_dir());
    Ok(state.join("uploads"))
}
