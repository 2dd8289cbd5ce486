//! Embeds the gallery that the target `pages` asks, as the canister's build script does.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=gallery");
    let out = env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .expect("cargo sets it");
    keepsake_pages::embed::write(Some(Path::new("gallery")), &out).expect("the gallery is whole");
}
