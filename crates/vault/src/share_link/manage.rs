//! Making, listing and revoking share links, and ending those that have expired.

use std::collections::BTreeSet;

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{self as api, ShareLinkInput, ShareSelection};

use super::record::{OpenShareLink, StoredShareLink};
use super::store::ShareLinkStore;
use crate::Vault;
use crate::access::Permissions;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::hash::Sha256Digest;
use crate::ids::{CapsuleId, MemoryId, ShareLinkId};
use crate::limits;
use crate::person::Person;

/// What a new link is asked to be, as far as the request alone can be checked.
struct Asked {
    capsule: CapsuleId,
    /// The memories selected, each once; `None`: the whole capsule.
    selection: Option<Vec<MemoryId>>,
    title: Option<String>,
    expires_at: Option<u64>,
    allow_download: bool,
}

impl<M: StableMemory> Vault<M> {
    /// Makes a link to the capsule, for who governs it, or to some of its memories, for who may share each of them. It shows never more than
    /// its maker may share. The same request again: the link as it is.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, for who may read but not share, and where downloads are to be allowed of what the
    /// caller may not download; [`Error::NotFound`] for a capsule or memory that the caller may not read; [`Error::Invalid`] for a hash that
    /// is none, for no or more than [`limits::SHARED_MEMORIES_MAX`] memories, for one of another capsule, and for a title or an end beyond
    /// what is allowed; [`Error::Conflict`] for a secret that another link has, or had; [`Error::ResourceExhausted`] for a capsule of
    /// [`limits::SHARE_LINKS_MAX`] links, where the caller governs it, else of [`limits::SHARE_LINKS_BY_ENTRY_MAX`].
    pub fn share_links_create(
        &mut self,
        call: Call,
        input: ShareLinkInput,
    ) -> Result<api::ShareLink> {
        let person = self.person(call)?;
        let id = ShareLinkId::derive(&parse_secret(&input.secret_sha256)?);
        let asked = parse(input)?;
        let known = self.share_links.get(id);
        if let Some(StoredShareLink::Open(link)) = &known
            && person.includes(link.maker().as_slice())
            && call.now < link.expires_at
            && self.is_what_was_asked(id, link, &asked)
        {
            return Ok(on_the_wire(id, link));
        }
        let governs = self.check_may_share(&person, call.now, &asked)?;
        let expires_at = end(call.now, asked.expires_at)?;
        if known.is_some() {
            return Err(Error::Conflict(
                "a share link has, or had, this secret; draw another one".into(),
            ));
        }
        let most = match governs {
            true => limits::SHARE_LINKS_MAX,
            false => limits::SHARE_LINKS_BY_ENTRY_MAX,
        };
        let links = self.share_links.of_capsule(asked.capsule, call.now);
        if links.take(most).count() == most {
            return Err(Error::ResourceExhausted);
        }
        let mut link = OpenShareLink::new(asked.capsule, person.acting, call.now, expires_at);
        link.title = asked.title;
        link.allow_download = asked.allow_download;
        // At most SHARED_MEMORIES_MAX, which a u32 holds.
        link.selected = asked
            .selection
            .as_ref()
            .map(|memories| memories.len() as u32);
        let selection = asked.selection.unwrap_or_default();
        let needs = ShareLinkStore::<M>::needs_for_insert(&link, selection.len());
        self.regions.reserve(&needs)?;

        self.share_links.insert(id, &link, &selection);
        Ok(on_the_wire(id, &link))
    }

    /// The capsule's links that have not ended, the newest first: all for who governs it, for others those that they made.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for who may read the capsule but not govern it and made none;
    /// [`Error::NotFound`] for who may not read it and made none.
    pub fn share_links_list(&self, call: Call, capsule: &str) -> Result<Vec<api::ShareLink>> {
        let person = self.person(call)?;
        let capsule = CapsuleId::parse(capsule)
            .filter(|capsule| self.capsules.exists(*capsule))
            .ok_or(Error::NotFound)?;
        let roles = self.capsules.roles(&person, capsule);
        let mut links: Vec<api::ShareLink> = self
            .share_links
            .of_capsule(capsule, call.now)
            .filter_map(|id| match self.share_links.get(id)? {
                StoredShareLink::Open(link) => Some(on_the_wire(id, &link)),
                StoredShareLink::Ended(_) => None,
            })
            .filter(|link| roles.may_govern() || person.includes(link.created_by.as_slice()))
            .collect();
        if links.is_empty() && !roles.may_govern() {
            return Err(match roles.may_use() {
                true => Error::Unauthorized,
                false => Error::NotFound,
            });
        }
        links.sort_by_key(|link| std::cmp::Reverse(link.created_at));
        Ok(links)
    }

    /// Ends a link of the capsule: it opens nothing any more, and neither do the tokens that it gave. Again, and for one that has expired:
    /// nothing. For who governs the capsule, and who made the link.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, and for who may read the capsule but do neither; [`Error::NotFound`] for everybody
    /// else, and for what was never a link of the capsule.
    pub fn share_links_revoke(&mut self, call: Call, capsule: &str, id: &str) -> Result<()> {
        let person = self.person(call)?;
        let capsule = CapsuleId::parse(capsule).ok_or(Error::NotFound)?;
        let roles = self.capsules.roles(&person, capsule);
        let id = ShareLinkId::parse(id);
        let found = id.and_then(|id| self.share_links.get(id));
        let (of, maker) = match &found {
            Some(StoredShareLink::Open(link)) => (Some(link.capsule()), Some(link.maker())),
            Some(StoredShareLink::Ended(link)) => (Some(link.capsule()), Some(link.maker())),
            None => (None, None),
        };
        let is_maker = maker.is_some_and(|maker| person.includes(maker.as_slice()));
        match (id, found) {
            (Some(id), Some(found)) if of == Some(capsule) && (is_maker || roles.may_govern()) => {
                match found {
                    StoredShareLink::Open(link) => self.end_share_link(id, link),
                    StoredShareLink::Ended(_) => Ok(()),
                }
            }
            _ if roles.may_use() && !roles.may_govern() => Err(Error::Unauthorized),
            _ => Err(Error::NotFound),
        }
    }

    /// Ends at most `most` links that have expired. Returns whether there are more.
    pub(crate) fn sweep_share_links(&mut self, now: u64, most: usize) -> bool {
        let due: Vec<ShareLinkId> = self.share_links.expired(now).take(most + 1).collect();
        for id in due.iter().take(most) {
            // Without the few kilobytes that freeing takes it is tried again at the next sweep.
            if self.end_if_open(*id).is_err() {
                return false;
            }
        }
        due.len() > most
    }

    /// Ends at most `most` links of a capsule that was deleted. Returns how many.
    ///
    /// # Errors
    /// [`Error::ResourceExhausted`].
    pub(crate) fn end_share_links_of(&mut self, capsule: CapsuleId, most: usize) -> Result<usize> {
        let links = self.share_links.of_capsule(capsule, 0);
        let links: Vec<ShareLinkId> = links.take(most).collect();
        for id in &links {
            self.end_if_open(*id)?;
        }
        Ok(links.len())
    }

    fn end_if_open(&mut self, id: ShareLinkId) -> Result<()> {
        match self.share_links.get(id) {
            Some(StoredShareLink::Open(link)) => self.end_share_link(id, link),
            Some(StoredShareLink::Ended(_)) | None => Ok(()),
        }
    }

    fn end_share_link(&mut self, id: ShareLinkId, link: OpenShareLink) -> Result<()> {
        let needs = ShareLinkStore::<M>::needs_for_ending(&link);
        self.regions.reserve_for_freeing(&needs)?;

        self.share_links.end(id, link);
        Ok(())
    }

    fn is_what_was_asked(&self, id: ShareLinkId, link: &OpenShareLink, asked: &Asked) -> bool {
        let is_selection = match (&asked.selection, link.selected) {
            (None, None) => true,
            (Some(asked), Some(selected)) => {
                asked.len() == selected as usize
                    && self.share_links.selection(id, 0).eq(asked.iter().copied())
            }
            _ => false,
        };
        is_selection
            && link.capsule() == asked.capsule
            && self.capsules.exists(asked.capsule)
            && link.title == asked.title
            && link.allow_download == asked.allow_download
            && asked.expires_at.is_none_or(|at| at == link.expires_at)
    }

    /// Whether the person governs the capsule, where it may share what is asked.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unauthorized`], [`Error::Invalid`] as [`Self::share_links_create`].
    fn check_may_share(&self, person: &Person, now: u64, asked: &Asked) -> Result<bool> {
        let roles = self.capsules.roles(person, asked.capsule);
        let Some(selection) = &asked.selection else {
            return match roles {
                roles if roles.may_govern() => Ok(true),
                roles if roles.may_use() => Err(Error::Unauthorized),
                _ => Err(Error::NotFound),
            };
        };
        let mut needed = Permissions::VIEW.union(Permissions::SHARE);
        if asked.allow_download {
            needed = needed.union(Permissions::DOWNLOAD);
        }
        for id in selection {
            let memory = self.memories.get(*id).ok_or(Error::NotFound)?;
            let may = self.permissions_on(person, now, &memory);
            if !may.has(Permissions::VIEW) {
                return Err(Error::NotFound);
            }
            if !may.has(needed) {
                return Err(Error::Unauthorized);
            }
            if memory.capsule != asked.capsule {
                return Err(Error::invalid(
                    "selection",
                    format!("{id} is in another capsule; a link shows memories of one"),
                ));
            }
        }
        Ok(roles.may_govern())
    }
}

fn on_the_wire(id: ShareLinkId, link: &OpenShareLink) -> api::ShareLink {
    api::ShareLink {
        id: id.to_string(),
        capsule_id: link.capsule().to_string(),
        title: link.title.clone(),
        selected: link.selected,
        allow_download: link.allow_download,
        created_by: link.maker(),
        created_at: link.created_at,
        expires_at: link.expires_at,
        uses: link.uses,
        last_used_at: link.last_used_at,
    }
}

fn parse_secret(sha256: &[u8]) -> Result<Sha256Digest> {
    sha256.try_into().map_err(|_| {
        Error::invalid(
            "secret_sha256",
            format!("{} bytes; a SHA-256 has 32", sha256.len()),
        )
    })
}

/// # Errors
/// [`Error::NotFound`] for what cannot be a capsule or a memory; [`Error::Invalid`] for a selection or a title of a size that is not allowed.
fn parse(input: ShareLinkInput) -> Result<Asked> {
    let selection = match input.selection {
        ShareSelection::Capsule => None,
        ShareSelection::Memories(ids) => Some(parse_memories(&ids)?),
    };
    if let Some(title) = &input.title
        && title.len() > limits::SHARE_TITLE_MAX
    {
        return Err(Error::invalid(
            "title",
            format!(
                "{} bytes; at most {} are allowed",
                title.len(),
                limits::SHARE_TITLE_MAX
            ),
        ));
    }
    Ok(Asked {
        capsule: CapsuleId::parse(&input.capsule_id).ok_or(Error::NotFound)?,
        selection,
        title: input.title.filter(|title| !title.is_empty()),
        expires_at: input.expires_at,
        allow_download: input.allow_download,
    })
}

/// The memories in their order, each once.
fn parse_memories(ids: &[String]) -> Result<Vec<MemoryId>> {
    if ids.is_empty() || ids.len() > limits::SHARED_MEMORIES_MAX {
        return Err(Error::invalid(
            "selection",
            format!(
                "{} memories; 1 to {} are allowed",
                ids.len(),
                limits::SHARED_MEMORIES_MAX
            ),
        ));
    }
    let mut seen = BTreeSet::new();
    let mut memories = Vec::with_capacity(ids.len());
    for id in ids {
        let memory = MemoryId::parse(id).ok_or(Error::NotFound)?;
        if seen.insert(memory) {
            memories.push(memory);
        }
    }
    Ok(memories)
}

/// When a link ends that is made now.
fn end(now: u64, asked: Option<u64>) -> Result<u64> {
    match asked {
        None => Ok(now.saturating_add(limits::SHARE_LINK_LIFETIME)),
        Some(at) if at > now && at - now <= limits::SHARE_LINK_LIFETIME_MAX => Ok(at),
        Some(at) => Err(Error::invalid(
            "expires_at",
            format!("{at}; a time within the next 5 years, in nanoseconds since 1970, is allowed"),
        )),
    }
}
