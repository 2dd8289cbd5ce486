//! A vault in a folder of its own, called in process: no HTTP, no signatures, only the canister and the host's counter.

use anyhow::{Context, Result, anyhow};
use candid::utils::ArgumentEncoder;
use candid::{CandidType, Principal};
use keepsake_api::{Error, InitArgs};
use keepsake_host::engine::{Config, Engine, Executed};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

/// A vault that one caller uses.
pub struct Vault {
    engine: Engine,
    caller: Principal,
    /// Removed with everything in it when the vault is dropped.
    _folder: TempDir,
}

/// A reply and the instructions it took.
pub type Counted<T> = (T, u64);

impl Vault {
    /// Installs `wasm` in a new folder.
    pub fn install(wasm: &[u8]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let engine = Engine::open(Config::new(folder.path()))?;
        // The memories of the bench are inline; the default budget of a capsule holds 32 of them.
        let arg = InitArgs {
            inline_budget_per_capsule: Some(1 << 30),
            ..InitArgs::default()
        };
        engine.install(wasm, &candid::encode_one(Some(arg))?)?;
        Ok(Self {
            engine,
            caller: Principal::self_authenticating(b"the caller of the bench"),
            _folder: folder,
        })
    }

    /// Calls an update method that answers `variant { Ok : T; Err : Error }`.
    pub async fn update<T>(&self, method: &str, args: impl ArgumentEncoder) -> Result<Counted<T>>
    where
        T: CandidType + DeserializeOwned,
    {
        let executed = self
            .engine
            .execute_update(self.caller, method, &candid::encode_args(args)?)
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
                .execute_query(self.caller, method, &candid::encode_args(args)?)
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
