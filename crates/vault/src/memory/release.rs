//! Letting go of what assets hold: inline bytes, references to blobs, addresses of external content. In two parts, like
//! every operation: what it needs, and doing it.

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::BlobHosting;

use super::external::ExternalContent;
use super::record::{AssetRecord, StoredAsset};
use crate::Vault;
use crate::arena::Extent;
use crate::blob::{Blob, BlobStore};
use crate::ids::{BlobId, CapsuleId, MemoryId};
use crate::regions::RegionId;

/// What some assets of one memory hold.
pub(super) struct Release {
    inline: Vec<Extent>,
    references: Vec<BlobId>,
    external: Vec<(BlobHosting, String)>,
    /// Whether blobs that nothing references any more go too, and external content is to be deleted.
    with_content: bool,
}

impl Release {
    pub fn of(assets: &[AssetRecord], with_content: bool) -> Self {
        let mut release = Release {
            inline: Vec::new(),
            references: Vec::new(),
            external: Vec::new(),
            with_content,
        };
        for asset in assets {
            match &asset.content {
                StoredAsset::Inline { place, .. } => release.inline.push(*place),
                StoredAsset::Blob { blob, .. } => release.references.push(BlobId(*blob)),
                StoredAsset::External {
                    location,
                    storage_key,
                    ..
                } => release.external.push((location.0, storage_key.clone())),
            }
        }
        release
    }

    /// Bytes that count against the inline budget no longer.
    pub fn inline_bytes(&self) -> u64 {
        self.inline.iter().map(|place| place.len).sum()
    }
}

impl<M: StableMemory> Vault<M> {
    /// What [`Self::release`] needs, the capsule's counters apart.
    pub(super) fn needs_for_release(&self, release: &Release) -> Vec<(RegionId, u64)> {
        let mut needs = Vec::new();
        if !release.references.is_empty() {
            needs.extend(BlobStore::<M>::needs_for_references(
                release.references.len(),
            ));
        }
        let mut freed = release.inline.len();
        if release.with_content {
            let mut blobs = release.references.clone();
            blobs.sort();
            blobs.dedup();
            let blobs: Vec<Blob> = blobs
                .into_iter()
                .filter_map(|blob| self.blobs.get(blob))
                .collect();
            freed += self.extents_freed_with(&blobs);
        }
        needs.extend(self.arena.needs(&[], freed));
        if !release.external.is_empty() {
            let key_bytes = release.external.iter().map(|(_, key)| key.len()).sum();
            needs.extend(ExternalContent::<M>::needs(
                release.external.len(),
                key_bytes,
            ));
        }
        needs
    }

    /// Lets go. Checks and reservation are the caller's, and so are the memory's record and the inline bytes' counter.
    pub(super) fn release(
        &mut self,
        capsule: CapsuleId,
        memory: MemoryId,
        release: Release,
        now: u64,
    ) {
        for place in release.inline {
            self.arena.free(place);
        }
        for blob in release.references {
            let left = self.blobs.change_references(blob, memory, -1);
            if release.with_content
                && left == 0
                && let Some(blob) = self.blobs.get(blob)
            {
                self.remove_blob(&blob);
            }
        }
        for (location, storage_key) in release.external {
            self.external
                .dropped(capsule, location, &storage_key, release.with_content, now);
        }
    }
}
