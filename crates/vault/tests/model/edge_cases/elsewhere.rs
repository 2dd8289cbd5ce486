//! What the contract lists under "What went wrong elsewhere, and must not here", as far as it concerns the vault.

use keepsake_api::{Error as Wire, InlineAssetInput};
use keepsake_vault::{Vault, limits};

use crate::bounded::Bounded;
use crate::home::{
    DAY, Home, assert_invalid, blob_input, dated, external, of_blob, plain, refusal,
};
use crate::pools::sha256;

#[test]
fn two_capsules_made_in_the_same_nanosecond_are_two() {
    let mut home = Home::new();
    let ids = [
        home.about(0, 1),
        home.about(0, 1),
        home.about(2, 1),
        home.own(0),
        home.own(1),
    ];
    for (n, id) in ids.iter().enumerate() {
        assert!(!ids[..n].contains(id), "{id} twice");
    }
}

#[test]
fn two_assets_added_in_the_same_nanosecond_are_two() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let memory = home.inline(0, &capsule, b"original", "m").expect("create");
    let first = home.add(0, &memory, b"same", "a").expect("add");
    let second = home.add(0, &memory, b"same", "b").expect("add");
    assert_ne!(first, second);
    let twins = ["twin", "twin"].map(|bytes| InlineAssetInput {
        bytes: bytes.as_bytes().to_vec().into(),
        metadata: plain(),
    });
    let memory = home.vault.memories_create_with_assets(
        home.by(0),
        &capsule,
        dated(None),
        vec![],
        twins.to_vec(),
        "t",
    );
    let memory = home
        .vault
        .memories_read(home.by(0), &memory.expect("create"))
        .expect("read");
    let [a, b] = &memory.inline_assets[..] else {
        panic!("two assets: {memory:?}")
    };
    assert_ne!(a.asset_id, b.asset_id);
    home.sound();
}

#[test]
fn the_same_key_in_two_capsules_is_two_requests() {
    let mut home = Home::new();
    let (one, two) = (home.own(0), home.about(0, 1));
    let a = home.inline(0, &one, b"same", "k").expect("create");
    let b = home.inline(0, &two, b"same", "k").expect("create");
    assert_ne!(a, b);
    let a = home.begin(0, &one, 1, "k").expect("begin");
    let b = home.begin(0, &two, 1, "k").expect("begin");
    let c = home.begin(1, &two, 1, "k").expect("begin");
    assert!(a != b && b != c && a != c, "{a} {b} {c}");
}

#[test]
fn a_blob_of_another_capsule_is_no_blob() {
    let mut home = Home::new();
    let (one, two) = (home.own(0), home.about(0, 1));
    let blob = home.upload(0, &one, &[b"only in one"], "u");
    let memory = home.inline(0, &two, b"x", "m").expect("create");
    assert_invalid(
        home.create(0, of_blob(&two, &blob, None, "k")),
        "blob_mismatch",
    );
    assert_invalid(home.add_blob(0, &memory, &blob, "k"), "blob_mismatch");
    let by = home.by(0);
    let listed = home.vault.memories_create_with_assets(
        by,
        &two,
        dated(None),
        vec![blob_input(&blob)],
        vec![],
        "k",
    );
    assert_invalid(listed, "blob_mismatch");
    home.sound();
}

#[test]
fn refused_calls_cost_an_upload_nothing() {
    let mut home = Home::new();
    let capsule = home.about(0, 1);
    let session = home.begin(0, &capsule, 2, "u").expect("begin");
    home.put(0, session, 0, b"first ").expect("put");
    for other in [1, 2] {
        assert_eq!(
            refusal(home.put(other, session, 1, b"spoilt")),
            Wire::NotFound
        );
        assert_eq!(
            refusal(home.finish(other, session, b"first ")),
            Wire::NotFound
        );
        assert_eq!(
            refusal(home.vault.uploads_abort(home.by(other), session)),
            Wire::NotFound
        );
    }
    assert_invalid(
        home.put(0, session, 2, b"out of range"),
        "chunk_out_of_range",
    );
    assert_invalid(
        home.put(0, session, 1, &vec![0; limits::CHUNK_MAX as usize + 1]),
        "chunk_too_large",
    );
    assert_invalid(home.finish(0, session, b"first second"), "chunk_missing: 1");
    home.put(0, session, 1, b"second").expect("put");
    for (sha, len, why) in [
        (sha256(b"other"), 12, "hash_mismatch"),
        (sha256(b"first second"), 11, "size_mismatch"),
    ] {
        assert_invalid(home.finish_as(0, session, &sha, len), why);
    }
    home.finish(0, session, b"first second")
        .expect("nothing of all that did harm");
    home.sound();
}

#[test]
fn a_finish_can_be_asked_again_for_a_day_and_after_everything() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let session = home.begin(0, &capsule, 1, "u").expect("begin");
    home.put(0, session, 0, b"content").expect("put");
    let first = home.finish(0, session, b"content").expect("finish");
    home.now += DAY;
    home.sweep();
    home.sound();
    assert_eq!(home.finish(0, session, b"content").expect("again"), first);
    assert_invalid(home.finish(0, session, b"another"), "hash_mismatch");
    let memory = home
        .create(0, of_blob(&capsule, &first.blob_id, None, "m"))
        .expect("create");
    home.delete(0, &memory, true).expect("delete");
    assert_eq!(
        home.finish(0, session, b"content").expect("again, deleted"),
        first
    );
    let gone = home.vault.blob_read(home.by(0), &first.blob_id);
    assert_eq!(refusal(gone), Wire::NotFound);
    home.sound();
}

#[test]
fn a_cursor_past_the_end_gives_an_empty_page() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let empty = home.about(0, 1);
    let memories: Vec<String> = (0..4u8)
        .map(|n| home.inline(0, &capsule, &[n], "k").expect("create"))
        .collect();
    let (first, cursor) = home.page(0, &capsule, None, Some(2)).expect("a page");
    let cursor = cursor.expect("there is more");
    assert_eq!(first.len(), 2);
    assert!(
        home.page(0, &empty, Some(&cursor), None)
            .is_ok_and(|(items, _)| items.is_empty())
            || matches!(
                refusal(home.page(0, &empty, Some(&cursor), None)),
                Wire::InvalidArgument(_)
            )
    );
    for memory in &memories {
        home.delete(0, memory, true).expect("delete");
    }
    assert_eq!(
        home.page(0, &capsule, Some(&cursor), None)
            .expect("past the end"),
        (vec![], None)
    );
}

#[test]
fn pages_have_fifty_items_unless_told_otherwise_and_never_none() {
    let mut home = Home::new();
    let capsule = home.own(0);
    for n in 0..120u8 {
        home.inline(0, &capsule, &[n], "k").expect("create");
    }
    let page = |limit| {
        home.page(0, &capsule, None, limit)
            .map(|(items, cursor)| (items.len(), cursor.is_some()))
    };
    assert_eq!(page(None).expect("a page"), (50, true));
    assert_eq!(page(Some(100)).expect("a page"), (100, true));
    assert_eq!(page(Some(101)).expect("a page"), (100, true));
    assert_eq!(page(Some(u32::MAX)).expect("a page"), (100, true));
    assert_invalid(page(Some(0)), "limit");
}

/// Deletions and insertions on both sides of the cursor, between any two pages.
#[test]
fn a_walk_stays_right_while_memories_come_and_go() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let create = |home: &mut Home, date: u64, n: u8| {
        let input = InlineAssetInput {
            bytes: vec![n].into(),
            metadata: plain(),
        };
        let by = home.by(0);
        home.vault
            .memories_create_with_assets(by, &capsule, dated(Some(date)), vec![], vec![input], "k")
            .expect("create")
    };
    let mut stay = vec![];
    let mut go = vec![];
    for n in 0..40u8 {
        // Ten memories a date, so that pages end in the middle of equal dates.
        let id = create(&mut home, u64::from(n / 10), n);
        if n % 3 == 0 {
            go.push(id)
        } else {
            stay.push(id)
        }
    }
    let (mut met, mut cursor, mut n) = (vec![], None, 100);
    loop {
        let (items, next) = home
            .page(0, &capsule, cursor.as_deref(), Some(3))
            .expect("a page");
        met.extend(items);
        if next.is_none() {
            break;
        }
        cursor = next;
        if let Some(id) = go.pop() {
            home.delete(0, &id, false).expect("delete");
        }
        create(&mut home, u64::from(n % 5), n);
        n += 1;
        assert!(n < 200, "a walk that never ends");
    }
    let mut once = met.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), met.len(), "an item twice");
    assert!(stay.iter().all(|id| met.contains(id)), "an item skipped");
}

#[test]
fn a_hash_of_the_wrong_length_is_refused() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let blob = home.upload(0, &capsule, &[b"content"], "u");
    let session = home.begin(0, &capsule, 1, "v").expect("begin");
    home.put(0, session, 0, b"content").expect("put");
    for len in [0, 1, 31, 33, 64, 100_000] {
        let hash = vec![1; len];
        assert_invalid(home.finish_as(0, session, &hash, 7), "");
        assert_invalid(
            home.create(0, of_blob(&capsule, &blob, Some(hash.clone()), "k")),
            "",
        );
        let mut new = external(&capsule, "key", None, "k");
        new.sha256 = Some(hash.into());
        assert_invalid(home.create(0, new), "");
    }
    home.finish(0, session, b"content")
        .expect("the session is still open");
}

#[test]
fn a_session_lives_seven_days_after_its_last_chunk_and_no_longer() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let session = home.begin(0, &capsule, 3, "u").expect("begin");
    for index in 0..2 {
        home.now += 7 * DAY - 1;
        home.sweep();
        home.sound();
        home.put(0, session, index, b"chunk").expect("still there");
    }
    home.now += 7 * DAY + 1;
    home.sweep();
    assert_eq!(refusal(home.put(0, session, 2, b"chunk")), Wire::NotFound);
    assert_ne!(home.begin(0, &capsule, 3, "u").expect("anew"), session);
    home.sound();
}

#[test]
fn ids_cannot_be_computed() {
    let ids = |seed: [u8; 32]| {
        let mut home = Home::new();
        home.memory = Bounded::endless();
        home.vault = Vault::open(home.memory.clone()).expect("an empty memory");
        home.vault.set_seed(seed);
        let capsule = home.own(0);
        let session = home.begin(0, &capsule, 1, "s").expect("begin");
        let blobs = ["a", "b", "c"].map(|idem| home.upload(0, &capsule, &[idem.as_bytes()], idem));
        let memory = home.inline(0, &capsule, b"x", "k").expect("create");
        let asset = home.add(0, &memory, b"y", "k").expect("add");
        let numbers = blobs
            .clone()
            .map(|blob| blob["blob_".len()..].parse::<u64>().expect("a number"));
        // Neither close together nor close to the beginning.
        for (n, number) in numbers.iter().enumerate() {
            let others = numbers[..n].iter().chain([&0]);
            assert!(
                others
                    .into_iter()
                    .all(|other| number.abs_diff(*other) > 1 << 32),
                "{numbers:?}"
            );
        }
        let [a, b, c] = blobs;
        [capsule, session.to_string(), a, b, c, memory, asset]
    };
    let (one, two) = (ids([1; 32]), ids([2; 32]));
    for (a, b) in one.iter().zip(&two) {
        assert_ne!(a, b, "the same with another seed");
    }
    assert_eq!(one, ids([1; 32]), "the seed alone decides");
}

#[test]
fn without_a_seed_nothing_is_handed_out() {
    let memory = Bounded::endless();
    let mut vault = Vault::open(memory).expect("an empty memory");
    assert!(vault.needs_seed());
    let home = Home::new();
    let refused = refusal(vault.capsules_create(home.by(0), None));
    assert!(matches!(refused, Wire::Internal(_)), "{refused:?}");
    assert!(vault.needs_seed());
}
