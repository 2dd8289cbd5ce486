//! How calls are generated: mostly sensible ones, on the same few things, with every kind of nonsense now and then.

use keepsake_api::{AssetType, BlobHosting, MemoryType};
use proptest::collection::vec;
use proptest::option::{self, weighted};
use proptest::prelude::*;
use proptest::sample::select;

use super::sharing::{sharing, taking_away};
use super::{Call, Claim, Content, Given, MemorySaid, Pick, Piece, Said, Step, Subject, Who};
use crate::pools::{
    ANONYMOUS, BAD_CURSORS, CONTENTS, IDEMS, MALFORMED_BLOB_IDS, MALFORMED_IDS, PRINCIPALS,
};

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        12 => Just(Who::Rightful),
        4 => (0..PRINCIPALS).prop_map(Who::Number),
        1 => Just(Who::Number(ANONYMOUS)),
    ]
}

/// From a pool of `n`, now and then one that never existed.
fn pick(n: usize, malformed: usize) -> impl Strategy<Value = Pick> {
    prop_oneof![
        24 => (0..n).prop_map(Pick::Nth),
        1 => Just(Pick::Unknown),
        1 => (0..malformed).prop_map(Pick::Malformed),
    ]
}

pub(super) fn capsule() -> impl Strategy<Value = Pick> {
    // The first two, mostly.
    prop_oneof![20 => (0..2usize).prop_map(Pick::Nth), 4 => pick(5, MALFORMED_IDS.len())]
}

pub(super) fn memory() -> impl Strategy<Value = Pick> {
    pick(5, MALFORMED_IDS.len())
}

pub(super) fn blob() -> impl Strategy<Value = Pick> {
    pick(5, MALFORMED_BLOB_IDS.len())
}

pub(super) fn session() -> impl Strategy<Value = Pick> {
    prop_oneof![20 => pick(4, 1), 1 => Just(Pick::Unknown)]
}

fn idem() -> impl Strategy<Value = usize> {
    prop_oneof![20 => 0..3usize, 3 => 3..IDEMS.len()]
}

/// Mostly small ones, so that a budget takes a few.
fn content() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..5usize, 2 => 0..CONTENTS.len()]
}

fn given(malformed: bool) -> impl Strategy<Value = Given> {
    let odd = if malformed {
        Given::Malformed
    } else {
        Given::Wrong
    };
    prop_oneof![12 => Just(Given::Nothing), 4 => Just(Given::Right), 1 => Just(Given::Wrong), 1 => Just(odd)]
}

fn kind() -> impl Strategy<Value = MemoryType> {
    select(vec![
        MemoryType::Image,
        MemoryType::Video,
        MemoryType::Audio,
        MemoryType::Document,
        MemoryType::Note,
    ])
}

fn said() -> impl Strategy<Value = Said> {
    use AssetType::*;
    let asset_type = select(vec![
        Original,
        Original,
        Display,
        Thumbnail,
        Placeholder,
        Metadata,
    ]);
    (
        kind(),
        asset_type,
        given(false),
        given(true),
        select(vec![0, 0, 5]),
        any::<bool>(),
    )
        .prop_map(|(kind, asset_type, bytes, sha256, created_at, rich)| Said {
            kind,
            asset_type,
            bytes,
            sha256,
            created_at,
            rich,
        })
}

pub(super) fn memory_said() -> impl Strategy<Value = MemorySaid> {
    let title = select(vec![
        None,
        Some(""),
        Some("At the lake"),
        Some("Großmutters Küche"),
    ]);
    let date = select(vec![
        None,
        None,
        Some(0),
        Some(7),
        Some(1_700_000_000_000_000_000),
        Some(u64::MAX),
    ]);
    (
        kind(),
        title,
        select(vec![0, 0, 7, 1_700_000_000_000_000_000]),
        date,
        any::<bool>(),
    )
        .prop_map(
            |(kind, title, created_at, date_of_memory, rich)| MemorySaid {
                kind,
                title,
                created_at,
                date_of_memory,
                rich,
            },
        )
}

fn external() -> impl Strategy<Value = Content> {
    use BlobHosting::*;
    let location = select(vec![S3, S3, VercelBlob, Ipfs, Arweave, Neon, Icp]);
    let key = select(vec![
        Some("photos/1.jpg"),
        Some("photos/1.jpg"),
        Some("k"),
        Some(""),
        None,
    ]);
    (
        location,
        key,
        any::<bool>(),
        content(),
        given(false),
        given(true),
    )
        .prop_map(
            |(location, key, url, content, size, hash)| Content::External {
                location,
                key,
                url,
                content,
                size,
                hash,
            },
        )
}

fn blob_reference() -> impl Strategy<Value = Content> {
    (blob(), given(true), given(false)).prop_map(|(blob, hash, len)| Content::Blob {
        blob,
        hash,
        len,
    })
}

fn asset() -> impl Strategy<Value = Content> {
    prop_oneof![4 => content().prop_map(Content::Inline), 5 => blob_reference(), 2 => external()]
}

/// One of inline, blob and external; sometimes none or several.
fn assets() -> impl Strategy<Value = Vec<Content>> {
    prop_oneof![
        12 => asset().prop_map(|one| vec![one]),
        1 => (option::of(content()), option::of(blob_reference()), option::of(external()))
            .prop_map(|(i, b, e)| i.map(Content::Inline).into_iter().chain(b).chain(e).collect()),
    ]
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        30 => (content(), 0..3usize).prop_map(|(content, part)| {
            let len = CONTENTS[content].len();
            Piece::Content { content, from: len * part / 3, to: len * (part + 1) / 3 }
        }),
        1 => (0..2usize).prop_map(|over| Piece::Large { over }),
    ]
}

fn claim() -> impl Strategy<Value = Claim> {
    prop_oneof![
        8 => Just(Claim::Truth),
        2 => content().prop_map(Claim::Content),
        1 => Just(Claim::WrongHash),
        1 => (-1..=1i8).prop_map(Claim::WrongLength),
        1 => select(vec![0usize, 31, 33, 64]).prop_map(Claim::HashOfLength),
    ]
}

fn one_call() -> impl Strategy<Value = Call> {
    let subject = option::of(prop_oneof![
        (0..=ANONYMOUS).prop_map(Subject::Principal),
        select(vec![
            "",
            "grandmother",
            "a person's name that is longer than it may be"
        ])
        .prop_map(Subject::Opaque),
    ]);
    let expected = prop_oneof![20 => 1..4u32, 1 => select(vec![0, 16_384, 16_385, u32::MAX])];
    prop_oneof![
        2 => subject.prop_map(|subject| Call::CapsulesCreate { subject }),
        3 => option::of(capsule()).prop_map(|capsule| Call::CapsulesReadBasic { capsule }),
        2 => Just(Call::CapsulesList),
        5 => (capsule(), expected, idem()).prop_map(|(capsule, expected, idem)| Call::Begin { capsule, expected, idem }),
        8 => (session(), prop_oneof![12 => 0..4u32, 1 => any::<u32>()], piece())
            .prop_map(|(session, index, piece)| Call::Put { session, index, piece }),
        6 => (session(), claim()).prop_map(|(session, claim)| Call::Finish { session, claim }),
        2 => session().prop_map(|session| Call::Abort { session }),
        4 => (blob(), prop_oneof![12 => 0..4u32, 1 => any::<u32>()]).prop_map(|(blob, chunk)| Call::BlobRead { blob, chunk }),
        14 => (capsule(), assets(), given(true), said(), idem())
            .prop_map(|(capsule, assets, stray_hash, said, idem)| Call::Create { capsule, assets, stray_hash, said, idem }),
        10 => (capsule(), memory_said(), vec((blob(), said()), 0..4), vec((content(), said()), 0..3), idem())
            .prop_map(|(capsule, said, blobs, inline, idem)| Call::CreateWithAssets { capsule, said, blobs, inline, idem }),
        12 => (memory(), asset().prop_filter("no external ones", |a| !matches!(a, Content::External { .. })), said(), idem())
            .prop_map(|(memory, asset, said, idem)| Call::Add { memory, asset, said, idem }),
        8 => memory().prop_map(|memory| Call::Read { memory }),
        10 => (capsule(), weighted(0.9, prop_oneof![8 => 1..4u32, 1 => select(vec![0, 50, 101, u32::MAX])]), any::<bool>())
            .prop_map(|(capsule, limit, go_on)| Call::List { capsule, limit, go_on }),
        1 => (capsule(), 0..BAD_CURSORS.len()).prop_map(|(capsule, cursor)| Call::ListBadCursor { capsule, cursor }),
        5 => (memory(), any::<bool>()).prop_map(|(memory, delete_assets)| Call::Delete { memory, delete_assets }),
        1 => select(vec![3, 3, 8]).prop_map(|days| Call::DaysPass { days }),
        1 => Just(Call::Reopen),
        24 => sharing(),
        14 => taking_away(),
        2 => option::of(capsule()).prop_map(|capsule| Call::CapsulesReadFull { capsule }),
        2 => (capsule(), option::of(any::<bool>()))
            .prop_map(|(capsule, bound_to_neon)| Call::CapsulesUpdate { capsule, bound_to_neon }),
        1 => capsule().prop_map(|capsule| Call::CapsulesDelete { capsule }),
        1 => (capsule(), any::<bool>()).prop_map(|(capsule, delete_assets)| Call::DeleteAll { capsule, delete_assets }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    (
        who(),
        one_call(),
        select(vec![0, 0, 0, 1, 1_000_000_000]),
        weighted(0.25, Just(())),
    )
        .prop_map(|(who, call, later, twice)| Step {
            who,
            call,
            later,
            twice: twice.is_some(),
        })
}

/// A whole upload, as a client does it: chunks cut evenly or not, in any order, some of them twice, some first with other bytes; at
/// times with one missing.
fn upload() -> impl Strategy<Value = Vec<Step>> {
    let number = prop_oneof![10 => Just(Who::Rightful), 3 => (0..PRINCIPALS).prop_map(Who::Number)];
    (
        number,
        capsule(),
        idem(),
        content(),
        vec(0..=100usize, 0..4),
        vec((any::<u16>(), 0..8u8), 10),
    )
        .prop_map(|(who, capsule, idem, content, cuts, fates)| {
            let len = CONTENTS[content].len();
            let mut bounds: Vec<usize> = cuts
                .iter()
                .map(|percent| len * percent / 100)
                .chain([0, len])
                .collect();
            bounds.sort_unstable();
            let pieces: Vec<Piece> = bounds
                .windows(2)
                .map(|w| Piece::Content {
                    content,
                    from: w[0],
                    to: w[1],
                })
                .collect();
            let mut puts = vec![];
            for (index, piece) in pieces.iter().enumerate() {
                let (order, fate) = fates[index];
                let put = |piece: &Piece| Call::Put {
                    session: Pick::Nth(0),
                    index: index as u32,
                    piece: *piece,
                };
                match fate {
                    0 => puts.push((order ^ 0x5555, put(&pieces[0]))), // other bytes, before or after the right ones
                    1 => puts.push((order.wrapping_mul(7), put(piece))),
                    _ => {}
                }
                if order % 16 != 0 {
                    puts.push((order, put(piece)));
                }
            }
            puts.sort_by_key(|(order, _)| *order);
            let begin = Call::Begin {
                capsule,
                expected: pieces.len() as u32,
                idem,
            };
            let finish = Call::Finish {
                session: Pick::Nth(0),
                claim: Claim::Content(content),
            };
            let calls = std::iter::once(begin)
                .chain(puts.into_iter().map(|(_, put)| put))
                .chain([finish]);
            calls
                .enumerate()
                .map(|(n, call)| Step {
                    who: if n == 0 { who } else { Who::Rightful },
                    call,
                    later: 0,
                    twice: fates[n % 10].1 == 7,
                })
                .collect()
        })
}

/// A capsule's life.
pub fn life() -> impl Strategy<Value = Vec<Vec<Step>>> {
    vec(
        prop_oneof![6 => step().prop_map(|step| vec![step]), 1 => upload()],
        1..160,
    )
}

/// Pages of 64 KiB that the memory may grow by: mostly as many as it likes, else so few that it is soon full.
pub fn room() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![3 => Just(None), 1 => (0..24u64).prop_map(Some)]
}

/// Inline budget: the default, a tight one, one that never matters, none at all.
pub fn budget() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![3 => Just(None), 1 => Just(Some(2_000)), 2 => Just(Some(1_000_000)), 1 => Just(Some(0))]
}
