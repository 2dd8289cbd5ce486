//! What an installer may set.

use candid::CandidType;
use serde::{Deserialize, Serialize};

/// Argument of installation and upgrade. What is `None` keeps its value (at installation: the default).
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct InitArgs {
    /// Bytes of inline content a capsule may hold; default 32 KiB.
    pub inline_budget_per_capsule: Option<u32>,
}
