//! Recomputes every counter and index from scratch and compares it with what is kept (I7). For tests: it reads everything.

use std::collections::{BTreeMap, BTreeSet};

use ic_stable_structures::Memory as StableMemory;

use crate::Vault;
use crate::arena::{Arena, Extent};
use crate::blob::{BlobRecord, ChunkEntry, Content};
use crate::capsule::CapsuleUsage;
use crate::ids::{BlobId, CapsuleId, MemoryId};
use crate::memory::{ExternalContent, Grantee, StoredAsset};
use crate::stable::Key;
use crate::upload::SessionState;

/// What the memories say of everything else.
#[derive(Default)]
struct Recount {
    usage: BTreeMap<CapsuleId, CapsuleUsage>,
    users: BTreeMap<(BlobId, MemoryId), u32>,
    grants: BTreeSet<(Grantee, MemoryId)>,
    external: BTreeMap<Key<24>, u32>,
    extents: Vec<(Extent, String)>,
}

impl<M: StableMemory> Vault<M> {
    /// # Errors
    /// What differs from what is kept, in words.
    pub fn recount(&self) -> Result<(), String> {
        let mut count = Recount::default();
        self.recount_memories(&mut count)?;
        let kept: BTreeSet<_> = self.grants.all().into_iter().collect();
        same("index of access entries", &kept, &count.grants)?;
        let kept: BTreeMap<_, _> = self.external.all_users().into_iter().collect();
        same("users of external content", &kept, &count.external)?;
        self.recount_blobs(&mut count)?;
        self.recount_sessions(&mut count)?;
        self.recount_people()?;
        self.share_links.recount()?;
        self.capsules.recount_people()?;
        let (kept, counted) = self.facts.memberships();
        same("memberships", &kept, &counted)?;
        self.recount_arena(count.extents)?;
        for (capsule, kept) in self.capsules.all() {
            let counted = CapsuleUsage {
                updated_at: kept.updated_at,
                ..count.usage.remove(&capsule).unwrap_or_default()
            };
            same(&format!("usage of {capsule}"), &kept, &counted)?;
        }
        same("usage outside capsules", &count.usage, &BTreeMap::new())
    }

    /// Bytes of the memory below that are in use.
    pub fn stable_bytes_used(&self) -> u64 {
        self.regions.used()
    }

    fn recount_memories(&self, count: &mut Recount) -> Result<(), String> {
        let indexed = self.memories.all_indexed();
        let trashed: BTreeSet<_> = indexed
            .iter()
            .filter(|(.., is_trashed)| *is_trashed)
            .map(|(id, _, since, _)| (*id, *since))
            .collect();
        let by_age: BTreeSet<_> = self.memories.all_trashed_by_age().into_iter().collect();
        same("memories in the trash by age", &by_age, &trashed)?;
        let records = (self.memories.timeline_len(), self.memories.trash_len());
        let counted = (indexed.len() - trashed.len(), trashed.len());
        let counted = (counted.0 as u64, counted.1 as u64);
        same(
            "records in the timeline and in the trash",
            &records,
            &counted,
        )?;
        for (id, capsule, time, is_trashed) in indexed {
            let memory = if is_trashed {
                self.memories.trashed(id).map(|(memory, ..)| memory)
            } else {
                self.memories.get(id)
            };
            let memory = memory.ok_or(format!("{id} is indexed but has no record"))?;
            let usage = count.usage.entry(capsule).or_default();
            if is_trashed {
                usage.trashed += 1;
            } else {
                usage.memories += 1;
                same(&format!("time of {id}"), &time, &memory.record.time())?;
                for grantee in Grantee::all(capsule, &memory.record.access_entries()) {
                    count.grants.insert((grantee, id));
                }
            }
            for asset in &memory.record.assets {
                match &asset.content {
                    StoredAsset::Inline { place, .. } => {
                        usage.inline_bytes += place.len;
                        count
                            .extents
                            .push((*place, format!("inline asset of {id}")));
                    }
                    StoredAsset::Blob { blob, len, sha256 } => {
                        let blob = BlobId(*blob);
                        let found = self
                            .blobs
                            .get(blob)
                            .ok_or(format!("{id} references {blob}, which is gone"))?;
                        same(&format!("length of {blob}"), len, &found.content.len)?;
                        same(&format!("hash of {blob}"), sha256, &found.content.sha256)?;
                        same(
                            &format!("capsule of {blob}"),
                            &capsule,
                            &found.record.capsule(),
                        )?;
                        *count.users.entry((blob, id)).or_default() += 1;
                    }
                    StoredAsset::External {
                        location,
                        storage_key,
                        ..
                    } => {
                        let key = ExternalContent::<M>::key(capsule, location.0, storage_key);
                        *count.external.entry(key).or_default() += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn recount_blobs(&self, count: &mut Recount) -> Result<(), String> {
        let kept_users: BTreeMap<_, _> = self
            .blobs
            .all_users()
            .into_iter()
            .map(|(blob, memory, n)| ((blob, memory), n))
            .collect();
        same("references", &kept_users, &count.users)?;
        let records = self.blobs.all();
        let mut ids: BTreeMap<BlobId, u32> = BTreeMap::new();
        for (id, record) in &records {
            let references: u32 = count
                .users
                .range((*id, MemoryId([0; 16]))..=(*id, MemoryId([255; 16])))
                .map(|(_, n)| n)
                .sum();
            same(
                &format!("references of {id}"),
                &record.references,
                &references,
            )?;
            if record.is_deleted {
                continue;
            }
            let holder = match record.content {
                Content::Held(_) => *id,
                Content::SharedWith(holder) => BlobId(holder),
            };
            *ids.entry(holder).or_default() += 1;
            if let Some(table) = record.chunking.table() {
                count.extents.push((table, format!("chunk table of {id}")));
            }
        }
        for id in self.blobs.all_deleted() {
            if self.blobs.get(id).is_some() {
                return Err(format!("{id} was deleted, and is there"));
            }
        }
        let mut hashes = BTreeSet::new();
        let mut unreferenced = BTreeSet::new();
        for (id, record) in &records {
            self.recount_content(*id, record, &ids, count)?;
            if let Some(blob) = self.blobs.get(*id) {
                hashes.insert((record.capsule(), blob.content.sha256, *id));
                if record.never_referenced {
                    unreferenced.insert((record.created_at, *id));
                }
            }
        }
        let kept: BTreeSet<_> = self.blobs.all_hashes().into_iter().collect();
        same("blobs by hash", &kept, &hashes)?;
        let kept: BTreeSet<_> = self.blobs.all_unreferenced().into_iter().collect();
        same("blobs never referenced", &kept, &unreferenced)
    }

    fn recount_content(
        &self,
        id: BlobId,
        record: &BlobRecord,
        ids: &BTreeMap<BlobId, u32>,
        count: &mut Recount,
    ) -> Result<(), String> {
        let Content::Held(content) = &record.content else {
            return Ok(());
        };
        let counted = ids.get(&id).copied().unwrap_or(0);
        same(
            &format!("ids of the content of {id}"),
            &content.ids,
            &counted,
        )?;
        if counted == 0 {
            return Err(format!("the content of {id} has no id any more"));
        }
        count.usage.entry(record.capsule()).or_default().blob_bytes += content.len;
        let bytes = crate::blob::read_range(&self.arena, content, 0, content.len);
        same(
            &format!("hash of {id}"),
            &content.sha256,
            &crate::hash::sha256(&[&bytes]),
        )?;
        for extent in content.all_extents(&self.arena) {
            count.extents.push((extent, format!("content of {id}")));
        }
        Ok(())
    }

    fn recount_sessions(&self, count: &mut Recount) -> Result<(), String> {
        let mut open = 0u64;
        let sessions = self.sessions.all();
        same(
            "deadlines, creators and capsules of sessions",
            &self.sessions.index_lengths(),
            &[sessions.len() as u64; 3],
        )?;
        for (id, session) in sessions {
            let SessionState::Open(progress) = &session.state else {
                continue;
            };
            open += 1;
            count
                .extents
                .push((progress.table, format!("chunk table of session {}", id.0)));
            let entries = ChunkEntry::read_all(&self.arena, progress.table);
            let received: Vec<_> = entries.into_iter().filter(|e| e.is_received()).collect();
            let bytes: u64 = received.iter().map(|entry| u64::from(entry.len())).sum();
            same(
                "chunks received",
                &progress.received,
                &(received.len() as u32),
            )?;
            same("bytes received", &progress.bytes, &bytes)?;
            if progress.counted > 0 {
                count.usage.entry(session.capsule()).or_default().uploading += progress.counted;
            }
            for entry in received {
                for extent in entry.extents(&self.arena) {
                    count
                        .extents
                        .push((extent, format!("chunk of session {}", id.0)));
                }
            }
        }
        same("open sessions", &self.sessions.open_totals(), &(open, open))
    }

    /// Everything in the arena belongs to exactly one thing, or is free.
    fn recount_arena(&self, extents: Vec<(Extent, String)>) -> Result<(), String> {
        let (mut at, end) = self.arena.bounds();
        let used: u64 = extents
            .iter()
            .map(|(extent, _)| Arena::<M>::span(*extent))
            .sum();
        same("bytes used in the arena", &self.arena.used_bytes(), &used)?;
        let free = self.arena.free_extents();
        let free_bytes: u64 = free.iter().map(|extent| extent.len).sum();
        same(
            "bytes free in the arena",
            &self.arena.free_bytes(),
            &free_bytes,
        )?;
        let mut all: Vec<(Extent, String)> = extents
            .into_iter()
            .filter(|(extent, _)| extent.len > 0)
            .chain(
                free.into_iter()
                    .map(|extent| (extent, "free space".to_owned())),
            )
            .collect();
        all.sort_by_key(|(extent, _)| extent.offset);
        for (extent, what) in all {
            if extent.offset != at {
                return Err(format!("{what} begins at {}, expected {at}", extent.offset));
            }
            at += Arena::<M>::span(extent);
        }
        same("end of the arena", &at, &end)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, kept: &T, counted: &T) -> Result<(), String> {
    if kept == counted {
        Ok(())
    } else {
        Err(format!("{what}: kept {kept:?}, counted {counted:?}"))
    }
}
