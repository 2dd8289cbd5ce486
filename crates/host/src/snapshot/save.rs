//! Saves the state in a state folder, served or not.
//!
//! A second process reads the database at its last commit while the first goes on; the heap, which is in the first one's memory only, is made as
//! after a crash: the module is instantiated and its canister_post_upgrade run, over a copy (I1). What that writes to stable memory belongs to the
//! snapshot and is not written to the state folder.

use super::layout::{Layout, Metadata};
use super::write::Capture;
use super::{SnapshotError, Watch};
use crate::engine::{Config, NO_ARGUMENTS, canister_runtime, start_instance};
use crate::store::{ReadError, Reader, StableMemory};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// What was saved.
#[derive(Clone, Debug)]
pub struct Saved {
    pub metadata: Metadata,
    pub canister_id: candid::Principal,
}

/// The file that says a folder is being saved to.
const SAVING: &str = ".saving";

/// Saves what a state folder held at its last commit to the directory `to`. Durable on return. What was interrupted goes on when it
/// is called again: what the files have already is compared, not written.
///
/// With `update` a snapshot that is there already is brought up to date; while that is under way there is none.
///
/// # Errors
/// [`SnapshotError::Exists`] without `update`, [`SnapshotError::Foreign`] where there are other files, and the others. There is no snapshot then
/// that could be taken for a whole one.
pub fn save(
    config: &Config,
    to: &Layout,
    update: bool,
    watch: &mut Watch<'_>,
) -> Result<Saved, SnapshotError> {
    if to.is_complete() && !update {
        return Err(SnapshotError::Exists(to.dir().to_path_buf()));
    }
    let marker = to.dir().join(SAVING);
    if !to.is_complete() && !marker.exists() && !is_vacant(to.dir())? {
        return Err(SnapshotError::Foreign(to.dir().to_path_buf()));
    }
    let folder = config.state_dir.as_path();
    let view = match Reader::open(folder) {
        Ok(reader) => reader.into_view(),
        Err(ReadError::Folder(error)) => return Err(error.into()),
        Err(ReadError::Store(error)) => return Err(error.into()),
    };
    let empty = || SnapshotError::Empty(folder.to_path_buf());
    let record = view.canister()?.ok_or_else(empty)?;
    let wasm = view.wasm(&record)?.ok_or_else(empty)?;
    to.create()?;
    crate::store::replace(&marker, b"").map_err(SnapshotError::at(&marker))?;

    let runtime = canister_runtime(config, record.canister_id)
        .map_err(|error| SnapshotError::Machine(format!("{error:#}")))?;
    let cache = folder.join("cache");
    let module = Arc::new(crate::runtime::CompiledModule::new(
        &runtime, &wasm, &cache,
    )?);
    let stable = StableMemory::new(view, None, record.stable_pages);
    let settings = record.settings.clone().unwrap_or_default();
    let surroundings = Arc::new(crate::engine::surroundings(&settings, record.run_state));
    let (mut stable, started) = start_instance(
        &runtime,
        &module,
        "canister_post_upgrade",
        NO_ARGUMENTS,
        stable,
        &|message| {
            message.surroundings = surroundings.clone();
            message.time = record.time;
            message.canister_version = record.canister_version + 1;
        },
    );
    let mut started = started.map_err(|failed| SnapshotError::Start(failed.to_string()))?;
    stable.accept();
    let (view, newer, stable_pages) = stable.accepted_over_view();
    let capture = Capture {
        view,
        newer,
        stable_pages,
        globals: started.instance.visible_globals(),
        heap: started.instance.snapshot().clone(),
        time: record.time,
        canister_version: record.canister_version,
        certified_data: started
            .certified_data
            .unwrap_or_else(|| record.certified_data.to_vec()),
        timer: started.timer,
        chunks: folder.join("chunks"),
    };
    let metadata = capture.write(to, watch)?;
    // The folder may be new in its own.
    let absolute = std::path::absolute(to.dir()).map_err(SnapshotError::at(to.dir()))?;
    if let Some(parent) = absolute.parent() {
        super::layout::sync_dir(parent)?;
    }
    match fs::remove_file(&marker) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(SnapshotError::at(&marker)(error));
        }
        _ => {}
    }
    Ok(Saved {
        metadata,
        canister_id: record.canister_id,
    })
}

/// Nothing is there, or nothing but what begins with a dot.
fn is_vacant(dir: &Path) -> Result<bool, SnapshotError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(SnapshotError::at(dir)(error)),
    };
    for entry in entries {
        let name = entry.map_err(SnapshotError::at(dir))?.file_name();
        if !name.to_string_lossy().starts_with('.') {
            return Ok(false);
        }
    }
    Ok(true)
}
