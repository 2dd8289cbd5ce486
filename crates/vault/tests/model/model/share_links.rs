//! Share links, and what they show, as the decision about them says.

use keepsake_api::AccessCondition;
use keepsake_vault::limits;

use super::access::{DOWNLOAD, SHARE};
use super::{Answer, Asset, Memory, MemoryId, Model, Refusal, VIEW, invalid, none_of, only};
use crate::pools::ANONYMOUS;

/// A link, by its secret's number.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub capsule: usize,
    /// The caller's primary.
    pub maker: usize,
    pub title: Option<&'static str>,
    /// In their order; `None`: the whole capsule.
    pub selection: Option<Vec<MemoryId>>,
    pub downloads: bool,
    pub created_at: u64,
    pub expires_at: u64,
    pub uses: u64,
    pub last_used_at: Option<u64>,
    /// The last nonces, the oldest first.
    recent: Vec<usize>,
    revoked: bool,
}

/// A link that somebody asks for.
pub struct LinkAsked {
    /// `None`: the hash is malformed.
    pub secret: Option<usize>,
    pub capsule: Option<usize>,
    /// `None` inside: no memory that ever was.
    pub selection: Option<Vec<Option<MemoryId>>>,
    pub title: Option<&'static str>,
    pub downloads: bool,
    pub expires_at: Option<u64>,
}

impl Model {
    pub fn share_links_create(
        &mut self,
        (who, now): (usize, u64),
        asked: LinkAsked,
    ) -> Answer<Link> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let mut wrong = vec![];
        if asked.secret.is_none() {
            wrong.push(invalid("secret_sha256"));
        }
        if asked.capsule.is_none() {
            wrong.push(Refusal::NotFound);
        }
        let mut selection: Option<Vec<MemoryId>> = None;
        // What may not be shared of the memories named, which any other reason may stand before.
        let mut withheld = vec![];
        if let Some(named) = &asked.selection {
            if named.is_empty() {
                wrong.push(invalid("selection"));
            }
            let needed = SHARE | if asked.downloads { DOWNLOAD } else { 0 };
            let selected = selection.insert(vec![]);
            for id in named {
                let Some(id) = id else {
                    wrong.push(Refusal::NotFound);
                    continue;
                };
                if let Err(why) = self.memory((who, now), Some(id), needed) {
                    withheld.extend(why);
                } else if Some(id.capsule) != asked.capsule {
                    withheld.push(invalid("selection"));
                }
                if !selected.contains(id) {
                    selected.push(id.clone());
                }
            }
        }
        let (Some(secret), Some(capsule), true) = (asked.secret, asked.capsule, wrong.is_empty())
        else {
            wrong.extend(withheld);
            return Err(wrong);
        };
        let known = self.links.get(&secret);
        if let Some(link) = known
            && self.is_open(link, now)
            && self.same(who, link.maker)
            && (link.capsule, &link.selection) == (capsule, &selection)
            && (link.title, link.downloads) == (asked.title, asked.downloads)
            && asked.expires_at.is_none_or(|at| at == link.expires_at)
        {
            return Ok(link.clone());
        }
        if selection.is_none() {
            self.governed(who, Some(capsule))?;
        }
        none_of(withheld)?;
        let mut wrong = vec![];
        let expires_at = asked
            .expires_at
            .unwrap_or(now + limits::SHARE_LINK_LIFETIME);
        if expires_at <= now || expires_at - now > limits::SHARE_LINK_LIFETIME_MAX {
            wrong.push(invalid("expires_at"));
        }
        if known.is_some() {
            // Its secret is spent, whatever became of it.
            wrong.push(Refusal::Conflict);
        }
        none_of(wrong)?;
        let link = Link {
            capsule,
            maker: self.acting(who),
            title: asked.title,
            selection,
            downloads: asked.downloads,
            created_at: now,
            expires_at,
            uses: 0,
            last_used_at: None,
            recent: vec![],
            revoked: false,
        };
        self.links.insert(secret, link.clone());
        Ok(link)
    }

    fn is_open(&self, link: &Link, now: u64) -> bool {
        !link.revoked && now < link.expires_at && !self.capsules[link.capsule].deleted
    }

    /// The secrets of the capsule's links that the caller sees.
    pub fn share_links_list(
        &self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
    ) -> Answer<Vec<usize>> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let Some(capsule) = capsule else {
            return only(Refusal::NotFound);
        };
        let governs = self.may_govern(who, capsule);
        let all = self.links.iter().filter(|(_, link)| {
            link.capsule == capsule
                && self.is_open(link, now)
                && (governs || self.same(who, link.maker))
        });
        let seen: Vec<usize> = all.map(|(secret, _)| *secret).collect();
        match governs || !seen.is_empty() {
            true => Ok(seen),
            false => self.governed(who, Some(capsule)).map(|_| seen),
        }
    }

    /// `secret`: which link is named; `None`: none that ever was.
    pub fn share_links_revoke(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        secret: Option<usize>,
    ) -> Answer<()> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let Some(capsule) = capsule else {
            return only(Refusal::NotFound);
        };
        let governs = self.may_govern(who, capsule);
        let link = secret.and_then(|secret| self.links.get(&secret));
        let may_end =
            |link: &Link| link.capsule == capsule && (governs || self.same(who, link.maker));
        if !link.is_some_and(may_end) {
            let allowed = self.governed(who, Some(capsule));
            return allowed.and_then(|_| only(Refusal::NotFound));
        }
        let link = secret.and_then(|secret| self.links.get_mut(&secret));
        link.expect("found above").revoked = true;
        Ok(())
    }

    /// The link with this secret, for whoever has it.
    pub fn link(&self, now: u64, secret: usize) -> Answer<&Link> {
        let link = self.links.get(&secret).filter(|link| {
            let governs = self.may_govern(link.maker, link.capsule);
            self.is_open(link, now) && (link.selection.is_some() || governs)
        });
        link.ok_or(vec![Refusal::NotFound])
    }

    pub fn share_links_open(
        &mut self,
        (who, now): (usize, u64),
        secret: usize,
        nonce: Option<usize>,
    ) -> Answer<Link> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let mut wrong = vec![];
        if nonce.is_none() {
            wrong.push(invalid("nonce"));
        }
        wrong.extend(self.link(now, secret).err().into_iter().flatten());
        let (Some(link), Some(nonce), true) =
            (self.links.get_mut(&secret), nonce, wrong.is_empty())
        else {
            return Err(wrong);
        };
        if !link.recent.contains(&nonce) {
            link.uses += 1;
            link.last_used_at = Some(now);
            link.recent.push(nonce);
        }
        Ok(link.clone())
    }

    /// Whether the link shows the memory.
    pub fn shows(&self, now: u64, link: &Link, id: &MemoryId) -> bool {
        let Some(memory) = self.memories.get(id) else {
            return false;
        };
        let is_selected = match &link.selection {
            Some(selected) => selected.contains(id),
            None => true,
        };
        let may = self.may(link.maker, id, now);
        is_selected
            && id.capsule == link.capsule
            && may & (VIEW | SHARE) == VIEW | SHARE
            && !self.is_sealed(id, memory, now)
    }

    /// Whether something of it still waits for its time.
    fn is_sealed(&self, id: &MemoryId, memory: &Memory, now: u64) -> bool {
        memory.access.iter().any(|entry| match &entry.condition {
            AccessCondition::Scheduled { accessible_after } => now < *accessible_after,
            AccessCondition::EventTriggered { event } => {
                !self.capsules[id.capsule].events.contains(event)
            }
            _ => false,
        })
    }

    /// What the link shows: of a capsule in no order, of a selection in its own.
    pub fn shown(&self, now: u64, link: &Link) -> Vec<MemoryId> {
        let all: Vec<&MemoryId> = match &link.selection {
            Some(selected) => selected.iter().collect(),
            None => self.memories.keys().collect(),
        };
        let shown = all.into_iter().filter(|id| self.shows(now, link, id));
        shown.cloned().collect()
    }

    /// The assets that the link gives of a memory that it shows, here or elsewhere.
    pub fn given(&self, now: u64, link: &Link, id: &MemoryId) -> Vec<Asset> {
        let may_download = link.downloads && self.may(link.maker, id, now) & DOWNLOAD != 0;
        let is_small = |asset: &&Asset| {
            use keepsake_api::AssetType::*;
            let kind = asset.metadata.base().asset_type;
            matches!(kind, Display | Thumbnail | Placeholder)
        };
        let assets = self.memories[id].assets.iter();
        assets
            .filter(|asset| may_download || is_small(asset))
            .cloned()
            .collect()
    }
}
