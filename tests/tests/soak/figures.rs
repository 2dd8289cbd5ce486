//! What the people of a soak did, counted and timed.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Counts of everybody together.
#[derive(Default)]
pub struct Figures {
    /// Time of every answered call, by what it was for.
    answered: Mutex<BTreeMap<&'static str, Vec<Duration>>>,
    /// Calls that were sent again, because their answer did not come.
    again: AtomicU64,
    /// Contents read back and found to be what was put in.
    verified: AtomicU64,
}

impl Figures {
    pub fn answered(&self, what: &'static str, after: Duration) {
        let mut answered = self.answered.lock().unwrap();
        answered.entry(what).or_default().push(after);
    }

    pub fn sent_again(&self) {
        self.again.fetch_add(1, Ordering::Relaxed);
    }

    pub fn verified(&self, contents: u64) {
        self.verified.fetch_add(contents, Ordering::Relaxed);
    }

    /// All in one line.
    pub fn line(&self) -> String {
        let answered = self.answered.lock().unwrap();
        let total: usize = answered.values().map(Vec::len).sum();
        let again = self.again.load(Ordering::Relaxed);
        let verified = self.verified.load(Ordering::Relaxed);
        format!("{total} answered, {again} sent again, {verified} contents verified")
    }

    /// All in a table, with times in milliseconds.
    pub fn report(&self) -> String {
        let mut text = format!("{}\n", self.line());
        let row = |text: &mut String, cells: [String; 6]| {
            let [what, rest @ ..] = cells;
            let _ = write!(text, "{what:<12}");
            for cell in rest {
                let _ = write!(text, "{cell:>10}");
            }
            text.push('\n');
        };
        let head = ["", "answered", "p50 ms", "p90 ms", "p99 ms", "max ms"];
        row(&mut text, head.map(str::to_owned));
        for (what, times) in self.answered.lock().unwrap().iter() {
            let mut times = times.clone();
            times.sort_unstable();
            let at = |share: usize| {
                let index = (times.len() * share / 100).min(times.len() - 1);
                format!("{:.1}", times[index].as_secs_f64() * 1_000.0)
            };
            let count = times.len().to_string();
            let cells = [(*what).to_owned(), count, at(50), at(90), at(99), at(100)];
            row(&mut text, cells);
        }
        text
    }
}
