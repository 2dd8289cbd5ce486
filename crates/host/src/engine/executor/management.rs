//! Calls of the management canister: what the executor answers itself, what it hands to the manager, and what becomes of that.

use super::super::calls::Origin;
use super::super::management;
use super::super::management::code::{InstallMode, Ready};
use super::super::management::manager::{Done, Outcome, Task, Work};
use super::super::management::methods::{Caller, Method};
use super::super::management::status::Status;
use super::super::start::surroundings;
use super::super::{Executed, rejects};
use super::Executor;
use crate::message::{Reject, RequestStatus};
use crate::runtime::{Instance, Response, RunState, Surroundings};
use crate::settings::Settings;
use crate::snapshot::read::Loaded;
use crate::snapshot::write::Capture;
use crate::store::{Overlay, RequestRecord};
use candid::Principal;
use ic_management_canister_types::{CanisterIdRecord, CanisterSettings, UpdateSettingsArgs};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long `stop_canister` waits for the canister's calls to end.
const STOP_PATIENCE: Duration = Duration::from_secs(300);

/// Somebody who waits for the canister to be stopped.
pub(super) struct Stopper {
    origin: Origin,
    since: Instant,
}

impl Executor<'_> {
    /// Answers a call of the management canister, at once or later.
    pub(super) fn begin_management(
        &mut self,
        origin: Origin,
        caller: Principal,
        method: &str,
        arg: Vec<u8>,
    ) {
        let caller = match origin {
            Origin::Canister(_) => Caller::Canister(caller),
            _ => Caller::Ingress(caller),
        };
        let response = match management::allow(method, caller, &self.live.settings) {
            Err(reject) => Err(reject),
            Ok(Method::RawRand) => management::raw_rand(),
            Ok(Method::CanisterStatus) => self.canister_status(&arg),
            Ok(Method::UpdateSettings) => self.update_settings(&arg),
            Ok(Method::StartCanister) => self.start_canister(&arg),
            Ok(Method::StopCanister) => return self.stop_canister(origin, &arg),
            Ok(Method::TakeSnapshot) => return self.capture(origin, arg),
            Ok(method) => {
                let task = Task::Call {
                    method,
                    arg,
                    time: self.now(),
                    canister_version: self.live.canister_version,
                };
                return self.hand_over(origin, task);
            }
        };
        self.respond(origin, response);
    }

    /// Leaves something to the manager. What came by ingress is stored as begun, so that it is found unfinished after a restart.
    pub(super) fn hand_over(&mut self, origin: Origin, task: Task) {
        if let Origin::Ingress {
            id,
            sender,
            canister_id,
            expiry,
        } = origin
        {
            let status = RequestStatus::Processing;
            let record = RequestRecord::new(sender, canister_id, expiry, &status);
            self.group.requests.push((id, record));
            self.group.touch();
        }
        if let Err(refused) = self.shared.manager.put(Work { origin, task }) {
            let (work, reject) = *refused;
            self.respond(work.origin, Err(reject));
        }
    }

    /// Takes what the manager has done.
    pub(super) fn settle(&mut self, outcome: Outcome) {
        let Outcome {
            origin,
            result,
            settled,
        } = outcome;
        let in_place = match result {
            Ok(Done::Install(ready)) => self.install_ready(origin, ready),
            Ok(Done::Load(loaded)) => self.put_in_place(origin, *loaded),
            Ok(Done::Answer(reply)) => {
                self.respond(origin, Ok(reply));
                false
            }
            Err(reject) => {
                self.respond(origin, Err(reject));
                false
            }
        };
        if in_place {
            // The manager may be gone, when the engine is closed.
            let _ = settled.send(());
        }
    }

    /// Answers a call that was executed here.
    fn respond(&mut self, origin: Origin, response: Response) {
        self.group.touch();
        self.deliver(origin, response, 0);
    }

    fn canister_status(&self, arg: &[u8]) -> Response {
        let heap = self.live.instance.as_ref();
        let status = Status {
            shared: self.shared,
            state: &self.live.state,
            settings: &self.live.settings,
            run_state: self.live.surroundings.run_state,
            module: self.live.module.as_deref(),
            heap_bytes: heap.map_or(0, |instance| instance.snapshot().size() as u64),
            stable_pages: self.live.stable_pages,
            canister_version: self.live.canister_version,
        };
        management::status::canister_status(arg, &status)
    }

    fn update_settings(&mut self, arg: &[u8]) -> Response {
        let args: UpdateSettingsArgs = management::decode(arg)?;
        management::check_canister(args.canister_id, self.shared.canister_id)?;
        let settings = management::settings::updated(&self.live.settings, args.settings)?;
        self.set_settings(settings);
        management::done()
    }

    /// Makes principals the canister's controllers, for the host itself.
    pub(super) fn set_controllers(
        &mut self,
        controllers: Vec<Principal>,
        answer: oneshot::Sender<Executed>,
    ) {
        let changes = CanisterSettings {
            controllers: Some(controllers),
            ..CanisterSettings::default()
        };
        let updated = management::settings::updated(&self.live.settings, changes);
        let result = updated.map(|settings| {
            self.set_settings(settings);
            Vec::new()
        });
        self.respond(Origin::Direct { answer, budget: 0 }, result);
    }

    /// Makes settings those of the canister.
    pub(super) fn set_settings(&mut self, settings: Settings) {
        let run_state = self.live.surroundings.run_state;
        self.live.surroundings = Arc::new(surroundings(&settings, run_state));
        let state = Arc::make_mut(&mut self.live.state);
        state.controllers = settings.controllers.clone();
        self.live.settings = Arc::new(settings);
        self.live.canister_version += 1;
        self.group.state_changed = true;
    }

    pub(super) fn run_state(&self) -> RunState {
        self.live.surroundings.run_state
    }

    fn set_run_state(&mut self, run_state: RunState) {
        self.live.surroundings = Arc::new(Surroundings {
            run_state,
            ..(*self.live.surroundings).clone()
        });
        self.group.touch();
    }

    fn start_canister(&mut self, arg: &[u8]) -> Response {
        let args: CanisterIdRecord = management::decode(arg)?;
        management::check_canister(args.canister_id, self.shared.canister_id)?;
        for stopper in std::mem::take(&mut self.stoppers) {
            let reject = management::refused(
                "IC0511",
                format!(
                    "Canister {}'s stop request was cancelled",
                    self.shared.canister_id
                ),
            );
            self.deliver(stopper.origin, Err(reject), 0);
        }
        self.set_run_state(RunState::Running);
        management::done()
    }

    fn stop_canister(&mut self, origin: Origin, arg: &[u8]) {
        let checked = management::decode(arg).and_then(|args: CanisterIdRecord| {
            management::check_canister(args.canister_id, self.shared.canister_id)
        });
        if let Err(reject) = checked {
            self.respond(origin, Err(reject));
            return;
        }
        if let Origin::Ingress {
            id,
            sender,
            canister_id,
            expiry,
        } = origin
        {
            let status = RequestStatus::Processing;
            let record = RequestRecord::new(sender, canister_id, expiry, &status);
            self.group.requests.push((id, record));
        }
        if self.run_state() == RunState::Running {
            self.set_run_state(RunState::Stopping);
        }
        self.stoppers.push(Stopper {
            origin,
            since: Instant::now(),
        });
        self.group.touch();
        self.stop_when_idle();
    }

    /// Stops the canister where it is to stop and has no call left, and tells who waits for it.
    pub(super) fn stop_when_idle(&mut self) {
        if self.run_state() == RunState::Stopping && self.calls.is_idle() {
            self.set_run_state(RunState::Stopped);
        }
        if self.run_state() == RunState::Stopped {
            for stopper in std::mem::take(&mut self.stoppers) {
                self.respond(stopper.origin, management::done());
            }
        }
    }

    /// Gives up on stops that take too long; the canister goes on stopping.
    pub(super) fn forget_late_stops(&mut self) {
        let (late, waiting) = std::mem::take(&mut self.stoppers)
            .into_iter()
            .partition(|stopper| stopper.since.elapsed() > STOP_PATIENCE);
        self.stoppers = waiting;
        for stopper in late {
            self.group.touch();
            let reject = management::refused("IC0206", "Stop canister request timed out");
            self.deliver(stopper.origin, Err(reject), 0);
        }
    }

    /// Ends those who wait for a stop when everything not committed is dropped.
    pub(super) fn fail_stoppers(&mut self, error: &str) {
        for stopper in std::mem::take(&mut self.stoppers) {
            self.refuse(stopper.origin, rejects::storage(&error));
        }
    }

    /// Captures the canister as it is now, committed, for the manager to write.
    fn capture(&mut self, origin: Origin, arg: Vec<u8>) {
        let captured = self.try_capture();
        match captured {
            Ok(capture) => {
                let capture = Box::new(capture);
                self.hand_over(origin, Task::Take { arg, capture });
            }
            Err(reject) => {
                self.respond(origin, Err(reject));
            }
        }
    }

    fn try_capture(&mut self) -> Result<Capture, Reject> {
        self.end_group().map_err(|error| rejects::storage(&error))?;
        let view = self.shared.store.view();
        let view = view.map_err(|error| rejects::unreadable(&error))?;
        let Some(instance) = &mut self.live.instance else {
            return Err(match &self.live.fault {
                Some(fault) => rejects::not_running(fault),
                None => rejects::no_module(),
            });
        };
        Ok(Capture {
            view,
            newer: Overlay::default(),
            stable_pages: self.live.stable_pages,
            globals: instance.visible_globals(),
            heap: instance.snapshot().clone(),
            time: self.now(),
            canister_version: self.live.canister_version,
            certified_data: self.live.state.certified_data.clone(),
            timer: self.live.timer,
            chunks: self.shared.folder.chunks(),
        })
    }

    /// Puts a compiled module in place of what there is, in a group of its own.
    /// True when it is there for good.
    fn install_ready(&mut self, origin: Origin, ready: Ready) -> bool {
        let caller = match &origin {
            Origin::Ingress { sender, .. } => *sender,
            _ => self.shared.canister_id,
        };
        let result = self.try_install_ready(ready, caller);
        match result {
            Ok(()) => {
                self.deliver(origin, management::done(), 0);
                self.seal();
                // Whoever installs is told by the committer.
                self.wait_for_commit().is_ok()
            }
            Err(reject) => {
                self.respond(origin, Err(reject));
                false
            }
        }
    }

    fn try_install_ready(&mut self, ready: Ready, caller: Principal) -> Result<(), Reject> {
        self.end_group().map_err(|error| rejects::storage(&error))?;
        let installed = self.live.state.module_hash.is_some();
        match (ready.mode, installed) {
            (InstallMode::Install, true) => {
                return Err(management::refused(
                    "IC0514",
                    format!(
                        "Canister {} cannot be installed because the canister is not empty. Try installing with mode='reinstall' instead.",
                        self.shared.canister_id
                    ),
                ));
            }
            (InstallMode::Upgrade { .. }, false) => return Err(rejects::no_module()),
            _ => {}
        }
        self.change_module(&ready.module, ready.arg, ready.mode, caller)
            .map_err(|error| management::refused("IC0503", error.to_string()))?;
        if ready.mode == InstallMode::Reinstall {
            self.shared.log.clear();
        }
        self.adopt_module(ready.module, ready.wasm);
        Ok(())
    }

    /// Puts a snapshot in place of everything there is, in a group of its own.
    /// True when it is there for good.
    fn put_in_place(&mut self, origin: Origin, loaded: Loaded) -> bool {
        let result = self.try_put_in_place(loaded);
        match result {
            Ok(()) => {
                self.deliver(origin, management::done(), 0);
                self.seal();
                // Whoever loads is told by the committer.
                self.wait_for_commit().is_ok()
            }
            Err(reject) => {
                self.respond(origin, Err(reject));
                false
            }
        }
    }

    fn try_put_in_place(&mut self, loaded: Loaded) -> Result<(), Reject> {
        self.end_group().map_err(|error| rejects::storage(&error))?;
        let mut instance = Instance::new(&self.shared.runtime, &loaded.module)
            .map_err(|trap| management::refused("IC0408", trap.to_string()))?;
        instance
            .adopt(loaded.heap, &loaded.globals)
            .map_err(|why| {
                management::refused("IC0408", format!("the snapshot cannot be used: {why}"))
            })?;
        // Nothing fails from here on.
        self.group.stable = None;
        self.live.instance = Some(instance);
        self.live.generation = loaded.generation;
        self.live.stable_pages = loaded.stable_pages;
        if let Some(timer) = loaded.timer {
            self.live.timer = timer;
        }
        self.set_certified_data(loaded.certified_data);
        self.adopt_module(loaded.module, loaded.wasm);
        Ok(())
    }

    /// Answers everyone whom a fault of the host leaves without one.
    pub(super) fn refuse_outcome(&mut self, outcome: Outcome, error: &str) {
        match outcome.origin {
            Origin::Direct { answer, .. } => {
                let reject = Err(rejects::storage(&error));
                drop(answer.send(Executed::new(reject, 0)));
            }
            origin => self.refuse(origin, rejects::storage(&error)),
        }
    }
}
