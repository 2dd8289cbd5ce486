//! The host of a soak: `keepsake serve` on one port, and what happens to it.

use std::{
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use candid::{Principal, encode_one};
use flate2::{Compression, write::GzEncoder};
use ic_agent::{Agent, AgentError};
use ic_management_canister_types::{CanisterInstallMode, InstallCodeArgs};
use keepsake_client::api::InitArgs;
use keepsake_tests::{artefacts, command, command::Served, person, state};
use rand::{Rng, rngs::StdRng};
use tempfile::TempDir;

/// The key of the vault's controller; none of the people's.
const CONTROLLER: u8 = 250;

/// Modules that differ in their hash alone.
const MODULES: [&str; 2] = ["one", "two"];

/// How long an upgrade may take before the host gets killed in the middle of it, in milliseconds.
const INTO_THE_UPGRADE_MS: u64 = 4_000;

/// What happens to a home.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// SIGKILL, and a new start.
    Kill,
    /// SIGKILL, and again while it starts.
    KillTwice,
    /// SIGTERM: it stops in order.
    Terminate,
    /// A controller installs another build while people work.
    Upgrade,
    /// SIGKILL while it does.
    KillInUpgrade,
}

impl Event {
    pub fn by_chance(random: &mut StdRng) -> Self {
        match random.random_range(0..20) {
            0..8 => Event::Kill,
            8..10 => Event::KillTwice,
            10..13 => Event::Terminate,
            13..18 => Event::Upgrade,
            _ => Event::KillInUpgrade,
        }
    }
}

pub struct Host {
    /// None only while it is being started.
    served: Option<Served>,
    url: String,
    listen: String,
    folder: TempDir,
    /// The module of the last upgrade, by its place in [`MODULES`].
    module: usize,
    kills: u32,
    stops: u32,
    upgrades: u32,
    /// Time from the start of a process to its first word.
    slowest_start: Duration,
}

impl Host {
    /// A new vault on a port that the system gives to nobody: clients that try again while nothing listens then do not
    /// meet themselves.
    pub fn start(random: &mut StdRng) -> Self {
        let listen = (0..100)
            .map(|_| format!("127.0.0.1:{}", random.random_range(20_000..32_000)))
            .find(|address| TcpListener::bind(address).is_ok())
            .expect("a port is free");
        let folder = tempfile::tempdir().expect("temporary folders can be made");
        for tag in MODULES {
            let path = module(folder.path(), tag);
            let file = std::fs::File::create(path).expect("the folder is writable");
            let mut zipped = GzEncoder::new(file, Compression::default());
            zipped
                .write_all(&artefacts::vault_module_tagged(tag))
                .and_then(|()| zipped.try_finish())
                .expect("the folder is writable");
        }
        let mut host = Host {
            served: None,
            url: format!("http://{listen}"),
            listen,
            folder,
            module: 0,
            kills: 0,
            stops: 0,
            upgrades: 0,
            slowest_start: Duration::ZERO,
        };
        host.serve();
        host
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What happened, in one line.
    pub fn line(&self) -> String {
        format!(
            "{} kills, {} stops, {} upgrades, slowest start {:.1} s",
            self.kills,
            self.stops,
            self.upgrades,
            self.slowest_start.as_secs_f64()
        )
    }

    /// Lets something happen; afterwards the vault is served again.
    pub async fn happens(&mut self, event: Event, random: &mut StdRng) {
        match event {
            Event::Kill => self.kill(),
            Event::KillTwice => {
                let early = Duration::from_millis(random.random_range(0..2_000));
                if let Some(served) = self.served.take() {
                    served.kill();
                }
                Served::kill_while_starting(&self.state(), &self.installed(), &self.listen, early);
                self.kills += 2;
                self.serve();
            }
            Event::Terminate => {
                if let Some(served) = self.served.take() {
                    served.terminate().ok();
                }
                self.stops += 1;
                self.serve();
            }
            Event::Upgrade => {
                let sent = self.upgrade();
                sent.await.expect("the controller may upgrade the vault");
                self.upgrades += 1;
            }
            Event::KillInUpgrade => {
                let pause = random.random_range(0..INTO_THE_UPGRADE_MS);
                let sent = tokio::spawn(self.upgrade());
                tokio::time::sleep(Duration::from_millis(pause)).await;
                self.kill();
                // Whether it was installed before that, the next start saw.
                sent.abort();
            }
        }
    }

    /// The vault at rest: recounted from its bytes, and checked by the command.
    pub fn look_from_below(&mut self) {
        if let Some(served) = self.served.take() {
            served.terminate().ok();
        }
        state::recount(&self.state());
        let state = self.state();
        let state = state.to_str().expect("temporary folders have plain names");
        let checked = command::run(self.folder.path(), ["check", "--json", "--state", state]);
        println!("{}", checked.ok().stdout.trim_end());
        self.serve();
    }

    /// The last stop.
    pub fn end(mut self) {
        if let Some(served) = self.served.take() {
            served.terminate().ok();
        }
        state::recount(&self.state());
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn installed(&self) -> PathBuf {
        module(self.folder.path(), MODULES[self.module])
    }

    fn kill(&mut self) {
        if let Some(served) = self.served.take() {
            let killed = served.kill();
            assert_eq!(killed.code(), None, "it ended by itself: {killed:#?}");
        }
        self.kills += 1;
        self.serve();
    }

    fn serve(&mut self) {
        let begun = Instant::now();
        let controller = person(CONTROLLER).sender().expect("the key is usable");
        let options = ["--controller", &controller.to_text()];
        let served =
            Served::try_start_with(&self.state(), &self.installed(), &self.listen, &options)
                .unwrap_or_else(|ended| panic!("it does not start: {ended:#?}"));
        self.slowest_start = self.slowest_start.max(begun.elapsed());
        self.served = Some(served);
    }

    /// Installs the other module, as a controller does through the official agent.
    fn upgrade(&mut self) -> impl Future<Output = Result<(), AgentError>> + Send + use<> {
        self.module = (self.module + 1) % MODULES.len();
        let wasm_module = artefacts::read(&self.installed());
        let url = self.url.clone();
        let served = self.served.as_ref().expect("it is served");
        let id = served.announced["canister_id"].as_str();
        let canister = id.and_then(|id| Principal::from_text(id).ok());
        async move {
            let canister_id = canister.expect("it says its canister id");
            let nothing: Option<InitArgs> = None;
            let install = InstallCodeArgs {
                mode: CanisterInstallMode::Upgrade(None),
                canister_id,
                wasm_module,
                arg: encode_one(nothing).expect("it is Candid"),
                sender_canister_version: None,
            };
            // The host may be killed before this is through.
            let agent = Agent::builder()
                .with_url(&url)
                .with_arc_identity(person(CONTROLLER))
                .build()?;
            agent.fetch_root_key().await?;
            agent
                .update(&Principal::management_canister(), "install_code")
                .with_effective_canister_id(canister_id)
                .with_arg(encode_one(install).expect("it is Candid"))
                .await
                .map(drop)
        }
    }
}

fn module(folder: &Path, tag: &str) -> PathBuf {
    folder.join(format!("{tag}.wasm.gz"))
}
