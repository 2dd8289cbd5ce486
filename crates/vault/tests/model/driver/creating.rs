//! Memories created and added to, compared.

use keepsake_api::{
    AssetMetadata, BlobRef, ByteBuf, InlineAssetInput, InternalBlobAssetInput, MemoryMetadata,
    MemoryType, SharingStatus,
};
use keepsake_vault::NewMemory;

use super::Driver;
use crate::calls::{Content, Given, Pick, Said, Several, hash, size};
use crate::model::{BlobArg, MemoryId, Source};
use crate::pools::{CONTENTS, principal, sha256};

/// The assets of one call, as the vault takes them.
#[derive(Default)]
struct Inputs {
    blobs: Vec<InternalBlobAssetInput>,
    inline: Vec<InlineAssetInput>,
}

impl Driver {
    /// Length and hash that a blob argument really has.
    pub(super) fn truth(&self, blob: BlobArg) -> (u64, [u8; 32]) {
        let bytes = if let BlobArg::Known(n) = blob {
            self.model.blobs[n].bytes()
        } else {
            vec![]
        };
        (bytes.len() as u64, sha256(&bytes))
    }

    pub(super) fn blob_input(
        &self,
        capsule: Option<usize>,
        pick: Pick,
        said: &Said,
    ) -> (Source, InternalBlobAssetInput) {
        let (blob, blob_id) = self.blob_pick(pick, capsule);
        let (len, sha) = self.truth(blob);
        (
            Source::Blob {
                blob,
                hash: None,
                len: 0,
            },
            InternalBlobAssetInput {
                blob_id,
                metadata: said.metadata(len, sha),
            },
        )
    }

    pub(super) fn inline_input(&self, content: usize, said: &Said) -> (Source, InlineAssetInput) {
        let bytes = CONTENTS[content].clone();
        let metadata = said.metadata(bytes.len() as u64, sha256(&bytes));
        (
            Source::Inline(bytes.clone()),
            InlineAssetInput {
                bytes: bytes.into(),
                metadata,
            },
        )
    }

    #[allow(clippy::too_many_arguments)] // as many as the call has
    pub(super) fn create(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        real: String,
        contents: &[Content],
        stray_hash: Given,
        said: &Said,
        idem: &str,
    ) -> String {
        let mut new = NewMemory {
            capsule: real,
            inline: None,
            blob: None,
            location: None,
            storage_key: Some("ignored".into()),
            url: None,
            size: Some(3),
            sha256: hash(stray_hash, [5; 32]).map(ByteBuf::from),
            metadata: said.metadata(0, [0; 32]),
            idem: idem.into(),
        };
        let mut sources = vec![];
        for content in contents {
            sources.push(match content {
                Content::Inline(content) => {
                    let (source, input) = self.inline_input(*content, said);
                    new.inline = Some(input.bytes);
                    new.metadata = input.metadata;
                    source
                }
                Content::Blob {
                    blob,
                    hash: hash_given,
                    len: len_given,
                } => {
                    let (blob, locator) = self.blob_pick(*blob, capsule);
                    let (len, sha) = self.truth(blob);
                    let (hash, given) = (hash(*hash_given, sha), size(*len_given, len));
                    new.blob = Some(BlobRef {
                        locator,
                        hash: hash.clone().map(ByteBuf::from),
                        len: given,
                    });
                    new.metadata = said.metadata(len, sha);
                    Source::Blob {
                        blob,
                        hash,
                        len: given,
                    }
                }
                Content::External {
                    location,
                    key,
                    url,
                    content,
                    size: size_given,
                    hash: hash_given,
                } => {
                    let (len, sha) = (CONTENTS[*content].len() as u64, sha256(&CONTENTS[*content]));
                    let size = (*size_given != Given::Nothing).then(|| size(*size_given, len));
                    let hash = hash(*hash_given, sha);
                    new.location = Some(*location);
                    new.storage_key = key.map(Into::into);
                    new.url = url.then(|| "https://example.org/1".into());
                    new.size = size;
                    new.sha256 = hash.clone().map(ByteBuf::from);
                    new.metadata = said.metadata(len, sha);
                    Source::External {
                        location: *location,
                        key: new.storage_key.clone(),
                        url: new.url.clone(),
                        size,
                        hash,
                    }
                }
            });
        }
        let metadata = told_by(&new.metadata, self.now, self.model.acting(who));
        let before: Vec<MemoryId> = self.model.memories.keys().cloned().collect();
        let expected = self.model.memories_create(
            (who, self.now),
            capsule,
            &sources,
            &new.metadata,
            metadata,
            idem,
        );
        let got = self.vault.memories_create(self.context(who), new);
        let text = format!("{got:?}");
        if let Some((id, got)) = self.agree("memories_create", expected, got) {
            self.memories.learn(&id, &got);
            if before.binary_search(&id).is_err() {
                self.adopt(&id);
            }
        }
        text
    }

    /// What `memories_create` makes of the asset's metadata for the memory's own, where the contract leaves it open, is taken from
    /// the first read; it must never change again.
    pub(super) fn adopt(&mut self, id: &MemoryId) {
        let owner = self.model.an_owner(id.capsule);
        let got = self
            .vault
            .memories_read(self.context(owner), self.memories.of(id))
            .expect("the owner reads what was just created");
        let known = &mut self.model.memories.get_mut(id).expect("created").metadata;
        known.title = got.metadata.title;
        known.description = got.metadata.description;
        known.tags = got.metadata.tags;
        known.date_of_memory = got.metadata.date_of_memory;
        known.file_created_at = got.metadata.file_created_at;
        known.database_storage_edges = got.metadata.database_storage_edges;
        let real = self.memories.of(id).to_owned();
        self.read(owner, Some(id), &real);
    }

    /// What a call with several assets says, for the model and for the vault.
    fn several(
        &self,
        capsule: Option<usize>,
        assets: &Several,
    ) -> (Vec<(Source, AssetMetadata)>, Inputs) {
        let mut said = vec![];
        let mut inputs = Inputs::default();
        for (pick, asset) in &assets.blobs {
            let (source, input) = self.blob_input(capsule, *pick, asset);
            said.push((source, input.metadata.clone()));
            inputs.blobs.push(input);
        }
        for (content, asset) in &assets.inline {
            let (source, input) = self.inline_input(*content, asset);
            said.push((source, input.metadata.clone()));
            inputs.inline.push(input);
        }
        (said, inputs)
    }

    pub(super) fn create_with_assets(
        &mut self,
        who: usize,
        (capsule, real): (Option<usize>, &str),
        mut metadata: MemoryMetadata,
        assets: &Several,
        idem: &str,
    ) -> String {
        let (said, inputs) = self.several(capsule, assets);
        let method = if inputs.inline.is_empty() {
            "memories_create_with_internal_blobs"
        } else {
            "memories_create_with_internal_blobs_and_inline_assets"
        };
        let got = self.vault.memories_create_with_assets(
            self.context(who),
            real,
            metadata.clone(),
            inputs.blobs,
            inputs.inline,
            idem,
        );
        metadata.created_by = Some(principal(self.model.acting(who)).to_text());
        metadata.shared_count = 0;
        metadata.sharing_status = SharingStatus::Private;
        let caller = (who, self.now);
        let expected =
            (self.model).memories_create_with_assets(caller, capsule, metadata, &said, idem);
        let text = format!("{got:?}");
        if let Some((id, got)) = self.agree(method, expected, got) {
            self.memories.learn(&id, &got);
            self.read(self.model.an_owner(id.capsule), Some(&id), &got);
        }
        text
    }

    pub(super) fn add_several(
        &mut self,
        who: usize,
        memory: Option<&MemoryId>,
        real: &str,
        assets: &Several,
        idem: &str,
    ) -> String {
        let (said, inputs) = self.several(memory.map(|m| m.capsule), assets);
        let expected = self
            .model
            .memories_add((who, self.now), memory, &said, idem);
        let context = self.context(who);
        let got =
            (self.vault).memories_add_assets(context, real, inputs.blobs, inputs.inline, idem);
        let text = format!("{got:?}");
        if let Some((ids, got)) = self.agree("memories_add_assets", expected, got) {
            assert_eq!(got.len(), ids.len(), "ids of the assets added");
            for (id, got) in ids.iter().zip(&got) {
                self.assets.learn(id, got);
            }
            self.read(who, memory, real);
        }
        text
    }

    pub(super) fn add(
        &mut self,
        who: usize,
        memory: Option<&MemoryId>,
        real: &str,
        asset: &Content,
        said: &Said,
        idem: &str,
    ) -> String {
        let context = self.context(who);
        let (method, said, got) = match asset {
            Content::Inline(content) => {
                let (source, input) = self.inline_input(*content, said);
                let said = (source, input.metadata.clone());
                let got = (self.vault).memories_add_inline_asset(context, real, input, idem);
                ("memories_add_inline_asset", said, got)
            }
            Content::Blob { blob, .. } => {
                let (source, input) = self.blob_input(memory.map(|m| m.capsule), *blob, said);
                let said = (source, input.metadata.clone());
                let got = self.vault.memories_add_asset(context, real, input, idem);
                ("memories_add_asset", said, got)
            }
            Content::External { .. } => unreachable!("the strategy generates none"),
        };
        let expected = (self.model).memories_add((who, self.now), memory, &[said], idem);
        let text = format!("{got:?}");
        if let Some((assets, got)) = self.agree(method, expected, got) {
            self.assets.learn(&assets[0], &got);
        }
        text
    }
}

/// The memory's metadata as far as the contract says what `memories_create` derives it from.
fn told_by(asset: &AssetMetadata, now: u64, who: usize) -> MemoryMetadata {
    MemoryMetadata {
        memory_type: match asset {
            AssetMetadata::Image(_) => MemoryType::Image,
            AssetMetadata::Video(_) => MemoryType::Video,
            AssetMetadata::Audio(_) => MemoryType::Audio,
            AssetMetadata::Document(_) => MemoryType::Document,
            AssetMetadata::Note(_) => MemoryType::Note,
        },
        title: None,
        description: None,
        content_type: asset.base().mime_type.clone(),
        created_at: now,
        updated_at: now,
        uploaded_at: now,
        date_of_memory: None,
        file_created_at: None,
        parent_folder_id: None,
        tags: vec![],
        deleted_at: None,
        people_in_memory: None,
        location: None,
        memory_notes: None,
        created_by: Some(principal(who).to_text()),
        database_storage_edges: vec![],
        shared_count: 0,
        sharing_status: SharingStatus::Private,
        total_size: 0,
        asset_count: 0,
    }
}
