//! A snapshot at rest: checked as far as it can be without loading it, and its stable memory handed out to who understands it.
//!
//! A snapshot's files have no checksums: that its heap is what was saved cannot be told. It is read all the same, so that a sector that
//! cannot be read is found.

use super::layout::{Layout, Metadata, Part};
use super::read::Parts;
use super::{SnapshotError, layout};
use crate::runtime::{CompiledModule, Runtime};
use crate::store::WASM_PAGE;
use std::path::Path;

/// Bytes read at once.
const AT_ONCE: u64 = 1 << 20;

/// A snapshot whose files are there, whole and consistent with each other.
pub struct SnapshotAtRest {
    metadata: Metadata,
    stable: Option<Part>,
}

impl SnapshotAtRest {
    /// Opens a snapshot: its metadata, the sizes of its files, its chunks against their names, that its module can be run by `runtime`
    /// and fits the globals, and that every byte of its heap can be read. Compiled code is looked for in `cache`.
    ///
    /// # Errors
    /// [`SnapshotError`], for the first thing that is not as it must be.
    pub fn open(
        from: &Layout,
        runtime: &Runtime,
        cache: &Path,
    ) -> Result<SnapshotAtRest, SnapshotError> {
        let parts = Parts::open(from, runtime.max_heap_bytes() as u64)?;
        let module = CompiledModule::new(runtime, &parts.wasm, cache)?;
        layout::globals_from_metadata(&parts.metadata.globals, module.visible_globals_count())?;
        if let Some(heap) = &parts.heap {
            let mut buffer = vec![0; AT_ONCE as usize];
            for offset in (0..heap.size()).step_by(AT_ONCE as usize) {
                // At most AT_ONCE.
                let length = AT_ONCE.min(heap.size() - offset) as usize;
                heap.get(offset, &mut buffer[..length])?;
            }
        }
        Ok(SnapshotAtRest {
            metadata: parts.metadata,
            stable: parts.stable,
        })
    }

    /// What its `metadata.json` says.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Its stable memory's size, in WebAssembly pages of 64 KiB.
    pub fn stable_pages(&self) -> u64 {
        self.metadata.stable_memory_size / WASM_PAGE
    }

    /// Fills `into` with its stable memory from `offset` (bytes) on.
    ///
    /// # Errors
    /// [`SnapshotError::Io`] where it cannot be read, [`SnapshotError::Invalid`] beyond its end.
    pub fn read_stable(&self, offset: u64, into: &mut [u8]) -> Result<(), SnapshotError> {
        let end = offset.checked_add(into.len() as u64);
        if end.is_none_or(|end| end > self.metadata.stable_memory_size) {
            return Err(SnapshotError::Invalid(
                "its stable memory ends before".into(),
            ));
        }
        match &self.stable {
            Some(stable) => stable.get(offset, into),
            // Nothing is asked for: it has no bytes.
            None => Ok(()),
        }
    }
}
