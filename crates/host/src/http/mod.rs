//! The Internet Computer's HTTP interface in front of one canister (specification, "HTTPS Interface"), and a
//! gateway to the canister's own pages.
//!
//! - [`envelope`] decodes requests, [`authentication`] decides whose they are, [`read_state`] who may read what.
//! - [`api`] answers `/api/…`, [`gateway`] everything that is for the canister's `http_request`.
//! - [`server`] accepts connections, with bounds on their number, size and time; [`limits`] bounds how much one peer and one principal may ask for,
//!   [`proxies`] says who is behind a proxy.
//! - [`operation`] is for who operates the host: the log, `/health`, `/metrics`.
//!
//! Invariants: nothing reaches the canister or private state unauthenticated, beyond what the anonymous caller
//! may do; whatever a client sends is answered with a status and a sentence, never with a panic, a hang or a reset
//! connection; an acknowledged update is certified.

mod api;
mod authentication;
mod backend;
mod body;
mod engine;
mod envelope;
mod gateway;
mod limits;
mod operation;
mod proxies;
mod read_state;
mod refusal;
mod server;
#[cfg(test)]
mod tests;

pub use backend::{Backend, BoxFuture, Refused};
pub use engine::{Server, certify, serve};
pub use limits::Rate;
pub use operation::MetricsAccess;
pub use proxies::{Network, NotANetwork};
pub use server::{ServeError, serve_backend};

use crate::certificate::Certification;
use crate::crypto::canister_signature::{INTERNET_COMPUTER, TrustedNetworks};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use limits::Limits;
use operation::HttpMetrics;
use refusal::Refusal;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

/// More than a busy client of one person makes, and than one machine of a home answers.
const GENEROUS: Rate = Rate {
    per_second: 5_000,
    burst: 20_000,
};

/// How the interface deals with its clients. The defaults suit a machine of its owner's.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a v3 or v4 call waits for its result before it is acknowledged with 202.
    pub call_timeout: Duration,
    /// How long a request's head, and an idle connection, may take.
    pub header_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long a client may take no byte of a reply before its connection is given up.
    pub write_timeout: Duration,
    /// How many connections are served at once; further ones wait.
    pub max_connections: usize,
    /// How many of them may be of one peer; further ones are closed. Connections from this machine, a proxy's for example, are not counted.
    pub max_connections_per_peer: usize,
    /// How many requests a peer may make, before it is known who sent them. A forged one counts for a hundred. `None`: no limit.
    pub peer_rate: Option<Rate>,
    /// Proxies whose `X-Forwarded-For` tells whose a request is: it counts as that peer's, and connections from there are not counted. None by default.
    pub trusted_proxies: Vec<Network>,
    /// How many requests a principal other than the anonymous one may make. `None`: no limit.
    pub principal_rate: Option<Rate>,
    /// Root keys, in DER form, of the networks whose canisters' signatures are believed: an Internet Identity's delegation is signed by a
    /// canister of the Internet Computer.
    pub trusted_networks: Vec<Vec<u8>>,
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
    /// How long open requests may go on after shutdown was asked for.
    pub drain_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(10),
            // Longer than clients keep idle connections, so that none is closed under a request being sent.
            header_timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(60),
            max_connections: 256,
            max_connections_per_peer: 64,
            peer_rate: Some(GENEROUS),
            trusted_proxies: Vec::new(),
            principal_rate: Some(GENEROUS),
            trusted_networks: vec![INTERNET_COMPUTER.to_vec()],
            metrics: MetricsAccess::Local,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// What the handlers share.
struct Interface {
    backend: Arc<dyn Backend>,
    certification: Arc<Certification>,
    options: Options,
    limits: Limits,
    trusted: TrustedNetworks,
    metrics: HttpMetrics,
    /// Bounds how many bodies are decoded, verified or signed at once, and thereby the memory that takes.
    computing: Arc<Semaphore>,
}

impl Interface {
    fn new(
        backend: Arc<dyn Backend>,
        certification: Arc<Certification>,
        options: Options,
    ) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Arc::new(Self {
            backend,
            certification,
            limits: Limits::new(options.peer_rate, options.principal_rate),
            metrics: HttpMetrics::default(),
            trusted: TrustedNetworks::new(options.trusted_networks.clone()),
            options,
            computing: Arc::new(Semaphore::new(2 * cores)),
        })
    }

    /// Does `work` off the reactor where it is `long`, at once where it is not.
    async fn compute<T: Send + 'static>(
        self: &Arc<Self>,
        long: bool,
        work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        if !long {
            return work(self);
        }
        let stopped = || Refusal::unavailable("The host is shutting down.");
        let permit = self
            .computing
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| stopped())?;
        let interface = self.clone();
        let result = tokio::task::spawn_blocking(move || {
            // Moved in, so that the bound holds for work whose client has left.
            let _permit = permit;
            work(&interface)
        });
        result.await.map_err(|error| {
            if error.is_panic() {
                broken()
            } else {
                stopped()
            }
        })?
    }
}

/// The interface as a service, for whoever brings requests from elsewhere than a socket: every request is answered as [`serve_backend`]
/// answers it, without the bounds on connections and peers, which are the socket's. `certification` must follow the backend's commits.
pub fn service(
    backend: Arc<dyn Backend>,
    certification: Arc<Certification>,
    options: Options,
) -> Router {
    router(Interface::new(backend, certification, options))
}

fn router(interface: Arc<Interface>) -> Router {
    // Any page may call the interface: what a call may do is decided by its signature, never by cookies.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::OPTIONS])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::RETRY_AFTER,
        ])
        .max_age(Duration::from_secs(7200));
    let receive = from_fn_with_state(interface.clone(), body::receive);
    let api = api::routes().layer(receive.clone()).layer(cors);
    Router::new()
        .fallback(gateway::answer)
        .layer(receive)
        .merge(api)
        .with_state(interface.clone())
        // Bodies are bounded where they are received.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(interface, operation::observe))
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    broken().into_response()
}

/// For what cannot happen, and did.
fn broken() -> Refusal {
    tracing::error!("a request's handler panicked");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error.")
}

type Shared = State<Arc<Interface>>;
