//! The canister's beginnings: after the engine is opened or has gone back to a commit, at an installation, at an upgrade.

use super::super::commit::Answer;
use super::super::error::{InstallError, Installed, OpenError};
use super::{Executor, Live};
use crate::message::{CanisterState, Reject, RejectCode, RequestStatus};
use crate::runtime::{CompiledModule, ContextKind, Entry, Instance, Message, START_EXPORT, Trap};
use crate::store::{RequestRecord, StableMemory, StoreError};
use candid::Principal;
use std::sync::{Arc, mpsc};

/// Instructions an installation or an upgrade may use.
const MAX_INSTALL_INSTRUCTIONS: u64 = 300_000_000_000;

/// An empty list of Candid values: what canister_post_upgrade is given when the engine is opened, where nobody passes an argument.
const NO_ARGUMENTS: &[u8] = b"DIDL\x00\x00";

/// An instance that has been started, and what it set meanwhile.
struct Started {
    instance: Instance,
    certified_data: Option<Vec<u8>>,
    timer: u64,
}

/// What trapped, and how.
struct Failed {
    stage: &'static str,
    trap: Trap,
}

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
        let mut state = CanisterState {
            controllers: self.shared.controllers.clone(),
            ..CanisterState::default()
        };
        if let Some(record) = record {
            state.module_hash = record.module_hash;
            state.certified_data = record.certified_data.into_vec();
            self.live.time = record.time;
            self.live.canister_version = record.canister_version;
            self.live.stable_pages = record.stable_pages;
            self.live.commit = record.commit;
        }
        self.live.time = self.now();
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
        (stable, started) = self.start(
            &module,
            "canister_post_upgrade",
            NO_ARGUMENTS.to_vec(),
            stable,
        );
        match started {
            Ok(started) => {
                stable.accept();
                self.take_over(started);
                tracing::info!(module = %hex::encode(module.hash), "the canister is started");
            }
            Err(failed) => {
                stable.discard();
                let fault = format!("its {} trapped: {}", failed.stage, failed.trap);
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
        match self.change_module(&module, arg, installed.is_some()) {
            Ok(()) => {}
            Err(error) => {
                drop(answer.send(Err(error)));
                return;
            }
        }
        let state = Arc::make_mut(&mut self.live.state);
        state.module_hash = Some(module.hash);
        state.metadata = module.metadata.clone();
        self.live.module = Some(module);
        self.live.fault = None;
        self.live.canister_version += 1;
        self.forget_calls();
        self.group.state_changed = true;
        self.group.wasm = Some(wasm);
        self.group.touch();
        let done = match installed {
            Some(_) => Installed::Upgraded,
            None => Installed::Installed,
        };
        self.group.answers.push(Answer::Install(answer, done));
        if let Some(hash) = self.live.state.module_hash {
            tracing::info!(module = %hex::encode(hash), ?done, "the canister is installed");
        }
        self.seal();
        // Whoever installs is told by the committer.
        let _ = self.wait_for_commit();
    }

    /// Runs what an installation runs. A trap leaves the instance of before and its state as they were.
    fn change_module(
        &mut self,
        module: &Arc<CompiledModule>,
        arg: Vec<u8>,
        upgrade: bool,
    ) -> Result<(), InstallError> {
        let mut stable = self
            .take_stable()
            .map_err(|error| InstallError::Storage(error.to_string()))?;
        let mut result = Ok(());
        if upgrade {
            (stable, result) = self.pre_upgrade(stable);
        }
        let started = match result {
            Ok(()) => {
                let entry = if upgrade {
                    "canister_post_upgrade"
                } else {
                    "canister_init"
                };
                let started;
                (stable, started) = self.start(module, entry, arg, stable);
                started
            }
            Err(failed) => Err(failed),
        };
        match started {
            Ok(started) => {
                stable.accept();
                self.group.stable = Some(stable);
                self.take_over(started);
                Ok(())
            }
            Err(Failed { stage, trap }) => {
                stable.discard();
                self.group.stable = Some(stable);
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
    fn pre_upgrade(&mut self, stable: StableMemory) -> (StableMemory, Result<(), Failed>) {
        const STAGE: &str = "canister_pre_upgrade";
        let time = self.now();
        let caller = self.installer();
        let Some(instance) = &mut self.live.instance else {
            return (stable, Ok(()));
        };
        if !instance.module().has(STAGE) {
            return (stable, Ok(()));
        }
        let mut message = Message::new(ContextKind::PreUpgrade, caller, time, stable);
        message.canister_version = self.live.canister_version;
        let ran = instance.run(
            &Entry::Export(STAGE.into()),
            message,
            MAX_INSTALL_INSTRUCTIONS,
        );
        let result = ran.result.map_err(|trap| Failed { stage: STAGE, trap });
        (ran.message.stable, result)
    }

    /// Makes an instance and runs its start function and `entry`.
    fn start(
        &mut self,
        module: &Arc<CompiledModule>,
        entry: &'static str,
        arg: Vec<u8>,
        mut stable: StableMemory,
    ) -> (StableMemory, Result<Started, Failed>) {
        let failed = |stage| move |trap| Failed { stage, trap };
        let mut instance = match Instance::new(&self.shared.runtime, module) {
            Ok(instance) => instance,
            Err(trap) => return (stable, Err(failed("instantiation")(trap))),
        };
        let (mut certified_data, mut timer) = (None, 0);
        let stages = [
            (START_EXPORT, "start function", ContextKind::Start),
            (entry, entry, ContextKind::Init),
        ];
        for (export, stage, kind) in stages {
            if !module.has(export) {
                continue;
            }
            let mut message = Message::new(kind, self.installer(), self.now(), stable);
            message.arg = if kind == ContextKind::Init {
                arg.clone()
            } else {
                Vec::new()
            };
            message.canister_version = self.live.canister_version + 1;
            let ran = instance.run(
                &Entry::Export(export.into()),
                message,
                MAX_INSTALL_INSTRUCTIONS,
            );
            stable = ran.message.stable;
            if let Err(trap) = ran.result {
                return (stable, Err(failed(stage)(trap)));
            }
            certified_data = ran.message.certified_data.or(certified_data);
            timer = ran.message.timer;
        }
        if let Err(error) = instance.keep() {
            let trap = Trap::Host(format!("the heap could not be kept: {error}"));
            return (stable, Err(failed("start")(trap)));
        }
        let started = Started {
            instance,
            certified_data,
            timer,
        };
        (stable, Ok(started))
    }

    fn take_over(&mut self, started: Started) {
        self.live.instance = Some(started.instance);
        self.live.timer = started.timer;
        if let Some(data) = started.certified_data {
            self.set_certified_data(data);
        }
    }

    /// Commits what has been executed so far, and waits for it.
    fn end_group(&mut self) -> Result<(), String> {
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
        let controllers = &self.shared.controllers;
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
