//! Update calls that are under way, and who waits for them. A request that is sent again while it is here is joined to
//! the first (I5); once committed it is found in the database instead.

use super::error::SubmitError;
use crate::message::{Ingress, RequestId, RequestInfo, RequestStatus};
use candid::Principal;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

type Outcome = Result<RequestStatus, SubmitError>;

struct Entry {
    sender: Principal,
    canister_id: Principal,
    processing: bool,
    waiting: Vec<oneshot::Sender<Outcome>>,
}

/// Requests under way.
#[derive(Default)]
pub struct Pending {
    entries: Mutex<HashMap<RequestId, Entry>>,
}

impl Pending {
    /// Waits for a request that is under way; `None` where it is not.
    pub fn join(&self, id: &RequestId) -> Option<oneshot::Receiver<Outcome>> {
        let mut entries = self.lock();
        let entry = entries.get_mut(id)?;
        let (sender, receiver) = oneshot::channel();
        entry.waiting.push(sender);
        Some(receiver)
    }

    /// Begins a request, unless it is under way, which is joined, or `stored` finds it, which is returned. All at once, so
    /// that no request begins twice. Also says whether the request began here.
    pub fn begin<E>(
        &self,
        ingress: &Ingress,
        stored: impl FnOnce() -> Result<Option<RequestStatus>, E>,
    ) -> Result<Begun, E> {
        let mut entries = self.lock();
        let (sender, receiver) = oneshot::channel();
        if let Some(entry) = entries.get_mut(&ingress.request_id) {
            entry.waiting.push(sender);
            return Ok(Begun::Joined(receiver));
        }
        // A request leaves this table only after its commit is visible, so that it is found here or there.
        if let Some(status) = stored()? {
            return Ok(Begun::Stored(status));
        }
        entries.insert(
            ingress.request_id,
            Entry {
                sender: ingress.sender,
                canister_id: ingress.canister_id,
                processing: false,
                waiting: vec![sender],
            },
        );
        Ok(Begun::New(receiver))
    }

    /// The executor has begun with it.
    pub fn processing(&self, id: &RequestId) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.processing = true;
        }
    }

    /// It has ended: everyone who waits is told.
    pub fn finish(&self, id: &RequestId, outcome: &Outcome) {
        let entry = self.lock().remove(id);
        for waiting in entry.into_iter().flat_map(|entry| entry.waiting) {
            // Whoever waited may have gone.
            drop(waiting.send(outcome.clone()));
        }
    }

    /// Everything that is under way has ended so.
    pub fn finish_all(&self, outcome: &Outcome) {
        let entries = std::mem::take(&mut *self.lock());
        for waiting in entries.into_values().flat_map(|entry| entry.waiting) {
            drop(waiting.send(outcome.clone()));
        }
    }

    /// How many requests are under way.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// What is known of a request under way.
    pub fn info(&self, id: &RequestId) -> Option<RequestInfo> {
        self.lock().get(id).map(|entry| RequestInfo {
            status: if entry.processing {
                RequestStatus::Processing
            } else {
                RequestStatus::Received
            },
            sender: entry.sender,
            canister_id: entry.canister_id,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`Pending::begin`] found.
pub enum Begun {
    New(oneshot::Receiver<Outcome>),
    Joined(oneshot::Receiver<Outcome>),
    Stored(RequestStatus),
}
