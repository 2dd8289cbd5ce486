//! External content: who has it, and what is to be deleted. A canister cannot delete it; a client reads the list, carries it out and
//! acknowledges. What another asset still has is never on the list.

use ic_stable_structures::{BTreeMap, Memory};
use keepsake_api::{self as api, BlobHosting};
use minicbor::{Decode, Encode};

use crate::Vault;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::hash::sha256_of_fields;
use crate::ids::CapsuleId;
use crate::limits;
use crate::regions::{self, RegionId};
use crate::stable::{Key, Record, Region, RegionManager};
use crate::stored::{Code, Coded};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExternalDeletion {
    #[n(0)]
    pub location: Coded<BlobHosting>,
    #[n(1)]
    pub storage_key: String,
    /// When the last asset that had it was removed.
    #[n(2)]
    pub at: u64,
}

/// A place of external content in a capsule, as stored in keys.
fn address_key(capsule: CapsuleId, location: BlobHosting, storage_key: &str) -> Key<24> {
    let address = sha256_of_fields("external", &[&[location.code()], storage_key.as_bytes()]);
    Key::of(&[&capsule.0.to_be_bytes(), &address[..16]])
}

pub struct ExternalContent<M: Memory> {
    deletions: BTreeMap<Key<24>, Record<ExternalDeletion>, Region<M>>,
    users: BTreeMap<Key<24>, Key<4>, Region<M>>,
}

impl<M: Memory> ExternalContent<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            deletions: BTreeMap::init(manager.tree_region(regions::EXTERNAL_DELETIONS)),
            users: BTreeMap::init(manager.tree_region(regions::EXTERNAL_USERS)),
        }
    }

    /// What noting this many assets more or fewer needs, with these many bytes of storage keys together.
    pub fn needs(count: usize, key_bytes: usize) -> Vec<(RegionId, u64)> {
        vec![
            (
                regions::EXTERNAL_DELETIONS,
                crate::tree_need(count, key_bytes + count * 32),
            ),
            (regions::EXTERNAL_USERS, crate::tree_need(count, 0)),
        ]
    }

    /// Notes that one more asset has this content: it is not to be deleted, or not any more.
    pub fn used(&mut self, capsule: CapsuleId, location: BlobHosting, storage_key: &str) {
        let key = address_key(capsule, location, storage_key);
        self.deletions.remove(&key);
        let count = self.count(&key) + 1;
        self.users.insert(key, Key(count.to_be_bytes()));
    }

    /// Notes that one asset fewer has this content. Where it was the last one and `delete` holds, it is to be deleted.
    pub fn dropped(
        &mut self,
        capsule: CapsuleId,
        location: BlobHosting,
        storage_key: &str,
        delete: bool,
        at: u64,
    ) {
        let key = address_key(capsule, location, storage_key);
        let left = self.count(&key).saturating_sub(1);
        if left > 0 {
            self.users.insert(key, Key(left.to_be_bytes()));
            return;
        }
        self.users.remove(&key);
        if delete {
            let deletion = ExternalDeletion {
                location: Coded(location),
                storage_key: storage_key.to_owned(),
                at,
            };
            self.deletions.insert(key, Record::encode(&deletion));
        }
    }

    fn count(&self, key: &Key<24>) -> u32 {
        self.users
            .get(key)
            .map_or(0, |count| u32::from_be_bytes(count.0))
    }

    /// The capsule's list, in no particular order.
    fn of_capsule(
        &self,
        capsule: CapsuleId,
    ) -> impl Iterator<Item = (Key<24>, ExternalDeletion)> + '_ {
        let key = |end: [u8; 16]| Key::of(&[&capsule.0.to_be_bytes(), &end]);
        self.deletions
            .range(key([0; 16])..=key([255; 16]))
            .map(|entry| (*entry.key(), entry.value().decode()))
    }

    /// How many deletions are on the list, of all capsules.
    pub fn deletions_len(&self) -> u64 {
        self.deletions.len()
    }

    /// (capsule and address, count) of every external content in use, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all_users(&self) -> Vec<(Key<24>, u32)> {
        self.users
            .iter()
            .map(|entry| (*entry.key(), u32::from_be_bytes(entry.value().0)))
            .collect()
    }

    /// The key under which content is counted, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn key(capsule: CapsuleId, location: BlobHosting, storage_key: &str) -> Key<24> {
        address_key(capsule, location, storage_key)
    }
}

fn id_of(key: &Key<24>) -> String {
    key.part::<16>(8)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl<M: Memory> Vault<M> {
    /// External content that no asset of the capsule has any more, to be deleted by a client: at most [`limits::BULK_MAX`] at a time.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for one who may use the capsule but not delete in it;
    /// [`Error::NotFound`] for a capsule that the caller is nothing in. Its former owner still reads it after its deletion.
    pub fn external_deletions_list(
        &self,
        call: Call,
        capsule: &str,
    ) -> Result<Vec<api::ExternalDeletion>> {
        let capsule = self.capsule_to_clean_up(call, capsule)?;
        Ok(self
            .external
            .of_capsule(capsule)
            .take(limits::BULK_MAX)
            .map(|(key, deletion)| api::ExternalDeletion {
                id: id_of(&key),
                location: deletion.location.0,
                storage_key: deletion.storage_key,
                removed_at: deletion.at,
            })
            .collect())
    }

    /// Takes external content off the list that a client has deleted. Ids that are not on it are passed over. Returns how many were.
    ///
    /// # Errors
    /// As [`Self::external_deletions_list`]; [`Error::Invalid`] for more than [`limits::BULK_MAX`] ids.
    pub fn external_deletions_acknowledge(
        &mut self,
        call: Call,
        capsule: &str,
        ids: &[String],
    ) -> Result<u32> {
        let capsule = self.capsule_to_clean_up(call, capsule)?;
        limits::check_bulk("ids", ids.len())?;
        self.regions
            .reserve_for_freeing(&ExternalContent::<M>::needs(ids.len(), 0))?;
        let mut taken_off = 0;
        for id in ids {
            if let Some(address) = crate::ids::parse_hex::<16>(id) {
                let key = Key::of(&[&capsule.0.to_be_bytes(), &address]);
                if self.external.deletions.remove(&key).is_some() {
                    taken_off += 1;
                }
            }
        }
        Ok(taken_off)
    }

    fn capsule_to_clean_up(&self, call: Call, capsule: &str) -> Result<CapsuleId> {
        use crate::access::Roles;
        let person = self.person(call)?;
        let capsule = CapsuleId::parse(capsule).ok_or(Error::NotFound)?;
        let roles = self.capsules.roles(&person, capsule);
        if roles.may_govern() || roles.has(Roles::FORMER_OWNER) {
            Ok(capsule)
        } else if roles.may_use() {
            Err(Error::Unauthorized)
        } else {
            Err(Error::NotFound)
        }
    }
}
