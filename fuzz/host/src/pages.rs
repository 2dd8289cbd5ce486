//! Plays an input: requests to a small gallery, each answered and then verified as gateways do, under a certificate of the host's.
//!
//! A request is picked from parts that mean something to one side or the other, or is any text; see [`ask`].

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use ic_http_certification::{HttpRequest, HttpResponse, StatusCode};
use keepsake_fuzz_heap::peak_of;
use keepsake_host::certificate::Certification;
use keepsake_host::crypto::node_key::NodeKey;
use keepsake_host::crypto::root_key::RootKey;
use keepsake_host::message::{CanisterState, StateTree, TreeChanges};
use keepsake_pages::{Environment, File, Request, Response, Route, Site};

use crate::canister::canister_id;

/// What an answer may take of the heap: so much for each byte of the request, and so much in any case, for the file and its proof.
const HEAP_PER_BYTE: usize = 256;
const LEAST: usize = 1 << 20;

/// The gallery in fuzz/host/gallery, as the build script of the canister would embed it.
static FILES: &[File<'static>] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

struct Stage {
    site: Site,
    certificate: Vec<u8>,
    certification: Certification,
}

thread_local! {
    static STAGE: Stage = Stage::new();
}

impl Stage {
    fn new() -> Self {
        let root = RootKey::from_secret(&[1; 32]).expect("a secret");
        let node = NodeKey::from_secret(&[2; 32]).expect("a secret");
        let environment = Environment {
            root_key: root.der().to_vec(),
            canister_id: canister_id().to_text(),
        };
        let site = Site::new(FILES, Some(&environment));
        let certification = Certification::new(root, node, canister_id());
        certification.apply(&TreeChanges {
            time: now(),
            canister: Some(CanisterState {
                module_hash: Some([3; 32]),
                controllers: Vec::new(),
                certified_data: site.root_hash().to_vec(),
                metadata: Vec::new(),
            }),
            ..TreeChanges::default()
        });
        let certificate = certification.data_certificate().expect("there is data");
        Stage {
            site,
            certificate,
            certification,
        }
    }
}

fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    since.as_nanos() as u64
}

/// Plays one input. Panics where something is wrong.
pub fn play(data: &[u8]) {
    // Where the bytes end, the input does.
    let _ = STAGE.with(|stage| ask(stage, &mut Unstructured::new(data)));
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "OPTIONS", "get", "", "\u{fffd}"];

const PARTS: [&str; 24] = [
    "/",
    "//",
    "asset",
    "assets",
    "/assets/index-1.js",
    "metrics",
    "sw.js",
    "icon.svg",
    "<*>",
    "<$>",
    "%3C%2A%3E",
    "%2F",
    "..",
    "%00",
    "%C3%A4",
    "%ff",
    "http_expr",
    "?",
    "#",
    "%",
    "+",
    "http://a/",
    "index.html",
    "\u{e4}",
];

const HEADERS: [&str; 4] = ["accept-encoding", "If-None-Match", "range", "IF-NONE-MATCH"];

fn ask(stage: &Stage, u: &mut Unstructured<'_>) -> Result<()> {
    let method = u.choose(&METHODS)?;
    let mut url = if u.ratio(7, 8)? {
        "/".to_owned()
    } else {
        String::new()
    };
    for _ in 0..u.int_in_range(0..=12)? {
        match u.ratio(3, 4)? {
            true => url.push_str(u.choose(&PARTS)?),
            false => url.push_str(u.arbitrary()?),
        }
    }
    let mut headers = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let value = match u.int_in_range(0..=3)? {
            0 => "gzip, br".to_owned(),
            1 => "*;q=0, identity".to_owned(),
            // What the start page and the worker are known by.
            2 => tag(stage, u.choose(&["/", "/sw.js"])?),
            _ => u.arbitrary::<String>()?,
        };
        headers.push(((*u.choose(&HEADERS)?).to_owned(), value));
    }
    let body: &[u8] = if u.ratio(1, 8)? { b"x" } else { b"" };
    let request = Request {
        method,
        url: &url,
        headers: &headers,
        body,
    };
    let len = url.len() + headers.iter().map(|(_, value)| value.len()).sum::<usize>();
    let (response, peak) = peak_of(|| answer(stage, request));
    assert!(
        peak <= LEAST + HEAP_PER_BYTE * len,
        "{peak} bytes of heap for a request of {len}"
    );
    if Site::route(&url) != Route::Malformed {
        verify(stage, request, response);
    }
    Ok(())
}

/// The whole answer; of the vault's, which is not here, the certification alone.
fn answer(stage: &Stage, request: Request<'_>) -> Response {
    let certificate = Some(stage.certificate.as_slice());
    match Site::route(request.url) {
        Route::Page(path) => stage.site.answer(Some(&path), request, certificate),
        Route::Malformed => stage.site.answer(None, request, certificate),
        Route::Vault(unchecked) => Response {
            status: 200,
            headers: stage.site.unchecked_headers(unchecked, certificate),
            body: Vec::new(),
        },
    }
}

fn tag(stage: &Stage, url: &str) -> String {
    let request = Request {
        method: "HEAD",
        url,
        headers: &[],
        body: &[],
    };
    let headers = answer(stage, request).headers;
    let tag = headers.into_iter().find(|(name, _)| name == "ETag");
    tag.map(|(_, tag)| tag).unwrap_or_default()
}

fn verify(stage: &Stage, request: Request<'_>, response: Response) {
    // What is no method does not reach a canister.
    let Ok(method) = request.method.parse() else {
        return;
    };
    let asked = HttpRequest::builder()
        .with_method(method)
        .with_url(request.url)
        .with_headers(request.headers.to_vec())
        .with_body(request.body)
        .build();
    let status = StatusCode::from_u16(response.status).expect("a status");
    assert!(status.as_u16() < 500, "{status}");
    let is_page = matches!(Site::route(request.url), Route::Page(_));
    let answered = HttpResponse::builder()
        .with_status_code(status)
        .with_headers(response.headers)
        .with_body(response.body)
        .build();
    // The certificate is as old as the fuzzer's run.
    const AGE: Duration = Duration::from_secs(7 * 86_400);
    let verified = ic_response_verification::verify_request_response_pair(
        asked,
        answered,
        canister_id().as_slice(),
        now().into(),
        AGE.as_nanos(),
        stage.certification.root_key().der(),
        2,
    );
    match verified {
        Ok(info) => assert_eq!(info.response.is_some(), is_page, "{}", request.url),
        Err(error) => panic!("{} {}: {error}", request.method, request.url),
    }
}

#[cfg(test)]
mod tests {
    /// What the fuzzer does, without one: the harness is right, and what is found by chance alone is found here.
    #[test]
    fn random_requests_are_answered_and_verified() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..3_000 {
            let input: Vec<u8> = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .take(96)
            .collect();
            super::play(&input);
        }
    }
}
