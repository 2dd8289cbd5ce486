//! What the holder of a share link's secret sees. Nobody is asked who calls: the secret is the permission (I6).

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{ByteBuf, SharedAsset, SharedHeader, SharedMemory, SharedPage};

use super::LiveShareLink;
use super::cursor::{Behind, CursorKey};
use super::use_count::seen_by_holder;
use crate::Vault;
use crate::access::Permissions;
use crate::error::{Error, Result};
use crate::ids::{AssetId, MemoryId};
use crate::limits;
use crate::memory::{
    AssetRecord, ListingTokens, Memory, Position, ServedAsset, header_len, page_limit,
};
use crate::token::Holder;

/// A range of an asset that a share link gives.
#[derive(Debug)]
pub struct SharedRange {
    asset: ServedAsset,
    start: u64,
    len: u64,
}

impl SharedRange {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// A memory on its way to a page, with the length of its record in bytes.
type Found = (Behind, Option<(Memory, usize)>);

impl<M: StableMemory> Vault<M> {
    /// A page of what the link with this secret shows: of a capsule newest first, of a selection in its order. `limit` is 50 unless given, and
    /// at most 100: more counts as 100. A page may be short, or empty with a cursor to go on from, where many memories are left out.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a secret that opens nothing, or nothing any more; [`Error::Invalid`] for a limit of 0, and for a cursor that no
    /// page of this link returned.
    pub fn share_links_memories(
        &self,
        now: u64,
        secret: &[u8],
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<SharedPage> {
        let live = self.share_link_of(secret, now).ok_or(Error::NotFound)?;
        let limit = page_limit(limit)?;
        let cursors = CursorKey::new(self.settings.secret("share link cursor")?, live.id);
        let behind = cursor
            .map(|cursor| {
                let behind = cursors.read(cursor, live.link.selected.is_some());
                behind.ok_or_else(|| {
                    let problem =
                        "malformed, or of another link; use next_cursor of a page as it is";
                    Error::invalid("cursor", problem)
                })
            })
            .transpose()?;
        let tokens = self.tokens_through(&live, now)?;
        let mut items: Vec<SharedHeader> = Vec::new();
        let (mut bytes, mut records, mut looked_at) = (0, 0, 0);
        let mut last = None;
        let mut next_cursor = None;
        for (at, found) in self.candidates(&live, behind) {
            if items.len() == limit
                || bytes > limits::PAGE_BYTES_MAX
                || records > limits::PAGE_RECORDS_MAX
                || looked_at == limits::SHARED_LOOKED_AT
            {
                next_cursor = last.map(|last| cursors.write(last));
                break;
            }
            looked_at += 1;
            last = Some(at);
            let Some((memory, record_len)) = found else {
                continue;
            };
            records += record_len;
            let may = self.permissions_of_selected(&live, now, &memory);
            if may.has(Permissions::VIEW) {
                let (header, header_len) = self.shared_header(&tokens, now, memory, may);
                bytes += header_len;
                items.push(header);
            }
        }
        Ok(SharedPage {
            link: seen_by_holder(&live.link),
            items,
            next_cursor,
        })
    }

    /// One memory that the link with this secret shows, with the assets that it gives: originals and what else needs DOWNLOAD only where the
    /// link allows it, none that are kept elsewhere.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a secret that opens nothing, or nothing any more, and for a memory that the link does not show.
    pub fn share_links_memory(
        &self,
        now: u64,
        secret: &[u8],
        memory: &str,
    ) -> Result<SharedMemory> {
        let (live, memory, may) = self.shown_memory(now, secret, memory)?;
        let assets = memory
            .record
            .assets
            .iter()
            .filter(|asset| may.has(asset.needed_to_read()))
            .filter_map(|asset| shared_asset(asset, may))
            .collect();
        let tokens = self.tokens_through(&live, now)?;
        let (header, _) = self.shared_header(&tokens, now, memory, may);
        Ok(SharedMemory { header, assets })
    }

    /// Where the bytes of an asset are that the link with this secret gives: `len` from `start` on, at most [`limits::SHARED_READ_MAX`], as
    /// many as there are; none past the end. [`Self::append_shared`] reads them.
    ///
    /// # Errors
    /// As [`Self::share_links_memory`]; [`Error::NotFound`] for an asset that [`Self::share_links_memory`] does not name.
    pub fn share_links_asset(
        &self,
        now: u64,
        secret: &[u8],
        memory: &str,
        asset: &str,
        start: u64,
        len: u32,
    ) -> Result<SharedRange> {
        let (_, memory, may) = self.shown_memory(now, secret, memory)?;
        let id = AssetId::parse(asset).ok_or(Error::NotFound)?;
        let asset = memory
            .record
            .assets
            .iter()
            .find(|asset| asset.id() == id)
            .filter(|asset| may.has(asset.needed_to_read()))
            .and_then(|asset| self.served(asset))
            .ok_or(Error::NotFound)?;
        let most = u64::from(len.min(limits::SHARED_READ_MAX));
        Ok(SharedRange {
            start: start.min(asset.len),
            len: asset.len.saturating_sub(start).min(most),
            asset,
        })
    }

    /// Appends the range's bytes: one copy, from stable memory into the buffer.
    pub fn append_shared(&self, range: &SharedRange, bytes: &mut Vec<u8>) {
        self.append_asset(&range.asset, range.start, range.len, bytes);
    }

    fn shown_memory(
        &self,
        now: u64,
        secret: &[u8],
        memory: &str,
    ) -> Result<(LiveShareLink, Memory, Permissions)> {
        let live = self.share_link_of(secret, now).ok_or(Error::NotFound)?;
        let memory = MemoryId::parse(memory)
            .and_then(|id| self.memories.get(id))
            .ok_or(Error::NotFound)?;
        let may = self.permissions_through(&live, now, &memory);
        match may.has(Permissions::VIEW) {
            true => Ok((live, memory, may)),
            false => Err(Error::NotFound),
        }
    }

    fn tokens_through(&self, live: &LiveShareLink, now: u64) -> Result<ListingTokens> {
        let tokens = self.listing_tokens(Holder::ShareLink(live.id), now)?;
        Ok(tokens.until(live.link.expires_at))
    }

    /// What the link may show, in order, behind a position; `None` in place of a selected memory that is not there.
    fn candidates<'a>(
        &'a self,
        live: &'a LiveShareLink,
        behind: Option<Behind>,
    ) -> Box<dyn Iterator<Item = Found> + 'a> {
        if live.link.selected.is_none() {
            let after = match behind {
                Some(Behind::Memory(position)) => Some(position),
                _ => None,
            };
            let listed = self.memories.list(live.link.capsule(), after);
            return Box::new(listed.map(|(memory, len)| {
                let position = Position {
                    time: memory.record.time(),
                    memory: memory.id,
                };
                (Behind::Memory(position), Some((memory, len)))
            }));
        }
        let from = match behind {
            Some(Behind::Selected(number)) => number.saturating_add(1),
            _ => 0,
        };
        // Only numbers of this link's selection, which are small, come back in a cursor.
        let first = usize::try_from(from).unwrap_or(usize::MAX);
        let selected = self.share_links.selection(live.id, first);
        Box::new((from..).zip(selected).map(|(number, id)| {
            let found = self.memories.get_with_len(id);
            (Behind::Selected(number), found)
        }))
    }

    /// The memory as the holder of a link sees it in a listing, and about how many bytes that takes in a reply.
    fn shared_header(
        &self,
        tokens: &ListingTokens,
        now: u64,
        memory: Memory,
        may: Permissions,
    ) -> (SharedHeader, usize) {
        let date = memory.record.time();
        let header = self.header(tokens, now, memory, may);
        let len = header_len(&header);
        let shared = SharedHeader {
            id: header.id,
            title: header.title,
            description: header.description,
            memory_type: header.memory_type,
            date,
            tags: header.tags,
            assets: header.assets,
            placeholder_data: header.placeholder_data,
        };
        (shared, len)
    }
}

/// An asset as the holder of a link sees it; `None` for one that is kept elsewhere.
fn shared_asset(asset: &AssetRecord, may: Permissions) -> Option<SharedAsset> {
    let sha256 = asset.sha256().filter(|_| !asset.is_external())?;
    let base = &asset.metadata.base;
    Some(SharedAsset {
        asset_id: asset.id().to_string(),
        asset_type: base.asset_type.0,
        name: may.has(Permissions::DOWNLOAD).then(|| base.name.clone()),
        content_type: base.mime_type.clone(),
        bytes: asset.len(),
        width: base.width,
        height: base.height,
        sha256: ByteBuf::from(sha256.to_vec()),
    })
}
