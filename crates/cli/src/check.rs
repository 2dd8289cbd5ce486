//! `keepsake check`: everything a vault on this machine holds at rest, verified.
//!
//! First the host's part: the database's structure and the checksum of every unit and record. Then the canister is started without a trace. Then
//! the vault's part: every content read back and held against its SHA-256, every memory's assets against their contents. The last is done by
//! this program's own reading of the stored layout, so that it needs nobody's key and runs at the machine's speed.
//!
//! The folder is locked meanwhile and nothing in it is changed. What cannot be read does not end the rest.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use ic_stable_structures::Memory;
use indicatif::{ProgressBar, ProgressStyle};
use keepsake_host::{
    check::{AtRest, CheckError},
    store::{FolderError, StableError, StableMemory, StoreError, WASM_PAGE},
};
use keepsake_vault::Vault;
use serde::Serialize;

use crate::{
    Outcome, args,
    output::{self, Output},
    paths,
};

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
    problem_count: u64,
    /// In words; at most 200 of each part.
    problems: Vec<String>,
    not_checked: Vec<String>,
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
    let at_rest = AtRest::open(state).map_err(|error| match &error {
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
        Ok(memory) => read_contents(memory, report, progress),
        Err(error) => report.not_checked.push(format!("the contents: {error}")),
    }
}

fn read_contents(memory: StableMemory, report: &mut Report, progress: &ProgressBar) {
    let vault = match guarded(|| Vault::open(Content(RefCell::new(memory)))) {
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

/// Stable memory for the vault's own code. What cannot be read unwinds to [`guarded`]: the trait has no room for errors, and nothing may be
/// decoded from what is not there.
struct Content(RefCell<StableMemory>);

/// Why something could not be read, on its way to [`guarded`].
struct Unreadable(String);

impl Content {
    fn fail(error: &StableError) -> ! {
        resume_unwind(Box::new(Unreadable(match error {
            StableError::Store(StoreError::Damaged(what)) => {
                format!("{what} is not what was written")
            }
            error => error.to_string(),
        })))
    }
}

impl Memory for Content {
    fn size(&self) -> u64 {
        debug_assert_eq!(WASM_PAGE, 65_536);
        self.0.borrow().pages()
    }

    fn grow(&self, pages: u64) -> i64 {
        let grown = self.0.borrow_mut().grow(pages);
        grown.and_then(|old| i64::try_from(old).ok()).unwrap_or(-1)
    }

    fn read(&self, offset: u64, into: &mut [u8]) {
        let read = self.0.borrow_mut().read(offset, into);
        if let Err(error) = read {
            Content::fail(&error);
        }
    }

    /// Opening writes the headers of regions that were never used; it stays in memory.
    fn write(&self, offset: u64, bytes: &[u8]) {
        let written = self.0.borrow_mut().write(offset, bytes);
        if let Err(error) = written {
            Content::fail(&error);
        }
    }
}

/// Does something with the vault that may meet what cannot be read.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause: Box<dyn Any + Send>| {
        match cause.downcast::<Unreadable>() {
            Ok(unreadable) => unreadable.0,
            Err(_) => "it cannot be decoded".to_owned(),
        }
    })
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
