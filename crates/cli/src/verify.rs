//! `keepsake verify`: every file of every memory of every capsule of the caller, read back and compared; or files on this
//! machine with what the vault holds; or an archive with its manifest.

mod archive;
mod local;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use keepsake_client::{
    ClientError, Vault,
    api::Error as VaultError,
    assets_of,
    download::{AssetRef, Place, type_name},
    verify_asset,
};
use serde::Serialize;

use crate::{
    Outcome,
    args::Common,
    connect, list,
    output::{self, Output},
    problem,
};

/// Memories verified side by side.
const WINDOW: usize = 4;

/// An asset that is not as it should be, or that could not be looked at.
#[derive(Debug, Serialize)]
struct Finding {
    capsule_id: String,
    memory_id: String,
    asset_id: Option<String>,
    asset_type: Option<&'static str>,
    reason: String,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    capsules: usize,
    memories: usize,
    /// Read back and right.
    assets: usize,
    /// Bytes read back and right.
    bytes: u64,
    not_checked: Vec<Finding>,
    problems: Vec<Finding>,
}

#[derive(Default)]
struct Checked {
    gone: bool,
    assets: usize,
    bytes: u64,
    not_checked: Vec<Finding>,
    problems: Vec<Finding>,
}

#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Files and folders to find in the vault: each is read here and read back from there [default: everything in the vault, against
    /// itself]
    #[arg(value_name = "FILE OR FOLDER")]
    pub paths: Vec<PathBuf>,
    /// Instead, the folder that an export wrote, against its manifest; no vault is asked
    #[arg(long, value_name = "DIR", conflicts_with = "paths")]
    pub archive: Option<PathBuf>,
}

pub async fn run(verify: Verify, common: &Common, output: &mut Output) -> Result<Outcome> {
    match verify.archive {
        Some(dir) => archive::run(&dir, output).await,
        None if verify.paths.is_empty() => whole_vault(common, output).await,
        None => local::run(verify.paths, common, output).await,
    }
}

async fn whole_vault(common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let capsules = vault.capsules_list().await?;
    let mut report = Report {
        capsules: capsules.len(),
        ..Report::default()
    };
    let progress = progress_bar();
    for capsule in capsules {
        let ids = list::all_ids(&vault, &capsule.id).await?;
        let (vault, capsule_id) = (&vault, &capsule.id);
        let mut results = stream::iter(ids)
            .map(|id| async move { verify_memory(vault, capsule_id, &id).await })
            .buffer_unordered(WINDOW);
        while let Some(checked) = results.next().await {
            let checked = checked?;
            report.memories += usize::from(!checked.gone);
            report.assets += checked.assets;
            report.bytes += checked.bytes;
            report.not_checked.extend(checked.not_checked);
            report.problems.extend(checked.problems);
            progress.set_message(format!(
                "{}, {}, {}",
                output::count(report.memories, "memory", "memories"),
                output::count(report.assets, "asset", "assets"),
                output::bytes(report.bytes)
            ));
        }
    }
    progress.finish_and_clear();
    let all_well = report.problems.is_empty();
    if output.is_json() {
        output.json(&report)?;
    } else {
        print(&report, output)?;
    }
    Ok(if all_well {
        Outcome::AllWell
    } else {
        Outcome::SomethingWrong
    })
}

/// Looks at all assets of a memory. An error only where the vault does not answer any more.
async fn verify_memory(
    vault: &Vault,
    capsule_id: &str,
    memory_id: &str,
) -> Result<Checked, ClientError> {
    let mut checked = Checked::default();
    let finding = |asset: Option<&AssetRef>, reason: String| Finding {
        capsule_id: capsule_id.to_owned(),
        memory_id: memory_id.to_owned(),
        asset_id: asset.map(|asset| asset.id.clone()),
        asset_type: asset.map(|asset| type_name(asset.asset_type)),
        reason,
    };
    let memory = match vault.memories_read(memory_id).await {
        Ok(memory) => memory,
        // Deleted since the listing: nothing is wrong with that.
        Err(ClientError::Vault {
            error: VaultError::NotFound,
            ..
        }) => {
            checked.gone = true;
            return Ok(checked);
        }
        Err(e) if e.is_transient() => return Err(e),
        Err(e) => {
            checked
                .problems
                .push(finding(None, problem::explain_client(&e)));
            return Ok(checked);
        }
    };
    let assets = assets_of(&memory);
    if assets.len() != memory.metadata.asset_count as usize {
        checked.problems.push(finding(
            None,
            format!(
                "{} assets are recorded, and {} are there",
                memory.metadata.asset_count,
                assets.len()
            ),
        ));
    }
    for asset in &assets {
        if let Place::External { location, key } = &asset.place {
            let reason = format!("kept outside the vault: {location}, {key}");
            checked.not_checked.push(finding(Some(asset), reason));
            continue;
        }
        match verify_asset(vault, asset).await {
            Ok(len) => {
                checked.assets += 1;
                checked.bytes += len;
            }
            Err(e @ ClientError::InlineLeftOut { .. }) => {
                checked
                    .not_checked
                    .push(finding(Some(asset), e.to_string()));
            }
            Err(e) if e.is_transient() => return Err(e),
            Err(e) => checked.problems.push(finding(Some(asset), e.to_string())),
        }
    }
    Ok(checked)
}

fn print(report: &Report, output: &mut Output) -> Result<()> {
    for (what, findings) in [
        ("not checked", &report.not_checked),
        ("DIFFERS", &report.problems),
    ] {
        for finding in findings {
            let asset = finding
                .asset_type
                .map_or(String::new(), |name| format!(" {name}"));
            output.line(&format!(
                "{what}  {}{asset}: {}",
                finding.memory_id,
                output::printable(&finding.reason)
            ))?;
        }
    }
    let read = format!(
        "{} in {}, {} in {} read back",
        output::count(report.assets, "asset", "assets"),
        output::count(report.memories, "memory", "memories"),
        output::bytes(report.bytes),
        output::count(report.capsules, "capsule", "capsules"),
    );
    output.line(&if report.problems.is_empty() {
        format!("{read}: every SHA-256 is right")
    } else {
        format!(
            "{read}; {} found",
            output::count(report.problems.len(), "problem", "problems")
        )
    })?;
    Ok(())
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} verified {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
