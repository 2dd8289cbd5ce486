//! What broke in other backends, each by a test of ours; and a table of all of it, in which no entry may lose its test.

mod home;

use std::path::Path;

use keepsake_api::{AccessCondition, ChunkRange, Error as Wire, UploadAnnouncement, UploadBegin};

use crate::home::{DAY, Home, SECOND, Who, assert_invalid, public, refusal, sha256};

const HERE: &str = "crates/vault/tests/regressions/main.rs";
const ELSEWHERE: &str = "crates/vault/tests/model/edge_cases/elsewhere.rs";

/// What went wrong, and the test that it does not here: its file, and its name.
const TABLE: &[(&str, &str, &str)] = &[
    (
        "blobs readable and deletable by anyone who guesses an id",
        "crates/vault/tests/model/strangers.rs",
        "a_stranger_gets_nothing_with_any_id_and_changes_nothing",
    ),
    (
        "ids that can be computed from 1, 2, 3",
        ELSEWHERE,
        "ids_cannot_be_computed",
    ),
    (
        "a blob of another capsule referenced and then served",
        ELSEWHERE,
        "a_blob_of_another_capsule_is_no_blob",
    ),
    (
        "two capsules made in one block getting one id",
        ELSEWHERE,
        "two_capsules_made_in_the_same_nanosecond_are_two",
    ),
    (
        "two assets made in one block getting one id",
        ELSEWHERE,
        "two_assets_added_in_the_same_nanosecond_are_two",
    ),
    (
        "the same key in two capsules giving one memory id",
        ELSEWHERE,
        "the_same_key_in_two_capsules_is_two_requests",
    ),
    (
        "an upgrade that lost all blobs and set the token key to zeros",
        "crates/vault/tests/golden/main.rs",
        "every_image_opens_counts_right_and_answers_as_it_did",
    ),
    (
        "a stranger's failed call that spoiled an upload",
        ELSEWHERE,
        "refused_calls_cost_an_upload_nothing",
    ),
    (
        "a finish that could not be repeated",
        ELSEWHERE,
        "a_finish_can_be_asked_again_for_a_day_and_after_everything",
    ),
    (
        "a deletion that stopped half way and could never be finished",
        "crates/vault/src/capsule/tests.rs",
        "a_deleted_capsule_is_gone_at_once_and_emptied_in_steps",
    ),
    (
        "listings that skip and repeat while something is written",
        ELSEWHERE,
        "a_walk_stays_right_while_memories_come_and_go",
    ),
    (
        "listings that trap on a cursor past the end",
        ELSEWHERE,
        "a_cursor_past_the_end_gives_an_empty_page",
    ),
    (
        "listings that never end with limit 0",
        ELSEWHERE,
        "pages_have_fifty_items_unless_told_otherwise_and_never_none",
    ),
    (
        "a token for a thumbnail that served the original",
        "crates/vault/src/memory/serve/tests.rs",
        "a_token_opens_its_variants_and_its_assets_and_nothing_else",
    ),
    (
        "an HTTP answer of 200 with only the first chunk",
        "crates/vault/src/http/tests.rs",
        "content_of_any_size_comes_in_parts_that_are_never_called_the_whole",
    ),
    (
        "sessions that never expired because milliseconds met nanoseconds",
        ELSEWHERE,
        "a_session_lives_seven_days_after_its_last_chunk_and_no_longer",
    ),
    (
        "maintenance and debug methods open to everyone",
        "crates/vault/tests/authorization/main.rs",
        "every_method_answers_every_role_on_every_state_as_the_contract_says",
    ),
    (
        "a hash of the wrong length that trapped while decoding",
        ELSEWHERE,
        "a_hash_of_the_wrong_length_is_refused",
    ),
    (
        "a count lowered twice when the last of two references goes",
        HERE,
        "a_count_is_lowered_once_for_each_reference",
    ),
    (
        "a wrong-sized chunk marked as received",
        HERE,
        "a_chunk_of_a_wrong_size_is_not_there",
    ),
    (
        "chunks leaked when content shrinks",
        HERE,
        "content_that_shrinks_leaks_nothing",
    ),
    (
        "chunks leaked when a session is replaced",
        HERE,
        "a_session_that_is_replaced_leaks_nothing",
    ),
    (
        "a public link that keeps working after the grant is gone",
        HERE,
        "a_public_link_ends_with_its_grant",
    ),
    (
        "a reaper that frees what was referenced a moment ago",
        HERE,
        "what_was_referenced_a_moment_ago_is_not_swept",
    ),
    (
        "a resumed upload that commits a wrong hash",
        HERE,
        "a_resumed_upload_has_the_hash_of_what_is_there",
    ),
    (
        "the same idempotency key from another caller or capsule",
        HERE,
        "a_key_is_the_callers_and_the_capsules",
    ),
];

#[test]
fn everything_that_went_wrong_elsewhere_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (what, file, test) in TABLE {
        let source = std::fs::read_to_string(root.join(file)).expect(file);
        let is_there = source.contains(&format!("#[test]\nfn {test}()"));
        assert!(is_there, "{what}: {file} has no test {test}");
    }
}

#[test]
fn a_count_is_lowered_once_for_each_reference() {
    let mut home = Home::new();
    let blob = home.blob(b"kept by several", "blob");
    let first = home.of_blob(&blob, "first");
    let second = home.of_blob(&blob, "second");
    let third = home.add(&second, &blob, "third");
    let held = home.content_bytes();
    let owner = home.owner();
    // Two go, each of them twice: the last one still holds the content.
    for _ in 0..2 {
        let deleted = home.vault.memories_delete(owner, &first, true);
        deleted.expect("a deletion");
        let removed = home.vault.asset_remove(owner, &second, &third);
        removed.expect("a removal");
        home.vault.recount().expect("counters");
        let conflict = refusal(home.vault.blob_delete(owner, &blob));
        assert!(matches!(conflict, Wire::Conflict(_)), "{conflict:?}");
        assert_eq!(home.content_bytes(), held);
    }
    let read = home.vault.blob_read(owner, &blob);
    assert_eq!(read.expect("still there"), b"kept by several");
    let cleaned = home.vault.memories_cleanup_assets_all(owner, &second);
    assert_eq!(cleaned.expect("the last").assets_cleaned, 1);
    assert_eq!(refusal(home.vault.blob_read(owner, &blob)), Wire::NotFound);
    assert_eq!(home.content_bytes(), 0);
    let again = home.vault.memories_cleanup_assets_all(owner, &second);
    assert_eq!(again.expect("nothing").assets_cleaned, 0);
    home.upgrade();
}

#[test]
fn a_chunk_of_a_wrong_size_is_not_there() {
    let mut home = Home::new();
    let content = b"0123456789";
    let announced = UploadAnnouncement {
        sha256: sha256(content).into(),
        total_len: 10,
        chunk_size: 4,
    };
    let owner = home.owner();
    let capsule = home.capsule.clone();
    let begun = home
        .vault
        .uploads_begin_announced(owner, &capsule, &announced, "sizes");
    let Ok(UploadBegin::Open { session, .. }) = begun else {
        panic!("{begun:?}");
    };
    for (index, wrong) in [(0, b"012".as_slice()), (1, b"45678"), (2, b""), (2, b"899")] {
        assert_invalid(home.put(session, index, wrong), "size_mismatch");
    }
    let long = vec![0; 1_800_001];
    assert_invalid(home.put(session, 0, &long), "chunk_too_large");
    let all = vec![ChunkRange { first: 0, last: 2 }];
    let status = home.vault.uploads_status(owner, session).expect("open");
    assert_eq!((status.received_chunks, status.missing), (0, all));
    assert_invalid(home.finish(session, content), "chunk_missing: 0-2");
    for (index, chunk) in (0..).zip(content.chunks(4)) {
        home.put(session, index, chunk).expect("the right size");
    }
    let blob = home.finish(session, content).expect("all is there");
    assert_eq!(home.vault.blob_read(owner, &blob).expect("read"), content);
    home.upgrade();
}

#[test]
fn content_that_shrinks_leaks_nothing() {
    let mut home = Home::new();
    let before = home.content_bytes();
    let session = home.begin(2, "shrinks");
    for len in [100_000, 70_000, 33, 32, 1, 0, 90_000, 10] {
        home.put(session, 0, &vec![1; len]).expect("a chunk");
        home.vault.recount().expect("counters");
        let status = home.vault.uploads_status(home.owner(), session);
        let status = status.expect("open");
        assert_eq!(
            (status.received_chunks, status.received_bytes),
            (1, len as u64)
        );
    }
    home.put(session, 1, b"rest").expect("a chunk");
    let content = [vec![1; 10], b"rest".to_vec()].concat();
    let blob = home.finish(session, &content).expect("a blob");
    // 14 bytes, and no more than their granules.
    assert!(home.content_bytes() <= before + 128);
    home.upgrade();
    let deleted = home.vault.blob_delete(home.owner(), &blob);
    deleted.expect("a deletion");
    assert_eq!(home.content_bytes(), before);
}

#[test]
fn a_session_that_is_replaced_leaks_nothing() {
    let mut home = Home::new();
    let before = home.content_bytes();
    let first = home.begin(3, "again");
    home.put(first, 1, &vec![1; 50_000]).expect("a chunk");
    // Given up, and begun under the same key.
    let aborted = home.vault.uploads_abort(home.owner(), first);
    aborted.expect("an abort");
    assert_eq!(home.content_bytes(), before);
    let second = home.begin(3, "again");
    assert_ne!(first, second);
    home.put(second, 1, &vec![2; 50_000]).expect("a chunk");
    // Expired, not swept, and begun under the same key: what it held is free at once.
    home.now += 7 * DAY;
    let third = home.begin(3, "again");
    assert_ne!(second, third);
    assert_eq!(refusal(home.put(second, 0, b"late")), Wire::NotFound);
    home.vault.recount().expect("counters");
    assert!(home.content_bytes() <= before + 128, "a table of 3 chunks");
    let aborted = home.vault.uploads_abort(home.owner(), third);
    aborted.expect("an abort");
    assert_eq!(home.content_bytes(), before);
    home.upgrade();
}

#[test]
fn a_public_link_ends_with_its_grant() {
    let mut home = Home::new();
    let blob = home.blob(b"for everybody", "blob");
    let memory = home.of_blob(&blob, "memory");
    let stranger = home.by(Who::Stranger);
    let variants = ["original".to_owned()];
    let link = |home: &Home| {
        let call = home.by(Who::Stranger);
        let token = home
            .vault
            .mint_http_token(call, &memory, &variants, None, 0);
        token.expect("a token while it is public")
    };
    let grant = |home: &mut Home, condition| {
        let entry = keepsake_api::AccessEntry {
            condition,
            ..public()
        };
        let granted = home.vault.access_grant(home.owner(), &memory, entry);
        granted.expect("a grant");
    };
    let is_closed = |home: &Home, token: &str| {
        let read = home.vault.memories_read(home.by(Who::Stranger), &memory);
        assert_eq!(refusal(read), Wire::NotFound);
        let read = home.vault.blob_read(home.by(Who::Stranger), &blob);
        assert_eq!(refusal(read), Wire::NotFound);
        assert_eq!(home.get(&memory, token), 403);
    };
    // Revoked; replaced; ended by itself: each within the token's own life.
    grant(&mut home, AccessCondition::Immediate);
    let token = link(&home);
    assert_eq!(home.get(&memory, &token), 200);
    let read = home.vault.blob_read(stranger, &blob);
    assert_eq!(read.expect("public"), b"for everybody");
    let revoked = home.vault.access_revoke(home.owner(), &memory, "public");
    revoked.expect("a revocation");
    is_closed(&home, &token);

    grant(&mut home, AccessCondition::Immediate);
    assert_eq!(home.get(&memory, &token), 200, "public again");
    let later = home.now + DAY;
    grant(
        &mut home,
        AccessCondition::Scheduled {
            accessible_after: later,
        },
    );
    is_closed(&home, &token);

    let expires = home.now + 60 * SECOND;
    grant(&mut home, AccessCondition::ExpiresAt { expires });
    home.now = expires - 1;
    assert_eq!(home.get(&memory, &token), 200);
    home.now = expires;
    is_closed(&home, &token);
    home.upgrade();
    is_closed(&home, &token);
}

#[test]
fn what_was_referenced_a_moment_ago_is_not_swept() {
    let mut home = Home::new();
    let kept = home.blob(b"taken up at the last moment", "kept");
    let lone = home.blob(b"never taken up", "lone");
    let freed = home.blob(b"taken up and let go", "freed");
    let once = home.of_blob(&freed, "once");
    home.now += DAY - 1;
    home.sweep();
    let memory = home.of_blob(&kept, "memory");
    // Let go without its content: by the contract it stays readable by its id.
    let deleted = home.vault.memories_delete(home.owner(), &once, false);
    deleted.expect("a deletion");
    home.now += 1;
    home.sweep();
    let owner = home.owner();
    let read = home.vault.blob_read(owner, &kept).expect("referenced");
    assert_eq!(read, b"taken up at the last moment");
    home.vault
        .blob_read(owner, &freed)
        .expect("left on purpose");
    assert_eq!(refusal(home.vault.blob_read(owner, &lone)), Wire::NotFound);
    home.vault.memories_read(owner, &memory).expect("whole");
    home.upgrade();
}

#[test]
fn a_resumed_upload_has_the_hash_of_what_is_there() {
    let mut home = Home::new();
    let session = home.begin(3, "resumed");
    // Hashed as they came, put down, and taken up after an upgrade.
    home.put(session, 0, b"old first").expect("a chunk");
    home.put(session, 1, b"second").expect("a chunk");
    home.upgrade();
    home.put(session, 0, b"new first").expect("replaced");
    home.upgrade();
    home.put(session, 2, b"third").expect("a chunk");
    let old = b"old firstsecondthird";
    let new = b"new firstsecondthird";
    assert_invalid(home.finish(session, old), "hash_mismatch");
    home.upgrade();
    // It stays open, and what was wrong can be sent again.
    home.put(session, 0, b"old first").expect("replaced");
    assert_invalid(home.finish(session, new), "hash_mismatch");
    let blob = home.finish(session, old).expect("a blob");
    let read = home.vault.blob_read(home.owner(), &blob);
    assert_eq!(read.expect("read"), old);
    home.upgrade();
}

#[test]
fn a_key_is_the_callers_and_the_capsules() {
    let mut home = Home::new();
    let (owner, controller) = (home.owner(), home.by(Who::Controller));
    let first = home.capsule.clone();
    let second = home.vault.capsules_create(controller, None);
    let second = second.expect("the controller's own").id;
    let vault = &mut home.vault;
    let sessions = [
        vault.uploads_begin(owner, &first, 1, "key"),
        vault.uploads_begin(controller, &first, 1, "key"),
        vault.uploads_begin(controller, &second, 1, "key"),
    ]
    .map(|session| session.expect("a session"));
    assert_ne!(sessions[0], sessions[1], "another caller");
    assert_ne!(sessions[1], sessions[2], "another capsule");
    let again = vault.uploads_begin(owner, &first, 1, "key");
    assert_eq!(again, Ok(sessions[0]));
    // One's upload is not the other's.
    let foreign = vault.uploads_put_chunk(controller, sessions[0], 0, b"x");
    assert_eq!(refusal(foreign), Wire::NotFound);
    let sha = sha256(b"content");
    let blobs = [
        vault.uploads_put_blob(owner, &first, b"content", &sha, "key"),
        vault.uploads_put_blob(controller, &second, b"content", &sha, "key"),
    ]
    .map(|blob| blob.expect("a blob").blob_id);
    assert_ne!(blobs[0], blobs[1], "another capsule");
    // The same content under the same key in one capsule is one memory, whoever asks.
    let memory = home.of_blob(&blobs[0], "key");
    let of_content = |capsule: &str, blob: &str| keepsake_vault::NewMemory {
        capsule: capsule.into(),
        inline: None,
        blob: Some(keepsake_api::BlobRef {
            locator: blob.into(),
            hash: None,
            len: 0,
        }),
        location: None,
        storage_key: None,
        url: None,
        size: None,
        sha256: None,
        metadata: home::note(),
        idem: "key".into(),
    };
    let vault = &mut home.vault;
    let same = vault.memories_create(controller, of_content(&first, &blobs[0]));
    assert_eq!(same.as_ref(), Ok(&memory));
    let other = vault.memories_create(controller, of_content(&second, &blobs[1]));
    assert_ne!(other.expect("a memory"), memory);
    home.upgrade();
}
