//! A file becomes a memory: its original untouched, and for a photo its display, thumbnail and placeholder.
//!
//! Two lanes. Lane A uploads the original and creates the memory at once; lane B decodes the photo meanwhile, and
//! its derivatives are added as they are ready. A derivative that fails is reported and leaves the memory as it
//! is.
//!
//! Running again converges: content that the capsule holds is found by length and SHA-256 and does not travel;
//! derivatives that are missing, and only these, are made and added; nothing is ever added twice, because the memory's key
//! is its content's hash and a derivative's is its kind.

use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use keepsake_api::{
    AssetMetadata, AssetMetadataBase, AssetType, AudioAssetMetadata, DocumentAssetMetadata,
    Error as VaultError, ImageAssetMetadata, InlineAssetInput, InternalBlobAssetInput, Memory,
    MemoryMetadata, MemoryType, NoteAssetMetadata, SharingStatus, UploadConfig, VideoAssetMetadata,
};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    task::spawn_blocking,
};

use crate::{
    ClientError, Content, StoredBlob, Uploader, Vault,
    capture::{self, CaptureTime, ExifFacts},
    derivatives::{self, Derivative, Kind},
    download::assets_of,
    known::Known,
    media::{self, Decoding, Media},
    upload::FileContent,
};

/// Photos are decoded side by side as long as together they have no more than this many million pixels; a
/// larger one is decoded alone.
const MEGAPIXELS_AT_ONCE: u32 = 150;

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
    pub async fn keep(&self, path: &Path, progress: &dyn Progress) -> Result<Kept, ClientError> {
        let facts = {
            let path = path.to_owned();
            blocking(move || Facts::read(&path)).await?
        };
        progress.started(facts.file.len);
        let length = self.length_lock(facts.file.len).await;
        let _one_at_a_time = length.lock().await;
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
            let fate = match result {
                Ok(derivative) => match self.add_derivative(facts, memory_id, derivative).await {
                    Ok(()) => {
                        progress.derivative(kind);
                        DerivativeFate::Added
                    }
                    Err(e) => DerivativeFate::Failed(e.to_string()),
                },
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

/// What a look at a file tells, before any of it travels.
struct Facts {
    file: FileContent,
    /// The file's name, for people.
    name: String,
    media: Media,
    exif: Option<ExifFacts>,
    captured: Option<CaptureTime>,
    /// As stored.
    dimensions: Option<(u32, u32)>,
}

impl Facts {
    /// Blocking.
    fn read(path: &Path) -> Result<Self, ClientError> {
        let file = FileContent::at(path)?;
        let failed = |e| ClientError::file(path, e);
        let opened = File::open(path).map_err(failed)?;
        let mut head = Vec::with_capacity(media::HEAD_LEN);
        (&opened)
            .take(media::HEAD_LEN as u64)
            .read_to_end(&mut head)
            .map_err(failed)?;
        let file_name = path.file_name().map_or_else(PathBuf::new, PathBuf::from);
        let media = media::identify(&file_name, &head);
        let exif = if media.memory_type == MemoryType::Image {
            let opened = File::open(path).map_err(failed)?;
            capture::read_exif(&opened)
        } else {
            None
        };
        let dimensions = match media.decoding {
            Decoding::Photo(format) => derivatives::dimensions(path, format).ok(),
            _ => None,
        };
        Ok(Facts {
            captured: capture::capture_time(exif.as_ref(), &file_name, file.modified),
            name: file_name.to_string_lossy().into_owned(),
            file,
            media,
            exif,
            dimensions,
        })
    }

    /// Derivatives that this file should have.
    fn wanted(&self) -> &'static [Kind] {
        match self.media.decoding {
            Decoding::Photo(_) => &Kind::ALL,
            Decoding::NotDecoded | Decoding::NotAnImage => &[],
        }
    }

    /// Million pixels, for the share of memory that decoding takes: 1 to all.
    fn megapixels(&self) -> u32 {
        let pixels = self
            .dimensions
            .map_or(0, |(w, h)| u64::from(w) * u64::from(h));
        u32::try_from(pixels.div_ceil(1_000_000))
            .unwrap_or(MEGAPIXELS_AT_ONCE)
            .clamp(1, MEGAPIXELS_AT_ONCE)
    }

    fn kept(
        &self,
        fate: Fate,
        memory_id: String,
        sha256: [u8; 32],
        derivatives: Vec<(Kind, DerivativeFate)>,
    ) -> Kept {
        Kept {
            fate,
            memory_id,
            memory_type: self.media.memory_type,
            mime: self.media.mime.clone(),
            sha256,
            len: self.file.len,
            captured: self.captured,
            derivatives,
        }
    }

    /// What the vault computes is left at zero.
    fn memory_metadata(&self) -> MemoryMetadata {
        MemoryMetadata {
            memory_type: self.media.memory_type,
            title: Some(self.name.clone()),
            description: None,
            content_type: self.media.mime.clone(),
            created_at: 0,
            updated_at: 0,
            uploaded_at: 0,
            date_of_memory: self.captured.map(|time| time.nanos),
            file_created_at: self.file.modified.and_then(capture::file_time),
            parent_folder_id: None,
            tags: Vec::new(),
            deleted_at: None,
            people_in_memory: None,
            location: None,
            memory_notes: None,
            created_by: None,
            database_storage_edges: Vec::new(),
            shared_count: 0,
            sharing_status: SharingStatus::Private,
            total_size: 0,
            asset_count: 0,
        }
    }

    fn original_metadata(&self) -> AssetMetadata {
        let base = AssetMetadataBase {
            bytes: self.file.len,
            tags: self
                .captured
                .map(|time| time.source.tag().to_owned())
                .into_iter()
                .collect(),
            width: self.dimensions.map(|(width, _)| width),
            height: self.dimensions.map(|(_, height)| height),
            ..base(self.name.clone(), AssetType::Original, &self.media.mime)
        };
        match self.media.memory_type {
            MemoryType::Image => AssetMetadata::Image(ImageAssetMetadata {
                base,
                color_space: None,
                exif_data: None,
                compression_ratio: None,
                dpi: None,
                orientation: self.exif.and_then(|exif| exif.orientation),
            }),
            MemoryType::Video => AssetMetadata::Video(VideoAssetMetadata {
                base,
                duration: None,
                frame_rate: None,
                codec: None,
                bitrate: None,
                resolution: None,
                aspect_ratio: None,
            }),
            MemoryType::Audio => AssetMetadata::Audio(AudioAssetMetadata {
                base,
                duration: None,
                sample_rate: None,
                channels: None,
                bitrate: None,
                codec: None,
                bit_depth: None,
            }),
            MemoryType::Document => AssetMetadata::Document(DocumentAssetMetadata {
                base,
                page_count: None,
                document_type: None,
                language: None,
                word_count: None,
            }),
            MemoryType::Note => AssetMetadata::Note(NoteAssetMetadata {
                base,
                word_count: None,
                language: None,
                format: None,
            }),
        }
    }

    fn derivative_metadata(&self, derivative: &Derivative) -> AssetMetadata {
        let stem = Path::new(&self.name)
            .file_stem()
            .map_or_else(|| self.name.clone(), |s| s.to_string_lossy().into_owned());
        let name = format!("{stem}.{}.webp", derivative.kind.name());
        AssetMetadata::Image(ImageAssetMetadata {
            base: AssetMetadataBase {
                bytes: derivative.bytes.len() as u64,
                width: Some(derivative.width),
                height: Some(derivative.height),
                ..base(name, derivative.kind.asset_type(), derivatives::MIME)
            },
            color_space: None,
            exif_data: None,
            compression_ratio: None,
            dpi: None,
            // Pixels are stored upright.
            orientation: Some(1),
        })
    }
}

fn base(name: String, asset_type: AssetType, mime: &str) -> AssetMetadataBase {
    AssetMetadataBase {
        name,
        description: None,
        tags: Vec::new(),
        asset_type,
        bytes: 0,
        mime_type: mime.to_owned(),
        sha256: None,
        width: None,
        height: None,
        url: None,
        storage_key: None,
        bucket: None,
        asset_location: None,
        processing_status: None,
        processing_error: None,
        created_at: 0,
        updated_at: 0,
        deleted_at: None,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClientError> + Send + 'static,
) -> Result<T, ClientError> {
    spawn_blocking(work)
        .await
        .map_err(|_| ClientError::Stopped)?
}
