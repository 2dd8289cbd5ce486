use ic_stable_structures::VectorMemory;
use keepsake_api::{ByteBuf, HeldBlob, InitArgs, PersonRef, UploadAnnouncement, UploadBegin};

use crate::limits::SESSION_LIFETIME;
use crate::{Call, Error, FinishStep, Vault};

const SEED: [u8; 32] = [1; 32];

fn caller(now: u64) -> Call {
    Call {
        caller: candid::Principal::self_authenticating([7]),
        now,
    }
}

fn vault() -> (Vault<VectorMemory>, String) {
    let mut vault = Vault::open(VectorMemory::default()).unwrap();
    vault.set_seed(SEED);
    let capsule = vault
        .capsules_create(caller(0), None::<PersonRef>)
        .unwrap()
        .id;
    (vault, capsule)
}

#[test]
fn a_session_lives_seven_days_after_its_last_chunk_and_then_frees_all() {
    let (mut vault, capsule) = vault();
    let session = vault.uploads_begin(caller(10), &capsule, 3, "a").unwrap();
    let empty = vault.stable_bytes_used();
    let last_chunk = SESSION_LIFETIME / 2;
    vault
        .uploads_put_chunk(caller(last_chunk), session, 0, &[1; 100_000])
        .unwrap();

    let alive = last_chunk + SESSION_LIFETIME - 1;
    assert!(!vault.sweep_sessions(alive, 10));
    vault
        .uploads_put_chunk(caller(alive), session, 0, &[1; 100_000])
        .unwrap();
    assert_eq!(
        vault.uploads_begin(caller(alive), &capsule, 3, "a"),
        Ok(session)
    );

    let gone = alive + SESSION_LIFETIME;
    assert_eq!(
        vault.uploads_put_chunk(caller(gone), session, 1, &[2; 10]),
        Err(Error::NotFound)
    );
    assert!(!vault.sweep_sessions(gone, 10));
    vault.recount().unwrap();
    assert!(vault.sessions.all().is_empty());
    assert_eq!(vault.arena.used_bytes(), 0);
    assert!(empty <= vault.stable_bytes_used());
}

#[test]
fn an_expired_session_that_was_not_swept_yet_makes_way_for_a_new_one() {
    let (mut vault, capsule) = vault();
    let old = vault.uploads_begin(caller(0), &capsule, 1, "a").unwrap();
    for i in 0..5 {
        vault
            .uploads_begin(caller(0), &capsule, 1, &format!("other {i}"))
            .unwrap();
    }
    let new = vault
        .uploads_begin(caller(SESSION_LIFETIME), &capsule, 1, "a")
        .unwrap();
    assert_ne!(old, new);
    vault.recount().unwrap();
    assert!(vault.sweep_sessions(SESSION_LIFETIME, 1));
    while vault.sweep_sessions(SESSION_LIFETIME, 1) {}
    vault.recount().unwrap();
    assert_eq!(vault.sessions.all().len(), 1);
}

#[test]
fn chunks_that_come_in_reverse_are_hashed_over_several_messages() {
    let (mut vault, capsule) = vault();
    let chunk = vec![5u8; crate::limits::CHUNK_MAX as usize];
    let count = 50;
    let session = vault
        .uploads_begin(caller(0), &capsule, count, "a")
        .unwrap();
    for index in (0..count).rev() {
        vault
            .uploads_put_chunk(caller(0), session, index, &chunk)
            .unwrap();
    }
    let total = chunk.len() * count as usize;
    let sha256 = crate::hash::sha256(&[&vec![5u8; total]]);
    let mut messages = 1;
    let result = loop {
        match vault
            .uploads_finish(caller(0), session, &sha256, total as u64)
            .unwrap()
        {
            FinishStep::Done(result) => break result,
            FinishStep::HashMore => messages += 1,
        }
    };
    assert!(messages > 1);
    assert_eq!(
        vault
            .blob_get_meta(caller(0), &result.blob_id)
            .unwrap()
            .chunk_count,
        count
    );
    vault.recount().unwrap();
}

fn announcement(bytes: &[u8], chunk_size: u32) -> UploadAnnouncement {
    UploadAnnouncement {
        sha256: ByteBuf::from(crate::hash::sha256(&[bytes]).to_vec()),
        total_len: bytes.len() as u64,
        chunk_size,
    }
}

#[test]
fn an_announced_upload_takes_exactly_what_was_announced() {
    let (mut vault, capsule) = vault();
    let bytes: Vec<u8> = (0..1_000u32).map(|n| n as u8).collect();
    let content = announcement(&bytes, 300);
    let begun = vault
        .uploads_begin_announced(caller(0), &capsule, &content, "a")
        .unwrap();
    let UploadBegin::Open {
        session,
        expected_chunks: 4,
    } = begun
    else {
        panic!("{begun:?}");
    };
    assert_eq!(
        vault.uploads_begin_announced(caller(0), &capsule, &content, "a"),
        Ok(begun)
    );
    for (index, wrong) in [(0, 299), (0, 0), (3, 300), (3, 99)] {
        assert!(matches!(
            vault.uploads_put_chunk(caller(0), session, index, &bytes[..wrong]),
            Err(Error::SizeMismatch { .. })
        ));
    }
    for (index, chunk) in (0..).zip(bytes.chunks(300)) {
        vault
            .uploads_put_chunk(caller(0), session, index, chunk)
            .unwrap();
    }
    let FinishStep::Done(done) = vault
        .uploads_finish(caller(0), session, &content.sha256, 1_000)
        .unwrap()
    else {
        panic!("a kilobyte is hashed at once");
    };
    let held = HeldBlob {
        blob_id: done.blob_id,
        size: 1_000,
    };
    assert_eq!(
        vault.uploads_begin_announced(caller(0), &capsule, &content, "b"),
        Ok(UploadBegin::Present(held.clone()))
    );
    let absent = ByteBuf::from(vec![9; 32]);
    assert_eq!(
        vault.blobs_by_hash(caller(0), &capsule, &[absent, content.sha256.clone()]),
        Ok(vec![None, Some(held.clone())])
    );
    let stranger = Call {
        caller: candid::Principal::self_authenticating([8]),
        now: 0,
    };
    assert_eq!(
        vault.blobs_by_hash(stranger, &capsule, std::slice::from_ref(&content.sha256)),
        Err(Error::NotFound)
    );
    assert_eq!(
        vault.uploads_begin_announced(stranger, &capsule, &content, "b"),
        Err(Error::NotFound)
    );
    // Another capsule learns nothing of it.
    let own = vault.capsules_create(stranger, None).unwrap().id;
    assert_eq!(
        vault.blobs_by_hash(stranger, &own, std::slice::from_ref(&content.sha256)),
        Ok(vec![None])
    );
    vault.recount().unwrap();
}

#[test]
fn announcements_that_cannot_be_are_refused() {
    let (mut vault, capsule) = vault();
    let mut begin = |len, chunk_size, hash_len| {
        let content = UploadAnnouncement {
            sha256: ByteBuf::from(vec![1; hash_len]),
            total_len: len,
            chunk_size,
        };
        vault.uploads_begin_announced(caller(0), &capsule, &content, "a")
    };
    assert!(matches!(
        begin(1, 0, 32),
        Err(Error::Invalid {
            name: "chunk_size",
            ..
        })
    ));
    assert!(matches!(
        begin(1, 1_800_001, 32),
        Err(Error::Invalid {
            name: "chunk_size",
            ..
        })
    ));
    assert!(matches!(
        begin(1, 1, 31),
        Err(Error::Invalid { name: "sha256", .. })
    ));
    assert!(matches!(
        begin(16_385, 1, 32),
        Err(Error::ExpectedChunksTooLarge(_))
    ));
    assert!(matches!(
        begin(u64::MAX, 1, 32),
        Err(Error::ExpectedChunksTooLarge(_))
    ));
    assert!(matches!(
        begin(0, 1_800_000, 32),
        Ok(UploadBegin::Open {
            expected_chunks: 1,
            ..
        })
    ));
}

#[test]
fn the_quota_is_checked_before_bytes_are_stored() {
    let (mut vault, capsule) = vault();
    vault.configure(&InitArgs {
        bytes_per_capsule: Some(1_000),
        open_sessions: Some(2),
        ..InitArgs::default()
    });
    let content = announcement(&[1; 1_001], 2_000);
    assert_eq!(
        vault.uploads_begin_announced(caller(0), &capsule, &content, "a"),
        Err(Error::ResourceExhausted)
    );
    let session = vault.uploads_begin(caller(0), &capsule, 2, "a").unwrap();
    vault
        .uploads_put_chunk(caller(0), session, 0, &[1; 600])
        .unwrap();
    assert_eq!(
        vault.uploads_put_chunk(caller(0), session, 1, &[1; 401]),
        Err(Error::ResourceExhausted)
    );
    vault
        .uploads_put_chunk(caller(0), session, 1, &[1; 400])
        .unwrap();
    vault.uploads_begin(caller(0), &capsule, 1, "b").unwrap();
    assert_eq!(
        vault.uploads_begin(caller(0), &capsule, 1, "c"),
        Err(Error::ResourceExhausted)
    );
    vault.recount().unwrap();
}

fn put(
    vault: &mut Vault<VectorMemory>,
    now: u64,
    capsule: &str,
    bytes: &[u8],
    idem: &str,
) -> crate::Result<keepsake_api::UploadFinishResult> {
    let sha256 = crate::hash::sha256(&[bytes]);
    vault.uploads_put_blob(caller(now), capsule, bytes, &sha256, idem)
}

#[test]
fn a_blob_in_one_message_is_the_one_that_a_session_would_make() {
    let (mut vault, capsule) = vault();
    for bytes in [&b"small"[..], b"", &[7; 100_000]] {
        let made = put(&mut vault, 5, &capsule, bytes, "a").unwrap();
        assert_eq!(made.size, bytes.len() as u64);
        assert_eq!(made.uploaded_at, 5);
        assert_eq!(
            vault.blob_read(caller(6), &made.blob_id).as_deref(),
            Ok(bytes)
        );
        let sha256 = crate::hash::sha256(&[bytes]);
        let session = vault.uploads_begin(caller(6), &capsule, 1, "s").unwrap();
        vault
            .uploads_put_chunk(caller(6), session, 0, bytes)
            .unwrap();
        let FinishStep::Done(finished) = vault
            .uploads_finish(caller(6), session, &sha256, bytes.len() as u64)
            .unwrap()
        else {
            panic!("there is little to hash");
        };
        // Stored once, under two ids that look the same to whoever reads them.
        assert_ne!(made.blob_id, finished.blob_id);
        assert_eq!(
            vault.blob_get_meta(caller(6), &made.blob_id),
            vault.blob_get_meta(caller(6), &finished.blob_id)
        );
        assert_eq!(made.checksum_sha256, finished.checksum_sha256);
        vault.recount().unwrap();
    }
    let stored: u64 = [5, 0, 100_000u64]
        .map(|len| len.next_multiple_of(32))
        .iter()
        .sum();
    assert_eq!(vault.arena.used_bytes(), stored);
}

#[test]
fn a_blob_sent_again_is_the_same_blob() {
    let (mut vault, capsule) = vault();
    let first = put(&mut vault, 5, &capsule, b"content", "a").unwrap();
    assert_eq!(
        put(&mut vault, 9, &capsule, b"content", "a"),
        Ok(first.clone())
    );
    // Another key, or the same one with other content: another blob.
    let other_key = put(&mut vault, 9, &capsule, b"content", "b").unwrap();
    let other_content = put(&mut vault, 9, &capsule, b"other content", "a").unwrap();
    assert_ne!(first.blob_id, other_key.blob_id);
    assert_ne!(first.blob_id, other_content.blob_id);
    vault.recount().unwrap();

    // Deleted while another id shares the content, it is made again, once.
    vault.blob_delete(caller(9), &first.blob_id).unwrap();
    let again = put(&mut vault, 10, &capsule, b"content", "a").unwrap();
    assert_eq!(
        put(&mut vault, 11, &capsule, b"content", "a"),
        Ok(again.clone())
    );
    assert_eq!(
        vault.blob_read(caller(11), &again.blob_id).as_deref(),
        Ok(&b"content"[..])
    );
    vault.recount().unwrap();
    for blob in [again, other_key, other_content] {
        vault.blob_delete(caller(12), &blob.blob_id).unwrap();
    }
    vault.recount().unwrap();
    assert_eq!(vault.arena.used_bytes(), 0);
}

#[test]
fn a_blob_in_one_message_is_checked_like_any_upload() {
    let (mut vault, capsule) = vault();
    let stranger = Call {
        caller: candid::Principal::self_authenticating([8]),
        now: 0,
    };
    let sha256 = crate::hash::sha256(&[b"content"]);
    let before = vault.stable_bytes_used();
    let mut refused = |call, capsule: &str, bytes: &[u8], sha256: &[u8], idem: &str| {
        vault
            .uploads_put_blob(call, capsule, bytes, sha256, idem)
            .unwrap_err()
    };
    assert_eq!(
        refused(stranger, &capsule, b"content", &sha256, "a"),
        Error::NotFound
    );
    assert_eq!(
        refused(caller(0), "capsule_0", b"content", &sha256, "a"),
        Error::NotFound
    );
    assert_eq!(
        refused(caller(0), &capsule, b"content", &sha256, ""),
        Error::IdemEmpty
    );
    assert!(matches!(
        refused(caller(0), &capsule, b"contents", &sha256, "a"),
        Error::HashMismatch(_)
    ));
    assert!(matches!(
        refused(caller(0), &capsule, b"content", &sha256[..31], "a"),
        Error::Invalid { .. }
    ));
    let long = vec![0; crate::limits::CHUNK_MAX as usize + 1];
    assert_eq!(
        refused(caller(0), &capsule, &long, &sha256, "a"),
        Error::ChunkTooLarge { len: long.len() }
    );
    vault.configure(&InitArgs {
        bytes_per_capsule: Some(6),
        ..InitArgs::default()
    });
    assert_eq!(
        put(&mut vault, 0, &capsule, b"content", "a"),
        Err(Error::ResourceExhausted)
    );
    assert!(put(&mut vault, 0, &capsule, b"conten", "a").is_ok());
    // Content that is held already takes nothing of the quota.
    assert!(put(&mut vault, 0, &capsule, b"conten", "b").is_ok());
    vault.recount().unwrap();
    assert!(vault.stable_bytes_used() >= before);
}

#[test]
fn a_blob_in_one_message_fills_the_holes_there_are() {
    let (mut vault, capsule) = vault();
    let mut blobs = Vec::new();
    for n in 0..6u8 {
        blobs.push(
            put(&mut vault, 0, &capsule, &[n; 8_192], "a")
                .unwrap()
                .blob_id,
        );
    }
    for blob in [&blobs[0], &blobs[2], &blobs[4]] {
        vault.blob_delete(caller(1), blob).unwrap();
    }
    let bytes: Vec<u8> = (0..30_000u32).map(|n| n as u8).collect();
    let blob = put(&mut vault, 2, &capsule, &bytes, "b").unwrap().blob_id;
    assert_eq!(vault.blob_read(caller(2), &blob), Ok(bytes));
    vault.recount().unwrap();
}
