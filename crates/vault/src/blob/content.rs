//! How a blob's bytes lie in the arena: reading ranges, and the tables that lead to them. A range costs what it is long,
//! wherever it is and however long the blob is (I4), apart from a binary search in the table of extents.

use ic_stable_structures::Memory;

use super::record::{Chunking, Extents, HeldContent};
use crate::arena::{Arena, Extent};

/// Bytes of one entry in an upload's chunk table.
pub const CHUNK_ENTRY: u64 = 16;

/// Where one chunk of an upload in progress is. All zero: not received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkEntry {
    /// Where the chunk is; where it has several parts, where the list of them is.
    offset: u64,
    len: u32,
    parts: u32,
}

impl ChunkEntry {
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (offset, rest) = bytes.split_at(8);
        let (len, parts) = rest.split_at(4);
        ChunkEntry {
            offset: number(offset),
            len: number(len) as u32,
            parts: number(parts) as u32,
        }
    }

    fn to_bytes(self) -> [u8; CHUNK_ENTRY as usize] {
        let mut bytes = [0; CHUNK_ENTRY as usize];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..].copy_from_slice(&self.parts.to_le_bytes());
        bytes
    }

    pub fn is_received(self) -> bool {
        self.parts > 0
    }

    /// The chunk's length in bytes.
    pub fn len(self) -> u32 {
        self.len
    }

    pub fn read<M: Memory>(arena: &Arena<M>, table: Extent, index: u32) -> Self {
        Self::from_bytes(&arena.read(table.part(u64::from(index) * CHUNK_ENTRY, CHUNK_ENTRY)))
    }

    pub fn read_all<M: Memory>(arena: &Arena<M>, table: Extent) -> Vec<Self> {
        arena
            .read(table)
            .chunks_exact(CHUNK_ENTRY as usize)
            .map(Self::from_bytes)
            .collect()
    }

    pub fn write<M: Memory>(self, arena: &Arena<M>, table: Extent, index: u32) {
        let at = table.part(u64::from(index) * CHUNK_ENTRY, CHUNK_ENTRY);
        arena.write(at, &self.to_bytes());
    }

    /// Stores a chunk's bytes in the extents taken for it, and the list of parts, where it needs one, in `list`.
    pub fn store<M: Memory>(
        arena: &Arena<M>,
        bytes: &[u8],
        parts: &[Extent],
        list: Option<Extent>,
    ) -> Self {
        store_parts(arena, bytes, parts);
        let len = bytes.len() as u32;
        match list {
            Some(list) => {
                let entries: Vec<u8> = parts
                    .iter()
                    .flat_map(|part| [part.offset.to_le_bytes(), part.len.to_le_bytes()])
                    .flatten()
                    .collect();
                arena.write(list, &entries);
                ChunkEntry {
                    offset: list.offset,
                    len,
                    parts: parts.len() as u32,
                }
            }
            None => ChunkEntry {
                offset: parts[0].offset,
                len,
                parts: 1,
            },
        }
    }

    /// Bytes of the list that a chunk of this many parts needs; 0 for one part.
    pub fn list_len(parts: usize) -> u64 {
        if parts > 1 { 16 * parts as u64 } else { 0 }
    }

    fn list(self) -> Option<Extent> {
        (self.parts > 1).then_some(Extent {
            offset: self.offset,
            len: Self::list_len(self.parts as usize),
        })
    }

    /// Where the chunk's bytes are, in order.
    pub fn parts<M: Memory>(self, arena: &Arena<M>) -> Vec<Extent> {
        match self.list() {
            None => vec![Extent {
                offset: self.offset,
                len: u64::from(self.len),
            }],
            Some(list) => arena
                .read(list)
                .chunks_exact(16)
                .map(|part| Extent {
                    offset: number(&part[..8]),
                    len: number(&part[8..]),
                })
                .collect(),
        }
    }

    pub fn bytes<M: Memory>(self, arena: &Arena<M>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len as usize);
        for part in self.parts(arena) {
            arena.append(part, &mut bytes);
        }
        bytes
    }

    /// All that the chunk takes up, its list included.
    pub fn extents<M: Memory>(self, arena: &Arena<M>) -> Vec<Extent> {
        let mut extents = self.parts(arena);
        extents.extend(self.list());
        extents
    }

    /// The list alone, which is not needed any more once the blob is made.
    pub fn list_extent(self) -> Option<Extent> {
        self.list()
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Joins extents that follow each other in the arena without a gap.
pub fn joined(parts: impl IntoIterator<Item = Extent>) -> Vec<Extent> {
    let mut joined: Vec<Extent> = Vec::new();
    for part in parts.into_iter().filter(|part| part.len > 0) {
        match joined.last_mut() {
            Some(last) if last.offset + last.len == part.offset => last.len += part.len,
            _ => joined.push(part),
        }
    }
    joined
}

/// Writes bytes into the extents that were taken for them.
pub fn store_parts<M: Memory>(arena: &Arena<M>, bytes: &[u8], parts: &[Extent]) {
    let mut at = 0;
    for part in parts {
        let end = at + part.len as usize;
        arena.write(*part, &bytes[at..end]);
        at = end;
    }
}

/// Bytes of the table that content in this many places needs; 0 for one place.
pub fn extent_table_len(places: usize) -> u64 {
    if places > 1 { 16 * places as u64 } else { 0 }
}

/// The bytes of the table that leads to these extents.
pub fn extent_table(extents: &[Extent]) -> Vec<u8> {
    let mut start = 0u64;
    let mut table = Vec::with_capacity(extents.len() * 16);
    for extent in extents {
        table.extend_from_slice(&start.to_le_bytes());
        table.extend_from_slice(&extent.offset.to_le_bytes());
        start += extent.len;
    }
    table
}

impl HeldContent {
    /// Where the content is, in order.
    pub fn places<M: Memory>(&self, arena: &Arena<M>) -> Vec<Extent> {
        match self.extents {
            Extents::One(extent) => vec![extent],
            Extents::Many(table) => {
                let entries = arena.read(table);
                let mut starts = entries.chunks_exact(16).skip(1);
                entries
                    .chunks_exact(16)
                    .map(|entry| {
                        let next = starts.next().map_or(self.len, |next| number(&next[..8]));
                        Extent {
                            offset: number(&entry[8..]),
                            len: next - number(&entry[..8]),
                        }
                    })
                    .collect()
            }
        }
    }

    /// All that the content takes up, its table included.
    pub fn all_extents<M: Memory>(&self, arena: &Arena<M>) -> Vec<Extent> {
        let mut extents = self.places(arena);
        if let Extents::Many(table) = self.extents {
            extents.push(table);
        }
        extents
    }
}

/// `len` bytes of the content from `start` on. The range must lie within the content.
pub fn read_range<M: Memory>(
    arena: &Arena<M>,
    content: &HeldContent,
    start: u64,
    len: u64,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len as usize);
    append_content(arena, content, start, len, &mut bytes);
    bytes
}

/// Appends `len` bytes of the content from `start` on. The range must lie within the content.
pub fn append_content<M: Memory>(
    arena: &Arena<M>,
    content: &HeldContent,
    start: u64,
    len: u64,
    bytes: &mut Vec<u8>,
) {
    match content.extents {
        Extents::One(extent) => arena.append(extent.part(start, len), bytes),
        Extents::Many(table) => {
            let entry = |index: u64| {
                let entry = arena.read(table.part(index * 16, 16));
                (number(&entry[..8]), number(&entry[8..]))
            };
            let count = table.len / 16;
            // The last extent that begins at or before `start`.
            let (mut low, mut high) = (0, count);
            while high - low > 1 {
                let middle = (low + high) / 2;
                if entry(middle).0 <= start {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            let (mut position, end) = (start, start + len);
            let mut current = entry(low);
            while position < end {
                low += 1;
                let next = (low < count).then(|| entry(low));
                let extent_end = next.map_or(content.len, |(next_start, _)| next_start);
                let take = extent_end.min(end) - position;
                let from = Extent {
                    offset: current.1 + (position - current.0),
                    len: take,
                };
                arena.append(from, bytes);
                position += take;
                current = next.unwrap_or(current);
            }
        }
    }
}

/// Where chunk `index` lies within its blob of length `len`: (start, length); `None` past the end.
pub fn chunk_range<M: Memory>(
    arena: &Arena<M>,
    chunking: &Chunking,
    len: u64,
    index: u32,
) -> Option<(u64, u64)> {
    if index >= chunking.count() {
        return None;
    }
    match chunking {
        Chunking::Uniform { size, .. } => {
            let start = u64::from(*size) * u64::from(index);
            Some((start, (len - start).min(u64::from(*size))))
        }
        Chunking::Ends(table) => {
            let end_of = |i: u32| number(&arena.read(table.part(u64::from(i) * 8, 8)));
            let start = index.checked_sub(1).map_or(0, end_of);
            Some((start, end_of(index) - start))
        }
    }
}
