//! What went wrong in other backends, each with the test that keeps it from going wrong here; and those of the tests that have no better place.

use keepsake_client::api::{
    BlobRef, ByteBuf, Error, HttpRequest, HttpResponse, UploadAnnouncement,
};
use keepsake_tests::{artefacts, content::sha256};
use keepsake_vault::{NewMemory, Vault};

use crate::failing::Failing;
use crate::home::Home;
use crate::scenarios::entry;
use crate::world::{Builder, FRIEND, OPERATOR, OWNER, external, finish, nothing, principal};

const MODEL: &str = "crates/vault/tests/model/edge_cases/elsewhere.rs";
const UPLOADS: &str = "crates/vault/src/upload/tests.rs";
const TRASH: &str = "crates/vault/src/memory/tests/trash.rs";
const CAPSULES: &str = "crates/vault/src/capsule/tests.rs";
const SERVING: &str = "crates/vault/src/memory/serve/tests.rs";
const HTTP: &str = "crates/vault/src/http/tests.rs";
const STRANGER: &str = "tests/tests/stranger/main.rs";
const UPGRADE: &str = "tests/tests/upgrade.rs";
const LATER: &str = "tests/tests/faults/later.rs";
const HERE: &str = "tests/tests/faults/elsewhere.rs";

/// What was seen, and the tests of it: their file and their name.
const SEEN: &[(&str, &[(&str, &str)])] = &[
    (
        "blobs readable and deletable by anyone who guesses an id",
        &[
            (STRANGER, "a_stranger_gets_nothing_and_changes_nothing"),
            (
                "crates/vault/tests/model/strangers.rs",
                "a_stranger_gets_nothing_with_any_id_and_changes_nothing",
            ),
        ],
    ),
    (
        "ids that can be computed from 1, 2, 3",
        &[(MODEL, "ids_cannot_be_computed")],
    ),
    (
        "a blob of another capsule referenced and then served",
        &[(MODEL, "a_blob_of_another_capsule_is_no_blob")],
    ),
    (
        "two capsules made in one block getting one id",
        &[(MODEL, "two_capsules_made_in_the_same_nanosecond_are_two")],
    ),
    (
        "two assets made in one block getting one id",
        &[(MODEL, "two_assets_added_in_the_same_nanosecond_are_two")],
    ),
    (
        "the same key in two capsules giving one memory id; the same idempotency key from another caller",
        &[(MODEL, "the_same_key_in_two_capsules_is_two_requests")],
    ),
    (
        "an upgrade that lost all blobs and set the token key to zeros",
        &[
            (
                UPGRADE,
                "clients_work_on_through_upgrades_and_nothing_is_lost",
            ),
            (HERE, "tokens_outlive_an_upgrade_and_end_with_the_grant"),
        ],
    ),
    (
        "a stranger's failed call that spoiled an upload",
        &[(MODEL, "refused_calls_cost_an_upload_nothing")],
    ),
    (
        "a finish that could not be repeated",
        &[
            (
                MODEL,
                "a_finish_can_be_asked_again_for_a_day_and_after_everything",
            ),
            (UPGRADE, "an_open_upload_goes_on_after_an_upgrade"),
        ],
    ),
    (
        "a deletion that stopped half way and could never be finished",
        &[
            (LATER, "calls_of_several_messages_end_whole_when_sent_again"),
            (LATER, "a_sweep_that_traps_is_taken_up_by_the_next_start"),
            (
                CAPSULES,
                "a_deleted_capsule_is_gone_at_once_and_emptied_in_steps",
            ),
        ],
    ),
    (
        "listings that skip and repeat while something is written",
        &[(MODEL, "a_walk_stays_right_while_memories_come_and_go")],
    ),
    (
        "listings that trap on a cursor past the end",
        &[(MODEL, "a_cursor_past_the_end_gives_an_empty_page")],
    ),
    (
        "listings that never end with limit 0",
        &[(
            MODEL,
            "pages_have_fifty_items_unless_told_otherwise_and_never_none",
        )],
    ),
    (
        "a token for a thumbnail that served the original",
        &[(
            SERVING,
            "a_token_opens_its_variants_and_its_assets_and_nothing_else",
        )],
    ),
    (
        "an HTTP answer of 200 with only the first chunk",
        &[(
            HTTP,
            "content_of_any_size_comes_in_parts_that_are_never_called_the_whole",
        )],
    ),
    (
        "sessions that never expired because milliseconds met nanoseconds",
        &[
            (
                MODEL,
                "a_session_lives_seven_days_after_its_last_chunk_and_no_longer",
            ),
            (
                UPLOADS,
                "a_session_lives_seven_days_after_its_last_chunk_and_then_frees_all",
            ),
        ],
    ),
    (
        "maintenance and debug methods open to everyone",
        &[
            (STRANGER, "every_method_is_tried"),
            (STRANGER, "a_stranger_gets_nothing_and_changes_nothing"),
        ],
    ),
    (
        "a hash of the wrong length that trapped while decoding",
        &[
            (MODEL, "a_hash_of_the_wrong_length_is_refused"),
            (HERE, "the_canister_refuses_hashes_of_any_wrong_length"),
        ],
    ),
    (
        "a count lowered twice when the last of two references goes",
        &[
            (TRASH, "counters_are_lowered_once"),
            (HERE, "the_last_of_several_references_frees_once"),
        ],
    ),
    (
        "a wrong-sized chunk marked as received",
        &[
            (
                UPLOADS,
                "an_announced_upload_takes_exactly_what_was_announced",
            ),
            (MODEL, "refused_calls_cost_an_upload_nothing"),
        ],
    ),
    (
        "chunks leaked when content shrinks or a session is replaced",
        &[(
            HERE,
            "chunks_that_shrink_and_sessions_that_are_replaced_leak_nothing",
        )],
    ),
    (
        "a public link that keeps working after the grant is gone",
        &[
            (HERE, "tokens_outlive_an_upgrade_and_end_with_the_grant"),
            (
                SERVING,
                "a_token_stops_working_when_its_holder_loses_access",
            ),
        ],
    ),
    (
        "a reaper that frees what was referenced a moment ago",
        &[
            (
                TRASH,
                "what_was_referenced_or_restored_a_moment_ago_is_not_reclaimed",
            ),
            (
                CAPSULES,
                "a_blob_that_no_memory_ever_referenced_goes_after_a_day_and_no_other",
            ),
        ],
    ),
    (
        "a resumed upload that commits a wrong hash",
        &[
            (HERE, "a_resumed_upload_commits_what_is_there_or_nothing"),
            (
                "crates/vault/tests/model/edge_cases/uploads.rs",
                "a_chunk_replaced_while_the_finish_goes_on",
            ),
        ],
    ),
];

#[test]
fn each_of_them_has_its_test() {
    // The interface lies in a folder of the workspace.
    let interface = artefacts::interface();
    let workspace = interface.ancestors().nth(2).expect("it lies two below");
    for (what, tests) in SEEN {
        for (file, name) in *tests {
            let text = artefacts::read(&workspace.join(file));
            let text = String::from_utf8(text).expect("sources are text");
            let test = format!("fn {name}(");
            assert!(text.contains(&test), "{what}: {file} has no test {name}");
        }
    }
}

#[test]
fn the_last_of_several_references_frees_once() {
    let mut b = Builder::new();
    let capsule = b.capsule(OWNER, None);
    let bytes = b.content(3_000);
    // Two blobs of the same content, which is kept once.
    let (blob, twin) = (b.blob(&capsule, &bytes), b.blob(&capsule, &bytes));
    let memories = [b.note(&capsule, 10), b.note(&capsule, 20)];
    let twice = [
        b.add_blob(&memories[0], &blob),
        b.add_blob(&memories[0], &blob),
    ];
    b.add_blob(&memories[1], &blob);
    let by = b.by(OWNER);
    let mut removed = |memory: &str, asset: &str| {
        let removal = b.vault.asset_remove(by, memory, asset).expect("removal");
        b.vault.recount().expect("counters");
        let there = b.vault.blob_read(by, &blob).is_ok();
        (removal.asset_removed, there)
    };
    assert_eq!(removed(&memories[0], &twice[0]), (true, true));
    assert_eq!(removed(&memories[0], &twice[0]), (false, true));
    assert_eq!(removed(&memories[0], &twice[1]), (true, true));
    assert_eq!(removed(&memories[1], &blob), (true, false));
    assert_eq!(removed(&memories[1], &blob), (false, false));
    // The content is the other blob's still, and goes with it.
    assert!(b.vault.blob_read(by, &twin).expect("read") == bytes);
    b.vault.blob_delete(by, &twin).expect("delete");
    b.vault.recount().expect("counters");
}

#[test]
fn chunks_that_shrink_and_sessions_that_are_replaced_leak_nothing() {
    let mut b = Builder::new();
    let capsule = b.capsule(OWNER, None);
    let by = b.by(OWNER);
    let round = |b: &mut Builder| {
        let session = b.vault.uploads_begin(by, &capsule, 3, "replaced");
        let session = session.expect("begin");
        for len in [300_000, 20, 100_000, 0, 50_000] {
            for index in [2, 0, 1] {
                let bytes = b.content(len);
                b.vault
                    .uploads_put_chunk(by, session, index, &bytes)
                    .expect("put");
            }
        }
        b.vault.recount().expect("counters");
        b.vault.uploads_abort(by, session).expect("abort");
        b.vault.recount().expect("counters");
        session
    };
    let first = round(&mut b);
    let used = b.vault.stable_bytes_used();
    for _ in 0..5 {
        assert_ne!(round(&mut b), first);
    }
    // A record of each session is kept for a while; of their chunks nothing is.
    let more = b.vault.stable_bytes_used() - used;
    assert!(more < 20_000, "{more} bytes leaked");
}

#[test]
fn a_resumed_upload_commits_what_is_there_or_nothing() {
    let mut b = Builder::new();
    let capsule = b.capsule(OWNER, None);
    let (bytes, other) = (b.content(90_000), b.content(30_000));
    let chunks: Vec<&[u8]> = bytes.chunks(30_000).collect();
    let session = b.session(&capsule, 3, &[(0, chunks[0]), (2, chunks[2])]);
    let (now, by) = (b.now, b.by(OWNER));
    // Whoever resumes has other content in the middle, and hashes what it meant to send.
    let mut vault = Vault::open(Failing::over(b.image())).expect("it is a vault");
    vault
        .uploads_put_chunk(by, session, 1, &other)
        .expect("put");
    for _ in 0..2 {
        let refused = finish(&mut vault, now, session, &bytes);
        let refused = Error::from(refused.expect_err("it is other content"));
        let Error::InvalidArgument(text) = refused else {
            panic!("{refused:?}");
        };
        assert!(text.starts_with("hash_mismatch"), "{text}");
        vault.recount().expect("counters");
    }
    let held = vault.blobs_by_hash(by, &capsule, &[ByteBuf::from(sha256(&bytes))]);
    assert_eq!(held.expect("a look-up"), [None]);
    // Another start later, the right chunk.
    vault
        .uploads_put_chunk(by, session, 1, chunks[1])
        .expect("put");
    let blob = finish(&mut vault, now, session, &bytes).expect("finish");
    assert!(vault.blob_read(by, &blob).expect("read") == bytes);
    vault.recount().expect("counters");
}

/// The status, and the body, of a request for the memory's original.
async fn get(home: &Home, memory: &str, token: &str) -> (u16, Vec<u8>) {
    let request = HttpRequest {
        method: "GET".into(),
        url: format!("/asset/{memory}/original?token={token}"),
        headers: Vec::new(),
        body: ByteBuf::new(),
        certificate_version: None,
    };
    let arg = candid::encode_one(request).expect("it is Candid");
    let reply = home
        .engine
        .query(principal("gateway"), "http_request", &arg)
        .await
        .expect("it answers");
    let answer: HttpResponse = candid::decode_one(&reply).expect("an answer");
    (answer.status_code, answer.body.into_vec())
}

async fn mint(home: &Home, who: &str, memory: &str) -> String {
    let args = (memory, vec!["original"], None::<Vec<String>>, 0u32);
    let arg = candid::encode_args(args).expect("it is Candid");
    let minted = home.engine.query(principal(who), "mint_http_token", &arg);
    let minted = minted.await.expect("the caller may read it");
    candid::decode_one(&minted).expect("a token")
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_outlive_an_upgrade_and_end_with_the_grant() {
    let mut b = Builder::new();
    let capsule = b.capsule(OWNER, None);
    let bytes = b.content(5_000);
    let blob = b.blob(&capsule, &bytes);
    let memory = b.create(NewMemory {
        blob: Some(BlobRef {
            locator: blob,
            hash: None,
            len: 0,
        }),
        ..nothing(&capsule, "shared")
    });
    let everybody = keepsake_client::api::AccessEntry {
        // VIEW and DOWNLOAD.
        perm_mask: 3,
        ..entry("everybody", None)
    };
    let by = b.by(OWNER);
    b.vault
        .access_grant(by, &memory, everybody)
        .expect("a grant");
    let home = Home::over(&b.image(), |_| {}).await;
    let public = mint(&home, FRIEND, &memory).await;
    let own = mint(&home, OWNER, &memory).await;
    for token in [&public, &own] {
        assert_eq!(get(&home, &memory, token).await, (200, bytes.clone()));
    }
    let home = home.reopen(|_| {}).await;
    for token in [&public, &own] {
        assert_eq!(get(&home, &memory, token).await, (200, bytes.clone()));
    }
    // The same vault with another key: a key that is always the same, zeros say, would open both.
    let rotate = candid::encode_one(0u32).expect("it is Candid");
    let other = Home::over(&b.image(), |_| {}).await;
    let rotated =
        other
            .engine
            .execute_update(principal(OPERATOR), "http_token_key_rotate", &rotate);
    rotated.await.result.expect("operators may");
    assert_eq!(get(&other, &memory, &public).await.0, 403);

    let revoke = candid::encode_args((&memory, "everybody")).expect("it is Candid");
    let revoked = home
        .engine
        .execute_update(principal(OWNER), "access_revoke", &revoke);
    revoked.await.result.expect("the owner may");
    assert_eq!(get(&home, &memory, &public).await.0, 403);
    assert_eq!(get(&home, &memory, &own).await, (200, bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canister_refuses_hashes_of_any_wrong_length() {
    let mut b = Builder::new();
    let capsule = b.capsule(OWNER, None);
    let bytes = b.content(100);
    let blob = b.blob(&capsule, &bytes);
    let session = b.session(&capsule, 1, &[(0, &bytes)]);
    for (n, len) in [0, 1, 31, 33, 64, 100_000].into_iter().enumerate() {
        let hash = ByteBuf::from(vec![1; len]);
        let reference = BlobRef {
            locator: blob.clone(),
            hash: Some(hash.clone()),
            len: 0,
        };
        let of_blob = NewMemory {
            blob: Some(reference),
            ..nothing(&capsule, &n.to_string())
        };
        let elsewhere = NewMemory {
            sha256: Some(hash.clone()),
            ..external(&capsule, "key", &n.to_string())
        };
        let create = "memories_create";
        for (what, new) in [("a blob", of_blob), ("external", elsewhere)] {
            let args = crate::scenarios::arguments(new);
            b.scenario(OWNER, create, what, args, |_, _, _| Ok(()));
        }
        let args = (session, hash.clone(), 100u64);
        b.scenario(OWNER, "uploads_finish", "a hash", args, |_, _, _| Ok(()));
        let content = UploadAnnouncement {
            sha256: hash.clone(),
            total_len: 100,
            chunk_size: 10,
        };
        let args = (capsule.clone(), content, n.to_string());
        b.scenario(
            OWNER,
            "uploads_begin_announced",
            "a hash",
            args,
            |_, _, _| Ok(()),
        );
    }
    let home = Home::over(&b.image(), |_| {}).await;
    let before = home.stable();
    for scenario in &b.scenarios {
        let answer = crate::home::answer(scenario, &home.run(scenario).await);
        assert!(
            matches!(answer, Err(Error::InvalidArgument(_))),
            "{}: {answer:?}",
            scenario.name()
        );
    }
    assert!(home.stable() == before);
}
