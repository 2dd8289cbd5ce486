//! What becomes of capsules, as the contract says.

use super::{Answer, Model, Refusal, State, only};
use crate::pools::ANONYMOUS;

impl Model {
    fn governed(&self, who: usize, capsule: Option<usize>) -> Answer<usize> {
        let capsule = self.capsule(who, capsule)?;
        if self.is_owner(who, capsule) {
            Ok(capsule)
        } else {
            only(Refusal::Unauthorized)
        }
    }

    pub fn capsules_update(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        bound_to_neon: Option<bool>,
    ) -> Answer<usize> {
        let capsule = self.governed(who, capsule)?;
        let known = &mut self.capsules[capsule];
        known.bound_to_neon = bound_to_neon.unwrap_or(known.bound_to_neon);
        Ok(capsule)
    }

    /// With everything in it.
    pub fn capsules_delete(&mut self, who: usize, capsule: Option<usize>) -> Answer<()> {
        let deleted = |c: usize| self.capsules[c].deleted && self.capsules[c].owner == who;
        if who != ANONYMOUS && capsule.is_some_and(deleted) {
            return Ok(()); // deleted before: the same answer again (I5)
        }
        let capsule = self.governed(who, capsule)?;
        self.capsules[capsule].deleted = true;
        self.memories.retain(|id, _| id.capsule != capsule);
        for blob in self.blobs.iter_mut().filter(|b| b.capsule == capsule) {
            blob.deleted = true;
        }
        for session in self.sessions.iter_mut().filter(|s| s.capsule == capsule) {
            session.state = State::Gone;
            session.chunks.clear();
        }
        Ok(())
    }

    /// How many memories there were.
    pub fn memories_delete_all(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        delete_assets: bool,
    ) -> Answer<u32> {
        let capsule = self.governed(who, capsule)?;
        let all: Vec<_> = self
            .memories_of(capsule)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &all {
            if let Some(memory) = self.memories.remove(id) {
                self.let_go(memory.assets, delete_assets);
            }
        }
        Ok(all.len() as u32)
    }
}
