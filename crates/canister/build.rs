//! Embeds the gallery: the folder that the environment variable `KEEPSAKE_GALLERY` names, as `cargo xtask build` made it. Without it the
//! canister is the same, with a start page that says so.

use std::env;
use std::path::PathBuf;

const GALLERY: &str = "KEEPSAKE_GALLERY";

fn main() {
    println!("cargo::rerun-if-env-changed={GALLERY}");
    let folder = env::var_os(GALLERY)
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from);
    if let Some(folder) = &folder {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let Some(out) = env::var_os("OUT_DIR") else {
        println!("cargo::error=OUT_DIR is not set: this is a build script, run by cargo");
        return;
    };
    if let Err(error) = keepsake_pages::embed::write(folder.as_deref(), &PathBuf::from(out)) {
        println!("cargo::error=the gallery cannot be embedded: {error}");
    }
}
