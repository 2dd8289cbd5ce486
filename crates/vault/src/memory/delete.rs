//! Deleting memories (contract, "Deleting"). What is freed is free at once (I7).

use ic_stable_structures::Memory as StableMemory;

use super::external::ExternalDeletions;
use super::record::StoredAsset;
use super::store::MemoryStore;
use crate::Vault;
use crate::access::Permissions;
use crate::arena::{Arena, Extent};
use crate::blob::{Blob, BlobStore};
use crate::call::Call;
use crate::capsule::CapsuleStore;
use crate::error::{Error, Result};
use crate::ids::{BlobId, MemoryId};
use crate::stored::Coded;

impl<M: StableMemory> Vault<M> {
    /// Deletes a memory. Its inline assets go with it. With `delete_assets`, blobs that nothing references any more go too, and
    /// external content is put on the list of external deletions; without, its blobs stay readable by id. Again: nothing, for who
    /// might have deleted it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for one who may view the memory but not delete it;
    /// [`Error::NotFound`] for a memory that the caller may not view.
    pub fn memories_delete(&mut self, call: Call, id: &str, delete_assets: bool) -> Result<()> {
        let person = call.person()?;
        let memory_id = MemoryId::parse(id).ok_or(Error::NotFound)?;
        if let Some(capsule) = self.memories.deleted_from(memory_id) {
            let may_govern = self.capsules.roles(person, capsule).may_govern();
            return if may_govern {
                Ok(())
            } else {
                Err(Error::NotFound)
            };
        }
        let (memory, may) = self.visible_memory(call, id)?;
        if !may.has(Permissions::OWN) {
            return Err(Error::Unauthorized);
        }
        let mut inline: Vec<Extent> = Vec::new();
        let mut references: Vec<BlobId> = Vec::new();
        let mut external: Vec<(Coded<_>, &str)> = Vec::new();
        for asset in &memory.record.assets {
            match &asset.content {
                StoredAsset::Inline { place, .. } => inline.push(*place),
                StoredAsset::Blob { blob, .. } => references.push(BlobId(*blob)),
                StoredAsset::External {
                    location,
                    storage_key,
                    ..
                } if delete_assets => external.push((*location, storage_key)),
                StoredAsset::External { .. } => {}
            }
        }
        let mut needs = MemoryStore::<M>::needs(0);
        needs.push(CapsuleStore::<M>::need_for_usage());
        if !references.is_empty() {
            needs.extend(BlobStore::<M>::needs_for_references(references.len()));
        }
        let mut freed = inline.len();
        if delete_assets {
            let mut blobs = references.clone();
            blobs.sort();
            blobs.dedup();
            let blobs: Vec<Blob> = blobs
                .iter()
                .filter_map(|blob| self.blobs.get(*blob))
                .collect();
            freed += self.extents_freed_with(&blobs);
        }
        needs.extend(Arena::<M>::needs(&[], freed));
        if !external.is_empty() {
            let key_bytes = external.iter().map(|(_, key)| key.len()).sum();
            needs.push(ExternalDeletions::<M>::need(external.len(), key_bytes));
        }
        self.regions.reserve(&needs)?;

        let mut usage = self.capsules.usage(memory.capsule);
        usage.memories -= 1;
        usage.inline_bytes -= inline.iter().map(|place| place.len).sum::<u64>();
        usage.updated_at = call.now;
        self.capsules.set_usage(memory.capsule, &usage);
        self.memories.delete(&memory, call.now);
        for place in inline {
            self.arena.free(place);
        }
        for blob in references {
            let left = self.blobs.change_references(blob, memory.id, -1);
            if delete_assets
                && left == 0
                && let Some(blob) = self.blobs.get(blob)
            {
                self.remove_blob(&blob);
            }
        }
        for (location, storage_key) in external {
            self.external_deletions
                .add(memory.capsule, location.0, storage_key, call.now);
        }
        Ok(())
    }
}
