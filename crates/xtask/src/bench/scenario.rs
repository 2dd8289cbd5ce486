//! The calls that are counted, in an order in which each finds what it needs, and the vault they are counted in.

use super::Count;
use super::vault::Vault;
use anyhow::{Context, Result, ensure};
use candid::Principal;
use keepsake_api::{
    AssetMetadata, AssetMetadataBase, AssetType, BlobHosting, BlobMeta, BlobRef, Capsule,
    CapsuleHeader, CapsuleInfo, ImageAssetMetadata, InlineAssetInput, InternalBlobAssetInput,
    Memory, MemoryMetadata, MemoryType, Page, PersonRef, SharingStatus, UploadConfig,
    UploadFinishResult,
};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

/// Calls of each kind; their median counts.
const SAMPLES: u64 = 5;

/// Bytes of the inline asset that each memory of the vault has.
const INLINE_BYTES: usize = 1024;

/// Chunks of the upload whose finish is counted.
const CHUNKS: u32 = 10;

/// Memories on the page of the listing: of the same length at every size, so that the counts can be compared.
const PAGE: u32 = 10;

/// An argument that is left out, with its type.
type Missing<T> = Option<T>;

/// Fills a vault with `memories` memories and counts every call.
pub async fn count(wasm: &[u8], memories: u32) -> Result<Vec<Count>> {
    let vault = Vault::install(wasm)?;
    let mut scenario = Scenario {
        vault,
        memories,
        serial: 0,
        capsule: String::new(),
        ids: Vec::new(),
        counts: Vec::new(),
    };
    scenario.capsules().await?;
    scenario.fill().await?;
    scenario.capsule_reads().await?;
    let blob = scenario.uploads().await?;
    scenario.blob_reads(&blob).await?;
    scenario.memories(&blob).await?;
    Ok(scenario.counts)
}

struct Scenario {
    vault: Vault,
    memories: u32,
    /// Numbers what must be different in every call.
    serial: u64,
    capsule: String,
    /// Ids of the memories that fill the vault.
    ids: Vec<String>,
    counts: Vec<Count>,
}

impl Scenario {
    fn record(&mut self, call: &str, mut samples: Vec<u64>) {
        samples.sort_unstable();
        let instructions = samples.get(samples.len() / 2).copied().unwrap_or(0);
        self.counts.push(Count {
            call: call.to_owned(),
            memories: self.memories,
            instructions,
        });
    }

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
        (
            self.serial,
            ByteBuf::from(bytes.take(length).collect::<Vec<u8>>()),
        )
    }

    async fn capsules(&mut self) -> Result<()> {
        let mut samples = Vec::new();
        for _ in 0..SAMPLES {
            let (_, n) = self.vault.query_plain::<Principal>("whoami", ()).await?;
            samples.push(n);
        }
        self.record("whoami", samples);
        let (capsule, _) = self
            .vault
            .update::<Capsule>("capsules_create", (Missing::<PersonRef>::None,))
            .await?;
        self.capsule = capsule.id;
        Ok(())
    }

    /// The memories that were there before: one inline asset each.
    async fn fill(&mut self) -> Result<()> {
        for _ in 0..self.memories {
            let (id, _) = self.create_inline(INLINE_BYTES).await?;
            self.ids.push(id);
        }
        Ok(())
    }

    async fn create_inline(&mut self, length: usize) -> Result<(String, u64)> {
        let (serial, bytes) = self.fresh(length);
        let metadata = asset(AssetType::Original, &format!("IMG_{serial:05}.jpg"));
        let args = (
            &self.capsule,
            Some(bytes),
            Missing::<BlobRef>::None,
            Missing::<BlobHosting>::None,
            Missing::<String>::None,
            Missing::<String>::None,
            Missing::<u64>::None,
            Missing::<ByteBuf>::None,
            metadata,
            format!("memory {serial}"),
        );
        self.vault.update("memories_create", args).await
    }

    async fn capsule_reads(&mut self) -> Result<()> {
        let (mut create_own, mut create_other, mut read, mut list, mut config) =
            (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..SAMPLES {
            create_own.push(
                self.vault
                    .update::<Capsule>("capsules_create", (Missing::<PersonRef>::None,))
                    .await?
                    .1,
            );
            read.push(
                self.vault
                    .query::<CapsuleInfo>("capsules_read_basic", (Some(&self.capsule),))
                    .await?
                    .1,
            );
            list.push(
                self.vault
                    .query_plain::<Vec<CapsuleHeader>>("capsules_list", ())
                    .await?
                    .1,
            );
            config.push(
                self.vault
                    .query_plain::<UploadConfig>("upload_config", ())
                    .await?
                    .1,
            );
        }
        for _ in 0..SAMPLES {
            let (serial, _) = self.fresh(0);
            let subject = Some(PersonRef::Opaque(format!("grandmother {serial}")));
            create_other.push(
                self.vault
                    .update::<Capsule>("capsules_create", (subject,))
                    .await?
                    .1,
            );
        }
        self.record("capsules_create, the own one again", create_own);
        self.record("capsules_create, a new one", create_other);
        self.record("capsules_read_basic", read);
        self.record("capsules_list, 1 capsule", list);
        self.record("upload_config", config);
        Ok(())
    }

    /// Uploads a blob of [`CHUNKS`] chunks and small ones, and aborts others; returns the large one.
    async fn uploads(&mut self) -> Result<Blob> {
        let (config, _) = self
            .vault
            .query_plain::<UploadConfig>("upload_config", ())
            .await?;
        let chunk_size = config.chunk_size as usize;
        let (mut begin, mut put, mut finish, mut abort) = (vec![], vec![], vec![], vec![]);

        let (session, n) = self.begin(CHUNKS).await?;
        begin.push(n);
        let (mut hash, mut size, mut first) = (Sha256::new(), 0, ByteBuf::new());
        for index in 0..CHUNKS {
            let (_, bytes) = self.fresh(chunk_size);
            hash.update(bytes.as_slice());
            size += bytes.len() as u64;
            put.push(
                self.vault
                    .update::<()>("uploads_put_chunk", (session, index, &bytes))
                    .await?
                    .1,
            );
            if index == 0 {
                first = bytes;
            }
        }
        let sha256 = ByteBuf::from(hash.finalize().to_vec());
        let (finished, large_finish) = self
            .vault
            .update::<UploadFinishResult>("uploads_finish", (session, &sha256, size))
            .await?;
        let (_, repeated) = self
            .vault
            .update::<UploadFinishResult>("uploads_finish", (session, &sha256, size))
            .await?;

        let mut small_put = Vec::new();
        for _ in 0..SAMPLES {
            let (session, n) = self.begin(1).await?;
            begin.push(n);
            let (_, bytes) = self.fresh(10_000);
            small_put.push(
                self.vault
                    .update::<()>("uploads_put_chunk", (session, 0u32, &bytes))
                    .await?
                    .1,
            );
            let sha256 = ByteBuf::from(Sha256::digest(bytes.as_slice()).to_vec());
            let args = (session, sha256, bytes.len() as u64);
            finish.push(
                self.vault
                    .update::<UploadFinishResult>("uploads_finish", args)
                    .await?
                    .1,
            );
        }
        for _ in 0..SAMPLES {
            let (session, _) = self.begin(2).await?;
            let (_, bytes) = self.fresh(chunk_size);
            self.vault
                .update::<()>("uploads_put_chunk", (session, 0u32, &bytes))
                .await?;
            abort.push(
                self.vault
                    .update::<()>("uploads_abort", (session,))
                    .await?
                    .1,
            );
        }
        self.record("uploads_begin", begin);
        self.record(&format!("uploads_put_chunk, {chunk_size} bytes"), put);
        self.record("uploads_put_chunk, 10000 bytes", small_put);
        self.record("uploads_finish, 10000 bytes", finish);
        self.record(&format!("uploads_finish, {size} bytes"), vec![large_finish]);
        self.record("uploads_finish, again", vec![repeated]);
        self.record(
            &format!("uploads_abort, one chunk of {chunk_size} bytes"),
            abort,
        );
        Ok(Blob {
            id: finished.blob_id,
            sha256,
            size,
            first,
        })
    }

    async fn begin(&mut self, chunks: u32) -> Result<(u64, u64)> {
        let (serial, _) = self.fresh(0);
        self.vault
            .update(
                "uploads_begin",
                (&self.capsule, chunks, format!("upload {serial}")),
            )
            .await
    }

    /// Uploads fresh content in one chunk.
    async fn upload(&mut self, length: usize) -> Result<Blob> {
        let (session, _) = self.begin(1).await?;
        let (_, bytes) = self.fresh(length);
        self.vault
            .update::<()>("uploads_put_chunk", (session, 0u32, &bytes))
            .await?;
        let sha256 = ByteBuf::from(Sha256::digest(bytes.as_slice()).to_vec());
        let args = (session, &sha256, length as u64);
        let (finished, _) = self
            .vault
            .update::<UploadFinishResult>("uploads_finish", args)
            .await?;
        Ok(Blob {
            id: finished.blob_id,
            sha256,
            size: length as u64,
            first: bytes,
        })
    }

    async fn blob_reads(&mut self, blob: &Blob) -> Result<()> {
        let whole = self.upload(1 << 20).await?;
        let (mut meta, mut read, mut chunk) = (vec![], vec![], vec![]);
        for _ in 0..SAMPLES {
            meta.push(
                self.vault
                    .query::<BlobMeta>("blob_get_meta", (&blob.id,))
                    .await?
                    .1,
            );
            let (bytes, n) = self
                .vault
                .query::<ByteBuf>("blob_read", (&whole.id,))
                .await?;
            ensure!(
                bytes == whole.first,
                "blob_read gave other bytes than were uploaded"
            );
            read.push(n);
            let (bytes, n) = self
                .vault
                .query::<ByteBuf>("blob_read_chunk", (&blob.id, 0u32))
                .await?;
            ensure!(
                bytes == blob.first,
                "blob_read_chunk gave other bytes than were uploaded"
            );
            chunk.push(n);
        }
        self.record("blob_get_meta", meta);
        self.record(&format!("blob_read, {} bytes", whole.size), read);
        self.record(
            &format!("blob_read_chunk, {} bytes", blob.first.len()),
            chunk,
        );
        Ok(())
    }

    async fn memories(&mut self, blob: &Blob) -> Result<()> {
        self.creations(blob).await?;
        self.additions().await?;

        let middle = self
            .ids
            .get(self.ids.len() / 2)
            .context("the vault is empty")?
            .clone();
        let (mut read, mut list) = (vec![], vec![]);
        for _ in 0..SAMPLES {
            let (memory, n) = self
                .vault
                .query::<Memory>("memories_read", (&middle,))
                .await?;
            ensure!(memory.id == middle, "memories_read gave another memory");
            read.push(n);
            let args = (&self.capsule, Missing::<String>::None, Some(PAGE));
            let (page, n) = self.vault.query::<Page>("memories_list", args).await?;
            ensure!(
                page.items.len() == PAGE as usize,
                "memories_list gave a page of {} memories",
                page.items.len()
            );
            list.push(n);
        }
        self.record("memories_read, 1 KiB inline", read);
        self.record(&format!("memories_list, a page of {PAGE}"), list);

        let mut delete = Vec::new();
        for index in 0..SAMPLES as usize {
            let id = self
                .ids
                .get(index * self.ids.len() / SAMPLES as usize)
                .context("the vault is empty")?;
            delete.push(
                self.vault
                    .update::<()>("memories_delete", (id, true))
                    .await?
                    .1,
            );
        }
        self.record("memories_delete, 1 KiB inline", delete);
        Ok(())
    }

    async fn creations(&mut self, large: &Blob) -> Result<()> {
        let (mut inline, mut inline_max, mut by_ref, mut external) =
            (vec![], vec![], vec![], vec![]);
        let (mut with_blob, mut again) = (vec![], vec![]);
        for _ in 0..SAMPLES {
            inline.push(self.create_inline(INLINE_BYTES).await?.1);
            inline_max.push(self.create_inline(32 * 1024).await?.1);

            let (serial, hash) = self.fresh(32);
            let reference = BlobRef {
                locator: large.id.clone(),
                hash: Some(large.sha256.clone()),
                len: large.size,
            };
            let args = (
                &self.capsule,
                Missing::<ByteBuf>::None,
                Some(reference),
                Missing::<BlobHosting>::None,
                Missing::<String>::None,
                Missing::<String>::None,
                Missing::<u64>::None,
                Missing::<ByteBuf>::None,
                asset(AssetType::Original, "IMG_2041.jpg"),
                format!("memory {serial}"),
            );
            by_ref.push(
                self.vault
                    .update::<String>("memories_create", args)
                    .await?
                    .1,
            );
            let args = (
                &self.capsule,
                Missing::<ByteBuf>::None,
                Missing::<BlobRef>::None,
                Some(BlobHosting::S3),
                Some(format!("photos/{serial}")),
                Some(format!("https://photos.example/{serial}")),
                Some(5_000_000u64),
                Some(hash),
                asset(AssetType::Original, "IMG_2041.jpg"),
                format!("memory {serial}"),
            );
            external.push(
                self.vault
                    .update::<String>("memories_create", args)
                    .await?
                    .1,
            );

            let blob = self.upload(10_000).await?;
            let original = InternalBlobAssetInput {
                blob_id: blob.id,
                metadata: asset(AssetType::Original, "IMG_2041.jpg"),
            };
            let args = (
                &self.capsule,
                memory(),
                vec![original],
                format!("memory {serial} of blobs"),
            );
            let method = "memories_create_with_internal_blobs";
            let (id, n) = self.vault.update::<String>(method, args.clone()).await?;
            with_blob.push(n);
            let (same, n) = self.vault.update::<String>(method, args).await?;
            ensure!(id == same, "{method} sent again gave another memory");
            again.push(n);
        }
        self.record("memories_create, inline, 1 KiB", inline);
        self.record("memories_create, inline, 32 KiB", inline_max);
        self.record("memories_create, blob", by_ref);
        self.record("memories_create, external", external);
        self.record("memories_create_with_internal_blobs, 1 blob", with_blob);
        self.record("memories_create_with_internal_blobs, again", again);
        Ok(())
    }

    async fn additions(&mut self) -> Result<()> {
        let (mut add, mut add_inline) = (vec![], vec![]);
        for index in 0..SAMPLES as usize {
            let id = self
                .ids
                .get(index * self.ids.len() / SAMPLES as usize)
                .context("the vault is empty")?
                .clone();
            let blob = self.upload(10_000).await?;
            let (serial, bytes) = self.fresh(INLINE_BYTES);
            let display = InternalBlobAssetInput {
                blob_id: blob.id,
                metadata: asset(AssetType::Display, "display.webp"),
            };
            let args = (&id, display, format!("display {serial}"));
            add.push(
                self.vault
                    .update::<String>("memories_add_asset", args)
                    .await?
                    .1,
            );
            let placeholder = InlineAssetInput {
                bytes,
                metadata: asset(AssetType::Placeholder, "placeholder.webp"),
            };
            let args = (&id, placeholder, format!("placeholder {serial}"));
            add_inline.push(
                self.vault
                    .update::<String>("memories_add_inline_asset", args)
                    .await?
                    .1,
            );
        }
        self.record("memories_add_asset", add);
        self.record("memories_add_inline_asset, 1 KiB", add_inline);
        Ok(())
    }
}

/// An uploaded blob, and the bytes of its first chunk.
struct Blob {
    id: String,
    sha256: ByteBuf,
    size: u64,
    first: ByteBuf,
}

/// Metadata as a client sends it for a photo.
fn asset(asset_type: AssetType, name: &str) -> AssetMetadata {
    AssetMetadata::Image(ImageAssetMetadata {
        base: AssetMetadataBase {
            name: name.to_owned(),
            description: None,
            tags: vec!["summer".to_owned()],
            asset_type,
            bytes: 0,
            mime_type: "image/jpeg".to_owned(),
            sha256: None,
            width: Some(4032),
            height: Some(3024),
            url: None,
            storage_key: None,
            bucket: None,
            asset_location: None,
            processing_status: None,
            processing_error: None,
            created_at: 0,
            updated_at: 0,
            deleted_at: None,
        },
        color_space: None,
        exif_data: None,
        compression_ratio: None,
        dpi: None,
        orientation: Some(1),
    })
}

fn memory() -> MemoryMetadata {
    MemoryMetadata {
        memory_type: MemoryType::Image,
        title: Some("IMG_2041.jpg".to_owned()),
        description: None,
        content_type: "image/jpeg".to_owned(),
        created_at: 0,
        updated_at: 0,
        uploaded_at: 0,
        date_of_memory: Some(1_690_000_000_000_000_000),
        file_created_at: None,
        parent_folder_id: None,
        tags: vec!["summer".to_owned()],
        deleted_at: None,
        people_in_memory: None,
        location: None,
        memory_notes: None,
        created_by: None,
        database_storage_edges: Vec::new(),
        shared_count: 0,
        sharing_status: SharingStatus::Private,
        total_size: 0,
        asset_count: 0,
    }
}
