//! A vault with something of everything in it, and every id, text, number and content that a call about it can name. It is made once; each
//! input starts from a copy of its stable memory.

use std::sync::LazyLock;

use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::*;
use keepsake_vault::{Call, FinishStep, NewMemory, Vault};
use sha2::{Digest, Sha256};

/// When the prepared state is complete: nanoseconds since 1970.
pub const NOW: u64 = 1_760_000_000_000_000_000;

const SECOND: u64 = 1_000_000_000;
pub const DAY: u64 = 86_400 * SECOND;

/// Controls the canister.
pub static OPERATOR: LazyLock<Principal> = LazyLock::new(|| principal(4));

fn principal(n: u8) -> Principal {
    Principal::self_authenticating([n; 32])
}

/// Everything that arguments are picked from, and the stable memory that it is all in.
pub struct World {
    pub image: Vec<u8>,
    /// An owner, a friend with some rights, a stranger, the owner's new device, the operator, and nobody.
    pub people: Vec<Principal>,
    pub texts: Vec<String>,
    pub contents: Vec<Vec<u8>>,
    pub numbers: Vec<u64>,
}

impl World {
    /// Makes it. The same each time.
    pub fn new() -> Self {
        let memory = VectorMemory::default();
        let vault = Vault::open(memory.clone()).expect("an empty memory");
        let people: Vec<_> = (0..5)
            .map(principal)
            .chain([Principal::anonymous()])
            .collect();
        let mut furnishing = Furnishing {
            vault,
            owner: Call {
                caller: people[0],
                now: NOW - 100 * SECOND,
            },
            texts: Vec::new(),
            numbers: vec![
                0,
                1,
                2,
                3,
                100,
                101,
                999,
                1_000,
                1_001,
                NOW,
                NOW - DAY,
                u64::from(u32::MAX),
                u64::MAX,
            ],
            people: people.clone(),
        };
        furnishing.everything();
        let Furnishing {
            vault,
            mut texts,
            mut numbers,
            ..
        } = furnishing;
        vault.recount().expect("the prepared state is consistent");
        drop(vault);
        texts.extend(WORDS.iter().map(|word| (*word).to_owned()));
        texts.extend(["a".repeat(200), "é".repeat(2_000)]);
        let mut contents: Vec<Vec<u8>> = CONTENTS.iter().map(|content| content.to_vec()).collect();
        contents.push(vec![7; 40_000]);
        contents.extend(SECRETS.map(|secret| secret.to_vec()));
        numbers.extend(contents.iter().map(|content| content.len() as u64));
        let hashes: Vec<_> = contents.iter().map(|content| sha256(content)).collect();
        contents.extend(hashes);
        let image = memory.borrow().clone();
        World {
            image,
            people,
            texts,
            contents,
            numbers,
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// The secrets of the share links.
const SECRETS: [&[u8; 32]; 2] = [
    b"the secret of a link to a capsul",
    b"the secret of a link to a memory",
];

const CONTENTS: &[&[u8]] = &[
    b"",
    b"one",
    b"two",
    b"onetwo",
    b"small",
    b"announced content",
    b"nothing refers to me",
    b"GIF89a",
];

const WORDS: &[&str] = &[
    "",
    "open",
    "finished",
    "other",
    "image/png",
    "original",
    "display",
    "thumbnail",
    "placeholder",
    "family",
    "mine",
    "GET",
    "HEAD",
    "POST",
    "Range",
    "bytes=0-0",
    "bytes=1-",
    "bytes=-2",
    "bytes=5-1",
    "If-None-Match",
    "*",
    "/",
    "/metrics",
    "/asset/",
    "/asset/%00/original",
    "photos/1.jpg",
    "https://example.com/1.jpg",
    "aaaaa-aa",
    "2vxsx-fae",
    "0",
    "-1",
    "\u{0}",
    "../..",
];

/// The SHA-256 of some content.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

struct Furnishing {
    vault: Vault<VectorMemory>,
    owner: Call,
    texts: Vec<String>,
    numbers: Vec<u64>,
    people: Vec<Principal>,
}

impl Furnishing {
    fn everything(&mut self) {
        self.vault.set_seed([7; 32]);
        let friend = PersonRef::Principal(self.people[1]);
        let owner = self.owner;
        let own = self
            .vault
            .capsules_create(owner, None)
            .expect("a capsule")
            .id;
        let about = self
            .vault
            .capsules_create(owner, Some(friend.clone()))
            .expect("another")
            .id;
        let stranger = Call {
            caller: self.people[2],
            ..owner
        };
        let other = self
            .vault
            .capsules_create(stranger, None)
            .expect("a stranger's")
            .id;
        self.vault
            .capsule_controller_add(owner, &own, friend.clone())
            .expect("a controller");
        self.vault
            .connection_group_put(owner, &own, "family", "Family", None, vec![friend.clone()])
            .expect("a group");
        self.vault
            .person_link_offer(owner, self.people[3])
            .expect("an offer");
        for capsule in [&own, &about] {
            self.sessions(capsule);
            self.memories(capsule, &friend);
        }
        self.external_deletion(&own);
        self.share_links(&own);
        self.texts.extend([own.clone(), about, other]);
        let page = self
            .vault
            .memories_list(owner, &own, None, Some(1))
            .expect("a page");
        self.texts.extend(page.next_cursor);
        let page = self
            .vault
            .memories_trashed(owner, &own, None, Some(1))
            .expect("a page of the trash");
        self.texts.extend(page.next_cursor);
    }

    fn sessions(&mut self, capsule: &str) {
        let owner = self.owner;
        let begin = |vault: &mut Vault<VectorMemory>, chunks, idem| {
            vault
                .uploads_begin(owner, capsule, chunks, idem)
                .expect("a session")
        };
        let open = begin(&mut self.vault, 2, "open");
        self.vault
            .uploads_put_chunk(owner, open, 1, b"two")
            .expect("a chunk");
        let finished = begin(&mut self.vault, 1, "finished");
        self.vault
            .uploads_put_chunk(owner, finished, 0, b"small")
            .expect("a chunk");
        match self
            .vault
            .uploads_finish(owner, finished, &sha256(b"small"), 5)
            .expect("a blob")
        {
            FinishStep::Done(blob) => self.texts.push(blob.blob_id),
            FinishStep::HashMore => unreachable!("five bytes are hashed at once"),
        }
        let aborted = begin(&mut self.vault, 1, "aborted");
        self.vault.uploads_abort(owner, aborted).expect("an end");
        let content = b"announced content";
        let announced = UploadAnnouncement {
            sha256: sha256(content).into(),
            total_len: content.len() as u64,
            chunk_size: 10,
        };
        let announced = self
            .vault
            .uploads_begin_announced(owner, capsule, &announced, "announced")
            .expect("a session");
        let UploadBegin::Open { session, .. } = announced else {
            unreachable!("no such content is there")
        };
        let lone = b"nothing refers to me";
        let lone = self
            .vault
            .uploads_put_blob(owner, capsule, lone, &sha256(lone), "lone")
            .expect("a blob");
        self.texts.push(lone.blob_id);
        self.numbers.extend([open, finished, aborted, session]);
    }

    fn memories(&mut self, capsule: &str, friend: &PersonRef) {
        let blob = self.texts[self.texts.len() - 2].clone();
        let new = [
            NewMemory {
                inline: Some(ByteBuf::from(b"onetwo")),
                ..nothing(capsule, "inline")
            },
            NewMemory {
                blob: Some(BlobRef {
                    locator: blob,
                    hash: None,
                    len: 5,
                }),
                ..nothing(capsule, "blob")
            },
            NewMemory {
                location: Some(BlobHosting::S3),
                storage_key: Some("photos/1.jpg".into()),
                url: Some("https://example.com/1.jpg".into()),
                size: Some(9),
                ..nothing(capsule, "external")
            },
            NewMemory {
                inline: Some(ByteBuf::from(b"trashed")),
                ..nothing(capsule, "trashed")
            },
            NewMemory {
                inline: Some(ByteBuf::from(b"trashed too")),
                ..nothing(capsule, "trashed too")
            },
        ];
        for (place, new) in new.into_iter().enumerate() {
            let memory = self
                .vault
                .memories_create(self.owner, new)
                .expect("a memory");
            self.memory(&memory, friend, place);
            self.texts.push(memory);
        }
    }

    fn memory(&mut self, memory: &str, friend: &PersonRef, place: usize) {
        let owner = self.owner;
        let thumbnail = InlineAssetInput {
            bytes: ByteBuf::from(b"GIF89a"),
            metadata: image(AssetType::Thumbnail),
        };
        let asset = self
            .vault
            .memories_add_inline_asset(owner, memory, thumbnail, "thumbnail")
            .expect("an asset");
        self.texts.push(asset);
        for (person, is_public, source, condition) in [
            (
                Some(friend),
                false,
                GrantSource::User,
                AccessCondition::Immediate,
            ),
            (
                None,
                true,
                GrantSource::MagicLink,
                AccessCondition::ExpiresAt { expires: NOW + DAY },
            ),
            (
                None,
                false,
                GrantSource::Group,
                AccessCondition::EventTriggered {
                    event: AccessEvent::Graduation,
                },
            ),
        ] {
            let entry = AccessEntry {
                id: format!("entry {source:?}"),
                person_ref: person.cloned(),
                is_public,
                grant_source: source,
                source_id: Some("family".into()),
                role: ResourceRole::Member,
                perm_mask: if is_public { 3 } else { 7 },
                invited_by_person_ref: None,
                created_at: 0,
                updated_at: 0,
                condition,
            };
            let entry = self
                .vault
                .access_grant(owner, memory, entry)
                .expect("an entry");
            self.texts.push(entry.id);
        }
        let read = self.vault.memories_read(owner, memory).expect("the memory");
        let internal = read
            .blob_internal_assets
            .into_iter()
            .map(|asset| asset.asset_id);
        let external = read
            .blob_external_assets
            .into_iter()
            .map(|asset| asset.asset_id);
        self.texts.extend(internal.chain(external));
        let token = self
            .vault
            .mint_http_token(
                owner,
                memory,
                &["original".into(), "thumbnail".into()],
                None,
                0,
            )
            .expect("a token");
        let paths = ["original", "thumbnail"]
            .map(|variant| format!("/asset/{memory}/{variant}?token={token}"));
        self.texts.extend(paths);
        self.texts.push(token);
        if place >= 3 {
            self.vault.memories_trash(owner, memory).expect("the trash");
        }
    }

    /// A link to the capsule and one to a memory, with downloads; and a memory that nothing keeps from being shown.
    fn share_links(&mut self, capsule: &str) {
        let shown = NewMemory {
            inline: Some(ByteBuf::from(b"shown")),
            ..nothing(capsule, "shown")
        };
        let memory = self
            .vault
            .memories_create(self.owner, shown)
            .expect("a memory");
        let selected = ShareSelection::Memories(vec![memory.clone()]);
        for (secret, selection) in SECRETS.into_iter().zip([ShareSelection::Capsule, selected]) {
            let link = ShareLinkInput {
                capsule_id: capsule.into(),
                secret_sha256: sha256(secret).into(),
                selection,
                expires_at: None,
                allow_download: true,
                title: Some("mine".into()),
            };
            let link = self.vault.share_links_create(self.owner, link);
            self.texts.push(link.expect("a link").id);
            let page = self
                .vault
                .share_links_memories(NOW, secret, None, Some(1))
                .expect("a page");
            self.texts.extend(page.next_cursor);
            let shown = self
                .vault
                .share_links_memory(NOW, secret, &memory)
                .expect("a memory");
            let original = shown.header.assets.original.expect("downloads are allowed");
            self.texts.push(original.asset_id);
            let path = format!("/asset/{memory}/original?token={}", original.token);
            self.texts.extend([path, original.token]);
        }
        self.texts.push(memory);
    }

    fn external_deletion(&mut self, capsule: &str) {
        let new = NewMemory {
            location: Some(BlobHosting::Ipfs),
            storage_key: Some("gone".into()),
            ..nothing(capsule, "gone")
        };
        let memory = self
            .vault
            .memories_create(self.owner, new)
            .expect("a memory");
        self.vault
            .memories_delete(self.owner, &memory, true)
            .expect("its deletion");
        let deletions = self
            .vault
            .external_deletions_list(self.owner, capsule)
            .expect("a list");
        self.texts
            .extend(deletions.into_iter().map(|deletion| deletion.id));
    }
}

fn nothing(capsule: &str, idem: &str) -> NewMemory {
    NewMemory {
        capsule: capsule.into(),
        inline: None,
        blob: None,
        location: None,
        storage_key: None,
        url: None,
        size: None,
        sha256: None,
        metadata: image(AssetType::Original),
        idem: idem.into(),
    }
}

/// Metadata of a picture.
pub fn image(asset_type: AssetType) -> AssetMetadata {
    AssetMetadata::Image(
        AssetMetadataBase {
            tags: vec!["holiday".into()],
            width: Some(1),
            height: Some(1),
            ..AssetMetadataBase::new("picture", asset_type, "image/gif")
        }
        .into(),
    )
}
