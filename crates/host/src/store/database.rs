//! The LMDB environment: how it comes to be, is opened, and is opened again after a failure.

use super::bad_sectors::Protected;
use super::{StoreError, first_pages};
use heed::byteorder::BigEndian;
use heed::types::{Bytes, Str, U64, Unit};
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, WithoutTls};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Address space reserved for the database, in bytes; tried from the largest. LMDB cannot grow past it.
const MAP_SIZES: [usize; 4] = [1 << 40, 1 << 38, 1 << 36, 1 << 34];

/// Read transactions that may be open at once: the query workers, the executor and the handles' look-ups.
const MAX_READERS: u32 = 512;

/// Tables there may be; more than there are, for later versions.
const MAX_TABLES: u32 = 16;

/// The database's file, as LMDB calls it.
pub const DATA_FILE: &str = "data.mdb";

/// How long an environment is waited for that is closed and still read from: longer than a query may take.
const CLOSING: Duration = Duration::from_secs(20);

type Table<K> = Database<'static, K, Bytes>;

/// The tables; see the header of [`super`] for what they hold.
#[derive(Clone, Copy)]
pub struct Tables {
    pub meta: Table<Str>,
    pub stable: Table<U64<BigEndian>>,
    pub present: Table<U64<BigEndian>>,
    pub requests: Table<Bytes>,
    pub expiries: Database<'static, Bytes, Unit>,
}

/// The open environment; a clone is another handle on it.
#[derive(Clone)]
pub struct Opened {
    _protected: Option<Arc<Protected>>,
    pub env: Env<WithoutTls>,
    pub tables: Tables,
}

impl Opened {
    /// Opens the database in `folder`, and creates it where there is none. It grows to `max_bytes` at most.
    ///
    /// A new one is made aside, flushed and then renamed: at its place there is a whole database, or none. So a loss of power
    /// during the first start does not leave a file that every later start refuses.
    pub fn open(folder: &Path, max_bytes: Option<usize>) -> Result<Opened, StoreError> {
        if !folder
            .join(DATA_FILE)
            .try_exists()
            .map_err(StoreError::io)?
        {
            create(folder, max_bytes)?;
        }
        let file = File::open(folder.join(DATA_FILE)).map_err(StoreError::io)?;
        // LMDB would take the older of two commits without a word.
        if let Err(what) = first_pages::check(&file).map_err(StoreError::io)? {
            return Err(StoreError::Damaged(what));
        }
        let mut opened = open_in(folder, max_bytes)?;
        let protected = Protected::map_of(&folder.join(DATA_FILE)).map_err(StoreError::io)?;
        if protected.is_none() {
            tracing::warn!(
                "sectors that cannot be read would end this process: the database's map was not found"
            );
        }
        opened._protected = protected.map(Arc::new);
        Ok(opened)
    }

    /// Closes the environment and waits until nothing reads from it any more.
    ///
    /// # Errors
    /// Where something still reads from it after 20 seconds. It will be closed when that ends.
    pub fn close(self) -> Result<(), StoreError> {
        if self.env.prepare_for_closing().wait_timeout(CLOSING) {
            Ok(())
        } else {
            Err(StoreError::Closed)
        }
    }
}

fn create(folder: &Path, max_bytes: Option<usize>) -> Result<(), StoreError> {
    let aside = folder.join("new");
    // Left over from a creation that was cut off; nothing was ever acknowledged on it.
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::io(error)),
        _ => {}
    }
    super::private_dir(&aside).map_err(StoreError::io)?;
    let opened = open_in(&aside, max_bytes)?;
    opened.env.force_sync()?;
    opened.close()?;
    let flushed = || -> io::Result<()> {
        let file = aside.join(DATA_FILE);
        File::open(&file)?.sync_all()?;
        fs::rename(&file, folder.join(DATA_FILE))?;
        File::open(folder)?.sync_all()?;
        fs::remove_dir_all(&aside)
    };
    flushed().map_err(StoreError::io)
}

fn open_in(folder: &Path, max_bytes: Option<usize>) -> Result<Opened, StoreError> {
    let env = match max_bytes {
        Some(bytes) => open_environment(folder, &[bytes], EnvFlags::empty())?,
        None => open_environment(folder, &MAP_SIZES, EnvFlags::empty())?,
    };
    let txn = env.write_txn()?;
    let tables = env.create_databases_and_commit(txn, |open, txn| -> Result<_, heed::Error> {
        Ok(CommitOrAbort::<_, ()>::Commit((
            open.create_database(txn, Some("meta"))?,
            open.create_database(txn, Some("stable"))?,
            open.create_database(txn, Some("present"))?,
            open.create_database(txn, Some("requests"))?,
            open.create_database(txn, Some("expiries"))?,
        )))
    })?;
    let CommitOrAbort::Commit((meta, stable, present, requests, expiries)) = tables else {
        return Err(StoreError::Record("the tables could not be opened".into()));
    };
    let tables = Tables {
        meta,
        stable,
        present,
        requests,
        expiries,
    };
    Ok(Opened {
        _protected: None,
        env,
        tables,
    })
}

/// Opens the environment in `folder` to read what another process may be writing.
pub fn open_to_read(folder: &Path) -> Result<Env<WithoutTls>, StoreError> {
    open_environment(folder, &MAP_SIZES, EnvFlags::READ_ONLY)
}

fn open_environment(
    folder: &Path,
    sizes: &[usize],
    flags: EnvFlags,
) -> Result<Env<WithoutTls>, StoreError> {
    let mut last = None;
    for size in sizes {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options
            .map_size(*size)
            .max_dbs(MAX_TABLES)
            .max_readers(MAX_READERS);
        // SAFETY: no read-ahead changes no guarantee. The folder's lock keeps other processes from opening the
        // environment but to read it ([`super::Reader`]), and nothing in this process opens it twice or truncates its files.
        let opened = unsafe { options.flags(EnvFlags::NO_READ_AHEAD | flags).open(folder) };
        match opened {
            Ok(env) => return Ok(env),
            // The address space may be limited; a smaller reservation may still fit.
            Err(heed::Error::Io(error)) if error.raw_os_error() == Some(libc::ENOMEM) => {
                last = Some(heed::Error::Io(error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(match last {
        Some(error) => error.into(),
        None => StoreError::Record("no map size to try".into()),
    })
}
