//! The loads: a vault's traffic reduced to what its store sees of it.

use crate::engine::{Engine, Reader};
use crate::measure::{Counters, Load, quantile};
use anyhow::Result;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// Content of one chunk, as clients upload them.
pub const CHUNK_BYTES: u64 = 1_800_000;

/// A small deterministic generator (xorshift64*): every store gets the same load.
pub struct Random(pub u64);

impl Random {
    /// The next number below `bound`, which is above 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}

/// Writes a load to a store and keeps what is needed to check it later.
pub struct Writer<'a> {
    pub engine: &'a mut dyn Engine,
    /// The store's folder.
    pub dir: &'a Path,
    pub unit: Vec<u8>,
    /// Units filled before the loads.
    pub filled: u64,
    /// Bytes appended after the filled units.
    pub appended: u64,
    pub seq: u64,
    pub random: Random,
}

impl<'a> Writer<'a> {
    /// A writer of `unit_bytes` units over a store whose first `filled` units are written.
    pub fn new(
        engine: &'a mut dyn Engine,
        dir: &'a Path,
        unit_bytes: usize,
        filled: u64,
        seq: u64,
    ) -> Self {
        let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ seq);
        // Content that does not compress, as photos do not.
        let unit = (0..unit_bytes).map(|_| random.below(256) as u8).collect();
        Self {
            engine,
            dir,
            unit,
            filled,
            appended: 0,
            seq,
            random,
        }
    }

    /// Commits `units`, stamped with the commit's number so that a reader can tell which commit wrote them.
    pub fn commit(&mut self, units: &[u64]) -> Result<()> {
        self.seq += 1;
        self.unit[..8].copy_from_slice(&self.seq.to_le_bytes());
        self.engine.commit(self.seq, units, &self.unit)
    }

    /// Writes every unit of the base, 16 MiB a commit.
    pub fn fill(&mut self) -> Result<()> {
        let step = (16 << 20) / self.unit.len() as u64;
        let mut first = 0;
        while first < self.filled {
            let units: Vec<u64> = (first..self.filled.min(first + step)).collect();
            self.commit(&units)?;
            first += step;
        }
        Ok(())
    }

    /// The units that `messages` small messages dirty: 3 to 8 random ones each, a unit once.
    pub fn small(&mut self, messages: u64) -> Vec<u64> {
        let mut units = Vec::new();
        for _ in 0..messages {
            for _ in 0..3 + self.random.below(6) {
                units.push(self.random.below(self.filled));
            }
        }
        units.sort_unstable();
        units.dedup();
        units
    }

    /// The units that one appended chunk touches, and 4 small random ones (the index, the session, the free list).
    pub fn chunk(&mut self) -> Vec<u64> {
        let unit = self.unit.len() as u64;
        let (start, end) = (self.appended, self.appended + CHUNK_BYTES);
        self.appended = end;
        let mut units: Vec<u64> = (0..4).map(|_| self.random.below(self.filled)).collect();
        units.sort_unstable();
        units.dedup();
        units.extend((start / unit..=(end - 1) / unit).map(|n| self.filled + n));
        units
    }

    /// Runs commits for `time`; `next` gives the units of each. `content` is the bytes a commit counts for in MB/s;
    /// `messages` how many messages it carries.
    pub fn run(
        &mut self,
        time: Duration,
        messages: u64,
        content: u64,
        mut next: impl FnMut(&mut Self) -> Vec<u64>,
    ) -> Result<Load> {
        let (before, start) = (Counters::now(self.dir)?, Instant::now());
        let (mut times, mut handed) = (Vec::new(), 0u64);
        while start.elapsed() < time {
            let units = next(self);
            let began = Instant::now();
            self.commit(&units)?;
            times.push(began.elapsed().as_secs_f64());
            handed += units.len() as u64 * self.unit.len() as u64;
        }
        let seconds = start.elapsed().as_secs_f64();
        let after = Counters::now(self.dir)?;
        times.sort_unstable_by(f64::total_cmp);
        let sent = times.len() as f64 * messages as f64;
        let written = (after.written - before.written) as f64;
        Ok(Load {
            per_second: sent / seconds,
            p50_us: quantile(&times, 0.5),
            p99_us: quantile(&times, 0.99),
            cpu_us: (after.cpu_seconds - before.cpu_seconds) * 1e6 / sent,
            amplification: written / handed as f64,
            written_kib: written / 1024.0 / sent,
            device_kib: (after.device - before.device) as f64 / 1024.0 / sent,
            mb_per_second: times.len() as f64 * content as f64 / seconds / 1e6,
        })
    }
}

/// Reads `range` of 8 random units of the first `filled` a transaction, from two threads, for `time`.
pub fn read(
    engine: &dyn Engine,
    dir: &Path,
    filled: u64,
    range: &Range<usize>,
    time: Duration,
) -> Result<Load> {
    const UNITS: usize = 8;
    let (before, start) = (Counters::now(dir)?, Instant::now());
    let one = |seed: u64| -> Result<Vec<f64>> {
        let (mut random, mut times, mut sum) = (Random(seed), Vec::new(), 0u64);
        let mut reader: Box<dyn Reader + '_> = engine.reader()?;
        while start.elapsed() < time {
            let units: [u64; UNITS] = std::array::from_fn(|_| random.below(filled));
            let began = Instant::now();
            // Looks at every cache line, as a copy into the canister's memory would.
            reader.read(&units, range.clone(), &mut |bytes| {
                sum += bytes.iter().step_by(64).map(|b| u64::from(*b)).sum::<u64>()
            })?;
            times.push(began.elapsed().as_secs_f64());
        }
        std::hint::black_box(sum);
        Ok(times)
    };
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| one(11));
        let first = one(7);
        (first, other.join())
    });
    let mut times = first?;
    times.extend(second.map_err(|_| anyhow::anyhow!("a reading thread panicked"))??);
    let seconds = start.elapsed().as_secs_f64();
    let after = Counters::now(dir)?;
    times.sort_unstable_by(f64::total_cmp);
    let count = times.len() as f64;
    Ok(Load {
        per_second: count / seconds,
        p50_us: quantile(&times, 0.5),
        p99_us: quantile(&times, 0.99),
        cpu_us: (after.cpu_seconds - before.cpu_seconds) * 1e6 / count,
        amplification: 0.0,
        written_kib: 0.0,
        device_kib: 0.0,
        mb_per_second: count * (UNITS * range.len()) as f64 / seconds / 1e6,
    })
}
