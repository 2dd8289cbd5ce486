//! Counting uses.

use super::*;
use crate::limits;

impl Home {
    fn open(&mut self, person: u8, nonce: &[u8], now: u64) -> Result<u64, Error> {
        let opened = (self.vault).share_links_open(by(person, now), &secret(1), nonce)?;
        Ok(opened.uses)
    }

    fn listed_uses(&self) -> (u64, Option<u64>) {
        let links = self.vault.share_links_list(by(OWNER, NOW), &self.capsule);
        let link = &links.unwrap()[0];
        (link.uses, link.last_used_at)
    }
}

#[test]
fn a_use_is_counted_once_whoever_sends_it_again() {
    let mut home = home();
    home.link(1);
    assert_eq!(home.listed_uses(), (0, None));
    assert_eq!(home.open(STRANGER, b"first", NOW + 1), Ok(1));
    assert_eq!(home.open(STRANGER, b"first", NOW + 2), Ok(1));
    assert_eq!(home.open(FRIEND, b"first", NOW + 3), Ok(1));
    assert_eq!(home.listed_uses(), (1, Some(NOW + 1)));
    assert_eq!(home.open(STRANGER, b"second", NOW + 4), Ok(2));
    assert_eq!(home.open(STRANGER, b"first", NOW + 5), Ok(2));
    assert_eq!(home.listed_uses(), (2, Some(NOW + 4)));
    // Looking counts nothing.
    assert_eq!(home.page(1, NOW).unwrap().link.uses, 2);
    home.vault.recount().unwrap();
}

#[test]
fn as_many_uses_are_remembered_as_is_said() {
    let mut home = home();
    home.link(1);
    let most = limits::SHARE_USES_REMEMBERED as u64;
    for n in 0..=most {
        assert_eq!(home.open(STRANGER, &n.to_be_bytes(), NOW), Ok(n + 1));
    }
    for n in (1..=most).rev() {
        assert_eq!(home.open(STRANGER, &n.to_be_bytes(), NOW), Ok(most + 1));
    }
    assert_eq!(home.open(STRANGER, &0u64.to_be_bytes(), NOW), Ok(most + 2));
}

#[test]
fn nobody_is_not_counted_and_a_nonce_has_bounds() {
    let mut home = home();
    home.link(1);
    let nobody = Call {
        caller: Principal::anonymous(),
        now: NOW,
    };
    let opened = home.vault.share_links_open(nobody, &secret(1), b"n");
    assert_eq!(opened, Err(Error::Unauthorized));
    for nonce in [vec![], vec![1; limits::SHARE_NONCE_MAX + 1]] {
        let opened = home.open(STRANGER, &nonce, NOW);
        assert!(matches!(opened, Err(Error::Invalid { name: "nonce", .. })));
    }
    assert_eq!(
        home.open(STRANGER, &[1; limits::SHARE_NONCE_MAX], NOW),
        Ok(1)
    );
}

#[test]
fn uses_survive_an_upgrade() {
    let mut home = home();
    let [a] = home.pictures();
    home.link_to(1, &[&a]);
    home.open(STRANGER, b"n", NOW).unwrap();
    home.vault = Vault::open(home.memory.clone()).unwrap();
    assert_eq!(home.open(STRANGER, b"n", NOW), Ok(1));
    assert_eq!(home.shown(1, NOW), [a]);
}
