//! What an image holds: every kind of record, index and free space, made by the calls that clients make.

use std::collections::BTreeMap;

use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::*;
use keepsake_vault::{Call, FinishStep, NewMemory, Vault};
use sha2::{Digest, Sha256};

use crate::arguments::*;
use crate::image::Names;

const SECOND: u64 = 1_000_000_000;
pub const DAY: u64 = 24 * 3_600 * SECOND;

/// When an image is written, and asked.
pub const NOW: u64 = 1_760_000_000 * SECOND;

pub struct Scene {
    pub memory: VectorMemory,
    pub names: Names,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Who {
    Owner = 1,
    SecondOwner,
    Controller,
    Subject,
    Grantee,
    Member,
    Stranger,
    /// Linked to the owner.
    Linked,
    /// Has an offer to be linked to the grantee.
    Invited,
}

impl Who {
    pub fn principal(self) -> Principal {
        Principal::self_authenticating([self as u8; 32])
    }

    pub fn person(self) -> PersonRef {
        PersonRef::Principal(self.principal())
    }
}

pub fn by(who: Who, now: u64) -> Call {
    Call {
        caller: who.principal(),
        now,
    }
}

pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// Bytes that look like content.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// The chunks of the uploads in the scene.
pub fn chunks() -> [Vec<u8>; 3] {
    [noise(1, 5_000), noise(2, 6_000), noise(3, 777)]
}

struct Writer {
    memory: VectorMemory,
    vault: Vault<VectorMemory>,
    names: Names,
    now: u64,
}

pub fn written() -> Scene {
    let memory = VectorMemory::default();
    let vault = Vault::open(memory.clone()).expect("an empty memory");
    let mut writer = Writer {
        memory,
        vault,
        names: BTreeMap::new(),
        now: NOW - 40 * DAY,
    };
    writer.settings();
    let capsule = writer.capsules();
    writer.people();
    writer.now = NOW - 2 * DAY;
    writer.memories(&capsule);
    writer.sharing(&capsule);
    writer.now = NOW - 3_600 * SECOND;
    writer.uploads(&capsule);
    writer.now = NOW - 100 * SECOND;
    writer.vault.sweep(writer.now);
    writer.gone(&capsule);
    writer.tokens();
    let links = crate::links::made(&mut writer.vault, writer.now, &writer.names);
    for (what, id) in links {
        writer.name(what, id);
    }
    Scene {
        memory: writer.memory,
        names: writer.names,
    }
}

impl Writer {
    fn by(&self, who: Who) -> Call {
        by(who, self.now)
    }

    fn name(&mut self, what: &str, name: impl ToString) -> String {
        self.names.insert(what.to_owned(), name.to_string());
        name.to_string()
    }

    fn settings(&mut self) {
        self.vault.set_seed([7; 32]);
        self.vault.configure(&InitArgs {
            inline_budget_per_capsule: Some(100_000),
            bytes_per_capsule: Some(1 << 30),
            memories_per_capsule: Some(1_000),
            open_sessions: Some(20),
            cycles_reserve_days: Some(10),
        });
        let operator = self.by(Who::Owner);
        let rotated = self.vault.http_token_key_rotate(operator, true, 0);
        rotated.expect("another key");
    }

    fn capsules(&mut self) -> String {
        let owner = self.by(Who::Owner);
        let vault = &mut self.vault;
        let own = vault.capsules_create(owner, None).expect("a capsule").id;
        let subject = Some(Who::Subject.person());
        let about = vault.capsules_create(owner, subject).expect("a capsule").id;
        let grandmother = Some(PersonRef::Opaque("grandmother".into()));
        let other = vault
            .capsules_create(owner, grandmother)
            .expect("a capsule")
            .id;
        let added = vault.capsule_owner_add(owner, &about, Who::SecondOwner.person());
        added.expect("an owner");
        let left = Who::Stranger.person();
        let added = vault.capsule_controller_add(owner, &about, Who::Controller.person());
        added.expect("a controller");
        let added = vault.capsule_controller_add(owner, &about, left.clone());
        added.expect("a controller");
        let by_itself = by(Who::Stranger, self.now);
        let removed = vault.capsule_controller_remove(by_itself, &about, left);
        removed.expect("a controller leaves");
        for event in [
            AccessEvent::Graduation,
            AccessEvent::Custom("a move".into()),
        ] {
            let recorded = vault.capsule_event_record(owner, &about, &event);
            recorded.expect("an event");
        }
        let members = vec![Who::Member.person(), PersonRef::Opaque("aunt".into())];
        let description = Some("all of us".into());
        let put =
            vault.connection_group_put(owner, &about, "family", "Family", description, members);
        put.expect("a group");
        let update = CapsuleUpdateData {
            bound_to_neon: Some(true),
        };
        vault
            .capsules_update(owner, &about, update)
            .expect("an update");
        self.name("own", own);
        self.name("about grandmother", other);
        self.name("capsule", about)
    }

    fn people(&mut self) {
        let (owner, linked) = (self.by(Who::Owner), self.by(Who::Linked));
        let vault = &mut self.vault;
        let offered = vault.person_link_offer(owner, Who::Linked.principal());
        offered.expect("an offer");
        let accepted = vault.person_link_accept(linked, Who::Owner.principal());
        accepted.expect("a link");
        let lately = by(Who::Grantee, NOW - 3_600 * SECOND);
        let offered = vault.person_link_offer(lately, Who::Invited.principal());
        offered.expect("an offer");
    }

    fn blob(&mut self, capsule: &str, what: &str, bytes: &[u8], idem: &str) -> String {
        let owner = self.by(Who::Owner);
        let put = self
            .vault
            .uploads_put_blob(owner, capsule, bytes, &sha256(bytes), idem);
        self.name(what, put.expect("a blob").blob_id)
    }

    fn create(&mut self, what: &str, new: NewMemory) -> String {
        let owner = self.by(Who::Owner);
        let id = self.vault.memories_create(owner, new).expect("a memory");
        self.name(what, id)
    }

    fn memories(&mut self, capsule: &str) {
        let owner = self.by(Who::Owner);
        self.create("inline", inline_memory(capsule));
        self.create("external", external_memory(capsule, "photos/1.jpg"));
        for (n, metadata) in kinds().into_iter().enumerate() {
            let new = NewMemory {
                inline: Some(vec![n as u8; 100].into()),
                metadata,
                ..new_memory(capsule, "kind")
            };
            self.create(&format!("kind {n}"), new);
        }
        let original = self.blob(capsule, "original", &noise(10, 9_000), "blob");
        let thumbnail = self.blob(capsule, "thumbnail", &noise(11, 900), "blob");
        let blob_inputs = vec![
            InternalBlobAssetInput {
                blob_id: original.clone(),
                metadata: image(AssetType::Original),
            },
            InternalBlobAssetInput {
                blob_id: thumbnail,
                metadata: image(AssetType::Thumbnail),
            },
        ];
        let placeholder = InlineAssetInput {
            bytes: b"placeholder".to_vec().into(),
            metadata: image(AssetType::Placeholder),
        };
        let several = self.vault.memories_create_with_assets(
            owner,
            capsule,
            memory_metadata(Some(NOW - 200 * DAY)),
            blob_inputs,
            vec![placeholder],
            "several",
        );
        self.name("several", several.expect("a memory"));
        // The same content under a further id, whose first id goes.
        let again = self.blob(capsule, "original again", &noise(10, 9_000), "again");
        let of_again = NewMemory {
            blob: Some(BlobRef {
                locator: again,
                hash: Some(sha256(&noise(10, 9_000)).into()),
                len: 9_000,
            }),
            ..new_memory(capsule, "again")
        };
        self.create("of the same content", of_again);
        let held = self.blob(
            capsule,
            "holder that was deleted",
            &noise(12, 4_000),
            "blob",
        );
        let shared = self.blob(
            capsule,
            "content of a deleted holder",
            &noise(12, 4_000),
            "again",
        );
        let of_shared = NewMemory {
            blob: Some(BlobRef {
                locator: shared,
                hash: None,
                len: 0,
            }),
            ..new_memory(capsule, "shared")
        };
        self.create("of a deleted holder", of_shared);
        self.vault.blob_delete(owner, &held).expect("a deletion");
    }

    fn sharing(&mut self, _capsule: &str) {
        let owner = self.by(Who::Owner);
        let day = |entry: AccessEntry, condition| AccessEntry { condition, ..entry };
        let grantee = || Some(Who::Grantee.person());
        let event = AccessCondition::EventTriggered {
            event: AccessEvent::Graduation,
        };
        let group = AccessEntry {
            grant_source: GrantSource::Group,
            source_id: Some("family".into()),
            is_public: false,
            ..entry("group", None, 1)
        };
        let several = vec![
            day(entry("event", grantee(), 3), event),
            day(
                entry("scheduled", grantee(), 31),
                AccessCondition::Scheduled {
                    accessible_after: NOW + DAY,
                },
            ),
            day(
                entry("expired", grantee(), 31),
                AccessCondition::ExpiresAt { expires: NOW - DAY },
            ),
            group,
        ];
        for (what, entries) in [
            ("several", several),
            ("inline", vec![entry("public", None, 3)]),
            ("external", vec![entry("grantee", grantee(), 0)]),
        ] {
            let update = MemoryUpdateData {
                access_entries: Some(entries),
                ..MemoryUpdateData::default()
            };
            let id = self.names[what].clone();
            let updated = self.vault.memories_update(owner, &id, update);
            updated.expect("entries");
        }
    }

    fn begin(&mut self, capsule: &str, what: &str, chunks: u32) -> u64 {
        let owner = self.by(Who::Owner);
        let session = self.vault.uploads_begin(owner, capsule, chunks, what);
        let session = session.expect("a session");
        self.name(what, session);
        session
    }

    fn put(&mut self, session: u64, index: u32, bytes: &[u8]) {
        let owner = self.by(Who::Owner);
        let put = self.vault.uploads_put_chunk(owner, session, index, bytes);
        put.expect("a chunk");
    }

    fn uploads(&mut self, capsule: &str) {
        let owner = self.by(Who::Owner);
        let chunks = chunks();
        // The first chunk is hashed, the last one waits for the second.
        let open = self.begin(capsule, "open", 3);
        self.put(open, 0, &chunks[0]);
        self.put(open, 2, &chunks[2]);
        // Chunks of several lengths, in several places: tables of both.
        let finished = self.begin(capsule, "finished", 3);
        self.put(finished, 1, &chunks[1]);
        self.blob(capsule, "between", &noise(13, 2_000), "blob");
        self.put(finished, 0, &chunks[0]);
        self.put(finished, 2, &chunks[2]);
        let whole = chunks.concat();
        let done = self
            .vault
            .uploads_finish(owner, finished, &sha256(&whole), whole.len() as u64);
        let Ok(FinishStep::Done(done)) = done else {
            panic!("{done:?}");
        };
        self.name("uploaded", done.blob_id);
        let aborted = self.begin(capsule, "aborted", 2);
        self.put(aborted, 1, &chunks[1]);
        self.vault.uploads_abort(owner, aborted).expect("an abort");
        let content = noise(14, 3_000);
        let announced = UploadAnnouncement {
            sha256: sha256(&content).into(),
            total_len: 3_000,
            chunk_size: 1_000,
        };
        let begun = self
            .vault
            .uploads_begin_announced(owner, capsule, &announced, "announced");
        let Ok(UploadBegin::Open { session, .. }) = begun else {
            panic!("{begun:?}");
        };
        self.name("announced", session);
        self.put(session, 0, &content[..1_000]);
        self.blob(capsule, "unreferenced", &noise(15, 100), "blob");
    }

    /// What was put in the trash, deleted, or is being deleted.
    fn gone(&mut self, capsule: &str) {
        let owner = self.by(Who::Owner);
        let other = self.names["about grandmother"].clone();
        let trashed = self.create("trashed", external_memory(capsule, "photos/2.jpg"));
        self.vault.memories_trash(owner, &trashed).expect("trash");
        let deleted = self.create("deleted", external_memory(capsule, "photos/3.jpg"));
        let deletion = self.vault.memories_delete(owner, &deleted, true);
        deletion.expect("a deletion");
        let blob = self.blob(capsule, "deleted blob", &noise(16, 3_000), "blob");
        // Something behind it keeps the place from becoming the arena's end again: it is free space then.
        self.blob(capsule, "behind", &noise(17, 100), "blob");
        self.vault.blob_delete(owner, &blob).expect("a deletion");
        // A capsule of more than a step, which is deleted: some of it is still there.
        for n in 0..2u8 {
            let inline = |k: u8| InlineAssetInput {
                bytes: vec![n, k].into(),
                metadata: image(AssetType::Placeholder),
            };
            let assets = (0..60).map(inline).collect();
            let created = self.vault.memories_create_with_assets(
                owner,
                &other,
                memory_metadata(None),
                vec![],
                assets,
                "large",
            );
            self.name(&format!("emptying {n}"), created.expect("a memory"));
        }
        let deletion = self.vault.capsules_delete(owner, &other);
        deletion.expect("a deletion");
    }

    fn tokens(&mut self) {
        for (what, memory, variant) in [
            ("token of inline", "inline", "original"),
            ("token of several", "several", "thumbnail"),
        ] {
            let memory = self.names[memory].clone();
            let grantee = by(Who::Grantee, self.now);
            let token =
                self.vault
                    .mint_http_token(grantee, &memory, &[variant.to_owned()], None, 0);
            self.name(what, token.expect("a token"));
        }
    }
}
