//! Memories into a vault: out of an archive, or straight out of another vault.
//!
//! A memory that is there already, as it is, is left alone; so a run can be repeated, and adds nothing. What is new is
//! created with all its files and dates and then read back and compared. What differs is completed where files are missing,
//! and otherwise left as it is by an import, unless it is told to bring it up to date, and brought up to date by a mirror.

mod folder;
mod memory;

use std::{collections::HashSet, path::Path};

use futures::{StreamExt, stream};

pub(super) use self::folder::{damage, manifest};
use self::memory::{Arrival, arrive};
use super::{
    ArchiveError, MemoryReport, Status, Watch, blocking,
    export::{CapsuleFile, Placed, capsules, portable_memory},
    files::Root,
    portable::Portable,
    target::{Found, Sought, compare},
    transfer::{Held, Sender},
};
use crate::{Vault, download::Place};

/// What to bring, and how.
#[derive(Clone, Debug, Default)]
pub struct ArriveOptions {
    /// Of an import: the capsule to bring into, by id, for an archive of one capsule. Of a mirror: the capsules to take, none
    /// for every one that the caller owns, controls or is the subject of.
    pub capsules: Vec<String>,
    /// Bring up to date what is there and differs. A mirror always does.
    pub update: bool,
    /// Of a mirror: put in the trash what is no more where it came from.
    pub delete: bool,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Memories on their way side by side; at least 1.
    pub jobs: usize,
}

/// A memory on its way.
struct Bringing {
    /// For the report.
    name: String,
    portable: Portable,
    /// Where the content of each asset is; `None` for content kept elsewhere.
    contents: Vec<Option<Held>>,
}

/// Brings the archive in the folder at `dir` into a vault. Every file is compared with the manifest before its memory is
/// brought; a memory with damage is told to `watch` and left out.
///
/// # Errors
/// [`ArchiveError::NoArchive`], [`ArchiveError::UnsafePath`] and [`ArchiveError::Malformed`] for what is no archive that can
/// be used, before anything is brought; what keeps the vault from answering.
pub async fn import(
    vault: &Vault,
    dir: &Path,
    options: &ArriveOptions,
    watch: &dyn Watch,
) -> Result<(), ArchiveError> {
    let root = Root::new(dir);
    let manifest = {
        let root = root.clone();
        blocking(move || folder::manifest(&root)).await?
    };
    if let ([_], true) = (options.capsules.as_slice(), manifest.capsules.len() > 1) {
        return Err(ArchiveError::CannotArrive {
            reason: "the archive holds several capsules; without --capsule each goes to its own"
                .to_owned(),
        });
    }
    for capsule in &manifest.capsules {
        let folder = capsule.capsule_folder().to_owned();
        let memories: Vec<_> = manifest
            .memories
            .iter()
            .filter(|entry| entry.capsule_folder() == folder)
            .cloned()
            .collect();
        let bytes = memories.iter().map(|entry| entry.bytes()).sum();
        watch.planned(memories.len(), bytes);
        let (file, mut bringing) = (folder::capsule_file(&root, capsule).await?, Vec::new());
        let mut verified = stream::iter(memories)
            .map(|entry| folder::memory(&root, entry))
            .buffer_unordered(options.jobs.clamp(1, 4));
        while let Some(verified) = verified.next().await {
            match verified? {
                Ok(one) => bringing.push(one),
                Err(report) => watch.done(&report).map_err(ArchiveError::Output)?,
            }
        }
        drop(verified);
        bringing.sort_by(|a, b| a.name.cmp(&b.name));
        let target = match options.capsules.first() {
            Some(id) => Some(id.clone()),
            None => target_capsule(vault, &file, options.dry_run).await?,
        };
        bring_all(vault, target.as_deref(), bringing, options, watch).await?;
    }
    Ok(())
}

/// Brings what is in one vault into another.
///
/// # Errors
/// [`ArchiveError::CannotArrive`] where both are the same vault; what keeps either from answering.
pub async fn mirror(
    from: &Vault,
    to: &Vault,
    options: &ArriveOptions,
    watch: &dyn Watch,
) -> Result<(), ArchiveError> {
    let placed = capsules(from).await?;
    let known: HashSet<&str> = placed.iter().map(|c| c.header.id.as_str()).collect();
    for id in &options.capsules {
        if !known.contains(id.as_str()) {
            from.capsules_read_basic(Some(id)).await?;
            return Err(ArchiveError::CannotArrive {
                reason: format!(
                    "capsule {id} is none of those that this key owns, controls or is the subject of"
                ),
            });
        }
    }
    for capsule in placed {
        if !options.capsules.is_empty() && !options.capsules.contains(&capsule.header.id) {
            continue;
        }
        let target = target_capsule(to, &capsule.file, options.dry_run).await?;
        if target.as_ref() == Some(&capsule.header.id) {
            return Err(ArchiveError::CannotArrive {
                reason: "both are the same vault".to_owned(),
            });
        }
        let bringing = read_capsule(from, &capsule, watch).await?;
        let options = ArriveOptions {
            update: true,
            ..options.clone()
        };
        bring_all(to, target.as_deref(), bringing, &options, watch).await?;
    }
    Ok(())
}

/// Most capsules about one person that an import makes: an archive may be a stranger's.
const MOST_ABOUT_ONE: usize = 100;

/// The capsule that stands for this one, made where there is none, and those about the same person that count before it; `None`
/// where it would have to be made and nothing is to be done.
async fn target_capsule(
    vault: &Vault,
    file: &CapsuleFile,
    dry_run: bool,
) -> Result<Option<String>, ArchiveError> {
    if file.number == 0 || file.number > MOST_ABOUT_ONE {
        return Err(ArchiveError::CannotArrive {
            reason: format!(
                "it is the capsule number {} about one person; at most {MOST_ABOUT_ONE} are made",
                file.number
            ),
        });
    }
    // Each round makes one, so that there are enough at the end.
    for _ in 0..=file.number {
        let there = capsules(vault).await?;
        let found = there.into_iter().find(|capsule| capsule.file == *file);
        if let Some(capsule) = found {
            return Ok(Some(capsule.header.id));
        }
        if dry_run {
            return Ok(None);
        }
        let subject = if file.own { None } else { file.subject.clone() };
        vault.capsules_create(subject).await?;
    }
    Err(ArchiveError::CannotArrive {
        reason: "the capsule was made, and is not there".to_owned(),
    })
}

/// Memories read side by side.
const READS: usize = 16;

async fn read_capsule(
    vault: &Vault,
    capsule: &Placed,
    watch: &dyn Watch,
) -> Result<Vec<Bringing>, ArchiveError> {
    let mut ids = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = vault
            .memories_list(&capsule.header.id, cursor.as_deref(), Some(100))
            .await?;
        ids.extend(
            page.items
                .into_iter()
                .map(|header| (header.id, header.size)),
        );
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    watch.planned(ids.len(), ids.iter().map(|(_, size)| size).sum());
    let mut bringing = Vec::new();
    let mut readings = stream::iter(ids)
        .map(|(id, _)| async move {
            let read = portable_memory(vault, &id).await;
            (id, read)
        })
        .buffer_unordered(READS);
    while let Some((id, read)) = readings.next().await {
        let (portable, contents) = match read {
            Ok(Some((portable, contents, _))) => (portable, contents),
            // Deleted since it was listed.
            Ok(None) => continue,
            Err(e) if e.is_one_memorys() => {
                let report = failed(id, &e);
                watch.done(&report).map_err(ArchiveError::Output)?;
                continue;
            }
            Err(e) => return Err(e),
        };
        let contents = contents
            .into_iter()
            .map(|asset| {
                let here = !matches!(asset.place, Place::External { .. });
                here.then(|| Held::Asset {
                    vault: vault.clone(),
                    memory_id: id.clone(),
                    asset: Box::new(asset),
                })
            })
            .collect();
        bringing.push(Bringing {
            name: portable.memory.title.clone().unwrap_or_default(),
            portable,
            contents,
        });
    }
    Ok(bringing)
}

/// Brings memories into one capsule; `None` for one that is not there, and nothing is to be done.
async fn bring_all(
    vault: &Vault,
    capsule_id: Option<&str>,
    mut bringing: Vec<Bringing>,
    options: &ArriveOptions,
    watch: &dyn Watch,
) -> Result<(), ArchiveError> {
    let mut sought: Vec<(Sought, Bringing)> = bringing
        .drain(..)
        .map(|one| Ok((Sought::of(&one.portable)?, one)))
        .collect::<Result<_, ArchiveError>>()?;
    // The order among equals must not depend on that of a listing.
    sought.sort_by(|(a, x), (b, y)| (a.digest, &x.name).cmp(&(b.digest, &y.name)));
    let (sought, bringing): (Vec<Sought>, Vec<Bringing>) = sought.into_iter().unzip();
    let Some(capsule_id) = capsule_id else {
        for one in &bringing {
            let report = told(one, Status::Added, None);
            watch.done(&report).map_err(ArchiveError::Output)?;
        }
        return Ok(());
    };
    let (found, others) = compare(vault, capsule_id, &sought).await?;
    let sender = Sender::open(vault.clone(), capsule_id).await?;
    let arrivals = bringing.into_iter().zip(sought).zip(found);
    let mut results = stream::iter(arrivals)
        .map(|((one, sought), found)| {
            let sender = &sender;
            async move {
                let all = one.portable.total_size();
                if let Found::Same(id) = &found {
                    watch.advanced(all);
                    return Ok(told(&one, Status::Unchanged, Some(id.clone())));
                }
                if options.dry_run {
                    let (status, id) = match found {
                        Found::Differs(id) if options.update => (Status::Updated, Some(id)),
                        Found::Differs(id) => (Status::Differs, Some(id)),
                        _ => (Status::Added, None),
                    };
                    return Ok(told(&one, status, id));
                }
                let arrival = Arrival {
                    sender,
                    one: &one,
                    digest: sought.digest,
                    update: options.update,
                    watch,
                };
                match arrive(&arrival, found).await {
                    Ok(report) => Ok(report),
                    Err(e) if e.is_one_memorys() => Ok(failed(one.name.clone(), &e)),
                    Err(e) => Err(e),
                }
            }
        })
        .buffer_unordered(options.jobs.max(1));
    while let Some(report) = results.next().await {
        watch.done(&report?).map_err(ArchiveError::Output)?;
    }
    drop(results);
    if options.delete {
        for id in others {
            if !options.dry_run {
                vault.memories_trash(&id).await?;
            }
            let report = MemoryReport {
                status: Status::Removed,
                name: String::new(),
                memory_id: Some(id),
                files: Vec::new(),
                error: None,
            };
            watch.done(&report).map_err(ArchiveError::Output)?;
        }
    }
    Ok(())
}

fn told(one: &Bringing, status: Status, memory_id: Option<String>) -> MemoryReport {
    MemoryReport {
        status,
        name: one.name.clone(),
        memory_id,
        files: Vec::new(),
        error: None,
    }
}

fn failed(name: String, error: &ArchiveError) -> MemoryReport {
    MemoryReport {
        status: Status::Failed,
        name,
        memory_id: None,
        files: Vec::new(),
        error: Some(error.to_string()),
    }
}
