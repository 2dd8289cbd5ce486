//! Reading the database: everything as of one commit, each record verified against its checksum before it is handed out.

use super::seal::{self, Place};
use super::{CanisterRecord, RequestRecord, StoreError, Tables, UNIT_BYTES, generations};
use crate::message::RequestId;
use heed::{RoTxn, WithoutTls};
use sha2::{Digest, Sha256};

/// A read transaction: everything as of one commit.
pub struct View {
    pub(super) txn: RoTxn<'static, WithoutTls>,
    pub(super) tables: Tables,
    /// The canister's record, where there is one that can be read.
    pub(super) record: Option<CanisterRecord>,
    /// Where the database has the unit of index 0; see [`super::generations`].
    pub(super) base: u64,
}

impl View {
    pub(super) fn new(txn: RoTxn<'static, WithoutTls>, tables: Tables) -> Result<View, StoreError> {
        let mut view = View {
            txn,
            tables,
            record: None,
            base: 0,
        };
        // One that cannot be read is an error for who asks for it; everything else is not.
        if let Ok(Some(record)) = view.canister() {
            view.base = generations::base(record.generation);
            view.record = Some(record);
        }
        Ok(view)
    }

    /// The canister's record; `None` in a store nothing was ever committed to.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it is not what was written, as in every other look-up here.
    pub fn canister(&self) -> Result<Option<CanisterRecord>, StoreError> {
        if let Some(record) = &self.record {
            return Ok(Some(record.clone()));
        }
        match self.tables.meta.get(&self.txn, "canister")? {
            Some(bytes) => CanisterRecord::from_bytes(bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The installed module as it was handed in, verified against the hash in `record`.
    pub fn wasm(&self, record: &CanisterRecord) -> Result<Option<Vec<u8>>, StoreError> {
        let wasm = self.tables.meta.get(&self.txn, "wasm")?;
        if wasm.map(|wasm| Sha256::digest(wasm).into()) == record.module_hash {
            Ok(wasm.map(<[u8]>::to_vec))
        } else {
            Err(StoreError::Damaged("the installed module".into()))
        }
    }

    /// The record of a request that has been executed and is still kept.
    pub fn request(&self, id: &RequestId) -> Result<Option<RequestRecord>, StoreError> {
        match self.tables.requests.get(&self.txn, id)? {
            Some(bytes) => RequestRecord::from_bytes(id, bytes).map(Some),
            None => Ok(None),
        }
    }

    /// As [`View::request`], for a request whose expiry is known: one that was executed and cannot be found any more is told from one that never came.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for such a request; it must not be executed again.
    pub fn request_sent(
        &self,
        id: &RequestId,
        expiry: u64,
    ) -> Result<Option<RequestRecord>, StoreError> {
        let found = self.request(id)?;
        let key = super::expiry_key(expiry, id);
        if found.is_none() && self.tables.expiries.get(&self.txn, &key)?.is_some() {
            return Err(StoreError::Damaged(format!(
                "the record of request {}, which is gone,",
                hex::encode(id)
            )));
        }
        Ok(found)
    }

    /// Every kept request. One whose record is damaged is left out and logged: asked for by its id it is an error, so that it is not
    /// executed again, and the others are not lost with it.
    pub fn requests(
        &self,
    ) -> Result<impl Iterator<Item = Result<(RequestId, RequestRecord), StoreError>>, StoreError>
    {
        let entries = self.tables.requests.iter(&self.txn)?;
        Ok(entries.filter_map(|entry| {
            let read = entry.map_err(StoreError::from).and_then(|(key, value)| {
                let id = RequestId::try_from(key)
                    .map_err(|_| StoreError::Damaged("a request's id".into()))?;
                Ok((id, RequestRecord::from_bytes(&id, value)?))
            });
            match read {
                Err(error @ StoreError::Damaged(_)) => {
                    tracing::error!(%error, "a request is left out");
                    None
                }
                read => Some(read),
            }
        }))
    }

    /// When the next request expires, in nanoseconds since 1970 UTC.
    pub fn next_expiry(&self) -> Result<Option<u64>, StoreError> {
        match self.tables.expiries.first(&self.txn)? {
            Some((key, ())) => Ok(Some(super::split_expiry_key(key)?.0)),
            None => Ok(None),
        }
    }

    /// The data of one unit, verified; `None` where nothing was ever written. The slice points into the
    /// database's pages, which stay as they are while this view lives.
    pub(super) fn unit(&self, index: u64) -> Result<Option<&[u8; UNIT_BYTES]>, StoreError> {
        let index = self.base + index;
        let found = match self.tables.stable.get(&self.txn, &index)? {
            Some(record) => seal::open_unit(Place::Unit(index), record).map(|(data, _)| Some(data)),
            // What was never written reads as zeros, so what was lost must not pass for it.
            None => match self.tables.presence(&self.txn, index) {
                Ok(false) => Ok(None),
                Ok(true) => Err(StoreError::Damaged(format!(
                    "unit {index} of stable memory, which is gone,"
                ))),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = &found {
            let unreadable = super::unreadable_pages();
            tracing::error!(%error, unit = index, unreadable_pages = unreadable, "stable memory cannot be read");
        }
        found
    }
}
