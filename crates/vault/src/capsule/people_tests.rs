use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::PersonRef;

use crate::limits::{CAPSULES_PER_PERSON_MAX, CONTROLLERS_MAX, OWNERS_MAX};
use crate::{Call, Error, Vault};

type TestVault = Vault<VectorMemory>;

fn who(n: u16) -> PersonRef {
    PersonRef::Principal(Principal::self_authenticating(n.to_be_bytes()))
}

fn by(n: u16, now: u64) -> Call {
    Call {
        caller: Principal::self_authenticating(n.to_be_bytes()),
        now,
    }
}

fn opaque(name: &str) -> PersonRef {
    PersonRef::Opaque(name.into())
}

fn vault() -> TestVault {
    let mut vault = Vault::open(VectorMemory::default()).unwrap();
    vault.set_seed([1; 32]);
    vault
}

fn own(vault: &mut TestVault, n: u16) -> String {
    vault.capsules_create(by(n, 0), None).unwrap().id
}

fn owners(vault: &TestVault, caller: u16, capsule: &str) -> Vec<PersonRef> {
    let capsule = vault.capsules_read_full(by(caller, 0), Some(capsule));
    capsule.unwrap().owners.into_iter().map(|o| o.0).collect()
}

/// What a caller is in a capsule: owner, controller; `None` where it may not read it.
fn is(vault: &TestVault, caller: u16, capsule: &str) -> Option<(bool, bool)> {
    let info = vault
        .capsules_read_basic(by(caller, 0), Some(capsule))
        .ok()?;
    Some((info.is_owner, info.is_controller))
}

fn conflict<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Conflict(_))), "{result:?}");
}

#[test]
fn owners_share_all_their_power_and_controllers_do_not() {
    let mut vault = vault();
    let capsule = own(&mut vault, 1);
    vault.capsule_owner_add(by(1, 5), &capsule, who(2)).unwrap();
    vault
        .capsule_controller_add(by(2, 6), &capsule, who(3))
        .unwrap();
    let read = vault.capsules_read_full(by(3, 6), Some(&capsule)).unwrap();
    assert_eq!(read.owners[1].0, who(2));
    assert_eq!(read.owners[1].1.since, 5);
    let (controller, state) = &read.controllers[0];
    assert_eq!((controller, &state.granted_by), (&who(3), &who(2)));
    assert_eq!((state.granted_at, read.updated_at), (6, 6));
    assert_eq!(is(&vault, 3, &capsule), Some((false, true)));
    for n in [1, 2] {
        assert_eq!(is(&vault, n, &capsule), Some((true, false)));
    }
    assert_eq!(vault.capsules_list(by(3, 6)).len(), 1);
    type Change = fn(&mut TestVault, Call, &str, PersonRef) -> Result<(), Error>;
    let changes: [Change; 4] = [
        TestVault::capsule_owner_add,
        TestVault::capsule_owner_remove,
        TestVault::capsule_controller_add,
        TestVault::capsule_controller_remove,
    ];
    let nobody = Call {
        caller: Principal::anonymous(),
        now: 0,
    };
    for change in changes {
        let as_controller = change(&mut vault, by(3, 7), &capsule, who(1));
        assert_eq!(as_controller, Err(Error::Unauthorized));
        let as_stranger = change(&mut vault, by(4, 7), &capsule, who(4));
        assert_eq!(as_stranger, Err(Error::NotFound));
        let anonymous = change(&mut vault, nobody, &capsule, who(4));
        assert_eq!(anonymous, Err(Error::Unauthorized));
        let malformed = change(&mut vault, by(1, 7), "?", who(4));
        assert_eq!(malformed, Err(Error::NotFound));
        let bad = PersonRef::Principal(Principal::anonymous());
        let invalid = change(&mut vault, by(1, 7), &capsule, bad);
        assert!(matches!(invalid, Err(Error::Invalid { .. })));
    }
    assert_eq!(
        vault.capsules_delete(by(3, 7), &capsule),
        Err(Error::Unauthorized)
    );
    vault.recount().unwrap();
}

#[test]
fn what_is_so_already_changes_nothing() {
    let mut vault = vault();
    let capsule = own(&mut vault, 1);
    vault.capsule_owner_add(by(1, 1), &capsule, who(2)).unwrap();
    vault
        .capsule_controller_add(by(1, 1), &capsule, who(3))
        .unwrap();
    let before = vault.capsules_read_full(by(1, 1), Some(&capsule)).unwrap();
    vault.capsule_owner_add(by(1, 9), &capsule, who(2)).unwrap();
    vault
        .capsule_owner_remove(by(1, 9), &capsule, who(3))
        .unwrap();
    vault
        .capsule_controller_add(by(2, 9), &capsule, who(3))
        .unwrap();
    vault
        .capsule_controller_remove(by(2, 9), &capsule, who(2))
        .unwrap();
    assert_eq!(
        vault.capsules_read_full(by(1, 9), Some(&capsule)).unwrap(),
        before
    );
    for n in [9, 10] {
        vault
            .capsule_controller_remove(by(1, n), &capsule, who(3))
            .unwrap();
        assert_eq!(is(&vault, 3, &capsule), None);
    }
    assert!(vault.capsules_list(by(3, 9)).is_empty());
    vault.recount().unwrap();
}

#[test]
fn the_last_owner_who_can_call_stays() {
    let mut vault = vault();
    let capsule = own(&mut vault, 1);
    conflict(vault.capsule_owner_remove(by(1, 1), &capsule, who(1)));
    // Somebody whom only the client knows cannot call.
    vault
        .capsule_owner_add(by(1, 1), &capsule, opaque("aunt"))
        .unwrap();
    conflict(vault.capsule_owner_remove(by(1, 1), &capsule, who(1)));
    vault
        .capsule_owner_remove(by(1, 1), &capsule, opaque("aunt"))
        .unwrap();
    vault.capsule_owner_add(by(1, 1), &capsule, who(2)).unwrap();
    vault
        .capsule_owner_remove(by(2, 1), &capsule, who(1))
        .unwrap();
    assert_eq!(owners(&vault, 2, &capsule), [who(2)]);
    vault.recount().unwrap();
}

#[test]
fn who_leaves_may_say_so_again_and_who_is_thrown_out_learns_nothing() {
    let mut vault = vault();
    let capsule = vault
        .capsules_create(by(1, 0), Some(opaque("aunt")))
        .unwrap()
        .id;
    for n in 2..=4 {
        vault.capsule_owner_add(by(1, 1), &capsule, who(n)).unwrap();
        vault
            .capsule_controller_add(by(1, 1), &capsule, who(n))
            .unwrap();
    }
    // Still a controller, then nothing any more.
    for now in [1, 2] {
        vault
            .capsule_owner_remove(by(2, now), &capsule, who(2))
            .unwrap();
        assert_eq!(is(&vault, 2, &capsule), Some((false, true)));
    }
    assert_eq!(
        vault.capsule_owner_remove(by(2, 2), &capsule, who(3)),
        Err(Error::Unauthorized)
    );
    for now in [3, 4] {
        vault
            .capsule_controller_remove(by(2, now), &capsule, who(2))
            .unwrap();
        vault
            .capsule_owner_remove(by(2, now), &capsule, who(2))
            .unwrap();
        assert_eq!(is(&vault, 2, &capsule), None);
    }
    assert_eq!(
        vault.capsule_owner_remove(by(2, 4), &capsule, who(3)),
        Err(Error::NotFound)
    );
    vault
        .capsule_owner_remove(by(1, 5), &capsule, who(3))
        .unwrap();
    vault
        .capsule_controller_remove(by(1, 5), &capsule, who(3))
        .unwrap();
    assert_eq!(
        vault.capsule_owner_remove(by(3, 6), &capsule, who(3)),
        Err(Error::NotFound)
    );
    // Taken in again, it is as if it had never left.
    vault.capsule_owner_add(by(1, 7), &capsule, who(2)).unwrap();
    assert_eq!(is(&vault, 2, &capsule), Some((true, false)));
    vault
        .capsule_owner_remove(by(1, 8), &capsule, who(2))
        .unwrap();
    assert_eq!(
        vault.capsule_owner_remove(by(2, 9), &capsule, who(2)),
        Err(Error::NotFound)
    );
    vault.recount().unwrap();
}

#[test]
fn an_own_capsule_that_its_subject_gives_up_is_its_own_no_longer() {
    let mut vault = vault();
    let first = own(&mut vault, 1);
    vault.capsule_owner_add(by(1, 1), &first, who(2)).unwrap();
    vault
        .capsule_owner_remove(by(1, 1), &first, who(1))
        .unwrap();
    vault.recount().unwrap();
    assert_eq!(is(&vault, 1, &first), Some((false, false)));
    assert_eq!(
        vault.capsules_read_basic(by(1, 1), None),
        Err(Error::NotFound)
    );
    let second = own(&mut vault, 1);
    assert_ne!(second, first);
    // An owner again, of a capsule about itself that somebody else owns too: not its own.
    vault.capsule_owner_add(by(2, 2), &first, who(1)).unwrap();
    assert_eq!(own(&mut vault, 1), second);
    let info = vault.capsules_read_basic(by(1, 2), Some(&first)).unwrap();
    assert!(info.is_owner && !info.is_self_capsule);
    vault.recount().unwrap();
}

#[test]
fn a_strangers_capsule_about_somebody_never_becomes_that_persons_own() {
    let mut vault = vault();
    let about = vault.capsules_create(by(9, 0), Some(who(1))).unwrap().id;
    vault.capsule_owner_add(by(9, 0), &about, who(1)).unwrap();
    assert_eq!(
        vault.capsules_read_basic(by(1, 0), None),
        Err(Error::NotFound)
    );
    assert_ne!(own(&mut vault, 1), about);
    vault.recount().unwrap();
}

#[test]
fn owners_and_controllers_are_bounded() {
    let mut vault = vault();
    let capsule = own(&mut vault, 1);
    for n in 1..OWNERS_MAX as u16 {
        vault
            .capsule_owner_add(by(1, 1), &capsule, who(100 + n))
            .unwrap();
    }
    for n in 0..CONTROLLERS_MAX as u16 {
        vault
            .capsule_controller_add(by(1, 1), &capsule, opaque(&"n".repeat(100 + n as usize)))
            .unwrap();
    }
    assert_eq!(
        vault.capsule_owner_add(by(1, 1), &capsule, who(2)),
        Err(Error::ResourceExhausted)
    );
    assert_eq!(
        vault.capsule_controller_add(by(1, 1), &capsule, who(2)),
        Err(Error::ResourceExhausted)
    );
    vault
        .capsule_owner_add(by(1, 1), &capsule, who(101))
        .unwrap();
    vault.recount().unwrap();
    // With everybody in it, it goes for everybody; each owner may say so again.
    vault.capsules_delete(by(101, 2), &capsule).unwrap();
    for n in [1, 101, 131] {
        vault.capsules_delete(by(n, 3), &capsule).unwrap();
        assert!(vault.capsules_list(by(n, 3)).is_empty());
    }
    assert_eq!(
        vault.capsules_delete(by(2, 3), &capsule),
        Err(Error::NotFound)
    );
    vault.recount().unwrap();
}

#[test]
fn strangers_use_up_and_hide_nothing_of_somebody_elses() {
    let mut vault = vault();
    let most = CAPSULES_PER_PERSON_MAX as u16;
    let mine = vault
        .capsules_create(by(1, 0), Some(opaque("aunt")))
        .unwrap()
        .id;
    let friends = own(&mut vault, 2);
    vault.capsule_owner_add(by(2, 0), &friends, who(1)).unwrap();
    // Two strangers give a part in capsules of theirs, and make as many about their victim.
    for stranger in [8, 9] {
        for n in 1..=most / 2 {
            let call = by(stranger, u64::from(n));
            let given = vault.capsules_create(call, Some(who(1))).unwrap().id;
            vault.capsule_owner_add(call, &given, who(1)).unwrap();
            vault.capsule_controller_add(call, &given, who(1)).unwrap();
            let given = vault.capsules_create(call, Some(opaque("x"))).unwrap().id;
            vault.capsule_controller_add(call, &given, who(1)).unwrap();
        }
        assert_eq!(
            vault.capsules_create(by(stranger, 9_000), Some(opaque("x"))),
            Err(Error::ResourceExhausted)
        );
    }
    let own = own(&mut vault, 1);
    let later = vault
        .capsules_create(by(1, 9_000), Some(opaque("uncle")))
        .unwrap()
        .id;
    let second = self::own(&mut vault, 3);
    vault
        .capsule_owner_add(by(3, 9_000), &second, who(1))
        .unwrap();
    assert_eq!(is(&vault, 1, &second), Some((true, false)));
    let listed = vault.capsules_list(by(1, 9_000));
    assert_eq!(listed.len(), usize::from(most));
    for id in [&mine, &friends, &own, &later] {
        assert!(listed.iter().any(|header| header.id == *id), "{id}");
    }
    vault.recount().unwrap();
}

#[test]
fn whoever_is_linked_shares_what_any_of_its_principals_was_given() {
    let mut vault = vault();
    let capsule = own(&mut vault, 1);
    vault.capsule_owner_add(by(1, 1), &capsule, who(3)).unwrap();
    let PersonRef::Principal(second) = who(2) else {
        unreachable!("who names principals")
    };
    vault.person_link_offer(by(3, 1), second).unwrap();
    vault.person_link_accept(by(2, 1), by(3, 0).caller).unwrap();
    // The second acts for the third: named is the first of the two.
    vault
        .capsule_controller_add(by(2, 1), &capsule, who(5))
        .unwrap();
    let read = vault.capsules_read_full(by(2, 1), Some(&capsule)).unwrap();
    assert_eq!(read.controllers[0].1.granted_by, who(3));
    // It leaves for the person, by either, again too.
    for n in [2, 3, 2] {
        vault
            .capsule_owner_remove(by(n, 2), &capsule, who(3))
            .unwrap();
        assert_eq!(is(&vault, n, &capsule), None);
    }
    vault.recount().unwrap();
}
