//! Sessions that nobody goes on with: 7 days after the last chunk they are gone, and their space is free.
//!
//! A session's deadline is set when it is opened and looked at when it is due: where chunks came meanwhile, it is set anew. So a
//! chunk costs nothing for it.

use ic_stable_structures::Memory;

use super::record::{SessionRecord, SessionState};
use super::store::SessionStore;
use crate::Vault;
use crate::arena::Extent;
use crate::blob::ChunkEntry;
use crate::capsule::CapsuleStore;
use crate::error::Result;
use crate::ids::{SessionId, session_owner_key};

impl<M: Memory> Vault<M> {
    /// Clears away at most `most` sessions that have expired by `now`. Returns whether there are more to look at.
    pub fn sweep_sessions(&mut self, now: u64, most: usize) -> bool {
        let due: Vec<_> = self.sessions.due(now).take(most + 1).collect();
        let work = self.work();
        for (deadline, session) in due.iter().take(most) {
            if self.is_enough(work) {
                return true;
            }
            // Without the few kilobytes that this takes, it is tried again at the next sweep.
            if self.look_at(*session, *deadline, now).is_err() {
                return false;
            }
        }
        due.len() > most
    }

    /// Removes the session if it has expired, else sets when to look again.
    fn look_at(&mut self, id: SessionId, deadline: u64, now: u64) -> Result<()> {
        let Some(mut session) = self.sessions.get(id) else {
            self.sessions.remove_deadline(id, deadline);
            return Ok(());
        };
        if now >= session.expires_at() {
            return self.expire(id);
        }
        self.regions
            .reserve_for_freeing(&SessionStore::<M>::needs())?;
        self.sessions.remove_deadline(id, session.deadline);
        session.deadline = session.expires_at();
        self.sessions.set_deadline(id, session.deadline);
        self.sessions.set(id, &session);
        Ok(())
    }

    pub(super) fn is_alive(&self, session: SessionId, now: u64) -> bool {
        self.sessions
            .get(session)
            .is_some_and(|record| now < record.expires_at())
    }

    /// Removes a session with all that it holds.
    pub(crate) fn expire(&mut self, id: SessionId) -> Result<()> {
        if let Some(session) = self.sessions.get(id) {
            self.free_session(&session)?;
            self.sessions.remove(id, &session);
        }
        Ok(())
    }

    /// Frees what an open session holds; it counts as open no longer. The record stays as it is. Nothing for one that has ended.
    pub(super) fn free_session(&mut self, session: &SessionRecord) -> Result<()> {
        let mut extents: Vec<Extent> = Vec::new();
        let mut counted = 0;
        if let SessionState::Open(progress) = &session.state {
            extents.extend(
                ChunkEntry::read_all(&self.arena, progress.table)
                    .into_iter()
                    .filter(|entry| entry.is_received())
                    .flat_map(|entry| entry.extents(&self.arena)),
            );
            extents.push(progress.table);
            counted = progress.counted;
        }
        let mut needs = SessionStore::<M>::needs();
        needs.extend(self.arena.needs(&[], extents.len()));
        if counted > 0 {
            needs.push(CapsuleStore::<M>::need_for_usage());
        }
        self.regions.reserve_for_freeing(&needs)?;
        if extents.is_empty() {
            return Ok(());
        }
        for extent in extents {
            self.arena.free(extent);
        }
        self.recount_upload(session.capsule(), counted, 0);
        let owner = session_owner_key(session.capsule(), session.creator());
        self.sessions.closed(session.idem_key, owner);
        Ok(())
    }
}
