use super::*;

/// Many memories reference one blob, and FRIEND may read one of them, whichever it is.
#[test]
fn a_blob_is_read_through_any_of_its_memories_however_many_there_are() {
    let (mut vault, _, capsule) = vault();
    let blob = upload(&mut vault, &capsule, b"content", 1);
    let ids: Vec<String> = (0..150)
        .map(|n| {
            let new = of_blob(&capsule, &blob, &n.to_string());
            vault.memories_create(by(OWNER, 1), new).unwrap()
        })
        .collect();
    let mut sorted = ids.clone();
    sorted.sort();
    for id in [&sorted[0], &sorted[75], &sorted[149]] {
        for person in [Some(FRIEND), None] {
            let refused = vault.blob_read(by(FRIEND, 2), &blob);
            assert_eq!(refused, Err(Error::NotFound));
            let granted = entry(person, 3);
            vault
                .access_grant(by(OWNER, 2), id, granted.clone())
                .unwrap();
            vault.recount().unwrap();
            assert_eq!(vault.blob_read(by(FRIEND, 2), &blob).unwrap(), b"content");
            let stranger = vault.blob_read(by(STRANGER, 2), &blob);
            assert_eq!(stranger.is_ok(), person.is_none());
            vault.access_revoke(by(OWNER, 2), id, &granted.id).unwrap();
        }
    }
}

/// What an entry gives is judged memory by memory: VIEW reads no original, and an entry that does not count yet gives nothing.
#[test]
fn entries_that_do_not_let_read_are_passed_over() {
    let (mut vault, _, capsule) = vault();
    let blob = upload(&mut vault, &capsule, b"content", 1);
    let other = upload(&mut vault, &capsule, b"other", 2);
    let mut of = |blob: &str, n: u32| {
        let new = of_blob(&capsule, blob, &n.to_string());
        vault.memories_create(by(OWNER, 1), new).unwrap()
    };
    let mut users: Vec<String> = (0..20).map(|n| of(&blob, n)).collect();
    let others: Vec<String> = (0..20).map(|n| of(&other, n)).collect();
    users.sort();
    for id in users.iter().chain(&others) {
        // The last that is come to is the only one that lets read, and not before its time.
        let mut given = entry(Some(FRIEND), if id == &users[19] { 3 } else { 1 });
        given.condition = AccessCondition::Scheduled {
            accessible_after: 100,
        };
        vault.access_grant(by(OWNER, 2), id, given).unwrap();
    }
    assert_eq!(vault.blob_read(by(FRIEND, 99), &blob), Err(Error::NotFound));
    assert_eq!(vault.blob_read(by(FRIEND, 100), &blob).unwrap(), b"content");
}

/// Groups of other capsules, and the same memory ids' neighbours, lead nowhere; the capsule's own do.
#[test]
fn a_blob_is_read_by_a_group() {
    let (mut vault, _, capsule) = vault();
    let blob = upload(&mut vault, &capsule, b"content", 1);
    let id = vault
        .memories_create(by(OWNER, 1), of_blob(&capsule, &blob, "m"))
        .unwrap();
    let mut given = entry(None, 3);
    given.is_public = false;
    given.grant_source = GrantSource::Group;
    given.source_id = Some("family".into());
    vault.access_grant(by(OWNER, 1), &id, given).unwrap();
    assert_eq!(vault.blob_read(by(FRIEND, 2), &blob), Err(Error::NotFound));
    let elsewhere = vault.capsules_create(by(STRANGER, 2), None).unwrap().id;
    for (who, capsule, member) in [(STRANGER, &elsewhere, FRIEND), (OWNER, &capsule, STRANGER)] {
        let members = vec![principal(member)];
        vault
            .connection_group_put(by(who, 2), capsule, "family", "Family", None, members)
            .unwrap();
    }
    assert_eq!(vault.blob_read(by(FRIEND, 3), &blob), Err(Error::NotFound));
    assert_eq!(vault.blob_read(by(STRANGER, 3), &blob).unwrap(), b"content");
}
