//! One message while it is executed: what it was given, what it may do, and what it has done so far.

use crate::message::{Reject, RejectCode};
use crate::store::StableMemory;
use candid::Principal;
use std::sync::Arc;

/// Bytes of its log that a message may write at most; what comes after is left out.
const MAX_LOG: usize = 4 * 1024;

/// What kind of execution it is, which decides what the System API allows; the letters are those of the
/// interface specification's table of System API contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ContextKind {
    /// `s`: the start function.
    Start = 1,
    /// `I`: canister_init and canister_post_upgrade.
    Init = 1 << 1,
    /// `G`: canister_pre_upgrade.
    PreUpgrade = 1 << 2,
    /// `U`
    Update = 1 << 3,
    /// `RQ`: a query method called as an update.
    ReplicatedQuery = 1 << 4,
    /// `NRQ`
    Query = 1 << 5,
    /// `CQ`: without calls of its own, which the host does not have for queries.
    CompositeQuery = 1 << 6,
    /// `Ry`
    Reply = 1 << 7,
    /// `Rt`
    Reject = 1 << 8,
    /// `C`
    Cleanup = 1 << 9,
    /// `F`: canister_inspect_message.
    Inspect = 1 << 10,
    /// `T`: the global timer.
    Timer = 1 << 11,
}

impl ContextKind {
    /// Whether it is executed as updates are, by the one executor.
    pub fn is_replicated(self) -> bool {
        !matches!(
            self,
            ContextKind::Query | ContextKind::CompositeQuery | ContextKind::Inspect
        )
    }
}

/// A function in the module's table with its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callback {
    pub function: u32,
    pub env: u32,
}

/// A call the message makes; it is sent when the message succeeds.
#[derive(Clone, Debug)]
pub struct OutgoingCall {
    pub callee: Principal,
    pub method: String,
    pub arg: Vec<u8>,
    pub on_reply: Callback,
    pub on_reject: Callback,
    pub on_cleanup: Option<Callback>,
    /// Seconds after which the caller no longer wants the answer; `None` for a call that waits without bound.
    pub timeout_seconds: Option<u32>,
}

/// What surrounds the canister and its controllers can change: handed to every message, the same for all of one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Who `ic0.is_controller` says yes to.
    pub controllers: Vec<Principal>,
    /// Names and values, in ascending order of names.
    pub environment_variables: Vec<(String, String)>,
    /// What `ic0.canister_status` answers.
    pub run_state: RunState,
}

/// Whether the canister takes calls (specification, "Canister status"); the numbers are those of `ic0.canister_status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[repr(u32)]
pub enum RunState {
    #[default]
    Running = 1,
    /// It takes no calls, and those it has begun still end.
    Stopping = 2,
    Stopped = 3,
}

/// How a call was answered.
pub type Response = Result<Vec<u8>, Reject>;

/// A message's input and its effects.
pub struct Message {
    pub kind: ContextKind,
    pub caller: Principal,
    /// The argument, or the reply a reply callback receives.
    pub arg: Vec<u8>,
    /// What a reject callback receives.
    pub reject: Option<Reject>,
    /// The method called; canister_inspect_message sees it.
    pub method: String,
    /// Nanoseconds since 1970 UTC; 0 where there is none.
    pub deadline: u64,
    /// Nanoseconds since 1970 UTC.
    pub time: u64,
    pub canister_version: u64,
    pub data_certificate: Option<Vec<u8>>,
    /// Instructions its call context has used before.
    pub context_instructions: u64,
    /// Bytes a reply may have.
    pub max_reply: usize,
    /// Calls it may make, and bytes of arguments they may have together; beyond, `ic0.call_perform` fails.
    pub max_calls: usize,
    pub max_call_bytes: usize,
    /// The call it belongs to has been answered before.
    pub answered: bool,
    /// When the global timer is due, nanoseconds since 1970 UTC; 0 for never.
    pub timer: u64,
    pub surroundings: Arc<Surroundings>,

    pub stable: StableMemory,
    /// The answer it has given.
    pub response: Option<Response>,
    pub accepted: bool,
    pub certified_data: Option<Vec<u8>>,
    pub calls: Vec<OutgoingCall>,
    /// What it has printed, within [`MAX_LOG`]; kept also when it traps.
    pub log: Vec<Vec<u8>>,

    pub(super) reply: Vec<u8>,
    pub(super) call: Option<OutgoingCall>,
    pub(super) limit: u64,
}

impl Message {
    /// A message without effects so far.
    pub fn new(kind: ContextKind, caller: Principal, time: u64, stable: StableMemory) -> Message {
        Message {
            kind,
            caller,
            arg: Vec::new(),
            reject: None,
            method: String::new(),
            deadline: 0,
            time,
            canister_version: 0,
            data_certificate: None,
            context_instructions: 0,
            max_reply: 0,
            max_calls: 0,
            max_call_bytes: 0,
            answered: false,
            timer: 0,
            surroundings: Arc::default(),
            stable,
            response: None,
            accepted: false,
            certified_data: None,
            calls: Vec::new(),
            log: Vec::new(),
            reply: Vec::new(),
            call: None,
            limit: 0,
        }
    }

    /// Takes down what the canister prints. Queries leave no log.
    pub(super) fn print(&mut self, text: &[u8]) {
        let used: usize = self.log.iter().map(Vec::len).sum();
        if self.kind.is_replicated() && used + text.len() <= MAX_LOG {
            self.log.push(text.to_vec());
        }
    }
}

/// Why an execution ended without success. Its effects are dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trap {
    #[error("Canister called `ic0.trap` with message: {0}")]
    Called(String),
    #[error("Canister violated the System API's contract: {0}")]
    Contract(String),
    #[error("Canister exceeded the limit of {0} instructions for a single message execution")]
    InstructionLimit(u64),
    #[error("Canister trapped: {0}")]
    Wasm(String),
    #[error("The host could not execute the message: {0}")]
    Host(String),
    /// What the message wanted to read is not what was written. Trying again does not help.
    #[error("The host could not execute the message: {0}")]
    Damaged(String),
}

impl Trap {
    /// What the caller is told.
    pub fn reject(&self) -> Reject {
        let (code, error_code) = match self {
            Trap::Called(_) => (RejectCode::CanisterError, "IC0503"),
            Trap::Contract(_) => (RejectCode::CanisterError, "IC0504"),
            Trap::InstructionLimit(_) => (RejectCode::CanisterError, "IC0522"),
            Trap::Wasm(_) => (RejectCode::CanisterError, "IC0502"),
            // The Internet Computer has no codes for these.
            Trap::Host(_) => (RejectCode::SysTransient, ""),
            Trap::Damaged(_) => (RejectCode::SysFatal, ""),
        };
        Reject {
            code,
            message: self.to_string(),
            error_code: Some(error_code.to_owned()).filter(|code| !code.is_empty()),
        }
    }
}

/// A trap raised by a system call, on its way through wasmtime.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Raised(#[from] pub Trap);
