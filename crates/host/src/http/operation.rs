//! What the operator of a host sees of the interface: a line of the log for each request, `/health`, and `/metrics`.
//!
//! Invariants: nothing that somebody sent is logged or counted by its content, neither paths of pages nor queries, which may carry
//! tokens; figures are shown to this machine only unless the operator has it otherwise, since they tell how much is kept.

use super::limits::{Limits, Peer};
use super::refusal::{Refusal, plain_text};
use super::{Interface, Shared};
use crate::metrics::{CONTENT_TYPE, Counter, Exposition, Gauge, Histogram, Kind, SECONDS};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Connections from this machine that no proxy has passed on.
    #[default]
    Local,
    /// Whoever reaches the listener.
    Anyone,
    Nobody,
}

/// What requests are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
enum Endpoint {
    Status,
    Call,
    Query,
    ReadState,
    Page,
    Health,
    Metrics,
    Other,
}

impl Endpoint {
    const ALL: [Endpoint; 8] = [
        Endpoint::Status,
        Endpoint::Call,
        Endpoint::Query,
        Endpoint::ReadState,
        Endpoint::Page,
        Endpoint::Health,
        Endpoint::Metrics,
        Endpoint::Other,
    ];

    fn of(request: &Request) -> Endpoint {
        let path = request.uri().path();
        if let Some(api) = path.strip_prefix("/api/") {
            return match api.rsplit('/').next() {
                Some("status") => Endpoint::Status,
                Some("call") => Endpoint::Call,
                Some("query") => Endpoint::Query,
                Some("read_state") => Endpoint::ReadState,
                _ => Endpoint::Other,
            };
        }
        if super::gateway::asked_canister(request.headers(), request.uri()).is_some() {
            return Endpoint::Page;
        }
        match path {
            "/health" => Endpoint::Health,
            "/metrics" => Endpoint::Metrics,
            _ => Endpoint::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Endpoint::Status => "status",
            Endpoint::Call => "call",
            Endpoint::Query => "query",
            Endpoint::ReadState => "read_state",
            Endpoint::Page => "page",
            Endpoint::Health => "health",
            Endpoint::Metrics => "metrics",
            Endpoint::Other => "other",
        }
    }
}

/// HTTP statuses have three digits; a canister may use any of them.
const STATUSES: usize = 1000;

/// Figures of one endpoint.
struct EndpointFigures {
    by_status: Box<[AtomicU64]>,
    seconds: Histogram,
}

/// Figures of the interface.
pub struct HttpMetrics {
    endpoints: Box<[EndpointFigures]>,
    in_flight: Gauge,
    pub connections: Gauge,
    pub received_bytes: Counter,
    pub refused_connections: Counter,
    pub refused_peers: Counter,
    pub refused_principals: Counter,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        let figures = |_: &Endpoint| EndpointFigures {
            by_status: (0..STATUSES).map(|_| AtomicU64::new(0)).collect(),
            seconds: Histogram::new(SECONDS),
        };
        HttpMetrics {
            endpoints: Endpoint::ALL.iter().map(figures).collect(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            received_bytes: Counter::default(),
            refused_connections: Counter::default(),
            refused_peers: Counter::default(),
            refused_principals: Counter::default(),
        }
    }
}

impl HttpMetrics {
    fn describe(&self, to: &mut Exposition) {
        let name = "keepsake_host_requests_total";
        to.family(
            name,
            Kind::Counter,
            "Requests answered, by endpoint and HTTP status.",
        );
        for (endpoint, figures) in Endpoint::ALL.iter().zip(&self.endpoints) {
            for (status, count) in figures.by_status.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [
                        ("endpoint", endpoint.name()),
                        ("status", &status.to_string()),
                    ];
                    to.sample(name, &labels, count);
                }
            }
        }
        let name = "keepsake_host_request_seconds";
        to.family(
            name,
            Kind::Histogram,
            "From a request's head to its answer's, by endpoint.",
        );
        for (endpoint, figures) in Endpoint::ALL.iter().zip(&self.endpoints) {
            to.histogram(name, &[("endpoint", endpoint.name())], &figures.seconds);
        }
        to.single(
            "keepsake_host_requests_in_flight",
            Kind::Gauge,
            "Requests that are being answered.",
            self.in_flight.value(),
        );
        to.single(
            "keepsake_host_connections",
            Kind::Gauge,
            "Open connections.",
            self.connections.value(),
        );
        to.single(
            "keepsake_host_received_bytes_total",
            Kind::Counter,
            "Bytes of request bodies.",
            self.received_bytes.value(),
        );
        let name = "keepsake_host_refused_total";
        to.family(
            name,
            Kind::Counter,
            "What was refused to those who wanted too much at once.",
        );
        for (what, count) in [
            ("peer_connections", &self.refused_connections),
            ("peer_rate", &self.refused_peers),
            ("principal_rate", &self.refused_principals),
        ] {
            to.sample(name, &[("limit", what)], count.value());
        }
    }
}

/// Counts and logs a request, by its endpoint, its status and the time it took.
pub async fn observe(State(interface): Shared, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let endpoint = Endpoint::of(&request);
    let peer = request.extensions().get::<Peer>().copied();
    let metrics = &interface.metrics;
    let response = {
        let _present = metrics.in_flight.enter();
        next.run(request).await
    };
    let status = response.status();
    let elapsed = begun.elapsed();
    if let Some(figures) = metrics.endpoints.get(endpoint as usize) {
        figures.seconds.observe_time(elapsed);
        if let Some(count) = figures.by_status.get(usize::from(status.as_u16())) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    let signed = matches!(
        endpoint,
        Endpoint::Call | Endpoint::Query | Endpoint::ReadState
    );
    if signed && status == StatusCode::FORBIDDEN {
        forged(&interface.limits, peer);
    }
    tracing::debug!(
        endpoint = endpoint.name(),
        status = status.as_u16(),
        milliseconds = elapsed.as_secs_f64() * 1e3,
        "request"
    );
    response
}

fn forged(limits: &Limits, peer: Option<Peer>) {
    if let Some(peer) = peer {
        limits.forged(peer);
    }
}

/// `/health`: 200 where the canister runs and the disk takes what it writes, 503 otherwise, for this machine with the reason.
pub(super) fn health(interface: &Interface, request: &Request<Body>) -> Response {
    match interface.backend.readiness() {
        Ok(()) => plain_text(StatusCode::OK, "healthy\n"),
        Err(reason) => {
            let told = if is_local(request) {
                reason
            } else {
                "Not ready.".into()
            };
            plain_text(StatusCode::SERVICE_UNAVAILABLE, format!("{told}\n"))
        }
    }
}

/// `/metrics`, for those who may read them.
pub(super) fn metrics(interface: &Interface, request: &Request<Body>) -> Result<Response, Refusal> {
    let may_read = match interface.options.metrics {
        MetricsAccess::Local => is_local(request),
        MetricsAccess::Anyone => true,
        MetricsAccess::Nobody => false,
    };
    if !may_read {
        return Err(Refusal::nothing_here());
    }
    let mut text = Exposition::default();
    interface.metrics.describe(&mut text);
    interface.backend.describe(&mut text);
    let mut response = Response::new(Body::from(text.finish()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    Ok(response)
}

/// Whether a request was made on this machine: its connection comes from here, no proxy says that it passes it on, and it names this machine, which
/// the page of another site that has its name resolve to this machine does not.
fn is_local(request: &Request<Body>) -> bool {
    const FORWARDED: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];
    let peer = request.extensions().get::<Peer>();
    let headers = request.headers();
    peer.is_some_and(Peer::is_loopback)
        && !FORWARDED.iter().any(|name| headers.contains_key(*name))
        && names_this_machine(headers)
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
    else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_of_this_machine_are_local() {
        let local = |peer: &str, host: &str, header: Option<&'static str>| {
            let mut request = Request::new(Body::empty());
            request.extensions_mut().insert(Peer(peer.parse().unwrap()));
            let headers = request.headers_mut();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            if let Some(name) = header {
                headers.insert(name, HeaderValue::from_static("192.0.2.1"));
            }
            is_local(&request)
        };
        assert!(local("127.0.0.1:5", "127.0.0.1:4943", None));
        assert!(local("[::1]:5", "[::1]:4943", None));
        assert!(local("127.0.0.1:5", "localhost", None));
        assert!(!local("192.0.2.1:5", "localhost", None));
        assert!(!local("127.0.0.1:5", "example.org", None));
        assert!(!local("127.0.0.1:5", "localhost", Some("x-forwarded-for")));
        assert!(!is_local(&Request::new(Body::empty())));
    }
}
