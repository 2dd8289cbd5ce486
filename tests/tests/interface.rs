//! The vault's interface against the one that existing clients rely on: every method of theirs that is there may be
//! called as they call it, and those that are not there yet are known by name.

use std::collections::{BTreeSet, HashSet};

use candid::types::{
    Type, TypeEnv, TypeInner,
    subtype::{OptReport, subtype_with_config},
};
use candid_parser::utils::{CandidSource, service_equal};
use keepsake_tests::artefacts;

/// Methods of the contract that the vault does not have yet. One that is built is taken off; one that vanished from the
/// vault does not pass unseen.
const NOT_THERE_YET: [&str; 0] = [];

/// Both interfaces in one environment: the vault's service, then the contract's.
fn both() -> (TypeEnv, Type, Type) {
    let load = |path: std::path::PathBuf| {
        let (env, service) = CandidSource::File(&path)
            .load()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (env, service.expect("it has a service"))
    };
    let (mut env, vault) = load(artefacts::interface());
    let (other, contract) = load(artefacts::contract());
    let contract = env.merge_type(other, contract);
    (env, vault, contract)
}

fn names(env: &TypeEnv, service: &Type) -> BTreeSet<String> {
    let methods = env.as_service(service).unwrap();
    methods.iter().map(|(name, _)| name.clone()).collect()
}

/// As Candid defines it, and stricter: an optional value that could only be read as null counts as different.
fn is_subtype(env: &TypeEnv, new: &Type, old: &Type) -> Result<(), String> {
    subtype_with_config(OptReport::Error, &mut HashSet::new(), env, new, old)
        .map_err(|error| format!("{error:#}"))
}

#[test]
fn the_methods_not_there_yet_are_exactly_these() {
    let (env, vault, contract) = both();
    let missing: BTreeSet<String> = names(&env, &contract)
        .difference(&names(&env, &vault))
        .cloned()
        .collect();
    let known: BTreeSet<String> = NOT_THERE_YET.iter().map(|name| name.to_string()).collect();
    assert_eq!(missing, known);
}

#[test]
fn each_method_is_what_clients_of_the_contract_expect() {
    let (env, vault, contract) = both();
    let mut compared = 0;
    for (name, expected) in env.as_service(&contract).unwrap() {
        if NOT_THERE_YET.contains(&name.as_str()) {
            continue;
        }
        let methods = env.as_service(&vault).unwrap();
        let (_, found) = methods
            .iter()
            .find(|(method, _)| method == name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        if let Err(difference) = is_subtype(&env, found, expected) {
            panic!("{name}: {difference}");
        }
        compared += 1;
    }
    assert_eq!(compared + NOT_THERE_YET.len(), names(&env, &contract).len());
}

#[test]
fn the_whole_service_is_a_subtype_of_the_contract_so_far() {
    let (env, vault, contract) = both();
    let so_far: Vec<(String, Type)> = env
        .as_service(&contract)
        .unwrap()
        .iter()
        .filter(|(name, _)| !NOT_THERE_YET.contains(&name.as_str()))
        .cloned()
        .collect();
    let so_far: Type = TypeInner::Service(so_far).into();
    let vault: Type = TypeInner::Service(env.as_service(&vault).unwrap().to_vec()).into();
    is_subtype(&env, &vault, &so_far).unwrap();
}

#[test]
fn the_check_finds_what_would_break_a_client() {
    let contract = std::fs::read_to_string(artefacts::contract()).unwrap();
    // A new variant of the closed error type, a field gone from a result, a field more in an argument, an update made a query.
    for (what, from, to) in [
        ("variant", "Conflict : text;", "Conflict : text; Gone;"),
        (
            "field",
            "type BlobMeta = record { size : nat64; ",
            "type BlobMeta = record { ",
        ),
        (
            "argument",
            "type BlobRef = record { ",
            "type BlobRef = record { more : text; ",
        ),
        (
            "mode",
            "uploads_abort : (nat64) -> (UnitResult);",
            "uploads_abort : (nat64) -> (UnitResult) query;",
        ),
        (
            "optional",
            "memories_list : (text, opt text, ",
            "memories_list : (text, opt nat, ",
        ),
    ] {
        assert!(contract.contains(from), "{what}");
        let changed = contract.replace(from, to);
        let load = |text: &str| {
            let (env, service) = CandidSource::Text(text).load().unwrap();
            (env, service.unwrap())
        };
        let (mut env, new) = load(&changed);
        let (other, old) = load(&contract);
        let old = env.merge_type(other, old);
        assert!(is_subtype(&env, &new, &old).is_err(), "{what}");
        is_subtype(&env, &old, &old).unwrap();
    }
}

#[test]
fn the_canister_carries_this_interface() {
    let module = artefacts::vault_module();
    let inside = section(&module, "icp:public candid:service").expect("the section is there");
    let inside = String::from_utf8(inside.to_vec()).unwrap();
    service_equal(
        CandidSource::Text(&inside),
        CandidSource::File(&artefacts::interface()),
    )
    .unwrap();
}

/// The content of a custom section (WebAssembly specification, "Modules", binary format).
fn section<'a>(module: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let mut rest = module.get(8..)?;
    while let Some((&id, after)) = rest.split_first() {
        let (length, after) = leb128(after)?;
        let (section, next) = after.split_at_checked(length)?;
        if id == 0 {
            let (length, after) = leb128(section)?;
            let (name, content) = after.split_at_checked(length)?;
            if name == wanted.as_bytes() {
                return Some(content);
            }
        }
        rest = next;
    }
    None
}

fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}
