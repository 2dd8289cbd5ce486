//! The gateway to the canister's pages.

use super::support::*;
use crate::message::Reject;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use candid::{CandidType, Decode, Encode};
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
pub fn http_request(arg: &[u8]) -> Result<Vec<u8>, Reject> {
    let request = Decode!(arg, PageRequest).unwrap();
    assert_eq!(request.certificate_version, Some(2));
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
        _ => {}
    }
    Ok(Encode!(&page).unwrap())
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
