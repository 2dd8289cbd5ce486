//! What the contract says, as a plain program: a few lists and maps, no cleverness, nothing shared with the vault but the wire types
//! and the published limits.
//!
//! The model has ids of its own, which say what the thing is (a memory is its capsule, contents and key); the driver learns the
//! vault's opaque ids as they are handed out. A refusal is the list of all reasons that apply where the contract gives them no order;
//! any of them is a right answer.

mod access;
mod capsules;
mod elsewhere;
mod facts;
mod memories;
mod people;
mod removing;
mod share_links;
mod status;
mod tokens;
mod trash;
mod uploads;

use std::collections::{BTreeMap, BTreeSet};

use keepsake_api::{
    AccessEntry, AccessEvent, AssetMetadata, BlobHosting, ConnectionGroup, MemoryMetadata,
    PersonRef,
};
use keepsake_vault::limits;

pub use access::{MANAGE, OWN, VIEW};
pub use elsewhere::Address;
pub use share_links::{Link, LinkAsked};
pub use tokens::{Asked, Scope, Token};
pub use uploads::{Announced, Begun, Status};

use crate::pools::ANONYMOUS;

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

pub fn invalid(beginning: &str) -> Refusal {
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
    /// Each with the time since when.
    pub owners: Vec<(PersonRef, u64)>,
    /// Each with the time since when, and by whom.
    pub controllers: Vec<(PersonRef, u64, PersonRef)>,
    /// Who gave up being one of these.
    pub left: Vec<PersonRef>,
    /// Made by its subject, who never gave it up since.
    pub is_own: bool,
    pub created_at: u64,
    pub bound_to_neon: bool,
    /// What has happened.
    pub events: Vec<AccessEvent>,
    pub groups: BTreeMap<String, ConnectionGroup>,
    /// External content that nothing has any more, and since when.
    pub to_delete: BTreeMap<Address, u64>,
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
    /// By somebody who named it.
    pub by_name: bool,
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
    /// Expired: as if it had never been.
    Expired,
    /// And cleared away.
    Gone,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub capsule: usize,
    pub creator: usize,
    pub idem: String,
    pub expected: u32,
    pub announced: Option<Announced>,
    pub chunks: BTreeMap<u32, Vec<u8>>,
    /// With how many bytes it counts against the quota, until it ends or, expired, is cleared away.
    pub counted: u64,
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

/// A memory in the trash: since when, and who put it there.
#[derive(Clone, Debug)]
pub struct Trashed {
    pub memory: Memory,
    pub since: u64,
    pub by: usize,
}

/// What the installer set: most bytes of inline content, of all content, memories and open sessions of one caller in a capsule; and for
/// how many days there must be cycles.
#[derive(Clone, Debug)]
pub struct Quotas {
    pub inline: u64,
    pub bytes: Option<u64>,
    pub memories: Option<u64>,
    pub open_sessions: u32,
    pub reserve_days: u32,
}

#[derive(Clone)]
pub struct Model {
    pub quotas: Quotas,
    /// Whether there is less than what any reserve asks for.
    pub is_poor: bool,
    /// The number of the key that tokens are made with.
    pub token_key: u32,
    pub people: Vec<people::Linked>,
    offers: BTreeMap<people::Offer, u64>,
    pub capsules: Vec<Capsule>,
    pub sessions: Vec<Session>,
    pub blobs: Vec<Blob>,
    /// Blobs made in one message, by capsule, hash and key.
    pub by_key: BTreeMap<(usize, Vec<u8>, String), usize>,
    pub memories: BTreeMap<MemoryId, Memory>,
    pub trash: BTreeMap<MemoryId, Trashed>,
    /// What was deleted, and by whom, where somebody did.
    gone: BTreeMap<MemoryId, Option<usize>>,
    /// By the numbers of their secrets.
    pub links: BTreeMap<usize, Link>,
    /// Every memory there ever was, in the order of their first creation.
    pub ever: Vec<MemoryId>,
}

impl Model {
    pub fn new(quotas: Quotas) -> Self {
        Self {
            quotas,
            is_poor: false,
            token_key: 0,
            people: vec![],
            offers: BTreeMap::new(),
            capsules: vec![],
            sessions: vec![],
            blobs: vec![],
            by_key: BTreeMap::new(),
            memories: BTreeMap::new(),
            trash: BTreeMap::new(),
            gone: BTreeMap::new(),
            links: BTreeMap::new(),
            ever: vec![],
        }
    }

    fn capsule(&self, who: usize, capsule: Option<usize>) -> Answer<usize> {
        match capsule {
            _ if who == ANONYMOUS => only(Refusal::Unauthorized),
            Some(capsule) if self.may_use(who, capsule) => Ok(capsule),
            _ => only(Refusal::NotFound),
        }
    }

    /// The capsule, for who may delete in it.
    fn governed(&self, who: usize, capsule: Option<usize>) -> Answer<usize> {
        let capsule = self.capsule(who, capsule)?;
        if self.may_govern(who, capsule) {
            Ok(capsule)
        } else {
            only(Refusal::Unauthorized)
        }
    }

    /// The capsule, for its owners.
    fn owned(&self, who: usize, capsule: Option<usize>) -> Answer<usize> {
        let capsule = self.capsule(who, capsule)?;
        if self.is_owner(who, capsule) {
            Ok(capsule)
        } else {
            only(Refusal::Unauthorized)
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

    pub fn memories_of(&self, capsule: usize) -> impl Iterator<Item = (&MemoryId, &Memory)> {
        self.memories
            .iter()
            .filter(move |(id, _)| id.capsule == capsule)
    }

    /// Those of memories in the trash, too.
    fn assets_of(&self, capsule: usize) -> impl Iterator<Item = &Asset> {
        let in_trash = self.trashed_in(capsule).map(|(_, trashed)| &trashed.memory);
        let live = self.memories_of(capsule).map(|(_, memory)| memory);
        live.chain(in_trash).flat_map(|memory| &memory.assets)
    }

    pub fn inline_bytes_used(&self, capsule: usize) -> u64 {
        self.assets_of(capsule)
            .filter(|asset| matches!(asset.place, Place::Inline(_)))
            .map(|asset| asset.len)
            .sum()
    }

    /// Inline content and blobs; equal content counts once.
    pub fn bytes_held(&self, capsule: usize) -> u64 {
        let blobs = self.blobs.iter();
        let held: BTreeSet<Vec<u8>> = blobs
            .filter(|blob| blob.capsule == capsule && !blob.deleted)
            .map(Blob::bytes)
            .collect();
        let of_blobs: u64 = held.iter().map(|bytes| bytes.len() as u64).sum();
        of_blobs + self.inline_bytes_used(capsule)
    }

    /// And the uploads under way.
    pub fn bytes_used(&self, capsule: usize) -> u64 {
        let sessions = self.sessions.iter();
        let open = sessions.filter(|s| s.capsule == capsule && s.state == State::Open);
        self.bytes_held(capsule) + open.map(|s| s.counted).sum::<u64>()
    }

    /// Bytes of uploads that have expired and were not cleared away yet, as far as the model knows: they may count still.
    pub fn bytes_lingering(&self, capsule: usize) -> u64 {
        let sessions = self.sessions.iter();
        let expired = sessions.filter(|s| s.capsule == capsule && s.state == State::Expired);
        expired.map(|s| s.counted).sum()
    }

    /// Whether the capsule takes so many more bytes.
    fn takes(&self, capsule: usize, bytes: u64) -> bool {
        let most = self.quotas.bytes;
        most.is_none_or(|most| self.bytes_used(capsule).saturating_add(bytes) <= most)
    }
}
