//! What the executor is given to do, bounded in number and in bytes.

use super::Executed;
use super::commit::CommitResult;
use super::error::{InstallError, Installed};
use super::management::manager::Outcome;
use crate::message::Ingress;
use crate::runtime::CompiledModule;
use candid::Principal;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Instant;
use tokio::sync::oneshot;

/// Messages that may wait.
const MAX_JOBS: usize = 1_000;

/// Bytes of arguments that may wait.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// One thing to do.
pub enum Job {
    Ingress(Ingress),
    /// An update call made in process, without a request id.
    Direct {
        sender: Principal,
        method: String,
        arg: Vec<u8>,
        /// Instructions that all messages of the call together may use.
        budget: u64,
        answer: oneshot::Sender<Executed>,
    },
    Install {
        module: Arc<CompiledModule>,
        wasm: Vec<u8>,
        arg: Vec<u8>,
        answer: mpsc::Sender<Result<Installed, InstallError>>,
    },
    /// The canister gets these controllers.
    Controllers {
        controllers: Vec<Principal>,
        answer: oneshot::Sender<Executed>,
    },
    /// What the manager has done.
    Outcome(Box<Outcome>),
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Job::Ingress(ingress) => ingress.arg.len(),
            Job::Direct { arg, .. } => arg.len(),
            // The module was compiled from it and is in memory anyway.
            Job::Install { .. } | Job::Controllers { .. } => 0,
            // Taken in any case, and bounded by what the manager may have waiting.
            Job::Outcome(_) => 0,
        }
    }
}

/// What the executor wakes up for.
pub enum Wake {
    Job(Box<Job>),
    Committed(CommitResult),
    /// The time given has come.
    Time,
    /// The engine is closed.
    Stop,
}

/// A job that found no room, or came too late.
#[derive(Debug)]
pub enum NotTaken {
    Full,
    Closed,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    committed: Option<CommitResult>,
    closed: bool,
}

/// The executor's inbox.
#[derive(Default)]
pub struct Inbox {
    state: Mutex<State>,
    wake: Condvar,
}

impl Inbox {
    /// Leaves a job, where there is room for it.
    pub fn put(&self, job: Job) -> Result<(), NotTaken> {
        let mut state = self.lock();
        if state.closed {
            return Err(NotTaken::Closed);
        }
        let bytes = state.bytes + job.bytes();
        if state.jobs.len() >= MAX_JOBS || bytes > MAX_BYTES {
            return Err(NotTaken::Full);
        }
        state.bytes = bytes;
        state.jobs.push_back(job);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Leaves what the manager has done, however much waits. Dropped where the engine is closed.
    pub fn put_outcome(&self, job: Job) {
        let mut state = self.lock();
        if !state.closed {
            state.jobs.push_back(job);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Whether the engine is closed.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Tells the executor how the commit under way ended.
    pub fn committed(&self, result: CommitResult) {
        self.lock().committed = Some(result);
        self.wake.notify_one();
    }

    /// How the commit ended, if it has.
    pub fn take_committed(&self) -> Option<CommitResult> {
        self.lock().committed.take()
    }

    /// No more jobs are taken. Those that wait are dropped, and returned.
    pub fn close(&self) -> Vec<Job> {
        let mut state = self.lock();
        state.closed = true;
        state.bytes = 0;
        let dropped = state.jobs.drain(..).collect();
        drop(state);
        self.wake.notify_one();
        dropped
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Whether no job waits, nor the end.
    pub fn is_empty(&self) -> bool {
        let state = self.lock();
        state.jobs.is_empty() && !state.closed
    }

    /// The next thing to do: the end of a commit before all else; jobs only where `jobs` is set; at `until` the latest, where given.
    pub fn next(&self, jobs: bool, until: Option<Instant>) -> Wake {
        let mut state = self.lock();
        loop {
            if let Some(result) = state.committed.take() {
                return Wake::Committed(result);
            }
            if jobs {
                if let Some(job) = state.jobs.pop_front() {
                    state.bytes -= job.bytes();
                    return Wake::Job(Box::new(job));
                }
                if state.closed {
                    return Wake::Stop;
                }
            }
            state = match until {
                None => self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Wake::Time;
                    }
                    self.wake
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
