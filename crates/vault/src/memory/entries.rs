//! Changes of a memory's access entries: what may stand in one, and who may change which.

use keepsake_api::{AccessEntry, GrantSource, PersonRef, ResourceRole};

use crate::access::{Permissions, check_person};
use crate::error::{Error, Result};
use crate::limits;
use crate::person::Person;

const NAME: &str = "access_entries";

/// The entries that replace `before` when a caller with these permissions asks for `asked`.
///
/// # Errors
/// [`Error::Invalid`] for an entry that cannot be, for one id twice, and for too many; [`Error::Unauthorized`] where the caller gives
/// more than the caller has, or changes or drops an entry that gives more.
pub fn replaced(
    person: &Person,
    now: u64,
    may: Permissions,
    before: &[AccessEntry],
    asked: Vec<AccessEntry>,
) -> Result<Vec<AccessEntry>> {
    if asked.len() > limits::ACCESS_ENTRIES_MAX {
        return Err(Error::invalid(
            NAME,
            format!(
                "{} entries; at most {} are allowed",
                asked.len(),
                limits::ACCESS_ENTRIES_MAX
            ),
        ));
    }
    let mut after: Vec<AccessEntry> = Vec::with_capacity(asked.len());
    for entry in asked {
        if after.iter().any(|other| other.id == entry.id) {
            return Err(Error::invalid(
                NAME,
                format!("the id {:?} stands twice", entry.id),
            ));
        }
        let old = before.iter().find(|old| old.id == entry.id);
        let entry = completed(person, now, entry, old)?;
        if old != Some(&entry) && !may.has(Permissions(entry.perm_mask)) {
            return Err(Error::Unauthorized);
        }
        after.push(entry);
    }
    // Whoever only shares cannot take away from somebody what gives more than the sharer has.
    let untouched = |old: &AccessEntry| after.iter().any(|entry| entry == old);
    if before
        .iter()
        .any(|old| !may.has(Permissions(old.perm_mask)) && !untouched(old))
    {
        return Err(Error::Unauthorized);
    }
    Ok(after)
}

/// The entry as it will be stored: checked, with mask and role agreeing, and with the vault's own times. One that changes nothing
/// stays as it was, times included, so that a retry has no second effect.
fn completed(
    person: &Person,
    now: u64,
    mut entry: AccessEntry,
    old: Option<&AccessEntry>,
) -> Result<AccessEntry> {
    if entry.id.is_empty() || entry.id.len() > limits::ENTRY_TEXT_MAX {
        return Err(too_long("id", &entry.id));
    }
    let group = entry.source_id.as_deref().unwrap_or_default();
    if group.len() > limits::ENTRY_TEXT_MAX {
        return Err(too_long("source_id", group));
    }
    if let Some(inviter) = &entry.invited_by_person_ref {
        check_person(NAME, inviter)?;
    }
    match (&entry.person_ref, entry.grant_source) {
        (_, GrantSource::Group) if group.is_empty() || entry.is_public => {
            return Err(Error::invalid(
                NAME,
                "a Group entry names its group in source_id and is not public",
            ));
        }
        // It means nothing beside a group; it is kept as it came.
        (Some(somebody), GrantSource::Group) => check_person(NAME, somebody)?,
        (None, GrantSource::Group) => {}
        (Some(_), _) if entry.is_public => {
            return Err(Error::invalid(
                NAME,
                "an entry is public or for a person, not both",
            ));
        }
        (Some(somebody), _) => check_person(NAME, somebody)?,
        (None, _) => entry.is_public = true,
    }
    if entry.perm_mask == 0 {
        entry.perm_mask = Permissions::of_role(entry.role).0;
    }
    if !Permissions::ALL.has(Permissions(entry.perm_mask)) {
        return Err(Error::invalid(
            NAME,
            format!("perm_mask {}; 0 to 31 are allowed", entry.perm_mask),
        ));
    }
    let public_most = Permissions::VIEW.union(Permissions::DOWNLOAD);
    if entry.is_public && !public_most.has(Permissions(entry.perm_mask)) {
        return Err(Error::invalid(
            NAME,
            "a public entry gives VIEW (1) or VIEW and DOWNLOAD (3) at most",
        ));
    }
    entry.role = role_for(entry.role, entry.perm_mask);
    if entry.invited_by_person_ref.is_none() {
        entry.invited_by_person_ref = match old {
            Some(old) => old.invited_by_person_ref.clone(),
            None => Some(PersonRef::Principal(person.acting)),
        };
    }
    entry.created_at = old.map_or(now, |old| old.created_at);
    entry.updated_at = old.map_or(now, |old| old.updated_at);
    if let Some(old) = old
        && *old != entry
    {
        entry.updated_at = now;
    }
    Ok(entry)
}

/// The role given where it stands for this mask, else the highest whose permissions the mask has.
fn role_for(given: ResourceRole, mask: u32) -> ResourceRole {
    if Permissions::of_role(given).0 == mask {
        return given;
    }
    [
        ResourceRole::Owner,
        ResourceRole::Admin,
        ResourceRole::Member,
    ]
    .into_iter()
    .find(|role| Permissions(mask).has(Permissions::of_role(*role)))
    .unwrap_or(ResourceRole::Guest)
}

fn too_long(field: &str, text: &str) -> Error {
    Error::invalid(
        NAME,
        format!(
            "{field} of {} bytes; 1 to {} are allowed",
            text.len(),
            limits::ENTRY_TEXT_MAX
        ),
    )
}
