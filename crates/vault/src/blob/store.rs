//! The only code that touches blobs in stable memory.

use ic_stable_structures::{BTreeMap, Memory};

use super::record::{Blob, BlobRecord, Content, HeldContent};
use crate::hash::Sha256Digest;
use crate::ids::{BlobId, CapsuleId, MemoryId};
use crate::regions::{self, RegionId};
use crate::stable::{Key, Record, Region, RegionManager};

pub struct BlobStore<M: Memory> {
    blobs: BTreeMap<Key<8>, Record<BlobRecord>, Region<M>>,
    by_hash: BTreeMap<Key<48>, Key<0>, Region<M>>,
    users: BTreeMap<Key<24>, Key<4>, Region<M>>,
    unreferenced: BTreeMap<Key<16>, Key<0>, Region<M>>,
    deleted: BTreeMap<Key<8>, Key<8>, Region<M>>,
}

/// What a blob's number stands for.
#[allow(clippy::large_enum_variant)] // taken apart right where it is made
pub enum Slot {
    Free,
    /// A blob that was deleted while others share its content.
    Deleted,
    Taken(Blob),
}

fn blob_key(blob: BlobId) -> Key<8> {
    Key(blob.0.to_be_bytes())
}

fn hash_key(capsule: CapsuleId, sha256: &Sha256Digest, blob: BlobId) -> Key<48> {
    Key::of(&[&capsule.0.to_be_bytes(), sha256, &blob.0.to_be_bytes()])
}

fn unreferenced_key(since: u64, blob: BlobId) -> Key<16> {
    Key::of(&[&since.to_be_bytes(), &blob.0.to_be_bytes()])
}

fn user_key(blob: BlobId, memory: MemoryId) -> Key<24> {
    Key::of(&[&blob.0.to_be_bytes(), &memory.0])
}

/// A bound on the length of a stored [`BlobRecord`], in bytes.
const RECORD_BOUND: usize = 192;

impl<M: Memory> BlobStore<M> {
    pub fn open(manager: &RegionManager<M>) -> Self {
        Self {
            blobs: BTreeMap::init(manager.tree_region(regions::BLOBS)),
            by_hash: BTreeMap::init(manager.tree_region(regions::CONTENT_BY_HASH)),
            users: BTreeMap::init(manager.tree_region(regions::BLOB_USERS)),
            unreferenced: BTreeMap::init(manager.tree_region(regions::UNREFERENCED)),
            deleted: BTreeMap::init(manager.tree_region(regions::DELETED_BLOBS)),
        }
    }

    /// What a new blob needs.
    pub fn needs_for_insert() -> Vec<(RegionId, u64)> {
        vec![
            (regions::BLOBS, crate::tree_need(2, RECORD_BOUND)),
            (regions::CONTENT_BY_HASH, crate::tree_need(1, 0)),
            (regions::UNREFERENCED, crate::tree_need(1, 0)),
        ]
    }

    /// What `changes` changes of references need.
    pub fn needs_for_references(changes: usize) -> Vec<(RegionId, u64)> {
        vec![
            (
                regions::BLOBS,
                crate::tree_need(changes, changes * RECORD_BOUND),
            ),
            (regions::BLOB_USERS, crate::tree_need(changes, 0)),
            (regions::CONTENT_BY_HASH, crate::tree_need(changes, 0)),
            (regions::UNREFERENCED, crate::tree_need(changes, 0)),
        ]
    }

    /// What remembering a deletion needs.
    pub fn need_for_deleted() -> (RegionId, u64) {
        (regions::DELETED_BLOBS, crate::tree_need(1, 0))
    }

    pub fn is_free(&self, number: u64) -> bool {
        let key = blob_key(BlobId(number));
        !self.blobs.contains_key(&key) && !self.deleted.contains_key(&key)
    }

    /// Remembers that somebody deleted the blob, so that a repeated deletion gets the same answer.
    pub fn remember_deleted(&mut self, id: BlobId, capsule: CapsuleId) {
        self.deleted
            .insert(blob_key(id), Key(capsule.0.to_be_bytes()));
    }

    /// The capsule of a blob that somebody deleted.
    pub fn deleted_from(&self, id: BlobId) -> Option<CapsuleId> {
        self.deleted
            .get(&blob_key(id))
            .map(|capsule| CapsuleId(capsule.number(0)))
    }

    fn record(&self, id: BlobId) -> Option<BlobRecord> {
        self.blobs.get(&blob_key(id)).map(|record| record.decode())
    }

    /// The blob with this id; `None` where there is none or the id was deleted.
    pub fn get(&self, id: BlobId) -> Option<Blob> {
        match self.slot(id) {
            Slot::Taken(blob) => Some(blob),
            Slot::Free | Slot::Deleted => None,
        }
    }

    /// What has this number.
    pub fn slot(&self, id: BlobId) -> Slot {
        match self.record(id) {
            None => Slot::Free,
            Some(record) => self.whole(id, record).map_or(Slot::Deleted, Slot::Taken),
        }
    }

    /// The blob of this record, with its content; `None` where it was deleted.
    fn whole(&self, id: BlobId, record: BlobRecord) -> Option<Blob> {
        if record.is_deleted {
            return None;
        }
        let (holder, content) = match &record.content {
            Content::Held(content) => (id, content.clone()),
            Content::SharedWith(holder) => {
                let holder = BlobId(*holder);
                (holder, self.held(holder)?)
            }
        };
        Some(Blob {
            id,
            record,
            holder,
            content,
        })
    }

    fn held(&self, holder: BlobId) -> Option<HeldContent> {
        match self.record(holder)?.content {
            Content::Held(content) => Some(content),
            Content::SharedWith(_) => None,
        }
    }

    /// A blob of the capsule with this content: the one with the lowest number.
    pub fn with_hash(&self, capsule: CapsuleId, sha256: &Sha256Digest) -> Option<Blob> {
        let from = hash_key(capsule, sha256, BlobId(0));
        let to = hash_key(capsule, sha256, BlobId(u64::MAX));
        let key = self.by_hash.keys_range(from..=to).next()?;
        self.get(BlobId(key.number(40)))
    }

    /// The capsule's blobs, by hash.
    pub fn of_capsule(&self, capsule: CapsuleId) -> impl Iterator<Item = BlobId> + '_ {
        let from = hash_key(capsule, &[0; 32], BlobId(0));
        let to = hash_key(capsule, &[255; 32], BlobId(u64::MAX));
        self.by_hash
            .keys_range(from..=to)
            .map(|key| BlobId(key.number(40)))
    }

    /// Blobs that no memory has referenced up to now although they came at `before` or earlier, oldest first.
    pub fn unreferenced(&self, before: u64) -> impl Iterator<Item = BlobId> + '_ {
        self.unreferenced
            .keys_range(..=unreferenced_key(before, BlobId(u64::MAX)))
            .map(|key| BlobId(key.number(8)))
    }

    fn put(&mut self, id: BlobId, record: &BlobRecord) {
        self.blobs.insert(blob_key(id), Record::encode(record));
    }

    /// Adds a blob. One that shares its content adds itself to the holder's ids.
    pub fn insert(&mut self, id: BlobId, record: &BlobRecord, sha256: &Sha256Digest) {
        if let Content::SharedWith(holder) = &record.content {
            self.change_ids(BlobId(*holder), 1);
        }
        self.by_hash
            .insert(hash_key(record.capsule(), sha256, id), Key([]));
        self.unreferenced
            .insert(unreferenced_key(record.created_at, id), Key([]));
        self.put(id, record);
    }

    fn change_ids(&mut self, holder: BlobId, by: i32) {
        if let Some(mut record) = self.record(holder)
            && let Content::Held(content) = &mut record.content
        {
            content.ids = content.ids.saturating_add_signed(by);
            self.put(holder, &record);
        }
    }

    /// Notes that one more asset of the memory references the blob, or one fewer. Returns how many assets reference it now.
    pub fn change_references(&mut self, id: BlobId, memory: MemoryId, by: i32) -> u32 {
        let Some(mut record) = self.record(id) else {
            return 0;
        };
        record.references = record.references.saturating_add_signed(by);
        if record.never_referenced {
            record.never_referenced = false;
            self.unreferenced
                .remove(&unreferenced_key(record.created_at, id));
        }
        self.put(id, &record);
        let key = user_key(id, memory);
        let of_memory = self
            .users
            .get(&key)
            .map_or(0, |count| u32::from_be_bytes(count.0))
            .saturating_add_signed(by);
        if of_memory == 0 {
            self.users.remove(&key);
        } else {
            self.users.insert(key, Key(of_memory.to_be_bytes()));
        }
        record.references
    }

    /// The first memory that references the blob, by id, from `from` on. In the trash or not.
    pub fn first_user_from(&self, id: BlobId, from: MemoryId) -> Option<MemoryId> {
        let key = self
            .users
            .keys_range(user_key(id, from)..=user_key(id, MemoryId([255; 16])))
            .next()?;
        Some(MemoryId(key.part(8)))
    }

    /// The record with the lowest number from `from` on, deleted or not.
    pub fn first_from(&self, from: BlobId) -> Option<(BlobId, BlobRecord)> {
        let entry = self.blobs.range(blob_key(from)..).next()?;
        Some((BlobId(entry.key().number(0)), entry.value().decode()))
    }

    /// Deletes the id. Returns the content where no other id has it: the caller frees what it takes up.
    pub fn remove(&mut self, blob: &Blob) -> Option<HeldContent> {
        let capsule = blob.record.capsule();
        self.by_hash
            .remove(&hash_key(capsule, &blob.content.sha256, blob.id));
        if blob.record.never_referenced {
            self.unreferenced
                .remove(&unreferenced_key(blob.record.created_at, blob.id));
        }
        if blob.id != blob.holder {
            self.blobs.remove(&blob_key(blob.id));
        }
        if blob.content.ids > 1 {
            if blob.id == blob.holder {
                let mut record = blob.record.clone();
                record.is_deleted = true;
                self.put(blob.id, &record);
            }
            self.change_ids(blob.holder, -1);
            return None;
        }
        self.blobs.remove(&blob_key(blob.holder));
        Some(blob.content.clone())
    }

    /// Blobs that somebody deleted, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all_deleted(&self) -> Vec<BlobId> {
        self.deleted
            .keys()
            .map(|key| BlobId(key.number(0)))
            .collect()
    }

    /// How many blobs there are: ids that were not deleted.
    pub fn len(&self) -> u64 {
        self.by_hash.len()
    }

    /// How many blobs no memory has referenced up to now.
    pub fn unreferenced_len(&self) -> u64 {
        self.unreferenced.len()
    }

    /// Every record, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all(&self) -> Vec<(BlobId, BlobRecord)> {
        self.blobs
            .iter()
            .map(|entry| (BlobId(entry.key().number(0)), entry.value().decode()))
            .collect()
    }

    /// (capsule, hash, blob) of every blob, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all_hashes(&self) -> Vec<(CapsuleId, Sha256Digest, BlobId)> {
        self.by_hash
            .keys()
            .map(|key| {
                (
                    CapsuleId(key.number(0)),
                    key.part(8),
                    BlobId(key.number(40)),
                )
            })
            .collect()
    }

    /// (time, blob) of every blob never referenced, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all_unreferenced(&self) -> Vec<(u64, BlobId)> {
        self.unreferenced
            .keys()
            .map(|key| (key.number(0), BlobId(key.number(8))))
            .collect()
    }

    /// (blob, memory, count) of every reference, for recounting in tests.
    #[cfg(any(test, feature = "recount"))]
    pub fn all_users(&self) -> Vec<(BlobId, MemoryId, u32)> {
        self.users
            .iter()
            .map(|entry| {
                let key = entry.key();
                let count = u32::from_be_bytes(entry.value().0);
                (BlobId(key.number(0)), MemoryId(key.part(8)), count)
            })
            .collect()
    }
}
