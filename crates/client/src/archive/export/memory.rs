//! One memory on its way into a folder: its files, verified, and then all of them at once under their names.

use std::collections::HashMap;

use keepsake_api::MemoryAssetData;
use tokio::io::AsyncWriteExt;

use super::capsule::Planned;
use crate::{
    ClientError, Vault,
    archive::{
        ArchiveError, FileReport, MemoryReport, Status, Watch, blocking,
        files::{ArchiveFile, Incoming, Root, described},
        manifest::Entry,
        names::Paths,
        portable::Portable,
        source::SourceMemory,
        values::{Hash, Time},
        xmp,
    },
    download::{AssetRef, Place, read_asset},
};

/// A memory with its names.
pub(super) struct Job {
    source: SourceMemory,
    before: Option<Entry>,
    contents: Option<Vec<AssetRef>>,
    date: Option<Time>,
    sidecar: (ArchiveFile, Vec<u8>),
    xmp: (ArchiveFile, Vec<u8>),
    /// The content of each asset that is kept in the vault, with its place in the portable order.
    wanted: Vec<(usize, ArchiveFile)>,
    /// Files that the folder holds under other names, on their way to these.
    moved: Vec<(ArchiveFile, Incoming)>,
}

/// What became of it.
pub(super) enum Written {
    Done {
        entry: Entry,
        source: SourceMemory,
        report: MemoryReport,
    },
    Failed {
        before: Option<Entry>,
        source: SourceMemory,
        report: MemoryReport,
    },
}

impl Job {
    /// Fixes what the files will be; `base` is the capsule's folder.
    pub fn new(planned: Planned, paths: &Paths, base: &str) -> Result<Self, ArchiveError> {
        let mut portable: Portable = planned.portable;
        let folder = format!("{base}/{}", paths.folder);
        let mut wanted = Vec::new();
        for (at, (asset, file)) in portable.assets.iter_mut().zip(&paths.assets).enumerate() {
            asset.file.clone_from(file);
            if let Some(file) = file {
                // A vault tells the hash of everything that it keeps.
                let sha256 = asset.sha256.ok_or_else(|| ArchiveError::Malformed {
                    what: format!("the vault's answer about {}", planned.source.memory_id),
                    reason: format!("{file} has no SHA-256"),
                })?;
                wanted.push((
                    at,
                    ArchiveFile {
                        path: format!("{folder}/{file}"),
                        bytes: asset.bytes,
                        sha256,
                    },
                ));
            }
        }
        let text =
            |name: &str, bytes: Vec<u8>| (described(&format!("{folder}/{name}"), &bytes), bytes);
        Ok(Job {
            sidecar: text(&paths.sidecar, portable.sidecar()?),
            xmp: text(&paths.xmp, xmp::sidecar(&portable).into_bytes()),
            date: portable.memory.file_created_at.or(portable.date()),
            source: planned.source,
            before: planned.before,
            contents: planned.contents,
            wanted,
            moved: Vec::new(),
        })
    }

    /// Whether the last export wrote this file and it still has its length.
    fn is_vouched_for(&self, root: &Root, wanted: &ArchiveFile) -> bool {
        let files = self.before.iter().flat_map(|entry| &entry.files);
        files.into_iter().any(|file| file == wanted) && root.still_has(wanted)
    }
}

/// Takes the files that get other names out of the way, under no name at all. Blocking.
pub(super) fn link_moved(root: &Root, mut jobs: Vec<Job>) -> Result<Vec<Job>, ArchiveError> {
    let stays: HashMap<String, Hash> = jobs
        .iter()
        .flat_map(|job| &job.wanted)
        .map(|(_, file)| (file.path.clone(), file.sha256))
        .collect();
    for job in &mut jobs {
        let Some(before) = job.before.clone() else {
            continue;
        };
        let wanted: Vec<ArchiveFile> = job.wanted.iter().map(|(_, file)| file.clone()).collect();
        for file in wanted {
            if job.is_vouched_for(root, &file) {
                continue;
            }
            let old = before.files.iter().find(|old| {
                old.sha256 == file.sha256 && old.bytes == file.bytes && root.still_has(old)
            });
            if let Some(old) = old {
                let needed_there = stays.get(&old.path) == Some(&old.sha256);
                job.moved.push((file, root.link(&old.path, !needed_there)?));
            }
        }
    }
    Ok(jobs)
}

/// Writes what is not there.
///
/// # Errors
/// What ends the run; what is this memory's alone is in the answer.
pub(super) async fn write(
    vault: &Vault,
    root: &Root,
    mut job: Job,
    watch: &dyn Watch,
) -> Result<Written, ArchiveError> {
    match fetch(vault, root, &mut job, watch).await {
        Ok(fetched) => {
            let root = root.clone();
            blocking(move || settle(&root, job, fetched)).await
        }
        Err(e) if e.is_one_memorys() => Ok(Written::Failed {
            report: MemoryReport {
                status: Status::Failed,
                name: job.sidecar.0.path.clone(),
                memory_id: Some(job.source.memory_id.clone()),
                files: Vec::new(),
                error: Some(e.to_string()),
            },
            before: job.before,
            source: job.source,
        }),
        Err(e) => Err(e),
    }
}

/// Files that came from the vault.
type Fetched = Vec<(ArchiveFile, Incoming)>;

/// Reads from the vault what the folder does not hold.
async fn fetch(
    vault: &Vault,
    root: &Root,
    job: &mut Job,
    watch: &dyn Watch,
) -> Result<Fetched, ArchiveError> {
    let Some(contents) = job.contents.take() else {
        return Ok(Vec::new());
    };
    let lacking: Vec<(usize, ArchiveFile)> = {
        let (root, wanted) = (root.clone(), job.wanted.clone());
        let moved: Vec<ArchiveFile> = job.moved.iter().map(|(file, _)| file.clone()).collect();
        let before = job.before.clone();
        blocking(move || {
            let vouched = |wanted: &ArchiveFile| {
                before
                    .iter()
                    .flat_map(|entry| &entry.files)
                    .any(|file| file == wanted)
                    && root.still_has(wanted)
            };
            // An export that was killed left files that no manifest vouches for: their hashes do.
            Ok(wanted
                .into_iter()
                .filter(|(_, file)| !moved.contains(file) && !vouched(file) && !root.holds(file))
                .collect())
        })
        .await?
    };
    let mut fetched = Vec::new();
    let mut brought = 0;
    for (at, file) in lacking {
        let asset = contents.get(at).ok_or_else(|| ArchiveError::Malformed {
            what: job.source.memory_id.clone(),
            reason: "an asset is not where it was".to_owned(),
        })?;
        let asset = complete(vault, &job.source.memory_id, asset).await?;
        let incoming = root.incoming()?;
        let copy = incoming
            .file
            .try_clone()
            .map_err(|e| ArchiveError::file(root.dir().join(&file.path), e))?;
        let mut out = tokio::fs::File::from_std(copy);
        let read = read_asset(vault, &asset, async |part| {
            watch.advanced(part.len() as u64);
            out.write_all(&part).await
        })
        .await;
        match read {
            Ok(_) => {}
            Err(ClientError::Output(e)) => {
                return Err(ArchiveError::file(root.dir().join(&file.path), e));
            }
            Err(e) => return Err(e.into()),
        }
        out.flush()
            .await
            .map_err(|e| ArchiveError::file(root.dir().join(&file.path), e))?;
        brought += file.bytes;
        fetched.push((file, incoming));
    }
    let all: u64 = job.wanted.iter().map(|(_, file)| file.bytes).sum();
    watch.advanced(all.saturating_sub(brought));
    Ok(fetched)
}

/// The asset with its bytes, where a full answer had left them out.
pub(in crate::archive) async fn complete(
    vault: &Vault,
    memory_id: &str,
    asset: &AssetRef,
) -> Result<AssetRef, ArchiveError> {
    let mut asset = asset.clone();
    if let Place::Inline(bytes) = &asset.place
        && bytes.is_empty()
        && asset.len.is_some_and(|len| len > 0)
        && let MemoryAssetData::Inline { bytes, .. } =
            vault.asset_get_by_id(memory_id, &asset.id).await?
    {
        asset.place = Place::Inline(bytes);
    }
    Ok(asset)
}

/// Flushes everything and gives it its place. Blocking.
fn settle(root: &Root, job: Job, fetched: Fetched) -> Result<Written, ArchiveError> {
    let text_is_there = |(file, _): &(ArchiveFile, Vec<u8>)| job.is_vouched_for(root, file);
    let texts: Vec<&(ArchiveFile, Vec<u8>)> = [&job.xmp, &job.sidecar]
        .into_iter()
        .filter(|text| !text_is_there(text))
        .collect();
    let changed = !texts.is_empty() || !fetched.is_empty() || !job.moved.is_empty();
    let texts: Vec<(ArchiveFile, Vec<u8>)> = texts.into_iter().cloned().collect();
    for (_, incoming) in &fetched {
        incoming.flush(job.date)?;
    }
    let is_fetched = |path: &str| fetched.iter().any(|(file, _)| file.path == path);
    let files: Vec<FileReport> = job
        .wanted
        .iter()
        .map(|(_, file)| FileReport {
            path: file.path.clone(),
            bytes: file.bytes,
            moved: is_fetched(&file.path),
        })
        .collect();
    for (file, incoming) in job.moved.into_iter().chain(fetched) {
        root.place(incoming, &file.path)?;
    }
    for (file, bytes) in texts {
        root.write(&file.path, &bytes)?;
    }
    let others = job
        .wanted
        .into_iter()
        .map(|(_, file)| file)
        .chain([job.xmp.0])
        .collect();
    let mut source = job.source;
    source.sidecar = job.sidecar.0.path.clone();
    let status = match (&job.before, changed) {
        _ if source.gone => Status::Gone,
        (None, _) => Status::Added,
        (Some(_), true) => Status::Updated,
        (Some(_), false) => Status::Unchanged,
    };
    Ok(Written::Done {
        report: MemoryReport {
            status,
            name: job.sidecar.0.path.clone(),
            memory_id: Some(source.memory_id.clone()),
            files,
            error: None,
        },
        entry: Entry::new(job.sidecar.0, others),
        source,
    })
}
