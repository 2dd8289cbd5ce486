//! Unit tests of share links that need a whole vault.

mod ends;
mod manage;
mod shown;
mod uses;

use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::{
    AccessCondition, AccessEntry, AccessEvent, AssetMetadata, AssetMetadataBase, AssetType,
    ByteBuf, GrantSource, InlineAssetInput, PersonRef, ResourceRole, ShareLinkInput,
    ShareSelection, SharedPage,
};

use crate::hash::sha256;
use crate::memory::{AssetRequest, Refusal};
use crate::{Call, Error, NewMemory, Vault};

const OWNER: u8 = 1;
const SUBJECT: u8 = 2;
const FRIEND: u8 = 3;
const STRANGER: u8 = 4;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 24 * 3_600 * SECOND;
/// When everything here begins.
const NOW: u64 = 1_000 * DAY;

const VIEW: u32 = 1;
const DOWNLOAD: u32 = 2;
const SHARE: u32 = 4;

fn by(person: u8, now: u64) -> Call {
    Call {
        caller: Principal::self_authenticating([person]),
        now,
    }
}

fn principal(person: u8) -> PersonRef {
    PersonRef::Principal(by(person, 0).caller)
}

fn secret(n: u8) -> [u8; 32] {
    [n; 32]
}

fn image(asset_type: AssetType) -> AssetMetadata {
    AssetMetadata::Image(
        AssetMetadataBase {
            width: Some(4),
            height: Some(3),
            ..AssetMetadataBase::new("IMG_1.jpg", asset_type, "image/jpeg")
        }
        .into(),
    )
}

fn entry(id: &str, person: u8, perm_mask: u32, condition: AccessCondition) -> AccessEntry {
    AccessEntry {
        id: id.into(),
        person_ref: Some(principal(person)),
        is_public: false,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition,
    }
}

/// A vault with a capsule of OWNER about SUBJECT.
struct Home {
    vault: Vault<VectorMemory>,
    memory: VectorMemory,
    capsule: String,
}

fn home() -> Home {
    let memory = VectorMemory::default();
    let mut vault = Vault::open(memory.clone()).unwrap();
    vault.set_seed([1; 32]);
    vault.configure(&keepsake_api::InitArgs {
        inline_budget_per_capsule: Some(u32::MAX),
        ..Default::default()
    });
    let capsule = vault
        .capsules_create(by(OWNER, NOW), Some(principal(SUBJECT)))
        .unwrap()
        .id;
    Home {
        vault,
        memory,
        capsule,
    }
}

impl Home {
    /// A memory with an original and a thumbnail, later in the timeline the larger `n` is.
    fn picture(&mut self, n: u64) -> String {
        let new = NewMemory {
            capsule: self.capsule.clone(),
            inline: Some(ByteBuf::from(format!("original {n}").into_bytes())),
            blob: None,
            location: None,
            storage_key: None,
            url: None,
            size: None,
            sha256: None,
            metadata: image(AssetType::Original),
            idem: n.to_string(),
        };
        let call = by(OWNER, NOW + n);
        let id = self.vault.memories_create(call, new).unwrap();
        let thumbnail = InlineAssetInput {
            bytes: ByteBuf::from(format!("thumbnail {n}").into_bytes()),
            metadata: image(AssetType::Thumbnail),
        };
        self.vault
            .memories_add_inline_asset(call, &id, thumbnail, "t")
            .unwrap();
        id
    }

    fn pictures<const N: usize>(&mut self) -> [String; N] {
        std::array::from_fn(|n| self.picture(n as u64))
    }

    fn grant(&mut self, memory: &str, entry: AccessEntry) {
        self.vault
            .access_grant(by(OWNER, NOW), memory, entry)
            .unwrap();
    }

    fn input(&self, n: u8, selection: ShareSelection) -> ShareLinkInput {
        ShareLinkInput {
            capsule_id: self.capsule.clone(),
            secret_sha256: ByteBuf::from(sha256(&[&secret(n)]).to_vec()),
            selection,
            expires_at: None,
            allow_download: false,
            title: Some("Summer".into()),
        }
    }

    /// A link of OWNER to the capsule with this secret; its id.
    fn link(&mut self, n: u8) -> String {
        let input = self.input(n, ShareSelection::Capsule);
        self.made(OWNER, input)
    }

    /// A link of OWNER to memories.
    fn link_to(&mut self, n: u8, memories: &[&String]) -> String {
        let input = self.input(n, selected(memories));
        self.made(OWNER, input)
    }

    fn made(&mut self, person: u8, input: ShareLinkInput) -> String {
        let link = self.vault.share_links_create(by(person, NOW), input);
        self.vault.recount().unwrap();
        link.unwrap().id
    }

    fn page(&self, n: u8, now: u64) -> Result<SharedPage, Error> {
        self.vault
            .share_links_memories(now, &secret(n), None, Some(100))
    }

    /// The ids of what the link with this secret shows.
    fn shown(&self, n: u8, now: u64) -> Vec<String> {
        let items = self.page(n, now).unwrap().items.into_iter();
        items.map(|item| item.id).collect()
    }

    /// The bytes of the memory's asset of this type, read through the link.
    fn read(&self, n: u8, memory: &str, asset_type: AssetType) -> Result<Vec<u8>, Error> {
        let shown = self
            .vault
            .share_links_memory(NOW + SECOND, &secret(n), memory)?;
        let mut assets = shown.assets.into_iter();
        let asset = assets
            .find(|asset| asset.asset_type == asset_type)
            .ok_or(Error::NotFound)?;
        self.range(n, memory, &asset.asset_id, 0, u32::MAX)
    }

    fn range(
        &self,
        n: u8,
        memory: &str,
        asset: &str,
        start: u64,
        len: u32,
    ) -> Result<Vec<u8>, Error> {
        let at = NOW + SECOND;
        let range = (self.vault).share_links_asset(at, &secret(n), memory, asset, start, len)?;
        let mut bytes = Vec::new();
        self.vault.append_shared(&range, &mut bytes);
        assert_eq!(bytes.len() as u64, range.len());
        Ok(bytes)
    }

    /// What a token opens over HTTP.
    fn get(&self, token: &str, memory: &str, variant: &str, now: u64) -> Result<Vec<u8>, Refusal> {
        let request = AssetRequest {
            memory,
            variant,
            asset: None,
            token: Some(token),
        };
        let served = self.vault.asset_by_token(now, request)?;
        assert!(served.through_link);
        let mut bytes = Vec::new();
        let len = served.len;
        self.vault.append_asset(&served, 0, len, &mut bytes);
        Ok(bytes)
    }

    /// The token of the first memory that the link shows.
    fn token(&self, n: u8, now: u64) -> String {
        let page = self.page(n, now).unwrap();
        page.items[0]
            .assets
            .thumbnail
            .as_ref()
            .unwrap()
            .token
            .clone()
    }
}

fn selected(memories: &[&String]) -> ShareSelection {
    ShareSelection::Memories(memories.iter().map(|id| (*id).clone()).collect())
}
