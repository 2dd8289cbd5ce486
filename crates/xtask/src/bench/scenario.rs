//! The calls that are counted, in an order in which each finds what it needs, in a vault that holds the same number of memories
//! for each of them: what a call adds is deleted again before the next.

use super::image::Image;
use super::samples::Samples;
use super::vault::Vault;
use super::wire::{external, inline, memory, photo, reference, share};
use anyhow::{Result, ensure};
use candid::Principal;
use futures::future::try_join_all;
use keepsake_api::{
    AccessEntry, AssetType, BlobMeta, Capsule, CapsuleHeader, CapsuleInfo, HttpRequest,
    HttpResponse, InlineAssetInput, InternalBlobAssetInput, Memory, MemoryPresenceResult,
    MemoryUpdateData, Page, PersonRef, UploadConfig,
};
use serde_bytes::ByteBuf;
use std::sync::Arc;

/// Calls of each kind. Ids are random, and with them where a key falls in a tree: enough calls make the mean steady.
pub(super) const CALLS: usize = 50;

/// Bytes of a small blob, as a thumbnail has.
pub(super) const SMALL_BLOB: usize = 10_000;

/// Bytes of the inline asset that each memory of the vault has.
const INLINE: usize = 1024;

/// Memories on the page of the listing: of the same length at every size, so that the counts can be compared.
const PAGE: u32 = 10;

/// Memories created at once while the vault is filled: their commits are then shared.
const FILLED_AT_ONCE: u32 = 64;

/// Memories on the page that clients ask for, and ids in one question about presence.
const USUAL_PAGE: u32 = 50;
const PINGED: usize = 100;

/// Fills a new vault with `memories` memories and counts every call in it.
pub async fn count(wasm: Arc<[u8]>, memories: u32) -> Result<Samples> {
    let vault = Vault::install(&wasm)?;
    let none: Option<PersonRef> = None;
    let (capsule, _) = vault.update::<Capsule>("capsules_create", (none,)).await?;
    let mut scenario = Scenario::new(vault, capsule.id).await?;
    scenario.fill(memories).await?;
    let upgrade = scenario.vault.upgrade(&wasm)?;
    scenario.samples.add("upgrade", upgrade.instructions);
    scenario.pages().await?;
    scenario.all().await?;
    Ok(scenario.samples)
}

/// Counts every call in a vault that was built, after an upgrade.
pub async fn count_built(vault: Vault, image: &Image) -> Result<Samples> {
    let mut scenario = Scenario::new(vault, image.capsule.clone()).await?;
    scenario.ids.clone_from(&image.spread);
    scenario.middle.clone_from(&image.middle);
    // What the heap keeps for later calls is made anew after an upgrade.
    let (id, n) = scenario.create_inline(INLINE).await?;
    let call = "memories_create, inline, 1 KiB, the first after an upgrade";
    scenario.samples.add(call, n);
    scenario.delete(&id).await?;
    for megabytes in [1, 10, 100] {
        scenario.whole_upload(megabytes).await?;
    }
    scenario.all().await?;
    Ok(scenario.samples)
}

/// A vault in which calls are counted.
pub(super) struct Scenario {
    pub(super) vault: Vault,
    pub(super) capsule: String,
    /// Bytes of a full chunk.
    pub(super) chunk_size: usize,
    /// Numbers what must be different in every call.
    serial: u64,
    /// Ids of memories from the whole vault: of all where calls filled it.
    ids: Vec<String>,
    /// The cursor of a page that begins in the middle of the capsule.
    middle: Option<String>,
    pub(super) samples: Samples,
}

/// An uploaded blob.
pub(super) struct Blob {
    pub id: String,
    pub sha256: ByteBuf,
    pub size: u64,
    /// The bytes of its first chunk.
    pub first: ByteBuf,
}

impl Scenario {
    async fn new(vault: Vault, capsule: String) -> Result<Self> {
        let (config, _) = vault
            .query_plain::<UploadConfig>("upload_config", ())
            .await?;
        Ok(Self {
            vault,
            capsule,
            chunk_size: config.chunk_size as usize,
            serial: 0,
            ids: Vec::new(),
            middle: None,
            samples: Samples::default(),
        })
    }

    async fn all(&mut self) -> Result<()> {
        self.plain_calls().await?;
        self.uploads().await?;
        self.creations().await?;
        self.additions().await?;
        self.changes().await?;
        self.reads().await?;
        // Last, because new capsules stay.
        self.new_capsules().await
    }

    /// Pages of the gallery, which are certified when they are asked for.
    async fn pages(&mut self) -> Result<()> {
        for (call, url) in [
            ("http_request, the start page", "/"),
            ("http_request, a page that is not there", "/nothing"),
        ] {
            let request = HttpRequest {
                method: "GET".into(),
                url: url.into(),
                headers: vec![("Accept-Encoding".into(), "gzip".into())],
                body: ByteBuf::new(),
                certificate_version: Some(2),
            };
            let (_, n) = self
                .vault
                .query_plain::<HttpResponse>("http_request", (request,))
                .await?;
            self.samples.add(call, n);
        }
        Ok(())
    }

    /// A number, and content of `length` bytes, that no earlier call had.
    pub(super) fn fresh(&mut self, length: usize) -> (u64, ByteBuf) {
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
            if self.middle.is_none() && left <= memories / 2 {
                // What comes later is newer: this page stays where it is, in the middle.
                let none: Option<String> = None;
                let args = (&self.capsule, none, Some(1u32));
                let (page, _) = self.vault.query::<Page>("memories_list", args).await?;
                self.middle = page.next_cursor;
            }
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

    /// Makes a memory of a blob, and deletes both.
    pub(super) async fn create_by_reference(&mut self, blob: &Blob) -> Result<()> {
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

            let blob = self.put_blob(SMALL_BLOB).await?;
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

    /// What changes memories that stay.
    async fn changes(&mut self) -> Result<()> {
        for (number, id) in self.spread().into_iter().enumerate() {
            let update = MemoryUpdateData {
                name: Some(format!("Summer {number}")),
                ..MemoryUpdateData::default()
            };
            let (_, n) = self
                .vault
                .update::<Memory>("memories_update", (&id, update))
                .await?;
            self.samples.add("memories_update, the name", n);
            let entry = share(number);
            let (entry, n) = self
                .vault
                .update::<AccessEntry>("access_grant", (&id, entry))
                .await?;
            self.samples.add("access_grant", n);
            let ((), n) = self.vault.update("access_revoke", (&id, entry.id)).await?;
            self.samples.add("access_revoke", n);
        }
        Ok(())
    }

    async fn reads(&mut self) -> Result<()> {
        for id in self.spread() {
            let (memory, n) = self.vault.query::<Memory>("memories_read", (&id,)).await?;
            self.samples.add("memories_read", n);
            ensure!(memory.id == id, "memories_read gave another memory");
        }
        let pinged: Vec<String> = self.ids.iter().take(PINGED).cloned().collect();
        let has_pages = pinged.len() == PINGED;
        if has_pages {
            let (found, n) = self
                .vault
                .query::<Vec<MemoryPresenceResult>>("memories_ping", (pinged,))
                .await?;
            self.samples.add(&format!("memories_ping, {PINGED} ids"), n);
            ensure!(
                found.iter().all(|one| one.metadata_present),
                "memories_ping misses a memory"
            );
        }
        self.list("the first page", None, PAGE).await?;
        if let Some(middle) = self.middle.clone()
            && has_pages
        {
            self.list("the first page", None, USUAL_PAGE).await?;
            self.list("a page in the middle", Some(middle), USUAL_PAGE)
                .await?;
        }
        Ok(())
    }

    async fn list(&mut self, which: &str, cursor: Option<String>, limit: u32) -> Result<()> {
        let args = (&self.capsule, cursor, Some(limit));
        let (page, n) = self.vault.query::<Page>("memories_list", args).await?;
        self.samples
            .add(&format!("memories_list, {which} of {limit}"), n);
        ensure!(
            page.items.len() == limit as usize,
            "memories_list gave another number of memories"
        );
        Ok(())
    }
}
