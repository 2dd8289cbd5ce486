//! The files of a snapshot:
//!
//! | name                          | what it holds                                                                  |
//! | ----------------------------- | ------------------------------------------------------------------------------ |
//! | `metadata.json`               | sizes, globals, certified data, timer, as `read_canister_snapshot_metadata` tells them |
//! | `wasm_module.bin`             | the module as it was installed                                                 |
//! | `wasm_memory.bin`             | the heap                                                                       |
//! | `stable_memory.bin`           | stable memory; parts never written are holes                                   |
//! | `wasm_chunk_store/<hash>.bin` | the chunks of the chunk store                                                  |
//!
//! Files beginning with a dot are progress records and locks of whoever reads or writes the directory.

use super::SnapshotError;
use crate::store::private_dir;
use ic_management_canister_types::{ReadCanisterSnapshotMetadataResult, SnapshotMetadataGlobal};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use wasmtime::Val;

/// The content of `metadata.json`, and the answer of `read_canister_snapshot_metadata`.
pub type Metadata = ReadCanisterSnapshotMetadataResult;

/// Bytes of `metadata.json` at most that are read: a hundred times what one with all chunks has.
const MAX_METADATA: u64 = 4 * 1024 * 1024;

/// A directory that holds, or is to hold, a snapshot.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    pub fn new(dir: impl Into<PathBuf>) -> Layout {
        Layout { dir: dir.into() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn module(&self) -> PathBuf {
        self.dir.join("wasm_module.bin")
    }

    pub fn heap(&self) -> PathBuf {
        self.dir.join("wasm_memory.bin")
    }

    pub fn stable(&self) -> PathBuf {
        self.dir.join("stable_memory.bin")
    }

    pub fn chunks(&self) -> PathBuf {
        self.dir.join("wasm_chunk_store")
    }

    pub fn chunk(&self, hash: &[u8]) -> PathBuf {
        self.chunks().join(format!("{}.bin", hex::encode(hash)))
    }

    pub fn metadata(&self) -> PathBuf {
        self.dir.join("metadata.json")
    }

    /// Whether there is a complete snapshot.
    pub fn is_complete(&self) -> bool {
        self.metadata().is_file()
    }

    /// Makes the directory and those below it, for their owner only.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn create(&self) -> Result<(), SnapshotError> {
        private_dir(&self.chunks()).map_err(SnapshotError::at(&self.dir))
    }

    /// Reads `metadata.json`.
    ///
    /// # Errors
    /// [`SnapshotError::NotASnapshot`] where there is none, [`SnapshotError::Invalid`] where it cannot be understood.
    pub fn read_metadata(&self) -> Result<Metadata, SnapshotError> {
        let path = self.metadata();
        let size = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SnapshotError::NotASnapshot(self.dir.clone()));
            }
            Err(error) => return Err(SnapshotError::at(&path)(error)),
        };
        if size > MAX_METADATA {
            return Err(SnapshotError::Invalid("metadata.json is too large".into()));
        }
        let text = fs::read(&path).map_err(SnapshotError::at(&path))?;
        serde_json::from_slice(&text)
            .map_err(|error| SnapshotError::Invalid(format!("metadata.json: {error}")))
    }

    /// Writes `metadata.json`, which makes the snapshot complete. Durable on return.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn write_metadata(&self, metadata: &Metadata) -> Result<(), SnapshotError> {
        let text = serde_json::to_vec_pretty(metadata)
            .map_err(|error| SnapshotError::Invalid(error.to_string()))?;
        sync_dir(&self.chunks())?;
        let path = self.metadata();
        crate::store::replace(&path, &text).map_err(SnapshotError::at(&path))
    }
}

/// Flushes a directory's entries to the disk.
pub fn sync_dir(dir: &Path) -> Result<(), SnapshotError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(SnapshotError::at(dir))
}

/// One of the snapshot's large files.
pub struct Part {
    path: PathBuf,
    file: File,
    /// What it had from before, in bytes: there, writing what is there already is left out.
    known: u64,
}

impl Part {
    /// Opens a file to write to, with its content of before, if any.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn write(path: PathBuf) -> Result<Part, SnapshotError> {
        let open = || {
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .mode(0o600)
                .open(&path)?;
            let known = file.metadata()?.len();
            Ok((file, known))
        };
        let (file, known) = open().map_err(SnapshotError::at(&path))?;
        Ok(Part { path, file, known })
    }

    /// Opens a file to read from.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn read(path: PathBuf) -> Result<Part, SnapshotError> {
        let open = || {
            let file = File::open(&path)?;
            let known = file.metadata()?.len();
            Ok((file, known))
        };
        let (file, known) = open().map_err(SnapshotError::at(&path))?;
        Ok(Part { path, file, known })
    }

    /// Bytes it had when it was opened.
    pub fn size(&self) -> u64 {
        self.known
    }

    /// Puts `data` at `offset`.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn put(&mut self, offset: u64, data: &[u8]) -> Result<(), SnapshotError> {
        let put = || {
            if offset + data.len() as u64 <= self.known {
                let mut there = vec![0; data.len()];
                self.file.read_exact_at(&mut there, offset)?;
                if there == data {
                    return Ok(());
                }
            }
            self.file.write_all_at(data, offset)
        };
        put().map_err(SnapshotError::at(&self.path))
    }

    /// Makes a range read as zeros.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn clear(&mut self, range: Range<u64>) -> Result<(), SnapshotError> {
        let end = range.end.min(self.known);
        if range.start >= end {
            // Beyond the content of before it is a hole anyway.
            return Ok(());
        }
        punch_hole(&self.file, range.start..end).map_err(SnapshotError::at(&self.path))
    }

    /// Gives it its size and flushes it to the disk.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn finish(self, size: u64) -> Result<(), SnapshotError> {
        self.file
            .set_len(size)
            .and_then(|()| self.file.sync_all())
            .map_err(SnapshotError::at(&self.path))
    }

    /// Fills `into` from `offset`.
    ///
    /// # Errors
    /// [`SnapshotError::Io`], also where it ends before.
    pub fn get(&self, offset: u64, into: &mut [u8]) -> Result<(), SnapshotError> {
        self.file
            .read_exact_at(into, offset)
            .map_err(SnapshotError::at(&self.path))
    }

    /// The next range from `offset` on that is no hole; `None` where there is nothing but a hole.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, SnapshotError> {
        let seek = |offset: u64, whence| -> io::Result<Option<u64>> {
            let offset = libc::off_t::try_from(offset)
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            // SAFETY: a plain system call on a file that is open as long as `self`.
            let found = unsafe { libc::lseek(self.file.as_raw_fd(), offset, whence) };
            match u64::try_from(found) {
                Ok(found) => Ok(Some(found)),
                Err(_) => match io::Error::last_os_error() {
                    error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
                    error => Err(error),
                },
            }
        };
        let found = || -> io::Result<Option<Range<u64>>> {
            let Some(start) = seek(offset, libc::SEEK_DATA)? else {
                return Ok(None);
            };
            let end = seek(start, libc::SEEK_HOLE)?.unwrap_or(self.known);
            Ok(Some(start..end))
        };
        found().map_err(SnapshotError::at(&self.path))
    }
}

/// Frees a range of a file, which reads as zeros afterwards; where the file system cannot, zeros are written.
fn punch_hole(file: &File, range: Range<u64>) -> io::Result<()> {
    let number =
        |n: u64| libc::off_t::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let (offset, len) = (number(range.start)?, number(range.end - range.start)?);
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: a plain system call on an open file.
    if unsafe { libc::fallocate(file.as_raw_fd(), mode, offset, len) } == 0 {
        return Ok(());
    }
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut at = range.start;
    while at < range.end {
        let part = ZEROS.len().min((range.end - at) as usize);
        file.write_all_at(&ZEROS[..part], at)?;
        at += part as u64;
    }
    Ok(())
}

/// Globals as a snapshot's metadata have them. The Internet Computer counts instructions in a global of its own, which comes last, and
/// without which it does not take a snapshot; its value says nothing.
pub(crate) fn globals_to_metadata(values: &[Val]) -> Vec<Option<SnapshotMetadataGlobal>> {
    let counter = SnapshotMetadataGlobal::I64(0);
    let known = values.iter().map(|value| match value {
        Val::I32(value) => Some(SnapshotMetadataGlobal::I32(*value)),
        Val::I64(value) => Some(SnapshotMetadataGlobal::I64(*value)),
        Val::F32(bits) => Some(SnapshotMetadataGlobal::F32(f32::from_bits(*bits))),
        Val::F64(bits) => Some(SnapshotMetadataGlobal::F64(f64::from_bits(*bits))),
        Val::V128(value) => Some(SnapshotMetadataGlobal::V128(value.as_u128().into())),
        // Never mutable here, and never exported by a canister.
        _ => None,
    });
    known.chain([Some(counter)]).collect()
}

/// The values in a snapshot's metadata, of which a module has `count`: the counter of the Internet Computer's is left out.
pub(crate) fn globals_from_metadata(
    globals: &[Option<SnapshotMetadataGlobal>],
    count: usize,
) -> Result<Vec<Val>, SnapshotError> {
    let own = match globals.split_last() {
        Some((Some(SnapshotMetadataGlobal::I64(_)), own)) if own.len() == count => own,
        _ => globals,
    };
    let unknown = || SnapshotError::Invalid("it has a global of an unknown kind".into());
    own.iter()
        .map(|global| match global {
            Some(SnapshotMetadataGlobal::I32(value)) => Ok(Val::I32(*value)),
            Some(SnapshotMetadataGlobal::I64(value)) => Ok(Val::I64(*value)),
            Some(SnapshotMetadataGlobal::F32(value)) => Ok(Val::F32(value.to_bits())),
            Some(SnapshotMetadataGlobal::F64(value)) => Ok(Val::F64(value.to_bits())),
            Some(SnapshotMetadataGlobal::V128(value)) => {
                let value: u128 = value.0.clone().try_into().map_err(|_| unknown())?;
                Ok(Val::V128(value.into()))
            }
            None => Err(unknown()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_is_not_written_again_and_holes_read_as_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("part");
        let mut part = Part::write(path.clone()).unwrap();
        part.put(100_000, &[1; 50_000]).unwrap();
        part.put(0, &[2; 10]).unwrap();
        part.finish(300_000).unwrap();
        let mut part = Part::write(path.clone()).unwrap();
        assert_eq!(part.size(), 300_000);
        part.put(0, &[2; 10]).unwrap();
        part.clear(90_000..140_000).unwrap();
        part.finish(200_000).unwrap();
        let content = fs::read(&path).unwrap();
        assert_eq!(content.len(), 200_000);
        assert!(content[..10].iter().all(|byte| *byte == 2));
        assert!(content[10..140_000].iter().all(|byte| *byte == 0));
        assert!(content[140_000..150_000].iter().all(|byte| *byte == 1));
        let part = Part::read(path).unwrap();
        assert_eq!(part.next_data(0).unwrap().map(|range| range.start), Some(0));
        assert_eq!(part.next_data(200_000).unwrap(), None);
    }

    #[test]
    fn globals_survive_with_and_without_the_counter() {
        let values = [Val::I32(-1), Val::I64(7), Val::F64(1.5f64.to_bits())];
        let kept = globals_to_metadata(&values);
        assert_eq!(kept.len(), 4);
        for kept in [&kept[..], &kept[..3]] {
            let read = globals_from_metadata(kept, 3).unwrap();
            assert_eq!(read.len(), 3);
            assert!(matches!(read[..], [Val::I32(-1), Val::I64(7), Val::F64(_)]));
        }
    }
}
