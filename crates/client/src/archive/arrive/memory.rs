//! One memory into a capsule.
//!
//! It is created with the asset that it is known by, under a key that follows from what it is; then what it lacks is added, in
//! as few calls as messages allow; then it is read back. A run that ends anywhere in between is completed by the next one.

use std::collections::HashMap;

use keepsake_api::{
    AssetType, Error as VaultError, InlineAssetInput, InternalBlobAssetInput, Memory,
    MemoryUpdateData,
};
use sha2::{Digest, Sha256};

use super::Bringing;
use crate::{
    ClientError, NewContent,
    archive::{
        ArchiveError, FileReport, MemoryReport, Status, Watch,
        export::portable_memory,
        portable::{Elsewhere, Portable, PortableAsset},
        target::Found,
        transfer::{Held, Sender},
        values::Hash,
    },
};

/// Most blobs, and most inline assets, of one call.
const MOST_OF_A_KIND: usize = 100;

/// Bytes of inline content and metadata in one call, of the 2 MiB that a message may have.
const MOST_BYTES: usize = 1_000_000;

/// What a memory without any asset is created with; it is removed at once.
const NOTHING: &[u8] = b"";

/// A memory on its way into a capsule.
pub(super) struct Arrival<'a> {
    pub sender: &'a Sender,
    pub one: &'a Bringing,
    pub digest: Hash,
    /// Whether what is there is brought up to date.
    pub update: bool,
    pub watch: &'a dyn Watch,
}

/// Brings the memory.
///
/// # Errors
/// What kept it from arriving whole.
pub(super) async fn arrive(
    arrival: &Arrival<'_>,
    found: Found,
) -> Result<MemoryReport, ArchiveError> {
    let mut files = Vec::new();
    let (id, is_new) = match found {
        Found::Same(id) | Found::Differs(id) => (id, false),
        Found::New(number) => (arrival.create(number, &mut files).await?, true),
    };
    let status = arrival.complete(&id, is_new, &mut files).await?;
    Ok(MemoryReport {
        status,
        name: arrival.one.name.clone(),
        memory_id: Some(id),
        files,
        error: None,
    })
}

impl Arrival<'_> {
    fn wanted(&self) -> &Portable {
        &self.one.portable
    }

    /// Creates the memory with its first asset. The same memory is created once, whoever asks again.
    async fn create(
        &self,
        number: usize,
        files: &mut Vec<FileReport>,
    ) -> Result<String, ArchiveError> {
        let idem = format!("archive:{}:{number}", self.digest);
        let vault = &self.sender.vault;
        let capsule = &self.sender.capsule_id;
        let mut elsewhere = self
            .wanted()
            .assets
            .iter()
            .filter_map(|asset| Some((asset, asset.kept_elsewhere.as_ref()?)));
        let (first, second) = (elsewhere.next(), elsewhere.next());
        if second.is_some() {
            return Err(ArchiveError::CannotArrive {
                reason: "several of its files are kept elsewhere, and a vault takes one".to_owned(),
            });
        }
        if let Some((asset, elsewhere)) = first {
            let content = external(asset, elsewhere);
            return Ok(vault
                .memories_create(capsule, content, &asset.metadata(), &idem)
                .await?);
        }
        let metadata = self.wanted().metadata();
        let Some((asset, held)) = self.wanted().assets.first().zip(self.one.contents.first())
        else {
            return self.create_empty(&idem).await;
        };
        let blob = self.blob(asset, held.as_ref(), files).await?;
        Ok(vault
            .memories_create_with_internal_blobs(capsule, &metadata, &[blob], &idem)
            .await?)
    }

    /// A vault creates no memory without an asset, but keeps one whose assets were removed.
    async fn create_empty(&self, idem: &str) -> Result<String, ArchiveError> {
        let vault = &self.sender.vault;
        let mut base = PortableAsset::nothing().metadata();
        base.base_mut().bytes = NOTHING.len() as u64;
        let nothing = InlineAssetInput {
            bytes: NOTHING.to_vec().into(),
            metadata: base,
        };
        let id = vault
            .memories_create_with_internal_blobs_and_inline_assets(
                &self.sender.capsule_id,
                &self.wanted().metadata(),
                &[],
                &[nothing],
                idem,
            )
            .await?;
        vault.memories_cleanup_assets_all(&id).await?;
        Ok(id)
    }

    /// Adds what the memory lacks, and says of it what is to be said, where it is new or to be brought up to date.
    async fn complete(
        &self,
        id: &str,
        is_new: bool,
        files: &mut Vec<FileReport>,
    ) -> Result<Status, ArchiveError> {
        let mut changed = false;
        // Once to see and do, once to see that it is done.
        for last_look in [false, true] {
            let (there, _, memory) = portable_memory(&self.sender.vault, id)
                .await?
                .ok_or_else(|| gone(id))?;
            let missing = self.missing(&there)?;
            let says_otherwise = there.memory != self.wanted().memory;
            // One that was created from content kept elsewhere and never touched since, is one that was not completed.
            let says = says_otherwise && (is_new || self.update || is_untouched(&memory));
            if missing.is_empty() && !says {
                return Ok(match (is_new, changed, says_otherwise) {
                    (true, _, _) => Status::Added,
                    (false, true, false) => Status::Updated,
                    (false, _, true) => Status::Differs,
                    (false, false, false) => Status::Unchanged,
                });
            }
            if last_look {
                break;
            }
            changed = true;
            if says {
                let changes = MemoryUpdateData {
                    metadata: Some(self.wanted().metadata()),
                    ..MemoryUpdateData::default()
                };
                self.sender.vault.memories_update(id, &changes).await?;
            }
            self.add(id, there.assets.len(), &missing, files).await?;
        }
        Err(ArchiveError::CannotArrive {
            reason: format!("memory {id} is not in the vault as it was sent"),
        })
    }

    /// Places of the assets that are wanted and not there; copies count one by one.
    fn missing(&self, there: &Portable) -> Result<Vec<usize>, ArchiveError> {
        let mut have: HashMap<Hash, usize> = HashMap::new();
        for asset in &there.assets {
            *have.entry(asset.digest()?).or_default() += 1;
        }
        let mut missing = Vec::new();
        for (place, asset) in self.wanted().assets.iter().enumerate() {
            match have.get_mut(&asset.digest()?) {
                Some(left) if *left > 0 => *left -= 1,
                _ => missing.push(place),
            }
        }
        Ok(missing)
    }

    /// Adds assets to the `there` that the memory has, in calls that messages can carry.
    async fn add(
        &self,
        id: &str,
        there: usize,
        missing: &[usize],
        files: &mut Vec<FileReport>,
    ) -> Result<(), ArchiveError> {
        let mut batch = Batch::after(there);
        for &place in missing {
            let (Some(asset), Some(held)) = (
                self.wanted().assets.get(place),
                self.one.contents.get(place),
            ) else {
                continue;
            };
            let Some(held) = held else {
                return Err(ArchiveError::CannotArrive {
                    reason: format!(
                        "{:?} is kept elsewhere, and a vault takes such content only with a new memory",
                        asset.name
                    ),
                });
            };
            // The vault's metadata is at most as long as its JSON.
            let metadata_len = serde_json::to_vec(asset).map_or(MOST_BYTES, |json| json.len());
            let inline = asset.asset_type == AssetType::Placeholder
                && asset.bytes <= u64::from(self.sender.config.inline_max)
                && !self.sender.is_inline_spent();
            let len = metadata_len + if inline { asset.bytes as usize } else { 0 };
            if batch.is_full(len) {
                let next = Batch::after(batch.there + batch.len());
                self.send(id, std::mem::replace(&mut batch, next)).await?;
            }
            batch.bytes += len;
            batch.hasher.update(asset.digest()?.0);
            if inline {
                files.push(report(asset, true));
                batch.inline.push((place, inline_input(asset, held).await?));
            } else {
                let blob = self.blob(asset, Some(held), files).await?;
                batch.blobs.push(blob);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.send(id, batch).await
    }

    /// One call; where the capsule's inline budget does not take it, small assets go as blobs.
    async fn send(&self, id: &str, mut batch: Batch) -> Result<(), ArchiveError> {
        let vault = &self.sender.vault;
        let idem = format!("archive:{}", Hash(batch.hasher.finalize().into()));
        let inline: Vec<InlineAssetInput> = batch
            .inline
            .iter()
            .map(|(_, input)| input.clone())
            .collect();
        match vault
            .memories_add_assets(id, &batch.blobs, &inline, &idem)
            .await
        {
            Ok(_) => return Ok(()),
            Err(ClientError::Vault {
                error: VaultError::ResourceExhausted,
                ..
            }) if !inline.is_empty() => self.sender.inline_is_spent(),
            Err(e) => return Err(e.into()),
        }
        for (place, _) in std::mem::take(&mut batch.inline) {
            if let (Some(asset), Some(held)) = (
                self.wanted().assets.get(place),
                self.one.contents.get(place),
            ) {
                // It was counted as travelled already, and does not travel twice in the report.
                let mut again = Vec::new();
                let blob = self.blob(asset, held.as_ref(), &mut again).await?;
                batch.blobs.push(blob);
            }
        }
        // Kinds may pass what one call takes only now.
        for (part, blobs) in batch.blobs.chunks(MOST_OF_A_KIND).enumerate() {
            let idem = format!("{idem}:{part}");
            vault.memories_add_assets(id, blobs, &[], &idem).await?;
        }
        Ok(())
    }

    async fn blob(
        &self,
        asset: &PortableAsset,
        held: Option<&Held>,
        files: &mut Vec<FileReport>,
    ) -> Result<InternalBlobAssetInput, ArchiveError> {
        let (Some(sha256), Some(held)) = (asset.sha256, held) else {
            return Err(ArchiveError::CannotArrive {
                reason: format!("the content of {:?} is not there", asset.name),
            });
        };
        let (blob_id, travelled) = self
            .sender
            .blob(sha256, asset.bytes, held, self.watch)
            .await?;
        files.push(report(asset, travelled));
        Ok(InternalBlobAssetInput {
            blob_id,
            metadata: asset.metadata(),
        })
    }
}

/// Assets of one call.
struct Batch {
    /// How many the memory has before it: of two calls with equal assets each adds its own.
    there: usize,
    blobs: Vec<InternalBlobAssetInput>,
    /// With their places.
    inline: Vec<(usize, InlineAssetInput)>,
    bytes: usize,
    /// Of what the assets are: the call's key follows from it.
    hasher: Sha256,
}

impl Batch {
    fn after(there: usize) -> Self {
        let mut hasher = Sha256::new();
        hasher.update((there as u64).to_be_bytes());
        Batch {
            there,
            blobs: Vec::new(),
            inline: Vec::new(),
            bytes: 0,
            hasher,
        }
    }

    fn len(&self) -> usize {
        self.blobs.len() + self.inline.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether another asset of this length is one too many.
    fn is_full(&self, len: usize) -> bool {
        !self.is_empty()
            && (self.bytes + len > MOST_BYTES
                || self.blobs.len() >= MOST_OF_A_KIND
                || self.inline.len() >= MOST_OF_A_KIND)
    }
}

async fn inline_input(
    asset: &PortableAsset,
    held: &Held,
) -> Result<InlineAssetInput, ArchiveError> {
    let bytes = held.bytes(asset.bytes).await?;
    let sha256 = Hash(Sha256::digest(&bytes).into());
    if asset.sha256 != Some(sha256) {
        return Err(ArchiveError::CannotArrive {
            reason: format!("{:?} changed while it was being read", asset.name),
        });
    }
    Ok(InlineAssetInput {
        bytes: bytes.into(),
        metadata: asset.metadata(),
    })
}

fn external<'a>(asset: &PortableAsset, elsewhere: &Elsewhere) -> NewContent<'a> {
    NewContent::External {
        location: elsewhere.location,
        storage_key: elsewhere.storage_key.clone(),
        url: elsewhere.url.clone(),
        // A vault says 0 of content whose length it does not know.
        size: (asset.bytes > 0).then_some(asset.bytes),
        sha256: asset.sha256.map(|hash| hash.0),
    }
}

fn report(asset: &PortableAsset, moved: bool) -> FileReport {
    FileReport {
        path: asset.name.clone(),
        bytes: asset.bytes,
        moved,
    }
}

/// Whether nothing happened to the memory since a call created it from content kept elsewhere.
fn is_untouched(memory: &Memory) -> bool {
    !memory.blob_external_assets.is_empty()
        && memory.metadata.updated_at == memory.metadata.created_at
}

fn gone(id: &str) -> ArchiveError {
    ArchiveError::CannotArrive {
        reason: format!("memory {id} was deleted while it was being brought"),
    }
}
