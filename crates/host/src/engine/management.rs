//! The part of the management canister (`aaaaa-aa`) that this home answers: randomness for the canister, and the canister's status for
//! its controllers.

use crate::message::{CanisterState, Reject, RejectCode};
use candid::{CandidType, Decode, Encode, Nat, Principal};
use rand::RngCore;
use serde::Deserialize;
use serde_bytes::ByteBuf;

/// What `canister_status` tells.
pub struct Status<'a> {
    pub canister_id: Principal,
    pub state: &'a CanisterState,
    pub cycle_balance: u128,
    pub heap_bytes: u64,
    pub stable_bytes: u64,
    pub canister_version: u64,
}

/// Whether a principal may call `method` by an ingress message at all.
pub fn accepts_ingress(method: &str, sender: Principal, controllers: &[Principal]) -> bool {
    method == "canister_status" && controllers.contains(&sender)
}

/// Answers a call of `method` by `caller`.
pub fn call(
    method: &str,
    arg: &[u8],
    caller: Principal,
    status: &Status<'_>,
) -> Result<Vec<u8>, Reject> {
    match method {
        "raw_rand" => raw_rand(),
        "canister_status" => canister_status(arg, caller, status),
        _ => Err(unknown_method(method)),
    }
}

/// The reject for what the management canister does not do here.
pub fn unknown_method(method: &str) -> Reject {
    Reject {
        code: RejectCode::DestinationInvalid,
        message: format!("the management canister of this host has no method '{method}'"),
        error_code: Some("IC0536".into()),
    }
}

/// 32 bytes from the machine's random number generator.
fn raw_rand() -> Result<Vec<u8>, Reject> {
    let mut bytes = vec![0; 32];
    rand::rng().fill_bytes(&mut bytes);
    Encode!(&ByteBuf::from(bytes)).map_err(|error| failed(&error))
}

#[derive(CandidType, Deserialize)]
struct CanisterIdRecord {
    canister_id: Principal,
}

#[derive(CandidType)]
#[allow(non_camel_case_types, reason = "the interface's names")]
enum RunStatus {
    running,
}

#[derive(CandidType)]
#[allow(non_camel_case_types, reason = "the interface's names")]
enum Visibility {
    controllers,
}

#[derive(CandidType)]
struct EnvironmentVariable {
    name: String,
    value: String,
}

#[derive(CandidType)]
struct Settings {
    controllers: Vec<Principal>,
    compute_allocation: Nat,
    memory_allocation: Nat,
    freezing_threshold: Nat,
    reserved_cycles_limit: Nat,
    log_visibility: Visibility,
    status_visibility: Visibility,
    wasm_memory_limit: Nat,
    wasm_memory_threshold: Nat,
    environment_variables: Vec<EnvironmentVariable>,
    minimum_incoming_canister_call_cycles: Nat,
}

#[derive(CandidType)]
struct MemoryMetrics {
    wasm_memory_size: Nat,
    stable_memory_size: Nat,
    global_memory_size: Nat,
    wasm_binary_size: Nat,
    custom_sections_size: Nat,
    canister_history_size: Nat,
    wasm_chunk_store_size: Nat,
    snapshots_size: Nat,
}

#[derive(CandidType)]
struct QueryStats {
    num_calls_total: Nat,
    num_instructions_total: Nat,
    request_payload_bytes_total: Nat,
    response_payload_bytes_total: Nat,
}

#[derive(CandidType)]
struct CanisterStatus {
    status: RunStatus,
    ready_for_migration: bool,
    version: u64,
    settings: Settings,
    module_hash: Option<ByteBuf>,
    memory_size: Nat,
    memory_metrics: MemoryMetrics,
    cycles: Nat,
    reserved_cycles: Nat,
    idle_cycles_burned_per_day: Nat,
    query_stats: QueryStats,
}

fn canister_status(arg: &[u8], caller: Principal, status: &Status<'_>) -> Result<Vec<u8>, Reject> {
    let asked = Decode!(arg, CanisterIdRecord).map_err(|error| failed(&error))?;
    if asked.canister_id != status.canister_id {
        return Err(Reject {
            code: RejectCode::DestinationInvalid,
            message: format!("Canister {} not found", asked.canister_id),
            error_code: Some("IC0301".into()),
        });
    }
    if caller != status.canister_id && !status.state.controllers.contains(&caller) {
        return Err(Reject {
            code: RejectCode::CanisterError,
            message: "Only controllers of the canister can ask for its status".into(),
            error_code: Some("IC0512".into()),
        });
    }
    let custom = status
        .state
        .metadata
        .iter()
        .map(|section| section.content.len() as u64);
    let zero = || Nat::from(0u8);
    let answer = CanisterStatus {
        status: RunStatus::running,
        ready_for_migration: false,
        version: status.canister_version,
        settings: Settings {
            controllers: status.state.controllers.clone(),
            compute_allocation: zero(),
            memory_allocation: zero(),
            freezing_threshold: zero(),
            reserved_cycles_limit: zero(),
            log_visibility: Visibility::controllers,
            status_visibility: Visibility::controllers,
            wasm_memory_limit: zero(),
            wasm_memory_threshold: zero(),
            environment_variables: Vec::new(),
            minimum_incoming_canister_call_cycles: zero(),
        },
        module_hash: status
            .state
            .module_hash
            .map(|hash| ByteBuf::from(hash.to_vec())),
        memory_size: Nat::from(status.heap_bytes + status.stable_bytes),
        memory_metrics: MemoryMetrics {
            wasm_memory_size: Nat::from(status.heap_bytes),
            stable_memory_size: Nat::from(status.stable_bytes),
            global_memory_size: zero(),
            wasm_binary_size: zero(),
            custom_sections_size: Nat::from(custom.sum::<u64>()),
            canister_history_size: zero(),
            wasm_chunk_store_size: zero(),
            snapshots_size: zero(),
        },
        cycles: Nat::from(status.cycle_balance),
        reserved_cycles: zero(),
        idle_cycles_burned_per_day: zero(),
        query_stats: QueryStats {
            num_calls_total: zero(),
            num_instructions_total: zero(),
            request_payload_bytes_total: zero(),
            response_payload_bytes_total: zero(),
        },
    };
    Encode!(&answer).map_err(|error| failed(&error))
}

fn failed(error: &candid::Error) -> Reject {
    Reject {
        code: RejectCode::CanisterError,
        message: format!("the management canister could not read or write Candid: {error}"),
        error_code: Some("IC0503".into()),
    }
}
