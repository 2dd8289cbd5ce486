//! The gateway to the canister's pages.

use super::support::*;
use crate::message::Reject;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use candid::{CandidType, Decode, Encode};
use ic_http_certification::utils::add_v2_certificate_header;
use ic_http_certification::{
    CERTIFICATE_EXPRESSION_HEADER_NAME, DefaultCelBuilder, HttpCertification,
    HttpCertificationPath, HttpCertificationTree, HttpCertificationTreeEntry, HttpResponse,
};
use serde::Deserialize;
use serde_bytes::ByteBuf;

#[derive(CandidType, Deserialize)]
struct PageRequest {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: ByteBuf,
    certificate_version: Option<u16>,
}

#[derive(CandidType, Deserialize)]
struct Page {
    status_code: u16,
    headers: Vec<(String, String)>,
    body: ByteBuf,
    upgrade: Option<bool>,
}

/// The canister in memory: shows what it was asked, and whatever the path says.
pub fn http_request(arg: &[u8], certificate: &[u8]) -> Result<Vec<u8>, Reject> {
    let request = Decode!(arg, PageRequest).unwrap();
    assert_eq!(request.certificate_version, Some(2));
    if request.url.starts_with("/certified") {
        return Ok(Encode!(&certified(&request, certificate)).unwrap());
    }
    let mut page = Page {
        status_code: 200,
        headers: vec![
            ("Content-Type".into(), "text/html".into()),
            ("content-length".into(), "1".into()),
        ],
        body: ByteBuf::from(format!(
            "{} {} {}",
            request.method,
            request.url,
            request.body.len()
        )),
        upgrade: None,
    };
    assert!(request.headers.iter().any(|(name, _)| name == "host"));
    match request.url.as_str() {
        "/missing" => page.status_code = 404,
        "/status" => page.status_code = 9999,
        "/header" => page.headers.push(("bad\nname".into(), "x".into())),
        "/trap" => return Err(reject("it trapped", "IC0503")),
        "/none" => return Err(reject("no method", "IC0536")),
        "/garbage" => return Ok(b"DIDL".to_vec()),
        "/long" | "/changing" => long(&request, &mut page),
        _ => {}
    }
    if request.url != "/uncertified" {
        let (path, entry) = not_compared();
        let expression = DefaultCelBuilder::skip_certification().to_string();
        let place = (&path, &entry);
        certify(&mut page, place, &request.url, expression, certificate);
    }
    Ok(Encode!(&page).unwrap())
}

type Place = (
    HttpCertificationPath<'static>,
    HttpCertificationTreeEntry<'static>,
);

/// All pages but one are not compared.
fn not_compared() -> Place {
    let path = HttpCertificationPath::wildcard("");
    let entry = HttpCertificationTreeEntry::new(path.clone(), HttpCertification::skip());
    (path, entry)
}

/// The one page that is.
fn compared() -> (Place, String) {
    let path = HttpCertificationPath::exact("/certified");
    let expression = DefaultCelBuilder::response_only_certification().build();
    let response = HttpResponse::builder()
        .with_headers(vec![(
            CERTIFICATE_EXPRESSION_HEADER_NAME.to_string(),
            expression.to_string(),
        )])
        .with_body(b"true".as_slice())
        .build();
    let certification = HttpCertification::response_only(&expression, &response, None).unwrap();
    let entry = HttpCertificationTreeEntry::new(path.clone(), certification);
    ((path, entry), expression.to_string())
}

/// The certified data of the canister in memory.
pub fn tree() -> HttpCertificationTree {
    let mut tree = HttpCertificationTree::default();
    tree.insert(&not_compared().1);
    tree.insert(&compared().0.1);
    tree
}

fn certify(
    page: &mut Page,
    (path, entry): (&HttpCertificationPath, &HttpCertificationTreeEntry),
    url: &str,
    expression: String,
    certificate: &[u8],
) {
    let url = url.split('?').next().unwrap();
    let witness = tree().witness(entry, url).unwrap();
    let mut response = HttpResponse::builder().build();
    let path = path.to_expr_path();
    add_v2_certificate_header(certificate, &mut response, &witness, &path);
    page.headers.extend(response.headers().iter().cloned());
    let name = CERTIFICATE_EXPRESSION_HEADER_NAME.to_string();
    page.headers.push((name, expression));
}

/// The certified page as it is, or with something else in its place.
fn certified(request: &PageRequest, certificate: &[u8]) -> Page {
    let ((path, entry), expression) = compared();
    let mut page = Page {
        status_code: 200,
        headers: vec![("X-Not-Certified".into(), "1".into())],
        body: ByteBuf::from(b"true"),
        upgrade: None,
    };
    let place = (&path, &entry);
    certify(&mut page, place, "/certified", expression, certificate);
    match request.url.as_str() {
        "/certified?body" => page.body = ByteBuf::from(b"false"),
        "/certified?status" => page.status_code = 201,
        "/certified?skipped" => {
            page.headers.clear();
            let (path, entry) = not_compared();
            let expression = DefaultCelBuilder::skip_certification().to_string();
            certify(&mut page, (&path, &entry), "/", expression, certificate);
        }
        "/certified?unsigned" => {
            page.headers
                .retain(|(name, _)| name == CERTIFICATE_EXPRESSION_HEADER_NAME);
        }
        _ => {}
    }
    page
}

#[tokio::test]
async fn what_the_canister_did_not_certify_is_not_passed_on() {
    let host = format!("{}.localhost", canister_id());
    let page = get(&host, "/certified").await;
    assert_eq!((page.status, page.text()), (StatusCode::OK, "true"));
    // What is not certified of it could be anybody's.
    assert!(!page.headers.contains_key("x-not-certified"));
    for path in [
        "/uncertified",
        "/certified?body",
        "/certified?status",
        "/certified?skipped",
        "/certified?unsigned",
    ] {
        let page = get(&host, path).await;
        assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{path}");
        let start = "The canister's answer cannot be verified: ";
        assert!(page.text().starts_with(start), "{path}: {}", page.text());
    }
    // At a name of its own, for those who ask for that.
    let raw = format!("{}.raw.localhost", canister_id());
    assert_eq!(get(&raw, "/uncertified").await.status, StatusCode::OK);
    let page = get(&raw, "/certified?body").await;
    assert_eq!((page.status, page.text()), (StatusCode::OK, "false"));
}

#[tokio::test]
async fn addresses_that_would_take_long_to_verify_are_refused() {
    let host = format!("{}.localhost", canister_id());
    for path in ["/a".repeat(300), "%2F".repeat(300)] {
        let page = get(&host, &format!("/{path}")).await;
        assert_eq!(page.status, StatusCode::URI_TOO_LONG);
    }
    let page = get(&host, &"/a".repeat(200)).await;
    assert_eq!(page.status, StatusCode::OK);
}

/// Bytes of the long page, and of each of its parts.
const LONG: usize = 1_000;
const PART: usize = 300;

fn long_content() -> Vec<u8> {
    (0..LONG).map(|i| (i / 3) as u8).collect()
}

/// A page longer than a message, in parts; the one that changes is another one from the second part on.
fn long(request: &PageRequest, page: &mut Page) {
    let range = request.headers.iter().find(|(name, _)| name == "range");
    let first: usize = range.map_or(0, |(_, range)| {
        let (first, _) = range["bytes=".len()..].split_once('-').unwrap();
        first.parse().unwrap()
    });
    let last = (first + PART).min(LONG) - 1;
    page.status_code = 206;
    page.body = ByteBuf::from(long_content()[first..=last].to_vec());
    let changed = request.url == "/changing" && first > 0;
    let mut header = |name: &str, value: String| page.headers.push((name.into(), value));
    header("Content-Range", format!("bytes {first}-{last}/{LONG}"));
    header("ETag", if changed { "\"b\"" } else { "\"a\"" }.to_string());
}

async fn get(host: &str, path: &str) -> Reply {
    let request = Request::get(path)
        .header(header::HOST, host)
        .body(Body::empty())
        .unwrap();
    send(&Memory::new().router(), request).await
}

#[tokio::test]
async fn pages_come_from_the_canister() {
    let host = format!("{}.localhost:4943", canister_id());
    let page = get(&host, "/a/b?c=d").await;
    assert_eq!(
        (page.status, page.text()),
        (StatusCode::OK, "GET /a/b?c=d 0")
    );
    assert_eq!(page.headers[header::CONTENT_TYPE], "text/html");
    assert_eq!(get(&host, "/health").await.text(), "GET /health 0");
    assert_eq!(
        get("localhost", &format!("/x?canisterId={}", canister_id()))
            .await
            .status,
        StatusCode::OK
    );
    for (path, status) in [
        ("/missing", StatusCode::NOT_FOUND),
        ("/none", StatusCode::NOT_FOUND),
        ("/trap", StatusCode::BAD_GATEWAY),
        ("/garbage", StatusCode::BAD_GATEWAY),
        ("/status", StatusCode::BAD_GATEWAY),
        ("/header", StatusCode::BAD_GATEWAY),
    ] {
        assert_eq!(get(&host, path).await.status, status, "{path}");
    }
    assert_eq!(
        get("aaaaa-aa.localhost", "/").await.status,
        StatusCode::NOT_FOUND
    );
    let post = Request::post("/form")
        .header(header::HOST, &host)
        .body(Body::from("12345"))
        .unwrap();
    assert_eq!(
        send(&Memory::new().router(), post).await.text(),
        "POST /form 5"
    );
}

#[tokio::test]
async fn without_a_canister_in_the_address() {
    assert!(
        get("127.0.0.1:4943", "/")
            .await
            .text()
            .contains(&canister_id().to_text())
    );
    assert_eq!(get("127.0.0.1:4943", "/health").await.text(), "healthy\n");
    assert_eq!(
        get("127.0.0.1:4943", "/favicon.ico").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_api_is_reachable_from_the_canisters_own_pages() {
    let host = format!("{}.localhost:4943", canister_id());
    assert_eq!(get(&host, "/api/v2/status").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_longer_than_a_message_comes_whole() {
    let host = format!("{}.localhost", canister_id());
    let whole = get(&host, "/long").await;
    assert_eq!(whole.status, StatusCode::OK);
    assert_eq!(whole.headers[header::CONTENT_LENGTH], "1000");
    assert_eq!(whole.headers[header::ETAG], "\"a\"");
    assert!(!whole.headers.contains_key(header::CONTENT_RANGE));
    assert_eq!(whole.body, long_content());
    // Who asks for a range gets what the canister gives of it.
    let request = Request::get("/long")
        .header(header::HOST, &host)
        .header(header::RANGE, "bytes=900-")
        .body(Body::empty())
        .unwrap();
    let part = send(&Memory::new().router(), request).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers[header::CONTENT_RANGE], "bytes 900-999/1000");
    assert_eq!(part.body, long_content()[900..]);
}

#[tokio::test]
async fn a_page_that_changes_while_it_is_read_is_not_passed_off_as_whole() {
    let request = Request::get("/changing")
        .header(header::HOST, format!("{}.localhost", canister_id()))
        .body(Body::empty())
        .unwrap();
    let response = tower::ServiceExt::oneshot(Memory::new().router(), request).await;
    let body = response.unwrap().into_body();
    axum::body::to_bytes(body, LONG).await.unwrap_err();
}

#[tokio::test]
async fn head_has_the_length_that_get_would_have() {
    let request = Request::head("/a")
        .header(header::HOST, format!("{}.localhost", canister_id()))
        .body(Body::empty())
        .unwrap();
    let reply = send(&Memory::new().router(), request).await;
    assert_eq!(reply.headers[header::CONTENT_LENGTH], "1");
}
