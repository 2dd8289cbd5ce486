//! What becomes of the caller's uploads.

use ic_stable_structures::Memory;
use keepsake_api::{ChunkRange, UploadState, UploadStatus};

use super::record::{Progress, SessionRecord, SessionState};
use crate::Vault;
use crate::blob::ChunkEntry;
use crate::call::Call;
use crate::error::Result;
use crate::ids::{BlobId, SessionId};
use crate::limits;
use crate::person::Person;

/// Most gaps that one answer names.
const GAPS_MAX: usize = 1_000;

impl<M: Memory> Vault<M> {
    /// How far a session of the caller's is, and which of its chunks are missing: at most the first 1,000 gaps.
    ///
    /// # Errors
    /// [`crate::Error::Unauthorized`] for the anonymous caller; [`crate::Error::NotFound`] for a session that the caller did not open.
    pub fn uploads_status(&self, call: Call, session: u64) -> Result<UploadStatus> {
        let id = SessionId(session);
        let session = self.own_session(&self.person(call)?, call.now, id)?;
        Ok(self.status_of(id, &session))
    }

    /// The sessions that the caller's principals opened and that have not expired, at most 1,000: principal by principal, by number.
    ///
    /// # Errors
    /// [`crate::Error::Unauthorized`] for the anonymous caller.
    pub fn uploads_list(&self, call: Call) -> Result<Vec<UploadStatus>> {
        let person = self.person(call)?;
        Ok(self
            .sessions_of(&person)
            .filter_map(|id| {
                let session = self.own_session(&person, call.now, id).ok()?;
                Some(self.status_of(id, &session))
            })
            .collect())
    }

    /// Clears away the caller's own sessions that have expired, as many as one message may; returns how many. Others' are cleared away
    /// by themselves.
    ///
    /// # Errors
    /// [`crate::Error::Unauthorized`] for the anonymous caller.
    pub fn uploads_cleanup_expired(&mut self, call: Call) -> Result<u32> {
        let person = self.person(call)?;
        self.clear_expired(&person, call.now)
    }

    pub(super) fn clear_expired(&mut self, person: &Person, now: u64) -> Result<u32> {
        let expired: Vec<SessionId> = self
            .sessions_of(person)
            .filter(|id| !self.is_alive(*id, now))
            .collect();
        let work = self.work();
        let mut cleared = 0;
        for id in expired {
            if self.is_enough(work) {
                break;
            }
            self.expire(id)?;
            cleared += 1;
        }
        Ok(cleared)
    }

    /// The sessions that the person's principals opened, at most 1,000.
    fn sessions_of<'a>(&'a self, person: &'a Person) -> impl Iterator<Item = SessionId> + 'a {
        person
            .keys()
            .flat_map(|key| self.sessions.of_creator(key))
            .take(limits::BULK_MAX)
    }

    fn status_of(&self, id: SessionId, session: &SessionRecord) -> UploadStatus {
        let (state, received_chunks, received_bytes, missing) = match &session.state {
            SessionState::Open(progress) => (
                UploadState::Open,
                progress.received,
                progress.bytes,
                self.missing_ranges(progress, GAPS_MAX),
            ),
            SessionState::Finished { blob, len, .. } => (
                UploadState::Finished {
                    blob_id: BlobId(*blob).to_string(),
                },
                session.expected_chunks,
                *len,
                Vec::new(),
            ),
            SessionState::Aborted => (UploadState::Aborted, 0, 0, Vec::new()),
        };
        UploadStatus {
            session: id.0,
            capsule_id: session.capsule().to_string(),
            state,
            expected_chunks: session.expected_chunks,
            received_chunks,
            received_bytes,
            missing,
            created_at: session.created_at,
            expires_at: session.expires_at(),
        }
    }

    /// The chunks that are not there, as ranges in order; at most `most` of them.
    pub(super) fn missing_ranges(&self, progress: &Progress, most: usize) -> Vec<ChunkRange> {
        let mut gaps: Vec<ChunkRange> = Vec::new();
        let entries = ChunkEntry::read_all(&self.arena, progress.table);
        for (index, _) in (0u32..)
            .zip(entries)
            .filter(|(_, entry)| !entry.is_received())
        {
            let full = gaps.len() == most;
            match gaps.last_mut() {
                Some(gap) if gap.last + 1 == index => gap.last = index,
                _ if full => break,
                _ => gaps.push(ChunkRange {
                    first: index,
                    last: index,
                }),
            }
        }
        gaps
    }
}
