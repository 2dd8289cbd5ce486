//! The records themselves, each with everything in it that a record of its kind can have, and what later builds take for missing.

use candid::Principal;
use keepsake_api::{
    AccessCondition, AccessEntry, AccessEvent, AssetType, BlobHosting, DatabaseHosting,
    GrantSource, MemoryType, PersonRef, ResourceRole,
};

use super::memories::{of_memories, of_metadata};
use super::{Closed, Fields, Records, Variant};
use crate::arena::Extent;
use crate::blob::{BlobRecord, Chunking, Content, Extents, HeldContent};
use crate::capsule::{CapsuleRecord, CapsuleUsage, ControllerRecord, GroupRecord, OwnerRecord};
use crate::hash::ResumableSha256;
use crate::ids::{CapsuleId, MemoryId};
use crate::maintenance::Swept;
use crate::person::{MemberRecord, OfferRecord, PersonRecord};
use crate::settings::Settings;
use crate::share_link::{OpenShareLink, SelectionPart, StoredShareLink};
use crate::stored::access_entry::StoredCondition;
use crate::stored::{Coded, StoredAccessEntry, StoredEvent, StoredPerson};
use crate::upload::{Announced, Progress, SessionRecord, SessionState};

pub const NOW: u64 = 1_760_000_000_000_000_000;

#[test]
fn golden_records_mean_what_they_meant() {
    let mut records = Records::load();
    of_the_vault(&mut records);
    of_people(&mut records);
    of_share_links(&mut records);
    of_capsules(&mut records);
    of_access(&mut records);
    of_metadata(&mut records);
    of_memories(&mut records);
    of_blobs(&mut records);
    of_uploads(&mut records);
    codes(&mut records);
    records.finish();
}

fn principal(n: u8) -> Principal {
    Principal::self_authenticating([n; 32])
}

fn person(n: u8) -> StoredPerson {
    StoredPerson(PersonRef::Principal(principal(n)))
}

fn named(name: &str) -> StoredPerson {
    StoredPerson(PersonRef::Opaque(name.into()))
}

pub fn some(text: &str) -> Option<String> {
    Some(text.into())
}

pub fn extent(offset: u64, len: u64) -> Extent {
    Extent { offset, len }
}

fn of_the_vault(records: &mut Records) {
    let first = Settings {
        layout_version: 1,
        seed: Some([7; 32]),
        drawn: 1_000,
        inline_budget: 32_768,
        capsule_bytes: None,
        capsule_memories: None,
        open_sessions: None,
        token_key: None,
        cycles_reserve_days: None,
        backfilled: None,
        backfill_at: None,
    };
    let settings = Settings {
        capsule_bytes: Some(1 << 40),
        capsule_memories: Some(1_000_000),
        open_sessions: Some(10),
        token_key: Some(3),
        cycles_reserve_days: Some(0),
        backfilled: Some(1),
        backfill_at: Some([9; 16]),
        ..first.clone()
    };
    records.today("settings", Fields(11), settings);
    records.before("settings", 4, &first);
    let unseeded = Settings {
        seed: None,
        drawn: 0,
        ..first
    };
    records.today("settings, new", Fields(11), unseeded);
    let swept = Swept {
        last_run: Some(NOW),
        capsules: 1,
        memories: 2,
        blobs: 3,
        uploads: 4,
        bytes: 5_000_000_000,
    };
    records.today("maintenance", Fields(6), swept);
    records.today("maintenance, new", Fields(6), Swept::default());
    records.today("extent", Fields(2), extent(32, 1 << 38));
}

fn of_people(records: &mut Records) {
    records.today("person, by principal", Closed, person(1));
    records.today("person, by name", Closed, named("grandmother"));
    let members: Vec<_> = (1..=2)
        .map(|n| MemberRecord::new(principal(n), NOW + u64::from(n)))
        .collect();
    records.today("linked principal", Fields(2), members[0].clone());
    records.today("linked principals", Fields(1), PersonRecord { members });
    let offer = OfferRecord::new(principal(1), principal(2), NOW);
    assert_eq!((offer.by(), offer.to()), (principal(1), principal(2)));
    records.today("offer", Fields(3), offer);
}

fn of_share_links(records: &mut Records) {
    let new = OpenShareLink::new(CapsuleId(7), principal(1), NOW, NOW + 5);
    records.today("share link, new", Fields(10), new.clone());
    let mut link = new;
    link.title = some("Summer");
    link.allow_download = true;
    link.selected = Some(1_000);
    link.count(&[1; 8], NOW + 1);
    link.count(&[2; 8], NOW + 2);
    records.today("share link", Fields(10), link.clone());
    let ended = link.clone().ended();
    assert_eq!(
        (ended.capsule(), ended.maker()),
        (CapsuleId(7), principal(1))
    );
    records.today("share link, what is left", Fields(2), ended.clone());
    let open = StoredShareLink::Open(link);
    records.today("share link, open", Variant(1), open);
    let ended = StoredShareLink::Ended(ended);
    records.today("share link, ended", Variant(1), ended);
    let part = SelectionPart::new(&[MemoryId([1; 16]), MemoryId([2; 16])]);
    records.today("share link, selection", Fields(1), part);
}

fn of_capsules(records: &mut Records) {
    let made = OwnerRecord {
        person: person(1),
        since: NOW,
        added_by: None,
    };
    let added = OwnerRecord {
        added_by: Some(person(1)),
        ..made.clone()
    };
    records.today("owner", Fields(3), added.clone());
    // Whoever owned a capsule before owners could be added had made it.
    records.before("owner", 2, &made);
    let controller = ControllerRecord {
        person: person(3),
        granted_at: NOW,
        granted_by: person(1),
    };
    records.today("controller", Fields(3), controller.clone());
    let capsule = CapsuleRecord {
        subject: named("grandmother"),
        owners: vec![made, added],
        controllers: vec![controller],
        created_at: NOW,
        bound_to_neon: true,
    };
    records.today("capsule", Fields(5), capsule);
    let usage = CapsuleUsage {
        memories: 1_000_000,
        inline_bytes: 32_768,
        blob_bytes: 1 << 38,
        updated_at: NOW,
        trashed: 7,
        uploading: 3_600_000,
    };
    let uncounted = CapsuleUsage {
        uploading: 0,
        ..usage.clone()
    };
    let untrashed = CapsuleUsage {
        trashed: 0,
        ..uncounted.clone()
    };
    records.today("usage, with uploads", Fields(6), usage);
    // Before uploads under way were counted none was.
    records.past("usage", &uncounted);
    // Before there was a trash nothing was in it.
    records.before("usage", 4, &untrashed);
    let group = GroupRecord {
        id: "family".into(),
        name: "Family".into(),
        description: some("all of us"),
        members: vec![person(1), named("grandmother")],
        created_at: NOW,
        updated_at: NOW + 1,
    };
    records.today("group", Fields(6), group);
}

pub fn entry(condition: AccessCondition) -> StoredAccessEntry {
    AccessEntry {
        id: "entry".into(),
        person_ref: Some(PersonRef::Principal(principal(2))),
        is_public: false,
        grant_source: GrantSource::Group,
        source_id: some("family"),
        role: ResourceRole::Admin,
        perm_mask: 15,
        invited_by_person_ref: Some(PersonRef::Opaque("grandmother".into())),
        created_at: NOW,
        updated_at: NOW + 1,
        condition,
    }
    .into()
}

fn of_access(records: &mut Records) {
    let events = [
        ("after death", AccessEvent::AfterDeath, 0),
        ("anniversary", AccessEvent::Anniversary(25), 1),
        ("birthday", AccessEvent::Birthday(18), 1),
        ("graduation", AccessEvent::Graduation, 0),
        ("wedding", AccessEvent::Wedding, 0),
        ("maturity", AccessEvent::CapsuleMaturity(10), 1),
        ("connections", AccessEvent::ConnectionCount(3), 1),
        ("custom", AccessEvent::Custom("the house is sold".into()), 1),
    ];
    for (name, event, fields) in events {
        let name = format!("event, {name}");
        records.today(&name, Variant(fields), StoredEvent::from(event));
    }
    let graduated = AccessCondition::EventTriggered {
        event: AccessEvent::Graduation,
    };
    let conditions = [
        ("immediate", AccessCondition::Immediate),
        (
            "scheduled",
            AccessCondition::Scheduled {
                accessible_after: NOW,
            },
        ),
        ("expires", AccessCondition::ExpiresAt { expires: NOW }),
        ("event", graduated),
    ];
    for (name, condition) in conditions {
        let name = format!("access entry, {name}");
        let stored = entry(condition.clone());
        records.today(&name, Fields(11), stored.clone());
        let wire = AccessEntry::from(stored);
        assert_eq!((wire.perm_mask, wire.condition), (15, condition));
    }
    let scheduled = StoredCondition::Scheduled(NOW);
    records.today("condition, scheduled", Variant(1), scheduled);
    records.today(
        "condition, immediate",
        Variant(0),
        StoredCondition::Immediate,
    );
}

fn of_blobs(records: &mut Records) {
    let uniform = Chunking::Uniform {
        size: 1_800_000,
        count: 3,
    };
    let ends = Chunking::Ends(extent(96, 24));
    assert_eq!((uniform.count(), ends.count()), (3, 3));
    records.today("chunking, uniform", Variant(2), uniform.clone());
    records.today("chunking, ends", Variant(1), ends.clone());
    let one = Extents::One(extent(32, 5_000_000));
    let many = Extents::Many(extent(128, 48));
    records.today("extents, one", Variant(1), one.clone());
    records.today("extents, many", Variant(1), many.clone());
    let held = HeldContent {
        sha256: [4; 32],
        len: 5_000_000,
        extents: one,
        ids: 2,
    };
    records.today("content, place", Fields(4), held.clone());
    let scattered = HeldContent {
        extents: many,
        ..held.clone()
    };
    records.today("content, places", Fields(4), scattered.clone());
    records.today("content, held", Variant(1), Content::Held(held.clone()));
    let shared = Content::SharedWith(7);
    records.today("content, shared", Variant(1), shared.clone());
    let capsule = CapsuleId(1 << 63);
    let new = BlobRecord::new(capsule, NOW, uniform, Content::Held(held));
    assert_eq!((new.capsule(), new.references), (capsule, 0));
    records.today("blob, new", Fields(7), new);
    let mut referenced = BlobRecord::new(capsule, NOW, ends, shared);
    referenced.references = 2;
    referenced.never_referenced = false;
    records.today("blob, referenced", Fields(7), referenced.clone());
    referenced.references = 0;
    referenced.is_deleted = true;
    referenced.content = Content::Held(scattered);
    records.today("blob, deleted", Fields(7), referenced);
}

fn of_uploads(records: &mut Records) {
    let mut hash = ResumableSha256::default();
    hash.update(&[5; 100]);
    let digest = hash.digest();
    records.today("hash state", Fields(3), hash.clone());
    let bytes: Vec<u8> = records.kept["hash state"].clone();
    let mut kept: ResumableSha256 = minicbor::decode(&bytes).unwrap();
    assert_eq!(kept.digest(), digest);
    kept.update(&[6; 100]);
    let whole = crate::hash::sha256(&[&[5; 100], &[6; 100]]);
    assert_eq!(kept.digest(), whole, "a hash goes on where it was put down");

    let progress = Progress {
        table: extent(32, 48),
        received: 2,
        bytes: 200,
        hashed_chunks: 1,
        hash,
        counted: 200,
    };
    records.today("progress, counted", Fields(6), progress.clone());
    // Before uploads under way were counted none was.
    let uncounted = Progress {
        counted: 0,
        ..progress.clone()
    };
    records.past("progress", &uncounted);
    let finished = SessionState::Finished {
        blob: 7,
        sha256: digest,
        len: 100,
        at: NOW,
    };
    let counted = SessionState::Open(progress);
    records.today(
        "session state, open and counted",
        Variant(1),
        counted.clone(),
    );
    let open = SessionState::Open(uncounted);
    records.past("session state, open", &open);
    records.today("session state, finished", Variant(4), finished.clone());
    records.today("session state, aborted", Variant(0), SessionState::Aborted);
    let announced = Announced {
        chunk_size: 1_800_000,
        len: 5_000_000,
    };
    assert_eq!((announced.chunks(), announced.chunk_len(2)), (3, 1_400_000));
    records.today("announced", Fields(2), announced.clone());
    let capsule = CapsuleId(1);
    let new = SessionRecord::new(capsule, principal(1), [8; 16], 3, NOW, extent(32, 48));
    assert_eq!(new.creator(), principal(1).as_slice());
    assert_eq!(new.expires_at(), NOW + 604_800_000_000_000);
    records.today("session, new, not counted yet", Fields(9), new.clone());
    records.past("session, new", &new);
    let with = |state: SessionState| {
        let mut session = new.clone();
        session.state = state;
        session.last_activity = NOW + 1;
        session
    };
    records.today("session, finished", Fields(9), with(finished));
    records.today("session, aborted", Fields(9), with(SessionState::Aborted));
    let unannounced = with(open);
    let mut session = unannounced.clone();
    session.announced = Some(announced);
    records.past("session, open", &session);
    session.state = counted;
    records.today("session, open and counted", Fields(9), session);
    // Before content could be announced none was.
    records.before("session, open", 8, &unannounced);
}

/// The numbers that stand for the variants of the interface's enums.
fn codes(records: &mut Records) {
    use AssetType as Asset;
    use BlobHosting as Hosting;
    use MemoryType as Memory;
    use ResourceRole as Role;
    let all = [
        Memory::Image,
        Memory::Video,
        Memory::Audio,
        Memory::Document,
        Memory::Note,
    ];
    records.today("memory types", Closed, all.map(Coded));
    let all = [
        Asset::Original,
        Asset::Display,
        Asset::Thumbnail,
        Asset::Placeholder,
        Asset::Metadata,
    ];
    records.today("asset types", Closed, all.map(Coded));
    let all = [
        Hosting::Icp,
        Hosting::S3,
        Hosting::VercelBlob,
        Hosting::Ipfs,
        Hosting::Arweave,
        Hosting::Neon,
    ];
    records.today("hostings", Closed, all.map(Coded));
    let all = [DatabaseHosting::Icp, DatabaseHosting::Neon];
    records.today("database hostings", Closed, all.map(Coded));
    let all = [
        Role::Owner,
        Role::SuperAdmin,
        Role::Admin,
        Role::Member,
        Role::Guest,
    ];
    records.today("roles", Closed, all.map(Coded));
    let all = [
        GrantSource::User,
        GrantSource::Group,
        GrantSource::MagicLink,
        GrantSource::System,
    ];
    records.today("grant sources", Closed, all.map(Coded));
}
