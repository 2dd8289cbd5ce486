//! The System API: the functions of module `ic0` that canisters import (interface specification, "System API").
//!
//! [`link`] is the whole table; what is not in it, installation refuses by name. Every function begins with [`enter`],
//! which checks that it may be called in the running message's context and charges its cost. A violated contract
//! traps the message; nothing here panics on what a canister passes.

mod calls;
mod canister;
mod exchange;
mod stable;
mod variables;

use super::Host;
use super::cost::FUNCTION_ENTRY;
use super::message::{ContextKind, Message, Raised, Trap};
use wasmtime::{Caller, Linker, Result};

/// Contexts a function may be called in, a bit each.
#[derive(Clone, Copy)]
struct Contexts(u16);

impl Contexts {
    const fn of(kinds: &[ContextKind]) -> Contexts {
        let mut bits = 0;
        let mut index = 0;
        while index < kinds.len() {
            bits |= kinds[index] as u16;
            index += 1;
        }
        Contexts(bits)
    }

    fn contains(self, kind: ContextKind) -> bool {
        self.0 & kind as u16 != 0
    }

    /// `* s` in the specification's table.
    const ALL: Contexts = Contexts(u16::MAX);
    /// `*`: everywhere but in the start function.
    const MESSAGES: Contexts = Contexts(!(ContextKind::Start as u16));
}

/// Defines every function of `ic0`.
pub fn link(linker: &mut Linker<Host>) -> Result<()> {
    exchange::link(linker)?;
    canister::link(linker)?;
    calls::link(linker)?;
    stable::link(linker)
}

/// A trap for a violated contract.
fn contract(message: impl Into<String>) -> wasmtime::Error {
    Raised(Trap::Contract(message.into())).into()
}

/// Takes `cost` from what the message may still spend.
fn charge(caller: &mut Caller<'_, Host>, cost: u64) -> Result<()> {
    match caller.get_fuel()?.checked_sub(cost) {
        Some(rest) => caller.set_fuel(rest),
        None => {
            caller.set_fuel(0)?;
            Err(wasmtime::Trap::OutOfFuel.into())
        }
    }
}

/// Begins a system call: checks the context, charges, and hands out the running message.
fn enter<'a>(
    caller: &'a mut Caller<'_, Host>,
    name: &str,
    allowed: Contexts,
    cost: u64,
) -> Result<&'a mut Message> {
    let kind = message(caller)?.kind;
    if !allowed.contains(kind) {
        return Err(contract(format!(
            "\"ic0_{name}\" cannot be executed in {} mode",
            mode(kind)
        )));
    }
    charge(caller, cost.saturating_add(FUNCTION_ENTRY))?;
    message(caller)
}

/// The running message. WebAssembly runs only while there is one, so that the error tells of a fault in the host.
fn message<'a>(caller: &'a mut Caller<'_, Host>) -> Result<&'a mut Message> {
    caller
        .data_mut()
        .message
        .as_mut()
        .ok_or_else(|| Raised(Trap::Host("a system call outside any message".into())).into())
}

/// Bytes `start..start + len` of the heap, copied.
fn read_heap(caller: &mut Caller<'_, Host>, start: u32, len: u32) -> Result<Vec<u8>> {
    let (heap, _) = split(caller)?;
    heap_range(heap, start, len).map(|bytes| bytes.to_vec())
}

/// Writes `bytes` to the heap at `start`.
fn write_heap(caller: &mut Caller<'_, Host>, start: u32, bytes: &[u8]) -> Result<()> {
    let (heap, _) = split(caller)?;
    let end = start as usize + bytes.len();
    heap.get_mut(start as usize..end)
        .ok_or_else(out_of_bounds)?
        .copy_from_slice(bytes);
    Ok(())
}

/// The heap and the store's data at once.
fn split<'a>(caller: &'a mut Caller<'_, Host>) -> Result<(&'a mut [u8], &'a mut Host)> {
    let memory = caller
        .data()
        .memory
        .ok_or_else(|| contract("the module has no memory"))?;
    Ok(memory.data_and_store_mut(caller))
}

fn heap_range(heap: &[u8], start: u32, len: u32) -> Result<&[u8]> {
    // On 64-bit machines, which HeapCreator's reservation presupposes, the sum cannot overflow.
    heap.get(start as usize..start as usize + len as usize)
        .ok_or_else(out_of_bounds)
}

fn out_of_bounds() -> wasmtime::Error {
    contract("heap memory out of bounds")
}

/// Copies `size` bytes from `offset` of what `source` gives to the heap at `dst`.
fn copy_out(
    caller: &mut Caller<'_, Host>,
    (dst, offset, size): (u32, u32, u32),
    source: impl FnOnce(&Host) -> &[u8],
) -> Result<()> {
    let (heap, host) = split(caller)?;
    let (from, to) = (offset as usize, dst as usize);
    let bytes = source(host)
        .get(from..from + size as usize)
        .ok_or_else(|| contract("the range copied is not within the data"))?;
    heap.get_mut(to..to + bytes.len())
        .ok_or_else(out_of_bounds)?
        .copy_from_slice(bytes);
    Ok(())
}

/// Defines a pair `<name>_size`, `<name>_copy` over `source`.
fn link_bytes(
    linker: &mut Linker<Host>,
    name: &'static str,
    allowed: Contexts,
    source: fn(&Host) -> &[u8],
) -> Result<()> {
    linker.func_wrap(
        "ic0",
        &format!("{name}_size"),
        move |mut caller: Caller<'_, Host>| -> Result<u32> {
            enter(&mut caller, name, allowed, super::cost::SYSTEM_CALL)?;
            // Everything handed out is bounded by the limits on messages, far below 4 GiB.
            Ok(source(caller.data()).len() as u32)
        },
    )?;
    linker.func_wrap(
        "ic0",
        &format!("{name}_copy"),
        move |mut caller: Caller<'_, Host>, dst: u32, offset: u32, size: u32| {
            let cost = super::cost::SYSTEM_CALL + u64::from(size);
            enter(&mut caller, name, allowed, cost)?;
            copy_out(&mut caller, (dst, offset, size), source)
        },
    )?;
    Ok(())
}

/// What the running message has, for [`link_bytes`].
fn of_message(host: &Host, part: fn(&Message) -> &[u8]) -> &[u8] {
    host.message.as_ref().map_or(&[], part)
}

fn mode(kind: ContextKind) -> &'static str {
    match kind {
        ContextKind::Start => "start",
        ContextKind::Init => "init",
        ContextKind::PreUpgrade => "pre_upgrade",
        ContextKind::Update => "update",
        ContextKind::ReplicatedQuery => "replicated query",
        ContextKind::Query => "non replicated query",
        ContextKind::CompositeQuery => "composite query",
        ContextKind::Reply => "reply callback",
        ContextKind::Reject => "reject callback",
        ContextKind::Cleanup => "cleanup",
        ContextKind::Inspect => "inspect message",
        ContextKind::Timer => "system task",
    }
}
