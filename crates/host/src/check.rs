//! Checks a state folder that nobody serves: everything at rest is verified, and the canister is started without a trace.
//!
//! [`AtRest`] holds the folder's lock, so that nothing changes meanwhile, and changes nothing itself. What the canister keeps in its
//! stable memory only its owner understands: [`AtRest::stable_memory`] hands it out as the started canister has it.

use crate::engine::{Config, NO_ARGUMENTS, canister_runtime, start_instance, surroundings};
use crate::runtime::{CompiledModule, ModuleError};
use crate::snapshot::{Layout, SnapshotAtRest, SnapshotError};
use crate::store::{
    Audit, Folder, FolderError, ReadError, Reader, StableMemory, StoreError, audit,
};
use candid::Principal;
use std::fs;
use std::io;
use std::sync::Arc;

/// Why a state folder could not be checked, or its canister not started.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the database cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Module(#[from] ModuleError),
    #[error("this machine cannot run the canister: {0}")]
    Machine(String),
    #[error("the canister does not start: {0}")]
    Start(String),
    #[error("no canister is installed")]
    Empty,
}

impl From<ReadError> for CheckError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Folder(error) => CheckError::Folder(error),
            ReadError::Store(error) => CheckError::Store(error),
        }
    }
}

/// A state folder that is checked. Nobody else can use it until this is dropped.
pub struct AtRest {
    config: Config,
    folder: Folder,
}

impl AtRest {
    /// Takes the configuration's state folder for itself.
    ///
    /// # Errors
    /// [`FolderError::Locked`] while it is served, [`FolderError::Foreign`] where it is none, [`FolderError::OtherVersion`].
    pub fn open(config: Config) -> Result<AtRest, CheckError> {
        let folder = Folder::hold(&config.state_dir)?;
        Ok(AtRest { config, folder })
    }

    /// Verifies the database's structure, the checksum of every unit and record ([`audit`]), and the keys of this home.
    ///
    /// # Errors
    /// [`CheckError::Io`] where the database is not there or cannot be read at all.
    pub fn audit(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Audit, CheckError> {
        let mut found = audit(&self.folder.data(), progress)?;
        for damaged in self.folder.damaged_secrets() {
            found.problems.push(damaged);
            found.problem_count += 1;
        }
        Ok(found)
    }

    /// Starts the installed canister as after an upgrade to the same module, and returns stable memory as it is afterwards. Nothing of it is
    /// kept. For a database whose structure is sound.
    ///
    /// # Errors
    /// [`CheckError::Start`] where it does not start, with the reason; [`CheckError::Store`] where what it read is damaged.
    pub fn start(&self) -> Result<StableMemory, CheckError> {
        let view = Reader::open(&self.config.state_dir)?.into_view();
        let record = view.canister()?.ok_or(CheckError::Empty)?;
        let wasm = view.wasm(&record)?.ok_or(CheckError::Empty)?;
        let runtime = canister_runtime(&self.config, record.canister_id)
            .map_err(|error| CheckError::Machine(format!("{error:#}")))?;
        let module = CompiledModule::new(&runtime, &wasm, &self.folder.cache())?;
        let stable = StableMemory::new(view, None, record.stable_pages);
        let settings = record.settings.clone().unwrap_or_default();
        let surroundings = Arc::new(surroundings(&settings, record.run_state));
        let (mut stable, started) = start_instance(
            &runtime,
            &Arc::new(module),
            "canister_post_upgrade",
            NO_ARGUMENTS,
            stable,
            &|message| {
                message.surroundings = surroundings.clone();
                message.time = record.time;
                message.canister_version = record.canister_version + 1;
            },
        );
        match started {
            Ok(_) => {
                stable.accept();
                Ok(stable)
            }
            Err(failed) => Err(CheckError::Start(failed.to_string())),
        }
    }

    /// Stable memory as committed last, without starting anything. For a database whose structure is sound.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn stable_memory(&self) -> Result<StableMemory, CheckError> {
        let view = Reader::open(&self.config.state_dir)?.into_view();
        let pages = view.canister()?.map_or(0, |record| record.stable_pages);
        Ok(StableMemory::new(view, None, pages))
    }

    /// The folders of the canister's snapshots, in the order they were made. What was cut off while it was made or removed is none: the next start
    /// removes it.
    ///
    /// # Errors
    /// Where their folder cannot be read.
    pub fn snapshots(&self) -> io::Result<Vec<Layout>> {
        let entries = match fs::read_dir(self.folder.snapshots()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let number = name
                .to_str()
                .and_then(|name| u64::from_str_radix(name, 16).ok());
            numbers.extend(number.map(|number| (number, entry.path())));
        }
        numbers.sort_unstable();
        Ok(numbers
            .into_iter()
            .map(|(_, path)| Layout::new(path))
            .collect())
    }

    /// Opens one of [`AtRest::snapshots`], with what [`SnapshotAtRest::open`] checks.
    ///
    /// # Errors
    /// Those of [`SnapshotAtRest::open`].
    pub fn snapshot(&self, from: &Layout) -> Result<SnapshotAtRest, SnapshotError> {
        // Nothing is executed, so that it does not matter whose it is.
        let runtime = canister_runtime(&self.config, Principal::anonymous())
            .map_err(|error| SnapshotError::Machine(format!("{error:#}")))?;
        SnapshotAtRest::open(from, &runtime, &self.folder.cache())
    }
}
