//! What an installer may set.

use candid::CandidType;
use serde::{Deserialize, Serialize};

/// Argument of installation and upgrade. What is `None` keeps its value (at installation: the default).
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct InitArgs {
    /// Bytes of inline content a capsule may hold; default 32 KiB.
    pub inline_budget_per_capsule: Option<u32>,
    /// Bytes of blobs and inline assets together that a capsule may hold; default: no bound but the canister's.
    pub bytes_per_capsule: Option<u64>,
    /// Memories a capsule may hold; default: no bound.
    pub memories_per_capsule: Option<u64>,
    /// Uploads that a caller may have open in one capsule; default 100.
    pub open_sessions: Option<u32>,
    /// New content is refused while the cycles above the freezing threshold pay for fewer days at rest than this and a day of use;
    /// default 30. 0: it is never refused for that.
    pub cycles_reserve_days: Option<u32>,
}
