//! Creating memories (contract, "Creating memories"; the numbers in comments are its steps).

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{
    AssetMetadata, BlobHosting, BlobRef, ByteBuf, InlineAssetInput, InternalBlobAssetInput,
    MemoryMetadata, MemoryType,
};

use super::assets::{CheckedAsset, ExternalInput, asset_ids, check_metadata_len};
use super::record::{Memory, MemoryRecord};
use super::store::{MemoryStore, State};
use crate::Vault;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ids::{CapsuleId, Idem, MemoryId};
use crate::limits;
use crate::person::Person;
use crate::stable::Record;
use crate::stored::{Coded, StoredMemoryMetadata};

/// The arguments of `memories_create`. Exactly one of `inline`, `blob` and `location` must be there; the other external arguments
/// count only with a location.
pub struct NewMemory {
    pub capsule: String,
    pub inline: Option<ByteBuf>,
    pub blob: Option<BlobRef>,
    pub location: Option<BlobHosting>,
    pub storage_key: Option<String>,
    pub url: Option<String>,
    pub size: Option<u64>,
    pub sha256: Option<ByteBuf>,
    pub metadata: AssetMetadata,
    pub idem: String,
}

impl<M: StableMemory> Vault<M> {
    /// Creates a memory of one asset, or returns the one that the same request created before. Where that is in the trash, it is restored as
    /// it was.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a capsule that the caller may not use;
    /// [`Error::IdemEmpty`], [`Error::IdemTooLong`]; [`Error::ExactlyOneAsset`]; those of the asset's kind; and
    /// [`Error::ResourceExhausted`] where the inline budget or the vault is full.
    pub fn memories_create(&mut self, call: Call, new: NewMemory) -> Result<String> {
        let person = self.person(call)?;
        let (capsule, _) = self.capsule_for(&person, &new.capsule)?; // 1
        let idem = Idem::parse(&new.idem)?; // 2
        let memory_metadata = metadata_of_asset(&person, call.now, &new.metadata);
        let asset = match (new.inline, new.blob, new.location) {
            (Some(bytes), None, None) => self.check_inline(call, bytes.into_vec(), new.metadata)?, // 3, 6
            (None, Some(blob), None) => {
                self.check_blob(&person, call, capsule, &blob, new.metadata)?
            } // 4, 6
            (None, None, Some(location)) => {
                let input = ExternalInput {
                    location,
                    storage_key: new.storage_key,
                    url: new.url,
                    size: new.size,
                    sha256: new.sha256.map(ByteBuf::into_vec),
                };
                self.check_external(call, input, new.metadata)? // 5, 6
            }
            (None, None, None) => {
                return Err(Error::ExactlyOneAsset(
                    "none given; inline bytes, a blob reference or an external location is needed"
                        .into(),
                ));
            }
            _ => {
                return Err(Error::ExactlyOneAsset(
                    "several given; inline bytes, a blob reference or an external location is allowed".into(),
                ));
            }
        };
        self.create(call, capsule, idem, memory_metadata, vec![asset])
    }

    /// Creates a memory of blobs and inline assets, in this order, or returns the one that the same request created before. Where that is in
    /// the trash, it is restored as it was.
    ///
    /// # Errors
    /// As [`Self::memories_create`]; [`Error::ExactlyOneAsset`] where there is no asset at all; [`Error::Invalid`] for more than
    /// [`limits::ASSETS_PER_CALL_MAX`] of a kind.
    pub fn memories_create_with_assets(
        &mut self,
        call: Call,
        capsule: &str,
        metadata: MemoryMetadata,
        blobs: Vec<InternalBlobAssetInput>,
        inline: Vec<InlineAssetInput>,
        idem: &str,
    ) -> Result<String> {
        let person = self.person(call)?;
        let (capsule, _) = self.capsule_for(&person, capsule)?;
        let idem = Idem::parse(idem)?;
        let assets = self.check_assets(&person, call, capsule, blobs, inline)?;
        let mut metadata = StoredMemoryMetadata::from(metadata);
        if metadata.created_at == 0 {
            metadata.created_at = call.now;
        }
        metadata.updated_at = call.now;
        metadata.uploaded_at = call.now;
        metadata.created_by = Some(person.acting.to_text());
        self.create(call, capsule, idem, metadata, assets)
    }

    /// Checks the assets of one call, blobs first.
    pub(super) fn check_assets(
        &self,
        person: &Person,
        call: Call,
        capsule: CapsuleId,
        blobs: Vec<InternalBlobAssetInput>,
        inline: Vec<InlineAssetInput>,
    ) -> Result<Vec<CheckedAsset>> {
        for (name, count) in [("blobs", blobs.len()), ("inline_assets", inline.len())] {
            if count > limits::ASSETS_PER_CALL_MAX {
                let most = limits::ASSETS_PER_CALL_MAX;
                return Err(Error::invalid(
                    name,
                    format!("{count}; at most {most} are allowed"),
                ));
            }
        }
        if blobs.is_empty() && inline.is_empty() {
            return Err(Error::ExactlyOneAsset(
                "none given; at least one asset is needed".into(),
            ));
        }
        let mut assets = Vec::with_capacity(blobs.len() + inline.len());
        for input in blobs {
            let reference = BlobRef {
                locator: input.blob_id,
                hash: None,
                len: 0,
            };
            assets.push(self.check_blob(person, call, capsule, &reference, input.metadata)?);
        }
        for input in inline {
            assets.push(self.check_inline(call, input.bytes.into_vec(), input.metadata)?);
        }
        Ok(assets)
    }

    fn create(
        &mut self,
        call: Call,
        capsule: CapsuleId,
        idem: Idem,
        metadata: StoredMemoryMetadata,
        assets: Vec<CheckedAsset>,
    ) -> Result<String> {
        check_metadata_len("metadata", &metadata)?;
        let identities: Vec<_> = assets.iter().map(|asset| &asset.identity).collect();
        let id = MemoryId::derive(capsule, &identities, idem); // 7
        match self.memories.state(id) {
            Some(State::Live) => return Ok(id.to_string()),
            Some(State::Trashed { .. }) => {
                // Its content is there, and so is what was made of it: both come back.
                self.restore_memory(call.now, id)?;
                return Ok(id.to_string());
            }
            Some(State::Deleted { .. }) | None => {}
        }
        let mut usage = self.capsules.usage(capsule);
        self.check_memory_quota(&usage)?;
        self.check_budget(&usage, &assets)?; // 3
        let ids = asset_ids(id, &assets, idem);
        let preview = MemoryRecord {
            metadata: metadata.clone(),
            access: Vec::new(),
            assets: assets
                .iter()
                .zip(&ids)
                .map(|(asset, id)| asset.preview(*id))
                .collect(),
        };
        let record_len = check_record(&preview)?;
        let mut needs = self.needs_for_assets(&assets);
        needs.extend(MemoryStore::<M>::needs(record_len));
        self.regions.reserve(&needs)?;

        usage.memories += 1;
        usage.inline_bytes += assets.iter().map(CheckedAsset::inline_len).sum::<u64>();
        usage.updated_at = call.now;
        self.capsules.set_usage(capsule, &usage);
        let assets = assets
            .into_iter()
            .zip(ids)
            .map(|(asset, asset_id)| self.store_asset(capsule, id, asset_id, asset))
            .collect();
        let memory = Memory {
            id,
            capsule,
            record: MemoryRecord {
                metadata,
                access: Vec::new(),
                assets,
            },
        };
        let written = Record::encode(&memory.record);
        self.memories.put(&memory, written.clone(), None);
        self.verify_written(id, &written); // 8
        Ok(id.to_string())
    }

    /// Reads a memory back and compares it with what was to be written.
    ///
    /// Panics (in a canister: traps, which rolls the message back) on a difference.
    pub(super) fn verify_written(&self, id: MemoryId, written: &Record<MemoryRecord>) {
        assert!(
            self.memories
                .encoded(id)
                .is_some_and(|read| read == *written),
            "post-write verification: the memory does not read back as written"
        );
    }
}

/// # Errors
/// [`Error::ResourceExhausted`] for a record with too many assets or too long for a reply. Returns its length in bytes.
pub(super) fn check_record(record: &MemoryRecord) -> Result<usize> {
    let len = Record::encode(record).len();
    if record.assets.len() > limits::ASSETS_PER_MEMORY_MAX || len > limits::MEMORY_RECORD_MAX {
        return Err(Error::ResourceExhausted);
    }
    Ok(len)
}

/// What `memories_create` says of the memory: as much as its one asset tells.
fn metadata_of_asset(person: &Person, now: u64, asset: &AssetMetadata) -> StoredMemoryMetadata {
    let memory_type = match asset {
        AssetMetadata::Image(_) => MemoryType::Image,
        AssetMetadata::Video(_) => MemoryType::Video,
        AssetMetadata::Audio(_) => MemoryType::Audio,
        AssetMetadata::Document(_) => MemoryType::Document,
        AssetMetadata::Note(_) => MemoryType::Note,
    };
    let base = asset.base();
    StoredMemoryMetadata {
        memory_type: Coded(memory_type),
        title: Some(base.name.clone()),
        description: base.description.clone(),
        content_type: base.mime_type.clone(),
        created_at: now,
        updated_at: now,
        uploaded_at: now,
        date_of_memory: None,
        file_created_at: None,
        parent_folder_id: None,
        tags: base.tags.clone(),
        deleted_at: None,
        people_in_memory: None,
        location: None,
        memory_notes: None,
        created_by: Some(person.acting.to_text()),
        database_storage_edges: vec![Coded(keepsake_api::DatabaseHosting::Icp)],
    }
}
