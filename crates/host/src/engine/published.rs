//! The canister as it was committed last: what queries see.
//!
//! A query reads stable memory from the database and the heap from here, and both have to be of one commit. So a version is known here
//! before its commit becomes visible in the database, and is handed out after those who certify it have taken it over. A query
//! opens the database first and asks for the version it found there.

use crate::message::CanisterState;
use crate::runtime::{CompiledModule, HeapSnapshot, Surroundings};
use crate::settings::Settings;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Published versions kept for queries that have opened the database and not yet asked.
const KEPT: usize = 2;

/// The canister after one commit.
pub struct Version {
    /// Counts the commits.
    pub commit: u64,
    pub module: Option<Arc<CompiledModule>>,
    pub heap: HeapSnapshot,
    /// Why the canister cannot run, where it cannot.
    pub fault: Option<String>,
    pub state: Arc<CanisterState>,
    pub settings: Arc<Settings>,
    pub surroundings: Arc<Surroundings>,
    /// Nanoseconds since 1970 UTC.
    pub time: u64,
    pub canister_version: u64,
    /// WebAssembly pages of stable memory.
    pub stable_pages: u64,
    /// Changes when the certified data do.
    pub certified_epoch: u64,
}

#[derive(Default)]
struct Ring {
    versions: VecDeque<Arc<Version>>,
    /// The commit published last.
    latest: u64,
    /// The highest epoch of certified data that certifiers may have taken over.
    certified_epoch: u64,
    closed: bool,
}

/// The last versions.
#[derive(Default)]
pub struct Published {
    ring: Mutex<Ring>,
    changed: Condvar,
}

impl Published {
    /// Makes a version known whose commit is about to be written.
    pub fn announce(&self, version: Arc<Version>) {
        self.lock().versions.push_back(version);
    }

    /// The announced version's commit failed.
    pub fn withdraw(&self, commit: u64) {
        self.lock()
            .versions
            .retain(|version| version.commit != commit);
        self.changed.notify_all();
    }

    /// The announced version is durable; certifiers are about to take it over.
    pub fn certify(&self, version: &Version) {
        self.lock().certified_epoch = version.certified_epoch;
    }

    /// Everyone may see the announced version.
    pub fn publish(&self, commit: u64) {
        let mut ring = self.lock();
        ring.latest = commit;
        while ring.versions.len() > KEPT
            && ring
                .versions
                .front()
                .is_some_and(|oldest| oldest.commit < commit)
        {
            ring.versions.pop_front();
        }
        drop(ring);
        self.changed.notify_all();
    }

    /// The version published last; `None` before the first.
    pub fn latest(&self) -> Option<Arc<Version>> {
        let ring = self.lock();
        let latest = ring.latest;
        ring.versions
            .iter()
            .find(|version| version.commit == latest)
            .cloned()
    }

    /// The version of a commit found in the database, as soon as it is published. `None` where it is so old that it is no longer kept.
    pub fn at(&self, commit: u64) -> Option<Arc<Version>> {
        let mut ring = self.lock();
        loop {
            let found = ring
                .versions
                .iter()
                .find(|version| version.commit == commit)
                .cloned();
            if found.is_none() || ring.latest >= commit || ring.closed {
                return found;
            }
            ring = self
                .changed
                .wait(ring)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether a certificate made just now is over the certified data of `version`.
    pub fn certifies(&self, version: &Version) -> bool {
        self.lock().certified_epoch == version.certified_epoch
    }

    /// Lets nobody wait any longer.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
