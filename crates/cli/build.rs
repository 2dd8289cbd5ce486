//! Embeds the vault's wasm into the command, where the environment variable `KEEPSAKE_VAULT_WASM` names it at build
//! time. Without it the command is built all the same, and `keepsake serve` asks for `--wasm`.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=KEEPSAKE_VAULT_WASM");
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        println!("cargo::error=OUT_DIR is not set: this is a build script of cargo");
        return;
    };
    let source = match env::var_os("KEEPSAKE_VAULT_WASM") {
        Some(name) if !name.is_empty() => {
            let path = match fs::canonicalize(&name) {
                Ok(path) => path,
                Err(e) => {
                    println!(
                        "cargo::error=KEEPSAKE_VAULT_WASM names {}: {e}",
                        name.display()
                    );
                    return;
                }
            };
            println!("cargo::rerun-if-changed={}", path.display());
            // A copy, so that the path in the source is one of this build.
            let copy = out.join("vault.wasm");
            if let Err(e) = fs::copy(&path, &copy) {
                println!("cargo::error=cannot copy {}: {e}", path.display());
                return;
            }
            "Some(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/vault.wasm\")))"
        }
        _ => "None",
    };
    let text = format!("pub const EMBEDDED: Option<&[u8]> = {source};\n");
    if let Err(e) = fs::write(out.join("vault_wasm.rs"), text) {
        println!("cargo::error=cannot write to {}: {e}", out.display());
    }
}
