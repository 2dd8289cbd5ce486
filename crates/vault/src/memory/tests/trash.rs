use keepsake_api::{InlineAssetInput, InternalBlobAssetInput, MemoryUpdateData};

use super::*;
use crate::limits::SWEPT_PER_MESSAGE;

/// A memory of a blob, shared with FRIEND with these permissions, and its blob.
fn shared(vault: &mut Vault<VectorMemory>, capsule: &str, mask: u32) -> (String, String) {
    let blob = upload(vault, capsule, b"content", 1);
    let memory = vault
        .memories_create(by(OWNER, 1), of_blob(capsule, &blob, "m"))
        .unwrap();
    vault
        .access_grant(by(OWNER, 1), &memory, entry(Some(FRIEND), mask))
        .unwrap();
    (memory, blob)
}

#[test]
fn what_is_in_the_trash_is_gone_from_every_path() {
    let (mut vault, _, capsule) = vault();
    let (memory, blob) = shared(&mut vault, &capsule, 15);
    let token_before = vault
        .mint_http_token(by(FRIEND, 2), &memory, &["original".into()], None, 0)
        .unwrap();
    assert!(!token_before.is_empty());
    assert_eq!(vault.blob_read(by(FRIEND, 2), &blob).unwrap(), b"content");
    vault.memories_trash(by(OWNER, 2), &memory).unwrap();
    vault.recount().unwrap();

    let gone = |result: crate::Result<()>| assert_eq!(result, Err(Error::NotFound));
    for person in [OWNER, SUBJECT, FRIEND, STRANGER] {
        let call = by(person, 3);
        gone(vault.memories_read(call, &memory).map(drop));
        gone(vault.memories_list_assets(call, &memory).map(drop));
        gone(vault.memories_read_asset(call, &memory, 0).map(drop));
        let variants = ["original".into()];
        gone(
            vault
                .mint_http_token(call, &memory, &variants, None, 0)
                .map(drop),
        );
        let ping = vault.memories_ping(call, vec![memory.clone()]).unwrap();
        assert!(!ping[0].metadata_present && !ping[0].asset_present);
        let rename = MemoryUpdateData {
            name: Some("x".into()),
            ..MemoryUpdateData::default()
        };
        gone(vault.memories_update(call, &memory, rename).map(drop));
        let granted = vault.access_grant(call, &memory, entry(Some(STRANGER), 1));
        gone(granted.map(drop));
        gone(vault.access_revoke(call, &memory, "3"));
        let input = InlineAssetInput {
            bytes: ByteBuf::from(vec![1]),
            metadata: asset(AssetType::Thumbnail),
        };
        let added = vault.memories_add_inline_asset(call, &memory, input, "a");
        gone(added.map(drop));
        let input = InternalBlobAssetInput {
            blob_id: blob.clone(),
            metadata: asset(AssetType::Display),
        };
        let added = vault.memories_add_asset(call, &memory, input, "b");
        gone(added.map(drop));
        gone(vault.asset_remove(call, &memory, "0").map(drop));
        gone(vault.memories_cleanup_assets_all(call, &memory).map(drop));
    }
    let shared = vault.memories_shared_with_me(by(FRIEND, 3), None, None);
    assert!(shared.unwrap().items.is_empty());
    gone(vault.blob_read(by(FRIEND, 3), &blob).map(drop));
    assert!(listed(&vault, &capsule).is_empty());
    let full = vault.capsules_read_full(by(OWNER, 3), Some(&capsule));
    assert!(full.unwrap().memories.is_empty());
    assert_eq!(memory_count(&vault, &capsule), 0);
}

#[test]
fn a_restored_memory_is_as_it_was() {
    let (mut vault, _, capsule) = vault();
    let (memory, blob) = shared(&mut vault, &capsule, 3);
    let before = vault.memories_read(by(OWNER, 2), &memory).unwrap();
    for now in [2, 3] {
        vault.memories_trash(by(OWNER, now), &memory).unwrap();
        vault.recount().unwrap();
    }
    // The second call did not put it there anew.
    let page = vault.memories_trashed(by(OWNER, 4), &capsule, None, None);
    let item = page.unwrap().items.pop().unwrap();
    assert_eq!(
        (item.trashed_at, item.reclaimed_at),
        (2, 2 + TRASH_LIFETIME)
    );
    assert_eq!(item.header.id, memory);
    assert_eq!(item.header.assets, keepsake_api::AssetLinks::default());
    for now in [4, 5] {
        vault.memories_restore(by(OWNER, now), &memory).unwrap();
        vault.recount().unwrap();
    }
    assert_eq!(vault.memories_read(by(OWNER, 2), &memory).unwrap(), before);
    assert_eq!(vault.blob_read(by(FRIEND, 6), &blob).unwrap(), b"content");
    let shared = vault.memories_shared_with_me(by(FRIEND, 6), None, None);
    assert_eq!(shared.unwrap().items.len(), 1);
    assert!(in_trash(&vault, &capsule, 6).is_empty());
    assert_eq!(memory_count(&vault, &capsule), 1);
}

#[test]
fn only_who_may_delete_reaches_the_trash() {
    let (mut vault, _, capsule) = vault();
    let (memory, _) = shared(&mut vault, &capsule, 15);
    let trash = |vault: &mut Vault<VectorMemory>, who| vault.memories_trash(by(who, 2), &memory);
    assert_eq!(trash(&mut vault, SUBJECT), Err(Error::Unauthorized));
    assert_eq!(trash(&mut vault, FRIEND), Err(Error::Unauthorized));
    assert_eq!(trash(&mut vault, STRANGER), Err(Error::NotFound));
    trash(&mut vault, OWNER).unwrap();
    // To them it is gone, and they cannot say otherwise.
    for who in [SUBJECT, FRIEND, STRANGER] {
        let call = by(who, 3);
        assert_eq!(vault.memories_trash(call, &memory), Err(Error::NotFound));
        assert_eq!(vault.memories_restore(call, &memory), Err(Error::NotFound));
        let deleted = vault.memories_delete(call, &memory, true);
        assert_eq!(deleted, Err(Error::NotFound));
    }
    let list = |who| vault.memories_trashed(by(who, 3), &capsule, None, None);
    assert_eq!(list(SUBJECT), Err(Error::Unauthorized));
    assert_eq!(list(FRIEND), Err(Error::NotFound));
    let anonymous = Call {
        caller: Principal::anonymous(),
        now: 3,
    };
    let trashed = vault.memories_trashed(anonymous, &capsule, None, None);
    assert_eq!(trashed, Err(Error::Unauthorized));
    let emptied = |vault: &mut Vault<VectorMemory>, who| {
        vault.memories_trash_empty_step(by(who, 3), &capsule, 3)
    };
    assert_eq!(emptied(&mut vault, SUBJECT), Err(Error::Unauthorized));
    assert_eq!(emptied(&mut vault, FRIEND), Err(Error::NotFound));
    assert_eq!(in_trash(&vault, &capsule, 3), [memory]);
}

/// An entry that gives OWN gives the trash as it gives deletion, and retries are answered after it is gone.
#[test]
fn who_owns_by_an_entry_trashes_restores_and_repeats() {
    let (mut vault, _, capsule) = vault();
    let (memory, _) = shared(&mut vault, &capsule, 31);
    let friend = |now| by(FRIEND, now);
    vault.memories_trash(friend(2), &memory).unwrap();
    vault.memories_trash(friend(3), &memory).unwrap();
    vault.memories_restore(friend(4), &memory).unwrap();
    vault.memories_restore(friend(5), &memory).unwrap();
    vault.memories_trash(friend(6), &memory).unwrap();
    let listed = vault.memories_trashed(friend(6), &capsule, None, None);
    assert_eq!(listed, Err(Error::NotFound));
    // Reclaimed, and still the same answer to who put it there, and to nobody else.
    assert!(!vault.sweep(6 + TRASH_LIFETIME));
    vault.recount().unwrap();
    let late = 7 + TRASH_LIFETIME;
    vault.memories_trash(friend(late), &memory).unwrap();
    vault.memories_delete(friend(late), &memory, true).unwrap();
    let restored = vault.memories_restore(friend(late), &memory);
    assert_eq!(restored, Err(Error::NotFound));
    let stranger = vault.memories_trash(by(STRANGER, late), &memory);
    assert_eq!(stranger, Err(Error::NotFound));
}

/// Somebody whose entry has ended meanwhile sends the call again: the same answer, and nothing more.
#[test]
fn who_put_it_there_hears_the_same_when_the_entry_counts_no_longer() {
    let (mut vault, _, capsule) = vault();
    let memory = vault
        .memories_create(by(OWNER, 1), inline(&capsule, "m"))
        .unwrap();
    let mut given = entry(Some(FRIEND), 31);
    given.condition = AccessCondition::ExpiresAt { expires: 10 };
    vault.access_grant(by(OWNER, 1), &memory, given).unwrap();
    vault.memories_trash(by(FRIEND, 9), &memory).unwrap();
    vault.memories_trash(by(FRIEND, 10), &memory).unwrap();
    for refused in [
        vault.memories_restore(by(FRIEND, 10), &memory),
        vault.memories_delete(by(FRIEND, 10), &memory, true),
        vault.memories_trash(by(STRANGER, 10), &memory),
    ] {
        assert_eq!(refused, Err(Error::NotFound));
    }
    assert_eq!(in_trash(&vault, &capsule, 10), [memory]);
}

#[test]
fn after_thirty_days_its_space_comes_back_and_not_a_moment_before() {
    let (mut vault, _, capsule) = vault();
    let (memory, blob) = shared(&mut vault, &capsule, 3);
    let outside = vault
        .memories_create(by(OWNER, 1), external(&capsule, "o"))
        .unwrap();
    let note = vault
        .memories_create(by(OWNER, 1), inline(&capsule, "i"))
        .unwrap();
    for id in [&memory, &outside, &note] {
        vault.memories_trash(by(OWNER, 10), id).unwrap();
    }
    vault.sweep(9 + TRASH_LIFETIME);
    assert_eq!(in_trash(&vault, &capsule, 9 + TRASH_LIFETIME).len(), 3);
    vault.blob_get_meta(by(OWNER, 11), &blob).unwrap();
    let used = |vault: &Vault<VectorMemory>| {
        let capsule = vault.capsules_read_full(by(OWNER, 11), Some(&capsule));
        capsule.unwrap().inline_bytes_used
    };
    assert_eq!(used(&vault), 10);

    // Due, and not swept yet: it can't be had back, and is no longer shown.
    let due = 10 + TRASH_LIFETIME;
    let restored = vault.memories_restore(by(OWNER, due), &memory);
    assert_eq!(restored, Err(Error::NotFound));
    assert!(in_trash(&vault, &capsule, due).is_empty());
    assert!(!vault.sweep(due));
    vault.recount().unwrap();
    let meta = vault.blob_get_meta(by(OWNER, due), &blob);
    assert_eq!(meta, Err(Error::NotFound));
    assert_eq!(used(&vault), 0);
    let external = vault.external_deletions_list(by(OWNER, due), &capsule);
    assert_eq!(external.unwrap().len(), 1);
    // Deleted: deleting and trashing are answered as before, restoring is not possible.
    vault.memories_trash(by(OWNER, due), &memory).unwrap();
    vault
        .memories_delete(by(OWNER, due), &memory, true)
        .unwrap();
    let restored = vault.memories_restore(by(OWNER, due), &memory);
    assert_eq!(restored, Err(Error::NotFound));
    // The same request creates it again.
    let again = vault
        .memories_create(by(OWNER, due), inline(&capsule, "i"))
        .unwrap();
    assert_eq!(again, note);
    vault.recount().unwrap();
}

#[test]
fn what_was_referenced_or_restored_a_moment_ago_is_not_reclaimed() {
    let (mut vault, _, capsule) = vault();
    let (memory, blob) = shared(&mut vault, &capsule, 3);
    let note = vault
        .memories_create(by(OWNER, 1), inline(&capsule, "i"))
        .unwrap();
    vault.memories_trash(by(OWNER, 10), &memory).unwrap();
    vault.memories_trash(by(OWNER, 10), &note).unwrap();
    let due = 10 + TRASH_LIFETIME;
    // Another memory takes up the blob, and the note comes back, right before the step that reclaims.
    let other = vault
        .memories_create(by(OWNER, due - 1), of_blob(&capsule, &blob, "other"))
        .unwrap();
    vault.memories_restore(by(OWNER, due - 1), &note).unwrap();
    assert!(!vault.sweep(due));
    vault.recount().unwrap();
    assert_eq!(vault.blob_read(by(OWNER, due), &blob).unwrap(), b"content");
    vault.memories_read(by(OWNER, due), &note).unwrap();
    // Put there anew, its time begins anew.
    vault.memories_trash(by(OWNER, due), &note).unwrap();
    assert!(!vault.sweep(due + 1));
    vault.memories_restore(by(OWNER, due + 2), &note).unwrap();
    // The last reference, and only that, takes the content along.
    vault
        .memories_delete(by(OWNER, due + 3), &other, true)
        .unwrap();
    let read = vault.blob_read(by(OWNER, due + 3), &blob);
    assert_eq!(read, Err(Error::NotFound));
    vault.recount().unwrap();
}

#[test]
fn counters_are_lowered_once() {
    let (mut vault, _, capsule) = vault();
    let (first, blob) = shared(&mut vault, &capsule, 3);
    let second = vault
        .memories_create(by(OWNER, 1), of_blob(&capsule, &blob, "second"))
        .unwrap();
    vault.memories_trash(by(OWNER, 2), &first).unwrap();
    vault.memories_trash(by(OWNER, 2), &second).unwrap();
    let conflict = vault.blob_delete(by(OWNER, 3), &blob);
    assert!(matches!(conflict, Err(Error::Conflict(_))), "{conflict:?}");
    for _ in 0..2 {
        vault.memories_delete(by(OWNER, 3), &first, true).unwrap();
        vault.recount().unwrap();
    }
    assert_eq!(vault.blob_read(by(OWNER, 3), &blob).unwrap(), b"content");
    vault.memories_delete(by(OWNER, 3), &second, false).unwrap();
    assert!(!vault.sweep(3 + TRASH_LIFETIME));
    vault.recount().unwrap();
    assert_eq!(vault.blob_read(by(OWNER, 3), &blob).unwrap(), b"content");
    assert_eq!(memory_count(&vault, &capsule), 0);
}

/// The same request finds what it made before, wherever that is.
#[test]
fn the_same_request_takes_a_memory_out_of_the_trash() {
    let (mut vault, _, capsule) = vault();
    let blob = upload(&mut vault, &capsule, b"content", 1);
    let several = |vault: &mut Vault<VectorMemory>, now| {
        let metadata = vault.memories_read(by(OWNER, now), &listed(vault, &capsule)[0]);
        vault.memories_create_with_assets(
            by(OWNER, now),
            &capsule,
            metadata.unwrap().metadata,
            vec![InternalBlobAssetInput {
                blob_id: blob.clone(),
                metadata: asset(AssetType::Original),
            }],
            vec![],
            "several",
        )
    };
    let kept = vault
        .memories_create(by(OWNER, 1), inline(&capsule, "kept"))
        .unwrap();
    let ids = [
        vault
            .memories_create(by(OWNER, 1), inline(&capsule, "i"))
            .unwrap(),
        vault
            .memories_create(by(OWNER, 1), of_blob(&capsule, &blob, "b"))
            .unwrap(),
        vault
            .memories_create(by(OWNER, 1), external(&capsule, "e"))
            .unwrap(),
        several(&mut vault, 1).unwrap(),
    ];
    let rename = MemoryUpdateData {
        name: Some("renamed".into()),
        ..MemoryUpdateData::default()
    };
    vault
        .memories_update(by(OWNER, 2), &ids[0], rename)
        .unwrap();
    for id in &ids {
        vault.memories_trash(by(OWNER, 3), id).unwrap();
    }
    assert_eq!(listed(&vault, &capsule), [kept]);
    let again = [
        vault
            .memories_create(by(OWNER, 4), inline(&capsule, "i"))
            .unwrap(),
        vault
            .memories_create(by(SUBJECT, 4), of_blob(&capsule, &blob, "b"))
            .unwrap(),
        vault
            .memories_create(by(OWNER, 4), external(&capsule, "e"))
            .unwrap(),
        several(&mut vault, 4).unwrap(),
    ];
    assert_eq!(again, ids);
    let restored = vault.memories_read(by(OWNER, 4), &ids[0]).unwrap();
    assert_eq!(restored.metadata.title.as_deref(), Some("renamed"));
    assert!(in_trash(&vault, &capsule, 5).is_empty());
    assert_eq!(memory_count(&vault, &capsule), 5);
    vault.recount().unwrap();
}

#[test]
fn pages_of_the_trash_go_on_where_they_ended() {
    let (mut vault, _, capsule) = vault();
    let ids: Vec<String> = (0..7u64)
        .map(|n| {
            let new = inline(&capsule, &n.to_string());
            let id = vault.memories_create(by(OWNER, 1), new).unwrap();
            // Two in the same moment now and then.
            vault.memories_trash(by(OWNER, 10 + n / 2), &id).unwrap();
            id
        })
        .collect();
    let mut seen: Vec<String> = Vec::new();
    let mut times = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = vault
            .memories_trashed(by(OWNER, 20), &capsule, cursor.as_deref(), Some(2))
            .unwrap();
        times.extend(page.items.iter().map(|item| item.trashed_at));
        seen.extend(page.items.into_iter().map(|item| item.header.id));
        if seen.len() == 2 {
            // What was seen may go, and what was not stays to be seen.
            vault.memories_restore(by(OWNER, 20), &seen[1]).unwrap();
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let mut sorted = seen.clone();
    sorted.sort();
    let mut all = ids.clone();
    all.sort();
    assert_eq!(sorted, all);
    let list = |cursor, limit| vault.memories_trashed(by(OWNER, 20), &capsule, cursor, limit);
    assert!(matches!(list(None, Some(0)), Err(Error::Invalid { .. })));
    assert!(matches!(list(Some("x"), None), Err(Error::Invalid { .. })));
}

/// Emptying takes several messages, in the middle of which the canister may be upgraded, and takes nothing that came later.
#[test]
fn the_trash_is_emptied_in_steps_that_an_upgrade_may_interrupt() {
    let (mut vault, memory, capsule) = vault();
    let count = SWEPT_PER_MESSAGE + 20;
    for n in 0..count as u64 {
        let blob = upload(&mut vault, &capsule, &n.to_be_bytes(), n);
        let id = vault
            .memories_create(by(OWNER, n), of_blob(&capsule, &blob, "m"))
            .unwrap();
        vault.memories_trash(by(OWNER, n), &id).unwrap();
    }
    let live = vault
        .memories_create(by(OWNER, 1), inline(&capsule, "live"))
        .unwrap();
    let later = vault
        .memories_create(by(OWNER, 1), inline(&capsule, "later"))
        .unwrap();
    vault.memories_trash(by(OWNER, 1_001), &later).unwrap();
    let mut deleted = 0;
    loop {
        let (some, more) = vault
            .memories_trash_empty_step(by(OWNER, 1_002), &capsule, 1_000)
            .unwrap();
        deleted += some;
        assert!(some as usize <= SWEPT_PER_MESSAGE);
        vault = Vault::open(memory.clone()).unwrap();
        vault.recount().unwrap();
        if !more {
            break;
        }
    }
    assert_eq!(deleted as usize, count);
    assert_eq!(in_trash(&vault, &capsule, 1_002), [later]);
    assert_eq!(listed(&vault, &capsule), [live]);
    // Again: there is nothing of it any more.
    let again = vault.memories_trash_empty_step(by(OWNER, 1_002), &capsule, 1_000);
    assert_eq!(again.unwrap(), (0, false));
}

#[test]
fn the_sweep_reclaims_in_steps_that_an_upgrade_may_interrupt() {
    let (mut vault, memory, capsule) = vault();
    for n in 0..(SWEPT_PER_MESSAGE + 20) as u64 {
        let new = inline(&capsule, &n.to_string());
        let id = vault.memories_create(by(OWNER, n), new).unwrap();
        vault.memories_trash(by(OWNER, n), &id).unwrap();
    }
    let mut steps = 0;
    while vault.sweep(1_000 + TRASH_LIFETIME) {
        steps += 1;
        vault = Vault::open(memory.clone()).unwrap();
        vault.recount().unwrap();
    }
    assert!((1..10).contains(&steps), "{steps} steps");
    assert!(in_trash(&vault, &capsule, 0).is_empty());
    vault.recount().unwrap();
}

#[test]
fn deleting_all_leaves_the_trash_and_deleting_the_capsule_does_not() {
    let (mut vault, _, capsule) = vault();
    let (memory, _) = shared(&mut vault, &capsule, 31);
    vault
        .memories_create(by(OWNER, 1), inline(&capsule, "live"))
        .unwrap();
    vault.memories_trash(by(FRIEND, 2), &memory).unwrap();
    let (deleted, more) = vault
        .memories_delete_all_step(by(OWNER, 3), &capsule, true, 3)
        .unwrap();
    assert_eq!((deleted, more), (1, false));
    assert_eq!(in_trash(&vault, &capsule, 3), [memory.as_str()]);
    vault.capsules_delete(by(OWNER, 4), &capsule).unwrap();
    let restored = vault.memories_restore(by(FRIEND, 4), &memory);
    assert_eq!(restored, Err(Error::NotFound));
    while vault.sweep(5) {}
    vault.recount().unwrap();
    assert_eq!(vault.memories.trash_len(), 0);
    assert_eq!(vault.arena.used_bytes(), 0);
    vault.memories_trash(by(FRIEND, 6), &memory).unwrap();
}

#[test]
fn what_is_in_the_trash_counts_against_quotas() {
    let (mut vault, _, capsule) = vault();
    vault.configure(&keepsake_api::InitArgs {
        memories_per_capsule: Some(2),
        ..keepsake_api::InitArgs::default()
    });
    let first = vault
        .memories_create(by(OWNER, 1), inline(&capsule, "1"))
        .unwrap();
    vault
        .memories_create(by(OWNER, 1), inline(&capsule, "2"))
        .unwrap();
    vault.memories_trash(by(OWNER, 2), &first).unwrap();
    let third = vault.memories_create(by(OWNER, 3), inline(&capsule, "3"));
    assert_eq!(third, Err(Error::ResourceExhausted));
    vault.memories_restore(by(OWNER, 4), &first).unwrap();
    vault.memories_delete(by(OWNER, 5), &first, true).unwrap();
    vault
        .memories_create(by(OWNER, 6), inline(&capsule, "3"))
        .unwrap();
}
