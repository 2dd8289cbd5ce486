//! What `keepsake serve` has with whoever operates it: its log on standard error, what it tells the service manager, and a folder for compiled
//! modules where one is named.
//!
//! The log says what the host does and how requests were answered, never what was in them.

use std::{env, io, os::unix::net::UnixDatagram, path::PathBuf};

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::args::{LogFormat, Logging};

/// The folder where compiled modules are kept besides the state folder's, if `KEEPSAKE_CODE_CACHE` names one: for whoever starts many vaults.
pub fn code_cache() -> Option<PathBuf> {
    env::var_os("KEEPSAKE_CODE_CACHE")
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
}

/// Writes the log from now on, as asked for.
pub fn start_log(logging: &Logging) -> Result<()> {
    let filter: EnvFilter = EnvFilter::builder().parse(&logging.log).with_context(|| {
        format!(
            "--log {:?} is no level, and no list of <module>=<level>",
            logging.log
        )
    })?;
    let log = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(filter);
    let started = match logging.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("the log cannot be written: {error}"))
}

/// What a service manager that started this process wants to be told (systemd: sd_notify).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Ready,
    Stopping,
}

/// Tells the service manager, where there is one. That it cannot be told changes nothing here.
pub fn notify(moment: Moment) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let state = match moment {
        Moment::Ready => "READY=1",
        Moment::Stopping => "STOPPING=1",
    };
    if let Err(error) = tell(socket.as_encoded_bytes(), state.as_bytes()) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Sends to a socket in the file system, or to an abstract one, whose name begins with `@`.
fn tell(socket: &[u8], state: &[u8]) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::SocketAddr;
    let from = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        from.send_to_addr(state, &SocketAddr::from_abstract_name(name)?)?;
        return Ok(());
    }
    let path = std::ffi::OsStr::from_bytes(socket);
    from.send_to_addr(state, &SocketAddr::from_pathname(path)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_hears_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        tell(path.as_os_str().as_encoded_bytes(), b"READY=1").unwrap();
        let mut heard = [0; 32];
        let length = manager.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");
        assert!(tell(b"/nowhere/at all", b"READY=1").is_err());
    }

    #[test]
    fn a_wrong_level_is_told() {
        let logging = Logging {
            log: "loud=very".into(),
            log_format: LogFormat::Text,
        };
        let error = start_log(&logging).unwrap_err().to_string();
        assert!(error.contains("loud"), "{error}");
    }
}
