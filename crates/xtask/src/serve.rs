//! Serves a vault on this machine: the canister, inside the `keepsake` command that runs it.

use crate::workspace::{VAULT_WASM, become_command, cargo};
use crate::{canister, gallery};
use anyhow::Result;

/// Builds everything and becomes `keepsake serve` with `options`, optimised unless `dev`.
pub fn run(dev: bool, options: &[String]) -> Result<()> {
    let gallery = gallery::build()?;
    println!("Building the canister");
    let built = canister::build(gallery.as_deref())?;
    println!("Building the host (the first time takes some minutes)");
    let mut command = cargo()?;
    command.args(["run", "--package", "keepsake"]);
    if !dev {
        command.arg("--release");
    }
    command
        .args(["--", "serve"])
        .args(options)
        .env(VAULT_WASM, &built.wasm);
    become_command(&mut command)
}
