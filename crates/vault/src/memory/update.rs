//! Changing what a memory says of itself, and who may do what with it.

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{self as api, AccessEntry, MemoryMetadata, MemoryUpdateData};

use super::assets::check_metadata_len;
use super::create::check_record;
use super::entries;
use super::grants::{Grantee, Grants};
use super::record::Memory;
use super::store::MemoryStore;
use crate::Vault;
use crate::access::Permissions;
use crate::call::Call;
use crate::capsule::CapsuleStore;
use crate::error::{Error, Result};
use crate::stable::Record;
use crate::stored::StoredMemoryMetadata;

impl<M: StableMemory> Vault<M> {
    /// Changes title, metadata or access entries, each where it is given; returns the memory as it is then, without inline bytes
    /// where the reply would pass the message limit.
    ///
    /// `metadata` replaces what a client may set: not the times of creation and upload, the creator, or what is computed.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller, for metadata without MANAGE, for entries without SHARE, or for entries that
    /// give more than the caller has; [`Error::NotFound`] for a memory that the caller may not view; [`Error::Invalid`] for
    /// metadata that is too long and for entries that cannot be; [`Error::ResourceExhausted`] where the record or the vault is full.
    pub fn memories_update(
        &mut self,
        call: Call,
        id: &str,
        update: MemoryUpdateData,
    ) -> Result<api::Memory> {
        let person = self.person(call)?;
        let (memory, may) = self.visible_memory(&person, call.now, id)?;
        let says = update.name.is_some() || update.metadata.is_some();
        if (says && !may.has(Permissions::MANAGE))
            || (update.access_entries.is_some() && !may.has(Permissions::SHARE))
        {
            return Err(Error::Unauthorized);
        }
        let mut changed = memory.clone();
        if let Some(metadata) = update.metadata {
            changed.record.metadata = replaced_metadata(&memory.record.metadata, metadata);
        }
        if let Some(name) = update.name {
            changed.record.metadata.title = Some(name);
        }
        if let Some(asked) = update.access_entries {
            let before = memory.record.access_entries();
            let after = entries::replaced(&person, call.now, may, &before, asked)?;
            changed.record.access = after.into_iter().map(Into::into).collect();
        }
        check_metadata_len("metadata", &changed.record.metadata)?;
        let changed = self.replace_memory(call, &memory, changed)?;
        // With the permissions from before: a caller may just have given up its own.
        Ok(self.memory_on_the_wire(&person, call.now, changed, may))
    }

    /// Adds one access entry, or replaces the one with its id; returns it as it is stored. The others stay as they are, whoever
    /// changes them at the same time.
    ///
    /// # Errors
    /// As [`Self::memories_update`] with entries.
    pub fn access_grant(
        &mut self,
        call: Call,
        id: &str,
        entry: AccessEntry,
    ) -> Result<AccessEntry> {
        let entry_id = entry.id.clone();
        let memory = self.change_entries(call, id, |entries| {
            match entries.iter_mut().find(|old| old.id == entry.id) {
                Some(old) => *old = entry,
                None => entries.push(entry),
            }
        })?;
        memory
            .record
            .access_entries()
            .into_iter()
            .find(|entry| entry.id == entry_id)
            .ok_or(Error::NotFound)
    }

    /// Takes one access entry away. Again: nothing.
    ///
    /// # Errors
    /// As [`Self::memories_update`] with entries.
    pub fn access_revoke(&mut self, call: Call, id: &str, entry_id: &str) -> Result<()> {
        self.change_entries(call, id, |entries| {
            entries.retain(|entry| entry.id != entry_id);
        })
        .map(|_| ())
    }

    fn change_entries(
        &mut self,
        call: Call,
        id: &str,
        change: impl FnOnce(&mut Vec<AccessEntry>),
    ) -> Result<Memory> {
        let person = self.person(call)?;
        let (memory, may) = self.visible_memory(&person, call.now, id)?;
        if !may.has(Permissions::SHARE) {
            return Err(Error::Unauthorized);
        }
        let before = memory.record.access_entries();
        let mut asked = before.clone();
        change(&mut asked);
        let after = entries::replaced(&person, call.now, may, &before, asked)?;
        let mut changed = memory.clone();
        changed.record.access = after.into_iter().map(Into::into).collect();
        self.replace_memory(call, &memory, changed)
    }

    /// Stores a changed record, its place in listings, and the index of entries. Nothing for one that did not change.
    fn replace_memory(&mut self, call: Call, before: &Memory, mut after: Memory) -> Result<Memory> {
        let record_before = Record::encode(&before.record);
        if Record::encode(&after.record) == record_before {
            return Ok(after);
        }
        after.record.metadata.updated_at = call.now;
        let record_len = check_record(&after.record)?;
        let grantees =
            |memory: &Memory| Grantee::all(memory.capsule, &memory.record.access_entries());
        let (grantees_before, grantees_after) = (grantees(before), grantees(&after));
        let mut needs = MemoryStore::<M>::needs(record_len);
        needs.push(CapsuleStore::<M>::need_for_usage());
        needs.push(Grants::<M>::need(
            grantees_before.len() + grantees_after.len(),
        ));
        // Taking access away must be possible in a vault that is full.
        if record_len <= record_before.len() && grantees_after.len() <= grantees_before.len() {
            self.regions.reserve_for_freeing(&needs)?;
        } else {
            self.regions.reserve(&needs)?;
        }

        self.memories.put(
            &after,
            Record::encode(&after.record),
            Some(before.record.time()),
        );
        self.grants
            .replace(after.id, &grantees_before, &grantees_after);
        let mut usage = self.capsules.usage(after.capsule);
        usage.updated_at = call.now;
        self.capsules.set_usage(after.capsule, &usage);
        Ok(after)
    }
}

/// What a client may set comes from `asked`, the rest stays.
fn replaced_metadata(before: &StoredMemoryMetadata, asked: MemoryMetadata) -> StoredMemoryMetadata {
    StoredMemoryMetadata {
        created_at: before.created_at,
        updated_at: before.updated_at,
        uploaded_at: before.uploaded_at,
        created_by: before.created_by.clone(),
        ..StoredMemoryMetadata::from(asked)
    }
}
