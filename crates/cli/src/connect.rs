//! The way to a vault: whose key, which URL, which canister.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use ic_agent::Identity;
use keepsake_client::{ClientError, Vault, api::Error as VaultError, identity};

use crate::{args::Common, paths};

/// The key in use and where it is kept; the flag says whether it was made just now. Only the user's own key is ever
/// made; one named with `--identity` has to be there.
pub fn key(common: &Common) -> Result<(Arc<dyn Identity>, PathBuf, bool)> {
    match &common.identity {
        Some(path) => Ok((identity::load(path)?, path.clone(), false)),
        None => {
            let path = paths::own_key()?;
            let (identity, created) = identity::load_or_create(&path)?;
            if created {
                eprintln!(
                    "keepsake: made your key, {}; keep a copy of it: without it nobody opens your vault",
                    path.display()
                );
            }
            Ok((identity, path, created))
        }
    }
}

/// Connects as the command line says.
pub async fn vault(common: &Common) -> Result<Vault> {
    let (identity, _, _) = key(common)?;
    Ok(Vault::connect(&common.url, common.canister_id, identity).await?)
}

/// The id of the caller's own capsule; `None` where there is none yet.
pub async fn own_capsule(vault: &Vault) -> Result<Option<String>, ClientError> {
    match vault.capsules_read_basic(None).await {
        Ok(info) => Ok(Some(info.capsule_id)),
        Err(ClientError::Vault {
            error: VaultError::NotFound,
            ..
        }) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The capsule that was named, else the caller's own; `None` where there is none yet.
pub async fn capsule(vault: &Vault, named: Option<String>) -> Result<Option<String>, ClientError> {
    match named {
        Some(id) => Ok(Some(id)),
        None => own_capsule(vault).await,
    }
}

/// The same, where there has to be one.
pub async fn capsule_or_complain(vault: &Vault, named: Option<String>) -> Result<String> {
    capsule(vault, named)
        .await?
        .context("you have no capsule yet; `keepsake upload <files or folders>` makes one")
}
