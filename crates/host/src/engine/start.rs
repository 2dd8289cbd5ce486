//! Brings a module to life: an instance, its start function, and canister_init or canister_post_upgrade.

use crate::runtime::{
    CompiledModule, ContextKind, Entry, Instance, Message, Runtime, START_EXPORT, Surroundings,
    Trap,
};
use crate::settings::Settings;
use crate::store::StableMemory;
use candid::Principal;
use std::sync::Arc;

/// Instructions an installation or an upgrade may use.
pub const MAX_INSTALL_INSTRUCTIONS: u64 = 300_000_000_000;

/// An empty list of Candid values: what canister_post_upgrade is given when a state is opened, where nobody passes an argument.
pub const NO_ARGUMENTS: &[u8] = b"DIDL\x00\x00";

/// An instance that has been started, and what it set meanwhile.
pub struct Started {
    pub instance: Instance,
    pub certified_data: Option<Vec<u8>>,
    /// When the global timer is due, nanoseconds since 1970 UTC; 0 for never.
    pub timer: u64,
    /// What was printed.
    pub log: Vec<Vec<u8>>,
}

/// What trapped, and how.
#[derive(Debug, thiserror::Error)]
#[error("its {stage} trapped: {trap}")]
pub struct Failed {
    pub stage: &'static str,
    pub trap: Trap,
}

/// What messages are told of a canister with these settings.
pub fn surroundings(settings: &Settings, run_state: crate::runtime::RunState) -> Surroundings {
    Surroundings {
        controllers: settings.controllers.clone(),
        environment_variables: settings.environment_variables.clone(),
        run_state,
    }
}

/// Makes an instance and runs its start function and `entry`, each in a message that `fill` completes. Stable memory comes back with what
/// they did, neither accepted nor discarded.
pub fn start_instance(
    runtime: &Arc<Runtime>,
    module: &Arc<CompiledModule>,
    entry: &'static str,
    arg: &[u8],
    mut stable: StableMemory,
    fill: &dyn Fn(&mut Message),
) -> (StableMemory, Result<Started, Failed>) {
    let failed = |stage| move |trap| Failed { stage, trap };
    let mut instance = match Instance::new(runtime, module) {
        Ok(instance) => instance,
        Err(trap) => return (stable, Err(failed("instantiation")(trap))),
    };
    let (mut certified_data, mut timer, mut log) = (None, 0, Vec::new());
    let stages = [
        (START_EXPORT, "start function", ContextKind::Start),
        (entry, entry, ContextKind::Init),
    ];
    for (export, stage, kind) in stages {
        if !module.has(export) {
            continue;
        }
        let mut message = Message::new(kind, Principal::management_canister(), 0, stable);
        fill(&mut message);
        if kind == ContextKind::Init {
            message.arg = arg.to_vec();
        }
        let ran = instance.run(
            &Entry::Export(export.into()),
            message,
            MAX_INSTALL_INSTRUCTIONS,
        );
        stable = ran.message.stable;
        log.extend(ran.message.log);
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
        log,
    };
    (stable, Ok(started))
}
