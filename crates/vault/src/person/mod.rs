//! People: one to eight principals that act as one, so that a key in a browser, a key of the command line and an Internet Identity
//! are the same person to the vault. Carries the part of I6 that says who somebody is.
//!
//! What is checked is checked for all principals of a person together; what is written names the first of them. So taking a lost
//! device's principal out loses nothing that was written since it was linked.

mod operations;
mod record;
mod store;

#[cfg(any(test, feature = "recount"))]
pub use record::{MemberRecord, OfferRecord, PersonRecord};
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

    /// Whether it has one principal only.
    pub fn is_alone(&self) -> bool {
        self.others.is_empty()
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

#[cfg(any(test, feature = "recount"))]
impl<M: Memory> Vault<M> {
    /// Checks the records of people and of offers: one person is the same under each of its principals, and the indexes of offers
    /// name what is there.
    ///
    /// # Errors
    /// What differs, in words.
    pub(crate) fn recount_people(&self) -> std::result::Result<(), String> {
        use std::collections::BTreeSet;

        use crate::limits;

        let all = self.people.all();
        for (key, record) in &all {
            let keys: BTreeSet<_> = record.person().keys().collect();
            let count = record.members.len();
            if !(2..=limits::PRINCIPALS_PER_PERSON_MAX).contains(&count) || keys.len() != count {
                return Err(format!("a person has the principals {:?}", record.members));
            }
            let is_same = |key: &PersonKey| self.people.get(*key).as_ref() == Some(record);
            if !keys.contains(key) || !keys.iter().all(is_same) {
                return Err(format!("{record:?} is not the same under each principal"));
            }
        }
        let (mut offers, mut ends) = (Vec::new(), Vec::new());
        for (key, record) in self.people.all_offers() {
            let sides = [record.by(), record.to()].map(PersonKey::of_principal);
            if sides != [key.by, key.to]
                || self.people.offers_by(key.by).count() > limits::LINK_OFFERS_MAX
            {
                return Err(format!("the offer {record:?} is in the wrong place"));
            }
            offers.push(key);
            ends.push((record.until, key));
        }
        let (mut offers_kept, ends_kept) = self.people.indexed_offers();
        offers_kept.sort();
        ends.sort();
        if offers_kept != offers || ends_kept != ends {
            return Err("the indexes of offers do not name the offers".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
