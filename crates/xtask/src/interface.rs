//! Keeps interface/vault.did and the canister one: the file is what the canister exports, comments included, and CI compares them.

use crate::{canister, gallery, workspace};
use anyhow::{Context, Result, anyhow, bail};
use wasmtime::{Engine, Linker, Module, Store};

/// Compares the canister's interface with interface/vault.did, or writes the file.
pub fn run(write: bool) -> Result<()> {
    let exported = export(&canister::compile(gallery::built()?.as_deref())?)?;
    let path = workspace::root()?.join("interface/vault.did");
    if write {
        std::fs::create_dir_all(workspace::root()?.join("interface"))?;
        std::fs::write(&path, &exported)?;
        println!("interface/vault.did written");
        return Ok(());
    }
    let kept = std::fs::read_to_string(&path).context("interface/vault.did cannot be read")?;
    let Some(number) = first_difference(&kept, &exported) else {
        println!("interface/vault.did is what the canister exports");
        return Ok(());
    };
    let line = |text: &str| text.lines().nth(number).unwrap_or("(the end)").to_owned();
    bail!(
        "interface/vault.did differs from the canister at line {}:\n  file:     {}\n  canister: {}\n`cargo xtask did --write` takes the canister's.",
        number + 1,
        line(&kept),
        line(&exported)
    )
}

/// Index of the first line in which two texts differ.
fn first_difference(left: &str, right: &str) -> Option<usize> {
    if left == right {
        return None;
    }
    let same = left
        .lines()
        .zip(right.lines())
        .take_while(|(l, r)| l == r)
        .count();
    Some(same)
}

/// Asks the module itself: `export_candid!` leaves a function that returns the interface as a C string. It needs
/// nothing of the Internet Computer, so that every import may be missing.
fn export(wasm: &[u8]) -> Result<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, wasm).map_err(plain)?;
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker
        .define_unknown_imports_as_traps(&module)
        .map_err(plain)?;
    let instance = linker.instantiate(&mut store, &module).map_err(plain)?;
    let pointer = instance
        .get_typed_func::<(), i32>(&mut store, "get_candid_pointer")
        .map_err(plain)
        .context("the canister does not export its interface")?;
    let start = pointer.call(&mut store, ()).map_err(plain)?.cast_unsigned() as usize;
    let memory = instance
        .get_memory(&mut store, "memory")
        .context("the canister exports no memory")?;
    let text = memory
        .data(&store)
        .get(start..)
        .context("the interface lies outside the memory")?;
    let length = text
        .iter()
        .position(|byte| *byte == 0)
        .context("the interface has no end")?;
    let mut text = std::str::from_utf8(&text[..length])?.trim_end().to_owned();
    text.push('\n');
    Ok(text)
}

/// wasmtime's errors are of a type of their own that is no standard error.
fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_found_by_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(1));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(1));
    }

    #[test]
    fn the_interface_is_read_from_a_module() -> Result<()> {
        let wat = br#"(module
            (import "ic0" "trap" (func (param i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "service : {}\00")
            (func (export "get_candid_pointer") (result i32) i32.const 16))"#;
        assert_eq!(export(&wat::parse_bytes(wat)?)?, "service : {}\n");
        Ok(())
    }
}
