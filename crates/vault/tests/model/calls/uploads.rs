//! How uploads are generated: single calls, and whole ones.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::{blob, capsule, content, idem, session};
use super::{Call, Claim, Given, Pick, Piece, Step, Who};
use crate::pools::{CONTENTS, PRINCIPALS};

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

pub(super) fn uploads() -> impl Strategy<Value = Call> {
    let expected = prop_oneof![20 => 1..4u32, 1 => select(vec![0, 16_384, 16_385, u32::MAX])];
    let index = || prop_oneof![12 => 0..4u32, 1 => any::<u32>()];
    prop_oneof![
        5 => (capsule(), expected, idem()).prop_map(|(capsule, expected, idem)| Call::Begin { capsule, expected, idem }),
        3 => announcement(),
        8 => (session(), index(), piece())
            .prop_map(|(session, index, piece)| Call::Put { session, index, piece }),
        6 => (session(), claim()).prop_map(|(session, claim)| Call::Finish { session, claim }),
        2 => session().prop_map(|session| Call::Abort { session }),
        2 => session().prop_map(|session| Call::Uploads { session }),
        6 => (capsule(), content(), right(), weighted(0.04, 0..2usize), idem())
            .prop_map(|(capsule, content, sha, over, idem)| Call::PutBlob { capsule, content, sha, over, idem }),
        1 => Just(Call::UploadConfig),
        1 => Just(Call::CleanupExpired),
        3 => (capsule(), vec((content(), right()), 0..4))
            .prop_map(|(capsule, contents)| Call::BlobsByHash { capsule, contents }),
        4 => (blob(), index()).prop_map(|(blob, chunk)| Call::BlobRead { blob, chunk }),
        3 => blob().prop_map(|blob| Call::BlobDelete { blob }),
    ]
}

/// Mostly the right hash.
fn right() -> impl Strategy<Value = Given> {
    prop_oneof![30 => Just(Given::Right), 5 => Just(Given::Wrong), 1 => Just(Given::Malformed)]
}

/// Mostly the truth about some content.
fn announcement() -> impl Strategy<Value = Call> {
    let chunk_size = prop_oneof![
        12 => select(vec![1_000, 20_000, 40_000]),
        1 => select(vec![0, 1_800_000, 1_800_001, u32::MAX]),
        3 => Just(1),
    ];
    let given = || prop_oneof![12 => Just(Given::Right), 1 => Just(Given::Wrong)];
    let sha = prop_oneof![16 => given(), 1 => Just(Given::Malformed)];
    (capsule(), content(), sha, given(), chunk_size, idem()).prop_map(
        |(capsule, content, sha, len, chunk_size, idem)| Call::BeginAnnounced {
            capsule,
            content,
            sha,
            len,
            chunk_size,
            idem,
        },
    )
}

/// A whole upload that begins with an announcement; at times a chunk is missing.
pub(super) fn announced_upload() -> impl Strategy<Value = Vec<Step>> {
    (capsule(), content(), 1..=3usize, idem(), vec(0..20u8, 3)).prop_map(
        |(capsule, content, count, idem, fates)| {
            let len = CONTENTS[content].len();
            let size = len.div_ceil(count).max(1);
            let begin = Call::BeginAnnounced {
                capsule,
                content,
                sha: Given::Right,
                len: Given::Right,
                chunk_size: size as u32,
                idem,
            };
            let put = |index: usize| Call::Put {
                session: Pick::Nth(0),
                index: index as u32,
                piece: Piece::Content {
                    content,
                    from: (index * size).min(len),
                    to: ((index + 1) * size).min(len),
                },
            };
            let puts = (0..count).filter(|index| fates[*index] > 0).map(put);
            let finish = Call::Finish {
                session: Pick::Nth(0),
                claim: Claim::Content(content),
            };
            let calls = std::iter::once(begin).chain(puts).chain([finish]);
            let step = |call| Step {
                who: Who::Rightful,
                call,
                later: 0,
                twice: fates[0] == 1,
            };
            calls.map(step).collect()
        },
    )
}

/// A whole upload, as a client does it: chunks cut evenly or not, in any order, some of them twice, some first with other bytes; at
/// times with one missing.
pub(super) fn upload() -> impl Strategy<Value = Vec<Step>> {
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
