//! The engine behind the HTTP interface: its certification, and serving it.

use super::Options;
use super::backend::{Backend, BoxFuture, Refused};
use super::server::{ServeError, serve_backend};
use crate::certificate::Certification;
use crate::crypto::node_key::NodeKey;
use crate::crypto::root_key::{InvalidSecret, RootKey};
use crate::engine::{Engine, ROOT, SubmitError};
use crate::message::{
    CanisterState, Ingress, Reject, RejectCode, RequestId, RequestInfo, RequestStatus,
};
use crate::metrics::Exposition;
use candid::Principal;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

impl Backend for Engine {
    fn submit(&self, ingress: Ingress) -> BoxFuture<'_, Result<RequestStatus, Refused>> {
        Box::pin(async move { Engine::submit(self, ingress).await.map_err(Refused::from) })
    }

    fn query(
        &self,
        sender: Principal,
        method: String,
        arg: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, Reject>> {
        Box::pin(async move { Engine::query(self, sender, &method, &arg).await })
    }

    fn query_management(
        &self,
        sender: Principal,
        method: String,
        arg: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, Reject>> {
        Box::pin(async move { Engine::query_management(self, sender, &method, arg).await })
    }

    fn request(&self, id: &RequestId) -> Option<RequestInfo> {
        self.request_info(id)
    }

    fn state(&self) -> CanisterState {
        Engine::state(self)
    }

    fn canister_id(&self) -> Principal {
        Engine::canister_id(self)
    }

    fn time(&self) -> u64 {
        Engine::time(self)
    }

    fn readiness(&self) -> Result<(), String> {
        Engine::readiness(self)
    }

    fn describe(&self, to: &mut Exposition) {
        Engine::describe(self, to);
    }
}

impl From<SubmitError> for Refused {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(reject) => Self::Rejected(reject),
            SubmitError::Busy => Self::Busy,
            SubmitError::Expired => Self::Expired,
            // A rejection rather than an HTTP status: clients show its message to their user.
            SubmitError::Storage(_) => Self::Rejected(Reject {
                code: RejectCode::SysTransient,
                message: error.to_string(),
                error_code: None,
            }),
            SubmitError::Stopped => Self::Unavailable(error.to_string()),
        }
    }
}

/// The certification of an engine: its keys are read from the state folder, or made there; the tree follows the
/// engine's commits from now on, with everything stored before. An engine has one at a time, the last one made.
///
/// Blocks for as long as reading the stored request statuses takes.
///
/// # Errors
/// [`ServeError::Key`] and [`ServeError::State`].
pub fn certify(engine: &Engine) -> Result<Arc<Certification>, ServeError> {
    let invalid = |name: &'static str| {
        move |error: InvalidSecret| ServeError::Key {
            name,
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        }
    };
    let unusable = |name: &'static str| move |source: io::Error| ServeError::Key { name, source };
    let root_secret = engine
        .secret(ROOT, || RootKey::generate_secret().to_vec())
        .map_err(unusable("root"))?;
    let node_secret = engine
        .secret("node", || NodeKey::generate_secret().to_vec())
        .map_err(unusable("node"))?;
    let root_key = RootKey::from_secret(&root_secret).map_err(invalid("root"))?;
    let node_key = NodeKey::from_secret(&node_secret).map_err(invalid("node"))?;

    let certification = Arc::new(Certification::new(root_key, node_key, engine.canister_id()));
    engine
        .set_observer(certification.clone())
        .map_err(|error| ServeError::State(error.to_string()))?;
    Ok(certification)
}

/// Serves `engine` on `listener` until `shutdown` is ready, as [`serve_backend`] does. The engine itself goes
/// on; stopping it afterwards is the caller's.
///
/// # Errors
/// See [`certify`].
pub async fn serve(
    engine: Engine,
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let certification = certify_off_reactor(&engine).await?;
    serve_backend(Arc::new(engine), certification, listener, options, shutdown).await
}

async fn certify_off_reactor(engine: &Engine) -> Result<Arc<Certification>, ServeError> {
    let engine = engine.clone();
    tokio::task::spawn_blocking(move || certify(&engine))
        .await
        .map_err(|error| ServeError::State(error.to_string()))?
}

/// An engine being served, for those who need its address and root key: the command line, and tests. Dropping it
/// lets it run; [`Server::stop`] stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    root_key: Vec<u8>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Server {
    /// Listens on `address` (port 0: any free one) and serves `engine` there, on the current tokio runtime.
    ///
    /// # Errors
    /// [`ServeError::Listen`] where the address cannot be used, and those of [`certify`].
    pub async fn start(
        engine: &Engine,
        address: SocketAddr,
        options: Options,
    ) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let certification = certify_off_reactor(engine).await?;
        let root_key = certification.root_key().der().to_vec();
        let (stop, stopped) = oneshot::channel();
        let engine = Arc::new(engine.clone());
        let serving = tokio::spawn(async move {
            let stopped = async {
                if stopped.await.is_err() {
                    // The handle was dropped, not stopped.
                    std::future::pending::<()>().await;
                }
            };
            serve_backend(engine, certification, listener, options, stopped).await
        });
        Ok(Self {
            address,
            root_key,
            stop,
            serving,
        })
    }

    /// The address listened on, with the port in use.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for agents.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The root key in DER form, which `/api/v2/status` tells as well.
    pub fn root_key(&self) -> &[u8] {
        &self.root_key
    }

    /// Accepts nothing more, lets open requests end, and returns. The engine goes on.
    ///
    /// # Errors
    /// Those that serving ended with.
    pub async fn stop(self) -> Result<(), ServeError> {
        // Fails only where serving has ended by itself, which is told below.
        let _ = self.stop.send(());
        self.serving
            .await
            .map_err(|error| ServeError::State(error.to_string()))?
    }
}
