//! Finishing an upload: the blob comes into being, complete and verified, or not at all.

use ic_stable_structures::Memory;
use keepsake_api::{ByteBuf, StorageBackend, UploadFinishResult};

use super::operations::parse_sha256;
use super::record::{Progress, SessionRecord, SessionState};
use super::store::SessionStore;
use crate::Vault;
use crate::arena::Extent;
use crate::blob::{
    BlobRecord, BlobStore, ChunkEntry, Chunking, Content, Extents, HeldContent, extent_table,
    extent_table_len, joined,
};
use crate::call::Call;
use crate::capsule::CapsuleStore;
use crate::error::{Error, Result};
use crate::hash::Sha256Digest;
use crate::ids::{BlobId, CapsuleId, SessionId, session_owner_key};
use crate::limits;

/// Most gaps that an answer about missing chunks names.
const GAPS_NAMED: usize = 100;

/// How far one message came.
#[derive(Debug)]
pub enum FinishStep {
    Done(UploadFinishResult),
    /// There is more to hash than one message may take: call again.
    HashMore,
}

impl<M: Memory> Vault<M> {
    /// Makes the blob, if all chunks are there and length and hash are right. Asked again it gives the same answer.
    ///
    /// Where chunks came far out of order, much may be left to hash: [`FinishStep::HashMore`] asks for another call, which goes
    /// on where this one stopped.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a session that the caller did not open;
    /// [`Error::Invalid`] for a hash that has not 32 bytes; [`Error::ChunkMissing`] with the indexes;
    /// [`Error::SizeMismatch`], [`Error::HashMismatch`]: the session stays open, so that the right chunks can be sent;
    /// [`Error::Conflict`] for an aborted session; [`Error::ResourceExhausted`] where the vault is full.
    pub fn uploads_finish(
        &mut self,
        call: Call,
        session: u64,
        sha256: &[u8],
        total_len: u64,
    ) -> Result<FinishStep> {
        let id = SessionId(session);
        let mut session = self.session_of(call, id)?;
        let sha256 = parse_sha256(sha256)?;
        let mut progress = match session.state.clone() {
            SessionState::Open(progress) => progress,
            SessionState::Aborted => {
                return Err(Error::Conflict("the upload session was aborted".into()));
            }
            SessionState::Finished {
                blob,
                sha256: actual,
                len,
                at,
            } => {
                check_size(total_len, len)?;
                check_hash(&sha256, &actual)?;
                return Ok(FinishStep::Done(finish_result(
                    BlobId(blob),
                    len,
                    &actual,
                    at,
                )));
            }
        };
        if progress.received < session.expected_chunks {
            return Err(Error::ChunkMissing(self.missing_chunks(&progress)));
        }
        check_size(total_len, progress.bytes)?;
        let hashed_before = progress.hashed_chunks;
        self.hash_ahead(
            &mut progress,
            session.expected_chunks,
            limits::HASH_PER_FINISH,
        );
        if progress.hashed_chunks < session.expected_chunks {
            debug_assert!(progress.hashed_chunks > hashed_before);
            self.regions.reserve(&SessionStore::<M>::needs())?;
            session.state = SessionState::Open(progress);
            self.sessions.set(id, &session);
            return Ok(FinishStep::HashMore);
        }
        check_hash(&sha256, &progress.hash.digest())?;
        self.make_blob(call, id, session, progress, sha256)
            .map(FinishStep::Done)
    }

    fn missing_chunks(&self, progress: &Progress) -> String {
        let mut gaps = self.missing_ranges(progress, GAPS_NAMED + 1);
        let more = gaps.len() > GAPS_NAMED;
        gaps.truncate(GAPS_NAMED);
        let mut named: Vec<String> = gaps
            .into_iter()
            .map(|gap| {
                if gap.first == gap.last {
                    gap.first.to_string()
                } else {
                    format!("{}-{}", gap.first, gap.last)
                }
            })
            .collect();
        if more {
            named.push("…".into());
        }
        named.join(",")
    }

    fn make_blob(
        &mut self,
        call: Call,
        id: SessionId,
        mut session: SessionRecord,
        progress: Progress,
        sha256: Sha256Digest,
    ) -> Result<UploadFinishResult> {
        let capsule = session.capsule();
        let chunks = ChunkEntry::read_all(&self.arena, progress.table);
        let lists: Vec<Extent> = chunks.iter().filter_map(|c| c.list_extent()).collect();
        let places = joined(chunks.iter().flat_map(|chunk| chunk.parts(&self.arena)));
        let holder = self
            .blobs
            .with_hash(capsule, &sha256)
            .map(|blob| blob.holder);
        if holder.is_none() {
            let others = self.usage_without(capsule, progress.counted);
            self.check_quota(&others, progress.bytes)?;
        }
        let cut = Cut::of(&chunks);
        let ends = self.arena.place(cut.table_len(), false);
        // Where equal content is held already, the bytes just received go again; else a table may be needed to find them.
        let table_len = match holder {
            None => extent_table_len(places.len()),
            Some(_) => 0,
        };
        let table_place = self.arena.place(table_len, false);
        let mut needs = SessionStore::<M>::needs();
        needs.extend(BlobStore::<M>::needs_for_insert());
        needs.extend(
            self.arena
                .needs(&[&ends, &table_place], places.len() + lists.len() + 3),
        );
        needs.push(CapsuleStore::<M>::need_for_usage());
        self.regions.reserve(&needs)?;

        let blobs = &self.blobs;
        let blob = BlobId(self.settings.draw("blob", |number| blobs.is_free(number))?);
        let chunking = match cut {
            Cut::Uniform { size, count } => Chunking::Uniform { size, count },
            Cut::Ends(ends) => {
                let at = self.arena.take_contiguous(ends.len() as u64);
                self.arena.write(at, &ends);
                Chunking::Ends(at)
            }
        };
        let len = progress.bytes;
        let content = match holder {
            Some(holder) => {
                for place in places {
                    self.arena.free(place);
                }
                Content::SharedWith(holder.0)
            }
            None => self.hold(capsule, sha256, len, &places),
        };
        for extent in lists.into_iter().chain([progress.table]) {
            self.arena.free(extent);
        }
        self.recount_upload(capsule, progress.counted, 0);
        let record = BlobRecord::new(capsule, call.now, chunking, content);
        self.blobs.insert(blob, &record, &sha256);
        let owner = session_owner_key(capsule, session.creator());
        self.sessions.closed(session.idem_key, owner);
        session.last_activity = call.now;
        session.state = SessionState::Finished {
            blob: blob.0,
            sha256,
            len,
            at: call.now,
        };
        self.sessions.set(id, &session);
        Ok(finish_result(blob, len, &sha256, call.now))
    }
}

impl<M: Memory> Vault<M> {
    /// Makes bytes that lie in these places content of the capsule's. The reservation is the caller's: the capsule's usage, and a
    /// table of [`extent_table_len`] bytes.
    pub(super) fn hold(
        &mut self,
        capsule: CapsuleId,
        sha256: Sha256Digest,
        len: u64,
        places: &[Extent],
    ) -> Content {
        let extents = if extent_table_len(places.len()) == 0 {
            Extents::One(places.first().copied().unwrap_or_default())
        } else {
            let table = extent_table(places);
            let at = self.arena.take_contiguous(table.len() as u64);
            self.arena.write(at, &table);
            Extents::Many(at)
        };
        let mut usage = self.capsules.usage(capsule);
        usage.blob_bytes += len;
        self.capsules.set_usage(capsule, &usage);
        Content::Held(HeldContent {
            sha256,
            len,
            extents,
            ids: 1,
        })
    }
}

/// How an upload was cut, as it will be stored.
enum Cut {
    Uniform { size: u32, count: u32 },
    Ends(Vec<u8>),
}

impl Cut {
    fn of(chunks: &[ChunkEntry]) -> Self {
        let size = chunks.first().map_or(0, |chunk| chunk.len());
        let (last, rest) = match chunks.split_last() {
            Some((last, rest)) => (last.len(), rest),
            None => (0, chunks),
        };
        if last <= size && rest.iter().all(|chunk| chunk.len() == size) {
            return Cut::Uniform {
                size,
                count: chunks.len() as u32,
            };
        }
        let mut end = 0u64;
        Cut::Ends(
            chunks
                .iter()
                .flat_map(|chunk| {
                    end += u64::from(chunk.len());
                    end.to_le_bytes()
                })
                .collect(),
        )
    }

    fn table_len(&self) -> u64 {
        match self {
            Cut::Uniform { .. } => 0,
            Cut::Ends(ends) => ends.len() as u64,
        }
    }
}

fn check_size(given: u64, actual: u64) -> Result<()> {
    if given == actual {
        Ok(())
    } else {
        Err(Error::SizeMismatch { given, actual })
    }
}

pub(super) fn check_hash(given: &Sha256Digest, actual: &Sha256Digest) -> Result<()> {
    if given == actual {
        Ok(())
    } else {
        Err(Error::HashMismatch(
            "the content received does not have this SHA-256".into(),
        ))
    }
}

pub(super) fn finish_result(
    blob: BlobId,
    size: u64,
    sha256: &Sha256Digest,
    at: u64,
) -> UploadFinishResult {
    UploadFinishResult {
        blob_id: blob.to_string(),
        memory_id: String::new(),
        size,
        checksum_sha256: Some(ByteBuf::from(sha256.to_vec())),
        storage_backend: StorageBackend::Icp,
        storage_location: blob.to_string(),
        remote_id: None,
        uploaded_at: at,
        expires_at: None,
    }
}
