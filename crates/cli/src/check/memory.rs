//! Stable memory at rest for the vault's own code, which knows no errors of reading: what cannot be read unwinds to [`guarded`].

use std::{
    any::Any,
    cell::RefCell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use ic_stable_structures::Memory;
use keepsake_host::{
    snapshot::{SnapshotAtRest, SnapshotError},
    store::{StableError, StableMemory, StoreError, WASM_PAGE},
};

/// Where stable memory is read from. Opening a vault writes the headers of regions that were never used; what is written stays in this process.
trait Source {
    fn pages(&self) -> u64;
    fn grow(&mut self, pages: u64) -> Option<u64>;
    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String>;
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String>;
}

impl Source for StableMemory {
    fn pages(&self) -> u64 {
        StableMemory::pages(self)
    }

    fn grow(&mut self, pages: u64) -> Option<u64> {
        StableMemory::grow(self, pages)
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        StableMemory::read(self, offset, into).map_err(|error| described(&error))
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        StableMemory::write(self, offset, bytes)
            .map(|_| ())
            .map_err(|error| described(&error))
    }
}

fn described(error: &StableError) -> String {
    match error {
        StableError::Store(StoreError::Damaged(what)) => format!("{what} is not what was written"),
        error => error.to_string(),
    }
}

/// A snapshot's stable memory, with what was written over it.
struct Saved {
    snapshot: SnapshotAtRest,
    pages: u64,
    written: BTreeMap<u64, Vec<u8>>,
}

impl Saved {
    /// What the snapshot has, and zeros behind its end.
    fn below(&self, offset: u64, into: &mut [u8]) -> Result<(), SnapshotError> {
        let end = self.snapshot.stable_pages() * WASM_PAGE;
        let there = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (part, beyond) = into.split_at_mut(there.min(into.len()));
        beyond.fill(0);
        if part.is_empty() {
            return Ok(());
        }
        self.snapshot.read_stable(offset, part)
    }

    /// Does something with each page that a range is in: with the page's number, where in it, and where in the range.
    fn each_page(
        offset: u64,
        length: usize,
        mut with: impl FnMut(u64, std::ops::Range<usize>, std::ops::Range<usize>) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut done = 0;
        while done < length {
            let at = offset + done as u64;
            // Below the size of a page.
            let start = (at % WASM_PAGE) as usize;
            let part = (length - done).min(WASM_PAGE as usize - start);
            with(at / WASM_PAGE, start..start + part, done..done + part)?;
            done += part;
        }
        Ok(())
    }
}

impl Source for Saved {
    fn pages(&self) -> u64 {
        self.pages
    }

    fn grow(&mut self, pages: u64) -> Option<u64> {
        let old = self.pages;
        self.pages = old.checked_add(pages)?;
        Some(old)
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        if self.written.is_empty() {
            return self.below(offset, into).map_err(|error| error.to_string());
        }
        Saved::each_page(offset, into.len(), |page, within, range| {
            let at = page * WASM_PAGE + within.start as u64;
            match self.written.get(&page) {
                Some(content) => into[range].copy_from_slice(&content[within]),
                None => self
                    .below(at, &mut into[range])
                    .map_err(|error| error.to_string())?,
            }
            Ok(())
        })
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        Saved::each_page(offset, bytes.len(), |page, within, range| {
            if !self.written.contains_key(&page) {
                let mut content = vec![0; WASM_PAGE as usize];
                self.below(page * WASM_PAGE, &mut content)
                    .map_err(|error| error.to_string())?;
                self.written.insert(page, content);
            }
            // Inserted above where it was missing.
            if let Some(content) = self.written.get_mut(&page) {
                content[within].copy_from_slice(&bytes[range]);
            }
            Ok(())
        })
    }
}

/// Stable memory for the vault's own code.
pub struct Content(RefCell<Box<dyn Source>>);

impl From<StableMemory> for Content {
    fn from(memory: StableMemory) -> Self {
        Content(RefCell::new(Box::new(memory)))
    }
}

impl From<SnapshotAtRest> for Content {
    fn from(snapshot: SnapshotAtRest) -> Self {
        let pages = snapshot.stable_pages();
        Content(RefCell::new(Box::new(Saved {
            snapshot,
            pages,
            written: BTreeMap::new(),
        })))
    }
}

/// Why something could not be read, on its way to [`guarded`].
struct Unreadable(String);

impl Memory for Content {
    fn size(&self) -> u64 {
        self.0.borrow().pages()
    }

    fn grow(&self, pages: u64) -> i64 {
        let grown = self.0.borrow_mut().grow(pages);
        grown.and_then(|old| i64::try_from(old).ok()).unwrap_or(-1)
    }

    fn read(&self, offset: u64, into: &mut [u8]) {
        let read = self.0.borrow_mut().read(offset, into);
        if let Err(error) = read {
            resume_unwind(Box::new(Unreadable(error)));
        }
    }

    fn write(&self, offset: u64, bytes: &[u8]) {
        let written = self.0.borrow_mut().write(offset, bytes);
        if let Err(error) = written {
            resume_unwind(Box::new(Unreadable(error)));
        }
    }
}

/// Does something with the vault that may meet what cannot be read. The trait of memories has no room for errors, and nothing may be decoded
/// from what is not there.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause: Box<dyn Any + Send>| {
        match cause.downcast::<Unreadable>() {
            Ok(unreadable) => unreadable.0,
            Err(_) => "it cannot be decoded".to_owned(),
        }
    })
}
