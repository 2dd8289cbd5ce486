//! The rejects the engine itself answers with, in the Internet Computer's codes.

use crate::message::{Reject, RejectCode};
use crate::runtime::RunState;
use crate::store::StoreError;

/// The engine is closed.
pub fn stopped() -> Reject {
    Reject {
        code: RejectCode::SysTransient,
        message: "the host is shutting down".into(),
        error_code: Some("IC0209".into()),
    }
}

/// Nothing is installed.
pub fn no_module() -> Reject {
    Reject {
        code: RejectCode::CanisterError,
        message: "no wasm module is installed".into(),
        error_code: Some("IC0537".into()),
    }
}

/// The canister could not be started; `fault` says why.
pub fn not_running(fault: &str) -> Reject {
    Reject {
        code: RejectCode::SysTransient,
        message: format!("the canister could not be started: {fault}"),
        error_code: Some("IC0509".into()),
    }
}

/// The canister takes no calls: it is stopped, or about to be.
pub fn halted(id: candid::Principal, run_state: RunState) -> Reject {
    let (what, code) = match run_state {
        RunState::Stopped => ("stopped", "IC0508"),
        RunState::Running | RunState::Stopping => ("stopping", "IC0509"),
    };
    Reject {
        code: RejectCode::CanisterError,
        message: format!("Canister {id} is {what}"),
        error_code: Some(code.into()),
    }
}

/// A call ended without an answer.
pub fn no_response() -> Reject {
    Reject {
        code: RejectCode::CanisterError,
        message: "Canister did not reply to the call".into(),
        error_code: Some("IC0506".into()),
    }
}

/// Too much waits already.
pub fn busy(what: &str) -> Reject {
    Reject {
        code: RejectCode::SysTransient,
        message: format!("too many {what} are waiting to be executed"),
        error_code: Some("IC0209".into()),
    }
}

/// There is no such canister here.
pub fn no_canister(id: &candid::Principal) -> Reject {
    Reject {
        code: RejectCode::DestinationInvalid,
        message: format!("Canister {id} not found"),
        error_code: Some("IC0301".into()),
    }
}

/// The canister has no such method; `kind` is `update` or `query`.
pub fn no_method(kind: &str, method: &str) -> Reject {
    Reject {
        code: RejectCode::CanisterError,
        message: format!("Canister has no {kind} method '{method}'"),
        error_code: Some("IC0536".into()),
    }
}

/// What a message did could not be stored. The Internet Computer has no error code for it.
pub fn storage(error: &dyn std::fmt::Display) -> Reject {
    Reject {
        code: RejectCode::SysTransient,
        message: format!("the state could not be stored: {error}"),
        error_code: None,
    }
}

/// What is needed to answer could not be read. Trying again helps unless it is damaged.
pub fn unreadable(error: &StoreError) -> Reject {
    Reject {
        code: match error {
            StoreError::Damaged(_) | StoreError::Record(_) => RejectCode::SysFatal,
            _ => RejectCode::SysTransient,
        },
        message: format!("the state could not be read: {error}"),
        error_code: None,
    }
}

/// The canister is being started again after a failure.
pub fn restarting() -> Reject {
    Reject {
        code: RejectCode::SysTransient,
        message: "the canister is being started again after the disk has failed".into(),
        error_code: None,
    }
}
