//! What the HTTP interface asks of whatever executes the canister. The engine is the one implementation; the
//! interface's own tests use another, in memory.

use crate::message::{CanisterState, Ingress, Reject, RequestId, RequestInfo, RequestStatus};
use crate::metrics::Exposition;
use candid::Principal;
use std::future::Future;
use std::pin::Pin;

/// A boxed future, so that [`Backend`] can be used as a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Executes one canister.
pub trait Backend: Send + Sync + 'static {
    /// Executes an update call and returns its final status once its effects and the status are durable and
    /// certified. A request that was submitted before is not executed again; its status is returned.
    fn submit(&self, ingress: Ingress) -> BoxFuture<'_, Result<RequestStatus, Refused>>;

    /// Executes a query method on committed state.
    fn query(
        &self,
        sender: Principal,
        method: String,
        arg: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, Reject>>;

    /// Answers a query call of the management canister.
    fn query_management(
        &self,
        sender: Principal,
        method: String,
        arg: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, Reject>>;

    /// What is known of a request; `None` where it was never submitted or is forgotten.
    fn request(&self, id: &RequestId) -> Option<RequestInfo>;

    /// What the state tree shows of the canister.
    fn state(&self) -> CanisterState;

    /// The one canister that is executed here.
    fn canister_id(&self) -> Principal;

    /// Nanoseconds since 1970; never goes back.
    fn time(&self) -> u64;

    /// Whether calls can be executed and stored now.
    ///
    /// # Errors
    /// A sentence for the operator that says why not.
    fn readiness(&self) -> Result<(), String>;

    /// Adds its figures.
    fn describe(&self, to: &mut Exposition);
}

/// Why an update call was not executed. It had no effect and may be sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The canister or the engine would not take it.
    #[error("{}", .0.message)]
    Rejected(Reject),
    /// It expired before it was executed.
    #[error("the request has expired")]
    Expired,
    /// The queue is full.
    #[error("the host is busy, try again later")]
    Busy,
    /// The host cannot execute updates now.
    #[error("{0}")]
    Unavailable(String),
}
