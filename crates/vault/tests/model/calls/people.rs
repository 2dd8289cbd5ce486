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

/// An offer that is accepted, mostly in time; at times the person offers more, and one of the two leaves.
pub(super) fn linking() -> impl Strategy<Value = Vec<Step>> {
    let hours = prop_oneof![6 => 0..20u64, 1 => Just(24)];
    let callers = (0..PRINCIPALS, 0..PRINCIPALS, 0..PRINCIPALS);
    let end = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (callers, hours, any::<bool>(), end).prop_map(
        |((one, other, third), hours, twice, (ends, by_one, first, reads))| {
            let step = |who, call, later| Step {
                who: Who::Number(who),
                call,
                later,
                twice,
            };
            let mut steps = vec![
                step(one, Call::LinkOffer { to: other }, 0),
                step(other, Call::PersonRead, hours * 3_600 * 1_000_000_000),
                step(other, Call::LinkAccept { by: one }, 0),
            ];
            if ends {
                let by = if by_one { one } else { other };
                let principal = if first { one } else { other };
                steps.push(step(by, Call::LinkOffer { to: third }, 0));
                steps.push(step(by, Call::Unlink { principal }, 0));
            }
            if reads {
                steps.extend([one, other, third].map(|who| step(who, Call::PersonRead, 0)));
            }
            steps
        },
    )
}
