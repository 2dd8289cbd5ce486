//! Reading one memory.

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{
    self as api, AccessEntry, BlobRef, ByteBuf, MemoryAssetBlobExternal, MemoryAssetBlobInternal,
    MemoryAssetInline,
};

use super::record::{Memory, StoredAsset};
use crate::Vault;
use crate::access::{self, Permissions};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ids::{BlobId, CapsuleId, MemoryId};
use crate::limits;
use crate::person::Person;
use crate::stored::Derived;

impl<M: StableMemory> Vault<M> {
    /// A memory with all its assets, inline ones with their bytes: the largest are left out where the reply would be too long.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a memory that the caller may not view.
    pub fn memories_read(&self, call: Call, memory: &str) -> Result<api::Memory> {
        let person = self.person(call)?;
        let (memory, may) = self.visible_memory(&person, call.now, memory)?;
        Ok(self.memory_on_the_wire(&person, call.now, memory, may))
    }

    /// The capsule's newest memories with their ids, at most [`limits::CAPSULE_MEMORIES_MAX`] and as many as fit a reply; inline bytes are
    /// left out where they would not.
    pub(crate) fn newest_memories(
        &self,
        person: &Person,
        now: u64,
        capsule: CapsuleId,
        may: Permissions,
    ) -> Vec<(String, api::Memory)> {
        let mut inline_left = limits::REPLY_INLINE_MAX;
        let mut records_left = limits::MEMORY_RECORD_MAX;
        let mut newest = Vec::new();
        for (memory, record_len) in self
            .memories
            .list(capsule, None)
            .take(limits::CAPSULE_MEMORIES_MAX as usize)
        {
            // What the memory takes in a reply: about its record, with the names of its fields written once for all.
            let len = record_len * 2 + 200;
            if len > records_left && !newest.is_empty() {
                break;
            }
            records_left = records_left.saturating_sub(len);
            let mut wire = self.memory_on_the_wire(person, now, memory, may);
            for asset in &mut wire.inline_assets {
                if asset.bytes.len() > inline_left {
                    asset.bytes.clear();
                }
                inline_left -= asset.bytes.len();
            }
            newest.push((wire.id.clone(), wire));
        }
        newest
    }

    /// The memory with this id, and what the person may do with it: at least view it.
    pub(crate) fn visible_memory(
        &self,
        person: &Person,
        now: u64,
        id: &str,
    ) -> Result<(Memory, Permissions)> {
        let memory = MemoryId::parse(id)
            .and_then(|id| self.memories.get(id))
            .ok_or(Error::NotFound)?;
        let may = self.permissions_on(person, now, &memory);
        if may.has(Permissions::VIEW) {
            Ok((memory, may))
        } else {
            Err(Error::NotFound)
        }
    }

    /// What the person may do with the memory at this time.
    pub(crate) fn permissions_on(&self, person: &Person, now: u64, memory: &Memory) -> Permissions {
        let roles = self.capsules.roles(person, memory.capsule);
        // A capsule that was deleted is gone for everybody, whatever its memories' entries say until they are cleared away.
        if memory.record.access.is_empty() || !self.capsules.exists(memory.capsule) {
            return Permissions::of_roles(roles);
        }
        let entries = memory.record.access_entries();
        access::permissions(roles, &entries, person, now, &self.facts.of(memory.capsule))
    }

    pub(crate) fn memory_on_the_wire(
        &self,
        person: &Person,
        now: u64,
        memory: Memory,
        may: Permissions,
    ) -> api::Memory {
        let derived = self.derived(&memory, now);
        let entries: Vec<AccessEntry> = memory.record.access_entries();
        let access_entries = if may.has(Permissions::SHARE) {
            entries
        } else {
            entries
                .into_iter()
                .filter(|entry| access::concerns(entry, person, &self.facts.of(memory.capsule)))
                .collect()
        };
        let carried = carried_inline(&memory);
        let mut inline_assets = Vec::new();
        let mut blob_internal_assets = Vec::new();
        let mut blob_external_assets = Vec::new();
        for asset in memory.record.assets {
            let asset_id = asset.id().to_string();
            let may_read = may.has(asset.needed_to_read());
            let mut metadata = asset.metadata.clone();
            if asset.is_external() && !may_read {
                // Whoever has the address of content kept elsewhere may have the content.
                metadata.forget_address();
            }
            let metadata = metadata.on_the_wire(asset.len(), asset.sha256());
            match asset.content {
                StoredAsset::Inline { place, .. } => inline_assets.push(MemoryAssetInline {
                    asset_id,
                    bytes: if place.len <= carried && may_read {
                        ByteBuf::from(self.arena.read(place))
                    } else {
                        ByteBuf::new()
                    },
                    metadata,
                }),
                StoredAsset::Blob { blob, len, sha256 } => {
                    blob_internal_assets.push(MemoryAssetBlobInternal {
                        asset_id,
                        blob_ref: BlobRef {
                            locator: BlobId(blob).to_string(),
                            hash: Some(ByteBuf::from(sha256.to_vec())),
                            len,
                        },
                        metadata,
                    });
                }
                StoredAsset::External {
                    location,
                    storage_key,
                    url,
                    ..
                } => blob_external_assets.push(MemoryAssetBlobExternal {
                    asset_id,
                    location: location.0,
                    storage_key: if may_read { storage_key } else { String::new() },
                    url: url.filter(|_| may_read),
                    metadata,
                }),
            }
        }
        api::Memory {
            id: memory.id.to_string(),
            capsule_id: memory.capsule.to_string(),
            metadata: memory.record.metadata.on_the_wire(derived),
            access_entries,
            inline_assets,
            blob_internal_assets,
            blob_external_assets,
        }
    }

    /// What follows from a memory's assets and access entries.
    pub(super) fn derived(&self, memory: &Memory, now: u64) -> Derived {
        let entries = memory.record.access_entries();
        let owners = if entries.is_empty() {
            Vec::new()
        } else {
            self.capsules
                .get(memory.capsule)
                .map(|capsule| capsule.owner_refs())
                .unwrap_or_default()
        };
        Derived {
            shared_count: access::shared_count(&entries, &owners),
            sharing_status: access::sharing_status(
                &entries,
                &owners,
                now,
                &self.facts.of(memory.capsule),
            ),
            total_size: memory.record.total_size(),
            asset_count: memory.record.assets.len() as u32,
        }
    }
}

/// Length of the longest inline assets that the reply carries, so that all carried together fit.
fn carried_inline(memory: &Memory) -> u64 {
    let mut lengths: Vec<u64> = memory
        .record
        .assets
        .iter()
        .filter(|asset| matches!(asset.content, StoredAsset::Inline { .. }))
        .map(|asset| asset.len())
        .collect();
    lengths.sort_unstable();
    let mut sum = 0;
    let mut carried = 0;
    for (i, len) in lengths.iter().enumerate() {
        sum += len;
        if sum > limits::REPLY_INLINE_MAX as u64 {
            // Equal ones are carried or left out together.
            return if i > 0 && carried == *len {
                len.saturating_sub(1)
            } else {
                carried
            };
        }
        carried = *len;
    }
    u64::MAX
}
