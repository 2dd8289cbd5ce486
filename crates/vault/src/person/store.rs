//! The only code that touches people, and offers to link, in stable memory.

use ic_stable_structures::{BTreeMap, Memory};

use super::record::{OfferRecord, PersonRecord};
use crate::access::PersonKey;
use crate::limits;
use crate::regions::{self, RegionId};
use crate::stable::{Key, Record, Region, RegionManager};

pub struct PersonStore<M: Memory> {
    people: BTreeMap<Key<16>, Record<PersonRecord>, Region<M>>,
    offers: BTreeMap<Key<32>, Record<OfferRecord>, Region<M>>,
    offers_to: BTreeMap<Key<32>, Key<0>, Region<M>>,
    offer_ends: BTreeMap<Key<40>, Key<0>, Region<M>>,
}

/// Who offers (by the primary principal), and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OfferKey {
    pub by: PersonKey,
    pub to: PersonKey,
}

const FIRST: PersonKey = PersonKey([0; 16]);
const LAST: PersonKey = PersonKey([255; 16]);

/// Bounds on the length of a stored [`PersonRecord`] and [`OfferRecord`], in bytes: a principal has up to 29, a time up to 9.
const PERSON_BOUND: usize = 16 + limits::PRINCIPALS_PER_PERSON_MAX * 48;
const OFFER_BOUND: usize = 96;

fn pair(first: PersonKey, second: PersonKey) -> Key<32> {
    Key::of(&[&first.0, &second.0])
}

fn end_key(at: u64, offer: OfferKey) -> Key<40> {
    Key::of(&[&at.to_be_bytes(), &offer.by.0, &offer.to.0])
}

impl<M: Memory> PersonStore<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            people: BTreeMap::init(manager.tree_region(regions::PEOPLE)),
            offers: BTreeMap::init(manager.tree_region(regions::LINK_OFFERS)),
            offers_to: BTreeMap::init(manager.tree_region(regions::LINK_OFFERS_TO)),
            offer_ends: BTreeMap::init(manager.tree_region(regions::LINK_OFFER_ENDS)),
        }
    }

    /// What changing the records of this many principals and this many offers needs.
    pub fn needs(principals: usize, offers: usize) -> Vec<(RegionId, u64)> {
        let mut needs = Vec::new();
        if principals > 0 {
            let need = crate::tree_need(principals, principals * PERSON_BOUND);
            needs.push((regions::PEOPLE, need));
        }
        if offers > 0 {
            needs.extend([
                (
                    regions::LINK_OFFERS,
                    crate::tree_need(offers, offers * OFFER_BOUND),
                ),
                (regions::LINK_OFFERS_TO, crate::tree_need(offers, 0)),
                // A renewed offer changes its end: one goes, another comes.
                (regions::LINK_OFFER_ENDS, crate::tree_need(2 * offers, 0)),
            ]);
        }
        needs
    }

    /// The record of the person that the principal with this key belongs to; `None` for one that is not linked.
    pub fn get(&self, key: PersonKey) -> Option<PersonRecord> {
        self.people.get(&Key(key.0)).map(|record| record.decode())
    }

    /// Stores the person under each of its principals. Those of a person of one are not linked: nothing is kept of them.
    pub fn set(&mut self, record: &PersonRecord) {
        let is_linked = record.members.len() > 1;
        for member in &record.members {
            let key = PersonKey::of_principal(member.principal());
            if is_linked {
                self.people.insert(Key(key.0), Record::encode(record));
            } else {
                self.remove(key);
            }
        }
    }

    /// Makes the principal with this key one that is not linked. The others' records are the caller's.
    pub fn remove(&mut self, key: PersonKey) {
        self.people.remove(&Key(key.0));
    }

    /// The offer, also after its end.
    pub fn offer(&self, offer: OfferKey) -> Option<OfferRecord> {
        self.offers
            .get(&pair(offer.by, offer.to))
            .map(|record| record.decode())
    }

    /// Makes an offer, or one that is there anew.
    pub fn set_offer(&mut self, offer: OfferKey, record: &OfferRecord) {
        self.remove_offer(offer);
        self.offers
            .insert(pair(offer.by, offer.to), Record::encode(record));
        self.offers_to.insert(pair(offer.to, offer.by), Key([]));
        self.offer_ends
            .insert(end_key(record.until, offer), Key([]));
    }

    /// Takes an offer back; nothing where there is none.
    pub fn remove_offer(&mut self, offer: OfferKey) {
        if let Some(record) = self.offers.remove(&pair(offer.by, offer.to)) {
            let until = record.decode().until;
            self.offers_to.remove(&pair(offer.to, offer.by));
            self.offer_ends.remove(&end_key(until, offer));
        }
    }

    /// The offers that a person makes, those that have ended too. There are [`limits::LINK_OFFERS_MAX`] at the most.
    pub fn offers_by(&self, by: PersonKey) -> impl Iterator<Item = (OfferKey, OfferRecord)> + '_ {
        self.offers
            .range(pair(by, FIRST)..=pair(by, LAST))
            .map(move |entry| {
                let to = PersonKey(entry.key().part(16));
                (OfferKey { by, to }, entry.value().decode())
            })
    }

    /// The offers made to a principal, those that have ended too. There may be any number.
    pub fn offers_to(&self, to: PersonKey) -> impl Iterator<Item = OfferKey> + '_ {
        self.offers_to
            .keys_range(pair(to, FIRST)..=pair(to, LAST))
            .map(move |key| {
                let by = PersonKey(key.part(16));
                OfferKey { by, to }
            })
    }

    /// Offers of anybody that have ended by `now`, those that ended first first.
    pub fn ended(&self, now: u64) -> impl Iterator<Item = OfferKey> + '_ {
        let last = OfferKey { by: LAST, to: LAST };
        self.offer_ends
            .keys_range(..=end_key(now, last))
            .map(|key| OfferKey {
                by: PersonKey(key.part(8)),
                to: PersonKey(key.part(24)),
            })
    }

    /// Every record of a person with the key it is stored under, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all(&self) -> Vec<(PersonKey, PersonRecord)> {
        self.people
            .iter()
            .map(|entry| (PersonKey(entry.key().part(0)), entry.value().decode()))
            .collect()
    }

    /// Every offer, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all_offers(&self) -> Vec<(OfferKey, OfferRecord)> {
        self.offers
            .iter()
            .map(|entry| {
                let key = entry.key();
                let (by, to) = (PersonKey(key.part(0)), PersonKey(key.part(16)));
                (OfferKey { by, to }, entry.value().decode())
            })
            .collect()
    }

    /// The offers as the two indexes name them, with their ends, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn indexed_offers(&self) -> (Vec<OfferKey>, Vec<(u64, OfferKey)>) {
        let to = self.offers_to.keys().map(|key| OfferKey {
            by: PersonKey(key.part(16)),
            to: PersonKey(key.part(0)),
        });
        let ends = self.offer_ends.keys().map(|key| {
            let (by, to) = (PersonKey(key.part(8)), PersonKey(key.part(24)));
            (key.number(0), OfferKey { by, to })
        });
        (to.collect(), ends.collect())
    }
}
