//! What belongs to the one vault that an archive came from, and goes into no other: ids, times that the vault set, who
//! brought a memory in and who may see it. For people, and for the next export into the same folder, which reads from it
//! what has not changed.

use std::io::{BufRead, BufReader, Read};

use keepsake_api::{AccessEntry, Memory, MemoryHeader, PersonRef, SharingStatus};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    ArchiveError,
    files::Root,
    values::{Hash, Time},
};

/// Longest line, in bytes: that of a memory with 1,000 files and 200 access entries.
const LONGEST_LINE: u64 = 4 << 20;

/// The file about a capsule's folder (`mine`).
pub fn path_of(folder: &str) -> String {
    format!("source/{folder}.jsonl")
}

/// What the vault says of the capsule: the first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCapsule {
    /// The vault's canister id.
    pub vault: String,
    pub capsule_id: String,
    pub subject: PersonRef,
    pub created_at: Time,
    pub updated_at: Time,
    #[serde(default)]
    pub owners: Vec<PersonRef>,
    #[serde(default)]
    pub controllers: Vec<PersonRef>,
    #[serde(default)]
    pub connection_groups: Vec<SourceGroup>,
}

/// A connection group that access entries may be for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceGroup {
    pub id: String,
    pub name: String,
    pub members: Vec<PersonRef>,
}

/// What the vault says of a memory, beside its portable form: a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceMemory {
    /// The sidecar's path.
    pub sidecar: String,
    /// It was in the vault once, and is no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    pub memory_id: String,
    /// What the listing said of it, in short: unchanged while this is.
    pub listed: Hash,
    pub created_at: Time,
    pub updated_at: Time,
    pub uploaded_at: Time,
    pub created_by: Option<String>,
    pub sharing_status: SharingStatus,
    pub shared_count: u32,
    /// As far as the exporter may see them.
    pub access_entries: Vec<AccessEntry>,
    pub assets: Vec<SourceAsset>,
}

/// What the vault says of an asset, in the order of the interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceAsset {
    pub asset_id: String,
    /// Absent for inline content and for content kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
}

impl SourceMemory {
    /// Of a memory as it was read; where its sidecar will lie is not known yet.
    pub fn of(memory: &Memory, listed: Hash) -> Self {
        let asset =
            |id: &str, blob: Option<&str>, base: &keepsake_api::AssetMetadataBase| SourceAsset {
                asset_id: id.to_owned(),
                blob: blob.map(str::to_owned),
                created_at: Time(base.created_at),
                updated_at: Time(base.updated_at),
            };
        let inline = memory.inline_assets.iter();
        let blobs = memory.blob_internal_assets.iter();
        let external = memory.blob_external_assets.iter();
        let assets = inline
            .map(|a| asset(&a.asset_id, None, a.metadata.base()))
            .chain(blobs.map(|a| {
                let locator = Some(a.blob_ref.locator.as_str());
                asset(&a.asset_id, locator, a.metadata.base())
            }))
            .chain(external.map(|a| asset(&a.asset_id, None, a.metadata.base())))
            .collect();
        SourceMemory {
            sidecar: String::new(),
            gone: false,
            memory_id: memory.id.clone(),
            listed,
            created_at: Time(memory.metadata.created_at),
            updated_at: Time(memory.metadata.updated_at),
            uploaded_at: Time(memory.metadata.uploaded_at),
            created_by: memory.metadata.created_by.clone(),
            sharing_status: memory.metadata.sharing_status,
            shared_count: memory.metadata.shared_count,
            access_entries: memory.access_entries.clone(),
            assets,
        }
    }
}

/// What a listing says of a memory that only a change of the memory changes. Tokens, and what follows from the time of
/// day, are left out.
pub fn listed_digest(header: &MemoryHeader) -> Hash {
    let mut hasher = Sha256::new();
    for text in [&header.id, &header.name] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    for number in [
        header.updated_at,
        header.created_at,
        header.size,
        u64::from(header.asset_count),
    ] {
        hasher.update(number.to_be_bytes());
    }
    Hash(hasher.finalize().into())
}

/// The file's lines.
pub fn lines(capsule: &SourceCapsule, memories: &[SourceMemory]) -> Result<Vec<u8>, ArchiveError> {
    let mut out = Vec::new();
    let unwritable = |e: serde_json::Error| ArchiveError::Malformed {
        what: "what the vault says".to_owned(),
        reason: e.to_string(),
    };
    serde_json::to_writer(&mut out, capsule).map_err(unwritable)?;
    out.push(b'\n');
    for memory in memories {
        serde_json::to_writer(&mut out, memory).map_err(unwritable)?;
        out.push(b'\n');
    }
    Ok(out)
}

/// Reads a file back. `None` where it is not there, or not readable any more: then nothing is known, and everything is
/// read from the vault again.
pub fn read(root: &Root, folder: &str) -> Option<(SourceCapsule, Vec<SourceMemory>)> {
    let mut reader = BufReader::new(root.open(&path_of(folder)).ok()?);
    let mut line = |buffer: &mut Vec<u8>| {
        buffer.clear();
        let read = (&mut reader).take(LONGEST_LINE).read_until(b'\n', buffer);
        read.ok().filter(|&n| n > 0)
    };
    let mut buffer = Vec::new();
    line(&mut buffer)?;
    let capsule = serde_json::from_slice(&buffer).ok()?;
    let mut memories = Vec::new();
    while line(&mut buffer).is_some() {
        memories.push(serde_json::from_slice(&buffer).ok()?);
    }
    Some((capsule, memories))
}
