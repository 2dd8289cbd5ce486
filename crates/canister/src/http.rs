//! The canister's HTTP interface (Internet Computer HTTP gateway protocol): what the vault and the gallery answer, with what gateways verify
//! it by.
//!
//! Certification is version 2. The tree is made at every start, from hashes taken when the canister was compiled: that costs the same
//! whatever the vault holds (I1). Pages are certified whole. Content and metrics depend on tokens, on time and on ranges; for their paths the
//! tree says that answers are not compared (docs/decisions/0005). Whoever must not trust a replica compares the content with its SHA-256,
//! which the ETag repeats from the memory's metadata.

use std::cell::RefCell;

use keepsake_api::{ByteBuf, HttpRequest, HttpResponse};
use keepsake_pages::{Environment, File, Request, Route, Site};

use crate::reply::Reply;
use crate::state::{means, read};

/// The gallery, as the build script found it.
static FILES: &[File<'static>] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

thread_local! {
    /// Made by `init` and `post_upgrade`, which run before any other message.
    static SITE: RefCell<Option<Site>> = const { RefCell::new(None) };
}

/// Answers GET and HEAD over HTTP, as gateways ask. `/` and what it loads: the gallery. `/metrics`: figures of the vault for Prometheus,
/// nothing private among them. `/asset/<memory>/<variant>?token=…[&id=<asset>]`: content, for the holder of an access token, ranges included.
#[ic_cdk::query(manual_reply = true)]
fn http_request(request: HttpRequest) -> Reply<HttpResponse> {
    // None outside a query: the answer is the same then, and cannot be verified.
    let certificate = ic_cdk::api::data_certificate();
    let certificate = certificate.as_deref();
    let response = SITE.with_borrow(|site| {
        let Some(site) = site else {
            ic_cdk::trap("the pages are not ready")
        };
        match Site::route(&request.url) {
            Route::Vault(unchecked) => {
                let now = ic_cdk::api::time();
                let mut response = read(|vault| vault.http_request(now, means(), &request));
                let headers = site.unchecked_headers(unchecked, certificate);
                response.headers.extend(headers);
                response
            }
            Route::Page(path) => page(site, Some(&path), &request, certificate),
            Route::Malformed => page(site, None, &request, certificate),
        }
    });
    Reply::send(response)
}

fn page(
    site: &Site,
    path: Option<&str>,
    request: &HttpRequest,
    certificate: Option<&[u8]>,
) -> HttpResponse {
    let asked = Request {
        method: &request.method,
        url: &request.url,
        headers: &request.headers,
        body: &request.body,
    };
    let answer = site.answer(path, asked, certificate);
    HttpResponse {
        status_code: answer.status,
        headers: answer.headers,
        body: ByteBuf::from(answer.body),
        upgrade: None,
    }
}

/// Makes the pages ready, and puts their tree's root under the canister's certificate, at the start.
pub fn certify() {
    let root_key = ic_cdk::api::root_key();
    let canister_id = ic_cdk::api::canister_self().to_text();
    // A host that does not tell its key cannot be talked to by pages.
    let environment = (!root_key.is_empty()).then_some(Environment {
        root_key,
        canister_id,
    });
    let site = Site::new(FILES, environment.as_ref());
    ic_cdk::api::certified_data_set(site.root_hash());
    SITE.set(Some(site));
}
