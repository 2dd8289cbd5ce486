//! Commits groups of messages on a thread of its own, so that the next group is executed meanwhile.
//!
//! The order is what makes an answer durable (DESIGN §6): the database commit, then the certifiers, then the queries' version, and
//! only then the answers. A commit that fails answers with the failure; the executor goes back to what is committed.

use super::error::{InstallError, Installed, SubmitError};
use super::published::Version;
use super::{Executed, Shared, rejects};
use crate::message::{RequestId, RequestStatus, TreeChanges};
use crate::store::{CanisterRecord, Commit, Overlay, RequestRecord};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, mpsc};
use std::time::Instant;
use tokio::sync::oneshot;

/// Nanoseconds a request's status is kept after its expiry, for those who read it late.
pub const KEPT_AFTER_EXPIRY: u64 = 60_000_000_000;

/// How a commit ended; the text says what failed.
pub type CommitResult = Result<(), String>;

/// Someone to be answered once the group is durable.
pub enum Answer {
    Request(RequestId, RequestStatus),
    Direct(oneshot::Sender<Executed>, Executed),
    Install(mpsc::Sender<Result<Installed, InstallError>>, Installed),
}

/// A finished group of messages.
pub struct Sealed {
    pub version: Arc<Version>,
    pub record: CanisterRecord,
    pub overlay: Arc<Overlay>,
    pub requests: Vec<(RequestId, RequestRecord)>,
    pub wasm: Option<Vec<u8>>,
    pub answers: Vec<Answer>,
    /// The canister's part of the state tree differs from the commit before.
    pub state_changed: bool,
}

/// Tells the executor when the committer ends without having answered, which only a panic can bring about.
struct Farewell<'a>(&'a Shared);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.inbox.committed(Err("the committer failed".into()));
        }
    }
}

/// Commits what arrives, until the executor is gone.
pub fn run(shared: &Shared, sealed: &mpsc::Receiver<Sealed>) {
    let _farewell = Farewell(shared);
    for sealed in sealed {
        match commit(shared, sealed) {
            Ok(()) => shared.inbox.committed(Ok(())),
            Err(Failed { error, answers }) => {
                // The executor first: who hears of the failure and calls again must not be executed on what is dropped.
                shared.inbox.committed(Err(error.clone()));
                for answer in answers {
                    fail(shared, answer, &error);
                }
            }
        }
    }
}

/// A commit that left nothing behind, and who has yet to hear of it.
struct Failed {
    error: String,
    answers: Vec<Answer>,
}

fn commit(shared: &Shared, sealed: Sealed) -> Result<(), Failed> {
    let Sealed {
        version,
        record,
        overlay,
        requests,
        wasm,
        answers,
        state_changed,
    } = sealed;
    shared.published.announce(version.clone());
    let begun = Instant::now();
    let committed = shared.store.commit(&Commit {
        canister: &record,
        units: &overlay,
        requests: &requests,
        wasm: wasm.as_deref(),
        prune_before: record.time.saturating_sub(KEPT_AFTER_EXPIRY),
    });
    let pruned = match committed {
        Ok(pruned) => pruned,
        Err(error) => {
            shared.published.withdraw(version.commit);
            let error = error.to_string();
            shared.metrics.committed(Err(&error));
            tracing::error!(%error, "a commit failed; its messages are undone");
            return Err(Failed { error, answers });
        }
    };
    shared.commits.fetch_add(1, Ordering::Relaxed);
    let metrics = &shared.metrics;
    metrics.committed(Ok(()));
    metrics.commit_seconds.observe_time(begun.elapsed());
    metrics.commit_messages.observe(answers.len() as f64);
    metrics.commit_bytes.observe(overlay.bytes() as f64);
    shared.published.certify(&version);
    let changes = TreeChanges {
        time: record.time,
        requests: requests
            .iter()
            .map(|(id, record)| (*id, record.status()))
            .collect(),
        pruned,
        canister: state_changed.then(|| (*version.state).clone()),
    };
    let observer = shared
        .observer
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(observer) = &*observer {
        observer.apply(&changes);
    }
    drop(observer);
    shared.published.publish(version.commit);
    for answer in answers {
        match answer {
            Answer::Request(id, status) => shared.pending.finish(&id, &Ok(status)),
            // Whoever asked may have gone meanwhile; the effect stays.
            Answer::Direct(answer, executed) => drop(answer.send(executed)),
            Answer::Install(answer, installed) => drop(answer.send(Ok(installed))),
        }
    }
    Ok(())
}

/// Tells someone that what the host did for them could not be stored.
pub fn fail(shared: &Shared, answer: Answer, error: &str) {
    match answer {
        Answer::Request(id, _) => {
            shared
                .pending
                .finish(&id, &Err(SubmitError::Storage(error.into())));
        }
        Answer::Direct(answer, executed) => {
            let executed = Executed {
                result: Err(rejects::storage(&error)),
                ..executed
            };
            drop(answer.send(executed));
        }
        Answer::Install(answer, _) => drop(answer.send(Err(InstallError::Storage(error.into())))),
    }
}
