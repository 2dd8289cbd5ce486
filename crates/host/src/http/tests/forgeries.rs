//! Requests that are not their sender's, or no longer or not yet count. Each is refused with the status it
//! deserves, and has no effect.

use super::support::*;
use crate::certificate::now;
use axum::http::StatusCode;
use candid::Principal;
use ciborium::Value;
use std::sync::atomic::Ordering;

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;

/// A call of Alice's, signed by `key` through the delegations `links`.
fn through(links: Vec<Value>, key: &Key) -> Draft {
    let alice = Key::new(1);
    Draft::call("call", alice.principal(), "echo", b"")
        .delegated(links)
        .signed_for(&alice.der(), key)
}

fn forgeries() -> Vec<(&'static str, Draft, StatusCode)> {
    let (alice, mallory, session, third) = (Key::new(1), Key::new(2), Key::new(3), Key::new(4));
    let call = || Draft::call("call", alice.principal(), "echo", b"");
    let anonymous = || Draft::call("call", Principal::anonymous(), "echo", b"");
    let signed = call().signed(&alice);
    let link = Link::default();
    let to_session = link.sign(&alice, &session.der());
    let canister = canister_id();
    let elsewhere = Principal::from_slice(&[5, 5, 5]);
    let limited = |targets: Vec<Principal>| Link {
        targets: Some(targets),
        ..Link::default()
    };
    let mut tampered = to_session.clone();
    if let Value::Map(fields) = &mut tampered
        && let Value::Map(delegation) = &mut fields[0].1
    {
        delegation[1].1 = (now() + 20 * MINUTE).into();
    }
    let chain = |count: u8| {
        let keys: Vec<Key> = std::iter::once(alice.clone())
            .chain((100..100 + count).map(Key::new))
            .collect();
        let links = keys
            .windows(2)
            .map(|pair| Link::default().sign(&pair[0], &pair[1].der()))
            .collect();
        through(links, keys.last().unwrap())
    };
    let many_targets = |count: usize| {
        let mut targets = vec![elsewhere; count - 1];
        targets.push(canister);
        through(
            vec![limited(targets).sign(&alice, &session.der())],
            &session,
        )
    };
    let of_a_canister =
        hex::decode("301c300c060a2b0601040183b8430102030c000a00000000000000010101").unwrap();
    let ok = StatusCode::OK;
    vec![
        ("signed by its sender", signed.clone(), ok),
        ("anonymous", anonymous(), ok),
        (
            "through a delegation",
            through(vec![to_session.clone()], &session),
            ok,
        ),
        (
            "through a delegation to this canister",
            through(
                vec![limited(vec![elsewhere, canister]).sign(&alice, &session.der())],
                &session,
            ),
            ok,
        ),
        ("through twenty delegations", chain(20), ok),
        ("with a thousand targets", many_targets(1000), ok),
        (
            "with a delegation for all",
            through(
                vec![
                    Link {
                        permissions: Some("all"),
                        ..Link::default()
                    }
                    .sign(&alice, &session.der()),
                ],
                &session,
            ),
            ok,
        ),
        (
            "at the end of the window",
            call()
                .set("ingress_expiry", now() + 6 * MINUTE - MINUTE / 2)
                .signed(&alice),
            ok,
        ),
        ("unsigned", call(), FORBIDDEN),
        (
            "without a key",
            call().outside("sender_sig", bytes([0; 64])),
            FORBIDDEN,
        ),
        (
            "without a signature",
            call().outside("sender_pubkey", bytes(alice.der())),
            FORBIDDEN,
        ),
        (
            "signed by someone else",
            call().signed_for(&alice.der(), &mallory),
            FORBIDDEN,
        ),
        (
            "with someone else's key",
            call().signed(&mallory),
            FORBIDDEN,
        ),
        (
            "with an argument changed after signing",
            signed.clone().set("arg", bytes(b"more")),
            FORBIDDEN,
        ),
        (
            "with a field added after signing",
            signed.clone().set("priority", 1),
            FORBIDDEN,
        ),
        (
            "with a sender changed after signing",
            signed
                .clone()
                .set("sender", bytes(mallory.principal().as_slice())),
            FORBIDDEN,
        ),
        (
            "with a signature over another request",
            call()
                .outside("sender_pubkey", bytes(alice.der()))
                .outside("sender_sig", signed.outside[1].1.clone()),
            FORBIDDEN,
        ),
        (
            "with a key that is none",
            call()
                .outside("sender_pubkey", bytes([1, 2]))
                .outside("sender_sig", bytes([0; 64])),
            FORBIDDEN,
        ),
        (
            "with a canister's key and what no canister has signed",
            Draft::call(
                "call",
                Principal::self_authenticating(&of_a_canister),
                "echo",
                b"",
            )
            .signed_for(&of_a_canister, &alice),
            FORBIDDEN,
        ),
        (
            "anonymous and signed",
            anonymous().signed(&alice),
            FORBIDDEN,
        ),
        (
            "anonymous and delegated",
            anonymous().delegated(vec![to_session.clone()]),
            FORBIDDEN,
        ),
        (
            "expired",
            call().set("ingress_expiry", now() - MINUTE).signed(&alice),
            BAD,
        ),
        (
            "expiring too far ahead",
            call()
                .set("ingress_expiry", now() + 7 * MINUTE)
                .signed(&alice),
            BAD,
        ),
        (
            "never expiring",
            call().set("ingress_expiry", u64::MAX).signed(&alice),
            BAD,
        ),
        (
            "anonymous and expired",
            anonymous().set("ingress_expiry", now() - MINUTE),
            BAD,
        ),
        (
            "with a nonce too long",
            call().set("nonce", bytes([0; 33])).signed(&alice),
            BAD,
        ),
        (
            "with the delegating key instead of the session's",
            through(vec![to_session.clone()], &alice),
            FORBIDDEN,
        ),
        (
            "through a delegation by someone else",
            through(vec![link.sign(&mallory, &session.der())], &session),
            FORBIDDEN,
        ),
        (
            "through a tampered delegation",
            through(vec![tampered], &session),
            FORBIDDEN,
        ),
        (
            "through an expired delegation",
            through(
                vec![
                    Link {
                        expiration: now() - 1,
                        ..Link::default()
                    }
                    .sign(&alice, &session.der()),
                ],
                &session,
            ),
            BAD,
        ),
        (
            "through a delegation for elsewhere",
            through(
                vec![limited(vec![elsewhere]).sign(&alice, &session.der())],
                &session,
            ),
            FORBIDDEN,
        ),
        (
            "through a delegation for nothing",
            through(vec![limited(vec![]).sign(&alice, &session.der())], &session),
            FORBIDDEN,
        ),
        (
            "through delegations whose targets have nothing in common",
            through(
                vec![
                    limited(vec![canister]).sign(&alice, &session.der()),
                    limited(vec![elsewhere]).sign(&session, &third.der()),
                ],
                &third,
            ),
            FORBIDDEN,
        ),
        ("with too many targets", many_targets(1001), FORBIDDEN),
        ("through too many delegations", chain(21), FORBIDDEN),
        (
            "through a delegation to oneself",
            through(vec![link.sign(&alice, &alice.der())], &alice),
            FORBIDDEN,
        ),
        (
            "through a loop of delegations",
            through(
                vec![
                    to_session.clone(),
                    link.sign(&session, &third.der()),
                    link.sign(&third, &session.der()),
                ],
                &session,
            ),
            FORBIDDEN,
        ),
        (
            "through delegations in the wrong order",
            through(
                vec![link.sign(&session, &third.der()), to_session.clone()],
                &third,
            ),
            FORBIDDEN,
        ),
        (
            "with a delegation for queries",
            through(
                vec![
                    Link {
                        permissions: Some("queries"),
                        ..Link::default()
                    }
                    .sign(&alice, &session.der()),
                ],
                &session,
            ),
            FORBIDDEN,
        ),
        (
            "with unknown permissions",
            through(
                vec![
                    Link {
                        permissions: Some("none"),
                        ..Link::default()
                    }
                    .sign(&alice, &session.der()),
                ],
                &session,
            ),
            BAD,
        ),
        (
            "with a delegation that is none",
            through(vec![Value::Text("x".into())], &session),
            BAD,
        ),
        (
            "with delegations that are none",
            call().outside("sender_delegation", 5.into()).signed(&alice),
            BAD,
        ),
    ]
}

#[tokio::test]
async fn every_forgery_is_refused() {
    let memory = Memory::new();
    let router = memory.router();
    for (name, draft, expected) in forgeries() {
        let before = memory.executions.load(Ordering::SeqCst);
        let reply = post(&router, &endpoint(4, "call"), draft.encode()).await;
        let text = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, expected, "a call {name}: {text}");
        let executed = memory.executions.load(Ordering::SeqCst) - before;
        assert_eq!(
            executed,
            usize::from(expected == StatusCode::OK),
            "a call {name}"
        );
    }
}

#[tokio::test]
async fn every_forged_query_and_read_is_refused() {
    let memory = Memory::new();
    let router = memory.router();
    let alice = Key::new(1);
    let mallory = Key::new(2);
    for draft in [
        Draft::call("query", alice.principal(), "echo", b""),
        Draft::read(alice.principal(), &[&[b"time"]]),
    ] {
        let name = if draft.content[0].1.as_text() == Some("query") {
            "query"
        } else {
            "read_state"
        };
        let path = endpoint(3, name);
        assert_eq!(
            post(&router, &path, draft.clone().signed(&alice).encode())
                .await
                .status,
            StatusCode::OK
        );
        assert_eq!(post(&router, &path, draft.encode()).await.status, FORBIDDEN);
        assert_eq!(
            post(
                &router,
                &path,
                draft.clone().signed_for(&alice.der(), &mallory).encode()
            )
            .await
            .status,
            FORBIDDEN
        );
        let late = draft
            .clone()
            .set("ingress_expiry", now() - MINUTE)
            .signed(&alice);
        assert_eq!(post(&router, &path, late.encode()).await.status, BAD);
        let anonymous = draft.set("sender", bytes([4])).set("ingress_expiry", 0);
        assert_eq!(
            post(&router, &path, anonymous.encode()).await.status,
            StatusCode::OK,
            "nothing to protect"
        );
    }
}

#[tokio::test]
async fn delegation_targets_limit_what_may_be_read() {
    let memory = Memory::new();
    let router = memory.router();
    let (alice, session) = (Key::new(1), Key::new(3));
    let call = Draft::call("call", alice.principal(), "echo", b"").signed(&alice);
    let id = call.id();
    post(&router, &endpoint(3, "call"), call.encode()).await;
    let elsewhere = Principal::from_slice(&[5, 5, 5]);
    for (target, expected) in [(canister_id(), StatusCode::OK), (elsewhere, FORBIDDEN)] {
        let link = Link {
            targets: Some(vec![target]),
            permissions: Some("queries"),
            ..Link::default()
        };
        let links = vec![link.sign(&alice, &session.der())];
        let canister = canister_id();
        for path in [
            [b"request_status".as_slice(), &id].as_slice(),
            &[b"canister", canister.as_slice(), b"module_hash"],
        ] {
            let read = Draft::read(alice.principal(), &[path]).delegated(links.clone());
            let reply = post(
                &router,
                &endpoint(2, "read_state"),
                read.signed_for(&alice.der(), &session).encode(),
            )
            .await;
            assert_eq!(reply.status, expected);
        }
    }
}
