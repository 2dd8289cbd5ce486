//! The long run: people at work in a served vault that is killed, stopped and upgraded meanwhile (tests/tests/soak).

use crate::test::FEATURES;
use crate::workspace::{self, VAULT_WASM, become_command, cargo, target};
use crate::{canister, gallery};
use anyhow::Result;

/// Builds everything and runs the soak for `minutes`, against a host that is optimised unless `dev`. `seed` chooses the same work and the
/// same events again.
pub fn run(minutes: f64, seed: Option<u64>, dev: bool) -> Result<()> {
    let gallery = gallery::build()?;
    println!("Building the canister");
    let built = canister::build(gallery.as_deref())?;
    println!("Building the host (the first time takes some minutes)");
    let mut build = cargo()?;
    build.args(["build", "--bin", "keepsake"]);
    let profile = if dev {
        // As the tests are compiled: dependencies only once.
        build.args(FEATURES);
        "debug"
    } else {
        build.arg("--release");
        "release"
    };
    workspace::run(build.env(VAULT_WASM, &built.wasm))?;

    let mut soak = cargo()?;
    soak.args(["test", "--test", "soak"]).args(FEATURES);
    soak.args(["--", "--ignored", "--nocapture", "the_soak"]);
    soak.env(VAULT_WASM, &built.wasm)
        .env("KEEPSAKE_BIN", target()?.join(profile).join("keepsake"))
        .env("KEEPSAKE_SOAK_MINUTES", minutes.to_string());
    if let Some(seed) = seed {
        soak.env("KEEPSAKE_SOAK_SEED", seed.to_string());
    }
    become_command(&mut soak)
}
