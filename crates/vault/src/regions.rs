//! The map of stable memory: every region with its number and what it holds. A number is never used for anything else again;
//! a retired one stays here with the reason.

/// Number of a region.
pub type RegionId = u8;

// ── The vault as a whole ──
/// One record: layout version, secrets, counters, what the installer set.
pub const SETTINGS: RegionId = 0;
/// One record: when the vault last cleared away what nobody needs, and how much of it in all.
pub const MAINTENANCE: RegionId = 1;

// ── People's lists ──
/// (person, standing, since when, capsule) → nothing: the capsules of a person, those that it made first, then those that others gave it
/// a part in.
pub const LISTED_CAPSULES: RegionId = 6;

// ── Offers to link ──
/// (primary principal of who offers, principal offered to) → the offer that they act as one person.
pub const LINK_OFFERS: RegionId = 7;
/// (principal offered to, primary principal of who offers) → nothing: leads from a principal to the offers made to it.
pub const LINK_OFFERS_TO: RegionId = 8;
/// (time, primary principal of who offers, principal offered to) → nothing: when the offer ends.
pub const LINK_OFFER_ENDS: RegionId = 9;

// ── People and capsules ──
/// capsule → its profile: subject, owners, controllers, preferences.
pub const CAPSULES: RegionId = 10;
/// capsule → its counters: memories, assets' bytes, time of the last change.
pub const CAPSULE_USAGE: RegionId = 11;
/// (person, capsule) → the person's roles there. Every permission check reads this.
pub const CAPSULE_ROLES: RegionId = 12;
/// person → the capsule that is the person's own, made by `capsules_create(null)`.
pub const OWN_CAPSULES: RegionId = 13;
/// (person, group, or a capsule's public, memory) → nothing: the memory has an access entry for them. None for memories in the trash.
pub const GRANTS: RegionId = 14;
/// capsule → nothing: capsules that were deleted and are being emptied.
pub const EMPTYING: RegionId = 15;
/// (capsule, hash of the event) → when the owner recorded it.
pub const EVENTS: RegionId = 16;
/// (capsule, group) → the connection group: name and members.
pub const GROUPS: RegionId = 17;
/// (person, group) → nothing: the person is a member.
pub const MEMBERSHIPS: RegionId = 18;

/// principal → the person it belongs to, with all its principals; nothing for one that is not linked.
pub const PEOPLE: RegionId = 19;

// ── Memories ──
/// memory → where its record is (capsule and time, in the timeline or in the trash), or that it was deleted, by whom or when.
pub const MEMORY_INDEX: RegionId = 20;
/// (capsule, time descending, memory) → the memory's record with its asset list: a listing is one range.
pub const TIMELINE: RegionId = 21;
/// (capsule, hash of the address) → external content of removed assets, which a client deletes and acknowledges.
pub const EXTERNAL_DELETIONS: RegionId = 22;
/// (capsule, hash of the address) → how many assets have this external content.
pub const EXTERNAL_USERS: RegionId = 23;
/// (capsule, time of trashing descending, memory) → the record of a memory in the trash, as it was in the timeline.
pub const TRASH: RegionId = 24;
/// (time of trashing, memory) → who put it in the trash: leads to those that are due.
pub const TRASH_BY_AGE: RegionId = 25;

// ── Blobs ──
/// blob → its record: capsule, hash, length, where the content is.
pub const BLOBS: RegionId = 30;
/// (capsule, SHA-256, blob) → nothing: the blobs with this content, which is kept once a capsule. Leads from content to blobs, and
/// from a capsule to all of them.
pub const CONTENT_BY_HASH: RegionId = 31;
/// (blob, memory) → how many assets of that memory reference the blob.
pub const BLOB_USERS: RegionId = 32;
/// (time, blob) → nothing: blobs that no memory has referenced yet, since when they exist.
pub const UNREFERENCED: RegionId = 33;
/// blob → its capsule: blobs that somebody has deleted by their ids, so that a repeated deletion gets the same answer.
pub const DELETED_BLOBS: RegionId = 34;

// ── Uploads ──
/// session → its record: creator, progress, state of the hash, result.
pub const SESSIONS: RegionId = 40;
/// hash of (capsule, caller, idempotency key) → the open session.
pub const SESSION_BY_IDEM: RegionId = 41;
/// hash of (capsule, caller) → number of open sessions.
pub const OPEN_SESSIONS: RegionId = 42;
/// (time, session) → nothing: when to look whether the session has expired.
pub const SESSION_DEADLINES: RegionId = 43;
/// (person, session) → nothing: the sessions that a person opened.
pub const SESSIONS_BY_CREATOR: RegionId = 44;
/// (capsule, session) → nothing: the sessions of a capsule.
pub const SESSIONS_BY_CAPSULE: RegionId = 45;

// ── Content ──
/// The bytes: chunks, inline assets, chunk tables, extent tables.
pub const ARENA: RegionId = 50;
/// offset → length of free extents in the arena: finds the neighbours to merge with.
pub const FREE_BY_OFFSET: RegionId = 51;
/// (length, offset) of free extents in the arena: finds the best fit.
pub const FREE_BY_LENGTH: RegionId = 52;

// ── Share links ──
/// share link → the link, or that it has ended and where it was.
pub const SHARE_LINKS: RegionId = 55;
/// (capsule, when it ends, share link) → nothing: the links of a capsule that have not ended.
pub const SHARE_LINKS_BY_CAPSULE: RegionId = 56;
/// (when it ends, share link) → nothing: leads to those that are due.
pub const SHARE_LINK_ENDS: RegionId = 57;
/// (share link, number of the part) → 64 ids of the memories that were selected for the link, in their order.
pub const SHARE_LINK_SELECTIONS: RegionId = 58;

/// Every region in use, with the name that metrics show.
pub const ALL: &[(RegionId, &str)] = &[
    (SETTINGS, "settings"),
    (MAINTENANCE, "maintenance"),
    (LISTED_CAPSULES, "listed_capsules"),
    (LINK_OFFERS, "link_offers"),
    (LINK_OFFERS_TO, "link_offers_to"),
    (LINK_OFFER_ENDS, "link_offer_ends"),
    (CAPSULES, "capsules"),
    (CAPSULE_USAGE, "capsule_usage"),
    (CAPSULE_ROLES, "capsule_roles"),
    (OWN_CAPSULES, "own_capsules"),
    (GRANTS, "grants"),
    (EMPTYING, "emptying"),
    (EVENTS, "events"),
    (GROUPS, "groups"),
    (MEMBERSHIPS, "memberships"),
    (PEOPLE, "people"),
    (MEMORY_INDEX, "memory_index"),
    (TIMELINE, "timeline"),
    (EXTERNAL_DELETIONS, "external_deletions"),
    (EXTERNAL_USERS, "external_users"),
    (TRASH, "trash"),
    (TRASH_BY_AGE, "trash_by_age"),
    (BLOBS, "blobs"),
    (CONTENT_BY_HASH, "content_by_hash"),
    (BLOB_USERS, "blob_users"),
    (UNREFERENCED, "unreferenced"),
    (DELETED_BLOBS, "deleted_blobs"),
    (SESSIONS, "sessions"),
    (SESSION_BY_IDEM, "session_by_idem"),
    (OPEN_SESSIONS, "open_sessions"),
    (SESSION_DEADLINES, "session_deadlines"),
    (SESSIONS_BY_CREATOR, "sessions_by_creator"),
    (SESSIONS_BY_CAPSULE, "sessions_by_capsule"),
    (ARENA, "arena"),
    (FREE_BY_OFFSET, "free_by_offset"),
    (FREE_BY_LENGTH, "free_by_length"),
    (SHARE_LINKS, "share_links"),
    (SHARE_LINKS_BY_CAPSULE, "share_links_by_capsule"),
    (SHARE_LINK_ENDS, "share_link_ends"),
    (SHARE_LINK_SELECTIONS, "share_link_selections"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_or_name_is_used_twice() {
        for (i, (id, name)) in ALL.iter().enumerate() {
            assert!(
                ALL[..i]
                    .iter()
                    .all(|(other, other_name)| other != id && other_name != name)
            );
        }
    }
}
