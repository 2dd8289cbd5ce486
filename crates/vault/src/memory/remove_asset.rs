//! Removing assets from a memory that stays (contract, "Deleting").

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{AssetCleanupResult, AssetRemovalResult, BulkFailure, BulkResult};

use super::asset_read::{AssetStorage, assets_in_order};
use super::record::{AssetRecord, Memory, StoredAsset};
use super::release::Release;
use super::store::MemoryStore;
use crate::Vault;
use crate::access::Permissions;
use crate::call::Call;
use crate::capsule::CapsuleStore;
use crate::error::{Error, Result};
use crate::ids::{AssetId, BlobId};
use crate::limits;
use crate::person::Person;
use crate::stable::Record;

impl<M: StableMemory> Vault<M> {
    /// Removes one asset, named by its id, blob locator, storage key, or place in the order inline, internal, external. The
    /// content goes with it where nothing else references it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for one who may view the memory but not manage it;
    /// [`Error::NotFound`] for a memory that the caller may not view.
    pub fn asset_remove(
        &mut self,
        call: Call,
        memory: &str,
        reference: &str,
    ) -> Result<AssetRemovalResult> {
        self.remove_one(call, memory, |memory| {
            let assets = || memory.record.assets.iter();
            assets()
                .find(|asset| asset.has_id(reference))
                .or_else(|| assets().find(|asset| asset.has_locator(reference)))
                .or_else(|| assets().find(|asset| asset.has_storage_key(reference)))
                .or_else(|| assets_in_order(memory).nth(reference.parse().ok()?))
                .map(AssetRecord::id)
        })
    }

    /// Removes the asset with this id.
    ///
    /// # Errors
    /// As [`Self::asset_remove`]; [`Error::NotFound`] where the memory has no such asset.
    pub fn asset_remove_by_id(
        &mut self,
        call: Call,
        memory: &str,
        asset: &str,
    ) -> Result<AssetRemovalResult> {
        let result = self.remove_one(call, memory, |memory| {
            let mut assets = memory.record.assets.iter();
            assets
                .find(|candidate| candidate.has_id(asset))
                .map(AssetRecord::id)
        })?;
        if result.asset_removed {
            Ok(result)
        } else {
            Err(Error::NotFound)
        }
    }

    /// Removes an inline asset by its place among the inline assets.
    ///
    /// # Errors
    /// As [`Self::asset_remove`].
    pub fn asset_remove_inline(
        &mut self,
        call: Call,
        memory: &str,
        index: u32,
    ) -> Result<AssetRemovalResult> {
        self.remove_one(call, memory, |memory| {
            let assets = memory.record.assets.iter();
            assets
                .filter(|asset| asset.kind() == AssetStorage::Inline)
                .nth(index as usize)
                .map(AssetRecord::id)
        })
    }

    /// Removes an internal asset by its blob's locator, or by its id.
    ///
    /// # Errors
    /// As [`Self::asset_remove`].
    pub fn asset_remove_internal(
        &mut self,
        call: Call,
        memory: &str,
        reference: &str,
    ) -> Result<AssetRemovalResult> {
        let named = AssetRecord::has_locator;
        self.remove_named(call, memory, AssetStorage::Internal, named, reference)
    }

    /// Removes an external asset by its storage key, or by its id. Its address goes on the list of external deletions.
    ///
    /// # Errors
    /// As [`Self::asset_remove`].
    pub fn asset_remove_external(
        &mut self,
        call: Call,
        memory: &str,
        reference: &str,
    ) -> Result<AssetRemovalResult> {
        let named = AssetRecord::has_storage_key;
        self.remove_named(call, memory, AssetStorage::External, named, reference)
    }

    /// Removes all assets of a memory and keeps the memory. Again: 0.
    ///
    /// # Errors
    /// As [`Self::asset_remove`].
    pub fn memories_cleanup_assets_all(
        &mut self,
        call: Call,
        memory: &str,
    ) -> Result<AssetCleanupResult> {
        let memory = self.manageable_memory(&self.person(call)?, call.now, memory)?;
        let memory_id = memory.id.to_string();
        let cleaned = memory.record.assets.len() as u32;
        self.remove_assets(call, memory, |_| true)?;
        Ok(AssetCleanupResult {
            memory_id,
            assets_cleaned: cleaned,
            message: format!("{cleaned} assets removed"),
        })
    }

    /// Removes all assets of each of these memories, each judged by itself.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::Invalid`] for more than [`limits::BULK_MAX`] ids.
    pub fn memories_cleanup_assets_bulk(
        &mut self,
        call: Call,
        memories: Vec<String>,
    ) -> Result<BulkResult> {
        let mut result = BulkResult {
            ok: Vec::new(),
            failed: Vec::new(),
        };
        while self.memories_cleanup_assets_bulk_step(call, &memories, &mut result)? {}
        Ok(result)
    }

    /// Goes on with removing assets of several memories, for as long as one message should. Returns whether there is more to do.
    ///
    /// # Errors
    /// As [`Self::memories_cleanup_assets_bulk`].
    pub fn memories_cleanup_assets_bulk_step(
        &mut self,
        call: Call,
        memories: &[String],
        result: &mut BulkResult,
    ) -> Result<bool> {
        call.check_named()?;
        limits::check_bulk("memory_ids", memories.len())?;
        let work = self.work();
        let looked_at = result.ok.len() + result.failed.len();
        for id in &memories[looked_at..] {
            if self.is_enough(work) {
                return Ok(true);
            }
            match self.memories_cleanup_assets_all(call, id) {
                Ok(_) => result.ok.push(id.clone()),
                Err(error) => result.failed.push(BulkFailure {
                    id: id.clone(),
                    err: error.into(),
                }),
            }
        }
        Ok(false)
    }

    pub(super) fn manageable_memory(
        &self,
        person: &Person,
        now: u64,
        memory: &str,
    ) -> Result<Memory> {
        let (memory, may) = self.visible_memory(person, now, memory)?;
        if may.has(Permissions::MANAGE) {
            Ok(memory)
        } else {
            Err(Error::Unauthorized)
        }
    }

    /// Removes the first asset of which `named` holds, else the one of this kind with the id.
    fn remove_named(
        &mut self,
        call: Call,
        memory: &str,
        kind: AssetStorage,
        named: fn(&AssetRecord, &str) -> bool,
        reference: &str,
    ) -> Result<AssetRemovalResult> {
        self.remove_one(call, memory, |memory| {
            let assets = || memory.record.assets.iter();
            assets()
                .find(|asset| named(asset, reference))
                .or_else(|| assets().find(|asset| asset.kind() == kind && asset.has_id(reference)))
                .map(AssetRecord::id)
        })
    }

    fn remove_one(
        &mut self,
        call: Call,
        memory: &str,
        find: impl FnOnce(&Memory) -> Option<AssetId>,
    ) -> Result<AssetRemovalResult> {
        let memory = self.manageable_memory(&self.person(call)?, call.now, memory)?;
        let memory_id = memory.id.to_string();
        let found = find(&memory);
        if let Some(id) = found {
            self.remove_assets(call, memory, |asset| asset.id() == id)?;
        }
        Ok(AssetRemovalResult {
            memory_id,
            asset_removed: found.is_some(),
            message: match found {
                Some(id) => format!("{id} removed"),
                None => "the memory has no such asset".into(),
            },
        })
    }

    /// Removes the assets for which `which` holds, with their content where nothing else references it.
    fn remove_assets(
        &mut self,
        call: Call,
        mut memory: Memory,
        which: impl Fn(&AssetRecord) -> bool,
    ) -> Result<()> {
        let time_before = memory.record.time();
        let (removed, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut memory.record.assets)
            .into_iter()
            .partition(which);
        if removed.is_empty() {
            return Ok(());
        }
        memory.record.assets = kept;
        memory.record.metadata.updated_at = call.now;
        let record = Record::encode(&memory.record);
        let release = Release::of(&removed, true);
        let mut needs = MemoryStore::<M>::needs(record.len());
        needs.push(CapsuleStore::<M>::need_for_usage());
        needs.extend(self.needs_for_release(&release));
        self.regions.reserve_for_freeing(&needs)?;

        self.memories.put(&memory, record, Some(time_before));
        let mut usage = self.capsules.usage(memory.capsule);
        usage.inline_bytes -= release.inline_bytes();
        usage.updated_at = call.now;
        self.capsules.set_usage(memory.capsule, &usage);
        self.release(memory.capsule, memory.id, release, call.now);
        Ok(())
    }
}

impl AssetRecord {
    pub(super) fn kind(&self) -> AssetStorage {
        match self.content {
            StoredAsset::Inline { .. } => AssetStorage::Inline,
            StoredAsset::Blob { .. } => AssetStorage::Internal,
            StoredAsset::External { .. } => AssetStorage::External,
        }
    }

    fn has_id(&self, text: &str) -> bool {
        AssetId::parse(text) == Some(self.id())
    }

    fn has_locator(&self, text: &str) -> bool {
        matches!(self.content, StoredAsset::Blob { blob, .. } if BlobId::parse(text) == Ok(BlobId(blob)))
    }

    fn has_storage_key(&self, text: &str) -> bool {
        matches!(&self.content, StoredAsset::External { storage_key, .. } if storage_key == text)
    }
}
