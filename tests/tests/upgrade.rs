//! The canister upgraded while clients work: everything is still there, and what was under way goes on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use keepsake_client::{
    ClientError, Content, NewContent, Uploader, Vault,
    api::{AssetType, Error, InitArgs, InternalBlobAssetInput},
};
use keepsake_host::engine::Installed;
use keepsake_tests::{
    artefacts::{vault_module, vault_module_tagged},
    audit::audit,
    content::{asset, memory, noise, sha256},
    home::{Home, install, install_with},
};
use tokio::{task::JoinSet, time::Duration};

/// Small, so that uploads take many messages.
const CHUNK: u32 = 50_000;

/// How long a step that only waits for progress may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// One client at work until told to stop: uploads, memories, derivatives, deletions. Returns the memories that must be there, with
/// the content of their originals.
async fn work(
    vault: Vault,
    seed: u64,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) -> Result<Vec<(String, Vec<u8>)>, ClientError> {
    let capsule = vault.capsules_create(None).await?.id;
    let uploader = Uploader::over(vault.clone(), CHUNK);
    let mut kept = Vec::new();
    for round in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let bytes = noise(seed * 1_000 + round, 170_000);
        let content = Content::Bytes {
            bytes: bytes.clone().into(),
            label: String::new(),
        };
        let blob = uploader.upload(&capsule, &content, &|_| {}).await?;
        let original = InternalBlobAssetInput {
            blob_id: blob.id,
            metadata: asset("original", AssetType::Original),
        };
        let key = format!("round {round}");
        let id = vault
            .memories_create_with_internal_blobs(&capsule, &memory(&key), &[original], &key)
            .await?;
        let note = vault
            .memories_create(
                &capsule,
                NewContent::Inline(key.as_bytes()),
                &asset("note", AssetType::Original),
                &key,
            )
            .await?;
        if round % 2 == 0 {
            vault.memories_delete(&note, true).await?;
        } else {
            kept.push((note, key.into_bytes()));
        }
        kept.push((id, bytes));
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(kept)
}

/// Waits until the clients together have done `more` rounds since now.
async fn progress(done: &AtomicUsize, more: usize) {
    let target = done.load(Ordering::Relaxed) + more;
    let reached = async {
        while done.load(Ordering::Relaxed) < target {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, reached)
        .await
        .expect("the clients get on");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_work_on_through_upgrades_and_nothing_is_lost() {
    let home = Home::new().await;
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for n in 1..=3 {
        let vault = home.vault(n).await;
        let work = work(vault, u64::from(n), stop.clone(), done.clone());
        clients.spawn(async move { (n, work.await) });
    }
    progress(&done, 3).await;
    // There and back again.
    let mut last = home.engine.state().module_hash;
    for module in [
        vault_module_tagged("one"),
        vault_module_tagged("two"),
        vault_module(),
    ] {
        let upgraded = install(&home.engine, module).await.unwrap();
        assert_eq!(upgraded, Installed::Upgraded);
        let hash = home.engine.state().module_hash;
        assert_ne!(hash, last);
        last = hash;
        progress(&done, 3).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        let (n, kept) = client.unwrap();
        let kept = kept.unwrap_or_else(|error| panic!("client {n}: {error}"));
        let inventory = audit(&home.vault(n).await).await;
        assert_eq!(inventory.memories.len(), kept.len(), "client {n}");
        for (id, bytes) in kept {
            let found: Vec<&Vec<u8>> = inventory
                .contents
                .iter()
                .filter_map(|((memory, _), content)| (*memory == id).then_some(content))
                .collect();
            assert!(
                found == [&bytes],
                "memory {id} of client {n} came out different"
            );
        }
    }
    let state = home.stop().await;
    keepsake_tests::state::recount(state.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_upload_goes_on_after_an_upgrade() {
    let home = Home::new().await;
    let vault = home.vault(1).await;
    let capsule = vault.capsules_create(None).await.unwrap();
    let bytes = noise(1, 230_000);
    let chunks: Vec<&[u8]> = bytes.chunks(CHUNK as usize).collect();
    assert_eq!(chunks.len(), 5);
    let session = vault.uploads_begin(&capsule.id, 5, "open").await.unwrap();
    // Out of order, so that the hash has not reached them all.
    for index in [0, 1, 4] {
        let bytes = chunks[index as usize];
        vault
            .uploads_put_chunk(session, index, bytes)
            .await
            .unwrap();
    }
    let note = NewContent::Inline(b"inline");
    let metadata = asset("note", AssetType::Original);
    let create = vault.memories_create(&capsule.id, note.clone(), &metadata, "note");
    let id = create.await.unwrap();
    let before = audit(&vault).await;

    let settings = InitArgs {
        inline_budget_per_capsule: Some(50_000),
        ..InitArgs::default()
    };
    let module = vault_module_tagged("upgrade");
    let upgraded = install_with(&home.engine, module, Some(settings)).await;
    assert_eq!(upgraded.unwrap(), Installed::Upgraded);
    let config = vault.upload_config().await.unwrap();
    assert_eq!(config.inline_budget_per_capsule, 50_000);
    let again = install(&home.engine, vault_module_tagged("upgrade")).await;
    assert_eq!(again.unwrap(), Installed::Unchanged);

    assert!(
        audit(&vault).await == before,
        "the upgrade changed something"
    );
    // What was asked before is answered as before.
    assert_eq!(vault.capsules_create(None).await.unwrap().id, capsule.id);
    let create = vault.memories_create(&capsule.id, note, &metadata, "note");
    assert_eq!(create.await.unwrap(), id);
    assert_eq!(
        vault.uploads_begin(&capsule.id, 5, "open").await.unwrap(),
        session
    );
    let hash = sha256(&bytes);
    let lacking = vault
        .uploads_finish(session, &hash, 230_000)
        .await
        .unwrap_err();
    assert_eq!(lacking.invalid_argument(), Some("chunk_missing: 2-3"));
    for index in [3, 2] {
        let bytes = chunks[index as usize];
        vault
            .uploads_put_chunk(session, index, bytes)
            .await
            .unwrap();
    }
    let finished = vault.uploads_finish(session, &hash, 230_000).await.unwrap();
    assert!(vault.blob_read(&finished.blob_id).await.unwrap() == bytes);

    // A finish is repeated with the same answer, an upgrade later as well.
    let upgraded = install(&home.engine, vault_module()).await;
    assert_eq!(upgraded.unwrap(), Installed::Upgraded);
    let repeated = vault.uploads_finish(session, &hash, 230_000).await.unwrap();
    assert_eq!(repeated, finished);
    assert_eq!(vault.upload_config().await.unwrap(), config);
    let state = home.stop().await;
    keepsake_tests::state::recount(state.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_cannot_be_installed_leaves_the_vault_running() {
    let home = Home::new().await;
    let vault = home.vault(1).await;
    let capsule = vault.capsules_create(None).await.unwrap().id;
    let metadata = asset("note", AssetType::Original);
    let note = NewContent::Inline(b"still here");
    let create = vault.memories_create(&capsule, note, &metadata, "note");
    create.await.unwrap();
    let before = audit(&vault).await;
    let hash = home.engine.state().module_hash;
    let whole = vault_module();
    for module in [&b""[..], b"not wasm", &whole[..whole.len() / 2]] {
        install(&home.engine, module.to_vec()).await.unwrap_err();
        assert_eq!(home.engine.state().module_hash, hash);
        assert!(audit(&vault).await == before);
    }
    let gone = vault.memories_read("mem_nothing").await.unwrap_err();
    assert_eq!(gone.vault_error(), Some(&Error::NotFound));
}
