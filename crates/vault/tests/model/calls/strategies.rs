//! How calls are generated: mostly sensible ones, on the same few things, with every kind of nonsense now and then.

use keepsake_api::InitArgs;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::capsules::{capsules, joining};
use super::memories::{again, memories};
use super::people::{linking, people};
use super::share_links::{linked, links};
use super::sharing::{serving, sharing, taking_away};
use super::uploads::{announced_upload, upload, uploads};
use super::{Call, Given, Pick, Step, Who};
use crate::pools::{ANONYMOUS, CONTENTS, IDEMS, MALFORMED_BLOB_IDS, MALFORMED_IDS, PRINCIPALS};

const HOUR: u64 = 3_600 * 1_000_000_000;

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        12 => Just(Who::Rightful),
        5 => (0..PRINCIPALS).prop_map(Who::Number),
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
    // The first three, mostly.
    prop_oneof![20 => (0..3usize).prop_map(Pick::Nth), 4 => pick(6, MALFORMED_IDS.len())]
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

pub(super) fn idem() -> impl Strategy<Value = usize> {
    prop_oneof![20 => 0..3usize, 3 => 3..IDEMS.len()]
}

/// Mostly small ones, so that a budget takes a few.
pub(super) fn content() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..5usize, 2 => 0..CONTENTS.len()]
}

pub(super) fn given(malformed: bool) -> impl Strategy<Value = Given> {
    let odd = if malformed {
        Given::Malformed
    } else {
        Given::Wrong
    };
    prop_oneof![12 => Just(Given::Nothing), 4 => Just(Given::Right), 1 => Just(Given::Wrong), 1 => Just(odd)]
}

fn one_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        30 => capsules().boxed(),
        38 => uploads().boxed(),
        70 => memories().boxed(),
        26 => sharing().boxed(),
        14 => taking_away().boxed(),
        8 => people().boxed(),
        16 => links().boxed(),
        2 => any::<bool>().prop_map(|operator| Call::VaultStatus { operator }),
        2 => weighted(0.4, Just(())).prop_map(|poor| Call::Means { poor: poor.is_some() }),
        3 => select(vec![1, 25, 80, 200, 800]).prop_map(|hours| Call::HoursPass { hours }),
        1 => quotas().prop_map(|args| Call::Upgrade { args }),
        1 => Just(Call::Upgrade { args: InitArgs::default() }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let later = prop_oneof![
        30 => Just(0),
        10 => Just(1),
        10 => Just(1_000_000_000),
        1 => Just(HOUR),
        1 => Just(8 * 24 * HOUR),
    ];
    (who(), one_call(), later, weighted(0.25, Just(()))).prop_map(|(who, call, later, twice)| {
        Step {
            who,
            call,
            later,
            twice: twice.is_some(),
        }
    })
}

/// A capsule's life. (Boxed: strategies of so many kinds together are larger than a test's stack.)
pub fn life() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let part = prop_oneof![
        36 => step().prop_map(|step| vec![step]).boxed(),
        5 => upload().boxed(),
        1 => linking().boxed(),
        2 => serving().boxed(),
        3 => linked().boxed(),
        2 => again().boxed(),
        1 => joining().boxed(),
        2 => announced_upload().boxed(),
    ];
    vec(part, 1..160)
}

/// Pages of 64 KiB that the memory may grow by: mostly as many as it likes, else so few that it is soon full.
pub fn room() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![3 => Just(None), 1 => (0..24u64).prop_map(Some)]
}

/// What an installer sets: mostly nothing; else tight bounds, or one so wide that it never matters.
pub fn quotas() -> impl Strategy<Value = InitArgs> {
    let inline = prop_oneof![3 => Just(None), 1 => Just(Some(2_000)), 2 => Just(Some(1_000_000)), 1 => Just(Some(0))];
    let bytes = prop_oneof![6 => Just(None), 2 => select(vec![0, 1_025, 40_000]).prop_map(Some), 1 => Just(Some(u64::MAX))];
    let memories =
        prop_oneof![8 => Just(None), 1 => (0..4u64).prop_map(Some), 1 => Just(Some(u64::MAX))];
    let sessions =
        prop_oneof![8 => Just(None), 1 => (0..3u32).prop_map(Some), 1 => Just(Some(100))];
    let days = prop_oneof![6 => Just(None), 1 => select(vec![0, 1]).prop_map(Some)];
    (inline, bytes, memories, sessions, days).prop_map(
        |(inline, bytes, memories, sessions, days)| InitArgs {
            inline_budget_per_capsule: inline,
            bytes_per_capsule: bytes,
            memories_per_capsule: memories,
            open_sessions: sessions,
            cycles_reserve_days: days,
        },
    )
}
