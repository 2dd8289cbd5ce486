//! Adding assets to a memory that exists: derivatives, mostly, each when it is ready.

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{BlobRef, InlineAssetInput, InternalBlobAssetInput};

use super::assets::{CheckedAsset, asset_ids};
use super::create::check_record;
use super::record::Memory;
use super::store::MemoryStore;
use crate::Vault;
use crate::call::Call;
use crate::error::Result;
use crate::ids::{AssetId, Idem};
use crate::stable::Record;

impl<M: StableMemory> Vault<M> {
    /// Adds a blob as an asset; returns the asset's id, also where the same request added it before.
    ///
    /// # Errors
    /// [`crate::Error::Unauthorized`] for the anonymous caller, and for one who may view the memory but not manage it;
    /// [`crate::Error::NotFound`] for a memory that the caller may not view; [`crate::Error::IdemEmpty`], [`crate::Error::IdemTooLong`];
    /// [`crate::Error::BlobIdMalformed`], [`crate::Error::BlobMismatch`], [`crate::Error::SizeMismatch`], [`crate::Error::Invalid`];
    /// [`crate::Error::ResourceExhausted`] where the memory's asset list or the vault is full.
    pub fn memories_add_asset(
        &mut self,
        call: Call,
        memory: &str,
        input: InternalBlobAssetInput,
        idem: &str,
    ) -> Result<String> {
        let person = self.person(call)?;
        let memory = self.manageable_memory(&person, call.now, memory)?;
        let idem = Idem::parse(idem)?;
        let reference = BlobRef {
            locator: input.blob_id,
            hash: None,
            len: 0,
        };
        let asset = self.check_blob(&person, call, memory.capsule, &reference, input.metadata)?;
        self.add_asset(call, memory, idem, asset)
    }

    /// Adds inline bytes as an asset; returns the asset's id, also where the same request added it before.
    ///
    /// # Errors
    /// As [`Self::memories_add_asset`], with [`crate::Error::InlineTooLarge`] instead of the blob's; [`crate::Error::ResourceExhausted`]
    /// also where the capsule's inline budget does not take them.
    pub fn memories_add_inline_asset(
        &mut self,
        call: Call,
        memory: &str,
        input: InlineAssetInput,
        idem: &str,
    ) -> Result<String> {
        let person = self.person(call)?;
        let memory = self.manageable_memory(&person, call.now, memory)?;
        let idem = Idem::parse(idem)?;
        let asset = self.check_inline(call, input.bytes.into_vec(), input.metadata)?;
        self.add_asset(call, memory, idem, asset)
    }

    /// Adds several assets in one call, all or none; returns their ids in the order given, blobs first. Those that the same request added
    /// before are not added again.
    ///
    /// # Errors
    /// As [`Self::memories_add_asset`] and [`Self::memories_add_inline_asset`]; [`crate::Error::ExactlyOneAsset`] for none at all;
    /// [`crate::Error::Invalid`] for more than [`crate::limits::ASSETS_PER_CALL_MAX`] of a kind.
    pub fn memories_add_assets(
        &mut self,
        call: Call,
        memory: &str,
        blobs: Vec<InternalBlobAssetInput>,
        inline: Vec<InlineAssetInput>,
        idem: &str,
    ) -> Result<Vec<String>> {
        let person = self.person(call)?;
        let memory = self.manageable_memory(&person, call.now, memory)?;
        let idem = Idem::parse(idem)?;
        let assets = self.check_assets(&person, call, memory.capsule, blobs, inline)?;
        self.add_assets(call, memory, idem, assets)
    }

    fn add_asset(
        &mut self,
        call: Call,
        memory: Memory,
        idem: Idem,
        asset: CheckedAsset,
    ) -> Result<String> {
        let mut ids = self.add_assets(call, memory, idem, vec![asset])?;
        // One asset went in, so one id comes out.
        Ok(ids.pop().unwrap_or_default())
    }

    fn add_assets(
        &mut self,
        call: Call,
        mut memory: Memory,
        idem: Idem,
        assets: Vec<CheckedAsset>,
    ) -> Result<Vec<String>> {
        let ids = asset_ids(memory.id, &assets, idem);
        let answer = ids.iter().map(AssetId::to_string).collect();
        let is_there = |id: &AssetId| memory.record.assets.iter().any(|asset| asset.id() == *id);
        let (ids, new): (Vec<AssetId>, Vec<CheckedAsset>) = ids
            .into_iter()
            .zip(assets)
            .filter(|(id, _)| !is_there(id))
            .unzip();
        if new.is_empty() {
            return Ok(answer);
        }
        let mut usage = self.capsules.usage(memory.capsule);
        self.check_budget(&usage, &new)?;
        let mut preview = memory.record.clone();
        preview.metadata.updated_at = call.now;
        let previews = new.iter().zip(&ids).map(|(asset, id)| asset.preview(*id));
        preview.assets.extend(previews);
        let record_len = check_record(&preview)?;
        let mut needs = self.needs_for_assets(&new);
        needs.extend(MemoryStore::<M>::needs(record_len));
        self.regions.reserve(&needs)?;

        usage.inline_bytes += new.iter().map(CheckedAsset::inline_len).sum::<u64>();
        usage.updated_at = call.now;
        self.capsules.set_usage(memory.capsule, &usage);
        let time_before = memory.record.time();
        memory.record.metadata.updated_at = call.now;
        for (id, asset) in ids.into_iter().zip(new) {
            let stored = self.store_asset(memory.capsule, memory.id, id, asset);
            memory.record.assets.push(stored);
        }
        let written = Record::encode(&memory.record);
        self.memories
            .put(&memory, written.clone(), Some(time_before));
        self.verify_written(memory.id, &written);
        Ok(answer)
    }
}
