//! Writes the seeds of the targets `arguments` (a call of each method that is carried out) and `records` (each golden record, for every kind
//! that reads it) into `seeds/`. They are in the repository; this makes them again after a change of the interface or of the world.

use candid::Encode;
use keepsake_api::{AssetType, InternalBlobAssetInput, MemoryMetadata, MemoryType, SharingStatus};
use keepsake_fuzz_vault::methods::METHODS;
use keepsake_fuzz_vault::session::carried_out;
use keepsake_fuzz_vault::world::{World, image};
use keepsake_vault::decoders;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let world = World::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let arguments = folder.join("seeds/arguments");
    std::fs::create_dir_all(&arguments)?;
    for (number, method) in METHODS.iter().enumerate() {
        match carried_out(number, 20_000, of_the_owner(method.name, &world)) {
            Some(input) => std::fs::write(arguments.join(method.name), input)?,
            None => eprintln!("{}: no call was carried out", method.name),
        }
    }
    let records = folder.join("seeds/records");
    std::fs::create_dir_all(&records)?;
    let golden =
        std::fs::read_to_string(folder.join("../../crates/vault/tests/golden/records.txt"))?;
    for (line, (_, hex)) in golden
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .enumerate()
    {
        let digits = (0..hex.len()).step_by(2);
        let bytes: Vec<u8> = digits
            .filter_map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok())
            .collect();
        for (kind, decoder) in decoders::ALL.iter().enumerate() {
            if (decoder.again)(&bytes).is_ok() {
                std::fs::write(
                    records.join(format!("{line}-{}", decoder.name)),
                    [&[kind as u8], bytes.as_slice()].concat(),
                )?;
            }
        }
    }
    Ok(())
}

/// Messages to methods that hardly any message of their types is carried out by: what they name must belong together.
fn of_the_owner(method: &str, world: &World) -> Vec<Vec<u8>> {
    let ids: Vec<&String> = world
        .texts
        .iter()
        .filter(|text| (20..80).contains(&text.len()))
        .collect();
    let pairs = || {
        ids.iter()
            .flat_map(|one| ids.iter().map(move |other| (*one, *other)))
    };
    let input = |blob: &String| InternalBlobAssetInput {
        blob_id: blob.clone(),
        metadata: image(AssetType::Display),
    };
    let messages = match method {
        "mint_http_token" => {
            let variants = ["original"];
            let messages = ids
                .iter()
                .map(|memory| Encode!(memory, &variants.as_slice(), &None::<Vec<String>>, &60_u32));
            messages.collect()
        }
        "memories_add_asset" => {
            let messages = pairs().map(|(memory, blob)| Encode!(memory, &input(blob), &"seed"));
            messages.collect()
        }
        "memories_create_with_internal_blobs" => {
            let messages = pairs()
                .map(|(capsule, blob)| Encode!(capsule, &metadata(), &vec![input(blob)], &"seed"));
            messages.collect()
        }
        _ => Ok(Vec::new()),
    };
    messages.expect("arguments can be encoded")
}

fn metadata() -> MemoryMetadata {
    MemoryMetadata {
        memory_type: MemoryType::Image,
        title: Some("picture".into()),
        description: None,
        content_type: "image/gif".into(),
        created_at: 0,
        updated_at: 0,
        uploaded_at: 0,
        date_of_memory: None,
        file_created_at: None,
        parent_folder_id: None,
        tags: Vec::new(),
        deleted_at: None,
        people_in_memory: None,
        location: None,
        memory_notes: None,
        created_by: None,
        database_storage_edges: Vec::new(),
        shared_count: 0,
        sharing_status: SharingStatus::Private,
        total_size: 0,
        asset_count: 0,
    }
}
