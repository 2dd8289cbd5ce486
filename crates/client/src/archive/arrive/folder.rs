//! The archive's side of an import: nothing is believed that its manifest does not vouch for.

use crate::archive::{
    ArchiveError, MemoryReport, Status, blocking,
    export::CapsuleFile,
    files::{ArchiveFile, Root},
    manifest::{Entry, Manifest},
    portable::Portable,
    transfer::Held,
};

use super::Bringing;

/// Longest sidecar, in bytes: above what a memory's record may be in a vault, written at length.
const LONGEST_SIDECAR: u64 = 16 << 20;

/// The archive's manifest. Blocking.
pub(in crate::archive) fn manifest(root: &Root) -> Result<Manifest, ArchiveError> {
    match Manifest::read(root)? {
        Some(manifest) => Ok(manifest),
        None if root.is_unfinished() => Err(ArchiveError::Malformed {
            what: root.dir().display().to_string(),
            reason: "the export into it has not ended; run that again first".to_owned(),
        }),
        None => Err(ArchiveError::NoArchive {
            dir: root.dir().to_owned(),
        }),
    }
}

/// What the archive says of a capsule.
pub(super) async fn capsule_file(root: &Root, entry: &Entry) -> Result<CapsuleFile, ArchiveError> {
    let (root, entry) = (root.clone(), entry.clone());
    blocking(move || {
        let path = entry.path();
        if let Some(reason) = damage(&root, &entry.files)? {
            return Err(ArchiveError::Malformed {
                what: path.to_owned(),
                reason,
            });
        }
        CapsuleFile::parse(&root.read(path, LONGEST_SIDECAR)?, path)
    })
    .await
}

/// A memory of the archive whose files are all as the manifest says; else what is wrong with it.
///
/// # Errors
/// [`ArchiveError::UnsafePath`]: an archive with links in it is none to go on with.
pub(super) async fn memory(
    root: &Root,
    entry: Entry,
) -> Result<Result<Bringing, MemoryReport>, ArchiveError> {
    let root = root.clone();
    blocking(move || {
        let outcome = match damage(&root, &entry.files)? {
            Some(reason) => Err(reason),
            None => read(&root, &entry).map_err(|e| e.to_string()),
        };
        Ok(outcome.map_err(|error| MemoryReport {
            status: Status::Failed,
            name: entry.path().to_owned(),
            memory_id: None,
            files: Vec::new(),
            error: Some(error),
        }))
    })
    .await
}

/// What is wrong with the first file that is not as it should be. Blocking; every file is read to its end.
pub(in crate::archive) fn damage(
    root: &Root,
    files: &[ArchiveFile],
) -> Result<Option<String>, ArchiveError> {
    for file in files {
        let found = match root.describe(&file.path) {
            Ok(found) => found,
            Err(e @ ArchiveError::UnsafePath { .. }) => return Err(e),
            Err(e) => return Ok(Some(e.to_string())),
        };
        if found != *file {
            return Ok(Some(format!(
                "{} is damaged: {} bytes with SHA-256 {} are there, and {} with {} were written",
                file.path, found.bytes, found.sha256, file.bytes, file.sha256
            )));
        }
    }
    Ok(None)
}

/// The sidecar, with the files that it speaks of.
fn read(root: &Root, entry: &Entry) -> Result<Bringing, ArchiveError> {
    let path = entry.path();
    let portable = Portable::parse(&root.read(path, LONGEST_SIDECAR)?, path)?;
    let malformed = |reason: String| ArchiveError::Malformed {
        what: path.to_owned(),
        reason,
    };
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut contents = Vec::with_capacity(portable.assets.len());
    for asset in &portable.assets {
        let held = match (&asset.file, &asset.kept_elsewhere, asset.sha256) {
            (None, Some(_), _) => None,
            (Some(file), None, Some(sha256)) => {
                let wanted = ArchiveFile {
                    path: format!("{folder}/{file}"),
                    bytes: asset.bytes,
                    sha256,
                };
                if !entry.files.contains(&wanted) {
                    let reason = format!("the manifest does not have its file {file} like that");
                    return Err(malformed(reason));
                }
                Some(Held::File {
                    root: root.clone(),
                    file: wanted,
                })
            }
            _ => {
                let reason = format!("{:?} is neither here nor elsewhere", asset.name);
                return Err(malformed(reason));
            }
        };
        contents.push(held);
    }
    Ok(Bringing {
        name: path.to_owned(),
        portable: portable.without_files(),
        contents,
    })
}
