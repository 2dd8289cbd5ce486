//! Somebody who uses a vault: one thing after the other, each done again until it is answered, and each answer held against
//! what the person knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use candid::Principal;
use ic_agent::Agent;
use keepsake_client::{
    ClientError, Content, DEFAULT_CANISTER_ID, NewContent, RetryPolicy, Uploader, Vault,
    api::{
        AccessCondition, AccessEntry, AssetType, Error, GrantSource, InternalBlobAssetInput,
        PersonRef, ResourceRole,
    },
    assets_of, read_asset,
};
use keepsake_tests::{
    audit::audit,
    connect,
    content::{asset, memory, noise, sha256},
    person,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::StatusCode;

use crate::figures::Figures;

/// A call that is not answered within this, however often it is sent, is a hang.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long an agent asks for the answer of a call before it is sent again.
const POLLING: Duration = Duration::from_secs(60);

/// Pause before a call is sent again, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 50..300;

/// Memories that a person keeps; there are fewer at first.
const FEWEST: usize = 6;
const MOST: usize = 40;

/// Notes are kept inline, in the 32 KiB that a capsule has for that.
const MOST_NOTES: usize = 25;
const LONGEST_NOTE: usize = 1_000;

/// Bytes of a chunk of larger files; small, so that an upload takes many messages.
const CHUNK: u32 = 60_000;

/// The id of the access entry that shares a memory with the neighbour.
const SHARED: &str = "neighbour";

/// What a memory was made of; the bytes follow from it.
#[derive(Clone, Debug)]
struct Kept {
    seed: u64,
    len: usize,
    note: bool,
    shared: bool,
}

impl Kept {
    fn bytes(&self) -> Vec<u8> {
        noise(self.seed, self.len)
    }
}

pub struct Person {
    pub n: u8,
    url: String,
    vault: Vault,
    /// The vault as the neighbour sees it.
    neighbour: Vault,
    neighbour_principal: Principal,
    capsule: String,
    random: StdRng,
    seed: u64,
    jobs: u64,
    here: BTreeMap<String, Kept>,
    trash: BTreeMap<String, Kept>,
    gone: Vec<String>,
    http: reqwest::Client,
    figures: Arc<Figures>,
}

/// The vault as test person `n` sees it; a call fails at once where it fails.
async fn open(url: &str, n: u8) -> Vault {
    let agent = Agent::builder()
        .with_url(url)
        .with_arc_identity(person(n))
        .with_max_polling_time(POLLING)
        .build()
        .expect("the URL is one");
    agent.fetch_root_key().await.expect("the vault is served");
    let id = Principal::from_text(DEFAULT_CANISTER_ID).expect("it is one");
    Vault::new(agent, id, url).with_retry(RetryPolicy::NEVER)
}

impl Person {
    /// Test person `n`, with a capsule and nothing in it.
    pub async fn new(n: u8, neighbour: u8, url: &str, seed: u64, figures: Arc<Figures>) -> Self {
        let vault = open(url, n).await;
        let capsule = vault.capsules_create(None).await.expect("it is served").id;
        let seed = seed << 8 | u64::from(n);
        Person {
            n,
            url: url.to_owned(),
            vault,
            neighbour: open(url, neighbour).await,
            neighbour_principal: person(neighbour).sender().expect("the key is usable"),
            capsule,
            random: StdRng::seed_from_u64(seed),
            seed,
            jobs: 0,
            here: BTreeMap::new(),
            trash: BTreeMap::new(),
            gone: Vec::new(),
            http: reqwest::Client::new(),
            figures,
        }
    }

    /// Does one thing.
    pub async fn something(&mut self) {
        let chance = match self.here.len() {
            0..FEWEST => self.random.random_range(0..30),
            FEWEST..MOST => self.random.random_range(0..100),
            _ => self.random.random_range(30..100),
        };
        match chance {
            0..16 => {
                let len = self.random.random_range(1..60_000);
                self.file(len).await;
            }
            16..20 => {
                let len = self.random.random_range(200_000..1_200_000);
                self.file(len).await;
            }
            20..30 => self.note().await,
            30..53 => self.read().await,
            53..60 => self.list().await,
            60..66 => self.share().await,
            66..72 => self.open_in_a_browser().await,
            72..79 => self.throw_away().await,
            79..83 => self.bring_back().await,
            83..85 => self.empty_the_trash().await,
            85..93 => self.delete().await,
            93..97 => self.look_for_what_is_gone().await,
            _ => self.look_into_the_trash().await,
        }
    }

    /// Sends a call until it is answered. The vault's own errors are answers.
    async fn ask<T>(
        &mut self,
        what: &'static str,
        call: impl AsyncFn(&Self) -> Result<T, ClientError>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        loop {
            let sent = Instant::now();
            let error = match call(self).await {
                Ok(answer) => {
                    self.figures.answered(what, sent.elapsed());
                    return Ok(answer);
                }
                Err(ClientError::Vault { error, .. }) => {
                    self.figures.answered(what, sent.elapsed());
                    return Err(error);
                }
                Err(error) => error,
            };
            let passes = error.is_transient() || matches!(error, ClientError::NotTried);
            assert!(passes, "{what} of person {}: {error:?}", self.n);
            assert!(
                begun.elapsed() < PATIENCE,
                "{what} of person {} is not answered: {error:?}",
                self.n
            );
            self.figures.sent_again();
            let pause = self.random.random_range(PAUSE_MS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// As [`Self::ask`], where the vault has no reason to refuse.
    async fn done<T>(
        &mut self,
        what: &'static str,
        call: impl AsyncFn(&Self) -> Result<T, ClientError>,
    ) -> T {
        match self.ask(what, call).await {
            Ok(answer) => answer,
            Err(error) => panic!("{what} of person {}: {error:?}", self.n),
        }
    }

    fn new_job(&mut self, len: usize, note: bool) -> (String, Kept) {
        self.jobs += 1;
        let kept = Kept {
            seed: self.seed << 24 | self.jobs,
            len,
            note,
            shared: false,
        };
        (format!("job {}", self.jobs), kept)
    }

    fn some_id(&mut self, of: fn(&Self) -> Vec<&String>) -> Option<String> {
        let ids = of(self).into_iter().cloned().collect::<Vec<_>>();
        let index = self.random.random_range(0..ids.len().max(1));
        ids.get(index).cloned()
    }

    fn any_here(&mut self) -> Option<String> {
        self.some_id(|person| person.here.keys().collect())
    }

    async fn file(&mut self, len: usize) {
        let (name, kept) = self.new_job(len, false);
        let content = Content::Bytes {
            bytes: kept.bytes().into(),
            label: name.clone(),
        };
        let what = if len > CHUNK as usize {
            "large file"
        } else {
            "file"
        };
        let id = self
            .done(what, async |person| {
                let vault = &person.vault;
                let blob = Uploader::over(vault.clone(), CHUNK)
                    .upload(&person.capsule, &content, &|_| {})
                    .await?;
                let original = InternalBlobAssetInput {
                    blob_id: blob.id,
                    metadata: asset("file", AssetType::Original),
                };
                let metadata = memory(&name);
                vault
                    .memories_create_with_internal_blobs(
                        &person.capsule,
                        &metadata,
                        &[original],
                        &name,
                    )
                    .await
            })
            .await;
        self.is_new(id, kept);
    }

    async fn note(&mut self) {
        if self.here.values().filter(|kept| kept.note).count() >= MOST_NOTES {
            return self.delete().await;
        }
        let len = self.random.random_range(1..LONGEST_NOTE);
        let (name, kept) = self.new_job(len, true);
        let bytes = kept.bytes();
        let id = self
            .done("note", async |person| {
                let metadata = asset("note", AssetType::Original);
                let content = NewContent::Inline(&bytes);
                person
                    .vault
                    .memories_create(&person.capsule, content, &metadata, &name)
                    .await
            })
            .await;
        self.is_new(id, kept);
    }

    fn is_new(&mut self, id: String, kept: Kept) {
        let before = self.here.insert(id, kept);
        assert!(before.is_none(), "two requests made one memory");
    }

    async fn read(&mut self) {
        let Some(id) = self.any_here() else { return };
        let expected = sha256(&self.here[&id].bytes());
        let found = self
            .done("read", async |person| content_of(&person.vault, &id).await)
            .await;
        assert!(sha256(&found) == expected, "{id}: other content");
        self.figures.verified(1);
    }

    async fn list(&mut self) {
        let found = self
            .done("list", async |person| {
                listed(&person.vault, &person.capsule).await
            })
            .await;
        assert_eq!(found, ids(&self.here), "memories of person {}", self.n);
    }

    async fn share(&mut self) {
        let Some(id) = self.any_here() else { return };
        let share = !self.here[&id].shared;
        if share {
            let entry = AccessEntry {
                id: SHARED.into(),
                person_ref: Some(PersonRef::Principal(self.neighbour_principal)),
                is_public: false,
                grant_source: GrantSource::User,
                source_id: None,
                role: ResourceRole::Member,
                perm_mask: 0,
                invited_by_person_ref: None,
                created_at: 0,
                updated_at: 0,
                condition: AccessCondition::Immediate,
            };
            self.done("share", async |person| {
                person.vault.access_grant(&id, &entry).await
            })
            .await;
        } else {
            self.done("unshare", async |person| {
                person.vault.access_revoke(&id, SHARED).await
            })
            .await;
        }
        let kept = self.here.get_mut(&id).expect("it is here");
        kept.shared = share;
        let expected = share.then(|| sha256(&kept.bytes()));
        let found = self
            .ask("neighbour", async |person| {
                content_of(&person.neighbour, &id).await
            })
            .await;
        match (found, expected) {
            (Ok(found), Some(expected)) => {
                assert!(sha256(&found) == expected, "{id}: other content");
                self.figures.verified(1);
            }
            (Err(Error::NotFound), None) => {}
            (found, _) => panic!("{id}, shared {share}: {:?}", found.map(|bytes| bytes.len())),
        }
    }

    /// Reads an original over HTTP, all of it or a part.
    async fn open_in_a_browser(&mut self) {
        let Some(id) = self.any_here() else { return };
        let bytes = self.here[&id].bytes();
        let from = self.random.random_range(0..bytes.len());
        let part = self.random.random::<bool>().then_some(from..bytes.len());
        let found = self
            .done("browser", async |person| {
                let token = person
                    .vault
                    .mint_http_token(&id, &["original"], None, 0)
                    .await?;
                Ok(person
                    .get(&id, &token, part.clone().map(|part| part.start))
                    .await)
            })
            .await;
        // The connection may be cut while the page loads: a browser shows that, and so does this one.
        let Some(found) = found else { return };
        let expected = &bytes[part.unwrap_or(0..bytes.len())];
        assert!(found == expected, "{id}: other content over HTTP");
        self.figures.verified(1);
    }

    /// An original's bytes from `from` on, by the canister's own name; `None` where the connection breaks.
    async fn get(&self, id: &str, token: &str, from: Option<usize>) -> Option<Vec<u8>> {
        let host = format!("{}.localhost", self.vault.canister_id());
        let mut request = self
            .http
            .get(format!("{}/asset/{id}/original?token={token}", self.url))
            .header("Host", host);
        if let Some(from) = from {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let response = request.send().await.ok()?;
        let status = response.status();
        // The host stops, or is busy.
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return None;
        }
        assert!(status.is_success(), "{id} over HTTP: {status}");
        assert_eq!(status == StatusCode::PARTIAL_CONTENT, from.is_some());
        Some(response.bytes().await.ok()?.into())
    }

    async fn throw_away(&mut self) {
        // Inline bytes in the trash count, but are in no listing, which the audit adds up.
        let files = |person: &Self| -> Vec<_> {
            let files = person.here.iter().filter(|(_, kept)| !kept.note);
            files.map(|(id, _)| id.clone()).collect()
        };
        let files = files(self);
        if files.is_empty() {
            return;
        }
        let id = files[self.random.random_range(0..files.len())].clone();
        self.done("trash", async |person| {
            person.vault.memories_trash(&id).await
        })
        .await;
        let kept = self.here.remove(&id).expect("it was here");
        self.trash.insert(id, kept);
    }

    async fn bring_back(&mut self) {
        let Some(id) = self.some_id(|person| person.trash.keys().collect()) else {
            return;
        };
        self.done("restore", async |person| {
            person.vault.memories_restore(&id).await
        })
        .await;
        let kept = self.trash.remove(&id).expect("it was in the trash");
        self.here.insert(id, kept);
    }

    async fn empty_the_trash(&mut self) {
        self.done("empty", async |person| {
            person.vault.memories_trash_empty(&person.capsule).await
        })
        .await;
        self.gone
            .extend(std::mem::take(&mut self.trash).into_keys());
    }

    async fn delete(&mut self) {
        let Some(id) = self.any_here() else { return };
        self.done("delete", async |person| {
            person.vault.memories_delete(&id, true).await
        })
        .await;
        self.here.remove(&id);
        self.gone.push(id);
    }

    async fn look_for_what_is_gone(&mut self) {
        let Some(id) = self.some_id(|person| person.gone.iter().collect()) else {
            return;
        };
        let found = self
            .ask("gone", async |person| person.vault.memories_read(&id).await)
            .await;
        assert_eq!(found, Err(Error::NotFound), "{id} was deleted");
    }

    async fn look_into_the_trash(&mut self) {
        let found = self
            .done("trashed", async |person| {
                trashed(&person.vault, &person.capsule).await
            })
            .await;
        assert_eq!(found, ids(&self.trash), "trash of person {}", self.n);
    }

    /// Everything is as this person left it; `before` is whose neighbour it is.
    pub async fn check(&self, before: &Person) {
        let vault = connect(&self.url, self.n).await;
        let found = audit(&vault).await;
        assert_eq!(
            found.memories.keys().cloned().collect::<BTreeSet<_>>(),
            ids(&self.here),
            "memories of person {}",
            self.n
        );
        let mut contents: BTreeMap<&String, Vec<[u8; 32]>> = BTreeMap::new();
        for ((memory, _), bytes) in &found.contents {
            contents.entry(memory).or_default().push(sha256(bytes));
        }
        for (id, kept) in &self.here {
            assert_eq!(contents[id], [sha256(&kept.bytes())], "content of {id}");
        }
        self.figures.verified(self.here.len() as u64);
        let in_trash = trashed(&vault, &self.capsule).await.expect("it is served");
        assert_eq!(in_trash, ids(&self.trash), "trash of person {}", self.n);
        for id in &self.gone {
            let found = vault.memories_read(id).await;
            let error = found.expect_err("it was deleted");
            assert_eq!(error.vault_error(), Some(&Error::NotFound), "{id}");
        }
        let mut shared = BTreeSet::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = vault
                .memories_shared_with_me(cursor.as_deref(), None)
                .await
                .expect("it is served");
            shared.extend(page.items.into_iter().map(|header| header.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let expected: BTreeSet<String> = before
            .here
            .iter()
            .filter(|(_, kept)| kept.shared)
            .map(|(id, _)| id.clone())
            .collect();
        assert_eq!(shared, expected, "shared with person {}", self.n);
    }
}

fn ids(memories: &BTreeMap<String, Kept>) -> BTreeSet<String> {
    memories.keys().cloned().collect()
}

/// The bytes of a memory's only asset.
async fn content_of(vault: &Vault, id: &str) -> Result<Vec<u8>, ClientError> {
    let memory = vault.memories_read(id).await?;
    let assets = assets_of(&memory);
    let [asset] = assets.as_slice() else {
        panic!("{id} has {} assets", assets.len());
    };
    let mut bytes = Vec::new();
    read_asset(vault, asset, async |part| {
        bytes.extend(part);
        Ok(())
    })
    .await?;
    Ok(bytes)
}

/// The ids of a capsule's memories.
async fn listed(vault: &Vault, capsule: &str) -> Result<BTreeSet<String>, ClientError> {
    let mut found = BTreeSet::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = vault
            .memories_list(capsule, cursor.as_deref(), Some(15))
            .await?;
        for header in page.items {
            assert!(found.insert(header.id), "a memory is listed twice");
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

/// The ids of what is in a capsule's trash.
async fn trashed(vault: &Vault, capsule: &str) -> Result<BTreeSet<String>, ClientError> {
    let mut found = BTreeSet::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = vault
            .memories_trashed(capsule, cursor.as_deref(), Some(15))
            .await?;
        for memory in page.items {
            assert!(found.insert(memory.header.id), "a memory is listed twice");
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}
