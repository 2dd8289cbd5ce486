//! Linking principals into one person, with the consent of both: one side offers, the other accepts.
//!
//! Whoever holds any of a person's principals acts for all of it, but a principal that was linked later cannot throw out the
//! primary: so the owner of the primary can always get rid of a key that was stolen.

use candid::Principal;
use ic_stable_structures::Memory;
use keepsake_api as api;

use super::record::{MemberRecord, OfferRecord, PersonRecord};
use super::store::{OfferKey, PersonStore};
use crate::Vault;
use crate::access::PersonKey;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::limits;

/// How many ended offers of anybody a new offer clears away: more than it adds, so that they do not pile up.
const ENDED_CLEARED: usize = 4;
/// How many offers to a principal are looked at for those to show.
const OFFERS_LOOKED_AT: usize = 64;

impl<M: Memory> Vault<M> {
    /// Offers that the principal acts as one person with the caller. The offer can be accepted for 24 hours; made again, it begins anew.
    /// Nothing where they are one person already.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::Invalid`] for the caller itself, and for the anonymous and the
    /// management principal, which are nobody's; [`Error::ResourceExhausted`] for a person of [`limits::PRINCIPALS_PER_PERSON_MAX`]
    /// principals, or with [`limits::LINK_OFFERS_MAX`] other open offers.
    pub fn person_link_offer(&mut self, call: Call, to: Principal) -> Result<()> {
        let person = self.person(call)?;
        check_somebody_else(call, to)?;
        if person.includes(to.as_slice()) {
            return Ok(());
        }
        if person.principals().count() >= limits::PRINCIPALS_PER_PERSON_MAX {
            return Err(Error::ResourceExhausted);
        }
        let offer = OfferKey {
            by: person.primary_key(),
            to: PersonKey::of_principal(to),
        };
        let others = self.people.offers_by(offer.by);
        let (open, ended): (Vec<_>, Vec<_>) = others
            .filter(|(other, _)| *other != offer)
            .partition(|(_, record)| record.is_open(call.now));
        if open.len() >= limits::LINK_OFFERS_MAX {
            return Err(Error::ResourceExhausted);
        }
        let mut ended: Vec<OfferKey> = ended.into_iter().map(|(key, _)| key).collect();
        ended.extend(self.people.ended(call.now).take(ENDED_CLEARED));
        self.regions
            .reserve(&PersonStore::<M>::needs(0, ended.len() + 1))?;

        for ended in ended {
            self.people.remove_offer(ended);
        }
        let until = call.now.saturating_add(limits::LINK_OFFER_LIFETIME);
        let record = OfferRecord::new(person.acting, to, until);
        self.people.set_offer(offer, &record);
        Ok(())
    }

    /// Accepts the offer of the person that the principal belongs to: the caller becomes one of its principals. Offers that the
    /// caller made are withdrawn. Nothing where they are one person already.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::Invalid`] as [`Self::person_link_offer`]; [`Error::NotFound`] where
    /// that person made no such offer, or it has ended; [`Error::Conflict`] for a caller who is linked with somebody else;
    /// [`Error::ResourceExhausted`] where that person has [`limits::PRINCIPALS_PER_PERSON_MAX`] principals.
    pub fn person_link_accept(&mut self, call: Call, by: Principal) -> Result<()> {
        let person = self.person(call)?;
        check_somebody_else(call, by)?;
        if person.includes(by.as_slice()) {
            return Ok(());
        }
        let other = self.person_of(by);
        let offer = OfferKey {
            by: other.primary_key(),
            to: PersonKey::of_principal(call.caller),
        };
        self.people
            .offer(offer)
            .filter(|record| record.is_open(call.now))
            .ok_or(Error::NotFound)?;
        if !person.is_alone() {
            return Err(Error::Conflict(
                "the caller is linked with other principals; unlink it from them first".into(),
            ));
        }
        let mut linked = self
            .people
            .get(offer.by)
            .unwrap_or_else(|| PersonRecord::of_one(other.acting, call.now));
        if linked.members.len() >= limits::PRINCIPALS_PER_PERSON_MAX {
            return Err(Error::ResourceExhausted);
        }
        linked
            .members
            .push(MemberRecord::new(call.caller, call.now));
        let withdrawn = self.offers_of(offer.to);
        self.regions.reserve(&PersonStore::<M>::needs(
            linked.members.len(),
            withdrawn.len() + 1,
        ))?;

        self.people.remove_offer(offer);
        for offer in withdrawn {
            self.people.remove_offer(offer);
        }
        self.people.set(&linked);
        Ok(())
    }

    /// Takes a principal, the caller's own too, out of the caller's person, and withdraws an open offer to it. What is named after it stays
    /// its own; what was written while it was linked is named after the primary, and stays with the others. Where the primary goes, the
    /// next one takes its place, and offers are withdrawn. Nothing for a principal that is not the caller's.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::Invalid`] for the anonymous and the management principal;
    /// [`Error::Conflict`] for the primary where another principal calls: whoever has stolen a key must not throw out who linked it.
    pub fn person_unlink(&mut self, call: Call, principal: Principal) -> Result<()> {
        let person = self.person(call)?;
        check_somebody(principal)?;
        let key = PersonKey::of_principal(principal);
        let primary = person.primary_key();
        if person.is_alone() || !person.includes(principal.as_slice()) {
            let offer = OfferKey {
                by: primary,
                to: key,
            };
            if self.people.offer(offer).is_some() {
                self.regions
                    .reserve_for_freeing(&PersonStore::<M>::needs(0, 1))?;
                self.people.remove_offer(offer);
            }
            return Ok(());
        }
        if key == primary && call.caller != principal {
            return Err(Error::Conflict(
                "the primary principal is taken out only by itself".into(),
            ));
        }
        let mut left = self.people.get(primary).ok_or(Error::NotFound)?;
        left.members
            .retain(|member| member.principal() != principal);
        let withdrawn = if key == primary {
            self.offers_of(primary)
        } else {
            Vec::new()
        };
        self.regions.reserve_for_freeing(&PersonStore::<M>::needs(
            left.members.len() + 1,
            withdrawn.len(),
        ))?;

        self.people.remove(key);
        self.people.set(&left);
        for offer in withdrawn {
            self.people.remove_offer(offer);
        }
        Ok(())
    }

    /// Who the caller is: its principals, the offers it makes, and some of those made to the principal that calls. There may be more than
    /// are shown; each can be accepted by who knows of it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller.
    pub fn person_read(&self, call: Call) -> Result<api::Person> {
        let person = self.person(call)?;
        let linked = self.people.get(person.primary_key());
        let principals = match &linked {
            Some(record) => record
                .members
                .iter()
                .map(|member| api::LinkedPrincipal {
                    principal: member.principal(),
                    since: Some(member.since),
                })
                .collect(),
            None => vec![api::LinkedPrincipal {
                principal: person.acting,
                since: None,
            }],
        };
        let offers_made = self
            .people
            .offers_by(person.primary_key())
            .map(|(_, record)| record)
            .filter(|record| record.is_open(call.now))
            .map(|record| api::LinkOffer {
                principal: record.to(),
                expires_at: record.until,
            })
            .collect();
        let offers_received = self
            .people
            .offers_to(PersonKey::of_principal(call.caller))
            .take(OFFERS_LOOKED_AT)
            .filter_map(|offer| self.people.offer(offer))
            .filter(|record| record.is_open(call.now))
            .take(limits::LINK_OFFERS_MAX)
            .map(|record| api::LinkOffer {
                principal: record.by(),
                expires_at: record.until,
            })
            .collect();
        Ok(api::Person {
            principals,
            offers_made,
            offers_received,
        })
    }

    fn offers_of(&self, by: PersonKey) -> Vec<OfferKey> {
        self.people.offers_by(by).map(|(offer, _)| offer).collect()
    }
}

/// # Errors
/// [`Error::Invalid`] for principals that nobody calls as.
fn check_somebody(principal: Principal) -> Result<()> {
    if principal == Principal::anonymous() || principal == Principal::management_canister() {
        return Err(Error::invalid(
            "principal",
            "the anonymous and the management principal are nobody's",
        ));
    }
    Ok(())
}

/// # Errors
/// [`Error::Invalid`] for principals that nobody calls as, and for the one that calls.
fn check_somebody_else(call: Call, principal: Principal) -> Result<()> {
    check_somebody(principal)?;
    if principal == call.caller {
        return Err(Error::invalid(
            "principal",
            "the caller itself; one of another person's is needed",
        ));
    }
    Ok(())
}
