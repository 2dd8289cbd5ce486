//! Deleting a capsule with everything in it. It is invisible at once; what it holds is freed in bounded steps, the first of them in the
//! same message, the others by the sweep. A step that an upgrade interrupts is simply followed by the next.

use ic_stable_structures::Memory;

use super::facts::FactStore;
use super::store::CapsuleStore;
use crate::Vault;
use crate::access::{PersonKey, Roles};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ids::CapsuleId;
use crate::limits;

impl<M: Memory> Vault<M> {
    /// Deletes the capsule. Again: nothing, for who owned it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for one who may read but does not own it; [`Error::NotFound`] for a
    /// capsule that the caller may not read.
    pub fn capsules_delete(&mut self, call: Call, id: &str) -> Result<()> {
        let person = self.person(call)?;
        let capsule = CapsuleId::parse(id).ok_or(Error::NotFound)?;
        let roles = self.capsules.roles(&person, capsule);
        if roles.has(Roles::FORMER_OWNER) {
            return Ok(());
        }
        if !roles.may_use() {
            return Err(Error::NotFound);
        }
        if !roles.has(Roles::OWNER) {
            return Err(Error::Unauthorized);
        }
        let record = self.capsules.get(capsule).ok_or(Error::NotFound)?;
        self.regions
            .reserve_for_freeing(&CapsuleStore::<M>::needs_for_removal(&record))?;

        self.capsules.set_people(capsule, Some(&record), None);
        for owner in &record.owners {
            let person = PersonKey::of(&owner.person.0);
            self.capsules
                .set_roles(person, capsule, Roles::FORMER_OWNER);
        }
        self.capsules
            .hide(capsule, PersonKey::of(&record.subject.0));
        self.empty_capsules(call.now, limits::SWEPT_PER_MESSAGE);
        Ok(())
    }

    /// Frees about `most` things of capsules that were deleted. Returns whether there is more to free.
    pub(crate) fn empty_capsules(&mut self, now: u64, most: usize) -> bool {
        let mut left = most;
        let work = self.work();
        while let Some(capsule) = self.capsules.first_to_empty() {
            if left == 0 || self.is_enough(work) {
                return true;
            }
            match self.empty_capsule(capsule, now, left) {
                Ok(0) => self.capsules.forget(capsule),
                Ok(done) => left = left.saturating_sub(done),
                // Without the few kilobytes that freeing takes it is tried again at the next sweep.
                Err(_) => return false,
            }
        }
        false
    }

    /// Frees some of what the capsule holds; 0 where it holds nothing any more.
    fn empty_capsule(&mut self, capsule: CapsuleId, now: u64, most: usize) -> Result<usize> {
        let mut done = 0;
        let work = self.work();
        while done < most && !self.is_enough(work) {
            let Some((memory, place)) = self.memories.any_of(capsule) else {
                break;
            };
            done += 1 + memory.record.assets.len();
            self.delete_memory(now, memory, place, true, None)?;
        }
        let blobs: Vec<_> = self
            .blobs
            .of_capsule(capsule)
            .take(most.saturating_sub(done))
            .collect();
        for blob in blobs {
            if self.is_enough(work) {
                return Ok(done);
            }
            done += 1;
            self.delete_blob(blob)?;
        }
        let sessions: Vec<_> = self
            .sessions
            .of_capsule(capsule)
            .take(most.saturating_sub(done))
            .collect();
        for session in sessions {
            if self.is_enough(work) {
                return Ok(done);
            }
            done += 1;
            self.expire(session)?;
        }
        done += self.end_share_links_of(capsule, most.saturating_sub(done))?;
        if done == 0 {
            // Few and small: at most 1,100 of them.
            let needs = FactStore::<M>::needs_for_group(limits::GROUP_MEMBERS_MAX, 0);
            self.regions.reserve_for_freeing(&needs)?;
            done += self.facts.forget(capsule, most);
        }
        Ok(done)
    }
}
