//! The gateway to the canister's own pages (HTTP gateway protocol): a request whose host is
//! `<canister id>.localhost`, or whose query has `canisterId=<canister id>`, becomes a call of the canister's
//! `http_request`, and of `http_request_update` where the canister asks for that.
//!
//! The reply is verified as every gateway does ([`verify`]), except at `<canister id>.raw.localhost`, and passed on as the canister certified
//! it; content that is longer than a message is put together from its parts ([`parts`]). Streaming callbacks are not followed: they are
//! certified for small bodies only.

mod parts;
mod verify;

use super::backend::{Backend, Refused};
use super::refusal::{Refusal, plain_text};
use super::{Interface, Shared, operation};
use crate::crypto::representation::{Hashable, hash_of_record};
use crate::message::{Ingress, Reject, RequestStatus};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::Response;
use candid::{CandidType, Decode, Encode, Principal};
use serde::Deserialize;
use serde_bytes::ByteBuf;
use std::time::Duration;

/// The largest body of a page request, in bytes: what fits into a message.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// How long the update behind `http_request_update` may take.
const UPDATE_TTL: Duration = Duration::from_secs(5 * 60);

/// What an HTTP canister certifies its replies for, asked for with each request.
const CERTIFICATE_VERSION: u16 = 2;

#[derive(Clone, CandidType)]
struct HttpRequest {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: ByteBuf,
    certificate_version: Option<u16>,
}

#[derive(CandidType)]
struct HttpUpdateRequest {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: ByteBuf,
}

#[derive(CandidType, Deserialize)]
struct HttpResponse {
    status_code: u16,
    headers: Vec<(String, String)>,
    body: ByteBuf,
    upgrade: Option<bool>,
    streaming_strategy: Option<candid::Reserved>,
}

fn first_of<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

impl HttpRequest {
    fn header(&self, name: &str) -> Option<&str> {
        first_of(&self.headers, name)
    }
}

impl HttpResponse {
    fn header(&self, name: &str) -> Option<&str> {
        first_of(&self.headers, name)
    }
}

/// Answers whatever is not below `/api/`.
pub(super) async fn answer(
    State(interface): Shared,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let path = request.uri().path();
    if let Some(asked) = asked_canister(request.headers(), request.uri()) {
        return forward(&interface, asked, request).await;
    }
    let hosted = interface.backend.canister_id();
    match (request.method(), path) {
        (&Method::GET | &Method::HEAD, "/") => Ok(plain_text(
            StatusCode::OK,
            format!(
                "This is a host of one Internet Computer canister, {hosted}.\n\
                 Agents call it here: its interface is the one of the Internet Computer, below /api/.\n\
                 The canister's own pages are at the host name {hosted}.localhost, on the same port.\n"
            ),
        )),
        (&Method::GET | &Method::HEAD, "/health") => Ok(operation::health(&interface, &request)),
        (&Method::GET | &Method::HEAD, "/metrics") => operation::metrics(&interface, &request),
        _ => Err(Refusal::nothing_here()),
    }
}

/// Whose page is asked for, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    canister: Principal,
    /// At a name of its own, where answers are not verified: an origin apart, which shares nothing with the verified pages.
    is_raw: bool,
}

/// The canister whose page is asked for: by the host name, else by the query.
pub(super) fn asked_canister(headers: &HeaderMap, uri: &Uri) -> Option<Asked> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or(uri.host())?;
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, _)| name)
        .to_ascii_lowercase();
    let by_host = || {
        let label = name.strip_suffix(".localhost")?;
        let raw = label.strip_suffix(".raw");
        Some(Asked {
            canister: Principal::from_text(raw.unwrap_or(label)).ok()?,
            is_raw: raw.is_some(),
        })
    };
    let by_query = || {
        let parameters = uri.query()?.split('&');
        let (_, value) = parameters
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| *name == "canisterId")?;
        Some(Asked {
            canister: Principal::from_text(value).ok()?,
            is_raw: false,
        })
    };
    by_host().or_else(by_query)
}

async fn forward(
    interface: &std::sync::Arc<Interface>,
    Asked { canister, is_raw }: Asked,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let backend = &*interface.backend;
    let hosted = backend.canister_id();
    if canister != hosted {
        return Err(Refusal::not_found(format!(
            "The canister {canister} does not exist here. This host runs {hosted}."
        )));
    }
    if backend.state().module_hash.is_none() {
        return Err(Refusal::unavailable(format!(
            "The canister {canister} has no code yet."
        )));
    }
    verify::check_path(request.uri().path())?;
    let (parts, body) = request.into_parts();
    // Received already, and bounded.
    let body = axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| {
        let message = format!("The request is larger than the limit of {MAX_BODY} bytes.");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })?;
    let url = parts
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_string();
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str().to_string(), value.to_str().ok()?.to_string()))
        })
        .collect();

    let asked = HttpRequest {
        method: parts.method.as_str().to_string(),
        url,
        headers,
        body: ByteBuf::from(Vec::from(body)),
        certificate_version: Some(CERTIFICATE_VERSION),
    };
    let is_head = asked.method == "HEAD";
    let mut response = call(backend, &asked).await?;
    if response.upgrade == Some(true) {
        // Agreed on by all, as every update is; there is nothing to verify it by.
        let HttpRequest {
            method,
            url,
            headers,
            body,
            ..
        } = asked;
        response = update(
            backend,
            encode(&HttpUpdateRequest {
                method,
                url,
                headers,
                body,
            })?,
        )
        .await?;
        return into_response(response, is_head);
    }
    if !is_raw {
        response = verify::verified(interface, &asked, response).await?;
    }
    if parts::is_first_part(&asked, &response) {
        return parts::whole(interface.clone(), asked, response, is_raw);
    }
    into_response(response, is_head)
}

/// Asks the canister, as a query.
async fn call(backend: &dyn Backend, asked: &HttpRequest) -> Result<HttpResponse, Refusal> {
    let method = "http_request".to_string();
    let reply = backend
        .query(Principal::anonymous(), method, encode(asked)?)
        .await;
    decode(&reply.map_err(|reject| rejected(&reject))?)
}

/// Has `http_request_update` executed, as an anonymous call.
async fn update(backend: &dyn Backend, arg: Vec<u8>) -> Result<HttpResponse, Refusal> {
    let canister_id = backend.canister_id();
    let method = "http_request_update".to_string();
    let expiry = backend.time().saturating_add(UPDATE_TTL.as_nanos() as u64);
    let sender = Principal::anonymous();
    let nonce: [u8; 16] = rand::random();
    let request_id = hash_of_record(&[
        ("request_type", Hashable::Text("call")),
        ("nonce", Hashable::Bytes(&nonce)),
        ("ingress_expiry", Hashable::Nat(expiry)),
        ("sender", Hashable::Bytes(sender.as_slice())),
        ("canister_id", Hashable::Bytes(canister_id.as_slice())),
        ("method_name", Hashable::Text(&method)),
        ("arg", Hashable::Bytes(&arg)),
    ]);
    match backend
        .submit(Ingress {
            request_id,
            sender,
            canister_id,
            method,
            arg,
            expiry,
        })
        .await
    {
        Ok(RequestStatus::Replied(reply)) => decode(&reply),
        Ok(RequestStatus::Rejected(reject)) | Err(Refused::Rejected(reject)) => {
            Err(rejected(&reject))
        }
        Ok(_) => Err(Refusal::unavailable("The canister has not answered.")),
        Err(refused @ (Refused::Expired | Refused::Busy | Refused::Unavailable(_))) => {
            Err(Refusal::unavailable(refused.to_string()))
        }
    }
}

fn encode(request: &impl CandidType) -> Result<Vec<u8>, Refusal> {
    Encode!(request)
        .map_err(|error| Refusal::bad_request(format!("The request cannot be passed on: {error}.")))
}

fn decode(reply: &[u8]) -> Result<HttpResponse, Refusal> {
    Decode!(reply, HttpResponse).map_err(|_| {
        Refusal::new(
            StatusCode::BAD_GATEWAY,
            "The canister's reply is not an HTTP response.",
        )
    })
}

/// Error codes of a canister that does not have the method.
const METHOD_NOT_FOUND: [&str; 2] = ["IC0302", "IC0536"];

fn rejected(reject: &Reject) -> Refusal {
    match reject.error_code.as_deref() {
        Some(code) if METHOD_NOT_FOUND.contains(&code) => {
            Refusal::not_found("This canister has no pages.")
        }
        _ => Refusal::new(
            StatusCode::BAD_GATEWAY,
            format!("The canister did not answer: {}", reject.message),
        ),
    }
}

/// The canister's response on this connection. To HEAD it has the length of the body that GET would have been answered with.
fn into_response(response: HttpResponse, is_head: bool) -> Result<Response, Refusal> {
    let wrong = |what: &str| {
        Refusal::new(
            StatusCode::BAD_GATEWAY,
            format!("The canister's response has {what}."),
        )
    };
    if response.streaming_strategy.is_some() {
        return Err(wrong("a streaming callback, which is not supported here"));
    }
    let status =
        StatusCode::from_u16(response.status_code).map_err(|_| wrong("an invalid status"))?;
    let mut reply = Response::new(Body::from(response.body.into_vec()));
    *reply.status_mut() = status;
    for (name, value) in response.headers {
        let name = HeaderName::try_from(name).map_err(|_| wrong("an invalid header name"))?;
        let value = HeaderValue::try_from(value).map_err(|_| wrong("an invalid header value"))?;
        // How the body is framed on this connection is the server's affair.
        let framing = [header::TRANSFER_ENCODING, header::CONNECTION].contains(&name);
        if !framing && (is_head || name != header::CONTENT_LENGTH) {
            reply.headers_mut().append(name, value);
        }
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, uri: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        asked_canister(&headers, &uri.parse().unwrap()).map(|asked| {
            assert_eq!(asked.is_raw, host.contains(".raw."));
            asked.canister.to_text()
        })
    }

    #[test]
    fn the_canister_is_found_in_the_host_name_and_in_the_query() {
        let id = "uxrrr-q7777-77774-qaaaq-cai";
        assert_eq!(
            asked(&format!("{id}.localhost:4943"), "/").as_deref(),
            Some(id)
        );
        assert_eq!(
            asked(&format!("{id}.LocalHost").to_uppercase(), "/").as_deref(),
            Some(id)
        );
        assert_eq!(
            asked(&format!("{id}.localhost"), "/a?b=c").as_deref(),
            Some(id)
        );
        assert_eq!(
            asked("localhost:4943", &format!("/a?x=1&canisterId={id}")).as_deref(),
            Some(id)
        );
        assert_eq!(
            asked(&format!("{id}.raw.localhost:4943"), "/").as_deref(),
            Some(id)
        );
        assert_eq!(asked("127.0.0.1:4943", "/"), None);
        assert_eq!(asked("localhost", "/?canisterId=nonsense"), None);
        assert_eq!(asked("www.localhost", "/"), None);
        assert_eq!(asked(&format!("{id}.example.org"), "/"), None);
    }
}
