//! What calls cost and content takes up in vaults of up to a million memories: `cargo xtask bench --large`, which takes a quarter of an
//! hour and some gigabytes of memory and disk. The results are committed as benches/large.json and benches/large.md.

use super::image::{self, Builder, PiecewiseMemory};
use super::record::{Count, Record, thousands};
use super::vault::Vault as Home;
use super::{scenario, wire};
use crate::workspace::root;
use anyhow::Result;
use candid::encode_args;
use keepsake_api::{AssetType, InternalBlobAssetInput, VaultStatus};
use keepsake_vault::{Means, Vault};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::fmt::Write;
use std::time::Instant;

/// Memories in the vaults.
pub const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Files of the measurement of space, and their length.
const FILES: u64 = 1_000;
const FILE: usize = 10_000;

/// What a vault takes up.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Space {
    memories: u32,
    /// Bytes of stable memory, free space included.
    stable: u64,
    /// Bytes of content in it.
    content: u64,
    /// Bytes of heap after an upgrade.
    heap: u64,
    /// Bytes that regions of stable memory take up, the larger ones first.
    regions: Vec<(String, u64)>,
}

/// What files take up beyond their own bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Files {
    /// Files kept, and bytes of each.
    files: u64,
    length: u64,
    /// What an empty vault takes up.
    empty: Taken,
    /// By how much it grew, where each file is a memory with all its metadata.
    as_memories: Taken,
    /// The same where each is one more asset of a memory that is there.
    as_assets: Taken,
}

/// Bytes of stable memory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Taken {
    /// What the canister has from the system, and pays for.
    allocated: u64,
    /// What of it holds something; the rest is there for what comes next.
    used: u64,
}

impl Taken {
    fn by(memory: &PiecewiseMemory) -> Result<Self> {
        let use_of = status(memory, 0)?.memory;
        Ok(Self {
            allocated: use_of.stable_allocated,
            used: use_of.stable_used,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            allocated: self.allocated - before.allocated,
            used: self.used - before.used,
        }
    }
}

fn status(memory: &PiecewiseMemory, heap: u64) -> Result<VaultStatus> {
    let means = Means {
        balance: 0,
        liquid: 0,
        heap,
    };
    Ok(Vault::open(memory.clone())?.status(0, means))
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Large {
    counts: Vec<Count>,
    spaces: Vec<Space>,
    files: Files,
}

/// Builds each vault, counts every call in it, measures the space, and writes the results.
pub fn run(wasm: &[u8], sizes: &[u32]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (mut counts, mut spaces) = (Vec::new(), Vec::new());
    for size in sizes {
        let started = Instant::now();
        let image = image::build(*size)?;
        println!(
            "{} memories built in {:.0?}",
            thousands((*size).into()),
            started.elapsed()
        );
        let vault = Home::over(wasm, &image.memory)?;
        println!("... and loaded after {:.0?}", started.elapsed());
        let upgrade = vault.upgrade(wasm)?;
        let mut samples = super::samples::Samples::default();
        samples.add("upgrade", upgrade.instructions);
        spaces.push(space(*size, &image.memory, upgrade.heap)?);
        samples.merge(runtime.block_on(scenario::count_built(vault, &image))?);
        counts.extend(samples.means(*size));
        println!("... and counted after {:.0?}", started.elapsed());
    }
    let large = Large {
        counts,
        spaces,
        files: files()?,
    };
    let folder = root()?.join("benches");
    let text = large.text(sizes)?;
    print!("\n{text}");
    if sizes == SIZES {
        std::fs::write(
            folder.join("large.json"),
            serde_json::to_string_pretty(&large)? + "\n",
        )?;
        std::fs::write(folder.join("large.md"), text)?;
        println!("\nbenches/large.json and benches/large.md written");
    }
    Ok(())
}

fn space(memories: u32, memory: &PiecewiseMemory, heap: u64) -> Result<Space> {
    let status = status(memory, heap)?;
    let mut regions: Vec<(String, u64)> = status
        .memory
        .regions
        .into_iter()
        .map(|region| (region.name, region.allocated))
        .collect();
    regions.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    Ok(Space {
        memories,
        stable: status.memory.stable_allocated,
        content: status.holdings.content_bytes,
        heap,
        regions,
    })
}

fn files() -> Result<Files> {
    let asset = |blob_id, asset_type| InternalBlobAssetInput {
        blob_id,
        metadata: wire::photo(asset_type, "IMG_2041.jpg"),
    };
    let mut builder = Builder::new()?;
    let empty = Taken::by(&builder.memory)?;
    for _ in 0..FILES {
        let original = builder.upload(FILE)?;
        let blobs = vec![asset(original, AssetType::Original)];
        builder.create(wire::memory(), blobs, Vec::new())?;
    }
    let as_memories = Taken::by(&builder.memory)?.since(empty);

    let mut builder = Builder::new()?;
    let mut ids = Vec::new();
    for _ in 0..FILES {
        let original = builder.upload(64)?;
        let blobs = vec![asset(original, AssetType::Original)];
        ids.push(builder.create(wire::memory(), blobs, Vec::new())?);
    }
    let before = Taken::by(&builder.memory)?;
    for id in ids {
        let thumbnail = builder.upload(FILE)?;
        builder.add(&id, asset(thumbnail, AssetType::Thumbnail))?;
    }
    Ok(Files {
        files: FILES,
        length: FILE as u64,
        as_memories,
        as_assets: Taken::by(&builder.memory)?.since(before),
        empty,
    })
}

impl Large {
    fn text(&self, sizes: &[u32]) -> Result<String> {
        let record = Record {
            counts: self.counts.clone(),
        };
        let mut text = INTRODUCTION.to_owned() + &record.table(sizes);
        text = text + CYCLES + &self.cycles(sizes)? + SPACE;
        for space in &self.spaces {
            let largest: Vec<String> = space
                .regions
                .iter()
                .take(5)
                .map(|(name, bytes)| {
                    format!("{name} {}", thousands(bytes / u64::from(space.memories)))
                })
                .collect();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                thousands(space.memories.into()),
                thousands(space.stable),
                thousands(space.stable / u64::from(space.memories)),
                thousands(space.heap),
                largest.join(", ")
            );
        }
        let Files {
            files,
            length,
            as_memories,
            as_assets,
            empty,
        } = &self.files;
        let kept = files * length;
        let _ = writeln!(
            text,
            "\n{} files of {} bytes, by which stable memory of an empty vault grows ({} bytes, {} of them in use):\n\n\
             | each file | in use, bytes | a byte kept | a file beyond its own | allocated, bytes | a byte kept |\n\
             | --- | ---: | ---: | ---: | ---: | ---: |",
            thousands(*files),
            thousands(*length),
            thousands(empty.allocated),
            thousands(empty.used),
        );
        for (what, taken) in [
            ("a memory with all its metadata", as_memories),
            ("a thumbnail of a memory that is there", as_assets),
        ] {
            let per_byte = |taken: u64| taken as f64 / kept as f64;
            let _ = writeln!(
                text,
                "| {what} | {} | {:.3} | {} | {} | {:.3} |",
                thousands(taken.used),
                per_byte(taken.used),
                thousands(taken.used.saturating_sub(kept) / files),
                thousands(taken.allocated),
                per_byte(taken.allocated)
            );
        }
        Ok(text)
    }
}

/// Cycles of a message and of a byte of it, of executing an update, and of a GiB of memory for a year, on a subnet of 13 nodes; an instruction
/// costs one (Internet Computer, "Cycles costs").
const MESSAGE: u64 = 1_200_000;
const BYTE: u64 = 2_000;
const UPDATE: u64 = 5_000_000;
const GIB_YEAR: u64 = 127_000 * 31_536_000;

/// Bytes of a signed message beside its argument.
const ENVELOPE: u64 = 330;

/// The cycles of one update.
fn cycles(argument: u64, instructions: u64) -> u64 {
    MESSAGE + BYTE * (argument + ENVELOPE) + UPDATE + instructions
}

/// Updates by their names among the counts, each with the length of its argument in bytes.
fn updates() -> Result<Vec<(&'static str, u64)>> {
    let (capsule, memory) = ("capsule_0123456789abcdef", format!("mem_{:032x}", 0));
    let (blob, hash) = (format!("blob_{}", u64::MAX), ByteBuf::from(vec![0; 32]));
    let bytes = |length| ByteBuf::from(vec![0; length]);
    let photo = wire::photo(AssetType::Original, "IMG_2041.jpg");
    let asset = InternalBlobAssetInput {
        blob_id: blob.clone(),
        metadata: photo,
    };
    let idem = "memory 123456";
    let len = |encoded: candid::Result<Vec<u8>>| encoded.map(|bytes| bytes.len() as u64);
    Ok(vec![
        (
            "memories_create, inline, 1 KiB",
            len(encode_args(wire::inline(capsule, bytes(1_024), 123_456)))?,
        ),
        (
            "memories_create, blob",
            len(encode_args(wire::reference(
                capsule, &blob, &hash, 10_000, 123_456,
            )))?,
        ),
        (
            "memories_create_with_internal_blobs, 1 blob",
            len(encode_args((capsule, wire::memory(), vec![&asset], idem)))?,
        ),
        (
            "memories_add_asset",
            len(encode_args((&memory, &asset, idem)))?,
        ),
        (
            "memories_delete, 1 blob",
            len(encode_args((&memory, true)))?,
        ),
        ("access_grant", len(encode_args((&memory, wire::share(1))))?),
        ("uploads_begin", len(encode_args((capsule, 1u32, idem)))?),
        (
            "uploads_put_chunk, 10000 bytes",
            len(encode_args((u64::MAX, 0u32, bytes(10_000))))?,
        ),
        (
            "uploads_finish, 10000 bytes",
            len(encode_args((u64::MAX, &hash, 10_000u64)))?,
        ),
        (
            "uploads_put_blob, 10000 bytes",
            len(encode_args((capsule, bytes(10_000), &hash, idem)))?,
        ),
        (
            "uploads_put_chunk, 1800000 bytes",
            len(encode_args((u64::MAX, 0u32, bytes(1_800_000))))?,
        ),
    ])
}

impl Large {
    /// What updates cost in the smallest and in the largest vault, as a Markdown table.
    fn cycles(&self, sizes: &[u32]) -> Result<String> {
        let (Some(small), Some(large)) = (sizes.first(), sizes.last()) else {
            return Ok(String::new());
        };
        let mut table = format!(
            "| update | bytes of the message | at {} | at {} | share of receiving |\n| --- | ---: | ---: | ---: | ---: |\n",
            thousands((*small).into()),
            thousands((*large).into())
        );
        let count = |call: &str, memories: u32| {
            let mut counts = self.counts.iter();
            counts
                .find(|count| count.call == call && count.memories == memories)
                .map_or(0, |count| count.instructions)
        };
        for (call, argument) in updates()? {
            let at = |memories| cycles(argument, count(call, memories));
            let received = MESSAGE + BYTE * (argument + ENVELOPE);
            let _ = writeln!(
                table,
                "| {call} | {} | {} | {} | {:.0} % |",
                thousands(argument + ENVELOPE),
                thousands(at(*small)),
                thousands(at(*large)),
                100.0 * received as f64 / at(*large) as f64
            );
        }
        let whole = count("all calls of an upload of 100 MB", *large);
        let messages = 100_000_000u64.div_ceil(1_800_000) + 2;
        let upload = messages * (MESSAGE + UPDATE + BYTE * ENVELOPE) + BYTE * 100_000_000 + whole;
        let _ = writeln!(
            table,
            "\nA GB uploaded in full chunks: {} cycles, {:.1} % of them for hashing and storing. A GiB kept for a year: {}.",
            thousands(upload * 10),
            100.0 * whole as f64 / upload as f64,
            thousands(GIB_YEAR)
        );
        Ok(table)
    }
}

const CYCLES: &str = "
## Cycles

What an update costs on a subnet of 13 nodes: 1.2 M for the message and 2,000 for each byte of it, 5 M for its execution, 1 for each instruction. Queries
are free.

";

const INTRODUCTION: &str = "\
# Measurements in large vaults

`cargo xtask bench --large` writes this file and large.json. [docs/costs.md](../docs/costs.md) says how the figures are taken and what they
led to.

## Instructions per call

WebAssembly instructions of one call with the Internet Computer's weights, by the number of memories in the capsule; the ratio is that of the
largest vault to the smallest. Most memories are photos with an original, a display version, a thumbnail and a placeholder, and EXIF data of
400 bytes.

";

const SPACE: &str = "
## Space

Bytes of a vault; its content is short, so that this is what metadata and indexes take up.

| memories | stable memory | a memory | heap after an upgrade | the largest regions, bytes a memory |
| ---: | ---: | ---: | ---: | --- |
";
