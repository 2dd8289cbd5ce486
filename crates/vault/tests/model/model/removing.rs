//! Removing assets, blobs and several memories, as the contract says.

use super::{Answer, Asset, AssetId, BlobArg, MANAGE, MemoryId, Model, Place, Refusal, only};
use crate::pools::ANONYMOUS;

impl Model {
    /// What assets that are gone leave behind: blobs that nothing references any more go with them where `with_content`.
    pub fn let_go(&mut self, assets: Vec<Asset>, with_content: bool) {
        for asset in assets {
            if let Place::Blob(blob) = asset.place
                && with_content
                && self.references(blob) == 0
            {
                self.blobs[blob].deleted = true;
            }
        }
    }

    /// Indexes count assets in this order: inline, internal, external.
    pub fn assets_in_order(&self, id: &MemoryId) -> Vec<&Asset> {
        let mut assets: Vec<&Asset> = self.memories[id].assets.iter().collect();
        assets.sort_by_key(|asset| match asset.place {
            Place::Inline(_) => 0,
            Place::Blob(_) => 1,
            Place::External { .. } => 2,
        });
        assets
    }

    /// The memory whose assets the caller may remove.
    pub fn manageable(&self, caller: (usize, u64), id: Option<&MemoryId>) -> Answer<MemoryId> {
        self.memory(caller, id, MANAGE)
    }

    /// Removes these assets from the memory.
    pub fn remove(&mut self, id: &MemoryId, which: &[AssetId], now: u64) {
        let memory = self.memories.get_mut(id).expect("the caller found it");
        let (gone, kept): (Vec<Asset>, _) = std::mem::take(&mut memory.assets)
            .into_iter()
            .partition(|asset| which.contains(&asset.id));
        memory.assets = kept;
        if gone.is_empty() {
            return;
        }
        memory.metadata.updated_at = now;
        memory.metadata.asset_count = memory.assets.len() as u32;
        memory.metadata.total_size = memory.assets.iter().map(|asset| asset.len).sum();
        self.let_go(gone, true);
    }

    /// How many assets went.
    pub fn cleanup(&mut self, caller: (usize, u64), id: Option<&MemoryId>) -> Answer<u32> {
        let id = self.manageable(caller, id)?;
        let all: Vec<AssetId> = self.memories[&id]
            .assets
            .iter()
            .map(|a| a.id.clone())
            .collect();
        self.remove(&id, &all, caller.1);
        Ok(all.len() as u32)
    }

    pub fn blob_delete(&mut self, (who, now): (usize, u64), blob: BlobArg) -> Answer<()> {
        let capsule = self.blob((who, now), blob)?.capsule;
        let BlobArg::Known(number) = blob else {
            return only(Refusal::NotFound);
        };
        if !self.is_owner(who, capsule) {
            return only(Refusal::Unauthorized);
        }
        if self.references(number) > 0 {
            return only(Refusal::Conflict);
        }
        self.blobs[number].deleted = true;
        Ok(())
    }

    /// How many were deleted; each is judged by itself.
    pub fn memories_delete_bulk(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        ids: &[Option<MemoryId>],
        delete_assets: bool,
    ) -> Answer<u32> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let Some(capsule) = capsule else {
            return only(Refusal::NotFound);
        };
        let mut deleted = 0;
        for id in ids.iter().flatten().filter(|id| id.capsule == capsule) {
            if self
                .memories_delete((who, now), Some(id), delete_assets)
                .is_ok()
            {
                deleted += 1;
            }
        }
        if deleted == 0 && !self.may_use(who, capsule) {
            return only(Refusal::NotFound);
        }
        Ok(deleted)
    }
}
