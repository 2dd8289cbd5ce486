//! The canister's beginnings: after the engine is opened or has gone back to a commit, at an installation, at an upgrade.

use super::super::commit::Answer;
use super::super::error::{InstallError, Installed, OpenError};
use super::super::management::code::InstallMode;
use super::super::start::{
    Failed, MAX_INSTALL_INSTRUCTIONS, NO_ARGUMENTS, Started, start_instance, surroundings,
};
use super::{Executor, Live};
use crate::message::{CanisterState, Reject, RejectCode, RequestStatus};
use crate::runtime::{CompiledModule, ContextKind, Entry, Message, RunState};
use crate::settings::Settings;
use crate::store::{RequestRecord, StableMemory, StoreError};
use candid::Principal;
use std::sync::{Arc, mpsc};

impl Executor<'_> {
    /// Takes the state from the disk and starts the canister in it, as after an upgrade to the same module. What was under way ends as rejected.
    /// A canister that cannot be started leaves a fault, which is no error of this function.
    pub(super) fn boot(&mut self) -> Result<(), OpenError> {
        // After a failed commit nothing is executed before it is certain what the disk has.
        self.shared.store.repair()?;
        let view = self.shared.store.view()?;
        let record = view.canister()?;
        let wasm = match &record {
            Some(record) => view.wasm(record),
            None => Ok(None),
        };
        let mut interrupted = Vec::new();
        for entry in view.requests()? {
            let (id, record) = entry?;
            if record.status() == RequestStatus::Processing {
                interrupted.push((id, ended_unknown(&record)));
            }
        }
        drop(view);

        self.group = super::Group::default();
        // Epochs only have to differ from all before, also from those of before a failed commit.
        let certified_epoch = self.live.certified_epoch + 1;
        self.live = Live::empty();
        self.live.certified_epoch = certified_epoch;
        let mut state = CanisterState::default();
        let (mut settings, mut run_state) = (Settings::default(), RunState::Running);
        if let Some(record) = record {
            settings = record.settings.unwrap_or_default();
            // Nothing that was under way is any more.
            run_state = match record.run_state {
                RunState::Running => RunState::Running,
                RunState::Stopping | RunState::Stopped => RunState::Stopped,
            };
            self.live.generation = record.generation;
            state.module_hash = record.module_hash;
            state.certified_data = record.certified_data.into_vec();
            self.live.time = record.time;
            self.live.canister_version = record.canister_version;
            self.live.stable_pages = record.stable_pages;
            self.live.commit = record.commit;
        }
        self.live.time = self.now();
        if settings.controllers.is_empty() {
            settings.controllers = self.shared.first_controllers.clone();
        }
        state.controllers = settings.controllers.clone();
        self.live.surroundings = Arc::new(surroundings(&settings, run_state));
        self.live.settings = Arc::new(settings);
        self.live.state = Arc::new(state);
        self.group.state_changed = true;
        self.group.requests = interrupted;
        self.group.touch();
        match wasm {
            Ok(None) => {}
            Ok(Some(wasm)) => self.restart(&wasm)?,
            // Another installation of the same module repairs it.
            Err(error @ StoreError::Damaged(_)) => {
                tracing::error!(%error, "the canister does not run");
                self.live.fault = Some(error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        self.seal();
        // A failed commit leaves the engine broken; it says so itself.
        self.broken = None;
        self.wait_for_commit().map_err(OpenError::Storage)
    }

    /// Starts the installed module again.
    fn restart(&mut self, wasm: &[u8]) -> Result<(), StoreError> {
        let cache = self.shared.folder.cache();
        let module = match CompiledModule::new(&self.shared.runtime, wasm, &cache) {
            Ok(module) => Arc::new(module),
            Err(error) => {
                self.live.fault = Some(error.to_string());
                return Ok(());
            }
        };
        Arc::make_mut(&mut self.live.state).metadata = module.metadata.clone();
        self.live.module = Some(module.clone());
        let mut stable = self.take_stable()?;
        let started;
        let caller = self.installer();
        (stable, started) = self.start(
            &module,
            "canister_post_upgrade",
            NO_ARGUMENTS,
            stable,
            caller,
        );
        match started {
            Ok(started) => {
                stable.accept();
                self.take_over(started);
                tracing::info!(module = %hex::encode(module.hash), "the canister is started");
            }
            Err(failed) => {
                stable.discard();
                let fault = failed.to_string();
                tracing::error!(%fault, "the canister does not run");
                self.live.fault = Some(fault);
            }
        }
        self.group.stable = Some(stable);
        Ok(())
    }

    /// Installs `module`, or upgrades to it, in a group of its own.
    pub(super) fn install(
        &mut self,
        module: Arc<CompiledModule>,
        wasm: Vec<u8>,
        arg: Vec<u8>,
        answer: mpsc::Sender<Result<Installed, InstallError>>,
    ) {
        if let Err(error) = self.end_group() {
            drop(answer.send(Err(InstallError::Storage(error))));
            return;
        }
        let installed = self.live.state.module_hash;
        if installed == Some(module.hash) && self.live.instance.is_some() {
            drop(answer.send(Ok(Installed::Unchanged)));
            return;
        }
        let mode = match installed {
            Some(_) => InstallMode::Upgrade {
                skip_pre_upgrade: false,
            },
            None => InstallMode::Install,
        };
        let caller = self.installer();
        if let Err(error) = self.change_module(&module, arg, mode, caller) {
            drop(answer.send(Err(error)));
            return;
        }
        self.adopt_module(module, wasm);
        let done = match installed {
            Some(_) => Installed::Upgraded,
            None => Installed::Installed,
        };
        self.group.answers.push(Answer::Install(answer, done));
        self.seal();
        // Whoever installs is told by the committer.
        let _ = self.wait_for_commit();
    }

    /// Makes `module` the installed one: its code is in place and what it runs at an installation has been run.
    pub(super) fn adopt_module(&mut self, module: Arc<CompiledModule>, wasm: Vec<u8>) {
        let state = Arc::make_mut(&mut self.live.state);
        state.module_hash = Some(module.hash);
        state.metadata = module.metadata.clone();
        tracing::info!(module = %hex::encode(module.hash), "the canister is installed");
        self.live.module = Some(module);
        self.live.fault = None;
        self.live.canister_version += 1;
        self.forget_calls();
        self.group.state_changed = true;
        self.group.wasm = Some(wasm);
        self.group.touch();
        self.stop_when_idle();
    }

    /// Runs what an installation runs. A trap leaves the instance of before and its state as they were.
    pub(super) fn change_module(
        &mut self,
        module: &Arc<CompiledModule>,
        arg: Vec<u8>,
        mode: InstallMode,
        caller: Principal,
    ) -> Result<(), InstallError> {
        let mut stable = match mode {
            InstallMode::Reinstall => self.next_stable(),
            _ => self.take_stable(),
        }
        .map_err(|error| InstallError::Storage(error.to_string()))?;
        let mut result = Ok(());
        if mode
            == (InstallMode::Upgrade {
                skip_pre_upgrade: false,
            })
        {
            (stable, result) = self.pre_upgrade(stable, caller);
        }
        let started = match result {
            Ok(()) => {
                let entry = match mode {
                    InstallMode::Upgrade { .. } => "canister_post_upgrade",
                    InstallMode::Install | InstallMode::Reinstall => "canister_init",
                };
                let started;
                (stable, started) = self.start(module, entry, &arg, stable, caller);
                started
            }
            Err(failed) => Err(failed),
        };
        match started {
            Ok(started) => {
                stable.accept();
                self.group.stable = Some(stable);
                if mode == InstallMode::Reinstall {
                    self.live.generation += 1;
                    self.live.stable_pages = 0;
                    self.set_certified_data(Vec::new());
                }
                self.take_over(started);
                Ok(())
            }
            Err(Failed { stage, trap }) => {
                self.shared
                    .log
                    .add([format!("[TRAP]: {stage}: {trap}").into_bytes()]);
                if mode != InstallMode::Reinstall {
                    stable.discard();
                    self.group.stable = Some(stable);
                }
                if let Some(instance) = &mut self.live.instance
                    && let Err(trap) = instance.drop_changes()
                {
                    self.lost = Some(trap.to_string());
                }
                Err(InstallError::Trapped {
                    stage,
                    trap: trap.to_string(),
                })
            }
        }
    }

    /// Runs canister_pre_upgrade of the old module. What it does to the heap is not kept: the heap is about to go.
    fn pre_upgrade(
        &mut self,
        stable: StableMemory,
        caller: Principal,
    ) -> (StableMemory, Result<(), Failed>) {
        const STAGE: &str = "canister_pre_upgrade";
        let time = self.now();
        let Some(instance) = &mut self.live.instance else {
            return (stable, Ok(()));
        };
        if !instance.module().has(STAGE) {
            return (stable, Ok(()));
        }
        let mut message = Message::new(ContextKind::PreUpgrade, caller, time, stable);
        message.canister_version = self.live.canister_version;
        message.surroundings = self.live.surroundings.clone();
        let ran = instance.run(
            &Entry::Export(STAGE.into()),
            message,
            MAX_INSTALL_INSTRUCTIONS,
        );
        let result = ran.result.map_err(|trap| Failed { stage: STAGE, trap });
        (ran.message.stable, result)
    }

    /// Makes an instance and runs its start function and `entry`, for `caller`.
    fn start(
        &mut self,
        module: &Arc<CompiledModule>,
        entry: &'static str,
        arg: &[u8],
        stable: StableMemory,
        caller: Principal,
    ) -> (StableMemory, Result<Started, Failed>) {
        let time = self.now();
        let live = &self.live;
        start_instance(
            &self.shared.runtime,
            module,
            entry,
            arg,
            stable,
            &|message| {
                message.caller = caller;
                message.time = time;
                message.canister_version = live.canister_version + 1;
                message.surroundings = live.surroundings.clone();
            },
        )
    }

    /// Stable memory with nothing in it, in the generation that comes next.
    fn next_stable(&mut self) -> Result<StableMemory, StoreError> {
        let view = self.shared.store.view()?;
        let mut stable = StableMemory::new(view.in_generation(self.live.generation + 1), None, 0);
        stable.limit(self.shared.limits.stable_pages);
        Ok(stable)
    }

    fn take_over(&mut self, started: Started) {
        self.shared.log.add(started.log);
        self.live.instance = Some(started.instance);
        self.live.timer = started.timer;
        if let Some(data) = started.certified_data {
            self.set_certified_data(data);
        }
    }

    /// Commits what has been executed so far, and waits for it.
    pub(super) fn end_group(&mut self) -> Result<(), String> {
        self.wait_for_commit()?;
        if self.group.messages > 0 {
            self.seal();
        }
        self.wait_for_commit()
    }

    /// Ends the calls that are under way: their callbacks belong to the module before.
    fn forget_calls(&mut self) {
        for context in self.calls.clear() {
            self.deliver(
                context.origin,
                Err(lost_by("an upgrade")),
                context.instructions,
            );
        }
        // Answers to the canister's own calls were put in line meanwhile, and nobody waits for them any more.
        drop(self.calls.clear());
    }

    /// Who canister_init and canister_post_upgrade see as their caller.
    fn installer(&self) -> Principal {
        let controllers = &self.live.settings.controllers;
        controllers
            .first()
            .copied()
            .unwrap_or_else(Principal::management_canister)
    }
}

fn lost_by(what: &str) -> Reject {
    Reject {
        code: RejectCode::SysUnknown,
        message: format!("the call was under way when {what} ended it; its outcome is unknown"),
        error_code: None,
    }
}

fn ended_unknown(record: &RequestRecord) -> RequestRecord {
    let status = RequestStatus::Rejected(lost_by("a restart of the host"));
    RequestRecord::new(record.sender, record.canister_id, record.expiry, &status)
}
