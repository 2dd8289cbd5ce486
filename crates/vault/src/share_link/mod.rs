//! Share links: whoever holds a secret sees some memories, without signing in. Carries the part of I6 that lets nobody in by name: what a
//! link shows is decided whenever it is used, and is never more than its maker may share at that moment.
//!
//! The vault knows the SHA-256 of a secret only. A link that has ended leaves a trace for ever, so that its secret cannot be used again
//! (I5). Links stand apart from the memories that they show: making or revoking one touches none of them (I3).

mod cursor;
mod manage;
mod record;
mod shown;
mod store;
mod use_count;

#[cfg(any(test, feature = "recount"))]
pub use record::{EndedShareLink, OpenShareLink, SelectionPart, StoredShareLink};
pub use shown::SharedRange;
pub use store::ShareLinkStore;

use ic_stable_structures::Memory as StableMemory;

use crate::Vault;
use crate::access::{Permissions, Roles, waits};
use crate::hash::sha256;
use crate::ids::ShareLinkId;
use crate::limits;
use crate::memory::Memory;
use crate::person::Person;

#[cfg(not(any(test, feature = "recount")))]
use record::{OpenShareLink, StoredShareLink};

/// A link that opens something now, as far as the link itself goes.
pub(crate) struct LiveShareLink {
    id: ShareLinkId,
    link: OpenShareLink,
    /// Who made it, with what this person is in the capsule now.
    maker: Person,
    roles: Roles,
}

impl<M: StableMemory> Vault<M> {
    /// The link with this id, unless it has ended, its capsule is gone, or its maker may share the capsule no more where it shows all of it.
    pub(crate) fn live_share_link(&self, id: ShareLinkId, now: u64) -> Option<LiveShareLink> {
        let StoredShareLink::Open(link) = self.share_links.get(id)? else {
            return None;
        };
        if now >= link.expires_at || !self.capsules.exists(link.capsule()) {
            return None;
        }
        let maker = self.person_of(link.maker());
        let roles = self.capsules.roles(&maker, link.capsule());
        if link.selected.is_none() && !roles.may_govern() {
            return None;
        }
        Some(LiveShareLink {
            id,
            link,
            maker,
            roles,
        })
    }

    /// The link with this secret, as [`Self::live_share_link`]; of another length than [`limits::SHARE_SECRET_LEN`] it is none.
    fn share_link_of(&self, secret: &[u8], now: u64) -> Option<LiveShareLink> {
        if secret.len() != limits::SHARE_SECRET_LEN {
            return None;
        }
        self.live_share_link(ShareLinkId::derive(&sha256(&[secret])), now)
    }

    /// What the holder of the link may do with the memory: nothing, view it, or view and download it.
    pub(crate) fn permissions_through(
        &self,
        live: &LiveShareLink,
        now: u64,
        memory: &Memory,
    ) -> Permissions {
        let is_selected = live.link.selected.is_none()
            || self
                .share_links
                .selection(live.id, 0)
                .any(|id| id == memory.id);
        if is_selected {
            self.permissions_of_selected(live, now, memory)
        } else {
            Permissions::default()
        }
    }

    /// The same for a memory that is known to be selected, where the link has a selection.
    fn permissions_of_selected(
        &self,
        live: &LiveShareLink,
        now: u64,
        memory: &Memory,
    ) -> Permissions {
        let nothing = Permissions::default();
        if memory.capsule != live.link.capsule() {
            return nothing;
        }
        let mut of_maker = Permissions::of_roles(live.roles);
        if !memory.record.access.is_empty() {
            let facts = self.facts.of(memory.capsule);
            let entries = memory.record.access_entries();
            // A time capsule stays shut, whoever made the link.
            if entries.iter().any(|entry| waits(entry, now, &facts)) {
                return nothing;
            }
            of_maker = self.permissions_on(&live.maker, now, memory);
        }
        if !of_maker.has(Permissions::VIEW.union(Permissions::SHARE)) {
            nothing
        } else if live.link.allow_download && of_maker.has(Permissions::DOWNLOAD) {
            Permissions::VIEW.union(Permissions::DOWNLOAD)
        } else {
            Permissions::VIEW
        }
    }
}

#[cfg(test)]
mod tests;
