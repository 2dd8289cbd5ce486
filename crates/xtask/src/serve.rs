//! Serves a vault on this machine: the canister, inside the `keepsake` command that runs it.

use crate::canister;
use crate::workspace::{VAULT_WASM, cargo};
use anyhow::{Context, Result};

/// Builds everything and runs `keepsake serve` with `options`, optimised unless `dev`. Returns when it stops; what
/// it exits with, we exit with.
pub fn run(dev: bool, options: &[String]) -> Result<()> {
    println!("Building the canister");
    let built = canister::build()?;
    println!("Building the host (the first time takes some minutes)");
    let mut command = cargo()?;
    command.args(["run", "--quiet", "--package", "keepsake"]);
    if !dev {
        command.arg("--release");
    }
    command
        .args(["--", "serve"])
        .args(options)
        .env(VAULT_WASM, &built.wasm);
    let status = command.status().context("cargo could not be started")?;
    if !status.success() {
        std::process::exit(status.code().unwrap_or(1));
    }
    Ok(())
}
