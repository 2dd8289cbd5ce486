//! What the host keeps on disk: one LMDB environment in the state folder, written in one transaction per
//! committed group of messages (DESIGN §6). This module is the only one that knows the database.
//!
//! Layout of the environment (format version [`FORMAT_VERSION`], in the file `version` beside it):
//!
//! | table      | key                                     | value                                             |
//! | ---------- | --------------------------------------- | ------------------------------------------------- |
//! | `meta`     | `canister`                              | [`CanisterRecord`]                                |
//! |            | `wasm`                                  | the installed module, as it was handed in         |
//! | `stable`   | index of the unit and its generation, u64 big-endian | header with checksum, [`UNIT_BYTES`] of stable memory |
//! | `present`  | index of a block of units, likewise     | header with checksum, a bit for every unit ever written |
//! | `requests` | request id, 32 bytes                    | [`RequestRecord`]                                 |
//! | `expiries` | expiry u64 big-endian, then request id  | nothing                                           |
//!
//! Invariants: a transaction holds whole messages only, with their stable memory, their replies and the
//! canister's record together (I2); a unit never written is absent and reads as zeros; the commit is on the disk when
//! [`Store::commit`] returns; what is read is what was written, or an error ([`seal`]); a failed commit leaves the last one in
//! place, readable, and nothing is written before that is certain ([`Store::repair`]).

mod audit;
mod bad_sectors;
mod database;
mod first_pages;
mod folder;
mod generations;
mod pages;
mod presence;
mod records;
mod seal;
mod stable;
#[cfg(test)]
mod tests;
mod view;

pub use audit::{Audit, audit};
pub use bad_sectors::unreadable_pages;
pub use folder::{Folder, FolderError, private_dir, replace};
pub use generations::{ReadError, Reader};
pub use records::{CanisterRecord, RequestRecord};
pub use stable::{MAX_STABLE_PAGES, Overlay, StableError, StableMemory, WASM_PAGE};
pub use view::View;

use crate::message::RequestId;
use database::{Opened, Tables};
use heed::RwTxn;
use presence::Marker;
use seal::{Place, UNIT_HEADER};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// The version of the layout described in this module's header. Version 1, which had no checksums, is read and becomes version 2.
pub const FORMAT_VERSION: u32 = 2;

/// Bytes of stable memory in one stored unit. LMDB puts a value of more than about half a page on a page of
/// its own, behind a header of 16 bytes: header, record header and data together fill one page exactly, so that all pages
/// of the file have one size and its free space cannot fragment (docs/decisions/0001-store.md).
pub const UNIT_BYTES: usize = 4096 - 16 - UNIT_HEADER;

/// Requests forgotten in one commit at most, so that no commit has to clean up after a long pause.
pub const MAX_PRUNED_PER_COMMIT: usize = 256;

/// How long a reader waits for a database that failed to be opened again; usually that takes milliseconds.
const REPAIRED_WITHIN: Duration = Duration::from_secs(3);

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing of the commit is kept. Goes away when there is room again.
    #[error("the state folder's disk is full")]
    DiskFull,
    /// Nothing of the commit is kept, or it is undecided until [`Store::repair`] has succeeded.
    #[error("the state folder's database failed: {0}")]
    Database(#[source] heed::Error),
    /// What is on the disk is not what was written. Nothing of it is handed out; everything else can be read.
    #[error("the state folder is damaged: {0} is not what was written")]
    Damaged(String),
    #[error("the state folder's database holds a record this version cannot read: {0}")]
    Record(String),
    /// After a failure, while the database is still being read from or cannot be opened again.
    #[error("the state folder's database failed and is not open again yet")]
    Closed,
}

impl StoreError {
    fn io(error: io::Error) -> StoreError {
        heed::Error::Io(error).into()
    }
}

impl From<heed::Error> for StoreError {
    fn from(error: heed::Error) -> Self {
        use heed::MdbError::{BadTxn, Corrupted, CursorFull, MapFull, PageNotFound};
        match &error {
            heed::Error::Mdb(MapFull) => StoreError::DiskFull,
            heed::Error::Io(io)
                if matches!(io.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT)) =>
            {
                StoreError::DiskFull
            }
            // A transaction is bad after one of the others, and no work here goes on after an error but to report it.
            heed::Error::Mdb(Corrupted | PageNotFound | CursorFull | BadTxn) => {
                StoreError::Damaged(format!("a page of the database ({error})"))
            }
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

/// What a failed commit has left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Sound,
    /// Opened again; what LMDB took back in memory may not be on the disk yet.
    Unflushed,
    /// LMDB does nothing any more until it is opened again.
    Failed,
}

/// The database, and in what state it is.
struct State {
    /// `None` where it could not be opened again after a failure.
    opened: Option<Opened>,
    health: Health,
}

/// The open database. All methods may be called from any thread; writers wait for each other.
pub struct Store {
    folder: PathBuf,
    max_bytes: Option<usize>,
    state: RwLock<State>,
    /// Attempts to repair it, for those who wait for the next.
    repairs: (Mutex<u64>, Condvar),
}

impl Store {
    /// Opens or creates the database in `folder`, which the caller has locked for itself.
    ///
    /// It grows to `max_bytes` at most, on the disk; without a bound, to what the address space has room for. What does not fit is
    /// [`StoreError::DiskFull`], as on a full disk.
    pub fn open(folder: &Path, max_bytes: Option<usize>) -> Result<Store, StoreError> {
        let opened = Opened::open(folder, max_bytes)?;
        Ok(Store {
            folder: folder.to_path_buf(),
            max_bytes,
            state: RwLock::new(State {
                opened: Some(opened),
                health: Health::Sound,
            }),
            repairs: Default::default(),
        })
    }

    /// Writes one group and waits until it is on the disk. Returns the requests forgotten.
    ///
    /// # Errors
    /// Nothing of it is visible then. After one, [`Store::repair`] has to succeed before anything is committed again.
    pub fn commit(&self, commit: &Commit<'_>) -> Result<Vec<RequestId>, StoreError> {
        self.transact(|tables, txn| write(tables, txn, commit))
    }

    /// Does `work` in a transaction of its own and waits until it is on the disk.
    fn transact<T>(
        &self,
        work: impl FnOnce(Tables, &mut RwTxn<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let opened = {
            let state = self.read();
            match (&state.opened, state.health) {
                (Some(opened), Health::Sound) => opened.clone(),
                _ => return Err(StoreError::Closed),
            }
        };
        let mut txn = opened.env.write_txn()?;
        let done = work(opened.tables, &mut txn)?;
        if let Err(error) = txn.commit() {
            // Where the last step failed, LMDB cannot tell what is on the disk, and says so to everyone from then on.
            if opened.env.read_txn().is_err_and(|error| is_panic(&error)) {
                self.write().health = Health::Failed;
            }
            return Err(error.into());
        }
        Ok(done)
    }

    /// Makes the database usable again after a failed commit: opens it again where LMDB has given it up, which waits until nothing
    /// reads from it (20 seconds at most), and flushes what LMDB took back. Does nothing to a sound one.
    ///
    /// The flush is what makes it safe to go on. LMDB's last step writes a page that says which commit is the last; where that fails, it puts
    /// the old content back into memory, but on the disk may be either. The next commit writes to pages that the failed one had used;
    /// if they reached the disk before the old content did, and the power went, the failed commit would be found, on pages that are not its own.
    ///
    /// # Errors
    /// Where the disk still fails. What was committed can be read if the database could be opened.
    pub fn repair(&self) -> Result<(), StoreError> {
        if self.read().health == Health::Sound {
            return Ok(());
        }
        let repaired = self.try_repair();
        let (attempts, attempted) = &self.repairs;
        *attempts.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        attempted.notify_all();
        repaired
    }

    fn try_repair(&self) -> Result<(), StoreError> {
        let mut state = self.write();
        if state.health == Health::Failed {
            if let Some(opened) = state.opened.take() {
                opened.close()?;
            }
            state.opened = Some(Opened::open(&self.folder, self.max_bytes)?);
            state.health = Health::Unflushed;
        }
        if let Some(opened) = &state.opened {
            opened.env.force_sync()?;
            state.health = Health::Sound;
        }
        Ok(())
    }

    /// A consistent view of the last commit, which stays as it is while later ones happen. It keeps old pages
    /// from being reused, so it must not be held for long.
    pub fn view(&self) -> Result<View, StoreError> {
        let state = self.read();
        let Some(opened) = &state.opened else {
            return Err(StoreError::Closed);
        };
        View::new(opened.env.clone().static_read_txn()?, opened.tables)
    }

    /// As [`Store::view`]; after a failed commit it waits a moment until the database is open again. For those who do not hold up the repair.
    pub fn view_after_repair(&self) -> Result<View, StoreError> {
        let since = Instant::now();
        loop {
            let (attempts, attempted) = &self.repairs;
            let before = *attempts.lock().unwrap_or_else(PoisonError::into_inner);
            let failed = match self.view() {
                Err(error @ StoreError::Closed) => error,
                Err(StoreError::Database(error)) if is_panic(&error) => error.into(),
                view => return view,
            };
            if since.elapsed() > REPAIRED_WITHIN {
                return Err(failed);
            }
            let attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
            // Where the wait was for nothing, the next look tells.
            drop(attempted.wait_timeout_while(attempts, REPAIRED_WITHIN, |now| *now == before));
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(
    tables: Tables,
    txn: &mut RwTxn<'_>,
    commit: &Commit<'_>,
) -> Result<Vec<RequestId>, StoreError> {
    write_units(tables, txn, commit.units.base(), commit.units.units())?;
    for (id, record) in commit.requests {
        tables.requests.put(txn, id, &record.to_bytes(id)?)?;
        tables
            .expiries
            .put(txn, &expiry_key(record.expiry, id), &())?;
    }
    let pruned = prune(tables, txn, commit.prune_before)?;
    if let Some(wasm) = commit.wasm {
        tables.meta.put(txn, "wasm", wasm)?;
    }
    tables
        .meta
        .put(txn, "canister", &commit.canister.to_bytes()?)?;
    Ok(pruned)
}

/// Writes units, in ascending order of their indices, at `base` and after.
fn write_units<'a>(
    tables: Tables,
    txn: &mut RwTxn<'_>,
    base: u64,
    units: impl Iterator<Item = (u64, &'a [u8; UNIT_BYTES])>,
) -> Result<(), StoreError> {
    let mut marker = Marker::new(tables);
    for (index, data) in units {
        let index = base + index;
        let header = seal::unit_header(Place::Unit(index), data);
        tables
            .stable
            .put_reserved(txn, &index, UNIT_HEADER + UNIT_BYTES, |space| {
                space.write_all(&header)?;
                space.write_all(data)
            })?;
        marker.mark(txn, index)?;
    }
    marker.finish(txn)
}

/// Forgets expired requests, and returns them. A key that does not belong to its request, which only decay can bring about, goes alone:
/// a request must not be forgotten early.
fn prune(tables: Tables, txn: &mut RwTxn<'_>, before: u64) -> Result<Vec<RequestId>, StoreError> {
    let mut expired = Vec::new();
    for entry in tables.expiries.iter(txn)? {
        let (key, ()) = entry?;
        let (expiry, id) = split_expiry_key(key)?;
        if expiry >= before || expired.len() == MAX_PRUNED_PER_COMMIT {
            break;
        }
        expired.push((expiry, id));
    }
    let mut pruned = Vec::with_capacity(expired.len());
    for (expiry, id) in expired {
        tables.expiries.delete(txn, &expiry_key(expiry, &id))?;
        let record = tables.requests.get(txn, &id)?;
        let belongs = record.is_some_and(|record| {
            // A damaged record has outlived its use as well.
            RequestRecord::from_bytes(&id, record).map_or(true, |record| record.expiry == expiry)
        });
        if belongs {
            tables.requests.delete(txn, &id)?;
            pruned.push(id);
        }
    }
    Ok(pruned)
}

/// LMDB has given up on its environment.
fn is_panic(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Mdb(heed::MdbError::Panic))
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
        _ => Err(StoreError::Damaged("when a request expires".into())),
    }
}
