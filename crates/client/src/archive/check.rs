//! An archive against its manifests, without a vault.

use std::path::Path;

use futures::{StreamExt, stream};

use super::{
    ArchiveError, MemoryReport, Status, Watch,
    arrive::{damage, manifest},
    blocking,
    files::Root,
};

/// Files read side by side.
const WINDOW: usize = 2;

/// Reads every file of the archive in the folder at `dir` to its end and compares length and SHA-256 with the manifest. Each
/// memory is told to `watch`: [`Status::Unchanged`] or [`Status::Failed`].
///
/// # Errors
/// What is no archive, and what is none to go on with.
pub async fn check(dir: &Path, watch: &dyn Watch) -> Result<(), ArchiveError> {
    let root = Root::new(dir);
    let manifest = {
        let root = root.clone();
        blocking(move || manifest(&root)).await?
    };
    watch.planned(manifest.memories.len(), manifest.bytes());
    let entries = manifest.capsules.into_iter().chain(manifest.memories);
    let mut results = stream::iter(entries)
        .map(|entry| {
            let root = root.clone();
            blocking(move || {
                let damage = damage(&root, &entry.files)?;
                Ok((entry, damage))
            })
        })
        .buffered(WINDOW);
    while let Some(result) = results.next().await {
        let (entry, damage) = result?;
        watch.advanced(entry.bytes());
        let report = MemoryReport {
            status: match damage {
                Some(_) => Status::Failed,
                None => Status::Unchanged,
            },
            name: entry.path().to_owned(),
            memory_id: None,
            files: Vec::new(),
            error: damage,
        };
        watch.done(&report).map_err(ArchiveError::Output)?;
    }
    Ok(())
}
