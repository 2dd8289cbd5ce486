//! What a look at a file and its sidecars tells, and the metadata that follows from it.
//!
//! The place where a picture was taken goes into metadata only where that was asked for: whoever may see a memory's metadata need
//! not be allowed to see its original.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use keepsake_api::{
    AssetMetadata, AssetMetadataBase, AssetType, ImageAssetMetadata, MemoryMetadata, MemoryType,
    SharingStatus,
};

use super::{
    Fate, Kept,
    companion::{self, Companion},
    parts::Added,
    told::Told,
};
use crate::{
    ClientError,
    capture::{self, CaptureTime, ExifFacts},
    companions::Companions,
    derivatives::{self, Derivative, Kind},
    media::{self, Decoding, Media},
    upload::FileContent,
};

/// Photos are decoded side by side as long as together they have no more than this many million pixels; a larger one
/// is decoded alone.
pub(super) const MEGAPIXELS_AT_ONCE: u32 = 150;

/// What is wanted of a file.
#[derive(Clone, Copy)]
pub(super) struct Looking {
    /// Whether the place where a photo was taken goes into its memory's metadata.
    pub places: bool,
    pub derivatives: bool,
}

/// What a look at a file tells, before any of it travels.
pub(super) struct Facts {
    pub file: FileContent,
    /// The file's name, for people.
    pub name: String,
    pub media: Media,
    pub exif: Option<ExifFacts>,
    pub captured: Option<CaptureTime>,
    /// As stored.
    pub dimensions: Option<(u32, u32)>,
    pub companions: Vec<Companion>,
    pub told: Told,
    /// Whether derivatives are wanted.
    derivatives: bool,
}

impl Facts {
    /// Blocking.
    pub fn read(
        path: &Path,
        companions: &Companions,
        looking: Looking,
    ) -> Result<Self, ClientError> {
        let file = FileContent::at(path)?;
        let failed = |e| ClientError::file(path, e);
        let head = file.head(media::HEAD_LEN)?;
        let file_name = path.file_name().map_or_else(PathBuf::new, PathBuf::from);
        let media = media::identify(&file_name, &head);
        let exif = if media.memory_type == MemoryType::Image {
            let opened = File::open(path).map_err(failed)?;
            capture::read_exif(&opened)
        } else {
            None
        };
        let dimensions = match media.decoding {
            Decoding::Photo(format) => derivatives::dimensions(path, format).ok(),
            _ => None,
        };
        let (companions, mut told) = companion::look(companions, looking.places);
        if looking.places
            && let Some(point) = exif.and_then(|exif| exif.point)
        {
            told.place = Some(point.to_string());
        }
        Ok(Facts {
            captured: capture::capture_time(exif.as_ref(), told.taken, &file_name, file.modified),
            name: file_name.to_string_lossy().into_owned(),
            file,
            media,
            exif,
            dimensions,
            companions,
            told,
            derivatives: looking.derivatives,
        })
    }

    /// Derivatives that this file should have.
    pub fn wanted(&self) -> &'static [Kind] {
        match self.media.decoding {
            Decoding::Photo(_) if self.derivatives => &Kind::ALL,
            Decoding::Photo(_) | Decoding::NotDecoded | Decoding::NotAnImage => &[],
        }
    }

    /// Million pixels, for the share of memory that decoding takes: 1 to all.
    pub fn megapixels(&self) -> u32 {
        let pixels = self
            .dimensions
            .map_or(0, |(w, h)| u64::from(w) * u64::from(h));
        u32::try_from(pixels.div_ceil(1_000_000))
            .unwrap_or(MEGAPIXELS_AT_ONCE)
            .clamp(1, MEGAPIXELS_AT_ONCE)
    }

    pub fn kept(&self, fate: Fate, memory_id: String, sha256: [u8; 32], added: Added) -> Kept {
        Kept {
            fate,
            memory_id,
            memory_type: self.media.memory_type,
            mime: self.media.mime.clone(),
            sha256,
            len: self.file.len,
            captured: self.captured,
            derivatives: added.derivatives,
            companions: added.companions,
        }
    }

    /// What the vault computes is left at zero. `created_at` is the client's where it is given, and listings carry no
    /// other date: it is when the picture was made, as `uploaded_at` is when it came into the vault.
    pub fn memory_metadata(&self) -> MemoryMetadata {
        MemoryMetadata {
            memory_type: self.media.memory_type,
            title: Some(self.told.title.clone().unwrap_or_else(|| self.name.clone())),
            description: self.told.description.clone(),
            content_type: self.media.mime.clone(),
            created_at: self.captured.map_or(0, |time| time.nanos),
            updated_at: 0,
            uploaded_at: 0,
            date_of_memory: self.captured.map(|time| time.nanos),
            file_created_at: self.file.modified.and_then(capture::file_time),
            parent_folder_id: None,
            tags: self.told.tags.clone(),
            deleted_at: None,
            people_in_memory: (!self.told.people.is_empty()).then(|| self.told.people.clone()),
            location: self.told.place.clone(),
            memory_notes: None,
            created_by: None,
            database_storage_edges: Vec::new(),
            shared_count: 0,
            sharing_status: SharingStatus::Private,
            total_size: 0,
            asset_count: 0,
        }
    }

    pub fn original_metadata(&self) -> AssetMetadata {
        let base = AssetMetadataBase {
            bytes: self.file.len,
            tags: self
                .captured
                .map(|time| time.source.tag().to_owned())
                .into_iter()
                .collect(),
            width: self.dimensions.map(|(width, _)| width),
            height: self.dimensions.map(|(_, height)| height),
            ..AssetMetadataBase::new(&self.name, AssetType::Original, &self.media.mime)
        };
        match self.media.memory_type {
            MemoryType::Image => AssetMetadata::Image(ImageAssetMetadata {
                orientation: self.exif.and_then(|exif| exif.orientation),
                ..base.into()
            }),
            MemoryType::Video => AssetMetadata::Video(base.into()),
            MemoryType::Audio => AssetMetadata::Audio(base.into()),
            MemoryType::Document => AssetMetadata::Document(base.into()),
            MemoryType::Note => AssetMetadata::Note(base.into()),
        }
    }

    pub fn derivative_metadata(&self, derivative: &Derivative) -> AssetMetadata {
        let stem = Path::new(&self.name)
            .file_stem()
            .map_or_else(|| self.name.clone(), |s| s.to_string_lossy().into_owned());
        let name = format!("{stem}.{}.webp", derivative.kind.name());
        let base = AssetMetadataBase {
            bytes: derivative.bytes.len() as u64,
            width: Some(derivative.width),
            height: Some(derivative.height),
            ..AssetMetadataBase::new(name, derivative.kind.asset_type(), derivatives::MIME)
        };
        AssetMetadata::Image(ImageAssetMetadata {
            // Pixels are stored upright.
            orientation: Some(1),
            ..base.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::capture::TimeSource;

    const ALL: Looking = Looking {
        places: false,
        derivatives: true,
    };

    fn fixture(name: &str) -> Facts {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        Facts::read(&folder.join(name), &Companions::default(), ALL).unwrap()
    }

    #[test]
    fn a_photo_is_described_as_it_is_stored() {
        let facts = fixture("portrait-orientation-6.jpg");
        assert_eq!(facts.wanted(), Kind::ALL);
        assert_eq!(facts.memory_metadata().content_type, "image/jpeg");
        let AssetMetadata::Image(original) = facts.original_metadata() else {
            panic!("not an image");
        };
        assert_eq!(original.orientation, Some(6));
        assert_eq!(original.base.name, "portrait-orientation-6.jpg");
        assert_eq!(original.base.bytes, facts.file.len);
        assert_eq!(
            (original.base.width, original.base.height),
            facts
                .dimensions
                .map_or((None, None), |(w, h)| (Some(w), Some(h)))
        );
        assert!(original.base.width.is_some());
    }

    #[test]
    fn the_source_of_the_time_is_recorded() {
        let facts = fixture("date-gps.jpg");
        let metadata = facts.memory_metadata();
        // 2025-12-01T11:30:00, the camera's clock, without an offset.
        assert_eq!(metadata.date_of_memory, Some(1_764_588_600_000_000_000));
        assert_eq!(metadata.created_at, 1_764_588_600_000_000_000);
        assert_eq!(metadata.location, None);
        assert_eq!(
            facts.original_metadata().base().tags,
            [TimeSource::ExifLocal.tag()]
        );
    }

    #[test]
    fn what_is_no_photo_has_no_derivatives() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("IMG_20190713_120312.md");
        std::fs::write(&path, "a note").unwrap();
        let modified = UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        let facts = Facts::read(&path, &Companions::default(), ALL).unwrap();
        assert!(facts.wanted().is_empty());
        let metadata = facts.memory_metadata();
        assert_eq!(metadata.memory_type, MemoryType::Note);
        assert_eq!(metadata.file_created_at, Some(1_600_000_000_000_000_000));
        assert_eq!(metadata.date_of_memory, Some(1_563_019_392_000_000_000));
        assert!(matches!(facts.original_metadata(), AssetMetadata::Note(_)));
    }

    #[test]
    fn decoding_takes_a_bounded_share() {
        let mut facts = fixture("density_plot.png");
        assert_eq!(facts.megapixels(), 1);
        facts.dimensions = Some((12_000, 9_000));
        assert_eq!(facts.megapixels(), 108);
        facts.dimensions = Some((u32::MAX, u32::MAX));
        assert_eq!(facts.megapixels(), MEGAPIXELS_AT_ONCE);
    }
}
