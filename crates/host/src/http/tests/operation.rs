//! Limits on who asks for too much, and what the operator sees.

use super::sockets::{Running, exchange};
use super::support::*;
use crate::http::limits::Peer;
use crate::http::{MetricsAccess, Options, Rate};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use std::sync::atomic::Ordering;

const THREE: Option<Rate> = Some(Rate {
    per_second: 1,
    burst: 3,
});

fn unlimited() -> Options {
    Options {
        peer_rate: None,
        principal_rate: None,
        ..Options::default()
    }
}

/// A request as it comes from `peer`.
async fn from(router: &Router, peer: &str, path: &str, body: Option<Vec<u8>>) -> Reply {
    let request = match body {
        None => Request::get(path).body(Body::empty()),
        Some(body) => Request::post(path)
            .header(header::CONTENT_TYPE, "application/cbor")
            .body(body.into()),
    };
    let mut request = request.unwrap();
    let host = header::HeaderValue::from_static("127.0.0.1:4943");
    request.headers_mut().insert(header::HOST, host);
    request.extensions_mut().insert(Peer(peer.parse().unwrap()));
    send(router, request).await
}

async fn statuses(router: &Router, peer: &str, requests: Vec<Vec<u8>>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for request in requests {
        let reply = from(router, peer, &endpoint(3, "query"), Some(request)).await;
        statuses.push(reply.status.as_u16());
    }
    statuses
}

fn query(key: &Key) -> Vec<u8> {
    Draft::call("query", key.principal(), "echo", b"")
        .signed(key)
        .encode()
}

#[tokio::test]
async fn a_principal_who_asks_too_much_is_told_to_wait_and_others_are_not() {
    let memory = Memory::new();
    let router = memory.router_with(Options {
        principal_rate: THREE,
        ..unlimited()
    });
    let (alice, bob) = (Key::new(1), Key::new(2));
    let many = |key| (0..5).map(|_| query(key)).collect();
    let expected = [200, 200, 200, 429, 429];
    assert_eq!(
        statuses(&router, "192.0.2.1:5", many(&alice)).await,
        expected
    );
    assert_eq!(statuses(&router, "192.0.2.1:5", many(&bob)).await, expected);
    let reply = from(
        &router,
        "192.0.2.1:5",
        &endpoint(3, "query"),
        Some(query(&alice)),
    )
    .await;
    assert_eq!(reply.headers[header::RETRY_AFTER], "1");

    // Whoever cannot sign for somebody does not use up what is theirs.
    let victim = Key::new(3);
    let forged =
        || Draft::call("query", victim.principal(), "echo", b"").signed_for(&victim.der(), &bob);
    let forgeries = (0..5).map(|_| forged().encode()).collect();
    assert_eq!(statuses(&router, "192.0.2.1:5", forgeries).await, [403; 5]);
    assert_eq!(
        statuses(&router, "192.0.2.1:5", many(&victim)).await,
        expected
    );
}

#[tokio::test]
async fn a_peer_who_asks_too_much_or_forges_is_told_to_wait_and_others_are_not() {
    let memory = Memory::new();
    let router = memory.router_with(Options {
        peer_rate: THREE,
        ..unlimited()
    });
    let alice = Key::new(1);
    let anonymous = || Draft::call("query", candid::Principal::anonymous(), "echo", b"").encode();
    assert_eq!(
        statuses(
            &router,
            "192.0.2.1:5",
            vec![anonymous(), query(&alice), anonymous(), anonymous()]
        )
        .await,
        [200, 200, 200, 429]
    );
    assert_eq!(
        statuses(&router, "192.0.2.2:5", vec![anonymous(), anonymous()]).await,
        [200, 200]
    );
    let forged = Draft::call("query", alice.principal(), "echo", b"").encode();
    assert_eq!(
        statuses(&router, "192.0.2.3:5", vec![forged, query(&alice)]).await,
        [403, 429]
    );
}

#[tokio::test]
async fn whoever_sent_much_hears_that_it_was_too_often() {
    let server = Running::start(Options {
        peer_rate: Some(Rate {
            per_second: 1,
            burst: 1,
        }),
        ..unlimited()
    })
    .await;
    let body = vec![0; 4 << 20];
    let head = format!(
        "POST /api/v3/canister/{}/call HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cbor\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        canister_id(),
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    let first = exchange(server.address, &request).await;
    assert!(first.starts_with("HTTP/1.1 413"), "{first}");
    let second = exchange(server.address, &request).await;
    assert!(second.starts_with("HTTP/1.1 429"), "{second}");
    server.stop().await;
}

#[tokio::test]
async fn figures_are_shown_to_this_machine_and_say_nothing_of_what_was_sent() {
    let memory = Memory::new();
    let router = memory.router_with(unlimited());
    let alice = Key::new(1);
    from(
        &router,
        "127.0.0.1:5",
        &endpoint(3, "query"),
        Some(query(&alice)),
    )
    .await;
    from(&router, "127.0.0.1:5", "/secret-path", None).await;
    let reply = from(&router, "127.0.0.1:5", "/metrics", None).await;
    assert_eq!(reply.status, StatusCode::OK);
    let text = reply.text();
    for line in [
        "keepsake_host_requests_total{endpoint=\"query\",status=\"200\"} 1",
        "keepsake_host_requests_total{endpoint=\"other\",status=\"404\"} 1",
        "keepsake_host_requests_in_flight 1",
        "keepsake_host_refused_total{limit=\"peer_rate\"} 0",
        "backend 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("secret"), "{text}");
    let elsewhere = from(&router, "192.0.2.1:5", "/metrics", None).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);

    let open = memory.router_with(Options {
        metrics: MetricsAccess::Anyone,
        ..unlimited()
    });
    let elsewhere = from(&open, "192.0.2.1:5", "/metrics", None).await;
    assert_eq!(elsewhere.status, StatusCode::OK);
    let closed = memory.router_with(Options {
        metrics: MetricsAccess::Nobody,
        ..unlimited()
    });
    let here = from(&closed, "127.0.0.1:5", "/metrics", None).await;
    assert_eq!(here.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn health_tells_whether_calls_can_be_stored() {
    let memory = Memory::new();
    let router = memory.router();
    let health = |peer: &'static str| from(&router, peer, "/health", None);
    assert_eq!(health("192.0.2.1:5").await.status, StatusCode::OK);
    memory.is_ready.store(false, Ordering::SeqCst);
    let here = health("127.0.0.1:5").await;
    assert_eq!(here.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(here.text(), "The disk is full.\n");
    let elsewhere = health("192.0.2.1:5").await;
    assert_eq!(elsewhere.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(elsewhere.text(), "Not ready.\n");
}
