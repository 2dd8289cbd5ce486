//! Reading and listing compared with the model, and walks through a listing that other calls come between.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use keepsake_api::{
    AssetKind, AssetLink, AssetType, BlobRef, Memory as WireMemory, MemoryAssetBlobExternal,
    MemoryAssetBlobInternal, MemoryAssetInline, MemoryHeader, MemoryMetadata,
};
use keepsake_vault::limits;

use super::Driver;
use crate::calls::Ask;
use crate::model::{Asset, Memory, MemoryId, Place};
use crate::pools::sha256;

/// One walk through a capsule's listing, page by page.
struct Walk {
    cursor: String,
    seen: BTreeSet<MemoryId>,
    /// What was there when the walk began, and still is.
    throughout: BTreeSet<MemoryId>,
}

/// The walks under way: one a capsule.
#[derive(Default)]
pub struct Walks {
    of: BTreeMap<usize, Walk>,
}

impl Walks {
    /// All of the capsule's memories are gone.
    pub fn all_deleted(&mut self, capsule: usize) {
        if let Some(walk) = self.of.get_mut(&capsule) {
            walk.throughout.clear();
            walk.seen.clear();
        }
    }

    /// The memory is gone: should it come back, it may be met again.
    pub fn deleted(&mut self, id: &MemoryId) {
        if let Some(walk) = self.of.get_mut(&id.capsule) {
            walk.throughout.remove(id);
            walk.seen.remove(id);
        }
    }
}

impl Driver {
    /// Reads a memory and compares all of it. Asset ids are learned by their place in it.
    pub fn read(&mut self, who: usize, memory: Option<&MemoryId>, real: &str) {
        let expected = self.model.memories_read((who, self.now), memory);
        let got = self.vault.memories_read(self.context(who), real);
        let Some((id, got)) = self.agree("memories_read", expected, got) else {
            return;
        };
        let known = &self.model.memories[&id];
        let (sharing_status, shared_count) = self.model.sharing(&id, self.now);
        let metadata = MemoryMetadata {
            sharing_status,
            shared_count,
            ..known.metadata.clone()
        };
        let mut expected = WireMemory {
            id: real.into(),
            capsule_id: self.capsules.of(&id.capsule).into(),
            metadata,
            access_entries: self.model.entries_for(who, &id, self.now),
            inline_assets: vec![],
            blob_internal_assets: vec![],
            blob_external_assets: vec![],
        };
        for asset in &known.assets {
            let metadata = asset.metadata.clone();
            let real = match &asset.place {
                Place::Inline(_) => got
                    .inline_assets
                    .get(expected.inline_assets.len())
                    .map(|a| &a.asset_id),
                Place::Blob(_) => got
                    .blob_internal_assets
                    .get(expected.blob_internal_assets.len())
                    .map(|a| &a.asset_id),
                Place::External { .. } => got
                    .blob_external_assets
                    .get(expected.blob_external_assets.len())
                    .map(|a| &a.asset_id),
            };
            let asset_id = real
                .unwrap_or_else(|| panic!("asset {asset:?} is not in {got:?}"))
                .clone();
            self.assets.learn(&asset.id, &asset_id);
            match &asset.place {
                Place::Inline(bytes) => {
                    expected.inline_assets.push(MemoryAssetInline {
                        asset_id,
                        bytes: if self.model.may_read(who, &id, asset, self.now) {
                            bytes.clone().into()
                        } else {
                            vec![].into()
                        },
                        metadata,
                    });
                }
                Place::Blob(blob) => {
                    let hash = Some(sha256(&self.model.blobs[*blob].bytes()).to_vec().into());
                    let blob_ref = BlobRef {
                        locator: self.blobs.of(blob).into(),
                        hash,
                        len: asset.len,
                    };
                    expected.blob_internal_assets.push(MemoryAssetBlobInternal {
                        asset_id,
                        blob_ref,
                        metadata,
                    });
                }
                Place::External { location, key, url } => {
                    let (location, mut storage_key, mut url) =
                        (*location, key.clone(), url.clone());
                    let mut metadata = metadata;
                    // The address of an original is as good as its content.
                    if !self.model.may_read(who, &id, asset, self.now) {
                        (storage_key, url) = (String::new(), None);
                        let base = metadata.base_mut();
                        (base.url, base.storage_key, base.bucket) = (None, None, None);
                    }
                    expected.blob_external_assets.push(MemoryAssetBlobExternal {
                        asset_id,
                        location,
                        storage_key,
                        url,
                        metadata,
                    });
                }
            }
        }
        assert!(
            got == expected,
            "memories_read\n expected {}\n      got {}",
            brief(&expected),
            brief(&got)
        );
    }

    /// One page, from the start or where the capsule's walk is.
    pub fn list(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        real: &str,
        limit: Option<u32>,
        go_on: bool,
    ) {
        let mut walk = if go_on {
            capsule.and_then(|capsule| self.walks.of.remove(&capsule))
        } else {
            None
        };
        let cursor = walk.as_ref().map(|walk| walk.cursor.clone());
        let expected = self.model.memories_list(who, capsule, limit, true);
        let got = self
            .vault
            .memories_list(self.context(who), real, cursor.as_deref(), limit);
        let answers = self.agree("memories_list", expected, got);
        let Some(capsule) = capsule else { return };
        let Some((all, page)) = answers else {
            // A refused page is not the end of a walk.
            self.walks.of.extend(walk.map(|walk| (capsule, walk)));
            return;
        };
        let most = limit.unwrap_or(limits::PAGE_DEFAULT).min(limits::PAGE_MAX) as usize;
        assert!(
            page.items.len() <= most,
            "a page of {} for a limit of {limit:?}",
            page.items.len()
        );
        let walk = walk.get_or_insert_with(|| Walk {
            cursor: String::new(),
            seen: BTreeSet::new(),
            throughout: all.clone(),
        });
        let mut dates = vec![];
        for header in &page.items {
            let id = self.header(who, header);
            assert!(all.contains(&id), "listed, but not there: {id:?}");
            dates.push(self.model.date(&id));
            assert!(walk.seen.insert(id), "listed twice in one walk: {header:?}");
        }
        assert!(
            dates.is_sorted_by(|a, b| a >= b),
            "not newest first: {dates:?}"
        );
        match page.next_cursor {
            Some(next) => {
                assert_eq!(page.items.len(), most, "a short page that is not the last");
                let walk = Walk {
                    cursor: next,
                    seen: std::mem::take(&mut walk.seen),
                    throughout: std::mem::take(&mut walk.throughout),
                };
                self.walks.of.insert(capsule, walk);
            }
            None => {
                let skipped: Vec<_> = walk.throughout.difference(&walk.seen).collect();
                assert!(skipped.is_empty(), "skipped by a walk: {skipped:?}");
            }
        }
    }

    /// A whole walk with nothing in between: everything exactly once, in order, on full pages, and no empty one at the end.
    pub fn list_all(&mut self, who: usize, capsule: usize, real: &str, limit: u32) {
        let Ok(all) = self
            .model
            .memories_list(who, Some(capsule), Some(limit), true)
        else {
            return self.list(who, Some(capsule), real, Some(limit), false);
        };
        let mut pages = 0;
        let mut met = vec![];
        let mut cursor = None;
        loop {
            let page = self
                .vault
                .memories_list(self.context(who), real, cursor.as_deref(), Some(limit))
                .expect("a good cursor");
            pages += 1;
            met.extend(page.items.iter().map(|header| self.header(who, header)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(
            pages,
            all.len().div_ceil(limit as usize).max(1),
            "pages of {limit} for {} memories",
            all.len()
        );
        assert!(
            met.is_sorted_by(|a, b| self.model.date(a) >= self.model.date(b)),
            "not newest first"
        );
        assert_eq!(met.len(), all.len(), "a full walk");
        assert_eq!(met.into_iter().collect::<BTreeSet<_>>(), all, "a full walk");
    }

    /// Compares a header with the memory it is of.
    pub(super) fn header(&self, who: usize, got: &MemoryHeader) -> MemoryId {
        let id = self.memories.thing(&got.id).clone();
        let is_live = self.model.memories.contains_key(&id);
        assert!(is_live, "listed, but deleted: {got:?}");
        let (known, readable) = self.header_of(who, &id, got);
        self.links(got, &known, &readable, limits::LISTING_TOKEN_TTL);
        id
    }

    /// The same for a memory in the trash: nothing there is served.
    pub(super) fn header_in_trash(&self, who: usize, got: &MemoryHeader) -> MemoryId {
        let id = self.memories.thing(&got.id).clone();
        self.header_of(who, &id, got);
        let links = [
            &got.assets.original,
            &got.assets.display,
            &got.assets.thumbnail,
        ];
        assert!(
            links.iter().all(|link| link.is_none()),
            "a link into the trash"
        );
        id
    }

    /// Compares what does not depend on who asks; the memory, and those of its assets that the caller may read.
    fn header_of(&self, who: usize, id: &MemoryId, got: &MemoryHeader) -> (Memory, Vec<Asset>) {
        let known = self.model.known(id).clone();
        let metadata = known.metadata.clone();
        let (sharing_status, shared_count) = self.model.sharing(id, self.now);
        let readable: Vec<Asset> = (known.assets.iter())
            .filter(|asset| self.model.may_read(who, id, asset, self.now))
            .cloned()
            .collect();
        if let Some(title) = metadata.title.as_ref().filter(|title| !title.is_empty()) {
            assert_eq!(got.name, *title);
        }
        let expected = MemoryHeader {
            id: got.id.clone(),
            capsule_id: self.capsules.of(&id.capsule).into(),
            name: got.name.clone(),
            title: metadata.title,
            description: metadata.description,
            memory_type: metadata.memory_type,
            size: known.assets.iter().map(|a| a.len).sum(),
            asset_count: known.assets.len() as u32,
            tags: metadata.tags,
            parent_folder_id: metadata.parent_folder_id,
            sharing_status,
            shared_count,
            assets: got.assets.clone(),
            placeholder_data: got.placeholder_data.clone(),
            database_storage_edges: metadata.database_storage_edges,
            created_at: metadata.created_at,
            updated_at: metadata.updated_at,
        };
        assert_eq!(*got, expected, "the header in a listing");
        (known, readable)
    }

    /// `lifetime`: how long the links' tokens live, in nanoseconds.
    pub(super) fn links(
        &self,
        got: &MemoryHeader,
        known: &Memory,
        readable: &[Asset],
        lifetime: u64,
    ) {
        self.link(
            got,
            &got.assets.original,
            readable,
            (AssetType::Original, AssetKind::Original),
            lifetime,
        );
        self.link(
            got,
            &got.assets.display,
            readable,
            (AssetType::Display, AssetKind::Display),
            lifetime,
        );
        self.link(
            got,
            &got.assets.thumbnail,
            readable,
            (AssetType::Thumbnail, AssetKind::Thumbnail),
            lifetime,
        );
        let small: Vec<String> = (known.assets.iter())
            .filter(|a| {
                a.metadata.base().asset_type == AssetType::Placeholder
                    && a.len < limits::PLACEHOLDER_IN_LISTING
            })
            .filter_map(|a| {
                if let Place::Inline(bytes) = &a.place {
                    Some(BASE64_STANDARD.encode(bytes))
                } else {
                    None
                }
            })
            .collect();
        match &got.placeholder_data {
            Some(data) => assert!(
                small.contains(data),
                "placeholder {data} is none of {small:?}"
            ),
            None => {
                // One elsewhere counts for nothing; of several here, which one counts is the vault's choice.
                let here = (known.assets.iter())
                    .filter(|a| a.metadata.base().asset_type == AssetType::Placeholder)
                    .filter(|a| !matches!(a.place, Place::External { .. }))
                    .count();
                assert!(
                    small.is_empty() || small.len() < here || small.contains(&String::new()),
                    "no placeholder, though there is one"
                );
            }
        }
    }

    /// A link leads to an asset of its kind, where the memory has one here.
    pub(super) fn link(
        &self,
        header: &MemoryHeader,
        got: &Option<AssetLink>,
        assets: &[Asset],
        (of, kind): (AssetType, AssetKind),
        lifetime: u64,
    ) {
        // External content has no link here; of several that have, which one counts is the vault's choice.
        let here = |a: &&Asset| {
            a.metadata.base().asset_type == of && !matches!(a.place, Place::External { .. })
        };
        let mut here = assets.iter().filter(here).peekable();
        let Some(link) = got else {
            assert!(here.peek().is_none(), "no link to {of:?}");
            return;
        };
        let asset = here.find(|a| self.assets.of(&a.id) == link.asset_id);
        let asset =
            asset.unwrap_or_else(|| panic!("a link to {of:?} that leads elsewhere: {link:?}"));
        let base = asset.metadata.base();
        assert_eq!(link.asset_kind, kind);
        assert_eq!(
            (link.bytes, &link.content_type),
            (Some(asset.len), &base.mime_type)
        );
        assert_eq!((link.width, link.height), (base.width, base.height));
        assert!(
            link.path
                .starts_with(&format!("/asset/{}/{of:?}", header.id).to_lowercase()),
            "{}",
            link.path
        );
        let url = format!("{}?token={}&id={}", link.path, link.token, link.asset_id);
        let served = self.get(true, url, vec![]);
        self.served(std::slice::from_ref(asset), &served, Ask::Head);
        let left = link.expires_at_ns - u128::from(self.now);
        let lifetime = u128::from(lifetime);
        assert!(
            (lifetime.saturating_sub(1_000_000_000)..=lifetime).contains(&left),
            "{left} ns left"
        );
    }
}

/// A memory for a message: lengths in place of contents.
fn brief(memory: &WireMemory) -> String {
    let mut memory = memory.clone();
    for asset in &mut memory.inline_assets {
        let len = asset.bytes.len();
        asset.bytes.truncate(4);
        asset.bytes.extend_from_slice(format!("…{len}").as_bytes());
    }
    format!("{memory:?}")
}
