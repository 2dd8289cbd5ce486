//! How calls about share links are generated.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::{capsule, memory};
use super::{Call, Pick, Step, Who};
use crate::pools::{ANONYMOUS, PRINCIPALS, SECRETS};

const HOUR: u64 = 3_600 * 1_000_000_000;

fn secret() -> impl Strategy<Value = usize> {
    0..SECRETS
}

/// Mostly one that nothing has yet, so that there are links at all.
fn create() -> impl Strategy<Value = Call> {
    let selection = weighted(0.6, vec(memory(), 0..4));
    let lifetime = prop_oneof![
        6 => Just(None),
        2 => select(vec![HOUR, 30 * HOUR]).prop_map(Some),
        1 => select(vec![0, u64::MAX / 2]).prop_map(Some),
    ];
    (
        weighted(0.98, secret()),
        capsule(),
        selection,
        lifetime,
        any::<bool>(),
        select(vec![None, Some("Summer")]),
    )
        .prop_map(|(secret, capsule, selection, lifetime, downloads, title)| {
            Call::ShareLinkCreate {
                secret,
                capsule,
                selection,
                lifetime,
                downloads,
                title,
            }
        })
}

fn show() -> impl Strategy<Value = Call> {
    (secret(), 0..4u32, memory(), 0..3usize).prop_map(|(secret, limit, memory, nth)| {
        Call::ShareLinkShow {
            secret,
            limit,
            memory,
            nth,
        }
    })
}

fn open() -> impl Strategy<Value = Call> {
    (secret(), weighted(0.95, 0..4usize))
        .prop_map(|(secret, nonce)| Call::ShareLinkOpen { secret, nonce })
}

fn revoke() -> impl Strategy<Value = Call> {
    (weighted(0.1, capsule()), weighted(0.95, secret()))
        .prop_map(|(capsule, secret)| Call::ShareLinkRevoke { capsule, secret })
}

pub fn links() -> impl Strategy<Value = Call> {
    prop_oneof![
        5 => create(),
        3 => open(),
        6 => show(),
        2 => capsule().prop_map(|capsule| Call::ShareLinkList { capsule }),
        1 => revoke(),
    ]
}

/// A link that is used, and ended in one of the ways in which it can end.
pub fn linked() -> impl Strategy<Value = Vec<Step>> {
    let end = prop_oneof![
        2 => revoke(),
        1 => Just(Call::Trash { memory: Pick::Nth(0) }),
        1 => Just(Call::HoursPass { hours: 800 }),
        1 => (0..PRINCIPALS).prop_map(|principal| Call::Unlink { principal }),
        1 => Just(Call::TokenKeyRotate { operator: true, above: 0 }),
    ];
    let guest = prop_oneof![3 => 0..PRINCIPALS, 1 => Just(ANONYMOUS)];
    (create(), open(), show(), end, guest).prop_map(
        |(mut create, mut open, mut show, mut end, guest)| {
            // All of the same link.
            if let Call::ShareLinkCreate {
                secret: Some(used), ..
            } = &mut create
            {
                if let Call::ShareLinkOpen { secret, .. } | Call::ShareLinkShow { secret, .. } =
                    &mut open
                {
                    *secret = *used;
                }
                if let Call::ShareLinkShow { secret, .. } = &mut show {
                    *secret = *used;
                }
                if let Call::ShareLinkRevoke { capsule, secret } = &mut end {
                    (*capsule, *secret) = (None, Some(*used));
                }
            }
            let step = |who, call| Step {
                who,
                call,
                later: 0,
                twice: false,
            };
            vec![
                step(Who::Rightful, create),
                step(Who::Number(guest), open),
                step(Who::Number(guest), show.clone()),
                step(Who::Rightful, end),
                step(Who::Number(guest), show),
            ]
        },
    )
}
