//! What is said of share links (docs/decisions/0006).

use super::{GOVERN, Part, Rule, in_capsule, named, part};
use crate::people::Standing;
use crate::things::{OfCapsule, OfLink, OfMemory, Target};
use crate::verdict::Verdict;

fn link(target: Target) -> OfLink {
    match target {
        Target::Link(state) => state,
        _ => unreachable!("a rule for share links"),
    }
}

/// A link that shows something: it has not ended, its capsule is there, and its maker governs it still.
fn is_live_link(target: Target) -> bool {
    matches!(
        link(target),
        OfLink::Downloads | OfLink::Views | OfLink::Selection
    )
}

/// For whoever has the secret, nobody included.
pub fn holds_secret() -> Rule {
    Box::new(|_, target| match is_live_link(target) {
        true => Verdict::Ok,
        false => Verdict::NotFound,
    })
}

/// The same for whoever has a name.
pub fn holds_secret_and_is_named() -> Rule {
    let rule = holds_secret();
    named(move |role, target| rule(role, target))
}

/// What a link to the whole capsule shows, to everybody: what is there and has no entry that waits. `given`: whether the link gives it.
pub fn shown_by_link(given: bool) -> Rule {
    Box::new(move |_, target| match target {
        Target::Memory(OfMemory::Unshared | OfMemory::PublicView | OfMemory::PublicDownload)
            if given =>
        {
            Verdict::Ok
        }
        _ => Verdict::NotFound,
    })
}

/// HTTP with a token that a link to the whole capsule gave. Who asks makes no difference.
pub fn by_token_of_link() -> Rule {
    Box::new(|_, target| {
        Verdict::Status(match target {
            Target::Memory(
                OfMemory::Unshared | OfMemory::PublicView | OfMemory::PublicDownload,
            ) => 200,
            Target::Memory(OfMemory::Trashed | OfMemory::Deleted | OfMemory::DeletedByGrantee) => {
                404
            }
            _ => 403,
        })
    })
}

/// Who governs the capsule lists its links, somebody else those that he made.
pub fn lists_links() -> Rule {
    let rule = in_capsule(GOVERN);
    named(move |role, target| match (role.standing, target) {
        (Standing::FormerController, Target::Capsule(OfCapsule::Live)) => Verdict::Ok,
        _ => rule(role, target),
    })
}

/// Who governs the capsule ends its links, and who made one that one, whatever became of the capsule. Again: Ok.
pub fn revokes() -> Rule {
    named(|role, target| {
        let state = link(target);
        let is_maker = match state {
            OfLink::NeverExisted | OfLink::Malformed => false,
            OfLink::OfFormerController => role.standing == Standing::FormerController,
            _ => matches!(role.standing, Standing::Owner | Standing::LinkedToOwner),
        };
        let is_there = !matches!(state, OfLink::InDeletedCapsule | OfLink::InEmptyingCapsule);
        match part(role) {
            _ if is_maker => Verdict::Ok,
            _ if !is_there => Verdict::NotFound,
            Part::Owner | Part::Controller => match state {
                OfLink::NeverExisted | OfLink::Malformed => Verdict::NotFound,
                _ => Verdict::Ok,
            },
            Part::Subject => Verdict::Unauthorized,
            Part::None => Verdict::NotFound,
        }
    })
}
