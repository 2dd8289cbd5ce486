//! What the kernel says of this process: bytes written, processor time, memory.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Counters since the start of this process, or of the machine where it says so.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// Bytes that this process passed to write calls (`wchar` of /proc/self/io). Every commit flushes, so they all reach the disk,
    /// apart from what one commit overwrites of its own. `write_bytes` would be the natural counter, but where the page cache uses large
    /// folios it counts a whole folio for one dirty page of it (Linux 6.18 on ext4: up to 40 times too much).
    pub written: u64,
    /// Bytes written to the block device below the folder by everybody, with the file system's journal.
    pub device: u64,
    /// Processor time of the process, user and system, in seconds.
    pub cpu_seconds: f64,
}

impl Counters {
    /// Reads the counters; `dir` says which block device counts.
    pub fn now(dir: &Path) -> Result<Self> {
        let io = std::fs::read_to_string("/proc/self/io")?;
        let written = io
            .lines()
            .find_map(|line| line.strip_prefix("wchar: "))
            .context("no wchar in /proc/self/io")?
            .parse()?;
        let dev = std::fs::metadata(dir)?.dev();
        let stat = std::fs::read_to_string(format!(
            "/sys/dev/block/{}:{}/stat",
            libc::major(dev),
            libc::minor(dev)
        ))
        .context("the folder is not on a block device")?;
        let sectors: u64 = stat
            .split_whitespace()
            .nth(6)
            .context("no written sectors in the device's stat")?
            .parse()?;
        // SAFETY: an all-zero rusage is a valid value, and getrusage fills the one it is given.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
            usage
        };
        let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
        Ok(Self {
            written,
            device: sectors * 512,
            cpu_seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        })
    }
}

/// Memory of this process in MiB, without the file pages that a memory map shares with the page cache.
pub fn anonymous_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .context("no RssAnon in /proc/self/status")?
        .trim_end_matches("kB")
        .trim()
        .parse()?;
    Ok(kib / 1024.0)
}

/// Bytes allocated on disk by the files of a folder.
pub fn disk_usage(dir: &Path) -> Result<u64> {
    std::fs::read_dir(dir)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.blocks() * 512))
}

/// Figures of one load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Load {
    /// Messages (or reads of one transaction each) a second.
    pub per_second: f64,
    /// Median and 99th percentile of one commit or one read transaction, in microseconds.
    pub p50_us: f64,
    pub p99_us: f64,
    /// Processor time a message, in microseconds.
    pub cpu_us: f64,
    /// Bytes written per byte handed to the store; 0 for reads.
    pub amplification: f64,
    /// KiB written a message; 0 for reads.
    pub written_kib: f64,
    /// KiB that the block device saw a message, from everybody on the machine; 0 for reads.
    pub device_kib: f64,
    /// Content written or read, MB (10^6 bytes) a second.
    pub mb_per_second: f64,
}

/// The value at `quantile` of sorted `times`, in microseconds.
pub fn quantile(times: &[f64], quantile: f64) -> f64 {
    let index = (times.len() as f64 * quantile) as usize;
    times
        .get(index.min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
        * 1e6
}
