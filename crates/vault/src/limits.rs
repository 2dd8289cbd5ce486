//! Every limit of the vault, in one place. What a client needs before it sends anything is published by
//! `upload_config`; what an installer may set is in the settings.

use crate::error::{Error, Result};

/// Longest inline asset, in bytes.
pub const INLINE_MAX: u32 = 32 * 1024;
/// Bytes of inline content a capsule may hold, unless the installer sets another.
pub const INLINE_BUDGET_DEFAULT: u32 = 32 * 1024;
/// Longest chunk of an upload, in bytes: with its envelope it stays below the 2 MiB that one message may have.
pub const CHUNK_MAX: u32 = 1_800_000;
/// Most chunks of one upload.
pub const CHUNKS_MAX: u32 = 16_384;
/// Longest idempotency key, in bytes.
pub const IDEM_MAX: usize = 256;
/// Most upload sessions a caller may have open in one capsule.
pub const OPEN_SESSIONS_MAX: u32 = 100;
/// How long a session lives after its last chunk, and how long its end is remembered, in nanoseconds: 7 days.
pub const SESSION_LIFETIME: u64 = 7 * 24 * 3_600 * 1_000_000_000;
/// How long a blob stays that no memory has referenced, in nanoseconds: 24 hours.
pub const UNREFERENCED_LIFETIME: u64 = 24 * 3_600 * 1_000_000_000;
/// How long a memory stays in the trash, in nanoseconds: 30 days.
pub const TRASH_LIFETIME: u64 = 30 * 24 * 3_600 * 1_000_000_000;
/// How often, at the most, two indexes are skipped through to find a memory that lets somebody read a blob: at the most twice as often as
/// the person has entries, or as memories reference the blob, whichever is less. Each KiB of record looked at counts as one more.
pub const SKIPS_PER_BLOB_MAX: usize = 10_000;
/// How many things of a kind one message clears away at the most, and after how many freed extents it stops: each costs up to
/// about 200,000 instructions, of the 40 billion that a message has.
pub const SWEPT_PER_MESSAGE: usize = 50;
pub const FREED_PER_MESSAGE: u64 = 2_000;
/// How many records one message looks at to fill an index that an earlier build did not have: each costs up to about 3 million
/// instructions.
pub const BACKFILLED_PER_MESSAGE: usize = 1_000;
/// Days that the cycles above the freezing threshold must pay for at rest before new content is taken, unless the installer sets another.
pub const CYCLES_RESERVE_DAYS_DEFAULT: u32 = 30;
/// Cycles that a day of use takes beside new content: some 10,000 small updates.
pub const CYCLES_OF_A_DAY_OF_USE: u128 = 100_000_000_000;
/// Stable memory that a canister may have, in bytes (interface specification, "System API", 500 GiB).
pub const STABLE_BYTES_MAX: u64 = 500 << 30;
/// Up to where the status counts what is due.
pub const DUE_COUNTED_MAX: usize = 1_000;
/// Bytes of records that one page of a listing looks at, at the most.
pub const PAGE_RECORDS_MAX: usize = 4_000_000;
/// Longest blob that `blob_read` returns whole, in bytes: what fits a query's reply.
pub const BLOB_READ_MAX: u64 = 3_000_000;
/// Most blobs, and most inline assets, in one call that creates a memory.
pub const ASSETS_PER_CALL_MAX: usize = 100;
/// Most ids in one call that acts on several things.
pub const BULK_MAX: usize = 1_000;
/// Most assets of one memory. A call that touches a memory reads all of its asset list.
pub const ASSETS_PER_MEMORY_MAX: usize = 1_000;
/// Most access entries of one memory, and the longest id or group name in one, in bytes.
pub const ACCESS_ENTRIES_MAX: usize = 200;
pub const ENTRY_TEXT_MAX: usize = 256;
/// Most events of a capsule, most connection groups, and most members of one.
pub const EVENTS_MAX: usize = 1_000;
pub const GROUPS_MAX: usize = 100;
pub const GROUP_MEMBERS_MAX: usize = 200;
/// Longest metadata of one asset or of one memory as stored, in bytes.
pub const METADATA_MAX: usize = 64 * 1024;
/// Longest record of a memory with its asset list, in bytes: it has to fit a reply.
pub const MEMORY_RECORD_MAX: usize = 1024 * 1024;
/// Inline bytes that one reply carries at most; the largest assets are left out first.
pub const REPLY_INLINE_MAX: usize = 800_000;
/// Bytes of headers that one page of a listing carries at most; a page ends early rather than failing.
pub const PAGE_BYTES_MAX: usize = 1_500_000;
/// Page size of listings where the caller names none, and the largest.
pub const PAGE_DEFAULT: u32 = 50;
pub const PAGE_MAX: u32 = 100;
/// Memories that come along when a capsule is read in full.
pub const CAPSULE_MEMORIES_MAX: u32 = 100;
/// Most capsules one person may make, and the longest answer of `capsules_list`. What others give somebody a part in does not count, and
/// is listed behind what that person made: so nobody can use up or hide what is somebody else's.
pub const CAPSULES_PER_PERSON_MAX: u32 = 1_000;
/// Most owners, and most controllers, of one capsule.
pub const OWNERS_MAX: usize = 32;
pub const CONTROLLERS_MAX: usize = 32;
/// Most principals that act as one person.
pub const PRINCIPALS_PER_PERSON_MAX: usize = 8;
/// Most offers to link that a person may have open, and how many of those made to a principal are shown to it.
pub const LINK_OFFERS_MAX: usize = 8;
/// How long an offer to link can be accepted, in nanoseconds: 24 hours.
pub const LINK_OFFER_LIFETIME: u64 = 24 * 3_600 * 1_000_000_000;
/// Longest name of a person that only the client understands, in bytes.
pub const OPAQUE_PERSON_MAX: usize = 256;
/// Longest external storage key or address, in bytes.
pub const EXTERNAL_TEXT_MAX: usize = 4_096;
/// A placeholder goes along with listings while it is shorter than this, in bytes.
pub const PLACEHOLDER_IN_LISTING: u64 = 1_000;
/// Longest body of an HTTP answer, in bytes: with its certificate it fits a query's reply.
pub const HTTP_BODY_MAX: u64 = 2_000_000;
/// Lifetime of the access tokens in listings, in nanoseconds: 30 minutes.
pub const LISTING_TOKEN_TTL: u64 = 30 * 60 * 1_000_000_000;
/// Longest lifetime of a token that was asked for, and the one of a token asked for without a lifetime, in seconds.
pub const TOKEN_TTL_MAX_SECONDS: u32 = 180;
/// Most share links of a capsule that have not ended; and up to where those who make one by an access entry may: so that guests cannot use
/// up what is the owners'.
pub const SHARE_LINKS_MAX: usize = 200;
pub const SHARE_LINKS_BY_ENTRY_MAX: usize = 100;
/// Most memories selected for one share link.
pub const SHARED_MEMORIES_MAX: usize = 1_000;
/// How long a share link lives that was made without an end, and how long at the most, in nanoseconds: 30 days and 5 years.
pub const SHARE_LINK_LIFETIME: u64 = 30 * 24 * 3_600 * 1_000_000_000;
pub const SHARE_LINK_LIFETIME_MAX: u64 = 5 * 365 * 24 * 3_600 * 1_000_000_000;
/// Length of a share link's secret, and the longest nonce of a use and the longest title, in bytes.
pub const SHARE_SECRET_LEN: usize = 32;
pub const SHARE_NONCE_MAX: usize = 64;
pub const SHARE_TITLE_MAX: usize = 256;
/// How many uses of a share link are remembered, so that one that is sent again is not counted again.
pub const SHARE_USES_REMEMBERED: usize = 32;
/// Most memories looked at for one page of a share link: those that it leaves out are passed over.
pub const SHARED_LOOKED_AT: usize = 500;
/// Most bytes of an asset that one read through a share link returns: what fits a query's reply.
pub const SHARED_READ_MAX: u32 = 2_000_000;
/// Bytes hashed in one message beyond those that it brings, while an upload's chunks arrive out of order.
pub const HASH_AHEAD_PER_CHUNK: u64 = 2 * CHUNK_MAX as u64;
/// Bytes hashed in one message that finishes an upload; what is left is hashed in further messages.
pub const HASH_PER_FINISH: u64 = 64 * 1024 * 1024;

/// # Errors
/// [`Error::Invalid`] for more than [`BULK_MAX`] ids.
pub(crate) fn check_bulk(name: &'static str, count: usize) -> Result<()> {
    if count > BULK_MAX {
        return Err(Error::invalid(
            name,
            format!("{count} ids; at most {BULK_MAX} are allowed"),
        ));
    }
    Ok(())
}
