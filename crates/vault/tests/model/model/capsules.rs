//! What becomes of capsules, as the contract says.

use std::collections::BTreeMap;

use keepsake_api::PersonRef;

use super::facts::is_somebody;
use super::people::person;
use super::{Answer, Capsule, Model, Refusal, State, invalid, only};
use crate::pools::ANONYMOUS;

impl Model {
    /// The own one of the first of the caller's principals that has one.
    pub fn own_capsule(&self, who: usize) -> Option<usize> {
        let own = |key: usize| {
            let mut all = 0..self.capsules.len();
            all.find(|c| self.is_own(*c) && self.capsules[*c].subject == person(key))
        };
        self.keys(who).find_map(own)
    }

    pub fn is_own(&self, capsule: usize) -> bool {
        self.capsules[capsule].is_own && !self.capsules[capsule].deleted
    }

    pub fn capsules_create(
        &mut self,
        who: usize,
        now: u64,
        subject: Option<PersonRef>,
    ) -> Answer<usize> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let me = person(self.acting(who));
        let mut subject = subject.unwrap_or_else(|| me.clone());
        if !is_somebody(&subject) {
            return only(invalid("subject"));
        }
        let is_own = self.is(who, &subject);
        if is_own {
            if let Some(own) = self.own_capsule(who) {
                return Ok(own);
            }
            subject = me.clone();
        }
        self.takes_content()?;
        self.capsules.push(Capsule {
            subject,
            owners: vec![(me, now)],
            controllers: vec![],
            left: vec![],
            is_own,
            created_at: now,
            bound_to_neon: false,
            events: vec![],
            groups: BTreeMap::new(),
            to_delete: BTreeMap::new(),
            deleted: false,
        });
        Ok(self.capsules.len() - 1)
    }

    /// `None`: the caller's own; `Some(None)`: an id that was never handed out.
    pub fn capsules_read_basic(&self, who: usize, capsule: Option<Option<usize>>) -> Answer<usize> {
        self.capsule(who, capsule.unwrap_or_else(|| self.own_capsule(who)))
    }

    pub fn capsules_list(&self, who: usize) -> Vec<usize> {
        (0..self.capsules.len())
            .filter(|c| self.may_use(who, *c))
            .collect()
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
    pub fn capsules_delete(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
    ) -> Answer<()> {
        let deleted = |c: usize| self.capsules[c].deleted && self.owned_it(who, c);
        if who != ANONYMOUS && capsule.is_some_and(deleted) {
            return Ok(()); // deleted before: the same answer again (I5)
        }
        let capsule = self.owned(who, capsule)?;
        let live = self.memories_of(capsule).map(|(id, _)| id);
        let trashed = self.trashed_in(capsule).map(|(id, _)| id);
        let all: Vec<_> = live.chain(trashed).cloned().collect();
        for id in all {
            self.forget(&id, true, None, now);
        }
        for blob in self.blobs.iter_mut().filter(|b| b.capsule == capsule) {
            blob.deleted = true;
        }
        for session in self.sessions.iter_mut().filter(|s| s.capsule == capsule) {
            session.state = State::Gone;
            session.chunks.clear();
        }
        self.capsules[capsule].deleted = true;
        Ok(())
    }

    /// How many memories there were.
    pub fn memories_delete_all(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        delete_assets: bool,
    ) -> Answer<u32> {
        let capsule = self.governed(who, capsule)?;
        let all: Vec<_> = self
            .memories_of(capsule)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &all {
            self.forget(id, delete_assets, Some(self.acting(who)), now);
        }
        Ok(all.len() as u32)
    }
}
