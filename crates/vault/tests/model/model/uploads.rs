//! Uploads and blobs, as the contract says.

use std::collections::BTreeMap;

use keepsake_vault::limits;

use super::{Answer, Blob, BlobArg, Model, Refusal, Session, State, invalid, none_of, only};
use crate::pools::{ANONYMOUS, sha256};

impl Model {
    pub fn uploads_begin(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        expected: u32,
        idem: &str,
    ) -> Answer<usize> {
        let capsule = self.capsule(who, capsule)?;
        let mut wrong = Self::check_idem(idem).err().unwrap_or_default();
        match expected {
            0 => wrong.push(invalid("expected_chunks_zero")),
            1..=limits::CHUNKS_MAX => {}
            _ => wrong.push(invalid("expected_chunks_too_large")),
        }
        none_of(wrong)?;
        let mine = |s: &Session| s.capsule == capsule && s.creator == who && s.state == State::Open;
        if let Some(open) = self.sessions.iter().position(|s| mine(s) && s.idem == idem) {
            return Ok(open);
        }
        if self.sessions.iter().filter(|s| mine(s)).count() >= limits::OPEN_SESSIONS_MAX as usize {
            return only(Refusal::ResourceExhausted);
        }
        let idem = idem.to_owned();
        self.sessions.push(Session {
            capsule,
            creator: who,
            idem,
            expected,
            chunks: BTreeMap::new(),
            state: State::Open,
            until: now + limits::SESSION_LIFETIME,
        });
        Ok(self.sessions.len() - 1)
    }

    /// Only its creator: for anybody else a session does not exist.
    fn session(&mut self, who: usize, session: Option<usize>) -> Answer<&mut Session> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let session = session.map(|session| &mut self.sessions[session]);
        match session.filter(|s| s.creator == who && s.state != State::Gone) {
            Some(session) => Ok(session),
            None => only(Refusal::NotFound),
        }
    }

    /// A session lives 7 days after its last chunk; so long its end is remembered, too. A blob that no memory ever referenced lives a day.
    pub fn sweep(&mut self, now: u64) {
        for session in self.sessions.iter_mut().filter(|s| s.until <= now) {
            session.state = State::Gone;
            session.chunks.clear();
        }
        let due = |blob: &&mut Blob| blob.created_at + limits::UNREFERENCED_LIFETIME <= now;
        for blob in self.blobs.iter_mut().filter(due) {
            blob.deleted |= !blob.referenced;
        }
    }

    /// Whether the session's content was deleted, so that a repeated chunk can't be compared any more.
    pub fn content_is_gone(&self, session: usize) -> bool {
        matches!(self.sessions[session].state, State::Finished { blob, .. } if self.blobs[blob].deleted)
    }

    pub fn uploads_put_chunk(
        &mut self,
        (who, now): (usize, u64),
        session: Option<usize>,
        index: u32,
        bytes: &[u8],
    ) -> Answer<()> {
        let session = self.session(who, session)?;
        let mut wrong = vec![];
        if index >= session.expected {
            wrong.push(invalid("chunk_out_of_range"));
        }
        if bytes.len() > limits::CHUNK_MAX as usize {
            wrong.push(invalid("chunk_too_large"));
        }
        let repeated = session
            .chunks
            .get(&index)
            .is_some_and(|chunk| chunk == bytes);
        if session.state == State::Aborted || (session.state != State::Open && !repeated) {
            wrong.push(Refusal::Conflict);
        }
        none_of(wrong)?;
        if session.state == State::Open {
            session.until = now + limits::SESSION_LIFETIME;
        }
        session.chunks.insert(index, bytes.to_vec());
        Ok(())
    }

    /// The blob and when it came to be.
    pub fn uploads_finish(
        &mut self,
        (who, now): (usize, u64),
        session: Option<usize>,
        sha: &[u8],
        len: u64,
    ) -> Answer<(usize, u64)> {
        let blob = self.blobs.len();
        let session = self.session(who, session)?;
        let mut wrong = vec![];
        let bytes: Vec<u8> = session.chunks.values().flatten().copied().collect();
        let missing: Vec<u32> = (0..session.expected)
            .filter(|i| !session.chunks.contains_key(i))
            .collect();
        if sha.len() != 32 {
            wrong.push(invalid(""));
        }
        if session.state == State::Aborted {
            wrong.push(Refusal::Conflict);
        } else if !missing.is_empty() {
            wrong.push(invalid(&format!("chunk_missing: {}", ranges(&missing))));
        } else {
            if len != bytes.len() as u64 {
                wrong.push(invalid("size_mismatch"));
            }
            if sha.len() == 32 && sha != sha256(&bytes) {
                wrong.push(invalid("hash_mismatch"));
            }
        }
        none_of(wrong)?;
        if let State::Finished { blob, at } = session.state {
            return Ok((blob, at));
        }
        session.state = State::Finished { blob, at: now };
        session.until = now + limits::SESSION_LIFETIME;
        let made = Blob {
            capsule: session.capsule,
            chunks: session.chunks.values().cloned().collect(),
            created_at: now,
            referenced: false,
            deleted: false,
        };
        self.blobs.push(made);
        Ok((blob, now))
    }

    pub fn uploads_abort(
        &mut self,
        (who, now): (usize, u64),
        session: Option<usize>,
    ) -> Answer<()> {
        let session = self.session(who, session)?;
        if session.state == State::Open {
            session.state = State::Aborted;
            session.until = now + limits::SESSION_LIFETIME;
        }
        Ok(())
    }

    /// By the capsule, or by a memory that references it.
    pub fn blob(&self, (who, now): (usize, u64), blob: BlobArg) -> Answer<&Blob> {
        match blob {
            _ if who == ANONYMOUS => only(Refusal::Unauthorized),
            BlobArg::Malformed => only(invalid("blob_id_malformed")),
            BlobArg::Known(n)
                if !self.blobs[n].deleted
                    && (self.may_use(who, self.blobs[n].capsule)
                        || self.may_read_by_memory(who, n, now)) =>
            {
                Ok(&self.blobs[n])
            }
            _ => only(Refusal::NotFound),
        }
    }
}

/// A session's state, chunks received, bytes received, and missing ranges.
pub type Status = (State, u32, u64, Vec<(u32, u32)>);

impl Model {
    pub fn uploads_status(&mut self, who: usize, session: Option<usize>) -> Answer<Status> {
        let session = self.session(who, session)?;
        let len = session
            .chunks
            .values()
            .map(|chunk| chunk.len() as u64)
            .sum();
        let missing: Vec<u32> = (0..session.expected)
            .filter(|i| !session.chunks.contains_key(i))
            .collect();
        Ok(match session.state {
            State::Aborted => (State::Aborted, 0, 0, vec![]),
            _ => (
                session.state.clone(),
                session.chunks.len() as u32,
                len,
                missing
                    .chunk_by(|a, b| a + 1 == *b)
                    .map(|run| (run[0], run[run.len() - 1]))
                    .take(1_000)
                    .collect(),
            ),
        })
    }

    pub fn uploads_list(&self, who: usize) -> Answer<Vec<usize>> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        Ok((0..self.sessions.len())
            .filter(|s| self.sessions[*s].creator == who && self.sessions[*s].state != State::Gone)
            .collect())
    }
}

/// Indexes as `chunk_missing` names them: `3,7-9`.
fn ranges(indexes: &[u32]) -> String {
    let mut text = String::new();
    for run in indexes.chunk_by(|a, b| a + 1 == *b) {
        if !text.is_empty() {
            text.push(',');
        }
        match run {
            [one] => text += &one.to_string(),
            [first, .., last] => text += &format!("{first}-{last}"),
            [] => unreachable!("chunk_by yields no empty run"),
        }
    }
    text
}
