//! Content in stable memory: one region of bytes, handed out as extents (I4: a byte is written once, at its final place).
//!
//! ```text
//! offset   size   content
//! 0        8      end of the used part (little-endian)
//! 8        8      bytes in free extents
//! 16       16     unused, zero
//! 32       …      extents, each beginning at a multiple of 32
//! ```
//! Free extents are indexed in stable memory by offset (to merge neighbours) and by length (to find the best fit), so that
//! an upgrade rebuilds nothing (I1) and what is freed is reusable at once (I7). All costs are O(log n) in the number of free extents.

mod free_space;

use ic_stable_structures::Memory;
use minicbor::{Decode, Encode};

use crate::regions::{self, RegionId};
use crate::stable::{Region, RegionManager};
use free_space::FreeSpace;

/// Extents begin at multiples of this, and take up multiples of it. The chunk sizes in use (64 KiB, 1,800,000) are such
/// multiples, so that chunks stored one after the other leave no gap.
const GRANULE: u64 = 32;
const HEADER: u64 = 32;
const PAGE: u64 = 65_536;
/// Most extents that one piece of content is spread over when no hole is large enough for it, and the smallest hole that
/// is worth it.
const PARTS_MAX: usize = 256;
const PART_MIN: u64 = 4_096;

/// Where some bytes are in the arena. An extent of length 0 has no place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Extent {
    #[n(0)]
    pub offset: u64,
    #[n(1)]
    pub len: u64,
}

impl Extent {
    /// Bytes it takes up.
    fn span(self) -> u64 {
        self.len.next_multiple_of(GRANULE)
    }

    /// The part of it that begins at `from`, which must not lie beyond its end.
    pub fn part(self, from: u64, len: u64) -> Extent {
        debug_assert!(from + len <= self.len);
        Extent {
            offset: self.offset + from,
            len,
        }
    }
}

/// How a piece of content will be placed, and what that needs.
pub struct Placement {
    holes: Vec<Extent>,
    tail: u64,
}

impl Placement {
    fn len(&self) -> u64 {
        self.tail + self.holes.iter().map(|hole| hole.len).sum::<u64>()
    }

    /// How many extents it will be.
    pub fn parts(&self) -> usize {
        (self.holes.len() + usize::from(self.tail > 0)).max(1)
    }
}

pub struct Arena<M: Memory> {
    region: Region<M>,
    free: FreeSpace<M>,
    end: u64,
    free_bytes: u64,
    /// How many extents were freed since the vault was opened: what bounded steps measure their work by.
    freed: u64,
}

impl<M: Memory> Arena<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        let region = manager.region(regions::ARENA);
        let mut header = [0; 16];
        if region.size() > 0 {
            region.read(0, &mut header);
        }
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&header[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Self {
            free: FreeSpace::open(manager),
            end: number(0).max(HEADER),
            free_bytes: number(8),
            freed: 0,
            region,
        }
    }

    /// Bytes taken up by content.
    pub fn used_bytes(&self) -> u64 {
        self.end - HEADER - self.free_bytes
    }

    /// Bytes in free extents.
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes
    }

    /// Bytes behind the last extent that the region has already.
    pub fn spare_bytes(&self) -> u64 {
        self.region.backed().saturating_sub(self.end)
    }

    /// Decides where `len` bytes go: the hole that fits best; else, where `may_split`, the largest holes; the rest at the end.
    pub fn place(&self, len: u64, may_split: bool) -> Placement {
        let span = len.next_multiple_of(GRANULE);
        if span == 0 {
            return Placement {
                holes: Vec::new(),
                tail: 0,
            };
        }
        if let Some(hole) = self.free.best_fit(span) {
            return Placement {
                holes: vec![Extent {
                    offset: hole.offset,
                    len,
                }],
                tail: 0,
            };
        }
        let mut holes = Vec::new();
        let mut rest = len;
        if may_split {
            for hole in self.free.largest_first().take(PARTS_MAX) {
                if hole.len < PART_MIN || rest == 0 {
                    break;
                }
                let take = hole.len.min(rest);
                holes.push(Extent {
                    offset: hole.offset,
                    len: take,
                });
                rest -= take;
            }
        }
        Placement { holes, tail: rest }
    }

    /// What to reserve before `placements` are taken and `frees` extents are freed. Placements after the first may have been
    /// decided on the same hole: they are reserved for in full.
    pub fn needs(&self, placements: &[&Placement], frees: usize) -> Vec<(RegionId, u64)> {
        let tail: u64 = placements
            .iter()
            .enumerate()
            .map(|(i, p)| if i == 0 { p.tail } else { p.len() })
            .map(|len| len.next_multiple_of(GRANULE))
            .sum();
        let changes = frees + placements.iter().map(|p| p.holes.len()).sum::<usize>();
        let beyond_buckets = (self.end + tail).saturating_sub(self.region.backed());
        let mut needs = vec![(regions::ARENA, beyond_buckets)];
        if changes > 0 {
            let bytes = crate::tree_need(changes, 0);
            needs.push((regions::FREE_BY_OFFSET, bytes));
            needs.push((regions::FREE_BY_LENGTH, bytes));
        }
        needs
    }

    /// Takes the space. The extents are in the order of the content's bytes; an empty content gets one empty extent.
    pub fn take(&mut self, placement: Placement) -> Vec<Extent> {
        let mut extents = placement.holes;
        for extent in &extents {
            let hole = self.free.remove_at(extent.offset);
            let left = hole.len - extent.span();
            if left > 0 {
                self.free.insert(Extent {
                    offset: hole.offset + extent.span(),
                    len: left,
                });
            }
            self.free_bytes -= extent.span();
        }
        if placement.tail > 0 {
            let extent = Extent {
                offset: self.end,
                len: placement.tail,
            };
            self.end += extent.span();
            let pages = self.end.div_ceil(PAGE).saturating_sub(self.region.size());
            if pages > 0 {
                // The region grows virtually; the memory behind it was reserved.
                assert!(self.region.grow(pages) >= 0, "the arena is full");
            }
            extents.push(extent);
        }
        self.write_header();
        if extents.is_empty() {
            extents.push(Extent::default());
        }
        extents
    }

    /// Takes space in one piece.
    pub fn take_contiguous(&mut self, len: u64) -> Extent {
        let placement = self.place(len, false);
        self.take(placement)[0]
    }

    /// Gives the extent's space back, merged with what is free beside it.
    pub fn free(&mut self, extent: Extent) {
        let mut hole = Extent {
            offset: extent.offset,
            len: extent.span(),
        };
        if hole.len == 0 {
            return;
        }
        self.freed += 1;
        self.free_bytes += hole.len;
        if let Some(before) = self.free.ending_at(hole.offset) {
            self.free.remove_at(before.offset);
            hole = Extent {
                offset: before.offset,
                len: before.len + hole.len,
            };
        }
        if let Some(after) = self.free.starting_at(hole.offset + hole.len) {
            self.free.remove_at(after.offset);
            hole.len += after.len;
        }
        if hole.offset + hole.len == self.end {
            self.end = hole.offset;
            self.free_bytes -= hole.len;
        } else {
            self.free.insert(hole);
        }
        self.write_header();
    }

    /// How many extents were freed since the vault was opened.
    pub fn freed(&self) -> u64 {
        self.freed
    }

    /// Writes the bytes at the beginning of the extent, which must be at least as long.
    pub fn write(&self, extent: Extent, bytes: &[u8]) {
        debug_assert!(bytes.len() as u64 <= extent.span());
        if !bytes.is_empty() {
            self.region.write(extent.offset, bytes);
        }
    }

    /// The extent's bytes.
    pub fn read(&self, extent: Extent) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.append(extent, &mut bytes);
        bytes
    }

    /// Appends the extent's bytes.
    pub fn append(&self, extent: Extent, bytes: &mut Vec<u8>) {
        if extent.len == 0 {
            return;
        }
        let count = extent.len as usize;
        bytes.reserve(count);
        // SAFETY: `reserve` made room for `count` bytes behind the current length, and `read_unsafe` initialises all of them.
        unsafe {
            self.region
                .read_unsafe(extent.offset, bytes.as_mut_ptr().add(bytes.len()), count);
            bytes.set_len(bytes.len() + count);
        }
    }

    fn write_header(&self) {
        let mut header = [0; 16];
        header[..8].copy_from_slice(&self.end.to_le_bytes());
        header[8..].copy_from_slice(&self.free_bytes.to_le_bytes());
        if self.region.size() == 0 {
            // The header's page is virtual too until it is written.
            assert!(self.region.grow(1) >= 0, "the arena is full");
        }
        self.region.write(0, &header);
    }

    /// Free extents in the order of their offsets, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn free_extents(&self) -> Vec<Extent> {
        self.free.all()
    }

    /// The used part, header excluded, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn bounds(&self) -> (u64, u64) {
        (HEADER, self.end)
    }

    /// Bytes an extent takes up, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn span(extent: Extent) -> u64 {
        extent.span()
    }
}

#[cfg(test)]
mod tests;
