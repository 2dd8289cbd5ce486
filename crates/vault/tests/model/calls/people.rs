//! How calls that link principals are generated.

use proptest::prelude::*;

use super::{Call, Step, Who};
use crate::pools::{ANONYMOUS, PRINCIPALS};

/// Mostly somebody.
fn somebody() -> impl Strategy<Value = usize> {
    prop_oneof![12 => 0..PRINCIPALS, 1 => Just(ANONYMOUS)]
}

pub(super) fn people() -> impl Strategy<Value = Call> {
    prop_oneof![
        2 => somebody().prop_map(|to| Call::LinkOffer { to }),
        2 => somebody().prop_map(|by| Call::LinkAccept { by }),
        2 => somebody().prop_map(|principal| Call::Unlink { principal }),
        3 => Just(Call::PersonRead),
    ]
}

/// An offer that is accepted, mostly in time.
pub(super) fn linking() -> impl Strategy<Value = Vec<Step>> {
    let hours = prop_oneof![6 => 0..20u64, 1 => Just(24)];
    (0..PRINCIPALS, 0..PRINCIPALS, hours, any::<bool>()).prop_map(|(one, other, hours, twice)| {
        let step = |who, call, later| Step {
            who: Who::Number(who),
            call,
            later,
            twice,
        };
        vec![
            step(one, Call::LinkOffer { to: other }, 0),
            step(other, Call::PersonRead, hours * 3_600 * 1_000_000_000),
            step(other, Call::LinkAccept { by: one }, 0),
        ]
    })
}
