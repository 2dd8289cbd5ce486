//! `keepsake serve`: a vault on this machine, until it is told to stop.
//!
//! The port is taken before the state is touched, so that a second start leaves the first one's state alone and says
//! what is wrong. A second start in the same folder finds the vault as it was.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};
use keepsake_client::{DEFAULT_CANISTER_ID, api::InitArgs};
use keepsake_host::{
    certificate::Certification,
    crypto::root_key::is_root_key,
    engine::{Config, Engine, Installed},
    http,
    runtime::RunState,
};
use tokio::net::TcpListener;

use crate::{
    Outcome,
    args::{Bounds, Common, DEFAULT_LISTEN, Metrics, Serve},
    connect, operation,
    output::Output,
    paths,
};

include!(concat!(env!("OUT_DIR"), "/vault_wasm.rs"));

const NO_WASM: &str = "no vault canister is built into this keepsake; run `cargo xtask serve` in the source folder, or \
                       give one with --wasm <vault.wasm>";

pub async fn run(serve: Serve, common: &Common, output: &mut Output) -> Result<Outcome> {
    operation::start_log(&serve.logging)?;
    let options = options(&serve.bounds)?;
    let state = match serve.state {
        Some(folder) => folder,
        None => paths::state()?,
    };
    let wasm = wasm(serve.wasm.as_deref())?;
    // A vault that is there already can be served as it is.
    if wasm.is_none() && !state.exists() {
        bail!(NO_WASM);
    }
    let listener = listen(&serve.listen).await?;
    let address = listener
        .local_addr()
        .context("the listening socket has no address")?;
    if !address.ip().is_loopback() {
        eprintln!(
            "keepsake: listening on {address}, which other machines can reach, without encryption; \
             put a TLS proxy in front, or listen on {DEFAULT_LISTEN}"
        );
    }
    let mut stop = pin!(Stop::listen()?.wait());
    let started = {
        let (state, common) = (state.clone(), common.clone());
        let controllers = serve.controller;
        let starting =
            tokio::task::spawn_blocking(move || start(state, &common, &controllers, wasm));
        tokio::select! {
            started = starting => started.context("the vault could not be started")??,
            // Leaving in the middle of it is as safe as a crash.
            () = &mut stop => return Ok(Outcome::Interrupted),
        }
    };
    let Started {
        engine,
        installed,
        certification,
    } = started;
    let root_key = hex::encode(certification.root_key().der());
    announce(output, &engine, address, &state, installed, &root_key)?;
    tracing::info!(%address, canister = %engine.canister_id(), "serving");
    operation::notify(operation::Moment::Ready);
    http::serve_backend(
        Arc::new(engine.clone()),
        certification,
        listener,
        options,
        stop,
    )
    .await?;
    tokio::task::spawn_blocking(move || engine.shutdown())
        .await
        .context("the vault could not be stopped in order")?;
    tracing::info!("stopped");
    if !output.is_json() {
        output.line("Stopped.")?;
    }
    Ok(Outcome::AllWell)
}

/// What the interface allows its clients.
fn options(bounds: &Bounds) -> Result<http::Options> {
    let rate = |per_second: u32| {
        (per_second > 0).then(|| http::Rate {
            per_second,
            burst: per_second.saturating_mul(4),
        })
    };
    let mut options = http::Options {
        // No platform that this runs on has shorter words.
        max_connections: usize::try_from(bounds.max_connections).unwrap_or(usize::MAX),
        peer_rate: rate(bounds.peer_rate),
        principal_rate: rate(bounds.principal_rate),
        trusted_proxies: bounds.trust_proxy.clone(),
        metrics: match bounds.metrics {
            Metrics::Local => http::MetricsAccess::Local,
            Metrics::Anyone => http::MetricsAccess::Anyone,
            Metrics::Nobody => http::MetricsAccess::Nobody,
        },
        ..http::Options::default()
    };
    for key in &bounds.trust_network {
        let der = hex::decode(key).ok().filter(|der| is_root_key(der));
        options.trusted_networks.push(der.with_context(|| {
            format!("--trust-network {key:?} is no root key; it is told in hex, of 266 digits")
        })?);
    }
    Ok(options)
}

/// The canister to run: the file named, or the one built in, if any.
fn wasm(named: Option<&Path>) -> Result<Option<Vec<u8>>> {
    match named {
        Some(path) => std::fs::read(path)
            .map(Some)
            .with_context(|| format!("{} cannot be read", path.display())),
        None => Ok(EMBEDDED.map(<[u8]>::to_vec)),
    }
}

async fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| {
        anyhow!(match e.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{address} is in use, perhaps by another keepsake; choose another port with --listen 127.0.0.1:<port>"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "this account may not listen on {address}; choose a port of 1024 or above with --listen"
            ),
            io::ErrorKind::AddrNotAvailable => {
                format!("{address} is no address of this machine; choose another with --listen")
            }
            _ => format!("cannot listen on {address:?} ({e}); --listen takes an address and a port, like {DEFAULT_LISTEN}"),
        })
    })
}

/// A vault that is ready to be served.
struct Started {
    engine: Engine,
    installed: Installed,
    certification: Arc<Certification>,
}

/// Opens the state folder and puts the canister in. Blocking.
fn start(
    state: PathBuf,
    common: &Common,
    controllers: &[candid::Principal],
    wasm: Option<Vec<u8>>,
) -> Result<Started> {
    let mut config = Config::new(state);
    config.canister_id = common.canister_id;
    config.code_cache = operation::code_cache();
    let engine = Engine::open(config)?;
    let mut controllers = controllers.to_vec();
    if engine.state().controllers.is_empty() {
        controllers.extend(owner(common)?);
    }
    engine
        .add_controllers(&controllers)
        .map_err(|reject| anyhow!("the controllers cannot be set: {}", reject.message))?;
    let installed = match wasm {
        Some(wasm) => {
            // Keep what is set: the vault takes no argument as no change.
            let arg = candid::encode_one(None::<InitArgs>)
                .context("the vault's argument cannot be encoded")?;
            engine
                .install(&wasm, &arg)
                .context("the vault canister cannot be installed")?
        }
        None if engine.state().module_hash.is_some() => Installed::Unchanged,
        None => bail!(NO_WASM),
    };
    if let Some(fault) = engine.fault() {
        bail!("the vault canister in the state folder does not start: {fault}");
    }
    if engine.run_state() != RunState::Running {
        eprintln!(
            "keepsake: the vault was stopped by a controller and answers nothing until `icp canister start` starts it"
        );
    }
    let certification = http::certify(&engine)?;
    Ok(Started {
        engine,
        installed,
        certification,
    })
}

/// Who the user of this command is, where there is a key already: serving needs none, and makes none.
fn owner(common: &Common) -> Result<Option<candid::Principal>> {
    let own = paths::own_key().ok();
    if common.identity.is_none() && !own.is_some_and(|path| path.exists()) {
        return Ok(None);
    }
    let (identity, path, _) = connect::key(common)?;
    identity
        .sender()
        .map(Some)
        .map_err(|error| anyhow!("the key in {} cannot be used: {error}", path.display()))
}

fn announce(
    output: &mut Output,
    engine: &Engine,
    address: SocketAddr,
    state: &Path,
    installed: Installed,
    root_key: &str,
) -> io::Result<()> {
    let url = reachable_url(address);
    let canister_id = engine.canister_id().to_text();
    let gallery = gallery_url(address, &canister_id);
    let (code, words) = match installed {
        Installed::Installed => ("installed", "installed: a new, empty vault"),
        Installed::Upgraded => ("upgraded", "upgraded: everything in it is still there"),
        Installed::Unchanged => ("unchanged", "unchanged: as it was"),
    };
    let state = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
    if output.is_json() {
        return output.json(&serde_json::json!({
            "url": url,
            "gallery": gallery,
            "canister_id": canister_id,
            "root_key": root_key,
            "state": state.to_string_lossy(),
            "vault": code,
        }));
    }
    output.line("Keepsake is running.")?;
    output.line(&format!("  URL          {url}"))?;
    if let Some(gallery) = gallery {
        output.line(&format!("  gallery      {gallery}"))?;
    }
    output.line(&format!("  canister id  {canister_id}"))?;
    output.line(&format!("  state        {}", state.display()))?;
    output.line(&format!("  vault        {words}"))?;
    output.line(&format!("  root key     {root_key}"))?;
    output.line("")?;
    output.line("Try, in another terminal:")?;
    for command in next_commands(&url, &canister_id) {
        output.line(&format!("  {command}"))?;
    }
    output.line("")?;
    output.line("Ctrl-C stops it; the next start finds everything as it was.")
}

/// Where a browser on this machine finds the vault's pages; `None` where it listens for other machines alone, whose browsers need a proxy with
/// TLS in between: no browser has keys for pages that come without.
fn gallery_url(address: SocketAddr, canister_id: &str) -> Option<String> {
    let here = address.ip().is_loopback() || address.ip().is_unspecified();
    here.then(|| format!("http://{canister_id}.localhost:{}", address.port()))
}

/// Where a client on this machine reaches the address.
fn reachable_url(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}")
}

/// Commands that work as they stand, when pasted into a shell in this folder.
fn next_commands(url: &str, canister_id: &str) -> Vec<String> {
    let mut options = String::new();
    if url != format!("http://{DEFAULT_LISTEN}") {
        options.push_str(&format!(" --url {url}"));
    }
    if canister_id != DEFAULT_CANISTER_ID {
        options.push_str(&format!(" --canister-id {canister_id}"));
    }
    let pictures = directories::UserDirs::new()
        .and_then(|user| user.picture_dir().map(Path::to_owned))
        .filter(|folder| folder.is_dir())
        .map_or_else(|| "path/to/photos".to_owned(), |folder| quoted(&folder));
    let keepsake = command_name();
    vec![
        format!("{keepsake} upload {pictures}{options}"),
        format!("{keepsake} list{options}"),
        format!("{keepsake} verify{options}"),
        format!("{keepsake} identity{options}"),
    ]
}

/// `keepsake` where the shell finds this program by that name, else its path.
fn command_name() -> String {
    let Ok(this) = std::env::current_exe() else {
        return "keepsake".to_owned();
    };
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .map(|folder| folder.join("keepsake"))
            .find(|candidate| candidate.is_file())
    });
    let same = found
        .and_then(|found| found.canonicalize().ok())
        .is_some_and(|found| this.canonicalize().is_ok_and(|this| this == found));
    if same {
        return "keepsake".to_owned();
    }
    let short = std::env::current_dir()
        .ok()
        .and_then(|here| this.strip_prefix(here).ok().map(Path::to_owned));
    quoted(&short.unwrap_or(this))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// The signals that stop the vault: SIGINT (Ctrl-C) and SIGTERM.
struct Stop {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    /// From now on the signals are ours.
    fn listen() -> Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Stop {
                interrupt: signal(SignalKind::interrupt())
                    .context("Ctrl-C cannot be listened for")?,
                terminate: signal(SignalKind::terminate())
                    .context("SIGTERM cannot be listened for")?,
            })
        }
        #[cfg(not(unix))]
        Ok(Stop {})
    }

    #[cfg(unix)]
    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        eprintln!("keepsake: stopping");
        operation::notify(operation::Moment::Stopping);
        // Whoever asks again does not want to wait. What was acknowledged is on the disk by then in any case.
        tokio::spawn(async move {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            eprintln!("keepsake: stopped without waiting for open requests");
            std::process::exit(1);
        });
    }

    #[cfg(not(unix))]
    async fn wait(self) {
        let _ = tokio::signal::ctrl_c().await;
        eprintln!("keepsake: stopping");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_copyable() {
        assert_eq!(quoted(Path::new("/home/a/Pictures")), "/home/a/Pictures");
        assert_eq!(quoted(Path::new("/home/a b/it's")), "'/home/a b/it'\\''s'");
        let plain = next_commands("http://127.0.0.1:4943", DEFAULT_CANISTER_ID);
        assert!(plain.iter().all(|c| !c.contains("--")), "{plain:?}");
        let other = next_commands("http://127.0.0.1:5000", "aaaaa-aa");
        assert!(
            other
                .iter()
                .all(|c| c.ends_with(" --url http://127.0.0.1:5000 --canister-id aaaaa-aa"))
        );
    }

    #[test]
    fn the_url_is_one_that_a_client_reaches() {
        for (address, url) in [
            ("127.0.0.1:4943", "http://127.0.0.1:4943"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:4943", "http://[::1]:4943"),
        ] {
            assert_eq!(reachable_url(address.parse().unwrap()), url);
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_said_to_be_in_use() {
        let first = listen("127.0.0.1:0").await.unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = listen(&address).await.unwrap_err().to_string();
        assert!(error.contains("in use"), "{error}");
        let error = listen("nonsense").await.unwrap_err().to_string();
        assert!(error.contains("--listen takes"), "{error}");
    }
}
