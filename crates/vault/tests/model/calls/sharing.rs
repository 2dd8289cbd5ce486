//! How calls about access, single assets and removal are generated.

use keepsake_api::{AssetType, MemoryType, ResourceRole};
use proptest::collection::vec;
use proptest::option::{self, weighted};
use proptest::prelude::*;
use proptest::sample::select;

use super::memories::memory_said;
use super::strategies::{capsule, idem, memory};
use super::{
    Ask, Call, Condition, Content, EntrySaid, Given, How, Pick, Said, Step, Subject, TokenPick, Who,
};
use crate::pools::{ANONYMOUS, EVENTS, GROUPS, PRINCIPALS};

const DAY: u64 = 24 * 3_600 * 1_000_000_000;

fn entry_id() -> impl Strategy<Value = &'static str> {
    prop_oneof![30 => select(vec!["a", "b", "c"]), 1 => Just("")]
}

fn condition() -> impl Strategy<Value = Condition> {
    let time = || {
        select(vec![
            0,
            1_000_000_000,
            5_000_000_000,
            12_000_000_000,
            30_000_000_000,
            2 * DAY,
            20 * DAY,
            100 * DAY,
        ])
    };
    prop_oneof![
        4 => Just(Condition::Immediate),
        1 => time().prop_map(Condition::Scheduled),
        1 => time().prop_map(Condition::ExpiresAt),
        1 => (0..EVENTS.len() - 1).prop_map(Condition::Event),
    ]
}

/// Mostly for one of the callers, with masks of all kinds; now and then one that cannot be.
fn entry() -> impl Strategy<Value = EntrySaid> {
    use ResourceRole::*;
    let whom = prop_oneof![
        12 => (0..PRINCIPALS).prop_map(|n| Some(Subject::Principal(n))),
        1 => Just(Some(Subject::Principal(ANONYMOUS))),
        2 => Just(Some(Subject::Opaque("grandmother"))),
        4 => Just(None),
    ];
    let mask = prop_oneof![6 => Just(0), 12 => select(vec![1, 3, 7, 15, 31]), 3 => select(vec![2, 5, 9, 16, 17, 32])];
    let role = select(vec![Owner, SuperAdmin, Admin, Member, Guest]);
    let group = weighted(0.2, 0..GROUPS.len());
    let public = weighted(0.1, Just(()));
    let inviter = weighted(0.1, 0..PRINCIPALS);
    (
        entry_id(),
        whom,
        group,
        public,
        role,
        mask,
        condition(),
        inviter,
    )
        .prop_map(
            |(id, whom, group, public, role, mask, condition, inviter)| EntrySaid {
                id,
                whom,
                group,
                public: public.is_some(),
                role,
                mask,
                condition,
                inviter,
            },
        )
}

fn variant() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        20 => select(vec!["thumbnail", "thumbnail", "display", "placeholder", "original", "original"]),
        1 => select(vec!["metadata", "Original", ""]),
    ]
}

fn token() -> impl Strategy<Value = TokenPick> {
    prop_oneof![
        20 => (0..4usize).prop_map(TokenPick::Nth),
        1 => Just(TokenPick::None),
        1 => Just(TokenPick::Malformed),
        1 => (0..4usize).prop_map(TokenPick::Forged),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let range = (
        select(vec![0, 1, 1_000]),
        select(vec![0, 1, 1_022, 1_023, 9_999]),
    );
    prop_oneof![
        2 => Just(Ask::Whole),
        1 => Just(Ask::Head),
        1 => range.prop_map(|(first, more)| Ask::Range { first, last: first + more }),
    ]
}

/// Calls about who may do what, and readings that it decides on.
pub fn sharing() -> impl Strategy<Value = Call> {
    let title = select(vec!["", "At the lake"]);
    let variants = vec(variant(), 0..4);
    prop_oneof![
        3 => (memory(), option::of(title), option::of(memory_said()), weighted(0.3, vec(entry(), 0..3)))
            .prop_map(|(memory, title, said, entries)| Call::Update { memory, title, said, entries }),
        8 => (memory(), entry()).prop_map(|(memory, entry)| Call::Grant { memory, entry }),
        3 => (memory(), entry_id()).prop_map(|(memory, id)| Call::Revoke { memory, id }),
        4 => (memory(), weighted(0.1, memory()), 0..5usize)
            .prop_map(|(memory, of, nth)| Call::AssetRead { memory, of, nth }),
        2 => prop_oneof![8 => 1..4u32, 1 => Just(0)].prop_map(|limit| Call::SharedWithMe { limit }),
        3 => (vec(memory(), 1..3), variants, weighted(0.4, vec(weighted(0.9, 0..3usize), 0..3)), select(vec![0, 1, 180, 181, u32::MAX]))
            .prop_map(|(memories, variants, assets, ttl)| Call::Mint { memories, variants, assets, ttl }),
        5 => (token(), weighted(0.1, memory()), weighted(0.3, variant()), weighted(0.3, 0..4usize), ask())
            .prop_map(|(token, memory, variant, asset, ask)| Call::Http { token, memory, variant, asset, ask }),
        1 => (any::<bool>(), -1..=1i32).prop_map(|(operator, above)| Call::TokenKeyRotate { operator, above }),
    ]
}

fn how() -> impl Strategy<Value = How> {
    select(vec![
        How::AnyById,
        How::AnyByAddress,
        How::AnyByIndex,
        How::ById,
        How::Inline,
        How::Internal,
        How::External,
    ])
}

/// Calls that take away.
pub fn taking_away() -> impl Strategy<Value = Call> {
    let several = || vec(memory(), 0..4);
    prop_oneof![
        8 => (memory(), weighted(0.1, memory()), 0..5usize, how())
            .prop_map(|(memory, of, nth, how)| Call::AssetRemove { memory, of, nth, how }),
        1 => memory().prop_map(|memory| Call::Cleanup { memory }),
        1 => several().prop_map(|memories| Call::CleanupBulk { memories }),
    ]
}

/// A memory that is shared, mostly, and served to who it is shared with; then, mostly, no longer.
pub fn serving() -> impl Strategy<Value = Vec<Step>> {
    let end = prop_oneof![
        2 => Just(Call::Revoke { memory: NEWEST, id: "a" }),
        1 => Just(Call::Trash { memory: NEWEST }),
        1 => Just(Call::TokenKeyRotate { operator: true, above: 0 }),
        1 => (0..PRINCIPALS).prop_map(|principal| Call::Unlink { principal }),
        1 => Just(Call::HoursPass { hours: 1 }),
        1 => Just(Call::Read { memory: NEWEST }),
    ];
    let mask = select(vec![1, 3, 3, 31]);
    (created(), 0..PRINCIPALS, mask, any::<bool>(), ask(), end).prop_map(
        |((create, variant), guest, mask, all, ask, end)| {
            let entry = EntrySaid {
                id: "a",
                whom: Some(Subject::Principal(guest)),
                group: None,
                public: false,
                role: ResourceRole::Guest,
                mask,
                condition: Condition::Immediate,
                inviter: None,
            };
            let step = |who, call| Step {
                who,
                call,
                later: 0,
                twice: false,
            };
            let by_guest = Who::Number(guest);
            let variants = vec![variant, "thumbnail"];
            let get = Call::Http {
                token: TokenPick::Nth(0),
                memory: None,
                variant: None,
                asset: (!all).then_some(0),
                ask,
            };
            vec![
                step(Who::Rightful, create),
                step(
                    Who::Rightful,
                    Call::Grant {
                        memory: NEWEST,
                        entry,
                    },
                ),
                step(
                    by_guest,
                    Call::Mint {
                        memories: vec![NEWEST],
                        variants,
                        assets: (!all).then(|| vec![Some(0)]),
                        ttl: 0,
                    },
                ),
                step(by_guest, get.clone()),
                step(Who::Rightful, end),
                step(by_guest, get),
            ]
        },
    )
}

const NEWEST: Pick = Pick::Nth(0);

/// A call that creates a memory of one inline asset, and the variant that this is.
fn created() -> impl Strategy<Value = (Call, &'static str)> {
    let variant = select(vec![
        ("original", AssetType::Original),
        ("display", AssetType::Display),
        ("thumbnail", AssetType::Thumbnail),
        ("placeholder", AssetType::Placeholder),
    ]);
    (capsule(), 0..5usize, variant, idem(), any::<bool>()).prop_map(
        |(capsule, content, (name, asset_type), idem, rich)| {
            let said = Said {
                kind: MemoryType::Image,
                asset_type,
                bytes: Given::Nothing,
                sha256: Given::Nothing,
                created_at: 0,
                rich,
            };
            let assets = vec![Content::Inline(content)];
            let create = Call::Create {
                capsule,
                assets,
                stray_hash: Given::Nothing,
                said,
                idem,
            };
            (create, name)
        },
    )
}
