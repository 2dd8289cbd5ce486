//! The share links of the prepared state.

use keepsake_api::{AssetLink, ByteBuf, ShareLinkInput, ShareSelection};

use super::Setup;
use crate::calls::sha256;
use crate::people::{self, OWNER};
use crate::things::{OfLink, OfMemory, Target, Thing};
use crate::world::NOW;

impl Setup {
    /// Share links, while everybody may do everything, and the tokens that they give.
    pub(super) fn links(&mut self, live: &str, deleted: &str, emptying: &str) {
        for (number, (state, role, capsule)) in (1u8..).zip([
            (OfLink::Downloads, &OWNER, live),
            (OfLink::Views, &OWNER, live),
            (OfLink::Selection, &OWNER, live),
            (OfLink::OfFormerController, &people::FORMER_CONTROLLER, live),
            (OfLink::Expired, &OWNER, live),
            (OfLink::Revoked, &OWNER, live),
            (OfLink::InDeletedCapsule, &OWNER, deleted),
            (OfLink::InEmptyingCapsule, &OWNER, emptying),
        ]) {
            let secret = vec![number; 32];
            let selected = [OfMemory::Unshared, OfMemory::PublicView]
                .map(|state| self.things[&Target::Memory(state)].id.clone());
            let input = ShareLinkInput {
                capsule_id: capsule.into(),
                secret_sha256: ByteBuf::from(sha256(&secret)),
                selection: match state {
                    OfLink::Selection => ShareSelection::Memories(selected.to_vec()),
                    _ => ShareSelection::Capsule,
                },
                expires_at: (state == OfLink::Expired).then_some(NOW),
                allow_download: !matches!(state, OfLink::Views | OfLink::Selection),
                title: Some(format!("{state:?}")),
            };
            let made = self.vault.share_links_create(self.by(role), input);
            let thing = Thing {
                id: made.expect("a link").id,
                capsule: capsule.into(),
                secret,
                ..Thing::default()
            };
            self.things.insert(Target::Link(state), thing);
        }
        let memories = self.things.iter().filter_map(|(target, thing)| {
            let Target::Memory(state) = *target else {
                return None;
            };
            let link = match state {
                OfMemory::InDeletedCapsule => OfLink::InDeletedCapsule,
                OfMemory::InEmptyingCapsule => OfLink::InEmptyingCapsule,
                _ => OfLink::Downloads,
            };
            let secret = &self.things[&Target::Link(link)].secret;
            let shown = self.vault.share_links_memory(self.now, secret, &thing.id);
            let links = shown.ok()?.header.assets;
            let original = links.original.or(links.thumbnail.clone());
            let token = |link: Option<AssetLink>| link.expect("a link").token;
            Some((state, [token(original), token(links.thumbnail)]))
        });
        self.link_tokens = memories.collect();
        let revoked = self.things[&Target::Link(OfLink::Revoked)].id.clone();
        let owner = self.by(&OWNER);
        let revoked = self.vault.share_links_revoke(owner, live, &revoked);
        revoked.expect("a revocation");
    }
}
