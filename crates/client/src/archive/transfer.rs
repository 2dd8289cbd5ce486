//! Content into a capsule, from a file of an archive or from another vault: streamed, in parallel chunks, resumable, and
//! not at all where the capsule holds it.
//!
//! The length and hash are known before the first byte, so that the vault is told them at the beginning: it checks its
//! quota then, finds what it holds, and compares at the end. Sessions are found again by the hash, wherever the content
//! comes from.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use keepsake_api::{ChunkRange, UploadAnnouncement, UploadBegin, UploadConfig};
use tokio::{
    io::AsyncReadExt,
    sync::{Mutex, Semaphore},
    task::JoinSet,
};

use super::{
    ArchiveError, Watch, blocking,
    export::complete,
    files::{ArchiveFile, Root},
    values::Hash,
};
use crate::{
    ClientError, Vault,
    asked::Asked,
    download::{AssetRef, read_asset},
    upload::{DEFAULT_WINDOW, MOST_CHUNKS},
    vault::LONGEST_PUT,
};

/// Bytes read from a file at a time.
const READ: usize = 256 * 1024;

/// The most ranges that a session's status names.
const MOST_RANGES: usize = 1_000;

/// Where content is.
#[derive(Clone)]
pub(super) enum Held {
    File {
        root: Root,
        file: ArchiveFile,
    },
    Asset {
        vault: Vault,
        memory_id: String,
        asset: Box<AssetRef>,
    },
}

impl Held {
    /// Hands the content to `consume`, part by part and in order.
    async fn read(
        &self,
        mut consume: impl AsyncFnMut(Vec<u8>) -> io::Result<()>,
    ) -> Result<(), ArchiveError> {
        match self {
            Held::File { root, file } => {
                let path = root.dir().join(&file.path);
                let opened = {
                    let (root, file) = (root.clone(), file.clone());
                    blocking(move || root.open(&file.path)).await?
                };
                let mut opened = tokio::fs::File::from_std(opened);
                loop {
                    let mut part = vec![0; READ];
                    let read = opened.read(&mut part).await;
                    let n = read.map_err(|e| ArchiveError::file(&path, e))?;
                    if n == 0 {
                        return Ok(());
                    }
                    part.truncate(n);
                    consume(part).await.map_err(ClientError::Output)?;
                }
            }
            Held::Asset {
                vault,
                memory_id,
                asset,
            } => {
                let asset = complete(vault, memory_id, asset).await?;
                read_asset(vault, &asset, consume).await?;
                Ok(())
            }
        }
    }

    /// All of it, for what fits one message.
    pub async fn bytes(&self, len: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        self.read(async |part: Vec<u8>| {
            bytes.extend(part);
            // A file that grew since it was verified must not grow here.
            if bytes.len() as u64 > len {
                return Err(io::Error::other("it is longer than it was"));
            }
            Ok(())
        })
        .await?;
        Ok(bytes)
    }
}

/// Brings content into one capsule.
pub(super) struct Sender {
    pub vault: Vault,
    pub capsule_id: String,
    pub config: UploadConfig,
    /// Nothing was in the capsule: what it holds now, this run brought.
    began_empty: bool,
    inline_spent: AtomicBool,
    asked: Asked,
    window: Arc<Semaphore>,
    /// What this run brought or found, by hash; one at a time for each.
    brought: Mutex<HashMap<Hash, Arc<Mutex<Option<String>>>>>,
}

impl Sender {
    /// Learns the vault's limits, and whether the capsule holds anything.
    pub async fn open(vault: Vault, capsule_id: &str) -> Result<Self, ArchiveError> {
        let config = vault.upload_config().await?;
        let status = vault.capsule_status(capsule_id).await?;
        Ok(Sender {
            capsule_id: capsule_id.to_owned(),
            began_empty: status.memories == 0 && status.bytes == 0,
            inline_spent: AtomicBool::new(false),
            asked: Asked::default(),
            window: Arc::new(Semaphore::new(DEFAULT_WINDOW)),
            brought: Mutex::new(HashMap::new()),
            config,
            vault,
        })
    }

    /// Whether the capsule's inline budget was found spent.
    pub fn is_inline_spent(&self) -> bool {
        self.inline_spent.load(Ordering::Relaxed)
    }

    /// Notes that the capsule's inline budget is spent.
    pub fn inline_is_spent(&self) {
        self.inline_spent.store(true, Ordering::Relaxed);
    }

    /// A blob of the capsule with this content, and whether it travelled for that.
    ///
    /// # Errors
    /// [`ArchiveError::CannotArrive`] for what no upload takes; [`ClientError`] of the calls, among them the vault's
    /// `hash_mismatch` where the content is not what it was said to be.
    pub async fn blob(
        &self,
        sha256: Hash,
        len: u64,
        held: &Held,
        watch: &dyn Watch,
    ) -> Result<(String, bool), ArchiveError> {
        let slot = self.brought.lock().await.entry(sha256).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(blob) = &*slot {
            watch.advanced(len);
            return Ok((blob.clone(), false));
        }
        if !self.began_empty {
            let there = self
                .asked
                .held(&self.vault, &self.capsule_id, sha256.0)
                .await?;
            if let Some(there) = there.filter(|there| there.size == len) {
                watch.advanced(len);
                *slot = Some(there.blob_id.clone());
                return Ok((there.blob_id, false));
            }
        }
        let (blob, travelled) = if len <= LONGEST_PUT {
            (self.put(sha256, len, held, watch).await?, true)
        } else {
            self.upload(sha256, len, held, watch).await?
        };
        *slot = Some(blob.clone());
        Ok((blob, travelled))
    }

    async fn put(
        &self,
        sha256: Hash,
        len: u64,
        held: &Held,
        watch: &dyn Watch,
    ) -> Result<String, ArchiveError> {
        let permit = self.window.acquire().await;
        let _permit = permit.map_err(|_| ClientError::Stopped)?;
        let bytes = held.bytes(len).await?;
        let idem = format!("archive:{sha256}");
        let stored = self
            .vault
            .uploads_put_blob(&self.capsule_id, &bytes, &sha256.0, &idem)
            .await?;
        watch.advanced(len);
        Ok(stored.blob_id)
    }

    async fn upload(
        &self,
        sha256: Hash,
        len: u64,
        held: &Held,
        watch: &dyn Watch,
    ) -> Result<(String, bool), ArchiveError> {
        let chunk_size = self.config.chunk_size.max(1);
        if len.div_ceil(u64::from(chunk_size)) > u64::from(MOST_CHUNKS) {
            return Err(ArchiveError::CannotArrive {
                reason: format!("{len} bytes are more than one upload takes"),
            });
        }
        let announced = UploadAnnouncement {
            sha256: keepsake_api::ByteBuf::from(sha256.0.to_vec()),
            total_len: len,
            chunk_size,
        };
        let idem = format!("archive:{sha256}");
        let begun = self
            .vault
            .uploads_begin_announced(&self.capsule_id, &announced, &idem)
            .await?;
        let session = match begun {
            UploadBegin::Present(held) => {
                watch.advanced(len);
                return Ok((held.blob_id, false));
            }
            UploadBegin::Open { session, .. } => session,
        };
        let missing = self.vault.uploads_status(session).await?.missing;
        let mut sending = Sending {
            sender: self,
            session,
            missing,
            chunk_size: chunk_size as usize,
            buffer: Vec::new(),
            next: 0,
            in_flight: JoinSet::new(),
            error: None,
            watch,
        };
        let read = held
            .read(async |part: Vec<u8>| sending.push(part).await)
            .await;
        let sent = match (read, sending.error.take()) {
            (_, Some(error)) => Err(ArchiveError::Vault(error)),
            (Err(error), None) => Err(error),
            (Ok(()), None) => sending.finish().await.map_err(ArchiveError::Vault),
        };
        if let Err(error) = sent {
            // What cannot be taken up again only takes the vault's space.
            if error.is_one_memorys() {
                let _ = self.vault.uploads_abort(session).await;
            }
            return Err(error);
        }
        match self.vault.uploads_finish(session, &sha256.0, len).await {
            Ok(stored) => Ok((stored.blob_id, true)),
            Err(error) => {
                if !error.is_transient() {
                    let _ = self.vault.uploads_abort(session).await;
                }
                Err(error.into())
            }
        }
    }
}

/// Content on its way in chunks.
struct Sending<'a> {
    sender: &'a Sender,
    session: u64,
    missing: Vec<ChunkRange>,
    chunk_size: usize,
    /// Less than a chunk.
    buffer: Vec<u8>,
    next: u32,
    in_flight: JoinSet<Result<u64, ClientError>>,
    /// Why the reading was stopped.
    error: Option<ClientError>,
    watch: &'a dyn Watch,
}

impl Sending<'_> {
    /// Takes a part of any length.
    async fn push(&mut self, part: Vec<u8>) -> io::Result<()> {
        self.buffer.extend(part);
        while self.buffer.len() >= self.chunk_size {
            let rest = self.buffer.split_off(self.chunk_size);
            let chunk = std::mem::replace(&mut self.buffer, rest);
            if let Err(error) = self.send(chunk).await {
                self.error = Some(error);
                return Err(io::Error::other("the vault does not take it"));
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), ClientError> {
        let last = std::mem::take(&mut self.buffer);
        if !last.is_empty() {
            self.send(last).await?;
        }
        while let Some(landed) = self.in_flight.join_next().await {
            self.landed(landed)?;
        }
        Ok(())
    }

    async fn send(&mut self, chunk: Vec<u8>) -> Result<(), ClientError> {
        let index = self.next;
        self.next += 1;
        if !self.lacks(index) {
            self.watch.advanced(chunk.len() as u64);
            return Ok(());
        }
        let permit = self.sender.window.clone().acquire_owned().await;
        let permit = permit.map_err(|_| ClientError::Stopped)?;
        while let Some(landed) = self.in_flight.try_join_next() {
            self.landed(landed)?;
        }
        let (vault, session) = (self.sender.vault.clone(), self.session);
        self.in_flight.spawn(async move {
            let _permit = permit;
            vault.uploads_put_chunk(session, index, &chunk).await?;
            Ok(chunk.len() as u64)
        });
        Ok(())
    }

    fn lacks(&self, index: u32) -> bool {
        let named = |range: &ChunkRange| (range.first..=range.last).contains(&index);
        // Of a session with more gaps than a status names, what comes behind them is sent.
        let beyond = self.missing.len() >= MOST_RANGES
            && self.missing.last().is_some_and(|last| index > last.last);
        beyond || self.missing.iter().any(named)
    }

    fn landed(
        &self,
        landed: Result<Result<u64, ClientError>, tokio::task::JoinError>,
    ) -> Result<(), ClientError> {
        self.watch
            .advanced(landed.map_err(|_| ClientError::Stopped)??);
        Ok(())
    }
}
