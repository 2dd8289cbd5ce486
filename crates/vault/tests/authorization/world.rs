//! One prepared state of a vault, with everything in it that calls can be about, and the names of all that.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use candid::Principal;
use keepsake_api::PersonRef;
use keepsake_vault::Means;

use crate::people::{self, OWNER, Role};
use crate::rules::opened_sessions;
use crate::things::{
    OfBlob, OfCapsule, OfLink, OfMemory, OfOffer, OfPrincipal, OfSession, Target, Thing,
};

/// When every call of the matrix is made.
pub const NOW: u64 = 1_760_000_000_000_000_000;

/// What sessions are uploads of.
pub const CHUNKS: [&[u8]; 2] = [b"first", b"second"];

pub struct World {
    /// Stable memory.
    pub bytes: Vec<u8>,
    pub things: BTreeMap<Target, Thing>,
    /// Sessions by who opened them.
    pub sessions: BTreeMap<(&'static str, OfSession), Thing>,
    /// By role and memory: tokens for its original and its thumbnail, minted while the role had every right.
    pub tokens: BTreeMap<(&'static str, OfMemory), [String; 2]>,
    /// By memory: tokens for its original and its thumbnail, given by a share link while it showed the memory.
    pub link_tokens: BTreeMap<OfMemory, [String; 2]>,
    /// The owner's own capsule, and the stranger's.
    pub own: [String; 2],
    /// Of external content that is to be deleted.
    pub deletion: String,
}

impl World {
    pub fn thing(&self, role: &Role, target: Target) -> &Thing {
        let by = match role {
            _ if opened_sessions(role) && role.name != people::LINKED_TO_OWNER.name => role.name,
            _ => OWNER.name,
        };
        let others = if by == OWNER.name && opened_sessions(role) {
            people::SECOND_OWNER.name
        } else {
            OWNER.name
        };
        match target {
            Target::Session(OfSession::Others) => &self.sessions[&(others, OfSession::Complete)],
            Target::Session(OfSession::OthersFinished) => {
                &self.sessions[&(others, OfSession::Finished)]
            }
            Target::Session(state) if self.sessions.contains_key(&(by, state)) => {
                &self.sessions[&(by, state)]
            }
            _ => self.things.get(&target).unwrap_or(&NOTHING),
        }
    }

    pub fn memory(&self, state: OfMemory) -> &Thing {
        &self.things[&Target::Memory(state)]
    }

    pub fn blob(&self, state: OfBlob) -> &str {
        &self.things[&Target::Blob(state)].id
    }

    pub fn capsule(&self, state: OfCapsule) -> &str {
        &self.things[&Target::Capsule(state)].id
    }

    /// The role's own capsule; for one that has none, one that never existed.
    pub fn own_capsule(&self, role: &Role) -> &str {
        match role.standing {
            people::Standing::Owner | people::Standing::LinkedToOwner => &self.own[0],
            people::Standing::Stranger => &self.own[1],
            _ => self.capsule(OfCapsule::NeverExisted),
        }
    }

    /// A token of the role's for this memory; for one that never had any, that of another memory.
    pub fn token(&self, role: &Role, target: Target, asset: usize) -> Option<&str> {
        let of = |state| self.tokens.get(&(role.name, state));
        let tokens = match target {
            Target::Memory(state) => of(state).or_else(|| of(OfMemory::Inline)),
            _ => None,
        };
        tokens.map(|tokens| tokens[asset].as_str())
    }

    /// The secret of a share link.
    pub fn secret(&self, state: OfLink) -> &[u8] {
        &self.things[&Target::Link(state)].secret
    }

    /// A token that a share link gave for this memory; for one that it never showed, that of another memory.
    pub fn link_token(&self, target: Target, asset: usize) -> &str {
        let tokens = match target {
            Target::Memory(state) => self.link_tokens.get(&state),
            _ => None,
        };
        &tokens.unwrap_or(&self.link_tokens[&OfMemory::Inline])[asset]
    }

    /// The principal that an offer or a call about somebody names.
    pub fn principal(&self, role: &Role, target: Target) -> Principal {
        let offerer = |kind: u8| people::other_principal(100 + kind);
        match target {
            Target::Principal(OfPrincipal::Own) => role.principal(),
            Target::Principal(OfPrincipal::Owners) => OWNER.principal(),
            Target::Principal(OfPrincipal::LinkedToOwners) => people::LINKED_TO_OWNER.principal(),
            Target::Offer(OfOffer::Open) => role.offerer(0),
            Target::Offer(OfOffer::Expired) => role.offerer(1),
            Target::Offer(OfOffer::ToSomebodyElse) => offerer(1),
            _ => offerer(0),
        }
    }
}

static NOTHING: LazyLock<Thing> = LazyLock::new(Thing::default);

/// Names of things that never were, and names that are none.
pub fn unknown_things(live: &str) -> Vec<(Target, Thing)> {
    let thing = |id: &str| Thing {
        id: id.into(),
        number: 1,
        capsule: live.into(),
        assets: [format!("asset_{:032x}", 1), format!("asset_{:032x}", 2)],
        blobs: [
            "blob_1234567890123456781".into(),
            "blob_1234567890123456782".into(),
        ],
        storage_key: "nowhere".into(),
        places: [0, 1],
        secret: Vec::new(),
    };
    let link = |id: String, secret: &[u8]| Thing {
        secret: secret.to_vec(),
        ..thing(&id)
    };
    let memory = format!("mem_{:032x}", 1);
    vec![
        (Target::Memory(OfMemory::NeverExisted), thing(&memory)),
        (
            Target::Memory(OfMemory::Malformed),
            thing(&format!("mem_{:032X}", 11)),
        ),
        (
            Target::Blob(OfBlob::NeverExisted),
            thing("blob_1234567890123456789"),
        ),
        (Target::Blob(OfBlob::Malformed), thing("blob_007")),
        (
            Target::Capsule(OfCapsule::NeverExisted),
            thing("capsule_00000000000000ff"),
        ),
        (
            Target::Capsule(OfCapsule::Malformed),
            thing("capsule_00000000000000FF"),
        ),
        (Target::Session(OfSession::NeverExisted), thing("")),
        (
            Target::Link(OfLink::NeverExisted),
            link(format!("share_{:032x}", 1), &[255; 32]),
        ),
        (
            Target::Link(OfLink::Malformed),
            link(format!("share_{:032X}", 11), &[255; 31]),
        ),
    ]
}

/// More than enough to live on.
pub const MEANS: Means = Means {
    balance: u128::MAX / 2,
    liquid: u128::MAX / 4,
    heap: 0,
};

/// Somebody who is nobody's role.
pub fn somebody() -> PersonRef {
    PersonRef::Principal(people::other_principal(200))
}
