//! The vault over HTTP, through the gateway of the host, and verified as the Internet Computer's gateways verify answers.

use candid::{Decode, encode_args};
use ic_agent::identity::AnonymousIdentity;
use keepsake_client::{
    NewContent, Vault,
    api::{AssetType, BlobRef, ByteBuf, Error, InlineAssetInput, VaultStatus},
};
use keepsake_tests::{
    content::{asset, noise, sha256},
    gateway,
    home::Home,
};
use reqwest::{Method, Response, StatusCode};

const OWNER: u8 = 1;

/// A memory with an original that is longer than one answer, and a thumbnail.
struct Picture {
    owner: Vault,
    memory: String,
    original: Vec<u8>,
    thumbnail: Vec<u8>,
}

async fn picture(home: &Home) -> Picture {
    let owner = home.vault(OWNER).await;
    let capsule = owner.capsules_create(None).await.unwrap().id;
    let original = noise(1, 4_500_000);
    let chunks: Vec<&[u8]> = original.chunks(1_800_000).collect();
    let session = owner
        .uploads_begin(&capsule, chunks.len() as u32, "original")
        .await
        .unwrap();
    for (index, chunk) in chunks.iter().enumerate() {
        owner
            .uploads_put_chunk(session, index as u32, chunk)
            .await
            .unwrap();
    }
    let blob = owner
        .uploads_finish(session, &sha256(&original), original.len() as u64)
        .await
        .unwrap()
        .blob_id;
    let reference = BlobRef {
        locator: blob,
        hash: None,
        len: 0,
    };
    let mut metadata = asset("original", AssetType::Original);
    metadata.base_mut().mime_type = "video/mp4".into();
    let memory = owner
        .memories_create(&capsule, NewContent::Blob(reference), &metadata, "memory")
        .await
        .unwrap();
    let thumbnail = noise(2, 5_000);
    let mut metadata = asset("thumbnail", AssetType::Thumbnail);
    metadata.base_mut().mime_type = "image/webp".into();
    let input = InlineAssetInput {
        bytes: ByteBuf::from(thumbnail.clone()),
        metadata,
    };
    owner
        .memories_add_inline_asset(&memory, &input, "thumbnail")
        .await
        .unwrap();
    Picture {
        owner,
        memory,
        original,
        thumbnail,
    }
}

async fn token(home: &Home, picture: &Picture, variants: &[&str]) -> String {
    let agent = keepsake_tests::agent(&home.url(), keepsake_tests::person(OWNER)).await;
    let none = None::<Vec<String>>;
    let reply = agent
        .query(&picture.owner.canister_id(), "mint_http_token")
        .with_arg(encode_args((&picture.memory, variants, none, 0u32)).unwrap())
        .call()
        .await
        .unwrap();
    Decode!(&reply, String).unwrap()
}

/// Sends a request to the canister's pages, as a browser does.
async fn send(
    home: &Home,
    picture: &Picture,
    method: Method,
    path: &str,
    range: Option<&str>,
) -> Response {
    let mut request = reqwest::Client::new()
        .request(method, format!("{}{path}", home.url()))
        .header("Host", format!("{}.localhost", picture.owner.canister_id()));
    if let Some(range) = range {
        request = request.header("Range", range);
    }
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .unwrap_or_else(|| panic!("there is no {name}"))
        .to_str()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_and_films_of_any_size_come_through_the_gateway() {
    let home = Home::new().await;
    let picture = picture(&home).await;
    let token = token(&home, &picture, &["original", "thumbnail"]).await;
    let of = |variant: &str| format!("/asset/{}/{variant}?token={token}", picture.memory);

    let small = send(&home, &picture, Method::GET, &of("thumbnail"), None).await;
    assert_eq!(small.status(), StatusCode::OK);
    assert_eq!(header(&small, "content-type"), "image/webp");
    assert_eq!(header(&small, "content-length"), "5000");
    assert_eq!(small.bytes().await.unwrap(), picture.thumbnail);

    // One answer does not carry it; the gateway puts it together.
    let whole = send(&home, &picture, Method::GET, &of("original"), None).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(header(&whole, "content-length"), "4500000");
    assert_eq!(header(&whole, "content-type"), "video/mp4");
    let digits: String = sha256(&picture.original)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(header(&whole, "etag"), format!("\"{digits}\""));
    assert!(whole.bytes().await.unwrap() == picture.original);

    let part = Some("bytes=4499990-");
    let end = send(&home, &picture, Method::GET, &of("original"), part).await;
    assert_eq!(end.status(), StatusCode::PARTIAL_CONTENT);
    let range = "bytes 4499990-4499999/4500000";
    assert_eq!(header(&end, "content-range"), range);
    assert_eq!(end.bytes().await.unwrap(), picture.original[4_499_990..]);
    let head = send(&home, &picture, Method::HEAD, &of("original"), None).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(header(&head, "content-length"), "4500000");
    assert!(head.bytes().await.unwrap().is_empty());

    let refused = send(&home, &picture, Method::GET, &of("display"), None).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let path = format!("/asset/{}/original", picture.memory);
    let refused = send(&home, &picture, Method::GET, &path, None).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let metrics = send(&home, &picture, Method::GET, "/metrics", None).await;
    assert_eq!(metrics.status(), StatusCode::OK);
    let text = metrics.text().await.unwrap();
    assert!(text.contains("keepsake_heap_bytes "), "{text}");
    assert!(text.contains("keepsake_refuses_content 0\n"), "{text}");
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_verify_every_answer() {
    let home = Home::new().await;
    let picture = picture(&home).await;
    let token = token(&home, &picture, &["original"]).await;
    let agent = keepsake_tests::agent(&home.url(), std::sync::Arc::new(AnonymousIdentity)).await;
    let original = format!("/asset/{}/original?token={token}", picture.memory);
    // Content and metrics are certified as not compared; the gallery's pages have tests of their own.
    for (method, url, status) in [
        ("GET", original.as_str(), 206),
        ("HEAD", original.as_str(), 200),
        ("GET", "/metrics", 200),
        ("POST", "/metrics", 405),
        ("GET", "/asset/x/original", 401),
        ("GET", "/asset", 404),
        ("GET", "/asset/a/b/c", 404),
        ("GET", "/%61sset%2Fx", 404),
    ] {
        let canister = picture.owner.canister_id();
        let request = gateway::request(method, url, &[("range", "bytes=10-")]);
        let response = gateway::ask(&agent, canister, &request).await;
        assert_eq!(response.status_code, status, "{method} {url}");
        let verified = gateway::verify(&agent, canister, &request, &response);
        let verified = verified.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
        assert_eq!(verified.verification_version, 2);
        assert!(verified.response.is_none(), "{method} {url}");
    }
    home.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_what_is_there() {
    let home = Home::new().await;
    let picture = picture(&home).await;
    let agent = keepsake_tests::agent(&home.url(), keepsake_tests::person(OWNER)).await;
    let reply = agent
        .query(&picture.owner.canister_id(), "vault_status")
        .with_arg(encode_args(()).unwrap())
        .call()
        .await
        .unwrap();
    let status = Decode!(&reply, Result<VaultStatus, Error>)
        .unwrap()
        .unwrap();
    assert_eq!((status.holdings.memories, status.holdings.blobs), (1, 1));
    assert!(status.holdings.content_bytes >= 4_505_000);
    assert!(status.memory.heap > 0);
    assert!(status.memory.stable_used <= status.memory.stable_allocated);
    // At home the balance never looks low.
    assert_eq!(status.refuses_content, None);
    home.stop().await;
}
