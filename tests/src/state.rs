//! A state folder looked at from below: the vault's own bytes, without canister and host's execution.

use std::path::Path;

use ic_stable_structures::{Memory, VectorMemory};
use keepsake_host::store::{Folder, StableMemory, Store};

/// Bytes copied at once.
const STEP: usize = 1 << 20;

/// Opens the vault that the folder holds and recomputes every counter and every index of it from scratch. Nobody may
/// be serving the folder, and nothing in it changes.
///
/// Panics where anything is not as the vault keeps it.
pub fn recount(state: &Path) {
    let folder = Folder::open(state).expect("nobody else uses the folder");
    let store = Store::open(&folder.data(), None).expect("the database opens");
    let view = store.view().expect("the database is readable");
    let pages = view
        .canister()
        .expect("the canister's record is readable")
        .expect("a canister is installed")
        .stable_pages;
    let mut stable = StableMemory::new(view, None, pages);
    let copy = VectorMemory::default();
    assert_ne!(copy.grow(pages), -1, "there is memory for a copy");
    let mut buffer = vec![0; STEP];
    let end = pages * 65_536;
    let mut at = 0;
    while at < end {
        let len = STEP.min(usize::try_from(end - at).unwrap_or(STEP));
        let part = &mut buffer[..len];
        stable.read(at, part).expect("stable memory is readable");
        if part.iter().any(|byte| *byte != 0) {
            copy.write(at, part);
        }
        at += len as u64;
    }
    let vault = keepsake_vault::Vault::open(copy).expect("it is a vault");
    if let Err(difference) = vault.recount() {
        panic!("{}: {difference}", state.display());
    }
}
