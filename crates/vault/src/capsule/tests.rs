use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::{
    AccessCondition, AccessEntry, AccessEvent, AssetMetadata, AssetMetadataBase, AssetType,
    BlobRef, ByteBuf, GrantSource, InlineAssetInput, InternalBlobAssetInput, PersonRef,
    ResourceRole,
};

use crate::limits::{SESSION_LIFETIME, UNREFERENCED_LIFETIME};
use crate::{Call, Error, FinishStep, NewMemory, Vault};

fn by(person: u8, now: u64) -> Call {
    Call {
        caller: Principal::self_authenticating([person]),
        now,
    }
}

fn vault() -> Vault<VectorMemory> {
    let mut vault = Vault::open(VectorMemory::default()).unwrap();
    vault.set_seed([1; 32]);
    vault
}

fn upload(vault: &mut Vault<VectorMemory>, capsule: &str, bytes: &[u8], now: u64) -> String {
    let idem = format!("{now}-{}", bytes.len());
    let session = vault.uploads_begin(by(1, now), capsule, 1, &idem).unwrap();
    vault
        .uploads_put_chunk(by(1, now), session, 0, bytes)
        .unwrap();
    let sha256 = crate::hash::sha256(&[bytes]);
    match vault
        .uploads_finish(by(1, now), session, &sha256, bytes.len() as u64)
        .unwrap()
    {
        FinishStep::Done(result) => result.blob_id,
        FinishStep::HashMore => unreachable!("one chunk is hashed at once"),
    }
}

fn memory_of(capsule: &str, blob: Option<&str>, idem: &str) -> NewMemory {
    NewMemory {
        capsule: capsule.into(),
        inline: blob.is_none().then(|| ByteBuf::from(vec![7; 10])),
        blob: blob.map(|blob| BlobRef {
            locator: blob.into(),
            hash: None,
            len: 0,
        }),
        location: None,
        storage_key: None,
        url: None,
        size: None,
        sha256: None,
        metadata: AssetMetadata::Note(
            AssetMetadataBase::new("n", AssetType::Display, "text/plain").into(),
        ),
        idem: idem.into(),
    }
}

fn entry_for(person: u8) -> AccessEntry {
    AccessEntry {
        id: "e".into(),
        person_ref: Some(PersonRef::Principal(Principal::self_authenticating([
            person,
        ]))),
        is_public: false,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Member,
        perm_mask: 3,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}

/// A large capsule is gone for everybody in the message that deletes it, and leaves nothing behind, however often the vault is opened
/// anew in between.
#[test]
fn a_deleted_capsule_is_gone_at_once_and_emptied_in_steps() {
    let memory = VectorMemory::default();
    let mut vault = Vault::open(memory.clone()).unwrap();
    vault.set_seed([1; 32]);
    let capsule = vault.capsules_create(by(1, 0), None).unwrap().id;
    let others = vault.capsules_create(by(2, 0), None).unwrap().id;
    let others_memory = vault
        .memories_create(by(2, 0), memory_of(&others, None, "x"))
        .unwrap();
    let mut memories = Vec::new();
    for n in 0..130u32 {
        let blob = upload(
            &mut vault,
            &capsule,
            &n.to_be_bytes().repeat(100),
            u64::from(n),
        );
        let new = memory_of(&capsule, Some(&blob), &n.to_string());
        memories.push((vault.memories_create(by(1, 0), new).unwrap(), blob));
    }
    upload(&mut vault, &capsule, b"never referenced", 1);
    let open = vault.uploads_begin(by(1, 0), &capsule, 5, "open").unwrap();
    vault
        .uploads_put_chunk(by(1, 0), open, 3, b"chunk")
        .unwrap();
    let (shared, shared_blob) = &memories[3];
    vault.access_grant(by(1, 0), shared, entry_for(2)).unwrap();
    assert!(vault.memories_read(by(2, 0), shared).is_ok());
    assert!(vault.blob_read(by(2, 0), shared_blob).is_ok());

    assert_eq!(
        vault.capsules_delete(by(2, 0), &capsule),
        Err(Error::NotFound)
    );
    vault.capsules_delete(by(1, 5), &capsule).unwrap();

    let mut steps = 0;
    loop {
        vault.recount().unwrap();
        assert_eq!(vault.capsules_list(by(1, 5)), []);
        assert_eq!(
            vault.capsules_read_basic(by(1, 5), None),
            Err(Error::NotFound)
        );
        for (memory, blob) in &memories {
            assert_eq!(vault.memories_read(by(1, 5), memory), Err(Error::NotFound));
            assert_eq!(vault.memories_read(by(2, 5), memory), Err(Error::NotFound));
            assert_eq!(vault.blob_get_meta(by(1, 5), blob), Err(Error::NotFound));
            assert_eq!(vault.blob_get_meta(by(2, 5), blob), Err(Error::NotFound));
        }
        assert_eq!(
            vault.uploads_put_chunk(by(1, 5), open, 0, b"x"),
            Err(Error::NotFound)
        );
        assert_eq!(
            vault
                .memories_shared_with_me(by(2, 5), None, None)
                .unwrap()
                .items,
            []
        );
        assert_eq!(vault.capsules_delete(by(1, 6), &capsule), Ok(()), "again");
        vault = Vault::open(memory.clone()).unwrap();
        steps += 1;
        if !vault.sweep(6) {
            break;
        }
    }
    assert!(steps > 1, "{steps}");
    vault.recount().unwrap();
    assert!(vault.memories_read(by(2, 6), &others_memory).is_ok());
    vault
        .memories_delete(by(2, 6), &others_memory, true)
        .unwrap();
    assert_eq!(vault.arena.used_bytes(), 0, "everything is free again");
    let anew = vault.capsules_create(by(1, 7), None).unwrap().id;
    assert_ne!(anew, capsule);
}

#[test]
fn only_an_owner_deletes_a_capsule() {
    let mut vault = vault();
    let subject = PersonRef::Principal(Principal::self_authenticating([2]));
    let capsule = vault.capsules_create(by(1, 0), Some(subject)).unwrap().id;
    assert_eq!(
        vault.capsules_delete(by(2, 0), &capsule),
        Err(Error::Unauthorized)
    );
    assert_eq!(
        vault.capsules_delete(by(3, 0), &capsule),
        Err(Error::NotFound)
    );
    vault.capsules_delete(by(1, 0), &capsule).unwrap();
    assert_eq!(
        vault.capsules_delete(by(2, 0), &capsule),
        Err(Error::NotFound)
    );
    assert_eq!(vault.capsules_list(by(2, 0)), []);
}

#[test]
fn a_blob_that_no_memory_ever_referenced_goes_after_a_day_and_no_other() {
    let mut vault = vault();
    let capsule = vault.capsules_create(by(1, 0), None).unwrap().id;
    let loose = upload(&mut vault, &capsule, b"loose", 10);
    let used = upload(&mut vault, &capsule, b"used", 10);
    let dropped = upload(&mut vault, &capsule, b"dropped", 10);
    vault
        .memories_create(by(1, 11), memory_of(&capsule, Some(&used), "u"))
        .unwrap();
    let memory = vault
        .memories_create(by(1, 11), memory_of(&capsule, Some(&dropped), "d"))
        .unwrap();
    vault.memories_delete(by(1, 12), &memory, false).unwrap();

    while vault.sweep(10 + UNREFERENCED_LIFETIME - 1) {}
    assert!(vault.blob_read(by(1, 0), &loose).is_ok());
    while vault.sweep(10 + UNREFERENCED_LIFETIME) {}
    assert_eq!(vault.blob_read(by(1, 0), &loose), Err(Error::NotFound));
    while vault.sweep(10 + 3 * SESSION_LIFETIME) {}
    assert!(vault.blob_read(by(1, 0), &used).is_ok());
    assert!(
        vault.blob_read(by(1, 0), &dropped).is_ok(),
        "kept by delete_assets = false"
    );
    vault.recount().unwrap();
}

#[test]
fn deleting_all_memories_spares_those_made_meanwhile() {
    let mut vault = vault();
    let capsule = vault.capsules_create(by(1, 0), None).unwrap().id;
    for n in 0..120 {
        vault
            .memories_create(by(1, 1), memory_of(&capsule, None, &n.to_string()))
            .unwrap();
    }
    let (first, more) = vault
        .memories_delete_all_step(by(1, 2), &capsule, true, 2)
        .unwrap();
    assert!(first > 0 && more);
    let meanwhile = vault
        .memories_create(by(1, 3), memory_of(&capsule, None, "new"))
        .unwrap();
    let mut deleted = first;
    loop {
        let (count, more) = vault
            .memories_delete_all_step(by(1, 4), &capsule, true, 2)
            .unwrap();
        deleted += count;
        if !more {
            break;
        }
    }
    assert_eq!(deleted, 120);
    let page = vault.memories_list(by(1, 5), &capsule, None, None).unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].id, meanwhile);
    vault.recount().unwrap();
}

/// Who may manage one memory of a capsule reaches no content of the others by naming its blob.
#[test]
fn managing_one_memory_gives_nothing_of_another() {
    let mut vault = vault();
    let capsule = vault.capsules_create(by(1, 0), None).unwrap().id;
    let private = upload(&mut vault, &capsule, b"private", 1);
    vault
        .memories_create(by(1, 2), memory_of(&capsule, Some(&private), "p"))
        .unwrap();
    let managed = vault
        .memories_create(by(1, 2), memory_of(&capsule, None, "m"))
        .unwrap();
    let entry = AccessEntry {
        perm_mask: 11,
        ..entry_for(2)
    };
    vault.access_grant(by(1, 3), &managed, entry).unwrap();

    let asset = |blob: &str| InternalBlobAssetInput {
        blob_id: blob.into(),
        metadata: memory_of(&capsule, None, "").metadata,
    };
    let taken = vault.memories_add_asset(by(2, 4), &managed, asset(&private), "k");
    assert!(matches!(taken, Err(Error::BlobMismatch(_))), "{taken:?}");
    let nothing = vault.memories_add_asset(by(2, 4), &managed, asset("blob_1"), "k");
    assert_eq!(
        taken, nothing,
        "what is there and what is not are told alike"
    );
    assert_eq!(vault.blob_read(by(2, 4), &private), Err(Error::NotFound));
    assert!(
        vault
            .memories_add_asset(by(1, 4), &managed, asset(&private), "k")
            .is_ok()
    );
    assert!(
        vault.blob_read(by(2, 5), &private).is_ok(),
        "now it is part of what is shared"
    );
}

#[test]
fn a_time_capsule_opens_when_its_owner_records_the_event() {
    let mut vault = vault();
    let subject = PersonRef::Principal(Principal::self_authenticating([3]));
    let capsule = vault.capsules_create(by(1, 0), Some(subject)).unwrap().id;
    let memory = vault
        .memories_create(by(1, 1), memory_of(&capsule, None, "m"))
        .unwrap();
    let event = AccessEvent::Custom("the house is sold".into());
    let entry = AccessEntry {
        condition: AccessCondition::EventTriggered {
            event: event.clone(),
        },
        ..entry_for(2)
    };
    vault.access_grant(by(1, 2), &memory, entry).unwrap();
    assert_eq!(vault.memories_read(by(2, 3), &memory), Err(Error::NotFound));
    assert_eq!(
        vault
            .memories_shared_with_me(by(2, 3), None, None)
            .unwrap()
            .items,
        []
    );

    assert_eq!(
        vault.capsule_event_record(by(2, 3), &capsule, &event),
        Err(Error::NotFound)
    );
    assert_eq!(
        vault.capsule_event_record(by(3, 3), &capsule, &event),
        Err(Error::Unauthorized)
    );
    vault
        .capsule_event_record(by(1, 3), &capsule, &AccessEvent::Wedding)
        .unwrap();
    assert_eq!(vault.memories_read(by(2, 3), &memory), Err(Error::NotFound));
    for _ in 0..2 {
        vault
            .capsule_event_record(by(1, 4), &capsule, &event)
            .unwrap();
    }
    assert!(vault.memories_read(by(2, 5), &memory).is_ok());
    assert_eq!(
        vault
            .memories_shared_with_me(by(2, 5), None, None)
            .unwrap()
            .items
            .len(),
        1
    );
    let unnamed = AccessEvent::Custom(String::new());
    assert!(matches!(
        vault.capsule_event_record(by(1, 5), &capsule, &unnamed),
        Err(Error::Invalid { name: "event", .. })
    ));
    vault.recount().unwrap();
}

fn group_entry(id: &str, group: &str) -> AccessEntry {
    AccessEntry {
        id: id.into(),
        person_ref: None,
        grant_source: GrantSource::Group,
        source_id: Some(group.into()),
        ..entry_for(0)
    }
}

/// A group's entries count for its members, at once and no longer than they are members; what is shared in several ways is listed
/// once, on whatever page.
#[test]
fn entries_for_a_group_count_for_its_members() {
    let mut vault = vault();
    let capsule = vault.capsules_create(by(1, 0), None).unwrap().id;
    let person = |n| PersonRef::Principal(Principal::self_authenticating([n]));
    let put = |vault: &mut Vault<VectorMemory>, group: &str, members: &[u8]| {
        let members = members.iter().map(|n| person(*n)).collect();
        vault.connection_group_put(by(1, 1), &capsule, group, "Name", None, members)
    };
    put(&mut vault, "family", &[2, 3]).unwrap();
    put(&mut vault, "friends", &[2]).unwrap();
    let mut memories = Vec::new();
    for n in 0..7 {
        let new = memory_of(&capsule, None, &n.to_string());
        let memory = vault.memories_create(by(1, 2), new).unwrap();
        vault
            .access_grant(by(1, 3), &memory, group_entry("g", "family"))
            .unwrap();
        vault
            .access_grant(by(1, 3), &memory, group_entry("h", "friends"))
            .unwrap();
        vault
            .access_grant(
                by(1, 3),
                &memory,
                AccessEntry {
                    id: "p".into(),
                    ..entry_for(4)
                },
            )
            .unwrap();
        memories.push(memory);
    }
    let walk = |vault: &Vault<VectorMemory>, who: u8| {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = vault
                .memories_shared_with_me(by(who, 4), cursor.as_deref(), Some(3))
                .unwrap();
            found.extend(page.items.into_iter().map(|item| item.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                found.sort();
                return found;
            }
        }
    };
    memories.sort();
    for who in [2, 3, 4] {
        assert_eq!(walk(&vault, who), memories, "person {who}");
    }
    assert!(walk(&vault, 5).is_empty());

    put(&mut vault, "family", &[3, 5]).unwrap();
    assert_eq!(walk(&vault, 2), memories, "still a friend");
    assert_eq!(walk(&vault, 5), memories);
    vault
        .connection_group_remove(by(1, 5), &capsule, "friends")
        .unwrap();
    vault
        .connection_group_remove(by(1, 5), &capsule, "friends")
        .unwrap();
    assert!(walk(&vault, 2).is_empty());
    assert_eq!(
        vault.memories_read(by(2, 6), &memories[0]),
        Err(Error::NotFound)
    );
    assert!(vault.memories_read(by(3, 6), &memories[0]).is_ok());

    let groups = vault
        .capsules_read_full(by(1, 6), None)
        .unwrap()
        .connection_groups;
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].1.members, [person(3), person(5)]);
    let again = put(&mut vault, "family", &[3, 5]).unwrap();
    assert_eq!(again, groups[0].1, "the same again changes nothing");
    assert_eq!(
        vault.connection_group_remove(by(3, 6), &capsule, "family"),
        Err(Error::NotFound)
    );
    vault.recount().unwrap();
    vault.capsules_delete(by(1, 7), &capsule).unwrap();
    while vault.sweep(7) {}
    vault.recount().unwrap();
    assert_eq!(vault.facts.memberships(), (0, 0));
}

#[test]
fn several_assets_are_added_all_or_none_and_once() {
    let mut vault = vault();
    let capsule = vault.capsules_create(by(1, 0), None).unwrap().id;
    let blob = upload(&mut vault, &capsule, b"display", 1);
    let memory = vault
        .memories_create(by(1, 2), memory_of(&capsule, None, "m"))
        .unwrap();
    let metadata = || memory_of(&capsule, None, "").metadata;
    let blobs = |id: &str| {
        vec![InternalBlobAssetInput {
            blob_id: id.into(),
            metadata: metadata(),
        }]
    };
    let inline = || {
        [b"small".to_vec(), b"small".to_vec(), vec![]].map(|bytes| InlineAssetInput {
            bytes: ByteBuf::from(bytes),
            metadata: metadata(),
        })
    };
    let before = vault.memories_read(by(1, 3), &memory).unwrap();
    for bad in ["blob_1", "blob"] {
        let refused =
            vault.memories_add_assets(by(1, 3), &memory, blobs(bad), inline().into(), "k");
        assert!(refused.is_err(), "{refused:?}");
    }
    let none = vault.memories_add_assets(by(1, 3), &memory, vec![], vec![], "k");
    assert!(matches!(none, Err(Error::ExactlyOneAsset(_))));
    assert_eq!(vault.memories_read(by(1, 3), &memory).unwrap(), before);

    let ids = vault
        .memories_add_assets(by(1, 4), &memory, blobs(&blob), inline().into(), "k")
        .unwrap();
    assert_eq!(ids.len(), 4);
    let after = vault.memories_read(by(1, 5), &memory).unwrap();
    assert_eq!(after.metadata.asset_count, 5);
    assert_eq!(after.blob_internal_assets[0].asset_id, ids[0]);
    let again = vault
        .memories_add_assets(by(1, 6), &memory, blobs(&blob), inline().into(), "k")
        .unwrap();
    assert_eq!(again, ids);
    assert_eq!(vault.memories_read(by(1, 7), &memory).unwrap(), after);
    vault.recount().unwrap();
}
