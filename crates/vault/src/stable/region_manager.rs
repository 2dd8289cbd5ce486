//! Divides one stable memory into regions that grow independently, with two properties that
//! ic-stable-structures' own memory manager lacks:
//!
//! - Buckets grow with their region (1/32 of its size, between 4 KiB and 128 MiB), so that an almost empty vault takes
//!   kilobytes rather than one large bucket for each region, and a full one is not bounded by a bucket count
//!   chosen for small ones: 8,192 buckets reach past 400 GiB.
//! - Memory is reserved before it is used. [`RegionManager::reserve`] fails with a typed error while nothing has been
//!   written; after it succeeded, writes within the reservation cannot fail (I2).
//!
//! ```text
//! offset      size     content
//! 0           4        magic "KSRM"
//! 4           4        layout version (1)
//! 8           4        number of buckets
//! 12          4        unused, zero
//! 16          64 × 8   size of each region in 64 KiB pages
//! 4,096       8,192×4  buckets in the order of allocation: region in the high byte, length in 4 KiB blocks below
//! 36,864      …        the buckets, one after the other
//! ```
//! All integers are little-endian. A region's bytes are its buckets in order; what lies inside its size but in no bucket yet
//! reads as zero and takes no space.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ic_stable_structures::Memory;

const MAGIC: &[u8; 4] = b"KSRM";
const LAYOUT_VERSION: u32 = 1;
const PAGE: u64 = 65_536;
const BLOCK: u64 = 4_096;
const REGION_COUNT: usize = 64;
const MAX_BUCKETS: u64 = 8_192;
const SIZES_OFFSET: u64 = 16;
const TABLE_OFFSET: u64 = BLOCK;
pub(super) const DATA_OFFSET: u64 = TABLE_OFFSET + MAX_BUCKETS * 4;
const MAX_BUCKET_BLOCKS: u64 = 32_768;
const GROWTH_DIVISOR: u64 = 32;
/// What content leaves ungrown: 1/64 of what is in use, between 256 KiB and 32 MiB, and some entries of the bucket table.
const HEADROOM_DIVISOR: u64 = 64;
const HEADROOM_MIN: u64 = 256 * 1024;
const HEADROOM_MAX: u64 = 32 * 1024 * 1024;
const HEADROOM_BUCKETS: u64 = 256;

/// The memory below cannot grow by as much as an operation needs. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stable memory cannot grow any further")]
pub struct OutOfMemory;

/// The memory holds something that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownLayout {
    #[error("stable memory does not begin with a Keepsake region table; refusing to overwrite it")]
    NotOurs,
    #[error(
        "stable memory has layout version {found}, this build reads version {known}; install a build that knows it"
    )]
    Version { found: u32, known: u32 },
    #[error(
        "stable memory is full: there is no room for the regions that this build adds; delete something with the build before, or give the canister more memory"
    )]
    NoRoom,
    #[error("stable memory's region table is damaged: {0}")]
    Damaged(&'static str),
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Offset of its first byte within the region.
    start: u64,
    /// Offset of its first byte in the memory below.
    at: u64,
}

#[derive(Default)]
struct RegionState {
    pages: u64,
    /// Bytes that have a bucket.
    backed: u64,
    buckets: Vec<Bucket>,
    /// The bucket that was used last, counted from 1. A tree's node is read in many small pieces beside each other, and a region of some
    /// gigabytes has hundreds of buckets to search.
    recent: Cell<usize>,
    /// Whether a B-tree of ic-stable-structures lies in it, whose allocator knows what is free.
    is_tree: bool,
}

impl RegionState {
    /// Length of the next bucket when at least `bytes` more must be backed.
    fn next_bucket(&self, bytes: u64) -> u64 {
        let step = (self.backed / GROWTH_DIVISOR / BLOCK).clamp(1, MAX_BUCKET_BLOCKS) * BLOCK;
        // One table entry holds at most 2^24 - 1 blocks (64 GiB), far above what one message can write.
        step.max(bytes.div_ceil(BLOCK) * BLOCK)
    }

    /// How many buckets begin at or before this offset: the last of them holds it, where the region is backed that far.
    fn buckets_until(&self, offset: u64) -> usize {
        let begins_by = |bucket: &Bucket| bucket.start <= offset;
        let recent = self.recent.get();
        if recent > 0
            && self.buckets.get(recent - 1).is_some_and(begins_by)
            && !self.buckets.get(recent).is_some_and(begins_by)
        {
            return recent;
        }
        let count = self.buckets.partition_point(begins_by);
        self.recent.set(count);
        count
    }
}

struct Inner<M> {
    memory: M,
    regions: Vec<RegionState>,
    bucket_count: u64,
    /// End of the last bucket in the memory below.
    end: u64,
}

/// Hands out the regions of one memory. Cheap to clone.
pub struct RegionManager<M> {
    inner: Rc<RefCell<Inner<M>>>,
}

impl<M> Clone for RegionManager<M> {
    fn clone(&self) -> Self {
        Self {
            inner: Rc::clone(&self.inner),
        }
    }
}

impl<M: Memory> RegionManager<M> {
    /// Opens the region table, or lays out a new one in an empty memory. Reads at most 36 KiB.
    ///
    /// # Errors
    /// [`UnknownLayout`] where the memory holds anything else. An empty memory that cannot grow to its first page is reported as
    /// damaged.
    pub fn open(memory: M) -> Result<Self, UnknownLayout> {
        if memory.size() == 0 {
            if memory.grow(1) < 0 {
                return Err(UnknownLayout::NoRoom);
            }
            memory.write(0, MAGIC);
            memory.write(4, &LAYOUT_VERSION.to_le_bytes());
        }
        let mut header = [0u8; SIZES_OFFSET as usize + REGION_COUNT * 8];
        memory.read(0, &mut header);
        if &header[..4] != MAGIC {
            return Err(UnknownLayout::NotOurs);
        }
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        if word(4) != LAYOUT_VERSION {
            return Err(UnknownLayout::Version {
                found: word(4),
                known: LAYOUT_VERSION,
            });
        }
        let bucket_count = u64::from(word(8));
        if bucket_count > MAX_BUCKETS {
            return Err(UnknownLayout::Damaged("more buckets than the table holds"));
        }
        let mut regions: Vec<RegionState> =
            (0..REGION_COUNT).map(|_| RegionState::default()).collect();
        for (region, size) in regions
            .iter_mut()
            .zip(header[SIZES_OFFSET as usize..].chunks_exact(8))
        {
            region.pages = u64::from(u32::from_le_bytes([size[0], size[1], size[2], size[3]]))
                | u64::from(u32::from_le_bytes([size[4], size[5], size[6], size[7]])) << 32;
        }
        let mut table = vec![0u8; bucket_count as usize * 4];
        memory.read(TABLE_OFFSET, &mut table);
        let mut end = DATA_OFFSET;
        for entry in table.chunks_exact(4) {
            let entry = u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
            let region = regions
                .get_mut((entry >> 24) as usize)
                .ok_or(UnknownLayout::Damaged("a bucket of an unknown region"))?;
            region.buckets.push(Bucket {
                start: region.backed,
                at: end,
            });
            let length = u64::from(entry & 0x00FF_FFFF) * BLOCK;
            region.backed += length;
            end += length;
        }
        if end > memory.size() * PAGE {
            return Err(UnknownLayout::Damaged("buckets end beyond the memory"));
        }
        Ok(Self {
            inner: Rc::new(RefCell::new(Inner {
                memory,
                regions,
                bucket_count,
                end,
            })),
        })
    }

    /// The region with this number, 0 to 63, for content of the caller's own layout.
    pub fn region(&self, id: u8) -> Region<M> {
        assert!(usize::from(id) < REGION_COUNT, "region {id} does not exist");
        Region {
            id,
            inner: Rc::clone(&self.inner),
        }
    }

    /// The region with this number, 0 to 63, for a B-tree: what is free inside the tree counts when memory is reserved.
    pub fn tree_region(&self, id: u8) -> Region<M> {
        let region = self.region(id);
        self.inner.borrow_mut().regions[usize::from(id)].is_tree = true;
        region
    }

    /// Makes sure that each of the regions named can take `bytes` more bytes, all of them together, without growing the memory
    /// below: a tree beyond what is allocated in it, any other region beyond what it has buckets for.
    ///
    /// Some room is left ungrown, so that a vault that is full can be emptied and used again: content stops growing first, while the
    /// trees that keep track of it still can; and half of what content leaves is for [`Self::reserve_for_moving`] and
    /// [`Self::reserve_for_freeing`] alone.
    ///
    /// # Errors
    /// [`OutOfMemory`] where the memory cannot grow or the bucket table is full. Nothing changed then.
    pub fn reserve(&self, needs: &[(u8, u64)]) -> Result<(), OutOfMemory> {
        let headroom = self.headroom();
        let growth = self.inner.borrow().growth(needs)?;
        let (left, buckets) = match growth {
            Growth { content: 0, .. } => (headroom / 2, HEADROOM_BUCKETS / 2),
            _ => (headroom, HEADROOM_BUCKETS),
        };
        self.inner.borrow().grow_for(growth, left, buckets)
    }

    /// The same for an operation that frees in one tree what it takes in another: possible where new records are refused already, but
    /// leaving a quarter of the room for [`Self::reserve_for_freeing`] alone, as what a tree frees is its own.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub fn reserve_for_moving(&self, needs: &[(u8, u64)]) -> Result<(), OutOfMemory> {
        let left = self.headroom() / 4;
        let growth = self.inner.borrow().growth(needs)?;
        self.inner
            .borrow()
            .grow_for(growth, left, HEADROOM_BUCKETS / 4)
    }

    /// Bytes that content leaves ungrown.
    fn headroom(&self) -> u64 {
        (self.used() / HEADROOM_DIVISOR).clamp(HEADROOM_MIN, HEADROOM_MAX)
    }

    /// The same for an operation that frees more than it takes, without leaving any room.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub fn reserve_for_freeing(&self, needs: &[(u8, u64)]) -> Result<(), OutOfMemory> {
        let inner = self.inner.borrow();
        let growth = inner.growth(needs)?;
        inner.grow_for(growth, 0, 0)
    }

    /// Bytes of the memory below that are in use: table and buckets.
    pub fn used(&self) -> u64 {
        self.inner.borrow().end
    }

    /// Bytes of the memory below, in use or not.
    pub fn allocated(&self) -> u64 {
        self.inner.borrow().memory.size() * PAGE
    }

    /// Bytes of the region's buckets, and what of them is free inside its tree (0 for a region that holds no tree).
    pub fn extent_of(&self, id: u8) -> (u64, u64) {
        let inner = self.inner.borrow();
        (
            inner.regions[usize::from(id)].backed,
            inner.free_in_tree(id),
        )
    }
}

/// Bytes by which regions must grow, at the most.
struct Growth {
    trees: u64,
    content: u64,
    buckets: u64,
}

impl<M: Memory> Inner<M> {
    fn growth(&self, needs: &[(u8, u64)]) -> Result<Growth, OutOfMemory> {
        let mut growth = Growth {
            trees: 0,
            content: 0,
            buckets: 0,
        };
        for &(id, need) in needs {
            let region = &self.regions[usize::from(id)];
            let more = need.saturating_sub(self.free_in_tree(id));
            if more == 0 {
                continue;
            }
            // Several writes may each start a bucket: their sum is at most what is needed plus one step.
            let sum = if region.is_tree {
                &mut growth.trees
            } else {
                &mut growth.content
            };
            *sum = sum
                .checked_add(more)
                .and_then(|sum| sum.checked_add(region.next_bucket(0)))
                .ok_or(OutOfMemory)?;
            growth.buckets += 4;
        }
        Ok(growth)
    }

    /// Grows the memory below so that it takes this growth and has `left` bytes and `buckets` table entries left.
    fn grow_for(&self, growth: Growth, left: u64, buckets: u64) -> Result<(), OutOfMemory> {
        if growth.buckets == 0 {
            return Ok(());
        }
        if MAX_BUCKETS - self.bucket_count < growth.buckets + buckets {
            return Err(OutOfMemory);
        }
        let end = [growth.trees, growth.content, left]
            .into_iter()
            .try_fold(self.end, u64::checked_add)
            .ok_or(OutOfMemory)?;
        let pages = end.div_ceil(PAGE).saturating_sub(self.memory.size());
        if pages > 0 && self.memory.grow(pages) < 0 {
            return Err(OutOfMemory);
        }
        Ok(())
    }

    /// Bytes of the region that its tree can allocate without a new bucket; 0 for a region that holds no tree.
    ///
    /// Read from the header of the tree's allocator (ic-stable-structures, `btreemap/allocator.rs`, layout version 1): at offset 52 the
    /// magic "BTA" and the version, at 60 the bytes of a chunk, at 68 the number of chunks allocated; from 100 on, the chunks, each
    /// behind 16 bytes of its own.
    fn free_in_tree(&self, id: u8) -> u64 {
        const ALLOCATOR: u64 = 52;
        const CHUNKS: u64 = 100;
        const CHUNK_HEADER: u64 = 16;
        let region = &self.regions[usize::from(id)];
        if !region.is_tree || region.backed < CHUNKS {
            return 0;
        }
        let mut header = [0; 24];
        self.pieces(id, ALLOCATOR, 24, |at, range| {
            if let Some(at) = at {
                self.memory.read(at, &mut header[range]);
            }
        });
        let (magic, numbers) = header.split_at(8);
        if magic[..4] != *b"BTA\x01" {
            return 0;
        }
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0u64, |number, byte| number << 8 | u64::from(*byte))
        };
        let chunk = number(&numbers[..8]).saturating_add(CHUNK_HEADER);
        // One chunk header lies behind the last chunk, and belongs to none.
        let taken = number(&numbers[8..])
            .saturating_add(1)
            .saturating_mul(chunk);
        (region.backed - CHUNKS).saturating_sub(taken)
    }

    /// Calls `f(offset in the memory below, range of the caller's buffer)` for each piece of `[offset, offset + length)`
    /// that has a bucket, and with `None` for what has none.
    fn pieces(
        &self,
        id: u8,
        offset: u64,
        length: u64,
        mut f: impl FnMut(Option<u64>, std::ops::Range<usize>),
    ) {
        let region = &self.regions[usize::from(id)];
        let mut done = 0u64;
        let mut index = region.buckets_until(offset);
        while done < length {
            let position = offset + done;
            let bucket_end = region.buckets.get(index).map_or(region.backed, |b| b.start);
            if position >= region.backed {
                f(None, done as usize..length as usize);
                return;
            }
            let bucket = region.buckets[index - 1];
            let take = (bucket_end - position).min(length - done);
            f(
                Some(bucket.at + (position - bucket.start)),
                done as usize..(done + take) as usize,
            );
            done += take;
            index += 1;
        }
    }

    /// Gives the region buckets up to `end`.
    ///
    /// Panics (in a canister: traps, which rolls the message back) where the memory cannot grow; operations call
    /// [`RegionManager::reserve`] first, so that this is never reached.
    fn back(&mut self, id: u8, end: u64) {
        let region = &mut self.regions[usize::from(id)];
        if end <= region.backed {
            return;
        }
        let length = region.next_bucket(end - region.backed);
        let pages = (self.end + length)
            .div_ceil(PAGE)
            .saturating_sub(self.memory.size());
        assert!(
            self.bucket_count < MAX_BUCKETS && (pages == 0 || self.memory.grow(pages) >= 0),
            "stable memory was not reserved before region {id} grew"
        );
        region.buckets.push(Bucket {
            start: region.backed,
            at: self.end,
        });
        region.backed += length;
        let entry = u32::from(id) << 24 | (length / BLOCK) as u32;
        self.memory
            .write(TABLE_OFFSET + self.bucket_count * 4, &entry.to_le_bytes());
        self.bucket_count += 1;
        self.memory
            .write(8, &(self.bucket_count as u32).to_le_bytes());
        self.end += length;
    }
}

/// One region: a memory of its own.
pub struct Region<M> {
    id: u8,
    inner: Rc<RefCell<Inner<M>>>,
}

impl<M> Clone for Region<M> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            inner: Rc::clone(&self.inner),
        }
    }
}

impl<M: Memory> Region<M> {
    /// Bytes that have a bucket.
    pub fn backed(&self) -> u64 {
        self.inner.borrow().regions[usize::from(self.id)].backed
    }
}

impl<M> Region<M> {
    fn check_bounds(&self, pages: u64, offset: u64, length: u64) {
        assert!(
            offset
                .checked_add(length)
                .is_some_and(|end| end <= pages * PAGE),
            "region {}: access of {length} bytes at {offset} is out of bounds",
            self.id
        );
    }
}

impl<M: Memory> Memory for Region<M> {
    fn size(&self) -> u64 {
        self.inner.borrow().regions[usize::from(self.id)].pages
    }

    fn grow(&self, pages: u64) -> i64 {
        let mut inner = self.inner.borrow_mut();
        let region = &mut inner.regions[usize::from(self.id)];
        let old = region.pages;
        let Some(new) = old.checked_add(pages).filter(|new| *new < 1 << 40) else {
            return -1;
        };
        region.pages = new;
        inner
            .memory
            .write(SIZES_OFFSET + u64::from(self.id) * 8, &new.to_le_bytes());
        old as i64
    }

    fn read(&self, offset: u64, dst: &mut [u8]) {
        let inner = self.inner.borrow();
        self.check_bounds(
            inner.regions[usize::from(self.id)].pages,
            offset,
            dst.len() as u64,
        );
        inner.pieces(self.id, offset, dst.len() as u64, |at, range| match at {
            Some(at) => inner.memory.read(at, &mut dst[range]),
            None => dst[range].fill(0),
        });
    }

    unsafe fn read_unsafe(&self, offset: u64, dst: *mut u8, count: usize) {
        let inner = self.inner.borrow();
        self.check_bounds(
            inner.regions[usize::from(self.id)].pages,
            offset,
            count as u64,
        );
        inner.pieces(self.id, offset, count as u64, |at, range| {
            // SAFETY: `pieces` hands out disjoint ranges within `0..count`, and the caller vouches for `dst..dst+count`.
            unsafe {
                let piece = dst.add(range.start);
                match at {
                    Some(at) => inner.memory.read_unsafe(at, piece, range.len()),
                    None => std::ptr::write_bytes(piece, 0, range.len()),
                }
            }
        });
    }

    fn write(&self, offset: u64, src: &[u8]) {
        let mut inner = self.inner.borrow_mut();
        self.check_bounds(
            inner.regions[usize::from(self.id)].pages,
            offset,
            src.len() as u64,
        );
        inner.back(self.id, offset + src.len() as u64);
        inner.pieces(self.id, offset, src.len() as u64, |at, range| {
            if let Some(at) = at {
                inner.memory.write(at, &src[range]);
            }
        });
    }
}
