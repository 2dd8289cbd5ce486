//! Reading request bodies: bounded in size and time, and never answered by a connection reset.

use super::Shared;
use super::limits::Peer;
use super::refusal::Refusal;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt;
use std::time::Duration;

/// The largest envelope of a call, query or read_state request: the 2 MiB that an argument may have, and what
/// goes around it.
pub const MAX_ENVELOPE: usize = 2 * 1024 * 1024 + 64 * 1024;

/// What of an oversized body is still read before it is refused, so that the client gets to the answer.
const MAX_DRAINED: usize = 64 * 1024 * 1024;

/// Room made for a body of which nothing has arrived, whatever length is announced: memory follows what a client sends, not what it says.
const ROOM_IN_ADVANCE: usize = 64 * 1024;

/// Receives a request's body, within [`MAX_ENVELOPE`] and [`Options::body_timeout`], before anything else is done
/// with the request: a refusal, whatever it is for, then reaches a client that has sent everything.
///
/// [`Options::body_timeout`]: super::Options::body_timeout
pub async fn receive(
    State(interface): Shared,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let timeout = interface.options.body_timeout;
    let peer = parts.extensions.get::<Peer>();
    if peer.is_some_and(|peer| !interface.limits.admits_peer(*peer)) {
        interface.metrics.refused_peers.count();
        if !parts.headers.contains_key(header::EXPECT) {
            // Read, so that the answer is, and no longer than a body may take.
            drop(tokio::time::timeout(timeout, drain(body.into_data_stream())).await);
        }
        return Err(Refusal::too_many("Too many requests from this address."));
    }
    let body = read(&parts.headers, body, MAX_ENVELOPE, timeout).await?;
    interface.metrics.received_bytes.add(body.len() as u64);
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
}

/// Checks that a request says it is CBOR.
///
/// # Errors
/// 415 for another content type.
pub fn check_cbor(headers: &HeaderMap) -> Result<(), Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/cbor") {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "Unexpected content type: requests are to be sent as application/cbor.",
    ))
}

/// Reads a body of at most `limit` bytes, within `timeout`.
///
/// # Errors
/// 413 above the limit, 408 after the timeout, 400 where the connection fails.
async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    timeout: Duration,
) -> Result<Vec<u8>, Refusal> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    let too_large = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The request is larger than the limit of {limit} bytes."),
        )
    };
    // A client that waits for "100 Continue" has sent nothing yet and need not.
    if announced.is_some_and(|length| length > limit) && headers.contains_key(header::EXPECT) {
        return Err(too_large());
    }
    let read = async {
        let mut stream = body.into_data_stream();
        let announced = announced.unwrap_or(0).min(limit);
        let mut bytes = Vec::with_capacity(announced.min(ROOM_IN_ADVANCE));
        while let Some(part) = stream.next().await {
            let part = part.map_err(|_| Refusal::bad_request("The request's body ended early."))?;
            if bytes.len() + part.len() > limit {
                drop(bytes);
                drain(stream).await;
                return Err(too_large());
            }
            if bytes.len() + part.len() > bytes.capacity() {
                bytes.reserve_exact(announced.saturating_sub(bytes.len()));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    };
    tokio::time::timeout(timeout, read)
        .await
        .unwrap_or_else(|_| {
            Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "The request's body did not arrive in time.",
            ))
        })
}

async fn drain(mut stream: BodyDataStream) {
    let mut drained = 0;
    while let Some(Ok(part)) = stream.next().await {
        drained += part.len();
        if drained > MAX_DRAINED {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    async fn received(announced: usize, sent: usize) -> Vec<u8> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(announced));
        let body = Body::from(vec![7; sent]);
        let read = read(&headers, body, MAX_ENVELOPE, Duration::from_secs(10)).await;
        read.map_err(drop).expect("a body within the limit")
    }

    #[tokio::test]
    async fn room_is_made_for_what_arrives() {
        assert!(received(MAX_ENVELOPE, 10).await.capacity() <= ROOM_IN_ADVANCE);
        let whole = received(MAX_ENVELOPE, MAX_ENVELOPE).await;
        assert_eq!(
            (whole.len(), whole.capacity()),
            (MAX_ENVELOPE, MAX_ENVELOPE)
        );
    }
}
