//! The canister's snapshots at home: each a folder in the layout of [`crate::snapshot`], named by the number in its id.
//!
//! A snapshot appears whole: it is made aside and then renamed. One that is being uploaded appears with its metadata, and reads as zeros where
//! nothing has been uploaded yet.

use super::{check_canister, decode, done, encode, refused};
use crate::engine::Shared;
use crate::message::Reject;
use crate::snapshot::SnapshotError;
use crate::snapshot::layout::{Layout, Metadata, Part, sync_dir};
use crate::snapshot::read::{MAX_CHUNK, MAX_CHUNKS, check_metadata};
use crate::snapshot::write::{Capture, list_chunks};
use crate::store::{private_dir, replace};
use candid::{CandidType, Principal};
use ic_management_canister_types::{
    CanisterIdRecord, DeleteCanisterSnapshotArgs, LoadCanisterSnapshotArgs,
    ReadCanisterSnapshotDataArgs, ReadCanisterSnapshotMetadataArgs, Snapshot, SnapshotDataKind,
    SnapshotDataOffset, SnapshotSource, TakeCanisterSnapshotArgs,
    UploadCanisterSnapshotMetadataArgs, UploadCanisterSnapshotMetadataResult,
};
use serde::Deserialize;
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

/// Snapshots there may be: the Internet Computer's bound.
const MAX_SNAPSHOTS: usize = 10;

/// Bytes that can be read or uploaded at once: the Internet Computer's bound.
const MAX_SLICE: u64 = 2_000_000;

/// What the folder of a snapshot is called that is being made or removed.
const ASIDE: &str = ".aside";

/// The arguments of `upload_canister_snapshot_data`, with a byte string that decodes fast.
#[derive(CandidType, Deserialize)]
struct UploadData {
    canister_id: Principal,
    snapshot_id: ByteBuf,
    kind: SnapshotDataOffset,
    chunk: ByteBuf,
}

#[derive(CandidType)]
struct ReadData {
    chunk: ByteBuf,
}

/// A snapshot's number: when it was made, in nanoseconds since 1970 UTC.
type Number = u64;

/// The snapshots of a state folder.
pub struct Snapshots<'a> {
    folder: PathBuf,
    shared: &'a Shared,
}

impl<'a> Snapshots<'a> {
    pub fn of(shared: &'a Shared) -> Snapshots<'a> {
        Snapshots {
            folder: shared.folder.snapshots(),
            shared,
        }
    }

    /// Answers `take_canister_snapshot`, of `capture`.
    pub fn take(&self, arg: &[u8], capture: &Capture) -> Result<Vec<u8>, Reject> {
        let args: TakeCanisterSnapshotArgs = decode(arg)?;
        check_canister(args.canister_id, self.shared.canister_id)?;
        if args.uninstall_code == Some(true) {
            return Err(refused(
                "IC0406",
                "this host does not uninstall its canister",
            ));
        }
        let replaced = self.room(args.replace_snapshot.as_deref())?;
        let number = self.next_number(capture.time)?;
        let aside = Layout::new(self.folder.join(format!("{number:016x}{ASIDE}")));
        let mut watch = |_| !self.shared.inbox.is_closed();
        let written = capture.write(&aside, &mut watch);
        let metadata = written.map_err(|error| {
            // Nobody asks for it any more; what stays is removed at the next start.
            let _ = fs::remove_dir_all(aside.dir());
            reject(&error)
        })?;
        self.appear(&aside, number)?;
        self.remove(replaced)?;
        encode(&self.summary(number, &metadata))
    }

    /// Answers `list_canister_snapshots`.
    pub fn list(&self, arg: &[u8]) -> Result<Vec<u8>, Reject> {
        let args: CanisterIdRecord = decode(arg)?;
        check_canister(args.canister_id, self.shared.canister_id)?;
        let mut summaries = Vec::new();
        for number in self.numbers()? {
            match self.layout(number).read_metadata() {
                Ok(metadata) => summaries.push(self.summary(number, &metadata)),
                // The others can be used all the same.
                Err(error) => tracing::error!(%error, number, "a snapshot cannot be read"),
            }
        }
        encode(&summaries)
    }

    /// Answers `delete_canister_snapshot`.
    pub fn delete(&self, arg: &[u8]) -> Result<Vec<u8>, Reject> {
        let args: DeleteCanisterSnapshotArgs = decode(arg)?;
        check_canister(args.canister_id, self.shared.canister_id)?;
        let number = self.find(&args.snapshot_id)?;
        self.remove(Some(number))?;
        done()
    }

    /// The snapshot that `load_canister_snapshot` asks for.
    pub fn to_load(&self, arg: &[u8]) -> Result<Layout, Reject> {
        let args: LoadCanisterSnapshotArgs = decode(arg)?;
        check_canister(args.canister_id, self.shared.canister_id)?;
        Ok(self.layout(self.find(&args.snapshot_id)?))
    }

    /// Answers `read_canister_snapshot_metadata`.
    pub fn read_metadata(&self, arg: &[u8]) -> Result<Vec<u8>, Reject> {
        let args: ReadCanisterSnapshotMetadataArgs = decode(arg)?;
        check_canister(args.canister_id, self.shared.canister_id)?;
        let layout = self.layout(self.find(&args.snapshot_id)?);
        encode(&layout.read_metadata().map_err(|error| reject(&error))?)
    }

    /// Answers `read_canister_snapshot_data`.
    pub fn read_data(&self, arg: &[u8]) -> Result<Vec<u8>, Reject> {
        let args: ReadCanisterSnapshotDataArgs = decode(arg)?;
        check_canister(args.canister_id, self.shared.canister_id)?;
        let layout = self.layout(self.find(&args.snapshot_id)?);
        let metadata = layout.read_metadata().map_err(|error| reject(&error))?;
        let (file, total, offset, size) = match args.kind {
            SnapshotDataKind::WasmModule { offset, size } => {
                (layout.module(), metadata.wasm_module_size, offset, size)
            }
            SnapshotDataKind::WasmMemory { offset, size } => {
                (layout.heap(), metadata.wasm_memory_size, offset, size)
            }
            SnapshotDataKind::StableMemory { offset, size } => {
                (layout.stable(), metadata.stable_memory_size, offset, size)
            }
            SnapshotDataKind::WasmChunk { hash } => {
                if !metadata
                    .wasm_chunk_store
                    .iter()
                    .any(|chunk| chunk.hash == hash)
                {
                    return Err(refused("IC0408", "the snapshot has no such chunk"));
                }
                let chunk = fs::read(layout.chunk(&hash))
                    .map_err(|error| reject(&SnapshotError::at(&layout.chunk(&hash))(error)))?;
                return encode(&ReadData {
                    chunk: ByteBuf::from(chunk),
                });
            }
        };
        check_slice(offset, size, total)?;
        // Below MAX_SLICE.
        let mut chunk = vec![0; size as usize];
        Part::read(file)
            .and_then(|part| part.get(offset, &mut chunk))
            .map_err(|error| reject(&error))?;
        encode(&ReadData {
            chunk: ByteBuf::from(chunk),
        })
    }

    /// Answers `upload_canister_snapshot_metadata`: a new snapshot, all zeros.
    pub fn upload_metadata(&self, arg: &[u8], now: u64, version: u64) -> Result<Vec<u8>, Reject> {
        let args: UploadCanisterSnapshotMetadataArgs = decode(arg)?;
        check_canister(args.canister_id, self.shared.canister_id)?;
        let metadata = Metadata {
            source: Some(SnapshotSource::MetadataUpload(candid::Reserved)),
            taken_at_timestamp: now,
            wasm_module_size: args.wasm_module_size,
            globals: args.globals.into_iter().map(Some).collect(),
            wasm_memory_size: args.wasm_memory_size,
            stable_memory_size: args.stable_memory_size,
            wasm_chunk_store: Vec::new(),
            canister_version: version,
            certified_data: args.certified_data,
            global_timer: args.global_timer,
            on_low_wasm_memory_hook_status: args.on_low_wasm_memory_hook_status,
        };
        let max_heap = self.shared.runtime.max_heap_bytes() as u64;
        check_metadata(&metadata, max_heap).map_err(|error| reject(&error))?;
        let replaced = self.room(args.replace_snapshot.as_deref())?;
        let number = self.next_number(now)?;
        let aside = Layout::new(self.folder.join(format!("{number:016x}{ASIDE}")));
        let made = || -> Result<(), SnapshotError> {
            aside.create()?;
            Part::write(aside.module())?.finish(metadata.wasm_module_size)?;
            Part::write(aside.heap())?.finish(metadata.wasm_memory_size)?;
            Part::write(aside.stable())?.finish(metadata.stable_memory_size)?;
            aside.write_metadata(&metadata)
        };
        made().map_err(|error| {
            // What stays is removed at the next start.
            let _ = fs::remove_dir_all(aside.dir());
            reject(&error)
        })?;
        self.appear(&aside, number)?;
        self.remove(replaced)?;
        encode(&UploadCanisterSnapshotMetadataResult {
            snapshot_id: self.id(number),
        })
    }

    /// Answers `upload_canister_snapshot_data`.
    pub fn upload_data(&self, arg: &[u8]) -> Result<Vec<u8>, Reject> {
        let args: UploadData = decode(arg)?;
        check_canister(args.canister_id, self.shared.canister_id)?;
        let layout = self.layout(self.find(&args.snapshot_id)?);
        let mut metadata = layout.read_metadata().map_err(|error| reject(&error))?;
        if !matches!(metadata.source, Some(SnapshotSource::MetadataUpload(_))) {
            return Err(refused(
                "IC0409",
                "a snapshot that was taken here cannot be changed",
            ));
        }
        let (file, total, offset) = match args.kind {
            SnapshotDataOffset::WasmModule { offset } => {
                (layout.module(), metadata.wasm_module_size, offset)
            }
            SnapshotDataOffset::WasmMemory { offset } => {
                (layout.heap(), metadata.wasm_memory_size, offset)
            }
            SnapshotDataOffset::StableMemory { offset } => {
                (layout.stable(), metadata.stable_memory_size, offset)
            }
            SnapshotDataOffset::WasmChunk => {
                add_chunk(&layout, &mut metadata, &args.chunk)?;
                return done();
            }
        };
        check_slice(offset, args.chunk.len() as u64, total)?;
        let put = || -> Result<(), SnapshotError> {
            let mut part = Part::write(file)?;
            part.put(offset, &args.chunk)?;
            part.finish(total)
        };
        put().map_err(|error| reject(&error))?;
        done()
    }

    /// Bytes of all snapshots, as they are shown.
    pub fn total_bytes(&self) -> u64 {
        let numbers = self.numbers().unwrap_or_default();
        let sizes = numbers.into_iter().map(|number| {
            let metadata = self.layout(number).read_metadata();
            metadata.map_or(0, |metadata| total_size(&metadata))
        });
        sizes.sum()
    }

    /// Removes what was cut off while it was made or removed.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn tidy(&self) -> std::io::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(ASIDE) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn layout(&self, number: Number) -> Layout {
        Layout::new(self.folder.join(format!("{number:016x}")))
    }

    /// The id of a snapshot: its number, and whose it is.
    fn id(&self, number: Number) -> Vec<u8> {
        let mut id = number.to_be_bytes().to_vec();
        id.extend_from_slice(self.shared.canister_id.as_slice());
        id
    }

    fn find(&self, id: &[u8]) -> Result<Number, Reject> {
        let number = id.split_first_chunk::<8>().and_then(|(number, owner)| {
            (owner == self.shared.canister_id.as_slice()).then(|| u64::from_be_bytes(*number))
        });
        match number {
            Some(number) if self.layout(number).is_complete() => Ok(number),
            _ => Err(refused(
                "IC0305",
                format!(
                    "Could not find the snapshot ID {} for canister {}",
                    hex::encode(id),
                    self.shared.canister_id
                ),
            )),
        }
    }

    /// The numbers of all snapshots, ascending.
    fn numbers(&self) -> Result<Vec<Number>, Reject> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(super::super::rejects::storage(&error)),
        };
        let mut numbers: Vec<Number> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| Number::from_str_radix(entry.file_name().to_str()?, 16).ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Checks that there is room for another one, and returns the one that it replaces.
    fn room(&self, replaced: Option<&[u8]>) -> Result<Option<Number>, Reject> {
        let replaced = match replaced {
            Some(id) => Some(self.find(id)?),
            None => None,
        };
        let there = self.numbers()?.len() - usize::from(replaced.is_some());
        match there < MAX_SNAPSHOTS {
            true => Ok(replaced),
            false => Err(refused(
                "IC0504",
                format!(
                    "Canister {} has reached the maximum number of {MAX_SNAPSHOTS} snapshots",
                    self.shared.canister_id
                ),
            )),
        }
    }

    fn next_number(&self, now: u64) -> Result<Number, Reject> {
        let last = self.numbers()?.last().copied().unwrap_or(0);
        private_dir(&self.folder).map_err(|error| super::super::rejects::storage(&error))?;
        Ok(now.max(last + 1))
    }

    /// Gives a snapshot that is complete its name.
    fn appear(&self, aside: &Layout, number: Number) -> Result<(), Reject> {
        let named = self.layout(number);
        fs::rename(aside.dir(), named.dir())
            .map_err(SnapshotError::at(named.dir()))
            .and_then(|()| sync_dir(&self.folder))
            .map_err(|error| reject(&error))
    }

    fn remove(&self, number: Option<Number>) -> Result<(), Reject> {
        let Some(number) = number else {
            return Ok(());
        };
        let layout = self.layout(number);
        let aside = self.folder.join(format!("{number:016x}{ASIDE}"));
        fs::rename(layout.dir(), &aside)
            .map_err(SnapshotError::at(layout.dir()))
            .and_then(|()| sync_dir(&self.folder))
            .map_err(|error| reject(&error))?;
        if let Err(error) = fs::remove_dir_all(&aside) {
            tracing::warn!(%error, "a snapshot's files stay until the next start");
        }
        Ok(())
    }

    fn summary(&self, number: Number, metadata: &Metadata) -> Snapshot {
        Snapshot {
            id: self.id(number),
            taken_at_timestamp: metadata.taken_at_timestamp,
            total_size: total_size(metadata),
        }
    }
}

fn total_size(metadata: &Metadata) -> u64 {
    let chunks = (metadata.wasm_chunk_store.len() * MAX_CHUNK) as u64;
    metadata.wasm_module_size + metadata.wasm_memory_size + metadata.stable_memory_size + chunks
}

fn check_slice(offset: u64, size: u64, total: u64) -> Result<(), Reject> {
    if size > MAX_SLICE {
        return Err(refused(
            "IC0408",
            format!("a part of {size} bytes is more than the {MAX_SLICE} that are allowed"),
        ));
    }
    match offset.checked_add(size) {
        Some(end) if end <= total => Ok(()),
        _ => Err(refused(
            "IC0408",
            format!("bytes {offset} to {offset}+{size} are not within {total}"),
        )),
    }
}

fn add_chunk(layout: &Layout, metadata: &mut Metadata, chunk: &[u8]) -> Result<(), Reject> {
    if chunk.len() > MAX_CHUNK {
        return Err(refused(
            "IC0408",
            format!("a chunk has at most {MAX_CHUNK} bytes"),
        ));
    }
    let hash = Sha256::digest(chunk).to_vec();
    let stored = list_chunks(&layout.chunks()).map_err(|error| reject(&error))?;
    if stored.len() >= MAX_CHUNKS && !stored.iter().any(|known| hash == *known) {
        return Err(refused(
            "IC0408",
            format!("a snapshot has at most {MAX_CHUNKS} chunks"),
        ));
    }
    let path = layout.chunk(&hash);
    replace(&path, chunk).map_err(|error| reject(&SnapshotError::at(&path)(error)))?;
    if !metadata
        .wasm_chunk_store
        .iter()
        .any(|chunk| chunk.hash == hash)
    {
        metadata
            .wasm_chunk_store
            .push(ic_management_canister_types::ChunkHash { hash });
        layout
            .write_metadata(metadata)
            .map_err(|error| reject(&error))?;
    }
    Ok(())
}

/// How a snapshot's error is told to who asked for it.
pub fn reject(error: &SnapshotError) -> Reject {
    match error {
        SnapshotError::Store(error) => super::super::rejects::unreadable(error),
        SnapshotError::Io { .. } => super::super::rejects::storage(error),
        SnapshotError::Interrupted => super::super::rejects::stopped(),
        _ => refused("IC0408", error.to_string()),
    }
}
