//! Content out of the vault again, compared with the SHA-256 that was recorded when it went in.

use futures::{StreamExt, stream};
use keepsake_api::{AssetMetadata, AssetType, ByteBuf, Memory};
use sha2::{Digest, Sha256};

use crate::{ClientError, Vault};

/// Chunks asked for ahead of the one being written.
const WINDOW: usize = 4;

/// Where an asset's bytes are.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In the memory itself.
    Inline(ByteBuf),
    /// A blob of the vault, by its locator.
    Blob(String),
    /// Outside the vault: location and key there.
    External { location: String, key: String },
}

/// One asset of a memory, wherever it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetRef {
    pub id: String,
    pub asset_type: AssetType,
    pub name: String,
    pub mime: String,
    pub tags: Vec<String>,
    pub place: Place,
    /// Bytes; `None` where the vault does not say.
    pub len: Option<u64>,
    pub sha256: Option<[u8; 32]>,
}

/// All assets of a memory, in the interface's order: inline, internal, external.
pub fn assets_of(memory: &Memory) -> Vec<AssetRef> {
    let inline = memory.inline_assets.iter().map(|asset| {
        let place = Place::Inline(asset.bytes.clone());
        asset_ref(&asset.asset_id, &asset.metadata, place)
    });
    let internal = memory.blob_internal_assets.iter().map(|asset| {
        let place = Place::Blob(asset.blob_ref.locator.clone());
        let mut found = asset_ref(&asset.asset_id, &asset.metadata, place);
        // What the vault knows of the blob stands above what the metadata says.
        found.len = Some(asset.blob_ref.len);
        found.sha256 = as_hash(asset.blob_ref.hash.as_ref()).or(found.sha256);
        found
    });
    let external = memory.blob_external_assets.iter().map(|asset| {
        let place = Place::External {
            location: format!("{:?}", asset.location),
            key: asset.storage_key.clone(),
        };
        asset_ref(&asset.asset_id, &asset.metadata, place)
    });
    inline.chain(internal).chain(external).collect()
}

fn asset_ref(id: &str, metadata: &AssetMetadata, place: Place) -> AssetRef {
    let base = metadata.base();
    AssetRef {
        id: id.to_owned(),
        asset_type: base.asset_type,
        name: base.name.clone(),
        mime: base.mime_type.clone(),
        tags: base.tags.clone(),
        place,
        len: Some(base.bytes),
        sha256: as_hash(base.sha256.as_ref()),
    }
}

fn as_hash(bytes: Option<&ByteBuf>) -> Option<[u8; 32]> {
    bytes?.as_slice().try_into().ok()
}

/// The asset called `wanted`: `original`, `display`, `thumbnail`, `placeholder`, `metadata`, or an asset id. Of
/// several of one type, the first.
///
/// # Errors
/// [`ClientError::NoSuchAsset`], which says what there is.
pub fn find_asset(memory: &Memory, wanted: &str) -> Result<AssetRef, ClientError> {
    let mut assets = assets_of(memory);
    let position = assets
        .iter()
        .position(|asset| asset.id == wanted)
        .or_else(|| {
            assets
                .iter()
                .position(|asset| type_name(asset.asset_type) == wanted)
        });
    match position {
        Some(position) => Ok(assets.swap_remove(position)),
        None => {
            let present: Vec<String> = assets
                .iter()
                .map(|asset| format!("{} ({})", type_name(asset.asset_type), asset.id))
                .collect();
            Err(ClientError::NoSuchAsset {
                memory_id: memory.id.clone(),
                asset: wanted.to_owned(),
                present: if present.is_empty() {
                    "none".to_owned()
                } else {
                    present.join(", ")
                },
            })
        }
    }
}

/// The name of an asset type, lower case.
pub fn type_name(asset_type: AssetType) -> &'static str {
    match asset_type {
        AssetType::Original => "original",
        AssetType::Display => "display",
        AssetType::Thumbnail => "thumbnail",
        AssetType::Placeholder => "placeholder",
        AssetType::Metadata => "metadata",
    }
}

/// Hands the bytes of an asset to `consume`, part by part and in order, and then compares length and SHA-256
/// with what is recorded. Returns the length in bytes. At most a few chunks are in memory.
///
/// # Errors
/// [`ClientError::ContentMismatch`] after the last part, where what came is not what was put in;
/// [`ClientError::External`], [`ClientError::InlineLeftOut`]; [`ClientError::Output`] from `consume`; errors of
/// the calls.
pub async fn read_asset(
    vault: &Vault,
    asset: &AssetRef,
    mut consume: impl AsyncFnMut(Vec<u8>) -> std::io::Result<()>,
) -> Result<u64, ClientError> {
    let mut hasher = Sha256::new();
    let mut total = 0u64;
    match &asset.place {
        Place::External { location, .. } => {
            return Err(ClientError::External {
                asset_id: asset.id.clone(),
                location: location.clone(),
            });
        }
        Place::Inline(bytes) => {
            if bytes.is_empty() && asset.len.is_some_and(|len| len > 0) {
                return Err(ClientError::InlineLeftOut {
                    asset_id: asset.id.clone(),
                });
            }
            hasher.update(bytes);
            total = bytes.len() as u64;
            consume(bytes.to_vec()).await.map_err(ClientError::Output)?;
        }
        Place::Blob(locator) => {
            let meta = vault.blob_get_meta(locator).await?;
            let mut chunks = stream::iter(0..meta.chunk_count)
                .map(|index| vault.blob_read_chunk(locator, index))
                .buffered(WINDOW);
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk?;
                hasher.update(&chunk);
                total += chunk.len() as u64;
                consume(chunk).await.map_err(ClientError::Output)?;
            }
            if meta.size != total {
                return Err(mismatch(
                    asset,
                    format!("the blob has {} bytes, and {total} came", meta.size),
                ));
            }
        }
    }
    if let Some(len) = asset.len
        && len != total
    {
        return Err(mismatch(
            asset,
            format!("{len} bytes are recorded, and {total} came"),
        ));
    }
    let actual: [u8; 32] = hasher.finalize().into();
    match asset.sha256 {
        Some(recorded) if recorded == actual => Ok(total),
        Some(recorded) => Err(mismatch(
            asset,
            format!(
                "SHA-256 {} is recorded, and what came has {}",
                hex::encode(recorded),
                hex::encode(actual)
            ),
        )),
        None => Err(mismatch(
            asset,
            "no SHA-256 is recorded to compare with".to_owned(),
        )),
    }
}

/// Reads an asset back and compares it with its SHA-256, keeping nothing. Returns the length in bytes.
pub async fn verify_asset(vault: &Vault, asset: &AssetRef) -> Result<u64, ClientError> {
    read_asset(vault, asset, async |_| Ok(())).await
}

fn mismatch(asset: &AssetRef, detail: String) -> ClientError {
    ClientError::ContentMismatch {
        what: format!("asset {} ({})", asset.id, type_name(asset.asset_type)),
        detail,
    }
}
