//! Calls that bring something in, or say something of what is there.

use keepsake_client::api::{
    BlobRef, ByteBuf, InlineAssetInput, InternalBlobAssetInput, MemoryMetadata, MemoryUpdateData,
    PersonRef, UploadAnnouncement,
};
use keepsake_tests::content::{memory, sha256};
use keepsake_vault::NewMemory;

use super::{arguments, entry, new_memory};
use crate::world::{
    Builder, FRIEND, OWNER, external, finish, inline, internal, nothing, person, principal,
};

pub(super) fn creating(b: &mut Builder, capsule: &str) {
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

pub(super) fn adding(b: &mut Builder, capsule: &str) {
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

pub(super) fn sharing(b: &mut Builder, capsule: &str) {
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

pub(super) fn uploading(b: &mut Builder, capsule: &str) {
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
