//! A capsule with everything in it, and the names of all that.

use keepsake_client::{
    Content, NewContent, Uploader, Vault,
    api::{
        AssetType, BlobHosting, ByteBuf, InlineAssetInput, InternalBlobAssetInput, ShareLinkInput,
        ShareSelection,
    },
    assets_of,
};
use keepsake_tests::content::{asset, memory, noise, sha256};

/// Key of the owner's open session.
pub const OPEN: &str = "open";
/// Where the owner's external content is kept.
pub const STORAGE_KEY: &str = "bucket/key";

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
    /// A share link to the capsule.
    pub link: String,
    /// What is tried as the link's secret.
    pub secret: Vec<u8>,
}

impl Ids {
    pub fn texts(&self) -> Vec<&str> {
        [&self.capsule]
            .into_iter()
            .chain(&self.memories)
            .chain(&self.blobs)
            .chain(&self.assets)
            .chain([&self.link])
            .map(String::as_str)
            .collect()
    }

    /// The same for who does not have the secret, and tries what the vault knows of it.
    pub fn without_secret(self) -> Self {
        Ids {
            secret: sha256(&self.secret).to_vec(),
            ..self
        }
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

/// A share link to be made, with downloads.
pub fn share_link(capsule: &str, selection: ShareSelection, secret: &[u8]) -> ShareLinkInput {
    ShareLinkInput {
        capsule_id: capsule.to_owned(),
        secret_sha256: ByteBuf::from(sha256(secret).to_vec()),
        selection,
        expires_at: None,
        allow_download: true,
        title: None,
    }
}

pub fn inline(bytes: &[u8]) -> InlineAssetInput {
    InlineAssetInput {
        bytes: ByteBuf::from(bytes.to_vec()),
        metadata: asset("inline", AssetType::Placeholder),
    }
}

pub fn internal(blob: &str) -> InternalBlobAssetInput {
    InternalBlobAssetInput {
        blob_id: blob.to_owned(),
        metadata: asset("internal", AssetType::Original),
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
/// references, an open and a finished session, a share link.
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
        storage_key: STORAGE_KEY.to_owned(),
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
    let secret = noise(3, 32);
    let link = share_link(&capsule, ShareSelection::Capsule, &secret);
    let link = vault.share_links_create(&link).await.unwrap().id;
    Ids {
        link,
        secret,
        capsule,
        memories: vec![note, pictured, outside],
        blobs: vec![photo, loose, done.blob_id],
        assets,
        sessions: [open, finished],
        cursor: page.next_cursor.expect("there are three memories"),
    }
}
