//! What calls are about, in every state that it can be in.

/// A memory. Each that is there has an original and a thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfMemory {
    NeverExisted,
    /// Live, with an entry for each role that has one; by where the assets are.
    Inline,
    Internal,
    External,
    /// Live, in the same capsule, with no entry.
    Unshared,
    /// Live, with no entry but the public's: VIEW, or VIEW and DOWNLOAD.
    PublicView,
    PublicDownload,
    /// In the trash since today, put there by the owner; with the entries.
    Trashed,
    /// In the trash for 31 days.
    Overdue,
    /// Deleted by the owner, or by the role with an entry that has OWN.
    Deleted,
    DeletedByGrantee,
    /// Of a capsule that was deleted and emptied, or is being emptied: the record is still there.
    InDeletedCapsule,
    InEmptyingCapsule,
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfBlob {
    NeverExisted,
    /// Original and thumbnail of the memory [`OfMemory::Internal`].
    SharedOriginal,
    SharedThumbnail,
    /// Of a memory with no entry.
    Unshared,
    /// Originals of public memories.
    PublicView,
    PublicDownload,
    /// Of a memory in the trash, with the entries.
    Trashed,
    /// Of a memory that was deleted without its assets.
    LeftOver,
    Unreferenced,
    Deleted,
    InOtherCapsule,
    InDeletedCapsule,
    InEmptyingCapsule,
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfCapsule {
    NeverExisted,
    Live,
    Deleted,
    Emptying,
    Malformed,
}

/// An upload session of the caller's, where the caller ever could open one in the capsule; else the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfSession {
    NeverExisted,
    /// A chunk is missing, or none.
    Begun,
    Complete,
    Finished,
    Aborted,
    Expired,
    /// Somebody else's, in the same capsule.
    Others,
    OthersFinished,
    /// In a capsule that was deleted and emptied, or is being emptied.
    InDeletedCapsule,
    InEmptyingCapsule,
}

/// A share link. But for one they are the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfLink {
    NeverExisted,
    /// To the whole capsule, with downloads and without.
    Downloads,
    Views,
    /// To two memories: one without an entry, and one that is public.
    Selection,
    /// Of somebody who was a controller then, to the whole capsule.
    OfFormerController,
    Expired,
    Revoked,
    /// To a capsule that was deleted and emptied, or is being emptied.
    InDeletedCapsule,
    InEmptyingCapsule,
    Malformed,
}

/// A person who may have offered to be linked with the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfOffer {
    NeverExisted,
    Open,
    Expired,
    ToSomebodyElse,
}

/// A principal that the caller names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfPrincipal {
    Unknown,
    Own,
    /// The owner's, which is the first of two that are linked, and the second of them.
    Owners,
    LinkedToOwners,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Nothing,
    Memory(OfMemory),
    Blob(OfBlob),
    Capsule(OfCapsule),
    Session(OfSession),
    Link(OfLink),
    Offer(OfOffer),
    Principal(OfPrincipal),
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Nothing,
    Memories,
    Blobs,
    Capsules,
    Sessions,
    Links,
    Offers,
    Principals,
}

impl On {
    pub fn states(self) -> &'static [Target] {
        match self {
            On::Nothing => &[Target::Nothing],
            On::Memories => MEMORIES,
            On::Blobs => BLOBS,
            On::Capsules => CAPSULES,
            On::Sessions => SESSIONS,
            On::Links => LINKS,
            On::Offers => OFFERS,
            On::Principals => PRINCIPALS,
        }
    }

    /// What never existed: the answer that all that may not be known must get.
    pub fn never_existed(self) -> Option<Target> {
        match self {
            On::Nothing | On::Principals => None,
            _ => self.states().first().copied(),
        }
    }
}

const MEMORIES: &[Target] = &[
    Target::Memory(OfMemory::NeverExisted),
    Target::Memory(OfMemory::Inline),
    Target::Memory(OfMemory::Internal),
    Target::Memory(OfMemory::External),
    Target::Memory(OfMemory::Unshared),
    Target::Memory(OfMemory::PublicView),
    Target::Memory(OfMemory::PublicDownload),
    Target::Memory(OfMemory::Trashed),
    Target::Memory(OfMemory::Overdue),
    Target::Memory(OfMemory::Deleted),
    Target::Memory(OfMemory::DeletedByGrantee),
    Target::Memory(OfMemory::InDeletedCapsule),
    Target::Memory(OfMemory::InEmptyingCapsule),
    Target::Memory(OfMemory::Malformed),
];

const BLOBS: &[Target] = &[
    Target::Blob(OfBlob::NeverExisted),
    Target::Blob(OfBlob::SharedOriginal),
    Target::Blob(OfBlob::SharedThumbnail),
    Target::Blob(OfBlob::Unshared),
    Target::Blob(OfBlob::PublicView),
    Target::Blob(OfBlob::PublicDownload),
    Target::Blob(OfBlob::Trashed),
    Target::Blob(OfBlob::LeftOver),
    Target::Blob(OfBlob::Unreferenced),
    Target::Blob(OfBlob::Deleted),
    Target::Blob(OfBlob::InOtherCapsule),
    Target::Blob(OfBlob::InDeletedCapsule),
    Target::Blob(OfBlob::InEmptyingCapsule),
    Target::Blob(OfBlob::Malformed),
];

const CAPSULES: &[Target] = &[
    Target::Capsule(OfCapsule::NeverExisted),
    Target::Capsule(OfCapsule::Live),
    Target::Capsule(OfCapsule::Deleted),
    Target::Capsule(OfCapsule::Emptying),
    Target::Capsule(OfCapsule::Malformed),
];

const SESSIONS: &[Target] = &[
    Target::Session(OfSession::NeverExisted),
    Target::Session(OfSession::Begun),
    Target::Session(OfSession::Complete),
    Target::Session(OfSession::Finished),
    Target::Session(OfSession::Aborted),
    Target::Session(OfSession::Expired),
    Target::Session(OfSession::Others),
    Target::Session(OfSession::OthersFinished),
    Target::Session(OfSession::InDeletedCapsule),
    Target::Session(OfSession::InEmptyingCapsule),
];

const LINKS: &[Target] = &[
    Target::Link(OfLink::NeverExisted),
    Target::Link(OfLink::Downloads),
    Target::Link(OfLink::Views),
    Target::Link(OfLink::Selection),
    Target::Link(OfLink::OfFormerController),
    Target::Link(OfLink::Expired),
    Target::Link(OfLink::Revoked),
    Target::Link(OfLink::InDeletedCapsule),
    Target::Link(OfLink::InEmptyingCapsule),
    Target::Link(OfLink::Malformed),
];

const OFFERS: &[Target] = &[
    Target::Offer(OfOffer::NeverExisted),
    Target::Offer(OfOffer::Open),
    Target::Offer(OfOffer::Expired),
    Target::Offer(OfOffer::ToSomebodyElse),
];

const PRINCIPALS: &[Target] = &[
    Target::Principal(OfPrincipal::Unknown),
    Target::Principal(OfPrincipal::Own),
    Target::Principal(OfPrincipal::Owners),
    Target::Principal(OfPrincipal::LinkedToOwners),
];

/// The names that a thing has, or that one of its kind would have.
#[derive(Clone, Debug, Default)]
pub struct Thing {
    pub id: String,
    /// Of a session.
    pub number: u64,
    /// The capsule that it is in.
    pub capsule: String,
    /// Of a memory: its original and its thumbnail, and their places among its assets.
    pub assets: [String; 2],
    pub places: [u32; 2],
    /// Of a memory of blobs: theirs. Else of blobs that are none.
    pub blobs: [String; 2],
    /// Of external content.
    pub storage_key: String,
    /// Of a share link.
    pub secret: Vec<u8>,
}
