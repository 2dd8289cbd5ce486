//! Memories and their assets, as the contract says.

use std::collections::BTreeSet;

use keepsake_api::{AssetMetadata, BlobHosting, MemoryMetadata};
use keepsake_vault::limits;

use super::{
    Answer, Asset, AssetId, BlobArg, Checked, Fingerprint, MANAGE, Memory, MemoryId, Model, OWN,
    Place, Refusal, Source, VIEW, invalid, none_of, only,
};
use crate::pools::{ANONYMOUS, sha256};

impl Model {
    /// Steps 3 to 6 of "Creating memories" for one asset.
    fn check(
        &self,
        (who, now): (usize, u64),
        capsule: usize,
        source: &Source,
        metadata: &AssetMetadata,
    ) -> Result<Checked, Vec<Refusal>> {
        let mut wrong = vec![];
        let base = metadata.base();
        let (place, len, sha) = match source {
            Source::Inline(bytes) => {
                if bytes.len() > limits::INLINE_MAX as usize {
                    wrong.push(invalid(&format!(
                        "inline_too_large:{}>{}",
                        bytes.len(),
                        limits::INLINE_MAX
                    )));
                }
                (
                    Place::Inline(bytes.clone()),
                    bytes.len() as u64,
                    Some(sha256(bytes).to_vec()),
                )
            }
            Source::Blob { blob, hash, len } => {
                let BlobArg::Known(number) = *blob else {
                    let malformed = matches!(blob, BlobArg::Malformed);
                    return Err(vec![invalid(if malformed {
                        "blob_id_malformed"
                    } else {
                        "blob_mismatch"
                    })]);
                };
                let stored = &self.blobs[number];
                // Whoever only manages one memory reaches no content that others have.
                let hidden = self.blob((who, now), *blob).is_err();
                if stored.capsule != capsule || stored.deleted || hidden {
                    return Err(vec![invalid("blob_mismatch")]);
                }
                let bytes = stored.bytes();
                let sha = sha256(&bytes).to_vec();
                if (*len != 0 && *len != bytes.len() as u64)
                    || hash.as_ref().is_some_and(|hash| *hash != sha)
                {
                    wrong.push(invalid("blob_mismatch"));
                }
                (Place::Blob(number), bytes.len() as u64, Some(sha))
            }
            Source::External {
                location,
                key,
                url,
                size,
                hash,
            } => {
                let known = base.sha256.as_ref().map(|sha| sha.to_vec());
                if *location == BlobHosting::Icp || key.as_deref().unwrap_or_default().is_empty() {
                    wrong.push(invalid(""));
                }
                for hash in hash.iter().chain(&known) {
                    if hash.len() != 32 {
                        wrong.push(invalid(""));
                    }
                }
                if hash.is_some() && known.is_some() && *hash != known {
                    wrong.push(invalid("hash_mismatch"));
                }
                let place = Place::External {
                    location: *location,
                    key: key.clone().unwrap_or_default(),
                    url: url.clone(),
                };
                (place, size.unwrap_or(base.bytes), hash.clone().or(known))
            }
        };
        if base.bytes != 0 && base.bytes != len {
            wrong.push(invalid("size_mismatch"));
        }
        none_of(wrong)?;
        let fingerprint = match (&sha, &place, source) {
            (None, Place::External { location, key, .. }, Source::External { size, .. }) => {
                Fingerprint::Address {
                    location: format!("{location:?}"),
                    key: key.clone(),
                    size: size.or((base.bytes != 0).then_some(base.bytes)),
                }
            }
            _ => {
                let sha = sha
                    .clone()
                    .and_then(|sha| sha.try_into().ok())
                    .expect("checked above");
                Fingerprint::Content { sha, len }
            }
        };
        let mut metadata = metadata.clone();
        let filled = metadata.base_mut();
        filled.bytes = len;
        filled.sha256 = sha.map(Into::into);
        filled.created_at = now;
        filled.updated_at = now;
        Ok(Checked {
            place,
            len,
            fingerprint,
            metadata,
        })
    }

    fn inline_len(checked: &[Checked]) -> u64 {
        checked
            .iter()
            .filter(|c| matches!(c.place, Place::Inline(_)))
            .map(|c| c.len)
            .sum()
    }

    /// Step 7: what is there already is the answer; step 3's budget counts only for what would really be stored.
    fn create(
        &mut self,
        id: MemoryId,
        checked: Vec<Checked>,
        mut metadata: MemoryMetadata,
    ) -> Answer<MemoryId> {
        if self.memories.contains_key(&id) {
            return Ok(id);
        }
        if self.inline_bytes_used(id.capsule) + Self::inline_len(&checked) > self.inline_budget {
            return only(Refusal::ResourceExhausted);
        }
        let mut assets: Vec<Asset> = vec![];
        for one in checked {
            let mut asset = one.asset(&id, &id.idem);
            while assets.iter().any(|a| a.id == asset.id) {
                asset.id.repetition += 1;
            }
            assets.push(asset);
        }
        metadata.total_size = assets.iter().map(|a| a.len).sum();
        metadata.asset_count = assets.len() as u32;
        self.note_references(&assets);
        self.memories.insert(
            id.clone(),
            Memory {
                metadata,
                assets,
                access: vec![],
            },
        );
        if !self.ever.contains(&id) {
            self.ever.push(id.clone());
        }
        Ok(id)
    }

    /// `metadata` is what the memory's own will be, apart from what the assets say.
    pub fn memories_create(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        sources: &[Source],
        asset: &AssetMetadata,
        metadata: MemoryMetadata,
        idem: &str,
    ) -> Answer<MemoryId> {
        let capsule = self.capsule(who, capsule)?;
        Self::check_idem(idem)?;
        let [source] = sources else {
            return only(invalid("exactly_one_asset"));
        };
        let checked = self.check((who, now), capsule, source, asset)?;
        let id = MemoryId {
            capsule,
            content: vec![checked.fingerprint.clone()],
            idem: idem.to_owned(),
        };
        self.create(id, vec![checked], metadata)
    }

    pub fn memories_create_with_assets(
        &mut self,
        (who, now): (usize, u64),
        capsule: Option<usize>,
        mut metadata: MemoryMetadata,
        assets: &[(Source, AssetMetadata)],
        idem: &str,
    ) -> Answer<MemoryId> {
        let capsule = self.capsule(who, capsule)?;
        Self::check_idem(idem)?;
        let results: Vec<_> = assets
            .iter()
            .map(|(source, metadata)| self.check((who, now), capsule, source, metadata))
            .collect();
        let mut wrong: Vec<Refusal> = results
            .iter()
            .filter_map(|r| r.as_ref().err())
            .flatten()
            .cloned()
            .collect();
        if assets.is_empty() {
            wrong.push(invalid("exactly_one_asset"));
        }
        none_of(wrong)?;
        let checked: Vec<Checked> = results.into_iter().flatten().collect();
        let content = checked.iter().map(|c| c.fingerprint.clone()).collect();
        if metadata.created_at == 0 {
            metadata.created_at = now;
        }
        metadata.updated_at = now;
        metadata.uploaded_at = now;
        self.create(
            MemoryId {
                capsule,
                content,
                idem: idem.to_owned(),
            },
            checked,
            metadata,
        )
    }

    pub fn memories_add(
        &mut self,
        (who, now): (usize, u64),
        memory: Option<&MemoryId>,
        source: &Source,
        metadata: &AssetMetadata,
        idem: &str,
    ) -> Answer<AssetId> {
        let memory = self.memory((who, now), memory, MANAGE)?;
        Self::check_idem(idem)?;
        let checked = self.check((who, now), memory.capsule, source, metadata)?;
        let added = Self::inline_len(std::slice::from_ref(&checked));
        let asset = checked.asset(&memory, idem);
        let id = asset.id.clone();
        if self.memories[&memory].assets.iter().any(|a| a.id == id) {
            return Ok(id);
        }
        if self.inline_bytes_used(memory.capsule) + added > self.inline_budget {
            return only(Refusal::ResourceExhausted);
        }
        self.note_references(std::slice::from_ref(&asset));
        let stored = self.memories.get_mut(&memory).expect("found above");
        stored.metadata.asset_count += 1;
        stored.metadata.total_size += asset.len;
        stored.metadata.updated_at = now;
        stored.assets.push(asset);
        Ok(id)
    }

    pub fn memories_read(&self, caller: (usize, u64), id: Option<&MemoryId>) -> Answer<MemoryId> {
        self.memory(caller, id, VIEW)
    }

    /// Everything the listing of a capsule is made of; 0 is no limit.
    pub fn memories_list(
        &self,
        who: usize,
        capsule: Option<usize>,
        limit: Option<u32>,
        good_cursor: bool,
    ) -> Answer<BTreeSet<MemoryId>> {
        let capsule = self.capsule(who, capsule)?;
        if limit == Some(0) || !good_cursor {
            return only(invalid(""));
        }
        Ok(self
            .memories_of(capsule)
            .map(|(id, _)| id.clone())
            .collect())
    }

    /// What listings are ordered by, newest first.
    pub fn date(&self, id: &MemoryId) -> u64 {
        let metadata = &self.memories[id].metadata;
        metadata.date_of_memory.unwrap_or(metadata.created_at)
    }

    fn note_references(&mut self, assets: &[Asset]) {
        for asset in assets {
            if let Place::Blob(blob) = asset.place {
                self.blobs[blob].referenced = true;
            }
        }
    }

    pub fn references(&self, blob: usize) -> usize {
        self.memories
            .values()
            .flat_map(|m| &m.assets)
            .filter(|a| a.place == Place::Blob(blob))
            .count()
    }

    pub fn memories_delete(
        &mut self,
        (who, now): (usize, u64),
        id: Option<&MemoryId>,
        delete_assets: bool,
    ) -> Answer<()> {
        if who == ANONYMOUS {
            return only(Refusal::Unauthorized);
        }
        let gone = id.filter(|id| !self.memories.contains_key(id));
        if let Some(id) = gone {
            return if self.is_owner(who, id.capsule) {
                Ok(()) // deleted before: the same answer again (I5)
            } else if self.may_use(who, id.capsule) {
                // The subject may know what is there, and of what is gone there is nothing to know.
                Err(vec![Refusal::NotFound, Refusal::Unauthorized])
            } else {
                only(Refusal::NotFound)
            };
        }
        let id = self.memory((who, now), id, OWN)?;
        if let Some(memory) = self.memories.remove(&id) {
            self.let_go(memory.assets, delete_assets);
        }
        Ok(())
    }
}
