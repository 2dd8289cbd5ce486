//! `keepsake rm`, `restore` and `trash`: memories are thrown away, taken back, and gone for good only where that is asked for.

use anyhow::Result;
use serde::Serialize;

use crate::{
    Outcome,
    args::Common,
    batch, connect,
    output::{self, Output},
};

/// Memories of one page.
const PAGE: u32 = 100;

#[derive(Debug, clap::Args)]
pub struct Remove {
    /// Ids of memories, as `keepsake list` shows them
    #[arg(required = true, value_name = "MEMORY")]
    pub memories: Vec<String>,
    /// Delete them for good, with their files, instead of putting them in the trash
    #[arg(long)]
    pub forever: bool,
}

#[derive(Debug, clap::Args)]
pub struct Restore {
    /// Ids of memories, as `keepsake trash` shows them
    #[arg(required = true, value_name = "MEMORY")]
    pub memories: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct Trash {
    /// Capsule whose trash it is [default: your own]
    #[arg(long, value_name = "ID")]
    pub capsule: Option<String>,
    /// Delete everything in it for good
    #[arg(long)]
    pub empty: bool,
}

pub async fn remove(remove: Remove, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = &connect::vault(common).await?;
    batch::each(&remove.memories, output, |id| async move {
        if remove.forever {
            vault.memories_delete(&id, true).await?;
            Ok("deleted")
        } else {
            vault.memories_trash(&id).await?;
            Ok("trashed")
        }
    })
    .await
}

pub async fn restore(restore: Restore, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = &connect::vault(common).await?;
    batch::each(&restore.memories, output, |id| async move {
        vault.memories_restore(&id).await?;
        Ok("restored")
    })
    .await
}

#[derive(Serialize)]
struct Trashed {
    id: String,
    title: Option<String>,
    memory_type: String,
    /// Bytes of all assets.
    size: u64,
    trashed_at: Option<String>,
    reclaimed_at: Option<String>,
}

pub async fn run(trash: Trash, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let capsule = connect::capsule(&vault, trash.capsule).await?;
    if trash.empty {
        let mut deleted = 0;
        let mut failed = 0;
        if let Some(capsule) = &capsule {
            let result = vault.memories_trash_empty(capsule).await?;
            (deleted, failed) = (result.deleted_count, result.failed_count);
        }
        if output.is_json() {
            output.json(&serde_json::json!({
                "capsule_id": capsule, "deleted": deleted, "failed": failed,
            }))?;
        } else {
            let many = usize::try_from(deleted).unwrap_or(usize::MAX);
            let memories = output::count(many, "memory", "memories");
            output.line(&format!("{memories} deleted for good, {failed} failed"))?;
        }
        return Ok(if failed == 0 {
            Outcome::AllWell
        } else {
            Outcome::SomethingWrong
        });
    }
    let mut items = Vec::new();
    if let Some(capsule) = &capsule {
        let mut cursor: Option<String> = None;
        loop {
            let page = vault
                .memories_trashed(capsule, cursor.as_deref(), Some(PAGE))
                .await?;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    if output.is_json() {
        let memories: Vec<Trashed> = items
            .into_iter()
            .map(|item| Trashed {
                title: item.header.title,
                memory_type: output::lower(item.header.memory_type),
                size: item.header.size,
                trashed_at: output::rfc3339(item.trashed_at),
                reclaimed_at: output::rfc3339(item.reclaimed_at),
                id: item.header.id,
            })
            .collect();
        output.json(&serde_json::json!({ "capsule_id": capsule, "memories": memories }))?;
        return Ok(Outcome::AllWell);
    }
    if items.is_empty() {
        eprintln!("keepsake: the trash is empty");
    }
    for item in items {
        let title = item.header.title.as_deref().unwrap_or(&item.header.name);
        output.line(&format!(
            "{}  gone for good after {}  {:>10}  {}",
            item.header.id,
            output::date(item.reclaimed_at),
            output::bytes(item.header.size),
            output::printable(title),
        ))?;
    }
    Ok(Outcome::AllWell)
}
