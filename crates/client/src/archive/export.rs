//! A vault into a folder: everything the first time, and then what has changed.
//!
//! What the vault lists as it was is taken from the folder; the rest is read, and of its files those travel that the folder
//! does not hold. Every file is compared with the SHA-256 that the vault recorded before it takes its name, and the
//! manifests come last: while they are not there, a marker says that the folder is no archive yet.

mod capsule;
mod memory;
mod texts;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};

use keepsake_api::{CapsuleHeader, Error as VaultError, PersonRef};
use serde::{Deserialize, Serialize};

pub use self::capsule::portable_memory;
use self::capsule::{Before, Exported, export_capsule};
pub(super) use self::memory::complete;
use super::{
    ArchiveError, Watch, blocking,
    files::{ArchiveFile, Root},
    manifest::{DATA, Entry, MANIFEST, Manifest, SUMS, TAG_SUMS, sums},
    names,
    source::{self, SourceCapsule, SourceGroup, SourceMemory},
    values::Time,
};
use crate::{ClientError, Vault};

/// The folder of the caller's own capsule.
pub const OWN: &str = "mine";

/// What to export, and how.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Capsules by id; none: every one that the caller owns, controls or is the subject of.
    pub capsules: Vec<String>,
    /// Take from the folder what is no more in the vault.
    pub delete: bool,
    /// Memories on their way side by side; at least 1.
    pub jobs: usize,
}

/// The run as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportSummary {
    pub capsules: usize,
    /// Memories in the archive.
    pub memories: usize,
    /// Files in the archive.
    pub files: usize,
    /// Bytes in the archive.
    pub bytes: u64,
}

/// What a capsule is about, wherever it is kept: the file in its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapsuleFile {
    format: String,
    version: u32,
    /// Whether it was its owner's own.
    pub own: bool,
    /// Whom it is about; absent for one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PersonRef>,
    /// Which of several capsules about the same subject, from 1 on.
    pub number: usize,
}

const CAPSULE_FORMAT: &str = "keepsake capsule";

impl CapsuleFile {
    pub fn parse(bytes: &[u8], what: &str) -> Result<Self, ArchiveError> {
        let malformed = |reason: String| ArchiveError::Malformed {
            what: what.to_owned(),
            reason,
        };
        let file: CapsuleFile =
            serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        if file.format != CAPSULE_FORMAT || file.version != 1 {
            return Err(malformed("it is of another version".to_owned()));
        }
        Ok(file)
    }
}

/// A capsule that the caller sees, and its place in an archive.
#[derive(Clone, Debug)]
pub struct Placed {
    pub header: CapsuleHeader,
    /// Below `data/`.
    pub folder: String,
    pub file: CapsuleFile,
}

/// Exports into the folder at `dir`.
///
/// # Errors
/// [`ArchiveError::NotEmpty`], [`ArchiveError::OtherCapsule`] and [`ArchiveError::Busy`] before anything is written; what
/// keeps the vault from answering or the disk from taking more. What concerns one memory only is told to `watch`.
pub async fn export(
    vault: &Vault,
    dir: &Path,
    options: &ExportOptions,
    watch: &dyn Watch,
) -> Result<ExportSummary, ArchiveError> {
    let root = Root::new(dir);
    let before = {
        let root = root.clone();
        blocking(move || look(&root)).await?
    };
    let placed = place(vault, &before, &root).await?;
    for id in &options.capsules {
        if placed.iter().all(|capsule| capsule.header.id != *id) {
            // The vault says what is wrong with it.
            vault.capsules_read_basic(Some(id)).await?;
            return Err(ClientError::Vault {
                method: "capsules_read_basic",
                error: VaultError::NotFound,
            }
            .into());
        }
    }
    let writing = {
        let root = root.clone();
        blocking(move || root.begin()).await?
    };
    let mut manifest = Manifest::default();
    let mut tags = Vec::new();
    let mut chosen = HashSet::new();
    for capsule in &placed {
        if !options.capsules.is_empty() && !options.capsules.contains(&capsule.header.id) {
            continue;
        }
        chosen.insert(format!("{DATA}/{}", capsule.folder));
        let known = before.of(&capsule.folder);
        let source_before = known.as_ref().map(|(source, _)| *source);
        let Exported {
            mut memories,
            sources,
            ..
        } = export_capsule(vault, &root, capsule, known, options, watch).await?;
        if !options.delete {
            let nobodys = before.nobodys(&capsule.folder, &memories);
            memories.extend(nobodys);
        }
        let described = described_capsule(vault, capsule, source_before).await?;
        let (root, capsule) = (root.clone(), capsule.clone());
        let (entry, tag) = blocking(move || {
            let mut bytes = serde_json::to_vec_pretty(&capsule.file).unwrap_or_default();
            bytes.push(b'\n');
            let path = format!("{DATA}/{}/capsule.json", capsule.folder);
            let file = root.write(&path, &bytes)?;
            let lines = source::lines(&described, &sources)?;
            let tag = root.write(&source::path_of(&capsule.folder), &lines)?;
            Ok((Entry::new(file, Vec::new()), tag))
        })
        .await?;
        manifest.capsules.push(entry);
        manifest.memories.extend(memories);
        tags.push(tag);
    }
    let summary = {
        let root = root.clone();
        let kept = |entry: &&Entry| !chosen.contains(entry.capsule_folder());
        manifest
            .capsules
            .extend(before.manifest.capsules.iter().filter(kept).cloned());
        manifest
            .memories
            .extend(before.manifest.memories.iter().filter(kept).cloned());
        manifest.sort();
        blocking(move || {
            let summary = ExportSummary {
                capsules: manifest.capsules.len(),
                memories: manifest.memories.len(),
                files: manifest.files().count(),
                bytes: manifest.bytes(),
            };
            finish(&root, &before, &manifest, tags)?;
            root.end(writing)?;
            Ok(summary)
        })
        .await?
    };
    Ok(summary)
}

/// The caller's capsules with their places, as an archive that nothing is in yet would have them.
///
/// # Errors
/// What keeps the vault from answering.
pub async fn capsules(vault: &Vault) -> Result<Vec<Placed>, ArchiveError> {
    place(vault, &Folder::default(), &Root::new(Path::new(""))).await
}

/// What the folder held when the export began.
#[derive(Default)]
struct Folder {
    manifest: Manifest,
    /// By folder below `data/`.
    sources: BTreeMap<String, (SourceCapsule, Vec<SourceMemory>)>,
}

impl Folder {
    fn of(&self, folder: &str) -> Option<(&SourceCapsule, Before<'_>)> {
        let (capsule, memories) = self.sources.get(folder)?;
        let path = format!("{DATA}/{folder}");
        let entries: HashMap<&str, &Entry> = self
            .manifest
            .memories
            .iter()
            .filter(|entry| entry.capsule_folder() == path)
            .map(|entry| (entry.path(), entry))
            .collect();
        Some((capsule, Before { memories, entries }))
    }

    /// Memories of the folder of which it is not known any more what they were in the vault, because `source/` was lost: what is
    /// not written anew stays.
    fn nobodys(&self, folder: &str, written: &[Entry]) -> Vec<Entry> {
        let sources = self.sources.get(folder).map(|(_, memories)| memories);
        let known: HashSet<&str> = sources
            .into_iter()
            .flatten()
            .map(|memory| memory.sidecar.as_str())
            .collect();
        let taken: HashSet<&str> = written
            .iter()
            .flat_map(|entry| &entry.files)
            .map(|file| file.path.as_str())
            .collect();
        let path = format!("{DATA}/{folder}");
        self.manifest
            .memories
            .iter()
            .filter(|entry| entry.capsule_folder() == path && !known.contains(entry.path()))
            .filter(|entry| {
                let mut files = entry.files.iter();
                files.all(|file| !taken.contains(file.path.as_str()))
            })
            .cloned()
            .collect()
    }
}

/// Reads what is in the folder. Blocking.
fn look(root: &Root) -> Result<Folder, ArchiveError> {
    let Some(manifest) = Manifest::read(root)? else {
        if root.is_empty()? || root.is_unfinished() {
            return Ok(Folder::default());
        }
        return Err(ArchiveError::NotEmpty {
            dir: root.dir().to_owned(),
        });
    };
    let mut sources = BTreeMap::new();
    for entry in &manifest.capsules {
        let folder = entry.capsule_folder();
        let folder = folder.split('/').nth(1).unwrap_or_default();
        if let Some(source) = source::read(root, folder) {
            sources.insert(folder.to_owned(), source);
        }
    }
    Ok(Folder { manifest, sources })
}

/// Gives each capsule the folder that it has, or one that is free.
async fn place(vault: &Vault, before: &Folder, root: &Root) -> Result<Vec<Placed>, ArchiveError> {
    let mut headers = vault.capsules_list().await?;
    let own = match vault.capsules_read_basic(None).await {
        Ok(info) => Some(info.capsule_id),
        Err(ClientError::Vault {
            error: VaultError::NotFound,
            ..
        }) => None,
        Err(e) => return Err(e.into()),
    };
    headers.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    let folder_before = |id: &str| {
        let mut sources = before.sources.iter();
        sources
            .find(|(_, (capsule, _))| capsule.capsule_id == id)
            .map(|(folder, _)| folder.clone())
    };
    let mut taken: Vec<String> = before.sources.keys().cloned().collect();
    taken.push(OWN.to_owned());
    let mut placed: Vec<Placed> = Vec::with_capacity(headers.len());
    for header in headers {
        let is_own = own.as_ref() == Some(&header.id);
        let folder = match folder_before(&header.id) {
            Some(folder) => folder,
            None if is_own => match before.sources.get(OWN) {
                Some((other, _)) => {
                    return Err(ArchiveError::OtherCapsule {
                        dir: root.dir().to_owned(),
                        capsule_id: other.capsule_id.clone(),
                    });
                }
                None => OWN.to_owned(),
            },
            None => {
                let name = match &header.subject {
                    PersonRef::Principal(principal) => principal.to_text(),
                    PersonRef::Opaque(name) => names::folder_name(name),
                };
                names::free_name(&name, |name| taken.iter().any(|t| names::same(t, name)))
            }
        };
        taken.push(folder.clone());
        let number = 1 + placed
            .iter()
            .filter(|other| !other.file.own && other.header.subject == header.subject)
            .count();
        placed.push(Placed {
            file: CapsuleFile {
                format: CAPSULE_FORMAT.to_owned(),
                version: 1,
                own: is_own,
                subject: (!is_own).then(|| header.subject.clone()),
                number: if is_own { 1 } else { number },
            },
            header,
            folder,
        });
    }
    Ok(placed)
}

/// What the vault says of the capsule; asked only where it has changed.
async fn described_capsule(
    vault: &Vault,
    capsule: &Placed,
    before: Option<&SourceCapsule>,
) -> Result<SourceCapsule, ArchiveError> {
    let header = &capsule.header;
    if let Some(before) = before
        && before.updated_at.0 == header.updated_at
        && before.vault == vault.canister_id().to_text()
    {
        return Ok(before.clone());
    }
    let full = vault.capsules_read_full(Some(&header.id)).await?;
    let groups = full
        .connection_groups
        .into_iter()
        .map(|(id, group)| SourceGroup {
            id,
            name: group.name,
            members: group.members,
        });
    Ok(SourceCapsule {
        vault: vault.canister_id().to_text(),
        capsule_id: header.id.clone(),
        subject: header.subject.clone(),
        created_at: Time(header.created_at),
        updated_at: Time(header.updated_at),
        owners: full.owners.into_iter().map(|(person, _)| person).collect(),
        controllers: full
            .controllers
            .into_iter()
            .map(|(person, _)| person)
            .collect(),
        connection_groups: groups.collect(),
    })
}

/// Writes the manifests, ours last, and takes away what they name no more. Blocking.
fn finish(
    root: &Root,
    before: &Folder,
    manifest: &Manifest,
    mut tags: Vec<ArchiveFile>,
) -> Result<(), ArchiveError> {
    let described: HashSet<&str> = tags.iter().map(|tag| tag.path.as_str()).collect();
    let kept: Vec<String> = before
        .sources
        .keys()
        .map(|folder| source::path_of(folder))
        .filter(|path| !described.contains(path.as_str()))
        .collect();
    for path in kept {
        tags.push(root.describe(&path)?);
    }
    root.sync_folders(manifest.files().map(|file| file.path.as_str()))?;
    tags.push(root.write("README.txt", texts::README.as_bytes())?);
    tags.push(root.write("bagit.txt", texts::BAGIT.as_bytes())?);
    let info = texts::bag_info(manifest.files().count(), manifest.bytes());
    tags.push(root.write("bag-info.txt", info.as_bytes())?);
    tags.push(root.write(SUMS, manifest.sums().as_bytes())?);
    let lines = manifest.lines()?;
    tags.push(super::files::described(MANIFEST, &lines));
    root.write(TAG_SUMS, sums(tags.iter()).as_bytes())?;
    root.write(MANIFEST, &lines)?;
    root.sync_folders([MANIFEST, "source/x"])?;
    let named: HashSet<&str> = manifest.files().map(|file| file.path.as_str()).collect();
    for file in before.manifest.files() {
        if !named.contains(file.path.as_str()) {
            root.remove(&file.path)?;
        }
    }
    Ok(())
}
