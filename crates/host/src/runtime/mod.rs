//! Executes canister modules in wasmtime, with the Internet Computer's System API, metering and limits.
//!
//! [`Runtime`] holds what all modules share; a [`CompiledModule`] is checked and compiled; an [`Instance`] has a heap whose
//! changes are kept or dropped a message at a time, which is half of I2 (stable memory is the other half, in [`crate::store`]).

mod code;
pub mod cost;
mod heap;
mod instance;
mod message;
mod module;
mod snapshot;
mod system_api;
mod warm;

pub use code::CodeCache;
pub use instance::{Entry, Instance, Ran};
pub use message::{
    Callback, ContextKind, Message, OutgoingCall, Response, RunState, Surroundings, Trap,
};
pub use module::{CompiledModule, MAX_MODULE_BYTES, MethodKind, ModuleError, START_EXPORT};
pub use snapshot::HeapSnapshot;

use candid::Principal;
use heap::HeapCreator;
use std::sync::{Arc, OnceLock};
use wasmtime::{Config, Engine, ExternType, Linker, Memory};

/// Bytes of stack WebAssembly code may use; the Internet Computer's bound.
const WASM_STACK_BYTES: usize = 5 * 1024 * 1024;

/// Bytes of stack a thread that executes messages must have: WebAssembly's, and the host's own on top.
pub const THREAD_STACK_BYTES: usize = WASM_STACK_BYTES + 3 * 1024 * 1024;

/// What the System API answers with and does not change while the host runs.
#[derive(Clone, Debug)]
pub struct Environment {
    pub canister_id: Principal,
    /// Cycles the canister is told it has.
    pub cycle_balance: u128,
    /// Set once the keys of this home are known; `ic0.root_key_size` and `ic0.subnet_self_size` answer 0 before.
    pub network: Arc<OnceLock<Network>>,
}

/// What the canister is told of the network it runs on.
#[derive(Clone, Debug)]
pub struct Network {
    pub subnet_id: Principal,
    /// The public key certificates are verified with, DER-encoded.
    pub root_key: Vec<u8>,
}

/// The data of a wasmtime store: what system calls work on.
pub struct Host {
    environment: Arc<Environment>,
    memory: Option<Memory>,
    /// The message being executed; absent between messages.
    message: Option<Message>,
}

/// The compiler, the System API and the heaps' maker.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Host>,
    heaps: Arc<HeapCreator>,
    environment: Arc<Environment>,
    code: CodeCache,
}

impl Runtime {
    /// A runtime whose heaps have at most `max_heap_bytes` bytes each. Fails where the machine is not supported.
    pub fn new(environment: Environment, max_heap_bytes: usize) -> wasmtime::Result<Runtime> {
        let heaps = Arc::new(HeapCreator::new(max_heap_bytes)?);
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .operator_cost(cost::operators())
            .with_host_memory(heaps.clone())
            .max_wasm_stack(WASM_STACK_BYTES)
            .async_stack_size(THREAD_STACK_BYTES)
            // Copy-on-write images would bypass the heaps of our own.
            .memory_init_cow(false)
            // Floats must give the same bits here and on every replica.
            .cranelift_nan_canonicalization(true)
            // What the Internet Computer does not take, or what the host could not restore.
            .wasm_relaxed_simd(false)
            .wasm_memory64(false)
            .wasm_multi_memory(false);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        system_api::link(&mut linker)?;
        Ok(Runtime {
            engine,
            linker,
            heaps,
            environment: Arc::new(environment),
            code: CodeCache::default(),
        })
    }

    /// The same with another way to keep compiled modules; by default they are kept in the state folder alone.
    pub fn with_code_cache(self, code: CodeCache) -> Runtime {
        Runtime { code, ..self }
    }

    /// Bytes a heap may have.
    pub fn max_heap_bytes(&self) -> usize {
        self.heaps.max_bytes()
    }

    /// The imports the System API does not have, or has with another signature.
    fn unknown_imports(&self, module: &wasmtime::Module) -> Vec<String> {
        let mut store = wasmtime::Store::new(&self.engine, self.host());
        let mut unknown = Vec::new();
        for import in module.imports() {
            let name = format!("{}.{}", import.module(), import.name());
            let known = self
                .linker
                .get(&mut store, import.module(), import.name())
                .ok()
                .and_then(|found| found.into_func())
                .map(|function| function.ty(&store));
            match (known, import.ty()) {
                (Some(known), ExternType::Func(asked)) if known.matches(&asked) => {}
                (Some(_), _) => unknown.push(format!("{name} (with another signature)")),
                (None, _) => unknown.push(name),
            }
        }
        unknown
    }

    fn host(&self) -> Host {
        Host {
            environment: self.environment.clone(),
            memory: None,
            message: None,
        }
    }
}
