//! Running single messages: update calls, the canister's calls to itself, their callbacks, the timer.

use super::super::calls::{CallbackId, ContextId, Origin, Task};
use super::super::commit::Answer;
use super::super::error::SubmitError;
use super::super::{Executed, rejects};
use super::Executor;
use crate::message::{Ingress, Reject, RequestStatus};
use crate::runtime::{
    ContextKind, Entry, Message, MethodKind, OutgoingCall, Response, RunState, Trap,
};
use crate::store::{RequestRecord, StableMemory, StoreError};
use candid::Principal;
use std::sync::Arc;

/// Bytes an update's reply may have.
const MAX_UPDATE_REPLY: usize = 2 * 1024 * 1024;

/// What a message did besides changing the canister.
struct Outcome {
    result: Result<(), Trap>,
    response: Option<Response>,
    calls: Vec<OutgoingCall>,
    instructions: u64,
}

impl Executor<'_> {
    pub(super) fn execute_ingress(&mut self, ingress: Ingress) {
        if self.now() > ingress.expiry {
            let expired = Err(SubmitError::Expired);
            self.shared.pending.finish(&ingress.request_id, &expired);
            return;
        }
        self.shared.pending.processing(&ingress.request_id);
        let origin = Origin::Ingress {
            id: ingress.request_id,
            sender: ingress.sender,
            canister_id: ingress.canister_id,
            expiry: ingress.expiry,
        };
        if ingress.canister_id == Principal::management_canister() {
            self.begin_management(origin, ingress.sender, &ingress.method, ingress.arg);
        } else {
            self.begin_call(origin, ingress.sender, &ingress.method, ingress.arg, 0);
        }
    }

    /// Executes a method, and answers whoever waits for it unless it makes calls of its own first.
    pub(super) fn begin_call(
        &mut self,
        origin: Origin,
        caller: Principal,
        method: &str,
        arg: Vec<u8>,
        deadline: u64,
    ) {
        if self.run_state() != RunState::Running {
            let reject = rejects::halted(self.shared.canister_id, self.run_state());
            self.refuse(origin, reject);
            return;
        }
        let (Some(module), true) = (&self.live.module, self.live.instance.is_some()) else {
            let reject = match &self.live.fault {
                Some(fault) => rejects::not_running(fault),
                None => rejects::no_module(),
            };
            self.refuse(origin, reject);
            return;
        };
        let (entry, kind) = match module.method(method) {
            Some(MethodKind::Update) => (format!("canister_update {method}"), ContextKind::Update),
            Some(MethodKind::Query) => (
                format!("canister_query {method}"),
                ContextKind::ReplicatedQuery,
            ),
            Some(MethodKind::CompositeQuery) | None => {
                let reject = rejects::no_method("update", method);
                self.group.touch();
                self.deliver(origin, Err(reject), 0);
                return;
            }
        };
        let context = self.calls.open(origin, caller, deadline);
        let left = self.instructions_left(context);
        let outcome = self.run(&Entry::Export(entry), kind, left, |message| {
            message.caller = caller;
            message.method = method.into();
            message.arg = arg;
            message.deadline = deadline;
        });
        self.conclude(context, outcome);
    }

    /// Runs the callback of a call that was answered.
    pub(super) fn run_callback(&mut self, callback: CallbackId, response: Response) {
        let Some(waiting) = self.calls.answered(callback) else {
            return;
        };
        let Some(context) = self.calls.context(waiting.context) else {
            return;
        };
        context.outstanding = context.outstanding.saturating_sub(1);
        let (caller, deadline) = (context.caller, context.deadline);
        let (answered, instructions) = (context.answered, context.instructions);
        let left = context.left();
        let (entry, kind, arg, reject) = match response {
            Ok(reply) => (waiting.on_reply, ContextKind::Reply, reply, None),
            Err(reject) => (
                waiting.on_reject,
                ContextKind::Reject,
                Vec::new(),
                Some(reject),
            ),
        };
        let code = reject.clone();
        let mut outcome = self.run(&Entry::Callback(entry), kind, left, |message| {
            message.caller = caller;
            message.deadline = deadline;
            message.answered = answered;
            message.context_instructions = instructions;
            message.arg = arg;
            message.reject = reject;
        });
        // A message of its own, which sees the state the callback found, and may let go of what the callback would have.
        if outcome.result.is_err()
            && let Some(cleanup) = waiting.on_cleanup
        {
            let cleanup = Entry::Callback(cleanup);
            // What the call has used up does not keep it from being cleaned up after.
            let ended = self.run(&cleanup, ContextKind::Cleanup, u64::MAX, |message| {
                message.caller = caller;
                message.reject = code;
                message.context_instructions = instructions;
            });
            outcome.instructions = outcome.instructions.saturating_add(ended.instructions);
        }
        self.conclude(waiting.context, outcome);
    }

    /// Runs the global timer, which is due. It is inactive from then on, unless the canister sets it again.
    pub(super) fn run_timer(&mut self) {
        self.live.timer = 0;
        let caller = Principal::management_canister();
        let context = self.calls.open(Origin::System, caller, 0);
        if let Some(context) = self.calls.context(context) {
            // Nobody waits for an answer.
            context.answered = true;
        }
        let entry = Entry::Export("canister_global_timer".into());
        let outcome = self.run(&entry, ContextKind::Timer, u64::MAX, |message| {
            message.caller = caller
        });
        self.conclude(context, outcome);
    }

    /// Instructions that the next message of the call may use, by what was asked for when it was made.
    fn instructions_left(&mut self, id: ContextId) -> u64 {
        self.calls
            .context(id)
            .map_or(u64::MAX, |context| context.left())
    }

    /// Runs one message, which may use `left` instructions and no more than any message. Success keeps what it changed, as part of the group; all else goes back to the state before.
    fn run(
        &mut self,
        entry: &Entry,
        kind: ContextKind,
        left: u64,
        fill: impl FnOnce(&mut Message),
    ) -> Outcome {
        let failed = |trap| Outcome {
            result: Err(trap),
            response: None,
            calls: Vec::new(),
            instructions: 0,
        };
        self.group.touch();
        let stable = match self.take_stable() {
            Ok(stable) => stable,
            Err(error) => return failed(Trap::Host(error.to_string())),
        };
        let time = self.now();
        let Some(instance) = &mut self.live.instance else {
            self.group.stable = Some(stable);
            return failed(Trap::Host("the canister is not running".into()));
        };
        self.live.time = time;
        let mut message = Message::new(kind, Principal::anonymous(), time, stable);
        message.canister_version = self.live.canister_version;
        message.timer = self.live.timer;
        message.max_reply = MAX_UPDATE_REPLY;
        message.surroundings = self.live.surroundings.clone();
        (message.max_calls, message.max_call_bytes) = self.calls.budget();
        fill(&mut message);
        let limit = left.min(self.shared.limits.update_instructions);
        let ran = instance.run(entry, message, limit);
        let Message {
            mut stable,
            response,
            calls,
            certified_data,
            timer,
            log,
            ..
        } = ran.message;
        self.shared.log.add(log);
        let keeps = kind != ContextKind::ReplicatedQuery;
        let mut result = ran.result;
        if result.is_ok() && keeps {
            result = instance
                .keep()
                .map_err(|error| Trap::Host(format!("the heap could not be kept: {error}")));
        }
        if result.is_ok() && keeps {
            stable.accept();
            self.live.stable_pages = stable.pages();
            self.live.canister_version += 1;
            self.live.timer = timer;
            if let Some(data) = certified_data {
                self.set_certified_data(data);
            }
        } else {
            stable.discard();
            if let Err(trap) = instance.drop_changes() {
                self.lost = Some(trap.to_string());
                self.live.instance = None;
            }
        }
        self.group.stable = Some(stable);
        self.shared.metrics.updates.count();
        self.shared
            .metrics
            .update_instructions
            .add(ran.instructions);
        if let Err(trap) = &result {
            self.shared.metrics.traps.count();
            tracing::debug!(%trap, ?kind, "a message trapped");
            self.shared
                .log
                .add([format!("[TRAP]: {trap}").into_bytes()]);
        }
        Outcome {
            result,
            response,
            calls,
            instructions: ran.instructions,
        }
    }

    /// Takes over a message's calls and its answer, and ends its call where nothing is outstanding.
    fn conclude(&mut self, id: ContextId, outcome: Outcome) {
        if let Some(context) = self.calls.context(id) {
            context.instructions = context.instructions.saturating_add(outcome.instructions);
        }
        let mut failure = None;
        match outcome.result {
            Ok(()) => {
                for call in outcome.calls {
                    self.send(id, call);
                }
                if let Some(response) = outcome.response {
                    self.answer(id, response);
                }
            }
            Err(trap) => failure = Some(trap.reject()),
        }
        let Some(context) = self.calls.context(id) else {
            return;
        };
        if context.outstanding == 0 {
            if !context.answered {
                self.answer(id, Err(failure.unwrap_or_else(rejects::no_response)));
            }
            self.calls.close(id);
            self.stop_when_idle();
        } else if !context.answered
            && let Origin::Ingress {
                id,
                sender,
                canister_id,
                expiry,
            } = context.origin
        {
            // Stored, so that it is found unfinished after a restart.
            let status = RequestStatus::Processing;
            let record = RequestRecord::new(sender, canister_id, expiry, &status);
            self.group.requests.push((id, record));
        }
    }

    fn answer(&mut self, id: ContextId, response: Response) {
        if let Some(context) = self.calls.context(id) {
            context.answered = true;
            let origin = std::mem::replace(&mut context.origin, Origin::System);
            let instructions = context.instructions;
            self.deliver(origin, response, instructions);
        }
    }

    /// Tells whoever waits how a call ended; those outside, when it is durable.
    pub(super) fn deliver(&mut self, origin: Origin, response: Response, instructions: u64) {
        match origin {
            Origin::Ingress {
                id,
                sender,
                canister_id,
                expiry,
            } => {
                let status = match response {
                    Ok(reply) => RequestStatus::Replied(reply),
                    Err(reject) => RequestStatus::Rejected(reject),
                };
                let record = RequestRecord::new(sender, canister_id, expiry, &status);
                self.group.requests.push((id, record));
                self.group.answers.push(Answer::Request(id, status));
            }
            Origin::Direct { answer, .. } => {
                let executed = Executed::new(response, instructions);
                self.group.answers.push(Answer::Direct(answer, executed));
            }
            Origin::Canister(callback) => self.calls.push(Task::Answer { callback, response }),
            Origin::System => {}
        }
    }

    /// Turns a call away without keeping anything of it: it may be sent again.
    pub(super) fn refuse(&mut self, origin: Origin, reject: Reject) {
        match origin {
            Origin::Ingress { id, .. } => {
                self.shared
                    .pending
                    .finish(&id, &Err(SubmitError::Refused(reject)));
            }
            Origin::Direct { answer, .. } => drop(answer.send(Executed::new(Err(reject), 0))),
            Origin::Canister(_) | Origin::System => self.deliver(origin, Err(reject), 0),
        }
    }

    /// Sends a call that a message of context `id` has made.
    fn send(&mut self, id: ContextId, call: OutgoingCall) {
        let callback = self.calls.wait(id, &call);
        let itself = self.shared.canister_id;
        let response = if call.callee == itself {
            let wait = |seconds| {
                self.live
                    .time
                    .saturating_add(u64::from(seconds) * 1_000_000_000)
            };
            self.calls.push(Task::Call {
                method: call.method,
                arg: call.arg,
                callback,
                deadline: call.timeout_seconds.map_or(0, wait),
            });
            return;
        } else if call.callee == Principal::management_canister() {
            // In line like any other call, so that it takes place after this message's commit can.
            self.calls.push(Task::Management {
                method: call.method,
                arg: call.arg,
                callback,
            });
            return;
        } else {
            Err(rejects::no_canister(&call.callee))
        };
        self.calls.push(Task::Answer { callback, response });
    }

    /// Stable memory as the group has left it, for the next message.
    pub(super) fn take_stable(&mut self) -> Result<StableMemory, StoreError> {
        match self.group.stable.take() {
            Some(stable) => Ok(stable),
            None => {
                let mut stable = StableMemory::new(
                    self.shared.store.view()?,
                    self.committing.clone(),
                    self.live.stable_pages,
                );
                stable.limit(self.shared.limits.stable_pages);
                Ok(stable)
            }
        }
    }

    pub(super) fn set_certified_data(&mut self, data: Vec<u8>) {
        if self.live.state.certified_data != data {
            Arc::make_mut(&mut self.live.state).certified_data = data;
            self.live.certified_epoch += 1;
            self.group.state_changed = true;
        }
    }
}
