//! Typed calls: a method for each call of the vault's interface but `memories_list_by_capsule`, which is
//! [`Vault::memories_list`], and `http_request`, which is for gateways.
//!
//! Arguments and results are Candid; queries carry node signatures and updates certificates, both verified by
//! the agent. Calls are retried as [`RetryPolicy`] says, except the two that are not idempotent.

mod capsules;
mod memories;
mod share_links;
mod uploads;

use std::sync::Arc;

use candid::{CandidType, Principal, utils::ArgumentEncoder};
use ic_agent::{Agent, Identity};
use keepsake_api::{
    AssetMetadata, BlobHosting, BlobMeta, BlobRef, ByteBuf, Capsule, CapsuleHeader, CapsuleInfo,
    Error as VaultError, InlineAssetInput, InternalBlobAssetInput, Memory, MemoryMetadata, Page,
    PersonRef, UploadConfig, UploadFinishResult,
};
use serde::de::DeserializeOwned;
use serde_bytes::Bytes;

pub use self::{
    memories::MOST_IDS,
    uploads::{LONGEST_PUT, MOST_HASHES},
};
use crate::{ClientError, RetryPolicy, connect};

/// What a new memory is made from (`memories_create`); exactly one of these by construction.
#[derive(Clone, Debug)]
pub enum NewContent<'a> {
    /// Bytes kept with the vault's small content; at most `inline_max` of [`UploadConfig`].
    Inline(&'a [u8]),
    /// A blob uploaded before, of the same capsule.
    Blob(BlobRef),
    /// Kept elsewhere; the vault records where. Not [`BlobHosting::Icp`].
    External {
        location: BlobHosting,
        storage_key: String,
        url: Option<String>,
        /// Bytes.
        size: Option<u64>,
        sha256: Option<[u8; 32]>,
    },
}

/// A vault, seen by one identity. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    agent: Agent,
    canister_id: Principal,
    url: Arc<str>,
    retry: RetryPolicy,
}

impl Vault {
    /// Wraps an agent that is already set up (root key, identity). `url` serves messages only.
    pub fn new(agent: Agent, canister_id: Principal, url: &str) -> Self {
        Vault {
            agent,
            canister_id,
            url: url.into(),
            retry: RetryPolicy::default(),
        }
    }

    /// Connects to the vault at `url`, as `identity`. `None` as canister id means
    /// [`DEFAULT_CANISTER_ID`](crate::DEFAULT_CANISTER_ID), which only a host on one's own machine has. The root key is fetched, except from the Internet Computer.
    ///
    /// # Errors
    /// [`ClientError::InvalidUrl`], [`ClientError::CanisterIdNeeded`], and, at once and without retries,
    /// [`ClientError::Unreachable`] or another failure of the first request.
    pub async fn connect(
        url: &str,
        canister_id: Option<Principal>,
        identity: Arc<dyn Identity>,
    ) -> Result<Self, ClientError> {
        let (agent, canister_id) = connect::agent(url, canister_id, identity).await?;
        Ok(Vault::new(agent, canister_id, url))
    }

    /// The same vault with another policy of retries.
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The vault's canister id.
    pub fn canister_id(&self) -> Principal {
        self.canister_id
    }

    /// The root key that certificates are verified by (DER): that of the Internet Computer, or of one host. Canister id and root
    /// key together name one vault.
    pub fn root_key(&self) -> Vec<u8> {
        self.agent.read_root_key()
    }

    /// The URL given at construction.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The policy of retries in use.
    pub fn retry_policy(&self) -> RetryPolicy {
        self.retry
    }

    // Who, and capsules.

    /// The principal that the vault sees as the caller.
    pub async fn whoami(&self) -> Result<Principal, ClientError> {
        self.query("whoami", ()).await
    }

    /// Creates a capsule: the caller's own (`None`, which returns the existing one at every later call), or
    /// one about somebody. The latter makes a new capsule each time and is therefore never retried.
    pub async fn capsules_create(
        &self,
        subject: Option<PersonRef>,
    ) -> Result<Capsule, ClientError> {
        let retry = if subject.is_some() {
            RetryPolicy::NEVER
        } else {
            self.retry
        };
        let bytes = self
            .send(
                "capsules_create",
                encode("capsules_create", (subject,))?,
                retry,
            )
            .await?;
        flatten("capsules_create", decode("capsules_create", &bytes)?)
    }

    /// What the caller may know of a capsule; `None` is the caller's own. `NotFound` where there is none.
    pub async fn capsules_read_basic(
        &self,
        capsule_id: Option<&str>,
    ) -> Result<CapsuleInfo, ClientError> {
        self.query_result("capsules_read_basic", (capsule_id,))
            .await
    }

    /// Every capsule that the caller owns, controls or is the subject of; at most 1,000.
    pub async fn capsules_list(&self) -> Result<Vec<CapsuleHeader>, ClientError> {
        self.query("capsules_list", ()).await
    }

    // Uploads and blobs.

    /// The vault's limits of content, in bytes.
    pub async fn upload_config(&self) -> Result<UploadConfig, ClientError> {
        self.query("upload_config", ()).await
    }

    /// Opens an upload session of `expected_chunks` chunks, or finds the one opened before with `idem`.
    pub async fn uploads_begin(
        &self,
        capsule_id: &str,
        expected_chunks: u32,
        idem: &str,
    ) -> Result<u64, ClientError> {
        self.update_result("uploads_begin", (capsule_id, expected_chunks, idem))
            .await
    }

    /// Sends one chunk; sending it again is fine.
    pub async fn uploads_put_chunk(
        &self,
        session: u64,
        index: u32,
        bytes: &[u8],
    ) -> Result<(), ClientError> {
        self.update_unit("uploads_put_chunk", (session, index, Bytes::new(bytes)))
            .await
    }

    /// Makes the blob, if all chunks are there and length and hash are right.
    pub async fn uploads_finish(
        &self,
        session: u64,
        sha256: &[u8; 32],
        total_len: u64,
    ) -> Result<UploadFinishResult, ClientError> {
        self.update_result("uploads_finish", (session, Bytes::new(sha256), total_len))
            .await
    }

    /// Gives a session up; again: fine.
    pub async fn uploads_abort(&self, session: u64) -> Result<(), ClientError> {
        self.update_unit("uploads_abort", (session,)).await
    }

    /// Length and number of chunks of a blob.
    pub async fn blob_get_meta(&self, locator: &str) -> Result<BlobMeta, ClientError> {
        self.query_result("blob_get_meta", (locator,)).await
    }

    /// A whole blob that fits a reply (3,000,000 bytes).
    pub async fn blob_read(&self, locator: &str) -> Result<Vec<u8>, ClientError> {
        let bytes: ByteBuf = self.query_result("blob_read", (locator,)).await?;
        Ok(bytes.into_vec())
    }

    /// One chunk as it was uploaded; empty past the end.
    pub async fn blob_read_chunk(&self, locator: &str, index: u32) -> Result<Vec<u8>, ClientError> {
        let bytes: ByteBuf = self
            .query_result("blob_read_chunk", (locator, index))
            .await?;
        Ok(bytes.into_vec())
    }

    // Memories.

    /// Creates a memory from one asset; the same content with the same `idem` is the same memory.
    pub async fn memories_create(
        &self,
        capsule_id: &str,
        content: NewContent<'_>,
        metadata: &AssetMetadata,
        idem: &str,
    ) -> Result<String, ClientError> {
        let mut inline: Option<&Bytes> = None;
        let mut blob: Option<BlobRef> = None;
        let mut location: Option<BlobHosting> = None;
        let mut storage_key: Option<String> = None;
        let mut url: Option<String> = None;
        let mut size: Option<u64> = None;
        let mut sha256: Option<ByteBuf> = None;
        match content {
            NewContent::Inline(bytes) => inline = Some(Bytes::new(bytes)),
            NewContent::Blob(reference) => blob = Some(reference),
            NewContent::External {
                location: at,
                storage_key: key,
                url: link,
                size: bytes,
                sha256: hash,
            } => {
                location = Some(at);
                storage_key = Some(key);
                url = link;
                size = bytes;
                sha256 = hash.map(|h| ByteBuf::from(h.to_vec()));
            }
        }
        self.update_result(
            "memories_create",
            (
                capsule_id,
                inline,
                blob,
                location,
                storage_key,
                url,
                size,
                sha256,
                metadata,
                idem,
            ),
        )
        .await
    }

    /// Creates a memory from one or more blobs (at most 100) of its capsule.
    pub async fn memories_create_with_internal_blobs(
        &self,
        capsule_id: &str,
        metadata: &MemoryMetadata,
        blobs: &[InternalBlobAssetInput],
        idem: &str,
    ) -> Result<String, ClientError> {
        self.update_result(
            "memories_create_with_internal_blobs",
            (capsule_id, metadata, blobs, idem),
        )
        .await
    }

    /// Adds an asset from a blob; the answer is the asset's id, the same at every repetition.
    pub async fn memories_add_asset(
        &self,
        memory_id: &str,
        asset: &InternalBlobAssetInput,
        idem: &str,
    ) -> Result<String, ClientError> {
        self.update_result("memories_add_asset", (memory_id, asset, idem))
            .await
    }

    /// Adds an inline asset; `ResourceExhausted` where the capsule's inline budget is spent.
    pub async fn memories_add_inline_asset(
        &self,
        memory_id: &str,
        asset: &InlineAssetInput,
        idem: &str,
    ) -> Result<String, ClientError> {
        self.update_result("memories_add_inline_asset", (memory_id, asset, idem))
            .await
    }

    /// A memory with its assets; inline bytes may be left out where the answer would be too large.
    pub async fn memories_read(&self, memory_id: &str) -> Result<Memory, ClientError> {
        self.query_result("memories_read", (memory_id,)).await
    }

    /// One page of a capsule's memories, newest first; `limit` at most 100, default 50.
    pub async fn memories_list(
        &self,
        capsule_id: &str,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page, ClientError> {
        self.query_result("memories_list", (capsule_id, cursor, limit))
            .await
    }

    /// Deletes a memory, with the content that nothing else references (`with_assets`) or without.
    pub async fn memories_delete(
        &self,
        memory_id: &str,
        with_assets: bool,
    ) -> Result<(), ClientError> {
        self.update_unit("memories_delete", (memory_id, with_assets))
            .await
    }

    // How calls travel.

    async fn query<A, R>(&self, method: &'static str, args: A) -> Result<R, ClientError>
    where
        A: ArgumentEncoder,
        R: CandidType + DeserializeOwned,
    {
        let arg = encode(method, args)?;
        let bytes = self
            .retry
            .run(|| async {
                self.agent
                    .query(&self.canister_id, method)
                    .with_arg(arg.clone())
                    .call()
                    .await
                    .map_err(|e| ClientError::from_agent(&self.url, self.canister_id, method, e))
            })
            .await?;
        decode(method, &bytes)
    }

    async fn query_result<A, R>(&self, method: &'static str, args: A) -> Result<R, ClientError>
    where
        A: ArgumentEncoder,
        R: CandidType + DeserializeOwned,
    {
        flatten(method, self.query(method, args).await?)
    }

    async fn update_result<A, R>(&self, method: &'static str, args: A) -> Result<R, ClientError>
    where
        A: ArgumentEncoder,
        R: CandidType + DeserializeOwned,
    {
        let bytes = self.send(method, encode(method, args)?, self.retry).await?;
        flatten(method, decode(method, &bytes)?)
    }

    /// For answers of `variant { Ok; Err : Error }`.
    async fn update_unit<A: ArgumentEncoder>(
        &self,
        method: &'static str,
        args: A,
    ) -> Result<(), ClientError> {
        self.update_result(method, args).await
    }

    async fn send(
        &self,
        method: &'static str,
        arg: Vec<u8>,
        retry: RetryPolicy,
    ) -> Result<Vec<u8>, ClientError> {
        retry
            .run(|| async {
                self.agent
                    .update(&self.canister_id, method)
                    .with_arg(arg.clone())
                    .call_and_wait()
                    .await
                    .map_err(|e| ClientError::from_agent(&self.url, self.canister_id, method, e))
            })
            .await
    }
}

fn encode<A: ArgumentEncoder>(method: &'static str, args: A) -> Result<Vec<u8>, ClientError> {
    candid::encode_args(args).map_err(|e| ClientError::Interface {
        method,
        reason: e.to_string(),
    })
}

fn decode<R: CandidType + DeserializeOwned>(
    method: &'static str,
    bytes: &[u8],
) -> Result<R, ClientError> {
    candid::decode_one(bytes).map_err(|e| ClientError::Interface {
        method,
        reason: e.to_string(),
    })
}

fn flatten<R>(method: &'static str, answer: Result<R, VaultError>) -> Result<R, ClientError> {
    answer.map_err(|error| ClientError::Vault { method, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_results_decode_as_the_interface_writes_them() {
        let ok: Result<(), VaultError> = Ok(());
        let bytes = candid::encode_one(ok).unwrap();
        let back: Result<(), VaultError> = decode("uploads_abort", &bytes).unwrap();
        assert_eq!(back, Ok(()));
        let wrong: Result<Principal, _> = decode("whoami", &bytes);
        assert!(matches!(wrong, Err(ClientError::Interface { .. })));
    }
}
