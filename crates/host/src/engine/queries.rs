//! Queries: executed in parallel, each on one commit, changing nothing and blocking nobody.
//!
//! Every worker has an instance of its own and brings its heap to the version at hand before each query, which
//! costs the pages that differ. Stable memory is read in the transaction of the same commit, under an overlay that is thrown away.

use super::published::Version;
use super::{Executed, Shared, rejects};
use crate::message::{Reject, RejectCode};
use crate::runtime::{ContextKind, Entry, Instance, Message, MethodKind, RunState};
use crate::store::{StableMemory, StoreError, View};
use candid::Principal;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Instructions a query may use.
pub const MAX_QUERY_INSTRUCTIONS: u64 = 5_000_000_000;

/// Instructions canister_inspect_message may use.
const MAX_INSPECT_INSTRUCTIONS: u64 = 200_000_000;

/// Bytes a query's reply may have.
pub const MAX_QUERY_REPLY: usize = 3 * 1024 * 1024;

/// Queries that may wait.
const MAX_WAITING: usize = 1_000;

/// What is asked of a worker.
pub struct QueryJob {
    pub purpose: Purpose,
    pub sender: Principal,
    pub method: String,
    pub arg: Vec<u8>,
    pub answer: oneshot::Sender<Executed>,
}

/// A query, or the question whether the canister accepts an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Query,
    /// Answered with an empty reply where the canister accepts the message.
    Inspect,
}

/// The queue the workers share.
#[derive(Default)]
pub struct QueryQueue {
    state: Mutex<(VecDeque<QueryJob>, bool)>,
    wake: Condvar,
}

impl QueryQueue {
    /// Leaves a job; returns it where there is no room, or nobody works any more.
    pub fn put(&self, job: QueryJob) -> Result<(), Reject> {
        let mut state = self.lock();
        if state.1 {
            return Err(rejects::stopped());
        }
        if state.0.len() >= MAX_WAITING {
            return Err(rejects::busy("queries"));
        }
        state.0.push_back(job);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.lock().0.len()
    }

    /// The workers end; what waits is dropped.
    pub fn close(&self) {
        let mut state = self.lock();
        state.0.clear();
        state.1 = true;
        drop(state);
        self.wake.notify_all();
    }

    fn next(&self) -> Option<QueryJob> {
        let mut state = self.lock();
        loop {
            if state.1 {
                return None;
            }
            if let Some(job) = state.0.pop_front() {
                return Some(job);
            }
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<QueryJob>, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Executes what is in `queue` until it is closed.
pub fn run(shared: &Shared, queue: &QueryQueue) {
    let mut instance = None;
    while let Some(job) = queue.next() {
        let QueryJob {
            purpose,
            sender,
            method,
            arg,
            answer,
        } = job;
        let execution = || execute(shared, &mut instance, purpose, sender, method, arg);
        // A fault of the host ends the query, not the worker. The instance may be in any state then, and is thrown away.
        let executed = catch_unwind(AssertUnwindSafe(execution)).unwrap_or_else(|_| {
            instance = None;
            Executed::new(Err(host_fault()), 0)
        });
        // Whoever asked may have gone.
        drop(answer.send(executed));
    }
}

fn execute(
    shared: &Shared,
    instance: &mut Option<Instance>,
    purpose: Purpose,
    sender: Principal,
    method: String,
    arg: Vec<u8>,
) -> Executed {
    let prepared = prepare(shared, instance, purpose, &method);
    let (instance, entry, mut message) = match prepared {
        Ok(Some(prepared)) => prepared,
        // Without canister_inspect_message everything is accepted.
        Ok(None) => return Executed::new(Ok(Vec::new()), 0),
        Err(reject) => return Executed::new(Err(reject), 0),
    };
    message.caller = sender;
    message.method = method;
    message.arg = arg;
    message.max_reply = MAX_QUERY_REPLY;
    let limit = match purpose {
        Purpose::Query => MAX_QUERY_INSTRUCTIONS,
        Purpose::Inspect => MAX_INSPECT_INSTRUCTIONS,
    };
    let running = shared.metrics.queries_running.enter();
    let ran = instance.run(&entry, message, limit);
    drop(running);
    shared.metrics.queries.count();
    shared.metrics.query_instructions.add(ran.instructions);
    let result = match (ran.result, purpose) {
        (Err(trap), _) => Err(trap.reject()),
        (Ok(()), Purpose::Query) => ran
            .message
            .response
            .unwrap_or_else(|| Err(rejects::no_response())),
        (Ok(()), Purpose::Inspect) if ran.message.accepted => Ok(Vec::new()),
        (Ok(()), Purpose::Inspect) => Err(Reject {
            code: RejectCode::CanisterReject,
            message: "Canister rejected the message".into(),
            error_code: Some("IC0516".into()),
        }),
    };
    Executed::new(result, ran.instructions)
}

/// An instance at the last commit, where to begin, and the message to run; `None` where there is nothing to run.
fn prepare<'a>(
    shared: &Shared,
    instance: &'a mut Option<Instance>,
    purpose: Purpose,
    method: &str,
) -> Result<Option<(&'a mut Instance, Entry, Message)>, Reject> {
    let Consistent {
        version,
        view,
        certificate,
    } = consistent(shared)?;
    if let Some(fault) = &version.fault {
        return Err(rejects::not_running(fault));
    }
    if version.surroundings.run_state != RunState::Running {
        return Err(rejects::halted(
            shared.canister_id,
            version.surroundings.run_state,
        ));
    }
    let module = version.module.as_ref().ok_or_else(rejects::no_module)?;
    let (entry, kind) = match purpose {
        Purpose::Inspect if !module.has("canister_inspect_message") => return Ok(None),
        Purpose::Inspect => ("canister_inspect_message".into(), ContextKind::Inspect),
        Purpose::Query => match module.method(method) {
            Some(MethodKind::Query) => (format!("canister_query {method}"), ContextKind::Query),
            Some(MethodKind::CompositeQuery) => (
                format!("canister_composite_query {method}"),
                ContextKind::CompositeQuery,
            ),
            Some(MethodKind::Update) | None => return Err(rejects::no_method("query", method)),
        },
    };
    if !instance
        .as_ref()
        .is_some_and(|instance| Arc::ptr_eq(instance.module(), module))
    {
        *instance = Some(Instance::new(&shared.runtime, module).map_err(|trap| trap.reject())?);
    }
    // Set just above where it was missing.
    let Some(ready) = instance else {
        return Err(rejects::no_module());
    };
    if let Err(trap) = ready.restore(&version.heap) {
        // It may be at no version at all now; the next query begins with another.
        *instance = None;
        return Err(trap.reject());
    }
    let stable = StableMemory::new(view, None, version.stable_pages);
    let time = version.time.max(super::wall_clock());
    let mut message = Message::new(kind, Principal::anonymous(), time, stable);
    message.canister_version = version.canister_version;
    message.data_certificate = certificate;
    message.surroundings = version.surroundings.clone();
    match instance {
        Some(instance) => Ok(Some((instance, Entry::Export(entry), message))),
        None => Err(rejects::no_module()),
    }
}

struct Consistent {
    version: Arc<Version>,
    view: View,
    certificate: Option<Vec<u8>>,
}

/// The heap, stable memory and the certificate of one commit.
fn consistent(shared: &Shared) -> Result<Consistent, Reject> {
    let failed = |error: StoreError| rejects::unreadable(&error);
    loop {
        let view = shared.store.view_after_repair().map_err(failed)?;
        let Some(record) = view.canister().map_err(failed)? else {
            return Err(rejects::no_module());
        };
        let Some(version) = shared.published.at(record.commit) else {
            let latest = shared.published.latest().map_or(0, |latest| latest.commit);
            if latest >= record.commit {
                // It was replaced between the two look-ups; there is a newer one.
                continue;
            }
            // A commit that failed and is on the disk all the same. The canister is about to be started from there.
            return Err(rejects::restarting());
        };
        let wanted = version
            .module
            .as_ref()
            .is_some_and(|module| module.uses_data_certificate);
        if !wanted {
            return Ok(Consistent {
                version,
                view,
                certificate: None,
            });
        }
        let observer = shared
            .observer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let certificate = observer.and_then(|observer| observer.data_certificate());
        if shared.published.certifies(&version) {
            return Ok(Consistent {
                version,
                view,
                certificate,
            });
        }
    }
}

fn host_fault() -> Reject {
    Reject {
        code: RejectCode::SysFatal,
        message: "the host failed while it executed the query".into(),
        error_code: Some("IC0205".into()),
    }
}
