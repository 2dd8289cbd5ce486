//! The only code that touches people in stable memory.

use ic_stable_structures::{BTreeMap, Memory};

use super::record::PersonRecord;
use crate::access::PersonKey;
use crate::regions;
use crate::stable::{Key, Record, Region, RegionManager};

pub struct PersonStore<M: Memory> {
    people: BTreeMap<Key<16>, Record<PersonRecord>, Region<M>>,
}

impl<M: Memory> PersonStore<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            people: BTreeMap::init(manager.tree_region(regions::PEOPLE)),
        }
    }

    /// The record of the person that the principal with this key belongs to; `None` for one that is not linked.
    pub fn get(&self, key: PersonKey) -> Option<PersonRecord> {
        self.people.get(&Key(key.0)).map(|record| record.decode())
    }
}
