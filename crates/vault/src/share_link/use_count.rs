//! Counting the uses of a share link.

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::SharedLink;

use super::LiveShareLink;
use super::record::{OpenShareLink, USE_LEN};
use super::store::ShareLinkStore;
use crate::Vault;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::hash::sha256_of_fields;
use crate::ids::ShareLinkId;
use crate::limits;

impl<M: StableMemory> Vault<M> {
    /// Counts a use of the link with this secret, by whoever calls. The same nonce, 1 to 64 bytes, again: not counted again, unless
    /// [`limits::SHARE_USES_REMEMBERED`] others came between. Nothing of what the link shows depends on a use having been counted.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::Invalid`] for a nonce of another length; [`Error::NotFound`] for a secret
    /// that opens nothing, or nothing any more; [`Error::ResourceExhausted`] in a vault that is full to the last page.
    pub fn share_links_open(
        &mut self,
        call: Call,
        secret: &[u8],
        nonce: &[u8],
    ) -> Result<SharedLink> {
        call.check_named()?;
        if nonce.is_empty() || nonce.len() > limits::SHARE_NONCE_MAX {
            return Err(Error::invalid(
                "nonce",
                format!(
                    "{} bytes; 1 to {} are allowed",
                    nonce.len(),
                    limits::SHARE_NONCE_MAX
                ),
            ));
        }
        let live = self
            .share_link_of(secret, call.now)
            .ok_or(Error::NotFound)?;
        let LiveShareLink { id, mut link, .. } = live;
        let used = use_of(id, nonce);
        if link.remembers(&used) {
            return Ok(seen_by_holder(&link));
        }
        link.count(&used, call.now);
        let need = ShareLinkStore::<M>::need_for_record(&link);
        self.regions.reserve_for_moving(&[need])?;

        self.share_links.set(id, &link);
        Ok(seen_by_holder(&link))
    }
}

/// What the holder of a link's secret is told of the link.
pub(super) fn seen_by_holder(link: &OpenShareLink) -> SharedLink {
    SharedLink {
        title: link.title.clone(),
        expires_at: link.expires_at,
        allow_download: link.allow_download,
        uses: link.uses,
    }
}

/// What a use is remembered by.
fn use_of(link: ShareLinkId, nonce: &[u8]) -> [u8; USE_LEN] {
    let digest = sha256_of_fields("share link use", &[&link.0, nonce]);
    let mut used = [0; USE_LEN];
    used.copy_from_slice(&digest[..USE_LEN]);
    used
}
