//! Reading single assets of a memory.

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{ByteBuf, MemoryAssetData, MemoryAssetsList};

use super::record::{AssetRecord, Memory, StoredAsset};
use crate::Vault;
use crate::access::Permissions;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ids::{AssetId, BlobId};

impl<M: StableMemory> Vault<M> {
    /// The ids of a memory's assets, by kind.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a memory that the caller may not view.
    pub fn memories_list_assets(&self, call: Call, memory: &str) -> Result<MemoryAssetsList> {
        let (memory, _) = self.visible_memory(&self.person(call)?, call.now, memory)?;
        let of_kind = |kind| {
            memory
                .record
                .assets
                .iter()
                .filter(|asset| asset.kind() == kind)
                .map(|asset| asset.id().to_string())
                .collect()
        };
        Ok(MemoryAssetsList {
            memory_id: memory.id.to_string(),
            inline_assets: of_kind(AssetStorage::Inline),
            internal_assets: of_kind(AssetStorage::Internal),
            external_assets: of_kind(AssetStorage::External),
            total_count: memory.record.assets.len() as u32,
        })
    }

    /// One asset by its place in the order inline, internal, external: inline bytes, or where the content is.
    ///
    /// # Errors
    /// As [`Self::memories_list_assets`]; [`Error::NotFound`] past the end; [`Error::Unauthorized`] for an original that the caller
    /// may view but not download.
    pub fn memories_read_asset(
        &self,
        call: Call,
        memory: &str,
        index: u32,
    ) -> Result<MemoryAssetData> {
        let (memory, may) = self.visible_memory(&self.person(call)?, call.now, memory)?;
        let asset = assets_in_order(&memory)
            .nth(index as usize)
            .ok_or(Error::NotFound)?;
        self.asset_data(asset, may)
    }

    /// One asset by its id.
    ///
    /// # Errors
    /// As [`Self::memories_read_asset`].
    pub fn asset_get_by_id(
        &self,
        call: Call,
        memory: &str,
        asset: &str,
    ) -> Result<MemoryAssetData> {
        let (memory, may) = self.visible_memory(&self.person(call)?, call.now, memory)?;
        let id = AssetId::parse(asset).ok_or(Error::NotFound)?;
        let asset = memory
            .record
            .assets
            .iter()
            .find(|asset| asset.id() == id)
            .ok_or(Error::NotFound)?;
        self.asset_data(asset, may)
    }

    fn asset_data(&self, asset: &AssetRecord, may: Permissions) -> Result<MemoryAssetData> {
        if !may.has(asset.needed_to_read()) {
            return Err(Error::Unauthorized);
        }
        let hash = |sha256: [u8; 32]| ByteBuf::from(sha256.to_vec());
        Ok(match &asset.content {
            StoredAsset::Inline { place, sha256 } => MemoryAssetData::Inline {
                bytes: ByteBuf::from(self.arena.read(*place)),
                content_type: asset.metadata.base.mime_type.clone(),
                size: place.len,
                sha256: Some(hash(*sha256)),
            },
            StoredAsset::Blob { blob, len, sha256 } => MemoryAssetData::InternalBlob {
                blob_id: BlobId(*blob).to_string(),
                size: *len,
                sha256: Some(hash(*sha256)),
            },
            StoredAsset::External {
                storage_key,
                url,
                len,
                sha256,
                ..
            } => MemoryAssetData::ExternalUrl {
                url: url.clone().unwrap_or_else(|| storage_key.clone()),
                size: *len,
                sha256: sha256.map(hash),
            },
        })
    }
}

/// How an asset's content is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AssetStorage {
    Inline,
    Internal,
    External,
}

/// The memory's assets in the order in which indexes count them: inline, internal, external.
pub(super) fn assets_in_order(memory: &Memory) -> impl Iterator<Item = &AssetRecord> {
    [
        AssetStorage::Inline,
        AssetStorage::Internal,
        AssetStorage::External,
    ]
    .into_iter()
    .flat_map(|kind| {
        memory
            .record
            .assets
            .iter()
            .filter(move |asset| asset.kind() == kind)
    })
}
