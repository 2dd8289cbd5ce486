//! What CONTRACT.md says, as a plain program: a few lists and maps, no cleverness, nothing shared with the vault but the wire types
//! and the published limits.
//!
//! The model has ids of its own, which say what the thing is (a memory is its capsule, contents and key); the driver learns the
//! vault's opaque ids as they are handed out. A refusal is the list of all reasons that apply where the contract gives them no order;
//! any of them is a right answer.

use std::collections::{BTreeMap, BTreeSet};

use keepsake_api::{AssetMetadata, BlobHosting, MemoryMetadata, PersonRef};
use keepsake_vault::limits;

use crate::pools::{ANONYMOUS, principal, sha256};

/// One reason to refuse a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Unauthorized,
    NotFound,
    ResourceExhausted,
    Conflict,
    /// `InvalidArgument` with this beginning.
    Invalid(String),
}

pub type Answer<T> = Result<T, Vec<Refusal>>;

fn invalid(beginning: &str) -> Refusal {
    Refusal::Invalid(beginning.to_owned())
}

fn only<T>(refusal: Refusal) -> Answer<T> {
    Err(vec![refusal])
}

fn none_of(refusals: Vec<Refusal>) -> Answer<()> {
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(refusals)
    }
}

/// What tells contents apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fingerprint {
    Content {
        sha: [u8; 32],
        len: u64,
    },
    /// External content whose hash nobody gave.
    Address {
        location: String,
        key: String,
        size: u64,
    },
}

/// What a memory is recognised by. One asset given alone and a list of one are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryId {
    pub capsule: usize,
    /// Of the assets it was created with, in their order.
    pub content: Vec<Fingerprint>,
    pub idem: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssetId {
    memory: MemoryId,
    fingerprint: Fingerprint,
    asset_type: u8,
    idem: String,
    /// How many equal ones came before it in the call that created the memory.
    repetition: usize,
}

#[derive(Clone, Debug)]
pub struct Capsule {
    pub subject: PersonRef,
    pub owner: usize,
    pub created_at: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    Inline(Vec<u8>),
    Blob(usize),
    External {
        location: BlobHosting,
        key: String,
        url: Option<String>,
    },
}

#[derive(Clone, Debug)]
pub struct Asset {
    pub id: AssetId,
    pub place: Place,
    pub len: u64,
    pub metadata: AssetMetadata,
}

#[derive(Clone, Debug)]
pub struct Memory {
    pub metadata: MemoryMetadata,
    /// In the order they came.
    pub assets: Vec<Asset>,
}

#[derive(Clone, Debug)]
pub struct Blob {
    pub capsule: usize,
    pub chunks: Vec<Vec<u8>>,
    pub deleted: bool,
}

impl Blob {
    pub fn bytes(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Open,
    Finished { blob: usize, at: u64 },
    Aborted,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub capsule: usize,
    pub creator: usize,
    pub idem: String,
    pub expected: u32,
    pub chunks: BTreeMap<u32, Vec<u8>>,
    pub state: State,
}

/// A blob id as it came in a request.
#[derive(Clone, Copy, Debug)]
pub enum BlobArg {
    Known(usize),
    Unknown,
    Malformed,
}

/// The content of one asset as it came in a request, beside its metadata.
#[derive(Clone, Debug)]
pub enum Source {
    Inline(Vec<u8>),
    Blob {
        blob: BlobArg,
        hash: Option<Vec<u8>>,
        len: u64,
    },
    External {
        location: BlobHosting,
        key: Option<String>,
        url: Option<String>,
        size: Option<u64>,
        hash: Option<Vec<u8>>,
    },
}

/// A source that passed its checks.
struct Checked {
    place: Place,
    len: u64,
    fingerprint: Fingerprint,
    metadata: AssetMetadata,
}

impl Checked {
    /// The asset it becomes; its id is derived from what it is, and the call's key.
    fn asset(self, memory: &MemoryId, idem: &str) -> Asset {
        let asset_type = self.metadata.base().asset_type as u8;
        let id = AssetId {
            memory: memory.clone(),
            fingerprint: self.fingerprint,
            asset_type,
            idem: idem.to_owned(),
            repetition: 0,
        };
        Asset {
            id,
            place: self.place,
            len: self.len,
            metadata: self.metadata,
        }
    }
}

#[derive(Default)]
pub struct Model {
    pub inline_budget: u64,
    pub capsules: Vec<Capsule>,
    pub sessions: Vec<Session>,
    pub blobs: Vec<Blob>,
    pub memories: BTreeMap<MemoryId, Memory>,
    /// Every memory there ever was, in the order of their first creation.
    pub ever: Vec<MemoryId>,
}

impl Model {
    // ---- access -----------------------------------------------------------------------------------------------------

    pub fn is_owner(&self, who: usize, capsule: usize) -> bool {
        self.capsules[capsule].owner == who
    }

    pub fn is_subject(&self, who: usize, capsule: usize) -> bool {
        self.capsules[capsule].subject == PersonRef::Principal(principal(who))
    }

    /// Reads, creates, uploads: owner and subject. (Controllers and access entries have no call yet.)
    pub fn may_use(&self, who: usize, capsule: usize) -> bool {
        who != ANONYMOUS && (self.is_owner(who, capsule) || self.is_subject(who, capsule))
    }

    fn capsule(&self, who: usize, capsule: Option<usize>) -> Answer<usize> {
        match capsule {
            _ if who == ANONYMOUS => only(Refusal::Unauthorized),
            Some(capsule) if self.may_use(who, capsule) => Ok(capsule),
            _ => only(Refusal::NotFound),
        }
    }

    fn memory(&self, who: usize, id: Option<&MemoryId>) -> Answer<MemoryId> {
        match id {
            _ if who == ANONYMOUS => only(Refusal::Unauthorized),
            Some(id) if self.may_use(who, id.capsule) && self.memories.contains_key(id) => {
                Ok(id.clone())
            }
            _ => only(Refusal::NotFound),
        }
    }

    // ---- capsules ---------------------------------------------------------------------------------------------------

    pub fn own_capsule(&self, who: usize) -> Option<usize> {
        (0..self.capsules.len()).find(|c| self.is_owner(who, *c) && self.is_subject(who, *c))
    }

    pub fn capsules_create(
        &mut self,
        who: usize,
        now: u64,
        subject: Option<PersonRef>,
    ) -> Answer<usize> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let me = PersonRef::Principal(principal(who));
        let subject = subject.unwrap_or_else(|| me.clone());
        let nobody = match &subject {
            PersonRef::Principal(person) => *person == principal(ANONYMOUS),
            PersonRef::Opaque(name) => name.is_empty() || name.len() > limits::OPAQUE_PERSON_MAX,
        };
        if nobody {
            return only(invalid("subject"));
        }
        if subject == me
            && let Some(own) = self.own_capsule(who)
        {
            return Ok(own);
        }
        self.capsules.push(Capsule {
            subject,
            owner: who,
            created_at: now,
        });
        Ok(self.capsules.len() - 1)
    }

    /// `None`: the caller's own; `Some(None)`: an id that was never handed out.
    pub fn capsules_read_basic(&self, who: usize, capsule: Option<Option<usize>>) -> Answer<usize> {
        self.capsule(who, capsule.unwrap_or_else(|| self.own_capsule(who)))
    }

    pub fn capsules_list(&self, who: usize) -> Vec<usize> {
        (0..self.capsules.len())
            .filter(|c| self.may_use(who, *c))
            .collect()
    }

    pub fn memories_of(&self, capsule: usize) -> impl Iterator<Item = (&MemoryId, &Memory)> {
        self.memories
            .iter()
            .filter(move |(id, _)| id.capsule == capsule)
    }

    pub fn inline_bytes_used(&self, capsule: usize) -> u64 {
        let assets = self
            .memories_of(capsule)
            .flat_map(|(_, memory)| &memory.assets);
        assets
            .filter(|a| matches!(a.place, Place::Inline(_)))
            .map(|a| a.len)
            .sum()
    }

    // ---- uploads ----------------------------------------------------------------------------------------------------

    fn check_idem(idem: &str) -> Answer<()> {
        match idem.len() {
            0 => only(invalid("idem_empty")),
            1..=limits::IDEM_MAX => Ok(()),
            _ => only(invalid("idem_too_long")),
        }
    }

    pub fn uploads_begin(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        expected: u32,
        idem: &str,
    ) -> Answer<usize> {
        let capsule = self.capsule(who, capsule)?;
        let mut wrong = Self::check_idem(idem).err().unwrap_or_default();
        match expected {
            0 => wrong.push(invalid("expected_chunks_zero")),
            1..=limits::CHUNKS_MAX => {}
            _ => wrong.push(invalid("expected_chunks_too_large")),
        }
        none_of(wrong)?;
        let mine = |s: &Session| s.capsule == capsule && s.creator == who && s.state == State::Open;
        if let Some(open) = self.sessions.iter().position(|s| mine(s) && s.idem == idem) {
            return Ok(open);
        }
        if self.sessions.iter().filter(|s| mine(s)).count() >= limits::OPEN_SESSIONS_MAX as usize {
            return only(Refusal::ResourceExhausted);
        }
        let idem = idem.to_owned();
        self.sessions.push(Session {
            capsule,
            creator: who,
            idem,
            expected,
            chunks: BTreeMap::new(),
            state: State::Open,
        });
        Ok(self.sessions.len() - 1)
    }

    /// Only its creator: for anybody else a session does not exist.
    fn session(&mut self, who: usize, session: Option<usize>) -> Answer<&mut Session> {
        match session {
            _ if who == ANONYMOUS => only(Refusal::Unauthorized),
            Some(session) if self.sessions[session].creator == who => {
                Ok(&mut self.sessions[session])
            }
            _ => only(Refusal::NotFound),
        }
    }

    pub fn uploads_put_chunk(
        &mut self,
        who: usize,
        session: Option<usize>,
        index: u32,
        bytes: &[u8],
    ) -> Answer<()> {
        let session = self.session(who, session)?;
        let mut wrong = vec![];
        if index >= session.expected {
            wrong.push(invalid("chunk_out_of_range"));
        }
        if bytes.len() > limits::CHUNK_MAX as usize {
            wrong.push(invalid("chunk_too_large"));
        }
        let repeated = session
            .chunks
            .get(&index)
            .is_some_and(|chunk| chunk == bytes);
        if session.state == State::Aborted || (session.state != State::Open && !repeated) {
            wrong.push(Refusal::Conflict);
        }
        none_of(wrong)?;
        session.chunks.insert(index, bytes.to_vec());
        Ok(())
    }

    /// The blob and when it came to be.
    pub fn uploads_finish(
        &mut self,
        who: usize,
        now: u64,
        session: Option<usize>,
        sha: &[u8],
        len: u64,
    ) -> Answer<(usize, u64)> {
        let blob = self.blobs.len();
        let session = self.session(who, session)?;
        let mut wrong = vec![];
        let bytes: Vec<u8> = session.chunks.values().flatten().copied().collect();
        let missing: Vec<u32> = (0..session.expected)
            .filter(|i| !session.chunks.contains_key(i))
            .collect();
        if sha.len() != 32 {
            wrong.push(invalid(""));
        }
        if session.state == State::Aborted {
            wrong.push(Refusal::Conflict);
        } else if !missing.is_empty() {
            wrong.push(invalid(&format!("chunk_missing: {}", ranges(&missing))));
        } else {
            if len != bytes.len() as u64 {
                wrong.push(invalid("size_mismatch"));
            }
            if sha.len() == 32 && sha != sha256(&bytes) {
                wrong.push(invalid("hash_mismatch"));
            }
        }
        none_of(wrong)?;
        if let State::Finished { blob, at } = session.state {
            return Ok((blob, at));
        }
        session.state = State::Finished { blob, at: now };
        let made = Blob {
            capsule: session.capsule,
            chunks: session.chunks.values().cloned().collect(),
            deleted: false,
        };
        self.blobs.push(made);
        Ok((blob, now))
    }

    pub fn uploads_abort(&mut self, who: usize, session: Option<usize>) -> Answer<()> {
        let session = self.session(who, session)?;
        if session.state == State::Open {
            session.state = State::Aborted;
        }
        Ok(())
    }

    // ---- blobs ------------------------------------------------------------------------------------------------------

    pub fn blob(&self, who: usize, blob: BlobArg) -> Answer<&Blob> {
        match blob {
            _ if who == ANONYMOUS => only(Refusal::Unauthorized),
            BlobArg::Malformed => only(invalid("blob_id_malformed")),
            BlobArg::Known(n)
                if !self.blobs[n].deleted && self.may_use(who, self.blobs[n].capsule) =>
            {
                Ok(&self.blobs[n])
            }
            _ => only(Refusal::NotFound),
        }
    }

    // ---- creating memories ------------------------------------------------------------------------------------------

    /// Steps 3 to 6 of "Creating memories" for one asset.
    fn check(
        &self,
        capsule: usize,
        now: u64,
        source: &Source,
        metadata: &AssetMetadata,
    ) -> Result<Checked, Vec<Refusal>> {
        let mut wrong = vec![];
        let base = metadata.base();
        let (place, len, sha) = match source {
            Source::Inline(bytes) => {
                if bytes.len() > limits::INLINE_MAX as usize {
                    wrong.push(invalid(&format!(
                        "inline_too_large:{}>{}",
                        bytes.len(),
                        limits::INLINE_MAX
                    )));
                }
                (
                    Place::Inline(bytes.clone()),
                    bytes.len() as u64,
                    Some(sha256(bytes).to_vec()),
                )
            }
            Source::Blob { blob, hash, len } => {
                let BlobArg::Known(number) = *blob else {
                    let malformed = matches!(blob, BlobArg::Malformed);
                    return Err(vec![invalid(if malformed {
                        "blob_id_malformed"
                    } else {
                        "blob_mismatch"
                    })]);
                };
                let stored = &self.blobs[number];
                if stored.capsule != capsule || stored.deleted {
                    return Err(vec![invalid("blob_mismatch")]);
                }
                let bytes = stored.bytes();
                let sha = sha256(&bytes).to_vec();
                if (*len != 0 && *len != bytes.len() as u64)
                    || hash.as_ref().is_some_and(|hash| *hash != sha)
                {
                    wrong.push(invalid("blob_mismatch"));
                }
                (Place::Blob(number), bytes.len() as u64, Some(sha))
            }
            Source::External {
                location,
                key,
                url,
                size,
                hash,
            } => {
                let known = base.sha256.as_ref().map(|sha| sha.to_vec());
                if *location == BlobHosting::Icp || key.as_deref().unwrap_or_default().is_empty() {
                    wrong.push(invalid(""));
                }
                for hash in hash.iter().chain(&known) {
                    if hash.len() != 32 {
                        wrong.push(invalid(""));
                    }
                }
                if hash.is_some() && known.is_some() && *hash != known {
                    wrong.push(invalid("hash_mismatch"));
                }
                let place = Place::External {
                    location: *location,
                    key: key.clone().unwrap_or_default(),
                    url: url.clone(),
                };
                (place, size.unwrap_or(base.bytes), hash.clone().or(known))
            }
        };
        if base.bytes != 0 && base.bytes != len {
            wrong.push(invalid("size_mismatch"));
        }
        none_of(wrong)?;
        let fingerprint = match (&sha, &place) {
            (None, Place::External { location, key, .. }) => Fingerprint::Address {
                location: format!("{location:?}"),
                key: key.clone(),
                size: len,
            },
            _ => {
                let sha = sha
                    .clone()
                    .and_then(|sha| sha.try_into().ok())
                    .expect("checked above");
                Fingerprint::Content { sha, len }
            }
        };
        let mut metadata = metadata.clone();
        let filled = metadata.base_mut();
        filled.bytes = len;
        filled.sha256 = sha.map(Into::into);
            filled.created_at = now;
            filled.updated_at = now;
        Ok(Checked {
            place,
            len,
            fingerprint,
            metadata,
        })
    }

    fn inline_len(checked: &[Checked]) -> u64 {
        checked
            .iter()
            .filter(|c| matches!(c.place, Place::Inline(_)))
            .map(|c| c.len)
            .sum()
    }

    /// Step 7: what is there already is the answer; step 3's budget counts only for what would really be stored.
    fn create(
        &mut self,
        id: MemoryId,
        checked: Vec<Checked>,
        mut metadata: MemoryMetadata,
    ) -> Answer<MemoryId> {
        if self.memories.contains_key(&id) {
            return Ok(id);
        }
        if self.inline_bytes_used(id.capsule) + Self::inline_len(&checked) > self.inline_budget {
            return only(Refusal::ResourceExhausted);
        }
        let mut assets: Vec<Asset> = vec![];
        for one in checked {
            let mut asset = one.asset(&id, &id.idem);
            while assets.iter().any(|a| a.id == asset.id) {
                asset.id.repetition += 1;
            }
            assets.push(asset);
        }
        metadata.total_size = assets.iter().map(|a| a.len).sum();
        metadata.asset_count = assets.len() as u32;
        self.memories
            .insert(id.clone(), Memory { metadata, assets });
        if !self.ever.contains(&id) {
            self.ever.push(id.clone());
        }
        Ok(id)
    }

    /// `metadata` is what the memory's own will be, apart from what the assets say.
    pub fn memories_create(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        sources: &[Source],
        asset: &AssetMetadata,
        metadata: MemoryMetadata,
        idem: &str,
    ) -> Answer<MemoryId> {
        let capsule = self.capsule(who, capsule)?;
        Self::check_idem(idem)?;
        let [source] = sources else {
            return only(invalid("exactly_one_asset"));
        };
        let checked = self.check(capsule, now, source, asset)?;
        let id = MemoryId {
            capsule,
            content: vec![checked.fingerprint.clone()],
            idem: idem.to_owned(),
        };
        self.create(id, vec![checked], metadata)
    }

    pub fn memories_create_with_assets(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        mut metadata: MemoryMetadata,
        assets: &[(Source, AssetMetadata)],
        idem: &str,
    ) -> Answer<MemoryId> {
        let capsule = self.capsule(who, capsule)?;
        Self::check_idem(idem)?;
        let results: Vec<_> = assets
            .iter()
            .map(|(source, metadata)| self.check(capsule, now, source, metadata))
            .collect();
        let mut wrong: Vec<Refusal> = results
            .iter()
            .filter_map(|r| r.as_ref().err())
            .flatten()
            .cloned()
            .collect();
        if assets.is_empty() {
            wrong.push(invalid("exactly_one_asset"));
        }
        none_of(wrong)?;
        let checked: Vec<Checked> = results.into_iter().flatten().collect();
        let content = checked.iter().map(|c| c.fingerprint.clone()).collect();
        if metadata.created_at == 0 {
            metadata.created_at = now;
        }
        metadata.updated_at = now;
        metadata.uploaded_at = now;
        self.create(
            MemoryId {
                capsule,
                content,
                idem: idem.to_owned(),
            },
            checked,
            metadata,
        )
    }

    pub fn memories_add(
        &mut self,
        (who, now): (usize, u64),
        memory: Option<&MemoryId>,
        source: &Source,
        metadata: &AssetMetadata,
        idem: &str,
    ) -> Answer<AssetId> {
        let memory = self.memory(who, memory)?;
        Self::check_idem(idem)?;
        let checked = self.check(memory.capsule, now, source, metadata)?;
        let added = Self::inline_len(std::slice::from_ref(&checked));
        let asset = checked.asset(&memory, idem);
        let id = asset.id.clone();
        if self.memories[&memory].assets.iter().any(|a| a.id == id) {
            return Ok(id);
        }
        if self.inline_bytes_used(memory.capsule) + added > self.inline_budget {
            return only(Refusal::ResourceExhausted);
        }
        let stored = self.memories.get_mut(&memory).expect("found above");
        stored.metadata.asset_count += 1;
        stored.metadata.total_size += asset.len;
        stored.metadata.updated_at = now;
        stored.assets.push(asset);
        Ok(id)
    }

    // ---- reading, listing, deleting ---------------------------------------------------------------------------------

    pub fn memories_read(&self, who: usize, id: Option<&MemoryId>) -> Answer<MemoryId> {
        self.memory(who, id)
    }

    /// Everything the listing of a capsule is made of; 0 is no limit.
    pub fn memories_list(
        &self,
        who: usize,
        capsule: Option<usize>,
        limit: Option<u32>,
        good_cursor: bool,
    ) -> Answer<BTreeSet<MemoryId>> {
        let capsule = self.capsule(who, capsule)?;
        if limit == Some(0) || !good_cursor {
            return only(invalid(""));
        }
        Ok(self
            .memories_of(capsule)
            .map(|(id, _)| id.clone())
            .collect())
    }

    /// What listings are ordered by, newest first.
    pub fn date(&self, id: &MemoryId) -> u64 {
        let metadata = &self.memories[id].metadata;
        metadata.date_of_memory.unwrap_or(metadata.created_at)
    }

    pub fn references(&self, blob: usize) -> usize {
        self.memories
            .values()
            .flat_map(|m| &m.assets)
            .filter(|a| a.place == Place::Blob(blob))
            .count()
    }

    pub fn memories_delete(
        &mut self,
        who: usize,
        id: Option<&MemoryId>,
        delete_assets: bool,
    ) -> Answer<()> {
        let Some(id) = id.filter(|id| who != ANONYMOUS && self.may_use(who, id.capsule)) else {
            return only(if who == ANONYMOUS {
                Refusal::Unauthorized
            } else {
                Refusal::NotFound
            });
        };
        let exists = self.memories.contains_key(id);
        if !self.is_owner(who, id.capsule) {
            // The subject may know what is there, and of what is gone there is nothing to know.
            return if exists {
                only(Refusal::Unauthorized)
            } else {
                Err(vec![Refusal::NotFound, Refusal::Unauthorized])
            };
        }
        let Some(memory) = self.memories.remove(id) else {
            return Ok(()); // deleted before: the same answer again (I5)
        };
        for asset in memory.assets {
            if let Place::Blob(blob) = asset.place
                && delete_assets
                && self.references(blob) == 0
            {
                self.blobs[blob].deleted = true;
            }
        }
        Ok(())
    }
}

/// Indexes as `chunk_missing` names them: `3,7-9`.
fn ranges(indexes: &[u32]) -> String {
    let mut text = String::new();
    for run in indexes.chunk_by(|a, b| a + 1 == *b) {
        if !text.is_empty() {
            text.push(',');
        }
        match run {
            [one] => text += &one.to_string(),
            [first, .., last] => text += &format!("{first}-{last}"),
            [] => unreachable!("chunk_by yields no empty run"),
        }
    }
    text
}
