use ic_stable_structures::VectorMemory;
use keepsake_api::PersonRef;

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
