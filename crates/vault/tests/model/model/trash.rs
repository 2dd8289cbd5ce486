//! The trash: what is put there comes back as it was, for 30 days; meanwhile it is gone from everywhere else. And who may delete.

use keepsake_vault::limits;

use super::{Answer, Memory, MemoryId, Model, OWN, Refusal, Trashed, VIEW, only};
use crate::pools::ANONYMOUS;

/// What somebody finds who asks to delete a memory.
pub enum Found {
    There(MemoryId),
    Trashed(MemoryId),
    /// Deleted before: the same answer again (I5).
    Gone,
}

fn is_due(trashed: &Trashed, now: u64) -> bool {
    trashed.since + limits::TRASH_LIFETIME <= now
}

impl Model {
    /// The memory, in the trash or not.
    pub fn known(&self, id: &MemoryId) -> &Memory {
        let live = self.memories.get(id);
        live.unwrap_or_else(|| &self.trash[id].memory)
    }

    pub fn trashed_in(&self, capsule: usize) -> impl Iterator<Item = (&MemoryId, &Trashed)> {
        self.trash
            .iter()
            .filter(move |(id, _)| id.capsule == capsule)
    }

    /// The memory, for who may delete it, or might have.
    pub fn deletable(&self, (who, now): (usize, u64), id: Option<&MemoryId>) -> Answer<Found> {
        let Some(id) = id.filter(|id| who != ANONYMOUS && !self.memories.contains_key(id)) else {
            return self.memory((who, now), id, OWN).map(Found::There);
        };
        if let Some(trashed) = self.trash.get(id) {
            let may = self.may_of(who, id, &trashed.memory, now);
            return if may & (VIEW | OWN) == VIEW | OWN {
                Ok(Found::Trashed(id.clone()))
            } else {
                only(Refusal::NotFound)
            };
        }
        let by = self.gone.get(id).copied().flatten();
        let did_it = by.is_some_and(|by| self.same(who, by));
        if did_it || self.may_govern(who, id.capsule) {
            Ok(Found::Gone)
        } else {
            only(Refusal::NotFound)
        }
    }

    /// Again, also after it was deleted from there: Ok.
    pub fn memories_trash(
        &mut self,
        (who, now): (usize, u64),
        id: Option<&MemoryId>,
    ) -> Answer<()> {
        let found = self.deletable((who, now), id);
        if let Ok(Found::There(id)) = &found
            && let Some(memory) = self.memories.remove(id)
        {
            let trashed = Trashed {
                memory,
                since: now,
                by: self.acting(who),
            };
            self.trash.insert(id.clone(), trashed);
        }
        let trashed = id.and_then(|id| self.trash.get(id));
        if who != ANONYMOUS && trashed.is_some_and(|trashed| self.same(who, trashed.by)) {
            return Ok(()); // by an entry that counts no longer, maybe
        }
        found.map(drop)
    }

    pub fn memories_restore(&mut self, caller: (usize, u64), id: Option<&MemoryId>) -> Answer<()> {
        match self.deletable(caller, id)? {
            Found::There(_) => Ok(()),
            Found::Trashed(id) if !is_due(&self.trash[&id], caller.1) => {
                if let Some(trashed) = self.trash.remove(&id) {
                    self.memories.insert(id, trashed.memory);
                }
                Ok(())
            }
            Found::Trashed(_) | Found::Gone => only(Refusal::NotFound),
        }
    }

    /// What can be restored, each with the time since when it is there.
    pub fn memories_trashed(
        &self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
    ) -> Answer<Vec<(MemoryId, u64)>> {
        let capsule = self.governed(who, capsule)?;
        let kept = self
            .trashed_in(capsule)
            .filter(|(_, trashed)| !is_due(trashed, now));
        Ok(kept
            .map(|(id, trashed)| (id.clone(), trashed.since))
            .collect())
    }

    /// How many there were.
    pub fn memories_trash_empty(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
    ) -> Answer<u32> {
        let capsule = self.governed(who, capsule)?;
        let all: Vec<_> = self.trashed_in(capsule).map(|(id, _)| id.clone()).collect();
        for id in &all {
            self.forget(id, true, Some(self.acting(who)), now);
        }
        Ok(all.len() as u32)
    }

    pub fn sweep_trash(&mut self, now: u64) {
        let due = self
            .trash
            .iter()
            .filter(|(_, trashed)| is_due(trashed, now));
        for id in due.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.forget(&id, true, None, now);
        }
    }
}
