//! Killing a writer with SIGKILL in the middle of its load: what a start costs afterwards, and whether everything
//! acknowledged is there, whole. It proves atomicity against a crash of the process; a loss of power it does not show.

use crate::engine::{Kind, Last};
use crate::load::Writer;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a start after SIGKILL found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recovery {
    /// Time to open the store and read its last commit, in milliseconds.
    pub reopen_ms: f64,
    /// The last commit that the killed process acknowledged, and the last that the store has: never smaller.
    pub acknowledged: u64,
    pub found: u64,
}

/// The process that is killed: commits for ever and writes each acknowledged number to its standard output.
pub fn write_until_killed(
    kind: Kind,
    dir: &Path,
    unit: usize,
    filled: u64,
    chunks: bool,
) -> Result<()> {
    let mut engine = kind.open(dir, unit)?;
    let seq = engine.last()?.map_or(0, |last| last.seq);
    let mut writer = Writer::new(engine.as_mut(), dir, unit, filled, seq);
    let mut out = std::io::stdout().lock();
    loop {
        let units = if chunks {
            writer.chunk()
        } else {
            writer.small(1)
        };
        writer.commit(&units)?;
        writeln!(out, "{}", writer.seq)?;
        out.flush()?;
    }
}

/// Starts [`write_until_killed`], kills it after `time`, opens the store again and checks it whole.
pub fn kill_and_reopen(
    kind: Kind,
    dir: &Path,
    unit: usize,
    filled: u64,
    chunks: bool,
    time: Duration,
) -> Result<Recovery> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("write")
        .arg(value_name(kind)?)
        .arg(unit.to_string())
        .arg(filled.to_string())
        .arg(dir);
    if chunks {
        command.arg("--chunks");
    }
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let out = BufReader::new(child.stdout.take().context("the child has no output")?);
    let reading = std::thread::spawn(move || out.lines().map_while(Result::ok).last());
    std::thread::sleep(time);
    child.kill()?;
    child.wait()?;
    let acknowledged: u64 = reading
        .join()
        .ok()
        .flatten()
        .context("nothing was acknowledged before the kill")?
        .parse()?;

    let start = Instant::now();
    let engine = kind.open(dir, unit)?;
    let last = engine.last()?.context("no commit after the kill")?;
    let reopen_ms = start.elapsed().as_secs_f64() * 1e3;

    ensure!(
        last.seq >= acknowledged,
        "commit {acknowledged} was acknowledged, {} is the last found",
        last.seq
    );
    let stamp = |bytes: &[u8]| Last::decode(bytes).map_or(u64::MAX, |record| record.seq);
    let mut reader = engine.reader()?;
    let mut whole = true;
    reader.read(&last.units, 0..8, &mut |bytes| {
        whole &= stamp(bytes) == last.seq
    })?;
    ensure!(whole, "the last commit is not whole");
    for first in (0..filled).step_by(1024) {
        let units: Vec<u64> = (first..filled.min(first + 1024)).collect();
        reader.read(&units, 0..8, &mut |bytes| whole &= stamp(bytes) <= last.seq)?;
    }
    ensure!(whole, "a unit of a commit that never finished is visible");
    Ok(Recovery {
        reopen_ms,
        acknowledged,
        found: last.seq,
    })
}

fn value_name(kind: Kind) -> Result<String> {
    use clap::ValueEnum;
    Ok(kind
        .to_possible_value()
        .context("a store without a name")?
        .get_name()
        .to_owned())
}
