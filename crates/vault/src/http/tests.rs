use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::{
    AssetMetadata, AssetMetadataBase, AssetType, BlobRef, ByteBuf, HttpRequest, HttpResponse,
};

use crate::limits::HTTP_BODY_MAX;
use crate::{Call, FinishStep, Means, NewMemory, Vault};

const MEANS: Means = Means {
    balance: 2_000_000_000_000,
    liquid: 1_000_000_000_000,
    heap: 1 << 20,
};

fn owner() -> Call {
    Call {
        caller: Principal::self_authenticating([1]),
        now: 0,
    }
}

struct Home {
    vault: Vault<VectorMemory>,
    memory: String,
    token: String,
    content: Vec<u8>,
}

/// A memory whose original has this type and length.
fn home(mime_type: &str, len: usize) -> Home {
    let mut vault = Vault::open(VectorMemory::default()).unwrap();
    vault.set_seed([1; 32]);
    let capsule = vault.capsules_create(owner(), None).unwrap().id;
    let content: Vec<u8> = (0..len).map(|i| (i * 7 + i / 256) as u8).collect();
    let mut chunks: Vec<&[u8]> = content.chunks(1_500_000).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let session = vault.uploads_begin(owner(), &capsule, chunks.len() as u32, "u");
    let session = session.unwrap();
    for (index, chunk) in chunks.iter().enumerate() {
        vault
            .uploads_put_chunk(owner(), session, index as u32, chunk)
            .unwrap();
    }
    let sha256 = crate::hash::sha256(&[&content]);
    let blob = match vault.uploads_finish(owner(), session, &sha256, len as u64) {
        Ok(FinishStep::Done(result)) => result.blob_id,
        Ok(FinishStep::HashMore) => panic!("the content is short"),
        Err(error) => panic!("{error}"),
    };
    let new = NewMemory {
        capsule,
        inline: None,
        blob: Some(BlobRef {
            locator: blob,
            hash: None,
            len: 0,
        }),
        location: None,
        storage_key: None,
        url: None,
        size: None,
        sha256: None,
        metadata: AssetMetadata::Note(
            AssetMetadataBase::new("Straße\r\n\"1\".png", AssetType::Original, mime_type).into(),
        ),
        idem: "m".into(),
    };
    let memory = vault.memories_create(owner(), new).unwrap();
    let token = vault
        .mint_http_token(owner(), &memory, &["original".into()], None, 0)
        .unwrap();
    Home {
        vault,
        memory,
        token,
        content,
    }
}

impl Home {
    fn send(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> HttpResponse {
        let headers = headers.iter().map(|(n, v)| (n.to_string(), v.to_string()));
        let request = HttpRequest {
            method: method.into(),
            url: url.into(),
            headers: headers.collect(),
            body: ByteBuf::new(),
            certificate_version: Some(2),
        };
        self.vault.http_request(0, MEANS, &request)
    }

    fn url(&self) -> String {
        format!("/asset/{}/original?token={}", self.memory, self.token)
    }

    fn get(&self, headers: &[(&str, &str)]) -> HttpResponse {
        self.send("GET", &self.url(), headers)
    }
}

/// The value of a header that is there at most once.
fn value<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    let mut values = response.headers.iter().filter(|(given, _)| given == name);
    let first = values.next().map(|(_, value)| value.as_str());
    assert!(values.next().is_none(), "{name} is there twice");
    first
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn an_asset_is_answered_whole_with_exact_headers() {
    let home = home("image/png", 1_000);
    let etag = format!("\"{}\"", digits(&crate::hash::sha256(&[&home.content])));
    let whole = home.get(&[]);
    assert_eq!(whole.status_code, 200);
    assert_eq!(whole.body, home.content);
    for (name, expected) in [
        ("Content-Type", Some("image/png")),
        ("Content-Length", Some("1000")),
        ("Content-Range", None),
        ("Content-Disposition", None),
        ("Accept-Ranges", Some("bytes")),
        ("ETag", Some(etag.as_str())),
        ("X-Content-Type-Options", Some("nosniff")),
        ("Cache-Control", Some("private, max-age=1800")),
    ] {
        assert_eq!(value(&whole, name), expected, "{name}");
    }
    let head = home.send("HEAD", &home.url(), &[("range", "bytes=0-1")]);
    assert_eq!((head.status_code, head.body.len()), (200, 0));
    assert_eq!(head.headers, whole.headers);
    let bearer = format!("bearer {}", home.token);
    let path = format!("/asset/{}/original", home.memory);
    let by_header = home.send("GET", &path, &[("authorization", &bearer)]);
    assert_eq!((by_header.status_code, &by_header.body), (200, &whole.body));

    for tags in [etag.clone(), format!("\"a\", W/{etag}"), "*".to_owned()] {
        let fresh = home.get(&[("If-None-Match", &tags), ("Range", "bytes=0-1")]);
        assert_eq!((fresh.status_code, fresh.body.len()), (304, 0), "{tags}");
        assert_eq!(value(&fresh, "ETag"), Some(etag.as_str()));
    }
    assert_eq!(home.get(&[("If-None-Match", "\"a\"")]).status_code, 200);
}

#[test]
fn ranges_are_answered_as_asked() {
    let home = home("video/mp4", 1_000);
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=10-19", 10..20),
        ("bytes=990-5000", 990..1_000),
        ("bytes=500-", 500..1_000),
        ("bytes=-1", 999..1_000),
    ] {
        let answer = home.get(&[("Range", range)]);
        assert_eq!(answer.status_code, 206, "{range}");
        assert_eq!(answer.body, home.content[part.clone()], "{range}");
        let expected = format!("bytes {}-{}/1000", part.start, part.end - 1);
        assert_eq!(value(&answer, "Content-Range"), Some(expected.as_str()));
        let len = part.len().to_string();
        assert_eq!(value(&answer, "Content-Length"), Some(len.as_str()));
    }
    let behind = home.get(&[("Range", "bytes=1000-")]);
    assert_eq!(behind.status_code, 416);
    assert_eq!(value(&behind, "Content-Range"), Some("bytes */1000"));
    assert_eq!(home.get(&[("Range", "bytes=3-2")]).status_code, 200);
    let other = home.get(&[("Range", "bytes=0-1"), ("If-Range", "\"other\"")]);
    assert_eq!((other.status_code, other.body.len()), (200, 1_000));
    let etag = value(&other, "ETag").unwrap().to_owned();
    let same = home.get(&[("Range", "bytes=0-1"), ("If-Range", &etag)]);
    assert_eq!((same.status_code, same.body.len()), (206, 2));
}

#[test]
fn content_of_any_size_comes_in_parts_that_are_never_called_the_whole() {
    let home = home("video/mp4", 2 * HTTP_BODY_MAX as usize + 17);
    let len = home.content.len();
    let first = home.get(&[]);
    assert_eq!(first.status_code, 206);
    let expected = format!("bytes 0-{}/{len}", HTTP_BODY_MAX - 1);
    assert_eq!(value(&first, "Content-Range"), Some(expected.as_str()));
    let mut received = first.body.into_vec();
    while received.len() < len {
        let range = format!("bytes={}-", received.len());
        let next = home.get(&[("Range", &range)]);
        assert_eq!(next.status_code, 206);
        received.extend_from_slice(&next.body);
    }
    assert!(received == home.content);
    let head = home.send("HEAD", &home.url(), &[]);
    assert_eq!(head.status_code, 200);
    assert_eq!(
        value(&head, "Content-Length"),
        Some(len.to_string().as_str())
    );
}

#[test]
fn an_empty_asset_is_answered_too() {
    let home = home("image/png", 0);
    let whole = home.get(&[]);
    assert_eq!((whole.status_code, whole.body.len()), (200, 0));
    assert_eq!(value(&whole, "Content-Length"), Some("0"));
    assert_eq!(home.get(&[("Range", "bytes=0-")]).status_code, 416);
}

#[test]
fn what_is_no_picture_sound_or_film_is_a_download() {
    for (named, sent, is_download) in [
        ("image/webp", "image/webp", false),
        ("audio/ogg; codecs=opus", "audio/ogg; codecs=opus", false),
        ("image/svg+xml", "image/svg+xml", true),
        ("IMAGE/SVG+XML", "IMAGE/SVG+XML", true),
        ("text/html", "text/html", true),
        ("application/pdf", "application/pdf", true),
        (
            "image/png\r\nSet-Cookie: a=b",
            "application/octet-stream",
            true,
        ),
        ("image", "application/octet-stream", true),
        ("image/png, text/html", "application/octet-stream", true),
        ("", "application/octet-stream", true),
    ] {
        let answer = home(named, 10).get(&[]);
        assert_eq!(value(&answer, "Content-Type"), Some(sent), "{named}");
        let disposition = value(&answer, "Content-Disposition");
        let expected = "attachment; filename*=UTF-8''Stra%C3%9Fe%0D%0A%221%22.png";
        assert_eq!(disposition, is_download.then_some(expected), "{named}");
    }
}

#[test]
fn requests_of_any_shape_are_refused_in_words() {
    let home = home("image/png", 10);
    let (memory, token) = (&home.memory, &home.token);
    for (url, status) in [
        (format!("/asset/{memory}/original"), 401),
        (format!("/asset/{memory}/original?token="), 400),
        (format!("/asset/{memory}/original?token=%"), 400),
        (format!("/asset/{memory}/original?token={token}A"), 403),
        (format!("/asset/{memory}/display?token={token}"), 403),
        (format!("/asset/{memory}/other?token={token}"), 404),
        (format!("/asset/{memory}/original?id=x&token={token}"), 404),
        (format!("/asset/x/original?token={token}"), 403),
        (format!("/asset/{memory}/original/?token={token}"), 404),
        (format!("/asset/{memory}?token={token}"), 404),
        ("/asset".to_owned(), 404),
        ("/".to_owned(), 404),
        (String::new(), 404),
        ("/metrics/".to_owned(), 404),
        (format!("/{}", "a/".repeat(100_000)), 404),
    ] {
        let answer = home.send("GET", &url, &[]);
        let shown = &url[..url.len().min(80)];
        assert_eq!(answer.status_code, status, "{shown}");
        assert!(!answer.body.is_empty(), "{shown}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(token.as_str()));
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "", "get"] {
        let answer = home.send(method, &home.url(), &[]);
        assert_eq!(answer.status_code, 405, "{method}");
        assert_eq!(value(&answer, "Allow"), Some("GET, HEAD"));
    }
    let anonymous = home.get(&[("Authorization", "Basic abc")]);
    assert_eq!(
        anonymous.status_code, 200,
        "the token of the address counts"
    );
    let unknown = home.send("GET", &format!("/asset/{memory}/original"), &[]);
    assert_eq!(value(&unknown, "WWW-Authenticate"), Some("Bearer"));
}

#[test]
fn metrics_have_the_form_that_prometheus_reads_and_tell_nothing_of_what_people_keep() {
    let home = home("image/png", 10_000);
    let answer = home.send("GET", "/metrics?x", &[]);
    assert_eq!(answer.status_code, 200);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(value(&answer, "Content-Type"), Some(content_type));
    let text = String::from_utf8(answer.body.into_vec()).unwrap();
    assert!(text.ends_with('\n'));
    let mut current = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            current = help.split(' ').next().unwrap();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, current);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        } else {
            let (sample, number) = line.rsplit_once(' ').unwrap();
            assert_eq!(sample.split('{').next(), Some(current));
            number.parse::<u128>().unwrap();
        }
    }
    assert!(text.contains("keepsake_region_allocated_bytes{region=\"arena\"} "));
    assert!(text.contains("\nkeepsake_cycles_liquid 1000000000000\n"));
    assert!(text.contains("\nkeepsake_refuses_content 0\n"));
    for private in ["memories", "capsules ", "mem_", "capsule_", &home.memory] {
        let tells = text.lines().any(|line| {
            !line.starts_with('#') && !line.contains("{region=") && line.contains(private)
        });
        assert!(!tells, "{private}");
    }
    let head = home.send("HEAD", "/metrics", &[]);
    assert_eq!((head.status_code, head.body.len()), (200, 0));
}

#[test]
fn metrics_do_not_tell_when_somebody_stores_or_deletes_something() {
    let metrics = |home: &Home, spent: u128| {
        let means = Means {
            balance: MEANS.balance + 90_000_000_000 - spent,
            liquid: MEANS.liquid + 90_000_000_000 - spent,
            ..MEANS
        };
        let request = HttpRequest {
            method: "GET".into(),
            url: "/metrics".into(),
            headers: vec![],
            body: ByteBuf::new(),
            certificate_version: Some(2),
        };
        home.vault.http_request(0, means, &request).body
    };
    let small = home("image/png", 1);
    let mut large = home("image/png", 5_000_000);
    let before = metrics(&small, 0);
    assert_eq!(before, metrics(&large, 5_000_000 * 2_000));
    let memory = large.memory.clone();
    large.vault.memories_delete(owner(), &memory, true).unwrap();
    assert_eq!(before, metrics(&large, 5_000_000 * 2_000));
}
