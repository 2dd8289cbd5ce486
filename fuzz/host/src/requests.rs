//! Plays an input: HTTP requests, one after the other, given to the host's router as a connection gives them.
//!
//! The first byte says how the rest is read. Even: one request, whose endpoint the next byte names, and whose body is the rest as it stands.
//! Odd: up to four requests whose parts are picked, with envelopes of [`crate::envelopes`].

use std::cell::RefCell;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use candid::Principal;
use keepsake_fuzz_heap::peak_of;
use keepsake_host::http::{Options, service};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::canister::{Memory, canister_id};
use crate::envelopes::{der, envelope, key};

const MOST_REQUESTS: usize = 4;

/// What a request may take of the heap at once: so much for each byte of it, and so much in any case, its reply included.
const HEAP_PER_BYTE: usize = 256;
const LEAST: usize = 1 << 20;

struct Stage {
    memory: Arc<Memory>,
    router: Router,
    runtime: Runtime,
}

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// Plays one input. Panics where something is wrong.
pub fn play(data: &[u8]) {
    STAGE.with_borrow_mut(|stage| {
        let stage = stage.get_or_insert_with(Stage::new);
        // Where the bytes end, the input does.
        let _ = stage.play(data);
        stage.memory.forget();
    });
}

/// What is asked for: a path, and the type of the requests that belong there.
fn endpoints() -> Vec<(String, &'static str)> {
    let id = canister_id();
    let mut endpoints = Vec::new();
    for version in 2..=4 {
        for (name, request_type) in [
            ("call", "call"),
            ("query", "query"),
            ("read_state", "read_state"),
        ] {
            endpoints.push((
                format!("/api/v{version}/canister/{id}/{name}"),
                request_type,
            ));
        }
        endpoints.push((
            format!("/api/v{version}/subnet/{id}/read_state"),
            "read_state",
        ));
    }
    endpoints.push(("/api/v2/canister/aaaaa-aa/call".into(), "call"));
    for path in [
        "/api/v2/status",
        "/",
        "/health",
        "/metrics",
        "/api/v9/x",
        "/%ff",
    ] {
        endpoints.push((path.into(), "query"));
    }
    endpoints.push((format!("/page?canisterId={id}"), "query"));
    endpoints
}

impl Stage {
    fn new() -> Self {
        let memory = Memory::new(Principal::self_authenticating(der(&key(3))));
        // Rates are by the clock; what is under test here is one request at a time.
        let options = Options {
            peer_rate: None,
            principal_rate: None,
            ..Options::default()
        };
        let router = service(memory.clone(), memory.certification.clone(), options);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        Self {
            memory,
            router,
            runtime,
        }
    }

    fn play(&self, data: &[u8]) -> Result<()> {
        let mut u = Unstructured::new(data);
        let endpoints = endpoints();
        let typed = u.arbitrary::<u8>()? & 1 == 1;
        let mut known = Vec::new();
        for _ in 0..MOST_REQUESTS {
            if u.is_empty() {
                break;
            }
            let (path, request_type) = &endpoints[u.arbitrary::<u8>()? as usize % endpoints.len()];
            let request = if typed {
                request(&mut u, path, request_type, &mut known)?
            } else {
                let body = u.bytes(u.len())?.to_vec();
                let post =
                    Request::post(path.as_str()).header(header::CONTENT_TYPE, "application/cbor");
                (
                    body.len() + path.len(),
                    post.body(Body::from(body)).expect("a request"),
                )
            };
            self.send(request.0, request.1);
        }
        Ok(())
    }

    /// Sends a request of so many bytes and reads its answer to the end.
    fn send(&self, len: usize, request: Request<Body>) {
        let asked = format!("{} {}", request.method(), request.uri());
        let router = self.router.clone();
        let exchange = async move {
            let response = router
                .oneshot(request)
                .await
                .unwrap_or_else(|never| match never {});
            let status = response.status();
            let body = axum::body::to_bytes(response.into_body(), usize::MAX)
                .await
                .expect("the answer's body");
            (status, body.len())
        };
        let ((status, answered), peak) = peak_of(|| self.runtime.block_on(exchange));
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{asked}");
        let most = LEAST + HEAP_PER_BYTE * len;
        assert!(
            peak <= most,
            "{asked}: {peak} bytes of heap for {len} and an answer of {answered}"
        );
    }
}

/// A request, and how many bytes it has.
fn request(
    u: &mut Unstructured,
    path: &str,
    request_type: &str,
    known: &mut Vec<[u8; 32]>,
) -> Result<(usize, Request<Body>)> {
    let is_odd = u.ratio(1, 6)?;
    let (mut method, mut path, mut content_type) = ("POST", path.to_owned(), "application/cbor");
    let mut headers: Vec<(&str, String)> = Vec::new();
    let mut request_type = request_type.to_owned();
    if is_odd {
        method = u.choose(&["GET", "HEAD", "POST", "OPTIONS", "PUT", "BREW"])?;
        content_type = u.choose(&[
            "application/cbor",
            "application/cbor; x=y",
            "text/plain",
            "",
        ])?;
        if u.ratio(1, 4)? {
            path = format!("/{}", u.arbitrary::<&str>()?);
        }
        if u.ratio(1, 3)? {
            let id = canister_id();
            let hosts = [
                format!("{id}.localhost"),
                format!("{id}.raw.localhost:4943"),
                "localhost".into(),
                ".localhost".into(),
                ":".into(),
            ];
            headers.push(("host", u.choose(&hosts)?.clone()));
        }
        for _ in 0..u.int_in_range(0..=3)? {
            let name = u.choose(&[
                "range",
                "origin",
                "access-control-request-headers",
                "content-length",
                "expect",
                "cookie",
            ])?;
            headers.push((name, u.arbitrary()?));
        }
        request_type = (*u.choose(&["call", "query", "read_state", "other"])?).to_owned();
    }
    let mut body = envelope(u, &request_type, known)?;
    if u.ratio(1, 12)? && !body.is_empty() {
        for _ in 0..u.int_in_range(1..=4)? {
            let at = u.int_in_range(0..=body.len() - 1)?;
            body[at] = u.arbitrary()?;
        }
    }
    let len = body.len()
        + path.len()
        + headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
    let mut request = Request::builder()
        .method(method)
        .uri(&path)
        .header(header::CONTENT_TYPE, content_type);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    // Not a request at all: the connection's to refuse.
    let request = request
        .body(Body::from(body))
        .map_err(|_| arbitrary::Error::IncorrectFormat)?;
    Ok((len, request))
}
