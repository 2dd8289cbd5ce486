//! When a link shows something no more: all of it, or one memory.

use keepsake_api::{HttpRequest, HttpResponse};

use super::*;
use crate::Means;
use crate::ids::CapsuleId;

/// Everything that a link gives is refused, alike.
fn nothing_is_shown(home: &Home, n: u8, memory: &str, token: &str, now: u64) {
    let secret = secret(n);
    let vault = &home.vault;
    assert_eq!(home.page(n, now), Err(Error::NotFound));
    let read = vault.share_links_memory(now, &secret, memory);
    assert_eq!(read, Err(Error::NotFound));
    let asset = vault.share_links_asset(now, &secret, memory, "asset", 0, 1);
    assert_eq!(asset.unwrap_err(), Error::NotFound);
    assert_eq!(
        home.get(token, memory, "thumbnail", now),
        Err(Refusal::Forbidden)
    );
}

#[test]
fn a_revocation_ends_page_memory_range_and_picture_at_once() {
    let mut home = home();
    let [a] = home.pictures();
    let link = home.link(1);
    let token = home.token(1, NOW);
    assert!(home.get(&token, &a, "thumbnail", NOW).is_ok());
    let capsule = home.capsule.clone();
    home.vault
        .share_links_revoke(by(OWNER, NOW), &capsule, &link)
        .unwrap();
    nothing_is_shown(&home, 1, &a, &token, NOW);
    let opened = home
        .vault
        .share_links_open(by(STRANGER, NOW), &secret(1), b"n");
    assert_eq!(opened, Err(Error::NotFound));
}

#[test]
fn a_link_ends_exactly_when_it_says() {
    let mut home = home();
    let [a] = home.pictures();
    let mut input = home.input(1, ShareSelection::Capsule);
    input.expires_at = Some(NOW + 60 * SECOND);
    home.made(OWNER, input);
    let header = &home.page(1, NOW).unwrap().items[0];
    let thumbnail = header.assets.thumbnail.as_ref().unwrap();
    assert_eq!(thumbnail.expires_at_ns, u128::from(NOW + 60 * SECOND));
    let last = NOW + 60 * SECOND - 1;
    assert!(home.get(&thumbnail.token, &a, "thumbnail", last).is_ok());
    assert_eq!(home.shown(1, last), std::slice::from_ref(&a));
    nothing_is_shown(&home, 1, &a, &thumbnail.token, last + 1);
    assert!(
        home.vault
            .share_links_list(by(OWNER, last + 1), &home.capsule)
            .unwrap()
            .is_empty()
    );
    assert!(!home.vault.sweep(last + 1));
    home.vault.recount().unwrap();
    nothing_is_shown(&home, 1, &a, &thumbnail.token, last);
}

#[test]
fn a_link_is_worth_what_its_maker_may() {
    let mut home = home();
    let [a, b] = home.pictures();
    let controller = principal(FRIEND);
    let capsule = home.capsule.clone();
    let add = |home: &mut Home| {
        let call = by(OWNER, NOW);
        let added = home
            .vault
            .capsule_controller_add(call, &capsule, controller.clone());
        added.unwrap();
    };
    add(&mut home);
    let whole = home.input(1, ShareSelection::Capsule);
    home.made(FRIEND, whole);
    let input = home.input(2, selected(&[&a, &b]));
    home.made(FRIEND, input);
    let [whole, some] = [home.token(1, NOW), home.token(2, NOW)];
    assert_eq!(home.shown(2, NOW), [a.clone(), b.clone()]);

    let call = by(OWNER, NOW);
    home.vault
        .capsule_controller_remove(call, &capsule, controller.clone())
        .unwrap();
    nothing_is_shown(&home, 1, &b, &whole, NOW);
    assert_eq!(home.shown(2, NOW), [""; 0]);
    let read = home.vault.share_links_memory(NOW, &secret(2), &a);
    assert_eq!(read, Err(Error::NotFound));
    assert_eq!(
        home.get(&some, &a, "thumbnail", NOW),
        Err(Refusal::Forbidden)
    );
    // By an entry it may share one of them again, and both once it is back.
    home.grant(
        &b,
        entry("e", FRIEND, VIEW | SHARE, AccessCondition::Immediate),
    );
    assert_eq!(home.shown(2, NOW), std::slice::from_ref(&b));
    add(&mut home);
    assert_eq!(home.shown(2, NOW), [a.clone(), b.clone()]);
    assert_eq!(home.shown(1, NOW), [b, a]);
}

#[test]
fn what_its_maker_may_not_download_is_not_downloaded_through_it() {
    let mut home = home();
    let [a] = home.pictures();
    let mask = VIEW | DOWNLOAD | SHARE;
    home.grant(&a, entry("e", FRIEND, mask, AccessCondition::Immediate));
    let mut input = home.input(1, selected(&[&a]));
    input.allow_download = true;
    home.made(FRIEND, input);
    let token = home.token(1, NOW);
    assert!(home.get(&token, &a, "original", NOW).is_ok());
    home.grant(
        &a,
        entry("e", FRIEND, VIEW | SHARE, AccessCondition::Immediate),
    );
    assert_eq!(
        home.get(&token, &a, "original", NOW),
        Err(Refusal::Forbidden)
    );
    assert!(home.get(&token, &a, "thumbnail", NOW).is_ok());
    assert_eq!(home.read(1, &a, AssetType::Original), Err(Error::NotFound));
}

#[test]
fn what_is_in_the_trash_is_shown_again_when_it_is_restored() {
    let mut home = home();
    let [a, b] = home.pictures();
    home.link(1);
    home.link_to(2, &[&a, &b]);
    let token = home.token(2, NOW);
    home.vault.memories_trash(by(OWNER, NOW), &a).unwrap();
    assert_eq!(home.shown(1, NOW), std::slice::from_ref(&b));
    assert_eq!(home.shown(2, NOW), std::slice::from_ref(&b));
    assert_eq!(home.read(2, &a, AssetType::Thumbnail), Err(Error::NotFound));
    assert_eq!(
        home.get(&token, &a, "thumbnail", NOW),
        Err(Refusal::NotFound)
    );
    home.vault.memories_restore(by(OWNER, NOW), &a).unwrap();
    assert_eq!(home.shown(2, NOW), [a.clone(), b.clone()]);
    assert!(home.get(&token, &a, "thumbnail", NOW).is_ok());
    home.vault
        .memories_delete(by(OWNER, NOW), &a, true)
        .unwrap();
    assert_eq!(home.shown(2, NOW), std::slice::from_ref(&b));
    home.vault.recount().unwrap();
}

#[test]
fn a_time_capsule_is_shown_once_it_has_opened() {
    let mut home = home();
    let [later, event, open] = home.pictures();
    home.link(1);
    home.link_to(2, &[&later, &event, &open]);
    let token = home.token(2, NOW);
    let scheduled = AccessCondition::Scheduled {
        accessible_after: NOW + DAY,
    };
    home.grant(&later, entry("e", STRANGER, VIEW, scheduled));
    let waiting = AccessCondition::EventTriggered {
        event: AccessEvent::Wedding,
    };
    home.grant(&event, entry("e", STRANGER, VIEW, waiting));
    let until = AccessCondition::ExpiresAt { expires: NOW };
    home.grant(&open, entry("e", STRANGER, VIEW, until));
    for n in [1, 2] {
        assert_eq!(home.shown(n, NOW + DAY - 1), std::slice::from_ref(&open));
        assert_eq!(
            home.read(n, &later, AssetType::Thumbnail),
            Err(Error::NotFound)
        );
    }
    assert_eq!(
        home.get(&token, &later, "thumbnail", NOW),
        Err(Refusal::Forbidden)
    );
    assert_eq!(home.shown(2, NOW + DAY), [later.clone(), open.clone()]);
    let capsule = home.capsule.clone();
    let call = by(OWNER, NOW);
    home.vault
        .capsule_event_record(call, &capsule, &AccessEvent::Wedding)
        .unwrap();
    assert_eq!(home.shown(2, NOW + DAY), [later, event, open]);
}

#[test]
fn a_capsule_that_was_deleted_takes_its_links_with_it() {
    let mut home = home();
    let [a] = home.pictures();
    let link = home.link(1);
    for n in 2..=120 {
        home.link_to(n, &[&a]);
    }
    let token = home.token(1, NOW);
    let capsule = home.capsule.clone();
    home.vault
        .capsules_delete(by(OWNER, NOW), &capsule)
        .unwrap();
    nothing_is_shown(&home, 1, &a, &token, NOW);
    nothing_is_shown(&home, 100, &a, &token, NOW);
    while home.vault.sweep(NOW) {
        home.vault.recount().unwrap();
    }
    home.vault.recount().unwrap();
    assert_eq!(
        home.vault
            .share_links
            .of_capsule(CapsuleId::parse(&capsule).unwrap(), 0)
            .count(),
        0
    );
    // Who made it hears that it has ended, and nobody else anything.
    for (person, expected) in [(OWNER, Ok(())), (STRANGER, Err(Error::NotFound))] {
        let again = home
            .vault
            .share_links_revoke(by(person, NOW), &capsule, &link);
        assert_eq!(again, expected);
    }
}

#[test]
fn rotating_the_key_ends_the_tokens_and_not_the_link() {
    let mut home = home();
    let [a] = home.pictures();
    home.link(1);
    let token = home.token(1, NOW);
    home.vault
        .http_token_key_rotate(by(OWNER, NOW), true, 0)
        .unwrap();
    assert_eq!(
        home.get(&token, &a, "thumbnail", NOW),
        Err(Refusal::Forbidden)
    );
    let token = home.token(1, NOW);
    assert!(home.get(&token, &a, "thumbnail", NOW).is_ok());
}

/// What a browser kept is asked for again each time, and is refused as well once the link was revoked.
#[test]
fn a_picture_that_a_browser_kept_ends_with_its_link() {
    let mut home = home();
    let [a] = home.pictures();
    let link = home.link(1);
    let token = home.token(1, NOW);
    let get = |home: &Home, tag: Option<&str>| {
        let request = HttpRequest {
            method: "GET".into(),
            url: format!("/asset/{a}/thumbnail?token={token}"),
            headers: tag
                .map(|tag| ("If-None-Match".to_owned(), tag.to_owned()))
                .into_iter()
                .collect(),
            body: ByteBuf::new(),
            certificate_version: None,
        };
        let means = Means {
            balance: 0,
            liquid: 0,
            heap: 0,
        };
        home.vault.http_request(NOW, means, &request)
    };
    let header = |response: &HttpResponse, name: &str| {
        let found = response.headers.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let served = get(&home, None);
    assert_eq!(
        (served.status_code, &served.body[..]),
        (200, &b"thumbnail 0"[..])
    );
    let tag = header(&served, "ETag");
    let kept = get(&home, Some(&tag));
    assert_eq!(kept.status_code, 304);
    for response in [&served, &kept] {
        assert_eq!(header(response, "Cache-Control"), "private, no-cache");
    }
    let capsule = home.capsule.clone();
    home.vault
        .share_links_revoke(by(OWNER, NOW), &capsule, &link)
        .unwrap();
    for tag in [None, Some(tag.as_str())] {
        let refused = get(&home, tag);
        assert_eq!(refused.status_code, 403);
        assert_eq!(header(&refused, "ETag"), "");
    }
}
