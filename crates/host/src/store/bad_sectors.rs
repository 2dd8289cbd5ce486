//! A sector of the database's file that the disk cannot read becomes zeros, which have no valid checksum, instead of the process's end.
//!
//! LMDB reads through a memory map, where a read that fails is a signal (SIGBUS). The handler here puts an empty page in the place of the one that could
//! not be read, and lets the read go on: whatever is read from it is found damaged like anything else that is not what was
//! written, and everything else is served on. The empty page stays until the database is opened again.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Once, OnceLock};

/// Databases that may be open at once in one process: one, but for tests.
const SLOTS: usize = 64;

/// Bytes of a page of memory; the host runs on machines of 4 KiB pages only.
const PAGE: usize = 4096;

/// Where databases are mapped: first address and end, both 0 in a free slot.
static MAPS: [(AtomicUsize, AtomicUsize); SLOTS] =
    [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; SLOTS];

/// Pages that could not be read, since the process began.
static UNREADABLE: AtomicU64 = AtomicU64::new(0);

/// Who handled the signal before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Pages of databases that could not be read from the disk since the process began.
pub fn unreadable_pages() -> u64 {
    UNREADABLE.load(Ordering::Relaxed)
}

/// A database's map under protection, until dropped.
pub struct Protected {
    slot: usize,
}

impl Protected {
    /// Protects the map of `file`, which was mapped just now. `None` where it cannot be found, or too many are: then a sector that cannot
    /// be read ends the process, as it would anyway.
    pub fn map_of(file: &Path) -> io::Result<Option<Protected>> {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(install);
        let file = file.canonicalize()?;
        let maps = fs::read_to_string("/proc/self/maps")?;
        let found = maps.lines().find_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            // The path is the last field, and may hold spaces.
            if !rest.ends_with(file.to_str()?) {
                return None;
            }
            let (start, end) = range.split_once('-')?;
            let start = usize::from_str_radix(start, 16).ok()?;
            Some((start, usize::from_str_radix(end, 16).ok()?))
        });
        let Some((start, end)) = found else {
            return Ok(None);
        };
        for (slot, (first, last)) in MAPS.iter().enumerate() {
            // The end is written last and taken back first: a slot counts only while it has both.
            if first
                .compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                last.store(end, Ordering::Release);
                return Ok(Some(Protected { slot }));
            }
        }
        Ok(None)
    }
}

impl Drop for Protected {
    fn drop(&mut self) {
        let (first, last) = &MAPS[self.slot];
        last.store(0, Ordering::Release);
        first.store(0, Ordering::Release);
    }
}

fn install() {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: both are plain data for which zeros are valid. The handler does what a handler may: it reads atomics that are initialised
    // statically, makes one system call, and touches no lock and no allocator.
    unsafe {
        let handler = action.assume_init_mut();
        handler.sa_sigaction = on_bus_error as *const () as usize;
        handler.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut handler.sa_mask);
        if libc::sigaction(libc::SIGBUS, action.as_ptr(), before.as_mut_ptr()) == 0 {
            // Set once, as `install` runs once.
            let _ = BEFORE.set(before.assume_init());
        }
    }
}

extern "C" fn on_bus_error(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid `info` to a handler installed with SA_SIGINFO, with an address for this signal.
    let address = unsafe { (*info).si_addr() } as usize;
    let protected = MAPS.iter().any(|(first, last)| {
        let (first, last) = (first.load(Ordering::Acquire), last.load(Ordering::Acquire));
        first != 0 && (first..last).contains(&address)
    });
    if protected {
        // SAFETY: replaces one page within the map of a database, which is mapped to be read only, by one that is read only too. `mmap` is a
        // plain system call; `errno` is put back for whoever was interrupted.
        let replaced = unsafe {
            let errno = *libc::__errno_location();
            let mapped = libc::mmap(
                ptr::without_provenance_mut(address & !(PAGE - 1)),
                PAGE,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            );
            *libc::__errno_location() = errno;
            mapped != libc::MAP_FAILED
        };
        if replaced {
            UNREADABLE.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
    let before = BEFORE.get();
    match before {
        Some(before) if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: a handler that was installed with SA_SIGINFO has this type.
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(before.sa_sigaction) };
            handler(signal, info, context);
        }
        // SAFETY: takes the handler out; the access is repeated on return, and ends the process as it would have without one.
        _ => unsafe {
            libc::signal(libc::SIGBUS, libc::SIG_DFL);
        },
    }
}
