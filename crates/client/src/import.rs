//! A file becomes a memory: its original untouched, and for a photo its display, thumbnail and placeholder.
//!
//! Two lanes. Lane A uploads the original and creates the memory at once; lane B decodes the photo meanwhile, and
//! its derivatives are added as they are ready. A derivative that fails is reported and leaves the memory as it
//! is.
//!
//! Running again converges: content that the capsule holds is found by length and SHA-256 and does not travel;
//! derivatives that are missing, and only these, are made and added; nothing is ever added twice, because the memory's
//! key is its content's hash and a derivative's is its kind.

mod facts;

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use keepsake_api::{
    AssetType, Error as VaultError, InlineAssetInput, InternalBlobAssetInput, Memory, MemoryType,
    UploadConfig,
};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    task::spawn_blocking,
};

use self::facts::{Facts, MEGAPIXELS_AT_ONCE};
use crate::{
    ClientError, Content, StoredBlob, Uploader, Vault,
    capture::CaptureTime,
    derivatives::{self, Derivative, Kind},
    download::assets_of,
    known::Known,
    media::Decoding,
    upload::blocking,
};

/// What a run tells while it works on one file. All methods may be called from any thread.
pub trait Progress: Send + Sync {
    /// The file's length in bytes is known.
    fn started(&self, _bytes: u64) {}
    /// So many more bytes of the original are in the vault.
    fn sent(&self, _bytes: u64) {}
    /// The original is kept; now a derivative was added.
    fn derivative(&self, _kind: Kind) {}
}

/// For callers that do not look.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}

/// What became of a file's original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A new memory.
    Created,
    /// The capsule held it, and nothing was added.
    AlreadyThere,
    /// The capsule held it, and missing derivatives were added.
    Repaired,
}

/// What became of one derivative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DerivativeFate {
    Added,
    AlreadyThere,
    /// Not made or not added, and why.
    Failed(String),
}

/// A file that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    pub fate: Fate,
    pub memory_id: String,
    pub memory_type: MemoryType,
    pub mime: String,
    pub sha256: [u8; 32],
    /// Bytes of the original.
    pub len: u64,
    pub captured: Option<CaptureTime>,
    /// One entry for each derivative that the file should have; none for what is no photo, or is not decoded.
    pub derivatives: Vec<(Kind, DerivativeFate)>,
}

impl Kept {
    /// Whether everything that should be there is.
    pub fn is_whole(&self) -> bool {
        self.derivatives
            .iter()
            .all(|(_, fate)| !matches!(fate, DerivativeFate::Failed(_)))
    }
}

/// Brings files into one capsule. Files may be brought in side by side.
pub struct Importer {
    vault: Vault,
    uploader: Uploader,
    capsule_id: String,
    inline_max: usize,
    known: Mutex<Known>,
    /// Files of one length one after the other, so that a second copy finds the first.
    lengths: Mutex<HashMap<u64, Arc<Mutex<()>>>>,
    decoding: Arc<Semaphore>,
    inline_spent: AtomicBool,
    /// The vault stopped answering, for longer than the retries last.
    gone: AtomicBool,
}

impl Importer {
    /// Learns what `capsule_id` holds. The caller must be allowed to read and write it.
    pub async fn open(vault: Vault, capsule_id: &str) -> Result<Self, ClientError> {
        let config: UploadConfig = vault.upload_config().await?;
        let known = Known::list(&vault, capsule_id).await?;
        Ok(Importer {
            uploader: Uploader::new(vault.clone(), &config),
            vault,
            capsule_id: capsule_id.to_owned(),
            inline_max: usize::try_from(config.inline_max).unwrap_or(usize::MAX),
            known: Mutex::new(known),
            lengths: Mutex::new(HashMap::new()),
            decoding: Arc::new(Semaphore::new(MEGAPIXELS_AT_ONCE as usize)),
            inline_spent: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        })
    }

    /// The capsule that files are brought into.
    pub fn capsule_id(&self) -> &str {
        &self.capsule_id
    }

    /// Keeps the file at `path`. Cancelling is safe at any moment; the next run goes on from there.
    ///
    /// # Errors
    /// Whatever kept the original from being kept. What concerns derivatives only is in [`Kept::derivatives`].
    /// After [`ClientError::Unreachable`] every further file is [`ClientError::NotTried`] at once, rather than each
    /// waiting for a vault that is gone.
    pub async fn keep(&self, path: &Path, progress: &dyn Progress) -> Result<Kept, ClientError> {
        let result = self.keep_one(path, progress).await;
        if matches!(result, Err(ClientError::Unreachable { .. })) {
            self.gone.store(true, Ordering::Relaxed);
        }
        result
    }

    async fn keep_one(&self, path: &Path, progress: &dyn Progress) -> Result<Kept, ClientError> {
        let facts = {
            let path = path.to_owned();
            blocking(move || Facts::read(&path)).await?
        };
        progress.started(facts.file.len);
        let length = self.length_lock(facts.file.len).await;
        let _one_at_a_time = length.lock().await;
        if self.gone.load(Ordering::Relaxed) {
            return Err(ClientError::NotTried);
        }
        match self.already_there(&facts).await? {
            Some((memory, sha256)) => {
                progress.sent(facts.file.len);
                self.repair(&facts, &memory, sha256, progress).await
            }
            None => self.create(&facts, progress).await,
        }
    }

    async fn length_lock(&self, len: u64) -> Arc<Mutex<()>> {
        let mut lengths = self.lengths.lock().await;
        // Locks that nobody holds or waits for are dropped now and then.
        if lengths.len() > 1024 {
            lengths.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        lengths.entry(len).or_default().clone()
    }

    /// The memory that has this file as its original, and the file's hash. The file is read for it only where
    /// an original of the same length is there.
    async fn already_there(
        &self,
        facts: &Facts,
    ) -> Result<Option<(Memory, [u8; 32])>, ClientError> {
        let len = facts.file.len;
        {
            let mut known = self.known.lock().await;
            known.learn(&self.vault, len).await?;
            if !known.has_len(len) {
                return Ok(None);
            }
        }
        let file = facts.file.clone();
        let sha256 = blocking(move || file.sha256()).await?;
        let found = {
            let known = self.known.lock().await;
            known.find(len, &sha256).map(str::to_owned)
        };
        let Some(memory_id) = found else {
            return Ok(None);
        };
        match self.vault.memories_read(&memory_id).await {
            Ok(memory) => Ok(Some((memory, sha256))),
            Err(ClientError::Vault {
                error: VaultError::NotFound,
                ..
            }) => {
                self.known.lock().await.remove(len, &sha256);
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// Adds what a memory lacks.
    async fn repair(
        &self,
        facts: &Facts,
        memory: &Memory,
        sha256: [u8; 32],
        progress: &dyn Progress,
    ) -> Result<Kept, ClientError> {
        let present: Vec<AssetType> = assets_of(memory).iter().map(|a| a.asset_type).collect();
        let (there, missing): (Vec<Kind>, Vec<Kind>) = facts
            .wanted()
            .iter()
            .partition(|kind| present.contains(&kind.asset_type()));
        let mut fates: Vec<(Kind, DerivativeFate)> = there
            .into_iter()
            .map(|kind| (kind, DerivativeFate::AlreadyThere))
            .collect();
        let ready = self.make_derivatives(facts, &missing);
        fates.extend(
            self.add_derivatives(facts, &memory.id, &missing, ready, progress)
                .await,
        );
        fates.sort_by_key(|(kind, _)| *kind);
        let added = fates.iter().any(|(_, fate)| *fate == DerivativeFate::Added);
        Ok(facts.kept(
            if added {
                Fate::Repaired
            } else {
                Fate::AlreadyThere
            },
            memory.id.clone(),
            sha256,
            fates,
        ))
    }

    /// Both lanes for a file that is new.
    async fn create(&self, facts: &Facts, progress: &dyn Progress) -> Result<Kept, ClientError> {
        let ready = self.make_derivatives(facts, facts.wanted());
        let blob = self.upload_original(facts, progress).await?;
        let memory_id = self
            .vault
            .memories_create_with_internal_blobs(
                &self.capsule_id,
                &facts.memory_metadata(),
                &[InternalBlobAssetInput {
                    blob_id: blob.id,
                    metadata: facts.original_metadata(),
                }],
                &format!("original:{}", hex::encode(blob.sha256)),
            )
            .await?;
        self.known
            .lock()
            .await
            .add(blob.len, blob.sha256, memory_id.clone());
        let fates = self
            .add_derivatives(facts, &memory_id, facts.wanted(), ready, progress)
            .await;
        Ok(facts.kept(Fate::Created, memory_id, blob.sha256, fates))
    }

    async fn upload_original(
        &self,
        facts: &Facts,
        progress: &dyn Progress,
    ) -> Result<StoredBlob, ClientError> {
        let file = facts.file.clone();
        // What fits one message is read once, into memory; its key is then its content.
        let content = if file.len <= u64::from(self.uploader.chunk_size()) {
            let bytes = blocking(move || file.read_whole()).await?;
            Content::Bytes {
                bytes: bytes.into(),
                label: String::new(),
            }
        } else {
            Content::File(file)
        };
        self.uploader
            .upload(&self.capsule_id, &content, &|bytes| progress.sent(bytes))
            .await
    }

    /// Lane B: starts at once, on its own thread, and hands over each derivative as it is ready.
    fn make_derivatives(
        &self,
        facts: &Facts,
        wanted: &[Kind],
    ) -> mpsc::Receiver<(Kind, Result<Derivative, String>)> {
        let (ready, receiver) = mpsc::channel(Kind::ALL.len());
        let Decoding::Photo(format) = facts.media.decoding else {
            return receiver;
        };
        if wanted.is_empty() {
            return receiver;
        }
        let wanted = wanted.to_vec();
        let path = facts.file.path.clone();
        let orientation = facts.exif.and_then(|exif| exif.orientation);
        let megapixels = facts.megapixels();
        let decoding = self.decoding.clone();
        tokio::spawn(async move {
            // The semaphore is never closed; if it were, the derivatives would be missing from the report,
            // which the receiver notices.
            let Ok(_permit) = decoding.acquire_many_owned(megapixels).await else {
                return;
            };
            let _ = spawn_blocking(move || {
                derivatives::make(&path, format, orientation, &wanted, |kind, result| {
                    let result = result.map_err(|e| e.to_string());
                    // Nobody listens any more when the original could not be kept.
                    let _ = ready.blocking_send((kind, result));
                });
            })
            .await;
        });
        receiver
    }

    /// Adds derivatives to a memory as they become ready.
    async fn add_derivatives(
        &self,
        facts: &Facts,
        memory_id: &str,
        wanted: &[Kind],
        mut ready: mpsc::Receiver<(Kind, Result<Derivative, String>)>,
        progress: &dyn Progress,
    ) -> Vec<(Kind, DerivativeFate)> {
        let mut fates = Vec::new();
        while let Some((kind, result)) = ready.recv().await {
            let added = match result {
                Ok(_) if self.gone.load(Ordering::Relaxed) => {
                    Err(ClientError::NotTried.to_string())
                }
                Ok(derivative) => {
                    let added = self.add_derivative(facts, memory_id, derivative).await;
                    if matches!(added, Err(ClientError::Unreachable { .. })) {
                        self.gone.store(true, Ordering::Relaxed);
                    }
                    added.map_err(|e| e.to_string())
                }
                Err(reason) => Err(reason),
            };
            let fate = match added {
                Ok(()) => {
                    progress.derivative(kind);
                    DerivativeFate::Added
                }
                Err(reason) => DerivativeFate::Failed(reason),
            };
            fates.push((kind, fate));
        }
        // Only where the program is stopping, or the derivatives' thread died.
        for &kind in wanted {
            if fates.iter().all(|(done, _)| *done != kind) {
                let reason = "it was not made".to_owned();
                fates.push((kind, DerivativeFate::Failed(reason)));
            }
        }
        fates
    }

    /// Placeholders inline while the capsule's inline budget lasts; everything else, and placeholders beyond it,
    /// as blobs.
    async fn add_derivative(
        &self,
        facts: &Facts,
        memory_id: &str,
        derivative: Derivative,
    ) -> Result<(), ClientError> {
        let metadata = facts.derivative_metadata(&derivative);
        let idem = format!("derivative:{}", derivative.kind.name());
        let inline = derivative.kind == Kind::Placeholder
            && derivative.bytes.len() <= self.inline_max
            && !self.inline_spent.load(Ordering::Relaxed);
        let bytes: Arc<[u8]> = derivative.bytes.into();
        if inline {
            let asset = InlineAssetInput {
                bytes: bytes.to_vec().into(),
                metadata: metadata.clone(),
            };
            match self
                .vault
                .memories_add_inline_asset(memory_id, &asset, &idem)
                .await
            {
                Ok(_) => return Ok(()),
                Err(ClientError::Vault {
                    error: VaultError::ResourceExhausted,
                    ..
                }) => self.inline_spent.store(true, Ordering::Relaxed),
                Err(e) => return Err(e),
            }
        }
        let content = Content::Bytes {
            bytes,
            // Two photos may have equal placeholders; their uploads must not meet in one session.
            label: format!("{memory_id}/{}", derivative.kind.name()),
        };
        let blob = self
            .uploader
            .upload(&self.capsule_id, &content, &|_| {})
            .await?;
        let asset = InternalBlobAssetInput {
            blob_id: blob.id,
            metadata,
        };
        self.vault
            .memories_add_asset(memory_id, &asset, &idem)
            .await?;
        Ok(())
    }
}
