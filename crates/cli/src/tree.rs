//! `keepsake tree`: what is in the caller's capsules, by year and month, down to the files of each memory where that is asked
//! for.

use std::collections::BTreeMap;

use anyhow::Result;
use keepsake_client::{
    ClientError,
    api::{Error as VaultError, MemoryHeader},
    assets_of,
    download::type_name,
};
use serde::Serialize;

use crate::{
    Outcome,
    args::Common,
    connect, dates, list,
    output::{self, Output},
};

#[derive(Debug, clap::Args)]
pub struct Tree {
    /// Only this capsule [default: every one that you own, control or are the subject of]
    #[arg(long, value_name = "ID")]
    pub capsule: Option<String>,
    /// How deep to go: 1 capsules, 2 years, 3 months, 4 memories, 5 their files (each memory is read for these)
    #[arg(long, value_name = "LEVELS", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub depth: u8,
}

#[derive(Serialize)]
struct Capsule {
    capsule_id: String,
    memories: usize,
    /// Bytes of all assets.
    size: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    years: Vec<Year>,
}

#[derive(Serialize)]
struct Year {
    year: i32,
    memories: usize,
    size: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    months: Vec<InMonth>,
}

#[derive(Serialize)]
struct InMonth {
    month: u8,
    memories: usize,
    size: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    id: String,
    title: String,
    memory_type: String,
    size: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assets: Vec<Asset>,
}

#[derive(Serialize)]
struct Asset {
    asset_id: String,
    asset_type: &'static str,
    name: String,
    bytes: Option<u64>,
}

pub async fn run(tree: Tree, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    let ids = match tree.capsule {
        Some(id) => vec![id],
        None => vault
            .capsules_list()
            .await?
            .into_iter()
            .map(|c| c.id)
            .collect(),
    };
    let mut capsules = Vec::new();
    for capsule_id in ids {
        let mut headers = Vec::new();
        let mut pages = list::Pages::of(&vault, &capsule_id);
        while let Some(page) = pages.next().await? {
            headers.extend(page);
        }
        let mut capsule = grow(capsule_id, headers, tree.depth);
        if tree.depth == 5 {
            let items = capsule
                .years
                .iter_mut()
                .flat_map(|year| &mut year.months)
                .flat_map(|month| &mut month.items);
            for item in items {
                let memory = match vault.memories_read(&item.id).await {
                    Ok(memory) => memory,
                    // Deleted since it was listed.
                    Err(ClientError::Vault {
                        error: VaultError::NotFound,
                        ..
                    }) => continue,
                    Err(e) => return Err(e.into()),
                };
                item.assets = assets_of(&memory)
                    .into_iter()
                    .map(|asset| Asset {
                        asset_type: type_name(asset.asset_type),
                        bytes: asset.len,
                        name: asset.name,
                        asset_id: asset.id,
                    })
                    .collect();
            }
        }
        if !output.is_json() {
            print(&capsule, output)?;
        }
        capsules.push(capsule);
    }
    if output.is_json() {
        output.json(&serde_json::json!({ "capsules": capsules }))?;
    } else if capsules.is_empty() {
        eprintln!("keepsake: no capsules yet; `keepsake upload <files or folders>` makes yours");
    }
    Ok(Outcome::AllWell)
}

/// Sorts memories into years and months, the newest first, as deep as `depth` says.
fn grow(capsule_id: String, headers: Vec<MemoryHeader>, depth: u8) -> Capsule {
    let mut by_month: BTreeMap<(i32, u8), Vec<MemoryHeader>> = BTreeMap::new();
    let mut capsule = Capsule {
        capsule_id,
        memories: headers.len(),
        size: headers.iter().map(|header| header.size).sum(),
        years: Vec::new(),
    };
    for header in headers {
        let at = dates::year_and_month(header.created_at);
        by_month.entry(at).or_default().push(header);
    }
    if depth < 2 {
        return capsule;
    }
    for ((year, month), headers) in by_month.into_iter().rev() {
        let size = headers.iter().map(|header| header.size).sum();
        let in_month = InMonth {
            month,
            memories: headers.len(),
            size,
            items: if depth < 4 {
                Vec::new()
            } else {
                headers.into_iter().map(Item::from).collect()
            },
        };
        if capsule.years.last().is_none_or(|last| last.year != year) {
            capsule.years.push(Year {
                year,
                memories: 0,
                size: 0,
                months: Vec::new(),
            });
        }
        if let Some(last) = capsule.years.last_mut() {
            last.memories += in_month.memories;
            last.size += size;
            if depth >= 3 {
                last.months.push(in_month);
            }
        }
    }
    capsule
}

impl From<MemoryHeader> for Item {
    fn from(header: MemoryHeader) -> Self {
        Item {
            id: header.id,
            title: header.title.unwrap_or(header.name),
            memory_type: output::lower(header.memory_type),
            size: header.size,
            assets: Vec::new(),
        }
    }
}

fn print(capsule: &Capsule, output: &mut Output) -> Result<()> {
    let sum = |memories: usize, size: u64| {
        let memories = output::count(memories, "memory", "memories");
        format!("{memories}, {}", output::bytes(size))
    };
    output.line(&format!(
        "{}  {}",
        capsule.capsule_id,
        sum(capsule.memories, capsule.size)
    ))?;
    for year in &capsule.years {
        output.line(&format!(
            "  {}  {}",
            year.year,
            sum(year.memories, year.size)
        ))?;
        for month in &year.months {
            output.line(&format!(
                "    {}-{:02}  {}",
                year.year,
                month.month,
                sum(month.memories, month.size)
            ))?;
            for item in &month.items {
                output.line(&format!(
                    "      {}  {:<8}  {:>10}  {}",
                    item.id,
                    item.memory_type,
                    output::bytes(item.size),
                    output::printable(&item.title)
                ))?;
                for asset in &item.assets {
                    output.line(&format!(
                        "        {:<11}  {:>10}  {}",
                        asset.asset_type,
                        asset.bytes.map_or("unknown".to_owned(), output::bytes),
                        output::printable(&asset.name)
                    ))?;
                }
            }
        }
    }
    Ok(())
}
