//! What belongs to a photo, as assets of its memory: a live photo's motion is a further original, a sidecar is metadata.

use std::path::{Path, PathBuf};

use keepsake_api::{AssetMetadata, AssetMetadataBase, AssetType, InternalBlobAssetInput};
use sha2::{Digest, Sha256};

use super::{DerivativeFate, Importer, told::Told};
use crate::{
    ClientError, Content, StoredBlob,
    companions::Companions,
    media,
    sidecar::{self, SidecarKind},
    upload::{FileContent, blocking},
};

/// What a companion is to its photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompanionRole {
    /// The video of a live photo.
    Motion,
    Sidecar,
}

impl CompanionRole {
    /// Its name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            CompanionRole::Motion => "motion",
            CompanionRole::Sidecar => "sidecar",
        }
    }
}

/// What became of a companion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCompanion {
    pub path: PathBuf,
    pub role: CompanionRole,
    /// Of its content; `None` where it could not be read.
    pub sha256: Option<[u8; 32]>,
    pub fate: DerivativeFate,
}

/// A companion as it was when it was looked at.
#[derive(Clone)]
pub(super) struct Companion {
    pub path: PathBuf,
    pub role: CompanionRole,
    /// Or why it cannot be read.
    file: Result<FileContent, String>,
    mime: String,
    /// For people and programs: who wrote it, and what it gave.
    tags: Vec<String>,
}

/// Looks at what belongs to a photo, and puts together what its sidecars say. Blocking.
pub(super) fn look(companions: &Companions, places: bool) -> (Vec<Companion>, Told) {
    let mut told = Told::default();
    let mut found = Vec::new();
    if let Some(path) = &companions.motion {
        found.push(Companion {
            mime: motion_mime(path),
            ..Companion::at(path, CompanionRole::Motion)
        });
    }
    for path in &companions.sidecars {
        let sidecar = sidecar::read(path);
        let mut tags = vec![sidecar.kind.tag().to_owned()];
        tags.extend(told.add(&sidecar, places).into_iter().map(str::to_owned));
        found.push(Companion {
            mime: sidecar.kind.mime().to_owned(),
            tags,
            ..Companion::at(path, CompanionRole::Sidecar)
        });
    }
    (found, told)
}

fn motion_mime(path: &Path) -> String {
    let head = FileContent::at(path).and_then(|file| file.head(media::HEAD_LEN));
    media::identify(path, &head.unwrap_or_default()).mime
}

impl Companion {
    fn at(path: &Path, role: CompanionRole) -> Self {
        Companion {
            path: path.to_owned(),
            role,
            file: FileContent::at(path).map_err(|e| e.to_string()),
            mime: SidecarKind::Unknown.mime().to_owned(),
            tags: Vec::new(),
        }
    }

    /// The SHA-256 of its content. Blocking.
    pub fn sha256(&self) -> Result<[u8; 32], String> {
        let file = self.file.clone()?;
        file.sha256().map_err(|e| e.to_string())
    }

    fn metadata(&self, len: u64) -> AssetMetadata {
        let name = self
            .path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let asset_type = match self.role {
            CompanionRole::Motion => AssetType::Original,
            CompanionRole::Sidecar => AssetType::Metadata,
        };
        let base = AssetMetadataBase {
            bytes: len,
            tags: self.tags.clone(),
            ..AssetMetadataBase::new(name, asset_type, &self.mime)
        };
        match self.role {
            CompanionRole::Motion => AssetMetadata::Video(base.into()),
            CompanionRole::Sidecar => AssetMetadata::Document(base.into()),
        }
    }
}

impl Importer {
    /// Brings a companion's content into the capsule, unless it is there. The error is the reason, for people.
    pub(super) async fn bring_companion(
        &self,
        companion: &Companion,
    ) -> (Option<[u8; 32]>, Result<InternalBlobAssetInput, String>) {
        let file = match &companion.file {
            Ok(file) => file.clone(),
            Err(reason) => return (None, Err(reason.clone())),
        };
        match self.blob_of(companion.role, file).await {
            Ok(blob) => (
                Some(blob.sha256),
                Ok(InternalBlobAssetInput {
                    blob_id: blob.id,
                    metadata: companion.metadata(blob.len),
                }),
            ),
            Err(e) => {
                self.note(&e);
                (None, Err(e.to_string()))
            }
        }
    }

    async fn blob_of(
        &self,
        role: CompanionRole,
        file: FileContent,
    ) -> Result<StoredBlob, ClientError> {
        // Hashed first, whatever its size: companions are short, and often there already.
        let (content, sha256) = {
            let in_memory = file.len <= u64::from(self.uploader.chunk_size());
            blocking(move || {
                if !in_memory {
                    let sha256 = file.sha256()?;
                    return Ok((Content::File(file), sha256));
                }
                let bytes = file.read_whole()?;
                let sha256 = Sha256::digest(&bytes).into();
                let content = Content::Bytes {
                    bytes: bytes.into(),
                    label: role.name().to_owned(),
                };
                Ok((content, sha256))
            })
            .await?
        };
        let len = content.len();
        if !self.began_empty
            && let Some(held) = self
                .asked
                .held(&self.vault, &self.capsule_id, sha256)
                .await?
            && held.size == len
        {
            return Ok(StoredBlob {
                id: held.blob_id,
                sha256,
                len,
            });
        }
        self.uploader
            .upload(&self.capsule_id, &content, &|_| {})
            .await
    }
}
