//! A vault whose stable memory has come to its end: it says so, loses nothing, opens again, and can be emptied and filled anew.

use keepsake_api::{
    ByteBuf, Error as Wire, InitArgs, InlineAssetInput, ShareLinkInput, ShareSelection,
};
use keepsake_vault::{Vault, limits};

use crate::home::{Home, dated, inline, of_blob, plain};
use crate::pools::sha256;

/// What was kept: the memory, the blob under it, and its content.
type Kept = (String, String, Vec<u8>);

/// Keeps contents of 30,000 bytes until one is refused.
fn fill(home: &mut Home, capsule: &str, round: u8) -> Vec<Kept> {
    let mut kept: Vec<Kept> = vec![];
    loop {
        let n = kept.len();
        assert!(n < 1_000, "a memory that never ends");
        let content: Vec<u8> = (0..30_000)
            .map(|i| (i % 251) as u8 ^ n as u8 ^ round)
            .collect();
        match keep(home, capsule, &content, &format!("{round}-{n}")) {
            Ok((memory, blob)) => kept.push((memory, blob, content)),
            Err(error) => {
                assert_eq!(Wire::from(error), Wire::ResourceExhausted);
                return kept;
            }
        }
    }
}

fn keep(
    home: &mut Home,
    capsule: &str,
    content: &[u8],
    idem: &str,
) -> keepsake_vault::Result<(String, String)> {
    let session = home.begin(0, capsule, 1, idem)?;
    let finished = home
        .put(0, session, 0, content)
        .and_then(|()| home.finish(0, session, content));
    let blob = match finished {
        Ok(finished) => finished.blob_id,
        Err(error) => {
            let aborted = home.vault.uploads_abort(home.by(0), session);
            aborted.expect("giving up needs no room");
            return Err(error);
        }
    };
    let memory = home.create(0, of_blob(capsule, &blob, None, idem))?;
    Ok((memory, blob))
}

#[test]
fn a_full_vault_keeps_what_it_has_and_can_be_emptied_and_filled_again() {
    // Under a quota, however wide, a session has a counter to change when it ends.
    for quota in [None, Some(1 << 40)] {
        keeps_is_emptied_and_filled_again(quota);
    }
}

fn keeps_is_emptied_and_filled_again(quota: Option<u64>) {
    let mut home = Home::new();
    home.vault.configure(&InitArgs {
        bytes_per_capsule: quota,
        ..InitArgs::default()
    });
    let capsule = home.own(0);
    home.memory.leave(40);
    let mut counts = vec![];
    for round in 0..3 {
        let kept = fill(&mut home, &capsule, round);
        home.sound();
        for (memory, blob, content) in &kept {
            home.vault
                .memories_read(home.by(0), memory)
                .expect("kept, so there");
            let read = home.vault.blob_read(home.by(0), blob);
            assert!(read.expect("kept, so there") == *content);
        }
        counts.push(kept.len());
        for (memory, ..) in &kept {
            home.delete(0, memory, true)
                .expect("deleting needs no room");
        }
        home.sound();
    }
    assert!(
        counts[0] > 40,
        "40 pages of 64 KiB take more than {counts:?}"
    );
    assert!(
        counts.iter().all(|count| *count >= counts[0] - 2),
        "less room each time: {counts:?}"
    );
}

/// Small things only, so that it is the records and not the contents that fill it.
#[test]
fn a_vault_full_of_records_keeps_them() {
    let mut home = Home::new();
    home.vault.configure(&InitArgs {
        inline_budget_per_capsule: Some(u32::MAX),
        ..InitArgs::default()
    });
    let capsule = home.own(0);
    home.memory.leave(10);
    let mut kept = vec![];
    loop {
        let mut new = inline(&capsule, &(kept.len() as u32).to_be_bytes(), "k");
        new.metadata.base_mut().description = Some("d".repeat(500));
        match home.create(0, new) {
            Ok(memory) => kept.push(memory),
            Err(error) => {
                assert_eq!(Wire::from(error), Wire::ResourceExhausted);
                break;
            }
        }
        assert!(kept.len() < 10_000, "a memory that never ends");
    }
    home.sound();
    let full = kept.len();
    for memory in &kept {
        home.delete(0, memory, true)
            .expect("deleting needs no room");
    }
    home.sound();
    assert!(full > 200, "only {full} in 10 pages of 64 KiB");
    assert_eq!(
        home.page(0, &capsule, None, None).expect("a page"),
        (vec![], None)
    );
}

/// Several contents in one call: room for each of them must be there before the first is written.
#[test]
fn room_for_several_assets_is_found_before_any_is_stored() {
    for pages in 0..12 {
        let mut home = Home::new();
        home.vault.configure(&InitArgs {
            inline_budget_per_capsule: Some(u32::MAX),
            ..InitArgs::default()
        });
        let capsule = home.own(0);
        // Holes of all sizes first, so that the contents may have to be cut up.
        let memories: Vec<String> = (1..20u8)
            .map(|n| home.inline(0, &capsule, &vec![n; 701 * usize::from(n)], "hole"))
            .collect::<keepsake_vault::Result<_>>()
            .expect("create");
        for memory in memories.iter().step_by(2) {
            home.delete(0, memory, true).expect("delete");
        }
        home.memory.leave(pages);
        let before = home.page(0, &capsule, None, Some(100)).expect("a page").0;
        let mut made = 0;
        for n in 0..u32::MAX {
            let inline = (0..5u8).map(|i| InlineAssetInput {
                bytes: vec![i; 3_000 + 1_500 * usize::from(i)].into(),
                metadata: plain(),
            });
            let (by, idem) = (home.by(0), n.to_string());
            let metadata = dated(None);
            let inline = inline.collect();
            let vault = &mut home.vault;
            let created =
                vault.memories_create_with_assets(by, &capsule, metadata, vec![], inline, &idem);
            match created {
                Ok(_) => made += 1,
                Err(error) => {
                    assert_eq!(Wire::from(error), Wire::ResourceExhausted);
                    break;
                }
            }
        }
        let after = home.page(0, &capsule, None, Some(100)).expect("a page").0;
        assert_eq!(after.len(), (before.len() + made).min(100));
        home.sound();
    }
}

#[test]
fn a_full_vault_opens_again() {
    let mut home = Home::new();
    let capsule = home.own(0);
    home.inline(0, &capsule, b"kept", "k").expect("create");
    home.memory.leave(0);
    home.vault = Vault::open(home.memory.clone()).expect("a vault that is there needs no room");
    assert_eq!(
        home.page(0, &capsule, None, None).expect("a page").0.len(),
        1
    );
}

/// A link must end when its maker says so, also in a vault that takes nothing more; and be shown and used until then.
#[test]
fn a_full_vault_ends_share_links() {
    let mut home = Home::new();
    let capsule = home.own(0);
    let memory = home
        .create(0, inline(&capsule, b"shown", "k"))
        .expect("a memory");
    let mut links = vec![];
    for n in 0..40u8 {
        let input = ShareLinkInput {
            capsule_id: capsule.clone(),
            secret_sha256: ByteBuf::from(sha256(&[n; 32]).to_vec()),
            selection: ShareSelection::Memories(vec![memory.clone()]),
            expires_at: None,
            allow_download: false,
            title: Some("t".repeat(limits::SHARE_TITLE_MAX)),
        };
        let link = home.vault.share_links_create(home.by(0), input);
        links.push(link.expect("there is room").id);
    }
    home.memory.leave(4);
    fill(&mut home, &capsule, 0);
    // Small things take what content leaves.
    for n in 0..10_000u32 {
        let new = inline(&capsule, &n.to_be_bytes(), "small");
        match home.create(0, new) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(Wire::from(error), Wire::ResourceExhausted);
                break;
            }
        }
    }
    home.sound();
    let now = home.by(0).now;
    for (n, link) in (0u8..).zip(&links) {
        let secret = [n; 32];
        let shown = home
            .vault
            .share_links_memories(now, &secret, None, None)
            .expect("it is shown");
        assert_eq!(shown.items.len(), 1);
        // In a vault this full a use may not be counted any more; then nothing of it is.
        let opened = home.vault.share_links_open(home.by(1), &secret, b"nonce");
        assert!(opened.is_ok() || opened.is_err_and(|e| Wire::from(e) == Wire::ResourceExhausted));
        home.vault
            .share_links_revoke(home.by(0), &capsule, link)
            .expect("ending a link needs no room");
        let shown = home.vault.share_links_memories(now, &secret, None, None);
        assert_eq!(Wire::from(shown.unwrap_err()), Wire::NotFound);
    }
    home.sound();
}
