//! `keepsake list`: the memories of a capsule, newest first.

use anyhow::Result;
use keepsake_client::{Vault, api::MemoryHeader};
use serde::Serialize;

use crate::{
    Outcome,
    args::{Common, List},
    connect,
    output::{self, Output},
};

/// Memories of one page.
const PAGE: u32 = 100;

/// A memory as `--json` shows it. Access tokens stay out: output ends up in files and logs.
#[derive(Serialize)]
struct Listed {
    id: String,
    title: Option<String>,
    memory_type: String,
    /// Bytes of all assets.
    size: u64,
    asset_count: u32,
    tags: Vec<String>,
    created_at: Option<String>,
}

impl From<MemoryHeader> for Listed {
    fn from(header: MemoryHeader) -> Self {
        Listed {
            title: header.title,
            memory_type: format!("{:?}", header.memory_type).to_lowercase(),
            size: header.size,
            asset_count: header.asset_count,
            tags: header.tags,
            created_at: output::rfc3339(header.created_at),
            id: header.id,
        }
    }
}

pub async fn run(list: List, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let capsule = match list.capsule {
        Some(id) => Some(id),
        None => connect::own_capsule(&vault).await?,
    };
    let mut memories = Vec::new();
    let mut count = 0;
    if let Some(capsule) = &capsule {
        let mut cursor: Option<String> = None;
        loop {
            let page = vault
                .memories_list(capsule, cursor.as_deref(), Some(PAGE))
                .await?;
            count += page.items.len();
            if output.is_json() {
                memories.extend(page.items.into_iter().map(Listed::from));
            } else {
                for header in page.items {
                    output.line(&row(&header))?;
                }
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    if output.is_json() {
        output.json(&serde_json::json!({ "capsule_id": capsule, "memories": memories }))?;
    } else if count == 0 {
        eprintln!("keepsake: no memories yet; `keepsake upload <files or folders>` brings some in");
    }
    Ok(Outcome::AllWell)
}

fn row(header: &MemoryHeader) -> String {
    let title = header.title.as_deref().unwrap_or(&header.name);
    format!(
        "{}  {}  {:<8}  {:>10}  {:>2} {:<6}  {}",
        header.id,
        output::date(header.created_at),
        format!("{:?}", header.memory_type).to_lowercase(),
        output::bytes(header.size),
        header.asset_count,
        if header.asset_count == 1 {
            "asset"
        } else {
            "assets"
        },
        output::printable(title),
    )
}

/// Every memory of a capsule, by id.
pub async fn all_ids(
    vault: &Vault,
    capsule: &str,
) -> Result<Vec<String>, keepsake_client::ClientError> {
    let mut ids = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = vault
            .memories_list(capsule, cursor.as_deref(), Some(PAGE))
            .await?;
        ids.extend(page.items.into_iter().map(|header| header.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(ids);
        }
    }
}
