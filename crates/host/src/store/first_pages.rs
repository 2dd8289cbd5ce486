//! The database's two first pages, which say where the last commit's trees begin, and the numbers that pages are made of.
//!
//! LMDB writes them in turns, transaction n on page n mod 2, in one write of 120 bytes that lies within a sector.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const MAGIC: u32 = 0xbeef_c0de;
const DATA_VERSION: u32 = 1;

/// The flag of these pages.
const META: u16 = 0x08;

/// Where a tree begins and what it should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    pub depth: u16,
    pub branches: u64,
    pub leaves: u64,
    pub overflow: u64,
    pub entries: u64,
    pub root: u64,
}

/// What one of the two first pages says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    pub page_bytes: usize,
    pub free: Tree,
    pub tables: Tree,
    pub last_page: u64,
    pub transaction: u64,
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

impl Tree {
    /// Of the 48 bytes that describe a tree.
    pub fn parse(bytes: &[u8]) -> Option<Tree> {
        Some(Tree {
            depth: u16_at(bytes, 6)?,
            branches: u64_at(bytes, 8)?,
            leaves: u64_at(bytes, 16)?,
            overflow: u64_at(bytes, 24)?,
            entries: u64_at(bytes, 32)?,
            root: u64_at(bytes, 40)?,
        })
    }
}

impl Meta {
    fn parse(page: &[u8], number: u64) -> Option<Meta> {
        let own = u64_at(page, 0)? == number && u16_at(page, 10)? == META;
        let known = u32_at(page, 16)? == MAGIC && u32_at(page, 20)? == DATA_VERSION;
        if !own || !known {
            return None;
        }
        Some(Meta {
            page_bytes: u32_at(page, 40)? as usize,
            free: Tree::parse(page.get(40..88)?)?,
            tables: Tree::parse(page.get(88..136)?)?,
            last_page: u64_at(page, 136)?,
            transaction: u64_at(page, 144)?,
        })
    }
}

/// Reads the page that counts of the two first ones.
///
/// LMDB writes them in turns, the one of transaction n on page n mod 2, so they differ by one transaction. LMDB itself takes the higher one whatever
/// the other says; a page that has decayed so that it looks older would so take the last commit back without a word.
pub fn last_commit(file: &File) -> io::Result<Result<Meta, String>> {
    let mut first = [0; 4096];
    let mut metas = Vec::new();
    let len = file.metadata()?.len();
    // The first page says how large pages are; the second is looked for where it belongs.
    let mut at = 0;
    for number in 0..2 {
        if len < at + first.len() as u64 {
            return Ok(Err("the database's file is cut off".into()));
        }
        file.read_exact_at(&mut first, at)?;
        let Some(meta) = Meta::parse(&first, number) else {
            return Ok(Err(format!("page {number} of the database")));
        };
        if meta.page_bytes < 4096 || meta.page_bytes > 65_536 || !meta.page_bytes.is_power_of_two()
        {
            return Ok(Err(format!(
                "the size of pages on page {number} of the database"
            )));
        }
        at = meta.page_bytes as u64;
        metas.push(meta);
    }
    let fresh = metas[0].transaction == 0 && metas[1].transaction == 0;
    let in_turns = metas[0].transaction % 2 == 0
        && metas[1].transaction % 2 == 1
        && metas[0].transaction.abs_diff(metas[1].transaction) == 1;
    if metas[0].page_bytes != metas[1].page_bytes || !(fresh || in_turns) {
        return Ok(Err(
            "what the database's first pages say of the last commit".into(),
        ));
    }
    Ok(Ok(if metas[0].transaction > metas[1].transaction {
        metas[0]
    } else {
        metas[1]
    }))
}

/// Whether the database's first pages are as LMDB leaves them.
///
/// # Errors
/// What is not, in words; or that the file cannot be read.
pub fn check(file: &File) -> io::Result<Result<(), String>> {
    Ok(last_commit(file)?.map(|_| ()))
}
