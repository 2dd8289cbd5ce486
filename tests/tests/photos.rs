//! Real photos, and what lies beside them in a folder, into a vault and back out: over HTTP, with the official agent's
//! verification on.

use std::{collections::BTreeMap, fs, sync::Arc};

use image::{DynamicImage, GenericImageView, ImageFormat, RgbImage};
use keepsake_client::{
    Content, DerivativeFate, Fate, Importer, Kept, NoProgress, Uploader, Vault,
    api::{AssetType, InternalBlobAssetInput, Memory, MemoryMetadata, MemoryType},
    assets_of,
    derivatives::{self, Kind},
    download::{AssetRef, find_asset},
    read_asset,
};
use keepsake_tests::{
    artefacts::fixture,
    audit::{Inventory, audit},
    content::{self, noise, sha256},
    home::Home,
    pictures,
};
use tempfile::TempDir;

/// Size of portrait-orientation-6.jpg, upright.
const PORTRAIT: (u32, u32) = (840, 700);

/// Long edge in pixels and size in bytes that a derivative may have.
fn bounds(kind: Kind) -> (u32, usize) {
    match kind {
        Kind::Display => (2048, 2 << 20),
        Kind::Thumbnail => (512, 200 << 10),
        Kind::Placeholder => (32, 10 << 10),
    }
}

/// A vault with a capsule, and a folder to bring in.
struct Album {
    home: Home,
    vault: Vault,
    capsule: String,
    folder: TempDir,
}

impl Album {
    async fn new() -> Self {
        let home = Home::new().await;
        let vault = home.vault(1).await;
        let capsule = vault.capsules_create(None).await.unwrap().id;
        Album {
            home,
            vault,
            capsule,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    /// Brings in every file, as a run of `keepsake upload` does. What became of each, by name.
    async fn run(&self) -> BTreeMap<String, Kept> {
        let importer = Importer::open(self.vault.clone(), &self.capsule)
            .await
            .unwrap();
        let mut kept = BTreeMap::new();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let fate = importer
                .keep(&path, &NoProgress)
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            kept.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), fate);
        }
        kept
    }

    /// Everything in the vault, after the vault's own bytes were counted again from scratch.
    async fn inventory(self) -> Inventory {
        let inventory = audit(&self.vault).await;
        let state = self.home.stop().await;
        keepsake_tests::state::recount(state.path());
        inventory
    }

    async fn bytes(&self, asset: &AssetRef) -> Vec<u8> {
        let mut bytes = Vec::new();
        read_asset(&self.vault, asset, async |part| {
            bytes.extend(part);
            Ok(())
        })
        .await
        .unwrap();
        bytes
    }

    /// The original came out as it went in, and everything said of it is so.
    async fn assert_original(&self, name: &str, kept: &Kept) -> Memory {
        let file = fs::read(self.folder.path().join(name)).unwrap();
        let memory = self.vault.memories_read(&kept.memory_id).await.unwrap();
        assert_eq!(memory.capsule_id, self.capsule, "{name}");
        assert_eq!(memory.metadata.memory_type, kept.memory_type, "{name}");
        assert_eq!(memory.metadata.title.as_deref(), Some(name));
        let originals: Vec<AssetRef> = assets_of(&memory)
            .into_iter()
            .filter(|asset| asset.asset_type == AssetType::Original)
            .collect();
        let [original] = &originals[..] else {
            panic!("{name} has {} originals", originals.len());
        };
        assert_eq!(original.name, name);
        assert_eq!(original.len, Some(file.len() as u64), "{name}");
        assert_eq!(original.sha256, Some(sha256(&file)), "{name}");
        assert_eq!(
            (kept.len, kept.sha256),
            (file.len() as u64, sha256(&file)),
            "{name}"
        );
        // Not assert_eq: nobody wants to read megabytes of bytes.
        assert!(
            self.bytes(original).await == file,
            "{name} came out different"
        );
        memory
    }

    /// The three derivatives of a photo of `width` × `height` (upright) are what they should be.
    async fn assert_derivatives(
        &self,
        name: &str,
        memory: &Memory,
        (width, height): (u32, u32),
    ) -> Vec<DynamicImage> {
        let mut pictures = Vec::new();
        for kind in Kind::ALL {
            let asset = find_asset(memory, kind.name()).unwrap_or_else(|e| panic!("{name}: {e}"));
            let bytes = self.bytes(&asset).await;
            let what = format!("{} of {name}", kind.name());
            assert_eq!(asset.mime, derivatives::MIME, "{what}");
            let (longest, most_bytes) = bounds(kind);
            let len = bytes.len();
            assert!(len <= most_bytes, "{what}: {len} bytes");
            let picture = image::load_from_memory_with_format(&bytes, ImageFormat::WebP)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            // Within the edge, of the photo's proportions, and never larger than the photo.
            let (w, h) = picture.dimensions();
            let long = width.max(height);
            let edge = longest.min(long);
            assert_eq!(w.max(h), edge, "{what}: {w} x {h}");
            let exact = (
                f64::from(width) * f64::from(edge) / f64::from(long),
                f64::from(height) * f64::from(edge) / f64::from(long),
            );
            assert!((f64::from(w) - exact.0).abs() <= 1.0, "{what}: {w} x {h}");
            assert!((f64::from(h) - exact.1).abs() <= 1.0, "{what}: {w} x {h}");
            pictures.push(picture);
        }
        pictures
    }
}

#[track_caller]
fn assert_fates(name: &str, kept: &Kept, fate: Fate, derivative: &DerivativeFate) {
    assert_eq!(kept.fate, fate, "{name}");
    let kinds: Vec<Kind> = kept.derivatives.iter().map(|(kind, _)| *kind).collect();
    let mut all = Kind::ALL.to_vec();
    all.sort();
    let mut found = kinds;
    found.sort();
    assert_eq!(found, all, "{name}");
    for (kind, found) in &kept.derivatives {
        assert_eq!(found, derivative, "{} of {name}", kind.name());
    }
}

fn copy(album: &Album, name: &str) {
    fs::copy(fixture(name), album.folder.path().join(name)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn real_photos_come_out_as_they_went_in_with_upright_derivatives() {
    let album = Album::new().await;
    // Upright sizes, by other programs' account.
    let photos = [
        ("portrait-orientation-6.jpg", PORTRAIT),
        ("handwritten-notes.jpg", (5117, 3411)),
        ("date-gps.jpg", (150, 100)),
        ("density_plot.png", (800, 800)),
        ("denali.webp", (600, 315)),
    ];
    for (name, _) in photos {
        copy(&album, name);
    }
    let first = album.run().await;
    assert_eq!(first.len(), photos.len());
    for (name, size) in photos {
        let kept = &first[name];
        assert_fates(name, kept, Fate::Created, &DerivativeFate::Added);
        assert_eq!(kept.memory_type, MemoryType::Image, "{name}");
        let memory = album.assert_original(name, kept).await;
        assert_eq!(memory.metadata.asset_count, 4, "{name}");
        album.assert_derivatives(name, &memory, size).await;
    }
    let dated = &first["date-gps.jpg"];
    let captured = dated.captured.expect("its EXIF says when");
    let memory = album.vault.memories_read(&dated.memory_id).await.unwrap();
    assert_eq!(memory.metadata.date_of_memory, Some(captured.nanos));

    let before = audit(&album.vault).await;
    let second = album.run().await;
    for (name, _) in photos {
        assert_fates(
            name,
            &second[name],
            Fate::AlreadyThere,
            &DerivativeFate::AlreadyThere,
        );
        assert_eq!(second[name].memory_id, first[name].memory_id, "{name}");
    }
    assert!(
        album.inventory().await == before,
        "the second run changed something"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_orientation_is_shown_upright_and_kept_as_it_is() {
    let album = Album::new().await;
    let picture = pictures::upright(640, 400);
    for orientation in 1..=8 {
        let jpeg = pictures::jpeg_stored_as(&picture, orientation);
        album.file(&format!("held-{orientation}.jpg"), &jpeg);
    }
    // The same picture without any orientation, in a format without loss.
    album.file("plain.png", &pictures::png(&picture));
    for (name, kept) in album.run().await {
        assert_fates(&name, &kept, Fate::Created, &DerivativeFate::Added);
        let memory = album.assert_original(&name, &kept).await;
        let made = album.assert_derivatives(&name, &memory, (640, 400)).await;
        for picture in made {
            pictures::assert_upright(&picture, &name);
        }
    }
    assert_eq!(album.inventory().await.memories.len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_of_20_mb_is_a_photo_like_any_other() {
    let album = Album::new().await;
    // Noise does not compress.
    let (width, height) = (2_700, 2_500);
    let pixels = noise(2, (width * height * 3) as usize);
    let picture = RgbImage::from_raw(width, height, pixels).unwrap();
    let photo = pictures::png(&picture);
    assert!(photo.len() > 20_000_000);
    album.file("twenty.png", &photo);
    let kept = &album.run().await["twenty.png"];
    assert_fates("twenty.png", kept, Fate::Created, &DerivativeFate::Added);
    let memory = album.assert_original("twenty.png", kept).await;
    let size = (width, height);
    album.assert_derivatives("twenty.png", &memory, size).await;
    let again = &album.run().await["twenty.png"];
    assert_eq!(again.fate, Fate::AlreadyThere);
    assert_eq!(album.inventory().await.memories.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_photo_is_kept_as_what_it_is() {
    let album = Album::new().await;
    copy(&album, "IMG_2682.heic");
    album.file("empty.jpg", b"");
    album.file("empty.bin", b"");
    album.file("note.txt", "Grüße vom Meer\n".as_bytes());
    let mut video = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2".to_vec();
    video.extend(noise(1, 3_000_000));
    album.file("wedding.mp4", &video);
    let kept = album.run().await;
    let expected = [
        ("IMG_2682.heic", MemoryType::Image),
        ("note.txt", MemoryType::Note),
        ("wedding.mp4", MemoryType::Video),
    ];
    for (name, memory_type) in expected {
        let kept = &kept[name];
        assert_eq!(
            (kept.fate, kept.memory_type),
            (Fate::Created, memory_type),
            "{name}"
        );
        assert_eq!(kept.derivatives, [], "{name}");
        let memory = album.assert_original(name, kept).await;
        assert_eq!(memory.metadata.asset_count, 1, "{name}");
    }
    // Equal content is one memory, whatever the files are called.
    assert_eq!(kept["empty.jpg"].memory_id, kept["empty.bin"].memory_id);
    let fates = [kept["empty.jpg"].fate, kept["empty.bin"].fate];
    assert!(
        fates.contains(&Fate::Created) && fates.contains(&Fate::AlreadyThere),
        "{fates:?}"
    );

    let before = audit(&album.vault).await;
    for (name, again) in album.run().await {
        assert_eq!(again.fate, Fate::AlreadyThere, "{name}");
    }
    let after = album.inventory().await;
    assert!(after == before, "the second run changed something");
    assert_eq!(after.memories.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_photo_keeps_its_original_and_says_what_could_not_be_made() {
    let album = Album::new().await;
    let whole = fs::read(fixture("portrait-orientation-6.jpg")).unwrap();
    // Cut off in its header; a PNG cut in half; a photo's name over noise.
    album.file("cut.jpg", &whole[..300]);
    let png = fs::read(fixture("density_plot.png")).unwrap();
    album.file("half.png", &png[..png.len() / 2]);
    let mut garbled = whole[..2_000].to_vec();
    garbled.extend(noise(3, 40_000));
    album.file("garbled.jpg", &garbled);
    let webp = fs::read(fixture("denali.webp")).unwrap();
    album.file("half.webp", &webp[..webp.len() / 2]);
    let kept = album.run().await;
    for (name, kept) in &kept {
        assert_eq!(kept.fate, Fate::Created, "{name}");
        assert!(!kept.is_whole(), "{name}");
        let mut failed = 0;
        for (kind, fate) in &kept.derivatives {
            let DerivativeFate::Failed(reason) = fate else {
                panic!("{} of {name}: {fate:?}", kind.name());
            };
            assert!(!reason.trim().is_empty(), "{name}");
            failed += 1;
        }
        assert_eq!(failed, Kind::ALL.len(), "{name}");
        let memory = album.assert_original(name, kept).await;
        assert_eq!(memory.metadata.asset_count, 1, "{name}");
        assert_eq!(memory.metadata.memory_type, MemoryType::Image, "{name}");
    }
    assert_eq!(kept.len(), 4);
    // Again: nothing new, and still told.
    let before = audit(&album.vault).await;
    for (name, kept) in album.run().await {
        assert_eq!(kept.fate, Fate::AlreadyThere, "{name}");
        assert!(!kept.is_whole(), "{name}");
    }
    assert!(
        album.inventory().await == before,
        "the second run changed something"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn derivatives_that_are_missing_are_made_by_the_next_run() {
    let album = Album::new().await;
    let name = "portrait-orientation-6.jpg";
    copy(&album, name);
    // As a run leaves it that was stopped when the original was there.
    let photo: Arc<[u8]> = fs::read(fixture(name)).unwrap().into();
    let config = album.vault.upload_config().await.unwrap();
    let content = Content::Bytes {
        bytes: photo,
        label: String::new(),
    };
    let blob = Uploader::new(album.vault.clone(), &config)
        .upload(&album.capsule, &content, &|_| {})
        .await
        .unwrap();
    let original = InternalBlobAssetInput {
        blob_id: blob.id,
        metadata: content::asset(name, AssetType::Original),
    };
    let metadata = MemoryMetadata {
        memory_type: MemoryType::Image,
        ..content::memory(name)
    };
    let id = album
        .vault
        .memories_create_with_internal_blobs(&album.capsule, &metadata, &[original], "stopped")
        .await
        .unwrap();

    let kept = &album.run().await[name];
    assert_fates(name, kept, Fate::Repaired, &DerivativeFate::Added);
    assert_eq!(kept.memory_id, id);
    let memory = album.assert_original(name, kept).await;
    album.assert_derivatives(name, &memory, PORTRAIT).await;
    let again = &album.run().await[name];
    assert_fates(
        name,
        again,
        Fate::AlreadyThere,
        &DerivativeFate::AlreadyThere,
    );
    assert_eq!(album.inventory().await.memories.len(), 1);
}
