//! Memories and their assets, as the contract says.

use std::collections::BTreeSet;

use keepsake_api::{AssetMetadata, BlobHosting, MemoryMetadata};
use keepsake_vault::limits;

use super::trash::Found;
use super::{
    Answer, Asset, AssetId, BlobArg, Checked, Fingerprint, MANAGE, Memory, MemoryId, Model, Place,
    Refusal, Source, VIEW, invalid, none_of, only,
};
use crate::pools::sha256;

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

    /// The assets these become: equal ones of one call are told apart by their order.
    fn assets_of_call(memory: &MemoryId, checked: Vec<Checked>, idem: &str) -> Vec<Asset> {
        let mut assets: Vec<Asset> = vec![];
        for one in checked {
            let mut asset = one.asset(memory, idem);
            while assets.iter().any(|a| a.id == asset.id) {
                asset.id.repetition += 1;
            }
            assets.push(asset);
        }
        assets
    }

    /// Step 3's budget and the quota, for what would really be stored.
    fn check_room(&self, capsule: usize, assets: &[Asset]) -> Answer<()> {
        let inline = assets
            .iter()
            .filter(|a| matches!(a.place, Place::Inline(_)));
        let inline: u64 = inline.map(|asset| asset.len).sum();
        let within = self.inline_bytes_used(capsule) + inline <= self.quotas.inline;
        if inline == 0 || (within && self.takes(capsule, inline) && !self.is_short()) {
            Ok(())
        } else {
            only(Refusal::ResourceExhausted)
        }
    }

    /// Step 7: what is there already is the answer.
    fn create(
        &mut self,
        id: MemoryId,
        checked: Vec<Checked>,
        mut metadata: MemoryMetadata,
    ) -> Answer<MemoryId> {
        if self.memories.contains_key(&id) {
            return Ok(id);
        }
        if let Some(trashed) = self.trash.remove(&id) {
            self.memories.insert(id.clone(), trashed.memory);
            return Ok(id);
        }
        let count = self.memories_of(id.capsule).count() + self.trashed_in(id.capsule).count();
        let count = count as u64;
        if self.quotas.memories.is_some_and(|most| count >= most) {
            return only(Refusal::ResourceExhausted);
        }
        let assets = Self::assets_of_call(&id, checked, &id.idem);
        self.check_room(id.capsule, &assets)?;
        metadata.total_size = assets.iter().map(|a| a.len).sum();
        metadata.asset_count = assets.len() as u32;
        self.note(id.capsule, &assets);
        let access = vec![];
        self.memories.insert(
            id.clone(),
            Memory {
                metadata,
                assets,
                access,
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
        let checked = self.check_all((who, now), capsule, assets)?;
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

    /// At least one, and nothing wrong with any.
    fn check_all(
        &self,
        caller: (usize, u64),
        capsule: usize,
        assets: &[(Source, AssetMetadata)],
    ) -> Answer<Vec<Checked>> {
        let (good, bad): (Vec<_>, Vec<_>) = assets
            .iter()
            .map(|(source, metadata)| self.check(caller, capsule, source, metadata))
            .partition(|result| result.is_ok());
        let mut wrong: Vec<Refusal> = bad.into_iter().filter_map(Result::err).flatten().collect();
        if assets.is_empty() {
            wrong.push(invalid("exactly_one_asset"));
        }
        none_of(wrong)?;
        Ok(good.into_iter().flatten().collect())
    }

    /// All or none; what the same request added before is the answer.
    pub fn memories_add(
        &mut self,
        (who, now): (usize, u64),
        memory: Option<&MemoryId>,
        assets: &[(Source, AssetMetadata)],
        idem: &str,
    ) -> Answer<Vec<AssetId>> {
        let memory = self.memory((who, now), memory, MANAGE)?;
        Self::check_idem(idem)?;
        let checked = self.check_all((who, now), memory.capsule, assets)?;
        let mut assets = Self::assets_of_call(&memory, checked, idem);
        let ids = assets.iter().map(|asset| asset.id.clone()).collect();
        let known = &self.memories[&memory].assets;
        assets.retain(|asset| known.iter().all(|known| known.id != asset.id));
        self.check_room(memory.capsule, &assets)?;
        self.note(memory.capsule, &assets);
        let stored = self.memories.get_mut(&memory).expect("found above");
        if !assets.is_empty() {
            stored.metadata.updated_at = now;
        }
        stored.assets.extend(assets);
        stored.metadata.asset_count = stored.assets.len() as u32;
        stored.metadata.total_size = stored.assets.iter().map(|asset| asset.len).sum();
        Ok(ids)
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

    /// What assets that came have is in use.
    fn note(&mut self, capsule: usize, assets: &[Asset]) {
        for asset in assets {
            if let Place::Blob(blob) = asset.place {
                self.blobs[blob].referenced = true;
            }
            if let Some(address) = asset.place.address() {
                self.capsules[capsule].to_delete.remove(&address);
            }
        }
    }

    /// Also of memories in the trash.
    pub fn references(&self, blob: usize) -> usize {
        self.assets_of(self.blobs[blob].capsule)
            .filter(|a| a.place == Place::Blob(blob))
            .count()
    }

    /// One in the trash, too. Again: Ok.
    pub fn memories_delete(
        &mut self,
        (who, now): (usize, u64),
        id: Option<&MemoryId>,
        delete_assets: bool,
    ) -> Answer<()> {
        if let Found::There(id) | Found::Trashed(id) = self.deletable((who, now), id)? {
            self.forget(&id, delete_assets, Some(self.acting(who)), now);
        }
        Ok(())
    }
}
