//! What the contract says ("Callers and permissions", and each method's section). Nothing here knows of the vault's code.

pub mod links;

use crate::people::{ALL, DOWNLOAD, MANAGE, OWN, Role, Standing, VIEW};
use crate::things::{OfBlob, OfCapsule, OfMemory, OfOffer, OfPrincipal, OfSession, Target};
use crate::verdict::Verdict;

pub type Rule = Box<dyn Fn(&Role, Target) -> Verdict + Send + Sync>;

/// What somebody is in the capsule while it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    None,
    Subject,
    Controller,
    Owner,
}

pub fn part(role: &Role) -> Part {
    match role.standing {
        // Linked principals act as one person.
        Standing::Owner | Standing::SecondOwner | Standing::LinkedToOwner => Part::Owner,
        Standing::Controller => Part::Controller,
        Standing::Subject => Part::Subject,
        _ => Part::None,
    }
}

/// Read the capsule, list it, create memories and upload: owner, controller, subject.
pub const USE: Part = Part::Subject;
/// Delete content, change access: owner, controller.
pub const GOVERN: Part = Part::Controller;

fn has_own_capsule(role: &Role) -> bool {
    matches!(
        role.standing,
        Standing::Owner | Standing::LinkedToOwner | Standing::Stranger
    )
}

/// What entries of its own give the role on a memory that is shared: a role stands for a mask where the mask is 0.
fn by_entries(role: &Role) -> u32 {
    use keepsake_api::ResourceRole as Given;
    match role.standing {
        Standing::Entry(0, Given::Owner) => 31,
        Standing::Entry(0, Given::SuperAdmin | Given::Admin) => 15,
        Standing::Entry(0, Given::Member) => 3,
        Standing::Entry(0, Given::Guest) => 1,
        Standing::Entry(mask, _) => mask,
        Standing::LinkedToGrantee | Standing::LinkedByGrantee => VIEW | DOWNLOAD,
        Standing::Member | Standing::Waited(_) => VIEW,
        _ => 0,
    }
}

/// What the role may do with a memory in this state, were it there to be read.
fn mask(role: &Role, state: OfMemory) -> u32 {
    if !role.is_named() {
        return 0;
    }
    let by_part = match part(role) {
        Part::Owner | Part::Controller => ALL,
        Part::Subject => VIEW | DOWNLOAD | MANAGE,
        Part::None => 0,
    };
    let by_entries = match state {
        OfMemory::Inline
        | OfMemory::Internal
        | OfMemory::External
        | OfMemory::Trashed
        | OfMemory::Overdue => by_entries(role),
        OfMemory::PublicView => VIEW,
        OfMemory::PublicDownload => VIEW | DOWNLOAD,
        _ => 0,
    };
    match by_part | by_entries {
        // Who may not view a thing may do nothing with it.
        mask if mask & VIEW == 0 => 0,
        mask => mask,
    }
}

fn is_live(state: OfMemory) -> bool {
    matches!(
        state,
        OfMemory::Inline
            | OfMemory::Internal
            | OfMemory::External
            | OfMemory::Unshared
            | OfMemory::PublicView
            | OfMemory::PublicDownload
    )
}

/// What the role may do with a memory that it may view; `None` where it may not, or the memory is not there.
pub fn readable(role: &Role, state: OfMemory) -> Option<u32> {
    let may = mask(role, state);
    (is_live(state) && may != 0).then_some(may)
}

fn has(mask: u32, needed: u32) -> bool {
    mask & needed == needed
}

/// A rule for callers who have a name; the anonymous principal may nothing.
fn named(rule: impl Fn(&Role, Target) -> Verdict + Send + Sync + 'static) -> Rule {
    Box::new(move |role, target| {
        if role.is_named() {
            rule(role, target)
        } else {
            Verdict::Unauthorized
        }
    })
}

pub fn always(verdict: Verdict) -> Rule {
    Box::new(move |_, _| verdict.clone())
}

/// Anybody with a name.
pub fn anybody() -> Rule {
    named(|_, _| Verdict::Ok)
}

/// Needs these permissions on a memory that is there. `then` says what a call comes to that is allowed.
pub fn on_memory_then(
    needed: u32,
    then: impl Fn(&Role, OfMemory) -> Verdict + Send + Sync + 'static,
) -> Rule {
    named(move |role, target| {
        let Target::Memory(state) = target else {
            unreachable!("a rule for memories");
        };
        let may = mask(role, state);
        if !is_live(state) || may == 0 {
            Verdict::NotFound
        } else if has(may, needed) {
            then(role, state)
        } else {
            Verdict::Unauthorized
        }
    })
}

pub fn on_memory(needed: u32) -> Rule {
    on_memory_then(needed, |_, _| Verdict::Ok)
}

/// The same for calls that succeed for everybody, and leave out what is refused.
pub fn left_out(needed: u32) -> Rule {
    let rule = on_memory(needed);
    named(move |role, target| match rule(role, target) {
        Verdict::Ok => Verdict::Ok,
        _ => Verdict::Nothing,
    })
}

/// An asset kept in this way is removed; a memory without one answers that there was none.
pub fn removes(is_kept_so: fn(OfMemory) -> bool) -> Rule {
    on_memory_then(MANAGE, move |_, state| match is_kept_so(state) {
        true => Verdict::Ok,
        false => Verdict::Nothing,
    })
}

pub fn is_inline(state: OfMemory) -> bool {
    // A derivative of external content can only be added as inline bytes, or as a blob.
    matches!(
        state,
        OfMemory::Inline | OfMemory::Unshared | OfMemory::External
    )
}

pub fn is_internal(state: OfMemory) -> bool {
    matches!(
        state,
        OfMemory::Internal | OfMemory::PublicView | OfMemory::PublicDownload
    )
}

pub fn is_external(state: OfMemory) -> bool {
    state == OfMemory::External
}

/// Who hears that a deleted memory is deleted: who deleted it, and who might have.
fn hears_of_deletion(role: &Role, state: OfMemory) -> bool {
    match state {
        OfMemory::Deleted => part(role) >= GOVERN,
        OfMemory::DeletedByGrantee => part(role) >= GOVERN || role.deleted_by_entry(),
        _ => false,
    }
}

/// Deleting, or trashing: of what is there, in the trash or not, by who has OWN; again: Ok.
pub fn deletes() -> Rule {
    named(|role, target| {
        let Target::Memory(state) = target else {
            unreachable!("a rule for memories");
        };
        let may = mask(role, state);
        match state {
            OfMemory::Trashed | OfMemory::Overdue if has(may, VIEW | OWN) => Verdict::Ok,
            _ if hears_of_deletion(role, state) => Verdict::Ok,
            _ if !is_live(state) || may == 0 => Verdict::NotFound,
            _ if has(may, OWN) => Verdict::Ok,
            _ => Verdict::Unauthorized,
        }
    })
}

/// Taking out of the trash: the same, but what was deleted, or is there for more than 30 days, is gone.
pub fn restores() -> Rule {
    let deletes = deletes();
    named(move |role, target| match target {
        Target::Memory(OfMemory::Overdue | OfMemory::Deleted | OfMemory::DeletedByGrantee) => {
            Verdict::NotFound
        }
        _ => deletes(role, target),
    })
}

/// Deleting several: each is judged by itself, and counts as failed; who may not read the capsule and deletes nothing learns nothing.
pub fn deletes_in_bulk() -> Rule {
    let deletes = deletes();
    named(move |role, target| {
        let is_there = !matches!(
            target,
            Target::Memory(OfMemory::InDeletedCapsule | OfMemory::InEmptyingCapsule)
        );
        match deletes(role, target) {
            Verdict::Ok => Verdict::Ok,
            _ if is_there && part(role) >= USE => Verdict::Nothing,
            _ => Verdict::NotFound,
        }
    })
}

/// Deleting several of another capsule: none of them is one of it.
pub fn deletes_elsewhere() -> Rule {
    named(|role, _| match has_own_capsule(role) {
        true => Verdict::Nothing,
        false => Verdict::NotFound,
    })
}

/// What others share with the caller: by an entry for the caller that counts.
pub fn shared_with_caller() -> Rule {
    named(|role, target| match target {
        Target::Memory(OfMemory::Inline | OfMemory::Internal | OfMemory::External)
            if has(by_entries(role), VIEW) =>
        {
            Verdict::Ok
        }
        _ => Verdict::Nothing,
    })
}

/// HTTP with a token that was minted while its holder had every right. It opens what its holder may still read; it names one memory. 404
/// is for what is there no more, 403 for what the holder may not read any more.
pub fn by_token(needed: u32) -> Rule {
    Box::new(move |role, target| {
        let Target::Memory(state) = target else {
            unreachable!("a rule for memories");
        };
        // There is no token for nobody.
        if !role.is_named() {
            return Verdict::Status(401);
        }
        let may = mask(role, state);
        let status = match state {
            // No token of theirs is valid: that of another memory does not open them.
            OfMemory::NeverExisted | OfMemory::Malformed | OfMemory::Overdue => 403,
            OfMemory::Trashed
            | OfMemory::Deleted
            | OfMemory::DeletedByGrantee
            | OfMemory::InDeletedCapsule
            | OfMemory::InEmptyingCapsule => 404,
            // What is kept elsewhere is not served.
            OfMemory::External if may != 0 && has(needed, DOWNLOAD) => 404,
            _ if has(may, VIEW | needed) => 200,
            _ => 403,
        };
        Verdict::Status(status)
    })
}

/// What the role may read of a blob, or nothing.
fn reads(role: &Role, state: OfBlob) -> bool {
    let through = |memory, needed| has(mask(role, memory), VIEW | needed);
    match state {
        OfBlob::SharedOriginal => through(OfMemory::Internal, DOWNLOAD),
        OfBlob::SharedThumbnail => through(OfMemory::Internal, VIEW),
        OfBlob::PublicView => through(OfMemory::PublicView, DOWNLOAD),
        OfBlob::PublicDownload => through(OfMemory::PublicDownload, DOWNLOAD),
        OfBlob::Unshared | OfBlob::Trashed | OfBlob::LeftOver | OfBlob::Unreferenced => {
            part(role) >= USE
        }
        OfBlob::InOtherCapsule => has_own_capsule(role) && part(role) == Part::Owner,
        _ => false,
    }
}

pub fn reads_blob() -> Rule {
    named(|role, target| match target {
        Target::Blob(OfBlob::Malformed) => malformed(),
        Target::Blob(state) if reads(role, state) => Verdict::Ok,
        _ => Verdict::NotFound,
    })
}

fn malformed() -> Verdict {
    Verdict::Invalid("blob_id_malformed".into())
}

/// For who governs the capsule, and nobody while a memory references it, in the trash or not. Again: Ok.
pub fn deletes_blob() -> Rule {
    named(|role, target| {
        let governs = part(role) >= GOVERN;
        match target {
            Target::Blob(OfBlob::Malformed) => malformed(),
            Target::Blob(OfBlob::Deleted) if governs => Verdict::Ok,
            Target::Blob(OfBlob::InOtherCapsule) if reads(role, OfBlob::InOtherCapsule) => {
                Verdict::Ok
            }
            Target::Blob(state) if reads(role, state) => match state {
                _ if !governs => Verdict::Unauthorized,
                OfBlob::LeftOver | OfBlob::Unreferenced => Verdict::Ok,
                _ => Verdict::Conflict,
            },
            _ => Verdict::NotFound,
        }
    })
}

/// A blob is referenced only by memories of its capsule, and only by who may read it.
fn referenced(role: &Role, target: Target) -> Verdict {
    match target {
        Target::Blob(OfBlob::Malformed) => malformed(),
        Target::Blob(state) if state != OfBlob::InOtherCapsule && reads(role, state) => Verdict::Ok,
        _ => Verdict::Invalid("blob_mismatch".into()),
    }
}

/// A new memory of a blob.
pub fn creates_of_blob() -> Rule {
    named(|role, target| match part(role) >= USE {
        true => referenced(role, target),
        false => Verdict::NotFound,
    })
}

/// The same in the caller's own capsule, where the blob is not, but for one that is the owner's.
pub fn creates_of_blob_elsewhere() -> Rule {
    named(|role, target| match target {
        _ if !has_own_capsule(role) => Verdict::NotFound,
        Target::Blob(OfBlob::Malformed) => malformed(),
        Target::Blob(OfBlob::InOtherCapsule) if part(role) == Part::Owner => Verdict::Ok,
        _ => Verdict::Invalid("blob_mismatch".into()),
    })
}

/// A blob for the memory [`OfMemory::Inline`].
pub fn adds_blob() -> Rule {
    named(|role, target| {
        let may = mask(role, OfMemory::Inline);
        if may == 0 {
            Verdict::NotFound
        } else if has(may, MANAGE) {
            referenced(role, target)
        } else {
            Verdict::Unauthorized
        }
    })
}

/// Needs a part in the capsule. `then` says what a call comes to that is allowed.
pub fn in_capsule_then(needed: Part, then: fn(&Role) -> Verdict) -> Rule {
    named(move |role, target| match (target, part(role)) {
        (Target::Capsule(OfCapsule::Live), Part::None) => Verdict::NotFound,
        (Target::Capsule(OfCapsule::Live), part) if part >= needed => then(role),
        (Target::Capsule(OfCapsule::Live), _) => Verdict::Unauthorized,
        _ => Verdict::NotFound,
    })
}

pub fn in_capsule(needed: Part) -> Rule {
    in_capsule_then(needed, |_| Verdict::Ok)
}

fn is_gone(target: Target) -> bool {
    matches!(
        target,
        Target::Capsule(OfCapsule::Deleted | OfCapsule::Emptying)
    )
}

/// The same for what an owner goes on hearing of when the capsule was deleted.
pub fn in_capsule_or_after(needed: Part) -> Rule {
    let rule = in_capsule(needed);
    named(move |role, target| match part(role) {
        Part::Owner if is_gone(target) => Verdict::Ok,
        _ => rule(role, target),
    })
}

/// Taking oneself out: for owners, for a controller where it is one of those, and again for who has left before.
pub fn takes_itself_out(also: Part) -> Rule {
    let rule = in_capsule(also);
    named(move |role, target| {
        let left = matches!(
            role.standing,
            Standing::OwnerWhoLeft | Standing::ControllerWhoLeft
        );
        let was_there = is_gone(target) || target == Target::Capsule(OfCapsule::Live);
        match left && was_there {
            true => Verdict::Ok,
            false => rule(role, target),
        }
    })
}

/// A list of capsules has those that the caller has a part in. It has no place for an error.
pub fn lists_capsule() -> Rule {
    let rule = in_capsule(USE);
    Box::new(move |role, target| match rule(role, target) {
        Verdict::Ok => Verdict::Ok,
        _ => Verdict::Nothing,
    })
}

/// The caller's own capsule.
pub fn own_capsule(verdict: Verdict) -> Rule {
    named(move |role, _| match has_own_capsule(role) {
        true => verdict.clone(),
        false => Verdict::NotFound,
    })
}

/// For who owns or controls any capsule.
pub fn governs_any() -> Rule {
    named(
        |role, _| match part(role) >= GOVERN || has_own_capsule(role) {
            true => Verdict::Ok,
            false => Verdict::Unauthorized,
        },
    )
}

/// Whether the role opened upload sessions in the capsule, while it could.
pub fn opened_sessions(role: &Role) -> bool {
    part(role) >= USE
        || matches!(
            role.standing,
            Standing::FormerOwner
                | Standing::FormerController
                | Standing::OwnerWhoLeft
                | Standing::ControllerWhoLeft
        )
}

/// Only for who opened the session, and while it has not expired; `still` says whether the caller must still have a part in the capsule.
pub fn on_session(still: bool, then: fn(OfSession) -> Verdict) -> Rule {
    named(move |role, target| {
        let Target::Session(state) = target else {
            unreachable!("a rule for sessions");
        };
        match state {
            OfSession::Begun | OfSession::Complete | OfSession::Finished | OfSession::Aborted
                if opened_sessions(role) && (!still || part(role) >= USE) =>
            {
                then(state)
            }
            _ => Verdict::NotFound,
        }
    })
}

/// A list of sessions has those that the caller opened and that have not expired.
pub fn lists_session() -> Rule {
    let rule = on_session(false, |_| Verdict::Ok);
    named(move |role, target| match rule(role, target) {
        Verdict::Ok => Verdict::Ok,
        _ => Verdict::Nothing,
    })
}

/// There is something that has expired.
pub fn clears_expired() -> Rule {
    named(|role, _| match opened_sessions(role) {
        true => Verdict::Ok,
        false => Verdict::Nothing,
    })
}

/// Only whom the offer was made to, for a day; a person of several principals is linked already.
pub fn accepts() -> Rule {
    named(|role, target| match target {
        Target::Offer(OfOffer::Open) if role.is_linked() => Verdict::Conflict,
        Target::Offer(OfOffer::Open) => Verdict::Ok,
        _ => Verdict::NotFound,
    })
}

/// Offers may be made to anybody but oneself and nobody.
pub fn offers() -> Rule {
    named(|role, target| match (target, role.standing) {
        (Target::Principal(OfPrincipal::Own), _)
        | (Target::Principal(OfPrincipal::Owners), Standing::Owner)
        | (Target::Principal(OfPrincipal::LinkedToOwners), Standing::LinkedToOwner) => {
            Verdict::Invalid("principal".into())
        }
        _ => Verdict::Ok,
    })
}

/// The first principal is taken out by itself only; what is not the caller's is none of its business.
pub fn unlinks() -> Rule {
    named(|role, target| match (target, role.standing) {
        (Target::Principal(OfPrincipal::Owners), Standing::LinkedToOwner) => Verdict::Conflict,
        _ => Verdict::Ok,
    })
}
