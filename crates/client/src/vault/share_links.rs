//! Calls about share links: made, listed and ended by who may share, and used by whoever has a secret.

use keepsake_api::{ShareLink, ShareLinkInput, SharedLink, SharedMemory, SharedPage};
use serde_bytes::{ByteBuf, Bytes};

use super::Vault;
use crate::ClientError;

impl Vault {
    /// Makes a link to a capsule, or to some of its memories. The secret is the caller's: the vault is told its SHA-256.
    pub async fn share_links_create(
        &self,
        link: &ShareLinkInput,
    ) -> Result<ShareLink, ClientError> {
        self.update_result("share_links_create", (link,)).await
    }

    /// The capsule's links that have not ended, the newest first.
    pub async fn share_links_list(&self, capsule_id: &str) -> Result<Vec<ShareLink>, ClientError> {
        self.query_result("share_links_list", (capsule_id,)).await
    }

    /// Ends a link: it shows nothing any more.
    pub async fn share_links_revoke(
        &self,
        capsule_id: &str,
        link_id: &str,
    ) -> Result<(), ClientError> {
        self.update_unit("share_links_revoke", (capsule_id, link_id))
            .await
    }

    /// Counts a use of the link with this secret, once for each nonce of 1 to 64 bytes.
    pub async fn share_links_open(
        &self,
        secret: &[u8],
        nonce: &[u8],
    ) -> Result<SharedLink, ClientError> {
        self.update_result("share_links_open", (Bytes::new(secret), Bytes::new(nonce)))
            .await
    }

    /// One page of what the link with this secret shows; `limit` at most 100, default 50.
    pub async fn share_links_memories(
        &self,
        secret: &[u8],
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<SharedPage, ClientError> {
        self.query_result("share_links_memories", (Bytes::new(secret), cursor, limit))
            .await
    }

    /// A memory that the link with this secret shows, with the assets that it gives.
    pub async fn share_links_memory(
        &self,
        secret: &[u8],
        memory_id: &str,
    ) -> Result<SharedMemory, ClientError> {
        self.query_result("share_links_memory", (Bytes::new(secret), memory_id))
            .await
    }

    /// Bytes of an asset that the link with this secret gives: `len` from `start` on, at most 2,000,000; empty past the end.
    pub async fn share_links_asset(
        &self,
        secret: &[u8],
        memory_id: &str,
        asset_id: &str,
        start: u64,
        len: u32,
    ) -> Result<Vec<u8>, ClientError> {
        let bytes: ByteBuf = self
            .query_result(
                "share_links_asset",
                (Bytes::new(secret), memory_id, asset_id, start, len),
            )
            .await?;
        Ok(bytes.into_vec())
    }
}
