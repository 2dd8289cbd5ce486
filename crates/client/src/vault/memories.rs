//! Calls about memories and their assets: in several at once, changed, shared, thrown away and brought back.

use keepsake_api::{
    AccessEntry, AssetCleanupResult, AssetRemovalResult, BulkDeleteResult, BulkResult,
    InlineAssetInput, InternalBlobAssetInput, Memory, MemoryAssetData, MemoryAssetsList,
    MemoryMetadata, MemoryPresenceResult, MemoryUpdateData, Page, TrashPage,
};

use super::{Vault, decode, encode, flatten};
use crate::{ClientError, RetryPolicy};

/// Most ids of a bulk call.
pub const MOST_IDS: usize = 1_000;

impl Vault {
    /// Creates a memory from up to 100 blobs of its capsule and up to 100 inline assets, in one message.
    pub async fn memories_create_with_internal_blobs_and_inline_assets(
        &self,
        capsule_id: &str,
        metadata: &MemoryMetadata,
        blobs: &[InternalBlobAssetInput],
        inline: &[InlineAssetInput],
        idem: &str,
    ) -> Result<String, ClientError> {
        self.update_result(
            "memories_create_with_internal_blobs_and_inline_assets",
            (capsule_id, metadata, blobs, inline, idem),
        )
        .await
    }

    /// Adds up to 100 blobs and up to 100 inline assets, all or none. The answer is their ids, the blobs' first.
    pub async fn memories_add_assets(
        &self,
        memory_id: &str,
        blobs: &[InternalBlobAssetInput],
        inline: &[InlineAssetInput],
        idem: &str,
    ) -> Result<Vec<String>, ClientError> {
        self.update_result("memories_add_assets", (memory_id, blobs, inline, idem))
            .await
    }

    /// Changes title, metadata (MANAGE) or all access entries (SHARE), each where it is given.
    pub async fn memories_update(
        &self,
        memory_id: &str,
        changes: &MemoryUpdateData,
    ) -> Result<Memory, ClientError> {
        self.update_result("memories_update", (memory_id, changes))
            .await
    }

    /// For each of at most [`MOST_IDS`] ids whether the memory is there for the caller, and has an asset.
    pub async fn memories_ping(
        &self,
        memory_ids: &[String],
    ) -> Result<Vec<MemoryPresenceResult>, ClientError> {
        self.query_result("memories_ping", (memory_ids,)).await
    }

    /// The ids of a memory's assets, by kind.
    pub async fn memories_list_assets(
        &self,
        memory_id: &str,
    ) -> Result<MemoryAssetsList, ClientError> {
        self.query_result("memories_list_assets", (memory_id,))
            .await
    }

    /// One asset by its place in the order inline, internal, external, counted from 0.
    pub async fn memories_read_asset(
        &self,
        memory_id: &str,
        index: u32,
    ) -> Result<MemoryAssetData, ClientError> {
        self.query_result("memories_read_asset", (memory_id, index))
            .await
    }

    /// One asset by its id: inline bytes, or where the content is.
    pub async fn asset_get_by_id(
        &self,
        memory_id: &str,
        asset_id: &str,
    ) -> Result<MemoryAssetData, ClientError> {
        self.query_result("asset_get_by_id", (memory_id, asset_id))
            .await
    }

    /// Removes one asset, named by its id, blob locator, storage key or place. By its place, name it only where nobody
    /// else changes the memory: a call repeated after its answer was lost would meet the next one.
    pub async fn asset_remove(
        &self,
        memory_id: &str,
        asset: &str,
    ) -> Result<AssetRemovalResult, ClientError> {
        self.update_result("asset_remove", (memory_id, asset)).await
    }

    /// Removes the asset with this id; `NotFound` where there is none. A call repeated after its answer was lost may
    /// therefore say `NotFound`.
    pub async fn asset_remove_by_id(
        &self,
        memory_id: &str,
        asset_id: &str,
    ) -> Result<AssetRemovalResult, ClientError> {
        self.update_result("asset_remove_by_id", (memory_id, asset_id))
            .await
    }

    /// Removes an inline asset by its place among the memory's inline assets, counted from 0. Never retried: the next one
    /// takes the place of one that is gone.
    pub async fn asset_remove_inline(
        &self,
        memory_id: &str,
        index: u32,
    ) -> Result<AssetRemovalResult, ClientError> {
        let method = "asset_remove_inline";
        let arg = encode(method, (memory_id, index))?;
        let bytes = self.send(method, arg, RetryPolicy::NEVER).await?;
        flatten(method, decode(method, &bytes)?)
    }

    /// Removes an internal asset by its blob's locator.
    pub async fn asset_remove_internal(
        &self,
        memory_id: &str,
        locator: &str,
    ) -> Result<AssetRemovalResult, ClientError> {
        self.update_result("asset_remove_internal", (memory_id, locator))
            .await
    }

    /// Removes an external asset by its storage key; what it named goes on the list of external deletions.
    pub async fn asset_remove_external(
        &self,
        memory_id: &str,
        storage_key: &str,
    ) -> Result<AssetRemovalResult, ClientError> {
        self.update_result("asset_remove_external", (memory_id, storage_key))
            .await
    }

    /// Removes all assets of a memory, which stays; again: none are left to remove.
    pub async fn memories_cleanup_assets_all(
        &self,
        memory_id: &str,
    ) -> Result<AssetCleanupResult, ClientError> {
        self.update_result("memories_cleanup_assets_all", (memory_id,))
            .await
    }

    /// The same for at most [`MOST_IDS`] memories, each judged by itself.
    pub async fn memories_cleanup_assets_bulk(
        &self,
        memory_ids: &[String],
    ) -> Result<BulkResult, ClientError> {
        self.update_result("memories_cleanup_assets_bulk", (memory_ids,))
            .await
    }

    /// Deletes at most [`MOST_IDS`] memories of a capsule for good, each judged by itself.
    pub async fn memories_delete_bulk(
        &self,
        capsule_id: &str,
        memory_ids: &[String],
        with_assets: bool,
    ) -> Result<BulkDeleteResult, ClientError> {
        self.update_result(
            "memories_delete_bulk",
            (capsule_id, memory_ids, with_assets),
        )
        .await
    }

    /// Deletes every memory of a capsule for good; the trash stays as it is.
    pub async fn memories_delete_all(
        &self,
        capsule_id: &str,
        with_assets: bool,
    ) -> Result<BulkDeleteResult, ClientError> {
        self.update_result("memories_delete_all", (capsule_id, with_assets))
            .await
    }

    /// Puts a memory in the trash, from where it can be restored for 30 days.
    pub async fn memories_trash(&self, memory_id: &str) -> Result<(), ClientError> {
        self.update_unit("memories_trash", (memory_id,)).await
    }

    /// Takes a memory out of the trash: it is as it was.
    pub async fn memories_restore(&self, memory_id: &str) -> Result<(), ClientError> {
        self.update_unit("memories_restore", (memory_id,)).await
    }

    /// One page of a capsule's trash, what was put there last first; `limit` at most 100, default 50.
    pub async fn memories_trashed(
        &self,
        capsule_id: &str,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<TrashPage, ClientError> {
        self.query_result("memories_trashed", (capsule_id, cursor, limit))
            .await
    }

    /// Deletes for good, with its assets, all that is in the capsule's trash.
    pub async fn memories_trash_empty(
        &self,
        capsule_id: &str,
    ) -> Result<BulkDeleteResult, ClientError> {
        self.update_result("memories_trash_empty", (capsule_id,))
            .await
    }

    /// One page of what others share with the caller, by name or by a group.
    pub async fn memories_shared_with_me(
        &self,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page, ClientError> {
        self.query_result("memories_shared_with_me", (cursor, limit))
            .await
    }

    /// Adds one access entry, or replaces the one with its id; the answer is the entry as it is kept. Needs SHARE.
    pub async fn access_grant(
        &self,
        memory_id: &str,
        entry: &AccessEntry,
    ) -> Result<AccessEntry, ClientError> {
        self.update_result("access_grant", (memory_id, entry)).await
    }

    /// Takes one access entry away; again: fine. Needs SHARE.
    pub async fn access_revoke(&self, memory_id: &str, entry_id: &str) -> Result<(), ClientError> {
        self.update_unit("access_revoke", (memory_id, entry_id))
            .await
    }
}
