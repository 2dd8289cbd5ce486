//! A vault that an earlier build wrote opens in this one, completely: nothing is lost by an upgrade (I8). The images under `earlier/` are
//! stable memories as builds of their time left them, with the names of what is in them beside; they are never written again.

use std::collections::BTreeMap;
use std::io::Read;

use candid::Principal;
use flate2::read::GzDecoder;
use ic_stable_structures::{Memory, VectorMemory};
use keepsake_api::{BlobHosting, PersonRef};
use keepsake_vault::{Call, Error, FinishStep, Vault};

/// The first build that kept memories: indexes of people's capsules and of public entries came later, and the trash did.
const FIRST: (&[u8], &str) = (
    include_bytes!("earlier/first.bin.gz"),
    include_str!("earlier/first.txt"),
);

type Names = BTreeMap<&'static str, Vec<&'static str>>;

fn open((image, names): (&[u8], &'static str)) -> (Vault<VectorMemory>, Names) {
    let mut bytes = Vec::new();
    GzDecoder::new(image).read_to_end(&mut bytes).unwrap();
    let memory = VectorMemory::default();
    memory.grow(bytes.len() as u64 / 65_536);
    memory.write(0, &bytes);
    let names = names
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            (words.next().unwrap(), words.collect())
        })
        .collect();
    (Vault::open(memory).unwrap(), names)
}

fn by(person: u8, now: u64) -> Call {
    Call {
        caller: Principal::self_authenticating([person]),
        now,
    }
}

#[test]
fn what_the_first_build_kept_is_all_there() {
    let (mut vault, names) = open(FIRST);
    while vault.sweep(1_000) {}
    vault.recount().unwrap();

    let lists = |person| {
        let mut ids: Vec<String> = vault
            .capsules_list(by(person, 1_000))
            .into_iter()
            .map(|capsule| capsule.id)
            .collect();
        ids.sort();
        ids
    };
    let expected = |capsules: &[&str]| {
        let mut ids: Vec<String> = capsules.iter().map(|name| names[name][0].into()).collect();
        ids.sort();
        ids
    };
    assert_eq!(lists(1), expected(&["own", "about", "about_other"]));
    assert_eq!(lists(2), expected(&["about_other", "others"]));

    // Each memory for who it is shared with: by name, with everybody, by group, after an event.
    for (memory, person) in [
        ("memory1", 3),
        ("memory2", 9),
        ("memory3", 4),
        ("memory4", 5),
    ] {
        let [id, blob] = names[memory][..] else {
            panic!("{memory}")
        };
        let n: u32 = memory[6..].parse().unwrap();
        for reader in [1, person] {
            assert!(
                vault.memories_read(by(reader, 1_000), id).is_ok(),
                "{memory}"
            );
            assert_eq!(
                vault.blob_read(by(reader, 1_000), blob).unwrap(),
                n.to_be_bytes().repeat(100),
                "{memory} for {reader}"
            );
        }
        let stranger = vault.memories_read(by(8, 1_000), id).is_ok();
        assert_eq!(stranger, memory == "memory2");
    }
    let shared = |person| {
        let page = vault.memories_shared_with_me(by(person, 1_000), None, None);
        page.unwrap()
            .items
            .into_iter()
            .map(|item| item.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(shared(3), [names["memory1"][0]]);
    assert_eq!(shared(4), [names["memory3"][0]]);
    assert_eq!(shared(5), [names["memory4"][0]]);

    let own = names["own"][0];
    let page = vault
        .memories_list(by(1, 1_000), own, None, Some(100))
        .unwrap();
    assert_eq!(page.items.len(), 6);
    assert_eq!(
        vault
            .capsules_read_basic(by(1, 1_000), None)
            .unwrap()
            .capsule_id,
        own
    );
    assert_eq!(
        vault.memories_read(by(1, 1_000), names["deleted"][0]),
        Err(Error::NotFound)
    );
    vault
        .memories_delete(by(1, 1_000), names["deleted"][0], true)
        .unwrap();
    vault
        .capsules_delete(by(1, 1_000), names["gone"][0])
        .unwrap();
    let deletions = vault
        .external_deletions_list(by(2, 1_000), names["others"][0])
        .unwrap();
    assert_eq!(deletions.len(), 1);
    assert_eq!(deletions[0].location, BlobHosting::S3);

    // An upload that was under way goes on.
    let session = names["open"][0].parse().unwrap();
    vault
        .uploads_put_chunk(by(1, 1_000), session, 1, b"second")
        .unwrap();
    let content = b"first second third";
    let sha256 = sha256(content);
    let Ok(FinishStep::Done(done)) =
        vault.uploads_finish(by(1, 1_001), session, &sha256, content.len() as u64)
    else {
        panic!("the upload did not finish");
    };
    assert_eq!(
        vault.blob_read(by(1, 1_002), &done.blob_id).unwrap(),
        content
    );
    vault
        .capsule_owner_add(
            by(1, 1_003),
            own,
            PersonRef::Principal(Principal::self_authenticating([2])),
        )
        .unwrap();
    vault
        .memories_trash(by(2, 1_004), names["memory2"][0])
        .unwrap();
    vault.capsules_delete(by(1, 1_005), own).unwrap();
    while vault.sweep(1_006) {}
    vault.recount().unwrap();
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
