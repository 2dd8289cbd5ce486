//! Who sent a request (specification, "Authentication"): the sender's key, its delegations to other keys, the
//! signature, and the time window in which a request counts. Everything that reaches the engine or reads private
//! state has passed [`authenticate`].

use super::envelope::{Content, Envelope, SignedDelegation};
use crate::crypto::canister_signature::TrustedNetworks;
use crate::crypto::domain;
use crate::crypto::public_key::{KeyError, PublicKey, SignatureError};
use candid::Principal;
use std::collections::BTreeSet;
use std::time::Duration;

/// How far ahead of this host's clock a request may expire: the 5 minutes of the Internet Computer, and a minute
/// for clocks that differ.
pub const MAX_INGRESS_TTL: Duration = Duration::from_secs(6 * 60);

/// The most delegations in a chain.
const MAX_DELEGATIONS: usize = 20;

/// The most targets of one delegation.
const MAX_TARGETS: usize = 1000;

/// Why a request is not taken for its sender's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    // The first words are those of the Internet Computer's: JavaScript agents recognise them and adjust their clock.
    #[error(
        "Invalid request expiry: Specified ingress_expiry not within expected range: \
         Minimum allowed expiry: {minimum}, Maximum allowed expiry: {maximum}, Provided expiry: {provided}."
    )]
    RequestExpiry {
        minimum: u64,
        maximum: u64,
        provided: u64,
    },
    #[error("An anonymous request must have neither key nor signature nor delegation.")]
    SignedAnonymous,
    #[error("The request has no {0}, which a sender other than the anonymous one must provide.")]
    Unsigned(&'static str),
    #[error("The sender {0} does not belong to the public key.")]
    SenderMismatch(Principal),
    #[error("Invalid public key: {0}.")]
    Key(#[from] KeyError),
    #[error("Invalid signature: {0}.")]
    Signature(#[from] SignatureError),
    #[error("Invalid delegation: the chain has {0} links, the limit is {MAX_DELEGATIONS}.")]
    TooManyDelegations(usize),
    #[error("Invalid delegation: it has {0} targets, the limit is {MAX_TARGETS}.")]
    TooManyTargets(usize),
    #[error("Invalid delegation: a public key occurs twice in the chain.")]
    DelegationLoop,
    #[error("Invalid delegation expiry: it expired at {expiration}, the time is {now}.")]
    DelegationExpired { expiration: u64, now: u64 },
    #[error("Invalid delegation: it is not for the canister {0}.")]
    NotATarget(Principal),
    #[error("Invalid delegation: it permits queries only.")]
    QueriesOnly,
}

/// The canisters that a request's delegations allow it to concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    All,
    Only(BTreeSet<Principal>),
}

impl Targets {
    pub fn contains(&self, canister: &Principal) -> bool {
        match self {
            Self::All => true,
            Self::Only(canisters) => canisters.contains(canister),
        }
    }

    fn intersect(self, others: &[Principal]) -> Self {
        let others: BTreeSet<Principal> = others.iter().copied().collect();
        Self::Only(match self {
            Self::All => others,
            Self::Only(canisters) => canisters.intersection(&others).copied().collect(),
        })
    }
}

/// Checks that `envelope` was made by its sender and counts at `now` (nanoseconds since 1970), where canisters of the `trusted` networks may sign. A call or query
/// must be within its delegations' targets; for read_state requests, where it depends on the paths, that is left
/// to the caller with the targets that are returned.
///
/// Costs one signature verification for each delegation and one for the request, at most 21; everything that
/// needs none is checked first.
///
/// # Errors
/// [`AuthenticationError`], one for each rule of the specification.
pub fn authenticate(
    envelope: &Envelope,
    now: u64,
    trusted: &TrustedNetworks,
) -> Result<Targets, AuthenticationError> {
    let anonymous = envelope.sender == Principal::anonymous();
    if !anonymous || matches!(envelope.content, Content::Call(_)) {
        check_expiry(envelope.ingress_expiry, now)?;
    }
    if anonymous {
        let unsigned = envelope.sender_pubkey.is_none()
            && envelope.sender_sig.is_none()
            && envelope
                .sender_delegation
                .as_ref()
                .is_none_or(Vec::is_empty);
        return if unsigned {
            Ok(Targets::All)
        } else {
            Err(AuthenticationError::SignedAnonymous)
        };
    }

    let pubkey = envelope
        .sender_pubkey
        .as_ref()
        .ok_or(AuthenticationError::Unsigned("sender_pubkey"))?;
    let signature = envelope
        .sender_sig
        .as_ref()
        .ok_or(AuthenticationError::Unsigned("sender_sig"))?;
    if envelope.sender != Principal::self_authenticating(pubkey) {
        return Err(AuthenticationError::SenderMismatch(envelope.sender));
    }
    let chain = envelope.sender_delegation.as_deref().unwrap_or_default();
    let targets = check_chain(pubkey, chain, now)?;
    match &envelope.content {
        Content::Call(call) | Content::Query(call) if !targets.contains(&call.canister_id) => {
            return Err(AuthenticationError::NotATarget(call.canister_id));
        }
        Content::Call(_) if chain.iter().any(|link| link.queries_only) => {
            return Err(AuthenticationError::QueriesOnly);
        }
        _ => {}
    }

    let mut key = PublicKey::from_der(pubkey)?;
    for link in chain {
        let signed = [domain::DELEGATION, &link.hash].concat();
        key.verify(&signed, &link.signature, trusted)?;
        key = PublicKey::from_der(&link.pubkey)?;
    }
    let signed = [domain::REQUEST, &envelope.request_id].concat();
    key.verify(&signed, signature, trusted)?;
    Ok(targets)
}

fn check_expiry(expiry: u64, now: u64) -> Result<(), AuthenticationError> {
    let maximum = now.saturating_add(MAX_INGRESS_TTL.as_nanos() as u64);
    if (now..=maximum).contains(&expiry) {
        Ok(())
    } else {
        Err(AuthenticationError::RequestExpiry {
            minimum: now,
            maximum,
            provided: expiry,
        })
    }
}

/// Everything about a chain of delegations except its signatures.
fn check_chain(
    pubkey: &[u8],
    chain: &[SignedDelegation],
    now: u64,
) -> Result<Targets, AuthenticationError> {
    if chain.len() > MAX_DELEGATIONS {
        return Err(AuthenticationError::TooManyDelegations(chain.len()));
    }
    let mut seen = BTreeSet::from([pubkey]);
    let mut targets = Targets::All;
    for link in chain {
        if !seen.insert(&link.pubkey) {
            return Err(AuthenticationError::DelegationLoop);
        }
        if link.expiration < now {
            return Err(AuthenticationError::DelegationExpired {
                expiration: link.expiration,
                now,
            });
        }
        if let Some(canisters) = &link.targets {
            if canisters.len() > MAX_TARGETS {
                return Err(AuthenticationError::TooManyTargets(canisters.len()));
            }
            targets = targets.intersect(canisters);
        }
    }
    Ok(targets)
}
