//! Figures of the host for Prometheus: counters, gauges and histograms that any thread may change, and their text form
//! (Prometheus text exposition format 0.0.4).
//!
//! Invariants: a label's values are fixed by this program, never taken from a request, so that the number of series is bounded and
//! nothing that somebody sent is shown; changing a figure takes no lock.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The content type of the text form.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds for times of a fraction of a millisecond to half a minute, in seconds.
pub const SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Upper bounds for numbers of messages.
pub const MESSAGES: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

/// Upper bounds for bytes, from a page to what a group of messages may have.
pub const BYTES: &[f64] = &[
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Adds `number`.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many of something there are just now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// There is one more, until what is returned is dropped.
    pub fn enter(&self) -> Present<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Present(self)
    }

    /// How many there are.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of those that a [`Gauge`] tells the number of.
#[derive(Debug)]
pub struct Present<'a>(&'a Gauge);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How often values were within certain bounds, and their sum.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above the last.
    counts: Box<[AtomicU64]>,
    /// In millionths, so that it can be added to atomically.
    sum: AtomicU64,
}

impl Histogram {
    /// A histogram with these upper bounds, which ascend.
    pub fn new(bounds: &'static [f64]) -> Histogram {
        Histogram {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Adds a value, which is not negative.
    pub fn observe(&self, value: f64) {
        let index = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // The cast saturates; the sum goes round after half a million years of seconds.
        self.sum
            .fetch_add((value * 1e6).round() as u64, Ordering::Relaxed);
    }

    /// Adds a time, in seconds.
    pub fn observe_time(&self, elapsed: Duration) {
        self.observe(elapsed.as_secs_f64());
    }
}

/// What kind of figure a family of series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The text form in the making.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins the family `name`; its samples follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a string does not fail, here and below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of the family begun last. Label values have neither quotes nor backslashes nor line ends.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        self.labels(labels);
        let _ = writeln!(self.0, " {value}");
    }

    /// A family with one sample and no labels.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The samples of a histogram of the family begun last.
    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut total = 0;
        let bounds = histogram
            .bounds
            .iter()
            .map(f64::to_string)
            .chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&histogram.counts) {
            total += count.load(Ordering::Relaxed);
            let mut labels = labels.to_vec();
            labels.push(("le", &bound));
            self.sample(&format!("{name}_bucket"), &labels, total);
        }
        let sum = histogram.sum.load(Ordering::Relaxed) as f64 / 1e6;
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, total);
    }

    /// The text.
    pub fn finish(self) -> String {
        self.0
    }

    fn labels(&mut self, labels: &[(&str, &str)]) {
        for (index, (name, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{name}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form() {
        let requests = Counter::default();
        requests.count();
        requests.add(2);
        let open = Gauge::default();
        let times = Histogram::new(&[0.5, 1.0]);
        for value in [0.1, 0.5, 0.7, 7.0] {
            times.observe(value);
        }
        let mut text = Exposition::default();
        text.family("a_total", Kind::Counter, "Requests.");
        text.sample(
            "a_total",
            &[("endpoint", "call"), ("status", "200")],
            requests.value(),
        );
        {
            let _present = open.enter();
            text.single("b", Kind::Gauge, "Open.", open.value());
        }
        assert_eq!(open.value(), 0);
        text.family("c_seconds", Kind::Histogram, "Times.");
        text.histogram("c_seconds", &[("kind", "x")], &times);
        assert_eq!(
            text.finish(),
            "# HELP a_total Requests.\n# TYPE a_total counter\n\
             a_total{endpoint=\"call\",status=\"200\"} 3\n\
             # HELP b Open.\n# TYPE b gauge\nb 1\n\
             # HELP c_seconds Times.\n# TYPE c_seconds histogram\n\
             c_seconds_bucket{kind=\"x\",le=\"0.5\"} 2\n\
             c_seconds_bucket{kind=\"x\",le=\"1\"} 3\n\
             c_seconds_bucket{kind=\"x\",le=\"+Inf\"} 4\n\
             c_seconds_sum{kind=\"x\"} 8.3\n\
             c_seconds_count{kind=\"x\"} 4\n"
        );
    }
}
