//! `keepsake list`: the memories of a capsule, newest first.

use anyhow::Result;
use keepsake_client::{ClientError, Vault, api::MemoryHeader};
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
pub struct Listed {
    id: String,
    title: Option<String>,
    memory_type: String,
    /// Bytes of all assets.
    size: u64,
    asset_count: u32,
    tags: Vec<String>,
    created_at: Option<String>,
    /// Only where it was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    date_of_memory: Option<String>,
}

impl Listed {
    /// With the date of the memory.
    pub fn taken(header: MemoryHeader, date: u64) -> Self {
        Listed {
            date_of_memory: output::rfc3339(date),
            ..Listed::from(header)
        }
    }
}

impl From<MemoryHeader> for Listed {
    fn from(header: MemoryHeader) -> Self {
        Listed {
            title: header.title,
            memory_type: output::lower(header.memory_type),
            size: header.size,
            asset_count: header.asset_count,
            tags: header.tags,
            created_at: output::rfc3339(header.created_at),
            date_of_memory: None,
            id: header.id,
        }
    }
}

pub async fn run(list: List, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let capsule = connect::capsule(&vault, list.capsule).await?;
    let mut memories = Vec::new();
    let mut count = 0;
    if let Some(capsule) = &capsule {
        let mut pages = Pages::of(&vault, capsule);
        while let Some(headers) = pages.next().await? {
            count += headers.len();
            if output.is_json() {
                memories.extend(headers.into_iter().map(Listed::from));
            } else {
                for header in headers {
                    output.line(&row(&header))?;
                }
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

/// A memory on one line.
pub fn row(header: &MemoryHeader) -> String {
    row_of(header, header.created_at)
}

/// The same with another date (nanoseconds since 1970 UTC).
pub fn row_of(header: &MemoryHeader, date: u64) -> String {
    let title = header.title.as_deref().unwrap_or(&header.name);
    format!(
        "{}  {}  {:<8}  {:>10}  {:>2} {:<6}  {}",
        header.id,
        output::date(date),
        output::lower(header.memory_type),
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

/// A capsule's listing, page by page.
pub struct Pages<'a> {
    vault: &'a Vault,
    capsule: &'a str,
    cursor: Option<String>,
    over: bool,
}

impl<'a> Pages<'a> {
    /// From the newest memory on.
    pub fn of(vault: &'a Vault, capsule: &'a str) -> Self {
        Pages {
            vault,
            capsule,
            cursor: None,
            over: false,
        }
    }

    /// The next page; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<MemoryHeader>>, ClientError> {
        if self.over {
            return Ok(None);
        }
        let page = self
            .vault
            .memories_list(self.capsule, self.cursor.as_deref(), Some(PAGE))
            .await?;
        self.over = page.next_cursor.is_none();
        self.cursor = page.next_cursor;
        Ok(Some(page.items))
    }
}

/// Every memory of a capsule, by id.
pub async fn all_ids(vault: &Vault, capsule: &str) -> Result<Vec<String>, ClientError> {
    let mut ids = Vec::new();
    let mut pages = Pages::of(vault, capsule);
    while let Some(headers) = pages.next().await? {
        ids.extend(headers.into_iter().map(|header| header.id));
    }
    Ok(ids)
}
