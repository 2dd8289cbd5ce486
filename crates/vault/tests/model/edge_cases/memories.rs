//! Memories, replies and arguments at their limits and past them.

use keepsake_api::{AssetMetadata, Error as Wire, InitArgs, InlineAssetInput, PersonRef};
use keepsake_vault::limits;

use crate::home::{
    Home, assert_invalid, blob_input, dated, external, inline, of_blob, plain, refusal,
};
use crate::pools::{MALFORMED_BLOB_IDS, principal};

#[test]
fn the_inline_budget_is_exact() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let half = vec![1; 16 * 1024];
    let memory = home.inline(0, &capsule, &half, "a").expect("half of it");
    home.add(0, &memory, &half, "b").expect("all of it");
    assert_eq!(
        refusal(home.add(0, &memory, b"1", "c")),
        Wire::ResourceExhausted
    );
    assert_eq!(
        refusal(home.inline(0, &capsule, b"1", "c")),
        Wire::ResourceExhausted
    );
    home.inline(0, &capsule, b"", "empty")
        .expect("nothing always fits");
    assert_eq!(
        home.inline(0, &capsule, &half, "a").expect("sent again"),
        memory
    );
    home.add(0, &memory, &half, "b").expect("sent again");
    let used = |home: &mut Home| {
        home.vault
            .capsules_create(home.by(0), None)
            .expect("own")
            .inline_bytes_used
    };
    assert_eq!(used(&mut home), 32 * 1024);
    home.delete(0, &memory, false).expect("delete");
    assert_eq!(used(&mut home), 0);
    home.inline(0, &capsule, &vec![2; 32 * 1024], "c")
        .expect("all of it at once");
    assert_invalid(
        home.inline(0, &capsule, &vec![2; 32 * 1024 + 1], "d"),
        "inline_too_large:32769>32768",
    );
    home.sound();
}

#[test]
fn lists_have_their_limits() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let blob = home.upload(0, &capsule, &[b"x"], "u");
    let by = home.by(0);
    let most = vec![blob_input(&blob); limits::ASSETS_PER_CALL_MAX];
    let memory = home
        .vault
        .memories_create_with_assets(by, &capsule, dated(None), most, vec![], "k")
        .expect("a hundred");
    let too_many = vec![blob_input(&blob); limits::ASSETS_PER_CALL_MAX + 1];
    assert_invalid(
        home.vault
            .memories_create_with_assets(by, &capsule, dated(None), too_many, vec![], "k"),
        "",
    );
    for n in limits::ASSETS_PER_CALL_MAX..limits::ASSETS_PER_MEMORY_MAX {
        home.add_blob(0, &memory, &blob, &format!("{n}"))
            .expect("add");
    }
    assert_eq!(
        refusal(home.add_blob(0, &memory, &blob, "one more")),
        Wire::ResourceExhausted
    );
    home.sound();
    home.delete(0, &memory, true).expect("all of it at once");
    assert_eq!(refusal(home.vault.blob_get_meta(by, &blob)), Wire::NotFound);
    home.sound();
}

/// A page ends early rather than being too long for a reply; nothing is lost by that, and no page is empty.
#[test]
fn long_headers_make_short_pages() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let mut made: Vec<String> = vec![];
    for n in 0..60u8 {
        let mut metadata = dated(None);
        metadata.description = Some("d".repeat(60_000));
        let input = InlineAssetInput {
            bytes: vec![n].into(),
            metadata: plain(),
        };
        let by = home.by(0);
        let id = home.vault.memories_create_with_assets(
            by,
            &capsule,
            metadata,
            vec![],
            vec![input],
            "k",
        );
        made.push(id.expect("create"));
    }
    let (mut met, mut cursor): (Vec<String>, _) = (vec![], None);
    loop {
        let page = home
            .vault
            .memories_list(home.by(0), &capsule, cursor.as_deref(), Some(100))
            .expect("a page");
        let bytes: usize = page
            .items
            .iter()
            .map(|item| item.description.as_ref().map_or(0, String::len))
            .sum();
        assert!(
            !page.items.is_empty() && bytes <= limits::PAGE_BYTES_MAX,
            "{} items of {bytes} bytes",
            page.items.len()
        );
        met.extend(page.items.into_iter().map(|item| item.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    met.sort();
    made.sort();
    assert_eq!(met, made);
}

#[test]
fn a_reply_leaves_out_the_largest_inline_assets_rather_than_failing() {
    let mut home = Home::new();
    home.vault.configure(&InitArgs {
        inline_budget_per_capsule: Some(4_000_000),
        ..InitArgs::default()
    });
    let capsule = home.own(0);
    let memory = home.inline(0, &capsule, b"small", "m").expect("create");
    for n in 0..50u8 {
        let bytes = vec![n; 20_000 + 200 * usize::from(n)];
        home.add(0, &memory, &bytes, "a").expect("add");
    }
    let read = home.vault.memories_read(home.by(0), &memory).expect("read");
    assert_eq!(
        (read.inline_assets.len(), read.metadata.asset_count),
        (51, 51),
        "all are named"
    );
    let carried: Vec<usize> = read.inline_assets.iter().map(|a| a.bytes.len()).collect();
    let total: usize = carried.iter().sum();
    assert!(
        (limits::REPLY_INLINE_MAX / 2..=limits::REPLY_INLINE_MAX).contains(&total),
        "{total} bytes"
    );
    let left_out = carried
        .iter()
        .position(|len| *len == 0)
        .expect("not all fit");
    assert!(
        carried[left_out..].iter().all(|len| *len == 0),
        "the larger ones go first: {carried:?}"
    );
    for asset in &read.inline_assets[..left_out] {
        assert_eq!(asset.bytes.len() as u64, asset.metadata.base().bytes);
    }
    home.sound();
}

#[test]
fn a_memory_of_long_metadata_ends_before_it_cannot_be_read() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let blob = home.upload(0, &capsule, &[b"x"], "u");
    let mut input = blob_input(&blob);
    input.metadata.base_mut().description = Some("d".repeat(60_000));
    let by = home.by(0);
    let many = vec![input.clone(); 100];
    let many = home
        .vault
        .memories_create_with_assets(by, &capsule, dated(None), many, vec![], "k");
    assert_eq!(refusal(many), Wire::ResourceExhausted);
    let memory = home
        .create(0, of_blob(&capsule, &blob, None, "k"))
        .expect("create");
    let refused = (0..100).find_map(|n| {
        home.vault
            .memories_add_asset(by, &memory, input.clone(), &n.to_string())
            .err()
    });
    assert_eq!(refused.map(Wire::from), Some(Wire::ResourceExhausted));
    home.vault.memories_read(by, &memory).expect("read");
    home.sound();
    home.delete(0, &memory, true).expect("delete");
    home.sound();
}

/// Anybody can make capsules about anybody; that must not keep a person from a capsule of his own, nor from seeing it.
#[test]
fn a_thousand_capsules_about_somebody_do_not_shut_him_out() {
    let mut home = Home::new();
    let somebody = PersonRef::Principal(principal(1));
    let mut made = 0;
    while made < 1_001 {
        match home
            .vault
            .capsules_create(home.by(2), Some(somebody.clone()))
        {
            Ok(_) => made += 1,
            Err(error) => {
                assert_eq!(Wire::from(error), Wire::ResourceExhausted);
                break;
            }
        }
    }
    assert_eq!(made, 1_000);
    let own = home.own(1);
    let listed = home.vault.capsules_list(home.by(1));
    assert!(
        listed.iter().any(|capsule| capsule.id == own),
        "his own is not listed"
    );
    assert!(listed.len() <= 1_000);
    home.inline(1, &own, b"his", "k").expect("and works");
    home.sound();
}

#[test]
fn external_content_given_twice_must_agree() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let given = |size: Option<u64>, bytes: u64, hash: Option<u8>, known: Option<u8>| {
        let mut new = external(&capsule, "k", size, "k");
        new.sha256 = hash.map(|n| vec![n; 32].into());
        new.metadata.base_mut().bytes = bytes;
        new.metadata.base_mut().sha256 = known.map(|n| vec![n; 32].into());
        new
    };
    assert_invalid(
        home.create(0, given(Some(3), 4, None, None)),
        "size_mismatch",
    );
    assert_invalid(
        home.create(0, given(None, 0, Some(1), Some(2))),
        "hash_mismatch",
    );
    let memory = home
        .create(0, given(Some(3), 3, Some(1), Some(1)))
        .expect("they agree");
    assert_eq!(
        home.create(0, given(Some(3), 0, Some(1), None))
            .expect("the same"),
        memory
    );
    let read = home.vault.memories_read(home.by(0), &memory).expect("read");
    let base = read.blob_external_assets[0].metadata.base();
    assert_eq!(
        (base.bytes, base.sha256.as_deref(), read.metadata.total_size),
        (3, Some(&vec![1; 32]), 3)
    );
}

#[test]
fn sizes_of_external_content_may_be_anything() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let Ok(memory) = home.create(0, external(&capsule, "k", Some(u64::MAX), "k")) else {
        return;
    };
    // The sum of all sizes can't be told; refusing is as good as ending at the largest number.
    if home.add(0, &memory, b"more", "a").is_ok() {
        let read = home.vault.memories_read(home.by(0), &memory).expect("read");
        assert_eq!(read.metadata.total_size, u64::MAX);
    }
    home.page(0, &capsule, None, None).expect("listed");
    home.delete(0, &memory, true).expect("deleted");
    home.sound();
}

#[test]
fn arguments_of_any_length_are_answered() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let memory = home.inline(0, &capsule, b"x", "k").expect("create");
    let long = "é".repeat(500_000);
    let by = home.by(0);
    assert_eq!(
        refusal(home.vault.capsules_read_basic(by, Some(&long))),
        Wire::NotFound
    );
    assert_eq!(refusal(home.vault.memories_read(by, &long)), Wire::NotFound);
    assert_eq!(refusal(home.delete(0, &long, true)), Wire::NotFound);
    assert_invalid(home.vault.blob_read(by, &long), "blob_id_malformed");
    assert_invalid(home.page(0, &capsule, Some(&long), None), "cursor");
    assert_invalid(home.inline(0, &capsule, b"y", &long), "idem_too_long");
    assert_invalid(home.create(0, external(&capsule, &long, None, "k")), "");
    for change in [0, 1, 2, 3] {
        let mut new = inline(&capsule, b"z", "k");
        let base = new.metadata.base_mut();
        match change {
            0 => base.name = long.clone(),
            1 => base.description = Some(long.clone()),
            2 => base.tags = vec![String::new(); 200_000],
            _ => base.sha256 = Some(vec![0; 200_000].into()),
        }
        match home.create(0, new) {
            Ok(_) if change == 3 => {} // overwritten, as any hash there
            result => assert_invalid(result, ""),
        }
    }
    for malformed in MALFORMED_BLOB_IDS {
        assert_invalid(
            home.add_blob(0, &memory, malformed, "k"),
            "blob_id_malformed",
        );
    }
    home.sound();
}

/// NaN is not equal to itself, and the memory is compared with what was meant when it is read back.
#[test]
fn metadata_that_is_not_a_number_is_kept() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let mut new = inline(&capsule, b"x", "k");
    let AssetMetadata::Image(image) = &mut new.metadata else {
        unreachable!("plain metadata is an image's")
    };
    image.compression_ratio = Some(f32::NAN);
    let memory = home.create(0, new).expect("create");
    let read = home.vault.memories_read(home.by(0), &memory).expect("read");
    let AssetMetadata::Image(image) = &read.inline_assets[0].metadata else {
        panic!("{read:?}")
    };
    assert!(image.compression_ratio.is_some_and(f32::is_nan));
}
