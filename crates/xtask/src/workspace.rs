//! Where things are, and the cargo that runs us.

use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The names that the canister and the host's command agree on: the variable with the path of the canister that the command
/// embeds and the tests install.
pub const VAULT_WASM: &str = "KEEPSAKE_VAULT_WASM";

/// The workspace's folder.
pub fn root() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = Path::new(&manifest)
        .ancestors()
        .nth(2)
        .context("the xtask crate lies outside the workspace")?;
    Ok(root.to_owned())
}

/// The folder that cargo builds in.
pub fn target() -> Result<PathBuf> {
    let root = root()?;
    Ok(match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    })
}

/// The cargo that runs us, in the workspace's folder.
pub fn cargo() -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()?);
    // Of our own process; a cargo below us sets its own.
    command.env_remove("CARGO_MANIFEST_DIR");
    Ok(command)
}

/// Runs a command to its end; an error where it cannot start or exits non-zero.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{} could not be started", program(command)))?;
    ensure!(status.success(), "{} failed: {status}", program(command));
    Ok(())
}

/// Runs a command and returns what it wrote to its standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("{} could not be started", program(command)))?;
    ensure!(
        output.status.success(),
        "{} failed: {}\n{}",
        program(command),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// Becomes `command`: its signals and its exit code are then ours, so that Ctrl-C stops it as if it had been started alone. Returns
/// only where it cannot start.
pub fn become_command(command: &mut Command) -> Result<()> {
    std::io::stdout().flush()?;
    let error = command.exec();
    Err(error).with_context(|| format!("{} could not be started", program(command)))
}

/// Runs the same command of ours again, compiled with the feature `host`.
#[cfg(not(feature = "host"))]
pub fn again_with_host() -> Result<()> {
    again(&[])
}

/// Runs the same command of ours again, with what runs the vault natively compiled for speed and without debug assertions. The host stays
/// as it is compiled otherwise.
#[cfg(feature = "host")]
pub fn again_optimised() -> Result<()> {
    again(&[
        "profile.dev.package.xtask.opt-level=3",
        "profile.dev.package.xtask.debug-assertions=false",
        "profile.dev.package.keepsake-vault.opt-level=3",
        "profile.dev.package.keepsake-vault.debug-assertions=false",
    ])
}

/// Runs the same command of ours again with the feature `host` and these settings of cargo.
fn again(settings: &[&str]) -> Result<()> {
    let mut command = cargo()?;
    for setting in settings {
        command.args(["--config", setting]);
    }
    // By binary, not by package: cargo then takes the dependencies with the features that the tests use, and compiles them once.
    command.args([
        "run",
        "--quiet",
        "--bin",
        "xtask",
        "--features",
        "xtask/host",
        "--",
    ]);
    command.args(std::env::args_os().skip(1));
    become_command(&mut command)
}
