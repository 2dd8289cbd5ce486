//! `keepsake verify <files or folders>`: each file against what the vault holds, read back: may the file be deleted here?

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use futures::{StreamExt, stream};
use keepsake_client::{
    ClientError, Vault, api::AssetType, archive::export::portable_memory, download::AssetRef,
    upload::FileContent, verify_asset,
};
use serde::Serialize;

use crate::{
    Outcome,
    args::Common,
    connect,
    gather::{Found, Selection, gather},
    list,
    output::{self, Output},
    problem,
};

/// Files, or memories, side by side.
const WINDOW: usize = 4;

/// Where a content is kept as a memory's own: not as a version made of it.
struct Kept {
    memory_id: String,
    asset: AssetRef,
}

#[derive(Serialize)]
struct FileEvent<'a> {
    event: &'static str,
    path: &'a str,
    /// `verified`, `missing` or `failed`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub async fn run(paths: Vec<PathBuf>, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let found = tokio::task::spawn_blocking(move || gather(&paths, &Selection::default()))
        .await
        .context("the files could not be listed")?;
    let kept = kept(&vault).await?;
    let (vault, kept) = (&vault, &kept);
    let mut results = stream::iter(found)
        .map(|found| async move {
            match found {
                Found::File { path, .. } => {
                    let compared = compare(vault, kept, &path).await;
                    (path, compared)
                }
                Found::Unreadable { path, reason } => (path, Err(reason)),
            }
        })
        .buffered(WINDOW);
    let (mut verified, mut missing, mut failed) = (0, 0, 0);
    while let Some((path, compared)) = results.next().await {
        let path = path.to_string_lossy();
        let (status, memory_id, error) = match compared {
            Ok(Some(memory_id)) => ("verified", Some(memory_id), None),
            Ok(None) => ("missing", None, None),
            Err(reason) => ("failed", None, Some(reason)),
        };
        match status {
            "verified" => verified += 1,
            "missing" => missing += 1,
            _ => failed += 1,
        }
        if output.is_json() {
            output.json(&FileEvent {
                event: "file",
                path: &path,
                status,
                memory_id,
                error,
            })?;
        } else if status != "verified" {
            let reason = error.map_or(String::new(), |e| format!(": {e}"));
            let line = format!("{status:<8}  {path}{reason}");
            output.line(&output::printable(&line))?;
        }
    }
    if output.is_json() {
        output.json(&serde_json::json!({
            "event": "summary", "verified": verified, "missing": missing, "failed": failed,
        }))?;
    } else {
        output.line(&format!(
            "{}: {verified} in the vault, byte for byte; {missing} missing, {failed} failed",
            output::count(verified + missing + failed, "file", "files"),
        ))?;
    }
    Ok(if missing + failed == 0 {
        Outcome::AllWell
    } else {
        Outcome::SomethingWrong
    })
}

/// What the caller's capsules keep, by SHA-256.
async fn kept(vault: &Vault) -> Result<HashMap<[u8; 32], Kept>> {
    let mut kept = HashMap::new();
    for capsule in vault.capsules_list().await? {
        let ids = list::all_ids(vault, &capsule.id).await?;
        let mut memories = stream::iter(ids)
            .map(|id| async move {
                let read = portable_memory(vault, &id).await;
                (id, read)
            })
            .buffer_unordered(WINDOW);
        while let Some((id, read)) = memories.next().await {
            let Some((_, contents, _)) = read.map_err(crate::carry::laid_open)? else {
                continue;
            };
            for asset in contents {
                let own = matches!(asset.asset_type, AssetType::Original | AssetType::Metadata);
                if let (true, Some(sha256)) = (own, asset.sha256) {
                    let memory_id = id.clone();
                    kept.entry(sha256).or_insert(Kept { memory_id, asset });
                }
            }
        }
    }
    Ok(kept)
}

/// The memory that keeps this file, whose content was read back just now; `None` where none does.
async fn compare<'a>(
    vault: &Vault,
    kept: &'a HashMap<[u8; 32], Kept>,
    path: &Path,
) -> Result<Option<&'a str>, String> {
    let told = |e: ClientError| problem::explain_client(&e);
    let path = path.to_owned();
    let sha256 = tokio::task::spawn_blocking(move || FileContent::at(&path)?.sha256())
        .await
        .map_err(|e| e.to_string())?
        .map_err(told)?;
    let Some(kept) = kept.get(&sha256) else {
        return Ok(None);
    };
    verify_asset(vault, &kept.asset).await.map_err(told)?;
    Ok(Some(&kept.memory_id))
}
