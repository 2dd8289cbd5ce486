//! The upload engine: content becomes a blob of the vault, sent once, in parallel chunks, resumable. What is in memory and
//! fits one message goes in one.
//!
//! A file of more than one chunk is read once: each chunk is hashed and handed to the network in the same pass,
//! so that neither the file nor more than a bounded window of chunks is in memory. Its session is found again by
//! an idempotency key made of where the file is and how it begins; the vault is asked which chunks it still
//! lacks, and only these travel. Whether the resumed session really held the same file is decided by the hash
//! at the end: if not, everything is sent again. So the key only saves bytes; it is never trusted.

mod content;
mod wanted;

pub use self::content::{Content, FileContent};

use std::{future::Future, io::Read, sync::Arc};

use keepsake_api::{Error as VaultError, UploadConfig, UploadFinishResult};
use sha2::{Digest, Sha256};
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet, spawn_blocking},
};

use self::{content::Reader, wanted::Wanted};
use crate::{ClientError, Vault, vault::LONGEST_PUT};

/// Most chunks of one upload (`uploads_begin`).
pub const MOST_CHUNKS: u32 = 16_384;

/// Chunks in flight at the same time, unless set otherwise: enough for a host to commit some while it receives
/// others, and some 100 MB of memory with their encoded forms.
pub const DEFAULT_WINDOW: usize = 8;

/// How often a session is completed with chunks that the vault says it lacks, after the first pass.
const MOST_REPAIRS: u32 = 3;

/// A hash that no content has, for all that is known: asks a session what it lacks without finishing it.
const NO_CONTENT: [u8; 32] = [0; 32];

/// The calls that an upload makes, so that it can be tested without a vault.
pub trait UploadCalls: Clone + Send + Sync + 'static {
    /// `uploads_begin`
    fn begin(
        &self,
        capsule_id: &str,
        chunks: u32,
        idem: &str,
    ) -> impl Future<Output = Result<u64, ClientError>> + Send;
    /// `uploads_put_chunk`
    fn put_chunk(
        &self,
        session: u64,
        index: u32,
        bytes: Vec<u8>,
    ) -> impl Future<Output = Result<(), ClientError>> + Send;
    /// `uploads_finish`
    fn finish(
        &self,
        session: u64,
        sha256: [u8; 32],
        len: u64,
    ) -> impl Future<Output = Result<UploadFinishResult, ClientError>> + Send;
    /// `uploads_abort`
    fn abort(&self, session: u64) -> impl Future<Output = Result<(), ClientError>> + Send;
    /// `uploads_put_blob`
    fn put_blob(
        &self,
        capsule_id: &str,
        bytes: &[u8],
        sha256: [u8; 32],
        idem: &str,
    ) -> impl Future<Output = Result<UploadFinishResult, ClientError>> + Send;
}

impl UploadCalls for Vault {
    async fn begin(&self, capsule_id: &str, chunks: u32, idem: &str) -> Result<u64, ClientError> {
        self.uploads_begin(capsule_id, chunks, idem).await
    }

    async fn put_chunk(&self, session: u64, index: u32, bytes: Vec<u8>) -> Result<(), ClientError> {
        self.uploads_put_chunk(session, index, &bytes).await
    }

    async fn finish(
        &self,
        session: u64,
        sha256: [u8; 32],
        len: u64,
    ) -> Result<UploadFinishResult, ClientError> {
        self.uploads_finish(session, &sha256, len).await
    }

    async fn abort(&self, session: u64) -> Result<(), ClientError> {
        self.uploads_abort(session).await
    }

    async fn put_blob(
        &self,
        capsule_id: &str,
        bytes: &[u8],
        sha256: [u8; 32],
        idem: &str,
    ) -> Result<UploadFinishResult, ClientError> {
        self.uploads_put_blob(capsule_id, bytes, &sha256, idem)
            .await
    }
}

/// A blob in the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    pub id: String,
    pub sha256: [u8; 32],
    /// Bytes.
    pub len: u64,
}

/// Uploads content into capsules of one vault. Cheap to clone.
#[derive(Clone)]
pub struct Uploader<C = Vault> {
    calls: C,
    chunk_size: u32,
    /// One permit for each chunk that may be in flight, of all uploads together.
    window: Arc<Semaphore>,
}

impl Uploader<Vault> {
    /// For `vault`, whose limits are `config`.
    pub fn new(vault: Vault, config: &UploadConfig) -> Self {
        Uploader::over(vault, config.chunk_size)
    }
}

impl<C: UploadCalls> Uploader<C> {
    /// Over any implementation of the calls, with chunks of `chunk_size` bytes.
    pub fn over(calls: C, chunk_size: u32) -> Self {
        Uploader {
            calls,
            chunk_size: chunk_size.max(1),
            window: Arc::new(Semaphore::new(DEFAULT_WINDOW)),
        }
    }

    /// At most `window` chunks (at least 1) in flight at the same time, of all uploads by this and its clones.
    pub fn with_window(mut self, window: usize) -> Self {
        self.window = Arc::new(Semaphore::new(window.clamp(1, Semaphore::MAX_PERMITS)));
        self
    }

    /// Length of a chunk in bytes; what is no longer goes in one message.
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// Uploads `content` into a capsule. `sent` is told the length of every part that is in the vault, whether
    /// it travelled now or was there before; their sum reaches the content's length, and may pass it where parts
    /// had to be sent again.
    ///
    /// # Errors
    /// [`ClientError::TooLarge`], [`ClientError::FileChanged`] and [`ClientError::File`] from the source;
    /// the vault's typed errors; transport errors when the retries are used up, which leave the session open,
    /// so that the same upload goes on where it stopped.
    pub async fn upload(
        &self,
        capsule_id: &str,
        content: &Content,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<StoredBlob, ClientError> {
        let len = content.len();
        let chunk_count = len.div_ceil(u64::from(self.chunk_size)).max(1);
        let chunks = u32::try_from(chunk_count)
            .ok()
            .filter(|&n| n <= MOST_CHUNKS)
            .ok_or(ClientError::TooLarge {
                len,
                max: u64::from(MOST_CHUNKS) * u64::from(self.chunk_size),
            })?;
        let idem = self.idem(content).await?;
        if let Content::Bytes { bytes, .. } = content
            && chunks == 1
            && len <= LONGEST_PUT
        {
            let blob = self.put(capsule_id, bytes.clone(), &idem).await?;
            sent(len);
            return Ok(blob);
        }
        let mut restarted = false;
        loop {
            let session = self.calls.begin(capsule_id, chunks, &idem).await?;
            let upload = Upload {
                uploader: self,
                content,
                session,
                chunks,
                sent,
            };
            match upload.run().await {
                // Another upload of the same content finished or gave up this session meanwhile: begin anew.
                Err(e) if !restarted && is_session_gone(&e) => restarted = true,
                Err(e) => {
                    // A session that cannot be resumed usefully only takes the vault's space.
                    if !e.is_transient() {
                        let _ = self.calls.abort(session).await;
                    }
                    return Err(e);
                }
                Ok(blob) => return Ok(blob),
            }
        }
    }

    /// What fits one message needs no session.
    async fn put(
        &self,
        capsule_id: &str,
        bytes: Arc<[u8]>,
        idem: &str,
    ) -> Result<StoredBlob, ClientError> {
        let len = bytes.len() as u64;
        let hashed = bytes.clone();
        let sha256 = blocking(move || Ok(Sha256::digest(&hashed).into())).await?;
        let permit = self.window.acquire().await;
        let _permit = permit.map_err(|_| ClientError::Stopped)?;
        let result = self
            .calls
            .put_blob(capsule_id, &bytes, sha256, idem)
            .await?;
        checked(result, sha256, len, "a blob of one message")
    }

    /// The key by which a session is found again: equal for equal content in memory, and for the same file at
    /// the same place.
    async fn idem(&self, content: &Content) -> Result<String, ClientError> {
        let mut hasher = Sha256::new();
        hasher.update(u64::from(self.chunk_size).to_be_bytes());
        hasher.update(content.len().to_be_bytes());
        match content {
            Content::Bytes { bytes, label } => {
                hasher.update(label.as_bytes());
                hasher.update([0]);
                hasher.update(bytes);
            }
            Content::File(file) => {
                let file = file.clone();
                let (place, head) = blocking(move || {
                    let mut head = Vec::new();
                    file.open()?
                        .take(64 * 1024)
                        .read_to_end(&mut head)
                        .map_err(|e| ClientError::file(&file.path, e))?;
                    let place = file.path.canonicalize().unwrap_or(file.path);
                    Ok((place, head))
                })
                .await?;
                hasher.update(place.as_os_str().as_encoded_bytes());
                hasher.update([0]);
                hasher.update(&head);
            }
        }
        Ok(format!("upload:{}", hex::encode(hasher.finalize())))
    }
}

/// One session on its way.
struct Upload<'a, C> {
    uploader: &'a Uploader<C>,
    content: &'a Content,
    session: u64,
    chunks: u32,
    sent: &'a (dyn Fn(u64) + Sync),
}

impl<C: UploadCalls> Upload<'_, C> {
    async fn run(&self) -> Result<StoredBlob, ClientError> {
        let all = Wanted::all(self.chunks);
        let mut wanted = self.lacking().await?;
        let mut complete_pass = wanted == all;
        let mut repairs = 0;
        loop {
            let sha256 = self.pass(&wanted).await?;
            let error = match self
                .uploader
                .calls
                .finish(self.session, sha256, self.content.len())
                .await
            {
                Ok(result) => {
                    let what = format!("upload {}", self.session);
                    return checked(result, sha256, self.content.len(), &what);
                }
                Err(error) => error,
            };
            let text = error.invalid_argument().unwrap_or_default();
            wanted = match Wanted::from_error(text, self.chunks) {
                Some(lacking) if repairs < MOST_REPAIRS => lacking,
                // The session held other bytes than this file: everything again, once.
                None if !complete_pass
                    && (text.starts_with("hash_mismatch") || text.starts_with("size_mismatch")) =>
                {
                    complete_pass = true;
                    all.clone()
                }
                _ => return Err(error),
            };
            repairs += 1;
        }
    }

    /// Which chunks the vault lacks. Only a file of several chunks is worth the question.
    async fn lacking(&self) -> Result<Wanted, ClientError> {
        let all = Wanted::all(self.chunks);
        if self.chunks == 1 || matches!(self.content, Content::Bytes { .. }) {
            return Ok(all);
        }
        match self
            .uploader
            .calls
            .finish(self.session, NO_CONTENT, self.content.len())
            .await
        {
            // Finished before, and only the answer was lost; the pass that follows only hashes.
            Ok(_) => Ok(Wanted::none()),
            Err(e) => match e.invalid_argument() {
                Some(text) => Ok(Wanted::from_error(text, self.chunks).unwrap_or(
                    // All there, though not with this hash: a pass that sends nothing gives the right one.
                    if text.starts_with("hash_mismatch") {
                        Wanted::none()
                    } else {
                        all
                    },
                )),
                None => Err(e),
            },
        }
    }

    /// Reads the content from beginning to end, sends the chunks wanted, and returns the SHA-256 of all.
    async fn pass(&self, wanted: &Wanted) -> Result<[u8; 32], ClientError> {
        let chunk_size = self.uploader.chunk_size as usize;
        let mut reader = Reader::open(self.content).await?;
        let mut in_flight: JoinSet<Result<u64, ClientError>> = JoinSet::new();
        for index in 0..self.chunks {
            // Taken before the chunk is read, so that the window bounds what is in memory.
            let permit = if wanted.contains(index) {
                let permit = self.uploader.window.clone().acquire_owned().await;
                Some(permit.map_err(|_| ClientError::Stopped)?)
            } else {
                None
            };
            let bytes;
            (reader, bytes) = reader.next(chunk_size).await?;
            let Some(permit) = permit else {
                (self.sent)(bytes.len() as u64);
                continue;
            };
            while let Some(result) = in_flight.try_join_next() {
                self.landed(result)?;
            }
            let calls = self.uploader.calls.clone();
            let session = self.session;
            in_flight.spawn(async move {
                let _permit = permit;
                let len = bytes.len() as u64;
                calls.put_chunk(session, index, bytes).await?;
                Ok(len)
            });
        }
        while let Some(result) = in_flight.join_next().await {
            self.landed(result)?;
        }
        blocking(move || reader.finish()).await
    }

    fn landed(
        &self,
        result: Result<Result<u64, ClientError>, JoinError>,
    ) -> Result<(), ClientError> {
        (self.sent)(result.map_err(|_| ClientError::Stopped)??);
        Ok(())
    }
}

/// What the vault says it stored must be what was sent.
fn checked(
    result: UploadFinishResult,
    sha256: [u8; 32],
    len: u64,
    what: &str,
) -> Result<StoredBlob, ClientError> {
    let hash_differs = result
        .checksum_sha256
        .as_ref()
        .is_some_and(|stored| stored.as_slice() != sha256);
    if result.size != len || hash_differs {
        return Err(ClientError::ContentMismatch {
            what: what.to_owned(),
            detail: format!(
                "sent {len} bytes with SHA-256 {}, and the vault confirms {} bytes with {}",
                hex::encode(sha256),
                result.size,
                result
                    .checksum_sha256
                    .map_or("no hash".to_owned(), hex::encode),
            ),
        });
    }
    Ok(StoredBlob {
        id: result.blob_id,
        sha256,
        len,
    })
}

/// Runs blocking work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
) -> Result<T, ClientError> {
    spawn_blocking(work)
        .await
        .map_err(|_| ClientError::Stopped)?
}

/// Whether a put or a finish failed because its session is over.
fn is_session_gone(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Vault {
            method: "uploads_put_chunk" | "uploads_finish",
            error: VaultError::NotFound | VaultError::Conflict(_),
        }
    )
}

#[cfg(test)]
mod tests;
