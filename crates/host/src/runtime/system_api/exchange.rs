//! What a message was given and what it answers: arguments, caller, replies, rejects, cycles.

use super::super::Host;
use super::super::cost::SYSTEM_CALL;
use super::super::message::ContextKind::*;
use super::super::message::Message;
use super::{Contexts, contract, enter, link_bytes, of_message, read_heap, write_heap};
use crate::message::{Reject, RejectCode};
use wasmtime::{Caller, Linker, Result};

const ARGUMENT: Contexts = Contexts::of(&[
    Init,
    Update,
    ReplicatedQuery,
    Query,
    CompositeQuery,
    Reply,
    Inspect,
]);
const ANSWERING: Contexts = Contexts::of(&[
    Update,
    ReplicatedQuery,
    Query,
    CompositeQuery,
    Reply,
    super::super::message::ContextKind::Reject,
]);
const CALLBACKS: Contexts =
    Contexts::of(&[Reply, super::super::message::ContextKind::Reject, Cleanup]);
const CYCLES: Contexts = Contexts::of(&[
    Update,
    ReplicatedQuery,
    Reply,
    super::super::message::ContextKind::Reject,
]);
const REFUNDS: Contexts = Contexts::of(&[Reply, super::super::message::ContextKind::Reject]);
const REJECTED: Contexts = Contexts::of(&[super::super::message::ContextKind::Reject]);
const INSPECTING: Contexts = Contexts::of(&[Inspect]);

pub(super) fn link(linker: &mut Linker<Host>) -> Result<()> {
    link_bytes(linker, "msg_arg_data", ARGUMENT, |host| {
        of_message(host, |message| &message.arg)
    })?;
    link_bytes(linker, "msg_caller", Contexts::MESSAGES, |host| {
        of_message(host, |message| message.caller.as_slice())
    })?;
    // Nobody vouches for callers here: there is no caller info.
    link_bytes(linker, "msg_caller_info_data", Contexts::MESSAGES, |_| &[])?;
    link_bytes(linker, "msg_caller_info_signer", Contexts::MESSAGES, |_| {
        &[]
    })?;
    link_bytes(linker, "msg_method_name", INSPECTING, |host| {
        of_message(host, |message| message.method.as_bytes())
    })?;
    link_bytes(linker, "msg_reject_msg", REJECTED, |host| {
        of_message(host, |message| {
            message
                .reject
                .as_ref()
                .map_or(&[], |reject| reject.message.as_bytes())
        })
    })?;
    linker.func_wrap("ic0", "msg_reject_code", |mut caller: Caller<'_, Host>| {
        let message = enter(&mut caller, "msg_reject_code", CALLBACKS, SYSTEM_CALL)?;
        Ok(message
            .reject
            .as_ref()
            .map_or(0, |reject| reject.code as u32))
    })?;
    linker.func_wrap("ic0", "msg_deadline", |mut caller: Caller<'_, Host>| {
        Ok(enter(&mut caller, "msg_deadline", ANSWERING, SYSTEM_CALL)?.deadline)
    })?;
    linker.func_wrap("ic0", "accept_message", |mut caller: Caller<'_, Host>| {
        let message = enter(&mut caller, "accept_message", INSPECTING, SYSTEM_CALL)?;
        if message.accepted {
            return Err(contract("accept_message: the message is already accepted"));
        }
        message.accepted = true;
        Ok(())
    })?;
    answers(linker)?;
    cycles(linker)
}

fn answers(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        "ic0",
        "msg_reply_data_append",
        |mut caller: Caller<'_, Host>, src: u32, size: u32| {
            let cost = SYSTEM_CALL + u64::from(size);
            let message = enter(&mut caller, "msg_reply_data_append", ANSWERING, cost)?;
            unanswered(message, "msg_reply_data_append")?;
            let total = message.reply.len() as u64 + u64::from(size);
            if total > message.max_reply as u64 {
                return Err(contract(format!(
                    "application payload size ({total}) cannot be larger than {}",
                    message.max_reply
                )));
            }
            let (heap, host) = super::split(&mut caller)?;
            let data = super::heap_range(heap, src, size)?;
            if let Some(message) = &mut host.message {
                message.reply.extend_from_slice(data);
            }
            Ok(())
        },
    )?;
    linker.func_wrap("ic0", "msg_reply", |mut caller: Caller<'_, Host>| {
        let message = enter(&mut caller, "msg_reply", ANSWERING, SYSTEM_CALL)?;
        unanswered(message, "msg_reply")?;
        message.response = Some(Ok(std::mem::take(&mut message.reply)));
        Ok(())
    })?;
    linker.func_wrap(
        "ic0",
        "msg_reject",
        |mut caller: Caller<'_, Host>, src: u32, size: u32| {
            let cost = SYSTEM_CALL + u64::from(size);
            let message = enter(&mut caller, "msg_reject", ANSWERING, cost)?;
            unanswered(message, "msg_reject")?;
            if size as usize > message.max_reply {
                return Err(contract("msg_reject: the message is too long"));
            }
            let text = String::from_utf8(read_heap(&mut caller, src, size)?)
                .map_err(|_| contract("msg_reject: the message is not valid UTF-8"))?;
            super::message(&mut caller)?.response = Some(Err(Reject {
                code: RejectCode::CanisterReject,
                message: text,
                error_code: Some("IC0406".into()),
            }));
            Ok(())
        },
    )?;
    Ok(())
}

fn unanswered(message: &Message, name: &str) -> Result<()> {
    if message.answered || message.response.is_some() {
        return Err(contract(format!("{name}: the call is already replied")));
    }
    Ok(())
}

/// Calls here carry no cycles: there are none to accept or to get back.
fn cycles(linker: &mut Linker<Host>) -> Result<()> {
    for (name, allowed) in [
        ("msg_cycles_available", CYCLES),
        ("msg_cycles_refunded", REFUNDS),
    ] {
        linker.func_wrap("ic0", name, move |mut caller: Caller<'_, Host>| {
            enter(&mut caller, name, allowed, SYSTEM_CALL)?;
            Ok(0u64)
        })?;
        linker.func_wrap(
            "ic0",
            &format!("{name}128"),
            move |mut caller: Caller<'_, Host>, dst: u32| {
                enter(&mut caller, name, allowed, SYSTEM_CALL)?;
                write_heap(&mut caller, dst, &0u128.to_le_bytes())
            },
        )?;
    }
    linker.func_wrap(
        "ic0",
        "msg_cycles_accept",
        |mut caller: Caller<'_, Host>, _max: u64| {
            enter(&mut caller, "msg_cycles_accept", CYCLES, SYSTEM_CALL)?;
            Ok(0u64)
        },
    )?;
    linker.func_wrap(
        "ic0",
        "msg_cycles_accept128",
        |mut caller: Caller<'_, Host>, _high: u64, _low: u64, dst: u32| {
            enter(&mut caller, "msg_cycles_accept128", CYCLES, SYSTEM_CALL)?;
            write_heap(&mut caller, dst, &0u128.to_le_bytes())
        },
    )?;
    Ok(())
}
