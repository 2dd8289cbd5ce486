//! Removing assets, blobs and several memories, as the contract says.

use super::{Answer, Asset, AssetId, BlobArg, MANAGE, MemoryId, Model, Place, Refusal, only};
use crate::pools::ANONYMOUS;

impl Model {
    /// What assets that are gone leave behind: content that nothing in the capsule has any more goes with them where `with_content`,
    /// and where it is external, clients are told to delete it.
    fn let_go(&mut self, capsule: usize, assets: Vec<Asset>, with_content: bool, now: u64) {
        for asset in assets.into_iter().filter(|_| with_content) {
            match asset.place {
                Place::Blob(blob) if self.references(blob) == 0 => self.blobs[blob].deleted = true,
                _ => {}
            }
            if let Some(address) = asset.place.address()
                && !self.is_used(capsule, &address)
            {
                self.capsules[capsule].to_delete.insert(address, now);
            }
        }
    }

    /// The memory is no more, in the trash or not.
    pub fn forget(&mut self, id: &MemoryId, delete_assets: bool, by: Option<usize>, now: u64) {
        let live = self.memories.remove(id);
        let trashed = self.trash.remove(id);
        // What goes by itself was taken away by who put it in the trash.
        let by = by.or(trashed.as_ref().map(|trashed| trashed.by));
        if let Some(memory) = live.or(trashed.map(|trashed| trashed.memory)) {
            self.let_go(id.capsule, memory.assets, delete_assets, now);
            self.gone.insert(id.clone(), by);
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
        self.let_go(id.capsule, gone, true, now);
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
        if let BlobArg::Known(number) = blob {
            let known = &self.blobs[number];
            if known.by_name && self.may_govern(who, known.capsule) {
                return Ok(()); // deleted before: the same answer again (I5)
            }
        }
        let capsule = self.blob((who, now), blob)?.capsule;
        let BlobArg::Known(number) = blob else {
            return only(Refusal::NotFound);
        };
        if !self.may_govern(who, capsule) {
            return only(Refusal::Unauthorized);
        }
        if self.references(number) > 0 {
            return only(Refusal::Conflict);
        }
        self.blobs[number].deleted = true;
        self.blobs[number].by_name = true;
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
