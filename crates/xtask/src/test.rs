//! Everything that must hold before a change is taken, in the order in which a failure is cheapest to find. CI runs exactly
//! this.

use crate::step::Steps;
use crate::workspace::{VAULT_WASM, cargo, root, target};
use crate::{canister, gallery};
use anyhow::Result;
use std::path::Path;
use std::process::{Command, Stdio};

/// The same in each step, so that dependencies are compiled once.
pub const FEATURES: [&str; 2] = ["--features", "xtask/host"];

/// Runs all steps; `fast` leaves out those that take long and rarely fail alone.
pub fn run(fast: bool) -> Result<()> {
    let mut steps = Steps::new();
    steps.program("format", cargo()?.args(["fmt", "--all", "--check"]))?;
    let gallery = steps.step("gallery", "cargo xtask build", gallery::build)?;
    let built = steps.step("canister", "cargo xtask build", || {
        canister::build(gallery.as_deref())
    })?;
    steps.program("interface", &mut xtask(&["did"])?)?;

    let wasm = built.wasm.as_path();
    let deny = ["--", "--deny", "warnings"];
    let mut lints = cargo_with(wasm, &["clippy", "--all-targets"])?;
    steps.program("lints", lints.args(FEATURES).args(deny))?;
    let canister = [
        "--package",
        "keepsake-canister",
        "--target",
        canister::TARGET,
    ];
    let mut lints = cargo_with(wasm, &["clippy"])?;
    steps.program("lints of the canister", lints.args(canister).args(deny))?;

    if !fast {
        let mut docs = cargo_with(wasm, &["test", "--doc"])?;
        steps.program("documentation tests", docs.args(FEATURES))?;
    }
    // Tests start it; cargo builds it for none of them but its own.
    let mut build = cargo_with(wasm, &["build", "--bin", "keepsake"])?;
    steps.program("the command", build.args(FEATURES))?;
    let runner: &[&str] = match has_nextest()? {
        true => &["nextest", "run"],
        false => &["test", "--lib", "--bins", "--tests"],
    };
    let mut tests = cargo_with(wasm, runner)?;
    steps.program("tests", tests.arg("--no-fail-fast").args(FEATURES))?;
    if !fast {
        node(&mut steps, wasm)?;
        steps.program("instructions", &mut xtask(&["bench", "--check"])?)?;
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

/// The official JavaScript client, the TypeScript SDK and the gallery, against a vault of ours.
fn node(steps: &mut Steps, wasm: &Path) -> Result<()> {
    let conformance = root()?.join("tests/node");
    npm(
        steps,
        "Node packages",
        &conformance,
        wasm,
        &gallery::CLEAN_INSTALL,
    )?;
    npm(steps, "Node tests", &conformance, wasm, &["test"])?;
    let sdk = root()?.join("sdk");
    steps.step("SDK", "cargo xtask build", gallery::sdk)?;
    npm(steps, "SDK tests", &sdk, wasm, &["test"])?;
    let earlier = ["run", "test:core5"];
    npm(steps, "SDK over agent 5", &sdk, wasm, &earlier)?;
    let web = root()?.join("web");
    steps.step("gallery packages", "cargo xtask build", || {
        gallery::packages(&web)
    })?;
    npm(steps, "gallery types", &web, wasm, &["run", "check"])?;
    npm(steps, "gallery tests", &web, wasm, &["test"])
}

fn npm(steps: &mut Steps, name: &str, dir: &Path, wasm: &Path, args: &[&str]) -> Result<()> {
    let mut command = Command::new("npm");
    command.args(args).current_dir(dir);
    command.env(VAULT_WASM, wasm);
    command.env("KEEPSAKE_BIN", target()?.join("debug/keepsake"));
    steps.program(name, &mut command)
}
