//! People: one to eight principals that act as one, so that a key in a browser, a key of the command line and an Internet Identity
//! are the same person to the vault. Carries the part of I6 that says who somebody is.
//!
//! What is checked is checked for all principals of a person together; what is written names the first of them. So taking a lost
//! device's principal out loses nothing that was written since it was linked.

mod record;
mod store;

pub use store::PersonStore;

use candid::Principal;
use ic_stable_structures::Memory;

use crate::Vault;
use crate::access::PersonKey;
use crate::call::Call;
use crate::error::Result;

/// Somebody who calls, or for whom something is judged: one to [`crate::limits::PRINCIPALS_PER_PERSON_MAX`] principals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The person's first principal: what is written into records. Of one who is not linked, the only one.
    pub acting: Principal,
    key: PersonKey,
    /// The further principals. Empty for most people, which costs nothing.
    others: Vec<(Principal, PersonKey)>,
}

impl Person {
    /// A principal that is not linked with others.
    pub fn alone(principal: Principal) -> Self {
        Self::alone_with_key(principal, PersonKey::of_principal(principal))
    }

    fn alone_with_key(principal: Principal, key: PersonKey) -> Self {
        Person {
            acting: principal,
            key,
            others: Vec::new(),
        }
    }

    /// The key that what is written is found by.
    pub fn primary_key(&self) -> PersonKey {
        self.key
    }

    /// The keys of all its principals, the first one's first.
    pub fn keys(&self) -> impl Iterator<Item = PersonKey> + '_ {
        std::iter::once(self.key).chain(self.others.iter().map(|(_, key)| *key))
    }

    /// All its principals, the first one first.
    pub fn principals(&self) -> impl Iterator<Item = Principal> + '_ {
        std::iter::once(self.acting).chain(self.others.iter().map(|(principal, _)| *principal))
    }

    /// Whether one of its principals has this key.
    pub fn has_key(&self, key: PersonKey) -> bool {
        self.keys().any(|own| own == key)
    }

    /// Whether this is one of its principals.
    pub fn includes(&self, principal: &[u8]) -> bool {
        self.principals().any(|own| own.as_slice() == principal)
    }
}

impl<M: Memory> Vault<M> {
    /// Who calls.
    ///
    /// # Errors
    /// [`crate::Error::Unauthorized`] for the anonymous caller, who is nobody. Every operation but `whoami` and `upload_config` starts
    /// here, queries too (I6).
    pub(crate) fn person(&self, call: Call) -> Result<Person> {
        call.check_named()
            .map(|principal| self.person_of(principal))
    }

    /// The person that the principal belongs to. One look-up for a principal that is not linked.
    pub(crate) fn person_of(&self, principal: Principal) -> Person {
        let key = PersonKey::of_principal(principal);
        match self.people.get(key) {
            Some(record) => record.person(),
            None => Person::alone_with_key(principal, key),
        }
    }
}
