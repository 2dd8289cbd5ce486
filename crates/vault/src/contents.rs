//! Everything the vault keeps, read back and held against its SHA-256: for whoever has the whole stable memory at hand, as the machine that runs the
//! vault has. No permissions are asked, and nothing is changed.
//!
//! In steps of one content or one memory each, so that the caller can show progress, stop, and go on behind a step that failed because
//! its memory could not be read.

use ic_stable_structures::Memory as StableMemory;

use crate::Vault;
use crate::blob::{Content, HeldContent, read_range};
use crate::hash::ResumableSha256;
use crate::ids::{BlobId, MemoryId};
use crate::memory::StoredAsset;

/// Bytes read and hashed at a time.
const PIECE: u64 = 1024 * 1024;

/// One content: what one or more blob ids stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptContent {
    holder: BlobId,
    content: HeldContent,
}

impl KeptContent {
    /// The id of the blob that holds it, as on the wire.
    pub fn blob_id(&self) -> String {
        self.holder.to_string()
    }

    /// Where the search for the next one begins; `None` behind the last.
    pub fn next(&self) -> Option<u64> {
        self.holder.0.checked_add(1)
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.content.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One memory whose assets are to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptMemory {
    id: MemoryId,
}

impl KeptMemory {
    /// Its id, as on the wire.
    pub fn memory_id(&self) -> String {
        self.id.to_string()
    }
}

impl<M: StableMemory> Vault<M> {
    /// The content with the lowest number at or above `from`. Costs as much as finding it, whatever there is beside.
    pub fn content_from(&self, from: u64) -> Option<KeptContent> {
        let mut from = BlobId(from);
        loop {
            let (id, record) = self.blobs.first_from(from)?;
            if let Content::Held(content) = record.content {
                return Some(KeptContent {
                    holder: id,
                    content,
                });
            }
            from = BlobId(id.0.checked_add(1)?);
        }
    }

    /// Reads a content back, a MiB at a time; `read` hears of each piece's length. Whether its SHA-256 is the one it was kept under.
    pub fn content_is_right(&self, kept: &KeptContent, read: &mut dyn FnMut(u64)) -> bool {
        let mut hasher = ResumableSha256::default();
        let mut start = 0;
        while start < kept.len() {
            let len = PIECE.min(kept.len() - start);
            hasher.update(&read_range(&self.arena, &kept.content, start, len));
            read(len);
            start += len;
        }
        hasher.digest() == kept.content.sha256
    }

    /// The memories that refer to a content's blob, in the trash or not, at most `limit`.
    pub fn users_of(&self, kept: &KeptContent, limit: usize) -> Vec<String> {
        let mut users = Vec::new();
        let mut from = Some(MemoryId([0; 16]));
        while let Some(start) = from
            && users.len() < limit
            && let Some(user) = self.blobs.first_user_from(kept.holder, start)
        {
            users.push(user.to_string());
            from = user.next();
        }
        users
    }

    /// The memory that comes after `previous` in the order of ids, in the trash or not; the first, without one.
    pub fn memory_after(&self, previous: Option<KeptMemory>) -> Option<KeptMemory> {
        let from = match previous {
            Some(previous) => previous.id.next()?,
            None => MemoryId([0; 16]),
        };
        self.memories
            .first_kept_from(from)
            .map(|id| KeptMemory { id })
    }

    /// Looks at a memory's assets: what is kept inline is held against its SHA-256, what is kept as a blob has to lead to a content of the same hash
    /// and length, which [`Vault::content_is_right`] reads. Returns how many assets were looked at, and what is wrong, in words.
    pub fn look_at_memory(&self, memory: KeptMemory) -> (usize, Vec<String>) {
        let record = match self.memories.get(memory.id) {
            Some(found) => Some(found),
            None => self.memories.trashed(memory.id).map(|(found, ..)| found),
        };
        let Some(found) = record else {
            return (0, vec!["it is indexed and has no record".into()]);
        };
        let mut problems = Vec::new();
        for asset in &found.record.assets {
            let right = match &asset.content {
                StoredAsset::Inline { place, sha256 } => {
                    let mut hasher = ResumableSha256::default();
                    hasher.update(&self.arena.read(*place));
                    hasher.digest() == *sha256
                }
                StoredAsset::Blob { blob, len, sha256 } => self
                    .blobs
                    .get(BlobId(*blob))
                    .is_some_and(|blob| blob.content.len == *len && blob.content.sha256 == *sha256),
                StoredAsset::External { .. } => true,
            };
            if !right {
                problems.push(format!("{} is not what was kept", asset.id()));
            }
        }
        (found.record.assets.len(), problems)
    }
}

#[cfg(test)]
mod tests {
    use ic_stable_structures::{Memory, VectorMemory};
    use keepsake_api::PersonRef;

    use super::*;
    use crate::Call;

    fn vault(memory: VectorMemory) -> Vault<VectorMemory> {
        let mut vault = Vault::open(memory).unwrap();
        vault.set_seed([1; 32]);
        vault
    }

    #[test]
    fn every_content_is_found_and_a_changed_byte_as_well() {
        let memory = VectorMemory::default();
        let mut vault = vault(memory.clone());
        let caller = Call {
            caller: candid::Principal::self_authenticating([7]),
            now: 1,
        };
        let capsule = vault.capsules_create(caller, None::<PersonRef>).unwrap().id;
        let contents = [vec![0xaa; 3_000_000], vec![0xbb; 10], vec![0xcc; 70_000]];
        for (index, content) in contents.iter().enumerate() {
            let chunks: Vec<_> = content.chunks(1_800_000).collect();
            let session = vault
                .uploads_begin(caller, &capsule, chunks.len() as u32, &index.to_string())
                .unwrap();
            for (number, chunk) in chunks.iter().enumerate() {
                vault
                    .uploads_put_chunk(caller, session, number as u32, chunk)
                    .unwrap();
            }
            let hash = crate::hash::sha256(&[content]);
            let mut step = vault.uploads_finish(caller, session, &hash, content.len() as u64);
            while let Ok(crate::FinishStep::HashMore) = step {
                step = vault.uploads_finish(caller, session, &hash, content.len() as u64);
            }
            step.unwrap();
        }
        let all = |vault: &Vault<VectorMemory>| {
            let mut found = Vec::new();
            let mut from = Some(0);
            while let Some(kept) = from.and_then(|from| vault.content_from(from)) {
                let mut bytes = 0;
                let right = vault.content_is_right(&kept, &mut |read| bytes += read);
                assert_eq!(bytes, kept.len());
                found.push((kept.len(), right));
                from = kept.next();
            }
            found
        };
        let mut found = all(&vault);
        found.sort_unstable();
        assert_eq!(found, [(10, true), (70_000, true), (3_000_000, true)]);

        let mut bytes = vec![0; (memory.size() * 65_536) as usize];
        memory.read(0, &mut bytes);
        let at = bytes
            .windows(64)
            .position(|part| part == [0xcc; 64])
            .unwrap();
        memory.write(at as u64, &[0xcd]);
        let mut found = all(&vault);
        found.sort_unstable();
        assert_eq!(found, [(10, true), (70_000, false), (3_000_000, true)]);
    }
}
