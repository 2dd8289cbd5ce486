//! A call of every update method that has something to do, each with what it needs: made right before the call that needs it, so that
//! they can be called one after the other, or each alone.

use keepsake_client::api::{
    AccessCondition, AccessEntry, AccessEvent, AssetMetadata, BlobHosting, BlobRef, ByteBuf,
    CapsuleUpdateData, Error, GrantSource, InlineAssetInput, InternalBlobAssetInput,
    MemoryMetadata, MemoryUpdateData, PersonRef, ResourceRole, UploadAnnouncement,
};
use keepsake_tests::content::{memory, sha256};
use keepsake_vault::{NewMemory, limits};

use crate::world::{
    Builder, FRIEND, LATE, NEWCOMER, OPERATOR, OWNER, World, external, finish, inline, internal,
    nothing, person, principal,
};

/// Nanoseconds after the world is made when the one session expires that is to expire, where that is waited for: longer than the canisters
/// take to start, whose first sweep would clear it away.
const EXPIRES_AFTER: u64 = 30_000_000_000;

/// The arguments of `memories_create`, in their order.
type Create = (
    String,
    Option<ByteBuf>,
    Option<BlobRef>,
    Option<BlobHosting>,
    Option<String>,
    Option<String>,
    Option<u64>,
    Option<ByteBuf>,
    AssetMetadata,
    String,
);

pub fn arguments(new: NewMemory) -> Create {
    (
        new.capsule,
        new.inline,
        new.blob,
        new.location,
        new.storage_key,
        new.url,
        new.size,
        new.sha256,
        new.metadata,
        new.idem,
    )
}

fn new_memory(arguments: Create) -> NewMemory {
    let (capsule, inline, blob, location, storage_key, url, size, sha256, metadata, idem) =
        arguments;
    NewMemory {
        capsule,
        inline,
        blob,
        location,
        storage_key,
        url,
        size,
        sha256,
        metadata,
        idem,
    }
}

pub fn entry(id: &str, to: Option<PersonRef>) -> AccessEntry {
    AccessEntry {
        id: id.to_owned(),
        is_public: to.is_none(),
        person_ref: to,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask: 0,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}

/// A vault in which every call has something to do, with these calls; and the time from which the call has that clears expired sessions
/// away, so many nanoseconds from now.
pub fn furnished(expires_after: u64) -> (Builder, u64) {
    let mut b = Builder::new();
    // What an upload that began a lifetime ago has left, almost.
    let made = b.now;
    b.now = made + expires_after - limits::SESSION_LIFETIME;
    let left = b.capsule(LATE, None);
    b.session_of(LATE, &left, 2, &[(1, b"expires")]);
    b.now = made;
    let capsule = b.capsule(OWNER, None);

    people_and_capsules(&mut b, &capsule);
    owners_and_controllers(&mut b, &capsule);
    people(&mut b);
    b.scenario(
        OPERATOR,
        "http_token_key_rotate",
        "the first key",
        (0u32,),
        |vault, call, (number,)| vault.http_token_key_rotate(call, true, number),
    );
    creating(&mut b, &capsule);
    adding(&mut b, &capsule);
    sharing(&mut b, &capsule);
    uploading(&mut b, &capsule);
    single_assets(&mut b, &capsule);
    trash(&mut b, &capsule);
    deleting(&mut b, &capsule);
    probes(&mut b, &capsule);
    // What has to wait comes late, and what leaves work to be done by itself comes last.
    b.scenario(
        LATE,
        "sessions_cleanup_expired",
        "one has expired",
        (),
        |vault, call, ()| vault.uploads_cleanup_expired(call),
    );
    deleting_a_capsule(&mut b);
    (b, made + expires_after + 1)
}

/// The world in which every call has something to do.
pub fn world() -> World {
    let (b, expired_at) = furnished(EXPIRES_AFTER);
    b.world(expired_at)
}

/// The same without room for anything in its stable memory. Nothing expires in it.
pub fn full_world() -> World {
    let (mut b, _) = furnished(limits::SESSION_LIFETIME);
    b.fill();
    b.world(0)
}

/// The calls of [`furnished`], for a vault in which nothing of what they name is there.
pub fn nothing_there() -> World {
    let scenarios = furnished(0).0.scenarios;
    let mut b = Builder::new();
    b.probe(OWNER, "capsules_list", ());
    b.probe(OWNER, "uploads_list", ());
    b.scenarios = scenarios;
    b.world(0)
}

fn people_and_capsules(b: &mut Builder, capsule: &str) {
    let subject = |b: &mut Builder, who, what, subject: Option<PersonRef>| {
        b.scenario(
            who,
            "capsules_create",
            what,
            (subject,),
            |vault, call, (subject,)| vault.capsules_create(call, subject),
        );
    };
    subject(b, NEWCOMER, "the own one", None);
    subject(b, OWNER, "the own one, again", None);
    let grandmother = PersonRef::Opaque("grandmother".into());
    subject(b, OWNER, "about somebody", Some(grandmother));

    let update = CapsuleUpdateData {
        bound_to_neon: Some(true),
    };
    b.scenario(
        OWNER,
        "capsules_update",
        "a setting",
        (capsule.to_owned(), update),
        |vault, call, (capsule, update)| vault.capsules_update(call, &capsule, update),
    );
    b.scenario(
        OWNER,
        "capsule_event_record",
        "a new one",
        (capsule.to_owned(), AccessEvent::Graduation),
        |vault, call, (capsule, event)| vault.capsule_event_record(call, &capsule, &event),
    );
    let put = |b: &mut Builder, what, id: &str, members: Vec<PersonRef>| {
        let args = (
            capsule.to_owned(),
            id.to_owned(),
            "Name".to_owned(),
            Some("described".to_owned()),
            members,
        );
        b.scenario(
            OWNER,
            "connection_group_put",
            what,
            args,
            |vault, call, (capsule, id, name, description, members)| {
                vault.connection_group_put(call, &capsule, &id, &name, description, members)
            },
        );
    };
    for id in ["old", "left"] {
        let by = b.by(OWNER);
        let members = vec![person(FRIEND)];
        let made = b
            .vault
            .connection_group_put(by, capsule, id, "Name", None, members);
        made.expect("a group");
    }
    let members: Vec<PersonRef> = (0..20)
        .map(|n| PersonRef::Opaque(format!("member {n}")))
        .collect();
    put(b, "a new one", "new", members.clone());
    put(b, "other members", "old", members);
    b.scenario(
        OWNER,
        "connection_group_remove",
        "one that is there",
        (capsule.to_owned(), "left".to_owned()),
        |vault, call, (capsule, id)| vault.connection_group_remove(call, &capsule, &id),
    );
}

fn owners_and_controllers(b: &mut Builder, capsule: &str) {
    let by = b.by(OWNER);
    let gone = |name: &str| PersonRef::Opaque(name.to_owned());
    let added = b
        .vault
        .capsule_owner_add(by, capsule, gone("former owner"))
        .and_then(|()| {
            b.vault
                .capsule_controller_add(by, capsule, gone("former controller"))
        });
    added.expect("the owner may");
    let change = |b: &mut Builder, method, who: PersonRef| {
        b.scenario(
            OWNER,
            method,
            "somebody",
            (capsule.to_owned(), who),
            move |vault, call, (capsule, who)| match method {
                "capsule_owner_add" => vault.capsule_owner_add(call, &capsule, who),
                "capsule_owner_remove" => vault.capsule_owner_remove(call, &capsule, who),
                "capsule_controller_add" => vault.capsule_controller_add(call, &capsule, who),
                _ => vault.capsule_controller_remove(call, &capsule, who),
            },
        );
    };
    change(b, "capsule_owner_add", person("another owner"));
    change(b, "capsule_owner_remove", gone("former owner"));
    change(b, "capsule_controller_add", person("another controller"));
    change(b, "capsule_controller_remove", gone("former controller"));
}

/// Several principals that are one person. None of them is named elsewhere.
fn people(b: &mut Builder) {
    const PHONE: &str = "phone";
    const LAPTOP: &str = "laptop";
    let (phone, laptop, lost) = (principal(PHONE), principal(LAPTOP), principal("lost phone"));
    for who in [PHONE, LAPTOP] {
        b.capsule(who, None);
        b.probe(who, "person_read", ());
        b.probe(who, "capsules_list", ());
    }
    let (by, by_lost) = (b.by(LAPTOP), b.by("lost phone"));
    let linked = b
        .vault
        .person_link_offer(by, lost)
        .and_then(|()| b.vault.person_link_accept(by_lost, laptop));
    linked.expect("both consent");
    let change = |b: &mut Builder, who, method, whom| {
        b.scenario(
            who,
            method,
            "another principal",
            (whom,),
            move |vault, call, (whom,)| match method {
                "person_link_offer" => vault.person_link_offer(call, whom),
                "person_link_accept" => vault.person_link_accept(call, whom),
                _ => vault.person_unlink(call, whom),
            },
        );
    };
    // Each call finds what it needs also where it is the only one.
    let offered = b.vault.person_link_offer(by, phone);
    offered.expect("anybody may offer");
    change(b, LAPTOP, "person_link_offer", principal("tablet"));
    change(b, PHONE, "person_link_accept", laptop);
    change(b, LAPTOP, "person_unlink", lost);
}

fn trash(b: &mut Builder, capsule: &str) {
    let one = |b: &mut Builder, method, memory: String| {
        b.scenario(
            OWNER,
            method,
            "seven assets",
            (memory,),
            move |vault, call, (memory,)| match method {
                "memories_trash" => vault.memories_trash(call, &memory),
                _ => vault.memories_restore(call, &memory),
            },
        );
    };
    let by = b.by(OWNER);
    let (trashed, _) = rich(b, capsule, "trashed");
    one(b, "memories_trash", trashed);
    let (restored, _) = rich(b, capsule, "restored");
    b.vault.memories_trash(by, &restored).expect("trash");
    one(b, "memories_restore", restored);

    let emptied = b.capsule(OWNER, Some(PersonRef::Opaque("with a trash".into())));
    b.probe(
        OWNER,
        "memories_trashed",
        (&emptied, None::<String>, Some(100u32)),
    );
    b.probe(OWNER, "capsule_status", (&emptied,));
    let (one, _) = rich(b, &emptied, "in the trash");
    let two = b.note(&emptied, 300);
    for memory in [one, two] {
        b.vault.memories_trash(by, &memory).expect("trash");
    }
    b.bulk_scenario(
        "memories_trash_empty",
        "two memories, in one message",
        (emptied,),
        |vault, call, (capsule,)| vault.memories_trash_empty_step(call, &capsule, call.now),
        |(_, more)| more.then_some(Error::ResourceExhausted),
    );
}

fn creating(b: &mut Builder, capsule: &str) {
    let create = |b: &mut Builder, what, new: NewMemory| {
        b.scenario(
            OWNER,
            "memories_create",
            what,
            arguments(new),
            |vault, call, args| vault.memories_create(call, new_memory(args)),
        );
    };
    let bytes = b.content(9_000);
    create(
        b,
        "inline",
        NewMemory {
            inline: Some(bytes.into()),
            ..nothing(capsule, "inline")
        },
    );
    let blob = b.fresh_blob(capsule, 4_000);
    let reference = BlobRef {
        locator: blob,
        hash: None,
        len: 0,
    };
    create(
        b,
        "a blob",
        NewMemory {
            blob: Some(reference),
            ..nothing(capsule, "blob")
        },
    );
    create(b, "external", external(capsule, "bucket/new", "external"));

    let blobs = vec![
        internal(&b.fresh_blob(capsule, 3_000)),
        internal(&b.fresh_blob(capsule, 300)),
    ];
    b.scenario(
        OWNER,
        "memories_create_with_internal_blobs",
        "two blobs",
        (
            capsule.to_owned(),
            memory("two blobs"),
            blobs,
            "two".to_owned(),
        ),
        |vault, call, (capsule, metadata, blobs, idem)| {
            vault.memories_create_with_assets(call, &capsule, metadata, blobs, vec![], &idem)
        },
    );
    let blobs = vec![internal(&b.fresh_blob(capsule, 3_000))];
    let small = vec![inline(&b.content(700)), inline(&b.content(6_000))];
    type WithAssets = (
        String,
        MemoryMetadata,
        Vec<InternalBlobAssetInput>,
        Vec<InlineAssetInput>,
        String,
    );
    let args: WithAssets = (
        capsule.to_owned(),
        memory("both"),
        blobs,
        small,
        "both".to_owned(),
    );
    b.scenario(
        OWNER,
        "memories_create_with_internal_blobs_and_inline_assets",
        "a blob and two inline",
        args,
        |vault, call, (capsule, metadata, blobs, inline, idem)| {
            vault.memories_create_with_assets(call, &capsule, metadata, blobs, inline, &idem)
        },
    );
}

fn adding(b: &mut Builder, capsule: &str) {
    let grows = b.note(capsule, 500);
    b.probe(OWNER, "memories_read", (&grows,));
    let blob = internal(&b.fresh_blob(capsule, 3_000));
    b.scenario(
        OWNER,
        "memories_add_asset",
        "a blob",
        (grows.clone(), blob, "blob".to_owned()),
        |vault, call, (memory, asset, idem)| vault.memories_add_asset(call, &memory, asset, &idem),
    );
    let small = inline(&b.content(5_000));
    b.scenario(
        OWNER,
        "memories_add_inline_asset",
        "5 kB",
        (grows.clone(), small, "inline".to_owned()),
        |vault, call, (memory, asset, idem)| {
            vault.memories_add_inline_asset(call, &memory, asset, &idem)
        },
    );
    let blobs = vec![internal(&b.fresh_blob(capsule, 2_000))];
    let small = vec![inline(&b.content(700)), inline(&b.content(8_000))];
    b.scenario(
        OWNER,
        "memories_add_assets",
        "a blob and two inline",
        (grows, blobs, small, "several".to_owned()),
        |vault, call, (memory, blobs, inline, idem)| {
            vault.memories_add_assets(call, &memory, blobs, inline, &idem)
        },
    );
}

fn sharing(b: &mut Builder, capsule: &str) {
    let update = |b: &mut Builder, what, memory: &str, update: MemoryUpdateData| {
        b.scenario(
            OWNER,
            "memories_update",
            what,
            (memory.to_owned(), update),
            |vault, call, (memory, update)| vault.memories_update(call, &memory, update),
        );
    };
    let changed = b.note(capsule, 400);
    b.probe(OWNER, "memories_read", (&changed,));
    let mut metadata = memory("another title");
    // Another place in the listing.
    metadata.date_of_memory = Some(1_000_000_000_000_000_000);
    metadata.tags = vec!["tag".repeat(20); 20];
    let change = MemoryUpdateData {
        metadata: Some(metadata),
        ..MemoryUpdateData::default()
    };
    update(b, "metadata", &changed, change);
    let people = (0..15).map(|n| {
        let id = format!("entry {n}");
        entry(
            &id,
            Some(PersonRef::Principal(principal(&format!("friend {n}")))),
        )
    });
    let change = MemoryUpdateData {
        access_entries: Some(people.collect()),
        ..MemoryUpdateData::default()
    };
    update(b, "entries", &changed, change);

    let shared = b.note(capsule, 400);
    b.probe(OWNER, "memories_read", (&shared,));
    b.probe(FRIEND, "memories_read", (&shared,));
    for id in ["stays", "goes"] {
        let granted = b
            .vault
            .access_grant(b.by(OWNER), &shared, entry(id, Some(person(FRIEND))));
        granted.expect("a grant");
    }
    b.scenario(
        OWNER,
        "access_grant",
        "to the public",
        (shared.clone(), entry("everybody", None)),
        |vault, call, (memory, entry)| vault.access_grant(call, &memory, entry),
    );
    b.scenario(
        OWNER,
        "access_revoke",
        "one that is there",
        (shared, "goes".to_owned()),
        |vault, call, (memory, id)| vault.access_revoke(call, &memory, &id),
    );
}

fn uploading(b: &mut Builder, capsule: &str) {
    b.scenario(
        OWNER,
        "uploads_begin",
        "a new one",
        (capsule.to_owned(), 7u32, "begun".to_owned()),
        |vault, call, (capsule, chunks, idem)| vault.uploads_begin(call, &capsule, chunks, &idem),
    );
    let held = b.content(5_000);
    b.blob(capsule, &held);
    let new = b.content(5_000);
    for (what, content) in [("a new one", new), ("there already", held)] {
        let content = UploadAnnouncement {
            sha256: ByteBuf::from(sha256(&content).to_vec()),
            total_len: content.len() as u64,
            chunk_size: 1_000,
        };
        b.scenario(
            OWNER,
            "uploads_begin_announced",
            what,
            (capsule.to_owned(), content, "announced".to_owned()),
            |vault, call, (capsule, content, idem)| {
                vault.uploads_begin_announced(call, &capsule, &content, &idem)
            },
        );
    }
    let put = |b: &mut Builder, what, session: u64, index: u32, bytes: Vec<u8>| {
        b.scenario(
            OWNER,
            "uploads_put_chunk",
            what,
            (session, index, ByteBuf::from(bytes)),
            |vault, call, (session, index, bytes)| {
                vault.uploads_put_chunk(call, session, index, &bytes)
            },
        );
    };
    let (first, second) = (b.content(20_000), b.content(9_000));
    let receiving = b.session(capsule, 3, &[(1, &second)]);
    b.probe(OWNER, "uploads_status", (receiving,));
    put(b, "ahead of others", receiving, 2, b"the last".to_vec());
    put(b, "the first, hashed with the next", receiving, 0, first);
    let other = b.content(12_000);
    put(b, "other bytes in place of the old", receiving, 1, other);

    let bytes = b.content(30_000);
    let (start, end) = bytes.split_at(20_000);
    let complete = b.session(capsule, 2, &[(1, end), (0, start)]);
    b.probe(OWNER, "uploads_status", (complete,));
    b.scenario(
        OWNER,
        "uploads_finish",
        "all there",
        (
            complete,
            ByteBuf::from(sha256(&bytes).to_vec()),
            bytes.len() as u64,
        ),
        move |vault, call, (session, _, _)| finish(vault, call.now, session, &bytes),
    );
    let whole = b.content(20_000);
    b.scenario(
        OWNER,
        "uploads_put_blob",
        "a small one",
        (
            capsule.to_owned(),
            ByteBuf::from(whole.clone()),
            ByteBuf::from(sha256(&whole).to_vec()),
            "whole".to_owned(),
        ),
        |vault, call, (capsule, bytes, hash, idem)| {
            vault.uploads_put_blob(call, &capsule, &bytes, &hash, &idem)
        },
    );
    let some = b.content(15_000);
    let unwanted = b.session(capsule, 3, &[(0, &some), (2, &some)]);
    b.probe(OWNER, "uploads_status", (unwanted,));
    b.scenario(
        OWNER,
        "uploads_abort",
        "two chunks there",
        (unwanted,),
        |vault, call, (session,)| vault.uploads_abort(call, session),
    );
    let blob = b.fresh_blob(capsule, 6_000);
    b.probe(OWNER, "blob_get_meta", (&blob,));
    b.probe(OWNER, "blob_read", (&blob,));
    b.scenario(
        OWNER,
        "blob_delete",
        "one that nothing references",
        (blob,),
        |vault, call, (blob,)| vault.blob_delete(call, &blob),
    );
}

/// A memory with three inline, three internal and three external assets: its id, and the ids of its assets by kind.
fn rich(b: &mut Builder, capsule: &str, name: &str) -> (String, [Vec<String>; 3]) {
    let memory = b.elsewhere(capsule, &format!("bucket/{name}"));
    let mut blobs = Vec::new();
    for len in [200, 2_000, 20_000] {
        b.add_inline(&memory, len);
        let blob = b.fresh_blob(capsule, len);
        b.add_blob(&memory, &blob);
        blobs.push(blob);
    }
    b.probe(OWNER, "memories_read", (&memory,));
    let read = b.vault.memories_read(b.by(OWNER), &memory).expect("read");
    let inline = read.inline_assets.into_iter().map(|asset| asset.asset_id);
    let internal = read.blob_internal_assets.into_iter();
    let internal = internal.map(|asset| asset.asset_id);
    (memory, [inline.collect(), internal.collect(), blobs])
}

fn single_assets(b: &mut Builder, capsule: &str) {
    let remove = |b: &mut Builder, method, what, memory: &str, reference: &str| {
        let args = (memory.to_owned(), reference.to_owned());
        b.scenario(
            OWNER,
            method,
            what,
            args,
            move |vault, call, (memory, reference)| match method {
                "asset_remove_by_id" => vault.asset_remove_by_id(call, &memory, &reference),
                "asset_remove_internal" => vault.asset_remove_internal(call, &memory, &reference),
                "asset_remove_external" => vault.asset_remove_external(call, &memory, &reference),
                _ => vault.asset_remove(call, &memory, &reference),
            },
        );
    };
    let (memory, [inline, internal, blobs]) = rich(b, capsule, "picked");
    remove(b, "asset_remove", "inline", &memory, &inline[0]);
    remove(b, "asset_remove_by_id", "internal", &memory, &internal[0]);
    remove(b, "asset_remove_internal", "a blob", &memory, &blobs[1]);
    remove(
        b,
        "asset_remove_external",
        "by key",
        &memory,
        "bucket/picked",
    );
    b.scenario(
        OWNER,
        "asset_remove_inline",
        "the first",
        (memory, 0u32),
        |vault, call, (memory, index)| vault.asset_remove_inline(call, &memory, index),
    );
    let (memory, _) = rich(b, capsule, "emptied");
    b.scenario(
        OWNER,
        "memories_cleanup_assets_all",
        "seven assets",
        (memory,),
        |vault, call, (memory,)| vault.memories_cleanup_assets_all(call, &memory),
    );
    let (one, _) = rich(b, capsule, "emptied with another");
    let two = b.note(capsule, 300);
    b.bulk_scenario(
        "memories_cleanup_assets_bulk",
        "two memories",
        (vec![one, two],),
        |vault, call, (memories,)| vault.memories_cleanup_assets_bulk(call, memories),
        |result| result.failed.into_iter().next().map(|failure| failure.err),
    );
    let gone = b.elsewhere(capsule, "bucket/gone");
    let by = b.by(OWNER);
    b.vault.memories_delete(by, &gone, true).expect("delete");
    let list = b.vault.external_deletions_list(by, capsule);
    let ids: Vec<String> = list
        .expect("a list")
        .into_iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(ids.len(), 1);
    b.scenario(
        OWNER,
        "external_deletions_acknowledge",
        "one that is there",
        (capsule.to_owned(), ids),
        |vault, call, (capsule, ids)| vault.external_deletions_acknowledge(call, &capsule, &ids),
    );
}

fn deleting(b: &mut Builder, capsule: &str) {
    for (what, with_content) in [("with content", true), ("without content", false)] {
        let (memory, _) = rich(b, capsule, what);
        b.scenario(
            OWNER,
            "memories_delete",
            what,
            (memory, with_content),
            |vault, call, (memory, with_content)| {
                vault.memories_delete(call, &memory, with_content)
            },
        );
    }
    let (one, _) = rich(b, capsule, "deleted with another");
    let two = b.note(capsule, 300);
    b.bulk_scenario(
        "memories_delete_bulk",
        "two memories",
        (capsule.to_owned(), vec![one, two], true),
        |vault, call, (capsule, memories, with_content)| {
            vault.memories_delete_bulk(call, &capsule, &memories, with_content)
        },
        // Its answer says how many failed, not why; nothing but memory keeps these from being deleted.
        |result| (result.failed_count > 0).then_some(Error::ResourceExhausted),
    );
    let emptied = b.capsule(OWNER, Some(person(FRIEND)));
    b.probe(OWNER, "capsules_read_full", (Some(&emptied),));
    b.note(&emptied, 1_000);
    rich(b, &emptied, "emptied capsule");
    b.bulk_scenario(
        "memories_delete_all",
        "two memories, in one message",
        (emptied, true),
        |vault, call, (capsule, with_content)| {
            vault.memories_delete_all_step(call, &capsule, with_content, call.now)
        },
        |(_, more)| more.then_some(Error::ResourceExhausted),
    );
}

fn deleting_a_capsule(b: &mut Builder) {
    let deleted = b.capsule(OWNER, Some(person(FRIEND)));
    b.probe(FRIEND, "capsules_read_basic", (Some(&deleted),));
    rich(b, &deleted, "deleted capsule");
    let some = b.content(2_000);
    b.session(&deleted, 2, &[(1, &some)]);
    b.scenario(
        OWNER,
        "capsules_delete",
        "a memory and an upload",
        (deleted,),
        |vault, call, (capsule,)| vault.capsules_delete(call, &capsule),
    );
    b.which_is_put_off();
}

/// What shows all that has not been named yet.
fn probes(b: &mut Builder, capsule: &str) {
    for who in [OWNER, FRIEND, NEWCOMER] {
        b.probe(who, "capsules_list", ());
        b.probe(who, "uploads_list", ());
        b.probe(
            who,
            "memories_shared_with_me",
            (None::<String>, Some(100u32)),
        );
    }
    b.probe(OWNER, "upload_config", ());
    b.probe(OWNER, "sessions_stats", ());
    b.probe(OWNER, "capsules_read_full", (None::<String>,));
    b.probe(OWNER, "external_deletions_list", (capsule,));
    b.probe(
        OWNER,
        "memories_list",
        (capsule, None::<String>, Some(100u32)),
    );
}
