//! One capsule on its way into a folder: what is there already, what has to be read, what it is all called.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, stream};
use keepsake_api::{Error as VaultError, Memory, MemoryHeader};

use super::{
    ExportOptions, Placed,
    memory::{Job, Written, link_moved, write},
};
use crate::{
    ClientError, Vault,
    archive::{
        ArchiveError, MemoryReport, Status, Watch, blocking,
        files::{Root, described},
        manifest::{DATA, Entry},
        names::name_all,
        portable::Portable,
        source::{SourceCapsule, SourceMemory, listed_digest},
        values::Hash,
    },
    download::{AssetRef, assets_of},
};

/// Memories of a page of the listing.
const PAGE: u32 = 100;

/// Memories read side by side.
const READS: usize = 16;

/// Longest sidecar that is read back, in bytes: above what a memory's record may be in a vault, written at length.
const LONGEST_SIDECAR: u64 = 16 << 20;

/// What the folder holds of the capsule.
#[derive(Clone)]
pub(super) struct Before<'a> {
    pub memories: &'a [SourceMemory],
    /// By the sidecar's path.
    pub entries: HashMap<&'a str, &'a Entry>,
}

/// What the folder holds of the capsule after the export, in the order of sidecars.
pub(super) struct Exported {
    pub memories: Vec<Entry>,
    pub sources: Vec<SourceMemory>,
    /// What the folder had of memories that could not be written now.
    failed: Vec<(Entry, SourceMemory)>,
}

impl Exported {
    /// Keeps what the folder had, unless its names are somebody else's now.
    fn keep(&mut self, failed: Vec<(Entry, SourceMemory)>) {
        let taken: HashSet<String> = self
            .memories
            .iter()
            .flat_map(|entry| &entry.files)
            .map(|file| file.path.clone())
            .collect();
        for (before, mut source) in failed {
            if before.files.iter().all(|file| !taken.contains(&file.path)) {
                source.sidecar = before.path().to_owned();
                self.memories.push(before);
                self.sources.push(source);
            }
        }
        self.sources.sort_by(|a, b| a.sidecar.cmp(&b.sidecar));
    }
}

/// A memory that belongs into the folder.
pub(super) struct Planned {
    pub portable: Portable,
    pub digest: Hash,
    pub source: SourceMemory,
    /// Its files in the folder, as the last export left them.
    pub before: Option<Entry>,
    /// Where the content of each asset is, in the portable order; `None` where the folder holds everything.
    pub contents: Option<Vec<AssetRef>>,
}

/// Exports the memories of one capsule.
pub(super) async fn export_capsule(
    vault: &Vault,
    root: &Root,
    capsule: &Placed,
    known: Option<(&SourceCapsule, Before<'_>)>,
    options: &ExportOptions,
    watch: &dyn Watch,
) -> Result<Exported, ArchiveError> {
    let headers = list(vault, &capsule.header.id).await?;
    let mut kept: Vec<(SourceMemory, Entry)> = Vec::new();
    let mut listed: HashMap<String, MemoryHeader> = HashMap::new();
    let mut to_read: Vec<(MemoryHeader, Option<Entry>)> = Vec::new();
    let mut gone: Vec<(SourceMemory, Entry)> = Vec::new();
    {
        let mut before: HashMap<&str, (&SourceMemory, &Entry)> = HashMap::new();
        if let Some((_, known)) = &known {
            for memory in known.memories {
                if let Some(entry) = known.entries.get(memory.sidecar.as_str()) {
                    before.insert(&memory.memory_id, (memory, entry));
                }
            }
        }
        for header in headers {
            match before.remove(header.id.as_str()) {
                Some((source, entry)) if source.listed == listed_digest(&header) => {
                    kept.push((source.clone(), entry.clone()));
                    listed.insert(header.id.clone(), header);
                }
                Some((_, entry)) => to_read.push((header, Some(entry.clone()))),
                None => to_read.push((header, None)),
            }
        }
        for (source, entry) in before.into_values() {
            gone.push((source.clone(), entry.clone()));
        }
    }
    let mut reports = Vec::new();
    if options.delete {
        for (source, entry) in gone.drain(..) {
            reports.push(of_entry(Status::Removed, &source.memory_id, &entry));
        }
    }
    for (source, _) in &mut gone {
        source.gone = true;
    }
    let (mut planned, damaged) = {
        let root = root.clone();
        let there = [kept, gone].concat();
        blocking(move || Ok(read_back(&root, there))).await?
    };
    let mut failed: Vec<(Entry, SourceMemory)> = Vec::new();
    for (source, entry) in damaged {
        if source.gone {
            let mut report = of_entry(Status::Failed, &source.memory_id, &entry);
            report.error = Some(
                "it is no more in the vault, and its files in the folder are damaged".to_owned(),
            );
            reports.push(report);
            // What is left of it is all that is left of it anywhere.
            failed.push((entry, source));
        } else if let Some(header) = listed.remove(&source.memory_id) {
            to_read.push((header, Some(entry)));
        }
    }
    let bytes = to_read.iter().map(|(header, _)| header.size).sum();
    watch.planned(planned.len() + to_read.len(), bytes);
    for report in &reports {
        watch.done(report).map_err(ArchiveError::Output)?;
    }
    let mut readings = stream::iter(to_read)
        .map(|(header, entry)| async move {
            let read = read_memory(vault, &header).await;
            (header, entry, read)
        })
        .buffer_unordered(READS);
    while let Some((header, before, read)) = readings.next().await {
        match read {
            Ok(Some((portable, digest, source, contents))) => planned.push(Planned {
                portable,
                digest,
                source,
                before,
                contents: Some(contents),
            }),
            // Deleted since it was listed; the next export sees it so.
            Ok(None) => {}
            Err(e) if e.is_one_memorys() => {
                let report = MemoryReport {
                    status: Status::Failed,
                    name: header.title.unwrap_or(header.name),
                    memory_id: Some(header.id),
                    files: Vec::new(),
                    error: Some(e.to_string()),
                };
                watch.done(&report).map_err(ArchiveError::Output)?;
            }
            Err(e) => return Err(e),
        }
    }
    drop(readings);
    let mut exported = write_all(vault, root, &capsule.folder, planned, options, watch).await?;
    failed.append(&mut exported.failed);
    exported.keep(failed);
    Ok(exported)
}

/// Names everything and writes what is not there.
async fn write_all(
    vault: &Vault,
    root: &Root,
    folder: &str,
    mut planned: Vec<Planned>,
    options: &ExportOptions,
    watch: &dyn Watch,
) -> Result<Exported, ArchiveError> {
    // Equal memories keep their names from run to run.
    planned.sort_by(|a, b| (a.digest, &a.source.memory_id).cmp(&(b.digest, &b.source.memory_id)));
    let paths = {
        let memories: Vec<(&Portable, Hash)> =
            planned.iter().map(|p| (&p.portable, p.digest)).collect();
        name_all(&memories)
    };
    let base = format!("{DATA}/{folder}");
    let jobs: Vec<Job> = planned
        .into_iter()
        .zip(paths)
        .map(|(planned, paths)| Job::new(planned, &paths, &base))
        .collect::<Result<_, _>>()?;
    // What is renamed is taken out of the way before anything takes its name.
    let jobs = {
        let root = root.clone();
        blocking(move || link_moved(&root, jobs)).await?
    };
    let mut exported = Exported {
        memories: Vec::new(),
        sources: Vec::new(),
        failed: Vec::new(),
    };
    let mut writings = stream::iter(jobs)
        .map(|job| write(vault, root, job, watch))
        .buffer_unordered(options.jobs.max(1));
    while let Some(written) = writings.next().await {
        match written? {
            Written::Done {
                entry,
                source,
                report,
            } => {
                exported.memories.push(entry);
                exported.sources.push(source);
                watch.done(&report).map_err(ArchiveError::Output)?;
            }
            Written::Failed {
                before,
                source,
                report,
            } => {
                watch.done(&report).map_err(ArchiveError::Output)?;
                exported
                    .failed
                    .extend(before.map(|before| (before, source)));
            }
        }
    }
    Ok(exported)
}

async fn list(vault: &Vault, capsule_id: &str) -> Result<Vec<MemoryHeader>, ArchiveError> {
    let mut headers = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = vault
            .memories_list(capsule_id, cursor.as_deref(), Some(PAGE))
            .await?;
        headers.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(headers);
        }
    }
}

/// A memory with where its content is, in the portable order; `None` where it is no more.
type Read = Option<(Portable, Hash, SourceMemory, Vec<AssetRef>)>;

async fn read_memory(vault: &Vault, header: &MemoryHeader) -> Result<Read, ArchiveError> {
    let Some((portable, contents, memory)) = portable_memory(vault, &header.id).await? else {
        return Ok(None);
    };
    let digest = portable.digest()?;
    let source = SourceMemory::of(&memory, listed_digest(header));
    Ok(Some((portable, digest, source, contents)))
}

/// The portable form of a memory with where its content is; `None` where there is no such memory.
///
/// # Errors
/// [`ArchiveError::Vault`].
pub async fn portable_memory(
    vault: &Vault,
    memory_id: &str,
) -> Result<Option<(Portable, Vec<AssetRef>, Memory)>, ArchiveError> {
    let mut memory = match vault.memories_read(memory_id).await {
        Ok(memory) => memory,
        Err(ClientError::Vault {
            error: VaultError::NotFound,
            ..
        }) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let (portable, places) = Portable::of(&memory);
    let mut refs: Vec<Option<AssetRef>> = assets_of(&memory).into_iter().map(Some).collect();
    let contents = places
        .into_iter()
        .filter_map(|place| refs.get_mut(place).and_then(Option::take))
        .collect();
    // The bytes are in the references; twice is once too often.
    for asset in &mut memory.inline_assets {
        asset.bytes.clear();
    }
    Ok(Some((portable, contents, memory)))
}

/// Takes from the folder what the last export left there, and says what is not there any more. Blocking.
fn read_back(
    root: &Root,
    there: Vec<(SourceMemory, Entry)>,
) -> (Vec<Planned>, Vec<(SourceMemory, Entry)>) {
    let mut planned = Vec::new();
    let mut damaged = Vec::new();
    for (source, entry) in there {
        match portable_of(root, &entry) {
            Some((portable, digest)) => planned.push(Planned {
                portable,
                digest,
                source,
                before: Some(entry),
                contents: None,
            }),
            None => damaged.push((source, entry)),
        }
    }
    (planned, damaged)
}

/// The portable form in a sidecar that is as its manifest says, beside files that are as long as it says.
fn portable_of(root: &Root, entry: &Entry) -> Option<(Portable, Hash)> {
    if !entry.files.iter().all(|file| root.still_has(file)) {
        return None;
    }
    let bytes = root.read(entry.path(), LONGEST_SIDECAR).ok()?;
    if described(entry.path(), &bytes) != *entry.files.first()? {
        return None;
    }
    let portable = Portable::parse(&bytes, entry.path()).ok()?;
    let digest = portable.digest().ok()?;
    Some((portable, digest))
}

fn of_entry(status: Status, memory_id: &str, entry: &Entry) -> MemoryReport {
    MemoryReport {
        status,
        name: entry.path().to_owned(),
        memory_id: Some(memory_id.to_owned()),
        files: Vec::new(),
        error: None,
    }
}
