//! Calls that are not answered yet: call contexts and the callbacks that wait in them (interface specification, "Call contexts").
//!
//! All of it is in memory. It does not survive a restart or an upgrade: the requests concerned end as rejected with an unknown outcome.

use super::Executed;
use crate::message::RequestId;
use crate::runtime::{Callback, OutgoingCall, Response};
use candid::Principal;
use std::collections::{HashMap, VecDeque};
use tokio::sync::oneshot;

/// Calls one message may make.
const MAX_CALLS_PER_MESSAGE: usize = 500;

/// Calls of the canister that may be unanswered at once.
const MAX_OUTSTANDING: usize = 10_000;

/// Bytes of arguments and replies that may be in line for new calls to be taken.
const MAX_BYTES: usize = 64 * 1024 * 1024;

pub type ContextId = u64;
pub type CallbackId = u64;

/// Who waits for a call's answer.
pub enum Origin {
    Ingress {
        id: RequestId,
        sender: Principal,
        canister_id: Principal,
        /// Nanoseconds since 1970 UTC.
        expiry: u64,
    },
    Direct {
        answer: oneshot::Sender<Executed>,
        /// Instructions that all messages of the call together may use.
        budget: u64,
    },
    /// The canister itself.
    Canister(CallbackId),
    /// Nobody: the global timer.
    System,
}

/// A call being worked on.
pub struct CallContext {
    pub origin: Origin,
    pub caller: Principal,
    /// Nanoseconds since 1970 UTC; 0 for none.
    pub deadline: u64,
    pub answered: bool,
    /// Calls it has made that are not answered yet.
    pub outstanding: usize,
    /// Instructions used so far.
    pub instructions: u64,
    /// Instructions that all its messages together may use.
    pub budget: u64,
}

impl CallContext {
    /// Instructions that the next message may use.
    pub fn left(&self) -> u64 {
        self.budget.saturating_sub(self.instructions)
    }
}

/// What to run when a call is answered.
pub struct Waiting {
    pub context: ContextId,
    pub on_reply: Callback,
    pub on_reject: Callback,
    pub on_cleanup: Option<Callback>,
}

/// A message between the canister and itself.
pub enum Task {
    Call {
        method: String,
        arg: Vec<u8>,
        callback: CallbackId,
        deadline: u64,
    },
    Answer {
        callback: CallbackId,
        response: Response,
    },
    /// A call of the management canister.
    Management {
        method: String,
        arg: Vec<u8>,
        callback: CallbackId,
    },
}

impl Task {
    fn bytes(&self) -> usize {
        match self {
            Task::Call { arg, method, .. } | Task::Management { arg, method, .. } => {
                arg.len() + method.len()
            }
            Task::Answer { response, .. } => response.as_ref().map_or(0, Vec::len),
        }
    }
}

/// Everything under way within the canister.
#[derive(Default)]
pub struct Calls {
    next: u64,
    contexts: HashMap<ContextId, CallContext>,
    waiting: HashMap<CallbackId, Waiting>,
    tasks: VecDeque<Task>,
    /// Bytes of arguments and replies in `tasks`.
    bytes: usize,
}

impl Calls {
    /// Begins a call.
    pub fn open(&mut self, origin: Origin, caller: Principal, deadline: u64) -> ContextId {
        let id = self.next_id();
        let budget = match &origin {
            Origin::Direct { budget, .. } => *budget,
            _ => u64::MAX,
        };
        self.contexts.insert(
            id,
            CallContext {
                origin,
                caller,
                deadline,
                answered: false,
                outstanding: 0,
                instructions: 0,
                budget,
            },
        );
        id
    }

    pub fn context(&mut self, id: ContextId) -> Option<&mut CallContext> {
        self.contexts.get_mut(&id)
    }

    /// Ends a call.
    pub fn close(&mut self, id: ContextId) -> Option<CallContext> {
        self.contexts.remove(&id)
    }

    /// Remembers the callbacks of a call made in `context`, which then has one more outstanding.
    pub fn wait(&mut self, context: ContextId, call: &OutgoingCall) -> CallbackId {
        let id = self.next_id();
        self.waiting.insert(
            id,
            Waiting {
                context,
                on_reply: call.on_reply,
                on_reject: call.on_reject,
                on_cleanup: call.on_cleanup,
            },
        );
        if let Some(context) = self.contexts.get_mut(&context) {
            context.outstanding += 1;
        }
        id
    }

    /// Takes the callbacks of a call that is answered now.
    pub fn answered(&mut self, id: CallbackId) -> Option<Waiting> {
        self.waiting.remove(&id)
    }

    /// Puts a message in line.
    pub fn push(&mut self, task: Task) {
        self.bytes += task.bytes();
        self.tasks.push_back(task);
    }

    /// Takes the message that is next.
    pub fn pop(&mut self) -> Option<Task> {
        let task = self.tasks.pop_front()?;
        self.bytes -= task.bytes();
        Some(task)
    }

    /// How many calls, and how many bytes of arguments, the next message may add.
    pub fn budget(&self) -> (usize, usize) {
        (
            MAX_OUTSTANDING
                .saturating_sub(self.waiting.len())
                .min(MAX_CALLS_PER_MESSAGE),
            MAX_BYTES.saturating_sub(self.bytes),
        )
    }

    /// Whether no call is under way.
    pub fn is_idle(&self) -> bool {
        self.contexts.is_empty()
    }

    pub fn has_tasks(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Forgets everything, and returns the calls that were not answered.
    pub fn clear(&mut self) -> Vec<CallContext> {
        self.waiting.clear();
        self.tasks.clear();
        self.bytes = 0;
        let contexts = std::mem::take(&mut self.contexts);
        contexts
            .into_values()
            .filter(|context| !context.answered)
            .collect()
    }

    fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
