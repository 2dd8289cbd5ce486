//! What an access entry gives somebody who has no part in the capsule, call by call, as the contract's table says.

use keepsake_api::{
    AccessCondition, AccessEntry, AssetType, Error as Wire, GrantSource, MemoryUpdateData,
    PersonRef, ResourceRole, SharingStatus,
};
use keepsake_vault::Result;

use crate::home::{Home, of_blob, refusal};
use crate::pools::principal;

const VIEW: u32 = 1;
const DOWNLOAD: u32 = 2;
const SHARE: u32 = 4;
const MANAGE: u32 = 8;
const OWN: u32 = 16;

const GUEST: usize = 2;

fn entry(who: usize, perm_mask: u32, condition: AccessCondition) -> AccessEntry {
    AccessEntry {
        id: format!("{who}-{perm_mask}"),
        person_ref: Some(PersonRef::Principal(principal(who))),
        is_public: false,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition,
    }
}

/// A memory of 0's with an original and a thumbnail, and the original's blob.
fn shared(home: &mut Home, perm_mask: u32, condition: AccessCondition) -> (String, String, String) {
    let capsule = home.own(0);
    let blob = home.upload(0, &capsule, &[b"the original"], "u");
    let memory = home.create(0, of_blob(&capsule, &blob, None, "m"));
    let memory = memory.expect("create");
    let mut thumbnail = crate::home::plain();
    thumbnail.base_mut().asset_type = AssetType::Thumbnail;
    let input = keepsake_api::InlineAssetInput {
        bytes: b"small".to_vec().into(),
        metadata: thumbnail,
    };
    let by = home.by(0);
    let added = home
        .vault
        .memories_add_inline_asset(by, &memory, input, "t");
    added.expect("add");
    let granted = home
        .vault
        .access_grant(by, &memory, entry(GUEST, perm_mask, condition));
    granted.expect("grant");
    (capsule, memory, blob)
}

/// Allowed where the mask has the permission; otherwise `Unauthorized`, for who may view.
#[track_caller]
fn only_with<T: std::fmt::Debug>(allowed: bool, result: Result<T>) {
    if allowed {
        result.expect("this mask allows it");
    } else {
        assert_eq!(refusal(result), Wire::Unauthorized);
    }
}

#[test]
fn each_permission_gives_what_it_says_and_no_more() {
    for mask in (0..32).filter(|mask| mask & VIEW != 0) {
        let mut home = Home::new();
        let (capsule, memory, blob) = shared(&mut home, mask, AccessCondition::Immediate);
        let has = |permission| mask & permission != 0;
        let by = home.by(GUEST);
        home.vault
            .memories_read(by, &memory)
            .expect("whoever views, reads");
        assert_eq!(
            refusal(home.vault.capsules_read_basic(by, Some(&capsule))),
            Wire::NotFound
        );
        assert_eq!(
            refusal(home.page(GUEST, &capsule, None, None)),
            Wire::NotFound
        );
        assert_eq!(refusal(home.begin(GUEST, &capsule, 1, "k")), Wire::NotFound);
        assert_eq!(
            refusal(home.inline(GUEST, &capsule, b"x", "k")),
            Wire::NotFound
        );
        let listed = home.vault.capsules_list(by);
        assert!(listed.iter().all(|header| header.id != capsule));
        match home.vault.blob_read(by, &blob) {
            Ok(bytes) => assert!(has(DOWNLOAD) && bytes == b"the original", "mask {mask}"),
            Err(_) => assert!(!has(DOWNLOAD), "mask {mask} is refused the original"),
        }
        only_with(has(MANAGE), home.add(GUEST, &memory, b"more", "k"));
        let update = MemoryUpdateData {
            name: Some("another".into()),
            ..MemoryUpdateData::default()
        };
        only_with(has(MANAGE), home.vault.memories_update(by, &memory, update));
        let equal = entry(1, mask, AccessCondition::Immediate);
        only_with(has(SHARE), home.vault.access_grant(by, &memory, equal));
        for more in [DOWNLOAD, MANAGE, OWN]
            .into_iter()
            .filter(|more| !has(*more))
        {
            let above = entry(1, mask | more, AccessCondition::Immediate);
            only_with(false, home.vault.access_grant(by, &memory, above));
        }
        only_with(has(OWN), home.delete(GUEST, &memory, true));
        home.sound();
    }
}

/// A Group entry is for the group's members, whomever its `person_ref` names: that person gets nothing by it, is not counted among those
/// who have an entry, and does not hide that the memory is shared.
#[test]
fn a_person_beside_a_group_means_nothing() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let memory = home.inline(0, &capsule, b"x", "k").expect("create");
    for named in [0, GUEST] {
        let of_group = AccessEntry {
            id: "family".into(),
            grant_source: GrantSource::Group,
            source_id: Some("family".into()),
            ..entry(named, VIEW, AccessCondition::Immediate)
        };
        let granted = (home.vault).access_grant(home.by(0), &memory, of_group.clone());
        granted.expect("grant");
        let read = home.vault.memories_read(home.by(0), &memory).expect("read");
        let kept = read.access_entries.iter().find(|kept| kept.id == "family");
        assert_eq!(
            kept.map(|kept| &kept.person_ref),
            Some(&of_group.person_ref)
        );
        assert_eq!(read.metadata.shared_count, 0, "named: {named}");
        assert_eq!(read.metadata.sharing_status, SharingStatus::Shared);
        let refused = home.vault.memories_read(home.by(GUEST), &memory);
        assert_eq!(refusal(refused), Wire::NotFound);
        home.sound();
        let nobody = AccessEntry {
            person_ref: Some(PersonRef::Opaque(String::new())),
            ..of_group
        };
        let refused = home.vault.access_grant(home.by(0), &memory, nobody);
        crate::home::assert_invalid(refused, "access_entries");
    }
}

/// Scheduled from its time on, expiring before its time; outside of it the memory does not exist.
#[test]
fn an_entry_counts_only_while_its_condition_holds() {
    let at = Home::new().now + 1_000;
    let cases = [
        (
            AccessCondition::Scheduled {
                accessible_after: at,
            },
            [false, true, true],
        ),
        (
            AccessCondition::ExpiresAt { expires: at },
            [true, false, false],
        ),
    ];
    for (condition, expected) in cases {
        let mut home = Home::new();
        let (_, memory, blob) = shared(&mut home, 31, condition);
        for (now, counts) in [at - 1, at, at + 1].into_iter().zip(expected) {
            home.now = now;
            let by = home.by(GUEST);
            if counts {
                home.vault.memories_read(by, &memory).expect("it counts");
                home.vault.blob_read(by, &blob).expect("it counts");
            } else {
                assert_eq!(
                    refusal(home.vault.memories_read(by, &memory)),
                    Wire::NotFound
                );
                assert_eq!(refusal(home.vault.blob_read(by, &blob)), Wire::NotFound);
                assert_eq!(refusal(home.delete(GUEST, &memory, true)), Wire::NotFound);
            }
        }
    }
}

#[test]
fn who_is_shut_out_again_finds_nothing() {
    let mut home = Home::new();
    let (_, memory, _) = shared(&mut home, 31, AccessCondition::Immediate);
    let read = home.vault.memories_read(home.by(0), &memory).expect("read");
    let entry = read
        .access_entries
        .iter()
        .find(|entry| entry.perm_mask == 31);
    let id = entry.expect("the one granted").id.clone();
    let by = home.by(0);
    home.vault.access_revoke(by, &memory, &id).expect("revoke");
    home.vault.access_revoke(by, &memory, &id).expect("again");
    assert_eq!(
        refusal(home.vault.memories_read(home.by(GUEST), &memory)),
        Wire::NotFound
    );
    home.sound();
}

/// "Never above its own mask" is about what is taken away, too: who may share may not strip somebody of more than he has himself.
#[test]
fn who_may_only_share_cannot_take_a_higher_entry_away() {
    let mut home = Home::new();
    let (_, memory, _) = shared(&mut home, 31, AccessCondition::Immediate);
    let low = entry(1, VIEW | SHARE, AccessCondition::Immediate);
    let granted = home.vault.access_grant(home.by(0), &memory, low.clone());
    granted.expect("the owner grants");
    let high = "2-31";
    let replaced = AccessEntry {
        id: high.into(),
        ..low
    };
    let by = home.by(1);
    let results = [
        home.vault.access_grant(by, &memory, replaced).map(drop),
        home.vault.access_revoke(by, &memory, high),
    ];
    for result in results {
        assert_eq!(refusal(result), Wire::Unauthorized);
    }
    let read = home.vault.memories_read(home.by(GUEST), &memory);
    read.expect("still shared with the guest");
}
