//! What a site answers, and that its tree shows each answer.

use std::fs;
use std::path::Path;

use ic_certification_4::hash_tree::SubtreeLookupResult::Found;

use crate::answer::{Answer, OfFile, Refusal};
use crate::file::{Body, Coding, Encoded, File};
use crate::site::{Environment, Request, Response, Route, Site, Unchecked};
use crate::{embed, sha256};

/// A page and a script, as the build script makes them, kept for as long as the tests run.
fn files() -> &'static [File<'static>] {
    let kept = |text: String| -> &'static [u8] { Box::leak(text.into_bytes().into_boxed_slice()) };
    let page = kept("<!doctype html><title>Keepsake</title>".to_owned());
    let script = kept("export const nothing = null;\n".repeat(100));
    let gzip = kept(String::from_utf8_lossy(script).into_owned());
    let gzip: &'static [u8] = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(gzip).unwrap();
        Box::leak(encoder.finish().unwrap().into_boxed_slice())
    };
    let encoded = |bytes: &[u8]| Encoded {
        len: bytes.len(),
        sha256: sha256(bytes),
    };
    let mut script = File {
        path: "/assets/index-abc.js",
        content_type: "text/javascript",
        is_lasting: true,
        plain: encoded(script),
        body: Body::Gzip(gzip, sha256(gzip)),
        digest: None,
    };
    script.digest = Some(crate::answer::tree_of(&script, None).digest());
    let page = File {
        path: "/",
        content_type: "text/html",
        is_lasting: false,
        plain: encoded(page),
        body: Body::Plain(page),
        digest: None,
    };
    Box::leak(Box::new([page, script]))
}

fn site() -> Site {
    Site::new(
        files(),
        Some(&Environment {
            root_key: vec![0xab; 133],
            canister_id: "uxrrr-q7777-77774-qaaaq-cai".into(),
        }),
    )
}

fn ask(site: &Site, method: &str, url: &str, headers: &[(&str, &str)]) -> Response {
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    let path = match Site::route(url) {
        Route::Page(path) => Some(path),
        Route::Malformed => None,
        Route::Vault(whose) => panic!("{url} is the vault's: {whose:?}"),
    };
    let request = Request {
        method,
        url,
        headers: &headers,
        body: &[],
    };
    site.answer(path.as_deref(), request, Some(b"certificate"))
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let mut found = response
        .headers
        .iter()
        .filter(|(given, _)| given.eq_ignore_ascii_case(name));
    let value = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "{name} is there twice");
    value
}

#[test]
fn pages_are_whole_and_may_do_little() {
    let site = site();
    let page = ask(&site, "GET", "/?a=b", &[]);
    assert_eq!(page.status, 200);
    assert_eq!(page.body, b"<!doctype html><title>Keepsake</title>");
    assert_eq!(header(&page, "Content-Length"), Some("38"));
    assert_eq!(header(&page, "Cache-Control"), Some("no-cache"));
    let policy = header(&page, "Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
    assert!(!policy.contains("unsafe") && !policy.contains('*'));
    let cookie = header(&page, "Set-Cookie").unwrap();
    let start = format!("ic_env=ic_root_key%3D{}%26", "ab".repeat(133));
    assert!(cookie.starts_with(&start), "{cookie}");

    let head = ask(&site, "HEAD", "/", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(header(&head, "Content-Length"), Some("38"));
    assert_eq!(header(&head, "Set-Cookie"), Some(cookie));
}

#[test]
fn who_has_a_page_is_told_so() {
    let site = site();
    let page = ask(&site, "GET", "/", &[]);
    let tag = header(&page, "ETag").unwrap();
    let again = ask(&site, "GET", "/", &[("if-none-match", tag)]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(header(&again, "ETag"), Some(tag));
    assert_eq!(header(&again, "Content-Length"), None);
    // The cookie is not forgotten with the page that is kept.
    assert!(header(&again, "Set-Cookie").is_some());
    for other in [
        "\"0\"",
        "*",
        "",
        &format!("W/{tag}"),
        &format!("{tag}, \"0\""),
    ] {
        let again = ask(&site, "GET", "/", &[("If-None-Match", other)]);
        assert_eq!(again.status, 200, "{other}");
    }
    let twice = [("If-None-Match", tag), ("If-None-Match", "\"0\"")];
    assert_eq!(ask(&site, "GET", "/", &twice).status, 200);
}

#[test]
fn a_script_comes_compressed_to_who_can_unpack_it() {
    let site = site();
    let url = "/assets/index-abc.js";
    let plain = ask(&site, "GET", url, &[]);
    assert_eq!(plain.body.len(), 2_900);
    assert_eq!(header(&plain, "Content-Encoding"), None);
    assert_eq!(header(&plain, "Vary"), Some("Accept-Encoding"));
    assert_eq!(header(&plain, "Set-Cookie"), None);
    let lasting = "public, max-age=31536000, immutable";
    assert_eq!(header(&plain, "Cache-Control"), Some(lasting));
    for (accepted, is_compressed) in [
        ("gzip", true),
        ("br, GZIP;q=0.5", true),
        ("deflate, x-gzip", true),
        ("*", true),
        ("*;q=0, gzip", true),
        ("gzip;q=1.0", true),
        ("gzip;q=0", false),
        ("gzip ; Q = 0.000 , *", false),
        ("br", false),
        ("*;q=0", false),
        ("", false),
        (";;,,;q=", false),
    ] {
        let script = ask(&site, "GET", url, &[("Accept-Encoding", accepted)]);
        let coding = header(&script, "Content-Encoding");
        assert_eq!(coding, is_compressed.then_some("gzip"), "{accepted}");
        assert_eq!(script.body.len() < 200, is_compressed, "{accepted}");
        let len = script.body.len().to_string();
        assert_eq!(header(&script, "Content-Length"), Some(len.as_str()));
    }
}

#[test]
fn what_is_not_there_and_what_is_not_allowed() {
    let site = site();
    for (method, url, status, is_empty) in [
        ("GET", "/nothing", 404, false),
        ("HEAD", "/nothing", 404, true),
        ("GET", "/index.html", 404, false),
        ("GET", "/assets", 404, false),
        ("GET", "/assets/", 404, false),
        ("GET", "/assets/index-abc.js/", 404, false),
        ("GET", "/metrics/", 404, false),
        ("GET", "/<*>", 400, false),
        ("GET", "/%3C%24%3E", 404, false),
        ("GET", "/%ff", 400, false),
        ("GET", "", 400, false),
        ("POST", "/", 405, false),
        ("get", "/", 405, false),
        ("", "/", 405, false),
        ("POST", "/nothing", 405, false),
    ] {
        let response = ask(&site, method, url, &[]);
        assert_eq!(response.status, status, "{method} {url}");
        assert_eq!(response.body.is_empty(), is_empty, "{method} {url}");
        let policy = header(&response, "Content-Security-Policy");
        assert!(policy.is_some(), "{method} {url}");
    }
    let refused = ask(&site, "DELETE", "/", &[]);
    assert_eq!(header(&refused, "Allow"), Some("GET, HEAD"));
    let with_body = Request {
        method: "GET",
        url: "/",
        headers: &[],
        body: b"x",
    };
    assert_eq!(site.answer(Some("/"), with_body, None).status, 400);
    // Thousands of segments cost no more than a few.
    let long = "/a".repeat(30_000);
    assert_eq!(ask(&site, "GET", &long, &[]).status, 404);
}

#[test]
fn the_vaults_paths_are_told_from_the_gallerys_as_gateways_read_them() {
    let assets = Route::Vault(Unchecked::Assets);
    let metrics = Route::Vault(Unchecked::Metrics);
    let page = |path: &str| Route::Page(path.to_owned());
    for (url, route) in [
        ("/asset/m/display?token=x", assets.clone()),
        ("/asset", assets.clone()),
        ("//asset//m", assets.clone()),
        ("/%61sset/m", assets.clone()),
        ("/asset%2Fm", assets),
        ("/metrics", metrics.clone()),
        ("//metrics?x", metrics),
        ("/metrics/", page("/metrics/")),
        ("/metrics/x", page("/metrics/x")),
        ("/Asset/m", page("/Asset/m")),
        ("/assets/x.js", page("/assets/x.js")),
        ("/", page("/")),
        ("/%C3%A4?b", page("/ä")),
        ("/%c3", Route::Malformed),
        ("no path at all", Route::Malformed),
    ] {
        assert_eq!(Site::route(url), route, "{url}");
    }
}

#[test]
fn the_tree_has_a_leaf_for_each_answer_and_for_no_other() {
    let site = site();
    let page = &files()[0];
    let cookie = Some("ic_env=x");
    let known = Answer::of_file(page, OfFile::Unchanged(Coding::Identity), cookie);
    let content = Answer::of_file(page, OfFile::Content(Coding::Identity), cookie);
    assert_ne!(known.leaf_below(&[]), content.leaf_below(&[]));
    let tree = crate::answer::tree_of(page, cookie);
    for answer in [known, content, Answer::refusal(Refusal::NotAllowed)] {
        let leaf = answer.leaf_below(&[]);
        let witness = tree.witness(&[&leaf]);
        assert_eq!(witness.digest(), tree.digest());
        assert!(matches!(witness.lookup_subtree(&leaf), Found(_)));
    }
    let not_found = Answer::refusal(Refusal::NotFound).leaf_below(&[]);
    let witness = tree.witness(&[&not_found]);
    assert!(!matches!(witness.lookup_subtree(&not_found), Found(_)));
    // Another cookie, another root: the page is certified with it.
    let elsewhere = Environment {
        root_key: vec![1; 133],
        canister_id: "aaaaa-aa".into(),
    };
    let elsewhere = Site::new(files(), Some(&elsewhere));
    assert_ne!(site.root_hash(), elsewhere.root_hash());
}

#[test]
fn a_folder_becomes_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let put = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let refused = |out: &Path| embed::write(Some(folder.path()), out).unwrap_err();
    put(".vite/manifest.json", b"{}");
    assert!(
        refused(out.path())
            .to_string()
            .ends_with("has no index.html")
    );
    put("index.html", b"<!doctype html>");
    put("assets/a-1.js", &b"let x;\n".repeat(50));
    embed::write(Some(folder.path()), out.path()).unwrap();
    let table = fs::read_to_string(out.path().join("pages.rs")).unwrap();
    assert!(table.contains("path: \"/\", content_type: \"text/html; charset=utf-8\""));
    assert!(table.contains("path: \"/assets/a-1.js\", content_type: \"text/javascript"));
    assert!(!table.contains("manifest"));
    assert_eq!(table.matches("Gzip(").count(), 1);
    let again = tempfile::tempdir().unwrap();
    embed::write(Some(folder.path()), again.path()).unwrap();
    assert_eq!(
        fs::read_to_string(again.path().join("pages.rs")).unwrap(),
        table
    );

    put("assets/font.xyz", b"");
    let message = refused(out.path()).to_string();
    assert!(message.starts_with("/assets/font.xyz: no media type"));
    fs::remove_file(folder.path().join("assets/font.xyz")).unwrap();
    put("a/b/c/d/e/f.js", b"");
    assert!(
        refused(out.path())
            .to_string()
            .starts_with("/a/b/c/d/e/f.js")
    );
    fs::remove_dir_all(folder.path().join("a")).unwrap();
    put("long.txt", &vec![b'x'; embed::MAX_LEN + 1]);
    assert!(refused(out.path()).to_string().contains("2800001 bytes"));
    fs::remove_file(folder.path().join("long.txt")).unwrap();

    embed::write(None, out.path()).unwrap();
    let table = fs::read_to_string(out.path().join("pages.rs")).unwrap();
    assert_eq!(table.matches("path:").count(), 1);
}
