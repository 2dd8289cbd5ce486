//! Stable memory as one message sees it: the committed units under the changes that are not committed yet.
//!
//! Layers, from the top: the running message, the group of finished messages it belongs to, the group being
//! committed meanwhile, and the database. A message that succeeds is merged into its group, one that traps
//! is dropped (I2). A read touches only the units of its range (I4) and copies straight from the database's pages.

use super::{StoreError, UNIT_BYTES, View};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Bytes of a WebAssembly page, the unit stable memory grows by.
pub const WASM_PAGE: u64 = 65_536;

/// The Internet Computer's bound on stable memory: 500 GiB, in WebAssembly pages.
pub const MAX_STABLE_PAGES: u64 = 500 * 1024 * 1024 * 1024 / WASM_PAGE;

/// Bytes of stable memory one message may write anew, so that the overlay stays within memory.
const MAX_MESSAGE_BYTES: usize = 512 * 1024 * 1024;

/// The pages whose first change in a message the Internet Computer charges for, in bytes.
const DIRTY_PAGE: u64 = 4096;

const UNIT: u64 = UNIT_BYTES as u64;

type UnitData = [u8; UNIT_BYTES];

/// Hashes the index of a unit or a page, of which a message looks up thousands. Indices are the canister's choice, who slows down nobody but
/// itself with bad ones.
#[derive(Default)]
struct IndexHasher(u64);

impl Hasher for IndexHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, index: u64) {
        // 2^64 divided by the golden ratio: neighbours land far apart. Tables take low bits and high ones, so that the halves are mixed.
        let spread = (self.0 ^ index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ (spread >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type ByIndex = BuildHasherDefault<IndexHasher>;

/// Changed units, by index.
#[derive(Default)]
pub struct Overlay {
    /// Where the database has the unit of index 0; see [`super::generations`].
    base: u64,
    units: HashMap<u64, Box<UnitData>, ByIndex>,
}

impl Overlay {
    pub(super) fn new(base: u64) -> Overlay {
        Overlay {
            base,
            units: HashMap::default(),
        }
    }

    /// Where the database has the unit of index 0.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// The changed units in ascending order, which is the order the database takes them fastest in.
    pub fn units(&self) -> impl Iterator<Item = (u64, &UnitData)> {
        let mut indices: Vec<u64> = self.units.keys().copied().collect();
        indices.sort_unstable();
        indices
            .into_iter()
            .filter_map(|index| self.units.get(&index).map(|data| (index, &**data)))
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.units.len() * UNIT_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }
}

/// Why stable memory could not be read or written. Each of them traps the message.
#[derive(Debug, thiserror::Error)]
pub enum StableError {
    #[error("stable memory out of bounds")]
    OutOfBounds,
    #[error("one message may write at most {MAX_MESSAGE_BYTES} bytes of stable memory")]
    TooMuch,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a unit lies in the database's pages; `None` for a unit never written.
type Located = Option<*const UnitData>;

/// Units whose place in the database is remembered, so that many small reads of one unit search once.
const LOCATED_SLOTS: usize = 512;

/// Stable memory during one message or one query.
pub struct StableMemory {
    view: View,
    /// Places of units in `view`; never outlives it.
    located: Box<[Option<(u64, Located)>; LOCATED_SLOTS]>,
    committing: Option<Arc<Overlay>>,
    group: Overlay,
    group_pages: u64,
    message: Overlay,
    message_pages: u64,
    message_dirty: HashSet<u64, ByIndex>,
    /// WebAssembly pages beyond which it does not grow.
    max_pages: u64,
}

impl StableMemory {
    /// Stable memory of `pages` WebAssembly pages as of `view`, with the changes of a group that may or may not have reached
    /// `view` on top.
    pub fn new(view: View, committing: Option<Arc<Overlay>>, pages: u64) -> Self {
        let group = Overlay::new(view.base);
        StableMemory {
            view,
            located: Box::new([None; LOCATED_SLOTS]),
            committing,
            group,
            group_pages: pages,
            message: Overlay::default(),
            message_pages: pages,
            message_dirty: HashSet::default(),
            max_pages: MAX_STABLE_PAGES,
        }
    }

    /// Lets it grow up to so many WebAssembly pages, and never beyond [`MAX_STABLE_PAGES`]. What there is already stays.
    pub fn limit(&mut self, pages: u64) {
        self.max_pages = pages.min(MAX_STABLE_PAGES);
    }

    /// The size in WebAssembly pages, as the running message sees it.
    pub fn pages(&self) -> u64 {
        self.message_pages
    }

    /// Grows by `pages` and returns the old size; `None` beyond the bound, changing nothing.
    pub fn grow(&mut self, pages: u64) -> Option<u64> {
        let old = self.message_pages;
        // Growing by nothing asks for the size, which a memory beyond its bound has too.
        let new = old
            .checked_add(pages)
            .filter(|new| pages == 0 || *new <= self.max_pages)?;
        self.message_pages = new;
        Some(old)
    }

    /// Fills `into` from `offset` (bytes).
    pub fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), StableError> {
        self.check(offset, into.len())?;
        let mut at = offset;
        let mut rest = into;
        while !rest.is_empty() {
            let (index, start) = (at / UNIT, (at % UNIT) as usize);
            let (part, tail) = rest.split_at_mut(rest.len().min(UNIT_BYTES - start));
            match self.current(index)? {
                Some(data) => part.copy_from_slice(&data[start..start + part.len()]),
                None => part.fill(0),
            }
            at += part.len() as u64;
            rest = tail;
        }
        Ok(())
    }

    /// Writes `data` at `offset` (bytes). Returns how many pages of 4 KiB the message changed for the first time.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Result<u64, StableError> {
        self.check(offset, data.len())?;
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let (index, start) = (at / UNIT, (at % UNIT) as usize);
            let (part, tail) = rest.split_at(rest.len().min(UNIT_BYTES - start));
            match <&UnitData>::try_from(part) {
                Ok(whole) => self.replace(index, whole)?,
                Err(_) => {
                    self.writable(index)?[start..start + part.len()].copy_from_slice(part);
                }
            }
            at += part.len() as u64;
            rest = tail;
        }
        if data.is_empty() {
            return Ok(0);
        }
        let before = self.message_dirty.len();
        self.message_dirty
            .extend(offset / DIRTY_PAGE..=(at - 1) / DIRTY_PAGE);
        Ok((self.message_dirty.len() - before) as u64)
    }

    /// The message succeeded: its changes become its group's.
    pub fn accept(&mut self) {
        self.group.units.extend(self.message.units.drain());
        self.group_pages = self.message_pages;
        self.message_dirty.clear();
    }

    /// The message failed: its changes are gone.
    pub fn discard(&mut self) {
        self.message.units.clear();
        self.message_pages = self.group_pages;
        self.message_dirty.clear();
    }

    /// Ends the group: its changes and the size after it, to be committed.
    pub fn into_group(self) -> (Overlay, u64) {
        (self.group, self.group_pages)
    }

    /// Ends the group where nothing is to be committed: what it has changed, over the view it was made on, and the size after it.
    pub fn accepted_over_view(self) -> (View, Overlay, u64) {
        (self.view, self.group, self.group_pages)
    }

    /// Bytes the group will write.
    pub fn group_bytes(&self) -> usize {
        self.group.bytes()
    }

    fn check(&self, offset: u64, len: usize) -> Result<(), StableError> {
        // MAX_STABLE_PAGES bounds the size, so that the product cannot overflow.
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.message_pages * WASM_PAGE => Ok(()),
            _ => Err(StableError::OutOfBounds),
        }
    }

    /// A unit as the running message sees it.
    fn current(&mut self, index: u64) -> Result<Option<&UnitData>, StableError> {
        // A failed first look-up makes the borrow checker ask for the second; both are cheap.
        if self.message.units.contains_key(&index) {
            return Ok(self.message.units.get(&index).map(|data| &**data));
        }
        self.accepted(index)
    }

    /// A unit as the messages before the running one left it.
    fn accepted(&mut self, index: u64) -> Result<Option<&UnitData>, StableError> {
        if !self.group.is_empty() && self.group.units.contains_key(&index) {
            return Ok(self.group.units.get(&index).map(|data| &**data));
        }
        if let Some(committing) = &self.committing
            && committing.units.contains_key(&index)
        {
            return Ok(committing.units.get(&index).map(|data| &**data));
        }
        let slot = (index % LOCATED_SLOTS as u64) as usize;
        let located = match self.located[slot] {
            Some((known, located)) if known == index => located,
            _ => {
                let located = self.view.unit(index)?.map(std::ptr::from_ref::<UnitData>);
                self.located[slot] = Some((index, located));
                located
            }
        };
        // SAFETY: the pointer came from a slice of UNIT_BYTES bytes in a page of `self.view`'s transaction. The
        // database neither moves nor changes such pages while the transaction is open, and it is open as long
        // as `self`, which the returned reference borrows. A byte array needs no alignment.
        Ok(located.map(|data| unsafe { &*data }))
    }

    /// Replaces the content of a unit, which is not read.
    fn replace(&mut self, index: u64, content: &UnitData) -> Result<(), StableError> {
        if let Some(unit) = self.message.units.get_mut(&index) {
            unit.copy_from_slice(content);
            return Ok(());
        }
        self.check_room()?;
        self.message.units.insert(index, Box::new(*content));
        Ok(())
    }

    /// A unit to write to a part of.
    fn writable(&mut self, index: u64) -> Result<&mut UnitData, StableError> {
        if !self.message.units.contains_key(&index) {
            self.check_room()?;
            let mut data = Box::new([0; UNIT_BYTES]);
            if let Some(old) = self.accepted(index)? {
                data.copy_from_slice(old);
            }
            self.message.units.insert(index, data);
        }
        // Inserted above where it was missing.
        Ok(self
            .message
            .units
            .entry(index)
            .or_insert_with(|| Box::new([0; UNIT_BYTES])))
    }

    fn check_room(&self) -> Result<(), StableError> {
        match self.message.bytes() + UNIT_BYTES <= MAX_MESSAGE_BYTES {
            true => Ok(()),
            false => Err(StableError::TooMuch),
        }
    }
}
