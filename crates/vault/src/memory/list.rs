//! Listing a capsule's memories, newest first. A page is one range of the timeline, and a cursor is a position in it: what comes
//! or goes elsewhere meanwhile makes nothing appear twice or be skipped.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{AssetKind, AssetLink, AssetLinks, AssetType, MemoryHeader, Page};

use super::record::{AssetRecord, Memory, StoredAsset};
use super::store::Position;
use crate::Vault;
use crate::access::Permissions;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::hash::Sha256Digest;
use crate::ids::MemoryId;
use crate::limits;
use crate::token::{Holder, TokenKey, TokenScope};

/// Mints the tokens of a listing's links.
pub(crate) struct ListingTokens {
    key: TokenKey,
    holder: Holder,
    /// Nanoseconds since 1970 UTC.
    expires: u64,
}

impl ListingTokens {
    /// The same, but no token lives beyond this time.
    pub fn until(self, end: u64) -> Self {
        Self {
            expires: self.expires.min(end),
            ..self
        }
    }
}

impl<M: StableMemory> Vault<M> {
    /// A page of the capsule's memories, newest first by `date_of_memory`, else `created_at`. `limit` is 50 unless given, and at
    /// most 100: more counts as 100. A page may be shorter than that where headers are long; the last one has no cursor.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a capsule that the caller may not read;
    /// [`Error::Invalid`] for a limit of 0, and for a cursor that no page returned.
    pub fn memories_list(
        &self,
        call: Call,
        capsule: &str,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page> {
        let person = self.person(call)?;
        let (capsule, roles) = self.capsule_for(&person, capsule)?;
        let may = Permissions::of_roles(roles);
        let limit = page_limit(limit)?;
        let after = cursor.map(parse_cursor).transpose()?;
        let tokens = self.listing_tokens(Holder::Person(person.acting), call.now)?;
        let mut items: Vec<MemoryHeader> = Vec::new();
        let mut last = None;
        let mut bytes = 0;
        let mut records = 0;
        for (memory, record_len) in self.memories.list(capsule, after) {
            if items.len() == limit
                || bytes > limits::PAGE_BYTES_MAX
                || records > limits::PAGE_RECORDS_MAX
            {
                return Ok(Page {
                    items,
                    next_cursor: last.map(format_cursor),
                });
            }
            last = Some(Position {
                time: memory.record.time(),
                memory: memory.id,
            });
            records += record_len;
            let header = self.header(&tokens, call.now, memory, may);
            bytes += header_len(&header);
            items.push(header);
        }
        Ok(Page {
            items,
            next_cursor: None,
        })
    }

    /// What mints the tokens of a listing's links.
    ///
    /// # Errors
    /// [`Error::NoSeed`].
    pub(crate) fn listing_tokens(&self, holder: Holder, now: u64) -> Result<ListingTokens> {
        Ok(ListingTokens {
            key: self.settings.token_maker()?,
            holder,
            expires: now.saturating_add(limits::LISTING_TOKEN_TTL),
        })
    }

    /// The memory in a listing, with links to what `may` allows to be read.
    pub(crate) fn header(
        &self,
        tokens: &ListingTokens,
        now: u64,
        memory: Memory,
        may: Permissions,
    ) -> MemoryHeader {
        let derived = self.derived(&memory, now);
        // The first of its kind that the vault holds itself: external content has no link here.
        let first = |asset_type| {
            memory.record.assets.iter().find(|asset| {
                asset.metadata.base.asset_type.0 == asset_type
                    && !matches!(asset.content, StoredAsset::External { .. })
            })
        };
        let readable =
            |asset_type| first(asset_type).filter(|asset| may.has(asset.needed_to_read()));
        let linked = [
            (AssetKind::Original, readable(AssetType::Original)),
            (AssetKind::Display, readable(AssetType::Display)),
            (AssetKind::Thumbnail, readable(AssetType::Thumbnail)),
        ];
        let expires = tokens.expires;
        let mut links =
            linked.map(|(kind, asset)| asset.map(|asset| link(memory.id, kind, asset, expires)));
        let token = tokens.key.mint(&TokenScope {
            memory: memory.id,
            variants: links
                .iter()
                .flatten()
                .map(|link| kind_type(link.asset_kind))
                .collect(),
            assets: linked
                .iter()
                .flat_map(|(_, asset)| asset.map(AssetRecord::id))
                .collect(),
            expires,
            holder: tokens.holder,
        });
        for link in links.iter_mut().flatten() {
            link.token.clone_from(&token);
        }
        let [original, display, thumbnail] = links;
        let placeholder_data =
            first(AssetType::Placeholder).and_then(|asset| match &asset.content {
                StoredAsset::Inline { place, .. } if place.len < limits::PLACEHOLDER_IN_LISTING => {
                    Some(STANDARD.encode(self.arena.read(*place)))
                }
                _ => None,
            });
        let name = memory
            .record
            .metadata
            .title
            .clone()
            .or_else(|| {
                memory
                    .record
                    .assets
                    .first()
                    .map(|asset| asset.metadata.base.name.clone())
            })
            .unwrap_or_default();
        let metadata = memory.record.metadata.on_the_wire(derived);
        MemoryHeader {
            id: memory.id.to_string(),
            capsule_id: memory.capsule.to_string(),
            name,
            title: metadata.title,
            description: metadata.description,
            memory_type: metadata.memory_type,
            size: metadata.total_size,
            asset_count: metadata.asset_count,
            tags: metadata.tags,
            parent_folder_id: metadata.parent_folder_id,
            sharing_status: metadata.sharing_status,
            shared_count: metadata.shared_count,
            assets: AssetLinks {
                original,
                display,
                thumbnail,
            },
            placeholder_data,
            database_storage_edges: metadata.database_storage_edges,
            created_at: metadata.created_at,
            updated_at: metadata.updated_at,
        }
    }
}

/// # Errors
/// [`Error::Invalid`] for 0. More than the largest page counts as the largest.
pub(crate) fn page_limit(limit: Option<u32>) -> Result<usize> {
    match limit {
        Some(0) => {
            let most = limits::PAGE_MAX;
            Err(Error::invalid(
                "limit",
                format!("0; 1 to {most} are allowed"),
            ))
        }
        Some(limit) => Ok(limit.min(limits::PAGE_MAX) as usize),
        None => Ok(limits::PAGE_DEFAULT as usize),
    }
}

fn kind_type(kind: AssetKind) -> AssetType {
    match kind {
        AssetKind::Original => AssetType::Original,
        AssetKind::Display => AssetType::Display,
        AssetKind::Thumbnail => AssetType::Thumbnail,
    }
}

fn link(memory: MemoryId, kind: AssetKind, asset: &AssetRecord, expires: u64) -> AssetLink {
    let variant = match kind {
        AssetKind::Original => "original",
        AssetKind::Display => "display",
        AssetKind::Thumbnail => "thumbnail",
    };
    AssetLink {
        path: format!("/asset/{memory}/{variant}"),
        token: String::new(),
        asset_id: asset.id().to_string(),
        asset_kind: kind,
        content_type: asset.metadata.base.mime_type.clone(),
        bytes: Some(asset.len()),
        width: asset.metadata.base.width,
        height: asset.metadata.base.height,
        etag: asset.sha256().map(hex),
        expires_at_ns: u128::from(expires),
    }
}

fn hex(digest: Sha256Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// About how many bytes a header takes in a reply.
pub(crate) fn header_len(header: &MemoryHeader) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let links = [
        &header.assets.original,
        &header.assets.display,
        &header.assets.thumbnail,
    ];
    let links: usize = links
        .into_iter()
        .flatten()
        .map(|link| link.token.len() + link.content_type.len() + 300)
        .sum();
    300 + header.name.len()
        + text(&header.title)
        + text(&header.description)
        + text(&header.parent_folder_id)
        + text(&header.placeholder_data)
        + header.tags.iter().map(|tag| tag.len() + 5).sum::<usize>()
        + links
}

pub(super) fn format_cursor(position: Position) -> String {
    let mut bytes = position.time.to_be_bytes().to_vec();
    bytes.extend_from_slice(&position.memory.0);
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn parse_cursor(text: &str) -> Result<Position> {
    let malformed = || Error::invalid("cursor", "malformed; use next_cursor of a page as it is");
    let bytes: [u8; 24] = URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(malformed)?;
    let (time, memory) = bytes.split_at(8);
    Ok(Position {
        time: time
            .iter()
            .fold(0, |time, byte| time << 8 | u64::from(*byte)),
        memory: MemoryId(memory.try_into().map_err(|_| malformed())?),
    })
}
