//! The host killed with SIGKILL at random moments under load, and started again: what was acknowledged is there, nothing is half
//! there, and clients go on where they stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use keepsake_client::{
    ClientError, Content, Fate, Importer, NewContent, NoProgress, RetryPolicy, Uploader, Vault,
    api::{AssetType, ByteBuf, InlineAssetInput, InternalBlobAssetInput, UploadFinishResult},
    upload::{FileContent, UploadCalls},
};
use keepsake_tests::{
    audit::audit,
    command::Served,
    connect,
    content::{asset, memory, noise, sha256},
    pictures,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{runtime::Handle, task::JoinSet};

/// Times the host is killed while clients work.
const ROUNDS: usize = 24;

/// Times it is killed while it starts, the first of them in an empty folder.
const STARTS: usize = 6;

/// Bytes; small, so that uploads take many messages.
const CHUNK: u32 = 16_000;

/// Photos that the importing client brings in.
const PHOTOS: u32 = 60;

/// How long the clients may take to get on by what a round waits for.
const DEADLINE: Duration = Duration::from_secs(120);

type Hash = [u8; 32];

/// What one client knows to be acknowledged.
#[derive(Default)]
struct Ledger {
    sessions: BTreeMap<u64, Session>,
    /// Content of the assets of memories, by memory.
    memories: BTreeMap<String, BTreeSet<Hash>>,
    /// A call was sent that may have made one memory more.
    may_have_created: bool,
    /// A memory whose deletion was sent.
    may_have_deleted: Option<String>,
    /// Chunks acknowledged by every session since the beginning.
    travelled: BTreeMap<u64, BTreeSet<u32>>,
    /// Uploads that went on in a session with chunks from before.
    resumed: usize,
}

#[derive(Default)]
struct Session {
    chunks: BTreeSet<u32>,
    finish: Option<(Hash, u64)>,
    blob: Option<String>,
    aborted: bool,
}

/// The client's upload calls, written down as they are acknowledged.
#[derive(Clone)]
struct Recorded {
    vault: Vault,
    ledger: Arc<Mutex<Ledger>>,
    acknowledged: Arc<AtomicUsize>,
}

impl Recorded {
    fn note(&self, session: u64, note: impl FnOnce(&mut Session)) {
        let mut ledger = self.ledger.lock().unwrap();
        note(ledger.sessions.entry(session).or_default());
    }

    fn acknowledged(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

impl UploadCalls for Recorded {
    async fn begin(&self, capsule: &str, chunks: u32, idem: &str) -> Result<u64, ClientError> {
        let session = self.vault.uploads_begin(capsule, chunks, idem).await?;
        self.note(session, |_| {});
        let mut ledger = self.ledger.lock().unwrap();
        let before = ledger
            .travelled
            .get(&session)
            .is_some_and(|chunks| !chunks.is_empty());
        ledger.resumed += usize::from(before);
        self.acknowledged();
        Ok(session)
    }

    async fn put_chunk(&self, session: u64, index: u32, bytes: Vec<u8>) -> Result<(), ClientError> {
        self.vault.uploads_put_chunk(session, index, &bytes).await?;
        self.note(session, |session| {
            session.chunks.insert(index);
        });
        let mut ledger = self.ledger.lock().unwrap();
        let new = ledger.travelled.entry(session).or_default().insert(index);
        assert!(
            new,
            "chunk {index} of session {session} was acknowledged before, and sent again"
        );
        self.acknowledged();
        Ok(())
    }

    async fn finish(
        &self,
        session: u64,
        hash: Hash,
        len: u64,
    ) -> Result<UploadFinishResult, ClientError> {
        // A hash of zeros only asks what is missing.
        let real = hash != [0; 32];
        if real {
            self.note(session, |session| session.finish = Some((hash, len)));
        }
        let result = self.vault.uploads_finish(session, &hash, len).await?;
        self.note(session, |session| {
            session.blob = Some(result.blob_id.clone());
        });
        self.acknowledged();
        Ok(result)
    }

    async fn abort(&self, session: u64) -> Result<(), ClientError> {
        self.note(session, |session| session.aborted = true);
        self.vault.uploads_abort(session).await
    }
}

/// What a client does.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Files in many chunks, memories of them with a small asset; every third is deleted.
    Files,
    /// One small call after the other.
    Notes,
    /// A folder of photos, as `keepsake upload` brings it in.
    Photos,
}

/// One person at one machine, whom a killed host costs nothing but time.
struct Client {
    n: u8,
    work: Work,
    folder: PathBuf,
    capsule: Option<String>,
    /// The job under way; done again from its beginning until it succeeds.
    job: u64,
    ledger: Arc<Mutex<Ledger>>,
}

impl Client {
    fn new(n: u8, work: Work, folder: &Path) -> Self {
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
    async fn run(
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

    fn capsule(&self) -> &str {
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
    async fn check(&mut self, url: &str) {
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

/// A session has every chunk that it acknowledged; one that was asked to finish with all of them does.
async fn check_session(vault: &Vault, id: u64, session: &Session) {
    if let Some((hash, len)) = session.finish {
        let finished = vault
            .uploads_finish(id, &hash, len)
            .await
            .unwrap_or_else(|error| panic!("session {id}, of which all was acknowledged: {error}"));
        if let Some(blob) = &session.blob {
            assert_eq!(&finished.blob_id, blob, "session {id}");
        }
        return;
    }
    let error = vault.uploads_finish(id, &[0; 32], 0).await.unwrap_err();
    let text = error
        .invalid_argument()
        .unwrap_or_else(|| panic!("session {id}: {error}"));
    let missing = missing(text);
    let lost: Vec<&u32> = session.chunks.intersection(&missing).collect();
    assert!(lost.is_empty(), "session {id} lost chunks {lost:?}: {text}");
}

/// The chunks named in `chunk_missing: 3,7-9`; none where all are there and something else is wrong.
fn missing(text: &str) -> BTreeSet<u32> {
    let Some(list) = text.strip_prefix("chunk_missing: ") else {
        assert!(text.starts_with("size_mismatch"), "{text}");
        return BTreeSet::new();
    };
    let number = |text: &str| text.parse::<u32>().unwrap();
    list.split(',')
        .flat_map(|range| match range.split_once('-') {
            Some((first, last)) => number(first)..=number(last),
            None => number(range)..=number(range),
        })
        .collect()
}

/// A seed from the clock, or the one of a run to be repeated.
fn seed() -> u64 {
    match std::env::var("KEEPSAKE_CRASH_SEED") {
        Ok(seed) => seed.parse().expect("KEEPSAKE_CRASH_SEED is a number"),
        Err(_) => rand::random::<u32>().into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_sigkill_and_nothing_is_half_there() {
    let seed = seed();
    println!("KEEPSAKE_CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    for _ in 0..STARTS {
        let after = Duration::from_millis(random.random_range(0..1_500));
        println!("killed {after:?} after its start");
        Served::start_and_kill(&state, after);
    }
    let mut clients: Vec<Client> = [
        Work::Files,
        Work::Files,
        Work::Files,
        Work::Notes,
        Work::Photos,
    ]
    .into_iter()
    .zip(1..)
    .map(|(work, n)| Client::new(n, work, folder.path()))
    .collect();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    for round in 1..=ROUNDS {
        let served = Served::start(&state);
        let mut working = JoinSet::new();
        for mut client in clients.drain(..) {
            let vault = connect(served.url(), client.n).await;
            let (acknowledged, stop) = (acknowledged.clone(), Arc::default());
            // A thread of its own for each.
            let runtime = Handle::current();
            working.spawn_blocking(move || {
                let result = runtime.block_on(client.run(vault, acknowledged, stop));
                (client, result)
            });
        }
        let more = random.random_range(0..120);
        let pause = Duration::from_micros(random.random_range(0..20_000));
        wait_for(&acknowledged, more).await;
        tokio::time::sleep(pause).await;
        let killed = served.kill();
        assert_eq!(killed.code(), None, "it ended by itself: {killed:#?}");
        while let Some(ended) = working.join_next().await {
            let (client, result) = ended.unwrap();
            let error = result.expect_err("nobody told it to stop");
            let told = error.is_transient() || matches!(error, ClientError::NotTried);
            assert!(told, "client {}: {error}", client.n);
            clients.push(client);
        }
        keepsake_tests::state::recount(&state);
        let served = Served::start(&state);
        assert_eq!(served.announced["vault"], "unchanged");
        for client in &mut clients {
            client.check(served.url()).await;
        }
        let total = acknowledged.load(Ordering::Relaxed);
        println!(
            "round {round}: killed after {more} more calls and {pause:?}; {total} acknowledged so far"
        );
        // Every other time it is killed idle as well, right after it was looked at.
        if random.random() {
            served.kill();
        } else {
            served.interrupt().ok();
        }
    }
    all_goes_on(&state, clients, acknowledged).await;
}

/// Waits until `more` calls are acknowledged from now on.
async fn wait_for(acknowledged: &AtomicUsize, more: usize) {
    let target = acknowledged.load(Ordering::Relaxed) + more;
    let reached = async {
        while acknowledged.load(Ordering::Relaxed) < target {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, reached)
        .await
        .expect("the clients get on");
}

/// After all of that every client finishes what it was about, and finds exactly what it made, once.
async fn all_goes_on(state: &Path, clients: Vec<Client>, acknowledged: Arc<AtomicUsize>) {
    let resumed = clients
        .iter()
        .map(|client| client.ledger.lock().unwrap().resumed);
    let resumed: usize = resumed.sum();
    println!("{resumed} uploads went on where they stopped");
    assert!(resumed > 0, "no kill came in the middle of an upload");
    let served = Served::start(state);
    for mut client in clients {
        let vault = connect(served.url(), client.n).await;
        let stop = Arc::new(AtomicBool::new(true));
        let result = client.run(vault.clone(), acknowledged.clone(), stop).await;
        result.unwrap_or_else(|error| panic!("client {}: {error}", client.n));
        client.check(served.url()).await;
        let found = audit(&vault).await;
        let made: Vec<String> = client
            .ledger
            .lock()
            .unwrap()
            .memories
            .keys()
            .cloned()
            .collect();
        let there: Vec<String> = found.memories.keys().cloned().collect();
        assert_eq!(there, made, "client {}", client.n);
        if let Work::Photos = client.work {
            assert_eq!(there.len(), PHOTOS as usize);
            let importer = Importer::open(vault.clone(), client.capsule())
                .await
                .unwrap();
            for photo in fs::read_dir(&client.folder).unwrap() {
                let kept = importer
                    .keep(&photo.unwrap().path(), &NoProgress)
                    .await
                    .unwrap();
                assert_eq!(kept.fate, Fate::AlreadyThere);
                assert!(kept.is_whole());
            }
            assert!(
                audit(&vault).await == found,
                "a run too many changed something"
            );
        }
    }
    served.interrupt().ok();
    keepsake_tests::state::recount(state);
}
