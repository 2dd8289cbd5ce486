//! Stable memory, in its 64-bit and its 32-bit form.

use super::super::Host;
use super::super::cost::{STABLE_ACCESS, STABLE_DIRTY_PAGE, STABLE_GROW, STABLE_SIZE};
use super::super::message::{Raised, Trap};
use super::{Contexts, charge, contract, enter, out_of_bounds, split};
use crate::store::{StableError, StoreError};
use wasmtime::{Caller, Linker, Result};

/// Pages the 32-bit functions can address: 4 GiB.
const MAX_PAGES_32: u64 = 1 << 16;

pub(super) fn link(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap("ic0", "stable64_size", |mut caller: Caller<'_, Host>| {
        Ok(
            enter(&mut caller, "stable64_size", Contexts::ALL, STABLE_SIZE)?
                .stable
                .pages(),
        )
    })?;
    linker.func_wrap(
        "ic0",
        "stable64_grow",
        |mut caller: Caller<'_, Host>, pages: u64| {
            let message = enter(&mut caller, "stable64_grow", Contexts::ALL, STABLE_GROW)?;
            Ok(message.stable.grow(pages).unwrap_or(u64::MAX))
        },
    )?;
    linker.func_wrap(
        "ic0",
        "stable64_read",
        |mut caller: Caller<'_, Host>, dst: u64, offset: u64, size: u64| {
            read(&mut caller, "stable64_read", dst, offset, size)
        },
    )?;
    linker.func_wrap(
        "ic0",
        "stable64_write",
        |mut caller: Caller<'_, Host>, offset: u64, src: u64, size: u64| {
            write(&mut caller, "stable64_write", offset, src, size)
        },
    )?;
    linker.func_wrap("ic0", "stable_size", |mut caller: Caller<'_, Host>| {
        let message = enter(&mut caller, "stable_size", Contexts::ALL, STABLE_SIZE)?;
        pages_32(message.stable.pages())
    })?;
    linker.func_wrap(
        "ic0",
        "stable_grow",
        |mut caller: Caller<'_, Host>, pages: u32| {
            let message = enter(&mut caller, "stable_grow", Contexts::ALL, STABLE_GROW)?;
            pages_32(message.stable.pages())?;
            if message.stable.pages() + u64::from(pages) > MAX_PAGES_32 {
                return Ok(u32::MAX);
            }
            // Below 2^16 pages, as just checked.
            Ok(message
                .stable
                .grow(u64::from(pages))
                .map_or(u32::MAX, |old| old as u32))
        },
    )?;
    linker.func_wrap(
        "ic0",
        "stable_read",
        |mut caller: Caller<'_, Host>, dst: u32, offset: u32, size: u32| {
            read(
                &mut caller,
                "stable_read",
                dst.into(),
                offset.into(),
                size.into(),
            )
        },
    )?;
    linker.func_wrap(
        "ic0",
        "stable_write",
        |mut caller: Caller<'_, Host>, offset: u32, src: u32, size: u32| {
            write(
                &mut caller,
                "stable_write",
                offset.into(),
                src.into(),
                size.into(),
            )
        },
    )?;
    Ok(())
}

fn read(caller: &mut Caller<'_, Host>, name: &str, dst: u64, offset: u64, size: u64) -> Result<()> {
    enter(
        caller,
        name,
        Contexts::ALL,
        STABLE_ACCESS.saturating_add(size),
    )?;
    let (heap, host) = split(caller)?;
    let into = heap.get_mut(range(dst, size)?).ok_or_else(out_of_bounds)?;
    match &mut host.message {
        Some(message) => message.stable.read(offset, into).map_err(stable_trap),
        None => Err(contract("a system call outside any message")),
    }
}

fn write(
    caller: &mut Caller<'_, Host>,
    name: &str,
    offset: u64,
    src: u64,
    size: u64,
) -> Result<()> {
    enter(
        caller,
        name,
        Contexts::ALL,
        STABLE_ACCESS.saturating_add(size),
    )?;
    let (heap, host) = split(caller)?;
    let data = heap.get(range(src, size)?).ok_or_else(out_of_bounds)?;
    let dirtied = match &mut host.message {
        Some(message) => message.stable.write(offset, data).map_err(stable_trap)?,
        None => return Err(contract("a system call outside any message")),
    };
    charge(caller, dirtied.saturating_mul(STABLE_DIRTY_PAGE))
}

fn range(start: u64, len: u64) -> Result<std::ops::Range<usize>> {
    let end = start.checked_add(len).ok_or_else(out_of_bounds)?;
    let index = |at: u64| usize::try_from(at).map_err(|_| out_of_bounds());
    Ok(index(start)?..index(end)?)
}

fn pages_32(pages: u64) -> Result<u32> {
    match u32::try_from(pages) {
        Ok(pages) if u64::from(pages) <= MAX_PAGES_32 => Ok(pages),
        _ => Err(contract(
            "stable memory is larger than 4 GiB, and a 32-bit function was called",
        )),
    }
}

fn stable_trap(error: StableError) -> wasmtime::Error {
    match error {
        StableError::OutOfBounds | StableError::TooMuch => contract(error.to_string()),
        StableError::Store(error @ StoreError::Damaged(_)) => {
            Raised(Trap::Damaged(error.to_string())).into()
        }
        StableError::Store(error) => Raised(Trap::Host(error.to_string())).into(),
    }
}
