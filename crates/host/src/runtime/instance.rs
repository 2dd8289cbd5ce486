//! A module brought to life: runs messages, and keeps or drops what they did to the heap and the globals.
//!
//! Between messages an instance is in its kept state. After [`Instance::run`] the owner decides with
//! [`Instance::keep`] or [`Instance::drop_changes`]; nothing else changes the kept state.

use super::cost::FUNCTION_ENTRY;
use super::heap::{Heap, HeapCreator};
use super::message::{Callback, Message, Raised, Trap};
use super::module::{CompiledModule, MEMORY_EXPORT, TABLE_EXPORT};
use super::snapshot::HeapSnapshot;
use super::warm::WarmPages;
use super::{Host, Runtime};
use std::io;
use std::sync::Arc;
use wasmtime::{Func, Global, Store, Val};

/// What wasmtime may charge for putting data and table segments in place, which is no execution yet: more than
/// the largest module has bytes.
const INSTANTIATION_FUEL: u64 = 1_000_000_000;

/// Where an execution begins.
#[derive(Clone, Debug)]
pub enum Entry {
    /// An exported function without parameters.
    Export(String),
    /// A callback in the module's table.
    Callback(Callback),
}

/// An execution that ended, one way or the other.
pub struct Ran {
    pub message: Message,
    pub result: Result<(), Trap>,
    /// Instructions used, as `ic0.performance_counter(0)` counts them.
    pub instructions: u64,
}

/// An instance of a canister's module.
pub struct Instance {
    runtime: Arc<Runtime>,
    module: Arc<CompiledModule>,
    store: Store<Host>,
    instance: wasmtime::Instance,
    heap: Option<Arc<Heap>>,
    globals: Vec<Global>,
    /// The state a drop goes back to.
    kept: HeapSnapshot,
    warm: WarmPages,
    /// Something failed while the heap was kept or restored: what it holds may be neither what it was nor what it was to be.
    spoiled: bool,
}

impl Instance {
    /// Makes an instance whose data segments are in place and not kept yet. No code runs.
    pub fn new(runtime: &Arc<Runtime>, module: &Arc<CompiledModule>) -> Result<Instance, Trap> {
        let mut store = Store::new(&runtime.engine, runtime.host());
        store
            .set_fuel(INSTANTIATION_FUEL)
            .map_err(|error| Trap::Host(format!("{error:#}")))?;
        let instance = module
            .pre
            .instantiate(&mut store)
            .map_err(|error| Trap::Wasm(format!("{error:#}")))?;
        let memory = instance.get_memory(&mut store, MEMORY_EXPORT);
        let heap = match memory {
            Some(memory) => Some(
                runtime
                    .heaps
                    .heap_at(memory.data_ptr(&store))
                    .ok_or_else(|| Trap::Host("the heap of a new instance is not known".into()))?,
            ),
            None => None,
        };
        store.data_mut().memory = memory;
        let mut globals = Vec::with_capacity(module.globals.len());
        for name in &module.globals {
            // The rewriting has exported each of them.
            globals.extend(instance.get_global(&mut store, name));
        }
        Ok(Instance {
            runtime: runtime.clone(),
            module: module.clone(),
            store,
            instance,
            heap,
            globals,
            kept: HeapSnapshot::default(),
            warm: WarmPages::default(),
            spoiled: false,
        })
    }

    pub fn module(&self) -> &Arc<CompiledModule> {
        &self.module
    }

    /// The values of the globals that are exported or mutable, in the order of the Internet Computer's snapshots.
    pub fn visible_globals(&mut self) -> Vec<Val> {
        let mut values = Vec::with_capacity(self.module.visible_globals.len());
        for global in &self.module.visible_globals {
            // The rewritten module exports each of them.
            if let Some(found) = self.instance.get_global(&mut self.store, &global.name) {
                values.push(found.get(&mut self.store));
            }
        }
        values
    }

    /// Puts a heap and globals that were saved elsewhere in place of what a new instance has, and keeps them. No code runs.
    ///
    /// # Errors
    /// A sentence that says why they do not fit the module. The instance must not be used then.
    pub fn adopt(&mut self, heap: HeapSnapshot, globals: &[Val]) -> Result<(), String> {
        let current = self.visible_globals();
        let fits = current.len() == globals.len()
            && current.iter().zip(globals).all(|(current, saved)| {
                std::mem::discriminant(current) == std::mem::discriminant(saved)
            });
        if !fits {
            return Err("its globals are not those of its module".into());
        }
        let least = self.heap_size();
        if heap.size() < least {
            return Err(format!(
                "its heap has {} bytes, and the module needs {least} at least",
                heap.size()
            ));
        }
        if self.heap.is_none() && heap.size() > 0 {
            return Err("it has a heap, and its module has none".into());
        }
        let mut mutable = self.current_globals();
        for (global, saved) in self.module.visible_globals.iter().zip(globals) {
            if let Some(slot) = global.mutable.and_then(|index| mutable.get_mut(index)) {
                *slot = *saved;
            }
        }
        self.restore(&heap.with_globals(mutable))
            .map_err(|trap| trap.to_string())
    }

    /// Executes `message`, which may use `limit` instructions.
    pub fn run(&mut self, entry: &Entry, mut message: Message, limit: u64) -> Ran {
        message.limit = limit;
        self.store.data_mut().message = Some(message);
        let result = self.call(entry, limit);
        let left = self.store.get_fuel().unwrap_or(0);
        // Put there above, and taken nowhere else.
        let message = match self.store.data_mut().message.take() {
            Some(message) => message,
            None => unreachable!("system calls leave the running message in place"),
        };
        Ran {
            message,
            result,
            instructions: limit.saturating_sub(left),
        }
    }

    fn call(&mut self, entry: &Entry, limit: u64) -> Result<(), Trap> {
        let trapped = |error: wasmtime::Error| as_trap(&error, limit);
        // Entering the first function is not the message's expense.
        let fuel = limit.saturating_add(FUNCTION_ENTRY);
        self.store.set_fuel(fuel).map_err(trapped)?;
        match entry {
            Entry::Export(name) => self
                .instance
                .get_typed_func::<(), ()>(&mut self.store, name)
                .and_then(|function| function.call(&mut self.store, ()))
                .map_err(trapped),
            Entry::Callback(callback) => {
                let function = self.callback(callback.function)?;
                function
                    .typed::<u32, ()>(&self.store)
                    .map_err(|_| Trap::Contract("a callback's type is not func (i32)".into()))?
                    .call(&mut self.store, callback.env)
                    .map_err(trapped)
            }
        }
    }

    fn callback(&mut self, index: u32) -> Result<Func, Trap> {
        let missing = || Trap::Contract(format!("there is no callback {index} in the table"));
        let table = self
            .instance
            .get_table(&mut self.store, TABLE_EXPORT)
            .ok_or_else(missing)?;
        let element = table
            .get(&mut self.store, index.into())
            .ok_or_else(missing)?;
        element.as_func().flatten().copied().ok_or_else(missing)
    }

    /// Makes the current state the kept one. Costs the pages that changed. After an error the instance must not be used any more, and
    /// going back fails as well.
    pub fn keep(&mut self) -> io::Result<()> {
        if let Some(heap) = &self.heap
            && let Err(error) = self.warm.keep(heap, &mut self.kept)
        {
            self.spoiled = true;
            return Err(error);
        }
        let globals = self.current_globals();
        self.kept.set_globals(globals);
        Ok(())
    }

    /// Goes back to the kept state, which there has to be. After an error the instance must not be used any more.
    pub fn drop_changes(&mut self) -> Result<(), Trap> {
        let kept = self.kept.clone();
        self.restore(&kept)
    }

    /// The kept state.
    pub fn snapshot(&self) -> &HeapSnapshot {
        &self.kept
    }

    /// Makes `snapshot`, taken of an instance of the same module, the kept and the current state. Costs the pages that differ
    /// from the state kept before. After an error the instance must not be used any more.
    pub fn restore(&mut self, snapshot: &HeapSnapshot) -> Result<(), Trap> {
        if self.spoiled {
            return Err(Trap::Host("the heap was lost".into()));
        }
        let restored = self.try_restore(snapshot);
        self.spoiled = restored.is_err();
        restored
    }

    fn try_restore(&mut self, snapshot: &HeapSnapshot) -> Result<(), Trap> {
        let failed =
            |error: io::Error| Trap::Host(format!("the heap could not be restored: {error}"));
        if let Some(heap) = &self.heap
            && heap.size() > snapshot.size()
        {
            // A WebAssembly memory does not shrink: begin anew, over what this heap has kept.
            self.warm.write_to_file(heap, &self.kept).map_err(failed)?;
            let content = heap.hand_over(snapshot.size()).map_err(failed)?;
            let kept = std::mem::take(&mut self.kept);
            let make = || Instance::new(&self.runtime, &self.module);
            *self = HeapCreator::with_content(content, make)?;
            self.kept = kept;
        }
        let missing = (snapshot.size().saturating_sub(self.heap_size()) as u64) / wasm_page();
        if missing > 0
            && let Some(memory) = self.store.data().memory
        {
            memory
                .grow(&mut self.store, missing)
                .map_err(|error| Trap::Host(format!("the heap could not be restored: {error}")))?;
        }
        if let Some(heap) = &self.heap {
            self.warm
                .restore(heap, &self.kept, snapshot)
                .map_err(failed)?;
        }
        for (global, value) in self.globals.iter().zip(snapshot.globals()) {
            global
                .set(&mut self.store, *value)
                .map_err(|error| Trap::Host(format!("a global could not be restored: {error}")))?;
        }
        self.kept = snapshot.clone();
        Ok(())
    }

    fn heap_size(&self) -> usize {
        self.heap.as_ref().map_or(0, |heap| heap.size())
    }

    fn current_globals(&mut self) -> Vec<Val> {
        self.globals
            .iter()
            .map(|global| global.get(&mut self.store))
            .collect()
    }
}

fn wasm_page() -> u64 {
    crate::store::WASM_PAGE
}

/// What went wrong, from what wasmtime reports.
fn as_trap(error: &wasmtime::Error, limit: u64) -> Trap {
    if let Some(Raised(trap)) = error.downcast_ref::<Raised>() {
        return trap.clone();
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::OutOfFuel) => Trap::InstructionLimit(limit),
        Some(trap) => {
            tracing::debug!(error = %format!("{error:?}"), "the canister trapped");
            Trap::Wasm(trap.to_string())
        }
        None => Trap::Wasm(format!("{error:#}")),
    }
}
