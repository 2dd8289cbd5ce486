//! Who has no part in a capsule gets nothing from any call, whatever ids he knows, and changes nothing (I6, I2).

use candid::Principal;
use keepsake_api::{
    AccessCondition, AccessEntry, CapsuleUpdateData, Error as Wire, GrantSource, MemoryUpdateData,
    PersonRef, ResourceRole,
};
use keepsake_vault::Result;

use crate::home::{Home, blob_input, dated, external, inline, of_blob, plain, refusal};
use crate::pools::{ANONYMOUS, sha256};

const OWNER: usize = 0;
const SUBJECT: usize = 1;
const STRANGER: usize = 2;

/// A vault with everything in it, and all ids there are.
fn furnished() -> (Home, Vec<String>, Vec<u64>) {
    let mut home = Home::new();
    let shared = home.about(OWNER, SUBJECT);
    let own = home.own(OWNER);
    let mut ids = vec![shared.clone(), own.clone()];
    let mut sessions = vec![];
    for capsule in [&shared, &own] {
        let open = home.begin(OWNER, capsule, 3, "open").expect("open");
        home.put(OWNER, open, 1, b"one").expect("put");
        let finished = home.begin(OWNER, capsule, 1, "kept").expect("begin");
        home.put(OWNER, finished, 0, b"kept").expect("put");
        let blob = home.finish(OWNER, finished, b"kept").expect("finish");
        let aborted = home.begin(OWNER, capsule, 1, "aborted").expect("begin");
        home.vault
            .uploads_abort(home.by(OWNER), aborted)
            .expect("abort");
        sessions.extend([open, finished, aborted]);
        let lone = home.upload(OWNER, capsule, &[b"nothing ", b"refers to me"], "lone");
        ids.extend([blob.blob_id.clone(), lone]);
        for new in [
            inline(capsule, b"small", "inline"),
            of_blob(capsule, &blob.blob_id, None, "blob"),
            external(capsule, "photos/1.jpg", Some(9), "external"),
        ] {
            let memory = home.create(OWNER, new).expect("create");
            ids.push(home.add(OWNER, &memory, b"tiny", "tiny").expect("add"));
            let read = home.vault.memories_read(home.by(OWNER), &memory);
            let read = read.expect("the owner reads");
            ids.extend(read.inline_assets.into_iter().map(|a| a.asset_id));
            ids.extend(read.blob_internal_assets.into_iter().map(|a| a.asset_id));
            ids.extend(read.blob_external_assets.into_iter().map(|a| a.asset_id));
            ids.push(memory);
        }
    }
    (home, ids, sessions)
}

fn entry_for(person: Principal) -> AccessEntry {
    AccessEntry {
        id: "mine".into(),
        person_ref: Some(PersonRef::Principal(person)),
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

/// Calls that judge each id by itself: for a stranger all of them fail, or are left out.
fn bulk_calls(home: &mut Home, ids: &[String], own: &str) {
    let by = home.by(STRANGER);
    let variants = ["original".to_owned()];
    let vault = &mut home.vault;
    let ping = vault.memories_ping(by, ids.to_vec()).expect("ping");
    assert!(
        ping.iter().all(|p| !p.metadata_present && !p.asset_present),
        "{ping:?}"
    );
    let deleted = vault
        .memories_delete_bulk(by, own, ids, true)
        .expect("his own capsule");
    assert_eq!(
        (deleted.deleted_count, deleted.failed_count),
        (0, ids.len() as u32)
    );
    let cleaned = vault
        .memories_cleanup_assets_bulk(by, ids.to_vec())
        .expect("cleanup");
    assert!(cleaned.ok.is_empty() && cleaned.failed.len() == ids.len());
    assert!(
        cleaned
            .failed
            .iter()
            .all(|failure| failure.err == Wire::NotFound)
    );
    let tokens = vault.mint_http_tokens_bulk(by, ids.to_vec(), &variants, None, 0);
    assert_eq!(tokens.expect("mint"), []);
    let shared = vault
        .memories_shared_with_me(by, None, None)
        .expect("shared with me");
    assert!(shared.items.is_empty());
    assert_eq!(vault.uploads_list(by).expect("his sessions"), []);
    assert_eq!(vault.uploads_cleanup_expired(by).expect("his sessions"), 0);
    let nobody = home.by(ANONYMOUS);
    let vault = &mut home.vault;
    let refusals = [
        refusal(vault.memories_ping(nobody, ids.to_vec())),
        refusal(vault.memories_delete_bulk(nobody, own, ids, true)),
        refusal(vault.memories_cleanup_assets_bulk(nobody, ids.to_vec())),
        refusal(vault.mint_http_tokens_bulk(nobody, ids.to_vec(), &variants, None, 0)),
        refusal(vault.memories_shared_with_me(nobody, None, None)),
        refusal(vault.uploads_list(nobody)),
        refusal(vault.uploads_cleanup_expired(nobody)),
    ];
    assert!(
        refusals
            .iter()
            .all(|refusal| *refusal == Wire::Unauthorized),
        "{refusals:?}"
    );
}

/// Every call there is with this id in every place an id can be, as this caller; `own` is a capsule of the caller's.
fn every_call(
    home: &mut Home,
    who: usize,
    id: &str,
    own: &str,
) -> Vec<(&'static str, Result<String>)> {
    let by = home.by(who);
    let vault = &mut home.vault;
    let text = |debug: &dyn std::fmt::Debug| format!("{debug:?}");
    let inline_input = || keepsake_api::InlineAssetInput {
        bytes: b"x".to_vec().into(),
        metadata: plain(),
    };
    let blobs = || vec![blob_input(id)];
    let mut calls: Vec<(&'static str, Result<String>)> = vec![
        (
            "read_basic",
            vault.capsules_read_basic(by, Some(id)).map(|r| text(&r)),
        ),
        (
            "list",
            vault.memories_list(by, id, None, None).map(|r| text(&r)),
        ),
        (
            "list with a cursor",
            vault
                .memories_list(by, id, Some(id), Some(1))
                .map(|r| text(&r)),
        ),
        (
            "begin",
            vault.uploads_begin(by, id, 1, "stranger").map(|r| text(&r)),
        ),
        (
            "begin as known",
            vault.uploads_begin(by, id, 3, "open").map(|r| text(&r)),
        ),
        ("get_meta", vault.blob_get_meta(by, id).map(|r| text(&r))),
        ("blob_read", vault.blob_read(by, id).map(|r| text(&r))),
        (
            "read_chunk",
            vault.blob_read_chunk(by, id, 0).map(|r| text(&r)),
        ),
        (
            "read_chunk past the end",
            vault.blob_read_chunk(by, id, 9).map(|r| text(&r)),
        ),
        (
            "create inline",
            vault.memories_create(by, inline(id, b"small", "inline")),
        ),
        (
            "create external",
            vault.memories_create(by, external(id, "k", None, "k")),
        ),
        (
            "create of a blob in it",
            vault.memories_create(by, of_blob(id, id, None, "blob")),
        ),
        (
            "create with assets",
            vault.memories_create_with_assets(
                by,
                id,
                dated(None),
                vec![],
                vec![inline_input()],
                "s",
            ),
        ),
        (
            "add blob",
            vault.memories_add_asset(by, id, blob_input(id), "s"),
        ),
        (
            "add inline",
            vault.memories_add_inline_asset(by, id, inline_input(), "tiny"),
        ),
        (
            "memories_read",
            vault.memories_read(by, id).map(|r| text(&r)),
        ),
        (
            "delete",
            vault.memories_delete(by, id, false).map(|r| text(&r)),
        ),
        (
            "delete with assets",
            vault.memories_delete(by, id, true).map(|r| text(&r)),
        ),
        (
            "blob in the caller's own",
            vault.memories_create(by, of_blob(own, id, None, "b")),
        ),
        (
            "blob and its hash",
            vault.memories_create(by, of_blob(own, id, Some(sha256(b"kept").to_vec()), "b")),
        ),
        (
            "blobs in the caller's own",
            vault.memories_create_with_assets(by, own, dated(None), blobs(), vec![], "b"),
        ),
    ];
    let (ids, variants) = (vec![id.to_owned()], ["thumbnail".to_owned()]);
    let update = || MemoryUpdateData {
        name: Some("mine now".into()),
        ..MemoryUpdateData::default()
    };
    let neon = CapsuleUpdateData {
        bound_to_neon: Some(true),
    };
    calls.extend([
        (
            "read_full",
            vault.capsules_read_full(by, Some(id)).map(|r| text(&r)),
        ),
        (
            "capsules_update",
            vault.capsules_update(by, id, neon).map(|r| text(&r)),
        ),
        (
            "update",
            vault.memories_update(by, id, update()).map(|r| text(&r)),
        ),
        (
            "grant",
            vault
                .access_grant(by, id, entry_for(by.caller))
                .map(|r| text(&r)),
        ),
        ("revoke", vault.access_revoke(by, id, id).map(|r| text(&r))),
        (
            "list_assets",
            vault.memories_list_assets(by, id).map(|r| text(&r)),
        ),
        (
            "read_asset",
            vault.memories_read_asset(by, id, 0).map(|r| text(&r)),
        ),
        (
            "get_by_id",
            vault.asset_get_by_id(by, id, id).map(|r| text(&r)),
        ),
        ("remove", vault.asset_remove(by, id, "0").map(|r| text(&r))),
        (
            "remove_by_id",
            vault.asset_remove_by_id(by, id, id).map(|r| text(&r)),
        ),
        (
            "remove_inline",
            vault.asset_remove_inline(by, id, 0).map(|r| text(&r)),
        ),
        (
            "remove_internal",
            vault.asset_remove_internal(by, id, id).map(|r| text(&r)),
        ),
        (
            "remove_external",
            vault
                .asset_remove_external(by, id, "photos/1.jpg")
                .map(|r| text(&r)),
        ),
        (
            "cleanup_all",
            vault.memories_cleanup_assets_all(by, id).map(|r| text(&r)),
        ),
        (
            "delete_bulk",
            vault
                .memories_delete_bulk(by, id, &ids, true)
                .map(|r| text(&r)),
        ),
        ("blob_delete", vault.blob_delete(by, id)),
        (
            "mint_http_token",
            vault.mint_http_token(by, id, &variants, None, 0),
        ),
        (
            "mint for an asset",
            vault.mint_http_token(by, id, &variants, Some(&ids), 0),
        ),
    ]);
    if let Ok(cursor) = vault.memories_list(by, own, Some(id), None) {
        assert!(
            cursor.items.iter().all(|item| item.capsule_id == own),
            "another capsule's memory"
        );
        calls.push(("a cursor made of an id", Ok(text(&cursor))));
    }
    calls
}

fn every_session_call(home: &mut Home, who: usize, session: u64) -> Vec<Result<()>> {
    vec![
        home.put(who, session, 0, b"kept"),
        home.put(who, session, 1, b"spoilt"),
        home.put(who, session, 99, b"far"),
        home.put(who, session, 0, &vec![0; 1_800_001]),
        home.finish(who, session, b"kept").map(drop),
        home.finish_as(who, session, b"short", 0).map(drop),
        home.vault.uploads_abort(home.by(who), session),
        home.vault.uploads_status(home.by(who), session).map(drop),
    ]
}

#[test]
fn a_stranger_gets_nothing_with_any_id_and_changes_nothing() {
    let (mut home, ids, sessions) = furnished();
    let own = home.own(STRANGER);
    let mine = home
        .inline(STRANGER, &own, b"mine", "mine")
        .expect("his own");
    let listed = home.vault.capsules_list(home.by(STRANGER));
    assert_eq!(
        listed.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(),
        [own.as_str()]
    );
    let before = home.memory.content();
    for id in &ids {
        // The same id with another last character: of the same form, and of nothing.
        let other = if id.ends_with('1') { "2" } else { "1" };
        let nothing = format!("{}{other}", &id[..id.len() - 1]);
        let of_nothing = every_call(&mut home, STRANGER, &nothing, &own);
        let answers = every_call(&mut home, STRANGER, id, &own);
        for ((call, answer), (_, nothing)) in answers.into_iter().zip(of_nothing) {
            assert_eq!(
                refusal(answer),
                refusal(nothing),
                "{call} of {id} tells that it exists"
            );
        }
        for who in [ANONYMOUS, STRANGER] {
            for (call, answer) in every_call(&mut home, who, id, &own) {
                match (who, refusal(answer)) {
                    (ANONYMOUS, Wire::Unauthorized) | (STRANGER, Wire::NotFound) => {}
                    (STRANGER, Wire::InvalidArgument(why))
                        if ["blob_mismatch", "blob_id_malformed", "cursor"]
                            .iter()
                            .any(|b| why.starts_with(b)) => {}
                    (_, other) => panic!("{call} of {id} by {who}: {other:?}"),
                }
            }
        }
    }
    bulk_calls(&mut home, &ids, &own);
    for session in sessions {
        for answer in every_session_call(&mut home, STRANGER, session) {
            assert_eq!(refusal(answer), Wire::NotFound);
        }
        for answer in every_session_call(&mut home, ANONYMOUS, session) {
            assert_eq!(refusal(answer), Wire::Unauthorized);
        }
        // The subject reads the capsule, but the session is not his.
        for answer in every_session_call(&mut home, SUBJECT, session) {
            assert_eq!(refusal(answer), Wire::NotFound);
        }
    }
    let unchanged = home.memory.content() == before;
    assert!(unchanged, "a refused call wrote something");
    assert_eq!(home.vault.capsules_list(home.by(ANONYMOUS)), []);
    home.vault
        .memories_read(home.by(STRANGER), &mine)
        .expect("his own is still his");
    home.sound();
}

#[test]
fn the_subject_reads_and_creates_but_does_not_delete() {
    let mut home = Home::new();
    let capsule = home.about(OWNER, SUBJECT);
    let blob = home.upload(SUBJECT, &capsule, &[b"from the subject"], "s");
    let memory = home.create(SUBJECT, of_blob(&capsule, &blob, None, "m"));
    let memory = memory.expect("the subject creates");
    home.add(SUBJECT, &memory, b"more", "a").expect("and adds");
    home.add(OWNER, &memory, b"more", "b")
        .expect("the owner adds to the same memory");
    assert_eq!(
        refusal(home.delete(SUBJECT, &memory, true)),
        Wire::Unauthorized
    );
    let read = home.vault.memories_read(home.by(SUBJECT), &memory);
    assert_eq!(read.expect("still there").metadata.asset_count, 3);
    home.delete(OWNER, &memory, true)
        .expect("the owner deletes");
    let gone = home.vault.blob_get_meta(home.by(OWNER), &blob);
    assert_eq!(refusal(gone), Wire::NotFound);
    home.sound();
}
