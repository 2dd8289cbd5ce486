//! Builds the canister: one wasm for the Internet Computer and for this machine. The build does not depend on where the
//! sources lie, so that two people get the same file; the interface and the version travel inside it, as
//! `icp:public` custom sections that the Internet Computer shows to everyone.

use crate::gallery;
use crate::workspace::{cargo, root, run, target};
use anyhow::{Context, Result, bail, ensure};
use flate2::{Compression, write::GzEncoder};
use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use wasm_encoder::{CustomSection, Section};

/// What canisters are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// What fits one ingress message: a larger module would have to be installed in pieces. Bytes, compressed.
const MAX_GZIP_BYTES: usize = 2 << 20;

/// Where [`build`] leaves the canister.
pub struct Built {
    /// The module as it is executed.
    pub wasm: PathBuf,
    /// The same, compressed: what is installed on the Internet Computer.
    pub gzip: PathBuf,
}

/// Builds the canister with the interface of interface/vault.did inside, and the gallery in this folder, and prints its sizes. An error where
/// it does not compile, or is too large for one message.
pub fn build(gallery: Option<&Path>) -> Result<Built> {
    let compiled = compile(gallery)?;
    let did = std::fs::read_to_string(root()?.join("interface/vault.did")).context(
        "interface/vault.did cannot be read; `cargo xtask did --write` makes it from the canister",
    )?;
    let mut wasm = compiled;
    append_section(&mut wasm, "icp:public candid:service", did.as_bytes());
    append_section(
        &mut wasm,
        "icp:public keepsake:version",
        env!("CARGO_PKG_VERSION").as_bytes(),
    );
    let gzip = compress(&wasm)?;

    let dir = target()?.join("canister");
    std::fs::create_dir_all(&dir)?;
    let built = Built {
        wasm: dir.join("vault.wasm"),
        gzip: dir.join("vault.wasm.gz"),
    };
    write_if_changed(&built.wasm, &wasm)?;
    write_if_changed(&built.gzip, &gzip)?;
    println!(
        "{}: {} KiB, {} KiB compressed",
        built.wasm.display(),
        wasm.len().div_ceil(1024),
        gzip.len().div_ceil(1024)
    );
    ensure!(
        gzip.len() < MAX_GZIP_BYTES,
        "the compressed canister has {} bytes; more than {MAX_GZIP_BYTES} do not fit one installation message",
        gzip.len()
    );
    Ok(built)
}

/// Compiles the canister, with the gallery in this folder, and returns the module as the compiler made it.
pub fn compile(gallery: Option<&Path>) -> Result<Vec<u8>> {
    ensure_target()?;
    let root = root()?;
    let mut command = cargo()?;
    command.args([
        "build",
        "--quiet",
        "--package",
        "keepsake-canister",
        "--profile",
        "canister",
        "--target",
        TARGET,
    ]);
    gallery::embed(&mut command, gallery);
    // Panic messages carry source paths; without this the module would differ from one machine to the next.
    let home = cargo_home()?;
    command.env(
        "CARGO_ENCODED_RUSTFLAGS",
        [
            // SIMD is part of the Internet Computer's WebAssembly; hashing gains a fifth by it.
            "-Ctarget-feature=+simd128".to_owned(),
            format!("--remap-path-prefix={}=cargo", home.display()),
            format!("--remap-path-prefix={}=keepsake", root.display()),
        ]
        .join("\x1f"),
    );
    run(&mut command).context("the canister does not build")?;
    let path = target()?
        .join(TARGET)
        .join("canister/keepsake_canister.wasm");
    std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = std::env::home_dir().context("neither CARGO_HOME nor a home folder is known")?;
    Ok(home.join(".cargo"))
}

/// Makes sure that the compiler can make wasm, by rustup where it cannot yet.
fn ensure_target() -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = crate::workspace::output(
        Command::new(rustc)
            .args(["--print", "sysroot"])
            .current_dir(root()?),
    )?;
    if Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(TARGET)
        .is_dir()
    {
        return Ok(());
    }
    println!("Installing the compiler target {TARGET}");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(root()?);
    match rustup.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`rustup target add {TARGET}` failed: {status}"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "this Rust compiler has no target {TARGET}, and there is no rustup to add it; install Rust from https://rustup.rs"
        ),
        Err(error) => Err(error).context("rustup could not be started"),
    }
}

/// Appends a custom section to a module; a module may end with any number of them.
fn append_section(wasm: &mut Vec<u8>, name: &str, content: &[u8]) {
    CustomSection {
        name: Cow::Borrowed(name),
        data: Cow::Borrowed(content),
    }
    .append_to(wasm);
}

/// Compresses a module; the same bytes give the same file (the header carries no time).
fn compress(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(wasm)?;
    Ok(encoder.finish()?)
}

/// Writes a file unless it holds exactly this already: what embeds it is then not built again.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}
