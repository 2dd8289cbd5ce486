//! A file becomes a memory: its original untouched, and for a photo its display, thumbnail and placeholder.
//!
//! Two lanes. Lane A uploads the original and creates the memory at once; lane B decodes the photo meanwhile, its
//! derivatives travel as they are ready, and one call adds them. A derivative that fails is reported and leaves the
//! memory as it is.
//!
//! Running again converges: content that the capsule holds is found by length and SHA-256 and does not travel;
//! derivatives that are missing, and only these, are made and added; nothing is ever added twice, because the memory's
//! key is its content's hash and a derivative's is its kind.

mod adding;
mod facts;

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{StreamExt, stream};
use keepsake_api::{
    AssetType, Error as VaultError, InternalBlobAssetInput, Memory, MemoryType, UploadConfig,
};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    task::spawn_blocking,
};

use self::{
    adding::{Adding, Brought},
    facts::{Facts, MEGAPIXELS_AT_ONCE},
};
use crate::{
    ClientError, Content, StoredBlob, Uploader, Vault,
    asked::Asked,
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

/// What [`Importer::keep`] would do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreseen {
    /// Send it, and make a memory.
    Create,
    /// Make a memory of content that the capsule holds.
    CreateFromHeld,
    /// Add derivatives that its memory lacks.
    Repair,
    AlreadyThere,
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
    /// Nothing was in the capsule when the run began: what it holds now, this run brought.
    began_empty: bool,
    asked: Asked,
    known: Mutex<Known>,
    /// Files of one length one after the other, so that a second copy finds the first.
    lengths: Mutex<HashMap<u64, Arc<Mutex<()>>>>,
    decoding: Arc<Semaphore>,
    inline_spent: AtomicBool,
    /// The vault stopped answering, for longer than the retries last.
    gone: AtomicBool,
}

impl Importer {
    /// Learns the vault's limits, and whether `capsule_id` holds anything. The caller must be allowed to read and
    /// write it.
    pub async fn open(vault: Vault, capsule_id: &str) -> Result<Self, ClientError> {
        let config: UploadConfig = vault.upload_config().await?;
        let status = vault.capsule_status(capsule_id).await?;
        Ok(Importer {
            uploader: Uploader::new(vault.clone(), &config),
            vault,
            capsule_id: capsule_id.to_owned(),
            inline_max: usize::try_from(config.inline_max).unwrap_or(usize::MAX),
            began_empty: status.memories == 0 && status.bytes == 0,
            asked: Asked::default(),
            known: Mutex::new(Known::default()),
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

    /// Says what [`Self::keep`] would do with the file at `path`, and does nothing of it. Files of one run that are equal are
    /// each foreseen as if the others were not.
    ///
    /// # Errors
    /// What keeps the file from being read, or the vault from answering.
    pub async fn foresee(&self, path: &Path) -> Result<Foreseen, ClientError> {
        let facts = {
            let path = path.to_owned();
            blocking(move || Facts::read(&path)).await?
        };
        Ok(match self.whats_there(&facts).await? {
            There::Nothing => Foreseen::Create,
            There::Blob(_) => Foreseen::CreateFromHeld,
            There::Memory(memory, _) => {
                let present = assets_of(&memory);
                let has = |kind: &Kind| present.iter().any(|a| a.asset_type == kind.asset_type());
                if facts.wanted().iter().all(has) {
                    Foreseen::AlreadyThere
                } else {
                    Foreseen::Repair
                }
            }
        })
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
        match self.whats_there(&facts).await? {
            There::Memory(memory, sha256) => {
                progress.sent(facts.file.len);
                self.repair(&facts, &memory, sha256, progress).await
            }
            There::Blob(blob) => self.create(&facts, Some(blob), progress).await,
            There::Nothing => self.create(&facts, None, progress).await,
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

    /// What the capsule has of this file. The file is read for it only where the capsule may have something.
    async fn whats_there(&self, facts: &Facts) -> Result<There, ClientError> {
        let len = facts.file.len;
        if self.began_empty && !self.known.lock().await.has_len(len) {
            return Ok(There::Nothing);
        }
        let file = facts.file.clone();
        let sha256 = blocking(move || file.sha256()).await?;
        let mut found = {
            let known = self.known.lock().await;
            known.find(len, &sha256).map(str::to_owned)
        };
        let mut held = None;
        if found.is_none() && !self.began_empty {
            held = self
                .asked
                .held(&self.vault, &self.capsule_id, sha256)
                .await?;
            // Hashes find blobs; short originals may be inline.
            let perhaps_inline = usize::try_from(len).is_ok_and(|len| len <= self.inline_max);
            if held.is_some() || perhaps_inline {
                let mut known = self.known.lock().await;
                known.list_once(&self.vault, &self.capsule_id).await?;
                known.learn(&self.vault, len).await?;
                found = known.find(len, &sha256).map(str::to_owned);
            }
        }
        if let Some(memory_id) = found {
            match self.vault.memories_read(&memory_id).await {
                Ok(memory) => return Ok(There::Memory(Box::new(memory), sha256)),
                Err(ClientError::Vault {
                    error: VaultError::NotFound,
                    ..
                }) => self.known.lock().await.remove(len, &sha256),
                Err(e) => return Err(e),
            }
        }
        Ok(match held {
            Some(held) if held.size == len => There::Blob(StoredBlob {
                id: held.blob_id,
                sha256,
                len,
            }),
            _ => There::Nothing,
        })
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

    /// Both lanes for a file that no memory has. `held` is a blob with its content, where the capsule has one.
    async fn create(
        &self,
        facts: &Facts,
        held: Option<StoredBlob>,
        progress: &dyn Progress,
    ) -> Result<Kept, ClientError> {
        let ready = self.make_derivatives(facts, facts.wanted());
        let (memory_id, sha256) = match held {
            Some(blob) => match self.create_from(facts, &blob).await {
                Ok(memory_id) => {
                    progress.sent(blob.len);
                    (memory_id, blob.sha256)
                }
                // Nothing referenced it, and it was cleared away meanwhile.
                Err(e) if e.invalid_argument().is_some() => {
                    self.upload_and_create(facts, progress).await?
                }
                Err(e) => return Err(e),
            },
            None => self.upload_and_create(facts, progress).await?,
        };
        let fates = self
            .add_derivatives(facts, &memory_id, facts.wanted(), ready, progress)
            .await;
        Ok(facts.kept(Fate::Created, memory_id, sha256, fates))
    }

    async fn upload_and_create(
        &self,
        facts: &Facts,
        progress: &dyn Progress,
    ) -> Result<(String, [u8; 32]), ClientError> {
        let blob = self.upload_original(facts, progress).await?;
        let memory_id = self.create_from(facts, &blob).await?;
        Ok((memory_id, blob.sha256))
    }

    async fn create_from(&self, facts: &Facts, blob: &StoredBlob) -> Result<String, ClientError> {
        let memory_id = self
            .vault
            .memories_create_with_internal_blobs(
                &self.capsule_id,
                &facts.memory_metadata(),
                &[InternalBlobAssetInput {
                    blob_id: blob.id.clone(),
                    metadata: facts.original_metadata(),
                }],
                &format!("original:{}", hex::encode(blob.sha256)),
            )
            .await?;
        self.known
            .lock()
            .await
            .add(blob.len, blob.sha256, memory_id.clone());
        Ok(memory_id)
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

    /// Brings derivatives into the vault as they become ready, and adds them to their memory in one call.
    async fn add_derivatives(
        &self,
        facts: &Facts,
        memory_id: &str,
        wanted: &[Kind],
        mut ready: mpsc::Receiver<(Kind, Result<Derivative, String>)>,
        progress: &dyn Progress,
    ) -> Vec<(Kind, DerivativeFate)> {
        let adding = Adding {
            importer: self,
            facts,
            memory_id,
        };
        let adding = &adding;
        let brought: Vec<(Kind, Result<Brought, String>)> =
            stream::poll_fn(|context| ready.poll_recv(context))
                .map(|(kind, made)| async move {
                    let brought = match made {
                        Ok(derivative) => adding.bring(derivative).await,
                        Err(reason) => Err(reason),
                    };
                    (kind, brought)
                })
                .buffer_unordered(Kind::ALL.len())
                .collect()
                .await;
        let mut fates = Vec::new();
        let mut to_add = Vec::new();
        for (kind, brought) in brought {
            match brought {
                Ok(brought) => to_add.push((kind, brought)),
                Err(reason) => fates.push((kind, DerivativeFate::Failed(reason))),
            }
        }
        for (kind, added) in adding.add(to_add).await {
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
        fates.sort_by_key(|(kind, _)| *kind);
        fates
    }
}

/// What the capsule has of a file.
enum There {
    Nothing,
    /// A blob with its content, of no memory that has it as its original.
    Blob(StoredBlob),
    /// A memory with it as its original, and the file's hash.
    Memory(Box<Memory>, [u8; 32]),
}
