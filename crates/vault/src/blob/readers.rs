//! Who reads a blob without a role in its capsule: whoever a memory that references it lets read it (I6). Looked for where two sorted
//! sequences meet, the memories that reference the blob and those that have an entry for the person, each skipping to where the
//! other one is: what it costs follows the shorter of the two, whatever the length of the longer one (I3).

use std::cell::Cell;

use ic_stable_structures::Memory;

use super::record::Blob;
use crate::Vault;
use crate::ids::{CapsuleId, MemoryId};
use crate::limits;
use crate::memory::{Grantee, StoredAsset};
use crate::person::Person;

impl<M: Memory> Vault<M> {
    /// Whether the person may read the blob: by the capsule, or by a memory that references it.
    pub(crate) fn may_read_blob(&self, person: &Person, now: u64, blob: &Blob) -> bool {
        let roles = self.capsules.roles(person, blob.record.capsule());
        roles.may_use() || self.may_read_through_a_memory(person, now, blob)
    }

    /// Whether a memory that references the blob lets the person read it: an original needs DOWNLOAD, a derivative VIEW.
    ///
    /// What is not found within [`limits::SKIPS_PER_BLOB_MAX`] is not readable: a query has to end.
    fn may_read_through_a_memory(&self, person: &Person, now: u64, blob: &Blob) -> bool {
        if blob.record.references == 0 {
            return false;
        }
        let capsule = blob.record.capsule();
        let left = Cell::new(limits::SKIPS_PER_BLOB_MAX);
        self.grantees_for(person, capsule).any(|grantee| {
            self.shared_users(blob, grantee, &left)
                .any(|memory| self.lets_read(memory, person, now, blob, &left))
        })
    }

    /// All by which the person may have an entry on a memory of the capsule.
    fn grantees_for<'a>(
        &'a self,
        person: &'a Person,
        capsule: CapsuleId,
    ) -> impl Iterator<Item = Grantee> + 'a {
        person
            .keys()
            .map(Grantee::of_person)
            .chain(std::iter::once(Grantee::of_public(capsule)))
            .chain(
                self.facts
                    .groups_with(capsule, person)
                    .map(Grantee::of_group),
            )
    }

    /// The memories that reference the blob and have an entry for the grantee, by id, while skips are left.
    fn shared_users<'a>(
        &'a self,
        blob: &'a Blob,
        grantee: Grantee,
        left: &'a Cell<usize>,
    ) -> impl Iterator<Item = MemoryId> + 'a {
        let mut next = Some(MemoryId([0; 16]));
        std::iter::from_fn(move || {
            loop {
                left.set(left.get().checked_sub(1)?);
                let granted = self.grants.first_from(grantee, next?)?;
                let user = self.blobs.first_user_from(blob.id, granted)?;
                next = Some(user);
                if user == granted {
                    next = user.next();
                    return Some(user);
                }
            }
        })
    }

    /// Whether this memory lets the person read the blob now.
    fn lets_read(
        &self,
        memory: MemoryId,
        person: &Person,
        now: u64,
        blob: &Blob,
        left: &Cell<usize>,
    ) -> bool {
        let Some((memory, record_len)) = self.memories.get_with_len(memory) else {
            return false;
        };
        left.set(left.get().saturating_sub(record_len >> 10));
        let may = self.permissions_on(person, now, &memory);
        memory.record.assets.iter().any(|asset| {
            let is_this =
                matches!(asset.content, StoredAsset::Blob { blob: id, .. } if id == blob.id.0);
            is_this && may.has(asset.needed_to_read())
        })
    }
}
