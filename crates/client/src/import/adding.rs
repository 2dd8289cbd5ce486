//! Derivatives and companions on their way to their memory: the larger ones as blobs, the placeholder inline while the capsule's
//! inline budget lasts, all of them added in one call; one by one where the vault does not take them together.

use std::sync::{Arc, atomic::Ordering};

use keepsake_api::{AssetMetadata, Error as VaultError, InlineAssetInput, InternalBlobAssetInput};

use super::{Importer, facts::Facts};
use crate::{
    ClientError, Content,
    derivatives::{Derivative, Kind},
};

/// Names an asset within its memory, together with its content and kind, so that adding it again adds nothing.
const IDEM: &str = "derivatives";

/// An asset that is ready to be added.
pub(super) enum Brought {
    Blob(InternalBlobAssetInput),
    /// A placeholder.
    Inline(InlineAssetInput),
}

/// Adds to one memory.
pub(super) struct Adding<'a> {
    pub importer: &'a Importer,
    pub facts: &'a Facts,
    pub memory_id: &'a str,
}

impl Adding<'_> {
    /// Uploads what is to be a blob. The error is the reason, for people.
    pub async fn bring(&self, derivative: Derivative) -> Result<Brought, String> {
        let metadata = self.facts.derivative_metadata(&derivative);
        let inline = derivative.kind == Kind::Placeholder
            && derivative.bytes.len() <= self.importer.inline_max
            && !self.importer.inline_spent.load(Ordering::Relaxed);
        if inline {
            return Ok(Brought::Inline(InlineAssetInput {
                bytes: derivative.bytes.into(),
                metadata,
            }));
        }
        let kind = derivative.kind;
        self.reason(
            self.upload(kind, derivative.bytes.into(), metadata)
                .await
                .map(Brought::Blob),
        )
    }

    /// Adds them; each answer is for one of them, with the reason where it failed. `P` says which one it is.
    pub async fn add<P>(&self, brought: Vec<(P, Brought)>) -> Vec<(P, Result<(), String>)> {
        if brought.is_empty() {
            return Vec::new();
        }
        let all: Vec<&Brought> = brought.iter().map(|(_, brought)| brought).collect();
        match self.call(&all).await {
            Ok(()) => brought
                .into_iter()
                .map(|(part, _)| (part, Ok(())))
                .collect(),
            // All or none: one of them may be what the vault does not take.
            Err(ClientError::Vault { .. }) => {
                let mut added = Vec::new();
                for (part, brought) in brought {
                    let result = self.add_alone(brought).await;
                    added.push((part, self.reason(result)));
                }
                added
            }
            Err(e) => {
                let reason: Result<(), String> = self.reason(Err(e));
                brought
                    .into_iter()
                    .map(|(part, _)| (part, reason.clone()))
                    .collect()
            }
        }
    }

    async fn add_alone(&self, brought: Brought) -> Result<(), ClientError> {
        let asset = match (self.call(&[&brought]).await, brought) {
            (
                Err(ClientError::Vault {
                    error: VaultError::ResourceExhausted,
                    ..
                }),
                Brought::Inline(asset),
            ) => asset,
            (result, _) => return result,
        };
        self.importer.inline_spent.store(true, Ordering::Relaxed);
        let blob = self
            .upload(
                Kind::Placeholder,
                asset.bytes.into_vec().into(),
                asset.metadata,
            )
            .await?;
        self.call(&[&Brought::Blob(blob)]).await
    }

    async fn call(&self, brought: &[&Brought]) -> Result<(), ClientError> {
        let mut blobs = Vec::new();
        let mut inline = Vec::new();
        for brought in brought {
            match brought {
                Brought::Blob(asset) => blobs.push(asset.clone()),
                Brought::Inline(asset) => inline.push(asset.clone()),
            }
        }
        self.importer
            .vault
            .memories_add_assets(self.memory_id, &blobs, &inline, IDEM)
            .await?;
        Ok(())
    }

    async fn upload(
        &self,
        kind: Kind,
        bytes: Arc<[u8]>,
        metadata: AssetMetadata,
    ) -> Result<InternalBlobAssetInput, ClientError> {
        if self.importer.gone.load(Ordering::Relaxed) {
            return Err(ClientError::NotTried);
        }
        let content = Content::Bytes {
            bytes,
            // Two photos may have equal placeholders; their uploads must not meet in one session.
            label: format!("{}/{}", self.memory_id, kind.name()),
        };
        let blob = self
            .importer
            .uploader
            .upload(&self.importer.capsule_id, &content, &|_| {})
            .await?;
        Ok(InternalBlobAssetInput {
            blob_id: blob.id,
            metadata,
        })
    }

    fn reason<T>(&self, result: Result<T, ClientError>) -> Result<T, String> {
        result.map_err(|e| {
            self.importer.note(&e);
            e.to_string()
        })
    }
}
