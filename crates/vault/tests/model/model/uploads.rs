//! Uploads and blobs, as the contract says.

use std::collections::BTreeMap;

use keepsake_vault::limits;

use super::{Answer, Blob, BlobArg, Model, Refusal, Session, State, invalid, none_of, only};
use crate::pools::{ANONYMOUS, sha256};

/// What a client says of content before it sends any.
#[derive(Clone, Debug)]
pub struct Announced {
    pub sha: Vec<u8>,
    pub len: u64,
    pub chunk_size: u32,
}

impl Announced {
    /// Every chunk has the chunk size, and the last one what is left; empty content is one empty chunk.
    fn chunk_len(&self, index: u32) -> u64 {
        let from = u64::from(index) * u64::from(self.chunk_size);
        (self.len - from.min(self.len)).min(self.chunk_size.into())
    }

    fn chunks(&self) -> u64 {
        self.len.div_ceil(self.chunk_size.into()).max(1)
    }
}

/// How an announced upload goes on.
#[derive(Clone, Debug)]
pub enum Begun {
    Present,
    Open(usize),
}

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
        match self.open_under(who, capsule, idem) {
            Some(open) => Ok(open),
            None => self.open_session((who, now), capsule, expected, idem, None),
        }
    }

    /// The quota is checked before any byte travels; what the capsule holds needs no upload.
    pub fn uploads_begin_announced(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        announced: Announced,
        idem: &str,
    ) -> Answer<Begun> {
        let capsule = self.capsule(who, capsule)?;
        let mut wrong = Self::check_idem(idem).err().unwrap_or_default();
        if !(1..=limits::CHUNK_MAX).contains(&announced.chunk_size) {
            wrong.push(invalid("chunk_size"));
        } else if announced.chunks() > u64::from(limits::CHUNKS_MAX) {
            wrong.push(invalid("expected_chunks_too_large"));
        }
        if announced.sha.len() != 32 {
            wrong.push(invalid("sha256"));
        }
        none_of(wrong)?;
        if self.holds(capsule, &announced.sha) {
            return Ok(Begun::Present);
        }
        if let Some(open) = self.open_under(who, capsule, idem) {
            return Ok(Begun::Open(open));
        }
        if !self.takes(capsule, announced.len) {
            return only(Refusal::ResourceExhausted);
        }
        let expected = announced.chunks() as u32;
        self.open_session((who, now), capsule, expected, idem, Some(announced))
            .map(Begun::Open)
    }

    /// Whether some blob of the capsule has this content.
    pub fn holds(&self, capsule: usize, sha: &[u8]) -> bool {
        let mut blobs = self.blobs.iter();
        blobs.any(|b| b.capsule == capsule && !b.deleted && sha256(&b.bytes()) == *sha)
    }

    /// For each hash whether the capsule holds that content.
    pub fn blobs_by_hash(
        &self,
        who: usize,
        capsule: Option<usize>,
        hashes: &[Vec<u8>],
    ) -> Answer<Vec<bool>> {
        let capsule = self.capsule(who, capsule)?;
        if hashes.iter().any(|hash| hash.len() != 32) {
            return only(invalid("sha256"));
        }
        Ok(hashes
            .iter()
            .map(|hash| self.holds(capsule, hash))
            .collect())
    }

    fn is_open_of(&self, who: usize, capsule: usize, session: &Session) -> bool {
        session.capsule == capsule
            && self.same(who, session.creator)
            && session.state == State::Open
    }

    /// The session that (capsule, caller, key) has open.
    fn open_under(&self, who: usize, capsule: usize, idem: &str) -> Option<usize> {
        let mine = |s: &Session| self.is_open_of(who, capsule, s);
        let opened = |key: usize| {
            let mut sessions = self.sessions.iter();
            sessions.position(|s| mine(s) && s.creator == key && s.idem == idem)
        };
        self.keys(who).find_map(opened)
    }

    fn open_session(
        &mut self,
        (who, now): (usize, u64),
        capsule: usize,
        expected: u32,
        idem: &str,
        announced: Option<Announced>,
    ) -> Answer<usize> {
        self.takes_content()?;
        // A session counts for who opened it; what others of the person opened before they were linked counts for them.
        let acting = self.acting(who);
        let by_me = self
            .sessions
            .iter()
            .filter(|s| self.is_open_of(who, capsule, s) && s.creator == acting);
        if by_me.count() >= self.quotas.open_sessions as usize {
            return only(Refusal::ResourceExhausted);
        }
        let idem = idem.to_owned();
        self.sessions.push(Session {
            capsule,
            creator: self.acting(who),
            idem,
            expected,
            announced,
            chunks: BTreeMap::new(),
            counted: 0,
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
        match session {
            Some(session) if self.is_there(who, session) => Ok(&mut self.sessions[session]),
            _ => only(Refusal::NotFound),
        }
    }

    /// The same, in a capsule where the caller may still upload.
    fn session_in_use(&mut self, who: usize, session: Option<usize>) -> Answer<&mut Session> {
        let capsule = self.session(who, session)?.capsule;
        if !self.may_use(who, capsule) {
            return only(Refusal::NotFound);
        }
        self.session(who, session)
    }

    fn is_there(&self, who: usize, session: usize) -> bool {
        let session = &self.sessions[session];
        self.same(who, session.creator) && !matches!(session.state, State::Expired | State::Gone)
    }

    /// A session lives 7 days after its last chunk; so long its end is remembered, too.
    pub fn expire(&mut self, now: u64) {
        for session in self.sessions.iter_mut().filter(|s| s.until <= now) {
            if session.state != State::Gone {
                session.state = State::Expired;
            }
            session.chunks.clear();
        }
    }

    /// What has expired is cleared away, and blobs that no memory referenced within a day.
    pub fn sweep(&mut self, now: u64) {
        self.expire(now);
        for session in self.sessions.iter_mut() {
            if session.state == State::Expired {
                session.state = State::Gone;
            }
        }
        let due = |blob: &&mut Blob| blob.created_at + limits::UNREFERENCED_LIFETIME <= now;
        for blob in self.blobs.iter_mut().filter(due) {
            blob.deleted |= !blob.referenced;
        }
        self.sweep_trash(now);
    }

    /// How many of the caller's own expired sessions there were to clear away, at the most.
    pub fn uploads_cleanup_expired(&mut self, who: usize) -> Answer<u32> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let mut cleared = 0;
        for session in 0..self.sessions.len() {
            let known = &self.sessions[session];
            if self.same(who, known.creator) && known.state == State::Expired {
                self.sessions[session].state = State::Gone;
                cleared += 1;
            }
        }
        Ok(cleared)
    }

    /// What counts against the quota besides this upload.
    fn used_by_others(&self, session: usize) -> u64 {
        let session = &self.sessions[session];
        let own = if session.state == State::Open {
            session.counted
        } else {
            0
        };
        self.bytes_used(session.capsule) - own
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
        let used = session.map_or(0, |s| self.used_by_others(s));
        let (quota, takes_content) = (self.quotas.bytes, !self.is_short());
        let session = self.session_in_use(who, session)?;
        let mut wrong = vec![];
        if index >= session.expected {
            wrong.push(invalid("chunk_out_of_range"));
        }
        if bytes.len() > limits::CHUNK_MAX as usize {
            wrong.push(invalid("chunk_too_large"));
        }
        let announced = session.announced.as_ref();
        if announced.is_some_and(|said| said.chunk_len(index) != bytes.len() as u64) {
            wrong.push(invalid("size_mismatch"));
        }
        let repeated = session
            .chunks
            .get(&index)
            .is_some_and(|chunk| chunk == bytes);
        if session.state == State::Aborted || (session.state != State::Open && !repeated) {
            wrong.push(Refusal::Conflict);
        }
        none_of(wrong)?;
        let others = session.chunks.iter().filter(|(other, _)| **other != index);
        let held: u64 = others.map(|(_, chunk)| chunk.len() as u64).sum();
        let takes = quota.is_none_or(|quota| used + held + bytes.len() as u64 <= quota);
        if !(repeated || takes && takes_content) {
            return only(Refusal::ResourceExhausted);
        }
        if session.state == State::Open {
            session.until = now + limits::SESSION_LIFETIME;
        }
        session.chunks.insert(index, bytes.to_vec());
        if quota.is_some() && !repeated {
            session.counted = held + bytes.len() as u64;
        }
        Ok(())
    }

    /// A small blob in one message: the one that the same key made before of the same content, unless it was deleted since.
    pub fn uploads_put_blob(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        bytes: &[u8],
        sha: &[u8],
        idem: &str,
    ) -> Answer<usize> {
        let capsule = self.capsule(who, capsule)?;
        let mut wrong = Self::check_idem(idem).err().unwrap_or_default();
        if bytes.len() > limits::CHUNK_MAX as usize {
            wrong.push(invalid("chunk_too_large"));
        }
        if sha.len() != 32 {
            wrong.push(invalid("sha256"));
        } else if sha != sha256(bytes) {
            wrong.push(invalid("hash_mismatch"));
        }
        none_of(wrong)?;
        let key = (capsule, sha.to_vec(), idem.to_owned());
        let made = self.by_key.get(&key).copied();
        if let Some(made) = made.filter(|blob| !self.blobs[*blob].deleted) {
            return Ok(made);
        }
        self.takes_content()?;
        if !self.holds(capsule, sha) && !self.takes(capsule, bytes.len() as u64) {
            return only(Refusal::ResourceExhausted);
        }
        let blob = Blob {
            capsule,
            chunks: vec![bytes.to_vec()],
            created_at: now,
            referenced: false,
            deleted: false,
            by_name: false,
        };
        self.blobs.push(blob);
        self.by_key.insert(key, self.blobs.len() - 1);
        Ok(self.blobs.len() - 1)
    }

    /// The blob made last, by a key, has the id that a deleted one had: it is that one again.
    pub fn made_again(&mut self, before: usize) {
        let again = self.blobs.pop().expect("it was made");
        let known = &self.blobs[before];
        assert!(known.deleted && known.capsule == again.capsule && known.chunks == again.chunks);
        self.blobs[before] = again;
        let last = self.blobs.len();
        for blob in self.by_key.values_mut().filter(|blob| **blob == last) {
            *blob = before;
        }
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
        let holds = session.is_some_and(|s| self.holds(self.sessions[s].capsule, sha));
        let quota = self.quotas.bytes.unwrap_or(u64::MAX);
        let takes = session.is_none_or(|s| self.used_by_others(s).saturating_add(len) <= quota);
        let session = self.session_in_use(who, session)?;
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
        // Equal content is kept once; the quota may have been lowered since the chunks came.
        if !holds && !takes {
            return only(Refusal::ResourceExhausted);
        }
        session.state = State::Finished { blob, at: now };
        session.counted = 0;
        session.until = now + limits::SESSION_LIFETIME;
        let made = Blob {
            capsule: session.capsule,
            chunks: session.chunks.values().cloned().collect(),
            created_at: now,
            referenced: false,
            deleted: false,
            by_name: false,
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
            session.counted = 0;
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
            .filter(|s| self.is_there(who, *s))
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
