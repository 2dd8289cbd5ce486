//! Assets for the holders of access tokens (contract, "HTTP"). A token opens what it names and nothing else, as long as the person whom it
//! was minted for may read it, or the share link shows it: both are looked at whenever it is used (I6).

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::AssetType;

use super::record::{AssetRecord, Memory, StoredAsset};
use super::tokens::variant_type;
use crate::Vault;
use crate::access::Permissions;
use crate::arena::Extent;
use crate::blob::{HeldContent, append_content};
use crate::call::Call;
use crate::error::Error;
use crate::hash::Sha256Digest;
use crate::ids::{AssetId, BlobId, MemoryId};
use crate::token::{Holder, TokenError, TokenScope};

/// What a request for an asset names.
#[derive(Clone, Copy, Debug)]
pub struct AssetRequest<'a> {
    pub memory: &'a str,
    /// `original`, `display`, `thumbnail` or `placeholder`.
    pub variant: &'a str,
    /// Which of the memory's assets of this variant; `None`: the first that the token opens.
    pub asset: Option<&'a str>,
    pub token: Option<&'a str>,
}

/// Why nothing is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("an access token is needed")]
    NoToken,
    #[error("the access token is malformed")]
    Malformed,
    #[error("the access token does not open this, or not any more")]
    Forbidden,
    #[error("there is no such asset")]
    NotFound,
    /// A bug of ours, or a vault without a seed.
    #[error("{0}")]
    Internal(String),
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Malformed => Refusal::Malformed,
            TokenError::Forged | TokenError::Expired => Refusal::Forbidden,
        }
    }
}

/// An asset that may be served. [`Vault::append_asset`] reads its content.
#[derive(Debug)]
pub struct ServedAsset {
    /// As its uploader named it: not to be trusted.
    pub content_type: String,
    /// As its uploader named it: not to be trusted.
    pub name: String,
    pub sha256: Sha256Digest,
    /// Bytes.
    pub len: u64,
    /// Whether it is served through a share link: who keeps it asks again before showing it, so that a revocation is felt.
    pub through_link: bool,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Inline(Extent),
    Blob(HeldContent),
}

impl<M: StableMemory> Vault<M> {
    /// The asset that the token opens at this time.
    ///
    /// # Errors
    /// [`Refusal`]: a missing or bad token is told before anything is looked up; [`Refusal::Forbidden`] for what the token does not name,
    /// and where its holder may no longer read the asset; [`Refusal::NotFound`] for a memory or asset that is gone, and for content kept
    /// elsewhere.
    pub fn asset_by_token(
        &self,
        now: u64,
        request: AssetRequest<'_>,
    ) -> Result<ServedAsset, Refusal> {
        let variant = variant_type(request.variant).ok_or(Refusal::NotFound)?;
        let token = request.token.ok_or(Refusal::NoToken)?;
        let key = self.settings.token_maker().map_err(internal)?;
        let scope = key.open(token, now)?;
        let id = match request.asset {
            None => None,
            Some(id) => Some(AssetId::parse(id).ok_or(Refusal::NotFound)?),
        };
        if MemoryId::parse(request.memory) != Some(scope.memory)
            || !scope.variants.contains(&variant)
            || id.is_some_and(|id| !opens(&scope, id))
        {
            return Err(Refusal::Forbidden);
        }
        let (may, memory) = match scope.holder {
            Holder::Person(caller) => {
                let holder = Call { caller, now };
                let person = self.person(holder).map_err(|_| Refusal::Forbidden)?;
                let memory = self.kept_memory(&scope)?;
                (self.permissions_on(&person, now, &memory), memory)
            }
            // Of a link that opens nothing any more nobody learns what is there.
            Holder::ShareLink(link) => {
                let link = self.live_share_link(link, now).ok_or(Refusal::Forbidden)?;
                let memory = self.kept_memory(&scope)?;
                (self.permissions_through(&link, now, &memory), memory)
            }
        };
        let asset = chosen(&memory, &scope, variant, id);
        match asset {
            Some(asset) if may.has(asset.needed_to_read()) => {
                let mut served = self.served(asset).ok_or(Refusal::NotFound)?;
                served.through_link = matches!(scope.holder, Holder::ShareLink(_));
                Ok(served)
            }
            Some(_) => Err(Refusal::Forbidden),
            None if !may.has(Permissions::VIEW) => Err(Refusal::Forbidden),
            None => Err(Refusal::NotFound),
        }
    }

    /// The memory that a token names. What is in a capsule that was deleted is gone at once, also while it waits to be freed.
    fn kept_memory(&self, scope: &TokenScope) -> Result<Memory, Refusal> {
        self.memories
            .get(scope.memory)
            .filter(|memory| self.capsules.exists(memory.capsule))
            .ok_or(Refusal::NotFound)
    }

    /// The asset to be served; `None` for content that is kept elsewhere. Whoever asks has checked that it may be.
    pub(crate) fn served(&self, asset: &AssetRecord) -> Option<ServedAsset> {
        let (place, sha256) = match &asset.content {
            StoredAsset::Inline { place, sha256 } => (Place::Inline(*place), *sha256),
            StoredAsset::Blob { blob, sha256, .. } => {
                let blob = self.blobs.get(BlobId(*blob))?;
                (Place::Blob(blob.content), *sha256)
            }
            StoredAsset::External { .. } => return None,
        };
        Some(ServedAsset {
            content_type: asset.metadata.base.mime_type.clone(),
            name: asset.metadata.base.name.clone(),
            sha256,
            len: asset.len(),
            through_link: false,
            place,
        })
    }

    /// Appends `len` bytes of the asset from `start` on: one copy, from stable memory into the buffer. The range must lie within the asset.
    pub fn append_asset(&self, asset: &ServedAsset, start: u64, len: u64, bytes: &mut Vec<u8>) {
        match &asset.place {
            Place::Inline(extent) => self.arena.append(extent.part(start, len), bytes),
            Place::Blob(content) => append_content(&self.arena, content, start, len, bytes),
        }
    }
}

fn internal(error: Error) -> Refusal {
    Refusal::Internal(error.to_string())
}

fn opens(scope: &TokenScope, id: AssetId) -> bool {
    scope.assets.is_empty() || scope.assets.contains(&id)
}

/// The asset of this variant that is asked for: the one with the id, else the first one that the token opens and the vault holds itself.
fn chosen<'a>(
    memory: &'a Memory,
    scope: &TokenScope,
    variant: AssetType,
    id: Option<AssetId>,
) -> Option<&'a AssetRecord> {
    let mut assets = memory
        .record
        .assets
        .iter()
        .filter(|asset| asset.metadata.base.asset_type.0 == variant)
        .filter(|asset| !matches!(asset.content, StoredAsset::External { .. }));
    match id {
        Some(id) => assets.find(|asset| asset.id() == id),
        None => assets.find(|asset| opens(scope, asset.id())),
    }
}

#[cfg(test)]
mod tests;
