//! Reads the database's file page by page, without LMDB, and says what is wrong with its structure.
//!
//! LMDB trusts its pages: it checks their type and little else. So this reader assumes nothing: every number found in
//! a page is checked before it is used, every page has to be where it says it is, be reached once, and hold ascending keys within the
//! bounds of the page above. It hands every entry to a visitor, which checks the content. It reads, never maps, so that a sector that cannot be
//! read is an error like others.
//!
//! The format is LMDB's data version 1 on a machine of 64 bits: pages of one size, each with a header of 16 bytes (page number, padding, flags,
//! bounds of the free part); two pages at the start that say in turn where the last commit's trees begin; a tree of free pages; a tree of
//! tables. Offsets and flags below are from `mdb.c`.

use super::first_pages::{Tree, last_commit, u16_at, u32_at, u64_at};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a page's header.
const HEADER: usize = 16;

/// Flags of a page.
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;

/// Flags of an entry in a leaf: its value is on pages of its own; its value is a table.
const ON_PAGES: u16 = 0x01;
const TABLE: u16 = 0x02;

/// The root of a tree without entries.
const NO_PAGE: u64 = u64::MAX;

/// Levels a tree may have; LMDB's own bound.
const MAX_DEPTH: u16 = 32;

/// Problems described; beyond, they are only counted.
const MAX_DESCRIBED: usize = 200;

/// What is wrong, in words.
#[derive(Debug, Default, Clone)]
pub struct Problems {
    pub described: Vec<String>,
    /// All of them.
    pub count: u64,
}

impl Problems {
    pub fn add(&mut self, problem: impl Into<String>) {
        self.count += 1;
        if self.described.len() < MAX_DESCRIBED {
            self.described.push(problem.into());
        }
    }
}

/// Sees every entry of every table: the table's name, the key, the value.
pub type Visit<'a> = &'a mut dyn FnMut(&str, &[u8], &[u8]);

/// Sees every entry of one tree: key, value, and the entry's flags.
type VisitEntry<'a> = &'a mut dyn FnMut(&[u8], &[u8], u16);

/// Counts of a walk.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// Pages there are.
    pub all: u64,
    /// Pages that hold something.
    pub used: u64,
    /// Pages that are free.
    pub free: u64,
}

/// How keys are ordered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Bytes,
    /// Native integers of 64 bits: the tree of free pages.
    Integers,
}

impl Order {
    /// Whether one key comes before the other.
    fn below(self, one: &[u8], other: &[u8]) -> bool {
        match self {
            Order::Bytes => one < other,
            Order::Integers => u64_at(one, 0) < u64_at(other, 0),
        }
    }
}

struct Walk<'a> {
    file: &'a File,
    page_bytes: usize,
    /// A bit for every page: reached, or free.
    seen: Vec<u64>,
    pages: u64,
    counts: Pages,
    problems: &'a mut Problems,
    progress: &'a mut dyn FnMut(Pages),
}

/// Walks the whole file; nobody may write to it meanwhile. Hands entries to `visit`, problems to `problems`, and now and then
/// how far it is to `progress`.
///
/// # Errors
/// Only where the file cannot be read at all. A page that cannot be read is a problem like others.
pub fn walk(
    file: &File,
    problems: &mut Problems,
    visit: Visit<'_>,
    progress: &mut dyn FnMut(Pages),
) -> io::Result<Pages> {
    let meta = match last_commit(file)? {
        Ok(meta) => meta,
        Err(what) => {
            problems.add(format!("{what} is not what was written"));
            return Ok(Pages::default());
        }
    };
    let in_file = file.metadata()?.len() / meta.page_bytes as u64;
    let Some(pages) = meta.last_page.checked_add(1).filter(|pages| {
        // The file may end before free pages at its end; more than LMDB can map is nonsense.
        *pages <= in_file.max(1).saturating_mul(64)
    }) else {
        problems.add("the number of pages that the database says it has is not what was written");
        return Ok(Pages::default());
    };
    let mut walk = Walk {
        file,
        page_bytes: meta.page_bytes,
        seen: vec![0; usize::try_from(pages / 64 + 1).unwrap_or_default()],
        pages,
        counts: Pages {
            all: pages,
            used: 0,
            free: 0,
        },
        problems,
        progress,
    };
    walk.take(0, 2);
    let mut free = Vec::new();
    walk.tree(
        meta.free,
        "free pages",
        Order::Integers,
        &mut |_, value, _| {
            free.extend(
                value
                    .chunks_exact(8)
                    .skip(1)
                    .filter_map(|page| u64_at(page, 0)),
            );
        },
    );
    let mut tables = Vec::new();
    walk.tree(
        meta.tables,
        "tables",
        Order::Bytes,
        &mut |key, value, flags| {
            let name = String::from_utf8_lossy(key).into_owned();
            let tree = Tree::parse(value).filter(|_| flags & TABLE != 0 && value.len() == 48);
            tables.push((name, tree));
        },
    );
    for (name, tree) in tables {
        match tree {
            Some(tree) => walk.tree(tree, &name, Order::Bytes, &mut |key, value, _| {
                visit(&name, key, value);
            }),
            None => walk
                .problems
                .add(format!("the table `{name}` is not what was written")),
        }
    }
    for page in free {
        if walk.take(page, 1) {
            walk.counts.used -= 1;
            walk.counts.free += 1;
        } else {
            walk.problems.add(format!(
                "page {page} is free and in use at once, or twice free"
            ));
        }
    }
    Ok(walk.counts)
}

impl Walk<'_> {
    /// Counts pages as reached; false where one of them is not there, or was reached before.
    fn take(&mut self, page: u64, count: u64) -> bool {
        let Some(end) = page.checked_add(count).filter(|end| *end <= self.pages) else {
            return false;
        };
        for page in page..end {
            // Below `pages`, for which `seen` was made.
            let word = &mut self.seen[(page / 64) as usize];
            if *word & (1 << (page % 64)) != 0 {
                return false;
            }
            *word |= 1 << (page % 64);
        }
        let before = self.counts.used;
        self.counts.used += count;
        if before / 4096 != self.counts.used / 4096 {
            (self.progress)(self.counts);
        }
        true
    }

    fn read(&self, page: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut content = vec![0; bytes];
        self.file
            .read_exact_at(&mut content, page * self.page_bytes as u64)?;
        Ok(content)
    }

    fn tree(&mut self, tree: Tree, name: &str, order: Order, visit: VisitEntry<'_>) {
        if tree.root != NO_PAGE && (tree.depth == 0 || tree.depth > MAX_DEPTH) {
            self.problems
                .add(format!("the depth of `{name}` is not what was written"));
            return;
        }
        let mut within = Within {
            walk: self,
            name,
            order,
            found: Found::default(),
            visit,
        };
        if tree.root != NO_PAGE {
            within.page(tree.root, tree.depth, None, None);
        }
        let found = within.found;
        let written = [tree.branches, tree.leaves, tree.overflow, tree.entries];
        // With pages that could not be read, the counts differ anyway.
        if !found.damaged
            && written != [found.branches, found.leaves, found.overflow, found.entries]
        {
            self.problems.add(format!(
                "`{name}` has {} entries, and {} were written",
                found.entries, tree.entries
            ));
        }
    }
}

/// What was found of one tree.
#[derive(Clone, Copy, Default)]
struct Found {
    branches: u64,
    leaves: u64,
    overflow: u64,
    entries: u64,
    /// Something was left out.
    damaged: bool,
}

/// A walk within one tree.
struct Within<'w, 'f, 'v> {
    walk: &'w mut Walk<'f>,
    name: &'w str,
    order: Order,
    found: Found,
    visit: VisitEntry<'v>,
}

impl Within<'_, '_, '_> {
    /// Walks the page `number`, whose entries are on the `depth`-th level from here. Its keys are at or above `low` and below `high`.
    fn page(&mut self, number: u64, depth: u16, low: Option<&[u8]>, high: Option<&[u8]>) {
        if !self.walk.take(number, 1) {
            return self.damaged(number, "is reached twice, or is not in the file");
        }
        let page = match self.walk.read(number, self.walk.page_bytes) {
            Ok(page) => page,
            Err(error) => return self.damaged(number, &error.to_string()),
        };
        let kind = if depth > 1 { BRANCH } else { LEAF };
        let Some(nodes) = nodes(&page, number, kind) else {
            return self.damaged(number, "is not what was written");
        };
        // The first key of a branch stands for everything below the second.
        let keys = &nodes[usize::from(kind == BRANCH).min(nodes.len())..];
        let (order, below) = (self.order, |a: &[u8], b: &[u8]| self.order.below(a, b));
        let ascend = keys.windows(2).all(|two| below(two[0].key, two[1].key));
        let bounded = keys.iter().all(|node| {
            low.is_none_or(|low| !order.below(node.key, low))
                && high.is_none_or(|high| order.below(node.key, high))
        });
        if !ascend || !bounded {
            return self.damaged(number, "has keys that are not in order");
        }
        if kind == LEAF {
            self.found.leaves += 1;
            self.found.entries += nodes.len() as u64;
            for node in nodes {
                self.leaf(&node);
            }
            return;
        }
        self.found.branches += 1;
        for (index, node) in nodes.iter().enumerate() {
            let low = if index == 0 { low } else { Some(node.key) };
            let high = nodes.get(index + 1).map_or(high, |next| Some(next.key));
            self.page(node.page(), depth - 1, low, high);
        }
    }

    fn leaf(&mut self, node: &Node<'_>) {
        if node.flags & ON_PAGES == 0 {
            return (self.visit)(node.key, node.value, node.flags);
        }
        match self.value_on_pages(node) {
            Ok((value, pages)) => {
                self.found.overflow += pages;
                (self.visit)(node.key, &value, node.flags);
            }
            Err((number, what)) => self.damaged(number, &what),
        }
    }

    /// A value that has pages of its own, and how many.
    fn value_on_pages(&mut self, node: &Node<'_>) -> Result<(Vec<u8>, u64), (u64, String)> {
        let number = u64_at(node.value, 0).unwrap_or(NO_PAGE);
        let bytes = HEADER + node.bytes as usize;
        let pages = bytes.div_ceil(self.walk.page_bytes) as u64;
        if !self.walk.take(number, pages) {
            return Err((number, "is reached twice, or is not in the file".into()));
        }
        let mut value = self
            .walk
            .read(number, bytes)
            .map_err(|error| (number, error.to_string()))?;
        let header = u64_at(&value, 0) == Some(number)
            && u16_at(&value, 10) == Some(OVERFLOW)
            && u32_at(&value, 12).map(u64::from) == Some(pages);
        if !header {
            return Err((number, "is not what was written".into()));
        }
        value.drain(..HEADER);
        Ok((value, pages))
    }

    fn damaged(&mut self, number: u64, what: &str) {
        self.found.damaged = true;
        let problem = format!("page {number}, in `{}`, {what}", self.name);
        self.walk.problems.add(problem);
    }
}

/// One entry of a page.
struct Node<'a> {
    key: &'a [u8],
    /// In a leaf: the value, or the number of the page it is on.
    value: &'a [u8],
    /// In a leaf: bytes of the value. In a branch, with the flags: the page below.
    bytes: u32,
    flags: u16,
}

impl Node<'_> {
    /// The page below, of an entry in a branch.
    fn page(&self) -> u64 {
        u64::from(self.bytes) | u64::from(self.flags) << 32
    }
}

/// The entries of a page; `None` where it is not the page of this number and kind, or an entry is not within it.
fn nodes(page: &[u8], number: u64, kind: u16) -> Option<Vec<Node<'_>>> {
    // Pages on the disk have no other flags than their kind.
    if u64_at(page, 0)? != number || u16_at(page, 10)? != kind {
        return None;
    }
    let lower = usize::from(u16_at(page, 12)?);
    let upper = usize::from(u16_at(page, 14)?);
    if lower < HEADER || lower % 2 != 0 || lower > upper || upper > page.len() {
        return None;
    }
    let count = (lower - HEADER) / 2;
    if count == 0 {
        return None;
    }
    (0..count)
        .map(|index| {
            let at = usize::from(u16_at(page, HEADER + 2 * index)?);
            if at < upper {
                return None;
            }
            let bytes = u32_at(page, at)?;
            let flags = u16_at(page, at + 4)?;
            let key_bytes = usize::from(u16_at(page, at + 6)?);
            let key = page.get(at + 8..at + 8 + key_bytes)?;
            let value_bytes = match kind {
                BRANCH => 0,
                _ if flags & ON_PAGES != 0 => 8,
                _ => bytes as usize,
            };
            let value = page.get(at + 8 + key_bytes..)?.get(..value_bytes)?;
            Some(Node {
                key,
                value,
                bytes,
                flags,
            })
        })
        .collect()
}
