//! `keepsake share`, `unshare` and `shared`: who else may see a memory, from when or until when, or once something has happened.
//!
//! What this command grants to somebody in a memory is one access entry, whose id follows from whom it is for: sharing again
//! replaces it. Entries that others made stay as they are, until `unshare` takes away all that somebody has.

mod grant;
mod who;

use std::collections::HashSet;

use anyhow::{Result, bail};
use clap::ValueEnum;
use keepsake_client::{
    ClientError, Vault,
    api::{
        AccessCondition, AccessEntry, AccessEvent, Error as VaultError, GrantSource, Memory,
        ResourceRole, SharingStatus,
    },
};

pub use self::who::person;
use self::{
    grant::{Grant, OWN, rights},
    who::{Who, who},
};
use crate::{
    Outcome,
    args::Common,
    batch, connect,
    dates::{self, Span},
    event, list,
    output::{self, Output},
};

/// Memories of one page.
const PAGE: u32 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum May {
    /// See it: the display version, the thumbnail, what is said of it
    View,
    /// See it, and get the original
    Download,
}

impl May {
    fn mask(self) -> u32 {
        match self {
            May::View => grant::VIEW,
            May::Download => grant::VIEW | grant::DOWNLOAD,
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct Share {
    /// Ids of memories, as `keepsake list` shows them
    #[arg(required = true, value_name = "MEMORY")]
    pub memories: Vec<String>,
    /// With whom: a principal, `group:` and the id of a group, a name that your programs understand, or `public`
    #[arg(long, value_name = "WHO", value_parser = who)]
    pub with: Who,
    /// What they may do
    #[arg(long, value_name = "WHAT", default_value = "view")]
    pub may: May,
    /// From when on: 2030, 2030-05, 2030-05-01 (their beginning, UTC) or 2030-05-01T12:00:00Z
    #[arg(long, value_name = "DATE", value_parser = dates::parse, conflicts_with_all = ["until", "after"])]
    pub from: Option<Span>,
    /// Until when: the same forms; a year, month or day is included
    #[arg(long, value_name = "DATE", value_parser = dates::parse, conflicts_with = "after")]
    pub until: Option<Span>,
    /// Once this has happened, as `keepsake event` records it: after-death, graduation, wedding, birthday:<which>,
    /// anniversary:<which>, capsule-maturity:<years>, connection-count:<how many>, or custom:<a name of your own>
    #[arg(long, value_name = "EVENT", value_parser = event::parse)]
    pub after: Option<AccessEvent>,
}

#[derive(Debug, clap::Args)]
pub struct Unshare {
    /// Ids of memories
    #[arg(required = true, value_name = "MEMORY")]
    pub memories: Vec<String>,
    /// Whom to take it from: a principal, a group, a name, or `public`
    #[arg(long, value_name = "WHO", value_parser = who, required_unless_present = "all")]
    pub with: Option<Who>,
    /// Everybody but owners
    #[arg(long, conflicts_with = "with")]
    pub all: bool,
}

#[derive(Debug, clap::Args)]
pub struct Shared {
    /// Show with whom this memory is shared, instead of what others share with you
    #[arg(value_name = "MEMORY", conflicts_with = "by_me")]
    pub memory: Option<String>,
    /// Show what you share, and with whom
    #[arg(long)]
    pub by_me: bool,
    /// Capsule for --by-me [default: your own]
    #[arg(long, value_name = "ID", requires = "by_me")]
    pub capsule: Option<String>,
}

pub async fn share(share: Share, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = &connect::vault(common).await?;
    if let Who::Group(group) = &share.with {
        is_a_group(vault, group, &share.memories).await?;
    }
    let entry = &entry(&share);
    batch::each(&share.memories, output, |id| async move {
        vault.access_grant(&id, entry).await?;
        Ok("shared")
    })
    .await
}

/// A mistyped group would share with nobody, and say nothing.
async fn is_a_group(vault: &Vault, group: &str, memories: &[String]) -> Result<()> {
    let mut looked_at = HashSet::new();
    for id in memories {
        // What cannot be read is told of when it is shared.
        let Some(memory) = read(vault, id).await? else {
            continue;
        };
        if !looked_at.insert(memory.capsule_id.clone()) {
            continue;
        }
        let capsule = match vault.capsules_read_full(Some(&memory.capsule_id)).await {
            Ok(capsule) => capsule,
            // Whoever may share one memory need not see the capsule's groups.
            Err(ClientError::Vault {
                error: VaultError::NotFound | VaultError::Unauthorized,
                ..
            }) => continue,
            Err(e) => return Err(e.into()),
        };
        if capsule.connection_groups.iter().all(|(id, _)| id != group) {
            bail!(
                "the capsule of {id} has no group {group:?}; `keepsake group list` shows those that there are, `keepsake group set` makes one"
            );
        }
    }
    Ok(())
}

/// What is granted. Times and inviter are the vault's to fill in.
fn entry(share: &Share) -> AccessEntry {
    let (person, group) = match &share.with {
        Who::Public => (None, None),
        Who::Person(person) => (Some(person.clone()), None),
        Who::Group(group) => (None, Some(group.clone())),
    };
    let condition = match (share.from, share.until, &share.after) {
        (Some(from), _, _) => AccessCondition::Scheduled {
            accessible_after: from.begin,
        },
        (None, Some(until), _) => AccessCondition::ExpiresAt { expires: until.end },
        (None, None, Some(event)) => AccessCondition::EventTriggered {
            event: event.clone(),
        },
        (None, None, None) => AccessCondition::Immediate,
    };
    AccessEntry {
        id: format!("share:{}", share.with.key()),
        is_public: share.with == Who::Public,
        person_ref: person,
        grant_source: match group {
            Some(_) => GrantSource::Group,
            None => GrantSource::User,
        },
        source_id: group,
        role: ResourceRole::Guest,
        perm_mask: share.may.mask(),
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition,
    }
}

pub async fn unshare(unshare: Unshare, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = &connect::vault(common).await?;
    let with = &unshare.with;
    batch::each(&unshare.memories, output, |id| async move {
        let memory = vault.memories_read(&id).await?;
        let mut taken = 0;
        for entry in &memory.access_entries {
            let meant = match with {
                Some(who) => who.is_meant_by(entry),
                None => rights(entry) & OWN == 0,
            };
            if meant {
                vault.access_revoke(&id, &entry.id).await?;
                taken += 1;
            }
        }
        Ok(if taken == 0 { "not_shared" } else { "unshared" })
    })
    .await
}

pub async fn shared(shared: Shared, common: &Common, output: &mut Output) -> Result<Outcome> {
    let vault = connect::vault(common).await?;
    if let Some(id) = &shared.memory {
        let memory = vault.memories_read(id).await?;
        let grants: Vec<Grant> = memory.access_entries.iter().map(Grant::from).collect();
        if output.is_json() {
            output.json(&serde_json::json!({ "memory_id": id, "grants": grants }))?;
        } else {
            if grants.is_empty() {
                eprintln!("keepsake: nobody else may see it; `keepsake share` lets them");
            }
            for grant in &grants {
                output.line(&grant.row())?;
            }
        }
    } else if shared.by_me {
        by_me(&vault, shared.capsule, output).await?;
    } else {
        with_me(&vault, output).await?;
    }
    Ok(Outcome::AllWell)
}

async fn with_me(vault: &Vault, output: &mut Output) -> Result<()> {
    let mut memories = Vec::new();
    let mut cursor: Option<String> = None;
    let mut count = 0;
    loop {
        let page = vault
            .memories_shared_with_me(cursor.as_deref(), Some(PAGE))
            .await?;
        count += page.items.len();
        for header in page.items {
            if output.is_json() {
                memories.push(list::Listed::from(header));
            } else {
                output.line(&list::row(&header))?;
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if output.is_json() {
        output.json(&serde_json::json!({ "memories": memories }))?;
    } else if count == 0 {
        eprintln!("keepsake: nobody shares anything with you");
    }
    Ok(())
}

async fn by_me(vault: &Vault, capsule: Option<String>, output: &mut Output) -> Result<()> {
    let mut memories = Vec::new();
    let mut count = 0;
    if let Some(capsule) = connect::capsule(vault, capsule).await? {
        // Entries for later are no sharing yet, as listings see it, but are shown: so every memory is read.
        for id in list::all_ids(vault, &capsule).await? {
            let Some(memory) = read(vault, &id).await? else {
                continue;
            };
            let grants: Vec<Grant> = memory
                .access_entries
                .iter()
                .filter(|entry| rights(entry) & OWN == 0)
                .map(Grant::from)
                .collect();
            if grants.is_empty() && memory.metadata.sharing_status == SharingStatus::Private {
                continue;
            }
            count += 1;
            let title = memory.metadata.title.unwrap_or_default();
            if output.is_json() {
                memories.push(serde_json::json!({ "id": id, "title": title, "grants": grants }));
            } else {
                output.line(&format!("{id}  {}", output::printable(&title)))?;
                for grant in &grants {
                    output.line(&format!("  {}", grant.row()))?;
                }
            }
        }
    }
    if output.is_json() {
        output.json(&serde_json::json!({ "memories": memories }))?;
    } else if count == 0 {
        eprintln!("keepsake: you share nothing; `keepsake share` lets others see a memory");
    }
    Ok(())
}

/// `None` where it was deleted since it was listed.
async fn read(vault: &Vault, id: &str) -> Result<Option<Memory>, ClientError> {
    match vault.memories_read(id).await {
        Ok(memory) => Ok(Some(memory)),
        Err(ClientError::Vault {
            error: VaultError::NotFound,
            ..
        }) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use keepsake_client::api::PersonRef;

    use super::*;

    #[test]
    fn sharing_again_replaces() {
        let share = |with: Who, may: May| Share {
            memories: vec!["m".into()],
            with,
            may,
            from: None,
            until: None,
            after: None,
        };
        let name = Who::Person(PersonRef::Opaque("Granny ".repeat(100)));
        let first = entry(&share(name.clone(), May::View));
        let second = entry(&share(name, May::Download));
        assert_eq!(first.id, second.id);
        assert!(first.id.len() < 80);
        assert_eq!((first.perm_mask, second.perm_mask), (1, 3));
        let public = entry(&share(Who::Public, May::View));
        assert!(public.is_public && public.person_ref.is_none());
        assert_ne!(public.id, first.id);
        let group = entry(&share(Who::Group("g".into()), May::View));
        assert_eq!(
            (group.grant_source, group.source_id.as_deref()),
            (GrantSource::Group, Some("g"))
        );
        assert!(!group.is_public && group.person_ref.is_none());
        let waiting = entry(&Share {
            after: Some(AccessEvent::Birthday(18)),
            ..share(Who::Public, May::View)
        });
        assert_eq!(
            waiting.condition,
            AccessCondition::EventTriggered {
                event: AccessEvent::Birthday(18)
            }
        );
    }
}
