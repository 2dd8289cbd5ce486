//! Share links, compared.

use keepsake_api::{
    AssetType, ByteBuf, MemoryHeader, ShareLink, ShareLinkInput, ShareSelection, SharedHeader,
    SharedLink, SharingStatus,
};
use keepsake_vault::limits;

use super::Driver;
use crate::calls::{Call, Pick, Who};
use crate::model::{Asset, Link, LinkAsked, MemoryId, Place, Refusal, invalid};
use crate::pools::{link_secret, principal, sha256};

impl Driver {
    pub(super) fn share_link_create(&mut self, who: Who, call: &Call) -> String {
        let Call::ShareLinkCreate {
            secret,
            capsule,
            selection,
            lifetime,
            downloads,
            title,
        } = call
        else {
            unreachable!("dispatched by its kind")
        };
        let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
        let picked: Option<Vec<_>> = selection.as_ref().map(|picks| {
            let each = picks.iter();
            each.map(|pick| self.memory_pick(*pick)).collect()
        });
        // The same time again where the call is sent again.
        let expires_at = lifetime.map(|lifetime| self.sent_at.saturating_add(lifetime));
        let hash = secret.map_or(vec![1; 31], |n| sha256(&link_secret(n)).to_vec());
        let input = ShareLinkInput {
            capsule_id: real,
            secret_sha256: ByteBuf::from(hash),
            selection: match &picked {
                None => ShareSelection::Capsule,
                Some(picked) => {
                    ShareSelection::Memories(picked.iter().map(|(_, real)| real.clone()).collect())
                }
            },
            expires_at,
            allow_download: *downloads,
            title: title.map(str::to_owned),
        };
        let asked = LinkAsked {
            secret: *secret,
            capsule,
            selection: picked.map(|picked| picked.into_iter().map(|(id, _)| id).collect()),
            title: *title,
            downloads: *downloads,
            expires_at,
        };
        let expected = self.model.share_links_create((who, self.now), asked);
        let got = self.vault.share_links_create(self.context(who), input);
        let text = format!("{got:?}");
        if let Some((expected, got)) = self.agree("share_links_create", expected, got) {
            let secret = secret.expect("a malformed hash is refused");
            self.share_links.learn(&secret, &got.id);
            self.is_link(&expected, &got);
        }
        text
    }

    fn is_link(&self, expected: &Link, got: &ShareLink) {
        let expected = ShareLink {
            id: got.id.clone(),
            capsule_id: self.capsules.of(&expected.capsule).to_owned(),
            title: expected.title.map(str::to_owned),
            selected: expected.selection.as_ref().map(|ids| ids.len() as u32),
            allow_download: expected.downloads,
            created_by: principal(expected.maker),
            created_at: expected.created_at,
            expires_at: expected.expires_at,
            uses: expected.uses,
            last_used_at: expected.last_used_at,
        };
        assert_eq!(*got, expected, "a share link");
    }

    pub(super) fn share_link_list(&mut self, who: usize, capsule: Option<usize>, real: &str) {
        let expected = self.model.share_links_list((who, self.now), capsule);
        let got = self.vault.share_links_list(self.context(who), real);
        let Some((mut expected, got)) = self.agree("share_links_list", expected, got) else {
            return;
        };
        let newest_first = got.is_sorted_by(|a, b| a.created_at >= b.created_at);
        assert!(newest_first, "not newest first");
        let mut met = vec![];
        for link in &got {
            let secret = *self.share_links.thing(&link.id);
            self.is_link(&self.model.links[&secret], link);
            met.push(secret);
        }
        met.sort_unstable();
        expected.sort_unstable();
        assert_eq!(met, expected, "share links of a capsule");
    }

    pub(super) fn share_link_revoke(
        &mut self,
        who: Who,
        capsule: Option<Pick>,
        secret: Option<usize>,
    ) -> String {
        let known = secret.filter(|n| self.model.links.contains_key(n));
        let of_link = known.map(|n| self.model.links[&n].capsule);
        let (capsule, real, who) = match (capsule, of_link) {
            (None, Some(of_link)) => {
                let real = self.capsules.of(&of_link).to_owned();
                (
                    Some(of_link),
                    real,
                    self.caller(who, self.owner(of_link.into())),
                )
            }
            (pick, _) => self.capsule_and_caller(pick.unwrap_or(Pick::Nth(0)), who),
        };
        let id = match known {
            Some(n) => self.share_links.of(&n).to_owned(),
            None => secret.map_or("share_".into(), |n| format!("share_{n:032x}")),
        };
        let expected = self.model.share_links_revoke(who, capsule, known);
        let got = (self.vault).share_links_revoke(self.context(who), &real, &id);
        self.done("share_links_revoke", expected, got)
    }

    pub(super) fn share_link_open(
        &mut self,
        who: usize,
        secret: usize,
        nonce: Option<usize>,
    ) -> String {
        let text = nonce.map_or(String::new(), |nonce| format!("use {nonce}"));
        let expected = (self.model).share_links_open((who, self.now), secret, nonce);
        let context = self.context(who);
        let got = (self.vault).share_links_open(context, &link_secret(secret), text.as_bytes());
        let text = format!("{got:?}");
        if let Some((expected, got)) = self.agree("share_links_open", expected, got) {
            is_seen(&expected, &got);
        }
        text
    }

    /// All pages of what the link shows, and one memory with one of its assets. Who asks means nothing.
    pub(super) fn share_link_show(&mut self, secret: usize, limit: u32, memory: Pick, nth: usize) {
        let (now, key) = (self.now, link_secret(secret));
        let link = self.model.link(now, secret).cloned();
        self.link_pages(&link, &key, limit);

        let (id, real) = self.memory_pick(memory);
        let shown = link.and_then(|link| match id {
            Some(id) if self.model.shows(now, &link, &id) => Ok((link, id)),
            _ => Err(vec![Refusal::NotFound]),
        });
        let got = self.vault.share_links_memory(now, &key, &real);
        let Some(((link, id), got)) = self.agree("share_links_memory", shown.clone(), got) else {
            let got = (self.vault).share_links_asset(now, &key, &real, "asset", 0, 1);
            self.agree("share_links_asset", shown, got);
            return;
        };
        self.shared_header(&link, &id, &got.header);
        let given = self.model.given(now, &link, &id);
        let kept_here = |asset: &&Asset| !matches!(asset.place, Place::External { .. });
        let here: Vec<&Asset> = given.iter().filter(kept_here).collect();
        let ids: Vec<&str> = here.iter().map(|asset| self.assets.of(&asset.id)).collect();
        let met: Vec<&str> = got.assets.iter().map(|a| a.asset_id.as_str()).collect();
        assert_eq!(met, ids, "the assets that a link gives");
        for (asset, got) in here.iter().zip(&got.assets) {
            let base = asset.metadata.base();
            assert_eq!(
                (got.bytes, &got.content_type, got.asset_type),
                (asset.len, &base.mime_type, base.asset_type)
            );
            assert_eq!(Some(&got.sha256), base.sha256.as_ref());
        }
        self.link_asset(&link, &id, (&key, &real), nth);
    }

    fn link_asset(&mut self, link: &Link, id: &MemoryId, (key, real): (&[u8], &str), nth: usize) {
        let known = self.model.memories[id].assets.get(nth).cloned();
        let given = self.model.given(self.now, link, id);
        let is_given = |asset: &Asset| {
            let kept_here = !matches!(asset.place, Place::External { .. });
            kept_here && given.iter().any(|given| given.id == asset.id)
        };
        let expected = known
            .clone()
            .filter(is_given)
            .ok_or(vec![Refusal::NotFound]);
        let name = known.map_or("asset".to_owned(), |asset| {
            self.assets.of(&asset.id).to_owned()
        });
        let got = (self.vault).share_links_asset(self.now, key, real, &name, 1, 2_000);
        if let Some((asset, range)) = self.agree("share_links_asset", expected, got) {
            let whole = match &asset.place {
                Place::Inline(bytes) => bytes.clone(),
                Place::Blob(blob) => self.model.blobs[*blob].bytes(),
                Place::External { .. } => unreachable!("external content is not given"),
            };
            let mut bytes = vec![];
            self.vault.append_shared(&range, &mut bytes);
            let part = whole.iter().skip(1).take(2_000).copied();
            assert!(bytes == part.collect::<Vec<u8>>(), "a range of an asset");
        }
    }

    fn link_pages(&mut self, link: &Result<Link, Vec<Refusal>>, key: &[u8], limit: u32) {
        let now = self.now;
        let expected = match link {
            Ok(_) if limit == 0 => Err(vec![invalid("limit")]),
            other => other.clone(),
        };
        let first = (self.vault).share_links_memories(now, key, None, Some(limit));
        let Some((link, mut page)) = self.agree("share_links_memories", expected, first) else {
            return;
        };
        let mut expected = self.model.shown(now, &link);
        let mut met = vec![];
        // What is left out takes no place on a page, but the last one may be empty for it.
        for _ in 0..=expected.len() {
            assert!(page.items.len() <= limit as usize, "too long a page");
            is_seen(&link, &page.link);
            for header in &page.items {
                let id = self.memories.thing(&header.id).clone();
                assert!(self.model.shows(now, &link, &id), "shows {id:?}");
                self.shared_header(&link, &id, header);
                met.push(id);
            }
            let Some(cursor) = page.next_cursor.take() else {
                break;
            };
            let next = (self.vault).share_links_memories(now, key, Some(&cursor), Some(limit));
            page = next.expect("a good cursor");
        }
        assert_eq!(page.next_cursor, None, "a listing that never ends");
        if link.selection.is_none() {
            let newest_first = met.is_sorted_by(|a, b| self.model.date(a) >= self.model.date(b));
            assert!(newest_first, "not newest first");
            met.sort();
            expected.sort();
        }
        assert_eq!(met, expected, "shown by a link");
    }

    fn shared_header(&self, link: &Link, id: &MemoryId, got: &SharedHeader) {
        let known = self.model.memories[id].clone();
        let metadata = known.metadata.clone();
        let expected = SharedHeader {
            id: self.memories.of(id).to_owned(),
            title: metadata.title,
            description: metadata.description,
            memory_type: metadata.memory_type,
            date: self.model.date(id),
            tags: metadata.tags,
            assets: got.assets.clone(),
            placeholder_data: got.placeholder_data.clone(),
        };
        assert_eq!(*got, expected, "the header that a link shows");
        let given = self.model.given(self.now, link, id);
        let original = &got.assets.original;
        let is_given = |asset: &Asset| asset.metadata.base().asset_type == AssetType::Original;
        assert!(original.is_none() || given.iter().any(is_given));
        let lifetime = limits::LISTING_TOKEN_TTL.min(link.expires_at - self.now);
        self.links(&as_listed(got), &known, &given, lifetime);
    }
}

/// What a listing would say, as far as its links are compared.
fn as_listed(header: &SharedHeader) -> MemoryHeader {
    MemoryHeader {
        id: header.id.clone(),
        capsule_id: String::new(),
        name: String::new(),
        title: None,
        description: None,
        memory_type: header.memory_type,
        size: 0,
        asset_count: 0,
        tags: vec![],
        parent_folder_id: None,
        sharing_status: SharingStatus::Private,
        shared_count: 0,
        assets: header.assets.clone(),
        placeholder_data: header.placeholder_data.clone(),
        database_storage_edges: vec![],
        created_at: 0,
        updated_at: 0,
    }
}

/// What whoever has the secret is told of the link.
fn is_seen(link: &Link, got: &SharedLink) {
    let expected = SharedLink {
        title: link.title.map(str::to_owned),
        expires_at: link.expires_at,
        allow_download: link.downloads,
        uses: link.uses,
    };
    assert_eq!(*got, expected, "a link, as its holder sees it");
}
