//! The canister and its surroundings: identity, cycles, time, timer, certified data, counters, costs.

use super::super::Host;
use super::super::cost::{DEBUG_PRINT, IS_CONTROLLER, PERFORMANCE_COUNTER, SYSTEM_CALL};
use super::super::message::ContextKind::*;
use super::super::message::{Raised, Trap};
use super::{Contexts, contract, enter, link_bytes, of_message, read_heap, write_heap};
use candid::Principal;
use wasmtime::{Caller, Linker, Result};

const CERTIFYING: Contexts = Contexts::of(&[Init, PreUpgrade, Update, Reply, Reject, Timer]);
const TIMING: Contexts = Contexts::of(&[Init, PreUpgrade, Update, Reply, Reject, Cleanup, Timer]);
const BURNING: Contexts = Contexts::of(&[
    Init,
    PreUpgrade,
    Update,
    ReplicatedQuery,
    Reply,
    Reject,
    Cleanup,
    Timer,
]);
const CERTIFICATE: Contexts = Contexts::of(&[Query, CompositeQuery]);

/// Bytes of certified data at most (interface specification, "Certified data").
const MAX_CERTIFIED_DATA: u32 = 32;

/// Bytes of a debug print or of a trap's message that are kept.
const MAX_TEXT: u32 = 16 * 1024;

/// Bytes of a principal at most.
const MAX_PRINCIPAL: u32 = 29;

pub(super) fn link(linker: &mut Linker<Host>) -> Result<()> {
    link_bytes(linker, "canister_self", Contexts::MESSAGES, |host| {
        host.environment.canister_id.as_slice()
    })?;
    link_bytes(linker, "subnet_self", Contexts::MESSAGES, |host| {
        host.environment
            .network
            .get()
            .map_or(&[], |network| network.subnet_id.as_slice())
    })?;
    link_bytes(linker, "root_key", BURNING, |host| {
        host.environment
            .network
            .get()
            .map_or(&[], |network| &network.root_key)
    })?;
    linker.func_wrap(
        "ic0",
        "subnet_self_node_count",
        |mut caller: Caller<'_, Host>| {
            enter(
                &mut caller,
                "subnet_self_node_count",
                Contexts::MESSAGES,
                SYSTEM_CALL,
            )?;
            Ok(1u32)
        },
    )?;
    linker.func_wrap("ic0", "canister_status", |mut caller: Caller<'_, Host>| {
        let message = enter(
            &mut caller,
            "canister_status",
            Contexts::MESSAGES,
            SYSTEM_CALL,
        )?;
        Ok(message.surroundings.run_state as u32)
    })?;
    linker.func_wrap("ic0", "canister_version", |mut caller: Caller<'_, Host>| {
        let message = enter(
            &mut caller,
            "canister_version",
            Contexts::MESSAGES,
            SYSTEM_CALL,
        )?;
        Ok(message.canister_version)
    })?;
    linker.func_wrap(
        "ic0",
        "is_controller",
        |mut caller: Caller<'_, Host>, src: u32, size: u32| {
            enter(&mut caller, "is_controller", Contexts::ALL, IS_CONTROLLER)?;
            if size > MAX_PRINCIPAL {
                return Err(contract("is_controller: not a principal"));
            }
            let bytes = read_heap(&mut caller, src, size)?;
            let principal = Principal::try_from_slice(&bytes)
                .map_err(|_| contract("is_controller: not a principal"))?;
            let surroundings = &super::message(&mut caller)?.surroundings;
            Ok(u32::from(surroundings.controllers.contains(&principal)))
        },
    )?;
    linker.func_wrap(
        "ic0",
        "in_replicated_execution",
        |mut caller: Caller<'_, Host>| {
            let message = enter(
                &mut caller,
                "in_replicated_execution",
                Contexts::ALL,
                SYSTEM_CALL,
            )?;
            Ok(u32::from(message.kind.is_replicated()))
        },
    )?;
    time(linker)?;
    certified_data(linker)?;
    diagnostics(linker)?;
    cycles(linker)?;
    super::variables::link(linker)
}

fn time(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap("ic0", "time", |mut caller: Caller<'_, Host>| {
        Ok(enter(&mut caller, "time", Contexts::MESSAGES, SYSTEM_CALL)?.time)
    })?;
    linker.func_wrap(
        "ic0",
        "global_timer_set",
        |mut caller: Caller<'_, Host>, at: u64| {
            let message = enter(&mut caller, "global_timer_set", TIMING, SYSTEM_CALL)?;
            Ok(std::mem::replace(&mut message.timer, at))
        },
    )?;
    Ok(())
}

fn certified_data(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        "ic0",
        "certified_data_set",
        |mut caller: Caller<'_, Host>, src: u32, size: u32| {
            let cost = SYSTEM_CALL + u64::from(size);
            enter(&mut caller, "certified_data_set", CERTIFYING, cost)?;
            if size > MAX_CERTIFIED_DATA {
                return Err(contract("certified_data_set: more than 32 bytes"));
            }
            let data = read_heap(&mut caller, src, size)?;
            super::message(&mut caller)?.certified_data = Some(data);
            Ok(())
        },
    )?;
    linker.func_wrap(
        "ic0",
        "data_certificate_present",
        |mut caller: Caller<'_, Host>| {
            let message = enter(
                &mut caller,
                "data_certificate_present",
                Contexts::MESSAGES,
                SYSTEM_CALL,
            )?;
            Ok(u32::from(message.data_certificate.is_some()))
        },
    )?;
    link_bytes(linker, "data_certificate", CERTIFICATE, |host| {
        of_message(host, |message| {
            message.data_certificate.as_deref().unwrap_or(&[])
        })
    })
}

fn diagnostics(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        "ic0",
        "performance_counter",
        |mut caller: Caller<'_, Host>, counter: u32| {
            enter(
                &mut caller,
                "performance_counter",
                Contexts::ALL,
                PERFORMANCE_COUNTER,
            )?;
            let left = caller.get_fuel()?;
            let message = super::message(&mut caller)?;
            let used = message.limit.saturating_sub(left);
            match counter {
                0 => Ok(used),
                1 => Ok(message.context_instructions.saturating_add(used)),
                _ => Err(contract(format!(
                    "performance_counter: there is no counter {counter}"
                ))),
            }
        },
    )?;
    linker.func_wrap(
        "ic0",
        "debug_print",
        |mut caller: Caller<'_, Host>, src: u32, size: u32| {
            let cost = DEBUG_PRINT + u64::from(size);
            enter(&mut caller, "debug_print", Contexts::ALL, cost)?;
            let text = read_heap(&mut caller, src, size.min(MAX_TEXT))?;
            tracing::info!(target: "canister", "{}", String::from_utf8_lossy(&text));
            super::message(&mut caller)?.print(&text);
            Ok(())
        },
    )?;
    linker.func_wrap(
        "ic0",
        "trap",
        |mut caller: Caller<'_, Host>, src: u32, size: u32| -> Result<()> {
            let cost = SYSTEM_CALL + u64::from(size);
            enter(&mut caller, "trap", Contexts::ALL, cost)?;
            let text = read_heap(&mut caller, src, size.min(MAX_TEXT))?;
            Err(Raised(Trap::Called(String::from_utf8_lossy(&text).into_owned())).into())
        },
    )?;
    Ok(())
}

/// The balance stands still: nothing is charged, and nothing can be burnt.
fn cycles(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        "ic0",
        "canister_cycle_balance",
        |mut caller: Caller<'_, Host>| {
            enter(
                &mut caller,
                "canister_cycle_balance",
                Contexts::MESSAGES,
                SYSTEM_CALL,
            )?;
            u64::try_from(caller.data().environment.cycle_balance)
                .map_err(|_| contract("canister_cycle_balance: the balance needs 128 bits"))
        },
    )?;
    for name in [
        "canister_cycle_balance128",
        "canister_liquid_cycle_balance128",
    ] {
        linker.func_wrap(
            "ic0",
            name,
            move |mut caller: Caller<'_, Host>, dst: u32| {
                enter(&mut caller, name, Contexts::MESSAGES, SYSTEM_CALL)?;
                let balance = caller.data().environment.cycle_balance;
                write_heap(&mut caller, dst, &balance.to_le_bytes())
            },
        )?;
    }
    linker.func_wrap(
        "ic0",
        "cycles_burn128",
        |mut caller: Caller<'_, Host>, _high: u64, _low: u64, dst: u32| {
            enter(&mut caller, "cycles_burn128", BURNING, SYSTEM_CALL)?;
            write_heap(&mut caller, dst, &0u128.to_le_bytes())
        },
    )?;
    costs(linker)
}

/// What calls would cost on a subnet of 13 nodes of the Internet Computer, in cycles.
fn costs(linker: &mut Linker<Host>) -> Result<()> {
    const CALL: u128 = 5_260_000;
    const CALL_BYTE: u128 = 1_000;
    const CREATE_CANISTER: u128 = 500_000_000_000;
    const HTTP_REQUEST: u128 = 49_140_000;
    const HTTP_REQUEST_BYTE: u128 = 5_200;
    const HTTP_RESPONSE_BYTE: u128 = 10_400;
    const SIGN: u128 = 26_153_846_153;

    linker.func_wrap(
        "ic0",
        "cost_call",
        |mut caller: Caller<'_, Host>, method: u64, payload: u64, dst: u32| {
            enter(&mut caller, "cost_call", Contexts::ALL, SYSTEM_CALL)?;
            let cost = CALL + CALL_BYTE * (u128::from(method) + u128::from(payload));
            write_heap(&mut caller, dst, &cost.to_le_bytes())
        },
    )?;
    linker.func_wrap(
        "ic0",
        "cost_create_canister",
        |mut caller: Caller<'_, Host>, dst: u32| {
            enter(
                &mut caller,
                "cost_create_canister",
                Contexts::ALL,
                SYSTEM_CALL,
            )?;
            write_heap(&mut caller, dst, &CREATE_CANISTER.to_le_bytes())
        },
    )?;
    linker.func_wrap(
        "ic0",
        "cost_http_request",
        |mut caller: Caller<'_, Host>, request: u64, response: u64, dst: u32| {
            enter(&mut caller, "cost_http_request", Contexts::ALL, SYSTEM_CALL)?;
            let cost = HTTP_REQUEST
                + HTTP_REQUEST_BYTE * u128::from(request)
                + HTTP_RESPONSE_BYTE * u128::from(response);
            write_heap(&mut caller, dst, &cost.to_le_bytes())
        },
    )?;
    linker.func_wrap(
        "ic0",
        "cost_http_request_v2",
        |mut caller: Caller<'_, Host>, _src: u32, _size: u32, dst: u32| {
            enter(
                &mut caller,
                "cost_http_request_v2",
                Contexts::ALL,
                SYSTEM_CALL,
            )?;
            write_heap(&mut caller, dst, &HTTP_REQUEST.to_le_bytes())
        },
    )?;
    for name in [
        "cost_sign_with_ecdsa",
        "cost_sign_with_schnorr",
        "cost_vetkd_derive_key",
    ] {
        linker.func_wrap(
            "ic0",
            name,
            move |mut caller: Caller<'_, Host>, _src: u32, _size: u32, _kind: u32, dst: u32| {
                enter(&mut caller, name, Contexts::ALL, SYSTEM_CALL)?;
                write_heap(&mut caller, dst, &SIGN.to_le_bytes())?;
                Ok(0u32)
            },
        )?;
    }
    Ok(())
}
