//! Uploads and blobs at their limits and past them.

use ic_stable_structures::Memory;
use keepsake_api::{Error as Wire, InitArgs, UploadAnnouncement, UploadBegin};
use keepsake_vault::{FinishStep, Means, limits};

use crate::home::{DAY, Home, assert_invalid, of_blob, refusal};
use crate::pools::sha256;

const PLENTY: Means = Means {
    balance: 1 << 100,
    liquid: 1 << 100,
    heap: 0,
};

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

/// Uploads under way count against the quota: any number of sessions together store no more than it, and what ends gives it back.
#[test]
fn a_hundred_sessions_store_no_more_than_the_quota() {
    let mut home = Home::new();
    home.vault.configure(&InitArgs {
        bytes_per_capsule: Some(10_000),
        ..InitArgs::default()
    });
    let capsule = home.own(0);
    let held = |home: &Home| {
        let status = home.vault.capsule_status(home.by(0), &capsule, PLENTY);
        let status = status.expect("its owner asks");
        (status.bytes, status.blob_bytes)
    };
    let mut taken = vec![];
    for n in 0..100u8 {
        let session = home.begin(0, &capsule, 2, &n.to_string()).expect("begin");
        match home.put(0, session, 0, &[n; 900]) {
            Ok(()) => taken.push(session),
            Err(error) => assert_eq!(Wire::from(error), Wire::ResourceExhausted),
        }
    }
    assert_eq!((taken.len(), held(&home)), (11, (9_900, 0)));
    home.sound();
    // Whatever takes bytes finds as little room; the same chunk again takes none, another in its place only what it is longer.
    let blob = |home: &mut Home, bytes: &[u8], idem: &str| {
        let (by, sha) = (home.by(0), sha256(bytes));
        home.vault.uploads_put_blob(by, &capsule, bytes, &sha, idem)
    };
    assert_eq!(
        refusal(blob(&mut home, &[1; 101], "b")),
        Wire::ResourceExhausted
    );
    let refused = home.inline(0, &capsule, &[1; 101], "i");
    assert_eq!(refusal(refused), Wire::ResourceExhausted);
    home.put(0, taken[0], 0, &[0; 900]).expect("the same chunk");
    home.put(0, taken[0], 0, &[9; 1_000])
        .expect("100 bytes more");
    let refused = home.put(0, taken[0], 0, &[9; 1_001]);
    assert_eq!(refusal(refused), Wire::ResourceExhausted);
    home.put(0, taken[0], 0, &[0; 900]).expect("100 bytes less");
    assert_eq!(held(&home), (9_900, 0));
    // Finished, it counts once; the quota being full does not stop it.
    home.put(0, taken[1], 1, &[2; 100]).expect("the last bytes");
    let content = [vec![1; 900], vec![2; 100]].concat();
    home.finish(0, taken[1], &content).expect("finish");
    assert_eq!(held(&home), (10_000, 1_000));
    home.vault
        .uploads_abort(home.by(0), taken[2])
        .expect("abort");
    home.vault
        .uploads_abort(home.by(0), taken[2])
        .expect("again");
    assert_eq!(held(&home), (9_100, 1_000));
    home.put(0, taken[3], 1, &[4; 900])
        .expect("the room of one");
    // Content that is there already takes nothing.
    blob(&mut home, &content, "b").expect("held already");
    home.sound();
    // What nobody goes on with counts until it is cleared away.
    home.now += 8 * DAY;
    let lapsed = home.vault.uploads_cleanup_expired(home.by(0));
    assert_eq!(lapsed.expect("clear away"), 100);
    assert_eq!(held(&home), (1_000, 1_000));
    home.sound();
}

/// An upload that was announced and takes all the room goes on where it stopped; with the capsule all of it goes.
#[test]
fn an_announced_upload_is_begun_again_although_it_fills_the_quota() {
    let mut home = Home::new();
    home.vault.configure(&InitArgs {
        bytes_per_capsule: Some(2_000),
        ..InitArgs::default()
    });
    let capsule = home.own(0);
    let content = vec![3; 2_000];
    let announcement = UploadAnnouncement {
        sha256: sha256(&content).to_vec().into(),
        total_len: 2_000,
        chunk_size: 1_500,
    };
    let begin = |home: &mut Home, idem: &str| {
        let by = home.by(0);
        (home.vault).uploads_begin_announced(by, &capsule, &announcement, idem)
    };
    let Ok(UploadBegin::Open { session, .. }) = begin(&mut home, "u") else {
        panic!("the quota takes it");
    };
    home.put(0, session, 0, &content[..1_500]).expect("put");
    assert_eq!(
        refusal(begin(&mut home, "another")),
        Wire::ResourceExhausted
    );
    let again = begin(&mut home, "u").expect("begun again");
    assert!(matches!(again, UploadBegin::Open { session: same, .. } if same == session));
    home.put(0, session, 1, &content[1_500..]).expect("put");
    // The quota lowered meanwhile: what it does not take stays an upload, and can be given up.
    let lower = InitArgs {
        bytes_per_capsule: Some(1_999),
        ..InitArgs::default()
    };
    home.vault.configure(&lower);
    let refused = home.finish(0, session, &content);
    assert_eq!(refusal(refused), Wire::ResourceExhausted);
    home.sound();
    let by = home.by(0);
    home.vault.capsules_delete(by, &capsule).expect("delete");
    while home.vault.sweep(home.now) {}
    home.sound();
}

/// Chunks that came before there was a quota count from the session's next chunk on.
#[test]
fn chunks_that_came_before_there_was_a_quota() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let [one, other] =
        ["one", "other"].map(|idem| home.begin(0, &capsule, 2, idem).expect("begin"));
    home.put(0, one, 0, &[1; 600]).expect("put");
    home.put(0, other, 0, &[2; 600]).expect("put");
    home.vault.configure(&InitArgs {
        bytes_per_capsule: Some(1_000),
        ..InitArgs::default()
    });
    home.put(0, one, 1, &[1; 100]).expect("put");
    let refused = home.put(0, other, 1, &[2; 100]);
    assert_eq!(refusal(refused), Wire::ResourceExhausted);
    home.sound();
    home.vault.uploads_abort(home.by(0), one).expect("abort");
    home.put(0, other, 1, &[2; 100]).expect("put");
    let content = [vec![2; 600], vec![2; 100]].concat();
    home.finish(0, other, &content).expect("finish");
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
