//! What an access entry grants, as it is shown.

use keepsake_client::api::{AccessCondition, AccessEntry, GrantSource, PersonRef, ResourceRole};
use serde::Serialize;

use crate::{event, output};

/// Bits of a permission mask, as the interface has them.
pub const VIEW: u32 = 1;
pub const DOWNLOAD: u32 = 2;
pub const SHARE: u32 = 4;
pub const MANAGE: u32 = 8;
pub const OWN: u32 = 16;

/// Whether an entry is for everybody.
pub fn is_public(entry: &AccessEntry) -> bool {
    entry.grant_source != GrantSource::Group && (entry.is_public || entry.person_ref.is_none())
}

/// What an entry allows, by its mask, else by its role.
pub fn rights(entry: &AccessEntry) -> u32 {
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
pub struct Grant {
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
            // A person named beside a group means nothing.
            _ if entry.grant_source == GrantSource::Group => ("group", entry.source_id.clone()),
            Some(PersonRef::Principal(principal)) => ("person", Some(principal.to_text())),
            Some(PersonRef::Opaque(name)) => ("person", Some(name.clone())),
            None => ("public", None),
        };
        let rights = rights(entry);
        let may = [
            (VIEW, "view"),
            (DOWNLOAD, "download"),
            (SHARE, "share"),
            (MANAGE, "manage"),
            (OWN, "own"),
        ];
        let (mut from, mut until, mut after) = (None, None, None);
        match &entry.condition {
            AccessCondition::Immediate => {}
            AccessCondition::Scheduled { accessible_after } => {
                from = output::rfc3339(*accessible_after);
            }
            AccessCondition::ExpiresAt { expires } => until = output::rfc3339(*expires),
            AccessCondition::EventTriggered { event } => after = Some(event::name(event)),
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
            event: after,
        }
    }
}

impl Grant {
    /// On one line.
    pub fn row(&self) -> String {
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
