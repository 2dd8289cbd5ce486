//! `keepsake upload --dry-run`: what would be done with each file. Nothing is sent but hashes, nothing is written anywhere.

use std::path::PathBuf;

use anyhow::Result;
use futures::{StreamExt, stream};
use keepsake_client::{ClientError, Foreseen, Importer, Vault};
use serde::Serialize;

use super::without_path;
use crate::{
    Outcome,
    gather::Item,
    output::{self, Output},
};

#[derive(Serialize)]
struct Event {
    event: &'static str,
    path: String,
    status: &'static str,
    /// Of the file alone.
    bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    companions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Default, Serialize)]
struct Summary {
    event: &'static str,
    dry_run: bool,
    would_create: usize,
    would_repair: usize,
    already_there: usize,
    failed: usize,
    /// Bytes of the originals that would travel.
    bytes_to_send: u64,
}

/// `capsule` is `None` where there is none yet: everything would be new.
pub async fn run(
    vault: Vault,
    capsule: Option<&str>,
    items: Vec<Item>,
    fast: bool,
    jobs: usize,
    output: &mut Output,
) -> Result<Outcome> {
    let importer = match capsule {
        Some(capsule) => {
            let importer = Importer::open(vault, capsule).await?;
            Some(if fast {
                importer.without_derivatives()
            } else {
                importer
            })
        }
        None => None,
    };
    let importer = importer.as_ref();
    let mut summary = Summary {
        event: "summary",
        dry_run: true,
        ..Summary::default()
    };
    let mut events = stream::iter(items)
        .map(|item| async move {
            match item {
                Item::Unreadable { path, reason } => (path, Vec::new(), 0, Err(reason)),
                Item::Bundle { bundle, len } => {
                    let foreseen = match importer {
                        Some(importer) => importer.foresee(&bundle).await,
                        None => Ok(Foreseen::Create),
                    };
                    let shown = bundle.path.display().to_string();
                    let foreseen = foreseen.map_err(|e: ClientError| without_path(&e, &shown));
                    let companions = bundle.companions.paths().cloned().collect();
                    (bundle.path, companions, len, foreseen)
                }
            }
        })
        .buffered(jobs);
    while let Some((path, companions, bytes, foreseen)) = events.next().await {
        let (status, error) = match foreseen {
            Ok(Foreseen::Create) => {
                summary.would_create += 1;
                summary.bytes_to_send += bytes;
                ("would_create", None)
            }
            Ok(Foreseen::CreateFromHeld) => {
                summary.would_create += 1;
                ("would_create", None)
            }
            Ok(Foreseen::Repair) => {
                summary.would_repair += 1;
                ("would_repair", None)
            }
            Ok(Foreseen::AlreadyThere) => {
                summary.already_there += 1;
                ("already_there", None)
            }
            Err(reason) => {
                summary.failed += 1;
                ("failed", Some(reason))
            }
        };
        if output.is_json() {
            output.json(&Event {
                event: "file",
                path: path.to_string_lossy().into_owned(),
                status,
                bytes,
                companions: companions
                    .iter()
                    .map(|path: &PathBuf| path.to_string_lossy().into_owned())
                    .collect(),
                error,
            })?;
        } else {
            let path = output::printable(&path.display().to_string());
            let reason = error.map_or(String::new(), |e| format!(": {}", output::printable(&e)));
            let status = status.replace('_', " ");
            output.line(&format!(
                "{status:<13}  {path}{reason}  {}",
                output::bytes(bytes)
            ))?;
            for companion in companions {
                let companion = output::printable(&companion.display().to_string());
                output.line(&format!("{:<13}  with {companion}", ""))?;
            }
        }
    }
    if output.is_json() {
        output.json(&summary)?;
    } else {
        output.line(&format!(
            "nothing was done: {} would be created ({} to send), {} repaired, {} already there, {} failed",
            summary.would_create,
            output::bytes(summary.bytes_to_send),
            summary.would_repair,
            summary.already_there,
            summary.failed
        ))?;
    }
    Ok(if summary.failed == 0 {
        Outcome::AllWell
    } else {
        Outcome::SomethingWrong
    })
}
