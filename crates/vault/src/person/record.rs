//! What is stored of a person whose principals were linked: the same record under each of them.

use candid::Principal;
use minicbor::{Decode, Encode};

use super::Person;
use crate::access::PersonKey;

/// The principals that act as one, the primary first; two of them at least.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PersonRecord {
    #[n(0)]
    pub members: Vec<MemberRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemberRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    principal: Vec<u8>,
    /// Since when it belongs to the person, in nanoseconds since 1970 UTC.
    #[n(1)]
    pub since: u64,
}

impl MemberRecord {
    pub fn new(principal: Principal, since: u64) -> Self {
        Self {
            principal: principal.as_slice().to_vec(),
            since,
        }
    }

    pub fn principal(&self) -> Principal {
        // Only bytes of principals are stored, which are 29 at the most.
        Principal::from_slice(&self.principal)
    }
}

impl PersonRecord {
    /// A principal that others are about to be linked with.
    pub fn of_one(principal: Principal, now: u64) -> Self {
        Self {
            members: vec![MemberRecord::new(principal, now)],
        }
    }

    pub fn person(&self) -> Person {
        let mut principals = self.members.iter().map(MemberRecord::principal);
        // A record has two members at least; nobody at all would be the anonymous principal, who may do nothing.
        let mut person = Person::alone(principals.next().unwrap_or(Principal::anonymous()));
        person.others = principals
            .map(|principal| (principal, PersonKey::of_principal(principal)))
            .collect();
        person
    }
}

/// An offer that two principals act as one person.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OfferRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    by: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    to: Vec<u8>,
    /// From then on it cannot be accepted, in nanoseconds since 1970 UTC.
    #[n(2)]
    pub until: u64,
}

impl OfferRecord {
    pub fn new(by: Principal, to: Principal, until: u64) -> Self {
        Self {
            by: by.as_slice().to_vec(),
            to: to.as_slice().to_vec(),
            until,
        }
    }

    /// The primary principal of who offers.
    pub fn by(&self) -> Principal {
        // Only bytes of principals are stored, here and below.
        Principal::from_slice(&self.by)
    }

    /// To whom it is made.
    pub fn to(&self) -> Principal {
        Principal::from_slice(&self.to)
    }

    pub fn is_open(&self, now: u64) -> bool {
        now < self.until
    }
}
