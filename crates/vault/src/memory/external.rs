//! External content of removed assets. A canister cannot delete it; a client reads this list, carries it out and acknowledges.

use ic_stable_structures::{BTreeMap, Memory};
use keepsake_api::BlobHosting;
use minicbor::{Decode, Encode};

use crate::hash::sha256_of_fields;
use crate::ids::CapsuleId;
use crate::regions::{self, RegionId};
use crate::stable::{Key, Record, Region, RegionManager};
use crate::stored::{Code, Coded};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExternalDeletion {
    #[n(0)]
    pub location: Coded<BlobHosting>,
    #[n(1)]
    pub storage_key: String,
    /// When the asset was removed.
    #[n(2)]
    pub at: u64,
}

pub struct ExternalDeletions<M: Memory> {
    map: BTreeMap<Key<24>, Record<ExternalDeletion>, Region<M>>,
}

impl<M: Memory> ExternalDeletions<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            map: BTreeMap::init(manager.tree_region(regions::EXTERNAL_DELETIONS)),
        }
    }

    /// What adding deletions with this many bytes of storage keys together needs.
    pub fn need(count: usize, key_bytes: usize) -> (RegionId, u64) {
        (
            regions::EXTERNAL_DELETIONS,
            crate::tree_need(count, key_bytes + count * 32),
        )
    }

    /// Notes that the content at (location, storage key) is not needed any more. Once noted it stays noted.
    pub fn add(&mut self, capsule: CapsuleId, location: BlobHosting, storage_key: &str, at: u64) {
        let address = sha256_of_fields("external", &[&[location.code()], storage_key.as_bytes()]);
        let key = Key::of(&[&capsule.0.to_be_bytes(), &address[..16]]);
        if !self.map.contains_key(&key) {
            let deletion = ExternalDeletion {
                location: Coded(location),
                storage_key: storage_key.to_owned(),
                at,
            };
            self.map.insert(key, Record::encode(&deletion));
        }
    }

    /// The capsule's list, in no particular order, for tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn of_capsule(&self, capsule: CapsuleId) -> Vec<ExternalDeletion> {
        let key = |end: [u8; 16]| Key::of(&[&capsule.0.to_be_bytes(), &end]);
        self.map
            .range(key([0; 16])..=key([255; 16]))
            .map(|entry| entry.value().decode())
            .collect()
    }
}
