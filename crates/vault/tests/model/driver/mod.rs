//! Sends each call to the vault and to the model, and compares the replies.

mod access;
mod assets;
mod capsules;
mod creating;
mod dispatch;
mod facts;
mod people;
mod picks;
mod reading;
mod share_links;
mod status;
mod tokens;
mod trash;
mod uploads;

use std::collections::BTreeMap;
use std::fmt::Debug;

use keepsake_api::{Error as Wire, InitArgs, PersonRef, UploadFinishResult};
use keepsake_vault::{Call as Context, Error, Means, Vault, limits};

use self::reading::Walks;
use crate::bounded::Bounded;
use crate::calls::{Ask, Call, Claim, OnCapsule, Pick, Step, Subject, TokenPick, Who};
use crate::model::{Answer, AssetId, BlobArg, MemoryId, Model, Quotas, Refusal, State, Token};
use crate::names::Names;
use crate::pools::{ANONYMOUS, SECRETS, principal};

/// How often each method gave each kind of answer.
pub type Coverage = BTreeMap<(&'static str, String), u64>;

/// When a vault's life begins, in nanoseconds since 1970 UTC.
const BORN: u64 = 1_760_000_000_000_000_000;

/// Calls that a full memory may refuse. Reading, deleting and giving up must always work.
const TAKES_ROOM: &[&str] = &[
    "capsules_create",
    "person_link_offer",
    "person_link_accept",
    "capsule_owner_add",
    "capsule_controller_add",
    "capsule_event_record",
    "connection_group_put",
    "uploads_begin",
    "uploads_begin_announced",
    "uploads_put_chunk",
    "uploads_put_blob",
    "uploads_finish",
    "memories_create",
    "memories_create_with_internal_blobs",
    "memories_create_with_internal_blobs_and_inline_assets",
    "memories_add_asset",
    "memories_add_assets",
    "memories_add_inline_asset",
    "memories_trash",
    "memories_restore",
    "memories_update",
    "access_grant",
    "capsules_update",
    "share_links_create",
    "share_links_open",
];

/// Calls that the quota of bytes may refuse.
const TAKES_BYTES: &[&str] = &[
    "uploads_begin_announced",
    "uploads_put_chunk",
    "uploads_put_blob",
    "uploads_finish",
    "memories_create",
    "memories_create_with_internal_blobs_and_inline_assets",
    "memories_add_assets",
    "memories_add_inline_asset",
];

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
    pub memory: Bounded,
    pub vault: Vault<Bounded>,
    pub model: Model,
    pub now: u64,
    /// When the call under way was first sent.
    sent_at: u64,
    pub capsules: Names<usize>,
    pub sessions: Names<usize>,
    pub blobs: Names<usize>,
    pub memories: Names<MemoryId>,
    pub assets: Names<AssetId>,
    share_links: Names<usize>,
    finished: BTreeMap<usize, UploadFinishResult>,
    tokens: Vec<(Token, String)>,
    /// The number of the first key that tokens are made with.
    first_token_key: u32,
    pub walks: Walks,
    counts: Counts,
    /// The session that the last successful begin returned.
    current: Option<usize>,
    pub coverage: Coverage,
    /// Whether the call under way was refused because the memory is full, or because of what has expired.
    full: bool,
    /// Calls sent by steps.
    pub sent: u64,
}

impl Driver {
    /// An empty vault with these quotas.
    pub fn new(args: &InitArgs) -> Self {
        let memory = Bounded::endless();
        let mut vault = Vault::open(memory.clone()).expect("an empty memory");
        vault.set_seed([42; 32]);
        vault.configure(args);
        let mut model = Model::new(Quotas {
            inline: limits::INLINE_BUDGET_DEFAULT.into(),
            bytes: None,
            memories: None,
            open_sessions: limits::OPEN_SESSIONS_MAX,
            reserve_days: limits::CYCLES_RESERVE_DAYS_DEFAULT,
        });
        model.configure(args);
        let means = Means {
            balance: 0,
            liquid: 0,
            heap: 0,
        };
        let first_token_key = vault.status(BORN, means).http_token_key;
        Self {
            memory,
            vault,
            model,
            now: BORN,
            sent_at: BORN,
            capsules: Names::new("a capsule"),
            sessions: Names::new("a session"),
            blobs: Names::new("a blob"),
            memories: Names::new("a memory"),
            assets: Names::new("an asset"),
            share_links: Names::new("a share link"),
            finished: BTreeMap::new(),
            tokens: vec![],
            first_token_key,
            walks: Walks::default(),
            counts: Counts::default(),
            current: None,
            coverage: Coverage::new(),
            full: false,
            sent: 0,
        }
    }

    /// Sends a step's call, and once more where it says so: the same answer then, and no second effect.
    pub fn step(&mut self, step: &Step) {
        self.now += step.later;
        self.sent_at = self.now;
        self.counts = Counts {
            capsules: self.model.capsules.len(),
            sessions: self.model.sessions.len(),
            current: self.current,
            blobs: self.model.blobs.len(),
            memories: self.model.ever.len(),
        };
        let first = self.send(step.who, &step.call);
        let new_each_time = match &step.call {
            Call::CapsulesCreate { subject: Some(_) } | Call::List { .. } => true,
            // What is gone can't be taken away again, and a place is another asset's then.
            Call::AssetRemove { .. } | Call::Cleanup { .. } | Call::CleanupExpired => true,
            Call::Capsule { about, .. } => matches!(about, OnCapsule::Acknowledge { .. }),
            _ => false,
        };
        // Whoever has only an access entry may lose it by the call itself, and knows of nothing then.
        let by_an_entry = !matches!(step.who, Who::Rightful)
            && matches!(
                step.call,
                Call::Update { .. } | Call::Revoke { .. } | Call::Grant { .. }
            );
        if step.twice && !new_each_time && !by_an_entry {
            self.now += 1;
            let second = self.send(step.who, &step.call);
            assert_eq!(first, second, "the same call again has another answer");
            self.vault
                .recount()
                .expect("counters after a repeated call");
            for capsule in 0..self.model.capsules.len() {
                let real = self.capsules.of(&capsule).to_owned();
                self.list_all(self.model.an_owner(capsule), capsule, &real, 100);
            }
        }
    }

    /// Whether uploads that have expired, and were not cleared away, may count against a quota still. The model does not say when they
    /// are cleared away, beyond that a sweep does it.
    fn something_lingers(&self) -> bool {
        let mut capsules = 0..self.model.capsules.len();
        self.model.quotas.bytes.is_some() && capsules.any(|c| self.model.bytes_lingering(c) > 0)
    }

    /// One call. Where the vault's memory ends, or what has expired counts still, content may be refused that the model has room for:
    /// then nothing happened.
    fn send(&mut self, who: Who, call: &Call) -> String {
        self.model.expire(self.now);
        let may_refuse = self.memory.is_bounded() || self.something_lingers();
        let before = may_refuse.then(|| self.model.clone());
        let is_call = !matches!(
            call,
            Call::HoursPass { .. } | Call::Upgrade { .. } | Call::Means { .. }
        );
        self.sent += u64::from(is_call);
        self.full = false;
        let answer = self.call(who, call);
        if let (true, Some(before)) = (self.full, before) {
            self.model = before;
        }
        answer
    }

    /// Time goes by, and what is due is swept in several bounded steps, as the canister's timer does it.
    fn hours_pass(&mut self, hours: u64) {
        self.now += hours * 3_600 * 1_000_000_000;
        self.model.expire(self.now);
        if self.memory.is_bounded() {
            return; // a sweep that lacks room is tried again another time
        }
        let mut steps = 0;
        while self.vault.sweep_sessions(self.now, 2) {
            steps += 1;
            assert!(
                steps <= self.model.sessions.len(),
                "a sweep that never ends"
            );
        }
        while self.vault.sweep(self.now) {
            steps += 1;
            let most = self.model.sessions.len() + self.model.blobs.len() + self.model.ever.len();
            assert!(steps <= most, "a sweep that never ends");
        }
        self.model.sweep(self.now);
        self.vault.recount().expect("counters after a sweep");
    }

    /// Closes the vault and opens it again.
    pub fn reopen(&mut self) {
        self.vault = Vault::open(self.memory.clone()).expect("the vault's own memory");
        assert!(!self.vault.needs_seed(), "the seed is kept");
        self.vault.set_means(self.means());
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
                self.note(method, "Ok".into());
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
            (Ok(_), Err(Error::ResourceExhausted))
                if self.memory.is_bounded() && TAKES_ROOM.contains(&method) =>
            {
                self.full = true;
                "memory full".into()
            }
            (Ok(_), Err(Error::ResourceExhausted))
                if self.something_lingers() && TAKES_BYTES.contains(&method) =>
            {
                self.full = true;
                "full of what has expired".into()
            }
            (expected, got) => panic!("{method}: expected {expected:?}, got {got:?}"),
        };
        self.note(method, outcome);
        None
    }

    /// Counts what a method gave.
    fn note(&mut self, method: &'static str, outcome: String) {
        *self.coverage.entry((method, outcome)).or_default() += 1;
    }

    /// Reads all there is just before some moment at which something begins or ends to count, and at that moment.
    pub fn some_moment(&mut self) {
        let mut kinds = self.model.moments().to_vec();
        kinds.push(self.tokens.iter().map(|(token, _)| token.until).collect());
        for moments in &mut kinds {
            moments.retain(|moment| *moment > self.now);
        }
        kinds.retain(|moments| !moments.is_empty());
        if kinds.is_empty() {
            return;
        }
        let moments = &kinds[self.sent as usize % kinds.len()];
        let moment = moments[self.sent as usize % moments.len()];
        for now in [moment - 1, moment] {
            self.now = now;
            self.everything();
        }
    }

    /// Reads all there is as everybody, and compares; recomputes the counters.
    pub fn everything(&mut self) {
        self.vault
            .recount()
            .expect("counters recomputed from scratch");
        self.model.expire(self.now);
        self.upload_config();
        if !self.memory.is_bounded() {
            self.vault_status(0, true);
        }
        for who in 0..=ANONYMOUS {
            self.person_read(who);
            self.capsules_list(who);
            self.uploads_list(who);
            self.shared_with_me(who, 2);
            self.capsules_read_basic(who, None);
            for capsule in 0..self.model.capsules.len() {
                let real = self.capsules.of(&capsule).to_owned();
                self.capsules_read_basic(who, Some((Some(capsule), &real)));
                self.list_all(who, capsule, &real, 3);
                self.external_deletions(who, Some(capsule), &real);
                self.trashed(who, Some(capsule), &real, 2);
                self.capsule_status(who, Some(capsule), &real);
                self.share_link_list(who, Some(capsule), &real);
            }
            for id in self.model.ever.clone() {
                let real = self.memories.of(&id).to_owned();
                self.read(who, Some(&id), &real);
            }
            for blob in 0..self.model.blobs.len() {
                let real = self.blobs.of(&blob).to_owned();
                for chunk in 0..=self.model.blobs[blob].chunks.len() as u32 {
                    self.blob_read(who, BlobArg::Known(blob), &real, chunk);
                }
            }
        }
        for secret in 0..SECRETS {
            self.share_link_show(secret, 2, Pick::Nth(secret), 0);
        }
        for nth in 0..3 {
            self.http(&Call::Http {
                token: TokenPick::Nth(nth),
                memory: None,
                variant: None,
                asset: None,
                ask: Ask::Whole,
            });
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

/// Whom a request names.
fn named(subject: Subject) -> PersonRef {
    match subject {
        Subject::Principal(n) => PersonRef::Principal(principal(n)),
        Subject::Opaque(name) if name.len() > 20 => {
            PersonRef::Opaque("n".repeat(limits::OPAQUE_PERSON_MAX + 1))
        }
        Subject::Opaque(name) => PersonRef::Opaque(name.into()),
    }
}
