//! Calls as they are generated up front: plain data, with picks instead of ids, so that a failing sequence shrinks and reads well.

mod capsules;
mod memories;
mod metadata;
mod people;
mod share_links;
mod sharing;
mod strategies;
mod uploads;

use keepsake_api::{AssetType, BlobHosting, InitArgs, MemoryType, ResourceRole};

pub use metadata::{hash, size};
pub use strategies::{life, quotas, room};

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// Whoever may: the session's creator, the capsule's owner.
    Rightful,
    Number(usize),
}

/// Which of the things that exist or existed.
#[derive(Clone, Copy, Debug)]
pub enum Pick {
    /// Counted from the newest, modulo how many there are (capsules: from the oldest).
    Nth(usize),
    /// Well-formed where that can be told, but never handed out.
    Unknown,
    /// One of the malformed ids.
    Malformed(usize),
}

#[derive(Clone, Copy, Debug)]
pub enum Subject {
    Principal(usize),
    Opaque(&'static str),
}

/// Which token.
#[derive(Clone, Copy, Debug)]
pub enum TokenPick {
    None,
    /// Counted from the newest, modulo how many there are.
    Nth(usize),
    Malformed,
    /// One with a letter changed.
    Forged(usize),
}

/// How much of an asset is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ask {
    Whole,
    Head,
    /// Both bytes included.
    Range {
        first: usize,
        last: usize,
    },
}

/// Bytes of a chunk.
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    Content {
        content: usize,
        from: usize,
        to: usize,
    },
    /// As long as a chunk may be, and `over` bytes more.
    Large { over: usize },
}

/// What a finish says the content is.
#[derive(Clone, Copy, Debug)]
pub enum Claim {
    /// What the session really holds.
    Truth,
    Content(usize),
    WrongHash,
    WrongLength(i8),
    HashOfLength(usize),
}

/// A value given along with content that the vault knows better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given {
    /// 0 or null.
    Nothing,
    Right,
    Wrong,
    /// A hash that has not 32 bytes; as a length: wrong.
    Malformed,
}

/// The content of an asset in a request. Contents by their number in the pool.
#[derive(Clone, Debug)]
pub enum Content {
    Inline(usize),
    Blob {
        blob: Pick,
        hash: Given,
        len: Given,
    },
    External {
        location: BlobHosting,
        key: Option<&'static str>,
        url: bool,
        content: usize,
        size: Given,
        hash: Given,
    },
}

/// An asset's metadata in a request.
#[derive(Clone, Debug)]
pub struct Said {
    pub kind: MemoryType,
    pub asset_type: AssetType,
    pub bytes: Given,
    pub sha256: Given,
    pub created_at: u64,
    pub rich: bool,
}

/// A memory's metadata in a request.
#[derive(Clone, Debug)]
pub struct MemorySaid {
    pub kind: MemoryType,
    pub title: Option<&'static str>,
    pub created_at: u64,
    pub date_of_memory: Option<u64>,
    pub rich: bool,
}

/// An access entry in a request.
#[derive(Clone, Copy, Debug)]
pub struct EntrySaid {
    pub id: &'static str,
    /// `None`: everybody, or the group.
    pub whom: Option<Subject>,
    /// A connection group, by its number in the pool.
    pub group: Option<usize>,
    /// Says that it is public, too.
    pub public: bool,
    pub role: ResourceRole,
    pub mask: u32,
    pub condition: Condition,
    pub inviter: Option<usize>,
}

/// A condition, with times in nanoseconds since the vault's life began.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    Immediate,
    Scheduled(u64),
    ExpiresAt(u64),
    /// An event, by its number in the pool.
    Event(usize),
}

/// What an asset is named by.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// The one call that takes any name: by id, by locator or storage key, by place.
    AnyById,
    AnyByAddress,
    AnyByIndex,
    ById,
    Inline,
    Internal,
    External,
}

/// A call, by what it is about.
#[derive(Clone, Debug)]
pub enum Call {
    Capsule {
        capsule: Pick,
        about: OnCapsule,
    },
    CapsulesCreate {
        subject: Option<Subject>,
    },
    CapsulesReadBasic {
        capsule: Option<Pick>,
    },
    CapsulesReadFull {
        capsule: Option<Pick>,
    },
    CapsulesList,

    /// The principal that a caller offers to be one person with, whose offer it accepts, or that it takes out.
    LinkOffer {
        to: usize,
    },
    LinkAccept {
        by: usize,
    },
    Unlink {
        principal: usize,
    },
    PersonRead,

    Begin {
        capsule: Pick,
        expected: u32,
        idem: usize,
    },
    BeginAnnounced {
        capsule: Pick,
        content: usize,
        sha: Given,
        len: Given,
        chunk_size: u32,
        idem: usize,
    },
    Put {
        session: Pick,
        index: u32,
        piece: Piece,
    },
    Finish {
        session: Pick,
        claim: Claim,
    },
    Abort {
        session: Pick,
    },
    Uploads {
        session: Pick,
    },
    UploadConfig,
    CleanupExpired,
    PutBlob {
        capsule: Pick,
        content: usize,
        sha: Given,
        /// Another content: as long as a chunk may be, and so many bytes more.
        over: Option<usize>,
        idem: usize,
    },
    BlobsByHash {
        capsule: Pick,
        contents: Vec<(usize, Given)>,
    },
    BlobRead {
        blob: Pick,
        chunk: u32,
    },
    BlobDelete {
        blob: Pick,
    },

    Create {
        capsule: Pick,
        assets: Vec<Content>,
        stray_hash: Given,
        said: Said,
        idem: usize,
    },
    CreateWithAssets {
        capsule: Pick,
        said: MemorySaid,
        assets: Several,
        idem: usize,
    },
    Add {
        memory: Pick,
        asset: Content,
        said: Said,
        idem: usize,
    },
    AddSeveral {
        memory: Pick,
        assets: Several,
        idem: usize,
    },
    Read {
        memory: Pick,
    },
    /// With `go_on`, the next page of the capsule's walk.
    List {
        capsule: Pick,
        limit: Option<u32>,
        go_on: bool,
    },
    ListBadCursor {
        capsule: Pick,
        cursor: usize,
    },
    Ping {
        memories: Vec<Pick>,
    },
    Delete {
        memory: Pick,
        delete_assets: bool,
    },
    Trash {
        memory: Pick,
    },
    Restore {
        memory: Pick,
    },
    DeleteBulk {
        capsule: Pick,
        memories: Vec<Pick>,
        delete_assets: bool,
    },

    Update {
        memory: Pick,
        title: Option<&'static str>,
        said: Option<MemorySaid>,
        entries: Option<Vec<EntrySaid>>,
    },
    Grant {
        memory: Pick,
        entry: EntrySaid,
    },
    Revoke {
        memory: Pick,
        id: &'static str,
    },
    SharedWithMe {
        limit: u32,
    },
    /// Tokens for the first memory, and for all. `assets`: the nth of the first memory's, and one that never was.
    Mint {
        memories: Vec<Pick>,
        variants: Vec<&'static str>,
        assets: Option<Vec<Option<usize>>>,
        ttl: u32,
    },

    /// What is asked with a token: memory and variant are the token's unless others are given; `asset` is the memory's nth.
    Http {
        token: TokenPick,
        memory: Option<Pick>,
        variant: Option<&'static str>,
        asset: Option<usize>,
        ask: Ask,
    },
    /// `secret`: a number of the pool; none, where its hash is malformed. `lifetime`: nanoseconds.
    ShareLinkCreate {
        secret: Option<usize>,
        capsule: Pick,
        selection: Option<Vec<Pick>>,
        lifetime: Option<u64>,
        downloads: bool,
        title: Option<&'static str>,
    },
    ShareLinkList {
        capsule: Pick,
    },
    /// Of the link's own capsule where none is given.
    ShareLinkRevoke {
        capsule: Option<Pick>,
        secret: Option<usize>,
    },
    ShareLinkOpen {
        secret: usize,
        nonce: Option<usize>,
    },
    /// All pages of what the link shows, and the memory with its nth asset.
    ShareLinkShow {
        secret: usize,
        limit: u32,
        memory: Pick,
        nth: usize,
    },
    TokenKeyRotate {
        operator: bool,
        /// What the number given is above the one in use.
        above: i32,
    },

    /// The nth asset of `of`, asked of `memory`: mostly the same.
    AssetRead {
        memory: Pick,
        of: Option<Pick>,
        nth: usize,
    },
    AssetRemove {
        memory: Pick,
        of: Option<Pick>,
        nth: usize,
        how: How,
    },
    Cleanup {
        memory: Pick,
    },
    CleanupBulk {
        memories: Vec<Pick>,
    },

    VaultStatus {
        operator: bool,
    },
    /// Whether there are enough cycles, from now on.
    Means {
        poor: bool,
    },
    /// Time goes by, and what is due then is swept.
    HoursPass {
        hours: u64,
    },
    /// Closes the vault and opens it again on the same memory, which is what a crash and an upgrade are (I1); sets what the installer
    /// may set.
    Upgrade {
        args: InitArgs,
    },
}

/// Blobs and inline assets of one call.
#[derive(Clone, Debug)]
pub struct Several {
    pub blobs: Vec<(Pick, Said)>,
    pub inline: Vec<(usize, Said)>,
}

/// What is done with one capsule.
#[derive(Clone, Debug)]
pub enum OnCapsule {
    Update {
        bound_to_neon: Option<bool>,
    },
    OwnerAdd {
        whom: Subject,
    },
    OwnerRemove {
        whom: Subject,
    },
    ControllerAdd {
        whom: Subject,
    },
    ControllerRemove {
        whom: Subject,
    },
    Status,
    Delete,
    Trashed {
        limit: u32,
    },
    TrashEmpty,
    DeleteAll {
        delete_assets: bool,
    },
    Event {
        event: usize,
    },
    GroupPut {
        group: usize,
        name: &'static str,
        members: Vec<Subject>,
    },
    GroupRemove {
        group: usize,
    },
    ExternalDeletions,
    /// Of what is on the list, these; and one that is not.
    Acknowledge {
        which: Vec<usize>,
        unknown: bool,
    },
}

#[derive(Clone, Debug)]
pub struct Step {
    pub who: Who,
    pub call: Call,
    /// Nanoseconds since the step before: often none, as in one block.
    pub later: u64,
    /// Sent a second time right away; the answer must be the same.
    pub twice: bool,
}
