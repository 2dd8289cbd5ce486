//! What a canister's controllers can set of it (specification, "Canister settings"), as it is kept with the state.
//!
//! This home charges nothing and has one canister: of the settings, controllers, visibilities and environment variables take effect. The others are
//! kept and shown, so that tools which set and compare them find what they have set.

use candid::Principal;
use serde::{Deserialize, Serialize};

/// Who may see something besides the controllers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Visibility {
    #[default]
    Controllers,
    Public,
    Viewers(Vec<Principal>),
}

/// The settings; the defaults are those of the Internet Computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// At most ten.
    pub controllers: Vec<Principal>,
    /// Percent, 0 to 100.
    pub compute_allocation: u64,
    /// Bytes.
    pub memory_allocation: u64,
    /// Seconds.
    pub freezing_threshold: u64,
    /// Cycles.
    pub reserved_cycles_limit: u128,
    /// Cycles.
    pub minimum_incoming_canister_call_cycles: u128,
    pub log_visibility: Visibility,
    /// Bytes.
    pub log_memory_limit: u64,
    pub snapshot_visibility: Visibility,
    pub status_visibility: Visibility,
    /// Bytes.
    pub wasm_memory_limit: u64,
    /// Bytes.
    pub wasm_memory_threshold: u64,
    /// Names and values, in ascending order of names.
    pub environment_variables: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            controllers: Vec::new(),
            compute_allocation: 0,
            memory_allocation: 0,
            freezing_threshold: 2_592_000,
            reserved_cycles_limit: 5_000_000_000_000,
            minimum_incoming_canister_call_cycles: 0,
            log_visibility: Visibility::Controllers,
            log_memory_limit: 4096,
            snapshot_visibility: Visibility::Controllers,
            status_visibility: Visibility::Controllers,
            wasm_memory_limit: 3 << 30,
            wasm_memory_threshold: 0,
            environment_variables: Vec::new(),
        }
    }
}

impl Settings {
    /// Whether `who` may see what `visibility` is about.
    pub fn may_see(&self, visibility: &Visibility, who: &Principal) -> bool {
        self.controllers.contains(who)
            || match visibility {
                Visibility::Controllers => false,
                Visibility::Public => true,
                Visibility::Viewers(viewers) => viewers.contains(who),
            }
    }
}
