//! Compares embedded stores for the host's stable memory: bytes on disk per byte changed, space per byte kept, commits and
//! megabytes a second, reads beside each other, starts after SIGKILL, memory. Each case runs in a process of its own,
//! so that its counters are its own; the cases take turns for several rounds, and the medians count.
//!
//!     cargo run --release -- all --rounds 3 > table.md

mod crash;
mod engine;
mod load;
mod measure;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use crash::Recovery;
use engine::Kind;
use load::Writer;
use measure::Load;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Compares embedded stores for stable memory")]
struct Args {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Every case in turns; writes results.json, prints the medians as a table.
    All {
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Folder for the stores, on the disk to be measured; emptied after each case.
        #[arg(long, default_value = "target/stores")]
        dir: PathBuf,
        #[arg(long, default_value = "results.json")]
        out: PathBuf,
        /// MiB written before the loads.
        #[arg(long, default_value_t = 512)]
        base: u64,
        /// Seconds for each load.
        #[arg(long, default_value_t = 4.0)]
        seconds: f64,
        /// Only the cases whose store's name contains this.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// One case; prints its figures as JSON.
    Case {
        kind: Kind,
        unit: usize,
        dir: PathBuf,
        base: u64,
        seconds: f64,
    },
    /// Commits until killed.
    Write {
        kind: Kind,
        unit: usize,
        filled: u64,
        dir: PathBuf,
        #[arg(long)]
        chunks: bool,
    },
}

/// Units as large as each store likes them near 4, 16 and 64 KiB, and powers of two for what they cost.
const CASES: &[(Kind, usize)] = &[
    (Kind::Lmdb, 4080),
    (Kind::Lmdb, 16368),
    (Kind::Lmdb, 65520),
    (Kind::Lmdb, 16384),
    (Kind::Redb, 4032),
    (Kind::Redb, 16320),
    (Kind::Redb, 65472),
    (Kind::Redb, 16384),
    (Kind::RedbQuick, 16320),
    (Kind::SqliteWal, 4032),
    (Kind::SqliteWal, 16320),
    (Kind::SqliteWal, 65472),
    (Kind::SqlitePersist, 16320),
    (Kind::SqliteOff, 16320),
];

/// Figures of one case in one round.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Case {
    store: String,
    unit: usize,
    round: usize,
    /// Seconds to write the base, 16 MiB a commit.
    fill_seconds: f64,
    /// Disk space per byte of units kept: after the base, and after all loads.
    space_filled: f64,
    space_after: f64,
    /// One message a commit, 3 to 8 random units.
    small: Load,
    /// Sixteen such messages a commit; figures are per message.
    grouped: Load,
    /// A chunk of 1.8 MB appended and 4 small units a commit.
    chunks: Load,
    /// 8 random units a transaction, whole; from two threads.
    read_units: Load,
    /// 64 bytes of each of 8 random units a transaction; from two threads.
    read_parts: Load,
    /// Anonymous memory after all loads, MiB.
    memory_mib: f64,
    /// Starts after SIGKILL among small messages, and among chunks.
    killed_small: Recovery,
    killed_chunks: Recovery,
}

fn case(kind: Kind, unit: usize, dir: &Path, base_mib: u64, seconds: f64) -> Result<Case> {
    let time = Duration::from_secs_f64(seconds);
    let filled = (base_mib << 20) / unit as u64;
    let mut engine = kind.open(dir, unit)?;
    let mut writer = Writer::new(engine.as_mut(), dir, unit, filled, 0);
    let start = std::time::Instant::now();
    writer.fill()?;
    let fill_seconds = start.elapsed().as_secs_f64();
    let space_filled = measure::disk_usage(dir)? as f64 / (filled * unit as u64) as f64;
    let small = writer.run(time, 1, 0, |w| w.small(1))?;
    let grouped = writer.run(time, 16, 0, |w| w.small(16))?;
    let chunks = writer.run(time, 1, load::CHUNK_BYTES, Writer::chunk)?;
    let kept = (filled + writer.appended.div_ceil(unit as u64)) * unit as u64;
    let space_after = measure::disk_usage(dir)? as f64 / kept as f64;
    let read_units = load::read(engine.as_ref(), dir, filled, &(0..unit), time / 2)?;
    let read_parts = load::read(
        engine.as_ref(),
        dir,
        filled,
        &(unit / 2..unit / 2 + 64),
        time / 2,
    )?;
    let memory_mib = measure::anonymous_mib()?;
    drop(engine);
    let kill = Duration::from_millis(1200);
    let killed_small = crash::kill_and_reopen(kind, dir, unit, filled, false, kill)?;
    let killed_chunks = crash::kill_and_reopen(kind, dir, unit, filled, true, kill)?;
    Ok(Case {
        store: kind.name().to_owned(),
        unit,
        round: 0,
        fill_seconds,
        space_filled,
        space_after,
        small,
        grouped,
        chunks,
        read_units,
        read_parts,
        memory_mib,
        killed_small,
        killed_chunks,
    })
}

fn all(rounds: usize, dir: &Path, out: &Path, base: u64, seconds: f64, only: &str) -> Result<()> {
    let mut results: Vec<Case> = Vec::new();
    for round in 1..=rounds {
        for (kind, unit) in CASES.iter().filter(|(kind, _)| kind.name().contains(only)) {
            let dir = dir.join(format!("{kind:?}-{unit}"));
            eprintln!("round {round}: {}, {unit} bytes", kind.name());
            let kind_name =
                clap::ValueEnum::to_possible_value(kind).context("a store without a name")?;
            let output = Command::new(std::env::current_exe()?)
                .args(["case", kind_name.get_name(), &unit.to_string()])
                .arg(&dir)
                .args([base.to_string(), seconds.to_string()])
                .stderr(std::process::Stdio::inherit())
                .output()?;
            if dir.exists() {
                std::fs::remove_dir_all(&dir)?;
            }
            ensure!(
                output.status.success(),
                "{} with {unit} bytes failed",
                kind.name()
            );
            let mut result: Case = serde_json::from_slice(&output.stdout)?;
            result.round = round;
            results.push(result);
            std::fs::write(out, serde_json::to_string_pretty(&results)? + "\n")?;
        }
    }
    print_table(&results, WRITES);
    print_table(&results, REST);
    Ok(())
}

fn median(cases: &[&Case], figure: impl Fn(&Case) -> f64) -> f64 {
    let mut values: Vec<f64> = cases.iter().map(|case| figure(case)).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A column: its heading, the figure's digits after the point, and where the figure is.
type Column = (&'static str, usize, fn(&Case) -> f64);

const WRITES: &[Column] = &[
    ("small: commits/s", 0, |c| c.small.per_second),
    ("p99 µs", 0, |c| c.small.p99_us),
    ("CPU µs", 0, |c| c.small.cpu_us),
    ("KiB written", 0, |c| c.small.written_kib),
    ("device KiB", 0, |c| c.small.device_kib),
    ("written per byte", 2, |c| c.small.amplification),
    ("grouped: messages/s", 0, |c| c.grouped.per_second),
    ("CPU µs", 0, |c| c.grouped.cpu_us),
    ("KiB written", 0, |c| c.grouped.written_kib),
    ("chunks: MB/s", 0, |c| c.chunks.mb_per_second),
    ("CPU µs", 0, |c| c.chunks.cpu_us),
    ("written per byte", 2, |c| c.chunks.amplification),
];

const REST: &[Column] = &[
    ("reads/s, 8 units", 0, |c| c.read_units.per_second),
    ("p99 µs", 0, |c| c.read_units.p99_us),
    ("GB/s", 1, |c| c.read_units.mb_per_second / 1e3),
    ("reads/s, 8 × 64 B", 0, |c| c.read_parts.per_second),
    ("space, base", 3, |c| c.space_filled),
    ("space, after", 3, |c| c.space_after),
    ("memory MiB", 0, |c| c.memory_mib),
    ("start after kill, small, ms", 1, |c| {
        c.killed_small.reopen_ms
    }),
    ("chunks, ms", 1, |c| c.killed_chunks.reopen_ms),
];

fn print_table(results: &[Case], columns: &[Column]) {
    let headings: Vec<&str> = columns.iter().map(|(heading, ..)| *heading).collect();
    println!("| store | unit | {} |", headings.join(" | "));
    println!("| --- | ---: |{}", " ---: |".repeat(columns.len()));
    for (kind, unit) in CASES {
        let cases: Vec<&Case> = results
            .iter()
            .filter(|c| c.store == kind.name() && c.unit == *unit)
            .collect();
        if cases.is_empty() {
            continue;
        }
        let figures: Vec<String> = columns
            .iter()
            .map(|(_, digits, figure)| format!("{:.digits$}", median(&cases, figure)))
            .collect();
        println!("| {} | {unit} | {} |", kind.name(), figures.join(" | "));
    }
    println!();
}

fn main() -> Result<()> {
    match Args::parse().command {
        What::All {
            rounds,
            dir,
            out,
            base,
            seconds,
            only,
        } => all(rounds, &dir, &out, base, seconds, &only),
        What::Case {
            kind,
            unit,
            dir,
            base,
            seconds,
        } => {
            println!(
                "{}",
                serde_json::to_string(&case(kind, unit, &dir, base, seconds)?)?
            );
            Ok(())
        }
        What::Write {
            kind,
            unit,
            filled,
            dir,
            chunks,
        } => crash::write_until_killed(kind, &dir, unit, filled, chunks),
    }
}
