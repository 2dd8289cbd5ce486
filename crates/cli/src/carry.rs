//! What `export`, `import` and `mirror` tell while they work: each memory's fate, a bar on a terminal, and a summary.
//!
//! With `--json` every memory is one line, `{"event":"memory","status":…,"name":…,"memory_id":…,"files":[…]}`, as soon as its
//! fate is known, and the last line is `{"event":"summary",…}`. `status` is `added`, `updated`, `unchanged`, `differs`,
//! `gone`, `removed` or `failed`, the latter with an `error`; of each of `files` `transferred` says whether its content
//! travelled in this run.

use std::{cell::RefCell, collections::BTreeMap, io, io::IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keepsake_client::archive::{ArchiveError, MemoryReport, Status, Watch};
use serde::Serialize;

use crate::{
    Outcome,
    output::{self, Output},
    problem,
};

/// Memories side by side, unless told otherwise.
pub const JOBS: u16 = 4;

/// Tells of one run.
pub struct Telling<'a> {
    output: RefCell<&'a mut Output>,
    bar: ProgressBar,
    counts: RefCell<Counts>,
}

#[derive(Default)]
struct Counts {
    by_status: BTreeMap<&'static str, usize>,
    bytes: u64,
}

#[derive(Serialize)]
struct MemoryEvent<'a> {
    event: &'static str,
    status: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_id: Option<&'a str>,
    files: Vec<FileEvent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct FileEvent<'a> {
    path: &'a str,
    bytes: u64,
    transferred: bool,
}

impl<'a> Telling<'a> {
    pub fn new(output: &'a mut Output) -> Self {
        let target = if output.is_json() || !io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        ) {
            bar.set_style(style);
        }
        Telling {
            output: RefCell::new(output),
            bar,
            counts: RefCell::new(Counts::default()),
        }
    }

    /// Ends with the summary; `more` is added to it in JSON.
    pub fn finish(self, more: serde_json::Value) -> io::Result<Outcome> {
        self.bar.finish_and_clear();
        let counts = self.counts.into_inner();
        let output = self.output.into_inner();
        let of = |status: Status| counts.by_status.get(status.name()).copied().unwrap_or(0);
        if output.is_json() {
            let mut summary = serde_json::json!({
                "event": "summary",
                "bytes_transferred": counts.bytes,
            });
            if let Some(fields) = summary.as_object_mut() {
                for status in ALL {
                    fields.insert(status.name().to_owned(), of(status).into());
                }
                if let serde_json::Value::Object(more) = more {
                    fields.extend(more);
                }
            }
            output.json(&summary)?;
        } else {
            output.line(&summary_line(&counts))?;
        }
        Ok(if of(Status::Failed) == 0 {
            Outcome::AllWell
        } else {
            Outcome::SomethingWrong
        })
    }
}

/// In the order of the summary.
const ALL: [Status; 7] = [
    Status::Added,
    Status::Updated,
    Status::Unchanged,
    Status::Differs,
    Status::Gone,
    Status::Removed,
    Status::Failed,
];

fn summary_line(counts: &Counts) -> String {
    let total: usize = counts.by_status.values().sum();
    if total == 0 {
        return "no memories".to_owned();
    }
    let parts: Vec<String> = ALL
        .iter()
        .filter_map(|status| {
            let n = counts.by_status.get(status.name())?;
            Some(format!("{n} {}", status.name()))
        })
        .collect();
    format!(
        "{}: {}; {} transferred",
        output::count(total, "memory", "memories"),
        parts.join(", "),
        output::bytes(counts.bytes)
    )
}

impl Watch for Telling<'_> {
    fn planned(&self, _memories: usize, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    fn advanced(&self, bytes: u64) {
        // An estimate may be passed; the bar must not.
        let room = self
            .bar
            .length()
            .unwrap_or(0)
            .saturating_sub(self.bar.position());
        self.bar.inc(bytes.min(room));
    }

    fn done(&self, report: &MemoryReport) -> io::Result<()> {
        let bytes = report.bytes_moved();
        {
            let mut counts = self.counts.borrow_mut();
            *counts.by_status.entry(report.status.name()).or_default() += 1;
            counts.bytes += bytes;
        }
        let mut output = self.output.borrow_mut();
        if output.is_json() {
            return output.json(&event(report));
        }
        // What stays as it is would bury what does not.
        if report.status == Status::Unchanged {
            return Ok(());
        }
        let line = line(report, bytes);
        self.bar.suspend(|| output.line(&line))
    }
}

fn event(report: &MemoryReport) -> MemoryEvent<'_> {
    MemoryEvent {
        event: "memory",
        status: report.status.name(),
        name: &report.name,
        memory_id: report.memory_id.as_deref(),
        files: report
            .files
            .iter()
            .map(|file| FileEvent {
                path: &file.path,
                bytes: file.bytes,
                transferred: file.moved,
            })
            .collect(),
        error: report.error.as_deref(),
    }
}

fn line(report: &MemoryReport, bytes: u64) -> String {
    let id = report.memory_id.as_deref().unwrap_or_default();
    // A memory is known by its first file, beside which its sidecar lies.
    let name = report.name.strip_suffix(".json").unwrap_or(&report.name);
    let name = if name.is_empty() { id } else { name };
    let end = match &report.error {
        Some(error) => format!(": {error}"),
        None if bytes > 0 => format!("  {}", output::bytes(bytes)),
        None => String::new(),
    };
    output::printable(&format!("{:<9}  {name}{end}", report.status.name()))
}

/// An error of an archive with what it wraps laid open, so that it is explained as any other.
pub fn laid_open(error: ArchiveError) -> anyhow::Error {
    match error {
        ArchiveError::Vault(error) => error.into(),
        ArchiveError::Output(error) => error.into(),
        other => other.into(),
    }
}

/// The same for an error of which vault it came from.
pub fn laid_open_of(which: &str, error: &keepsake_client::ClientError) -> anyhow::Error {
    anyhow::anyhow!("{which}: {}", problem::explain_client(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(status: Status, error: Option<&str>) -> MemoryReport {
        MemoryReport {
            status,
            name: "data/mine/2019/2019-07/a\u{1b}.jpg.json".to_owned(),
            memory_id: Some("mem_1".to_owned()),
            files: Vec::new(),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn a_fate_is_one_line_that_drives_no_terminal() {
        assert_eq!(
            line(&report(Status::Failed, Some("it is damaged")), 0),
            "failed     data/mine/2019/2019-07/a\u{fffd}.jpg: it is damaged"
        );
        let event = serde_json::to_value(event(&report(Status::Added, None))).unwrap();
        assert_eq!(
            (&event["event"], &event["status"]),
            (&"memory".into(), &"added".into())
        );
        assert!(event.get("error").is_none());
    }

    #[test]
    fn the_summary_counts_what_there_was() {
        let mut counts = Counts::default();
        assert_eq!(summary_line(&counts), "no memories");
        counts.by_status.extend([("unchanged", 3), ("failed", 1)]);
        assert_eq!(
            summary_line(&counts),
            "4 memories: 3 unchanged, 1 failed; 0 B transferred"
        );
    }
}
