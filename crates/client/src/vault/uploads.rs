//! Calls about uploads and blobs beyond the three of a chunked upload.

use keepsake_api::{HeldBlob, UploadAnnouncement, UploadBegin, UploadFinishResult, UploadStatus};
use serde_bytes::Bytes;

use super::Vault;
use crate::ClientError;

/// Most hashes of one question (`blobs_by_hash`).
pub const MOST_HASHES: usize = 1_000;

/// Longest blob of one message (`uploads_put_blob`), in bytes.
pub const LONGEST_PUT: u64 = 1_800_000;

impl Vault {
    /// Makes a blob of at most [`LONGEST_PUT`] bytes in one message, verified against `sha256`. The same key with the
    /// same content is the same blob; with other content it is another one.
    pub async fn uploads_put_blob(
        &self,
        capsule_id: &str,
        bytes: &[u8],
        sha256: &[u8; 32],
        idem: &str,
    ) -> Result<UploadFinishResult, ClientError> {
        self.update_result(
            "uploads_put_blob",
            (capsule_id, Bytes::new(bytes), Bytes::new(sha256), idem),
        )
        .await
    }

    /// Opens an upload of content whose length and hash are known, so that the quota is checked before a byte travels
    /// and nothing travels that the capsule holds.
    pub async fn uploads_begin_announced(
        &self,
        capsule_id: &str,
        announced: &UploadAnnouncement,
        idem: &str,
    ) -> Result<UploadBegin, ClientError> {
        self.update_result("uploads_begin_announced", (capsule_id, announced, idem))
            .await
    }

    /// How far a session of the caller's is, and what it lacks: at most the first 1,000 ranges.
    pub async fn uploads_status(&self, session: u64) -> Result<UploadStatus, ClientError> {
        self.query_result("uploads_status", (session,)).await
    }

    /// The caller's sessions that have not expired; at most 1,000.
    pub async fn uploads_list(&self) -> Result<Vec<UploadStatus>, ClientError> {
        self.query_result("uploads_list", ()).await
    }

    /// For each hash (at most [`MOST_HASHES`]) a blob of the capsule with that content, where there is one; in the order
    /// of the hashes.
    pub async fn blobs_by_hash(
        &self,
        capsule_id: &str,
        hashes: &[[u8; 32]],
    ) -> Result<Vec<Option<HeldBlob>>, ClientError> {
        let hashes: Vec<&Bytes> = hashes.iter().map(|hash| Bytes::new(hash)).collect();
        let asked = hashes.len();
        let held: Vec<Option<HeldBlob>> = self
            .query_result("blobs_by_hash", (capsule_id, hashes))
            .await?;
        if held.len() != asked {
            return Err(ClientError::Interface {
                method: "blobs_by_hash",
                reason: format!("{} answers to {asked} hashes", held.len()),
            });
        }
        Ok(held)
    }

    /// Deletes a blob that no memory references; `Conflict` while one does.
    pub async fn blob_delete(&self, locator: &str) -> Result<(), ClientError> {
        let _said: String = self.update_result("blob_delete", (locator,)).await?;
        Ok(())
    }

    /// Clears away the caller's own expired sessions; the vault says in words how many.
    pub async fn sessions_cleanup_expired(&self) -> Result<String, ClientError> {
        self.update_result("sessions_cleanup_expired", ()).await
    }

    /// The caller's sessions in words; [`Vault::uploads_list`] is for programs.
    pub async fn sessions_list(&self) -> Result<String, ClientError> {
        self.query_result("sessions_list", ()).await
    }

    /// How many of the caller's sessions are in which state, in words.
    pub async fn sessions_stats(&self) -> Result<String, ClientError> {
        self.query_result("sessions_stats", ()).await
    }

    /// A token that opens `variants` (original, display, thumbnail, placeholder) of a memory over HTTP, of them those
    /// with the ids given, for `ttl_secs` seconds (0 and above 180: 180). A refusal is [`ClientError::Rejected`].
    pub async fn mint_http_token(
        &self,
        memory_id: &str,
        variants: &[&str],
        asset_ids: Option<&[String]>,
        ttl_secs: u32,
    ) -> Result<String, ClientError> {
        self.query(
            "mint_http_token",
            (memory_id, variants, asset_ids, ttl_secs),
        )
        .await
    }

    /// Tokens for at most 1,000 memories, each with its memory's id; those that the caller may not open are left out.
    pub async fn mint_http_tokens_bulk(
        &self,
        memory_ids: &[String],
        variants: &[&str],
        asset_ids: Option<&[String]>,
        ttl_secs: u32,
    ) -> Result<Vec<(String, String)>, ClientError> {
        self.query(
            "mint_http_tokens_bulk",
            (memory_ids, variants, asset_ids, ttl_secs),
        )
        .await
    }

    /// Replaces the key that tokens are made with. `number` is the key to be replaced, as
    /// [`Vault::vault_status`] says; again: fine. For the canister's controllers.
    pub async fn http_token_key_rotate(&self, number: u32) -> Result<(), ClientError> {
        self.update_unit("http_token_key_rotate", (number,)).await
    }
}
