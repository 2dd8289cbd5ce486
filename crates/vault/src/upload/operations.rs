//! Opening a session, receiving chunks, giving up (contract, "Uploads").

use ic_stable_structures::Memory;
use keepsake_api::{ByteBuf, HeldBlob, UploadAnnouncement, UploadBegin, UploadConfig};

use super::record::{Announced, Progress, SessionRecord, SessionState};
use super::store::SessionStore;
use crate::Vault;
use crate::arena::Extent;
use crate::blob::{Blob, CHUNK_ENTRY, ChunkEntry, chunk_range, read_range};
use crate::call::Call;
use crate::capsule::CapsuleStore;
use crate::error::{Error, Result};
use crate::hash::{ResumableSha256, Sha256Digest};
use crate::ids::{BlobId, CapsuleId, Idem, SessionId, session_idem_key, session_owner_key};
use crate::limits;
use crate::person::Person;

fn held_blob(blob: &Blob) -> HeldBlob {
    HeldBlob {
        blob_id: blob.id.to_string(),
        size: blob.content.len,
    }
}

/// # Errors
/// [`Error::Invalid`] for anything but 32 bytes.
pub(super) fn parse_sha256(bytes: &[u8]) -> Result<Sha256Digest> {
    bytes
        .try_into()
        .map_err(|_| Error::invalid("sha256", format!("{} bytes; a SHA-256 has 32", bytes.len())))
}

impl<M: Memory> Vault<M> {
    /// What a client has to know before it sends content. For everybody, the anonymous caller too.
    pub fn upload_config(&self) -> UploadConfig {
        UploadConfig {
            inline_max: limits::INLINE_MAX,
            chunk_size: limits::CHUNK_MAX,
            inline_budget_per_capsule: self.settings.get().inline_budget,
        }
    }

    /// Opens a session for `expected_chunks` chunks, or returns the one that (capsule, caller, idem) has open.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a capsule that the caller may not use;
    /// [`Error::IdemEmpty`], [`Error::IdemTooLong`], [`Error::ExpectedChunksZero`], [`Error::ExpectedChunksTooLarge`];
    /// [`Error::ResourceExhausted`] for a caller with [`limits::OPEN_SESSIONS_MAX`] open sessions in the capsule.
    pub fn uploads_begin(
        &mut self,
        call: Call,
        capsule: &str,
        expected_chunks: u32,
        idem: &str,
    ) -> Result<u64> {
        let person = self.person(call)?;
        let (capsule, _) = self.capsule_for(&person, capsule)?;
        let idem = Idem::parse(idem)?;
        match expected_chunks {
            0 => return Err(Error::ExpectedChunksZero),
            1..=limits::CHUNKS_MAX => {}
            _ => return Err(Error::ExpectedChunksTooLarge(expected_chunks)),
        }
        match self.session_under(&person, call.now, capsule, idem)? {
            Some((session, _)) => Ok(session),
            None => self.open_session(&person, call.now, capsule, expected_chunks, idem, None),
        }
    }

    /// Opens a session as [`Self::uploads_begin`] does, for content that is announced: the quota is checked before any byte travels, and
    /// content that the capsule holds already needs no upload at all.
    ///
    /// # Errors
    /// As [`Self::uploads_begin`]; [`Error::Invalid`] for a chunk size that is 0 or too large, or a hash that has not 32 bytes;
    /// [`Error::ResourceExhausted`] where the capsule's quota does not take the content.
    pub fn uploads_begin_announced(
        &mut self,
        call: Call,
        capsule: &str,
        content: &UploadAnnouncement,
        idem: &str,
    ) -> Result<UploadBegin> {
        let person = self.person(call)?;
        let (capsule, _) = self.capsule_for(&person, capsule)?;
        let idem = Idem::parse(idem)?;
        if content.chunk_size == 0 || content.chunk_size > limits::CHUNK_MAX {
            return Err(Error::invalid(
                "chunk_size",
                format!(
                    "{}; 1 to {} are allowed",
                    content.chunk_size,
                    limits::CHUNK_MAX
                ),
            ));
        }
        let sha256 = parse_sha256(&content.sha256)?;
        let announced = Announced {
            chunk_size: content.chunk_size,
            len: content.total_len,
        };
        let expected_chunks = u32::try_from(announced.chunks())
            .ok()
            .filter(|chunks| *chunks <= limits::CHUNKS_MAX)
            .ok_or(Error::ExpectedChunksTooLarge(u32::MAX))?;
        if let Some(blob) = self.blobs.with_hash(capsule, &sha256) {
            return Ok(UploadBegin::Present(held_blob(&blob)));
        }
        // Before the quota: what came of this upload counts already, and it may go on.
        let (session, expected_chunks) =
            match self.session_under(&person, call.now, capsule, idem)? {
                Some(open) => open,
                None => {
                    self.check_quota(&self.capsules.usage(capsule), content.total_len)?;
                    let announced = Some(announced);
                    let chunks = expected_chunks;
                    let session =
                        self.open_session(&person, call.now, capsule, chunks, idem, announced)?;
                    (session, chunks)
                }
            };
        Ok(UploadBegin::Open {
            session,
            expected_chunks,
        })
    }

    /// For each of these SHA-256 a blob of the capsule with that content, where it has one.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a capsule that the caller may not use;
    /// [`Error::Invalid`] for a hash that has not 32 bytes, and for more than [`limits::BULK_MAX`].
    pub fn blobs_by_hash(
        &self,
        call: Call,
        capsule: &str,
        hashes: &[ByteBuf],
    ) -> Result<Vec<Option<HeldBlob>>> {
        let person = self.person(call)?;
        let (capsule, _) = self.capsule_for(&person, capsule)?;
        limits::check_bulk("hashes", hashes.len())?;
        hashes
            .iter()
            .map(|hash| {
                let sha256 = parse_sha256(hash)?;
                Ok(self
                    .blobs
                    .with_hash(capsule, &sha256)
                    .map(|blob| held_blob(&blob)))
            })
            .collect()
    }

    /// The session that is open under this key, and how many chunks it expects, which may be another number than is asked for now. One
    /// that has expired is cleared away.
    fn session_under(
        &mut self,
        person: &Person,
        now: u64,
        capsule: CapsuleId,
        idem: Idem,
    ) -> Result<Option<(u64, u32)>> {
        // A session that another of the person's principals opened, before they were linked, is the person's too.
        for principal in person.principals() {
            let idem_key = session_idem_key(capsule, principal, idem);
            if let Some(session) = self.sessions.by_idem(idem_key) {
                match self.sessions.get(session) {
                    Some(record) if now < record.expires_at() => {
                        return Ok(Some((session.0, record.expected_chunks)));
                    }
                    _ => self.expire(session)?,
                }
            }
        }
        Ok(None)
    }

    /// Opens a session under a key under which none is open.
    fn open_session(
        &mut self,
        person: &Person,
        now: u64,
        capsule: CapsuleId,
        expected_chunks: u32,
        idem: Idem,
        announced: Option<Announced>,
    ) -> Result<u64> {
        let idem_key = session_idem_key(capsule, person.acting, idem);
        self.check_means()?;
        let owner = session_owner_key(capsule, person.acting.as_slice());
        let most = self.settings.get().open_sessions();
        if self.sessions.open_count(owner) >= most {
            // Those that have expired and were not swept yet are open no longer.
            self.clear_expired(person, now)?;
            if self.sessions.open_count(owner) >= most {
                return Err(Error::ResourceExhausted);
            }
        }
        let table_len = u64::from(expected_chunks) * CHUNK_ENTRY;
        let mut needs = SessionStore::<M>::needs();
        needs.extend(self.arena.needs(&[&self.arena.place(table_len, false)], 0));
        self.regions.reserve(&needs)?;

        let sessions = &self.sessions;
        let session = SessionId(
            self.settings
                .draw("session", |number| sessions.is_free(number))?,
        );
        let table = self.arena.take_contiguous(table_len);
        // The arena's space may hold what was there before: an entry of zeros says that the chunk is not there yet.
        self.arena.write(table, &vec![0; table_len as usize]);
        let mut record = SessionRecord::new(
            capsule,
            person.acting,
            idem_key,
            expected_chunks,
            now,
            table,
        );
        record.announced = announced;
        self.sessions.insert(session, &record);
        self.sessions.opened(session, idem_key, owner);
        Ok(session.0)
    }

    /// Receives one chunk: any order, any number of times. The same bytes again change nothing; other bytes replace the first.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a session that the caller did not open, or in a
    /// capsule that the caller may no longer use; [`Error::ChunkOutOfRange`], [`Error::ChunkTooLarge`];
    /// [`Error::Conflict`] for other bytes after the session was finished, or any after it was aborted;
    /// [`Error::ResourceExhausted`] where the vault is full. None of them costs the session anything.
    pub fn uploads_put_chunk(
        &mut self,
        call: Call,
        session: u64,
        index: u32,
        bytes: &[u8],
    ) -> Result<()> {
        let id = SessionId(session);
        let session = self.session_of(call, id)?;
        if index >= session.expected_chunks {
            return Err(Error::ChunkOutOfRange {
                index,
                expected: session.expected_chunks,
            });
        }
        if bytes.len() > limits::CHUNK_MAX as usize {
            return Err(Error::ChunkTooLarge { len: bytes.len() });
        }
        if let Some(announced) = &session.announced
            && announced.chunk_len(index) != bytes.len() as u64
        {
            return Err(Error::SizeMismatch {
                given: bytes.len() as u64,
                actual: announced.chunk_len(index),
            });
        }
        let progress = match &session.state {
            SessionState::Open(progress) => progress.clone(),
            SessionState::Finished { blob, .. } => {
                return self.chunk_after_finish(BlobId(*blob), index, bytes);
            }
            SessionState::Aborted => {
                return Err(Error::Conflict("the upload session was aborted".into()));
            }
        };
        let before = ChunkEntry::read(&self.arena, progress.table, index);
        if before.is_received()
            && before.len() as usize == bytes.len()
            && before.bytes(&self.arena) == bytes
        {
            return self.touch_session(id, session, call.now);
        }
        self.store_chunk(call, id, session, progress, index, bytes, before)
    }

    /// Gives up: frees everything the session holds. Again: nothing. A finished session's blob stays.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a session that the caller did not open.
    pub fn uploads_abort(&mut self, call: Call, session: u64) -> Result<()> {
        let id = SessionId(session);
        let mut session = self.own_session(&self.person(call)?, call.now, id)?;
        if !matches!(session.state, SessionState::Open(_)) {
            return Ok(());
        }
        self.free_session(&session)?;
        session.state = SessionState::Aborted;
        session.last_activity = call.now;
        self.sessions.set(id, &session);
        Ok(())
    }

    /// The session, if the person opened it, and its capsule is there: what is in a capsule that was deleted is gone at once, also while it
    /// waits to be freed.
    pub(super) fn own_session(
        &self,
        person: &Person,
        now: u64,
        id: SessionId,
    ) -> Result<SessionRecord> {
        let session = self.opened_session(person, now, id)?;
        if self.capsules.exists(session.capsule()) {
            Ok(session)
        } else {
            Err(Error::NotFound)
        }
    }

    /// The session, if the person opened it, by whichever of its principals, and it has not expired.
    fn opened_session(&self, person: &Person, now: u64, id: SessionId) -> Result<SessionRecord> {
        self.sessions
            .get(id)
            .filter(|session| person.includes(session.creator()) && now < session.expires_at())
            .ok_or(Error::NotFound)
    }

    /// The caller's session, in a capsule that the caller may still use.
    pub(super) fn session_of(&self, call: Call, id: SessionId) -> Result<SessionRecord> {
        let person = self.person(call)?;
        let session = self.opened_session(&person, call.now, id)?;
        // In a capsule that was deleted nobody has a part.
        if self.capsules.roles(&person, session.capsule()).may_use() {
            Ok(session)
        } else {
            Err(Error::NotFound)
        }
    }

    fn touch_session(&mut self, id: SessionId, mut session: SessionRecord, now: u64) -> Result<()> {
        self.regions.reserve(&SessionStore::<M>::needs())?;
        session.last_activity = now;
        self.sessions.set(id, &session);
        Ok(())
    }

    /// A chunk sent again after the blob was made: fine if it is the same. Where the blob was deleted since nobody can tell, and
    /// bytes that are not kept are not said to be.
    fn chunk_after_finish(&self, blob: BlobId, index: u32, bytes: &[u8]) -> Result<()> {
        let same = self.blobs.get(blob).is_some_and(|blob| {
            chunk_range(&self.arena, &blob.record.chunking, blob.content.len, index).is_some_and(
                |(start, len)| {
                    len == bytes.len() as u64
                        && read_range(&self.arena, &blob.content, start, len) == bytes
                },
            )
        });
        if same {
            Ok(())
        } else {
            Err(Error::Conflict(
                "the upload session is finished; its content cannot change any more".into(),
            ))
        }
    }

    #[allow(clippy::too_many_arguments)] // the parts of one step that was split for its length only
    fn store_chunk(
        &mut self,
        call: Call,
        id: SessionId,
        mut session: SessionRecord,
        mut progress: Progress,
        index: u32,
        bytes: &[u8],
        before: ChunkEntry,
    ) -> Result<()> {
        self.check_means()?;
        let capsule = session.capsule();
        let others = self.usage_without(capsule, progress.counted);
        let replaced = u64::from(before.len());
        let held = progress.bytes - replaced + bytes.len() as u64;
        self.check_quota(&others, held)?;
        let counted_before = progress.counted;
        if self.counts_uploads() {
            progress.counted = held;
        }
        let placement = self.arena.place(bytes.len() as u64, true);
        let list_len = ChunkEntry::list_len(placement.parts());
        let list = self.arena.place(list_len, false);
        let old: Vec<Extent> = if before.is_received() {
            before.extents(&self.arena)
        } else {
            Vec::new()
        };
        let mut needs = SessionStore::<M>::needs();
        needs.extend(self.arena.needs(&[&placement, &list], old.len() + 1));
        if progress.counted != counted_before {
            needs.push(CapsuleStore::<M>::need_for_usage());
        }
        self.regions.reserve(&needs)?;

        let parts = self.arena.take(placement);
        let list = (list_len > 0).then(|| self.arena.take_contiguous(list_len));
        let entry = ChunkEntry::store(&self.arena, bytes, &parts, list);
        entry.write(&self.arena, progress.table, index);
        for extent in old {
            self.arena.free(extent);
        }
        if !before.is_received() {
            progress.received += 1;
        }
        progress.bytes = held;
        self.recount_upload(capsule, counted_before, progress.counted);
        if index < progress.hashed_chunks {
            // The hash covers bytes that are gone: it starts again from the first chunk.
            progress.hash = ResumableSha256::default();
            progress.hashed_chunks = 0;
        }
        if index == progress.hashed_chunks {
            progress.hash.update(bytes);
            progress.hashed_chunks += 1;
        }
        self.hash_ahead(
            &mut progress,
            session.expected_chunks,
            limits::HASH_AHEAD_PER_CHUNK,
        );
        session.last_activity = call.now;
        session.state = SessionState::Open(progress);
        self.sessions.set(id, &session);
        Ok(())
    }

    /// Takes chunks that are there into the hash, in order, up to the first that is missing and to about `budget` bytes.
    pub(super) fn hash_ahead(&self, progress: &mut Progress, expected_chunks: u32, budget: u64) {
        let mut hashed = 0;
        while progress.hashed_chunks < expected_chunks && hashed < budget {
            let entry = ChunkEntry::read(&self.arena, progress.table, progress.hashed_chunks);
            if !entry.is_received() {
                return;
            }
            progress.hash.update(&entry.bytes(&self.arena));
            progress.hashed_chunks += 1;
            hashed += u64::from(entry.len()).max(1);
        }
    }
}
