//! What the host keeps on disk: one LMDB environment in the state folder, written in one transaction per
//! committed group of messages (DESIGN §6). This module is the only one that knows the database.
//!
//! Layout of the environment (format version [`FORMAT_VERSION`], in the file `version` beside it):
//!
//! | table      | key                                     | value                                             |
//! | ---------- | --------------------------------------- | ------------------------------------------------- |
//! | `meta`     | `canister`                              | [`CanisterRecord`]                                |
//! |            | `wasm`                                  | the installed module, as it was handed in         |
//! | `stable`   | index of the unit, u64 big-endian       | [`UNIT_HEADER`] bytes of header, [`UNIT_BYTES`] of stable memory |
//! | `requests` | request id, 32 bytes                    | [`RequestRecord`]                                 |
//! | `expiries` | expiry u64 big-endian, then request id  | nothing                                           |
//!
//! Invariants: a transaction holds whole messages only, with their stable memory, their replies and the
//! canister's record together (I2); a unit never written is absent and reads as zeros; the commit is on the disk when
//! [`Store::commit`] returns.

mod folder;
mod records;
mod stable;
#[cfg(test)]
mod tests;

pub use folder::{Folder, FolderError, private_dir, replace};
pub use records::{CanisterRecord, RequestRecord};
pub use stable::{MAX_STABLE_PAGES, Overlay, StableError, StableMemory, WASM_PAGE};

use crate::message::RequestId;
use heed::byteorder::BigEndian;
use heed::types::{Bytes, Str, U64, Unit};
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, WithoutTls};
use std::io::Write;
use std::path::Path;

/// The version of the layout described in this module's header.
pub const FORMAT_VERSION: u32 = 1;

/// Bytes before the data of a stored unit: the record's version (1), then seven zeros kept for a checksum.
const UNIT_HEADER: usize = 8;

/// Bytes of stable memory in one stored unit. LMDB puts a value of more than about half a page on a page of
/// its own, behind a header of 16 bytes: header, record header and data together fill one page exactly, so that all pages
/// of the file have one size and its free space cannot fragment (docs/decisions/0001-store.md).
pub const UNIT_BYTES: usize = 4096 - 16 - UNIT_HEADER;

/// Address space reserved for the database, in bytes; tried from the largest. LMDB cannot grow past it.
const MAP_SIZES: [usize; 4] = [1 << 40, 1 << 38, 1 << 36, 1 << 34];

/// Read transactions that may be open at once: the query workers, the executor and the handles' look-ups.
const MAX_READERS: u32 = 512;

/// Requests forgotten in one commit at most, so that no commit has to clean up after a long pause.
pub const MAX_PRUNED_PER_COMMIT: usize = 256;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the state folder's disk is full")]
    DiskFull,
    #[error("the state folder's database failed: {0}")]
    Database(#[source] heed::Error),
    #[error("the state folder's database holds a record this version cannot read: {0}")]
    Record(String),
}

impl From<heed::Error> for StoreError {
    fn from(error: heed::Error) -> Self {
        match &error {
            heed::Error::Mdb(heed::MdbError::MapFull) => StoreError::DiskFull,
            heed::Error::Io(io) if io.raw_os_error() == Some(libc::ENOSPC) => StoreError::DiskFull,
            _ => StoreError::Database(error),
        }
    }
}

/// Everything one group of messages changes.
pub struct Commit<'a> {
    pub canister: &'a CanisterRecord,
    pub units: &'a Overlay,
    pub requests: &'a [(RequestId, RequestRecord)],
    /// A newly installed module.
    pub wasm: Option<&'a [u8]>,
    /// Requests that expired before this time (nanoseconds since 1970 UTC) are forgotten, at most
    /// [`MAX_PRUNED_PER_COMMIT`] of them.
    pub prune_before: u64,
}

type Table<K> = Database<'static, K, Bytes>;

/// The open database. All methods may be called from any thread; writers wait for each other.
pub struct Store {
    env: Env<WithoutTls>,
    meta: Table<Str>,
    stable: Table<U64<BigEndian>>,
    requests: Table<Bytes>,
    expiries: Database<'static, Bytes, Unit>,
}

impl Store {
    /// Opens or creates the database in `folder`, which the caller has locked for itself.
    ///
    /// It grows to `max_bytes` at most, on the disk; without a bound, to what the address space has room for. What does not fit is
    /// [`StoreError::DiskFull`], as on a full disk.
    pub fn open(folder: &Path, max_bytes: Option<usize>) -> Result<Store, StoreError> {
        let env = match max_bytes {
            Some(bytes) => open_environment(folder, &[bytes])?,
            None => open_environment(folder, &MAP_SIZES)?,
        };
        let txn = env.write_txn()?;
        let tables =
            env.create_databases_and_commit(txn, |open, txn| -> Result<_, heed::Error> {
                Ok(CommitOrAbort::<_, ()>::Commit((
                    open.create_database(txn, Some("meta"))?,
                    open.create_database(txn, Some("stable"))?,
                    open.create_database(txn, Some("requests"))?,
                    open.create_database(txn, Some("expiries"))?,
                )))
            })?;
        let CommitOrAbort::Commit((meta, stable, requests, expiries)) = tables else {
            return Err(StoreError::Record("the tables could not be opened".into()));
        };
        Ok(Store {
            env,
            meta,
            stable,
            requests,
            expiries,
        })
    }

    /// Writes one group and waits until it is on the disk. Returns the requests forgotten. On an error nothing of it is kept.
    pub fn commit(&self, commit: &Commit<'_>) -> Result<Vec<RequestId>, StoreError> {
        let mut txn = self.env.write_txn()?;
        for (index, data) in commit.units.units() {
            self.stable
                .put_reserved(&mut txn, &index, UNIT_HEADER + UNIT_BYTES, |space| {
                    space.write_all(&[1, 0, 0, 0, 0, 0, 0, 0])?;
                    space.write_all(data)
                })?;
        }
        for (id, record) in commit.requests {
            self.requests.put(&mut txn, id, &record.to_bytes()?)?;
            self.expiries
                .put(&mut txn, &expiry_key(record.expiry, id), &())?;
        }
        let mut pruned = Vec::new();
        for entry in self.expiries.iter(&txn)? {
            let (key, ()) = entry?;
            let (expiry, id) = split_expiry_key(key)?;
            if expiry >= commit.prune_before || pruned.len() == MAX_PRUNED_PER_COMMIT {
                break;
            }
            pruned.push((expiry, id));
        }
        for (expiry, id) in &pruned {
            self.expiries.delete(&mut txn, &expiry_key(*expiry, id))?;
            self.requests.delete(&mut txn, id)?;
        }
        if let Some(wasm) = commit.wasm {
            self.meta.put(&mut txn, "wasm", wasm)?;
        }
        self.meta
            .put(&mut txn, "canister", &commit.canister.to_bytes()?)?;
        txn.commit()?;
        Ok(pruned.into_iter().map(|(_, id)| id).collect())
    }

    /// A consistent view of the last commit, which stays as it is while later ones happen. It keeps old pages
    /// from being reused, so it must not be held for long.
    pub fn view(&self) -> Result<View, StoreError> {
        Ok(View {
            txn: self.env.clone().static_read_txn()?,
            meta: self.meta,
            stable: self.stable,
            requests: self.requests,
            expiries: self.expiries,
        })
    }
}

fn open_environment(folder: &Path, sizes: &[usize]) -> Result<Env<WithoutTls>, StoreError> {
    let mut last = None;
    for size in sizes {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(*size).max_dbs(8).max_readers(MAX_READERS);
        // SAFETY: no read-ahead changes no guarantee. The folder's lock keeps other processes from opening the
        // environment, and nothing in this process opens it twice or truncates its files.
        let opened = unsafe { options.flags(EnvFlags::NO_READ_AHEAD).open(folder) };
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

fn expiry_key(expiry: u64, id: &RequestId) -> [u8; 40] {
    let mut key = [0; 40];
    key[..8].copy_from_slice(&expiry.to_be_bytes());
    key[8..].copy_from_slice(id);
    key
}

fn split_expiry_key(key: &[u8]) -> Result<(u64, RequestId), StoreError> {
    match key.split_first_chunk::<8>() {
        Some((expiry, id)) if id.len() == 32 => {
            let mut request = [0; 32];
            request.copy_from_slice(id);
            Ok((u64::from_be_bytes(*expiry), request))
        }
        _ => Err(StoreError::Record("an expiry of a wrong length".into())),
    }
}

/// A read transaction: everything as of one commit.
pub struct View {
    txn: RoTxn<'static, WithoutTls>,
    meta: Table<Str>,
    stable: Table<U64<BigEndian>>,
    requests: Table<Bytes>,
    expiries: Database<'static, Bytes, Unit>,
}

impl View {
    /// The canister's record; `None` in a store nothing was ever committed to.
    pub fn canister(&self) -> Result<Option<CanisterRecord>, StoreError> {
        match self.meta.get(&self.txn, "canister")? {
            Some(bytes) => CanisterRecord::from_bytes(bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The installed module as it was handed in.
    pub fn wasm(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.meta.get(&self.txn, "wasm")?.map(<[u8]>::to_vec))
    }

    /// The record of a request that has been executed and is still kept.
    pub fn request(&self, id: &RequestId) -> Result<Option<RequestRecord>, StoreError> {
        match self.requests.get(&self.txn, id)? {
            Some(bytes) => RequestRecord::from_bytes(bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Every kept request.
    pub fn requests(
        &self,
    ) -> Result<impl Iterator<Item = Result<(RequestId, RequestRecord), StoreError>>, StoreError>
    {
        Ok(self.requests.iter(&self.txn)?.map(|entry| {
            let (key, value) = entry?;
            let id = RequestId::try_from(key)
                .map_err(|_| StoreError::Record("a request id of a wrong length".into()))?;
            Ok((id, RequestRecord::from_bytes(value)?))
        }))
    }

    /// When the next request expires, in nanoseconds since 1970 UTC.
    pub fn next_expiry(&self) -> Result<Option<u64>, StoreError> {
        match self.expiries.first(&self.txn)? {
            Some((key, ())) => Ok(Some(split_expiry_key(key)?.0)),
            None => Ok(None),
        }
    }

    /// The data of one unit, [`UNIT_BYTES`] long; `None` where nothing was ever written. The slice points into the
    /// database's pages, which stay as they are while this view lives.
    fn unit(&self, index: u64) -> Result<Option<&[u8]>, StoreError> {
        match self.stable.get(&self.txn, &index)? {
            None => Ok(None),
            Some(record) if record.len() == UNIT_HEADER + UNIT_BYTES && record[0] == 1 => {
                Ok(Some(&record[UNIT_HEADER..]))
            }
            Some(_) => Err(StoreError::Record(format!("stable memory unit {index}"))),
        }
    }
}
