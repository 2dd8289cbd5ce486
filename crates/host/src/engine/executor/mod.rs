//! The executor: runs messages one after the other and gathers them into groups to be committed.
//!
//! While a group is being committed the next one is executed on top of it. A group ends when the commit before has ended and
//! nothing more waits, or when it is large or old enough: one flush to the disk carries whatever came in during the last one. If
//! a commit fails, everything not committed is dropped and the canister is started anew from what is on the disk, as after a crash (I1).

mod lifecycle;
mod management;
mod messages;

use super::calls::{Calls, Origin, Task};
use super::commit::{self, Answer, CommitResult, Sealed};
use super::error::{InstallError, OpenError, SubmitError};
use super::inbox::{Job, Wake};
use super::published::Version;
use super::{Executed, Shared, rejects, wall_clock};
use crate::message::{CanisterState, RequestId};
use crate::runtime::{CompiledModule, HeapSnapshot, Instance, RunState, Surroundings};
use crate::settings::Settings;
use crate::store::{CanisterRecord, Overlay, RequestRecord, StableMemory};
use serde_bytes::ByteBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Messages after which a group ends although more wait.
const GROUP_MESSAGES: usize = 64;

/// How long a group gathers messages while more wait and nothing is being committed.
const GROUP_AGE: Duration = Duration::from_millis(2);

/// Messages and bytes of stable memory a group may have at all; then it waits for the commit before it.
const MAX_GROUP_MESSAGES: usize = 1_024;
const MAX_GROUP_BYTES: usize = 64 * 1024 * 1024;

/// How often requests are forgotten while nothing else happens.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// How long after a failure the canister is started again at the earliest.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The canister after the last message, committed or not.
struct Live {
    module: Option<Arc<CompiledModule>>,
    instance: Option<Instance>,
    fault: Option<String>,
    state: Arc<CanisterState>,
    settings: Arc<Settings>,
    surroundings: Arc<Surroundings>,
    /// Which of the contents that stable memory has had is the present one.
    generation: u64,
    time: u64,
    canister_version: u64,
    stable_pages: u64,
    /// When the global timer is due, nanoseconds since 1970 UTC; 0 for never.
    timer: u64,
    /// The commit sealed last.
    commit: u64,
    certified_epoch: u64,
}

/// Messages executed and not handed to the committer yet.
#[derive(Default)]
struct Group {
    stable: Option<StableMemory>,
    requests: Vec<(RequestId, RequestRecord)>,
    answers: Vec<Answer>,
    wasm: Option<Vec<u8>>,
    state_changed: bool,
    messages: usize,
    begun: Option<Instant>,
}

impl Group {
    fn touch(&mut self) {
        self.messages += 1;
        self.begun.get_or_insert_with(Instant::now);
    }

    fn is_full(&self) -> bool {
        let bytes = self.stable.as_ref().map_or(0, StableMemory::group_bytes);
        self.messages >= MAX_GROUP_MESSAGES || bytes >= MAX_GROUP_BYTES
    }
}

/// The state on the disk could not be brought up to date; updates fail until the canister could be started again.
struct Broken {
    error: String,
    since: Instant,
}

struct Executor<'a> {
    shared: &'a Arc<Shared>,
    committer: mpsc::SyncSender<Sealed>,
    live: Live,
    calls: Calls,
    group: Group,
    /// What the committer is writing; `None` where it has nothing to do.
    committing: Option<Arc<Overlay>>,
    broken: Option<Broken>,
    /// The instance could not be brought back after a message: what to report.
    lost: Option<String>,
    /// Who waits for the canister to be stopped.
    stoppers: Vec<management::Stopper>,
    /// A message of the canister to itself is next, if there is one; else one from outside. They take turns.
    own_turn: bool,
    last_housekeeping: Instant,
}

/// Ends what waits for the executor when it is gone, even by a panic.
struct Farewell<'a>(&'a Shared);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        drop(self.0.inbox.close());
        self.0.pending.finish_all(&Err(SubmitError::Stopped));
    }
}

/// Starts the canister, tells `started` how that went, and executes until the inbox is closed.
pub fn run(
    shared: &Arc<Shared>,
    committer: mpsc::SyncSender<Sealed>,
    started: &mpsc::Sender<Result<(), OpenError>>,
) {
    let _farewell = Farewell(shared);
    let mut executor = Executor {
        shared,
        committer,
        live: Live::empty(),
        calls: Calls::default(),
        group: Group::default(),
        committing: None,
        broken: None,
        lost: None,
        stoppers: Vec::new(),
        own_turn: false,
        last_housekeeping: Instant::now(),
    };
    let booted = executor.boot();
    let runs = booted.is_ok();
    // Whoever opens the engine waits for it.
    drop(started.send(booted));
    if runs {
        executor.work();
    }
}

impl Live {
    fn empty() -> Live {
        Live {
            module: None,
            instance: None,
            fault: None,
            state: Arc::default(),
            settings: Arc::default(),
            surroundings: Arc::default(),
            generation: 0,
            time: 0,
            canister_version: 0,
            stable_pages: 0,
            timer: 0,
            commit: 0,
            certified_epoch: 0,
        }
    }
}

impl Executor<'_> {
    fn work(&mut self) {
        loop {
            if let Some(error) = self.lost.take() {
                self.crash(error);
            }
            if self.is_committing()
                && let Some(result) = self.shared.inbox.take_committed()
            {
                self.committed(result);
                continue;
            }
            if self.should_seal() {
                self.seal();
            }
            let room = !self.group.is_full();
            if room && self.run_due() {
                continue;
            }
            match self.shared.inbox.next(room, Some(self.wake_at())) {
                Wake::Committed(result) => self.committed(result),
                Wake::Job(job) => {
                    self.own_turn = true;
                    self.perform(*job);
                }
                Wake::Time => self.housekeeping(),
                Wake::Stop => break,
            }
        }
        // The committer tells everyone how it ends; a failed commit takes the group with it.
        let _ = self.wait_for_commit();
        if self.group.messages > 0 {
            self.seal();
        }
        let _ = self.wait_for_commit();
    }

    /// Runs the canister's own next message or its timer, if one is due and the canister has its turn.
    fn run_due(&mut self) -> bool {
        if !self.own_turn && !self.shared.inbox.is_empty() {
            return false;
        }
        // If nothing of its own is due, a message from outside is next all the same.
        self.own_turn = false;
        if let Some(task) = self.calls.pop() {
            self.perform_task(task);
            return true;
        }
        if self.timer_due().is_some_and(|due| due <= self.now()) {
            self.run_timer();
            return true;
        }
        false
    }

    /// When the global timer is due, nanoseconds since 1970 UTC.
    fn timer_due(&self) -> Option<u64> {
        let module = self.live.module.as_ref()?;
        let active = self.live.timer != 0
            && self.run_state() == RunState::Running
            && self.live.instance.is_some()
            && module.has("canister_global_timer");
        active.then_some(self.live.timer)
    }

    /// When to wake up although nothing comes in.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        if self.calls.has_tasks() && !self.group.is_full() {
            return now;
        }
        let housekeeping = self.last_housekeeping + HOUSEKEEPING;
        match self.timer_due() {
            // With a full group nothing runs before the commit ends, which wakes up too.
            Some(due) if !self.group.is_full() => {
                let left = Duration::from_nanos(due.saturating_sub(self.now()));
                housekeeping.min(now + left.min(HOUSEKEEPING))
            }
            _ => housekeeping,
        }
    }

    fn housekeeping(&mut self) {
        if self.last_housekeeping.elapsed() < HOUSEKEEPING {
            return;
        }
        self.last_housekeeping = Instant::now();
        self.forget_late_stops();
        // Of a process that has read the database and was killed: what it read would be kept for ever.
        if let Err(error) = self.shared.store.forget_dead_readers() {
            tracing::error!(%error, "the readers of the database could not be looked after");
        }
        if self.broken.is_some() {
            // Timers should go on although nobody calls.
            drop(self.recover());
            return;
        }
        let oldest = self.shared.store.view().and_then(|view| view.next_expiry());
        match oldest {
            Ok(Some(expiry)) if expiry.saturating_add(commit::KEPT_AFTER_EXPIRY) < self.now() => {
                // An empty group forgets what has expired.
                self.group.touch();
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the state could not be read"),
        }
    }

    fn perform(&mut self, job: Job) {
        if let Err(error) = self.recover() {
            self.turn_away(job, &error);
            return;
        }
        match job {
            Job::Ingress(ingress) => self.execute_ingress(ingress),
            Job::Direct {
                sender,
                method,
                arg,
                budget,
                answer,
            } => {
                let origin = Origin::Direct { answer, budget };
                self.begin_call(origin, sender, &method, arg, 0);
            }
            Job::Install {
                module,
                wasm,
                arg,
                answer,
            } => self.install(module, wasm, arg, answer),
            Job::Controllers {
                controllers,
                answer,
            } => self.set_controllers(controllers, answer),
            Job::Outcome(outcome) => self.settle(*outcome),
        }
    }

    /// Starts the canister again where it was stopped by a failure, unless that was tried just now.
    fn recover(&mut self) -> Result<(), String> {
        let Some(broken) = &self.broken else {
            return Ok(());
        };
        if broken.since.elapsed() < RETRY_AFTER {
            return Err(broken.error.clone());
        }
        self.boot().map_err(|error| {
            let error = error.to_string();
            self.broken = Some(Broken {
                error: error.clone(),
                since: Instant::now(),
            });
            error
        })
    }

    fn turn_away(&mut self, job: Job, error: &str) {
        match job {
            Job::Ingress(ingress) => self.shared.pending.finish(
                &ingress.request_id,
                &Err(SubmitError::Storage(error.into())),
            ),
            Job::Direct { answer, .. } | Job::Controllers { answer, .. } => {
                drop(answer.send(Executed::new(Err(rejects::storage(&error)), 0)));
            }
            Job::Install { answer, .. } => {
                drop(answer.send(Err(InstallError::Storage(error.into()))));
            }
            Job::Outcome(outcome) => self.refuse_outcome(*outcome, error),
        }
    }

    fn perform_task(&mut self, task: Task) {
        match task {
            Task::Call {
                method,
                arg,
                callback,
                deadline,
            } => {
                let itself = self.shared.canister_id;
                self.begin_call(Origin::Canister(callback), itself, &method, arg, deadline);
            }
            Task::Answer { callback, response } => self.run_callback(callback, response),
            Task::Management {
                method,
                arg,
                callback,
            } => {
                let itself = self.shared.canister_id;
                self.begin_management(Origin::Canister(callback), itself, &method, arg);
            }
        }
    }

    /// Nanoseconds since 1970 UTC, never going back.
    fn now(&self) -> u64 {
        self.live.time.max(wall_clock())
    }

    fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    fn should_seal(&self) -> bool {
        if self.is_committing() || self.group.messages == 0 {
            return false;
        }
        let idle = self.shared.inbox.is_empty() && !self.calls.has_tasks();
        let old = self
            .group
            .begun
            .is_some_and(|begun| begun.elapsed() >= GROUP_AGE);
        idle || old || self.group.messages >= GROUP_MESSAGES || self.group.is_full()
    }

    /// Hands the group to the committer, which has nothing else to do.
    fn seal(&mut self) {
        let group = std::mem::take(&mut self.group);
        let live = &mut self.live;
        live.time = live.time.max(wall_clock());
        live.commit += 1;
        let overlay = match group.stable {
            Some(stable) => {
                let (overlay, pages) = stable.into_group();
                live.stable_pages = pages;
                Arc::new(overlay)
            }
            None => Arc::default(),
        };
        let record = CanisterRecord {
            canister_id: self.shared.canister_id,
            module_hash: live.state.module_hash,
            stable_pages: live.stable_pages,
            time: live.time,
            certified_data: ByteBuf::from(live.state.certified_data.clone()),
            canister_version: live.canister_version,
            commit: live.commit,
            generation: live.generation,
            settings: Some((*live.settings).clone()),
            run_state: live.surroundings.run_state,
        };
        let version = Version {
            commit: live.commit,
            module: live.module.clone(),
            heap: live
                .instance
                .as_ref()
                .map_or_else(HeapSnapshot::default, |instance| {
                    instance.snapshot().clone()
                }),
            fault: live.fault.clone(),
            state: live.state.clone(),
            settings: live.settings.clone(),
            surroundings: live.surroundings.clone(),
            time: live.time,
            canister_version: live.canister_version,
            stable_pages: live.stable_pages,
            certified_epoch: live.certified_epoch,
        };
        self.committing = Some(overlay.clone());
        let sealed = Sealed {
            version: Arc::new(version),
            record,
            overlay,
            requests: group.requests,
            wasm: group.wasm,
            answers: group.answers,
            state_changed: group.state_changed,
        };
        if let Err(mpsc::SendError(sealed)) = self.committer.send(sealed) {
            let error = "the committer is gone";
            for answer in sealed.answers {
                commit::fail(self.shared, answer, error);
            }
            self.committing = None;
            self.lost = Some(error.into());
        }
    }

    /// Waits until the committer has nothing to do.
    fn wait_for_commit(&mut self) -> CommitResult {
        while self.is_committing() {
            if let Wake::Committed(result) = self.shared.inbox.next(false, None) {
                self.committed(result.clone());
                result?;
            }
        }
        Ok(())
    }

    fn committed(&mut self, result: CommitResult) {
        self.committing = None;
        if let Err(error) = result {
            self.crash(error);
        }
    }

    /// Drops everything that is not committed.
    fn crash(&mut self, error: String) {
        tracing::error!(%error, "going back to the last commit");
        let group = std::mem::take(&mut self.group);
        for answer in group.answers {
            commit::fail(self.shared, answer, &error);
        }
        for context in self.calls.clear() {
            match context.origin {
                Origin::Ingress { id, .. } => {
                    let error = SubmitError::Storage(error.clone());
                    self.shared.pending.finish(&id, &Err(error));
                }
                Origin::Direct { answer, .. } => {
                    let reject = rejects::storage(&error);
                    drop(answer.send(Executed::new(Err(reject), context.instructions)));
                }
                Origin::Canister(_) | Origin::System => {}
            }
        }
        self.fail_stoppers(&error);
        self.live.instance = None;
        // At once, so that queries go on; it waits until nothing reads from the database, and this thread does not any more.
        drop(group.stable);
        if let Err(error) = self.shared.store.repair() {
            tracing::error!(%error, "the database cannot be repaired yet");
        }
        self.broken = Some(Broken {
            error,
            // Nothing has been tried yet.
            since: Instant::now()
                .checked_sub(RETRY_AFTER)
                .unwrap_or_else(Instant::now),
        });
    }
}
