//! Making, listing and revoking.

use super::*;
use crate::Means;
use crate::limits;

impl Home {
    fn create(
        &mut self,
        person: u8,
        input: ShareLinkInput,
    ) -> Result<keepsake_api::ShareLink, Error> {
        self.vault.share_links_create(by(person, NOW), input)
    }

    fn list(&self, person: u8) -> Result<Vec<String>, Error> {
        let links = self
            .vault
            .share_links_list(by(person, NOW), &self.capsule)?;
        Ok(links.into_iter().map(|link| link.id).collect())
    }

    fn revoke(&mut self, person: u8, link: &str) -> Result<(), Error> {
        let capsule = self.capsule.clone();
        let revoked = self
            .vault
            .share_links_revoke(by(person, NOW), &capsule, link);
        self.vault.recount().unwrap();
        revoked
    }
}

#[test]
fn who_governs_shares_a_capsule_and_who_may_share_a_memory_that() {
    let mut home = home();
    let [a, b] = home.pictures();
    home.grant(
        &a,
        entry("e", FRIEND, VIEW | SHARE, AccessCondition::Immediate),
    );
    home.grant(&b, entry("e", FRIEND, VIEW, AccessCondition::Immediate));
    let whole = || ShareSelection::Capsule;
    for (person, selection, expected) in [
        (OWNER, whole(), None),
        (SUBJECT, whole(), Some(Error::Unauthorized)),
        (FRIEND, whole(), Some(Error::NotFound)),
        (STRANGER, whole(), Some(Error::NotFound)),
        (SUBJECT, selected(&[&a]), Some(Error::Unauthorized)),
        (FRIEND, selected(&[&a]), None),
        (FRIEND, selected(&[&a, &b]), Some(Error::Unauthorized)),
        (STRANGER, selected(&[&a]), Some(Error::NotFound)),
    ] {
        let n = home
            .vault
            .share_links
            .of_capsule(crate::ids::CapsuleId::parse(&home.capsule).unwrap(), 0)
            .count();
        let input = home.input(n as u8, selection);
        assert_eq!(home.create(person, input).err(), expected, "{person}");
    }
    let mut download = home.input(9, selected(&[&a]));
    download.allow_download = true;
    assert_eq!(home.create(FRIEND, download), Err(Error::Unauthorized));
    let nobody = Call {
        caller: Principal::anonymous(),
        now: NOW,
    };
    let input = home.input(9, whole());
    let made = home.vault.share_links_create(nobody, input);
    assert_eq!(made, Err(Error::Unauthorized));
}

#[test]
fn a_creation_is_sent_again_without_effect_and_a_secret_is_spent_for_ever() {
    let mut home = home();
    let [a, b] = home.pictures();
    for selection in [ShareSelection::Capsule, selected(&[&a, &b])] {
        let n = home.list(OWNER).unwrap().len() as u8 + 1;
        let input = home.input(n, selection.clone());
        let first = home.create(OWNER, input.clone()).unwrap();
        let later = by(OWNER, NOW + DAY);
        let again = home.vault.share_links_create(later, input.clone());
        assert_eq!(again, Ok(first.clone()));
        let mut explicit = input.clone();
        explicit.expires_at = Some(first.expires_at);
        assert_eq!(home.create(OWNER, explicit), Ok(first.clone()));

        let others = [
            ShareLinkInput {
                title: None,
                ..input.clone()
            },
            ShareLinkInput {
                allow_download: true,
                ..input.clone()
            },
            ShareLinkInput {
                expires_at: Some(NOW + 5),
                ..input.clone()
            },
            ShareLinkInput {
                selection: selected(&[&b, &a]),
                ..input.clone()
            },
            ShareLinkInput {
                selection: selected(&[&a]),
                ..input.clone()
            },
        ];
        for other in others {
            assert!(matches!(home.create(OWNER, other), Err(Error::Conflict(_))));
        }
        // Somebody who was given the link makes one of the same secret.
        let own = home
            .vault
            .capsules_create(by(STRANGER, NOW), None)
            .unwrap()
            .id;
        let theirs = ShareLinkInput {
            capsule_id: own,
            selection: ShareSelection::Capsule,
            ..input.clone()
        };
        assert!(matches!(
            home.create(STRANGER, theirs.clone()),
            Err(Error::Conflict(_))
        ));

        home.revoke(OWNER, &first.id).unwrap();
        assert!(matches!(home.create(OWNER, input), Err(Error::Conflict(_))));
        assert!(matches!(
            home.create(STRANGER, theirs),
            Err(Error::Conflict(_))
        ));
        assert_eq!(home.revoke(OWNER, &first.id), Ok(()));
        assert_eq!(home.page(n, NOW), Err(Error::NotFound));
        // The next one has another secret.
        let next = home.input(n + 100, selection);
        home.create(OWNER, next).unwrap();
    }
    home.vault.recount().unwrap();
}

#[test]
fn who_governs_manages_all_links_and_others_their_own() {
    let mut home = home();
    let [a] = home.pictures();
    home.grant(
        &a,
        entry("e", FRIEND, VIEW | SHARE, AccessCondition::Immediate),
    );
    assert_eq!(home.list(OWNER), Ok(vec![]));
    assert_eq!(home.list(FRIEND), Err(Error::NotFound));
    let owners = home.link(1);
    let input = home.input(2, selected(&[&a]));
    let friends = home.made(FRIEND, input);
    assert_eq!(home.list(OWNER).unwrap().len(), 2);
    assert_eq!(home.list(FRIEND), Ok(vec![friends.clone()]));
    assert_eq!(home.list(SUBJECT), Err(Error::Unauthorized));
    assert_eq!(home.list(STRANGER), Err(Error::NotFound));

    for unknown in [
        "",
        "share_",
        &friends.to_uppercase(),
        &format!("share_{:032x}", 7),
    ] {
        assert_eq!(
            home.revoke(OWNER, unknown),
            Err(Error::NotFound),
            "{unknown}"
        );
        assert_eq!(home.revoke(SUBJECT, unknown), Err(Error::Unauthorized));
        assert_eq!(home.revoke(STRANGER, unknown), Err(Error::NotFound));
    }
    assert_eq!(home.revoke(FRIEND, &owners), Err(Error::NotFound));
    assert_eq!(home.revoke(SUBJECT, &owners), Err(Error::Unauthorized));
    assert_eq!(home.revoke(STRANGER, &owners), Err(Error::NotFound));
    let other = home.vault.capsules_create(by(OWNER, NOW), None).unwrap().id;
    let elsewhere = home
        .vault
        .share_links_revoke(by(OWNER, NOW), &other, &owners);
    assert_eq!(elsewhere, Err(Error::NotFound));
    assert_eq!(home.list(OWNER).unwrap().len(), 2);

    assert_eq!(home.revoke(FRIEND, &friends), Ok(()));
    assert_eq!(home.revoke(FRIEND, &friends), Ok(()));
    assert_eq!(home.revoke(OWNER, &friends), Ok(()));
    assert_eq!(home.revoke(OWNER, &owners), Ok(()));
    assert_eq!(home.revoke(STRANGER, &owners), Err(Error::NotFound));
    assert_eq!(home.list(OWNER), Ok(vec![]));
}

#[test]
fn principals_of_one_person_manage_each_others_links() {
    let mut home = home();
    home.vault
        .person_link_offer(by(OWNER, NOW), by(9, 0).caller)
        .unwrap();
    home.vault
        .person_link_accept(by(9, NOW), by(OWNER, 0).caller)
        .unwrap();
    let [a] = home.pictures();
    let input = home.input(1, ShareSelection::Capsule);
    let made = home.create(9, input.clone()).unwrap();
    assert_eq!(made.created_by, by(OWNER, 0).caller);
    assert_eq!(home.create(OWNER, input), Ok(made.clone()));
    home.vault
        .person_unlink(by(OWNER, NOW), by(9, 0).caller)
        .unwrap();
    // It names the primary, and stays the owner's.
    assert_eq!(home.shown(1, NOW), [a]);
    assert_eq!(home.revoke(9, &made.id), Err(Error::NotFound));
    assert_eq!(home.revoke(OWNER, &made.id), Ok(()));
}

#[test]
fn arguments_have_bounds() {
    let mut home = home();
    let [a] = home.pictures();
    let good = home.input(1, ShareSelection::Capsule);
    let with = |change: fn(&mut ShareLinkInput)| {
        let mut input = good.clone();
        change(&mut input);
        input
    };
    for (input, name) in [
        (with(|i| i.secret_sha256 = ByteBuf::new()), "secret_sha256"),
        (
            with(|i| i.secret_sha256 = ByteBuf::from(vec![1; 31])),
            "secret_sha256",
        ),
        (
            with(|i| i.secret_sha256 = ByteBuf::from(vec![1; 33])),
            "secret_sha256",
        ),
        (
            with(|i| i.selection = ShareSelection::Memories(vec![])),
            "selection",
        ),
        (with(|i| i.title = Some("t".repeat(257))), "title"),
        (with(|i| i.expires_at = Some(0)), "expires_at"),
        (with(|i| i.expires_at = Some(NOW)), "expires_at"),
        (with(|i| i.expires_at = Some(u64::MAX)), "expires_at"),
        (
            with(|i| i.expires_at = Some(NOW + limits::SHARE_LINK_LIFETIME_MAX + 1)),
            "expires_at",
        ),
    ] {
        let refused = home.create(OWNER, input);
        assert!(
            matches!(&refused, Err(Error::Invalid { name: got, .. }) if *got == name),
            "{refused:?}"
        );
    }
    for unknown in ["", "mem_", &format!("mem_{:032x}", 1), &a.to_uppercase()] {
        let input = home.input(1, selected(&[&a, &unknown.to_owned()]));
        assert_eq!(home.create(OWNER, input), Err(Error::NotFound), "{unknown}");
    }
    let longest = with(|i| i.expires_at = Some(NOW + limits::SHARE_LINK_LIFETIME_MAX));
    let link = home.create(OWNER, longest).unwrap();
    assert_eq!(link.expires_at, NOW + limits::SHARE_LINK_LIFETIME_MAX);
    let mut next = home.input(2, ShareSelection::Capsule);
    (next.expires_at, next.title) = (Some(NOW + 1), Some(String::new()));
    let next = home.create(OWNER, next).unwrap();
    assert_eq!((next.expires_at, next.title), (NOW + 1, None));
}

#[test]
fn guests_leave_room_and_what_has_expired_makes_some() {
    let mut home = home();
    let [a] = home.pictures();
    home.grant(
        &a,
        entry("e", FRIEND, VIEW | SHARE, AccessCondition::Immediate),
    );
    let nth = |home: &Home, n: usize| {
        let mut input = home.input(0, selected(&[&a]));
        input.secret_sha256 = ByteBuf::from(sha256(&[&n.to_be_bytes()]).to_vec());
        input.expires_at = (n == 0).then_some(NOW + SECOND);
        input
    };
    for n in 0..limits::SHARE_LINKS_BY_ENTRY_MAX {
        let input = nth(&home, n);
        home.create(FRIEND, input).unwrap();
    }
    let more = nth(&home, 1_000);
    assert_eq!(
        home.create(FRIEND, more.clone()),
        Err(Error::ResourceExhausted)
    );
    for n in limits::SHARE_LINKS_BY_ENTRY_MAX..limits::SHARE_LINKS_MAX {
        let input = nth(&home, n);
        home.create(OWNER, input).unwrap();
    }
    assert_eq!(
        home.create(OWNER, more.clone()),
        Err(Error::ResourceExhausted)
    );
    // Again, one that is there.
    let input = nth(&home, 5);
    assert!(home.create(FRIEND, input).is_ok());
    assert!(
        home.vault
            .share_links_create(by(OWNER, NOW + SECOND), more)
            .is_ok()
    );
    assert_eq!(home.list(OWNER).unwrap().len(), limits::SHARE_LINKS_MAX + 1);
    home.vault.recount().unwrap();
}

#[test]
fn the_sweep_ends_what_has_expired_in_steps() {
    let mut home = home();
    let [a] = home.pictures();
    let count = limits::SWEPT_PER_MESSAGE as u8 * 2 + 1;
    for n in 0..count {
        let mut input = home.input(n, selected(&[&a]));
        input.expires_at = Some(NOW + 1 + u64::from(n % 2) * DAY);
        home.made(OWNER, input);
    }
    let left = |home: &Home| home.vault.share_links.expired(u64::MAX).count();
    assert!(home.vault.sweep(NOW + 1));
    assert_eq!(left(&home), usize::from(count) - limits::SWEPT_PER_MESSAGE);
    assert!(!home.vault.sweep(NOW + 1));
    assert_eq!(left(&home), usize::from(count) / 2);
    home.vault.recount().unwrap();
    while home.vault.sweep(NOW + 2 * DAY) {}
    assert_eq!(left(&home), 0);
    home.vault.recount().unwrap();
}

#[test]
fn links_are_made_when_cycles_are_low() {
    let mut home = home();
    home.vault.set_means(Means {
        balance: 0,
        liquid: 0,
        heap: 0,
    });
    home.link(1);
}
