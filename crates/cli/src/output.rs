//! Results on standard output, as text or as JSON. Write errors are returned, never a panic: the reader may have gone.

use std::io::{self, Write};

use serde::Serialize;

/// Where results go.
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Output { json }
    }

    /// Whether JSON was asked for.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One line of text.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// One JSON document, on one line.
    pub fn json(&mut self, document: &impl Serialize) -> io::Result<()> {
        self.line(&serde_json::to_string(document)?)
    }
}

/// A number of bytes for people: `1.5 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = "B";
    for larger in UNITS {
        // Just below, and not at, 1024, so that no value is shown as 1024.0 of its unit.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "B" {
        format!("{n} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// `1 file`, `2 files`.
pub fn count(n: usize, singular: &str, plural: &str) -> String {
    format!("{n} {}", if n == 1 { singular } else { plural })
}

/// A time in nanoseconds since 1970 UTC as `2020-05-01 12:33`.
pub fn date(nanos: u64) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]");
    time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos))
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The same in RFC 3339, for JSON.
pub fn rfc3339(nanos: u64) -> Option<String> {
    time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos))
        .ok()?
        .format(&time::format_description::well_known::Rfc3339)
        .ok()
}

/// The name of a variant, as `--json` and listings show it.
pub fn lower(variant: impl std::fmt::Debug) -> String {
    format!("{variant:?}").to_lowercase()
}

/// Text from a vault or a file system, fit for a terminal: control characters are shown, not obeyed.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(1_024), "1.0 KiB");
        assert_eq!(bytes(1_048_575), "1.0 MiB");
        assert_eq!(bytes(1_581_031), "1.5 MiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }

    #[test]
    fn dates_for_people() {
        assert_eq!(date(1_588_336_402_000_000_000), "2020-05-01 12:33");
        assert_eq!(date(u64::MAX), "2554-07-21 23:34");
        assert_eq!(
            rfc3339(1_588_336_402_000_000_000).as_deref(),
            Some("2020-05-01T12:33:22Z")
        );
    }

    #[test]
    fn a_title_cannot_drive_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
