//! The heap at one commit, shared by everyone who reads it.
//!
//! Pages are shared between snapshots, so that a new one costs the pages that changed, and two are told apart by comparing
//! pointers, chunk by chunk. Query instances follow the commits with it: they write to their own heap what differs.

use super::heap::{Heap, PAGE};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use wasmtime::Val;

/// Pages in a chunk: 1 MiB of heap.
const CHUNK_PAGES: usize = 256;

/// Bytes of a chunk.
const FILL: usize = CHUNK_PAGES * PAGE;

type Page = Arc<[u8; PAGE]>;

/// `None` is a page of zeros.
type Chunk = Arc<Vec<Option<Page>>>;

/// A heap's content with the globals that belong to it.
#[derive(Clone, Default)]
pub struct HeapSnapshot {
    chunks: Vec<Chunk>,
    /// Bytes; zero for a module without memory.
    size: usize,
    globals: Vec<Val>,
}

impl HeapSnapshot {
    /// The heap's size in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    pub(super) fn globals(&self) -> &[Val] {
        &self.globals
    }

    /// A heap of `size` bytes, a multiple of a WebAssembly page, whose content `fill` gives: it is called with ascending offsets and a buffer to
    /// fill from there, as long as the rest or [`FILL`] bytes. Zeros take no memory. The globals are those of a module without any.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn build<E>(
        size: usize,
        mut fill: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<HeapSnapshot, E> {
        let mut chunks = Vec::with_capacity(size.div_ceil(FILL));
        let mut buffer = vec![0; FILL];
        for start in (0..size).step_by(FILL) {
            let part = &mut buffer[..FILL.min(size - start)];
            fill(start as u64, part)?;
            let mut chunk = vec![None; CHUNK_PAGES];
            for (slot, page) in chunk.iter_mut().zip(part.as_chunks::<PAGE>().0) {
                *slot = (page.iter().any(|byte| *byte != 0)).then(|| Arc::new(*page));
            }
            chunks.push(Arc::new(chunk));
        }
        Ok(HeapSnapshot {
            chunks,
            size,
            globals: Vec::new(),
        })
    }

    /// The pages that are not zeros, with their offsets in bytes, ascending.
    pub fn pages(&self) -> impl Iterator<Item = (u64, &[u8; PAGE])> {
        self.chunks.iter().enumerate().flat_map(|(index, chunk)| {
            chunk.iter().enumerate().filter_map(move |(offset, page)| {
                let number = (index * CHUNK_PAGES + offset) as u64;
                page.as_ref().map(|page| (number * PAGE as u64, &**page))
            })
        })
    }

    /// The same heap with other values of the module's mutable globals.
    pub(super) fn with_globals(self, globals: Vec<Val>) -> HeapSnapshot {
        HeapSnapshot { globals, ..self }
    }

    /// This snapshot with the pages in `changed` as `heap` has them now.
    pub(super) fn next(
        &self,
        heap: Option<&Heap>,
        changed: &[Range<usize>],
        globals: Vec<Val>,
    ) -> HeapSnapshot {
        let mut next = HeapSnapshot {
            chunks: self.chunks.clone(),
            size: heap.map_or(0, Heap::size),
            globals,
        };
        next.chunks
            .resize_with(next.size.div_ceil(CHUNK_PAGES * PAGE), || {
                Arc::new(vec![None; CHUNK_PAGES])
            });
        if let Some(heap) = heap {
            for number in changed.iter().cloned().flatten() {
                let mut page = [0; PAGE];
                page.copy_from_slice(heap.pages(number..number + 1));
                // `changed` lies within the heap, and the chunks cover it.
                Arc::make_mut(&mut next.chunks[number / CHUNK_PAGES])[number % CHUNK_PAGES] =
                    Some(Arc::new(page));
            }
        }
        next
    }

    /// Makes `heap`, which was kept at `from`, kept at this snapshot. Its size is at least this snapshot's.
    pub(super) fn write_to(&self, heap: &Heap, from: &HeapSnapshot) -> io::Result<()> {
        const ZEROS: [u8; PAGE] = [0; PAGE];
        for (index, chunk) in self.chunks.iter().enumerate() {
            let old = from.chunks.get(index);
            if old.is_some_and(|old| Arc::ptr_eq(old, chunk)) {
                continue;
            }
            for (offset, page) in chunk.iter().enumerate() {
                let old = old.and_then(|old| old[offset].as_ref());
                let number = index * CHUNK_PAGES + offset;
                match (old, page) {
                    (Some(old), Some(page)) if Arc::ptr_eq(old, page) => {}
                    (_, Some(page)) => heap.set_kept(number, page)?,
                    (Some(_), None) => heap.set_kept(number, &ZEROS)?,
                    (None, None) => {}
                }
            }
        }
        Ok(())
    }
}
