//! Assets on their way into a memory: checked first, all of them, then stored (I2).

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{AssetMetadata, BlobHosting, BlobRef};
use minicbor::Encode;

use super::external::ExternalContent;
use super::record::{AssetRecord, StoredAsset};
use crate::Vault;
use crate::blob::{Blob, BlobStore};
use crate::call::Call;
use crate::capsule::{CapsuleStore, CapsuleUsage};
use crate::error::{Error, Result};
use crate::hash::{Sha256Digest, sha256};
use crate::ids::{AssetId, BlobId, CapsuleId, ContentIdentity, Idem, MemoryId};
use crate::limits;
use crate::person::Person;
use crate::regions::RegionId;
use crate::stored::{Coded, StoredAssetMetadata};

/// An asset whose content and metadata were checked.
pub(super) struct CheckedAsset {
    pub identity: ContentIdentity,
    content: CheckedContent,
    pub metadata: StoredAssetMetadata,
}

enum CheckedContent {
    Inline(Vec<u8>, Sha256Digest),
    Blob(BlobId, u64, Sha256Digest),
    External {
        location: BlobHosting,
        storage_key: String,
        url: Option<String>,
        len: Option<u64>,
        sha256: Option<Sha256Digest>,
    },
}

/// An external asset as the arguments of `memories_create` describe it.
pub(super) struct ExternalInput {
    pub location: BlobHosting,
    pub storage_key: Option<String>,
    pub url: Option<String>,
    pub size: Option<u64>,
    pub sha256: Option<Vec<u8>>,
}

impl<M: StableMemory> Vault<M> {
    /// Checks inline content and its metadata.
    ///
    /// # Errors
    /// [`Error::InlineTooLarge`], [`Error::SizeMismatch`], [`Error::Invalid`] for metadata that is too long.
    pub(super) fn check_inline(
        &self,
        call: Call,
        bytes: Vec<u8>,
        metadata: AssetMetadata,
    ) -> Result<CheckedAsset> {
        if bytes.len() > limits::INLINE_MAX as usize {
            return Err(Error::InlineTooLarge { len: bytes.len() });
        }
        let len = bytes.len() as u64;
        let metadata = check_asset_metadata(call, metadata, len)?;
        let sha256 = sha256(&[&bytes]);
        Ok(CheckedAsset {
            identity: ContentIdentity::Hashed { sha256, len },
            content: CheckedContent::Inline(bytes, sha256),
            metadata,
        })
    }

    /// Checks a reference to a blob of the capsule, and its metadata.
    ///
    /// # Errors
    /// [`Error::BlobIdMalformed`], [`Error::BlobMismatch`], [`Error::SizeMismatch`], [`Error::Invalid`].
    pub(super) fn check_blob(
        &self,
        person: &Person,
        call: Call,
        capsule: CapsuleId,
        reference: &BlobRef,
        metadata: AssetMetadata,
    ) -> Result<CheckedAsset> {
        // Who may manage one memory must not reach the content of others through it: the blob has to be readable to the caller.
        let blob = self
            .blobs
            .get(BlobId::parse(&reference.locator)?)
            .filter(|blob| blob.record.capsule() == capsule)
            .filter(|blob| self.may_read_blob(person, call.now, blob))
            .ok_or_else(|| Error::BlobMismatch("the capsule has no such blob".into()))?;
        let Blob { id, content, .. } = blob;
        if reference.len != 0 && reference.len != content.len {
            return Err(Error::BlobMismatch(format!(
                "{} bytes given, the blob has {}",
                reference.len, content.len
            )));
        }
        if let Some(hash) = &reference.hash
            && hash.as_slice() != content.sha256
        {
            return Err(Error::BlobMismatch(
                "the blob has another SHA-256 than the one given".into(),
            ));
        }
        Ok(CheckedAsset {
            identity: ContentIdentity::Hashed {
                sha256: content.sha256,
                len: content.len,
            },
            metadata: check_asset_metadata(call, metadata, content.len)?,
            content: CheckedContent::Blob(id, content.len, content.sha256),
        })
    }

    /// Checks an external asset and its metadata.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a location, storage key, address or hash that cannot be; [`Error::SizeMismatch`],
    /// [`Error::HashMismatch`] where size or hash is given twice and differs.
    pub(super) fn check_external(
        &self,
        call: Call,
        input: ExternalInput,
        metadata: AssetMetadata,
    ) -> Result<CheckedAsset> {
        if input.location == BlobHosting::Icp {
            return Err(Error::invalid(
                "location",
                "Icp is the vault itself; external content is at S3, VercelBlob, Ipfs, Arweave or Neon",
            ));
        }
        let storage_key = input.storage_key.unwrap_or_default();
        if storage_key.is_empty() || storage_key.len() > limits::EXTERNAL_TEXT_MAX {
            return Err(Error::invalid(
                "storage_key",
                format!(
                    "{} bytes; 1 to {} are allowed",
                    storage_key.len(),
                    limits::EXTERNAL_TEXT_MAX
                ),
            ));
        }
        if let Some(url) = &input.url
            && url.len() > limits::EXTERNAL_TEXT_MAX
        {
            return Err(Error::invalid(
                "url",
                format!(
                    "{} bytes; at most {} are allowed",
                    url.len(),
                    limits::EXTERNAL_TEXT_MAX
                ),
            ));
        }
        let base = metadata.base();
        let given = parse_hash("sha256", input.sha256.as_deref())?;
        let in_metadata = parse_hash(
            "metadata.sha256",
            base.sha256.as_ref().map(|h| h.as_slice()),
        )?;
        if let (Some(a), Some(b)) = (given, in_metadata)
            && a != b
        {
            return Err(Error::HashMismatch(
                "the metadata has another SHA-256 than the argument".into(),
            ));
        }
        let len = match (input.size, base.bytes) {
            (Some(size), _) => Some(size),
            (None, 0) => None,
            (None, bytes) => Some(bytes),
        };
        let sha256 = given.or(in_metadata);
        let identity = match sha256 {
            Some(sha256) => ContentIdentity::Hashed {
                sha256,
                len: len.unwrap_or(0),
            },
            None => ContentIdentity::Located {
                location: input.location,
                storage_key: storage_key.clone(),
                len,
            },
        };
        Ok(CheckedAsset {
            identity,
            metadata: check_asset_metadata(call, metadata, len.unwrap_or(0))?,
            content: CheckedContent::External {
                location: input.location,
                storage_key,
                url: input.url,
                len,
                sha256,
            },
        })
    }

    /// Checks that the capsule's budget takes these assets' inline bytes, and that new content may be taken at all.
    ///
    /// # Errors
    /// [`Error::ResourceExhausted`].
    pub(super) fn check_budget(&self, usage: &CapsuleUsage, assets: &[CheckedAsset]) -> Result<()> {
        let inline: u64 = assets.iter().map(CheckedAsset::inline_len).sum();
        let budget = u64::from(self.settings.get().inline_budget);
        if inline == 0 {
            return Ok(());
        }
        self.check_means()?;
        if usage.inline_bytes + inline > budget {
            return Err(Error::ResourceExhausted);
        }
        self.check_quota(usage, inline)
    }

    /// What storing these assets' content and references needs, counters included.
    pub(super) fn needs_for_assets(&self, assets: &[CheckedAsset]) -> Vec<(RegionId, u64)> {
        let placements: Vec<_> = assets
            .iter()
            .map(CheckedAsset::inline_len)
            .filter(|len| *len > 0)
            .map(|len| self.arena.place(len, false))
            .collect();
        let mut needs = vec![CapsuleStore::<M>::need_for_usage()];
        if !placements.is_empty() {
            let placements: Vec<_> = placements.iter().collect();
            needs.extend(self.arena.needs(&placements, 0));
        }
        let references = assets
            .iter()
            .filter(|asset| matches!(asset.content, CheckedContent::Blob(..)))
            .count();
        let keys: Vec<usize> = assets
            .iter()
            .filter_map(|asset| match &asset.content {
                CheckedContent::External { storage_key, .. } => Some(storage_key.len()),
                _ => None,
            })
            .collect();
        if !keys.is_empty() {
            needs.extend(ExternalContent::<M>::needs(keys.len(), keys.iter().sum()));
        }
        if references > 0 {
            needs.extend(BlobStore::<M>::needs_for_references(references));
        }
        needs
    }

    /// Stores content and references. Everything was checked and reserved before. Inline bytes are read back and compared.
    ///
    /// Panics (in a canister: traps, which rolls the message back) where they differ.
    pub(super) fn store_asset(
        &mut self,
        capsule: CapsuleId,
        memory: MemoryId,
        id: AssetId,
        asset: CheckedAsset,
    ) -> AssetRecord {
        let content = match asset.content {
            CheckedContent::Inline(bytes, sha256) => {
                let place = self.arena.take_contiguous(bytes.len() as u64);
                self.arena.write(place, &bytes);
                assert!(
                    self.arena.read(place) == bytes,
                    "post-write verification: inline content does not read back as written"
                );
                StoredAsset::Inline { place, sha256 }
            }
            CheckedContent::Blob(blob, len, sha256) => {
                self.blobs.change_references(blob, memory, 1);
                StoredAsset::Blob {
                    blob: blob.0,
                    len,
                    sha256,
                }
            }
            CheckedContent::External {
                location,
                storage_key,
                url,
                len,
                sha256,
            } => {
                self.external.used(capsule, location, &storage_key);
                StoredAsset::External {
                    location: Coded(location),
                    storage_key,
                    url,
                    len,
                    sha256,
                }
            }
        };
        AssetRecord::new(id, content, asset.metadata)
    }
}

impl CheckedAsset {
    /// Bytes that count against the inline budget.
    pub fn inline_len(&self) -> u64 {
        match &self.content {
            CheckedContent::Inline(bytes, _) => bytes.len() as u64,
            _ => 0,
        }
    }

    /// The record it will become, with everything but the place of inline bytes: for measuring, before anything is stored.
    pub fn preview(&self, id: AssetId) -> AssetRecord {
        let content = match &self.content {
            CheckedContent::Inline(bytes, sha256) => StoredAsset::Inline {
                place: crate::arena::Extent {
                    offset: u64::MAX,
                    len: bytes.len() as u64,
                },
                sha256: *sha256,
            },
            CheckedContent::Blob(blob, len, sha256) => StoredAsset::Blob {
                blob: blob.0,
                len: *len,
                sha256: *sha256,
            },
            CheckedContent::External {
                location,
                storage_key,
                url,
                len,
                sha256,
            } => StoredAsset::External {
                location: Coded(*location),
                storage_key: storage_key.clone(),
                url: url.clone(),
                len: *len,
                sha256: *sha256,
            },
        };
        AssetRecord::new(id, content, self.metadata.clone())
    }
}

/// The ids of assets that one call brings. Equal (content, type) pairs are told apart by their order.
pub(super) fn asset_ids(memory: MemoryId, assets: &[CheckedAsset], idem: Idem) -> Vec<AssetId> {
    let mut ids: Vec<AssetId> = Vec::with_capacity(assets.len());
    for asset in assets {
        let asset_type = asset.metadata.base.asset_type.0;
        let mut occurrence = 0;
        let id = loop {
            let id = AssetId::derive(memory, &asset.identity, asset_type, idem, occurrence);
            if !ids.contains(&id) {
                break id;
            }
            occurrence += 1;
        };
        ids.push(id);
    }
    ids
}

/// # Errors
/// [`Error::Invalid`] for metadata that is longer as stored than [`limits::METADATA_MAX`].
pub(super) fn check_metadata_len(name: &'static str, metadata: &impl Encode<()>) -> Result<()> {
    let len = minicbor::to_vec(metadata).map_or(usize::MAX, |bytes| bytes.len());
    if len > limits::METADATA_MAX {
        return Err(Error::invalid(
            name,
            format!(
                "{len} bytes as stored; at most {} are allowed",
                limits::METADATA_MAX
            ),
        ));
    }
    Ok(())
}

/// Checks an asset's metadata, and fills in what the vault knows of its times.
fn check_asset_metadata(
    call: Call,
    mut metadata: AssetMetadata,
    len: u64,
) -> Result<StoredAssetMetadata> {
    let bytes = metadata.base().bytes;
    if bytes != 0 && bytes != len {
        return Err(Error::SizeMismatch {
            given: bytes,
            actual: len,
        });
    }
    let base = metadata.base_mut();
    base.created_at = call.now;
    base.updated_at = call.now;
    let stored = StoredAssetMetadata::from(metadata);
    check_metadata_len("metadata", &stored)?;
    Ok(stored)
}

fn parse_hash(name: &'static str, bytes: Option<&[u8]>) -> Result<Option<Sha256Digest>> {
    bytes
        .map(|bytes| {
            bytes.try_into().map_err(|_| {
                Error::invalid(name, format!("{} bytes; a SHA-256 has 32", bytes.len()))
            })
        })
        .transpose()
}
