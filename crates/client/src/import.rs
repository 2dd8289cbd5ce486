//! A file becomes a memory: its original untouched, and for a photo its display, thumbnail and placeholder. A live photo's motion
//! and what sidecars say come along ([`crate::companions`]).
//!
//! Two lanes. Lane A uploads the original and creates the memory at once; lane B decodes the photo meanwhile, its
//! derivatives travel as they are ready, and one call adds them. A derivative that fails is reported and leaves the
//! memory as it is.
//!
//! Running again converges: content that the capsule holds is found by length and SHA-256 and does not travel;
//! derivatives that are missing, and only these, are made and added; nothing is ever added twice, because the memory's
//! key is its content's hash and a derivative's is its kind.
//!
//! How often a file is read: what fits one message is read once to be hashed and, where the capsule does not hold it, once more to
//! be sent, from the page cache. A longer file is read once, hashed as its chunks travel, where the capsule's listing shows that no
//! original has its length; where one has, it is hashed first, and nothing travels if it is the same. The listing costs a query for
//! every 100 memories, so it is asked for only once hashing files first has cost as much ([`LISTING_WORTH`]).

mod adding;
mod companion;
mod facts;
mod outcome;
mod parts;
mod told;

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use keepsake_api::{
    AssetType, Error as VaultError, InternalBlobAssetInput, Memory, MemoryUpdateData, UploadConfig,
};
use tokio::sync::{Mutex, Semaphore};

use self::{
    companion::Companion,
    facts::{Facts, Looking, MEGAPIXELS_AT_ONCE},
};
pub use self::{
    companion::{CompanionRole, KeptCompanion},
    outcome::{DerivativeFate, Fate, Foreseen, Kept, NoProgress, Progress},
};
use crate::{
    ClientError, Content, StoredBlob, Uploader, Vault,
    asked::Asked,
    companions::{Bundle, Companions},
    derivatives::Kind,
    download::{AssetRef, assets_of},
    known::Known,
    upload::blocking,
};

/// Bytes that are hashed in the time in which one memory is listed, estimated: a page of 100 takes the vault some 15 million
/// instructions (benches/README.md), about 15 ms, and SHA-256 a second for 500 MB (benches/host). Were both exact, a run would cost at
/// most twice the better of the two ways.
const LISTING_WORTH: u64 = 75_000;

/// Brings files into one capsule. Files may be brought in side by side.
pub struct Importer {
    vault: Vault,
    uploader: Uploader,
    capsule_id: String,
    inline_max: usize,
    /// Nothing was in the capsule when the run began: what it holds now, this run brought.
    began_empty: bool,
    /// Memories that were in it then.
    memories: u64,
    /// Bytes of long files that were hashed before they were sent.
    hashed_first: AtomicU64,
    looking: Looking,
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
            memories: status.memories,
            hashed_first: AtomicU64::new(0),
            looking: Looking {
                places: false,
                derivatives: true,
            },
            asked: Asked::default(),
            known: Mutex::new(Known::default()),
            lengths: Mutex::new(HashMap::new()),
            decoding: Arc::new(Semaphore::new(MEGAPIXELS_AT_ONCE as usize)),
            inline_spent: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        })
    }

    /// From now on the place where a photo was taken goes into its memory's metadata, which whoever may see the memory may
    /// read; otherwise it stays in the original and in sidecars.
    pub fn with_places(mut self) -> Self {
        self.looking.places = true;
        self
    }

    /// From now on originals are kept and no derivatives made; a later run that makes them adds them.
    pub fn without_derivatives(mut self) -> Self {
        self.looking.derivatives = false;
        self
    }

    /// The capsule that files are brought into.
    pub fn capsule_id(&self) -> &str {
        &self.capsule_id
    }

    /// Keeps the file at `path`, alone. See [`Self::keep_bundle`].
    ///
    /// # Errors
    /// As there.
    pub async fn keep(&self, path: &Path, progress: &dyn Progress) -> Result<Kept, ClientError> {
        let alone = Bundle {
            path: path.to_owned(),
            companions: Companions::default(),
        };
        self.keep_bundle(&alone, None, progress).await
    }

    /// Keeps a file with its companions. Cancelling is safe at any moment; the next run goes on from there. `sha256` is the
    /// file's, where it is known from before and the file has not changed since: it is then read only if it has to travel.
    ///
    /// # Errors
    /// Whatever kept the original from being kept. What concerns derivatives only is in [`Kept::derivatives`], and what
    /// concerns companions in [`Kept::companions`].
    /// After [`ClientError::Unreachable`] every further file is [`ClientError::NotTried`] at once, rather than each
    /// waiting for a vault that is gone.
    pub async fn keep_bundle(
        &self,
        bundle: &Bundle,
        sha256: Option<[u8; 32]>,
        progress: &dyn Progress,
    ) -> Result<Kept, ClientError> {
        let result = self.keep_one(bundle, sha256, progress).await;
        if let Err(e) = &result {
            self.note(e);
        }
        result
    }

    /// Notes where the vault stopped answering.
    fn note(&self, error: &ClientError) {
        if matches!(error, ClientError::Unreachable { .. }) {
            self.gone.store(true, Ordering::Relaxed);
        }
    }

    /// Says what [`Self::keep_bundle`] would do, and does nothing of it. Files of one run that are equal are each foreseen as if
    /// the others were not.
    ///
    /// # Errors
    /// What keeps the file from being read, or the vault from answering.
    pub async fn foresee(&self, bundle: &Bundle) -> Result<Foreseen, ClientError> {
        let facts = self.facts(bundle).await?;
        Ok(match self.whats_there(&facts, None, &NoProgress).await? {
            There::Nothing => Foreseen::Create,
            There::Blob(_) => Foreseen::CreateFromHeld,
            There::Memory(memory, _) => {
                let present = assets_of(&memory);
                let has = |kind: &Kind| present.iter().any(|a| a.asset_type == kind.asset_type());
                let (_, missing) = sorted_companions(&facts, &present).await?;
                if facts.wanted().iter().all(has) && missing.is_empty() {
                    Foreseen::AlreadyThere
                } else {
                    Foreseen::Repair
                }
            }
        })
    }

    async fn facts(&self, bundle: &Bundle) -> Result<Facts, ClientError> {
        let (bundle, looking) = (bundle.clone(), self.looking);
        blocking(move || Facts::read(&bundle.path, &bundle.companions, looking)).await
    }

    async fn keep_one(
        &self,
        bundle: &Bundle,
        sha256: Option<[u8; 32]>,
        progress: &dyn Progress,
    ) -> Result<Kept, ClientError> {
        let facts = self.facts(bundle).await?;
        progress.started(facts.file.len);
        let length = self.length_lock(facts.file.len).await;
        let _one_at_a_time = length.lock().await;
        if self.gone.load(Ordering::Relaxed) {
            return Err(ClientError::NotTried);
        }
        match self.whats_there(&facts, sha256, progress).await? {
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

    /// What the capsule has of this file, whose hash is `known` where it is known. The file is read for it only where the capsule
    /// may have something.
    async fn whats_there(
        &self,
        facts: &Facts,
        known: Option<[u8; 32]>,
        progress: &dyn Progress,
    ) -> Result<There, ClientError> {
        let len = facts.file.len;
        if self.began_empty && !self.known.lock().await.has_len(len) {
            return Ok(There::Nothing);
        }
        let sha256 = match known {
            Some(sha256) => sha256,
            None if self.is_surely_new(len).await? => return Ok(There::Nothing),
            None => {
                let file = facts.file.clone();
                let sha256 = blocking(move || file.sha256()).await?;
                self.identified(len, sha256, progress);
                sha256
            }
        };
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

    /// Whether no original of the capsule has this length, so that a long file need not be hashed before it is sent. The
    /// capsule is listed for it once hashing such files first has cost as much as that.
    async fn is_surely_new(&self, len: u64) -> Result<bool, ClientError> {
        if self.is_short(len) {
            return Ok(false);
        }
        let mut known = self.known.lock().await;
        if !known.is_listed() {
            let hashed = self
                .hashed_first
                .load(Ordering::Relaxed)
                .saturating_add(len);
            if hashed <= self.memories.saturating_mul(LISTING_WORTH) {
                self.hashed_first.store(hashed, Ordering::Relaxed);
                return Ok(false);
            }
            known.list_once(&self.vault, &self.capsule_id).await?;
        }
        Ok(!known.may_have_len(len))
    }

    /// Whether so many bytes fit one message.
    fn is_short(&self, len: u64) -> bool {
        len <= u64::from(self.uploader.chunk_size())
    }

    fn identified(&self, len: u64, sha256: [u8; 32], progress: &dyn Progress) {
        if !self.is_short(len) {
            progress.identified(sha256);
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
        let present = assets_of(memory);
        let (there, missing): (Vec<Kind>, Vec<Kind>) = facts
            .wanted()
            .iter()
            .partition(|kind| present.iter().any(|a| a.asset_type == kind.asset_type()));
        let ready = self.make_derivatives(facts, &missing);
        let (companions_there, companions) = sorted_companions(facts, &present).await?;
        let mut added = self
            .add_parts(facts, &memory.id, &missing, ready, &companions, progress)
            .await;
        let is_added = |fate: &DerivativeFate| *fate == DerivativeFate::Added;
        let sidecar_added = added
            .companions
            .iter()
            .any(|companion| companion.role == CompanionRole::Sidecar && is_added(&companion.fate));
        if sidecar_added && let Some(metadata) = facts.told.fill(facts, memory) {
            let changes = MemoryUpdateData {
                metadata: Some(metadata),
                ..MemoryUpdateData::default()
            };
            self.vault.memories_update(&memory.id, &changes).await?;
        }
        let something = added.derivatives.iter().any(|(_, fate)| is_added(fate))
            || added.companions.iter().any(|c| is_added(&c.fate));
        added.derivatives.extend(
            there
                .into_iter()
                .map(|kind| (kind, DerivativeFate::AlreadyThere)),
        );
        added.derivatives.sort_by_key(|(kind, _)| *kind);
        added.companions.extend(companions_there);
        let fate = if something {
            Fate::Repaired
        } else {
            Fate::AlreadyThere
        };
        Ok(facts.kept(fate, memory.id.clone(), sha256, added))
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
        let companions: Vec<&Companion> = facts.companions.iter().collect();
        let wanted = facts.wanted();
        let added = self
            .add_parts(facts, &memory_id, wanted, ready, &companions, progress)
            .await;
        Ok(facts.kept(Fate::Created, memory_id, sha256, added))
    }

    async fn upload_and_create(
        &self,
        facts: &Facts,
        progress: &dyn Progress,
    ) -> Result<(String, [u8; 32]), ClientError> {
        let blob = self.upload_original(facts, progress).await?;
        self.identified(blob.len, blob.sha256, progress);
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
}

/// Which companions a memory with these assets has, and which it lacks.
async fn sorted_companions<'a>(
    facts: &'a Facts,
    present: &[AssetRef],
) -> Result<(Vec<KeptCompanion>, Vec<&'a Companion>), ClientError> {
    let mut there = Vec::new();
    let mut missing = Vec::new();
    for companion in &facts.companions {
        let hashed = companion.clone();
        // Why one cannot be read is told when it is brought in.
        let sha256 = blocking(move || Ok(hashed.sha256().ok())).await?;
        let held = |asset: &AssetRef| {
            asset.sha256 == sha256
                && matches!(asset.asset_type, AssetType::Original | AssetType::Metadata)
        };
        if sha256.is_some() && present.iter().any(held) {
            there.push(KeptCompanion {
                path: companion.path.clone(),
                role: companion.role,
                sha256,
                fate: DerivativeFate::AlreadyThere,
            });
        } else {
            missing.push(companion);
        }
    }
    Ok((there, missing))
}

/// What the capsule has of a file.
enum There {
    Nothing,
    /// A blob with its content, of no memory that has it as its original.
    Blob(StoredBlob),
    /// A memory with it as its original, and the file's hash.
    Memory(Box<Memory>, [u8; 32]),
}
