//! What there is to name, and every call that names it.

use candid::encode_args;
use keepsake_client::{
    Content, NewContent, Uploader, Vault,
    api::{AssetType, BlobHosting, BlobRef, ByteBuf, InlineAssetInput, InternalBlobAssetInput},
    assets_of,
};
use keepsake_tests::content::{asset, memory, noise, sha256};

/// Key of the owner's open session.
pub const OPEN: &str = "open";

/// Everything in the owner's capsule that has a name.
pub struct Ids {
    pub capsule: String,
    pub memories: Vec<String>,
    pub blobs: Vec<String>,
    pub assets: Vec<String>,
    /// An open session, and a finished one.
    pub sessions: [u64; 2],
    /// Where the owner's listing goes on.
    pub cursor: String,
}

impl Ids {
    fn texts(&self) -> Vec<&str> {
        [&self.capsule]
            .into_iter()
            .chain(&self.memories)
            .chain(&self.blobs)
            .chain(&self.assets)
            .map(String::as_str)
            .collect()
    }

    /// An answer without the names that were asked for, so that answers about different names compare.
    pub fn without_names(&self, mut text: String) -> String {
        let sessions = self.sessions.map(|session| session.to_string());
        for name in self
            .texts()
            .into_iter()
            .chain(sessions.iter().map(String::as_str))
        {
            text = text.replace(name, "…");
        }
        text.replace(&self.cursor, "…")
    }
}

fn inline(bytes: &[u8]) -> InlineAssetInput {
    InlineAssetInput {
        bytes: ByteBuf::from(bytes.to_vec()),
        metadata: asset("inline", AssetType::Placeholder),
    }
}

fn internal(blob: &str) -> InternalBlobAssetInput {
    InternalBlobAssetInput {
        blob_id: blob.to_owned(),
        metadata: asset("internal", AssetType::Original),
    }
}

fn reference(blob: &str) -> BlobRef {
    BlobRef {
        locator: blob.to_owned(),
        hash: None,
        len: 0,
    }
}

pub async fn upload(vault: &Vault, capsule: &str, bytes: Vec<u8>) -> String {
    let config = vault.upload_config().await.unwrap();
    let content = Content::Bytes {
        bytes: bytes.into(),
        label: String::new(),
    };
    let uploader = Uploader::new(vault.clone(), &config);
    uploader
        .upload(capsule, &content, &|_| {})
        .await
        .unwrap()
        .id
}

/// A capsule with everything that the interface can make: memories of inline, internal and external content, a blob that nothing
/// references, an open and a finished session.
pub async fn furnish(vault: &Vault) -> Ids {
    let capsule = vault.capsules_create(None).await.unwrap().id;
    let photo = upload(vault, &capsule, noise(1, 3_000)).await;
    let loose = upload(vault, &capsule, noise(2, 2_000)).await;
    let metadata = asset("mine", AssetType::Original);
    let note = vault
        .memories_create(&capsule, NewContent::Inline(b"a secret"), &metadata, "note")
        .await
        .unwrap();
    let pictured = vault
        .memories_create_with_internal_blobs(&capsule, &memory("mine"), &[internal(&photo)], "p")
        .await
        .unwrap();
    vault
        .memories_add_inline_asset(&pictured, &inline(b"small"), "small")
        .await
        .unwrap();
    let elsewhere = NewContent::External {
        location: BlobHosting::S3,
        storage_key: "bucket/key".to_owned(),
        url: None,
        size: Some(10),
        sha256: None,
    };
    let outside = vault
        .memories_create(&capsule, elsewhere, &metadata, "outside")
        .await
        .unwrap();
    let open = vault.uploads_begin(&capsule, 2, OPEN).await.unwrap();
    vault.uploads_put_chunk(open, 0, b"first ").await.unwrap();
    let finished = vault.uploads_begin(&capsule, 1, "finished").await.unwrap();
    vault.uploads_put_chunk(finished, 0, b"done").await.unwrap();
    let done = vault
        .uploads_finish(finished, &sha256(b"done"), 4)
        .await
        .unwrap();
    let mut assets = Vec::new();
    for id in [&note, &pictured, &outside] {
        let memory = vault.memories_read(id).await.unwrap();
        assets.extend(assets_of(&memory).into_iter().map(|asset| asset.id));
    }
    assert_eq!(assets.len(), 4);
    let page = vault.memories_list(&capsule, None, Some(1)).await.unwrap();
    Ids {
        capsule,
        memories: vec![note, pictured, outside],
        blobs: vec![photo, loose, done.blob_id],
        assets,
        sessions: [open, finished],
        cursor: page.next_cursor.expect("there are three memories"),
    }
}

/// One call to try.
pub struct Attempt {
    pub method: &'static str,
    pub arg: Vec<u8>,
    pub what: String,
}

/// Every method with every name in every place where a name can stand. `own` is what the caller may use: a capsule and a
/// memory of its own.
pub fn attempts(ids: &Ids, own: Option<(&str, &str)>) -> Vec<Attempt> {
    let mut all = Vec::new();
    let mut push = |method, what: &str, arg: Result<Vec<u8>, candid::Error>| {
        all.push(Attempt {
            method,
            arg: arg.unwrap(),
            what: what.to_owned(),
        });
    };
    let metadata = asset("theirs", AssetType::Original);
    let bytes = ByteBuf::from(b"bytes".to_vec());
    let hash = ByteBuf::from(sha256(b"bytesbytes").to_vec());
    type None8 = Option<ByteBuf>;
    let create = |capsule: &str, inline: None8, blob: Option<BlobRef>, external: bool| {
        encode_args((
            capsule,
            inline,
            blob,
            external.then_some(BlobHosting::S3),
            external.then_some("bucket/key"),
            None::<String>,
            external.then_some(10u64),
            None::<ByteBuf>,
            &metadata,
            "note",
        ))
    };
    push("whoami", "", encode_args(()));
    push("upload_config", "", encode_args(()));
    push("capsules_list", "", encode_args(()));
    for text in ids.texts() {
        push("blob_get_meta", text, encode_args((text,)));
        push("blob_read", text, encode_args((text,)));
        push("blob_read_chunk", text, encode_args((text, 0u32)));
        push("capsules_read_basic", text, encode_args((Some(text),)));
        push("memories_read", text, encode_args((text,)));
        let first = (text, None::<String>, None::<u32>);
        push("memories_list", text, encode_args(first.clone()));
        push("memories_list_by_capsule", text, encode_args(first));
        let next = (text, Some(&ids.cursor), Some(10u32));
        push("memories_list", text, encode_args(next));
        push("memories_list_by_capsule", text, encode_args(next));
        push(
            "memories_create",
            text,
            create(text, Some(bytes.clone()), None, false),
        );
        push("memories_create", text, create(text, None, None, true));
        let small = inline(b"theirs");
        push(
            "memories_add_inline_asset",
            text,
            encode_args((text, &small, "small")),
        );
        push("uploads_begin", text, encode_args((text, 2u32, OPEN)));
        push("uploads_begin", text, encode_args((text, 1u32, "new")));
    }
    for blob in &ids.blobs {
        let own = own.map(|(capsule, memory)| [capsule, memory]);
        for text in ids.texts().into_iter().chain(own.into_iter().flatten()) {
            let what = format!("{text}, {blob}");
            let assets = vec![internal(blob)];
            push(
                "memories_create",
                &what,
                create(text, None, Some(reference(blob)), false),
            );
            push(
                "memories_create_with_internal_blobs",
                &what,
                encode_args((text, &memory("theirs"), &assets, "p")),
            );
            push(
                "memories_create_with_internal_blobs_and_inline_assets",
                &what,
                encode_args((
                    text,
                    &memory("theirs"),
                    &assets,
                    vec![inline(b"theirs")],
                    "p",
                )),
            );
            push(
                "memories_add_asset",
                &what,
                encode_args((text, &assets[0], "p")),
            );
        }
    }
    for session in ids.sessions {
        let what = session.to_string();
        for index in [0u32, 1] {
            push(
                "uploads_put_chunk",
                &what,
                encode_args((session, index, &bytes)),
            );
        }
        push(
            "uploads_finish",
            &what,
            encode_args((session, &hash, 10u64)),
        );
        push("uploads_abort", &what, encode_args((session,)));
    }
    for text in ids.texts() {
        push("memories_delete", text, encode_args((text, false)));
        push("memories_delete", text, encode_args((text, true)));
    }
    all
}
