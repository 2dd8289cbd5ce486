//! Uploads and blobs at their limits and past them.

use ic_stable_structures::Memory;
use keepsake_api::Error as Wire;
use keepsake_vault::{FinishStep, limits};

use crate::home::{DAY, Home, assert_invalid, of_blob, refusal};
use crate::pools::sha256;

#[test]
fn the_hundred_and_first_open_session_is_refused() {
    let mut home = Home::new();
    let (capsule, other) = (home.about(0, 1), home.own(0));
    let sessions: Vec<u64> = (0..limits::OPEN_SESSIONS_MAX)
        .map(|n| home.begin(0, &capsule, 1, &n.to_string()).expect("begin"))
        .collect();
    assert_eq!(
        refusal(home.begin(0, &capsule, 1, "one more")),
        Wire::ResourceExhausted
    );
    assert_eq!(
        home.begin(0, &capsule, 1, "7").expect("an open one"),
        sessions[7]
    );
    home.begin(1, &capsule, 1, "one more")
        .expect("another caller");
    home.begin(0, &other, 1, "one more")
        .expect("another capsule");
    home.vault
        .uploads_abort(home.by(0), sessions[0])
        .expect("abort");
    home.begin(0, &capsule, 1, "one more")
        .expect("after an abort");
    assert_eq!(
        refusal(home.begin(0, &capsule, 1, "and one")),
        Wire::ResourceExhausted
    );
    home.put(0, sessions[1], 0, b"x").expect("put");
    home.finish(0, sessions[1], b"x").expect("finish");
    home.begin(0, &capsule, 1, "and one")
        .expect("after a finish");
    home.now += 8 * DAY;
    home.sweep();
    home.begin(0, &capsule, 1, "a week later")
        .expect("after they expired");
    assert_eq!(refusal(home.put(0, sessions[2], 0, b"x")), Wire::NotFound);
    home.sound();
}

#[test]
fn missing_chunks_are_named() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let session = home.begin(0, &capsule, 10, "u").expect("begin");
    for index in [0, 1, 2, 4, 5, 6] {
        home.put(0, session, index, b"x").expect("put");
    }
    assert_invalid(
        home.finish(0, session, b"xxxxxxxxxx"),
        "chunk_missing: 3,7-9",
    );
}

/// The most chunks there may be, from the last to the first, so that nothing can be hashed on the way in.
#[test]
fn the_most_chunks_backwards() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let session = home
        .begin(0, &capsule, limits::CHUNKS_MAX, "u")
        .expect("begin");
    let content: Vec<u8> = (0..limits::CHUNKS_MAX)
        .flat_map(|n| (n as u16).to_be_bytes())
        .collect();
    for (index, chunk) in content.chunks(2).enumerate().rev() {
        home.put(0, session, index as u32, chunk).expect("put");
    }
    let blob = home.finish(0, session, &content).expect("finish").blob_id;
    assert!(home.vault.blob_read(home.by(0), &blob).expect("read") == content);
    let meta = home.vault.blob_get_meta(home.by(0), &blob).expect("meta");
    assert_eq!(
        (meta.size, meta.chunk_count),
        (content.len() as u64, limits::CHUNKS_MAX)
    );
    home.sound();
}

/// More than one message may hash is left at the end; a chunk replaced between two of those messages counts as it is then.
#[test]
fn a_chunk_replaced_while_the_finish_goes_on() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let chunks = (limits::HASH_PER_FINISH / u64::from(limits::CHUNK_MAX) + 6) as u32;
    let session = home.begin(0, &capsule, chunks, "u").expect("begin");
    let mut content = vec![3; (chunks * limits::CHUNK_MAX) as usize];
    let chunk = vec![3; limits::CHUNK_MAX as usize];
    for index in (0..chunks).rev() {
        home.put(0, session, index, &chunk).expect("put");
    }
    let first =
        home.vault
            .uploads_finish(home.by(0), session, &sha256(&content), content.len() as u64);
    assert!(matches!(first, Ok(FinishStep::HashMore)), "{first:?}");
    home.sound();
    content[0] = 4;
    let other = content[..limits::CHUNK_MAX as usize].to_vec();
    home.put(0, session, 0, &other).expect("replaced");
    assert_invalid(
        home.finish(0, session, &vec![3; content.len()]),
        "hash_mismatch",
    );
    let blob = home
        .finish(0, session, &content)
        .expect("as it is now")
        .blob_id;
    let read = home.vault.blob_read_chunk(home.by(0), &blob, 0);
    assert!(read.expect("the first chunk") == other);
    home.sound();
}

#[test]
fn a_blob_that_no_reply_can_carry_is_read_in_chunks() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let half = vec![5; 1_500_000];
    let fits = home.upload(0, &capsule, &[&half, &half], "fits");
    assert_eq!(
        home.vault.blob_read(home.by(0), &fits).expect("fits").len(),
        3_000_000
    );
    let larger = home.upload(0, &capsule, &[&half, &half, b"1"], "larger");
    match refusal(home.vault.blob_read(home.by(0), &larger)) {
        Wire::InvalidArgument(text) => assert!(text.contains("blob_read_chunk"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        home.vault
            .blob_read_chunk(home.by(0), &larger, 2)
            .expect("a chunk"),
        b"1"
    );
    assert_eq!(
        home.vault
            .blob_read_chunk(home.by(0), &larger, 3)
            .expect("past the end"),
        b""
    );
    assert_eq!(
        home.vault
            .blob_read_chunk(home.by(0), &larger, u32::MAX)
            .expect("past the end"),
        b""
    );
}

/// Equal content in one capsule takes its place once; what is deleted is free at once for other content.
#[test]
fn space_is_shared_and_used_again() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let chunk = |n: u8| vec![n; limits::CHUNK_MAX as usize];
    let size = |home: &Home| home.memory.size() * 65_536;
    let mut blobs = vec![
        home.upload(0, &capsule, &[&chunk(1)], "0"),
        home.upload(0, &capsule, &[&chunk(1)], "1"),
    ];
    let before = size(&home);
    for n in 2..12 {
        blobs.push(home.upload(0, &capsule, &[&chunk(1)], &n.to_string()));
    }
    assert!(
        size(&home) < before + u64::from(limits::CHUNK_MAX),
        "equal content is stored again"
    );
    for (n, blob) in blobs.iter().enumerate() {
        assert!(!blobs[..n].contains(blob), "an id twice");
        let memory = home
            .create(0, of_blob(&capsule, blob, None, &n.to_string()))
            .expect("create");
        home.delete(0, &memory, true).expect("delete");
        home.sound();
    }
    let before = size(&home);
    for n in 20..40 {
        let blob = home.upload(0, &capsule, &[&chunk(n)], "again");
        let memory = home
            .create(0, of_blob(&capsule, &blob, None, "again"))
            .expect("create");
        home.delete(0, &memory, true).expect("delete");
    }
    assert!(
        size(&home) < before + 2 * u64::from(limits::CHUNK_MAX),
        "deleted content still takes space"
    );
    home.sound();
}
