//! The canister's heap: a WebAssembly memory whose changes can be kept or dropped a message at a time.
//!
//! A memory is a private mapping of an anonymous file. What a running message changes, the kernel copies to private pages, and
//! forgetting those brings back what the file has. Which pages are private, `/proc/self/pagemap` tells; where it does not, all pages are
//! compared with the file. What stays private between messages, and what goes to the file, [`super::warm`] decides. No page fault is ever
//! handled in user space.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// Bytes of a page of the machine's; WebAssembly's are a multiple of it. All machines the host is built for use 4 KiB, which
/// [`HeapCreator::new`] checks.
pub const PAGE: usize = 4096;

/// A heap's mapping. Shared by wasmtime, which owns the memory, and by the instance, which keeps and drops its changes.
pub struct Heap {
    base: NonNull<u8>,
    reserved: usize,
    file: File,
    size: AtomicUsize,
}

// SAFETY: `base` is an address range owned by this value alone until dropped. Its contents are accessed by the WebAssembly code and by
// the instance that owns the store, which is one thread at a time.
unsafe impl Send for Heap {}
// SAFETY: as above; the methods that touch the contents are called by the instance's owner only.
unsafe impl Sync for Heap {}

impl Heap {
    /// Reserves `reserved` bytes of address space plus `guard` that stay inaccessible, and makes `size` of them usable over `file`.
    fn new(file: File, size: usize, reserved: usize, guard: usize) -> io::Result<Heap> {
        let reserved = reserved
            .checked_add(guard)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?
            .max(PAGE);
        // SAFETY: asks for a new range at an address of the kernel's choice; the result is checked.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                reserved,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_NORESERVE,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base =
            NonNull::new(base.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::Other))?;
        let heap = Heap {
            base,
            reserved,
            file,
            size: AtomicUsize::new(0),
        };
        heap.grow_to(size)?;
        Ok(heap)
    }

    /// A heap of its own over an empty file, for tests of what works with heaps.
    #[cfg(test)]
    pub(super) fn for_test(pages: usize) -> Heap {
        Heap::new(empty_file().unwrap(), pages * PAGE, 64 * pages * PAGE, PAGE).unwrap()
    }

    /// The usable size in bytes; it never shrinks.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Acquire)
    }

    fn grow_to(&self, size: usize) -> io::Result<()> {
        if size > self.reserved {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        }
        if size <= self.size() {
            return Ok(());
        }
        // A file taken over may be longer already, and keeps what it has.
        if self.file.metadata()?.len() < size as u64 {
            self.file.set_len(size as u64)?;
        }
        // SAFETY: the range lies within the reservation (checked above), and the file is long enough for it.
        let result = unsafe {
            libc::mprotect(
                self.base.as_ptr().cast(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        self.size.store(size, Ordering::Release);
        Ok(())
    }

    /// Whether [`Heap::private`] tells a private page from the file's also where both have the same content.
    pub fn knows_private(&self) -> bool {
        page_map().is_some()
    }

    /// The pages that are private, which are those written to since they were last forgotten, as ascending ranges of page numbers. Costs
    /// 8 bytes read for every page of the heap.
    pub fn private(&self) -> io::Result<Vec<Range<usize>>> {
        let pages = self.size() / PAGE;
        let mut ranges = Vec::new();
        match page_map() {
            Some(map) => {
                let first = self.base.as_ptr() as usize / PAGE;
                let mut entries = [0; 8 * 1024];
                for start in (0..pages).step_by(entries.len() / 8) {
                    let count = (pages - start).min(entries.len() / 8);
                    let entries = &mut entries[..count * 8];
                    map.read_exact_at(entries, (first + start) as u64 * 8)?;
                    for (offset, entry) in entries.chunks_exact(8).enumerate() {
                        // chunks_exact gives slices of exactly eight bytes.
                        if is_private(u64::from_ne_bytes(entry.try_into().unwrap_or_default())) {
                            add_page(&mut ranges, start + offset);
                        }
                    }
                }
            }
            None => {
                let mut kept = vec![0; PAGE];
                for page in 0..pages {
                    self.file.read_exact_at(&mut kept, (page * PAGE) as u64)?;
                    if self.pages(page..page + 1) != kept {
                        add_page(&mut ranges, page);
                    }
                }
            }
        }
        Ok(ranges)
    }

    /// The current content of pages.
    ///
    /// # Panics
    /// Where the range is not within the heap.
    pub fn pages(&self, pages: Range<usize>) -> &[u8] {
        assert!(pages.start <= pages.end && pages.end <= self.size() / PAGE);
        // SAFETY: within the usable part (asserted), which is mapped readable; no WebAssembly code runs while the instance's
        // owner looks at its heap.
        unsafe {
            std::slice::from_raw_parts(
                self.base.as_ptr().add(pages.start * PAGE),
                (pages.end - pages.start) * PAGE,
            )
        }
    }

    /// The current content of one page.
    ///
    /// # Panics
    /// Where it is not within the heap.
    pub fn page(&self, page: usize) -> &[u8; PAGE] {
        let content = self.pages(page..page + 1).as_ptr();
        // SAFETY: `pages` has returned exactly PAGE bytes, for as long as `self` is borrowed.
        unsafe { &*content.cast() }
    }

    /// Writes what pages have now to the file, and forgets the private ones. After an error the file has some of them.
    pub fn write_back(&self, ranges: &[Range<usize>]) -> io::Result<()> {
        for range in ranges {
            self.file
                .write_all_at(self.pages(range.clone()), (range.start * PAGE) as u64)?;
        }
        self.forget(ranges)
    }

    /// Sets what the file has for one page. A private page stays what it is.
    pub fn set_file(&self, page: usize, content: &[u8; PAGE]) -> io::Result<()> {
        self.file.write_all_at(content, (page * PAGE) as u64)
    }

    /// Sets a page's current content, which makes it private.
    ///
    /// # Panics
    /// Where it is not within the heap.
    pub fn overwrite(&self, page: usize, content: &[u8; PAGE]) {
        assert!(page < self.size() / PAGE);
        // SAFETY: within the usable part (asserted), which is mapped writable; no WebAssembly code runs and nobody holds a reference into the
        // heap while the instance's owner changes it. `content` is not part of the heap: it belongs to a snapshot.
        unsafe {
            self.base
                .as_ptr()
                .add(page * PAGE)
                .copy_from_nonoverlapping(content.as_ptr(), PAGE);
        }
    }

    /// The file, cut to `size` bytes, for another heap to take over. This one must not be used any more.
    pub fn hand_over(&self, size: usize) -> io::Result<File> {
        self.file.set_len(size as u64)?;
        self.file.try_clone()
    }

    /// Lets go of private pages: they are the file's afterwards.
    pub fn forget(&self, ranges: &[Range<usize>]) -> io::Result<()> {
        for range in ranges {
            assert!(range.start <= range.end && range.end <= self.size() / PAGE);
            // SAFETY: a range of whole pages within the mapping (asserted). Private pages are dropped and read as the file's afterwards; nobody
            // holds a reference into them, as `pages` borrows end before.
            let result = unsafe {
                libc::madvise(
                    self.base.as_ptr().add(range.start * PAGE).cast(),
                    (range.end - range.start) * PAGE,
                    libc::MADV_DONTNEED,
                )
            };
            if result != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, used by nobody any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.reserved) };
    }
}

/// Adds a page to ascending ranges, all of whose pages come before it.
pub fn add_page(ranges: &mut Vec<Range<usize>>, page: usize) {
    match ranges.last_mut() {
        Some(range) if range.end == page => range.end += 1,
        _ => ranges.push(page..page + 1),
    }
}

/// An anonymous file, empty.
fn empty_file() -> io::Result<File> {
    // SAFETY: a valid C string and flag; the result is checked.
    let fd = unsafe { libc::memfd_create(c"heap".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just created and belongs to nobody else.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// A page table entry of a private copy: present or swapped out, and not the file's own page
/// (bits 63, 62 and 61 of an entry in the kernel's `pagemap`).
fn is_private(entry: u64) -> bool {
    entry & (0b11 << 62) != 0 && entry & (1 << 61) == 0
}

/// `/proc/self/pagemap`, where the kernel has it and it tells private pages from the file's.
fn page_map() -> Option<&'static File> {
    static MAP: OnceLock<Option<File>> = OnceLock::new();
    MAP.get_or_init(|| {
        let map = File::open("/proc/self/pagemap").ok()?;
        let probe = Heap::new(empty_file().ok()?, 4 * PAGE, 4 * PAGE, 0).ok()?;
        // SAFETY: pages 0 and 2 of a mapping of four usable ones that nobody else knows.
        unsafe {
            probe.base.as_ptr().add(2 * PAGE).write_volatile(1);
            probe.base.as_ptr().read_volatile();
        }
        let mut entries = [0; 4 * 8];
        map.read_exact_at(
            &mut entries,
            (probe.base.as_ptr() as usize / PAGE) as u64 * 8,
        )
        .ok()?;
        let private: Vec<bool> = entries
            .chunks_exact(8)
            .map(|entry| is_private(u64::from_ne_bytes(entry.try_into().unwrap_or_default())))
            .collect();
        (private == [false, false, true, false]).then_some(map)
    })
    .as_ref()
}

thread_local! {
    /// What the next heap made on this thread begins with: wasmtime has no way to hand it through.
    static CONTENT: Cell<Option<File>> = const { Cell::new(None) };
}

/// Makes heaps for wasmtime and tells which heap a memory has.
pub struct HeapCreator {
    max_bytes: usize,
    heaps: Mutex<HashMap<usize, Weak<Heap>>>,
}

impl HeapCreator {
    /// Heaps of at most `max_bytes` each. Fails on a machine whose pages are not of 4 KiB.
    pub fn new(max_bytes: usize) -> io::Result<HeapCreator> {
        // SAFETY: a plain query.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        if page != PAGE as libc::c_long {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("memory pages of {page} bytes are not supported"),
            ));
        }
        Ok(HeapCreator {
            max_bytes,
            heaps: Mutex::default(),
        })
    }

    /// Bytes a heap may have.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Runs `make`, and gives the first heap made meanwhile on this thread `content` to begin with, once its changes are dropped.
    pub fn with_content<R>(content: File, make: impl FnOnce() -> R) -> R {
        CONTENT.set(Some(content));
        let made = make();
        CONTENT.set(None);
        made
    }

    /// The heap whose contents begin at `base`.
    pub fn heap_at(&self, base: *const u8) -> Option<Arc<Heap>> {
        let heaps = self.heaps.lock().unwrap_or_else(PoisonError::into_inner);
        heaps.get(&(base as usize)).and_then(Weak::upgrade)
    }
}

// SAFETY: the memory is reserved with the guard asked for, never moves, and is released when wasmtime and the instance have both let go.
unsafe impl MemoryCreator for HeapCreator {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        maximum: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        if minimum > self.max_bytes {
            return Err(format!(
                "the heap may have at most {} bytes",
                self.max_bytes
            ));
        }
        let reserved = reserved
            .unwrap_or_else(|| maximum.unwrap_or(self.max_bytes))
            .max(minimum);
        let file = CONTENT.take().map_or_else(empty_file, Ok);
        let heap = file
            .and_then(|file| Heap::new(file, minimum, reserved, guard))
            .map_err(|error| error.to_string())?;
        let heap = Arc::new(heap);
        let mut heaps = self.heaps.lock().unwrap_or_else(PoisonError::into_inner);
        heaps.retain(|_, heap| heap.strong_count() > 0);
        heaps.insert(heap.base.as_ptr() as usize, Arc::downgrade(&heap));
        Ok(Box::new(Memory {
            heap,
            max_bytes: self.max_bytes.min(reserved),
        }))
    }
}

struct Memory {
    heap: Arc<Heap>,
    max_bytes: usize,
}

// SAFETY: as for `HeapCreator`.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.heap.size()
    }

    fn byte_capacity(&self) -> usize {
        self.max_bytes
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        if new_size > self.max_bytes {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory).into());
        }
        Ok(self.heap.grow_to(new_size)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.heap.base.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poke(heap: &Heap, at: usize, value: u8) {
        assert!(at < heap.size());
        // SAFETY: within the usable part; the test is the only user.
        unsafe { heap.base.as_ptr().add(at).write_volatile(value) };
    }

    #[test]
    fn private_pages_are_found_written_back_and_forgotten() {
        let heap = Heap::new(empty_file().unwrap(), 8 * PAGE, 64 * PAGE, PAGE).unwrap();
        poke(&heap, 3 * PAGE + 5, 1);
        poke(&heap, 4 * PAGE, 2);
        poke(&heap, 7 * PAGE, 3);
        let private = heap.private().unwrap();
        assert_eq!(private, [3..5, 7..8]);
        heap.write_back(&private).unwrap();
        assert!(heap.private().unwrap().is_empty());
        poke(&heap, 3 * PAGE + 5, 9);
        poke(&heap, 0, 9);
        heap.overwrite(1, &[7; PAGE]);
        assert_eq!(heap.page(1), &[7; PAGE]);
        heap.forget(&heap.private().unwrap()).unwrap();
        assert!(heap.private().unwrap().is_empty());
        assert_eq!(heap.pages(3..4)[5], 1);
        assert_eq!(heap.pages(0..2), [0; 2 * PAGE]);
    }

    #[test]
    fn a_grown_part_is_zero_and_usable() {
        let heap = Heap::new(empty_file().unwrap(), PAGE, 16 * PAGE, PAGE).unwrap();
        heap.grow_to(16 * PAGE).unwrap();
        assert!(heap.pages(0..16).iter().all(|byte| *byte == 0));
        poke(&heap, 15 * PAGE, 1);
        let private = heap.private().unwrap();
        assert!(private.len() == 1 && private[0] == (15..16));
        assert!(heap.grow_to(18 * PAGE).is_err());
    }
}
