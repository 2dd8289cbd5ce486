//! Where what is tested lies.

use std::path::{Path, PathBuf};

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests' folder lies in the workspace")
}

/// The folder that cargo builds in: that of this test, `<target>/<profile>/deps/<test>`.
fn target() -> PathBuf {
    let this = std::env::current_exe().expect("a test knows its own path");
    this.ancestors()
        .nth(3)
        .expect("a test lies below the build folder")
        .to_owned()
}

fn found(variable: &str, usual: PathBuf, remedy: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or(usual, PathBuf::from);
    assert!(
        path.is_file(),
        "{} is missing: run `{remedy}` first, or name the file in {variable}",
        path.display()
    );
    path
}

/// The canister: what `KEEPSAKE_VAULT_WASM` names, else the one that `cargo xtask build` leaves.
pub fn vault_wasm() -> PathBuf {
    let usual = target().join("canister/vault.wasm");
    found("KEEPSAKE_VAULT_WASM", usual, "cargo xtask build")
}

/// The canister's bytes.
pub fn vault_module() -> Vec<u8> {
    read(&vault_wasm())
}

/// The same canister with another hash: a custom section more, which nothing looks at. `tag` tells several apart.
pub fn vault_module_tagged(tag: &str) -> Vec<u8> {
    let name = b"test";
    let content = tag.as_bytes();
    let length = 1 + name.len() + content.len();
    // Below 128, LEB128 is one byte and the number itself.
    assert!(length < 128, "the tag is short");
    let mut module = vault_module();
    module.extend([0, length as u8, name.len() as u8]);
    module.extend(name);
    module.extend(content);
    module
}

/// Where compiled canisters are kept for all tests, so that each is compiled once and not at the start of every vault.
pub fn code_cache() -> PathBuf {
    target().join("code-cache")
}

/// The `keepsake` command: what `KEEPSAKE_BIN` names, else the one built beside this test.
pub fn keepsake() -> PathBuf {
    let this = std::env::current_exe().expect("a test knows its own path");
    let profile = this
        .ancestors()
        .nth(2)
        .expect("a test lies below the build folder");
    found(
        "KEEPSAKE_BIN",
        profile.join("keepsake"),
        "cargo build --bin keepsake",
    )
}

/// The interface that the canister is committed to.
pub fn interface() -> PathBuf {
    workspace().join("interface/vault.did")
}

/// The scenario that every official client runs through.
pub fn scenario() -> PathBuf {
    workspace().join("tests/conformance/scenario.json")
}

/// The interface that existing clients rely on.
pub fn contract() -> PathBuf {
    workspace().join("tests/contract/vault.did")
}

/// A file of tests/fixtures.
pub fn fixture(name: &str) -> PathBuf {
    workspace().join("tests/fixtures").join(name)
}

/// A file's bytes.
pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
