//! Who is who, and what part they have in a capsule, as the contract says.

use keepsake_api::PersonRef;

use super::Model;
use crate::pools::{ANONYMOUS, PRINCIPALS, principal};

/// A caller's number as the wire names the caller.
pub fn person(who: usize) -> PersonRef {
    PersonRef::Principal(principal(who))
}

impl Model {
    /// Whether this is the caller.
    pub fn is(&self, who: usize, named: &PersonRef) -> bool {
        who != ANONYMOUS && person(who) == *named
    }

    /// Whether what this caller began is also this one's.
    pub fn same(&self, one: usize, other: usize) -> bool {
        one == other
    }

    pub fn is_owner(&self, who: usize, capsule: usize) -> bool {
        !self.capsules[capsule].deleted && self.owned_it(who, capsule)
    }

    /// Owns it, or did so when it was deleted.
    pub fn owned_it(&self, who: usize, capsule: usize) -> bool {
        let mut owners = self.capsules[capsule].owners.iter();
        owners.any(|(owner, _)| self.is(who, owner))
    }

    pub fn is_controller(&self, who: usize, capsule: usize) -> bool {
        let known = &self.capsules[capsule];
        let mut controllers = known.controllers.iter();
        !known.deleted && controllers.any(|controller| self.is(who, controller))
    }

    pub fn is_subject(&self, who: usize, capsule: usize) -> bool {
        let known = &self.capsules[capsule];
        !known.deleted && self.is(who, &known.subject)
    }

    /// Reads the capsule, creates, uploads.
    pub fn may_use(&self, who: usize, capsule: usize) -> bool {
        self.may_govern(who, capsule) || self.is_subject(who, capsule)
    }

    /// Deletes in the capsule, and says who else may do what with its memories.
    pub fn may_govern(&self, who: usize, capsule: usize) -> bool {
        self.is_owner(who, capsule) || self.is_controller(who, capsule)
    }

    /// Somebody who owns the capsule, or did.
    pub fn an_owner(&self, capsule: usize) -> usize {
        let mut callers = 0..PRINCIPALS;
        let owner = callers.find(|who| self.owned_it(*who, capsule));
        owner.expect("a capsule has an owner who can call")
    }
}
