//! Sends each call to the vault and to the model, and compares the replies.

use std::collections::BTreeMap;
use std::fmt::Debug;

use ic_stable_structures::VectorMemory;
use keepsake_api::{
    AssetMetadata, BlobRef, ByteBuf, Error as Wire, InitArgs, InlineAssetInput,
    InternalBlobAssetInput, MemoryMetadata, MemoryType, PersonRef, SharingStatus, StorageBackend,
    UploadConfig, UploadFinishResult,
};
use keepsake_vault::{Call as Context, Error, FinishStep, NewMemory, Vault, limits};

use crate::calls::{
    Call, Claim, Content, Given, Pick, Piece, Said, Step, Subject, Who, hash, size,
};
use crate::model::{Answer, AssetId, BlobArg, MemoryId, Model, Refusal, Source, State};
use crate::names::Names;
use crate::pools::*;
use crate::walks::Walks;

/// How often each method gave each kind of answer.
pub type Coverage = BTreeMap<(&'static str, String), u64>;

/// How many things there were when a call was first sent, so that its repetition picks the same ones.
#[derive(Clone, Copy, Default)]
struct Counts {
    capsules: usize,
    sessions: usize,
    current: Option<usize>,
    blobs: usize,
    memories: usize,
}

pub struct Driver {
    memory: VectorMemory,
    pub vault: Vault<VectorMemory>,
    pub model: Model,
    pub now: u64,
    pub capsules: Names<usize>,
    pub sessions: Names<usize>,
    pub blobs: Names<usize>,
    pub memories: Names<MemoryId>,
    pub assets: Names<AssetId>,
    finished: BTreeMap<usize, UploadFinishResult>,
    pub walks: Walks,
    counts: Counts,
    /// The session that the last successful begin returned.
    current: Option<usize>,
    pub coverage: Coverage,
}

impl Driver {
    /// An empty vault with this inline budget (`None`: the default).
    pub fn new(inline_budget: Option<u32>) -> Self {
        let memory = VectorMemory::default();
        let mut vault = Vault::open(memory.clone()).expect("an empty memory");
        vault.set_seed([42; 32]);
        vault.configure(&InitArgs {
            inline_budget_per_capsule: inline_budget,
        });
        let inline_budget = inline_budget.unwrap_or(limits::INLINE_BUDGET_DEFAULT);
        assert_eq!(
            vault.upload_config(),
            UploadConfig {
                inline_max: 32_768,
                chunk_size: 1_800_000,
                inline_budget_per_capsule: inline_budget
            }
        );
        Self {
            memory,
            vault,
            model: Model {
                inline_budget: inline_budget.into(),
                ..Model::default()
            },
            now: 1_760_000_000_000_000_000,
            capsules: Names::new("a capsule"),
            sessions: Names::new("a session"),
            blobs: Names::new("a blob"),
            memories: Names::new("a memory"),
            assets: Names::new("an asset"),
            finished: BTreeMap::new(),
            walks: Walks::default(),
            counts: Counts::default(),
            current: None,
            coverage: Coverage::new(),
        }
    }

    /// Sends a step's call, and once more where it says so: the same answer then, and no second effect.
    pub fn step(&mut self, step: &Step) {
        self.now += step.later;
        self.counts = Counts {
            capsules: self.model.capsules.len(),
            sessions: self.model.sessions.len(),
            current: self.current,
            blobs: self.model.blobs.len(),
            memories: self.model.ever.len(),
        };
        let first = self.call(step.who, &step.call);
        let new_each_time = matches!(
            step.call,
            Call::CapsulesCreate { subject: Some(_) } | Call::List { .. }
        );
        if step.twice && !new_each_time {
            self.now += 1;
            let second = self.call(step.who, &step.call);
            assert_eq!(first, second, "the same call again has another answer");
            self.vault
                .recount()
                .expect("counters after a repeated call");
        }
    }

    /// Closes the vault and opens it again.
    pub fn reopen(&mut self) {
        self.vault = Vault::open(self.memory.clone()).expect("the vault's own memory");
        assert!(!self.vault.needs_seed(), "the seed is kept");
    }

    pub fn context(&self, who: usize) -> Context {
        Context {
            caller: principal(who),
            now: self.now,
        }
    }

    /// Both answers where both are good; nothing where both refuse for the same reason.
    pub fn agree<T: Debug, U: Debug>(
        &mut self,
        method: &'static str,
        expected: Answer<T>,
        got: Result<U, Error>,
    ) -> Option<(T, U)> {
        let outcome = match (expected, got) {
            (Ok(expected), Ok(got)) => {
                *self.coverage.entry((method, "Ok".into())).or_default() += 1;
                return Some((expected, got));
            }
            (Err(reasons), Err(error)) => {
                let wire = Wire::from(error);
                let fits = |reason: &Refusal| match (reason, &wire) {
                    (Refusal::Unauthorized, Wire::Unauthorized)
                    | (Refusal::NotFound, Wire::NotFound)
                    | (Refusal::ResourceExhausted, Wire::ResourceExhausted)
                    | (Refusal::Conflict, Wire::Conflict(_)) => true,
                    (Refusal::Invalid(beginning), Wire::InvalidArgument(text)) => {
                        text.starts_with(beginning) && text.contains(':')
                    }
                    _ => false,
                };
                assert!(
                    reasons.iter().any(fits),
                    "{method}: expected one of {reasons:?}, got {wire:?}"
                );
                match wire {
                    Wire::InvalidArgument(text) => {
                        text.split(':').next().unwrap_or_default().to_owned()
                    }
                    Wire::Conflict(_) => "Conflict".into(),
                    other => format!("{other:?}"),
                }
            }
            (expected, got) => panic!("{method}: expected {expected:?}, got {got:?}"),
        };
        *self.coverage.entry((method, outcome)).or_default() += 1;
        None
    }

    // ---- picks ------------------------------------------------------------------------------------------------------

    fn nth_newest(n: usize, count: usize) -> Option<usize> {
        (count > 0).then(|| count - 1 - n % count)
    }

    /// The capsule, and what the request calls it.
    fn capsule(&self, pick: Pick) -> (Option<usize>, String) {
        match pick {
            Pick::Nth(n) if self.counts.capsules > 0 => {
                let capsule = n % self.counts.capsules;
                (Some(capsule), self.capsules.of(&capsule).to_owned())
            }
            Pick::Malformed(n) => (None, MALFORMED_IDS[n].to_owned()),
            _ => (
                None,
                altered(self.capsules.all().next().unwrap_or("capsule")),
            ),
        }
    }

    fn memory_pick(&self, pick: Pick) -> (Option<MemoryId>, String) {
        match pick {
            Pick::Nth(n) if self.counts.memories > 0 => {
                let newest = Self::nth_newest(n, self.counts.memories).expect("there is one");
                let id = self.model.ever[newest].clone();
                let real = self.memories.of(&id).to_owned();
                (Some(id), real)
            }
            Pick::Malformed(n) => (None, MALFORMED_IDS[n].to_owned()),
            _ => (
                None,
                altered(self.memories.all().next().unwrap_or("memory")),
            ),
        }
    }

    fn session_pick(&self, pick: Pick) -> (Option<usize>, u64) {
        let picked = match pick {
            Pick::Nth(0) => self.counts.current,
            Pick::Nth(n) => Self::nth_newest(n, self.counts.sessions),
            _ => None,
        };
        let real = picked.map_or(u64::MAX / 3, |session| {
            self.sessions.of(&session).parse().expect("a number")
        });
        (picked, real)
    }

    /// Where the request is about a capsule, mostly one of its blobs.
    fn blob_pick(&self, pick: Pick, capsule: Option<usize>) -> (BlobArg, String) {
        match pick {
            Pick::Nth(n) => {
                let all = 0..self.counts.blobs;
                let blobs: Vec<usize> = match n {
                    0..3 => all
                        .filter(|b| {
                            capsule.is_none_or(|c| {
                                self.model.blobs[*b].capsule == c && !self.model.blobs[*b].deleted
                            })
                        })
                        .collect(),
                    3 => all
                        .filter(|b| capsule.is_none_or(|c| self.model.blobs[*b].capsule == c))
                        .collect(),
                    _ => all.collect(),
                };
                match Self::nth_newest(n, blobs.len()) {
                    Some(nth) => (
                        BlobArg::Known(blobs[nth]),
                        self.blobs.of(&blobs[nth]).to_owned(),
                    ),
                    None => (BlobArg::Unknown, "blob_7".into()),
                }
            }
            Pick::Unknown => (BlobArg::Unknown, "blob_18446744073709551615".into()),
            Pick::Malformed(n) => (BlobArg::Malformed, MALFORMED_BLOB_IDS[n].to_owned()),
        }
    }

    fn caller(&self, who: Who, rightful: Option<usize>) -> usize {
        match who {
            Who::Rightful => rightful.unwrap_or(0),
            Who::Number(n) => n,
        }
    }

    fn owner(&self, capsule: Option<usize>) -> Option<usize> {
        capsule.map(|capsule| self.model.capsules[capsule].owner)
    }

    // ---- calls ------------------------------------------------------------------------------------------------------

    /// One call, compared; the vault's answer as text.
    fn call(&mut self, who: Who, call: &Call) -> String {
        match call {
            Call::CapsulesCreate { subject } => {
                self.capsules_create(self.caller(who, None), *subject)
            }
            Call::CapsulesReadBasic { capsule } => {
                let picked = capsule.map(|pick| self.capsule(pick));
                let who = self.caller(
                    who,
                    picked
                        .as_ref()
                        .and_then(|(capsule, _)| self.owner(*capsule)),
                );
                self.capsules_read_basic(
                    who,
                    picked
                        .as_ref()
                        .map(|(capsule, real)| (*capsule, real.as_str())),
                );
                String::new()
            }
            Call::CapsulesList => {
                self.capsules_list(self.caller(who, None));
                String::new()
            }
            Call::Begin {
                capsule,
                expected,
                idem,
            } => {
                let (capsule, real) = self.capsule(*capsule);
                self.begin(
                    self.caller(who, self.owner(capsule)),
                    capsule,
                    &real,
                    *expected,
                    &IDEMS[*idem],
                )
            }
            Call::Put {
                session,
                index,
                piece,
            } => {
                let (session, real) = self.session_pick(*session);
                let who = self.caller(who, session.map(|s| self.model.sessions[s].creator));
                let bytes = match piece {
                    Piece::Content { content, from, to } => &CONTENTS[*content][*from..*to],
                    Piece::Large { over } => &LARGE_CHUNK[..limits::CHUNK_MAX as usize + over],
                };
                let expected = self.model.uploads_put_chunk(who, session, *index, bytes);
                let got = self
                    .vault
                    .uploads_put_chunk(self.context(who), real, *index, bytes);
                self.done("uploads_put_chunk", expected, got)
            }
            Call::Finish { session, claim } => {
                let (session, real) = self.session_pick(*session);
                let who = self.caller(who, session.map(|s| self.model.sessions[s].creator));
                self.finish(who, session, real, *claim)
            }
            Call::Abort { session } => {
                let (session, real) = self.session_pick(*session);
                let who = self.caller(who, session.map(|s| self.model.sessions[s].creator));
                let expected = self.model.uploads_abort(who, session);
                let got = self.vault.uploads_abort(self.context(who), real);
                self.done("uploads_abort", expected, got)
            }
            Call::BlobRead { blob, chunk } => {
                let (blob, real) = self.blob_pick(*blob, None);
                let capsule = if let BlobArg::Known(n) = blob {
                    Some(self.model.blobs[n].capsule)
                } else {
                    None
                };
                self.blob_read(self.caller(who, self.owner(capsule)), blob, &real, *chunk);
                String::new()
            }
            Call::Create {
                capsule,
                assets,
                stray_hash,
                said,
                idem,
            } => {
                let (capsule, real) = self.capsule(*capsule);
                let who = self.caller(who, self.owner(capsule));
                self.create(who, capsule, real, assets, *stray_hash, said, &IDEMS[*idem])
            }
            Call::CreateWithAssets {
                capsule,
                said,
                blobs,
                inline,
                idem,
            } => {
                let (capsule, real) = self.capsule(*capsule);
                let who = self.caller(who, self.owner(capsule));
                let said = said.metadata();
                let blobs: Vec<_> = blobs
                    .iter()
                    .map(|(pick, said)| self.blob_input(capsule, *pick, said))
                    .collect();
                let inline: Vec<_> = inline
                    .iter()
                    .map(|(content, said)| self.inline_input(*content, said))
                    .collect();
                self.create_with_assets(who, (capsule, &real), said, blobs, inline, &IDEMS[*idem])
            }
            Call::Add {
                memory,
                asset,
                said,
                idem,
            } => {
                let (memory, real) = self.memory_pick(*memory);
                let who = self.caller(who, self.owner(memory.as_ref().map(|m| m.capsule)));
                self.add(who, memory.as_ref(), &real, asset, said, &IDEMS[*idem])
            }
            Call::Read { memory } => {
                let (memory, real) = self.memory_pick(*memory);
                let who = self.caller(who, self.owner(memory.as_ref().map(|m| m.capsule)));
                self.read(who, memory.as_ref(), &real);
                String::new()
            }
            Call::List {
                capsule,
                limit,
                go_on,
            } => {
                let (capsule, real) = self.capsule(*capsule);
                self.list(
                    self.caller(who, self.owner(capsule)),
                    capsule,
                    &real,
                    *limit,
                    *go_on,
                );
                String::new()
            }
            Call::ListBadCursor { capsule, cursor } => {
                let (capsule, real) = self.capsule(*capsule);
                let who = self.caller(who, self.owner(capsule));
                let expected = self.model.memories_list(who, capsule, None, false);
                let got = self.vault.memories_list(
                    self.context(who),
                    &real,
                    Some(BAD_CURSORS[*cursor]),
                    None,
                );
                self.agree("memories_list", expected, got);
                String::new()
            }
            Call::Delete {
                memory,
                delete_assets,
            } => {
                let (memory, real) = self.memory_pick(*memory);
                let who = self.caller(who, self.owner(memory.as_ref().map(|m| m.capsule)));
                let expected = self
                    .model
                    .memories_delete(who, memory.as_ref(), *delete_assets);
                let got = self
                    .vault
                    .memories_delete(self.context(who), &real, *delete_assets);
                if let (Some(memory), true) = (&memory, got.is_ok()) {
                    self.walks.deleted(memory);
                }
                self.done("memories_delete", expected, got)
            }
            Call::Reopen => {
                self.reopen();
                String::new()
            }
        }
    }

    /// Compares a reply without content.
    fn done(
        &mut self,
        method: &'static str,
        expected: Answer<()>,
        got: Result<(), Error>,
    ) -> String {
        let text = format!("{got:?}");
        self.agree(method, expected, got);
        text
    }

    fn capsules_create(&mut self, who: usize, subject: Option<Subject>) -> String {
        let subject = subject.map(|subject| match subject {
            Subject::Principal(n) => PersonRef::Principal(principal(n)),
            Subject::Opaque(name) if name.len() > 20 => {
                PersonRef::Opaque("n".repeat(limits::OPAQUE_PERSON_MAX + 1))
            }
            Subject::Opaque(name) => PersonRef::Opaque(name.into()),
        });
        let expected = self.model.capsules_create(who, self.now, subject.clone());
        let got = self.vault.capsules_create(self.context(who), subject);
        let text = format!("{:?}", got.as_ref().map(|capsule| &capsule.id));
        if let Some((capsule, got)) = self.agree("capsules_create", expected, got) {
            self.capsules.learn(&capsule, &got.id);
            let known = &self.model.capsules[capsule];
            let owners: Vec<_> = got
                .owners
                .iter()
                .map(|(person, state)| (person.clone(), state.since))
                .collect();
            assert_eq!(
                owners,
                [(
                    PersonRef::Principal(principal(known.owner)),
                    known.created_at
                )]
            );
            assert_eq!(
                (&got.subject, got.created_at),
                (&known.subject, known.created_at)
            );
            assert_eq!(
                got.inline_bytes_used,
                self.model.inline_bytes_used(capsule),
                "inline_bytes_used"
            );
            assert!(
                got.controllers.is_empty() && got.connections.is_empty() && got.folders.is_empty()
            );
        }
        text
    }

    pub fn capsules_read_basic(&mut self, who: usize, capsule: Option<(Option<usize>, &str)>) {
        let expected = self
            .model
            .capsules_read_basic(who, capsule.map(|(capsule, _)| capsule));
        let got = self
            .vault
            .capsules_read_basic(self.context(who), capsule.map(|(_, real)| real));
        if let Some((capsule, got)) = self.agree("capsules_read_basic", expected, got) {
            let known = &self.model.capsules[capsule];
            assert_eq!(got.capsule_id, self.capsules.of(&capsule));
            assert_eq!(
                (&got.subject, got.created_at),
                (&known.subject, known.created_at)
            );
            assert_eq!(got.is_owner, self.model.is_owner(who, capsule));
            assert!(!got.is_controller && !got.bound_to_neon);
            assert_eq!(
                got.is_self_capsule,
                self.model.is_owner(who, capsule) && self.model.is_subject(who, capsule)
            );
            assert_eq!(
                got.memory_count,
                self.model.memories_of(capsule).count() as u64,
                "memory_count"
            );
            assert_eq!((got.gallery_count, got.connection_count), (0, 0));
        }
    }

    pub fn capsules_list(&mut self, who: usize) {
        let expected: BTreeMap<String, _> = self
            .model
            .capsules_list(who)
            .into_iter()
            .map(|c| {
                let known = &self.model.capsules[c];
                (
                    self.capsules.of(&c).to_owned(),
                    (
                        known.subject.clone(),
                        known.created_at,
                        self.model.memories_of(c).count() as u64,
                        1,
                        0,
                    ),
                )
            })
            .collect();
        let got = self.vault.capsules_list(self.context(who));
        let count = got.len();
        let got: BTreeMap<String, _> = got
            .into_iter()
            .map(|h| {
                (
                    h.id,
                    (
                        h.subject,
                        h.created_at,
                        h.memory_count,
                        h.owner_count,
                        h.controller_count,
                    ),
                )
            })
            .collect();
        assert_eq!(got.len(), count, "a capsule is listed twice");
        assert_eq!(got, expected, "capsules_list of caller {who}");
    }

    pub fn begin(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        real: &str,
        expected_chunks: u32,
        idem: &str,
    ) -> String {
        let expected = self
            .model
            .uploads_begin(who, capsule, expected_chunks, idem);
        let got = self
            .vault
            .uploads_begin(self.context(who), real, expected_chunks, idem);
        let text = format!("{got:?}");
        if let Some((session, got)) = self.agree("uploads_begin", expected, got) {
            self.sessions.learn(&session, &got.to_string());
            self.current = Some(session);
        }
        text
    }

    fn finish(&mut self, who: usize, session: Option<usize>, real: u64, claim: Claim) -> String {
        let held = session
            .map(|s| {
                self.model.sessions[s]
                    .chunks
                    .values()
                    .flatten()
                    .copied()
                    .collect::<Vec<u8>>()
            })
            .unwrap_or_default();
        let (sha, len) = (sha256(&held).to_vec(), held.len() as u64);
        let (sha, len) = match claim {
            Claim::Truth => (sha, len),
            Claim::Content(content) => (
                sha256(&CONTENTS[content]).to_vec(),
                CONTENTS[content].len() as u64,
            ),
            Claim::WrongHash => (sha.iter().map(|b| !b).collect(), len),
            Claim::WrongLength(by) => (sha, len.wrapping_add_signed(by.into())),
            Claim::HashOfLength(n) => (vec![1; n], len),
        };
        let expected = self.model.uploads_finish(who, self.now, session, &sha, len);
        let got = loop {
            match self
                .vault
                .uploads_finish(self.context(who), real, &sha, len)
            {
                Ok(FinishStep::HashMore) => {}
                Ok(FinishStep::Done(result)) => break Ok(result),
                Err(error) => break Err(error),
            }
        };
        let text = format!("{got:?}");
        if let Some(((blob, at), got)) = self.agree("uploads_finish", expected, got) {
            self.blobs.learn(&blob, &got.blob_id);
            assert_eq!(got.memory_id, "", "finishing an upload creates no memory");
            assert_eq!(
                (got.size, got.checksum_sha256.as_deref()),
                (len, Some(&sha))
            );
            assert_eq!(
                (got.storage_backend, got.uploaded_at),
                (StorageBackend::Icp, at)
            );
            let first = self.finished.entry(blob).or_insert_with(|| got.clone());
            assert_eq!(*first, got, "finish asked again");
        }
        text
    }

    pub fn blob_read(&mut self, who: usize, blob: BlobArg, real: &str, chunk: u32) {
        let context = self.context(who);
        let known = self.model.blob(who, blob).map(|blob| blob.chunks.clone());
        let got = self.vault.blob_get_meta(context, real);
        if let Some((chunks, got)) = self.agree("blob_get_meta", known.clone(), got) {
            assert_eq!(
                (got.size, got.chunk_count as usize),
                (chunks.concat().len() as u64, chunks.len()),
                "blob_get_meta"
            );
        }
        let whole = known.clone().and_then(|chunks| {
            let bytes = chunks.concat();
            if bytes.len() as u64 > limits::BLOB_READ_MAX {
                Err(vec![Refusal::Invalid(String::new())])
            } else {
                Ok(bytes)
            }
        });
        let got = self.vault.blob_read(context, real);
        if let Some((bytes, got)) = self.agree("blob_read", whole, got) {
            assert!(bytes == got, "blob_read of {real} gives other bytes");
        }
        let got = self.vault.blob_read_chunk(context, real, chunk);
        if let Some((chunks, got)) = self.agree("blob_read_chunk", known, got) {
            assert!(
                chunks.get(chunk as usize).cloned().unwrap_or_default() == got,
                "blob_read_chunk of {real}, {chunk}, gives other bytes"
            );
        }
    }

    // ---- creating ---------------------------------------------------------------------------------------------------

    /// Length and hash that a blob argument really has.
    fn truth(&self, blob: BlobArg) -> (u64, [u8; 32]) {
        let bytes = if let BlobArg::Known(n) = blob {
            self.model.blobs[n].bytes()
        } else {
            vec![]
        };
        (bytes.len() as u64, sha256(&bytes))
    }

    fn blob_input(
        &self,
        capsule: Option<usize>,
        pick: Pick,
        said: &Said,
    ) -> (Source, InternalBlobAssetInput) {
        let (blob, blob_id) = self.blob_pick(pick, capsule);
        let (len, sha) = self.truth(blob);
        (
            Source::Blob {
                blob,
                hash: None,
                len: 0,
            },
            InternalBlobAssetInput {
                blob_id,
                metadata: said.metadata(len, sha),
            },
        )
    }

    fn inline_input(&self, content: usize, said: &Said) -> (Source, InlineAssetInput) {
        let bytes = CONTENTS[content].clone();
        let metadata = said.metadata(bytes.len() as u64, sha256(&bytes));
        (
            Source::Inline(bytes.clone()),
            InlineAssetInput {
                bytes: bytes.into(),
                metadata,
            },
        )
    }

    #[allow(clippy::too_many_arguments)] // as many as the call has
    fn create(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        real: String,
        contents: &[Content],
        stray_hash: Given,
        said: &Said,
        idem: &str,
    ) -> String {
        let mut new = NewMemory {
            capsule: real,
            inline: None,
            blob: None,
            location: None,
            storage_key: Some("ignored".into()),
            url: None,
            size: Some(3),
            sha256: hash(stray_hash, [5; 32]).map(ByteBuf::from),
            metadata: said.metadata(0, [0; 32]),
            idem: idem.into(),
        };
        let mut sources = vec![];
        for content in contents {
            sources.push(match content {
                Content::Inline(content) => {
                    let (source, input) = self.inline_input(*content, said);
                    new.inline = Some(input.bytes);
                    new.metadata = input.metadata;
                    source
                }
                Content::Blob {
                    blob,
                    hash: hash_given,
                    len: len_given,
                } => {
                    let (blob, locator) = self.blob_pick(*blob, capsule);
                    let (len, sha) = self.truth(blob);
                    let (hash, given) = (hash(*hash_given, sha), size(*len_given, len));
                    new.blob = Some(BlobRef {
                        locator,
                        hash: hash.clone().map(ByteBuf::from),
                        len: given,
                    });
                    new.metadata = said.metadata(len, sha);
                    Source::Blob {
                        blob,
                        hash,
                        len: given,
                    }
                }
                Content::External {
                    location,
                    key,
                    url,
                    content,
                    size: size_given,
                    hash: hash_given,
                } => {
                    let (len, sha) = (CONTENTS[*content].len() as u64, sha256(&CONTENTS[*content]));
                    let size = (*size_given != Given::Nothing).then(|| size(*size_given, len));
                    let hash = hash(*hash_given, sha);
                    new.location = Some(*location);
                    new.storage_key = key.map(Into::into);
                    new.url = url.then(|| "https://example.org/1".into());
                    new.size = size;
                    new.sha256 = hash.clone().map(ByteBuf::from);
                    new.metadata = said.metadata(len, sha);
                    Source::External {
                        location: *location,
                        key: new.storage_key.clone(),
                        url: new.url.clone(),
                        size,
                        hash,
                    }
                }
            });
        }
        let metadata = told_by(&new.metadata, self.now, who);
        let before: Vec<MemoryId> = self.model.memories.keys().cloned().collect();
        let expected = self.model.memories_create(
            (who, self.now),
            capsule,
            &sources,
            &new.metadata,
            metadata,
            idem,
        );
        let got = self.vault.memories_create(self.context(who), new);
        let text = format!("{got:?}");
        if let Some((id, got)) = self.agree("memories_create", expected, got) {
            self.memories.learn(&id, &got);
            if before.binary_search(&id).is_err() {
                self.adopt(&id);
            }
        }
        text
    }

    /// What `memories_create` makes of the asset's metadata for the memory's own, where the contract leaves it open, is taken from
    /// the first read; it must never change again.
    fn adopt(&mut self, id: &MemoryId) {
        let owner = self.model.capsules[id.capsule].owner;
        let got = self
            .vault
            .memories_read(self.context(owner), self.memories.of(id))
            .expect("the owner reads what was just created");
        let known = &mut self.model.memories.get_mut(id).expect("created").metadata;
        known.title = got.metadata.title;
        known.description = got.metadata.description;
        known.tags = got.metadata.tags;
        known.date_of_memory = got.metadata.date_of_memory;
        known.file_created_at = got.metadata.file_created_at;
        known.database_storage_edges = got.metadata.database_storage_edges;
        self.read(owner, Some(id), &self.memories.of(id).to_owned());
    }

    fn create_with_assets(
        &mut self,
        who: usize,
        (capsule, real): (Option<usize>, &str),
        mut metadata: MemoryMetadata,
        blobs: Vec<(Source, InternalBlobAssetInput)>,
        inline: Vec<(Source, InlineAssetInput)>,
        idem: &str,
    ) -> String {
        let mut assets = vec![];
        assets.extend(
            blobs
                .iter()
                .map(|(source, input)| (source.clone(), input.metadata.clone())),
        );
        assets.extend(
            inline
                .iter()
                .map(|(source, input)| (source.clone(), input.metadata.clone())),
        );
        let blobs = blobs.into_iter().map(|(_, input)| input).collect();
        let inline = inline.into_iter().map(|(_, input)| input).collect();
        let got = self.vault.memories_create_with_assets(
            self.context(who),
            real,
            metadata.clone(),
            blobs,
            inline,
            idem,
        );
        metadata.created_by = Some(principal(who).to_text());
        metadata.shared_count = 0;
        metadata.sharing_status = SharingStatus::Private;
        let expected = self.model.memories_create_with_assets(
            (who, self.now),
            capsule,
            metadata,
            &assets,
            idem,
        );
        let text = format!("{got:?}");
        if let Some((id, got)) = self.agree("memories_create_with_assets", expected, got) {
            self.memories.learn(&id, &got);
            self.read(self.model.capsules[id.capsule].owner, Some(&id), &got);
        }
        text
    }

    fn add(
        &mut self,
        who: usize,
        memory: Option<&MemoryId>,
        real: &str,
        asset: &Content,
        said: &Said,
        idem: &str,
    ) -> String {
        let context = self.context(who);
        let (method, expected, got) = match asset {
            Content::Inline(content) => {
                let (source, input) = self.inline_input(*content, said);
                let expected = self.model.memories_add(
                    (who, self.now),
                    memory,
                    &source,
                    &input.metadata,
                    idem,
                );
                (
                    "memories_add_inline_asset",
                    expected,
                    self.vault
                        .memories_add_inline_asset(context, real, input, idem),
                )
            }
            Content::Blob { blob, .. } => {
                let (source, input) = self.blob_input(memory.map(|m| m.capsule), *blob, said);
                let expected = self.model.memories_add(
                    (who, self.now),
                    memory,
                    &source,
                    &input.metadata,
                    idem,
                );
                (
                    "memories_add_asset",
                    expected,
                    self.vault.memories_add_asset(context, real, input, idem),
                )
            }
            Content::External { .. } => unreachable!("the strategy generates none"),
        };
        let text = format!("{got:?}");
        if let Some((asset, got)) = self.agree(method, expected, got) {
            self.assets.learn(&asset, &got);
        }
        text
    }

    // ---- everything -------------------------------------------------------------------------------------------------

    /// Reads all there is as everybody, and compares; recomputes the counters.
    pub fn everything(&mut self) {
        self.vault
            .recount()
            .expect("counters recomputed from scratch");
        for who in 0..=ANONYMOUS {
            self.capsules_list(who);
            self.capsules_read_basic(who, None);
            for capsule in 0..self.model.capsules.len() {
                let real = self.capsules.of(&capsule).to_owned();
                self.capsules_read_basic(who, Some((Some(capsule), &real)));
                self.list_all(who, capsule, &real, 3);
            }
            for id in self.model.ever.clone() {
                self.read(who, Some(&id), &self.memories.of(&id).to_owned());
            }
            for blob in 0..self.model.blobs.len() {
                let real = self.blobs.of(&blob).to_owned();
                for chunk in 0..=self.model.blobs[blob].chunks.len() as u32 {
                    self.blob_read(who, BlobArg::Known(blob), &real, chunk);
                }
            }
        }
        for session in 0..self.model.sessions.len() {
            if matches!(self.model.sessions[session].state, State::Finished { .. }) {
                let real = self.sessions.of(&session).parse().expect("a number");
                self.finish(
                    self.model.sessions[session].creator,
                    Some(session),
                    real,
                    Claim::Truth,
                );
            }
        }
    }
}

/// The memory's metadata as far as the contract says what `memories_create` derives it from.
fn told_by(asset: &AssetMetadata, now: u64, who: usize) -> MemoryMetadata {
    MemoryMetadata {
        memory_type: match asset {
            AssetMetadata::Image(_) => MemoryType::Image,
            AssetMetadata::Video(_) => MemoryType::Video,
            AssetMetadata::Audio(_) => MemoryType::Audio,
            AssetMetadata::Document(_) => MemoryType::Document,
            AssetMetadata::Note(_) => MemoryType::Note,
        },
        title: None,
        description: None,
        content_type: asset.base().mime_type.clone(),
        created_at: now,
        updated_at: now,
        uploaded_at: now,
        date_of_memory: None,
        file_created_at: None,
        parent_folder_id: None,
        tags: vec![],
        deleted_at: None,
        people_in_memory: None,
        location: None,
        memory_notes: None,
        created_by: Some(principal(who).to_text()),
        database_storage_edges: vec![],
        shared_count: 0,
        sharing_status: SharingStatus::Private,
        total_size: 0,
        asset_count: 0,
    }
}

/// An id of the same form as one that exists, but another.
fn altered(id: &str) -> String {
    let mut bytes = id.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last = if *last == b'0' { b'1' } else { b'0' };
    }
    String::from_utf8(bytes).expect("ASCII")
}
