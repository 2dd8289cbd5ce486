//! Where the user's key and the vault's state live, by each platform's convention.

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
