//! The records in the store's tables and their encoding: a header with version and checksum ([`super::seal`]), then CBOR with
//! named fields, so that a later version can add fields without a migration (I8).

use super::StoreError;
use super::seal::{self, Place};
use crate::message::{Reject, RejectCode, RequestId, RequestInfo, RequestStatus};
use crate::runtime::RunState;
use crate::settings::Settings;
use candid::Principal;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// What is kept of the canister apart from its wasm and its stable memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanisterRecord {
    pub canister_id: Principal,
    /// SHA-256 of the module as it was handed in; `None` before the first installation.
    pub module_hash: Option<[u8; 32]>,
    /// The size of stable memory in WebAssembly pages of 64 KiB.
    pub stable_pages: u64,
    /// The highest time the canister has been given, nanoseconds since 1970 UTC.
    pub time: u64,
    pub certified_data: ByteBuf,
    /// `ic0.canister_version`: counts the messages that changed something, and the installations.
    pub canister_version: u64,
    /// Counts the commits.
    pub commit: u64,
    /// Which of the contents that stable memory has had is the present one; see [`super::generations`].
    #[serde(default)]
    pub generation: u64,
    /// What its controllers have set; `None` in a state of before there were settings.
    #[serde(default)]
    pub settings: Option<Settings>,
    #[serde(default)]
    pub run_state: RunState,
}

impl CanisterRecord {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        encode(Place::named("canister"), self)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        decode(Place::named("canister"), bytes, "the canister's record")
    }
}

/// An update call that has begun or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    pub sender: Principal,
    pub canister_id: Principal,
    /// Nanoseconds since 1970 UTC.
    pub expiry: u64,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Outcome {
    Processing,
    Replied(ByteBuf),
    Rejected {
        code: u8,
        message: String,
        error_code: Option<String>,
    },
}

impl RequestRecord {
    /// A record of `status`. `Received` is not kept: such a request has no effect yet, and may come again.
    pub fn new(
        sender: Principal,
        canister_id: Principal,
        expiry: u64,
        status: &RequestStatus,
    ) -> Self {
        let outcome = match status {
            RequestStatus::Received | RequestStatus::Processing | RequestStatus::Done => {
                Outcome::Processing
            }
            RequestStatus::Replied(reply) => Outcome::Replied(ByteBuf::from(reply.clone())),
            RequestStatus::Rejected(reject) => Outcome::Rejected {
                code: reject.code as u8,
                message: reject.message.clone(),
                error_code: reject.error_code.clone(),
            },
        };
        RequestRecord {
            sender,
            canister_id,
            expiry,
            outcome,
        }
    }

    /// The status as the state tree shows it.
    pub fn status(&self) -> RequestStatus {
        match &self.outcome {
            Outcome::Processing => RequestStatus::Processing,
            Outcome::Replied(reply) => RequestStatus::Replied(reply.to_vec()),
            Outcome::Rejected {
                code,
                message,
                error_code,
            } => RequestStatus::Rejected(Reject {
                code: reject_code(*code),
                message: message.clone(),
                error_code: error_code.clone(),
            }),
        }
    }

    /// What `read_state` needs of it.
    pub fn info(&self) -> RequestInfo {
        RequestInfo {
            status: self.status(),
            sender: self.sender,
            canister_id: self.canister_id,
        }
    }

    pub(super) fn to_bytes(&self, id: &RequestId) -> Result<Vec<u8>, StoreError> {
        encode(Place::request(id), self)
    }

    pub(super) fn from_bytes(id: &RequestId, bytes: &[u8]) -> Result<Self, StoreError> {
        decode(Place::request(id), bytes, "a request's record")
    }
}

fn reject_code(code: u8) -> RejectCode {
    match code {
        1 => RejectCode::SysFatal,
        2 => RejectCode::SysTransient,
        3 => RejectCode::DestinationInvalid,
        4 => RejectCode::CanisterReject,
        5 => RejectCode::CanisterError,
        _ => RejectCode::SysUnknown,
    }
}

fn encode<T: Serialize>(place: Place, value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes)
        .map_err(|error| StoreError::Record(error.to_string()))?;
    Ok(seal::close_record(place, &bytes))
}

fn decode<T: for<'a> Deserialize<'a>>(
    place: Place,
    bytes: &[u8],
    what: &str,
) -> Result<T, StoreError> {
    let (content, _) = seal::open_record(place, bytes)?;
    ciborium::from_reader(content).map_err(|error| StoreError::Record(format!("{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_record_survives_its_encoding() {
        for status in [
            RequestStatus::Processing,
            RequestStatus::Replied(vec![0; 3_000_000]),
            RequestStatus::Rejected(Reject {
                code: RejectCode::CanisterError,
                message: "trapped".into(),
                error_code: Some("IC0503".into()),
            }),
        ] {
            let record = RequestRecord::new(
                Principal::anonymous(),
                Principal::management_canister(),
                7,
                &status,
            );
            let id = [3; 32];
            let bytes = record.to_bytes(&id).unwrap();
            let read = RequestRecord::from_bytes(&id, &bytes).unwrap();
            assert_eq!(read, record);
            assert_eq!(read.status(), status);
            assert!(RequestRecord::from_bytes(&[4; 32], &bytes).is_err());
            // As it was written before there were checksums.
            let before = [&[1], &bytes[9..]].concat();
            assert_eq!(RequestRecord::from_bytes(&id, &before).unwrap(), record);
        }
    }

    #[test]
    fn another_version_and_garbage_are_refused() {
        assert!(CanisterRecord::from_bytes(&[]).is_err());
        assert!(CanisterRecord::from_bytes(&[2, 0xa0]).is_err());
        assert!(CanisterRecord::from_bytes(&[1, 0xff, 0x00]).is_err());
    }
}
