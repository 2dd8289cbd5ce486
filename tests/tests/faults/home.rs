//! The canister over stable memory that was made elsewhere, in this process: no HTTP, no signatures.

use std::sync::LazyLock;

use candid::{Reserved, decode_one};
use keepsake_client::api::{
    AssetLinks, Error, InitArgs, Maintenance, Page, SharedPage, VaultStatus,
};
use keepsake_host::engine::{Config, Engine, Executed, Installed};
use keepsake_tests::artefacts::{code_cache, vault_module};
use keepsake_vault::Vault;
use tempfile::TempDir;

use crate::failing::{Failing, PAGE};
use crate::world::{OPERATOR, Probe, Scenario, principal};

/// Pages that one message loads.
const LOADED_AT_ONCE: usize = 16;

/// A canister that puts bytes into stable memory, before the vault is installed over them.
static LOADER: LazyLock<Vec<u8>> =
    LazyLock::new(|| wat::parse_str(include_str!("loader.wat")).expect("it is a module"));

fn no_settings() -> Vec<u8> {
    candid::encode_one(None::<InitArgs>).expect("it is Candid")
}

/// A canister that is gone when this is dropped, after its engine.
pub struct Home {
    pub engine: Engine,
    folder: TempDir,
}

impl Home {
    /// The vault's canister over this stable memory, as after an upgrade. `configure` sets the engine's limits.
    pub async fn over(image: &[u8], configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let home = Self::open(folder, |_| {});
        home.engine.install(&LOADER, b"").expect("it installs");
        for (n, part) in image.chunks(LOADED_AT_ONCE * PAGE).enumerate() {
            let offset = (n * LOADED_AT_ONCE * PAGE) as u64;
            let arg = [&offset.to_le_bytes(), part].concat();
            let load = home
                .engine
                .execute_update(principal(OPERATOR), "load", &arg);
            load.await.result.expect("it loads");
        }
        let home = Self::open(home.close(), configure);
        let installed = home.engine.install(&vault_module(), &no_settings());
        assert_eq!(
            installed.expect("the canister installs"),
            Installed::Upgraded
        );
        home.settle().await;
        home
    }

    fn open(folder: TempDir, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(folder.path());
        config.query_threads = Some(1);
        // Compiling takes longer than all that is done with it.
        config.code_cache = Some(code_cache());
        config.controllers = vec![principal(OPERATOR)];
        configure(&mut config);
        let engine = Engine::open(config).expect("the folder is usable");
        assert_eq!(engine.fault(), None);
        Self { engine, folder }
    }

    fn close(self) -> TempDir {
        let Self { engine, folder } = self;
        engine.shutdown();
        folder
    }

    /// Stops it, and starts it again with other limits.
    pub async fn reopen(self, configure: impl FnOnce(&mut Config)) -> Self {
        let home = Self::open(self.close(), configure);
        home.settle().await;
        home
    }

    /// Lets the canister do what it does by itself when it starts: it and its callers take turns, and that takes fewer.
    pub async fn settle(&self) {
        const TURNS: usize = 50;
        let nothing = candid::encode_args(()).expect("it is Candid");
        for _ in 0..TURNS {
            let turn = self
                .engine
                .execute_update(principal(OPERATOR), "whoami", &nothing);
            turn.await.result.expect("anybody may ask");
        }
    }

    /// What there is for sweeps to clear away.
    pub async fn due(&self) -> u64 {
        let nothing = candid::encode_args(()).expect("it is Candid");
        let status = self
            .engine
            .query(principal(OPERATOR), "vault_status", &nothing)
            .await
            .expect("operators may ask");
        let status: Result<VaultStatus, Error> = decode_one(&status).expect("a status");
        let Maintenance {
            capsules_emptying,
            uploads_due,
            blobs_due,
            trash_due,
            ..
        } = status.expect("operators may ask").maintenance;
        capsules_emptying + uploads_due + blobs_due + trash_due
    }

    /// Makes the call; all its messages together may use so many instructions.
    pub async fn within(&self, scenario: &Scenario, instructions: u64) -> Executed {
        self.engine
            .execute_update_within(
                principal(scenario.who),
                scenario.method,
                &scenario.arg,
                instructions,
            )
            .await
    }

    pub async fn run(&self, scenario: &Scenario) -> Executed {
        self.within(scenario, u64::MAX).await
    }

    /// What the query replies, without what the clock alone changes.
    pub async fn ask(&self, probe: &Probe) -> Vec<u8> {
        let reply = self
            .engine
            .query(principal(probe.who), probe.method, &probe.arg)
            .await
            .unwrap_or_else(|reject| panic!("{}: {}", probe.method, reject.message));
        match probe.method {
            "memories_list" | "memories_shared_with_me" => {
                let mut page: Result<Page, Error> = decode_one(&reply).expect("a page");
                for header in page.iter_mut().flat_map(|page| &mut page.items) {
                    without_tokens(&mut header.assets);
                }
                format!("{page:?}").into_bytes()
            }
            "share_links_memories" => {
                let mut page: Result<SharedPage, Error> = decode_one(&reply).expect("a page");
                for header in page.iter_mut().flat_map(|page| &mut page.items) {
                    without_tokens(&mut header.assets);
                }
                format!("{page:?}").into_bytes()
            }
            _ => reply,
        }
    }

    pub async fn ask_all(&self, probes: &[Probe]) -> Vec<Vec<u8>> {
        let mut replies = Vec::with_capacity(probes.len());
        for probe in probes {
            replies.push(self.ask(probe).await);
        }
        replies
    }

    /// Stable memory as committed last.
    pub fn stable(&self) -> Vec<u8> {
        let mut stable = self.engine.stable_memory().expect("it is readable");
        let mut bytes = vec![0; stable.pages() as usize * PAGE];
        stable.read(0, &mut bytes).expect("it is readable");
        bytes
    }

    /// Opens the vault that is in stable memory natively, and recomputes every counter and index of it.
    pub fn recounted(&self, when: &str) -> Vault<Failing> {
        let vault = Vault::open(Failing::over(self.stable())).expect("it is a vault");
        if let Err(difference) = vault.recount() {
            panic!("{when}: {difference}");
        }
        vault
    }
}

/// Links without what the time of asking puts into them.
fn without_tokens(links: &mut AssetLinks) {
    let links = [
        &mut links.original,
        &mut links.display,
        &mut links.thumbnail,
    ];
    for link in links.into_iter().flatten() {
        link.token.clear();
        link.expires_at_ns = 0;
    }
}

/// What a call answered: nothing in particular, or an error.
pub fn answer(scenario: &Scenario, executed: &Executed) -> Result<(), Error> {
    let name = scenario.name();
    let reply = executed.result.as_ref();
    let reply = reply.unwrap_or_else(|reject| panic!("{name}: {}", reject.message));
    // Reserved takes anything: whatever a success carries.
    let answer: Result<Reserved, Error> =
        decode_one(reply).unwrap_or_else(|error| panic!("{name}: {error}"));
    answer.map(drop)
}
