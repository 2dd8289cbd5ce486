//! SQLite through rusqlite, bundled. The page size is the smallest that holds a unit, so that a unit of
//! 4096·4^k − 64 bytes is one row in one page; a unit is read in part through the incremental blob interface.

use super::{CACHE_BYTES, Engine, Last, Reader};
use anyhow::{Result, ensure};
use rusqlite::{Connection, MAIN_DB, OpenFlags, OptionalExtension, params};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How SQLite makes a transaction atomic.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    Wal,
    Persist,
    Off,
}

pub struct Sqlite {
    path: PathBuf,
    writer: std::sync::Mutex<Connection>,
}

impl Sqlite {
    pub fn open(dir: &Path, unit: usize, journal: Journal) -> Result<Self> {
        let path = dir.join("store.sqlite");
        let db = Connection::open(&path)?;
        let page = unit.next_power_of_two().clamp(4096, 65536);
        let journal = match journal {
            Journal::Wal => "WAL",
            Journal::Persist => "PERSIST",
            Journal::Off => "OFF",
        };
        db.execute_batch(&format!(
            "PRAGMA page_size = {page}; PRAGMA journal_mode = {journal}; PRAGMA synchronous = FULL;
             PRAGMA locking_mode = NORMAL; PRAGMA cache_size = -{cache}; PRAGMA wal_autocheckpoint = {pages};
             CREATE TABLE IF NOT EXISTS units (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
             CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;",
            cache = CACHE_BYTES / 1024,
            // A log of 64 MiB whatever the page size: longer logs merge more writes of one page, but slow the next start.
            pages = (64 << 20) / page,
        ))?;
        Ok(Self {
            path,
            writer: std::sync::Mutex::new(db),
        })
    }
}

impl Engine for Sqlite {
    fn commit(&mut self, seq: u64, units: &[u64], unit: &[u8]) -> Result<()> {
        let Ok(db) = self.writer.get_mut() else {
            anyhow::bail!("a writer panicked")
        };
        let txn = db.transaction()?;
        {
            let mut put = txn.prepare_cached(
                "INSERT INTO units (number, bytes) VALUES (?1, ?2) ON CONFLICT (number) DO UPDATE SET bytes = excluded.bytes",
            )?;
            for number in units {
                put.execute(params![number.cast_signed(), unit])?;
            }
            txn.prepare_cached("INSERT OR REPLACE INTO meta (name, bytes) VALUES ('last', ?1)")?
                .execute(params![Last::encode(seq, units)])?;
        }
        Ok(txn.commit()?)
    }

    fn last(&self) -> Result<Option<Last>> {
        let Ok(db) = self.writer.lock() else {
            anyhow::bail!("a writer panicked")
        };
        let bytes: Option<Vec<u8>> = db
            .query_row("SELECT bytes FROM meta WHERE name = 'last'", [], |row| {
                row.get(0)
            })
            .optional()?;
        bytes.as_deref().map(Last::decode).transpose()
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        let db = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.execute_batch(&format!("PRAGMA cache_size = -{}", CACHE_BYTES / 1024))?;
        Ok(Box::new(Snapshot {
            db,
            buffer: Vec::new(),
        }))
    }
}

struct Snapshot {
    db: Connection,
    buffer: Vec<u8>,
}

impl Reader for Snapshot {
    fn read(
        &mut self,
        units: &[u64],
        range: Range<usize>,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        ensure!(!units.is_empty(), "nothing to read");
        let txn = self.db.transaction()?;
        {
            let mut blob =
                txn.blob_open(MAIN_DB, "units", "bytes", units[0].cast_signed(), true)?;
            for number in units {
                blob.reopen(number.cast_signed())?;
                blob.seek(SeekFrom::Start(range.start as u64))?;
                self.buffer.resize(range.len(), 0);
                blob.read_exact(&mut self.buffer)?;
                see(&self.buffer);
            }
        }
        Ok(txn.commit()?)
    }
}
