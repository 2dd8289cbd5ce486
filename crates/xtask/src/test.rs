//! Everything that must hold before a change is taken, in the order in which a failure is cheapest to find. CI runs exactly
//! this.

use crate::canister;
use crate::step::Steps;
use crate::workspace::{VAULT_WASM, cargo, root};
use anyhow::Result;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs all steps; `fast` leaves out those that take long and rarely fail alone.
pub fn run(fast: bool) -> Result<()> {
    let mut steps = Steps::new();
    steps.program("format", cargo()?.args(["fmt", "--all", "--check"]))?;
    let built = steps.step("canister", "cargo xtask build", canister::build)?;
    steps.program("interface", &mut xtask(&["did"])?)?;

    let wasm = built.wasm.as_path();
    let deny = ["--", "--deny", "warnings"];
    let mut lints = cargo_with(
        wasm,
        &["clippy", "--all-targets", "--features", "xtask/host"],
    )?;
    steps.program("lints", lints.args(deny))?;
    let mut lints = cargo_with(
        wasm,
        &[
            "clippy",
            "--package",
            "keepsake-canister",
            "--target",
            "wasm32-unknown-unknown",
        ],
    )?;
    steps.program("lints of the canister", lints.args(deny))?;

    let runner: &[&str] = if has_nextest()? {
        &["nextest", "run"]
    } else {
        &["test", "--no-fail-fast", "--lib", "--bins", "--tests"]
    };
    steps.program(
        "tests",
        cargo_with(wasm, runner)?.args(["--features", "xtask/host"]),
    )?;
    if !fast {
        steps.program(
            "documentation tests",
            &mut cargo_with(wasm, &["test", "--doc"])?,
        )?;
        steps.program("instructions", &mut xtask(&["bench", "--check"])?)?;
        node(&mut steps, wasm)?;
    }
    steps.finish();
    Ok(())
}

fn cargo_with(wasm: &Path, args: &[&str]) -> Result<Command> {
    let mut command = cargo()?;
    command.args(args).env(VAULT_WASM, wasm);
    Ok(command)
}

fn xtask(args: &[&str]) -> Result<Command> {
    let mut command = cargo()?;
    command.arg("xtask").args(args);
    Ok(command)
}

/// Whether cargo-nextest is installed: it runs the tests of all crates beside each other, cargo one crate after another.
fn has_nextest() -> Result<bool> {
    let status = cargo()?
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    Ok(status.success())
}

/// The official JavaScript client against a vault of ours.
fn node(steps: &mut Steps, wasm: &Path) -> Result<()> {
    let dir = root()?.join("tests/node");
    if !dir.join("package.json").is_file() {
        return Ok(());
    }
    // The script starts the command itself.
    steps.program(
        "the command, for Node",
        &mut cargo_with(wasm, &["build", "--bin", "keepsake"])?,
    )?;
    let mut install = Command::new("npm");
    steps.program(
        "Node packages",
        install
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(&dir),
    )?;
    let mut test = Command::new("node");
    steps.program(
        "Node tests",
        test.arg("--test").current_dir(&dir).env(VAULT_WASM, wasm),
    )
}
