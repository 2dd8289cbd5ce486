//! Access entries, and what they give, as the contract says.

use std::collections::BTreeSet;

use keepsake_api::{
    AccessCondition, AccessEntry, AssetType, GrantSource, MemoryMetadata, PersonRef, ResourceRole,
    SharingStatus,
};

use super::facts::is_somebody;
use super::people::person;
use super::{Answer, Asset, Memory, MemoryId, Model, Place, Refusal, invalid, none_of};
use crate::pools::ANONYMOUS;

pub const VIEW: u32 = 1;
pub const DOWNLOAD: u32 = 2;
pub const SHARE: u32 = 4;
pub const MANAGE: u32 = 8;
pub const OWN: u32 = 16;
const ALL: u32 = 31;

fn mask_of(role: ResourceRole) -> u32 {
    match role {
        ResourceRole::Owner => 31,
        ResourceRole::SuperAdmin | ResourceRole::Admin => 15,
        ResourceRole::Member => 3,
        ResourceRole::Guest => 1,
    }
}

fn is_for_group(entry: &AccessEntry) -> bool {
    entry.grant_source == GrantSource::Group
}

/// Whom the entry is for by name: nobody, where it is for a group, whomever it names.
fn named(entry: &AccessEntry) -> Option<&PersonRef> {
    entry.person_ref.as_ref().filter(|_| !is_for_group(entry))
}

/// The entry as it is kept, or why it can't be.
fn completed(
    (who, now): (usize, u64),
    mut entry: AccessEntry,
    old: Option<&AccessEntry>,
) -> Answer<AccessEntry> {
    let mut wrong = vec![];
    let of_group = is_for_group(&entry);
    let names_none = entry.source_id.as_deref().unwrap_or_default().is_empty();
    let named = entry.person_ref.as_ref();
    if entry.id.is_empty()
        || entry.perm_mask > ALL
        || (entry.is_public && (of_group || named.is_some()))
        || (of_group && names_none)
        || named.is_some_and(|named| !is_somebody(named))
    {
        wrong.push(invalid("access_entries"));
    }
    entry.is_public = named.is_none() && !of_group;
    if entry.perm_mask == 0 {
        entry.perm_mask = mask_of(entry.role);
    }
    if entry.is_public && entry.perm_mask & !(VIEW | DOWNLOAD) != 0 {
        wrong.push(invalid("access_entries"));
    }
    none_of(wrong)?;
    if mask_of(entry.role) != entry.perm_mask {
        // Role and mask agree: the highest role that the mask covers.
        use ResourceRole::*;
        let covered = |role: &ResourceRole| mask_of(*role) & !entry.perm_mask == 0;
        entry.role = [Owner, Admin, Member]
            .into_iter()
            .find(covered)
            .unwrap_or(Guest);
    }
    let inviter = Some(person(who));
    let before = old.map_or(inviter, |old| old.invited_by_person_ref.clone());
    entry.invited_by_person_ref = entry.invited_by_person_ref.or(before);
    entry.created_at = old.map_or(now, |old| old.created_at);
    entry.updated_at = old.map_or(now, |old| old.updated_at);
    if old.is_some_and(|old| *old != entry) {
        entry.updated_at = now;
    }
    Ok(entry)
}

impl Model {
    fn counts(&self, entry: &AccessEntry, capsule: usize, now: u64) -> bool {
        match &entry.condition {
            AccessCondition::Immediate => true,
            AccessCondition::Scheduled { accessible_after } => now >= *accessible_after,
            AccessCondition::ExpiresAt { expires } => now < *expires,
            AccessCondition::EventTriggered { event } => {
                self.capsules[capsule].events.contains(event)
            }
        }
    }

    /// Whether the entry is for this caller by name, or by a group that the caller is in.
    fn is_for(&self, who: usize, capsule: usize, entry: &AccessEntry) -> bool {
        if is_for_group(entry) {
            let group = entry.source_id.as_deref().unwrap_or_default();
            return self.is_member(who, capsule, group);
        }
        named(entry).is_some_and(|named| self.is(who, named))
    }

    /// The same, or as for everybody.
    fn concerns(&self, who: usize, capsule: usize, entry: &AccessEntry) -> bool {
        entry.is_public || self.is_for(who, capsule, entry)
    }

    /// The union of what the capsule's roles and the entries that count give. Nothing on what is not there.
    pub fn may(&self, who: usize, id: &MemoryId, now: u64) -> u32 {
        let memory = self.memories.get(id);
        memory.map_or(0, |memory| self.may_of(who, id, memory, now))
    }

    /// The same of a memory in the trash.
    pub fn may_of(&self, who: usize, id: &MemoryId, memory: &Memory, now: u64) -> u32 {
        if who == ANONYMOUS {
            return 0;
        }
        let by_role = match who {
            _ if self.may_govern(who, id.capsule) => ALL,
            _ if self.is_subject(who, id.capsule) => VIEW | DOWNLOAD | MANAGE,
            _ => 0,
        };
        let counting = memory
            .access
            .iter()
            .filter(|e| self.counts(e, id.capsule, now) && self.concerns(who, id.capsule, e));
        counting.fold(by_role, |mask, entry| mask | entry.perm_mask)
    }

    /// Originals need DOWNLOAD, small derivatives VIEW.
    pub fn may_read(&self, who: usize, id: &MemoryId, asset: &Asset, now: u64) -> bool {
        let need = match asset.metadata.base().asset_type {
            AssetType::Display | AssetType::Thumbnail | AssetType::Placeholder => VIEW,
            AssetType::Original | AssetType::Metadata => VIEW | DOWNLOAD,
        };
        self.may(who, id, now) & need == need
    }

    pub fn may_read_by_memory(&self, who: usize, blob: usize, now: u64) -> bool {
        self.memories.iter().any(|(id, memory)| {
            let mut assets = memory.assets.iter();
            assets.any(|a| a.place == Place::Blob(blob) && self.may_read(who, id, a, now))
        })
    }

    /// The entries that the caller reads.
    pub fn entries_for(&self, who: usize, id: &MemoryId, now: u64) -> Vec<AccessEntry> {
        let all = self.memories[id].access.clone();
        if self.may(who, id, now) & SHARE != 0 {
            return all;
        }
        all.into_iter()
            .filter(|entry| self.concerns(who, id.capsule, entry))
            .collect()
    }

    /// Sharing status, and how many people other than the owners have an entry.
    pub fn sharing(&self, id: &MemoryId, now: u64) -> (SharingStatus, u32) {
        let owners = &self.capsules[id.capsule].owners;
        let is_other = |named: &&PersonRef| owners.iter().all(|(owner, _)| owner != *named);
        let access = &self.known(id).access;
        let people = access.iter().filter_map(named);
        let others: BTreeSet<&PersonRef> = people.filter(is_other).collect();
        let counting = || access.iter().filter(|e| self.counts(e, id.capsule, now));
        let of_others =
            |e: &AccessEntry| is_for_group(e) || named(e).is_some_and(|named| is_other(&named));
        let status = if counting().any(|e| e.is_public) {
            SharingStatus::Public
        } else if counting().any(of_others) {
            SharingStatus::Shared
        } else {
            SharingStatus::Private
        };
        (status, others.len() as u32)
    }

    fn replaced(
        &self,
        (who, now): (usize, u64),
        id: &MemoryId,
        asked: Vec<AccessEntry>,
    ) -> Answer<Vec<AccessEntry>> {
        let may = self.may(who, id, now);
        let before = &self.memories[id].access;
        let mut wrong = vec![];
        let mut after: Vec<AccessEntry> = vec![];
        for entry in asked {
            if after.iter().any(|other| other.id == entry.id) {
                wrong.push(invalid("access_entries"));
            }
            let old = before.iter().find(|old| old.id == entry.id);
            match completed((self.acting(who), now), entry, old) {
                Ok(entry) => {
                    if old != Some(&entry) && entry.perm_mask & !may != 0 {
                        wrong.push(Refusal::Unauthorized);
                    }
                    after.push(entry);
                }
                Err(why) => wrong.extend(why),
            }
        }
        // Never above the caller's own: not when taking away, either.
        if before
            .iter()
            .any(|old| old.perm_mask & !may != 0 && !after.contains(old))
        {
            wrong.push(Refusal::Unauthorized);
        }
        none_of(wrong)?;
        Ok(after)
    }

    pub fn memories_update(
        &mut self,
        (who, now): (usize, u64),
        id: Option<&MemoryId>,
        title: Option<String>,
        metadata: Option<MemoryMetadata>,
        entries: Option<Vec<AccessEntry>>,
    ) -> Answer<MemoryId> {
        let says = title.is_some() || metadata.is_some();
        let need = if says { MANAGE } else { 0 } | if entries.is_some() { SHARE } else { 0 };
        let id = self.memory((who, now), id, need)?;
        let after = match entries {
            Some(asked) => Some(self.replaced((who, now), &id, asked)?),
            None => None,
        };
        let memory = self.memories.get_mut(&id).expect("found above");
        let before = memory.clone();
        if let Some(metadata) = metadata {
            // What the vault computes stays.
            memory.metadata = MemoryMetadata {
                created_at: before.metadata.created_at,
                updated_at: before.metadata.updated_at,
                uploaded_at: before.metadata.uploaded_at,
                created_by: before.metadata.created_by.clone(),
                shared_count: before.metadata.shared_count,
                sharing_status: before.metadata.sharing_status,
                total_size: before.metadata.total_size,
                asset_count: before.metadata.asset_count,
                ..metadata
            };
        }
        if title.is_some() {
            memory.metadata.title = title;
        }
        if let Some(after) = after {
            memory.access = after;
        }
        if memory.metadata != before.metadata || memory.access != before.access {
            memory.metadata.updated_at = now;
        }
        Ok(id)
    }

    /// The entry as it is kept.
    pub fn access_grant(
        &mut self,
        caller: (usize, u64),
        id: Option<&MemoryId>,
        entry: AccessEntry,
    ) -> Answer<AccessEntry> {
        let id = self.memory(caller, id, SHARE)?;
        let (name, mut asked) = (entry.id.clone(), self.memories[&id].access.clone());
        match asked.iter_mut().find(|old| old.id == name) {
            Some(old) => *old = entry,
            None => asked.push(entry),
        }
        self.memories_update(caller, Some(&id), None, None, Some(asked))?;
        let kept = self.memories[&id]
            .access
            .iter()
            .find(|entry| entry.id == name);
        Ok(kept.expect("granted above").clone())
    }

    pub fn access_revoke(
        &mut self,
        caller: (usize, u64),
        id: Option<&MemoryId>,
        entry: &str,
    ) -> Answer<()> {
        let id = self.memory(caller, id, SHARE)?;
        let mut asked = self.memories[&id].access.clone();
        asked.retain(|old| old.id != entry);
        self.memories_update(caller, Some(&id), None, None, Some(asked))?;
        Ok(())
    }

    /// Memories with an entry for the caller, by name or by a group, that counts now. Only those that the caller may view.
    pub fn shared_with(&self, who: usize, now: u64) -> BTreeSet<MemoryId> {
        self.memories
            .iter()
            .filter(|(id, _)| self.may(who, id, now) & VIEW != 0)
            .filter(|(id, memory)| {
                let mut entries = memory.access.iter();
                entries.any(|e| self.is_for(who, id.capsule, e) && self.counts(e, id.capsule, now))
            })
            .map(|(id, _)| id.clone())
            .collect()
    }
}
