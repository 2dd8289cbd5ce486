//! Instructions per call, counted by the host as the Internet Computer would charge them: the figure that decides what a vault
//! costs and how large it can grow. The counts do not depend on the machine, so they are committed, and CI fails where one
//! rises by more than 5 % (design invariant I3: no call's cost grows with what else is stored).

mod image;
mod large;
mod record;
mod samples;
mod scenario;
mod uploads;
mod vault;
mod wire;

use crate::{canister, gallery};
use anyhow::{Result, bail};
use record::{Count, Record, Tolerance};
use samples::Samples;
use std::sync::Arc;

/// Memories in the vault when the calls are counted, and in how many vaults: the smaller the trees, the more the
/// random ids of one vault weigh.
const VAULTS: [(u32, usize); 2] = [(10, 4), (10_000, 1)];

/// What a count may rise by before the comparison fails: 5 %, and at least 2,000 instructions, which is less than the 1.2 M
/// cycles that a message costs by itself and more than the linker's mood moves a small call.
const TOLERANCE: Tolerance = Tolerance {
    fraction: 0.05,
    instructions: 2_000,
};

/// Counts in large vaults, and measures what they take up.
pub fn run_large() -> Result<()> {
    if cfg!(debug_assertions) {
        return crate::workspace::again_optimised();
    }
    let wasm = std::fs::read(canister::build(gallery::built()?.as_deref())?.wasm)?;
    large::run(&wasm, &large::SIZES)
}

/// Counts every call at every size; then compares with the committed counts, or commits the new ones to disk.
pub fn run(check: bool) -> Result<()> {
    let wasm: Arc<[u8]> =
        std::fs::read(canister::build(gallery::built()?.as_deref())?.wasm)?.into();
    println!("Counting ...");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(VAULTS.iter().map(|(_, vaults)| vaults).sum())
        .enable_all()
        .build()?;
    let counts = runtime.block_on(count_all(&wasm))?;
    let sizes = VAULTS.map(|(memories, _)| memories);
    let record = Record { counts };
    print!("\n{}", record.table(&sizes));
    if !check {
        return record.write(&sizes);
    }
    let changes = record.compare(&Record::read()?, TOLERANCE);
    if changes.is_empty() {
        println!("\nNo count rose over benches/instructions.json by more than is tolerated.");
        return Ok(());
    }
    bail!(
        "{}\nIf that is meant, `cargo xtask bench` takes the new counts.",
        changes.join("\n")
    )
}

/// Counts in all vaults beside each other: most of the time they wait for the disk.
async fn count_all(wasm: &Arc<[u8]>) -> Result<Vec<Count>> {
    let start = |(memories, vaults): (u32, usize)| {
        let vaults = (0..vaults).map(|_| tokio::spawn(scenario::count(wasm.clone(), memories)));
        (memories, vaults.collect::<Vec<_>>())
    };
    let mut counts = Vec::new();
    for (memories, vaults) in VAULTS.map(start) {
        let mut samples = Samples::default();
        for vault in vaults {
            samples.merge(vault.await??);
        }
        counts.extend(samples.means(memories));
    }
    Ok(counts)
}
