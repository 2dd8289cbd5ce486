//! The calls of uploads, and those that read what was uploaded.

use super::scenario::{Blob, CALLS, SMALL_BLOB, Scenario};
use anyhow::{Result, ensure};
use keepsake_api::{BlobMeta, UploadFinishResult};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

/// Uploads of several full chunks, which take long.
const LARGE_UPLOADS: usize = 4;

/// Chunks of a large upload.
const CHUNKS: u32 = 5;

impl Scenario {
    /// Large uploads, what reads them, and uploads that are given up.
    pub(super) async fn uploads(&mut self) -> Result<()> {
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
        for _ in 0..LARGE_UPLOADS {
            // Before the chunk that it follows: what is hashed later shows what all else takes.
            let session = self.begin(2).await?;
            let (_, bytes) = self.fresh(self.chunk_size);
            let args = (session, 1u32, &bytes);
            let ((), n) = self.vault.update("uploads_put_chunk", args).await?;
            let call = format!("uploads_put_chunk, {} bytes, not hashed yet", bytes.len());
            self.samples.add(&call, n);
            self.vault.update::<()>("uploads_abort", (session,)).await?;
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

    /// Uploads fresh content of `sizes` bytes a chunk and counts the calls; the content stays until a memory that
    /// refers to it is deleted.
    pub(super) async fn upload(&mut self, sizes: &[usize]) -> Result<Blob> {
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

    /// Uploads so many megabytes in full chunks, and counts all calls of it together. What was uploaded is deleted again.
    pub(super) async fn whole_upload(&mut self, megabytes: usize) -> Result<()> {
        let mut left = megabytes * 1_000_000;
        let chunks = left.div_ceil(self.chunk_size);
        let (session, mut total) = self.begin_counted(chunks).await?;
        let (mut hash, size) = (Sha256::new(), left as u64);
        for index in 0..chunks as u32 {
            let (_, bytes) = self.fresh(left.min(self.chunk_size));
            left -= bytes.len();
            hash.update(bytes.as_slice());
            let args = (session, index, &bytes);
            let ((), n) = self.vault.update("uploads_put_chunk", args).await?;
            total += n;
        }
        let sha256 = ByteBuf::from(hash.finalize().to_vec());
        let (finished, n) = self
            .vault
            .update::<UploadFinishResult>("uploads_finish", (session, &sha256, size))
            .await?;
        let name = |what: &str| format!("{what} of {megabytes} MB");
        self.samples.add(&name("uploads_finish"), n);
        self.samples.add(&name("all calls of an upload"), total + n);
        let id = &finished.blob_id;
        let (bytes, n) = self
            .vault
            .query::<ByteBuf>("blob_read_chunk", (id, 0u32))
            .await?;
        let call = name(&format!("blob_read_chunk, {} bytes", bytes.len()));
        self.samples.add(&call, n);
        let (_, n) = self.vault.update::<String>("blob_delete", (id,)).await?;
        self.samples.add(&name("blob_delete"), n);
        Ok(())
    }

    pub(super) async fn begin_counted(&mut self, chunks: usize) -> Result<(u64, u64)> {
        let (serial, _) = self.fresh(0);
        let args = (&self.capsule, chunks as u32, format!("upload {serial}"));
        self.vault.update("uploads_begin", args).await
    }

    pub(super) async fn begin(&mut self, chunks: usize) -> Result<u64> {
        let (session, n) = self.begin_counted(chunks).await?;
        self.samples.add("uploads_begin", n);
        Ok(session)
    }

    /// Uploads fresh content in one message.
    pub(super) async fn put_blob(&mut self, length: usize) -> Result<Blob> {
        let (serial, first) = self.fresh(length);
        let sha256 = ByteBuf::from(Sha256::digest(&first).to_vec());
        let idem = format!("upload {serial}");
        let args = (&self.capsule, &first, &sha256, &idem);
        let (made, n) = self
            .vault
            .update::<UploadFinishResult>("uploads_put_blob", args)
            .await?;
        self.samples
            .add(&format!("uploads_put_blob, {length} bytes"), n);
        Ok(Blob {
            id: made.blob_id,
            sha256,
            size: length as u64,
            first,
        })
    }
}
