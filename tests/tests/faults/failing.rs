//! Stable memory whose growth can be refused, for any one request or from one on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ic_stable_structures::Memory;

/// Bytes of a WebAssembly page, by which stable memory grows.
pub const PAGE: usize = 65_536;

/// Which requests to grow are refused; they are counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    None,
    /// This one, and no other: as a system that is short of memory for a moment.
    Only(u32),
    /// This one and every later one: as a system that has come to its end.
    From(u32),
}

impl Refused {
    fn has(self, request: u32) -> bool {
        match self {
            Refused::None => false,
            Refused::Only(refused) => request == refused,
            Refused::From(first) => request >= first,
        }
    }
}

/// A memory over bytes. Clones are the same memory.
#[derive(Clone)]
pub struct Failing {
    bytes: Rc<RefCell<Vec<u8>>>,
    refused: Rc<Cell<Refused>>,
    /// Requests to grow since [`Failing::refuse`].
    requests: Rc<Cell<u32>>,
}

impl Failing {
    /// A memory that holds `bytes`, whole pages, and refuses nothing.
    pub fn over(bytes: Vec<u8>) -> Self {
        assert_eq!(bytes.len() % PAGE, 0);
        Self {
            bytes: Rc::new(RefCell::new(bytes)),
            refused: Rc::new(Cell::new(Refused::None)),
            requests: Rc::new(Cell::new(0)),
        }
    }

    /// From now on these requests are refused, counted from now on.
    pub fn refuse(&self, refused: Refused) {
        self.refused.set(refused);
        self.requests.set(0);
    }

    /// Requests to grow since [`Failing::refuse`].
    pub fn requests(&self) -> u32 {
        self.requests.get()
    }

    /// All that is in it.
    pub fn content(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }

    /// Whether it holds `before`, and beyond that nothing: growth alone is no change.
    pub fn holds(&self, before: &[u8]) -> bool {
        let bytes = self.bytes.borrow();
        bytes.len() >= before.len()
            && bytes[..before.len()] == *before
            && bytes[before.len()..].iter().all(|byte| *byte == 0)
    }
}

impl Memory for Failing {
    fn size(&self) -> u64 {
        (self.bytes.borrow().len() / PAGE) as u64
    }

    fn grow(&self, pages: u64) -> i64 {
        self.requests.set(self.requests.get() + 1);
        if self.refused.get().has(self.requests.get()) {
            return -1;
        }
        let old = self.size();
        let new = (old + pages) as usize * PAGE;
        self.bytes.borrow_mut().resize(new, 0);
        old as i64
    }

    fn read(&self, offset: u64, dst: &mut [u8]) {
        let at = offset as usize;
        dst.copy_from_slice(&self.bytes.borrow()[at..at + dst.len()]);
    }

    fn write(&self, offset: u64, src: &[u8]) {
        let at = offset as usize;
        self.bytes.borrow_mut()[at..at + src.len()].copy_from_slice(src);
    }
}
