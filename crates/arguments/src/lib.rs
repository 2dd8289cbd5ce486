//! Decodes the arguments of calls. A Candid message begins with a description of its types; reading it, and comparing it with the types
//! that are expected value by value, is most of what candid's decoder does: 0.5 M instructions for a photo's metadata, whose values
//! take 0.05 M. Clients send the same description every time. What follows from one is therefore worked out once, a [plan](Plan), and kept by
//! the description's bytes.
//!
//! A plan exists only where the types sent are those expected, or differ in nothing that changes how values are read. Whatever is
//! unusual is left to candid: another description, a value that the plan does not read to its end, every error. So a message is accepted
//! if and only if candid accepts it, with the same values (tests compare the two on hostile messages).

mod plan;
mod values;

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use candid::utils::{ArgumentDecoder, decode_args_with_config};
use candid::{CandidType, DecoderConfig, Error};
use serde::Deserialize;

use plan::Plan;

/// Descriptions that are kept for one list of arguments: those of a few kinds of clients. One more replaces the oldest.
const KEPT: usize = 4;

/// The longest description that is kept, in bytes: several times what the largest arguments need.
const KEPT_MAX_BYTES: usize = 4_096;

/// What candid may skip of a message that has more than is expected; the value that ic-cdk gives it.
const SKIPPING_QUOTA: usize = 10_000;

/// A description, and the plan that follows from it; without one, candid decodes what it describes.
struct Known {
    description: Box<[u8]>,
    plan: Option<Rc<Plan>>,
}

thread_local! {
    static KNOWN: RefCell<BTreeMap<TypeId, Vec<Known>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A call's arguments as a tuple of 1 to 16 values.
pub trait Arguments:
    CandidType + for<'de> Deserialize<'de> + for<'de> ArgumentDecoder<'de> + 'static
{
}

impl<T> Arguments for T where
    T: CandidType + for<'de> Deserialize<'de> + for<'de> ArgumentDecoder<'de> + 'static
{
}

/// Decodes a message. An empty one counts as one without values.
///
/// # Errors
/// candid's, where the message is malformed, has other types than `T` accepts, or more than `T` expects beyond a bound.
pub fn decode<T: Arguments>(message: &[u8]) -> Result<T, Error> {
    let plan = KNOWN.with_borrow(|known| {
        let known = known.get(&TypeId::of::<T>())?;
        // A description tells its own end, so none is the beginning of another.
        known
            .iter()
            .find(|known| message.starts_with(&known.description))
            .map(|known| (known.description.len(), known.plan.clone()))
    });
    if let Some((start, Some(plan))) = &plan
        && let Ok(value) = values::read(plan, &message[*start..])
    {
        return Ok(value);
    }
    let value = decode_by_candid(message)?;
    if plan.is_none() {
        learn::<T>(message);
    }
    Ok(value)
}

fn decode_by_candid<T: Arguments>(message: &[u8]) -> Result<T, Error> {
    let message: &[u8] = if message.is_empty() {
        b"DIDL\0\0"
    } else {
        message
    };
    let mut config = DecoderConfig::new();
    config.set_skipping_quota(SKIPPING_QUOTA);
    decode_args_with_config(message, &config)
}

/// Keeps what a message that candid has decoded says of its types.
fn learn<T: Arguments>(message: &[u8]) {
    let Some((description_len, plan)) = plan::of_message::<T>(message) else {
        return;
    };
    if description_len > KEPT_MAX_BYTES {
        return;
    }
    KNOWN.with_borrow_mut(|known| {
        let known = known.entry(TypeId::of::<T>()).or_default();
        if known.len() >= KEPT {
            known.remove(0);
        }
        known.push(Known {
            description: message[..description_len].into(),
            plan: plan.map(Rc::new),
        });
    });
}

#[cfg(test)]
mod tests;
