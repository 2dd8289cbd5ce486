//! The canister's HTTP interface (Internet Computer HTTP gateway protocol): what the vault answers, with what gateways verify it by.
//!
//! Certification is version 2. The certified tree says for every path that answers are not certified one by one, as they depend on the time
//! and on tokens. The tree is constant: making it costs the same at every start, whatever the vault holds (I1), and a gateway still refuses
//! an answer that the canister did not mean to be passed on so. Whoever must not trust a replica compares the content with its SHA-256,
//! which the ETag repeats from the memory's metadata.

use ic_http_certification::utils::{
    add_skip_certification_header, skip_certification_certified_data,
};
use keepsake_api::{HttpRequest, HttpResponse};

use crate::reply::Reply;
use crate::state::{means, read};

/// Answers GET and HEAD over HTTP, as gateways ask. `/metrics`: figures of the vault for Prometheus, nothing private among them.
/// `/asset/<memory>/<variant>?token=…[&id=<asset>]`: content, for the holder of an access token, ranges included.
#[ic_cdk::query(manual_reply = true)]
fn http_request(request: HttpRequest) -> Reply<HttpResponse> {
    let now = ic_cdk::api::time();
    let mut response = read(|vault| vault.http_request(now, means(), &request));
    response.headers.extend(certification_headers());
    Reply::send(response)
}

/// Puts the tree's root under the canister's certificate, at the start.
pub fn certify() {
    ic_cdk::api::certified_data_set(skip_certification_certified_data());
}

/// The headers that gateways verify an answer by; none outside a query, where there is no certificate.
fn certification_headers() -> Vec<(String, String)> {
    let Some(certificate) = ic_cdk::api::data_certificate() else {
        return Vec::new();
    };
    let mut response = ic_http_certification::HttpResponse::builder().build();
    add_skip_certification_header(certificate, &mut response);
    response.headers().to_vec()
}
