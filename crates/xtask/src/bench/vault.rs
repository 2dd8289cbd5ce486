//! A vault in a folder of its own, called in process: no HTTP, no signatures, only the canister and the host's counter.

use super::image::{PAGE, PiecewiseMemory, init_args, owner};
use anyhow::{Context, Result, anyhow, ensure};
use candid::CandidType;
use candid::utils::ArgumentEncoder;
use ic_stable_structures::Memory;
use keepsake_api::{Error, InitArgs};
use keepsake_host::engine::{Config, Engine, Executed};
use keepsake_host::runtime::{
    CompiledModule, ContextKind, Entry, Environment, Instance, Message, Network, Runtime,
};
use keepsake_host::store::{Commit, Folder, StableMemory, Store};
use serde::de::DeserializeOwned;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// A vault that one caller uses.
pub struct Vault {
    engine: Engine,
    /// Removed with everything in it when the vault is dropped.
    folder: TempDir,
}

/// Bytes of stable memory that one transaction puts into the store.
const LOADED_AT_ONCE: usize = 64 << 20;

/// Instructions that an upgrade may take.
const UPGRADE_LIMIT: u64 = 300_000_000_000;

/// What an upgrade took, and left.
pub struct Upgrade {
    pub instructions: u64,
    /// Bytes of heap after it.
    pub heap: u64,
}

/// A network whose key has the length of every network's: what pages say of it is certified at each start.
fn network() -> Network {
    const KEY_BYTES: usize = 133;
    Network {
        subnet_id: owner(),
        root_key: vec![0x30; KEY_BYTES],
    }
}

/// A reply and the instructions it took.
pub type Counted<T> = (T, u64);

impl Vault {
    /// Installs `wasm` in a new folder.
    pub fn install(wasm: &[u8]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let engine = Engine::open(Config::new(folder.path()))?;
        engine.install(wasm, &candid::encode_one(Some(init_args()))?)?;
        Ok(Self { engine, folder })
    }

    /// Installs `wasm` in a new folder over the vault in `memory`. It is opened as after an upgrade.
    pub fn over(wasm: &[u8], memory: &PiecewiseMemory) -> Result<Self> {
        let Self { engine, folder } = Self::install(wasm)?;
        engine.shutdown();
        drop(engine);
        {
            let held = Folder::open(folder.path())?;
            let store = Store::open(&held.data(), None)?;
            load(&store, memory)?;
        }
        let engine = Engine::open(Config::new(folder.path()))?;
        if let Some(fault) = engine.fault() {
            return Err(anyhow!("the vault that was built does not open: {fault}"));
        }
        Ok(Self { engine, folder })
    }

    /// Runs what an upgrade runs, on the state as it is, and drops what it did.
    pub fn upgrade(&self, wasm: &[u8]) -> Result<Upgrade> {
        let environment = Environment {
            canister_id: self.engine.canister_id(),
            cycle_balance: 100_000_000_000_000,
            network: Arc::new(OnceLock::from(network())),
        };
        let runtime = Runtime::new(environment, 1 << 30).map_err(|error| anyhow!("{error:#}"))?;
        let runtime = Arc::new(runtime);
        let cache = self.folder.path().join("upgrade");
        std::fs::create_dir_all(&cache)?;
        let module = Arc::new(CompiledModule::new(&runtime, wasm, &cache)?);
        let mut instance = Instance::new(&runtime, &module)?;
        let mut message = Message::new(
            ContextKind::Init,
            owner(),
            self.engine.time(),
            self.engine.stable_memory()?,
        );
        message.arg = candid::encode_one(None::<InitArgs>)?;
        let ran = instance.run(
            &Entry::Export("canister_post_upgrade".to_owned()),
            message,
            UPGRADE_LIMIT,
        );
        ran.result?;
        instance.keep()?;
        Ok(Upgrade {
            instructions: ran.instructions,
            heap: instance.snapshot().size() as u64,
        })
    }

    /// Calls an update method that answers `variant { Ok : T; Err : Error }`.
    pub async fn update<T>(&self, method: &str, args: impl ArgumentEncoder) -> Result<Counted<T>>
    where
        T: CandidType + DeserializeOwned,
    {
        let executed = self
            .engine
            .execute_update(owner(), method, &candid::encode_args(args)?)
            .await;
        let (result, instructions) = decode::<std::result::Result<T, Error>>(method, executed)?;
        Ok((
            result.with_context(|| format!("{method} failed"))?,
            instructions,
        ))
    }

    /// Calls a query method that answers `variant { Ok : T; Err : Error }`.
    pub async fn query<T>(&self, method: &str, args: impl ArgumentEncoder) -> Result<Counted<T>>
    where
        T: CandidType + DeserializeOwned,
    {
        let (result, instructions) = self
            .query_plain::<std::result::Result<T, Error>>(method, args)
            .await?;
        Ok((
            result.with_context(|| format!("{method} failed"))?,
            instructions,
        ))
    }

    /// Calls a query method that answers a plain value.
    pub async fn query_plain<T>(
        &self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Result<Counted<T>>
    where
        T: CandidType + DeserializeOwned,
    {
        decode(
            method,
            self.engine
                .execute_query(owner(), method, &candid::encode_args(args)?)
                .await,
        )
    }
}

fn decode<T: CandidType + DeserializeOwned>(
    method: &str,
    executed: Executed,
) -> Result<Counted<T>> {
    let reply = executed
        .result
        .map_err(|reject| anyhow!("{method} was rejected: {}", reject.message))?;
    let decoded = candid::decode_one(&reply)
        .with_context(|| format!("the reply of {method} is not what it should be"))?;
    Ok((decoded, executed.instructions))
}

/// Puts all of `memory` into the store of a canister that is installed, as its stable memory.
fn load(store: &Store, memory: &PiecewiseMemory) -> Result<()> {
    let pages = memory.size();
    let mut page = vec![0; PAGE];
    let mut next = 0;
    while next < pages {
        let view = store.view()?;
        let mut record = view
            .canister()?
            .context("no canister is installed in the store")?;
        ensure!(
            record.stable_pages <= pages,
            "the canister installed has more stable memory than the one built"
        );
        record.commit += 1;
        record.stable_pages = pages;
        let mut stable = StableMemory::new(view, None, pages);
        for _ in 0..LOADED_AT_ONCE / PAGE {
            if next < pages {
                let at = next * PAGE as u64;
                memory.read(at, &mut page);
                stable.write(at, &page)?;
                next += 1;
            }
        }
        stable.accept();
        let (units, _) = stable.into_group();
        store.commit(&Commit {
            canister: &record,
            units: &units,
            requests: &[],
            wasm: None,
            prune_before: 0,
        })?;
    }
    Ok(())
}
