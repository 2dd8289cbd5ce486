//! Runs the fuzz targets of `fuzz/`, a workspace of its own, with cargo-fuzz: each for some seconds, from the seeds in the repository and from
//! what earlier runs found, which stays in the folder that cargo builds in.

use crate::step::Steps;
use crate::workspace::{cargo, root, target};
use anyhow::{Context, Result, bail};

/// Every target, with the package of `fuzz/` that it is in.
const TARGETS: &[(&str, &str)] = &[
    ("arguments", "vault"),
    ("records", "vault"),
    ("http", "host"),
    ("pages", "host"),
];

/// The longest input that is tried, in bytes. Longer ones find nothing that these do not, and take their time.
const LONGEST: u32 = 4_096;

/// Runs one target, or all, for so many seconds each.
///
/// # Errors
/// Where there is no such target, cargo-fuzz is not installed, or an input was found that a target fails at: libFuzzer says where it is.
pub fn run(seconds: u32, only: Option<&str>) -> Result<()> {
    let names = || TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    if let Some(only) = only.filter(|only| !names().contains(only)) {
        bail!(
            "there is no target {only}; there are {}",
            names().join(", ")
        );
    }
    cargo()?
        .args(["fuzz", "--version"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .context("cargo-fuzz is not installed: cargo install cargo-fuzz")?;
    let mut steps = Steps::new();
    for (name, package) in TARGETS {
        if only.is_some_and(|only| only != *name) {
            continue;
        }
        let dir = root()?.join("fuzz").join(package);
        let built = target()?.join("fuzz");
        let found = built.join("corpus").join(name);
        let failed = built.join("artifacts").join(name);
        for folder in [&found, &failed] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        let mut fuzz = cargo()?;
        // Without a sanitizer: what the targets look for are panics, differences and memory, and so the stable compiler will do.
        fuzz.args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"])
            .arg(&dir)
            .arg("--target-dir")
            .arg(&built)
            .arg(name)
            .arg(&found)
            .arg(dir.join("seeds").join(name))
            .arg("--")
            .args([
                format!("-max_total_time={seconds}"),
                format!("-max_len={LONGEST}"),
                "-len_control=0".to_owned(),
                "-timeout=20".to_owned(),
                format!("-artifact_prefix={}/", failed.display()),
            ]);
        steps.program(name, &mut fuzz)?;
    }
    steps.finish();
    Ok(())
}
