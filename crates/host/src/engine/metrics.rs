//! What the engine tells of itself: its figures, and whether it is ready.

use super::{Engine, Shared};
use crate::metrics::{BYTES, Counter, Exposition, Gauge, Histogram, Kind, MESSAGES, SECONDS};
use crate::runtime::RunState;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Bytes of the disk that have to be free for the host to count as ready: what one full group of messages may write, with the pages
/// of the database's trees that change along.
const MIN_DISK_FREE: u64 = 128 * 1024 * 1024;

/// The engine's figures.
#[derive(Debug)]
pub struct EngineMetrics {
    /// Instructions of updates, callbacks and the timer.
    pub update_instructions: Counter,
    /// Instructions of queries and of canister_inspect_message.
    pub query_instructions: Counter,
    /// Messages executed, one after the other.
    pub updates: Counter,
    /// Queries executed.
    pub queries: Counter,
    /// Queries that are being executed.
    pub queries_running: Gauge,
    /// Messages that changed nothing because they trapped.
    pub traps: Counter,
    pub commit_seconds: Histogram,
    pub commit_messages: Histogram,
    pub commit_bytes: Histogram,
    pub commits_failed: Counter,
    /// Why the last commit failed; none where it succeeded.
    failing: Mutex<Option<String>>,
}

impl Default for EngineMetrics {
    fn default() -> Self {
        EngineMetrics {
            update_instructions: Counter::default(),
            query_instructions: Counter::default(),
            updates: Counter::default(),
            queries: Counter::default(),
            queries_running: Gauge::default(),
            traps: Counter::default(),
            commit_seconds: Histogram::new(SECONDS),
            commit_messages: Histogram::new(MESSAGES),
            commit_bytes: Histogram::new(BYTES),
            commits_failed: Counter::default(),
            failing: Mutex::default(),
        }
    }
}

impl EngineMetrics {
    /// A commit succeeded, or failed for this reason.
    pub fn committed(&self, result: Result<(), &str>) {
        if result.is_err() {
            self.commits_failed.count();
        }
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) =
            result.err().map(str::to_owned);
    }

    fn failing(&self) -> Option<String> {
        self.failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Engine {
    /// Whether the canister runs and the disk takes what it writes.
    ///
    /// # Errors
    /// A sentence for the operator that says why not.
    pub fn readiness(&self) -> Result<(), String> {
        let shared = &self.inner.shared;
        let Some(latest) = shared.published.latest() else {
            return Err("The canister has not been started yet.".into());
        };
        if latest.module.is_none() {
            return Err("No canister is installed.".into());
        }
        if let Some(fault) = &latest.fault {
            return Err(format!("The canister does not start: {fault}."));
        }
        match latest.surroundings.run_state {
            RunState::Running => {}
            RunState::Stopping => return Err("The canister is being stopped.".into()),
            RunState::Stopped => return Err("The canister is stopped.".into()),
        }
        if shared.inbox.is_closed() {
            return Err("The host is shutting down.".into());
        }
        if let Some(error) = shared.metrics.failing() {
            return Err(format!("The state could not be stored: {error}."));
        }
        match disk_free(&shared.folder.data()) {
            Some(free) if free < MIN_DISK_FREE => {
                Err(format!("The disk is almost full: {free} bytes are free."))
            }
            _ => Ok(()),
        }
    }

    /// Adds the engine's figures and those of this process.
    pub fn describe(&self, to: &mut Exposition) {
        let shared = &self.inner.shared;
        let metrics = &shared.metrics;
        to.single(
            "keepsake_host_ready",
            Kind::Gauge,
            "1 where the canister runs and the disk takes what it writes.",
            u8::from(self.readiness().is_ok()),
        );
        describe_execution(shared, to);
        to.family(
            "keepsake_host_commit_seconds",
            Kind::Histogram,
            "How long writing a group of messages to the disk took.",
        );
        to.histogram("keepsake_host_commit_seconds", &[], &metrics.commit_seconds);
        to.family(
            "keepsake_host_commit_messages",
            Kind::Histogram,
            "Answers that left after a commit.",
        );
        to.histogram(
            "keepsake_host_commit_messages",
            &[],
            &metrics.commit_messages,
        );
        to.family(
            "keepsake_host_commit_bytes",
            Kind::Histogram,
            "Bytes of stable memory that a commit wrote.",
        );
        to.histogram("keepsake_host_commit_bytes", &[], &metrics.commit_bytes);
        to.single(
            "keepsake_host_commits_failed_total",
            Kind::Counter,
            "Groups of messages that could not be stored and were undone.",
            metrics.commits_failed.value(),
        );
        if let Some(latest) = shared.published.latest() {
            to.single(
                "keepsake_host_stable_memory_bytes",
                Kind::Gauge,
                "Bytes of stable memory the canister has.",
                u128::from(latest.stable_pages) * 65_536,
            );
        }
        describe_disk(&shared.folder.data(), to);
        if let Some(resident) = resident_bytes() {
            to.single(
                "process_resident_memory_bytes",
                Kind::Gauge,
                "Resident memory, what is mapped of the database included.",
                resident,
            );
        }
    }
}

fn describe_execution(shared: &Shared, to: &mut Exposition) {
    let metrics = &shared.metrics;
    to.family(
        "keepsake_host_messages_total",
        Kind::Counter,
        "Messages executed.",
    );
    let name = "keepsake_host_messages_total";
    to.sample(name, &[("kind", "update")], metrics.updates.value());
    to.sample(name, &[("kind", "query")], metrics.queries.value());
    to.family(
        "keepsake_host_instructions_total",
        Kind::Counter,
        "WebAssembly instructions, in the weights of the Internet Computer.",
    );
    let name = "keepsake_host_instructions_total";
    let (updates, queries) = (&metrics.update_instructions, &metrics.query_instructions);
    to.sample(name, &[("kind", "update")], updates.value());
    to.sample(name, &[("kind", "query")], queries.value());
    to.single(
        "keepsake_host_traps_total",
        Kind::Counter,
        "Messages that trapped, so that nothing of them was kept.",
        metrics.traps.value(),
    );
    to.family(
        "keepsake_host_waiting",
        Kind::Gauge,
        "Messages that wait to be executed.",
    );
    let name = "keepsake_host_waiting";
    to.sample(name, &[("kind", "update")], shared.inbox.waiting());
    to.sample(name, &[("kind", "query")], shared.queries.waiting());
    to.single(
        "keepsake_host_updates_pending",
        Kind::Gauge,
        "Update calls that came in and are not answered.",
        shared.pending.len(),
    );
    to.single(
        "keepsake_host_queries_running",
        Kind::Gauge,
        "Queries that are being executed.",
        metrics.queries_running.value(),
    );
}

fn describe_disk(data: &Path, to: &mut Exposition) {
    if let Some(free) = disk_free(data) {
        to.single(
            "keepsake_host_disk_free_bytes",
            Kind::Gauge,
            "Bytes that may still be written to the file system of the state folder.",
            free,
        );
    }
    if let Some(size) = folder_bytes(data) {
        to.single(
            "keepsake_host_database_bytes",
            Kind::Gauge,
            "Bytes that the database takes on the disk.",
            size,
        );
    }
}

/// Bytes that this account may still write to the file system of `folder`; `None` where the system does not say.
pub fn disk_free(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path is a C string that outlives the call, and the structure is the system's to fill.
    let failed = unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0;
    if failed {
        return None;
    }
    // SAFETY: the call has succeeded and has filled the structure.
    let found = unsafe { found.assume_init() };
    found.f_bavail.checked_mul(found.f_frsize)
}

/// Bytes of disk that the files of `folder` take.
fn folder_bytes(folder: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).ok()? {
        // Blocks of 512 bytes: a sparse file takes less than its length.
        bytes += entry.ok()?.metadata().ok()?.blocks() * 512;
    }
    Some(bytes)
}

/// Resident memory of this process, in bytes; `None` where the system does not say.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: the call takes no pointers and reads a constant of the system.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.checked_mul(u64::try_from(page).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_what_is_asked_of_it() {
        assert!(disk_free(Path::new("/")).is_some_and(|free| free > 0));
        assert_eq!(disk_free(Path::new("/nowhere/at all")), None);
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), vec![1; 10_000]).unwrap();
        assert!(folder_bytes(folder.path()).is_some_and(|bytes| bytes >= 8192));
    }

    #[test]
    fn a_failed_commit_is_told_until_one_succeeds() {
        let metrics = EngineMetrics::default();
        metrics.committed(Err("no space left"));
        assert_eq!(metrics.failing().as_deref(), Some("no space left"));
        metrics.committed(Ok(()));
        assert_eq!(metrics.failing(), None);
        assert_eq!(metrics.commits_failed.value(), 1);
    }
}
