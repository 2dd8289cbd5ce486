use super::*;

#[test]
fn a_deletion_by_an_entry_is_answered_again() {
    let (mut vault, memory, capsule) = vault();
    let id = vault
        .memories_create(by(OWNER, 1), inline(&capsule, "m"))
        .unwrap();
    vault
        .access_grant(by(OWNER, 1), &id, entry(Some(FRIEND), 31))
        .unwrap();
    let bulk = |vault: &mut Vault<VectorMemory>, who| {
        let ids = [id.clone(), id.clone()];
        vault
            .memories_delete_bulk(by(who, 2), &capsule, &ids, true)
            .map(|result| result.deleted_count)
    };
    for _ in 0..2 {
        vault.memories_delete(by(FRIEND, 2), &id, true).unwrap();
        vault = Vault::open(memory.clone()).unwrap();
        vault.recount().unwrap();
    }
    assert_eq!(bulk(&mut vault, FRIEND), Ok(2));
    assert_eq!(bulk(&mut vault, OWNER), Ok(2));
    assert_eq!(bulk(&mut vault, STRANGER), Err(Error::NotFound));
    let subject = vault.memories_delete(by(SUBJECT, 2), &id, true);
    assert_eq!(subject, Err(Error::NotFound));
    // Made again, it is another one to whoever had an entry on the first.
    vault
        .memories_create(by(OWNER, 3), inline(&capsule, "m"))
        .unwrap();
    let friend = vault.memories_delete(by(FRIEND, 4), &id, true);
    assert_eq!(friend, Err(Error::NotFound));
    vault.memories_read(by(OWNER, 4), &id).unwrap();
}

/// Whoever deletes is a person, whichever of its principals calls.
#[test]
fn a_deletion_is_answered_to_the_whole_person() {
    let (mut vault, _, capsule) = vault();
    let id = vault
        .memories_create(by(OWNER, 1), inline(&capsule, "m"))
        .unwrap();
    vault
        .access_grant(by(OWNER, 1), &id, entry(Some(FRIEND), 31))
        .unwrap();
    vault.memories_delete(by(FRIEND, 2), &id, true).unwrap();
    let other = by(STRANGER, 3);
    let stranger = vault.memories_delete(other, &id, true);
    assert_eq!(stranger, Err(Error::NotFound));
    let friend = by(FRIEND, 3);
    vault.person_link_offer(friend, other.caller).unwrap();
    vault.person_link_accept(other, friend.caller).unwrap();
    vault.memories_delete(other, &id, true).unwrap();
    vault.memories_trash(other, &id).unwrap();
}

/// Whoever had no part in the deletion learns nothing by asking for it.
#[test]
fn only_who_deleted_or_governs_hears_of_a_deletion() {
    let (mut vault, _, capsule) = vault();
    let id = vault
        .memories_create(by(OWNER, 1), inline(&capsule, "m"))
        .unwrap();
    vault
        .access_grant(by(OWNER, 1), &id, entry(Some(FRIEND), 31))
        .unwrap();
    vault.memories_delete(by(OWNER, 2), &id, true).unwrap();
    let friend = vault.memories_delete(by(FRIEND, 3), &id, true);
    assert_eq!(friend, Err(Error::NotFound));
    let friend = vault.memories_trash(by(FRIEND, 3), &id);
    assert_eq!(friend, Err(Error::NotFound));
}

#[test]
fn a_deletion_of_a_blob_is_answered_again() {
    let (mut vault, memory, capsule) = vault();
    let blob = upload(&mut vault, &capsule, b"content", 1);
    let twin = upload(&mut vault, &capsule, b"content", 2);
    let read = vault.blob_delete(by(STRANGER, 3), &blob);
    assert_eq!(read, Err(Error::NotFound));
    assert_eq!(
        vault.blob_delete(by(SUBJECT, 3), &blob),
        Err(Error::Unauthorized)
    );
    for _ in 0..2 {
        assert_eq!(vault.blob_delete(by(OWNER, 4), &blob).unwrap(), blob);
        vault = Vault::open(memory.clone()).unwrap();
        vault.recount().unwrap();
    }
    // To everybody else it is as if it had never been, and equal content under another id stays.
    for who in [SUBJECT, STRANGER] {
        let deleted = vault.blob_delete(by(who, 5), &blob);
        assert_eq!(deleted, Err(Error::NotFound));
    }
    let read = vault.blob_read(by(OWNER, 5), &blob);
    assert_eq!(read, Err(Error::NotFound));
    assert_eq!(vault.blob_read(by(OWNER, 5), &twin).unwrap(), b"content");
    assert_eq!(vault.blob_delete(by(OWNER, 6), &twin).unwrap(), twin);
    vault.recount().unwrap();
    // What went with its memory was not deleted by its id.
    let third = upload(&mut vault, &capsule, b"third", 7);
    let id = vault
        .memories_create(by(OWNER, 7), of_blob(&capsule, &third, "m"))
        .unwrap();
    vault.memories_delete(by(OWNER, 8), &id, true).unwrap();
    let deleted = vault.blob_delete(by(OWNER, 9), &third);
    assert_eq!(deleted, Err(Error::NotFound));
}
