//! `canister_status`.

use super::{code, snapshots::Snapshots};
use crate::engine::{CYCLE_BALANCE, Shared};
use crate::message::{CanisterState, Reject};
use crate::runtime::{CompiledModule, RunState};
use crate::settings::Settings;
use crate::store::WASM_PAGE;
use candid::Nat;
use ic_management_canister_types::{
    CanisterIdRecord, CanisterStatusResult, CanisterStatusType, MemoryMetrics, QueryStats,
};

/// What `canister_status` tells.
pub struct Status<'a> {
    pub shared: &'a Shared,
    pub state: &'a CanisterState,
    pub settings: &'a Settings,
    pub run_state: RunState,
    pub module: Option<&'a CompiledModule>,
    pub heap_bytes: u64,
    /// WebAssembly pages.
    pub stable_pages: u64,
    pub canister_version: u64,
}

/// Answers `canister_status`.
pub fn canister_status(arg: &[u8], status: &Status<'_>) -> Result<Vec<u8>, Reject> {
    let asked: CanisterIdRecord = super::decode(arg)?;
    super::check_canister(asked.canister_id, status.shared.canister_id)?;
    let custom = status
        .state
        .metadata
        .iter()
        .map(|section| section.content.len() as u64)
        .sum::<u64>();
    let zero = || Nat::from(0u8);
    let stable = status.stable_pages * WASM_PAGE;
    let module = status.module.map_or(0, |module| module.size as u64);
    let chunks = code::chunk_store_bytes(status.shared);
    let snapshots = Snapshots::of(status.shared).total_bytes();
    super::encode(&CanisterStatusResult {
        status: match status.run_state {
            RunState::Running => CanisterStatusType::Running,
            RunState::Stopping => CanisterStatusType::Stopping,
            RunState::Stopped => CanisterStatusType::Stopped,
        },
        ready_for_migration: false,
        version: status.canister_version,
        settings: super::settings::shown(status.settings),
        module_hash: status.state.module_hash.map(|hash| hash.to_vec()),
        memory_size: Nat::from(status.heap_bytes + stable + module + custom + chunks + snapshots),
        memory_metrics: MemoryMetrics {
            wasm_memory_size: status.heap_bytes.into(),
            stable_memory_size: stable.into(),
            global_memory_size: zero(),
            wasm_binary_size: module.into(),
            custom_sections_size: custom.into(),
            canister_history_size: zero(),
            wasm_chunk_store_size: chunks.into(),
            snapshots_size: snapshots.into(),
            log_memory_store_size: zero(),
        },
        cycles: Nat::from(CYCLE_BALANCE),
        reserved_cycles: zero(),
        idle_cycles_burned_per_day: zero(),
        query_stats: QueryStats {
            num_calls_total: zero(),
            num_instructions_total: zero(),
            request_payload_bytes_total: zero(),
            response_payload_bytes_total: zero(),
        },
    })
}
