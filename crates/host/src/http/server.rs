//! Accepting connections: HTTP/1.1 with keep-alive, a bounded number at a time, each with timeouts on what it
//! sends and on what it takes, and an orderly end. Where all places are taken, who keeps one without using it makes room.

use super::backend::Backend;
use super::limits::Peer;
use super::proxies::{self, Network};
use super::{Interface, Options, router};
use crate::certificate::Certification;
use hyper::body::Body;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, Sleep};

/// Pause after the system refused to accept a connection, for want of file handles for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may be without a request before it has to make room for others.
const IDLE_GRACE: Duration = Duration::from_secs(1);

/// Why the interface cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on; most often the port is in use.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: std::net::SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The stored state could not be read.
    #[error("the state cannot be served: {0}")]
    State(String),
    /// The keys of this host could not be read or made.
    #[error("the host's {name} key cannot be used: {source}")]
    Key {
        /// Which of them: root or node.
        name: &'static str,
        /// What the system says, or that its content is not a key.
        source: io::Error,
    },
}

/// Serves `backend` on `listener` until `shutdown` is ready; then accepts nothing more, lets open requests end
/// within [`Options::drain_timeout`], and returns. `certification` must follow the backend's commits.
///
/// # Errors
/// None of those that single connections or requests cause.
pub async fn serve_backend(
    backend: Arc<dyn Backend>,
    certification: Arc<Certification>,
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let interface = Interface::new(backend, certification, options.clone());
    let service = TowerToHyperService::new(router(interface.clone()));
    let guests = Arc::new(Guests::new(
        options.max_connections_per_peer,
        options.trusted_proxies.clone(),
    ));
    let connections = Arc::new(Semaphore::new(options.max_connections));
    // Its waiters are the connections without a request, the longest first: one is told each time that a place is wanted.
    let room = Arc::new(Notify::new());
    let (stop, stopping) = watch::channel(false);
    let mut shutdown = pin!(shutdown);
    loop {
        let accept = async {
            let permit = match connections.clone().try_acquire_owned() {
                Ok(permit) => Ok(permit),
                Err(_) => {
                    room.notify_one();
                    connections.clone().acquire_owned().await
                }
            };
            (permit, listener.accept().await)
        };
        let (permit, stream, peer) = tokio::select! {
            accepted = accept => match accepted {
                // The semaphore is never closed; were it, nothing could be served.
                (Err(_), _) => break,
                (Ok(permit), Ok((stream, address))) => (permit, stream, Peer(address)),
                (Ok(_), Err(error)) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let Some(guest) = guests.admit(peer) else {
            interface.metrics.refused_connections.count();
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
        let service = service.clone();
        let requests = Arc::new(AtomicUsize::new(0));
        let open_requests = requests.clone();
        let interface = interface.clone();
        let at_requests = interface.clone();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(options.header_timeout)
            .serve_connection(
                TokioIo::new(Impatient::new(stream, options.write_timeout)),
                service_fn(move |mut request| {
                    let proxies = &at_requests.options.trusted_proxies;
                    let client = proxies::client(proxies, peer, request.headers());
                    request.extensions_mut().insert(client);
                    let answer = hyper::service::Service::call(&service, request);
                    let open = OpenRequest::new(&requests);
                    async move {
                        let answer = answer.await;
                        drop(open);
                        answer
                    }
                }),
            );
        let (room, stopping) = (room.clone(), stopping.clone());
        // Waited for until the connection has ended; the one that it looks at goes once it has been told.
        let present = stopping.clone();
        tokio::spawn(async move {
            let _open = interface.metrics.connections.enter();
            if let Err(error) = attend(connection, &open_requests, &room, stopping).await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop((permit, guest, present));
        });
    }
    drop((listener, stopping));
    // Each connection holds a receiver until it ends.
    stop.send_replace(true);
    if tokio::time::timeout(options.drain_timeout, stop.closed())
        .await
        .is_err()
    {
        tracing::warn!("requests were still open after the time for them had passed");
    }
    Ok(())
}

/// Serves a connection to its end, which comes after the answer under way when the host stops, and when the connection is without a
/// request while `room` is wanted.
async fn attend<S, B>(
    connection: http1::Connection<TokioIo<Impatient>, S>,
    requests: &AtomicUsize,
    room: &Notify,
    mut stopping: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    S: HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = pin!(connection);
    // It ends with an error only when nobody is left who could stop it.
    let mut stopped = pin!(async move { stopping.wait_for(|stop| *stop).await.is_ok() });
    let mut idle = None;
    let mut leaving = false;
    poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        if leaving {
            return Poll::Pending;
        }
        if stopped.as_mut().poll(cx).is_ready() {
            leaving = true;
        } else if requests.load(Ordering::Relaxed) > 0 {
            idle = None;
        } else {
            let idle = idle.get_or_insert_with(|| {
                Box::pin(async {
                    tokio::time::sleep(IDLE_GRACE).await;
                    room.notified().await;
                })
            });
            leaving = idle.as_mut().poll(cx).is_ready();
        }
        if !leaving {
            return Poll::Pending;
        }
        connection.as_mut().graceful_shutdown();
        connection.as_mut().poll(cx)
    })
    .await
}

/// A request that is being answered; counted until this is dropped.
struct OpenRequest(Arc<AtomicUsize>);

impl OpenRequest {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many connections each peer has, of those from other machines that are no trusted proxies.
struct Guests {
    most: usize,
    proxies: Vec<Network>,
    by_peer: Mutex<HashMap<IpAddr, usize>>,
}

impl Guests {
    fn new(most: usize, proxies: Vec<Network>) -> Self {
        Self {
            most,
            proxies,
            by_peer: Mutex::default(),
        }
    }

    /// Counts a connection until what is returned is dropped; `None` where its peer has as many as it may. The table is no
    /// longer than connections are open.
    fn admit(self: &Arc<Self>, peer: Peer) -> Option<Guest> {
        let address = peer.0.ip();
        if peer.is_loopback() || self.proxies.iter().any(|proxy| proxy.contains(address)) {
            return Some(Guest(None));
        }
        let network = peer.network();
        let mut by_peer = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_peer.entry(network).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(by_peer);
        Some(Guest(Some((self.clone(), network))))
    }
}

/// A connection that counts.
struct Guest(Option<(Arc<Guests>, IpAddr)>);

impl Drop for Guest {
    fn drop(&mut self) {
        let Some((guests, network)) = &self.0 else {
            return;
        };
        let mut by_peer = guests
            .by_peer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_peer.get_mut(network) {
            *count -= 1;
            if *count == 0 {
                by_peer.remove(network);
            }
        }
    }
}

/// A connection that fails once its peer has taken nothing for a while, so that readers who never read hold
/// neither memory nor a place among the connections.
struct Impatient {
    stream: TcpStream,
    patience: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            deadline: None,
        }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let patience = self.patience;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + patience)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the peer does not read",
        )))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
