//! Status, calls, queries and read_state, and who may do what.

use super::support::*;
use crate::crypto::canister_signature::TrustedNetworks;
use crate::crypto::domain;
use crate::crypto::public_key::PublicKey;
use crate::crypto::representation::Hashable;
use crate::http::Options;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use candid::Principal;
use ciborium::Value;
use ic_certification::LookupResult;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[tokio::test]
async fn the_status_has_the_root_key() {
    let memory = Memory::new();
    let router = memory.router();
    let reply = send(
        &router,
        Request::get("/api/v2/status").body(Body::empty()).unwrap(),
    )
    .await;
    assert_eq!(
        reply.field("root_key"),
        Some(Value::Bytes(memory.root_key()))
    );
    assert_eq!(reply.field("replica_health_status"), Some("healthy".into()));
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/cbor");
    let head = send(
        &router,
        Request::head("/api/v2/status").body(Body::empty()).unwrap(),
    )
    .await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn calls_end_in_certificates() {
    let memory = Memory::new();
    let router = memory.router();
    let key = Key::new(5);
    for version in [3, 4] {
        let draft = Draft::call("call", key.principal(), "echo", b"hello").signed(&key);
        let reply = post(&router, &endpoint(version, "call"), draft.encode()).await;
        assert_eq!(reply.field("status"), Some("replied".into()));
        let path = |label: &'static [u8]| {
            [
                b"request_status".to_vec(),
                draft.id().to_vec(),
                label.to_vec(),
            ]
        };
        let tree = reply.tree(&memory);
        assert_eq!(
            tree.lookup_path(path(b"status")),
            LookupResult::Found(b"replied")
        );
        assert_eq!(
            tree.lookup_path(path(b"reply")),
            LookupResult::Found(b"hello")
        );
        assert!(matches!(tree.lookup_path(["time"]), LookupResult::Found(_)));
    }
    let draft = Draft::call("call", key.principal(), "trap", b"").signed(&key);
    let tree = post(&router, &endpoint(4, "call"), draft.encode())
        .await
        .tree(&memory);
    let path = |label: &'static [u8]| {
        [
            b"request_status".to_vec(),
            draft.id().to_vec(),
            label.to_vec(),
        ]
    };
    assert_eq!(
        tree.lookup_path(path(b"reject_message")),
        LookupResult::Found(b"it trapped")
    );
    assert_eq!(
        tree.lookup_path(path(b"reject_code")),
        LookupResult::Found(&[5])
    );
    assert_eq!(tree.lookup_path(path(b"reply")), LookupResult::Absent);
}

#[tokio::test]
async fn a_replay_executes_once() {
    let memory = Memory::new();
    let router = memory.router();
    let body = Draft::call("call", Principal::anonymous(), "echo", b"x").encode();
    for _ in 0..3 {
        assert_eq!(
            post(&router, &endpoint(3, "call"), body.clone())
                .await
                .field("status"),
            Some("replied".into())
        );
    }
    assert_eq!(memory.executions.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn refused_calls() {
    let memory = Memory::new();
    let router = memory.router();
    let call = |method: &str| Draft::call("call", Principal::anonymous(), method, b"").encode();
    let reply = post(&router, &endpoint(4, "call"), call("refuse")).await;
    assert_eq!(
        reply.field("status"),
        Some("non_replicated_rejection".into())
    );
    assert_eq!(reply.field("reject_code"), Some(5.into()));
    assert_eq!(reply.field("reject_message"), Some("not for you".into()));
    assert_eq!(reply.field("error_code"), Some("IC0406".into()));
    let reply = post(&router, &endpoint(2, "call"), call("refuse")).await;
    assert_eq!(
        (reply.field("status"), reply.field("reject_code")),
        (None, Some(5.into()))
    );
    let busy = post(&router, &endpoint(4, "call"), call("busy")).await;
    assert_eq!(busy.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(busy.headers[header::RETRY_AFTER], "1");
    let full = post(&router, &endpoint(4, "call"), call("full")).await;
    assert_eq!(
        (full.status, full.text()),
        (StatusCode::SERVICE_UNAVAILABLE, "The disk is full.")
    );
    let defect = post(&router, &endpoint(4, "call"), call("panic")).await;
    assert_eq!(defect.status, StatusCode::INTERNAL_SERVER_ERROR);
    let query = Draft::call("query", Principal::anonymous(), "panic", b"").encode();
    let defect = post(&router, &endpoint(2, "query"), query).await;
    assert_eq!(defect.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn a_long_call_is_acknowledged_and_polled() {
    let memory = Memory::new();
    let router = memory.router_with(Options {
        call_timeout: Duration::from_millis(50),
        ..Options::default()
    });
    for version in [2, 4] {
        let draft = Draft::call("call", Principal::anonymous(), "slow", b"done");
        let id = draft.id();
        let reply = post(&router, &endpoint(version, "call"), draft.encode()).await;
        assert_eq!((reply.status, reply.body.len()), (StatusCode::ACCEPTED, 0));
        let path: &[&[u8]] = &[b"request_status", &id];
        let mut seen = Vec::new();
        while seen.last().is_none_or(|status| status != b"replied") {
            let read = Draft::read(Principal::anonymous(), &[path]).encode();
            let tree = post(&router, &endpoint(2, "read_state"), read)
                .await
                .tree(&memory);
            let LookupResult::Found(status) = tree.lookup_path([path[0], path[1], b"status"])
            else {
                panic!()
            };
            seen.push(status.to_vec());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(seen[0], b"processing");
    }
}

#[tokio::test]
async fn queries_are_signed() {
    let memory = Memory::new();
    let router = memory.router();
    let node = PublicKey::from_der(memory.certification.node_key().der()).unwrap();
    let large = vec![7; 100_000];
    for (method, arg) in [
        ("echo", b"hello".as_slice()),
        ("echo", &large),
        ("absent", b""),
    ] {
        let draft = Draft::call("query", Principal::anonymous(), method, arg);
        let id = draft.id();
        let reply = post(&router, &endpoint(3, "query"), draft.encode()).await;
        let signature = reply
            .field("signatures")
            .unwrap()
            .into_array()
            .unwrap()
            .remove(0)
            .into_map()
            .unwrap();
        let part = |name: &str| {
            signature
                .iter()
                .find(|(key, _)| key.as_text() == Some(name))
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(
            part("identity"),
            bytes(memory.certification.node_key().node_id().as_slice())
        );
        let timestamp = u64::try_from(part("timestamp").into_integer().unwrap()).unwrap();
        let mut fields = vec![
            ("timestamp", Hashable::Nat(timestamp)),
            ("request_id", Hashable::Bytes(&id)),
        ];
        if method == "echo" {
            assert_eq!(reply.field("status"), Some("replied".into()));
            fields.push(("status", Hashable::Text("replied")));
            fields.push((
                "reply",
                Hashable::Record(vec![("arg", Hashable::Bytes(arg))]),
            ));
        } else {
            assert_eq!(reply.field("status"), Some("rejected".into()));
            assert_eq!(reply.field("error_code"), Some("IC0536".into()));
            fields.push(("status", Hashable::Text("rejected")));
            fields.push(("reject_code", Hashable::Nat(5)));
            fields.push(("reject_message", Hashable::Text("no such method")));
            fields.push(("error_code", Hashable::Text("IC0536")));
        }
        let message = [domain::RESPONSE, &response_hash(&fields)].concat();
        node.verify(
            &message,
            &part("signature").into_bytes().unwrap(),
            &TrustedNetworks::default(),
        )
        .unwrap();
    }
}

/// Who asks, for which paths, and how that is answered.
type Row<'a> = (&'a Key, &'a [&'a [&'a [u8]]], StatusCode);

#[tokio::test]
async fn who_may_read_what() {
    let memory = Memory::new();
    let router = memory.router();
    let (owner, stranger, controller) = (Key::new(5), Key::new(6), Key::new(9));
    let call = Draft::call("call", owner.principal(), "echo", b"private").signed(&owner);
    let id = call.id();
    post(&router, &endpoint(3, "call"), call.encode()).await;

    let canister = canister_id();
    let canister = canister.as_slice();
    let other: &[u8] = &[1, 2, 3];
    let long = [0; 31];
    let absent = [9; 32];
    let ok = StatusCode::OK;
    let table: &[Row<'_>] = &[
        (&stranger, &[], ok),
        (&stranger, &[&[b"time"]], ok),
        (&stranger, &[&[b"subnet"], &[b"canister_ranges"]], ok),
        (
            &stranger,
            &[
                &[b"canister", canister, b"module_hash"],
                &[b"canister", canister, b"controllers"],
            ],
            ok,
        ),
        (
            &stranger,
            &[&[b"canister", canister, b"metadata", b"candid:service"]],
            ok,
        ),
        (
            &stranger,
            &[&[b"canister", canister, b"metadata", b"absent"]],
            ok,
        ),
        (
            &stranger,
            &[&[b"canister", canister, b"metadata", b"secret"]],
            StatusCode::FORBIDDEN,
        ),
        (
            &controller,
            &[&[b"canister", canister, b"metadata", b"secret"]],
            ok,
        ),
        (
            &stranger,
            &[&[b"canister", canister, b"metadata", b"\xff"]],
            StatusCode::BAD_REQUEST,
        ),
        (
            &stranger,
            &[&[b"canister", canister, b"metadata"]],
            StatusCode::NOT_FOUND,
        ),
        (
            &controller,
            &[&[b"canister", canister]],
            StatusCode::NOT_FOUND,
        ),
        (
            &controller,
            &[&[b"canister", canister, b"certified_data"]],
            StatusCode::NOT_FOUND,
        ),
        (
            &stranger,
            &[&[b"canister", other, b"module_hash"]],
            StatusCode::BAD_REQUEST,
        ),
        (&owner, &[&[b"request_status", &id]], ok),
        (
            &owner,
            &[
                &[b"request_status", &id, b"status"],
                &[b"request_status", &id, b"reply"],
                &[b"time"],
            ],
            ok,
        ),
        (
            &stranger,
            &[&[b"request_status", &id]],
            StatusCode::FORBIDDEN,
        ),
        (
            &controller,
            &[&[b"request_status", &id, b"reply"]],
            StatusCode::FORBIDDEN,
        ),
        (&stranger, &[&[b"request_status", &absent]], ok),
        (
            &owner,
            &[&[b"request_status", &id], &[b"request_status", &absent]],
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &[&[b"request_status", &long]],
            StatusCode::BAD_REQUEST,
        ),
        (&owner, &[&[b"request_status"]], StatusCode::NOT_FOUND),
        (
            &owner,
            &[&[b"request_status", &id, b"reply", b"x"]],
            StatusCode::NOT_FOUND,
        ),
        (&owner, &[&[]], StatusCode::NOT_FOUND),
        (&owner, &[&[b"anything"]], StatusCode::NOT_FOUND),
    ];
    for (key, paths, expected) in table {
        let body = Draft::read(key.principal(), paths).signed(key).encode();
        let reply = post(&router, &endpoint(3, "read_state"), body).await;
        assert_eq!(reply.status, *expected, "{paths:?}");
        if reply.status == ok {
            let tree = reply.tree(&memory);
            for path in paths
                .iter()
                .filter(|path| path.first() == Some(&b"request_status".as_slice()))
            {
                let found = tree.lookup_path([
                    path[0],
                    path[1],
                    path.get(2).unwrap_or(&b"reply".as_slice()),
                ]);
                assert_eq!(matches!(found, LookupResult::Found(_)), path[1] == id);
            }
        }
    }
}

#[tokio::test]
async fn the_subnet_endpoint() {
    let memory = Memory::new();
    let router = memory.router();
    let subnet = memory.certification.root_key().subnet_id();
    let paths: &[&[&[u8]]] = &[
        &[b"subnet", subnet.as_slice()],
        &[b"canister_ranges", subnet.as_slice()],
    ];
    let body = Draft::read(Principal::anonymous(), paths).encode();
    for version in [2, 3] {
        let reply = post(
            &router,
            &format!("/api/v{version}/subnet/{subnet}/read_state"),
            body.clone(),
        )
        .await;
        let tree = reply.tree(&memory);
        let node = memory.certification.node_key();
        let node_id = node.node_id();
        let path: [&[u8]; 5] = [
            b"subnet",
            subnet.as_slice(),
            b"node",
            node_id.as_slice(),
            b"public_key",
        ];
        assert_eq!(tree.lookup_path(path), LookupResult::Found(node.der()));
    }
    let wrong = post(
        &router,
        &format!("/api/v2/subnet/{}/read_state", canister_id()),
        body,
    )
    .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let canister = canister_id();
    let body = Draft::read(
        Principal::anonymous(),
        &[&[b"canister", canister.as_slice(), b"module_hash"]],
    )
    .encode();
    let reply = post(
        &router,
        &format!("/api/v2/subnet/{subnet}/read_state"),
        body,
    )
    .await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn malformed_requests_get_a_status() {
    let memory = Memory::new();
    let router = memory.router();
    let call = Draft::call("call", Principal::anonymous(), "echo", b"").encode();
    let query = Draft::call("query", Principal::anonymous(), "echo", b"").encode();
    let elsewhere = "/api/v3/canister/aaaaa-aa/call";
    for (path, body, expected) in [
        (endpoint(3, "call"), vec![], StatusCode::BAD_REQUEST),
        (endpoint(3, "call"), vec![0; 1000], StatusCode::BAD_REQUEST),
        (endpoint(3, "call"), query.clone(), StatusCode::BAD_REQUEST),
        (endpoint(3, "query"), call.clone(), StatusCode::BAD_REQUEST),
        (
            endpoint(3, "read_state"),
            call.clone(),
            StatusCode::BAD_REQUEST,
        ),
        (elsewhere.to_string(), call.clone(), StatusCode::BAD_REQUEST),
        (
            "/api/v3/canister/not-a-principal/call".to_string(),
            call.clone(),
            StatusCode::BAD_REQUEST,
        ),
        (endpoint(9, "call"), call.clone(), StatusCode::NOT_FOUND),
        (endpoint(3, "eat"), call.clone(), StatusCode::NOT_FOUND),
        (
            endpoint(3, "call"),
            vec![0; 3 << 20],
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
        (
            endpoint(3, "call"),
            Draft::call(
                "call",
                Principal::anonymous(),
                "echo",
                &vec![0; (2 << 20) + 1],
            )
            .encode(),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
        (
            endpoint(3, "call"),
            Draft::call("call", Principal::anonymous(), "echo", &vec![0; 2 << 20]).encode(),
            StatusCode::OK,
        ),
        (
            endpoint(3, "call"),
            Draft::call("call", Principal::anonymous(), "echo", b"")
                .set("canister_id", bytes([1]))
                .encode(),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let reply = post(&router, &path, body).await;
        assert_eq!(reply.status, expected, "{path}");
        assert!(expected == StatusCode::OK || !reply.text().is_empty());
    }
    let untyped = Request::post(endpoint(3, "call"))
        .body(Body::from(call))
        .unwrap();
    assert_eq!(
        send(&router, untyped).await.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    let got = send(
        &router,
        Request::get(endpoint(3, "call"))
            .body(Body::empty())
            .unwrap(),
    )
    .await;
    assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn any_page_may_call() {
    let router = Memory::new().router();
    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .uri(endpoint(4, "call"))
        .header(header::ORIGIN, "http://elsewhere.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
    let reply = send(&router, preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(
        reply.headers[header::ACCESS_CONTROL_ALLOW_HEADERS],
        "content-type"
    );
    assert!(
        reply.headers[header::ACCESS_CONTROL_ALLOW_METHODS]
            .to_str()
            .unwrap()
            .contains("POST")
    );
}
