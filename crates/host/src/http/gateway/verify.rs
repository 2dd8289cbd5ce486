//! Verification of what the canister answers (HTTP gateway protocol, "Response verification"), by the Internet Computer's own library, so
//! that what passes here passes there. On this machine nobody lies between the canister and its gateway; what this finds is a canister whose
//! pages no other gateway would show.

use super::{HttpRequest, HttpResponse};
use crate::certificate::now;
use crate::http::Interface;
use crate::http::refusal::Refusal;
use axum::http::StatusCode;
use serde_bytes::ByteBuf;
use std::sync::Arc;
use std::time::Duration;

/// How far a certificate's time may be from this clock.
const MAX_CERTIFICATE_AGE: Duration = Duration::from_secs(5 * 60);

/// Segments that a path may have. Verifying takes the square of it.
const MAX_SEGMENTS: usize = 256;

/// Whether paths like this one can be verified in bounded time.
///
/// # Errors
/// 414 where they cannot.
pub(super) fn check_path(path: &str) -> Result<(), Refusal> {
    // An escaped slash counts as one when paths are compared.
    let escaped = path.as_bytes().windows(3);
    let escaped = escaped.filter(|window| window.eq_ignore_ascii_case(b"%2f"));
    if path.split('/').count() + escaped.count() > MAX_SEGMENTS {
        let message = format!("The address has more than {MAX_SEGMENTS} segments.");
        return Err(Refusal::new(StatusCode::URI_TOO_LONG, message));
    }
    Ok(())
}

/// The response, with what is certified of it; all of it where the canister certifies that answers at this path are not compared.
///
/// # Errors
/// 502 where it is not what the canister certified.
pub(super) async fn verified(
    interface: &Arc<Interface>,
    asked: &HttpRequest,
    response: HttpResponse,
) -> Result<HttpResponse, Refusal> {
    let asked = asked.clone();
    // Hashes the body, and compares a signature of a certificate that was not seen before.
    interface
        .compute(true, move |interface| verify(interface, asked, response))
        .await
}

fn verify(
    interface: &Interface,
    asked: HttpRequest,
    mut response: HttpResponse,
) -> Result<HttpResponse, Refusal> {
    let path = asked.url.clone();
    let refused = |why: &dyn std::fmt::Display| {
        tracing::warn!(%path, "the canister's answer cannot be verified: {why}");
        Refusal::new(
            StatusCode::BAD_GATEWAY,
            format!("The canister's answer cannot be verified: {why}."),
        )
    };
    let method = asked.method.parse().map_err(|error| refused(&error))?;
    let status = response
        .status_code
        .try_into()
        .map_err(|error| refused(&error))?;
    let request = ic_http_certification::HttpRequest::builder()
        .with_method(method)
        .with_url(asked.url)
        .with_headers(asked.headers)
        .with_body(asked.body.into_vec())
        .build();
    let answered = ic_http_certification::HttpResponse::builder()
        .with_status_code(status)
        .with_headers(response.headers.clone())
        .with_body(response.body.as_slice())
        .build();
    let certification = &interface.certification;
    let info = ic_response_verification::verify_request_response_pair(
        request,
        answered,
        interface.backend.canister_id().as_slice(),
        u128::from(now()),
        MAX_CERTIFICATE_AGE.as_nanos(),
        certification.root_key().der(),
        super::CERTIFICATE_VERSION as u8,
    )
    .map_err(|error| refused(&error))?;
    if let Some(certified) = info.response {
        response.headers = certified.headers;
        response.body = ByteBuf::from(certified.body);
    }
    Ok(response)
}
