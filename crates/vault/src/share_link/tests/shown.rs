//! What a link shows, and to whom.

use super::*;
use crate::limits;

#[test]
fn a_capsule_is_shown_as_it_is_and_memories_in_their_order() {
    let mut home = home();
    let [a, b, c] = home.pictures();
    home.link(1);
    home.link_to(2, &[&b, &a, &b]);
    assert_eq!(home.shown(1, NOW), [&c, &b, &a].map(String::clone));
    assert_eq!(home.shown(2, NOW), [&b, &a].map(String::clone));
    let d = home.picture(9);
    assert_eq!(home.shown(1, NOW), [&d, &c, &b, &a].map(String::clone));
    assert_eq!(home.shown(2, NOW), [&b, &a].map(String::clone));
    let page = home.page(2, NOW).unwrap();
    assert_eq!(page.link.title.as_deref(), Some("Summer"));
    assert_eq!(page.link.expires_at, NOW + limits::SHARE_LINK_LIFETIME);
    assert_eq!(page.items[0].date, NOW + 1);
}

#[test]
fn an_original_is_given_only_where_downloads_are_allowed() {
    let mut home = home();
    let [a] = home.pictures();
    home.link(1);
    let mut input = home.input(2, ShareSelection::Capsule);
    input.allow_download = true;
    home.made(OWNER, input);
    for (n, allowed) in [(1, false), (2, true)] {
        assert_eq!(
            home.read(n, &a, AssetType::Thumbnail).unwrap(),
            b"thumbnail 0"
        );
        let original = home.read(n, &a, AssetType::Original);
        let expected = match allowed {
            true => Ok(b"original 0".to_vec()),
            false => Err(Error::NotFound),
        };
        assert_eq!(original, expected);
        let header = &home.page(n, NOW).unwrap().items[0];
        assert_eq!(header.assets.original.is_some(), allowed);
        let token = home.token(n, NOW);
        assert_eq!(
            home.get(&token, &a, "thumbnail", NOW).unwrap(),
            b"thumbnail 0"
        );
        assert_eq!(home.get(&token, &a, "original", NOW).is_ok(), allowed);
        let shown = home.vault.share_links_memory(NOW, &secret(n), &a).unwrap();
        let named = shown.assets.iter().all(|asset| asset.name.is_some());
        assert_eq!(
            (named, shown.assets.len()),
            (allowed, 1 + usize::from(allowed))
        );
    }
    // Its id alone is not enough.
    let all = home.vault.share_links_memory(NOW, &secret(2), &a).unwrap();
    for asset in &all.assets {
        let read = home.range(1, &a, &asset.asset_id, 0, 10);
        assert_eq!(read.is_ok(), asset.asset_type == AssetType::Thumbnail);
    }
}

#[test]
fn ranges_lie_within_the_asset() {
    let mut home = home();
    let [a] = home.pictures();
    home.link(1);
    let shown = home.vault.share_links_memory(NOW, &secret(1), &a).unwrap();
    let id = &shown.assets[0].asset_id;
    let read = |start, len| home.range(1, &a, id, start, len).unwrap();
    assert_eq!(read(0, 5), b"thumb");
    assert_eq!(read(5, 4), b"nail");
    assert_eq!(read(5, u32::MAX), b"nail 0");
    assert_eq!(read(11, 1), b"");
    assert_eq!(read(u64::MAX, u32::MAX), b"");
    assert_eq!(read(3, 0), b"");
    assert_eq!(home.range(1, &a, "asset", 0, 1), Err(Error::NotFound));
}

#[test]
fn pages_have_everything_once_and_their_cursors_are_their_links_own() {
    let mut home = home();
    let pictures: Vec<String> = (0..30).map(|n| home.picture(n)).collect();
    // Every third is sealed.
    for sealed in pictures.iter().step_by(3) {
        let waiting = AccessCondition::EventTriggered {
            event: AccessEvent::Graduation,
        };
        home.grant(sealed, entry("e", STRANGER, VIEW, waiting));
    }
    home.link(1);
    home.link_to(2, &pictures.iter().collect::<Vec<_>>());
    let mut cursors = Vec::new();
    for n in [1, 2] {
        let mut met = Vec::new();
        let mut cursor = None;
        loop {
            let page = (home.vault)
                .share_links_memories(NOW, &secret(n), cursor.as_deref(), Some(4))
                .unwrap();
            assert!(page.items.len() <= 4);
            met.extend(page.items.into_iter().map(|item| item.id));
            cursor = page.next_cursor;
            cursors.extend(cursor.clone());
            if cursor.is_none() {
                break;
            }
        }
        let mut all = home.shown(n, NOW);
        assert_eq!(met, all);
        all.sort();
        let mut open: Vec<_> = pictures
            .iter()
            .enumerate()
            .filter(|(n, _)| n % 3 != 0)
            .map(|(_, id)| id.clone())
            .collect();
        open.sort();
        assert_eq!(all, open);
    }
    let own = cursors.first().cloned().unwrap();
    let ask = |n, cursor: &str| {
        home.vault
            .share_links_memories(NOW, &secret(n), Some(cursor), None)
    };
    assert!(ask(1, &own).is_ok());
    for cursor in [own.as_str(), "", "AAAA", "ä"] {
        assert!(matches!(
            ask(2, cursor),
            Err(Error::Invalid { name: "cursor", .. })
        ));
    }
    let none = home
        .vault
        .share_links_memories(NOW, &secret(1), None, Some(0));
    assert!(matches!(none, Err(Error::Invalid { name: "limit", .. })));
}

#[test]
fn a_page_looks_at_no_more_than_it_may() {
    let mut home = home();
    let [open] = home.pictures();
    let mut sealed = Vec::new();
    for n in 1..=limits::SHARED_LOOKED_AT as u64 + 5 {
        let id = home.picture(n);
        let waiting = AccessCondition::Scheduled {
            accessible_after: u64::MAX,
        };
        home.grant(&id, entry("e", STRANGER, VIEW, waiting));
        sealed.push(id);
    }
    home.link(1);
    let first = home.page(1, NOW).unwrap();
    assert_eq!(first.items.len(), 0);
    let cursor = first.next_cursor.unwrap();
    let next = home
        .vault
        .share_links_memories(NOW, &secret(1), Some(&cursor), None);
    let next = next.unwrap();
    assert_eq!(
        (next.items[0].id.as_str(), next.next_cursor),
        (open.as_str(), None)
    );
}

#[test]
fn a_thousand_memories_are_shown_and_found_one_by_one() {
    let mut home = home();
    let pictures: Vec<String> = (0..limits::SHARED_MEMORIES_MAX as u64 + 1)
        .map(|n| home.picture(n))
        .collect();
    let all: Vec<&String> = pictures.iter().collect();
    let too_many = home.input(1, selected(&all));
    let refused = home.vault.share_links_create(by(OWNER, NOW), too_many);
    assert!(matches!(
        refused,
        Err(Error::Invalid {
            name: "selection",
            ..
        })
    ));
    let (left_out, all) = all.split_first().unwrap();
    home.link_to(1, all);
    let mut met = Vec::new();
    let mut cursor = None;
    loop {
        let page = home
            .vault
            .share_links_memories(NOW, &secret(1), cursor.as_deref(), Some(100));
        let page = page.unwrap();
        met.extend(page.items.into_iter().map(|item| item.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(met.iter().collect::<Vec<_>>(), all);
    for memory in [all[0], all[63], all[64], all[999]] {
        assert!(
            home.vault
                .share_links_memory(NOW, &secret(1), memory)
                .is_ok()
        );
    }
    let other = home.vault.share_links_memory(NOW, &secret(1), left_out);
    assert_eq!(other, Err(Error::NotFound));
    let link = home
        .vault
        .share_links_list(by(OWNER, NOW), &home.capsule)
        .unwrap();
    let capsule = home.capsule.clone();
    home.vault
        .share_links_revoke(by(OWNER, NOW), &capsule, &link[0].id)
        .unwrap();
    home.vault.recount().unwrap();
}

#[test]
fn what_is_no_secret_gets_the_answer_of_a_wrong_one() {
    let mut home = home();
    let [a] = home.pictures();
    let link = home.link(1);
    let huge = vec![1; 2_000_000];
    let hash = sha256(&[&secret(1)]);
    let bad: [&[u8]; 8] = [
        b"",
        &[1; 31],
        &[1; 33],
        &huge,
        &secret(9),
        &hash,
        link.as_bytes(),
        &[0; 32],
    ];
    for secret in bad {
        let vault = &mut home.vault;
        let page = vault.share_links_memories(NOW, secret, Some("no cursor"), Some(0));
        assert_eq!(page, Err(Error::NotFound));
        assert_eq!(
            vault.share_links_memory(NOW, secret, &a),
            Err(Error::NotFound)
        );
        let asset = vault.share_links_asset(NOW, secret, &a, "asset", u64::MAX, u32::MAX);
        assert_eq!(asset.unwrap_err(), Error::NotFound);
        let opened = vault.share_links_open(by(STRANGER, NOW), secret, b"nonce");
        assert_eq!(opened, Err(Error::NotFound));
    }
}

#[test]
fn a_memory_of_another_capsule_is_not_reached() {
    let mut home = home();
    let [a] = home.pictures();
    home.link(1);
    let other = home.vault.capsules_create(by(OWNER, NOW), None).unwrap().id;
    let first = std::mem::replace(&mut home.capsule, other);
    let [b] = home.pictures();
    assert_ne!(a, b);
    let read = home.vault.share_links_memory(NOW, &secret(1), &b);
    assert_eq!(read, Err(Error::NotFound));
    home.capsule = first;
    let input = home.input(2, selected(&[&a, &b]));
    let refused = home.vault.share_links_create(by(OWNER, NOW), input);
    assert!(matches!(
        refused,
        Err(Error::Invalid {
            name: "selection",
            ..
        })
    ));
}
