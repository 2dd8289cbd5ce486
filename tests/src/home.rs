//! A vault served in this process, over HTTP, in a folder of its own.

use std::path::Path;

use candid::encode_one;
use keepsake_client::{Vault, api::InitArgs};
use keepsake_host::{
    engine::{Config, Engine, InstallError, Installed},
    http::{Options, Server},
};
use tempfile::TempDir;

use crate::artefacts::{code_cache, vault_module};

/// A vault that is gone when this is dropped.
pub struct Home {
    pub engine: Engine,
    server: Server,
    folder: TempDir,
}

impl Home {
    /// A new, empty vault on a free port.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        let mut config = Config::new(folder.path());
        config.code_cache = Some(code_cache());
        let engine = Engine::open(config).expect("the folder is usable");
        let installed = install(&engine, vault_module())
            .await
            .expect("the canister installs");
        assert_eq!(installed, Installed::Installed);
        let address = "127.0.0.1:0".parse().expect("it is an address");
        let server = Server::start(&engine, address, Options::default())
            .await
            .expect("a port is free");
        Home {
            engine,
            server,
            folder,
        }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where its state is.
    pub fn state(&self) -> &Path {
        self.folder.path()
    }

    /// The vault as test person `n` sees it.
    pub async fn vault(&self, n: u8) -> Vault {
        crate::connect(&self.url(), n).await
    }

    /// Stops it, and hands out the folder with what it kept.
    pub async fn stop(self) -> TempDir {
        self.server.stop().await.expect("it stops in order");
        self.engine.shutdown();
        drop(self.engine);
        self.folder
    }
}

/// Installs or upgrades, as `keepsake serve` does: settings stay as they are.
pub async fn install(engine: &Engine, module: Vec<u8>) -> Result<Installed, InstallError> {
    install_with(engine, module, None).await
}

/// Installs or upgrades with settings.
pub async fn install_with(
    engine: &Engine,
    module: Vec<u8>,
    settings: Option<InitArgs>,
) -> Result<Installed, InstallError> {
    let engine = engine.clone();
    let arg = encode_one(settings).expect("it is Candid");
    tokio::task::spawn_blocking(move || engine.install(&module, &arg))
        .await
        .expect("the engine does not panic")
}
