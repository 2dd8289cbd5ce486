//! Everything that one person can see of a vault, read back and counted again.

use std::collections::BTreeMap;

use keepsake_client::{
    Vault,
    api::{Capsule, CapsuleHeader, Memory, MemoryHeader},
    assets_of,
    download::Place,
    read_asset,
};

/// Small, so that listings have several pages.
const PAGE: u32 = 7;

/// What is in a vault, in the order of ids, without what changes by the clock alone (access tokens).
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    pub capsules: Vec<CapsuleHeader>,
    /// The person's own capsule, where there is one.
    pub own: Option<Capsule>,
    pub memories: BTreeMap<String, Memory>,
    pub headers: BTreeMap<String, MemoryHeader>,
    /// Content of every asset, by memory and asset.
    pub contents: BTreeMap<(String, String), Vec<u8>>,
}

/// Reads everything that the caller may see: every byte with its SHA-256, every figure against what it counts.
///
/// Panics where anything differs, is missing, or is there twice.
pub async fn audit(vault: &Vault) -> Inventory {
    let mut capsules = vault.capsules_list().await.expect("capsules are listed");
    capsules.sort_by(|a, b| a.id.cmp(&b.id));
    let own_id = match vault.capsules_read_basic(None).await {
        Ok(info) => Some(info.capsule_id),
        Err(error) => {
            let found = error.vault_error();
            assert_eq!(
                found,
                Some(&keepsake_client::api::Error::NotFound),
                "{error}"
            );
            None
        }
    };
    let own = match &own_id {
        // Creating what is there returns it (and changes nothing).
        Some(_) => Some(vault.capsules_create(None).await.expect("it is there")),
        None => None,
    };
    let mut inventory = Inventory {
        own,
        memories: BTreeMap::new(),
        headers: BTreeMap::new(),
        contents: BTreeMap::new(),
        capsules,
    };
    for capsule in inventory.capsules.clone() {
        let headers = list(vault, &capsule.id).await;
        assert_eq!(
            headers.len() as u64,
            capsule.memory_count,
            "memories of capsule {}",
            capsule.id
        );
        let info = vault
            .capsules_read_basic(Some(&capsule.id))
            .await
            .expect("a listed capsule can be read");
        assert_eq!(info.memory_count, capsule.memory_count);
        let mut inline_bytes = 0;
        for header in headers {
            inline_bytes += memory(vault, &mut inventory, header).await;
        }
        if let Some(own) = inventory.own.as_ref().filter(|own| own.id == capsule.id) {
            assert_eq!(own.inline_bytes_used, inline_bytes, "inline bytes used");
        }
    }
    inventory
}

/// Every memory of a capsule, page by page.
async fn list(vault: &Vault, capsule: &str) -> Vec<MemoryHeader> {
    let mut headers = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = vault
            .memories_list(capsule, cursor.as_deref(), Some(PAGE))
            .await
            .expect("a capsule's memories are listed");
        headers.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return headers;
        }
    }
}

/// Reads one memory; returns its inline bytes.
async fn memory(vault: &Vault, inventory: &mut Inventory, mut header: MemoryHeader) -> u64 {
    let id = header.id.clone();
    let memory = vault
        .memories_read(&id)
        .await
        .unwrap_or_else(|error| panic!("{id} is listed but not there: {error}"));
    let assets = assets_of(&memory);
    assert!(!assets.is_empty(), "{id} has no asset");
    assert_eq!(memory.metadata.asset_count as usize, assets.len(), "{id}");
    assert_eq!(header.asset_count as usize, assets.len(), "{id}");
    let mut total = 0;
    for asset in &assets {
        if let Place::External { .. } = asset.place {
            // Not the vault's to hand out; its size is what the vault was told.
            total += asset.len.unwrap_or(0);
            continue;
        }
        let mut bytes = Vec::new();
        let len = read_asset(vault, asset, async |part| {
            bytes.extend(part);
            Ok(())
        })
        .await
        .unwrap_or_else(|error| panic!("asset {} of {id}: {error}", asset.id));
        total += len;
        let key = (id.clone(), asset.id.clone());
        let twice = inventory.contents.insert(key, bytes);
        assert!(twice.is_none(), "asset {} of {id} is there twice", asset.id);
    }
    assert_eq!(memory.metadata.total_size, total, "bytes of {id}");
    assert_eq!(header.size, total, "bytes of {id} in the listing");
    let inline = memory
        .inline_assets
        .iter()
        .map(|asset| asset.bytes.len() as u64)
        .sum();
    // Tokens expire, and are therefore new in every listing.
    let links = &mut header.assets;
    let links = [
        &mut links.original,
        &mut links.display,
        &mut links.thumbnail,
    ];
    for link in links.into_iter().flatten() {
        link.token.clear();
        link.expires_at_ns = 0;
    }
    assert!(
        inventory.headers.insert(id.clone(), header).is_none(),
        "{id} is listed twice"
    );
    inventory.memories.insert(id, memory);
    inline
}
