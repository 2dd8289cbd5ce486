//! Clients at work, who go on where they stopped.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use keepsake_client::{
    ClientError, Content, Importer, NewContent, NoProgress, RetryPolicy, Uploader, Vault,
    api::{AssetType, ByteBuf, InlineAssetInput, InternalBlobAssetInput},
    upload::FileContent,
};
use keepsake_tests::{
    audit::audit,
    connect,
    content::{asset, memory, noise, sha256},
    pictures,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::ledger::{Hash, Ledger, Recorded, check_session};

/// Bytes; small, so that uploads take many messages.
const CHUNK: u32 = 16_000;

/// Photos that the importing client brings in.
pub const PHOTOS: u32 = 60;

/// What a client does.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Files in many chunks, memories of them with a small asset; every third is deleted.
    Files,
    /// One small call after the other.
    Notes,
    /// A folder of photos, as `keepsake upload` brings it in.
    Photos,
}

/// One person at one machine, whom a killed host costs nothing but time.
pub struct Client {
    pub n: u8,
    pub work: Work,
    pub folder: PathBuf,
    capsule: Option<String>,
    /// The job under way; done again from its beginning until it succeeds.
    job: u64,
    pub ledger: Arc<Mutex<Ledger>>,
}

impl Client {
    pub fn new(n: u8, work: Work, folder: &Path) -> Self {
        let folder = folder.join(format!("client-{n}"));
        fs::create_dir(&folder).unwrap();
        if let Work::Photos = work {
            for photo in 0..PHOTOS {
                let picture = pictures::upright(40 + photo, 40);
                let path = folder.join(format!("{photo:03}.png"));
                fs::write(path, pictures::png(&picture)).unwrap();
            }
        }
        Client {
            n,
            work,
            folder,
            capsule: None,
            job: 0,
            ledger: Arc::default(),
        }
    }

    /// Works until a call fails, or until the job under way is done when `stop` is set.
    pub async fn run(
        &mut self,
        vault: Vault,
        acknowledged: Arc<AtomicUsize>,
        stop: Arc<AtomicBool>,
    ) -> Result<(), ClientError> {
        // The calls themselves fail at once; going on is this test's.
        let vault = vault.with_retry(RetryPolicy::NEVER);
        let calls = Recorded {
            vault,
            ledger: self.ledger.clone(),
            acknowledged,
        };
        if self.capsule.is_none() {
            self.capsule = Some(calls.vault.capsules_create(None).await?.id);
        }
        loop {
            match self.work {
                Work::Files => self.file(&calls).await?,
                Work::Notes => self.note(&calls).await?,
                Work::Photos => {
                    self.photos(&calls).await?;
                    // All are in: from now on every job only finds them there.
                }
            }
            self.job += 1;
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
    }

    pub fn capsule(&self) -> &str {
        self.capsule.as_deref().expect("it was made first")
    }

    async fn file(&self, calls: &Recorded) -> Result<(), ClientError> {
        let name = format!("{}-{}", self.n, self.job);
        let path = self.folder.join(&name);
        if !path.exists() {
            let seed = u64::from(self.n) << 32 | self.job;
            let len = StdRng::seed_from_u64(seed).random_range(1..40 * CHUNK as usize);
            fs::write(&path, noise(seed, len)).unwrap();
        }
        let content = Content::File(FileContent::at(&path)?);
        let blob = Uploader::over(calls.clone(), CHUNK)
            .upload(self.capsule(), &content, &|_| {})
            .await?;
        let original = InternalBlobAssetInput {
            blob_id: blob.id.clone(),
            metadata: asset("file", AssetType::Original),
        };
        self.ledger.lock().unwrap().may_have_created = true;
        let id = calls
            .vault
            .memories_create_with_internal_blobs(self.capsule(), &memory(&name), &[original], &name)
            .await?;
        self.created(calls, &id, blob.sha256);
        if self.job.is_multiple_of(2) {
            let small = InlineAssetInput {
                bytes: ByteBuf::from(name.clone().into_bytes()),
                metadata: asset("small", AssetType::Placeholder),
            };
            calls
                .vault
                .memories_add_inline_asset(&id, &small, "small")
                .await?;
            self.created(calls, &id, sha256(name.as_bytes()));
        }
        if self.job % 3 == 2 {
            self.delete(calls, &id).await?;
        }
        Ok(())
    }

    async fn note(&self, calls: &Recorded) -> Result<(), ClientError> {
        let text = format!("note {}", self.job);
        self.ledger.lock().unwrap().may_have_created = true;
        let id = calls
            .vault
            .memories_create(
                self.capsule(),
                NewContent::Inline(text.as_bytes()),
                &asset("note", AssetType::Original),
                &text,
            )
            .await?;
        self.created(calls, &id, sha256(text.as_bytes()));
        // The inline budget of a capsule is small.
        if !self.job.is_multiple_of(4) {
            self.delete(calls, &id).await?;
        }
        Ok(())
    }

    async fn photos(&self, calls: &Recorded) -> Result<(), ClientError> {
        let importer = Importer::open(calls.vault.clone(), self.capsule()).await?;
        for photo in 0..PHOTOS {
            let path = self.folder.join(format!("{photo:03}.png"));
            self.ledger.lock().unwrap().may_have_created = true;
            let kept = importer.keep(&path, &NoProgress).await?;
            // Derivatives that the killed host did not take are reported, and made by the next run.
            self.created(calls, &kept.memory_id, kept.sha256);
        }
        Ok(())
    }

    fn created(&self, calls: &Recorded, id: &str, content: Hash) {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.may_have_created = false;
        let contents = ledger.memories.entry(id.to_owned()).or_default();
        contents.insert(content);
        calls.acknowledged();
    }

    async fn delete(&self, calls: &Recorded, id: &str) -> Result<(), ClientError> {
        self.ledger.lock().unwrap().may_have_deleted = Some(id.to_owned());
        calls.vault.memories_delete(id, true).await?;
        let mut ledger = self.ledger.lock().unwrap();
        ledger.may_have_deleted = None;
        ledger.memories.remove(id);
        calls.acknowledged();
        Ok(())
    }

    /// Everything acknowledged is there, and nothing that was never asked for.
    pub async fn check(&mut self, url: &str) {
        let vault = connect(url, self.n).await;
        let mut ledger = std::mem::take(&mut *self.ledger.lock().unwrap());
        for (id, session) in std::mem::take(&mut ledger.sessions) {
            if !session.aborted {
                check_session(&vault, id, &session).await;
            }
        }
        let found = audit(&vault).await;
        let mut unknown: BTreeSet<&String> = found.memories.keys().collect();
        for (id, contents) in &ledger.memories {
            unknown.remove(id);
            if !found.memories.contains_key(id) {
                let deleted = ledger.may_have_deleted.as_ref() == Some(id);
                assert!(deleted, "{id} of client {} is gone", self.n);
                continue;
            }
            let there: BTreeSet<Hash> = found
                .contents
                .iter()
                .filter(|((memory, _), _)| memory == id)
                .map(|(_, bytes)| sha256(bytes))
                .collect();
            assert!(
                contents.is_subset(&there),
                "{id} of client {} lacks content",
                self.n
            );
        }
        let allowed = usize::from(ledger.may_have_created);
        assert!(
            unknown.len() <= allowed,
            "client {} never made {unknown:?}",
            self.n
        );
        if let Some(id) = ledger.may_have_deleted.take()
            && !found.memories.contains_key(&id)
        {
            ledger.memories.remove(&id);
        }
        *self.ledger.lock().unwrap() = ledger;
    }
}
