//! Deleting memories (contract, "Deleting"). What is freed is free at once (I7).

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::BulkDeleteResult;

use super::grants::{Grantee, Grants};
use super::record::Memory;
use super::release::Release;
use super::store::{MemoryStore, Place, State};
use crate::Vault;
use crate::access::{Permissions, PersonKey};
use crate::call::Call;
use crate::capsule::CapsuleStore;
use crate::error::{Error, Result};
use crate::ids::{CapsuleId, MemoryId};
use crate::limits;
use crate::person::Person;

/// How far a deletion of several memories has come.
#[derive(Default)]
pub struct BulkDelete {
    looked_at: usize,
    deleted: u32,
}

impl BulkDelete {
    /// What became of `asked` ids.
    pub fn result(&self, asked: usize) -> BulkDeleteResult {
        let failed = asked as u32 - self.deleted;
        BulkDeleteResult {
            deleted_count: self.deleted,
            failed_count: failed,
            message: format!("{} deleted, {failed} failed", self.deleted),
        }
    }
}

impl<M: StableMemory> Vault<M> {
    /// Deletes a memory. Its inline assets go with it. With `delete_assets`, blobs that nothing references any more go too, and
    /// external content is put on the list of external deletions; without, its blobs stay readable by id. Again: nothing, for who
    /// might have deleted it. One in the trash is deleted for good.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for one who may view the memory but not delete it;
    /// [`Error::NotFound`] for a memory that the caller may not view, and for one in the trash that the caller may not delete.
    pub fn memories_delete(&mut self, call: Call, id: &str, delete_assets: bool) -> Result<()> {
        self.delete_for(&self.person(call)?, call.now, id, delete_assets)
    }

    fn delete_for(
        &mut self,
        person: &Person,
        now: u64,
        id: &str,
        delete_assets: bool,
    ) -> Result<()> {
        let Some((memory, place)) = self.deletable_memory(person, now, id)? else {
            return Ok(());
        };
        let by = Some(person.primary_key());
        self.delete_memory(now, memory, place, delete_assets, by)
    }

    /// The memory that the person may delete, in the trash or not. `None` where it was deleted, by this person or in a capsule that the
    /// person governs: the same answer again.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for a memory that the person may view but not delete; [`Error::NotFound`] for what the person may not view,
    /// and for what is in the trash or deleted and was not the person's to delete.
    pub(super) fn deletable_memory(
        &self,
        person: &Person,
        now: u64,
        id: &str,
    ) -> Result<Option<(Memory, Place)>> {
        let memory_id = MemoryId::parse(id).ok_or(Error::NotFound)?;
        match self.memories.state(memory_id).ok_or(Error::NotFound)? {
            State::Live => {
                let (memory, may) = self.visible_memory(person, now, id)?;
                if !may.has(Permissions::OWN) {
                    return Err(Error::Unauthorized);
                }
                Ok(Some((memory, Place::Timeline)))
            }
            State::Trashed { since } => {
                let (memory, ..) = self.memories.trashed(memory_id).ok_or(Error::NotFound)?;
                let may = self.permissions_on(person, now, &memory);
                if !may.has(Permissions::VIEW.union(Permissions::OWN)) {
                    return Err(Error::NotFound);
                }
                Ok(Some((memory, Place::Trash { since })))
            }
            State::Deleted { from, by } => {
                let did = by.is_some_and(|by| person.keys().any(|key| by.is(key)));
                if did || self.capsules.roles(person, from).may_govern() {
                    Ok(None)
                } else {
                    Err(Error::NotFound)
                }
            }
        }
    }

    /// Deletes several memories of a capsule, each judged by itself: one that is not there, is in another capsule, or may not be
    /// deleted by the caller counts as failed.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a capsule in which the caller is nothing and
    /// has no memory to delete; [`Error::Invalid`] for more than [`limits::BULK_MAX`] ids.
    pub fn memories_delete_bulk(
        &mut self,
        call: Call,
        capsule: &str,
        memories: &[String],
        delete_assets: bool,
    ) -> Result<BulkDeleteResult> {
        let mut bulk = BulkDelete::default();
        while self.memories_delete_bulk_step(call, capsule, memories, delete_assets, &mut bulk)? {}
        Ok(bulk.result(memories.len()))
    }

    /// Goes on with deleting several memories, for as long as one message should. Returns whether there is more to do.
    ///
    /// # Errors
    /// As [`Self::memories_delete_bulk`].
    pub fn memories_delete_bulk_step(
        &mut self,
        call: Call,
        capsule: &str,
        memories: &[String],
        delete_assets: bool,
        bulk: &mut BulkDelete,
    ) -> Result<bool> {
        let person = self.person(call)?;
        limits::check_bulk("memory_ids", memories.len())?;
        let capsule = CapsuleId::parse(capsule).ok_or(Error::NotFound)?;
        let work = self.work();
        for id in &memories[bulk.looked_at..] {
            if self.is_enough(work) {
                return Ok(true);
            }
            bulk.looked_at += 1;
            let is_here = MemoryId::parse(id)
                .and_then(|id| self.memories.capsule_of(id))
                .is_some_and(|of| of == capsule);
            if is_here
                && self
                    .delete_for(&person, call.now, id, delete_assets)
                    .is_ok()
            {
                bulk.deleted += 1;
            }
        }
        if bulk.deleted == 0 && !self.capsules.roles(&person, capsule).may_use() {
            return Err(Error::NotFound);
        }
        Ok(false)
    }

    /// Deletes memories of a capsule that were there at `before`: as many as one message may, newest first. Returns how many, and whether
    /// there are more. What is in the trash stays there.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for one who may use the capsule but not delete in it;
    /// [`Error::NotFound`] for a capsule that the caller may not read; [`Error::ResourceExhausted`] where not even one can be deleted, as the
    /// vault is too full to move anything.
    pub fn memories_delete_all_step(
        &mut self,
        call: Call,
        capsule: &str,
        delete_assets: bool,
        before: u64,
    ) -> Result<(u32, bool)> {
        let person = self.person(call)?;
        let (capsule, roles) = self.capsule_for(&person, capsule)?;
        if !roles.may_govern() {
            return Err(Error::Unauthorized);
        }
        let mut deleted = 0;
        let mut done = 0;
        let work = self.work();
        while done < limits::SWEPT_PER_MESSAGE && !self.is_enough(work) {
            let next = self
                .memories
                .list(capsule, None)
                .map(|(memory, _)| memory)
                .find(|memory| memory.record.metadata.uploaded_at <= before);
            let Some(memory) = next else {
                return Ok((deleted, false));
            };
            done += 1 + memory.record.assets.len();
            let by = Some(person.primary_key());
            match self.delete_memory(call.now, memory, Place::Timeline, delete_assets, by) {
                Ok(()) => deleted += 1,
                Err(error) if deleted == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok((deleted, true))
    }

    /// Deletes a memory; whether that is allowed is the caller's to say. `by` is remembered as who did it.
    pub(crate) fn delete_memory(
        &mut self,
        now: u64,
        memory: Memory,
        place: Place,
        delete_assets: bool,
        by: Option<PersonKey>,
    ) -> Result<()> {
        let release = Release::of(&memory.record.assets, delete_assets);
        let (grantees, mut needs) = match place {
            Place::Timeline => {
                let entries = memory.record.access_entries();
                let grantees = Grantee::all(memory.capsule, &entries);
                (grantees, MemoryStore::<M>::needs(0))
            }
            // What is in the trash is in the index of entries no longer.
            Place::Trash { .. } => (Vec::new(), MemoryStore::<M>::needs_for_moving(0, 0)),
        };
        needs.push(Grants::<M>::need(grantees.len()));
        needs.push(CapsuleStore::<M>::need_for_usage());
        needs.extend(self.needs_for_release(&release));
        self.regions.reserve_for_freeing(&needs)?;

        let mut usage = self.capsules.usage(memory.capsule);
        match place {
            Place::Timeline => usage.memories -= 1,
            Place::Trash { .. } => usage.trashed -= 1,
        }
        usage.inline_bytes -= release.inline_bytes();
        usage.updated_at = now;
        self.capsules.set_usage(memory.capsule, &usage);
        self.memories.delete(&memory, place, now, by);
        self.grants.replace(memory.id, &grantees, &[]);
        self.release(memory.capsule, memory.id, release, now);
        Ok(())
    }
}
