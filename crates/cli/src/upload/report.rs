//! What became of each file: a line for people, or a line of JSON.
//!
//! With `--json` every file is one line, `{"event":"file","path":…,"status":…}`, as soon as its fate is known, and the
//! last line is `{"event":"summary",…}`. `status` is `created`, `already_there`, `repaired` or `failed`; each of
//! `derivatives` and of `companions` has a `status` of `added`, `already_there` or `failed`, the latter with a `reason`. What is
//! known from the journal alone has `"from_journal":true` and does not list them.

use std::{collections::BTreeMap, io, path::PathBuf};

use keepsake_client::{DerivativeFate, Fate, Kept, derivatives::Kind};
use serde::Serialize;

use super::journal::Entry;
use crate::output::{self, Output};

/// The fate of one file and its companions.
pub struct Report {
    path: PathBuf,
    fate: Outcome,
}

enum Outcome {
    Kept(Box<Kept>),
    /// An earlier run kept it, nothing has changed since, and its memory is there.
    Known {
        memory_id: String,
        bytes: u64,
        entry: Box<Entry>,
        companions: usize,
    },
    Failed(String),
}

#[derive(Serialize)]
struct FileEvent<'a> {
    event: &'static str,
    path: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(flatten)]
    kept: Option<KeptEvent<'a>>,
}

#[derive(Serialize)]
struct KeptEvent<'a> {
    memory_id: &'a str,
    memory_type: String,
    mime: &'a str,
    bytes: u64,
    sha256: String,
    captured_at: Option<String>,
    captured_at_source: Option<&'static str>,
    derivatives: BTreeMap<&'static str, DerivativeEvent<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    companions: Vec<CompanionEvent<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    from_journal: bool,
}

#[derive(Serialize)]
struct CompanionEvent<'a> {
    path: String,
    /// `motion` or `sidecar`.
    role: &'static str,
    #[serde(flatten)]
    fate: DerivativeEvent<'a>,
}

#[derive(Serialize)]
struct DerivativeEvent<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Report {
    pub fn kept(path: PathBuf, kept: Kept) -> Self {
        Report {
            path,
            fate: Outcome::Kept(Box::new(kept)),
        }
    }

    pub fn known(
        path: PathBuf,
        bytes: u64,
        memory_id: String,
        entry: Entry,
        companions: usize,
    ) -> Self {
        Report {
            path,
            fate: Outcome::Known {
                memory_id,
                bytes,
                entry: Box::new(entry),
                companions,
            },
        }
    }

    pub fn failed(path: PathBuf, reason: String) -> Self {
        Report {
            path,
            fate: Outcome::Failed(reason),
        }
    }

    fn status(&self) -> &'static str {
        match &self.fate {
            Outcome::Kept(kept) => match kept.fate {
                Fate::Created => "created",
                Fate::AlreadyThere => "already_there",
                Fate::Repaired => "repaired",
            },
            Outcome::Known { .. } => "already_there",
            Outcome::Failed(_) => "failed",
        }
    }

    pub fn print(&self, output: &mut Output) -> io::Result<()> {
        if output.is_json() {
            return output.json(&self.event());
        }
        let status = self.status().replace('_', " ");
        let path = output::printable(&self.path.display().to_string());
        let (bytes, memory_id) = match &self.fate {
            Outcome::Failed(reason) => {
                let reason = output::printable(reason);
                return output.line(&format!("{status:<13}  {path}: {reason}"));
            }
            Outcome::Known {
                bytes, memory_id, ..
            } => (*bytes, memory_id),
            Outcome::Kept(kept) => (kept.len, &kept.memory_id),
        };
        let bytes = output::bytes(bytes);
        output.line(&format!("{status:<13}  {path}  {bytes}  {memory_id}"))?;
        if let Outcome::Kept(kept) = &self.fate {
            for (reason, kinds) in failed_derivatives(kept) {
                let reason = output::printable(reason);
                output.line(&format!("{:<13}  no {}: {reason}", "", kinds.join(", ")))?;
            }
            for companion in &kept.companions {
                let path = output::printable(&companion.path.display().to_string());
                output.line(&match &companion.fate {
                    DerivativeFate::Failed(reason) => {
                        format!("{:<13}  without {path}: {}", "", output::printable(reason))
                    }
                    DerivativeFate::Added | DerivativeFate::AlreadyThere => {
                        format!("{:<13}  with {path}", "")
                    }
                })?;
            }
        }
        Ok(())
    }

    fn event(&self) -> FileEvent<'_> {
        let (error, kept) = match &self.fate {
            Outcome::Failed(reason) => (Some(reason.as_str()), None),
            Outcome::Kept(kept) => (None, Some(kept_event(kept))),
            Outcome::Known {
                memory_id,
                bytes,
                entry,
                ..
            } => (
                None,
                Some(KeptEvent {
                    memory_id,
                    memory_type: entry.memory_type.clone(),
                    mime: &entry.mime,
                    bytes: *bytes,
                    sha256: entry.sha256.clone(),
                    captured_at: None,
                    captured_at_source: None,
                    derivatives: BTreeMap::new(),
                    companions: Vec::new(),
                    from_journal: true,
                }),
            ),
        };
        FileEvent {
            event: "file",
            path: self.path.to_string_lossy().into_owned(),
            status: self.status(),
            error,
            kept,
        }
    }
}

fn kept_event(kept: &Kept) -> KeptEvent<'_> {
    KeptEvent {
        memory_id: &kept.memory_id,
        memory_type: output::lower(kept.memory_type),
        mime: &kept.mime,
        bytes: kept.len,
        sha256: hex::encode(kept.sha256),
        captured_at: kept.captured.and_then(|time| output::rfc3339(time.nanos)),
        captured_at_source: kept.captured.map(|time| time.source.tag()),
        derivatives: kept
            .derivatives
            .iter()
            .map(|(kind, fate)| (kind.name(), derivative_event(fate)))
            .collect(),
        companions: kept
            .companions
            .iter()
            .map(|companion| CompanionEvent {
                path: companion.path.to_string_lossy().into_owned(),
                role: companion.role.name(),
                fate: derivative_event(&companion.fate),
            })
            .collect(),
        from_journal: false,
    }
}

fn derivative_event(fate: &DerivativeFate) -> DerivativeEvent<'_> {
    let (status, reason) = match fate {
        DerivativeFate::Added => ("added", None),
        DerivativeFate::AlreadyThere => ("already_there", None),
        DerivativeFate::Failed(reason) => ("failed", Some(reason.as_str())),
    };
    DerivativeEvent { status, reason }
}

/// Derivatives that are missing, together where the reason is the same.
fn failed_derivatives(kept: &Kept) -> BTreeMap<&str, Vec<&'static str>> {
    let mut by_reason: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    // The largest first, as people name them.
    let mut derivatives: Vec<&(Kind, DerivativeFate)> = kept.derivatives.iter().collect();
    derivatives.sort_by_key(|(kind, _)| std::cmp::Reverse(*kind));
    for (kind, fate) in derivatives {
        if let DerivativeFate::Failed(reason) = fate {
            by_reason.entry(reason).or_default().push(kind.name());
        }
    }
    by_reason
}

/// The run as a whole.
#[derive(Debug, Serialize)]
pub struct Summary {
    event: &'static str,
    capsule_id: String,
    created: usize,
    already_there: usize,
    repaired: usize,
    /// Kept, but not with all derivatives and companions; also counted as one of the above.
    incomplete: usize,
    failed: usize,
    /// Files that are kept with another one, as the motion of a live photo or a sidecar.
    companions: usize,
    /// Bytes of the originals of new memories.
    bytes_created: u64,
}

impl Summary {
    pub fn new(capsule_id: &str) -> Self {
        Summary {
            event: "summary",
            capsule_id: capsule_id.to_owned(),
            created: 0,
            already_there: 0,
            repaired: 0,
            incomplete: 0,
            failed: 0,
            companions: 0,
            bytes_created: 0,
        }
    }

    pub fn count(&mut self, report: &Report) {
        match &report.fate {
            Outcome::Kept(kept) => {
                match kept.fate {
                    Fate::Created => {
                        self.created += 1;
                        self.bytes_created += kept.len;
                    }
                    Fate::AlreadyThere => self.already_there += 1,
                    Fate::Repaired => self.repaired += 1,
                }
                self.incomplete += usize::from(!kept.is_whole());
                let is_there = |fate: &DerivativeFate| !matches!(fate, DerivativeFate::Failed(_));
                self.companions += kept.companions.iter().filter(|c| is_there(&c.fate)).count();
            }
            Outcome::Known { companions, .. } => {
                self.already_there += 1;
                self.companions += companions;
            }
            Outcome::Failed(_) => self.failed += 1,
        }
    }

    pub fn all_well(&self) -> bool {
        self.failed == 0 && self.incomplete == 0
    }

    pub fn print(&self, output: &mut Output) -> io::Result<()> {
        if output.is_json() {
            return output.json(self);
        }
        let total = self.created + self.already_there + self.repaired + self.failed;
        if total == 0 {
            return output.line("no files found");
        }
        let mut text = format!(
            "{}: {} created ({}), {} already there",
            output::count(total, "file", "files"),
            self.created,
            output::bytes(self.bytes_created),
            self.already_there
        );
        for (n, what) in [
            (self.repaired, "repaired"),
            (self.incomplete, "without all that should come with it"),
            (self.failed, "failed"),
            (self.companions, "kept with another file"),
        ] {
            if n > 0 {
                text.push_str(&format!(", {n} {what}"));
            }
        }
        output.line(&text)
    }
}

#[cfg(test)]
mod tests {
    use keepsake_client::api::MemoryType;

    use super::*;

    fn photo() -> Kept {
        Kept {
            fate: Fate::Created,
            memory_id: "m1".into(),
            memory_type: MemoryType::Image,
            mime: "image/jpeg".into(),
            sha256: [0xab; 32],
            len: 10,
            captured: None,
            derivatives: vec![
                (Kind::Placeholder, DerivativeFate::Added),
                (Kind::Thumbnail, DerivativeFate::Failed("cut short".into())),
                (Kind::Display, DerivativeFate::Failed("cut short".into())),
            ],
            companions: Vec::new(),
        }
    }

    #[test]
    fn a_kept_photo_with_missing_derivatives_is_not_all_well() {
        let report = Report::kept("a.jpg".into(), photo());
        let mut summary = Summary::new("c1");
        summary.count(&report);
        assert!(!summary.all_well());
        assert_eq!((summary.created, summary.incomplete), (1, 1));
        let event = serde_json::to_value(report.event()).unwrap();
        assert_eq!(event["status"], "created");
        assert_eq!(event["memory_type"], "image");
        assert_eq!(event["derivatives"]["placeholder"]["status"], "added");
        assert_eq!(event["derivatives"]["display"]["reason"], "cut short");
        assert!(event.get("error").is_none());
        assert_eq!(
            failed_derivatives(&photo())["cut short"],
            ["display", "thumbnail"]
        );
    }

    #[test]
    fn a_failure_has_its_reason_and_nothing_else() {
        let report = Report::failed("a.jpg".into(), "not a regular file".into());
        let event = serde_json::to_value(report.event()).unwrap();
        assert_eq!(
            event,
            serde_json::json!({
                "event": "file", "path": "a.jpg", "status": "failed", "error": "not a regular file"
            })
        );
    }
}
