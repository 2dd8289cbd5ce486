//! Share links: memories shown to whoever holds a secret, without signing in.

use candid::{CandidType, Principal};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{AssetLinks, AssetType, MemoryType};

/// What a share link shows.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum ShareSelection {
    /// Whatever is in the capsule when the link is used.
    Capsule,
    /// These memories of the capsule, 1 to 1,000, in this order.
    Memories(Vec<String>),
}

/// A share link to be made.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ShareLinkInput {
    pub capsule_id: String,
    /// SHA-256 of the link's secret, 32 random bytes that the vault is not told.
    pub secret_sha256: ByteBuf,
    pub selection: ShareSelection,
    /// From then on the link opens nothing; `None`: 30 days from now. At most 5 years from now.
    pub expires_at: Option<u64>,
    /// Whether originals are given, too.
    pub allow_download: bool,
    /// Shown on the link's page; at most 256 bytes.
    pub title: Option<String>,
}

/// A share link, as whoever manages it sees it.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ShareLink {
    pub id: String,
    pub capsule_id: String,
    pub title: Option<String>,
    /// How many memories were selected; `None`: the whole capsule.
    pub selected: Option<u32>,
    pub allow_download: bool,
    /// Who made it: it shows nothing that this person may not share any more.
    pub created_by: Principal,
    pub created_at: u64,
    pub expires_at: u64,
    /// How often it was opened.
    pub uses: u64,
    pub last_used_at: Option<u64>,
}

/// A share link, as whoever holds its secret sees it.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct SharedLink {
    pub title: Option<String>,
    pub expires_at: u64,
    pub allow_download: bool,
    /// How often it was opened.
    pub uses: u64,
}

/// A memory that a share link shows.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct SharedHeader {
    pub id: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub memory_type: MemoryType,
    /// When it happened, else when it was created.
    pub date: u64,
    pub tags: Vec<String>,
    /// The original only where the link allows downloads. Their tokens work as long as the link does, 30 minutes at the most.
    pub assets: AssetLinks,
    /// The placeholder image as base64, where it is inline and under 1,000 bytes.
    pub placeholder_data: Option<String>,
}

#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct SharedPage {
    pub link: SharedLink,
    pub items: Vec<SharedHeader>,
    /// Opaque; hand it in for the next page. `None`: this was the last.
    pub next_cursor: Option<String>,
}

/// An asset that a share link gives.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct SharedAsset {
    pub asset_id: String,
    pub asset_type: AssetType,
    /// Name of the file, where the link allows downloads.
    pub name: Option<String>,
    pub content_type: String,
    pub bytes: u64,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub sha256: ByteBuf,
}

/// A memory that a share link shows, with the assets that it gives.
#[derive(CandidType, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct SharedMemory {
    pub header: SharedHeader,
    pub assets: Vec<SharedAsset>,
}
