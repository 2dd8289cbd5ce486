//! `keepsake status`: how the vault is, and how full its capsules are.

use anyhow::Result;
use keepsake_client::{
    ClientError,
    api::{CapsuleStatus, Error as VaultError, VaultStatus},
};

use crate::{
    Outcome,
    args::Common,
    connect,
    output::{self, Output},
};

pub async fn run(common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let principal = vault.whoami().await?;
    let status = match vault.vault_status().await {
        Ok(status) => Some(status),
        // For whoever has a part in the vault, and nobody else.
        Err(ClientError::Vault {
            error: VaultError::Unauthorized,
            ..
        }) => None,
        Err(e) => return Err(e.into()),
    };
    let mut capsules = Vec::new();
    for header in vault.capsules_list().await? {
        match vault.capsule_status(&header.id).await {
            Ok(status) => capsules.push(status),
            // Deleted since it was listed.
            Err(ClientError::Vault {
                error: VaultError::NotFound,
                ..
            }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let refuses = status.as_ref().is_some_and(|s| s.refuses_content.is_some())
        || capsules.iter().any(|capsule| capsule.refuses_content);
    if output.is_json() {
        output.json(&serde_json::json!({
            "url": vault.url(),
            "canister_id": vault.canister_id().to_text(),
            "principal": principal.to_text(),
            "vault": status,
            "capsules": capsules,
        }))?;
    } else {
        output.line(&format!(
            "vault      {} at {}",
            vault.canister_id(),
            vault.url()
        ))?;
        output.line(&format!("you        {principal}"))?;
        match &status {
            Some(status) => print_vault(status, output)?,
            None => {
                output.line("           you have no capsule here: its state is not yours to see")?
            }
        }
        for capsule in &capsules {
            print_capsule(capsule, output)?;
        }
    }
    Ok(if refuses {
        Outcome::SomethingWrong
    } else {
        Outcome::AllWell
    })
}

fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn print_vault(status: &VaultStatus, output: &mut Output) -> Result<()> {
    let holds = &status.holdings;
    let memory = &status.memory;
    output.line(&format!("version    {}", status.version))?;
    output.line(&format!(
        "holds      {} in {}, {} in the trash; {} of content",
        output::count(number(holds.memories), "memory", "memories"),
        output::count(number(holds.capsules), "capsule", "capsules"),
        holds.memories_trashed,
        output::bytes(holds.content_bytes)
    ))?;
    output.line(&format!(
        "memory     {} used of {} allocated, {} more to be had",
        output::bytes(memory.stable_used),
        output::bytes(memory.stable_allocated),
        output::bytes(memory.stable_obtainable)
    ))?;
    output.line(&format!(
        "cycles     {} to spend, for {} at rest",
        status.cycles.liquid,
        output::count(number(status.cycles.days_left), "day", "days")
    ))?;
    if let Some(reason) = &status.refuses_content {
        output.line(&format!(
            "REFUSES    new content: {}",
            output::printable(reason)
        ))?;
    }
    Ok(())
}

fn print_capsule(capsule: &CapsuleStatus, output: &mut Output) -> Result<()> {
    let of = |max: Option<u64>, show: fn(u64) -> String| {
        max.map_or(String::new(), |max| format!(" of {}", show(max)))
    };
    output.line(&format!("capsule    {}", capsule.capsule_id))?;
    output.line(&format!(
        "           {}{}, {} in the trash",
        output::count(number(capsule.memories), "memory", "memories"),
        of(capsule.memories_max, |n| n.to_string()),
        capsule.memories_trashed
    ))?;
    output.line(&format!(
        "           {}{}, of these inline {} of {}",
        output::bytes(capsule.bytes),
        of(capsule.bytes_max, output::bytes),
        output::bytes(capsule.inline_bytes),
        output::bytes(capsule.inline_bytes_max)
    ))?;
    output.line(&format!(
        "           {} of yours open, at most {}",
        output::count(number(capsule.uploads_open), "upload", "uploads"),
        capsule.uploads_open_max
    ))?;
    if capsule.refuses_content {
        output.line("           REFUSES new content")?;
    }
    Ok(())
}
