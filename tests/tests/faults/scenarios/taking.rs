//! Calls that take something away, or bring it back.

use keepsake_client::api::{Error, PersonRef};

use crate::world::{Builder, FRIEND, OWNER, person};

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

pub(super) fn single_assets(b: &mut Builder, capsule: &str) {
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

pub(super) fn trash(b: &mut Builder, capsule: &str) {
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

pub(super) fn deleting(b: &mut Builder, capsule: &str) {
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

pub(super) fn deleting_a_capsule(b: &mut Builder) {
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
