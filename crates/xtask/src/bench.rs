//! Instructions per call, counted by the host as the Internet Computer would charge them: the figure that decides what a vault
//! costs and how large it can grow. The counts do not depend on the machine, so they are committed, and CI fails where one
//! rises by more than 5 % (design invariant I3: no call's cost grows with what else is stored).

mod record;
mod scenario;
mod vault;

use crate::canister;
use anyhow::{Result, bail};
use record::{Count, Record};
use std::io::Write;

/// Memories in the vault when the calls are counted.
const SIZES: [u32; 2] = [10, 10_000];

/// The part by which a count may rise before the comparison fails.
const TOLERANCE: f64 = 0.05;

/// Counts every call at every size; then compares with the committed counts, or commits the new ones to disk.
pub fn run(check: bool) -> Result<()> {
    let wasm = std::fs::read(canister::build()?.wasm)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut counts = Vec::new();
    for memories in SIZES {
        print!("Counting at {memories} memories ... ");
        std::io::stdout().flush()?;
        let start = std::time::Instant::now();
        counts.extend(runtime.block_on(scenario::count(&wasm, memories))?);
        println!("{:.1} s", start.elapsed().as_secs_f64());
    }
    let record = Record { counts };
    print!("\n{}", record.table(&SIZES));
    if !check {
        return record.write(&SIZES);
    }
    let changes = record.compare(&Record::read()?, TOLERANCE);
    if changes.is_empty() {
        println!(
            "\nNo count rose by more than {:.0} % over benches/instructions.json.",
            TOLERANCE * 100.0
        );
        return Ok(());
    }
    bail!(
        "{}\nIf that is meant, `cargo xtask bench` takes the new counts.",
        changes.join("\n")
    )
}
