//! What the bench asks of a store: units of stable memory by number, committed durably in one transaction with a
//! small record beside them, and read from a consistent snapshot. Each store is used as its own documentation
//! advises, with caches bounded alike, so that the figures compare designs rather than settings.

mod lmdb;
mod redb;
mod sqlite;

use anyhow::{Result, bail};
use std::ops::Range;
use std::path::Path;

/// Bytes of page cache that a store may keep in its own memory, where it has such a cache.
pub const CACHE_BYTES: usize = 64 << 20;

/// The record committed with every transaction: its number and the units it wrote.
/// It stands for what the host commits beside stable memory (request statuses, sizes, time).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// Number of the commit, counted from 1.
    pub seq: u64,
    /// The units that the commit wrote.
    pub units: Vec<u64>,
}

impl Last {
    /// The record's stored form: little-endian 64-bit numbers, the sequence number first.
    pub fn encode(seq: u64, units: &[u64]) -> Vec<u8> {
        std::iter::once(&seq)
            .chain(units)
            .flat_map(|n| n.to_le_bytes())
            .collect()
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut numbers = bytes
            .chunks_exact(8)
            .map(|n| n.iter().rev().fold(0u64, |acc, b| acc << 8 | u64::from(*b)));
        let Some(seq) = numbers.next() else {
            bail!("the record of the last commit is empty")
        };
        Ok(Self {
            seq,
            units: numbers.collect(),
        })
    }
}

/// A store under test.
pub trait Engine: Sync {
    /// Writes `unit` (the same bytes) at every number of `units` and the record of the commit, in one transaction that is
    /// on disk when the call returns.
    fn commit(&mut self, seq: u64, units: &[u64], unit: &[u8]) -> Result<()>;

    /// The record of the last commit; `None` in a new store.
    fn last(&self) -> Result<Option<Last>>;

    /// A reader for one thread.
    fn reader(&self) -> Result<Box<dyn Reader + '_>>;
}

/// Reads committed units.
pub trait Reader {
    /// In one read transaction: calls `see` with the bytes `range` of each of `units`. A unit that was never written is an error.
    fn read(
        &mut self,
        units: &[u64],
        range: Range<usize>,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<()>;
}

/// The stores and settings that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// LMDB through heed, default flags: copy on write, two flushes a commit.
    Lmdb,
    /// redb, one-phase commits with checksums (its default): a crash means checking the whole file at the next start.
    Redb,
    /// redb with quick repair: two-phase commits that store the allocator state, so that a start after a crash is quick.
    RedbQuick,
    /// SQLite, write-ahead log, `synchronous = FULL`, pages as large as a unit.
    SqliteWal,
    /// SQLite, rollback journal kept between commits (`PERSIST`), `synchronous = FULL`, pages as large as a unit.
    SqlitePersist,
    /// SQLite without a journal: not crash-safe, here only to show what its journals cost.
    SqliteOff,
}

impl Kind {
    /// Opens the store in `dir` (created where it is missing) for units of `unit` bytes.
    pub fn open(self, dir: &Path, unit: usize) -> Result<Box<dyn Engine>> {
        std::fs::create_dir_all(dir)?;
        Ok(match self {
            Self::Lmdb => Box::new(lmdb::Lmdb::open(dir)?),
            Self::Redb => Box::new(redb::Redb::open(dir, false)?),
            Self::RedbQuick => Box::new(redb::Redb::open(dir, true)?),
            Self::SqliteWal => Box::new(sqlite::Sqlite::open(dir, unit, sqlite::Journal::Wal)?),
            Self::SqlitePersist => {
                Box::new(sqlite::Sqlite::open(dir, unit, sqlite::Journal::Persist)?)
            }
            Self::SqliteOff => Box::new(sqlite::Sqlite::open(dir, unit, sqlite::Journal::Off)?),
        })
    }

    /// The name in tables and result files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lmdb => "LMDB",
            Self::Redb => "redb",
            Self::RedbQuick => "redb, quick repair",
            Self::SqliteWal => "SQLite, WAL",
            Self::SqlitePersist => "SQLite, rollback journal",
            Self::SqliteOff => "SQLite, no journal",
        }
    }
}
