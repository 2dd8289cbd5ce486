//! `keepsake share`, `unshare` and `shared`: who else may see a memory, from when or until when.
//!
//! What this command grants to somebody in a memory is one access entry, whose id follows from whom it is for: sharing again
//! replaces it. Entries that others made stay as they are, until `unshare` takes away all that somebody has.

use anyhow::Result;
use candid::Principal;
use clap::ValueEnum;
use keepsake_client::{
    ClientError, Vault,
    api::{
        AccessCondition, AccessEntry, GrantSource, Memory, PersonRef, ResourceRole, SharingStatus,
    },
};
use serde::Serialize;

use crate::{
    Outcome,
    args::Common,
    batch, connect,
    dates::{self, Span},
    list,
    output::{self, Output},
};

/// Bits of a permission mask, as the interface has them.
const VIEW: u32 = 1;
const DOWNLOAD: u32 = 2;
const SHARE: u32 = 4;
const MANAGE: u32 = 8;
const OWN: u32 = 16;

/// Memories of one page.
const PAGE: u32 = 100;

/// With whom something is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Public,
    Person(PersonRef),
}

/// For clap: `public`, a principal, or a name.
fn who(text: &str) -> Result<Who, String> {
    if text == "public" {
        return Ok(Who::Public);
    }
    if let Ok(principal) = Principal::from_text(text) {
        if principal == Principal::anonymous() {
            return Err(
                "that is nobody in particular; say `public` to share with everybody".to_owned(),
            );
        }
        return Ok(Who::Person(PersonRef::Principal(principal)));
    }
    if looks_like_a_principal(text) {
        return Err(
            "it looks like a principal, but is none: a character is wrong or missing".to_owned(),
        );
    }
    if text.trim().is_empty() {
        return Err("say with whom: a principal, a name, or `public`".to_owned());
    }
    Ok(Who::Person(PersonRef::Opaque(text.to_owned())))
}

/// Three groups of five characters or more, with dashes between them: a mistyped principal must not become a name.
fn looks_like_a_principal(text: &str) -> bool {
    let is_group = |group: &&str| {
        group.len() == 5
            && group
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split('-').filter(is_group).count() >= 3
}

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
            May::View => VIEW,
            May::Download => VIEW | DOWNLOAD,
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct Share {
    /// Ids of memories, as `keepsake list` shows them
    #[arg(required = true, value_name = "MEMORY")]
    pub memories: Vec<String>,
    /// With whom: a principal, a name that your programs understand, or `public`
    #[arg(long, value_name = "WHO", value_parser = who)]
    pub with: Who,
    /// What they may do
    #[arg(long, value_name = "WHAT", default_value = "view")]
    pub may: May,
    /// From when on: 2030, 2030-05, 2030-05-01 (their beginning, UTC) or 2030-05-01T12:00:00Z
    #[arg(long, value_name = "DATE", value_parser = dates::parse, conflicts_with = "until")]
    pub from: Option<Span>,
    /// Until when: the same forms; a year, month or day is included
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    pub until: Option<Span>,
}

#[derive(Debug, clap::Args)]
pub struct Unshare {
    /// Ids of memories
    #[arg(required = true, value_name = "MEMORY")]
    pub memories: Vec<String>,
    /// Whom to take it from: a principal, a name, or `public`
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
    let entry = &entry(&share);
    batch::each(&share.memories, output, |id| async move {
        vault.access_grant(&id, entry).await?;
        Ok("shared")
    })
    .await
}

/// What is granted. Times and inviter are the vault's to fill in.
fn entry(share: &Share) -> AccessEntry {
    let person = match &share.with {
        Who::Public => None,
        Who::Person(person) => Some(person.clone()),
    };
    let condition = match (share.from, share.until) {
        (Some(from), _) => AccessCondition::Scheduled {
            accessible_after: from.begin,
        },
        (None, Some(until)) => AccessCondition::ExpiresAt { expires: until.end },
        (None, None) => AccessCondition::Immediate,
    };
    AccessEntry {
        id: format!("share:{}", key(&share.with)),
        is_public: person.is_none(),
        person_ref: person,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask: share.may.mask(),
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition,
    }
}

/// What an entry's id is made of; a name comes as its hash, because ids are short.
fn key(who: &Who) -> String {
    match who {
        Who::Public => "public".to_owned(),
        Who::Person(PersonRef::Principal(principal)) => principal.to_text(),
        Who::Person(PersonRef::Opaque(name)) => {
            // A self-authenticating principal of the name: a hash in a short, printable form.
            let hash = Principal::self_authenticating(name.as_bytes());
            format!("name:{hash}")
        }
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
                Some(who) => is_for(entry, who),
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

fn is_for(entry: &AccessEntry, who: &Who) -> bool {
    match who {
        Who::Public => is_public(entry),
        Who::Person(person) => entry.person_ref.as_ref() == Some(person),
    }
}

fn is_public(entry: &AccessEntry) -> bool {
    entry.is_public || (entry.person_ref.is_none() && entry.grant_source != GrantSource::Group)
}

/// What an entry allows, by its mask, else by its role.
fn rights(entry: &AccessEntry) -> u32 {
    match (entry.perm_mask, entry.role) {
        (0, ResourceRole::Owner) => VIEW | DOWNLOAD | SHARE | MANAGE | OWN,
        (0, ResourceRole::SuperAdmin | ResourceRole::Admin) => VIEW | DOWNLOAD | SHARE | MANAGE,
        (0, ResourceRole::Member) => VIEW | DOWNLOAD,
        (0, ResourceRole::Guest) => VIEW,
        (mask, _) => mask,
    }
}

/// An entry as `--json` shows it.
#[derive(Serialize)]
struct Grant {
    id: String,
    /// `public`, `person` or `group`.
    kind: &'static str,
    /// The principal, the name, or the group's id.
    who: Option<String>,
    may: Vec<&'static str>,
    from: Option<String>,
    until: Option<String>,
    /// The event that it waits for.
    event: Option<String>,
}

impl From<&AccessEntry> for Grant {
    fn from(entry: &AccessEntry) -> Self {
        let (kind, who) = match &entry.person_ref {
            _ if is_public(entry) => ("public", None),
            Some(PersonRef::Principal(principal)) => ("person", Some(principal.to_text())),
            Some(PersonRef::Opaque(name)) => ("person", Some(name.clone())),
            None => ("group", entry.source_id.clone()),
        };
        let rights = rights(entry);
        let may = [
            (VIEW, "view"),
            (DOWNLOAD, "download"),
            (SHARE, "share"),
            (MANAGE, "manage"),
            (OWN, "own"),
        ];
        let (mut from, mut until, mut event) = (None, None, None);
        match &entry.condition {
            AccessCondition::Immediate => {}
            AccessCondition::Scheduled { accessible_after } => {
                from = output::rfc3339(*accessible_after);
            }
            AccessCondition::ExpiresAt { expires } => until = output::rfc3339(*expires),
            AccessCondition::EventTriggered { event: waits } => event = Some(format!("{waits:?}")),
        }
        Grant {
            id: entry.id.clone(),
            kind,
            who,
            may: may
                .into_iter()
                .filter(|(bit, _)| rights & bit != 0)
                .map(|(_, name)| name)
                .collect(),
            from,
            until,
            event,
        }
    }
}

impl Grant {
    fn row(&self) -> String {
        let mut text = match &self.who {
            Some(who) => format!("{} {}", self.kind, output::printable(who)),
            None => self.kind.to_owned(),
        };
        text.push_str(&format!(": {}", self.may.join(", ")));
        for (word, at) in [
            ("from", &self.from),
            ("until", &self.until),
            ("after", &self.event),
        ] {
            if let Some(at) = at {
                text.push_str(&format!(", {word} {}", output::printable(at)));
            }
        }
        text
    }
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
            error: keepsake_client::api::Error::NotFound,
            ..
        }) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_principal_is_no_name() {
        let principal = "un4fu-tqaaa-aaaab-qadjq-cai";
        assert_eq!(
            who(principal),
            Ok(Who::Person(PersonRef::Principal(
                Principal::from_text(principal).unwrap()
            )))
        );
        for wrong in [
            "un4fu-tqaaa-aaaab-qadjq-cal",
            "un4fu-tqaaa-aaab-qadjq-cai",
            "2vxsx-fae",
            " ",
        ] {
            assert!(who(wrong).is_err(), "{wrong}");
        }
        assert_eq!(who("public"), Ok(Who::Public));
        for name in ["Granny", "Aunt Mary-Ann", "a-b-c", "mum@example.org"] {
            assert_eq!(
                who(name),
                Ok(Who::Person(PersonRef::Opaque(name.into()))),
                "{name}"
            );
        }
    }

    #[test]
    fn sharing_again_replaces() {
        let share = |with: Who, may: May| Share {
            memories: vec!["m".into()],
            with,
            may,
            from: None,
            until: None,
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
    }
}
