//! The committed counts: a file to compare with, and a table to read.

use crate::workspace::root;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::PathBuf;

/// One call's count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The method, and which of its uses where it has several.
    pub call: String,
    /// Memories in the vault when it was called.
    pub memories: u32,
    /// WebAssembly instructions as the Internet Computer weighs them; the mean of many calls.
    pub instructions: u64,
}

/// All counts of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub counts: Vec<Count>,
}

/// What a count may rise by: the larger of the two.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    pub fraction: f64,
    pub instructions: u64,
}

impl Tolerance {
    fn permits(self, old: u64, new: u64) -> bool {
        let rise = new.saturating_sub(old);
        rise <= self.instructions || rise as f64 <= old as f64 * self.fraction
    }
}

impl Record {
    /// The committed record.
    pub fn read() -> Result<Self> {
        let path = path()?;
        let text = std::fs::read_to_string(&path)
            .context("benches/instructions.json cannot be read; `cargo xtask bench` makes it")?;
        serde_json::from_str(&text).context("benches/instructions.json is not a record of counts")
    }

    /// Writes the record and its table.
    pub fn write(&self, sizes: &[u32]) -> Result<()> {
        std::fs::write(path()?, serde_json::to_string_pretty(self)? + "\n")?;
        let readme = root()?.join("benches/README.md");
        std::fs::write(
            &readme,
            INTRODUCTION.to_owned() + &self.table(sizes) + EXPLANATION,
        )?;
        println!("\nbenches/instructions.json and benches/README.md written");
        Ok(())
    }

    /// What became worse than `old` by more than `tolerance` permits, and calls that `old` does not know, as sentences.
    pub fn compare(&self, old: &Self, tolerance: Tolerance) -> Vec<String> {
        let mut changes = Vec::new();
        for new in &self.counts {
            let at = format!("{} at {} memories", new.call, new.memories);
            match old.find(&new.call, new.memories) {
                None => changes.push(format!(
                    "{at}: {} instructions, and no committed count",
                    thousands(new.instructions)
                )),
                Some(count) if !tolerance.permits(count, new.instructions) => {
                    changes.push(format!(
                        "{at}: {} instructions, {:+.1} % over the committed {}",
                        thousands(new.instructions),
                        (new.instructions as f64 / count as f64 - 1.0) * 100.0,
                        thousands(count)
                    ))
                }
                Some(_) => {}
            }
        }
        for gone in old
            .counts
            .iter()
            .filter(|old| self.find(&old.call, old.memories).is_none())
        {
            changes.push(format!(
                "{} at {} memories is no longer counted",
                gone.call, gone.memories
            ));
        }
        changes
    }

    /// The counts as a Markdown table, one line a call, one column a size, and how the last relates to the first.
    pub fn table(&self, sizes: &[u32]) -> String {
        let mut table = String::from("| call |");
        for size in sizes {
            let _ = write!(table, " at {} |", thousands(u64::from(*size)));
        }
        table.push_str(" ratio |\n| --- |");
        table.push_str(&" ---: |".repeat(sizes.len() + 1));
        table.push('\n');
        let mut calls: Vec<&str> = Vec::new();
        for count in &self.counts {
            if !calls.contains(&count.call.as_str()) {
                calls.push(&count.call);
            }
        }
        for call in calls {
            let counts: Vec<Option<u64>> =
                sizes.iter().map(|size| self.find(call, *size)).collect();
            let _ = write!(table, "| {call} |");
            for count in &counts {
                let _ = write!(table, " {} |", count.map_or("-".to_owned(), thousands));
            }
            match (counts.first(), counts.last()) {
                (Some(Some(first)), Some(Some(last))) if *first > 0 => {
                    let _ = writeln!(table, " {:.2} |", *last as f64 / *first as f64);
                }
                _ => table.push_str(" - |\n"),
            }
        }
        table
    }

    fn find(&self, call: &str, memories: u32) -> Option<u64> {
        self.counts
            .iter()
            .find(|c| c.call == call && c.memories == memories)
            .map(|c| c.instructions)
    }
}

fn path() -> Result<PathBuf> {
    Ok(root()?.join("benches/instructions.json"))
}

/// A number with commas between its thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const INTRODUCTION: &str = "\
# Measurements

`cargo xtask bench` writes this file and instructions.json; `cargo xtask bench --check`, a part of `cargo xtask test`, fails where
a count rises by more than 5 % (and 2,000 instructions). The comparison of embedded stores for the host lies in [store](store), its
result in [docs/decisions/0001-store.md](../docs/decisions/0001-store.md). How the gallery scrolls is in [web.md](web.md).

## Instructions per call

WebAssembly instructions of one call with the Internet Computer's weights, by the number of memories in the capsule.

";

const EXPLANATION: &str = "
Each count is the mean of many calls in a vault with one capsule, whose memories carry one inline asset of 1 KiB each; what a call adds is deleted
before the next. Content is different in each call, so that nothing is stored twice under one hash. A message's own
price (1.2 M cycles, and 2,000 a byte received) comes on top.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn record(counts: &[(&str, u32, u64)]) -> Record {
        let counts = counts
            .iter()
            .map(|(call, memories, instructions)| Count {
                call: (*call).to_owned(),
                memories: *memories,
                instructions: *instructions,
            })
            .collect();
        Record { counts }
    }

    const TOLERANCE: Tolerance = Tolerance {
        fraction: 0.05,
        instructions: 20,
    };

    #[test]
    fn a_rise_above_the_tolerance_is_named() {
        let old = record(&[("a", 10, 1000), ("b", 10, 1000), ("c", 10, 100)]);
        let new = record(&[("a", 10, 1050), ("b", 10, 1051), ("c", 10, 120)]);
        let changes = new.compare(&old, TOLERANCE);
        assert_eq!(
            changes,
            ["b at 10 memories: 1,051 instructions, +5.1 % over the committed 1,000"]
        );
    }

    #[test]
    fn new_and_lost_calls_are_named() {
        let old = record(&[("lost", 10, 1)]);
        let changes = record(&[("new", 10, 1)]).compare(&old, TOLERANCE);
        assert_eq!(changes.len(), 2);
    }

    #[test]
    fn a_line_shows_every_size_and_the_ratio() {
        let table =
            record(&[("whoami", 10, 1_000), ("whoami", 10_000, 1_234_567)]).table(&[10, 10_000]);
        assert!(
            table.ends_with("| whoami | 1,000 | 1,234,567 | 1234.57 |\n"),
            "{table}"
        );
    }
}
