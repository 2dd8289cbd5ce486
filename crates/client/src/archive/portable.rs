//! What a memory is, wherever it is kept: everything that a person put into it and everything that its files are, and
//! nothing that belongs to one vault (ids, when it came in, who brought it, how the vault stores a file).
//!
//! Two vaults hold the same memory exactly where their portable forms are equal, byte for byte. That is how an import
//! finds what is there, and why an archive of the copy has the same manifest as an archive of the original.
//!
//! Not carried, because no call of the vault can set them: times of upload and change, the creator, and the time of
//! creation of a memory with content kept elsewhere. Who else may see a memory is not carried either, on purpose: a copy
//! is private until its owner shares it.

use std::cmp::Ordering;

use keepsake_api::{
    AssetMetadata, AssetMetadataBase, AssetType, BlobHosting, ByteBuf, DatabaseHosting, Memory,
    MemoryMetadata, MemoryType, SharingStatus,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    ArchiveError,
    details::Details,
    values::{Hash, Time},
};

/// What the first field of a sidecar says.
const FORMAT: &str = "keepsake memory";

/// The version of sidecars that this build writes, and the only one it reads.
const VERSION: u32 = 1;

/// A memory without what belongs to one vault; as JSON, the sidecar of an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portable {
    format: String,
    version: u32,
    pub memory: Said,
    /// The one that the memory is known by first, the others in one order for all vaults.
    pub assets: Vec<PortableAsset>,
}

/// What is said of a memory. Fields as in the interface's `MemoryMetadata`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    pub memory_type: MemoryType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub content_type: String,
    /// Absent for a memory with content kept elsewhere: a vault sets it anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_memory: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_created_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_folder_id: Option<String>,
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people_in_memory: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_notes: Option<String>,
    pub database_storage_edges: Vec<DatabaseHosting>,
}

/// One file of a memory. Fields as in the interface's `AssetMetadataBase`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortableAsset {
    /// Where the file lies, from the sidecar's folder on; absent outside an archive, and for content kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    pub asset_type: AssetType,
    pub name: String,
    pub mime_type: String,
    /// 0 where the content is kept elsewhere and its length is not known.
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_elsewhere: Option<Elsewhere>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing_status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing_error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Time>,
    pub details: Details,
}

/// Where content is that no vault keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    pub location: BlobHosting,
    pub storage_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// By what a memory is found again in another vault after it was edited in one of them: the content that it began with,
/// and when it was created, where that is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

impl Portable {
    /// The portable form of a memory as a vault tells it, and for each of its assets the place in the interface's order
    /// (inline, internal, external).
    pub fn of(memory: &Memory) -> (Self, Vec<usize>) {
        let inline = memory.inline_assets.iter().map(|a| (&a.metadata, None));
        let internal = memory
            .blob_internal_assets
            .iter()
            .map(|a| (&a.metadata, None));
        let external = memory.blob_external_assets.iter().map(|a| {
            let elsewhere = Elsewhere {
                location: a.location,
                storage_key: a.storage_key.clone(),
                url: a.url.clone(),
            };
            (&a.metadata, Some(elsewhere))
        });
        let mut assets: Vec<(PortableAsset, usize)> = inline
            .chain(internal)
            .chain(external)
            .enumerate()
            .map(|(place, (metadata, elsewhere))| (portable_asset(metadata, elsewhere), place))
            .collect();
        // What a vault tells of a blob stands above its metadata.
        let first_blob = memory.inline_assets.len();
        for (blob, (asset, _)) in memory
            .blob_internal_assets
            .iter()
            .zip(&mut assets[first_blob..])
        {
            asset.bytes = blob.blob_ref.len;
            asset.sha256 = as_hash(blob.blob_ref.hash.as_ref()).or(asset.sha256);
        }
        let anchor = anchor_place(memory);
        assets.sort_by(|(a, at), (b, bt)| {
            let not_anchor = |place: &usize| Some(*place) != anchor;
            not_anchor(at)
                .cmp(&not_anchor(bt))
                .then_with(|| a.canonical_order(b))
        });
        let (assets, places) = assets.into_iter().unzip();
        let portable = Portable {
            format: FORMAT.to_owned(),
            version: VERSION,
            memory: said(&memory.metadata, memory.blob_external_assets.is_empty()),
            assets,
        };
        (portable, places)
    }

    /// Reads a sidecar.
    ///
    /// # Errors
    /// [`ArchiveError::Malformed`] for what is no sidecar, or one of another version.
    pub fn parse(bytes: &[u8], what: &str) -> Result<Self, ArchiveError> {
        let malformed = |reason: String| ArchiveError::Malformed {
            what: what.to_owned(),
            reason,
        };
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        if let Ok(Version { version }) = serde_json::from_slice(bytes)
            && version != VERSION
        {
            return Err(malformed(format!(
                "it has version {version}; this build reads version {VERSION}"
            )));
        }
        let portable: Portable =
            serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        if portable.format != FORMAT {
            return Err(malformed(format!("it says it is {:?}", portable.format)));
        }
        Ok(portable)
    }

    /// The sidecar, with a file name for each asset that has one.
    pub fn sidecar(&self) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(unwritable)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Without the names of files, which an archive gives.
    pub fn without_files(&self) -> Self {
        let mut portable = self.clone();
        for asset in &mut portable.assets {
            asset.file = None;
        }
        portable
    }

    /// Equal for equal memories, and only for these. The names of files do not count.
    pub fn digest(&self) -> Result<Hash, ArchiveError> {
        let canonical = serde_json::to_vec(&self.without_files()).map_err(unwritable)?;
        Ok(Hash(Sha256::digest(canonical).into()))
    }

    /// By what it is found again after an edit.
    pub fn key(&self) -> Key {
        let mut hasher = Sha256::new();
        hasher.update(b"keepsake memory key 1\0");
        if let Some(anchor) = self.assets.first() {
            match (anchor.sha256, &anchor.kept_elsewhere) {
                (Some(hash), _) => hasher.update(hash.0),
                (None, Some(at)) => {
                    hasher.update(format!("{:?}\0{}", at.location, at.storage_key));
                }
                (None, None) => {}
            }
            hasher.update(anchor.bytes.to_be_bytes());
        }
        hasher.update([u8::from(self.memory.created_at.is_some())]);
        hasher.update(self.memory.created_at.map_or(0, |at| at.0).to_be_bytes());
        Key(hasher.finalize().into())
    }

    /// What a vault is told of the memory; what it computes is left at zero.
    pub fn metadata(&self) -> MemoryMetadata {
        let said = self.memory.clone();
        MemoryMetadata {
            memory_type: said.memory_type,
            title: said.title,
            description: said.description,
            content_type: said.content_type,
            created_at: said.created_at.map_or(0, |at| at.0),
            updated_at: 0,
            uploaded_at: 0,
            date_of_memory: said.date_of_memory.map(|at| at.0),
            file_created_at: said.file_created_at.map(|at| at.0),
            parent_folder_id: said.parent_folder_id,
            tags: said.tags,
            deleted_at: said.deleted_at.map(|at| at.0),
            people_in_memory: said.people_in_memory,
            location: said.location,
            memory_notes: said.memory_notes,
            created_by: None,
            database_storage_edges: said.database_storage_edges,
            shared_count: 0,
            sharing_status: SharingStatus::Private,
            total_size: 0,
            asset_count: 0,
        }
    }

    /// When it happened, as far as is known and carried: what a person would look for it by.
    pub fn date(&self) -> Option<Time> {
        self.memory
            .date_of_memory
            .or(self.memory.created_at)
            .or(self.memory.file_created_at)
    }

    /// Bytes of all assets together, as vaults count them.
    pub fn total_size(&self) -> u64 {
        self.assets
            .iter()
            .fold(0, |sum, asset| sum.saturating_add(asset.bytes))
    }
}

impl PortableAsset {
    /// No content, of no kind.
    pub(super) fn nothing() -> Self {
        PortableAsset {
            file: None,
            asset_type: AssetType::Original,
            name: String::new(),
            mime_type: String::new(),
            bytes: 0,
            sha256: None,
            kept_elsewhere: None,
            description: None,
            tags: Vec::new(),
            width: None,
            height: None,
            url: None,
            storage_key: None,
            bucket: None,
            asset_location: None,
            processing_status: None,
            processing_error: None,
            deleted_at: None,
            details: Details::Note {
                word_count: None,
                language: None,
                format: None,
            },
        }
    }

    /// Equal for equal assets, and only for these. The file's name in an archive does not count.
    pub fn digest(&self) -> Result<Hash, ArchiveError> {
        let asset = PortableAsset {
            file: None,
            ..self.clone()
        };
        let canonical = serde_json::to_vec(&asset).map_err(unwritable)?;
        Ok(Hash(Sha256::digest(canonical).into()))
    }

    /// One order for all vaults, however they store the assets.
    fn canonical_order(&self, other: &Self) -> Ordering {
        let rank = |asset: &Self| type_rank(asset.asset_type);
        rank(self)
            .cmp(&rank(other))
            .then_with(|| self.name.cmp(&other.name))
            .then_with(|| self.sha256.cmp(&other.sha256))
            .then_with(|| {
                // Both serialise: plain data. Where they did not, they would count as equal, and the sort is stable.
                let text = |asset: &Self| serde_json::to_string(asset).unwrap_or_default();
                text(self).cmp(&text(other))
            })
    }

    /// What a vault is told of the asset; what it computes is left at zero.
    pub fn metadata(&self) -> AssetMetadata {
        let base = AssetMetadataBase {
            name: self.name.clone(),
            description: self.description.clone(),
            tags: self.tags.clone(),
            asset_type: self.asset_type,
            bytes: self.bytes,
            mime_type: self.mime_type.clone(),
            sha256: self.sha256.map(|hash| ByteBuf::from(hash.0.to_vec())),
            width: self.width,
            height: self.height,
            url: self.url.clone(),
            storage_key: self.storage_key.clone(),
            bucket: self.bucket.clone(),
            asset_location: self.asset_location.clone(),
            processing_status: self.processing_status.clone(),
            processing_error: self.processing_error.clone(),
            created_at: 0,
            updated_at: 0,
            deleted_at: self.deleted_at.map(|at| at.0),
        };
        self.details.clone().metadata(base)
    }
}

/// The place (inline, internal, external) of the asset that the memory is known by: the first original among those
/// kept elsewhere, then blobs, then inline ones, else the first asset in that order. A memory that was brought into
/// another vault began there with this one, so that it is the same in both.
fn anchor_place(memory: &Memory) -> Option<usize> {
    let inline = memory.inline_assets.iter().map(|a| &a.metadata);
    let internal = memory.blob_internal_assets.iter().map(|a| &a.metadata);
    let external = memory.blob_external_assets.iter().map(|a| &a.metadata);
    let (first_blob, first_external) = (inline.len(), inline.len() + internal.len());
    let in_order: Vec<(usize, &AssetMetadata)> = (first_external..)
        .zip(external)
        .chain((first_blob..).zip(internal))
        .chain((0..).zip(inline))
        .collect();
    in_order
        .iter()
        .find(|(_, metadata)| metadata.base().asset_type == AssetType::Original)
        .or(in_order.first())
        .map(|(place, _)| *place)
}

fn said(metadata: &MemoryMetadata, created_at_is_carried: bool) -> Said {
    Said {
        memory_type: metadata.memory_type,
        title: metadata.title.clone(),
        description: metadata.description.clone(),
        content_type: metadata.content_type.clone(),
        created_at: created_at_is_carried.then_some(Time(metadata.created_at)),
        date_of_memory: metadata.date_of_memory.map(Time),
        file_created_at: metadata.file_created_at.map(Time),
        parent_folder_id: metadata.parent_folder_id.clone(),
        tags: metadata.tags.clone(),
        deleted_at: metadata.deleted_at.map(Time),
        people_in_memory: metadata.people_in_memory.clone(),
        location: metadata.location.clone(),
        memory_notes: metadata.memory_notes.clone(),
        database_storage_edges: metadata.database_storage_edges.clone(),
    }
}

fn portable_asset(metadata: &AssetMetadata, elsewhere: Option<Elsewhere>) -> PortableAsset {
    let base = metadata.base();
    PortableAsset {
        file: None,
        asset_type: base.asset_type,
        name: base.name.clone(),
        mime_type: base.mime_type.clone(),
        bytes: base.bytes,
        sha256: as_hash(base.sha256.as_ref()),
        kept_elsewhere: elsewhere,
        description: base.description.clone(),
        tags: base.tags.clone(),
        width: base.width,
        height: base.height,
        url: base.url.clone(),
        storage_key: base.storage_key.clone(),
        bucket: base.bucket.clone(),
        asset_location: base.asset_location.clone(),
        processing_status: base.processing_status.clone(),
        processing_error: base.processing_error.clone(),
        deleted_at: base.deleted_at.map(Time),
        details: Details::of(metadata),
    }
}

fn type_rank(asset_type: AssetType) -> u8 {
    match asset_type {
        AssetType::Original => 0,
        AssetType::Metadata => 1,
        AssetType::Display => 2,
        AssetType::Thumbnail => 3,
        AssetType::Placeholder => 4,
    }
}

fn as_hash(bytes: Option<&ByteBuf>) -> Option<Hash> {
    bytes?.as_slice().try_into().ok().map(Hash)
}

/// No value of ours fails to be written as JSON; were there one, it would be told.
fn unwritable(error: serde_json::Error) -> ArchiveError {
    ArchiveError::Malformed {
        what: "the memory".to_owned(),
        reason: error.to_string(),
    }
}
