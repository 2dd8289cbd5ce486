//! `keepsake check`: everything a vault on this machine holds at rest, verified.
//!
//! First the host's part: the database's structure and the checksum of every unit and record. Then the canister is started without a trace. Then
//! the vault's part: every content read back and held against its SHA-256, every memory's assets against their contents. The last is done by
//! this program's own reading of the stored layout, so that it needs nobody's key and runs at the machine's speed. Last the same of every
//! snapshot in the folder.
//!
//! The folder is locked meanwhile and nothing in it is changed. What cannot be read does not end the rest.

mod memory;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use keepsake_host::{
    check::{AtRest, CheckError},
    engine::Config,
    snapshot::Layout,
    store::{FolderError, StoreError},
};
use keepsake_vault::Vault;
use serde::Serialize;

use crate::{
    Outcome, args, operation,
    output::{self, Output},
    paths,
};
use memory::{Content, guarded};

/// Memories named that a damaged content belongs to.
const NAMED: usize = 5;

/// Problems of the vault's part that are described; beyond, they are counted.
const DESCRIBED: usize = 200;

#[derive(Debug, Default, Serialize)]
struct Report {
    state: String,
    /// Nothing is wrong and everything was looked at.
    sound: bool,
    /// Pages of the database, and those of them that hold something.
    pages: u64,
    pages_used: u64,
    /// Pieces of stable memory with a checksum of their own.
    units: u64,
    /// Of these, the ones of before there were checksums.
    units_without_checksum: u64,
    /// Answers of requests that are kept.
    requests: u64,
    /// The installed canister starts.
    starts: bool,
    /// Contents read back and right, and their bytes.
    contents: u64,
    bytes: u64,
    /// Memories and assets looked at.
    memories: u64,
    assets: u64,
    /// The canister's snapshots, each with what was found in it.
    snapshots: Vec<Saved>,
    problem_count: u64,
    /// In words; at most 200 of each part.
    problems: Vec<String>,
    not_checked: Vec<String>,
}

/// What was found in a snapshot. Its problems are among the report's.
#[derive(Debug, Serialize)]
struct Saved {
    name: String,
    /// When it was taken, where that can be read.
    taken_at: Option<String>,
    sound: bool,
    /// Contents read back and right, and their bytes.
    contents: u64,
    bytes: u64,
    memories: u64,
}

impl Report {
    fn problem(&mut self, problem: String) {
        self.problem_count += 1;
        if self.problems.len() < 2 * DESCRIBED {
            self.problems.push(problem);
        }
    }
}

pub async fn run(check: args::Check, output: &mut Output) -> Result<Outcome> {
    let state = match check.state {
        Some(folder) => folder,
        None => paths::state()?,
    };
    let working = tokio::task::spawn_blocking(move || examine(&state));
    let report = working.await.context("the check ended abnormally")??;
    if output.is_json() {
        output.json(&report)?;
    } else {
        print(&report, output)?;
    }
    Ok(if report.sound {
        Outcome::AllWell
    } else {
        Outcome::SomethingWrong
    })
}

fn examine(state: &Path) -> Result<Report> {
    let mut config = Config::new(state);
    config.code_cache = operation::code_cache();
    let at_rest = AtRest::open(config).map_err(|error| match &error {
        CheckError::Folder(FolderError::Locked(folder)) => {
            anyhow!("{} is being served; stop that first", folder.display())
        }
        CheckError::Folder(FolderError::Foreign(folder)) => anyhow!(
            "there is no vault in {}; say where it is with --state",
            folder.display()
        ),
        _ => anyhow!(error),
    })?;
    let mut report = Report {
        state: absolute(state).to_string_lossy().into_owned(),
        ..Report::default()
    };
    let progress = progress_bar();
    let audit = at_rest.audit(&mut |done, all| {
        progress.set_message(format!("{} of the database", share(done, all)));
    })?;
    report.pages = audit.pages;
    report.pages_used = audit.pages_used;
    report.units = audit.units;
    report.units_without_checksum = audit.units_without_checksum;
    report.requests = audit.requests;
    report.problem_count = audit.problem_count;
    report.problems = audit.problems;
    if audit.structure_sound {
        start_and_read(&at_rest, &mut report, &progress);
    } else {
        report.not_checked.push(
            "the canister and its contents: reading them from a database whose structure is damaged could say anything"
                .into(),
        );
    }
    match at_rest.snapshots() {
        Ok(snapshots) => {
            for snapshot in snapshots {
                look_at_snapshot(&at_rest, &snapshot, &mut report, &progress);
            }
        }
        Err(error) => report.not_checked.push(format!("the snapshots: {error}")),
    }
    progress.finish_and_clear();
    report.sound = report.problem_count == 0 && report.not_checked.is_empty();
    Ok(report)
}

fn start_and_read(at_rest: &AtRest, report: &mut Report, progress: &ProgressBar) {
    progress.set_message("starting the canister");
    let memory = match at_rest.start() {
        Ok(memory) => {
            report.starts = true;
            Ok(memory)
        }
        Err(CheckError::Empty) => {
            report.problem("no canister is installed".into());
            return;
        }
        Err(error) => {
            // What is damaged was found above.
            if !matches!(error, CheckError::Store(StoreError::Damaged(_))) {
                report.problem(error.to_string());
            }
            // Its contents may be whole all the same.
            at_rest.stable_memory()
        }
    };
    match memory {
        Ok(memory) => read_contents(memory.into(), report, progress),
        Err(error) => report.not_checked.push(format!("the contents: {error}")),
    }
}

/// Checks a snapshot as far as it can be: it has no checksums, but what it keeps has.
fn look_at_snapshot(
    at_rest: &AtRest,
    layout: &Layout,
    report: &mut Report,
    progress: &ProgressBar,
) {
    let name = layout
        .dir()
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    progress.set_message(format!("snapshot {name}"));
    let mut found = Report::default();
    let mut taken_at = None;
    match at_rest.snapshot(layout) {
        Ok(snapshot) => {
            taken_at = output::rfc3339(snapshot.metadata().taken_at_timestamp);
            read_contents(snapshot.into(), &mut found, progress);
        }
        Err(error) => found.problem(error.to_string()),
    }
    let of_snapshot = |what: String| format!("snapshot {name}: {what}");
    report.problem_count += found.problem_count;
    report
        .problems
        .extend(found.problems.into_iter().map(of_snapshot));
    report
        .not_checked
        .extend(found.not_checked.iter().cloned().map(of_snapshot));
    report.snapshots.push(Saved {
        sound: found.problem_count == 0 && found.not_checked.is_empty(),
        name,
        taken_at,
        contents: found.contents,
        bytes: found.bytes,
        memories: found.memories,
    });
}

fn read_contents(memory: Content, report: &mut Report, progress: &ProgressBar) {
    let vault = match guarded(|| Vault::open(memory)) {
        Ok(Ok(vault)) => vault,
        Ok(Err(error)) => {
            let known =
                format!("the contents: this program does not know the vault's layout: {error}");
            return report.not_checked.push(known);
        }
        Err(error) => return report.problem(format!("the vault cannot be opened: {error}")),
    };
    let mut from = Some(0);
    while let Some(start) = from {
        let kept = match guarded(|| vault.content_from(start)) {
            Ok(Some(kept)) => kept,
            Ok(None) => break,
            Err(error) => {
                let rest =
                    format!("contents from number {start} on, which cannot be found: {error}");
                report.problem(rest);
                break;
            }
        };
        from = kept.next();
        let mut bytes = report.bytes;
        let right = guarded(|| {
            vault.content_is_right(&kept, &mut |read| {
                bytes += read;
                progress.set_message(format!(
                    "{} in {} contents",
                    output::bytes(bytes),
                    report.contents
                ));
            })
        });
        let wrong = match right {
            Ok(true) => {
                report.contents += 1;
                report.bytes += kept.len();
                continue;
            }
            Ok(false) => "its SHA-256 is another".to_owned(),
            Err(error) => error,
        };
        let users = guarded(|| vault.users_of(&kept, NAMED)).unwrap_or_default();
        report.problem(format!(
            "content {} of {}, {}: {wrong}",
            kept.blob_id(),
            output::bytes(kept.len()),
            if users.is_empty() {
                "in no memory that could be found".to_owned()
            } else {
                format!("in {}", users.join(", "))
            },
        ));
    }
    let mut previous = None;
    loop {
        match guarded(|| vault.memory_after(previous)) {
            Ok(None) => break,
            Ok(Some(memory)) => {
                report.memories += 1;
                match guarded(|| vault.look_at_memory(memory)) {
                    Ok((assets, problems)) => {
                        report.assets += assets as u64;
                        for problem in problems {
                            report.problem(format!("memory {}: {problem}", memory.memory_id()));
                        }
                    }
                    Err(error) => {
                        report.problem(format!("memory {}: {error}", memory.memory_id()));
                    }
                }
                if report.memories.is_multiple_of(1_000) {
                    progress.set_message(format!("{} memories", report.memories));
                }
                previous = Some(memory);
            }
            Err(error) => {
                report.problem(format!("memories that cannot be found: {error}"));
                break;
            }
        }
    }
}

fn print(report: &Report, output: &mut Output) -> Result<()> {
    for problem in &report.problems {
        output.line(&format!("DAMAGED      {}", output::printable(problem)))?;
    }
    for left_out in &report.not_checked {
        output.line(&format!("not checked  {}", output::printable(left_out)))?;
    }
    output.line(&format!(
        "{}: {} pages, {} units of stable memory, {} contents ({}), {} in {} checked",
        report.state,
        report.pages,
        report.units,
        report.contents,
        output::bytes(report.bytes),
        counted(report.assets, "asset", "assets"),
        counted(report.memories, "memory", "memories"),
    ))?;
    for snapshot in &report.snapshots {
        output.line(&format!(
            "snapshot {} of {}: {} contents ({}), {} checked",
            snapshot.name,
            snapshot.taken_at.as_deref().unwrap_or("an unknown time"),
            snapshot.contents,
            output::bytes(snapshot.bytes),
            counted(snapshot.memories, "memory", "memories"),
        ))?;
    }
    if report.units_without_checksum > 0 {
        output.line(&format!(
            "{} units were written before there were checksums; they get one when they are written again",
            report.units_without_checksum
        ))?;
    }
    output.line(&if report.sound {
        "Everything is as it was written, and every SHA-256 is right.".to_owned()
    } else {
        format!(
            "{} found. Everything else can still be read: serve the vault, save what is there, and put a backup in place of what is not.",
            counted(report.problem_count, "problem", "problems")
        )
    })?;
    Ok(())
}

fn counted(n: u64, singular: &str, plural: &str) -> String {
    format!("{n} {}", if n == 1 { singular } else { plural })
}

fn share(done: u64, all: u64) -> String {
    format!("{} %", (done * 100).checked_div(all).unwrap_or(0).min(100))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} checking: {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}
