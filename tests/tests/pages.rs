//! The gallery as the canister serves it: every kind of answer passes the verification of the Internet Computer's gateways and says all that it
//! must, and nothing else passes in its place.

use std::io::Read;
use std::sync::Arc;

use candid::Principal;
use flate2::read::GzDecoder;
use ic_agent::{Agent, identity::AnonymousIdentity};
use keepsake_client::api::{ByteBuf, HttpRequest, HttpResponse};
use keepsake_tests::{
    artefacts::vault_module,
    gateway::{ask, header, request, verify},
    home::{Home, install},
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::{Method, StatusCode};

/// A vault, and an agent that is nobody's.
struct Vault {
    home: Home,
    agent: Agent,
    canister: Principal,
}

impl Vault {
    async fn new() -> Self {
        let home = Home::new().await;
        let agent = keepsake_tests::agent(&home.url(), Arc::new(AnonymousIdentity)).await;
        let canister = home.engine.canister_id();
        Vault {
            home,
            agent,
            canister,
        }
    }

    async fn ask(&self, request: &HttpRequest) -> HttpResponse {
        ask(&self.agent, self.canister, request).await
    }

    /// The answer, which is certified in full, and nothing uncertified in it.
    async fn certified(&self, request: &HttpRequest) -> HttpResponse {
        let response = self.ask(request).await;
        let what = format!("{} {}", request.method, request.url);
        let verified = verify(&self.agent, self.canister, request, &response)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let certified = verified
            .response
            .unwrap_or_else(|| panic!("{what} is not compared"));
        assert_eq!(certified.status_code, Some(response.status_code), "{what}");
        assert_eq!(certified.body, response.body.as_slice(), "{what}");
        assert_eq!(certified.headers.len(), response.headers.len(), "{what}");
        response
    }

    fn passes(&self, request: &HttpRequest, response: &HttpResponse) -> bool {
        verify(&self.agent, self.canister, request, response).is_ok()
    }

    /// The start page, and what it loads.
    async fn addresses(&self) -> Vec<String> {
        let page = self.ask(&request("GET", "/", &[])).await;
        let page = String::from_utf8(page.body.into_vec()).unwrap();
        let mut addresses = vec!["/".to_owned()];
        for part in page.split(['"', '\'']) {
            if part.starts_with('/') && part.len() > 1 {
                addresses.push(part.to_owned());
            }
        }
        assert!(
            addresses.iter().any(|address| address.ends_with(".js")),
            "the canister was built without the gallery; `cargo xtask build` builds it with it:\n{page}"
        );
        addresses
    }
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut unpacked).unwrap();
    unpacked
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_the_gallery_is_certified_in_full() {
    let vault = Vault::new().await;
    for address in vault.addresses().await {
        let plain = vault.certified(&request("GET", &address, &[])).await;
        assert_eq!(plain.status_code, 200, "{address}");
        assert_eq!(header(&plain, "Content-Encoding"), None);
        let packed = request("GET", &address, &[("accept-encoding", "br, gzip")]);
        let packed = vault.certified(&packed).await;
        match header(&packed, "Content-Encoding") {
            Some("gzip") => assert_eq!(unpacked(&packed.body), plain.body.as_slice()),
            None => assert_eq!(packed.body, plain.body),
            other => panic!("{address}: {other:?}"),
        }
        let head = vault.certified(&request("HEAD", &address, &[])).await;
        assert_eq!((head.status_code, head.body.len()), (200, 0), "{address}");
        let len = plain.body.len().to_string();
        assert_eq!(header(&head, "Content-Length"), Some(len.as_str()));
        for response in [&plain, &packed, &head] {
            let policy = header(response, "Content-Security-Policy").unwrap();
            assert!(policy.contains("default-src 'none'"), "{address}");
            assert!(!policy.contains("unsafe"), "{address}");
            assert_eq!(header(response, "X-Content-Type-Options"), Some("nosniff"));
        }
        let is_lasting = address.starts_with("/assets/");
        let caching = header(&plain, "Cache-Control").unwrap();
        assert_eq!(caching.contains("immutable"), is_lasting, "{address}");
        if let Some(tag) = header(&packed, "ETag") {
            let known = [("accept-encoding", "gzip"), ("if-none-match", tag)];
            let known = vault.certified(&request("GET", &address, &known)).await;
            assert_eq!((known.status_code, known.body.len()), (304, 0));
            let older = request("GET", &address, &[("if-none-match", "\"00\"")]);
            assert_eq!(vault.certified(&older).await.status_code, 200);
        } else {
            assert!(is_lasting, "{address}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PURGE", "get"] {
            let refused = vault.certified(&request(method, &address, &[])).await;
            assert_eq!(refused.status_code, 405, "{method} {address}");
            assert_eq!(header(&refused, "Allow"), Some("GET, HEAD"));
        }
        let mut with_body = request("GET", &address, &[]);
        with_body.body = ByteBuf::from(b"x");
        assert_eq!(vault.certified(&with_body).await.status_code, 400);
    }
    for (method, address, status) in [
        ("GET", "/nothing", 404),
        ("HEAD", "/nothing", 404),
        ("POST", "/nothing", 405),
        ("GET", "/index.html", 404),
        ("GET", "/assets/", 404),
        ("GET", "/a/%2e%2e/b?x=%00", 404),
        ("GET", "/metrics/", 404),
    ] {
        let refused = vault.certified(&request(method, address, &[])).await;
        assert_eq!(refused.status_code, status, "{method} {address}");
        assert_eq!(refused.body.is_empty(), method == "HEAD", "{address}");
    }
    vault.home.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_in_the_place_of_an_answer() {
    let vault = Vault::new().await;
    let addresses = vault.addresses().await;
    let script = addresses
        .iter()
        .find(|address| address.ends_with(".js"))
        .unwrap();
    let page = request("GET", "/", &[]);
    let honest = vault.certified(&page).await;
    let spoiled = |spoil: &dyn Fn(&mut HttpResponse)| {
        let mut response = honest.clone();
        spoil(&mut response);
        !vault.passes(&page, &response)
    };
    assert!(spoiled(&|response| response.body.push(b' ')));
    assert!(spoiled(&|response| response.body.clear()));
    assert!(spoiled(&|response| response.status_code = 203));
    assert!(spoiled(&|response| response
        .headers
        .push(("Set-Cookie".into(), "a=b".into()))));
    for (number, (name, _)) in honest.headers.iter().enumerate() {
        assert!(
            spoiled(&|response| {
                response.headers.remove(number);
            }),
            "without {name}"
        );
        assert!(
            spoiled(&|response| response.headers[number].1.push('x')),
            "with another {name}"
        );
    }

    // Answers that are true of something else.
    let tag = header(&honest, "ETag").unwrap();
    let known = request("GET", "/", &[("if-none-match", tag)]);
    let unchanged = vault.certified(&known).await;
    assert_eq!(unchanged.status_code, 304);
    let other = vault.certified(&request("GET", script, &[])).await;
    let head = vault.certified(&request("HEAD", "/", &[])).await;
    let nothing = vault.certified(&request("GET", "/nothing", &[])).await;
    let content = vault.ask(&request("GET", "/asset/x/display", &[])).await;
    let metrics = vault.ask(&request("GET", "/metrics", &[])).await;
    for (what, response) in [
        ("unchanged, for who has nothing", &unchanged),
        ("another file", &other),
        ("no body", &head),
        ("nothing there", &nothing),
        ("content, not compared", &content),
        ("metrics, not compared", &metrics),
    ] {
        assert!(!vault.passes(&page, response), "{what}");
        let older = request("GET", "/", &[("if-none-match", "\"00\"")]);
        assert!(!vault.passes(&older, response), "{what}, to an older page");
    }
    for path in ["/nothing", script, "/sw.js", "/asse", "/metrics/"] {
        for (what, response) in [("content", &content), ("metrics", &metrics)] {
            let request = request("GET", path, &[]);
            assert!(!vault.passes(&request, response), "{what} at {path}");
        }
    }
    assert!(!vault.passes(&request("GET", script, &[]), &nothing));
    vault.home.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_any_shape_are_answered_and_verified() {
    let vault = Vault::new().await;
    let parts = [
        "/",
        "//",
        "asset",
        "assets",
        "metrics",
        "index.html",
        "sw.js",
        "<*>",
        "<$>",
        "%3C*%3E",
        "%2F",
        "..",
        ".",
        "%00",
        "%C3%A4",
        "a",
        "http_expr",
        "?",
        "=",
        "&",
        "#",
        "%20",
        "~",
        "+",
        ";",
    ];
    let mut random = StdRng::seed_from_u64(6);
    for _ in 0..150 {
        let mut url = String::from("/");
        for _ in 0..random.random_range(0..7) {
            url.push_str(parts.choose(&mut random).unwrap());
        }
        // What gateways themselves cannot take for an address does not reach a canister.
        let asked = request("GET", &url, &[]);
        let built = ic_http_certification::HttpRequest::get(url.as_str()).build();
        let response = vault.ask(&asked).await;
        assert!((200..500).contains(&response.status_code), "{url}");
        if built.get_path().is_ok()
            && let Err(error) = verify(&vault.agent, vault.canister, &asked, &response)
        {
            panic!("{url}: {error}");
        }
    }
    let segments = 20_000;
    let long = vault
        .ask(&request("GET", &"/a".repeat(segments), &[]))
        .await;
    assert_eq!(long.status_code, 404);
    let long = vault.ask(&request("GET", &"/a".repeat(50_000), &[])).await;
    assert_eq!(long.status_code, 400);
    vault.home.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_get_the_gallery_through_the_gateway() {
    let vault = Vault::new().await;
    let send = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let mut request = reqwest::Client::new()
            .request(method, format!("{}{path}", vault.home.url()))
            .header("Host", format!("{}.localhost", vault.canister));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    };
    let page = send(Method::GET, "/?from=here", &[("accept-encoding", "gzip")]).await;
    assert_eq!(page.status(), StatusCode::OK);
    let headers = page.headers().clone();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(
        headers["cross-origin-opener-policy"],
        "same-origin-allow-popups"
    );
    let root_key = vault.agent.read_root_key();
    let digits: String = root_key.iter().map(|b| format!("{b:02x}")).collect();
    let cookie = format!(
        "ic_env=ic_root_key%3D{digits}%26PUBLIC_CANISTER_ID%3Avault%3D{}; Path=/;",
        vault.canister
    );
    let set = headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with(&cookie), "{set}");
    assert_eq!(headers["content-encoding"], "gzip");
    let body = page.bytes().await.unwrap();
    assert!(unpacked(&body).starts_with(b"<!doctype html>"));

    let tag = headers["etag"].to_str().unwrap();
    let known = [("accept-encoding", "gzip"), ("if-none-match", tag)];
    let unchanged = send(Method::GET, "/", &known).await;
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(unchanged.headers()["set-cookie"], set);
    let head = send(Method::HEAD, "/", &[]).await;
    assert_eq!(head.status(), StatusCode::OK);
    for (method, path, status) in [
        (Method::GET, "/nothing", StatusCode::NOT_FOUND),
        (Method::HEAD, "/nothing", StatusCode::NOT_FOUND),
        (Method::POST, "/", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        assert_eq!(send(method, path, &[]).await.status(), status, "{path}");
    }
    for path in vault.addresses().await {
        let part = send(Method::GET, &path, &[]).await;
        assert_eq!(part.status(), StatusCode::OK, "{path}");
    }
    vault.home.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_certified_after_an_upgrade_too() {
    let vault = Vault::new().await;
    let before = vault.certified(&request("GET", "/", &[])).await;
    // The same module again is no upgrade; with a section more it is another one.
    let mut module = wasm_of(vault_module());
    module.extend([0, 5, 4, b'n', b'o', b't', b'e']);
    install(&vault.home.engine, module).await.unwrap();
    let after = vault.certified(&request("GET", "/", &[])).await;
    assert_eq!(header(&after, "Set-Cookie"), header(&before, "Set-Cookie"));
    vault.home.stop().await;
}

fn wasm_of(module: Vec<u8>) -> Vec<u8> {
    match module.starts_with(&[0x1f, 0x8b]) {
        true => unpacked(&module),
        false => module,
    }
}
