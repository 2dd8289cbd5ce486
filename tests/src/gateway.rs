//! A gateway of the Internet Computer in pieces: asks the canister for pages as gateways do, and verifies what it answers by their library.

use std::time::{SystemTime, UNIX_EPOCH};

use candid::{Decode, Encode, Principal};
use ic_agent::Agent;
use ic_response_verification::{ResponseVerificationResult, types::VerificationInfo};
use keepsake_client::api::{ByteBuf, HttpRequest, HttpResponse};

/// How far from now a certificate may be, in nanoseconds.
const FIVE_MINUTES: u128 = 300_000_000_000;

/// A request without a body.
pub fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let header = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    HttpRequest {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers.iter().map(header).collect(),
        body: ByteBuf::new(),
        certificate_version: Some(2),
    }
}

/// What the canister answers.
pub async fn ask(agent: &Agent, canister: Principal, request: &HttpRequest) -> HttpResponse {
    let reply = agent
        .query(&canister, "http_request")
        .with_arg(Encode!(request).expect("it is Candid"))
        .call()
        .await
        .unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.url));
    Decode!(&reply, HttpResponse).expect("it is a response")
}

/// Verifies an answer to a request; what is certified of it is in the result, or nothing where the canister certified that answers at this
/// path are not compared.
///
/// # Errors
/// Where a gateway would not pass it on.
pub fn verify(
    agent: &Agent,
    canister: Principal,
    request: &HttpRequest,
    response: &HttpResponse,
) -> ResponseVerificationResult<VerificationInfo> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    let method = request.method.parse().expect("it is a method");
    let status = response.status_code.try_into().expect("it is a status");
    ic_response_verification::verify_request_response_pair(
        ic_http_certification::HttpRequest::builder()
            .with_method(method)
            .with_url(request.url.clone())
            .with_headers(request.headers.clone())
            .with_body(request.body.to_vec())
            .build(),
        ic_http_certification::HttpResponse::builder()
            .with_status_code(status)
            .with_headers(response.headers.clone())
            .with_body(response.body.to_vec())
            .build(),
        canister.as_slice(),
        now.as_nanos(),
        FIVE_MINUTES,
        &agent.read_root_key(),
        2,
    )
}

/// The value of the response's header of this name.
pub fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    let named = |(given, _): &&(String, String)| given.eq_ignore_ascii_case(name);
    let found = response.headers.iter().find(named);
    found.map(|(_, value)| value.as_str())
}
