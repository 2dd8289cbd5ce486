use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::{
    AccessCondition, AccessEntry, AssetMetadata, AssetMetadataBase, AssetType, ByteBuf,
    GrantSource, PersonRef, ResourceRole,
};

use crate::limits::{
    LINK_OFFER_LIFETIME, LINK_OFFERS_MAX, OPEN_SESSIONS_MAX, PRINCIPALS_PER_PERSON_MAX,
};
use crate::token::Holder;
use crate::{Call, Error, FinishStep, NewMemory, Vault};

const DAY: u64 = LINK_OFFER_LIFETIME;

fn who(n: u8) -> Principal {
    Principal::self_authenticating([n])
}

fn by(n: u8, now: u64) -> Call {
    Call {
        caller: who(n),
        now,
    }
}

fn person(n: u8) -> PersonRef {
    PersonRef::Principal(who(n))
}

fn vault() -> Vault<VectorMemory> {
    let mut vault = Vault::open(VectorMemory::default()).unwrap();
    vault.set_seed([1; 32]);
    vault
}

fn link(vault: &mut Vault<VectorMemory>, first: u8, second: u8) {
    vault.person_link_offer(by(first, 1), who(second)).unwrap();
    vault.person_link_accept(by(second, 1), who(first)).unwrap();
    vault.recount().unwrap();
}

fn principals(vault: &Vault<VectorMemory>, n: u8) -> Vec<Principal> {
    let read = vault.person_read(by(n, 0)).unwrap();
    read.principals.iter().map(|p| p.principal).collect()
}

fn note(capsule: &str, idem: &str) -> NewMemory {
    NewMemory {
        capsule: capsule.into(),
        inline: Some(ByteBuf::from(vec![7; 10])),
        blob: None,
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

fn entry(id: &str, person: Option<PersonRef>, group: Option<&str>) -> AccessEntry {
    AccessEntry {
        id: id.into(),
        is_public: false,
        person_ref: person,
        grant_source: match group {
            Some(_) => GrantSource::Group,
            None => GrantSource::User,
        },
        source_id: group.map(Into::into),
        role: ResourceRole::Guest,
        perm_mask: 1,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}

#[test]
fn linking_takes_the_consent_of_both() {
    let mut vault = vault();
    let accept = |vault: &mut Vault<VectorMemory>, n, other, now| {
        vault.person_link_accept(by(n, now), who(other))
    };
    assert_eq!(accept(&mut vault, 2, 1, 0), Err(Error::NotFound));
    vault.person_link_offer(by(1, 0), who(2)).unwrap();
    assert_eq!(accept(&mut vault, 3, 1, 0), Err(Error::NotFound));
    assert_eq!(accept(&mut vault, 1, 2, 0), Err(Error::NotFound));
    assert_eq!(accept(&mut vault, 2, 1, DAY), Err(Error::NotFound));
    assert_eq!(principals(&vault, 1), [who(1)]);
    let offered = vault.person_read(by(2, DAY - 1)).unwrap();
    assert_eq!(offered.principals[0].since, None);
    assert_eq!(offered.offers_received[0].principal, who(1));
    assert_eq!(offered.offers_received[0].expires_at, DAY);
    let offering = vault.person_read(by(1, DAY - 1)).unwrap();
    assert_eq!(offering.offers_made[0].principal, who(2));
    let ended = vault.person_read(by(1, DAY)).unwrap();
    assert!(ended.offers_made.is_empty());
    accept(&mut vault, 2, 1, DAY - 1).unwrap();
    // Again, the offer too: nothing.
    accept(&mut vault, 2, 1, 3 * DAY).unwrap();
    vault.person_link_offer(by(1, 3 * DAY), who(2)).unwrap();
    vault.person_link_offer(by(2, 3 * DAY), who(1)).unwrap();
    for n in [1, 2] {
        let read = vault.person_read(by(n, 3 * DAY)).unwrap();
        assert_eq!(principals(&vault, n), [who(1), who(2)]);
        assert_eq!(read.principals[1].since, Some(DAY - 1));
        assert!(read.offers_made.is_empty() && read.offers_received.is_empty());
    }
    vault.recount().unwrap();
}

#[test]
fn a_third_principal_may_name_any_of_the_person_and_nobody_is_two_people() {
    let mut vault = vault();
    link(&mut vault, 1, 2);
    link(&mut vault, 3, 4);
    // The second offers, the third accepts by the first.
    vault.person_link_offer(by(2, 1), who(5)).unwrap();
    vault.person_link_accept(by(5, 1), who(1)).unwrap();
    assert_eq!(principals(&vault, 5), [who(1), who(2), who(5)]);
    vault.person_link_offer(by(1, 1), who(4)).unwrap();
    let refused = vault.person_link_accept(by(4, 1), who(2));
    assert!(matches!(refused, Err(Error::Conflict(text)) if text.contains("unlink")));
    vault.recount().unwrap();
}

#[test]
fn nobody_and_oneself_cannot_be_linked() {
    let mut vault = vault();
    for bad in [
        Principal::anonymous(),
        Principal::management_canister(),
        who(1),
    ] {
        let offered = vault.person_link_offer(by(1, 0), bad);
        assert!(matches!(offered, Err(Error::Invalid { .. })));
        let accepted = vault.person_link_accept(by(1, 0), bad);
        assert!(matches!(accepted, Err(Error::Invalid { .. })));
    }
    let nobody = Call {
        caller: Principal::anonymous(),
        now: 0,
    };
    assert_eq!(
        vault.person_link_offer(nobody, who(1)),
        Err(Error::Unauthorized)
    );
    assert_eq!(
        vault.person_link_accept(nobody, who(1)),
        Err(Error::Unauthorized)
    );
    assert_eq!(
        vault.person_unlink(nobody, who(1)),
        Err(Error::Unauthorized)
    );
    assert_eq!(vault.person_read(nobody), Err(Error::Unauthorized));
}

#[test]
fn principals_and_offers_are_bounded_and_ended_offers_make_room() {
    let mut vault = vault();
    for n in 2..=PRINCIPALS_PER_PERSON_MAX as u8 {
        vault.person_link_offer(by(1, 1), who(n)).unwrap();
    }
    vault.person_link_offer(by(1, 1), who(9)).unwrap();
    assert_eq!(
        vault.person_link_offer(by(1, 1), who(10)),
        Err(Error::ResourceExhausted)
    );
    // One that is there is made anew all the same.
    vault.person_link_offer(by(1, DAY), who(9)).unwrap();
    for n in 10..10 + LINK_OFFERS_MAX as u8 - 1 {
        vault.person_link_offer(by(1, DAY + 1), who(n)).unwrap();
        vault.recount().unwrap();
    }
    assert_eq!(
        vault.person_link_offer(by(1, DAY + 1), who(30)),
        Err(Error::ResourceExhausted)
    );
    vault.person_unlink(by(1, DAY + 1), who(10)).unwrap();
    vault.person_link_offer(by(1, DAY + 1), who(30)).unwrap();
    for n in [9, 11, 12, 13, 14, 15, 16] {
        vault.person_link_accept(by(n, DAY + 2), who(1)).unwrap();
    }
    assert_eq!(principals(&vault, 16).len(), PRINCIPALS_PER_PERSON_MAX);
    assert_eq!(
        vault.person_link_accept(by(30, DAY + 2), who(1)),
        Err(Error::ResourceExhausted)
    );
    assert_eq!(
        vault.person_link_offer(by(16, DAY + 2), who(31)),
        Err(Error::ResourceExhausted)
    );
    vault.recount().unwrap();
}

#[test]
fn strangers_offers_hide_no_real_one_and_do_not_pile_up() {
    let mut vault = vault();
    for n in 10..110 {
        vault.person_link_offer(by(n, 0), who(1)).unwrap();
    }
    vault.person_link_offer(by(2, 1), who(1)).unwrap();
    let shown = vault.person_read(by(1, 1)).unwrap().offers_received;
    assert_eq!(shown.len(), LINK_OFFERS_MAX);
    vault.person_link_accept(by(1, 1), who(2)).unwrap();
    assert_eq!(principals(&vault, 1), [who(2), who(1)]);
    for n in 110..140 {
        vault.person_link_offer(by(n, DAY), who(3)).unwrap();
    }
    assert_eq!(vault.people.all_offers().len(), 30);
    vault.recount().unwrap();
}

#[test]
fn whoever_links_with_somebody_withdraws_its_own_offers() {
    let mut vault = vault();
    vault.person_link_offer(by(2, 0), who(3)).unwrap();
    link(&mut vault, 1, 2);
    assert_eq!(
        vault.person_link_accept(by(3, 1), who(2)),
        Err(Error::NotFound)
    );
    vault.person_unlink(by(2, 1), who(2)).unwrap();
    assert_eq!(
        vault.person_link_accept(by(3, 1), who(2)),
        Err(Error::NotFound)
    );
}

#[test]
fn the_primary_goes_only_by_itself_and_the_next_takes_its_place() {
    let mut vault = vault();
    link(&mut vault, 1, 2);
    link(&mut vault, 1, 3);
    let refused = vault.person_unlink(by(2, 1), who(1));
    assert!(matches!(refused, Err(Error::Conflict(_))));
    // Somebody else's is nothing of the caller's.
    vault.person_unlink(by(9, 1), who(2)).unwrap();
    vault.person_unlink(by(1, 1), who(9)).unwrap();
    assert_eq!(principals(&vault, 2).len(), 3);
    vault.person_link_offer(by(3, 1), who(4)).unwrap();
    vault.person_unlink(by(1, 1), who(1)).unwrap();
    vault.person_unlink(by(1, 1), who(1)).unwrap();
    vault.recount().unwrap();
    assert_eq!(principals(&vault, 1), [who(1)]);
    assert_eq!(principals(&vault, 3), [who(2), who(3)]);
    // The offers went with the primary.
    for n in [1, 2, 3] {
        assert_eq!(
            vault.person_link_accept(by(4, 1), who(n)),
            Err(Error::NotFound)
        );
    }
    // Those of two who are left are nobody's any more when one goes.
    vault.person_unlink(by(2, 1), who(3)).unwrap();
    vault.person_unlink(by(2, 1), who(3)).unwrap();
    assert!(vault.people.all().is_empty());
    link(&mut vault, 3, 2);
    assert_eq!(principals(&vault, 2), [who(3), who(2)]);
}

#[test]
fn roles_are_checked_together_and_what_is_written_names_the_primary() {
    let mut vault = vault();
    let first = vault.capsules_create(by(1, 0), None).unwrap().id;
    let second = vault.capsules_create(by(2, 0), None).unwrap().id;
    let about = vault.capsules_create(by(9, 0), Some(person(2))).unwrap().id;
    link(&mut vault, 1, 2);
    for n in [1, 2] {
        // The primary's is the person's own; the other's is there too.
        let own = vault.capsules_read_basic(by(n, 1), None).unwrap();
        assert_eq!(own.capsule_id, first);
        assert!(own.is_self_capsule);
        let listed = vault.capsules_list(by(n, 1));
        assert_eq!(listed.len(), 3);
        let subject = vault.capsules_read_basic(by(n, 1), Some(&about)).unwrap();
        assert!(!subject.is_owner && !subject.is_self_capsule);
        let again = vault.capsules_create(by(n, 1), Some(person(2))).unwrap();
        assert_eq!(again.id, first);
    }
    let made = vault.capsules_create(by(2, 1), Some(person(5))).unwrap();
    assert_eq!(made.owners[0].0, person(1));
    let written = vault.memories_create(by(2, 1), note(&second, "a")).unwrap();
    let read = vault.memories_read(by(1, 1), &written).unwrap();
    assert_eq!(read.metadata.created_by, Some(who(1).to_text()));
    vault.person_unlink(by(1, 2), who(2)).unwrap();
    // The lost device keeps what is named after it, and nothing else.
    assert_eq!(
        vault.capsules_read_basic(by(2, 2), Some(&first)),
        Err(Error::NotFound)
    );
    assert_eq!(
        vault.capsules_read_basic(by(2, 2), Some(&made.id)),
        Err(Error::NotFound)
    );
    assert_eq!(vault.capsules_list(by(1, 2)).len(), 2);
    assert_eq!(
        vault
            .capsules_read_basic(by(2, 2), None)
            .unwrap()
            .capsule_id,
        second
    );
    vault.recount().unwrap();
}

#[test]
fn who_has_no_capsule_of_its_own_finds_that_of_the_other_principal() {
    let mut vault = vault();
    let second = vault.capsules_create(by(2, 0), None).unwrap().id;
    link(&mut vault, 1, 2);
    assert_eq!(vault.capsules_create(by(1, 1), None).unwrap().id, second);
    vault.capsules_delete(by(1, 1), &second).unwrap();
    vault.capsules_delete(by(2, 1), &second).unwrap();
    let new = vault.capsules_create(by(2, 1), None).unwrap();
    assert_eq!((&new.subject, &new.owners[0].0), (&person(1), &person(1)));
    vault.recount().unwrap();
}

#[test]
fn uploads_go_on_across_a_link_and_after_it() {
    let mut vault = vault();
    let capsule = vault.capsules_create(by(1, 0), None).unwrap().id;
    let other = vault.capsules_create(by(2, 0), None).unwrap().id;
    let before = vault.uploads_begin(by(2, 0), &other, 2, "k").unwrap();
    vault.uploads_put_chunk(by(2, 0), before, 0, b"a").unwrap();
    link(&mut vault, 1, 2);
    // Found by the same key, used and finished by either.
    for n in [1, 2] {
        assert_eq!(vault.uploads_begin(by(n, 1), &other, 2, "k"), Ok(before));
        assert_eq!(vault.uploads_list(by(n, 1)).unwrap().len(), 1);
        assert_eq!(
            vault.uploads_status(by(n, 1), before).unwrap().session,
            before
        );
    }
    vault.uploads_put_chunk(by(1, 1), before, 1, b"b").unwrap();
    let sha256 = crate::hash::sha256(&[b"ab"]);
    let done = vault.uploads_finish(by(1, 1), before, &sha256, 2);
    assert!(matches!(done, Ok(FinishStep::Done(_))));
    let during = vault.uploads_begin(by(2, 1), &capsule, 1, "k").unwrap();
    vault.person_unlink(by(1, 2), who(2)).unwrap();
    // What was opened while they were linked is the primary's.
    assert_eq!(
        vault.uploads_put_chunk(by(2, 2), during, 0, b"x"),
        Err(Error::NotFound)
    );
    assert_eq!(
        vault.uploads_status(by(2, 2), during).map(|_| ()),
        Err(Error::NotFound)
    );
    vault.uploads_put_chunk(by(1, 2), during, 0, b"x").unwrap();
    vault.uploads_abort(by(1, 2), during).unwrap();
    vault.recount().unwrap();
}

#[test]
fn the_quota_of_open_sessions_is_the_persons() {
    let mut vault = vault();
    let capsule = vault.capsules_create(by(1, 0), None).unwrap().id;
    link(&mut vault, 1, 2);
    for n in 0..OPEN_SESSIONS_MAX {
        let caller = by(1 + (n % 2) as u8, 1);
        vault
            .uploads_begin(caller, &capsule, 1, &n.to_string())
            .unwrap();
    }
    for n in [1, 2] {
        assert_eq!(
            vault.uploads_begin(by(n, 1), &capsule, 1, "more"),
            Err(Error::ResourceExhausted)
        );
    }
    vault.recount().unwrap();
}

#[test]
fn what_is_shared_with_any_principal_is_shared_with_the_person_and_listed_once() {
    let mut vault = vault();
    let capsule = vault.capsules_create(by(9, 0), None).unwrap().id;
    let members = vec![person(2)];
    vault
        .connection_group_put(by(9, 0), &capsule, "g", "g", None, members)
        .unwrap();
    link(&mut vault, 1, 2);
    let ways = [
        vec![entry("a", Some(person(1)), None)],
        vec![entry("b", Some(person(2)), None)],
        vec![entry("c", None, Some("g"))],
        vec![
            entry("a", Some(person(1)), None),
            entry("b", Some(person(2)), None),
            entry("c", None, Some("g")),
        ],
    ];
    let mut shared = Vec::new();
    for (n, entries) in ways.into_iter().enumerate() {
        let memory = vault
            .memories_create(by(9, 0), note(&capsule, &n.to_string()))
            .unwrap();
        for entry in entries {
            vault.access_grant(by(9, 0), &memory, entry).unwrap();
        }
        shared.push(memory);
    }
    shared.sort();
    for n in [1, 2] {
        for limit in [1, 2, 3, 50] {
            let (mut found, mut cursor) = (Vec::new(), None::<String>);
            loop {
                let page = vault
                    .memories_shared_with_me(by(n, 1), cursor.as_deref(), Some(limit))
                    .unwrap();
                found.extend(page.items.into_iter().map(|item| item.id));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            found.sort();
            assert_eq!(found, shared, "caller {n}, pages of {limit}");
        }
    }
    let seen = vault.memories_read(by(1, 1), &shared[0]).unwrap();
    assert!(!seen.access_entries.is_empty());
    vault.person_unlink(by(1, 2), who(2)).unwrap();
    let left = |n| {
        let page = vault.memories_shared_with_me(by(n, 2), None, None);
        page.unwrap().items.len()
    };
    assert_eq!((left(1), left(2)), (2, 3));
}

#[test]
fn a_token_names_the_primary_and_is_judged_by_its_person() {
    let mut vault = vault();
    let capsule = vault.capsules_create(by(2, 0), None).unwrap().id;
    let memory = vault
        .memories_create(by(2, 0), note(&capsule, "a"))
        .unwrap();
    link(&mut vault, 1, 2);
    let token = vault
        .mint_http_token(by(2, 1), &memory, &["display".into()], None, 0)
        .unwrap();
    let key = vault.settings.token_maker().unwrap();
    let scope = key.open(&token, 1).unwrap();
    assert_eq!(scope.holder, Holder::Person(who(1)));
    let reads = |vault: &Vault<VectorMemory>| {
        let holder = vault.person_of(who(1));
        vault.visible_memory(&holder, 1, &memory).is_ok()
    };
    assert!(reads(&vault));
    vault.person_unlink(by(2, 1), who(2)).unwrap();
    assert!(!reads(&vault));
}
