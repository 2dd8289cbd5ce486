//! The upload engine: content becomes a blob of the vault, sent once, in parallel chunks, resumable.
//!
//! A file of more than one chunk is read once: each chunk is hashed and handed to the network in the same pass,
//! so that neither the file nor more than a bounded window of chunks is in memory. Its session is found again by
//! an idempotency key made of where the file is and how it begins; the vault is asked which chunks it still
//! lacks, and only these travel. Whether the resumed session really held the same file is decided by the hash
//! at the end: if not, everything is sent again. So the key only saves bytes; it is never trusted.

use std::{
    collections::VecDeque,
    fs::File,
    future::Future,
    io::{self, Read},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use keepsake_api::{Error as VaultError, UploadConfig, UploadFinishResult};
use sha2::{Digest, Sha256};
use tokio::task::{JoinSet, spawn_blocking};

use crate::{ClientError, Vault};

/// Most chunks of one upload (CONTRACT, uploads_begin).
pub const MOST_CHUNKS: u32 = 16_384;

/// Chunks in flight at the same time, unless set otherwise.
pub const DEFAULT_WINDOW: usize = 4;

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
}

/// What to upload.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes in memory. `label` keeps apart uploads of equal content that go on at the same time for different
    /// purposes; it may be empty.
    Bytes { bytes: Arc<[u8]>, label: String },
    /// A file, streamed.
    File(FileContent),
}

/// A regular file as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    pub path: PathBuf,
    /// Bytes.
    pub len: u64,
    pub modified: Option<SystemTime>,
}

impl FileContent {
    /// Looks at the file at `path`, following links. Blocking.
    pub fn at(path: &Path) -> Result<Self, ClientError> {
        let metadata = std::fs::metadata(path).map_err(|e| ClientError::file(path, e))?;
        if !metadata.is_file() {
            return Err(ClientError::NotAFile {
                path: path.to_owned(),
            });
        }
        Ok(FileContent {
            path: path.to_owned(),
            len: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }

    /// Opens the file and makes sure that it is still the one looked at. Blocking.
    fn open(&self) -> Result<File, ClientError> {
        let file = File::open(&self.path).map_err(|e| ClientError::file(&self.path, e))?;
        self.unchanged(&file)?;
        Ok(file)
    }

    fn unchanged(&self, file: &File) -> Result<(), ClientError> {
        let now = file
            .metadata()
            .map_err(|e| ClientError::file(&self.path, e))?;
        if now.len() == self.len && now.modified().ok() == self.modified {
            Ok(())
        } else {
            Err(ClientError::FileChanged {
                path: self.path.clone(),
            })
        }
    }

    /// The whole file, for those short enough to be in memory. Blocking.
    pub fn read_whole(&self) -> Result<Vec<u8>, ClientError> {
        let mut file = self.open()?;
        let mut bytes = Vec::new();
        // One byte more than expected shows that the file grew, without following it for ever.
        (&mut file)
            .take(self.len.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| ClientError::file(&self.path, e))?;
        self.unchanged(&file)?;
        if bytes.len() as u64 == self.len {
            Ok(bytes)
        } else {
            Err(ClientError::FileChanged {
                path: self.path.clone(),
            })
        }
    }

    /// Streams the file through SHA-256. Blocking.
    pub fn sha256(&self) -> Result<[u8; 32], ClientError> {
        let mut file = self.open()?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => hasher.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(ClientError::file(&self.path, e)),
            }
        }
        self.unchanged(&file)?;
        Ok(hasher.finalize().into())
    }
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Content::Bytes { bytes, .. } => bytes.len() as u64,
            Content::File(file) => file.len,
        }
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
    window: usize,
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
            window: DEFAULT_WINDOW,
        }
    }

    /// At most `window` chunks (at least 1) in flight at the same time.
    pub fn with_window(mut self, window: usize) -> Self {
        self.window = window.max(1);
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
                Ok(result) => return self.checked(result, sha256),
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
        let mut reader = match self.content {
            Content::Bytes { bytes, .. } => Reader::Bytes {
                bytes: bytes.clone(),
                at: 0,
                hasher: Sha256::new(),
            },
            Content::File(file) => {
                let file = file.clone();
                blocking(move || {
                    Ok(Reader::File {
                        file: file.open()?,
                        left: file.len,
                        source: file,
                        hasher: Sha256::new(),
                    })
                })
                .await?
            }
        };
        let mut in_flight: JoinSet<Result<u64, ClientError>> = JoinSet::new();
        for index in 0..self.chunks {
            let bytes;
            (reader, bytes) = reader.next(chunk_size).await?;
            if !wanted.contains(index) {
                (self.sent)(bytes.len() as u64);
                continue;
            }
            while in_flight.len() >= self.uploader.window {
                self.landed(in_flight.join_next().await)?;
            }
            let calls = self.uploader.calls.clone();
            let session = self.session;
            in_flight.spawn(async move {
                let len = bytes.len() as u64;
                calls.put_chunk(session, index, bytes).await?;
                Ok(len)
            });
        }
        while !in_flight.is_empty() {
            self.landed(in_flight.join_next().await)?;
        }
        blocking(move || reader.finish()).await
    }

    fn landed(
        &self,
        result: Option<Result<Result<u64, ClientError>, tokio::task::JoinError>>,
    ) -> Result<(), ClientError> {
        if let Some(result) = result {
            (self.sent)(result.map_err(|_| ClientError::Stopped)??);
        }
        Ok(())
    }

    /// What the vault says it stored must be what was sent.
    fn checked(
        &self,
        result: UploadFinishResult,
        sha256: [u8; 32],
    ) -> Result<StoredBlob, ClientError> {
        let len = self.content.len();
        let hash_differs = result
            .checksum_sha256
            .as_ref()
            .is_some_and(|stored| stored.as_slice() != sha256);
        if result.size != len || hash_differs {
            return Err(ClientError::ContentMismatch {
                what: format!("upload {}", self.session),
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
}

/// Runs blocking work off the async threads.
async fn blocking<T: Send + 'static>(
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

/// Reads content chunk by chunk and hashes it on the way.
enum Reader {
    Bytes {
        bytes: Arc<[u8]>,
        at: usize,
        hasher: Sha256,
    },
    File {
        file: File,
        left: u64,
        source: FileContent,
        hasher: Sha256,
    },
}

impl Reader {
    /// The next chunk, of `chunk_size` bytes but for the last.
    async fn next(self, chunk_size: usize) -> Result<(Self, Vec<u8>), ClientError> {
        match self {
            Reader::Bytes {
                bytes,
                at,
                mut hasher,
            } => {
                let end = at.saturating_add(chunk_size).min(bytes.len());
                let chunk = bytes[at..end].to_vec();
                hasher.update(&chunk);
                let reader = Reader::Bytes {
                    bytes,
                    at: end,
                    hasher,
                };
                Ok((reader, chunk))
            }
            Reader::File {
                mut file,
                left,
                source,
                mut hasher,
            } => {
                blocking(move || {
                    let take = usize::try_from(left).map_or(chunk_size, |l| l.min(chunk_size));
                    let mut chunk = vec![0; take];
                    file.read_exact(&mut chunk).map_err(|e| {
                        if e.kind() == io::ErrorKind::UnexpectedEof {
                            ClientError::FileChanged {
                                path: source.path.clone(),
                            }
                        } else {
                            ClientError::file(&source.path, e)
                        }
                    })?;
                    hasher.update(&chunk);
                    let reader = Reader::File {
                        file,
                        left: left - take as u64,
                        source,
                        hasher,
                    };
                    Ok((reader, chunk))
                })
                .await
            }
        }
    }

    /// The hash of everything read, if the source is still what it was. Blocking.
    fn finish(self) -> Result<[u8; 32], ClientError> {
        match self {
            Reader::Bytes { hasher, .. } => Ok(hasher.finalize().into()),
            Reader::File {
                file,
                source,
                hasher,
                ..
            } => {
                source.unchanged(&file)?;
                Ok(hasher.finalize().into())
            }
        }
    }
}

/// A set of chunk indices.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted(VecDeque<RangeInclusive<u32>>);

impl Wanted {
    fn all(chunks: u32) -> Self {
        match chunks.checked_sub(1) {
            Some(last) => Wanted(VecDeque::from([0..=last])),
            None => Wanted::none(),
        }
    }

    fn none() -> Self {
        Wanted(VecDeque::new())
    }

    fn contains(&self, index: u32) -> bool {
        self.0.iter().any(|range| range.contains(&index))
    }

    /// Parses `chunk_missing: 3,7-9`. `None` for any other text; all chunks where the list is there but not
    /// understood; what lies beyond `chunks` is left out.
    fn from_error(text: &str, chunks: u32) -> Option<Self> {
        let list = text
            .strip_prefix("chunk_missing")?
            .trim_start_matches([':', ' ']);
        let last = chunks.checked_sub(1)?;
        let mut ranges: VecDeque<RangeInclusive<u32>> = VecDeque::new();
        for part in list.split(',') {
            // The vault shortens a long list; beyond it anything may be missing.
            let Some(range) = parse_range(part.trim()) else {
                let after = ranges
                    .back()
                    .map_or(0, |range| range.end().saturating_add(1));
                if after <= last {
                    ranges.push_back(after..=last);
                }
                break;
            };
            if *range.start() > last {
                continue;
            }
            let range = *range.start()..=(*range.end()).min(last);
            match ranges.back_mut() {
                Some(before) if before.end().checked_add(1) == Some(*range.start()) => {
                    *before = *before.start()..=*range.end();
                }
                _ => ranges.push_back(range),
            }
        }
        Some(if ranges.is_empty() {
            Wanted::all(chunks)
        } else {
            Wanted(ranges)
        })
    }
}

fn parse_range(text: &str) -> Option<RangeInclusive<u32>> {
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    (start <= end).then_some(start..=end)
}

#[cfg(test)]
mod tests;
