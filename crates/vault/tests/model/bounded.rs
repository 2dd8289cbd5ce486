//! Stable memory that ends: as a canister's does, and a disk.

use std::cell::Cell;
use std::rc::Rc;

use ic_stable_structures::{Memory, VectorMemory};

/// A memory that grows up to a number of pages (64 KiB each). Clones are the same memory.
#[derive(Clone)]
pub struct Bounded {
    inner: VectorMemory,
    most: Rc<Cell<u64>>,
}

impl Bounded {
    pub fn endless() -> Self {
        Self {
            inner: VectorMemory::default(),
            most: Rc::new(Cell::new(u64::MAX)),
        }
    }

    /// From now on it grows by no more than so many pages.
    pub fn leave(&self, pages: u64) {
        self.most.set(self.inner.size() + pages);
    }

    pub fn is_bounded(&self) -> bool {
        self.most.get() != u64::MAX
    }

    /// All that is in it.
    pub fn content(&self) -> Vec<u8> {
        self.inner.borrow().clone()
    }
}

impl Memory for Bounded {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn grow(&self, pages: u64) -> i64 {
        if self.inner.size() + pages > self.most.get() {
            return -1;
        }
        self.inner.grow(pages)
    }

    fn read(&self, offset: u64, dst: &mut [u8]) {
        self.inner.read(offset, dst);
    }

    fn write(&self, offset: u64, src: &[u8]) {
        self.inner.write(offset, src);
    }
}
