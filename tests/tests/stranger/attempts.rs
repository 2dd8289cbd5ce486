//! Every call, with every name that can stand in it.

use candid::{Principal, encode_args};
use keepsake_client::api::{
    AccessCondition, AccessEntry, AccessEvent, AssetType, BlobHosting, BlobRef, ByteBuf,
    CapsuleUpdateData, GrantSource, HttpRequest, MemoryUpdateData, PersonRef, ResourceRole,
    ShareSelection, UploadAnnouncement,
};
use keepsake_tests::content::{asset, memory, noise, sha256};

use crate::furnish::{Ids, OPEN, STORAGE_KEY, inline, internal, share_link};
use crate::{HELPER, OWNER, STRANGER};

pub fn principal(person: u8) -> Principal {
    let sender = keepsake_tests::person(person).sender();
    sender.expect("a key has a name")
}

/// All there is to give, to the stranger.
pub fn entry(id: &str) -> AccessEntry {
    AccessEntry {
        id: id.to_owned(),
        person_ref: Some(PersonRef::Principal(principal(STRANGER))),
        is_public: false,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Owner,
        perm_mask: 31,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}

fn all_variants() -> Vec<&'static str> {
    vec!["original", "display", "thumbnail", "placeholder"]
}

fn reference(blob: &str) -> BlobRef {
    BlobRef {
        locator: blob.to_owned(),
        hash: None,
        len: 0,
    }
}

/// One call to try.
pub struct Attempt {
    pub method: &'static str,
    pub arg: Vec<u8>,
    pub what: String,
}

/// Attempts as they are listed.
#[derive(Default)]
struct Attempts(Vec<Attempt>);

impl Attempts {
    fn push(&mut self, method: &'static str, what: &str, arg: Result<Vec<u8>, candid::Error>) {
        self.0.push(Attempt {
            method,
            arg: arg.unwrap(),
            what: what.to_owned(),
        });
    }
}

/// Every method with every name in every place where a name can stand. `own` is what the caller may use: a capsule and a
/// memory of its own, and nothing of it is to be lost.
///
/// In this order each method finds something left to do when the owner calls: what takes away comes after what gives.
pub fn attempts(ids: &Ids, own: Option<(&str, &str)>) -> Vec<Attempt> {
    let mut all = Attempts::default();
    reading(&mut all, ids);
    creating(&mut all, ids);
    referring(&mut all, ids, own);
    uploading(&mut all, ids);
    changing(&mut all, ids);
    owning(&mut all, ids);
    through_links(&mut all, ids);
    linking(&mut all);
    operating(&mut all);
    single_assets(&mut all, ids, own);
    removing(&mut all, ids, own);
    trashing(&mut all, ids);
    deleting(&mut all, ids, own);
    all.0
}

fn reading(all: &mut Attempts, ids: &Ids) {
    for method in ["whoami", "upload_config", "capsules_list"] {
        all.push(method, "", encode_args(()));
    }
    for method in [
        "uploads_list",
        "sessions_list",
        "sessions_stats",
        "vault_status",
    ] {
        all.push(method, "", encode_args(()));
    }
    over_http(all, ids);
    let first = (None::<String>, None::<u32>);
    all.push("memories_shared_with_me", "", encode_args(first));
    let next = (Some(&ids.cursor), Some(10u32));
    all.push("memories_shared_with_me", "a cursor", encode_args(next));
    for text in ids.texts() {
        all.push("blob_get_meta", text, encode_args((text,)));
        all.push("blob_read", text, encode_args((text,)));
        all.push("blob_read_chunk", text, encode_args((text, 0u32)));
        all.push("capsules_read_basic", text, encode_args((Some(text),)));
        all.push("capsules_read_full", text, encode_args((Some(text),)));
        all.push("capsule_status", text, encode_args((text,)));
        all.push("memories_read", text, encode_args((text,)));
        all.push("memories_list_assets", text, encode_args((text,)));
        for index in [0u32, 1] {
            all.push("memories_read_asset", text, encode_args((text, index)));
        }
        let first = (text, None::<String>, None::<u32>);
        let next = (text, Some(&ids.cursor), Some(10u32));
        for method in ["memories_list", "memories_list_by_capsule"] {
            all.push(method, text, encode_args(first.clone()));
            all.push(method, text, encode_args(next));
        }
        all.push("memories_ping", text, encode_args((vec![text],)));
        let none = None::<Vec<&str>>;
        all.push(
            "mint_http_token",
            text,
            encode_args((text, all_variants(), &none, 0u32)),
        );
        all.push(
            "mint_http_tokens_bulk",
            text,
            encode_args((vec![text], all_variants(), &none, 0u32)),
        );
    }
    all.push("memories_ping", "all", encode_args((ids.texts(),)));
    let tokens = (ids.texts(), all_variants(), None::<Vec<&str>>, 0u32);
    all.push("mint_http_tokens_bulk", "all", encode_args(tokens));
}

/// What is for everybody, and content without a token, or with one that nobody made.
fn over_http(all: &mut Attempts, ids: &Ids) {
    let forged = "A".repeat(60);
    let addresses = ids.texts().into_iter().flat_map(|text| {
        ["original", "display", "thumbnail", "placeholder"].map(|variant| {
            let address = format!("/asset/{text}/{variant}");
            [
                format!("{address}?token={forged}"),
                format!("{address}?id={}&token={forged}", ids.assets[0]),
                address,
            ]
        })
    });
    for url in addresses.flatten().chain(["/metrics".to_owned()]) {
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: url.clone(),
            headers: Vec::new(),
            body: ByteBuf::new(),
            certificate_version: Some(2),
        };
        all.push("http_request", &url, encode_args((request,)));
    }
}

/// The arguments of `memories_create`, each with the content that is given.
fn create(
    capsule: &str,
    inline: Option<ByteBuf>,
    blob: Option<BlobRef>,
    external: bool,
) -> Result<Vec<u8>, candid::Error> {
    encode_args((
        capsule,
        inline,
        blob,
        external.then_some(BlobHosting::S3),
        external.then_some(STORAGE_KEY),
        None::<String>,
        external.then_some(10u64),
        None::<ByteBuf>,
        asset("theirs", AssetType::Original),
        "note",
    ))
}

fn creating(all: &mut Attempts, ids: &Ids) {
    let bytes = ByteBuf::from(b"bytes".to_vec());
    for text in ids.texts() {
        all.push(
            "memories_create",
            text,
            create(text, Some(bytes.clone()), None, false),
        );
        all.push("memories_create", text, create(text, None, None, true));
        add_inline(all, text);
        all.push("uploads_begin", text, encode_args((text, 2u32, OPEN)));
        all.push("uploads_begin", text, encode_args((text, 1u32, "new")));
    }
}

fn add_inline(all: &mut Attempts, memory: &str) {
    all.push(
        "memories_add_inline_asset",
        memory,
        encode_args((memory, &inline(b"theirs"), "small")),
    );
}

/// Blobs, referred to from everywhere.
fn referring(all: &mut Attempts, ids: &Ids, own: Option<(&str, &str)>) {
    for blob in &ids.blobs {
        let own = own.map(|(capsule, memory)| [capsule, memory]);
        for text in ids.texts().into_iter().chain(own.into_iter().flatten()) {
            let what = format!("{text}, {blob}");
            let assets = vec![internal(blob)];
            all.push(
                "memories_create",
                &what,
                create(text, None, Some(reference(blob)), false),
            );
            all.push(
                "memories_create_with_internal_blobs",
                &what,
                encode_args((text, &memory("theirs"), &assets, "p")),
            );
            all.push(
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
            all.push(
                "memories_add_asset",
                &what,
                encode_args((text, &assets[0], "p")),
            );
            all.push(
                "memories_add_assets",
                &what,
                encode_args((text, &assets, vec![inline(b"theirs")], "several")),
            );
        }
    }
}

fn uploading(all: &mut Attempts, ids: &Ids) {
    // What the owner's capsule holds: who asks for it elsewhere learns nothing.
    let held = noise(1, 3_000);
    let content = UploadAnnouncement {
        sha256: ByteBuf::from(sha256(&held).to_vec()),
        total_len: held.len() as u64,
        chunk_size: 1_000,
    };
    for text in ids.texts() {
        let hashes = vec![content.sha256.clone()];
        all.push("blobs_by_hash", text, encode_args((text, hashes)));
        all.push(
            "uploads_begin_announced",
            text,
            encode_args((text, &content, "announced")),
        );
        all.push(
            "uploads_put_blob",
            text,
            encode_args((text, ByteBuf::from(held.clone()), &content.sha256, "put")),
        );
        all.push(
            "capsule_event_record",
            text,
            encode_args((text, AccessEvent::Graduation)),
        );
        let members = vec![PersonRef::Opaque("a friend".into())];
        all.push(
            "connection_group_put",
            text,
            encode_args((text, "friends", "Friends", None::<String>, members)),
        );
        all.push(
            "connection_group_remove",
            text,
            encode_args((text, "friends")),
        );
        all.push("external_deletions_list", text, encode_args((text,)));
        let deletions = vec!["00".repeat(16)];
        all.push(
            "external_deletions_acknowledge",
            text,
            encode_args((text, deletions)),
        );
    }
    let bytes = ByteBuf::from(b"bytes".to_vec());
    let hash = ByteBuf::from(sha256(b"bytesbytes").to_vec());
    for session in ids.sessions {
        let what = session.to_string();
        all.push("uploads_status", &what, encode_args((session,)));
        for index in [0u32, 1] {
            all.push(
                "uploads_put_chunk",
                &what,
                encode_args((session, index, &bytes)),
            );
        }
        all.push(
            "uploads_finish",
            &what,
            encode_args((session, &hash, 10u64)),
        );
        all.push("uploads_abort", &what, encode_args((session,)));
    }
    all.push("sessions_cleanup_expired", "", encode_args(()));
}

fn changing(all: &mut Attempts, ids: &Ids) {
    let nothing = MemoryUpdateData::default;
    let updates = [
        MemoryUpdateData {
            name: Some("theirs".to_owned()),
            ..nothing()
        },
        MemoryUpdateData {
            metadata: Some(memory("theirs")),
            ..nothing()
        },
        MemoryUpdateData {
            access_entries: Some(vec![entry("theirs")]),
            ..nothing()
        },
        nothing(),
    ];
    let capsule = CapsuleUpdateData {
        bound_to_neon: Some(true),
    };
    for text in ids.texts() {
        all.push("capsules_update", text, encode_args((text, &capsule)));
        for update in &updates {
            all.push("memories_update", text, encode_args((text, update)));
        }
        let more = entry("more");
        all.push("access_grant", text, encode_args((text, &more)));
        for id in ["theirs", "more"] {
            all.push("access_revoke", text, encode_args((text, id)));
        }
        all.push("access_revoke", text, encode_args((text, text)));
    }
}

/// The stranger is let in and taken out again.
fn owning(all: &mut Attempts, ids: &Ids) {
    let stranger = PersonRef::Principal(principal(STRANGER));
    for text in ids.texts() {
        for method in [
            "capsule_owner_add",
            "capsule_owner_remove",
            "capsule_controller_add",
            "capsule_controller_remove",
        ] {
            all.push(method, text, encode_args((text, &stranger)));
        }
    }
}

/// What share links show, and making and ending them.
fn through_links(all: &mut Attempts, ids: &Ids) {
    let secret = ByteBuf::from(ids.secret.clone());
    let nonce = ByteBuf::from(b"nonce".to_vec());
    all.push("share_links_open", "", encode_args((&secret, &nonce)));
    let first = (&secret, None::<String>, None::<u32>);
    all.push("share_links_memories", "", encode_args(first));
    for text in ids.texts() {
        all.push("share_links_memory", text, encode_args((&secret, text)));
        for memory in &ids.memories {
            let what = format!("{memory}, {text}");
            let asset = (&secret, memory, text, 0u64, 100u32);
            all.push("share_links_asset", &what, encode_args(asset));
        }
        let memories = ShareSelection::Memories(vec![text.to_owned()]);
        for link in [
            share_link(text, ShareSelection::Capsule, text.as_bytes()),
            share_link(&ids.capsule, memories, text.as_bytes()),
        ] {
            all.push("share_links_create", text, encode_args((link,)));
        }
        all.push("share_links_list", text, encode_args((text,)));
    }
    for text in ids.texts() {
        all.push("share_links_revoke", text, encode_args((text, &ids.link)));
        let here = (&ids.capsule, text);
        all.push("share_links_revoke", text, encode_args(here));
    }
}

/// The helper offers to link with the owner, and with nobody else.
fn linking(all: &mut Attempts) {
    for (person, what) in [(HELPER, "the helper"), (OWNER, "the owner")] {
        let named = (principal(person),);
        all.push("person_link_offer", what, encode_args(named));
        all.push("person_link_accept", what, encode_args(named));
    }
    all.push("person_read", "", encode_args(()));
    for (person, what) in [(HELPER, "the helper"), (OWNER, "the owner")] {
        all.push("person_unlink", what, encode_args((principal(person),)));
    }
}

/// What is for who controls the canister.
fn operating(all: &mut Attempts) {
    all.push("http_token_key_rotate", "", encode_args((0u32,)));
}

/// What may stand for an asset, with what may stand for a memory: everything with everything that is one, and all the rest once.
fn pairs<'a>(ids: &'a Ids, own: Option<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    let memories: Vec<&str> = ids
        .memories
        .iter()
        .map(String::as_str)
        .chain(own.map(|(_, memory)| memory))
        .collect();
    let asset = ids.assets[0].as_str();
    let mut pairs: Vec<_> = ids
        .texts()
        .into_iter()
        .filter(|text| !memories.contains(text))
        .map(|text| (text, asset))
        .collect();
    for memory in memories {
        pairs.extend(ids.texts().into_iter().map(|text| (memory, text)));
        pairs.push((memory, STORAGE_KEY));
    }
    pairs
}

fn single_assets(all: &mut Attempts, ids: &Ids, own: Option<(&str, &str)>) {
    for (memory, asset) in pairs(ids, own) {
        let what = format!("{memory}, {asset}");
        all.push("asset_get_by_id", &what, encode_args((memory, asset)));
        let scope = (memory, all_variants(), Some(vec![asset]), 0u32);
        all.push("mint_http_token", &what, encode_args(scope.clone()));
        let scope = (vec![memory], all_variants(), Some(vec![asset]), 0u32);
        all.push("mint_http_tokens_bulk", &what, encode_args(scope));
    }
}

fn removing(all: &mut Attempts, ids: &Ids, own: Option<(&str, &str)>) {
    for method in [
        "asset_remove_external",
        "asset_remove_by_id",
        "asset_remove_internal",
        "asset_remove",
    ] {
        if method == "asset_remove" {
            for text in ids.texts() {
                all.push("asset_remove_inline", text, encode_args((text, 0u32)));
                add_inline(all, text);
                all.push("asset_remove", text, encode_args((text, "0")));
            }
        }
        for (memory, asset) in pairs(ids, own) {
            let what = format!("{memory}, {asset}");
            all.push(method, &what, encode_args((memory, asset)));
        }
    }
    for text in ids.texts() {
        add_inline(all, text);
        all.push("memories_cleanup_assets_all", text, encode_args((text,)));
        add_inline(all, text);
        let one = (vec![text],);
        all.push("memories_cleanup_assets_bulk", text, encode_args(one));
    }
    let several = (ids.texts(),);
    all.push("memories_cleanup_assets_bulk", "all", encode_args(several));
}

fn trashing(all: &mut Attempts, ids: &Ids) {
    for text in ids.texts() {
        all.push("memories_trash", text, encode_args((text,)));
    }
    for text in ids.texts() {
        let first = (text, None::<String>, None::<u32>);
        all.push("memories_trashed", text, encode_args(first));
        let next = (text, Some(&ids.cursor), Some(10u32));
        all.push("memories_trashed", text, encode_args(next));
    }
    for text in ids.texts() {
        all.push("memories_restore", text, encode_args((text,)));
    }
    // One that references no blob goes for good; the others are left for what deletes them.
    if let Some(last) = ids.memories.last() {
        all.push("memories_trash", last, encode_args((last,)));
    }
    for text in ids.texts() {
        all.push("memories_trash_empty", text, encode_args((text,)));
    }
}

fn deleting(all: &mut Attempts, ids: &Ids, own: Option<(&str, &str)>) {
    let delete = |all: &mut Attempts, text: &str| {
        for assets in [false, true] {
            all.push("memories_delete", text, encode_args((text, assets)));
        }
    };
    // One memory goes by itself, which leaves others for the call that takes several.
    let (alone, others): (Vec<&str>, Vec<&str>) = ids
        .texts()
        .into_iter()
        .partition(|text| *text == ids.memories[0]);
    alone.into_iter().for_each(|text| delete(all, text));
    for capsule in ids.texts().into_iter().chain(own.map(|(own, _)| own)) {
        for assets in [false, true] {
            let args = (capsule, ids.texts(), assets);
            all.push("memories_delete_bulk", capsule, encode_args(args));
        }
    }
    others.into_iter().for_each(|text| delete(all, text));
    // Content stays when memories go without it; then nothing references it.
    for text in ids.texts() {
        all.push("memories_delete_all", text, encode_args((text, false)));
    }
    for text in ids.texts() {
        all.push("blob_delete", text, encode_args((text,)));
        all.push("memories_delete_all", text, encode_args((text, true)));
    }
    for text in ids.texts() {
        all.push("capsules_delete", text, encode_args((text,)));
    }
}
