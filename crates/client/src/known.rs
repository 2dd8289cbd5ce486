//! Which memories have which originals, by length and SHA-256, so that what is kept is not kept twice.
//!
//! One listing, and only for a run that meets content which the capsule may hold; headers that carry the original's hash are enough, and of the others only those
//! memories are read whose size allows that the file in question is their original.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use keepsake_api::{AssetType, Error as VaultError, Memory, MemoryHeader};

use crate::{ClientError, Vault, download::assets_of};

/// Queries in flight at the same time.
const WINDOW: usize = 16;

/// Memories of a page of the listing.
const PAGE: u32 = 100;

/// Originals of one capsule.
#[derive(Debug, Default)]
pub(crate) struct Known {
    by_len: HashMap<u64, HashMap<[u8; 32], String>>,
    unread: Vec<Unread>,
    listed: bool,
}

/// A memory whose originals are not known yet.
#[derive(Debug)]
struct Unread {
    id: String,
    /// Bytes of all its assets.
    size: u64,
    only_asset: bool,
}

impl Unread {
    /// Whether one of its assets may have this length.
    fn may_have(&self, len: u64) -> bool {
        if self.only_asset {
            self.size == len
        } else {
            self.size >= len
        }
    }
}

impl Known {
    /// Lists the capsule, if that was not done before.
    pub async fn list_once(&mut self, vault: &Vault, capsule_id: &str) -> Result<(), ClientError> {
        if self.listed {
            return Ok(());
        }
        let mut cursor: Option<String> = None;
        loop {
            let page = vault
                .memories_list(capsule_id, cursor.as_deref(), Some(PAGE))
                .await?;
            for header in page.items {
                self.add_header(header);
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                self.listed = true;
                return Ok(());
            }
        }
    }

    fn add_header(&mut self, header: MemoryHeader) {
        let original = header.assets.original.and_then(|link| {
            let hash = hash_of_etag(&link.etag?)?;
            Some((link.bytes?, hash))
        });
        match original {
            Some((len, sha256)) => self.add(len, sha256, header.id),
            None => self.unread.push(Unread {
                id: header.id,
                size: header.size,
                only_asset: header.asset_count == 1,
            }),
        }
    }

    /// Notes that a memory holds this original.
    pub fn add(&mut self, len: u64, sha256: [u8; 32], memory_id: String) {
        self.by_len
            .entry(len)
            .or_default()
            .insert(sha256, memory_id);
    }

    /// Forgets a memory that turned out to be gone.
    pub fn remove(&mut self, len: u64, sha256: &[u8; 32]) {
        if let Some(hashes) = self.by_len.get_mut(&len) {
            hashes.remove(sha256);
        }
    }

    /// Reads what has to be read before questions about originals of `len` bytes can be answered.
    pub async fn learn(&mut self, vault: &Vault, len: u64) -> Result<(), ClientError> {
        let (candidates, rest): (Vec<Unread>, Vec<Unread>) = std::mem::take(&mut self.unread)
            .into_iter()
            .partition(|memory| memory.may_have(len));
        let read: Result<Vec<Option<Memory>>, ClientError> = stream::iter(&candidates)
            .map(|candidate| async move {
                match vault.memories_read(&candidate.id).await {
                    Ok(memory) => Ok(Some(memory)),
                    // Deleted since the listing.
                    Err(ClientError::Vault {
                        error: VaultError::NotFound,
                        ..
                    }) => Ok(None),
                    Err(e) => Err(e),
                }
            })
            .buffer_unordered(WINDOW)
            .try_collect()
            .await;
        self.unread = rest;
        match read {
            Ok(memories) => {
                for memory in memories.into_iter().flatten() {
                    self.add_memory(&memory);
                }
                Ok(())
            }
            Err(e) => {
                self.unread.extend(candidates);
                Err(e)
            }
        }
    }

    fn add_memory(&mut self, memory: &Memory) {
        for asset in assets_of(memory) {
            if asset.asset_type == AssetType::Original
                && let (Some(len), Some(sha256)) = (asset.len, asset.sha256)
            {
                self.add(len, sha256, memory.id.clone());
            }
        }
    }

    /// Whether any original of this length is there.
    pub fn has_len(&self, len: u64) -> bool {
        self.by_len
            .get(&len)
            .is_some_and(|hashes| !hashes.is_empty())
    }

    /// Whether the capsule was listed.
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// Whether any original of this length may be there, once the capsule was listed. The motion of a live photo, which is a
    /// further original, does not count: its memory is found by the still.
    pub fn may_have_len(&self, len: u64) -> bool {
        self.has_len(len) || self.unread.iter().any(|memory| memory.may_have(len))
    }

    /// The memory that holds this original.
    pub fn find(&self, len: u64, sha256: &[u8; 32]) -> Option<&str> {
        self.by_len.get(&len)?.get(sha256).map(String::as_str)
    }
}

/// The SHA-256 in an entity tag, with or without quotes.
fn hash_of_etag(etag: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(etag.trim_matches('"'), &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_hashes() {
        let hex = "ab".repeat(32);
        assert_eq!(hash_of_etag(&hex), Some([0xab; 32]));
        assert_eq!(hash_of_etag(&format!("\"{hex}\"")), Some([0xab; 32]));
        assert_eq!(hash_of_etag("W/\"1\""), None);
        assert_eq!(hash_of_etag(""), None);
    }

    #[test]
    fn originals_are_found_by_length_and_hash() {
        let mut known = Known::default();
        assert!(!known.has_len(3));
        known.add(3, [1; 32], "m1".into());
        assert!(known.has_len(3));
        assert_eq!(known.find(3, &[1; 32]), Some("m1"));
        assert_eq!(known.find(3, &[2; 32]), None);
        assert_eq!(known.find(4, &[1; 32]), None);
        assert!(!known.may_have_len(4));
        for (size, only_asset) in [(5, false), (6, true)] {
            known.unread.push(Unread {
                id: "m2".into(),
                size,
                only_asset,
            });
        }
        let possible: Vec<u64> = (1..8).filter(|&len| known.may_have_len(len)).collect();
        assert_eq!(possible, [1, 2, 3, 4, 5, 6]);
        known.remove(3, &[1; 32]);
        assert!(!known.has_len(3));
    }
}
