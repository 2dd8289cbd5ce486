//! What CONTRACT.md says, as a plain program: a few lists and maps, no cleverness, nothing shared with the vault but the wire types
//! and the published limits.
//!
//! The model has ids of its own, which say what the thing is (a memory is its capsule, contents and key); the driver learns the
//! vault's opaque ids as they are handed out. A refusal is the list of all reasons that apply where the contract gives them no order;
//! any of them is a right answer.

mod access;
mod capsules;
mod memories;
mod removing;
mod uploads;

use std::collections::BTreeMap;

use keepsake_api::{AccessEntry, AssetMetadata, BlobHosting, MemoryMetadata, PersonRef};
use keepsake_vault::limits;

pub use uploads::Status;

pub use access::{MANAGE, OWN, VIEW};

use crate::pools::{ANONYMOUS, principal};

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
    /// External content whose hash nobody gave; a size that nobody gave is not the size 0.
    Address {
        location: String,
        key: String,
        size: Option<u64>,
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
    pub bound_to_neon: bool,
    /// Gone for everybody.
    pub deleted: bool,
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
    pub access: Vec<AccessEntry>,
}

#[derive(Clone, Debug)]
pub struct Blob {
    pub capsule: usize,
    pub chunks: Vec<Vec<u8>>,
    pub created_at: u64,
    /// Whether a memory ever did.
    pub referenced: bool,
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
    Finished {
        blob: usize,
        at: u64,
    },
    Aborted,
    /// Expired and swept: as if it had never been.
    Gone,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub capsule: usize,
    pub creator: usize,
    pub idem: String,
    pub expected: u32,
    pub chunks: BTreeMap<u32, Vec<u8>>,
    pub state: State,
    /// When it expires.
    pub until: u64,
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

#[derive(Clone, Default)]
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
    pub fn is_owner(&self, who: usize, capsule: usize) -> bool {
        self.capsules[capsule].owner == who && !self.capsules[capsule].deleted
    }

    pub fn is_subject(&self, who: usize, capsule: usize) -> bool {
        let known = &self.capsules[capsule];
        known.subject == PersonRef::Principal(principal(who)) && !known.deleted
    }

    /// Reads the capsule, creates, uploads: owner and subject. (Controllers have no call yet.)
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

    /// The memory, for who may do this with it. Who may not even view it learns nothing of it.
    fn memory(
        &self,
        (who, now): (usize, u64),
        id: Option<&MemoryId>,
        need: u32,
    ) -> Answer<MemoryId> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        match id.map(|id| (id, self.may(who, id, now))) {
            Some((id, may)) if may & (VIEW | need) == VIEW | need => Ok(id.clone()),
            Some((_, may)) if may & VIEW != 0 => only(Refusal::Unauthorized),
            _ => only(Refusal::NotFound),
        }
    }

    fn check_idem(idem: &str) -> Answer<()> {
        match idem.len() {
            0 => only(invalid("idem_empty")),
            1..=limits::IDEM_MAX => Ok(()),
            _ => only(invalid("idem_too_long")),
        }
    }

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
            bound_to_neon: false,
            deleted: false,
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
}
