//! The trash: what is put there can be taken out again for 30 days, as it was. Meanwhile it is gone from every path (I6): not read, not
//! listed, not shared, not changed. Its bytes count until they are reclaimed, by a bounded step of the sweep or because somebody
//! deletes it for good.

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{TrashPage, TrashedMemory};

use super::grants::{Grantee, Grants};
use super::list::{format_cursor, header_len, page_limit, parse_cursor};
use super::record::Memory;
use super::store::{MemoryStore, Place, Position};
use crate::Vault;
use crate::access::{Permissions, PersonKey};
use crate::call::Call;
use crate::capsule::{CapsuleStore, CapsuleUsage};
use crate::error::{Error, Result};
use crate::ids::{CapsuleId, MemoryId};
use crate::limits;
use crate::regions::RegionId;
use crate::stable::Record;
use crate::token::Holder;

impl<M: StableMemory> Vault<M> {
    /// Puts a memory in the trash. Again, also after it was deleted from there: nothing.
    ///
    /// # Errors
    /// As [`Self::memories_delete`]; [`Error::ResourceExhausted`] where the vault is so full that the memory's record cannot be moved:
    /// deleting it for good is possible then.
    pub fn memories_trash(&mut self, call: Call, id: &str) -> Result<()> {
        let person = self.person(call)?;
        match self.deletable_memory(&person, call.now, id) {
            Ok(Some((memory, Place::Timeline))) => {
                self.trash_memory(call.now, memory, person.primary_key())
            }
            Ok(Some((_, Place::Trash { .. })) | None) => Ok(()),
            // Whoever put it there by an entry that counts no longer hears the same again.
            Err(Error::NotFound) => {
                let id = MemoryId::parse(id).ok_or(Error::NotFound)?;
                match self.memories.trashed(id) {
                    Some((_, _, by)) if person.has_key(by) => Ok(()),
                    _ => Err(Error::NotFound),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a memory out of the trash: it is as it was. Again: nothing.
    ///
    /// # Errors
    /// As [`Self::memories_delete`]; [`Error::NotFound`] for a memory that was deleted, or is in the trash for
    /// [`limits::TRASH_LIFETIME`]; [`Error::ResourceExhausted`] where the vault is so full that the record cannot be moved.
    pub fn memories_restore(&mut self, call: Call, id: &str) -> Result<()> {
        let person = self.person(call)?;
        match self.deletable_memory(&person, call.now, id)? {
            Some((_, Place::Timeline)) => Ok(()),
            Some((memory, Place::Trash { since })) if !is_due(since, call.now) => {
                self.restore_memory(call.now, memory.id)
            }
            Some(_) | None => Err(Error::NotFound),
        }
    }

    /// A page of what is in the capsule's trash and can be restored, what was put there last first. Pages as those of
    /// [`Self::memories_list`]; headers carry no links, as nothing there is served.
    ///
    /// # Errors
    /// As [`Self::memories_list`]; [`Error::Unauthorized`] for one who may use the capsule but not delete in it.
    pub fn memories_trashed(
        &self,
        call: Call,
        capsule: &str,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<TrashPage> {
        let person = self.person(call)?;
        let (capsule, roles) = self.capsule_for(&person, capsule)?;
        if !roles.may_govern() {
            return Err(Error::Unauthorized);
        }
        let limit = page_limit(limit)?;
        let after = cursor.map(parse_cursor).transpose()?;
        let tokens = self.listing_tokens(Holder::Person(person.acting), call.now)?;
        let mut items: Vec<TrashedMemory> = Vec::new();
        let mut last = None;
        let mut bytes = 0;
        let mut records = 0;
        let trash = self.memories.list_trash(capsule, u64::MAX, after);
        // Newest first: what follows one that is due is due, too.
        for (memory, since, record_len) in
            trash.take_while(|(_, since, _)| !is_due(*since, call.now))
        {
            if items.len() == limit
                || bytes > limits::PAGE_BYTES_MAX
                || records > limits::PAGE_RECORDS_MAX
            {
                return Ok(TrashPage {
                    items,
                    next_cursor: last.map(format_cursor),
                });
            }
            last = Some(Position {
                time: since,
                memory: memory.id,
            });
            records += record_len;
            let nothing = Permissions::default();
            let header = self.header(&tokens, call.now, memory, nothing);
            bytes += header_len(&header);
            items.push(TrashedMemory {
                header,
                trashed_at: since,
                reclaimed_at: since.saturating_add(limits::TRASH_LIFETIME),
            });
        }
        Ok(TrashPage {
            items,
            next_cursor: None,
        })
    }

    /// Deletes memories of a capsule for good that were in the trash at `before`, with their assets: as many as one message may. Returns how
    /// many, and whether there are more.
    ///
    /// # Errors
    /// As [`Self::memories_delete_all_step`].
    pub fn memories_trash_empty_step(
        &mut self,
        call: Call,
        capsule: &str,
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
            let next = self.memories.list_trash(capsule, before, None).next();
            let Some((memory, since, _)) = next else {
                return Ok((deleted, false));
            };
            done += 1 + memory.record.assets.len();
            let by = Some(person.primary_key());
            match self.delete_memory(call.now, memory, Place::Trash { since }, true, by) {
                Ok(()) => deleted += 1,
                Err(error) if deleted == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok((deleted, true))
    }

    /// Deletes at most about `most` memories, with their assets, that are in the trash for [`limits::TRASH_LIFETIME`]. Returns whether
    /// there are more.
    pub(crate) fn sweep_trash(&mut self, now: u64, most: usize) -> bool {
        let Some(before) = now.checked_sub(limits::TRASH_LIFETIME) else {
            return false;
        };
        let due: Vec<MemoryId> = self
            .memories
            .trashed_before(before)
            .take(most + 1)
            .collect();
        let mut done = 0;
        let work = self.work();
        for id in due {
            if done >= most || self.is_enough(work) {
                return true;
            }
            // Looked at in the step that frees: it must be in the trash, and since then.
            let Some((memory, since, _)) = self.memories.trashed(id) else {
                continue;
            };
            if !is_due(since, now) {
                continue;
            }
            done += 1 + memory.record.assets.len();
            let place = Place::Trash { since };
            // Without the few kilobytes that freeing takes it is tried again at the next sweep.
            if self.delete_memory(now, memory, place, true, None).is_err() {
                return false;
            }
        }
        false
    }

    fn trash_memory(&mut self, now: u64, memory: Memory, by: PersonKey) -> Result<()> {
        let grantees = Grantee::all(memory.capsule, &memory.record.access_entries());
        let record_len = Record::encode(&memory.record).len();
        let needs = MemoryStore::<M>::needs_for_moving(0, record_len);
        self.reserve_for_moving(needs, grantees.len())?;

        self.memories.trash(&memory, now, by);
        self.grants.replace(memory.id, &grantees, &[]);
        self.count_moved(memory.capsule, now, |usage| {
            usage.memories -= 1;
            usage.trashed += 1;
        });
        Ok(())
    }

    /// Takes a memory out of the trash; whether that is allowed is the caller's to say. Nothing for one that is not there.
    ///
    /// # Errors
    /// [`Error::ResourceExhausted`].
    pub(super) fn restore_memory(&mut self, now: u64, id: MemoryId) -> Result<()> {
        let Some((memory, since, _)) = self.memories.trashed(id) else {
            return Ok(());
        };
        let grantees = Grantee::all(memory.capsule, &memory.record.access_entries());
        let record_len = Record::encode(&memory.record).len();
        let needs = MemoryStore::<M>::needs_for_moving(record_len, 0);
        self.reserve_for_moving(needs, grantees.len())?;

        self.memories.restore(&memory, since);
        self.grants.replace(memory.id, &[], &grantees);
        self.count_moved(memory.capsule, now, |usage| {
            usage.memories += 1;
            usage.trashed -= 1;
        });
        Ok(())
    }
}

impl<M: StableMemory> Vault<M> {
    /// Reserves what moving a record needs, with what it means for the index of entries and the capsule's counters.
    fn reserve_for_moving(&self, mut needs: Vec<(RegionId, u64)>, grantees: usize) -> Result<()> {
        if grantees > 0 {
            needs.push(Grants::<M>::need(grantees));
        }
        needs.push(CapsuleStore::<M>::need_for_usage());
        Ok(self.regions.reserve_for_moving(&needs)?)
    }

    fn count_moved(
        &mut self,
        capsule: CapsuleId,
        now: u64,
        change: impl FnOnce(&mut CapsuleUsage),
    ) {
        let mut usage = self.capsules.usage(capsule);
        change(&mut usage);
        usage.updated_at = now;
        self.capsules.set_usage(capsule, &usage);
    }
}

fn is_due(since: u64, now: u64) -> bool {
    now.saturating_sub(since) >= limits::TRASH_LIFETIME
}
