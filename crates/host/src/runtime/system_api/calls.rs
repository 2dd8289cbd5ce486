//! Calls to other canisters, as they are put together by a message; the executor sends them when it succeeds.

use super::super::Host;
use super::super::cost::{CALL_NEW, CALL_PERFORM, SYSTEM_CALL};
use super::super::message::ContextKind::*;
use super::super::message::{Callback, OutgoingCall};
use super::{Contexts, contract, enter, read_heap};
use crate::message::RejectCode;
use candid::Principal;
use wasmtime::{Caller, Linker, Result};

const CALLING: Contexts = Contexts::of(&[Update, Reply, Reject, Timer]);

/// Bytes of a call's argument at most: what the Internet Computer allows within a subnet.
const MAX_ARGUMENT: u64 = 10 * 1024 * 1024;

/// Bytes of a method's name at most.
const MAX_METHOD_NAME: u32 = 20_000;

/// Bytes of a principal at most.
const MAX_PRINCIPAL: u32 = 29;

/// Seconds a caller may wait at most for a best-effort response.
const MAX_TIMEOUT_SECONDS: u32 = 300;

pub(super) fn link(linker: &mut Linker<Host>) -> Result<()> {
    #[allow(clippy::too_many_arguments, reason = "the System API's signature")]
    fn call_new(
        mut caller: Caller<'_, Host>,
        callee_src: u32,
        callee_size: u32,
        name_src: u32,
        name_size: u32,
        reply_fun: u32,
        reply_env: u32,
        reject_fun: u32,
        reject_env: u32,
    ) -> Result<()> {
        let cost = CALL_NEW + u64::from(callee_size) + u64::from(name_size);
        enter(&mut caller, "call_new", CALLING, cost)?;
        if callee_size > MAX_PRINCIPAL || name_size > MAX_METHOD_NAME {
            return Err(contract(
                "call_new: the callee or the method's name is too long",
            ));
        }
        let callee = Principal::try_from_slice(&read_heap(&mut caller, callee_src, callee_size)?)
            .map_err(|_| contract("call_new: the callee is not a principal"))?;
        let method = String::from_utf8(read_heap(&mut caller, name_src, name_size)?)
            .map_err(|_| contract("call_new: the method's name is not valid UTF-8"))?;
        // A call that was begun before and never performed is forgotten, as the specification has it.
        super::message(&mut caller)?.call = Some(OutgoingCall {
            callee,
            method,
            arg: Vec::new(),
            on_reply: Callback {
                function: reply_fun,
                env: reply_env,
            },
            on_reject: Callback {
                function: reject_fun,
                env: reject_env,
            },
            on_cleanup: None,
            timeout_seconds: None,
        });
        Ok(())
    }
    linker.func_wrap("ic0", "call_new", call_new)?;
    linker.func_wrap(
        "ic0",
        "call_on_cleanup",
        |mut caller: Caller<'_, Host>, function: u32, env: u32| {
            let call = begun(&mut caller, "call_on_cleanup", SYSTEM_CALL)?;
            if call.on_cleanup.is_some() {
                return Err(contract("call_on_cleanup: the callback is already set"));
            }
            call.on_cleanup = Some(Callback { function, env });
            Ok(())
        },
    )?;
    linker.func_wrap(
        "ic0",
        "call_data_append",
        |mut caller: Caller<'_, Host>, src: u32, size: u32| {
            let call = begun(
                &mut caller,
                "call_data_append",
                SYSTEM_CALL + u64::from(size),
            )?;
            if call.arg.len() as u64 + u64::from(size) > MAX_ARGUMENT {
                return Err(contract("call_data_append: the argument is too long"));
            }
            let (heap, host) = super::split(&mut caller)?;
            let data = super::heap_range(heap, src, size)?;
            if let Some(call) = host
                .message
                .as_mut()
                .and_then(|message| message.call.as_mut())
            {
                call.arg.extend_from_slice(data);
            }
            Ok(())
        },
    )?;
    linker.func_wrap(
        "ic0",
        "call_with_best_effort_response",
        |mut caller: Caller<'_, Host>, seconds: u32| {
            let call = begun(&mut caller, "call_with_best_effort_response", SYSTEM_CALL)?;
            if call.timeout_seconds.is_some() {
                return Err(contract(
                    "call_with_best_effort_response: the timeout is already set",
                ));
            }
            call.timeout_seconds = Some(seconds.min(MAX_TIMEOUT_SECONDS));
            Ok(())
        },
    )?;
    // The balance stands still, so that cycles attached cost nothing and go nowhere.
    linker.func_wrap(
        "ic0",
        "call_cycles_add",
        |mut caller: Caller<'_, Host>, _amount: u64| {
            begun(&mut caller, "call_cycles_add", SYSTEM_CALL).map(|_| ())
        },
    )?;
    linker.func_wrap(
        "ic0",
        "call_cycles_add128",
        |mut caller: Caller<'_, Host>, _high: u64, _low: u64| {
            begun(&mut caller, "call_cycles_add128", SYSTEM_CALL).map(|_| ())
        },
    )?;
    linker.func_wrap("ic0", "call_perform", |mut caller: Caller<'_, Host>| {
        begun(&mut caller, "call_perform", CALL_PERFORM)?;
        let message = super::message(&mut caller)?;
        // There is one: `begun` has looked.
        let Some(call) = message.call.take() else {
            return Ok(RejectCode::SysTransient as u32);
        };
        let bytes = call.arg.len() + call.method.len();
        if message.calls.len() >= message.max_calls || bytes > message.max_call_bytes {
            return Ok(RejectCode::SysTransient as u32);
        }
        message.max_call_bytes -= bytes;
        message.calls.push(call);
        Ok(0)
    })?;
    Ok(())
}

/// The call being put together.
fn begun<'a>(
    caller: &'a mut Caller<'_, Host>,
    name: &str,
    cost: u64,
) -> Result<&'a mut OutgoingCall> {
    enter(caller, name, CALLING, cost)?
        .call
        .as_mut()
        .ok_or_else(|| contract(format!("{name} called when no call is under construction")))
}
