//! The management canister (`aaaaa-aa`) of this home (specification, "The IC management canister"): what there is to do with the one
//! canister that runs here. Creating others and deleting this one are refused.
//!
//! [`methods`] says which methods there are and who may call them; [`settings`], [`status`], [`code`] and [`snapshots`] do what they are about;
//! [`manager`] is the thread for what takes long, so that messages go on being executed meanwhile. What changes the canister itself, the executor does.

pub mod code;
mod handle;
pub mod log;
pub mod manager;
pub mod methods;
pub mod settings;
pub mod snapshots;
pub mod status;

pub use methods::allow;

use super::Shared;
use crate::message::{Reject, RejectCode};
use candid::{CandidType, Principal};
use ic_management_canister_types::FetchCanisterLogsArgs;
use methods::{Caller, Method};
use rand::RngCore;
use serde_bytes::ByteBuf;

/// Candid values decoded for one argument, in steps of the decoder: bounds what a hostile argument can cost. Megabytes of bytes take few.
const DECODING_QUOTA: usize = 20_000_000;

/// Answers a query call, on the last commit.
pub fn query(
    shared: &Shared,
    sender: Principal,
    name: &str,
    arg: &[u8],
) -> Result<Vec<u8>, Reject> {
    let version = shared
        .published
        .latest()
        .ok_or_else(super::rejects::no_module)?;
    match allow(name, Caller::Query(sender), &version.settings)? {
        Method::FetchLogs => {
            let args: FetchCanisterLogsArgs = decode(arg)?;
            check_canister(args.canister_id, shared.canister_id)?;
            shared.log.fetch(&args)
        }
        Method::ListSnapshots => snapshots::Snapshots::of(shared).list(arg),
        // The only other one that `allow` lets through.
        _ => status::canister_status(
            arg,
            &status::Status {
                shared,
                state: &version.state,
                settings: &version.settings,
                run_state: version.surroundings.run_state,
                module: version.module.as_deref(),
                heap_bytes: version.heap.size() as u64,
                stable_pages: version.stable_pages,
                canister_version: version.canister_version,
            },
        ),
    }
}

/// 32 bytes from the machine's random number generator.
pub fn raw_rand() -> Result<Vec<u8>, Reject> {
    let mut bytes = vec![0; 32];
    rand::rng().fill_bytes(&mut bytes);
    encode(&ByteBuf::from(bytes))
}

/// Reads a method's argument.
pub fn decode<T>(arg: &[u8]) -> Result<T, Reject>
where
    T: serde::de::DeserializeOwned + CandidType,
{
    let mut limits = candid::DecoderConfig::new();
    limits.set_decoding_quota(DECODING_QUOTA);
    let decoded = candid::utils::decode_args_with_config::<(T,)>(arg, &limits);
    decoded
        .map(|(value,)| value)
        .map_err(|error| refused("IC0408", format!("Error decoding candid: {error}")))
}

/// Writes a method's answer.
pub fn encode<T: CandidType>(value: &T) -> Result<Vec<u8>, Reject> {
    candid::encode_one(value).map_err(|error| Reject {
        code: RejectCode::SysFatal,
        message: format!("the management canister could not write Candid: {error}"),
        error_code: None,
    })
}

/// The answer of a method without a result.
pub fn done() -> Result<Vec<u8>, Reject> {
    candid::encode_args(()).map_err(|error| Reject {
        code: RejectCode::SysFatal,
        message: error.to_string(),
        error_code: None,
    })
}

/// Checks that an argument is about the canister that runs here.
pub fn check_canister(asked: Principal, here: Principal) -> Result<(), Reject> {
    match asked == here {
        true => Ok(()),
        false => Err(super::rejects::no_canister(&asked)),
    }
}

/// A reject for what was asked and cannot be done; nothing has changed. The first digit of the error code (`IC0` and three digits) is the
/// reject code.
pub fn refused(error_code: &str, message: impl Into<String>) -> Reject {
    let code = match error_code.as_bytes().get(3) {
        Some(b'2') => RejectCode::SysTransient,
        Some(b'3') => RejectCode::DestinationInvalid,
        Some(b'4') => RejectCode::CanisterReject,
        _ => RejectCode::CanisterError,
    };
    Reject {
        code,
        message: message.into(),
        error_code: Some(error_code.into()),
    }
}
