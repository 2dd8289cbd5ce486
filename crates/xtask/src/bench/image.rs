//! Vaults too large to be filled by calls: built natively, by the very code that the canister is made of, in a memory that is then put
//! under the canister. The same number of memories gives the same vault, byte for byte.

use super::wire::{memory, photo};
use anyhow::Result;
use candid::Principal;
use ic_stable_structures::Memory;
use keepsake_api::{
    AssetMetadata, AssetType, DocumentAssetMetadata, InitArgs, InlineAssetInput,
    InternalBlobAssetInput, MemoryMetadata, MemoryType, NoteAssetMetadata, VideoAssetMetadata,
};
use keepsake_vault::{Call, Vault};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::rc::Rc;

/// When the first memory is made, in nanoseconds since 1970 UTC, and how long after each the next.
const BEGINNING: u64 = 1_700_000_000_000_000_000;
const INTERVAL: u64 = 60_000_000_000;

/// Memories that calls are made with, spread over the whole vault.
const SPREAD: u32 = 200;

/// Bytes of an original, a display version and a thumbnail in a built vault. Their length matters to nothing that is counted: content is an
/// extent, whatever its length. Short ones let a vault of a million memories fit a machine's memory.
const ORIGINAL: usize = 96;
const DISPLAY: usize = 64;
const THUMBNAIL: usize = 32;
/// Bytes of an inline placeholder, in its usual length.
const PLACEHOLDER: usize = 220;

/// Stable memory in this process, in pieces, so that growing moves nothing. Clones are the same memory.
#[derive(Clone, Default)]
pub struct PiecewiseMemory {
    pages: Rc<RefCell<Vec<Box<[u8]>>>>,
}

/// Bytes of a WebAssembly page.
pub const PAGE: usize = 65_536;

impl Memory for PiecewiseMemory {
    fn size(&self) -> u64 {
        self.pages.borrow().len() as u64
    }

    fn grow(&self, pages: u64) -> i64 {
        let mut all = self.pages.borrow_mut();
        let old = all.len();
        all.resize_with(old + pages as usize, || vec![0; PAGE].into_boxed_slice());
        old as i64
    }

    fn read(&self, offset: u64, dst: &mut [u8]) {
        let pages = self.pages.borrow();
        let (mut at, mut rest) = (offset as usize, dst);
        while !rest.is_empty() {
            let start = at % PAGE;
            let (part, tail) = rest.split_at_mut(rest.len().min(PAGE - start));
            part.copy_from_slice(&pages[at / PAGE][start..start + part.len()]);
            at += part.len();
            rest = tail;
        }
    }

    fn write(&self, offset: u64, src: &[u8]) {
        let mut pages = self.pages.borrow_mut();
        let (mut at, mut rest) = (offset as usize, src);
        while !rest.is_empty() {
            let start = at % PAGE;
            let (part, tail) = rest.split_at(rest.len().min(PAGE - start));
            pages[at / PAGE][start..start + part.len()].copy_from_slice(part);
            at += part.len();
            rest = tail;
        }
    }
}

/// A vault that was built.
pub struct Image {
    pub memory: PiecewiseMemory,
    pub capsule: String,
    /// Ids of at most [`SPREAD`] memories, oldest first.
    pub spread: Vec<String>,
    /// The cursor of a page that begins in the middle of the capsule.
    pub middle: Option<String>,
}

/// Whom the vaults of the bench belong to.
pub fn owner() -> Principal {
    Principal::self_authenticating(b"the caller of the bench")
}

/// What the installer sets: the bench's memories are inline; the default budget of a capsule holds 32 of them.
pub fn init_args() -> InitArgs {
    InitArgs {
        inline_budget_per_capsule: Some(1 << 30),
        ..InitArgs::default()
    }
}

/// A vault being built, in one capsule.
pub struct Builder {
    pub vault: Vault<PiecewiseMemory>,
    pub memory: PiecewiseMemory,
    pub capsule: String,
    /// Numbers what must be different.
    serial: u64,
    now: u64,
}

impl Builder {
    /// A vault with an empty capsule.
    pub fn new() -> Result<Self> {
        let memory = PiecewiseMemory::default();
        let mut vault = Vault::open(memory.clone())?;
        vault.configure(&init_args());
        vault.set_seed([7; 32]);
        let now = BEGINNING;
        let call = Call {
            caller: owner(),
            now,
        };
        let capsule = vault.capsules_create(call, None)?.id;
        Ok(Self {
            vault,
            memory,
            capsule,
            serial: 0,
            now,
        })
    }

    fn call(&self) -> Call {
        Call {
            caller: owner(),
            now: self.now,
        }
    }

    /// Content that there was not before.
    fn fresh(&mut self, length: usize) -> Vec<u8> {
        self.serial += 1;
        let mut state = self.serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let bytes = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        });
        bytes.take(length).collect()
    }

    /// Uploads fresh content of `length` bytes.
    pub fn upload(&mut self, length: usize) -> Result<String> {
        let bytes = self.fresh(length);
        let sha256 = Sha256::digest(&bytes);
        let idem = format!("upload {}", self.serial);
        let call = self.call();
        let made = self
            .vault
            .uploads_put_blob(call, &self.capsule, &bytes, &sha256, &idem)?;
        Ok(made.blob_id)
    }

    /// A memory with these assets, a minute after the one before.
    pub fn create(
        &mut self,
        metadata: MemoryMetadata,
        blobs: Vec<InternalBlobAssetInput>,
        inline: Vec<InlineAssetInput>,
    ) -> Result<String> {
        self.now += INTERVAL;
        self.serial += 1;
        let idem = format!("6f2c8e1a-{:016x}", self.serial);
        let call = self.call();
        let id = self.vault.memories_create_with_assets(
            call,
            &self.capsule,
            metadata,
            blobs,
            inline,
            &idem,
        )?;
        Ok(id)
    }

    /// Adds an asset to a memory.
    pub fn add(&mut self, memory: &str, asset: InternalBlobAssetInput) -> Result<()> {
        let call = self.call();
        self.vault
            .memories_add_asset(call, memory, asset, "added")?;
        Ok(())
    }

    /// A memory as people have them: mostly photos, with all their versions; some videos and documents, few notes.
    fn create_usual(&mut self, number: u32) -> Result<String> {
        let mut metadata = MemoryMetadata {
            date_of_memory: Some(self.now + INTERVAL),
            ..memory()
        };
        let mut blobs = Vec::new();
        let mut inline = Vec::new();
        let name = format!("IMG_{:04}.jpg", number % 10_000);
        match number % 20 {
            0 => {
                metadata.memory_type = MemoryType::Document;
                let original = AssetMetadata::Document(DocumentAssetMetadata {
                    base: photo(AssetType::Original, "letter.pdf").base().clone(),
                    page_count: Some(3),
                    document_type: None,
                    language: None,
                    word_count: None,
                });
                blobs.push((ORIGINAL, original));
            }
            1 => {
                metadata.memory_type = MemoryType::Note;
                let original = AssetMetadata::Note(NoteAssetMetadata {
                    base: photo(AssetType::Original, "note.txt").base().clone(),
                    word_count: Some(80),
                    language: None,
                    format: None,
                });
                inline.push((500, original));
            }
            2 | 3 => {
                metadata.memory_type = MemoryType::Video;
                let original = AssetMetadata::Video(VideoAssetMetadata {
                    base: photo(AssetType::Original, "MOV_0412.mp4").base().clone(),
                    duration: Some(41_000),
                    frame_rate: Some(29.97),
                    codec: Some("hevc".to_owned()),
                    bitrate: Some(16_000_000),
                    resolution: Some("3840x2160".to_owned()),
                    aspect_ratio: None,
                });
                blobs.push((ORIGINAL, original));
                blobs.push((THUMBNAIL, photo(AssetType::Thumbnail, "thumbnail.webp")));
            }
            _ => {
                let mut original = photo(AssetType::Original, &name);
                if let AssetMetadata::Image(image) = &mut original {
                    image.exif_data = Some(EXIF.to_owned());
                    image.color_space = Some("sRGB".to_owned());
                }
                metadata.location = Some("47.5596,7.5886".to_owned());
                blobs.push((ORIGINAL, original));
                blobs.push((DISPLAY, photo(AssetType::Display, "display.webp")));
                blobs.push((THUMBNAIL, photo(AssetType::Thumbnail, "thumbnail.webp")));
                let placeholder = photo(AssetType::Placeholder, "placeholder.webp");
                inline.push((PLACEHOLDER, placeholder));
            }
        }
        metadata.title = Some(name);
        let mut uploaded = Vec::with_capacity(blobs.len());
        for (length, metadata) in blobs {
            let blob_id = self.upload(length)?;
            uploaded.push(InternalBlobAssetInput { blob_id, metadata });
        }
        let inline = inline
            .into_iter()
            .map(|(length, metadata)| InlineAssetInput {
                bytes: ByteBuf::from(self.fresh(length)),
                metadata,
            })
            .collect();
        self.create(metadata, uploaded, inline)
    }
}

/// Builds a vault of `memories` memories.
pub fn build(memories: u32) -> Result<Image> {
    let mut builder = Builder::new()?;
    let step = (memories / SPREAD).max(1);
    let mut spread = Vec::new();
    let mut middle = None;
    for number in 0..memories {
        let id = builder.create_usual(number)?;
        if number % step == step / 2 {
            spread.push(id);
        }
        if number == memories / 2 {
            // What comes later is newer: this page stays where it is, in the middle.
            let call = builder.call();
            let page = builder
                .vault
                .memories_list(call, &builder.capsule, None, Some(1))?;
            middle = page.next_cursor;
        }
    }
    Ok(Image {
        memory: builder.memory,
        capsule: builder.capsule,
        spread,
        middle,
    })
}

/// What a telephone's photo carries, as clients send it.
const EXIF: &str = r#"{"Make":"Google","Model":"Pixel 8","Software":"HDR+ 1.0","LensModel":"Pixel 8 back camera 6.9mm f/1.68","FNumber":"1.68","ExposureTime":"1/1250","PhotographicSensitivity":"48","FocalLength":"6.9","DateTimeOriginal":"2025:07:19 14:32:08","OffsetTimeOriginal":"+02:00","SubSecTimeOriginal":"482","GPSLatitude":"47.5596","GPSLongitude":"7.5886","GPSAltitude":"260.1"}"#;
