//! The heap at one commit, shared by everyone who reads it.
//!
//! Pages are shared between snapshots, so that a new one costs the pages that changed, and two are told apart by comparing
//! pointers, chunk by chunk. Query instances follow the commits with it: they bring their own heap to what differs.

use super::heap::PAGE;
use std::sync::Arc;
use wasmtime::Val;

/// Pages in a chunk: 256 KiB of heap. A snapshot that others have costs a chunk's pointers for each chunk that is changed.
const CHUNK_PAGES: usize = 64;

/// Bytes of a chunk.
const FILL: usize = CHUNK_PAGES * PAGE;

const ZEROS: [u8; PAGE] = [0; PAGE];

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

    /// Whether it is of no heap at all, as that of an instance that was not kept yet.
    pub(super) fn is_blank(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn set_globals(&mut self, globals: Vec<Val>) {
        self.globals = globals;
    }

    /// Makes it that of a heap that has grown to `size` bytes, a multiple of a WebAssembly page.
    pub(super) fn grow_to(&mut self, size: usize) {
        self.size = size;
        self.chunks
            .resize_with(size.div_ceil(FILL), || Arc::new(vec![None; CHUNK_PAGES]));
    }

    /// The content of a page; zeros where it has none.
    pub(super) fn page(&self, number: usize) -> &[u8; PAGE] {
        let page = self
            .chunks
            .get(number / CHUNK_PAGES)
            .and_then(|chunk| chunk[number % CHUNK_PAGES].as_deref());
        page.unwrap_or(&ZEROS)
    }

    /// Sets the content of a page, which lies within its size.
    pub(super) fn set_page(&mut self, number: usize, content: &[u8; PAGE]) {
        // A slice is copied once, to where it stays; an array would be copied to the stack first.
        let page = Page::try_from(Arc::<[u8]>::from(&content[..])).ok();
        Arc::make_mut(&mut self.chunks[number / CHUNK_PAGES])[number % CHUNK_PAGES] = page;
    }

    /// The pages within its size that it does not share with `other`, ascending; those of zeros in both are shared.
    pub(super) fn differing(&self, other: &HeapSnapshot) -> Vec<usize> {
        let mut differing = Vec::new();
        for (index, chunk) in self.chunks.iter().enumerate() {
            let others = other.chunks.get(index);
            if others.is_some_and(|others| Arc::ptr_eq(others, chunk)) {
                continue;
            }
            for (offset, page) in chunk.iter().enumerate() {
                let number = index * CHUNK_PAGES + offset;
                let shared = match (page, others.and_then(|others| others[offset].as_ref())) {
                    (Some(page), Some(other)) => Arc::ptr_eq(page, other),
                    (None, None) => true,
                    _ => false,
                };
                if !shared && number < self.size / PAGE {
                    differing.push(number);
                }
            }
        }
        differing
    }
}
