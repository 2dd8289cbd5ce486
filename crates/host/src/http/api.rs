//! The endpoints under `/api/`: status, call, query and read_state (specification, "HTTPS Interface").
//!
//! v2 to v4 differ in what a call is answered with: v2 acknowledges it and the client polls, v3 and v4 wait for the
//! result. For queries and read_state all versions are the same here.

use super::authentication::authenticate;
use super::backend::Refused;
use super::body::check_cbor;
use super::envelope::{CallContent, Content, Envelope};
use super::read_state::{Endpoint, authorize};
use super::refusal::Refusal;
use super::{Interface, Shared};
use crate::certificate::{Label, StatusChanged, cbor};
use crate::crypto::representation::{Hashable, hash_of_record};
use crate::message::{Ingress, Reject, RequestId, RequestStatus};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use candid::Principal;
use serde::Serialize;
use serde_bytes::Bytes as ByteString;
use std::sync::Arc;
use std::time::Duration;

/// How long a v2 call is waited for before it is acknowledged, so that a refusal can still be told.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(500);

/// Above this size of a body or reply, in bytes, hashing takes long enough to leave the reactor for it.
const LARGE: usize = 64 * 1024;

/// How often, and with which pause, a status that is just changing is read again.
const STATUS_ATTEMPTS: usize = 50;
const STATUS_PAUSE: Duration = Duration::from_millis(20);

/// The most of a request's argument that the Internet Computer takes, in bytes.
const MAX_ARGUMENT: usize = 2 * 1024 * 1024;

pub(super) fn routes() -> Router<Arc<Interface>> {
    Router::new()
        .route("/api/v2/status", get(status))
        .route("/api/v2/canister/{id}/call", post(call_v2))
        .route("/api/v3/canister/{id}/call", post(call_v3))
        .route("/api/v4/canister/{id}/call", post(call_v3))
        .route("/api/v2/canister/{id}/query", post(query))
        .route("/api/v3/canister/{id}/query", post(query))
        .route(
            "/api/v2/canister/{id}/read_state",
            post(read_canister_state),
        )
        .route(
            "/api/v3/canister/{id}/read_state",
            post(read_canister_state),
        )
        .route("/api/v2/subnet/{id}/read_state", post(read_subnet_state))
        .route("/api/v3/subnet/{id}/read_state", post(read_subnet_state))
        .route("/api/{*unknown}", any(unknown))
}

async fn unknown() -> Refusal {
    Refusal::not_found("There is no such endpoint.")
}

async fn status(State(interface): Shared) -> Response {
    #[derive(Serialize)]
    struct Status<'a> {
        root_key: &'a ByteString,
        impl_version: &'a str,
        replica_health_status: &'a str,
    }
    let root_key = interface.certification.root_key().der();
    cbor_response(cbor(&Status {
        root_key: ByteString::new(root_key),
        impl_version: concat!("keepsake-host ", env!("CARGO_PKG_VERSION")),
        replica_health_status: "healthy",
    }))
}

async fn call_v2(
    State(interface): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let (_, ingress) = accept_call(&interface, &id, &headers, body).await?;
    match submit(&interface, ingress, ACKNOWLEDGE_AFTER).await? {
        Submitted::Executed(_) | Submitted::Pending => Ok(StatusCode::ACCEPTED.into_response()),
        Submitted::Rejected(reject) => Ok(cbor_response(cbor(&Rejection::of(&reject, None)))),
    }
}

async fn call_v3(
    State(interface): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let (request_id, ingress) = accept_call(&interface, &id, &headers, body).await?;
    let status = match submit(&interface, ingress, interface.options.call_timeout).await? {
        Submitted::Executed(status) => status,
        Submitted::Pending => return Ok(StatusCode::ACCEPTED.into_response()),
        Submitted::Rejected(reject) => {
            return Ok(cbor_response(cbor(&Rejection::of(
                &reject,
                Some("non_replicated_rejection"),
            ))));
        }
    };

    #[derive(Serialize)]
    struct Replied<'a> {
        status: &'a str,
        certificate: &'a ByteString,
    }
    let paths = vec![vec![b"request_status".to_vec(), request_id.to_vec()]];
    let certificate = request_certificate(&interface, paths, request_id, Some(status)).await?;
    Ok(cbor_response(cbor(&Replied {
        status: "replied",
        certificate: ByteString::new(&certificate),
    })))
}

/// Reads and authenticates an update call.
async fn accept_call(
    interface: &Arc<Interface>,
    id: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<(RequestId, Ingress), Refusal> {
    let effective = hosted_canister(interface, id)?;
    let (envelope, _) = accept(interface, headers, body).await?;
    let Content::Call(call) = envelope.content else {
        return Err(wrong_type("call", &envelope.content));
    };
    check_call(&call, effective)?;
    let ingress = Ingress {
        request_id: envelope.request_id,
        sender: envelope.sender,
        canister_id: call.canister_id,
        method: call.method_name,
        arg: call.arg,
        expiry: envelope.ingress_expiry,
    };
    Ok((envelope.request_id, ingress))
}

enum Submitted {
    Executed(RequestStatus),
    Rejected(Reject),
    /// Not ended yet; it goes on.
    Pending,
}

/// Submits a call and waits at most `patience` for its end. It goes on after that, and after the client left.
async fn submit(
    interface: &Arc<Interface>,
    ingress: Ingress,
    patience: Duration,
) -> Result<Submitted, Refusal> {
    let backend = interface.backend.clone();
    let execution = tokio::spawn(async move { backend.submit(ingress).await });
    let Ok(ended) = tokio::time::timeout(patience, execution).await else {
        return Ok(Submitted::Pending);
    };
    match ended.map_err(|error| {
        tracing::error!(%error, "the execution of a call ended abnormally");
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The call's execution ended abnormally.",
        )
    })? {
        Ok(status) => Ok(Submitted::Executed(status)),
        Err(Refused::Rejected(reject)) => Ok(Submitted::Rejected(reject)),
        Err(refused @ Refused::Expired) => Err(Refusal::bad_request(sentence(&refused))),
        Err(refused @ Refused::Busy) => Err(Refusal::too_many(sentence(&refused))),
        Err(refused @ Refused::Unavailable(_)) => Err(Refusal::unavailable(sentence(&refused))),
    }
}

async fn query(
    State(interface): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let effective = hosted_canister(&interface, &id)?;
    let (envelope, _) = accept(&interface, &headers, body).await?;
    let Content::Query(call) = envelope.content else {
        return Err(wrong_type("query", &envelope.content));
    };
    check_call(&call, effective)?;
    let result = if call.canister_id == Principal::management_canister() {
        interface
            .backend
            .query_management(envelope.sender, call.method_name, call.arg)
            .await
    } else {
        interface
            .backend
            .query(envelope.sender, call.method_name, call.arg)
            .await
    };
    let large = result.as_ref().is_ok_and(|reply| reply.len() > LARGE);
    let request_id = envelope.request_id;
    interface
        .compute(large, move |interface| {
            Ok(query_response(interface, request_id, &result))
        })
        .await
}

/// A query's result, signed with the node key.
fn query_response(
    interface: &Interface,
    request_id: RequestId,
    result: &Result<Vec<u8>, Reject>,
) -> Response {
    #[derive(Serialize)]
    struct Reply<'a> {
        arg: &'a ByteString,
    }
    #[derive(Serialize)]
    struct Replied<'a> {
        status: &'a str,
        reply: Reply<'a>,
        signatures: [NodeSignature<'a>; 1],
    }

    let timestamp = interface.backend.time();
    let mut signed = vec![
        ("timestamp", Hashable::Nat(timestamp)),
        ("request_id", Hashable::Bytes(&request_id)),
    ];
    match result {
        Ok(reply) => {
            signed.push(("status", Hashable::Text("replied")));
            signed.push((
                "reply",
                Hashable::Record(vec![("arg", Hashable::Bytes(reply))]),
            ));
        }
        Err(reject) => {
            signed.push(("status", Hashable::Text("rejected")));
            signed.push(("reject_code", Hashable::Nat(reject.code as u64)));
            signed.push(("reject_message", Hashable::Text(&reject.message)));
            if let Some(code) = &reject.error_code {
                signed.push(("error_code", Hashable::Text(code)));
            }
        }
    }
    let node_key = interface.certification.node_key();
    let signature = node_key.sign_response(&hash_of_record(&signed));
    let node_id = node_key.node_id();
    let signatures = [NodeSignature {
        timestamp,
        signature: ByteString::new(&signature),
        identity: ByteString::new(node_id.as_slice()),
    }];
    cbor_response(match result {
        Ok(reply) => cbor(&Replied {
            status: "replied",
            reply: Reply {
                arg: ByteString::new(reply),
            },
            signatures,
        }),
        Err(reject) => cbor(&Rejection {
            signatures: Some(signatures),
            ..Rejection::of(reject, Some("rejected"))
        }),
    })
}

async fn read_canister_state(
    State(interface): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let canister = hosted_canister(&interface, &id)?;
    read_state(&interface, Endpoint::Canister(canister), &headers, body).await
}

async fn read_subnet_state(
    State(interface): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let subnet = parse_principal(&id)?;
    if subnet != interface.certification.root_key().subnet_id() {
        return Err(Refusal::bad_request(format!(
            "The subnet {subnet} is not this host."
        )));
    }
    read_state(&interface, Endpoint::Subnet(subnet), &headers, body).await
}

async fn read_state(
    interface: &Arc<Interface>,
    endpoint: Endpoint,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let (envelope, targets) = accept(interface, headers, body).await?;
    let Content::ReadState { paths } = envelope.content else {
        return Err(wrong_type("read_state", &envelope.content));
    };

    #[derive(Serialize)]
    struct ReadState<'a> {
        certificate: &'a ByteString,
    }
    let certificate = match authorize(
        &*interface.backend,
        endpoint,
        envelope.sender,
        &targets,
        &paths,
    )? {
        None => {
            let certificate =
                move |interface: &Interface| interface.certification.certificate(&paths, None);
            interface
                .compute(true, move |interface| {
                    certificate(interface).map_err(changing)
                })
                .await?
        }
        Some((id, request)) => {
            request_certificate(interface, paths, id, request.map(|request| request.status)).await?
        }
    };
    Ok(cbor_response(cbor(&ReadState {
        certificate: ByteString::new(&certificate),
    })))
}

/// A certificate for paths that name the request `id`, whose status the store has as `status`. Where the tree has
/// another one, the request is just ending, and is looked up again.
async fn request_certificate(
    interface: &Arc<Interface>,
    paths: Vec<Vec<Label>>,
    id: RequestId,
    status: Option<RequestStatus>,
) -> Result<Vec<u8>, Refusal> {
    let paths = Arc::new(paths);
    let mut status = status;
    for _ in 0..STATUS_ATTEMPTS {
        let (paths, known) = (paths.clone(), status.clone());
        let made = interface
            .compute(true, move |interface| {
                Ok(interface
                    .certification
                    .certificate(&paths, Some((&id, known.as_ref()))))
            })
            .await?;
        match made {
            Ok(certificate) => return Ok(certificate),
            Err(StatusChanged) => tokio::time::sleep(STATUS_PAUSE).await,
        }
        status = interface.backend.request(&id).map(|request| request.status);
    }
    Err(changing(StatusChanged))
}

fn changing(_: StatusChanged) -> Refusal {
    Refusal::unavailable("The request's status is changing, try again.")
}

/// Decodes an envelope and authenticates it.
async fn accept(
    interface: &Arc<Interface>,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<(Envelope, super::authentication::Targets), Refusal> {
    check_cbor(headers)?;
    interface
        .compute(true, move |interface| {
            let envelope = Envelope::decode(&body)?;
            drop(body);
            let targets = authenticate(&envelope, interface.backend.time(), &interface.trusted)?;
            if !interface.limits.admits_principal(envelope.sender) {
                interface.metrics.refused_principals.count();
                return Err(Refusal::too_many("Too many requests of this principal."));
            }
            Ok((envelope, targets))
        })
        .await
}

fn check_call(call: &CallContent, effective: Principal) -> Result<(), Refusal> {
    // A call of the management canister goes to the canister that it concerns.
    if call.canister_id != effective && call.canister_id != Principal::management_canister() {
        return Err(Refusal::bad_request(format!(
            "The canister {} in the request is not the canister {effective} in the URL.",
            call.canister_id
        )));
    }
    if call.arg.len() > MAX_ARGUMENT {
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "The argument has {} bytes, the limit is {MAX_ARGUMENT}.",
                call.arg.len()
            ),
        ));
    }
    Ok(())
}

/// The canister id in a URL, if it is the one that runs here.
fn hosted_canister(interface: &Interface, id: &str) -> Result<Principal, Refusal> {
    let canister = parse_principal(id)?;
    let hosted = interface.backend.canister_id();
    if canister == hosted {
        Ok(canister)
    } else {
        Err(Refusal::bad_request(format!(
            "The canister {canister} does not exist here. This host runs {hosted}."
        )))
    }
}

fn parse_principal(id: &str) -> Result<Principal, Refusal> {
    Principal::from_text(id).map_err(|error| {
        Refusal::bad_request(format!("The id in the URL is not a principal: {error}."))
    })
}

fn wrong_type(expected: &str, content: &Content) -> Refusal {
    Refusal::bad_request(format!(
        "A {} request was sent to the {expected} endpoint.",
        content.request_type()
    ))
}

/// The node key's signature of a query's result.
#[derive(Serialize)]
struct NodeSignature<'a> {
    timestamp: u64,
    signature: &'a ByteString,
    identity: &'a ByteString,
}

/// A rejection, as it is told outside of certificates. Queries are signed, refused calls are not.
#[derive(Serialize)]
struct Rejection<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    reject_code: u64,
    reject_message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: Option<[NodeSignature<'a>; 1]>,
}

impl<'a> Rejection<'a> {
    fn of(reject: &'a Reject, status: Option<&'a str>) -> Self {
        Self {
            status,
            reject_code: reject.code as u64,
            reject_message: &reject.message,
            error_code: reject.error_code.as_deref(),
            signatures: None,
        }
    }
}

fn cbor_response(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/cbor")], bytes).into_response()
}

/// An error as a sentence: with a capital letter and a full stop.
fn sentence(error: &impl std::fmt::Display) -> String {
    let mut text = error.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text
}
