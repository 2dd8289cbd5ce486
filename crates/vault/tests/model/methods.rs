//! Every method of the interface is among the random calls, and none besides.

use std::collections::BTreeSet;

use crate::MET;

/// Methods that have no call of the vault's own: what each is beside what is compared.
const IN_OTHER_WORDS: &[(&str, &str)] = &[
    ("memories_list_by_capsule", "memories_list, by another name"),
    ("sessions_list", "uploads_list, in words"),
    ("sessions_stats", "uploads_list, in words"),
    ("whoami", "the caller"),
];

/// The methods that a Candid description of a service names.
fn methods(did: &str) -> BTreeSet<&str> {
    let service = did.split_once("\nservice ").expect("a service").1;
    let lines = service.lines().filter(|line| line.starts_with("  "));
    lines
        .filter_map(|line| line[2..].split_once(" : (").map(|(name, _)| name))
        .filter(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
        .collect()
}

#[test]
fn every_method_of_the_interface_is_among_the_random_calls() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../interface/vault.did");
    let did = std::fs::read_to_string(path).expect("the interface");
    let compared = MET.iter().map(|(method, _)| *method);
    let others = IN_OTHER_WORDS.iter().map(|(method, _)| *method);
    assert_eq!(methods(&did), compared.chain(others).collect());
    assert_eq!(
        methods(&did).len(),
        MET.len() + IN_OTHER_WORDS.len(),
        "one stands twice"
    );
}
