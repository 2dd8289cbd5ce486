//! The calls that are counted, in an order in which each finds what it needs, in a vault that holds the same number of memories
//! for each of them: what a call adds is deleted again before the next.

use super::samples::Samples;
use super::vault::Vault;
use super::wire::{external, inline, memory, photo, reference};
use anyhow::{Result, ensure};
use candid::Principal;
use futures::future::try_join_all;
use keepsake_api::{
    AssetType, BlobMeta, Capsule, CapsuleHeader, CapsuleInfo, InlineAssetInput,
    InternalBlobAssetInput, Memory, Page, PersonRef, UploadConfig, UploadFinishResult,
};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Calls of each kind. Ids are random, and with them where a key falls in a tree: enough calls make the mean steady.
const CALLS: usize = 50;

/// Uploads of several full chunks, which take long.
const LARGE_UPLOADS: usize = 4;

/// Chunks of a large upload.
const CHUNKS: u32 = 5;

/// Bytes of a small blob, as a thumbnail has.
const SMALL_BLOB: usize = 10_000;

/// Bytes of the inline asset that each memory of the vault has.
const INLINE: usize = 1024;

/// Memories on the page of the listing: of the same length at every size, so that the counts can be compared.
const PAGE: u32 = 10;

/// Memories created at once while the vault is filled: their commits are then shared.
const FILLED_AT_ONCE: u32 = 64;

/// Fills a new vault with `memories` memories and counts every call in it.
pub async fn count(wasm: Arc<[u8]>, memories: u32) -> Result<Samples> {
    let vault = Vault::install(&wasm)?;
    let none: Option<PersonRef> = None;
    let (capsule, _) = vault.update::<Capsule>("capsules_create", (none,)).await?;
    let (config, _) = vault
        .query_plain::<UploadConfig>("upload_config", ())
        .await?;
    let mut scenario = Scenario {
        vault,
        capsule: capsule.id,
        chunk_size: config.chunk_size as usize,
        serial: 0,
        ids: Vec::new(),
        samples: Samples::default(),
    };
    scenario.fill(memories).await?;
    scenario.plain_calls().await?;
    scenario.uploads().await?;
    scenario.creations().await?;
    scenario.additions().await?;
    scenario.reads().await?;
    // Last, because new capsules stay.
    scenario.new_capsules().await?;
    Ok(scenario.samples)
}

struct Scenario {
    vault: Vault,
    capsule: String,
    /// Bytes of a full chunk.
    chunk_size: usize,
    /// Numbers what must be different in every call.
    serial: u64,
    /// Ids of the memories that fill the vault.
    ids: Vec<String>,
    samples: Samples,
}

/// An uploaded blob.
struct Blob {
    id: String,
    sha256: ByteBuf,
    size: u64,
    /// The bytes of its first chunk.
    first: ByteBuf,
}

impl Scenario {
    /// A number, and content of `length` bytes, that no earlier call had.
    fn fresh(&mut self, length: usize) -> (u64, ByteBuf) {
        self.serial += 1;
        let mut state = self.serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let bytes = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        });
        let bytes = bytes.take(length).collect::<Vec<u8>>();
        (self.serial, ByteBuf::from(bytes))
    }

    /// Ids of at most [`CALLS`] memories, taken from the whole vault.
    fn spread(&self) -> Vec<String> {
        let step = (self.ids.len() / CALLS).max(1);
        self.ids.iter().step_by(step).take(CALLS).cloned().collect()
    }

    async fn fill(&mut self, memories: u32) -> Result<()> {
        let mut left = memories;
        while left > 0 {
            let some = left.min(FILLED_AT_ONCE);
            let contents: Vec<_> = (0..some).map(|_| self.fresh(INLINE)).collect();
            let creations = contents.into_iter().map(|(serial, bytes)| {
                let args = inline(&self.capsule, bytes, serial);
                self.vault.update::<String>("memories_create", args)
            });
            // Executed in the order in which they are polled first: this one.
            let created = try_join_all(creations).await?;
            self.ids.extend(created.into_iter().map(|(id, _)| id));
            left -= some;
        }
        Ok(())
    }

    async fn create_inline(&mut self, length: usize) -> Result<(String, u64)> {
        let (serial, bytes) = self.fresh(length);
        let args = inline(&self.capsule, bytes, serial);
        self.vault.update("memories_create", args).await
    }

    /// Deletes a memory and what hangs on it, and returns what that took.
    async fn delete(&self, id: &str) -> Result<u64> {
        let ((), n) = self.vault.update("memories_delete", (id, true)).await?;
        Ok(n)
    }

    async fn plain_calls(&mut self) -> Result<()> {
        for _ in 0..CALLS {
            let (_, n) = self.vault.query_plain::<Principal>("whoami", ()).await?;
            self.samples.add("whoami", n);
            let (_, n) = self
                .vault
                .query_plain::<UploadConfig>("upload_config", ())
                .await?;
            self.samples.add("upload_config", n);
            let none: Option<PersonRef> = None;
            let (_, n) = self
                .vault
                .update::<Capsule>("capsules_create", (none,))
                .await?;
            self.samples.add("capsules_create, the own one again", n);
            let args = (Some(&self.capsule),);
            let (_, n) = self
                .vault
                .query::<CapsuleInfo>("capsules_read_basic", args)
                .await?;
            self.samples.add("capsules_read_basic", n);
            let (_, n) = self
                .vault
                .query_plain::<Vec<CapsuleHeader>>("capsules_list", ())
                .await?;
            self.samples.add("capsules_list, 1 capsule", n);
        }
        Ok(())
    }

    async fn new_capsules(&mut self) -> Result<()> {
        for number in 0..CALLS {
            let subject = Some(PersonRef::Opaque(format!("grandmother {number}")));
            let (_, n) = self
                .vault
                .update::<Capsule>("capsules_create", (subject,))
                .await?;
            self.samples.add("capsules_create, a new one", n);
        }
        Ok(())
    }

    /// Uploads fresh content of `sizes` bytes a chunk and counts the calls; the content stays until a memory that
    /// refers to it is deleted.
    async fn upload(&mut self, sizes: &[usize]) -> Result<Blob> {
        let session = self.begin(sizes.len()).await?;
        let (mut hash, mut size, mut first) = (Sha256::new(), 0, None);
        for (index, length) in (0u32..).zip(sizes) {
            let (_, bytes) = self.fresh(*length);
            hash.update(bytes.as_slice());
            size += *length as u64;
            let args = (session, index, &bytes);
            let ((), n) = self.vault.update("uploads_put_chunk", args).await?;
            self.samples
                .add(&format!("uploads_put_chunk, {length} bytes"), n);
            first.get_or_insert(bytes);
        }
        let sha256 = ByteBuf::from(hash.finalize().to_vec());
        let args = (session, &sha256, size);
        let (finished, n) = self
            .vault
            .update::<UploadFinishResult>("uploads_finish", args)
            .await?;
        self.samples
            .add(&format!("uploads_finish, {size} bytes"), n);
        let (same, n) = self
            .vault
            .update::<UploadFinishResult>("uploads_finish", args)
            .await?;
        self.samples.add("uploads_finish, again", n);
        ensure!(
            same.blob_id == finished.blob_id,
            "uploads_finish again gave another blob"
        );
        let first = first.unwrap_or_default();
        Ok(Blob {
            id: finished.blob_id,
            sha256,
            size,
            first,
        })
    }

    async fn begin(&mut self, chunks: usize) -> Result<u64> {
        let (serial, _) = self.fresh(0);
        let args = (&self.capsule, chunks as u32, format!("upload {serial}"));
        let (session, n) = self.vault.update("uploads_begin", args).await?;
        self.samples.add("uploads_begin", n);
        Ok(session)
    }

    /// Large uploads, what reads them, and uploads that are given up.
    async fn uploads(&mut self) -> Result<()> {
        let sizes = [self.chunk_size; CHUNKS as usize];
        for _ in 0..LARGE_UPLOADS {
            let blob = self.upload(&sizes).await?;
            let (meta, n) = self
                .vault
                .query::<BlobMeta>("blob_get_meta", (&blob.id,))
                .await?;
            self.samples.add("blob_get_meta", n);
            ensure!(meta.size == blob.size, "blob_get_meta gave another size");
            for index in 0..CHUNKS {
                let args = (&blob.id, index);
                let (bytes, n) = self.vault.query::<ByteBuf>("blob_read_chunk", args).await?;
                self.samples
                    .add(&format!("blob_read_chunk, {} bytes", bytes.len()), n);
                ensure!(
                    index > 0 || bytes == blob.first,
                    "blob_read_chunk gave other bytes"
                );
            }
            self.create_by_reference(&blob).await?;
        }
        for _ in 0..LARGE_UPLOADS {
            let blob = self.upload(&[1 << 20]).await?;
            let (bytes, n) = self
                .vault
                .query::<ByteBuf>("blob_read", (&blob.id,))
                .await?;
            self.samples
                .add(&format!("blob_read, {} bytes", bytes.len()), n);
            ensure!(bytes == blob.first, "blob_read gave other bytes");
            self.create_by_reference(&blob).await?;
        }
        for _ in 0..CALLS {
            let session = self.begin(2).await?;
            let (_, bytes) = self.fresh(SMALL_BLOB);
            self.vault
                .update::<()>("uploads_put_chunk", (session, 0u32, &bytes))
                .await?;
            let ((), n) = self.vault.update("uploads_abort", (session,)).await?;
            self.samples
                .add(&format!("uploads_abort, a chunk of {SMALL_BLOB} bytes"), n);
        }
        Ok(())
    }

    /// Makes a memory of a blob, and deletes both.
    async fn create_by_reference(&mut self, blob: &Blob) -> Result<()> {
        let (serial, _) = self.fresh(0);
        let args = reference(&self.capsule, &blob.id, &blob.sha256, blob.size, serial);
        let (id, n) = self.vault.update::<String>("memories_create", args).await?;
        self.samples.add("memories_create, blob", n);
        self.delete(&id).await?;
        Ok(())
    }

    async fn creations(&mut self) -> Result<()> {
        for _ in 0..CALLS {
            let (id, n) = self.create_inline(INLINE).await?;
            self.samples.add("memories_create, inline, 1 KiB", n);
            let n = self.delete(&id).await?;
            self.samples.add("memories_delete, inline, 1 KiB", n);

            let (id, n) = self.create_inline(32 * 1024).await?;
            self.samples.add("memories_create, inline, 32 KiB", n);
            self.delete(&id).await?;

            let (serial, hash) = self.fresh(32);
            let args = external(&self.capsule, hash, serial);
            let (id, n) = self.vault.update::<String>("memories_create", args).await?;
            self.samples.add("memories_create, external", n);
            self.delete(&id).await?;

            let blob = self.upload(&[SMALL_BLOB]).await?;
            self.create_by_reference(&blob).await?;

            let blob = self.upload(&[SMALL_BLOB]).await?;
            let (_, n) = self
                .vault
                .query::<BlobMeta>("blob_get_meta", (&blob.id,))
                .await?;
            self.samples.add("blob_get_meta", n);
            self.create_with_blob(blob).await?;
        }
        Ok(())
    }

    async fn create_with_blob(&mut self, blob: Blob) -> Result<()> {
        let method = "memories_create_with_internal_blobs";
        let (serial, _) = self.fresh(0);
        let metadata = photo(AssetType::Original, "IMG_2041.jpg");
        let original = InternalBlobAssetInput {
            blob_id: blob.id,
            metadata,
        };
        let args = (
            &self.capsule,
            memory(),
            vec![original],
            format!("memory {serial}"),
        );
        let (id, n) = self.vault.update::<String>(method, args.clone()).await?;
        self.samples.add(&format!("{method}, 1 blob"), n);
        let (same, n) = self.vault.update::<String>(method, args).await?;
        self.samples.add(&format!("{method}, again"), n);
        ensure!(id == same, "{method} sent again gave another memory");
        let n = self.delete(&id).await?;
        self.samples.add("memories_delete, 1 blob", n);
        Ok(())
    }

    /// Adds to memories that are made for it.
    async fn additions(&mut self) -> Result<()> {
        for _ in 0..CALLS {
            let (id, _) = self.create_inline(INLINE).await?;
            let blob = self.upload(&[SMALL_BLOB]).await?;
            let metadata = photo(AssetType::Display, "display.webp");
            let display = InternalBlobAssetInput {
                blob_id: blob.id,
                metadata,
            };
            let (serial, bytes) = self.fresh(INLINE);
            let args = (&id, display, format!("display {serial}"));
            let (_, n) = self
                .vault
                .update::<String>("memories_add_asset", args)
                .await?;
            self.samples.add("memories_add_asset", n);
            let metadata = photo(AssetType::Placeholder, "placeholder.webp");
            let placeholder = InlineAssetInput { bytes, metadata };
            let args = (&id, placeholder, format!("placeholder {serial}"));
            let (_, n) = self
                .vault
                .update::<String>("memories_add_inline_asset", args)
                .await?;
            self.samples.add("memories_add_inline_asset, 1 KiB", n);
            let n = self.delete(&id).await?;
            self.samples.add("memories_delete, 3 assets", n);
        }
        Ok(())
    }

    async fn reads(&mut self) -> Result<()> {
        for id in self.spread() {
            let (memory, n) = self.vault.query::<Memory>("memories_read", (&id,)).await?;
            self.samples.add("memories_read, 1 KiB inline", n);
            ensure!(memory.id == id, "memories_read gave another memory");
        }
        let none: Option<String> = None;
        let args = (&self.capsule, none, Some(PAGE));
        let (page, n) = self.vault.query::<Page>("memories_list", args).await?;
        self.samples
            .add(&format!("memories_list, a page of {PAGE}"), n);
        ensure!(
            page.items.len() == PAGE as usize,
            "memories_list gave another number of memories"
        );
        Ok(())
    }
}
