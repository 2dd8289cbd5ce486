//! Single assets, read and removed, and everything else that takes away, compared.

use keepsake_api::{Error as Wire, MemoryAssetData};

use super::Driver;
use crate::calls::{Call, How, Pick, Who};
use crate::model::{Answer, Asset, AssetId, MemoryId, Place, Refusal};
use crate::pools::ANONYMOUS;

impl Driver {
    pub(super) fn asset_call(&mut self, who: Who, call: &Call) -> String {
        match call {
            Call::AssetRead { memory, of, nth } => {
                let (memory, real, who) = self.memory_and_caller(*memory, who);
                let asset = self.asset_of(memory.as_ref(), *of, *nth);
                self.list_assets(who, memory.as_ref(), &real);
                self.asset_read(who, memory.as_ref(), &real, asset, *nth);
                String::new()
            }
            Call::AssetRemove {
                memory,
                of,
                nth,
                how,
            } => {
                let (memory, real, who) = self.memory_and_caller(*memory, who);
                let asset = self.asset_of(memory.as_ref(), *of, *nth);
                self.asset_remove(who, memory.as_ref(), &real, asset, *nth, *how)
            }
            Call::Cleanup { memory } => {
                let (memory, real, who) = self.memory_and_caller(*memory, who);
                let expected = self.model.cleanup((who, self.now), memory.as_ref());
                let got = (self.vault).memories_cleanup_assets_all(self.context(who), &real);
                let text = format!("{got:?}");
                let answers = self.agree("memories_cleanup_assets_all", expected, got);
                if let Some((cleaned, got)) = answers {
                    assert_eq!((got.assets_cleaned, got.memory_id), (cleaned, real));
                }
                text
            }
            Call::CleanupBulk { memories } => {
                let picked: Vec<_> = memories
                    .iter()
                    .map(|pick| self.memory_pick(*pick))
                    .collect();
                let who = self.caller(who, Some(0));
                self.cleanup_bulk(who, picked)
            }
            Call::BlobDelete { blob } => {
                let (blob, real) = self.blob_pick(*blob, None);
                let capsule = match blob {
                    crate::model::BlobArg::Known(n) => Some(self.model.blobs[n].capsule),
                    _ => None,
                };
                let who = self.caller(who, self.owner(capsule));
                let expected = self.model.blob_delete((who, self.now), blob);
                let got = self.vault.blob_delete(self.context(who), &real);
                let text = format!("{got:?}");
                self.agree("blob_delete", expected, got);
                text
            }
            Call::DeleteBulk {
                capsule,
                memories,
                delete_assets,
            } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                self.delete_bulk(who, (capsule, &real), memories, *delete_assets)
            }
            other => unreachable!("dispatched elsewhere: {other:?}"),
        }
    }

    /// The nth asset of that memory, else of this one.
    fn asset_of(&self, memory: Option<&MemoryId>, of: Option<Pick>, nth: usize) -> Option<Asset> {
        let of = of.map_or(memory.cloned(), |pick| self.memory_pick(pick).0);
        let assets = &self.model.memories.get(&of?)?.assets;
        (!assets.is_empty()).then(|| assets[nth % assets.len()].clone())
    }

    fn list_assets(&mut self, who: usize, memory: Option<&MemoryId>, real: &str) {
        let expected = self.model.memories_read((who, self.now), memory);
        let got = self.vault.memories_list_assets(self.context(who), real);
        let Some((id, got)) = self.agree("memories_list_assets", expected, got) else {
            return;
        };
        let all = self.model.assets_in_order(&id);
        let all: Vec<&str> = all.iter().map(|asset| self.assets.of(&asset.id)).collect();
        let lists = [got.inline_assets, got.internal_assets, got.external_assets];
        assert_eq!(lists.concat(), all, "memories_list_assets");
        assert_eq!(
            (got.total_count as usize, got.memory_id.as_str()),
            (all.len(), real)
        );
    }

    /// By its place, and by its id.
    fn asset_read(
        &mut self,
        who: usize,
        memory: Option<&MemoryId>,
        real: &str,
        asset: Option<Asset>,
        nth: usize,
    ) {
        let context = self.context(who);
        let expected = self.model.memories_read((who, self.now), memory);
        let by_place = expected.clone().and_then(|id| {
            let asset = self.model.assets_in_order(&id).get(nth).copied().cloned();
            self.readable(who, &id, asset)
        });
        let got = self.vault.memories_read_asset(context, real, nth as u32);
        if let Some((asset, got)) = self.agree("memories_read_asset", by_place, got) {
            self.asset_data(&asset, got);
        }
        let name = asset
            .as_ref()
            .map(|asset| self.assets.of(&asset.id).to_owned());
        let by_id = expected.and_then(|id| {
            let of_it = &self.model.memories[&id].assets;
            let asset = asset.filter(|asset| of_it.iter().any(|one| one.id == asset.id));
            self.readable(who, &id, asset)
        });
        let name = name.unwrap_or_else(|| "asset".into());
        let got = self.vault.asset_get_by_id(context, real, &name);
        if let Some((asset, got)) = self.agree("asset_get_by_id", by_id, got) {
            self.asset_data(&asset, got);
        }
    }

    fn readable(&self, who: usize, id: &MemoryId, asset: Option<Asset>) -> Answer<Asset> {
        match asset {
            None => Err(vec![Refusal::NotFound]),
            Some(asset) if self.model.may_read(who, id, &asset, self.now) => Ok(asset),
            Some(_) => Err(vec![Refusal::Unauthorized]),
        }
    }

    fn asset_data(&self, asset: &Asset, got: MemoryAssetData) {
        let base = asset.metadata.base();
        let known = base.sha256.clone();
        match (&asset.place, got) {
            (
                Place::Inline(held),
                MemoryAssetData::Inline {
                    bytes,
                    content_type,
                    size,
                    sha256,
                },
            ) => {
                assert!(bytes == *held, "other bytes");
                assert_eq!(
                    (content_type, size, sha256),
                    (base.mime_type.clone(), asset.len, known)
                );
            }
            (
                Place::Blob(blob),
                MemoryAssetData::InternalBlob {
                    blob_id,
                    size,
                    sha256,
                },
            ) => {
                assert_eq!(
                    (blob_id.as_str(), size, sha256),
                    (self.blobs.of(blob), asset.len, known)
                );
            }
            (
                Place::External { key, url, .. },
                MemoryAssetData::ExternalUrl {
                    url: at,
                    size,
                    sha256,
                },
            ) => {
                assert_eq!(at, url.clone().unwrap_or_else(|| key.clone()));
                assert_eq!((size.unwrap_or(0), sha256), (asset.len, known));
            }
            (place, got) => panic!("an asset at {place:?} is read as {got:?}"),
        }
    }

    fn asset_remove(
        &mut self,
        who: usize,
        memory: Option<&MemoryId>,
        real: &str,
        asset: Option<Asset>,
        nth: usize,
        how: How,
    ) -> String {
        let context = self.context(who);
        let id = asset
            .as_ref()
            .map_or("asset".to_owned(), |a| self.assets.of(&a.id).to_owned());
        let address = match asset.as_ref().map(|asset| &asset.place) {
            Some(Place::Blob(blob)) => self.blobs.of(blob).to_owned(),
            Some(Place::External { key, .. }) => key.clone(),
            _ => "blob_7".to_owned(),
        };
        let expected = self.model.manageable((who, self.now), memory);
        // The first asset that fits, in the order in which they came.
        let find = |of: &MemoryId, fits: &dyn Fn(&Asset) -> bool| {
            let assets = &self.model.memories[of].assets;
            assets
                .iter()
                .find(|one| fits(one))
                .map(|one| one.id.clone())
        };
        let same_place = |one: &Asset| match (&one.place, asset.as_ref().map(|a| &a.place)) {
            (Place::Blob(one), Some(Place::Blob(other))) => one == other,
            (Place::External { key, .. }, Some(Place::External { key: other, .. })) => key == other,
            _ => false,
        };
        let is_it = |one: &Asset| Some(&one.id) == asset.as_ref().map(|asset| &asset.id);
        let inline = |one: &Asset| matches!(one.place, Place::Inline(_));
        let internal = |one: &Asset| matches!(one.place, Place::Blob(_));
        let expected: Answer<(MemoryId, Option<AssetId>)> = expected.map(|of| {
            let found = match how {
                How::AnyById | How::ById => find(&of, &is_it),
                How::AnyByAddress => find(&of, &same_place),
                How::AnyByIndex => {
                    let all = self.model.assets_in_order(&of);
                    all.get(nth).map(|one| one.id.clone())
                }
                How::Inline => {
                    let mut all = self.model.memories[&of].assets.iter().filter(|a| inline(a));
                    all.nth(nth).map(|one| one.id.clone())
                }
                How::Internal => find(&of, &|one| internal(one) && same_place(one)),
                How::External => find(&of, &|one| !internal(one) && same_place(one)),
            };
            (of, found)
        });
        let expected = match (how, expected) {
            (How::ById, Ok((_, None))) => Err(vec![Refusal::NotFound]),
            (_, expected) => expected,
        };
        let vault = &mut self.vault;
        let (method, got) = match how {
            How::AnyById => ("asset_remove", vault.asset_remove(context, real, &id)),
            How::AnyByAddress => ("asset_remove", vault.asset_remove(context, real, &address)),
            How::AnyByIndex => (
                "asset_remove",
                vault.asset_remove(context, real, &nth.to_string()),
            ),
            How::ById => (
                "asset_remove_by_id",
                vault.asset_remove_by_id(context, real, &id),
            ),
            How::Inline => (
                "asset_remove_inline",
                vault.asset_remove_inline(context, real, nth as u32),
            ),
            How::Internal => (
                "asset_remove_internal",
                vault.asset_remove_internal(context, real, &address),
            ),
            How::External => (
                "asset_remove_external",
                vault.asset_remove_external(context, real, &address),
            ),
        };
        let text = format!("{got:?}");
        if let Some(((of, found), got)) = self.agree(method, expected, got) {
            assert_eq!(
                (got.asset_removed, got.memory_id.as_str()),
                (found.is_some(), real)
            );
            self.model.remove(&of, found.as_slice(), self.now);
            self.read(who, Some(&of), real);
        }
        text
    }

    fn cleanup_bulk(&mut self, who: usize, picked: Vec<(Option<MemoryId>, String)>) -> String {
        let expected = if who == ANONYMOUS {
            Err(vec![Refusal::Unauthorized])
        } else {
            let each = picked.iter().map(|(id, real)| {
                let answer = self.model.cleanup((who, self.now), id.as_ref());
                (real.clone(), answer)
            });
            Ok(each.collect::<Vec<_>>())
        };
        let ids = picked.iter().map(|(_, real)| real.clone()).collect();
        let got = self
            .vault
            .memories_cleanup_assets_bulk(self.context(who), ids);
        let text = format!("{got:?}");
        let answers = self.agree("memories_cleanup_assets_bulk", expected, got);
        if let Some((expected, got)) = answers {
            let (ok, failed): (Vec<_>, Vec<_>) =
                expected.into_iter().partition(|(_, answer)| answer.is_ok());
            let ok: Vec<String> = ok.into_iter().map(|(real, _)| real).collect();
            assert_eq!(got.ok, ok, "cleaned");
            assert_eq!(got.failed.len(), failed.len());
            for (got, (real, why)) in got.failed.iter().zip(failed) {
                let unauthorized = why == Err(vec![Refusal::Unauthorized]);
                let expected = if unauthorized {
                    Wire::Unauthorized
                } else {
                    Wire::NotFound
                };
                assert_eq!((&got.id, &got.err), (&real, &expected));
            }
        }
        text
    }

    fn delete_bulk(
        &mut self,
        who: usize,
        (capsule, real): (Option<usize>, &str),
        memories: &[Pick],
        delete_assets: bool,
    ) -> String {
        let picked: Vec<_> = memories
            .iter()
            .map(|pick| self.memory_pick(*pick))
            .collect();
        let (ids, names): (Vec<_>, Vec<_>) = picked.into_iter().unzip();
        let caller = (who, self.now);
        let expected = self
            .model
            .memories_delete_bulk(caller, capsule, &ids, delete_assets);
        let context = self.context(who);
        let got = (self.vault).memories_delete_bulk(context, real, &names, delete_assets);
        let text = format!("{got:?}");
        if let Some((deleted, got)) = self.agree("memories_delete_bulk", expected, got) {
            let failed = names.len() as u32 - deleted;
            assert_eq!((got.deleted_count, got.failed_count), (deleted, failed));
            for id in ids.iter().flatten() {
                if !self.model.memories.contains_key(id) {
                    self.walks.deleted(id);
                }
            }
        }
        text
    }
}
