use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::{
    AssetMetadata, AssetMetadataBase, AssetType, BlobRef, ByteBuf, InitArgs, InlineAssetInput,
    PersonRef,
};

use crate::limits::UNREFERENCED_LIFETIME;
use crate::{Call, Error, FinishStep, Means, NewMemory, Vault};

const PLENTY: Means = Means {
    balance: 10_000_000_000_000,
    liquid: 9_000_000_000_000,
    heap: 4 << 20,
};
const LITTLE: Means = Means {
    liquid: 50_000_000_000,
    ..PLENTY
};

fn by(person: u8) -> Call {
    Call {
        caller: Principal::self_authenticating([person]),
        now: UNREFERENCED_LIFETIME,
    }
}

fn anonymous() -> Call {
    Call {
        caller: Principal::anonymous(),
        now: 0,
    }
}

struct Home {
    memory: VectorMemory,
    vault: Vault<VectorMemory>,
    capsule: String,
}

/// A vault in which person 1 has a capsule.
fn home() -> Home {
    let memory = VectorMemory::default();
    let mut vault = Vault::open(memory.clone()).unwrap();
    vault.set_seed([1; 32]);
    let capsule = vault.capsules_create(by(1), None).unwrap().id;
    Home {
        memory,
        vault,
        capsule,
    }
}

fn metadata() -> AssetMetadata {
    AssetMetadata::Note(AssetMetadataBase::new("note", AssetType::Display, "text/plain").into())
}

impl Home {
    fn begin(&mut self, idem: &str) -> Result<u64, Error> {
        self.vault.uploads_begin(by(1), &self.capsule, 1, idem)
    }

    fn upload(&mut self, bytes: &[u8]) -> String {
        let session = self.begin("upload").unwrap();
        self.put(session, bytes).unwrap();
        self.finish(session, bytes).unwrap()
    }

    fn put(&mut self, session: u64, bytes: &[u8]) -> Result<(), Error> {
        self.vault.uploads_put_chunk(by(1), session, 0, bytes)
    }

    fn finish(&mut self, session: u64, bytes: &[u8]) -> Result<String, Error> {
        let sha256 = crate::hash::sha256(&[bytes]);
        let len = bytes.len() as u64;
        match self.vault.uploads_finish(by(1), session, &sha256, len)? {
            FinishStep::Done(result) => Ok(result.blob_id),
            FinishStep::HashMore => unreachable!("one chunk is hashed at once"),
        }
    }

    /// A memory of this blob, or of ten inline bytes.
    fn create(&mut self, blob: Option<&str>, idem: &str) -> Result<String, Error> {
        let new = NewMemory {
            capsule: self.capsule.clone(),
            inline: blob.is_none().then(|| ByteBuf::from(vec![7; 10])),
            blob: blob.map(|blob| BlobRef {
                locator: blob.into(),
                hash: None,
                len: 0,
            }),
            location: None,
            storage_key: None,
            url: None,
            size: None,
            sha256: None,
            metadata: metadata(),
            idem: idem.into(),
        };
        self.vault.memories_create(by(1), new)
    }
}

#[test]
fn operators_and_whoever_governs_a_capsule_see_the_state_of_the_vault() {
    let Home {
        mut vault, capsule, ..
    } = home();
    let may = |vault: &Vault<VectorMemory>, call, is_operator| {
        vault.vault_status(call, is_operator, PLENTY).map(|_| ())
    };
    assert_eq!(may(&vault, by(1), false), Ok(()));
    assert_eq!(may(&vault, by(2), false), Err(Error::Unauthorized));
    assert_eq!(may(&vault, by(2), true), Ok(()));
    assert_eq!(may(&vault, anonymous(), true), Err(Error::Unauthorized));
    // Being the subject of a capsule governs nothing.
    let third = PersonRef::Principal(by(3).caller);
    vault.capsules_create(by(1), Some(third)).unwrap();
    assert_eq!(may(&vault, by(3), false), Err(Error::Unauthorized));
    // Nor does having owned one.
    vault.capsules_create(by(2), None).unwrap();
    assert_eq!(may(&vault, by(2), false), Ok(()));
    let own = vault.capsules_read_basic(by(2), None).unwrap().capsule_id;
    vault.capsules_delete(by(2), &own).unwrap();
    assert_eq!(may(&vault, by(2), false), Err(Error::Unauthorized));

    let of = |call| {
        vault
            .capsule_status(call, &capsule, PLENTY)
            .map(|status| status.capsule_id)
    };
    assert_eq!(of(by(1)), Ok(capsule.clone()));
    assert_eq!(of(by(2)), Err(Error::NotFound));
    assert_eq!(of(anonymous()), Err(Error::Unauthorized));
}

#[test]
fn figures_are_those_of_what_is_there() {
    let mut home = home();
    home.vault.configure(&InitArgs {
        bytes_per_capsule: Some(1 << 20),
        ..InitArgs::default()
    });
    let blob = home.upload(&[5; 100_000]);
    home.create(Some(&blob), "of a blob").unwrap();
    home.create(None, "inline").unwrap();
    home.begin("open").unwrap();
    let status = home.vault.vault_status(by(1), false, PLENTY).unwrap();
    let holdings = &status.holdings;
    assert_eq!(
        (holdings.capsules, holdings.memories, holdings.blobs),
        (1, 2, 1)
    );
    assert_eq!((holdings.uploads_open, holdings.blobs_unreferenced), (1, 0));
    assert!((100_010..101_000).contains(&holdings.content_bytes));
    let memory = &status.memory;
    assert_eq!(
        memory.stable_allocated,
        memory.stable_used + memory.stable_reusable
    );
    let regions: u64 = memory.regions.iter().map(|region| region.allocated).sum();
    assert!(regions <= memory.stable_allocated);
    assert!(
        memory
            .regions
            .iter()
            .all(|region| region.free <= region.allocated)
    );
    assert_eq!(status.cycles.freezing_threshold, 1_000_000_000_000);
    assert_eq!(status.refuses_content, None);

    let of_capsule = home
        .vault
        .capsule_status(by(1), &home.capsule, PLENTY)
        .unwrap();
    assert_eq!(of_capsule.memories, 2);
    assert_eq!(
        (of_capsule.bytes, of_capsule.bytes_max),
        (100_010, Some(1 << 20))
    );
    assert_eq!(
        (of_capsule.blob_bytes, of_capsule.inline_bytes),
        (100_000, 10)
    );
    assert_eq!(
        (of_capsule.uploads_open, of_capsule.uploads_open_max),
        (1, 100)
    );

    // What is deleted is free at once, and counts as such.
    home.vault.capsules_delete(by(1), &home.capsule).unwrap();
    while home.vault.sweep(by(1).now) {}
    let after = home.vault.status(by(1).now, PLENTY);
    assert_eq!(after.holdings.content_bytes, 0);
    assert!(after.memory.stable_used < memory.stable_used - 100_000);
}

#[test]
fn low_cycles_refuse_new_content_and_nothing_else() {
    let mut home = home();
    let open = home.begin("open").unwrap();
    let ready = home.begin("ready").unwrap();
    home.put(ready, b"ready").unwrap();
    let note = home.create(None, "note").unwrap();

    home.vault.set_means(LITTLE);
    let refused = Err(Error::ResourceExhausted);
    let status = home.vault.status(0, LITTLE);
    assert!(status.refuses_content.is_some());
    assert!(status.cycles.liquid < status.cycles.reserve);
    let of_capsule = home.vault.capsule_status(by(1), &home.capsule, LITTLE);
    assert!(of_capsule.unwrap().refuses_content);
    assert_eq!(home.create(None, "another"), refused.clone());
    assert_eq!(home.begin("new"), Err(Error::ResourceExhausted));
    assert_eq!(home.put(open, b"new"), Err(Error::ResourceExhausted));
    let input = InlineAssetInput {
        bytes: ByteBuf::from(b"small".to_vec()),
        metadata: metadata(),
    };
    let added = home
        .vault
        .memories_add_inline_asset(by(1), &note, input, "small");
    assert_eq!(added, refused);
    let created = home.vault.capsules_create(by(2), None);
    assert_eq!(created.map(|_| ()), Err(Error::ResourceExhausted));

    // Whatever was there answers as before, and what was taken in can be made use of and deleted.
    assert_eq!(home.create(None, "note"), Ok(note.clone()));
    assert_eq!(home.begin("open"), Ok(open));
    assert_eq!(home.put(ready, b"ready"), Ok(()));
    assert_eq!(
        home.vault.capsules_create(by(1), None).unwrap().id,
        home.capsule
    );
    let blob = home.finish(ready, b"ready").unwrap();
    let memory = home.create(Some(&blob), "of what is there").unwrap();
    home.vault.memories_read(by(1), &memory).unwrap();
    home.vault.memories_delete(by(1), &memory, true).unwrap();
    home.vault.uploads_abort(by(1), open).unwrap();
    home.vault.recount().unwrap();

    // Another reserve, and more cycles, both open it again.
    home.vault.configure(&InitArgs {
        cycles_reserve_days: Some(0),
        ..InitArgs::default()
    });
    home.create(None, "another").unwrap();
    home.vault.configure(&InitArgs {
        cycles_reserve_days: Some(10_000_000),
        ..InitArgs::default()
    });
    home.vault.set_means(PLENTY);
    assert_eq!(home.create(None, "a third"), Err(Error::ResourceExhausted));
    home.vault.configure(&InitArgs {
        cycles_reserve_days: Some(30),
        ..InitArgs::default()
    });
    home.create(None, "a third").unwrap();
}

#[test]
fn what_is_cleared_away_is_counted_across_upgrades() {
    let mut home = home();
    home.upload(&[1; 50_000]);
    home.begin("forgotten").unwrap();
    let due = |vault: &Vault<VectorMemory>, now| {
        let maintenance = vault.status(now, PLENTY).maintenance;
        (maintenance.blobs_due, maintenance.uploads_due)
    };
    let now = by(1).now;
    assert_eq!(due(&home.vault, now), (0, 0));
    assert_eq!(home.vault.status(now, PLENTY).maintenance.last_run, None);
    let later = now + UNREFERENCED_LIFETIME;
    assert_eq!(due(&home.vault, later), (1, 0));
    while home.vault.sweep(later) {}
    assert_eq!(due(&home.vault, later), (0, 0));
    let much_later = later + crate::limits::SESSION_LIFETIME;
    while home.vault.sweep(much_later) {}

    let vault = Vault::open(home.memory).unwrap();
    let maintenance = vault.status(much_later, PLENTY).maintenance;
    assert_eq!(maintenance.last_run, Some(much_later));
    let cleared = maintenance.cleared;
    assert_eq!(
        (cleared.blobs, cleared.memories, cleared.capsules),
        (1, 0, 0)
    );
    // The finished upload and the one nobody went on with.
    assert_eq!(cleared.uploads, 2);
    assert!(cleared.bytes >= 50_000);
}

#[test]
fn a_day_at_rest_costs_what_the_price_table_says() {
    // 127,000 cycles a GiB and second.
    assert_eq!(crate::upkeep::at_rest_per_day(1 << 30), 10_972_800_000);
    assert_eq!(crate::upkeep::at_rest_per_day(0), 0);
    // 500 GiB and more stay far from overflowing.
    assert_eq!(
        crate::upkeep::at_rest_per_day(u64::MAX),
        u128::from(u64::MAX) * 10_972_800_000 / (1 << 30)
    );
}
