//! Puts a canister's state into a directory.

use super::layout::{self, Layout, Metadata, Part};
use super::{Progress, SnapshotError, Watch};
use crate::runtime::HeapSnapshot;
use crate::store::{Overlay, UNIT_BYTES, View, WASM_PAGE};
use ic_management_canister_types::{
    CanisterTimer, ChunkHash, OnLowWasmMemoryHookStatus, SnapshotSource,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use wasmtime::Val;

/// Bytes written at once.
const WRITE: usize = 1024 * 1024;

const UNIT: u64 = UNIT_BYTES as u64;

/// A canister's state at one moment.
pub struct Capture {
    pub view: View,
    /// What is newer than `view`.
    pub newer: Overlay,
    /// WebAssembly pages.
    pub stable_pages: u64,
    pub heap: HeapSnapshot,
    /// Values of the globals that are exported or mutable.
    pub globals: Vec<Val>,
    /// Nanoseconds since 1970 UTC.
    pub time: u64,
    pub canister_version: u64,
    pub certified_data: Vec<u8>,
    /// When the global timer is due, nanoseconds since 1970 UTC; 0 for never.
    pub timer: u64,
    /// The folder with the chunks of the chunk store, each named by its hash.
    pub chunks: PathBuf,
}

impl Capture {
    /// Writes everything, and the metadata last. What the files have already is not written again, so that what was interrupted goes on.
    ///
    /// # Errors
    /// [`SnapshotError`]; the directory holds no snapshot then.
    pub fn write(&self, to: &Layout, watch: &mut Watch<'_>) -> Result<Metadata, SnapshotError> {
        to.create()?;
        // Until everything is there, what was there before is no snapshot any more.
        let metadata = to.metadata();
        match fs::remove_file(&metadata) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(SnapshotError::at(&metadata)(error));
            }
            _ => layout::sync_dir(to.dir())?,
        }
        let stable_size = self.stable_pages * WASM_PAGE;
        let module = self.module()?;
        let mut watch = Meter {
            watch,
            total: module.len() as u64 + self.heap.size() as u64 + stable_size,
            before: 0,
        };
        let mut part = Part::write(to.module())?;
        part.put(0, &module)?;
        part.finish(module.len() as u64)?;
        watch.finish(module.len() as u64)?;
        self.write_heap(to, &mut watch)?;
        self.write_stable(to, stable_size, &mut watch)?;
        let wasm_chunk_store = copy_chunks(&self.chunks, &to.chunks())?;
        let metadata = Metadata {
            source: Some(SnapshotSource::TakenFromCanister(candid::Reserved)),
            taken_at_timestamp: self.time,
            wasm_module_size: module.len() as u64,
            globals: layout::globals_to_metadata(&self.globals),
            wasm_memory_size: self.heap.size() as u64,
            stable_memory_size: stable_size,
            wasm_chunk_store,
            canister_version: self.canister_version,
            certified_data: self.certified_data.clone(),
            global_timer: Some(match self.timer {
                0 => CanisterTimer::Inactive,
                due => CanisterTimer::Active(due),
            }),
            on_low_wasm_memory_hook_status: Some(OnLowWasmMemoryHookStatus::ConditionNotSatisfied),
        };
        to.write_metadata(&metadata)?;
        Ok(metadata)
    }

    fn module(&self) -> Result<Vec<u8>, SnapshotError> {
        let record = self.view.canister()?;
        let module = match &record {
            Some(record) => self.view.wasm(record)?,
            None => None,
        };
        module.ok_or_else(|| SnapshotError::Invalid("no module is installed".into()))
    }

    fn write_heap(&self, to: &Layout, watch: &mut Meter<'_, '_>) -> Result<(), SnapshotError> {
        let mut part = Part::write(to.heap())?;
        let mut end = 0;
        for (offset, page) in self.heap.pages() {
            part.clear(end..offset)?;
            part.put(offset, page)?;
            end = offset + page.len() as u64;
            watch.at(end)?;
        }
        let size = self.heap.size() as u64;
        part.clear(end..size)?;
        part.finish(size)?;
        watch.finish(size)
    }

    fn write_stable(
        &self,
        to: &Layout,
        size: u64,
        watch: &mut Meter<'_, '_>,
    ) -> Result<(), SnapshotError> {
        let mut writer = Run {
            part: Part::write(to.stable())?,
            start: 0,
            buffer: Vec::with_capacity(WRITE + UNIT_BYTES),
            size,
        };
        let newer: BTreeMap<u64, &[u8; UNIT_BYTES]> = self.newer.units().collect();
        let mut newer = newer.into_iter().peekable();
        for unit in self.view.units()? {
            let (index, data) = unit?;
            while let Some((newer, data)) = newer.next_if(|(newer, _)| *newer < index) {
                writer.put(newer, data)?;
            }
            match newer.next_if(|(newer, _)| *newer == index) {
                Some((_, data)) => writer.put(index, data)?,
                None => writer.put(index, data)?,
            }
            watch.at((index * UNIT).min(size))?;
        }
        for (index, data) in newer {
            writer.put(index, data)?;
        }
        writer.finish()?;
        watch.finish(size)
    }
}

/// Stable memory on its way into its file: units that follow each other are written together, and what is between them becomes a hole.
struct Run {
    part: Part,
    /// Where the buffer's content belongs.
    start: u64,
    buffer: Vec<u8>,
    size: u64,
}

impl Run {
    fn put(&mut self, index: u64, data: &[u8; UNIT_BYTES]) -> Result<(), SnapshotError> {
        let offset = index * UNIT;
        // The last unit may go on beyond stable memory, and there may be units of before a reinstallation's end.
        let Some(len) = self.size.checked_sub(offset).filter(|len| *len > 0) else {
            return Ok(());
        };
        let end = self.start + self.buffer.len() as u64;
        if offset != end || self.buffer.len() >= WRITE {
            self.flush()?;
            self.part.clear(end..offset)?;
            self.start = offset;
        }
        let len = usize::try_from(len).unwrap_or(UNIT_BYTES).min(UNIT_BYTES);
        self.buffer.extend_from_slice(&data[..len]);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SnapshotError> {
        self.part.put(self.start, &self.buffer)?;
        self.start += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(), SnapshotError> {
        self.flush()?;
        self.part.clear(self.start..self.size)?;
        self.part.finish(self.size)
    }
}

/// Tells how far the work is, over all its parts.
pub struct Meter<'a, 'b> {
    pub watch: &'a mut Watch<'b>,
    pub total: u64,
    /// Bytes of the parts before the present one.
    pub before: u64,
}

impl Meter<'_, '_> {
    /// The present part is done up to `offset`.
    pub fn at(&mut self, offset: u64) -> Result<(), SnapshotError> {
        let progress = Progress {
            done: self.before + offset,
            total: self.total,
        };
        match (self.watch)(progress) {
            true => Ok(()),
            false => Err(SnapshotError::Interrupted),
        }
    }

    /// The present part, of `size` bytes, is done.
    pub fn finish(&mut self, size: u64) -> Result<(), SnapshotError> {
        self.at(size)?;
        self.before += size;
        Ok(())
    }
}

/// Makes the chunks in one folder those of another, and returns their hashes. A chunk's name is its hash, in hexadecimal, with `.bin`.
pub fn copy_chunks(
    from: &std::path::Path,
    to: &std::path::Path,
) -> Result<Vec<ChunkHash>, SnapshotError> {
    crate::store::private_dir(to).map_err(SnapshotError::at(to))?;
    let wanted = list_chunks(from)?;
    for hash in list_chunks(to)? {
        if !wanted.contains(&hash) {
            let path = to.join(format!("{}.bin", hex::encode(hash)));
            fs::remove_file(&path).map_err(SnapshotError::at(&path))?;
        }
    }
    for hash in &wanted {
        let name = format!("{}.bin", hex::encode(hash));
        let (from, to) = (from.join(&name), to.join(&name));
        let chunk = fs::read(&from).map_err(SnapshotError::at(&from))?;
        crate::store::replace(&to, &chunk).map_err(SnapshotError::at(&to))?;
    }
    let chunk = |hash: [u8; 32]| ChunkHash {
        hash: hash.to_vec(),
    };
    Ok(wanted.into_iter().map(chunk).collect())
}

/// The hashes of the chunks in a folder, ascending; none where there is no folder.
pub fn list_chunks(folder: &std::path::Path) -> Result<Vec<[u8; 32]>, SnapshotError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(SnapshotError::at(folder)(error)),
    };
    let mut hashes = Vec::new();
    for entry in entries {
        let name = entry.map_err(SnapshotError::at(folder))?.file_name();
        let hash = name
            .to_str()
            .and_then(|name| name.strip_suffix(".bin"))
            .and_then(|hash| hex::decode(hash).ok())
            .and_then(|hash| <[u8; 32]>::try_from(hash).ok());
        // Anything else is of a writing that was cut off.
        hashes.extend(hash);
    }
    hashes.sort_unstable();
    Ok(hashes)
}
