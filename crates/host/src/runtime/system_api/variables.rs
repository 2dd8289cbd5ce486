//! Environment variables, which the canister's controllers set and it reads.

use super::super::Host;
use super::super::cost::SYSTEM_CALL;
use super::{Contexts, contract, copy_out, enter, read_heap};
use wasmtime::{Caller, Linker, Result};

/// Bytes a variable's name may have: the Internet Computer's bound.
const MAX_NAME: u32 = 128;

pub(super) fn link(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap("ic0", "env_var_count", |mut caller: Caller<'_, Host>| {
        begin(&mut caller, "env_var_count", 0)?;
        // The settings bound their number, far below 2^32.
        Ok(variables(caller.data()).len() as u32)
    })?;
    linker.func_wrap(
        "ic0",
        "env_var_name_size",
        |mut caller: Caller<'_, Host>, index: u32| {
            begin(&mut caller, "env_var_name_size", 0)?;
            Ok(name(caller.data(), index)?.len() as u32)
        },
    )?;
    linker.func_wrap(
        "ic0",
        "env_var_name_copy",
        |mut caller: Caller<'_, Host>, index: u32, dst: u32, offset: u32, size: u32| {
            begin(&mut caller, "env_var_name_copy", size)?;
            // Looked up before, as what copies cannot fail for another reason than its range.
            name(caller.data(), index)?;
            copy_out(&mut caller, (dst, offset, size), |host| {
                name(host, index).map_or(&[], str::as_bytes)
            })
        },
    )?;
    linker.func_wrap(
        "ic0",
        "env_var_name_exists",
        |mut caller: Caller<'_, Host>, src: u32, size: u32| {
            begin(&mut caller, "env_var_name_exists", size)?;
            let name = asked(&mut caller, "env_var_name_exists", src, size)?;
            Ok(u32::from(value(caller.data(), &name).is_some()))
        },
    )?;
    linker.func_wrap(
        "ic0",
        "env_var_value_size",
        |mut caller: Caller<'_, Host>, src: u32, size: u32| {
            begin(&mut caller, "env_var_value_size", size)?;
            let name = asked(&mut caller, "env_var_value_size", src, size)?;
            let value = value(caller.data(), &name).ok_or_else(none)?;
            Ok(value.len() as u32)
        },
    )?;
    linker.func_wrap(
        "ic0",
        "env_var_value_copy",
        |mut caller: Caller<'_, Host>,
         src: u32,
         name_size: u32,
         dst: u32,
         offset: u32,
         size: u32| {
            begin(
                &mut caller,
                "env_var_value_copy",
                name_size.saturating_add(size),
            )?;
            let name = asked(&mut caller, "env_var_value_copy", src, name_size)?;
            value(caller.data(), &name).ok_or_else(none)?;
            copy_out(&mut caller, (dst, offset, size), |host| {
                value(host, &name).map_or(&[], str::as_bytes)
            })
        },
    )?;
    Ok(())
}

fn begin(caller: &mut Caller<'_, Host>, function: &str, bytes: u32) -> Result<()> {
    let cost = SYSTEM_CALL + u64::from(bytes);
    enter(caller, function, Contexts::MESSAGES, cost).map(|_| ())
}

fn variables(host: &Host) -> &[(String, String)] {
    host.message
        .as_ref()
        .map_or(&[], |message| &message.surroundings.environment_variables)
}

fn name(host: &Host, index: u32) -> Result<&str> {
    match variables(host).get(index as usize) {
        Some((name, _)) => Ok(name),
        None => Err(none()),
    }
}

fn value<'a>(host: &'a Host, name: &str) -> Option<&'a str> {
    let variables = variables(host);
    let found = variables.binary_search_by(|(known, _)| known.as_str().cmp(name));
    Some(&variables.get(found.ok()?)?.1)
}

/// The name a canister asks for.
fn asked(caller: &mut Caller<'_, Host>, function: &str, src: u32, size: u32) -> Result<String> {
    if size > MAX_NAME {
        return Err(contract(format!(
            "{function}: a name has at most {MAX_NAME} bytes"
        )));
    }
    String::from_utf8(read_heap(caller, src, size)?)
        .map_err(|_| contract(format!("{function}: the name is not valid UTF-8")))
}

fn none() -> wasmtime::Error {
    contract("there is no such environment variable")
}
