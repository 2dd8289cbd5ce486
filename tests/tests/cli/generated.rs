//! Memories of every kind, with everything in them that makes trouble elsewhere.

use keepsake_client::{
    NewContent, Vault,
    api::{
        AccessCondition, AccessEntry, AssetMetadata, AssetMetadataBase, AssetType,
        AudioAssetMetadata, BlobHosting, DatabaseHosting, DocumentAssetMetadata, GrantSource,
        ImageAssetMetadata, InlineAssetInput, InternalBlobAssetInput, MemoryMetadata, MemoryType,
        MemoryUpdateData, NoteAssetMetadata, PersonRef, ResourceRole, VideoAssetMetadata,
    },
    upload::{Content, Uploader},
};
use keepsake_tests::content::{memory, noise, sha256};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

/// How many memories [`fill`] makes in the own capsule, and in all.
const OWN: usize = 40;
pub const GENERATED: usize = OWN + 3;

/// Names that people and attackers give.
const NAMES: [&str; 20] = [
    "IMG_1234.jpg",
    "img_1234.JPG",
    "IMG_1234.jpg.json",
    "",
    "../../../../escaped.txt",
    "/etc/passwd",
    "C:\\Windows\\system.ini",
    "CON",
    "nul.tar.gz",
    ".hidden",
    "trailing dot.",
    "e\u{301}te\u{301}.jpg",
    "\u{e9}t\u{e9}.jpg",
    "\u{202e}gpj.exe",
    "line\nbreak\r\0\u{1b}[2J.png",
    "a</dc:title><&\"'.jpg",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}.heic",
    "photo~0123abcd.jpg",
    "derivatives",
    "100%|?*<>.jpg",
];

/// Seconds that several memories share.
const TIMES: [u64; 4] = [
    1_563_012_345_000_000_000,
    1_563_012_345_678_901_234,
    1,
    u64::MAX,
];

fn name(rng: &mut StdRng) -> String {
    match rng.random_range(0..24) {
        0 => "x".repeat(300) + ".jpeg",
        _ => (*NAMES.choose(rng).unwrap()).to_owned(),
    }
}

fn some<T>(rng: &mut StdRng, value: impl FnOnce(&mut StdRng) -> T) -> Option<T> {
    rng.random_bool(0.5).then(|| value(rng))
}

fn texts(rng: &mut StdRng) -> Vec<String> {
    (0..rng.random_range(0..3)).map(|_| name(rng)).collect()
}

fn time(rng: &mut StdRng) -> u64 {
    *TIMES.choose(rng).unwrap()
}

fn float(rng: &mut StdRng) -> f32 {
    *[0.1, -0.0, f32::MAX, f32::NAN, f32::INFINITY, 1.777_777_8]
        .choose(rng)
        .unwrap()
}

fn said(rng: &mut StdRng) -> MemoryMetadata {
    let types = [
        MemoryType::Image,
        MemoryType::Video,
        MemoryType::Audio,
        MemoryType::Document,
        MemoryType::Note,
    ];
    MemoryMetadata {
        memory_type: *types.choose(rng).unwrap(),
        title: some(rng, name),
        description: some(rng, name),
        created_at: some(rng, time).unwrap_or(0),
        date_of_memory: some(rng, time),
        file_created_at: some(rng, time),
        parent_folder_id: some(rng, name),
        tags: texts(rng),
        deleted_at: some(rng, time),
        people_in_memory: some(rng, texts),
        location: some(rng, |rng| match rng.random_range(0..3) {
            0 => "geo:-33.8688,151.2093".to_owned(),
            1 => "52.52, 13.405".to_owned(),
            _ => name(rng),
        }),
        memory_notes: some(rng, name),
        database_storage_edges: some(rng, |_| vec![DatabaseHosting::Icp, DatabaseHosting::Neon])
            .unwrap_or_default(),
        ..memory("")
    }
}

fn asset(rng: &mut StdRng, asset_type: AssetType) -> AssetMetadata {
    let base = AssetMetadataBase {
        name: name(rng),
        description: some(rng, name),
        tags: texts(rng),
        asset_type,
        bytes: 0,
        mime_type: (*["image/jpeg", "image/webp", "video/mp4", "", "x/y"]
            .choose(rng)
            .unwrap())
        .to_owned(),
        sha256: None,
        width: some(rng, |rng| rng.random()),
        height: some(rng, |rng| rng.random()),
        url: some(rng, name),
        storage_key: some(rng, name),
        bucket: some(rng, name),
        asset_location: some(rng, name),
        processing_status: some(rng, name),
        processing_error: some(rng, name),
        created_at: 5,
        updated_at: 6,
        deleted_at: some(rng, time),
    };
    match rng.random_range(0..5) {
        0 => AssetMetadata::Image(ImageAssetMetadata {
            base,
            color_space: some(rng, name),
            exif_data: some(rng, name),
            compression_ratio: some(rng, float),
            dpi: some(rng, |rng| rng.random()),
            orientation: some(rng, |rng| rng.random()),
        }),
        1 => AssetMetadata::Video(VideoAssetMetadata {
            base,
            duration: some(rng, |rng| rng.random()),
            frame_rate: some(rng, float),
            codec: some(rng, name),
            bitrate: some(rng, |rng| rng.random()),
            resolution: some(rng, name),
            aspect_ratio: some(rng, float),
        }),
        2 => AssetMetadata::Audio(AudioAssetMetadata {
            base,
            duration: some(rng, |rng| rng.random()),
            sample_rate: some(rng, |rng| rng.random()),
            channels: some(rng, |rng| rng.random()),
            bitrate: some(rng, |rng| rng.random()),
            codec: some(rng, name),
            bit_depth: some(rng, |rng| rng.random()),
        }),
        3 => AssetMetadata::Document(DocumentAssetMetadata {
            base,
            page_count: some(rng, |rng| rng.random()),
            document_type: some(rng, name),
            language: some(rng, name),
            word_count: some(rng, |rng| rng.random()),
        }),
        _ => AssetMetadata::Note(NoteAssetMetadata {
            base,
            word_count: some(rng, |rng| rng.random()),
            language: some(rng, name),
            format: some(rng, name),
        }),
    }
}

fn any_type(rng: &mut StdRng) -> AssetType {
    let types = [
        AssetType::Original,
        AssetType::Display,
        AssetType::Thumbnail,
        AssetType::Placeholder,
        AssetType::Metadata,
    ];
    *types.choose(rng).unwrap()
}

/// Makes [`GENERATED`] memories in three capsules; the ids of those in the caller's own.
pub async fn fill(vault: &Vault, seed: u64) -> Vec<String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let rng = &mut rng;
    let capsule = vault.capsules_create(None).await.unwrap().id;
    let config = vault.upload_config().await.unwrap();
    let uploader = Uploader::new(vault.clone(), &config);
    let mut memories = Vec::new();
    for n in 0..OWN {
        let idem = format!("generated {n}");
        let memory = match n % 5 {
            // Kept elsewhere, alone or with versions here.
            0 => elsewhere(vault, &capsule, rng, &idem).await,
            _ => {
                let len = match n {
                    1 => 4_200_000,
                    _ => rng.random_range(0..3_000),
                };
                // Some contents stand in several memories.
                let bytes = noise(rng.random_range(0..30), len);
                let blob = put(&uploader, &capsule, bytes, rng, AssetType::Original).await;
                let inline: Vec<InlineAssetInput> =
                    (0..rng.random_range(0..2)).map(|_| inline(rng)).collect();
                vault
                    .memories_create_with_internal_blobs_and_inline_assets(
                        &capsule,
                        &said(rng),
                        &[blob],
                        &inline,
                        &idem,
                    )
                    .await
                    .unwrap()
            }
        };
        for m in 0..rng.random_range(0..4) {
            let kind = any_type(rng);
            let bytes = noise(rng.random_range(0..30), rng.random_range(0..2_000));
            let blob = put(&uploader, &capsule, bytes, rng, kind).await;
            let idem = format!("more {m}");
            vault
                .memories_add_asset(&memory, &blob, &idem)
                .await
                .unwrap();
        }
        match n {
            // Nothing left in it.
            7 => {
                vault.memories_cleanup_assets_all(&memory).await.unwrap();
            }
            8 => share(vault, &memory).await,
            _ => {}
        }
        memories.push(memory);
    }
    assert_eq!(memories.len(), OWN);
    many_small(vault, &memories[3], rng).await;
    // Two capsules about one person, with a hostile name; the second has two memories that nothing tells apart.
    for copies in 1..3 {
        let subject = PersonRef::Opaque("../Granny".to_owned());
        let capsule = vault.capsules_create(Some(subject)).await.unwrap().id;
        let bytes = b"Granny's garden".to_vec();
        let mut blob = put(&uploader, &capsule, bytes, rng, AssetType::Original).await;
        blob.metadata.base_mut().name = "garden.txt".to_owned();
        let said = MemoryMetadata {
            created_at: TIMES[0],
            ..said(rng)
        };
        for copy in 0..copies {
            let idem = format!("copy {copy}");
            vault
                .memories_create_with_internal_blobs(&capsule, &said, &[blob.clone()], &idem)
                .await
                .unwrap();
        }
    }
    memories
}

/// More assets than one call takes, and together more than a capsule's inline budget.
async fn many_small(vault: &Vault, memory: &str, rng: &mut StdRng) {
    let capsule = vault.memories_read(memory).await.unwrap().capsule_id;
    let config = vault.upload_config().await.unwrap();
    let uploader = Uploader::new(vault.clone(), &config);
    let mut blobs = Vec::new();
    for n in 0..120 {
        let bytes = noise(n % 7, 400);
        let mut blob = put(&uploader, &capsule, bytes, rng, AssetType::Placeholder).await;
        if n < 20 {
            // Some that only their place tells apart.
            blob.metadata = asset(&mut StdRng::seed_from_u64(n % 3), AssetType::Placeholder);
        }
        blobs.push(blob);
    }
    for (n, blobs) in blobs.chunks(100).enumerate() {
        let idem = format!("many {n}");
        vault
            .memories_add_assets(memory, blobs, &[], &idem)
            .await
            .unwrap();
    }
}

async fn elsewhere(vault: &Vault, capsule: &str, rng: &mut StdRng, idem: &str) -> String {
    let mut metadata = asset(rng, AssetType::Original);
    let known = rng.random_bool(0.5);
    let content = NewContent::External {
        location: *[BlobHosting::S3, BlobHosting::Ipfs].choose(rng).unwrap(),
        storage_key: format!("key of {idem}"),
        url: some(rng, name),
        size: known.then_some(1_000_000_000_000),
        sha256: known.then(|| sha256(idem.as_bytes())),
    };
    metadata.base_mut().bytes = 0;
    let memory = vault
        .memories_create(capsule, content, &metadata, idem)
        .await
        .unwrap();
    let changes = MemoryUpdateData {
        metadata: some(rng, said),
        ..MemoryUpdateData::default()
    };
    vault.memories_update(&memory, &changes).await.unwrap();
    memory
}

fn inline(rng: &mut StdRng) -> InlineAssetInput {
    let kind = any_type(rng);
    InlineAssetInput {
        bytes: noise(rng.random_range(0..30), rng.random_range(0..800)).into(),
        metadata: asset(rng, kind),
    }
}

async fn put(
    uploader: &Uploader,
    capsule: &str,
    bytes: Vec<u8>,
    rng: &mut StdRng,
    kind: AssetType,
) -> InternalBlobAssetInput {
    let content = Content::Bytes {
        bytes: bytes.into(),
        label: String::new(),
    };
    let blob = uploader.upload(capsule, &content, &|_| {}).await.unwrap();
    InternalBlobAssetInput {
        blob_id: blob.id,
        metadata: asset(rng, kind),
    }
}

async fn share(vault: &Vault, memory: &str) {
    let entry = AccessEntry {
        id: "friend".to_owned(),
        person_ref: Some(PersonRef::Opaque("a friend".to_owned())),
        is_public: false,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask: 1,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    };
    vault.access_grant(memory, &entry).await.unwrap();
}

/// Changes two memories, deletes one and adds one.
pub async fn change(vault: &Vault, memories: &mut Vec<String>) {
    let mut rng = StdRng::seed_from_u64(99);
    let rng = &mut rng;
    for (memory, title) in [(2, "renamed"), (5, "kept elsewhere, renamed")] {
        let there = vault.memories_read(&memories[memory]).await.unwrap();
        let mut metadata = there.metadata;
        metadata.title = Some(title.to_owned());
        metadata.date_of_memory = Some(1_000_000_000_000_000_000);
        let changes = MemoryUpdateData {
            metadata: Some(metadata),
            ..MemoryUpdateData::default()
        };
        vault
            .memories_update(&memories[memory], &changes)
            .await
            .unwrap();
    }
    let capsule = vault.capsules_create(None).await.unwrap().id;
    vault
        .memories_delete(&memories.remove(9), true)
        .await
        .unwrap();
    let config = vault.upload_config().await.unwrap();
    let uploader = Uploader::new(vault.clone(), &config);
    let blob = put(
        &uploader,
        &capsule,
        b"new".to_vec(),
        rng,
        AssetType::Original,
    )
    .await;
    let added = vault
        .memories_create_with_internal_blobs(&capsule, &said(rng), &[blob], "new")
        .await
        .unwrap();
    memories.push(added);
}
