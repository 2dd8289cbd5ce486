//! State of the vault and of a capsule: what an operator watches, and what a client shows as "x of y used".

use candid::CandidType;
use serde::{Deserialize, Serialize};

/// State of the whole vault, every figure known without counting.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct VaultStatus {
    /// Version of the build.
    pub version: String,
    /// Version of the stored records taken together.
    pub layout_version: u32,
    pub memory: MemoryUse,
    pub holdings: Holdings,
    pub cycles: CyclesUse,
    /// Why new content is refused now; `None`: it is taken.
    pub refuses_content: Option<String>,
    pub maintenance: Maintenance,
    pub quotas: Quotas,
    /// Number of the key that access tokens are made with; what `http_token_key_rotate` takes.
    pub http_token_key: u32,
}

/// Memory of the canister, in bytes.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// Stable memory that the canister has from the system.
    pub stable_allocated: u64,
    /// What of it holds something: allocated without `stable_reusable`.
    pub stable_used: u64,
    /// What of it is free for new records and content.
    pub stable_reusable: u64,
    /// By how much stable memory may grow at the most: what the system allows a canister, without what it has. A subnet, or a disk, that is
    /// full gives less.
    pub stable_obtainable: u64,
    /// Heap, which never shrinks before an upgrade.
    pub heap: u64,
    pub regions: Vec<RegionUse>,
}

/// A region of stable memory, in bytes.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct RegionUse {
    pub name: String,
    /// What the region takes up.
    pub allocated: u64,
    /// What of it is free.
    pub free: u64,
}

/// What the vault holds, in all.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    pub capsules: u64,
    /// Those in the trash are not among them.
    pub memories: u64,
    pub memories_trashed: u64,
    pub blobs: u64,
    /// Blobs that no memory has referenced yet.
    pub blobs_unreferenced: u64,
    pub uploads_open: u64,
    /// Bytes that content takes up, equal content of a capsule once.
    pub content_bytes: u64,
    /// External content that clients have not acknowledged as deleted.
    pub external_deletions: u64,
}

/// What the canister lives on.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct CyclesUse {
    pub balance: u128,
    /// What may be spent: the balance above the freezing threshold.
    pub liquid: u128,
    /// The canister is frozen when its balance falls below this.
    pub freezing_threshold: u128,
    /// Cost of a day at rest at the present size, by the prices of a subnet of 13 nodes.
    pub at_rest_per_day: u128,
    /// New content is refused while `liquid` is less.
    pub reserve: u128,
    /// Days that `liquid` pays for at rest.
    pub days_left: u64,
}

/// What the vault clears away by itself. Counts of what is due end at 1,000: that many, or more.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// Capsules that were deleted and are being emptied.
    pub capsules_emptying: u64,
    /// Uploads to be looked at, because they may have expired.
    pub uploads_due: u64,
    /// Blobs that no memory referenced within a day.
    pub blobs_due: u64,
    /// Memories whose time in the trash is over.
    pub trash_due: u64,
    /// When it last looked for something, in nanoseconds since 1970 UTC.
    pub last_run: Option<u64>,
    /// What it has cleared away since the vault exists.
    pub cleared: Cleared,
}

/// Things cleared away, in all.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    pub capsules: u64,
    pub memories: u64,
    pub blobs: u64,
    pub uploads: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// What the installer lets a capsule hold, in bytes and numbers; `None`: no bound but the canister's.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Quotas {
    pub inline_budget_per_capsule: u32,
    pub bytes_per_capsule: Option<u64>,
    pub memories_per_capsule: Option<u64>,
    /// Uploads that a caller may have open in one capsule.
    pub open_sessions: u32,
    pub cycles_reserve_days: u32,
}

/// How much of its quotas a capsule uses.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct CapsuleStatus {
    pub capsule_id: String,
    /// Those in the trash are not among them.
    pub memories: u64,
    pub memories_max: Option<u64>,
    pub memories_trashed: u64,
    /// What `bytes_max` bounds: bytes of blobs and inline assets, of memories in the trash too, and where there is a bound, of chunks of
    /// uploads under way.
    pub bytes: u64,
    pub bytes_max: Option<u64>,
    /// Bytes of blob content, equal content once.
    pub blob_bytes: u64,
    pub inline_bytes: u64,
    pub inline_bytes_max: u64,
    /// Uploads that the caller has open in the capsule.
    pub uploads_open: u64,
    pub uploads_open_max: u64,
    /// Whether new content is refused now, whatever the capsule holds: the vault's cycles are low.
    pub refuses_content: bool,
}
