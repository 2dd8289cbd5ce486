//! The methods that the random calls compare, with the outcomes that each has to give: every method of the interface, and none besides.

use std::collections::BTreeSet;

/// Outcomes that the default run meets many times: were one missing, the generator would have lost its reach, and a passing
/// test would mean little.
pub const MET: &[(&str, &[&str])] = &[
    ("capsules_create", &["Ok", "Unauthorized", "subject"]),
    ("person_link_offer", &["Ok", "Unauthorized", "principal"]),
    (
        "person_link_accept",
        &["Ok", "NotFound", "Unauthorized", "principal", "Conflict"],
    ),
    (
        "person_unlink",
        &["Ok", "Unauthorized", "principal", "Conflict"],
    ),
    ("person_read", &["Ok", "Unauthorized"]),
    (
        "capsule_owner_add",
        &["Ok", "NotFound", "Unauthorized", "owner"],
    ),
    (
        "capsule_owner_remove",
        &["Ok", "NotFound", "Unauthorized", "owner", "Conflict"],
    ),
    (
        "capsule_controller_add",
        &["Ok", "NotFound", "Unauthorized", "controller"],
    ),
    (
        "capsule_controller_remove",
        &["Ok", "NotFound", "Unauthorized", "controller"],
    ),
    ("capsules_read_basic", &["Ok", "NotFound", "Unauthorized"]),
    (
        "uploads_begin",
        &[
            "Ok",
            "NotFound",
            "Unauthorized",
            "idem_empty",
            "idem_too_long",
        ],
    ),
    (
        "uploads_put_chunk",
        &[
            "Ok",
            "NotFound",
            "Unauthorized",
            "memory full",
            "Conflict",
            "ResourceExhausted",
            "chunk_out_of_range",
            "size_mismatch",
        ],
    ),
    (
        "uploads_finish",
        &[
            "Ok",
            "NotFound",
            "Unauthorized",
            "chunk_missing",
            "size_mismatch",
            "hash_mismatch",
        ],
    ),
    (
        "uploads_begin_announced",
        &[
            "Ok",
            "NotFound",
            "Unauthorized",
            "ResourceExhausted",
            "idem_empty",
            "chunk_size",
            "sha256",
            "expected_chunks_too_large",
        ],
    ),
    ("uploads_abort", &["Ok", "NotFound"]),
    ("upload_config", &["Ok"]),
    ("sessions_cleanup_expired", &["Ok", "Unauthorized"]),
    (
        "blobs_by_hash",
        &["Ok", "NotFound", "Unauthorized", "sha256"],
    ),
    (
        "capsule_event_record",
        &["Ok", "NotFound", "Unauthorized", "event"],
    ),
    (
        "connection_group_put",
        &["Ok", "NotFound", "Unauthorized", "id", "name", "members"],
    ),
    (
        "connection_group_remove",
        &["Ok", "NotFound", "Unauthorized"],
    ),
    (
        "external_deletions_list",
        &["Ok", "NotFound", "Unauthorized"],
    ),
    (
        "external_deletions_acknowledge",
        &["Ok", "NotFound", "Unauthorized"],
    ),
    (
        "mint_http_token",
        &["Ok", "NotFound", "Unauthorized", "variants", "asset_ids"],
    ),
    ("mint_http_tokens_bulk", &["Ok", "Unauthorized", "variants"]),
    ("http_request", &["200", "304", "400", "401", "403", "404"]),
    ("http_token_key_rotate", &["Ok", "Unauthorized", "number"]),
    (
        "share_links_create",
        &[
            "Ok",
            "NotFound",
            "Unauthorized",
            "Conflict",
            "secret_sha256",
            "selection",
            "expires_at",
        ],
    ),
    ("share_links_list", &["Ok", "NotFound", "Unauthorized"]),
    ("share_links_revoke", &["Ok", "NotFound", "Unauthorized"]),
    (
        "share_links_open",
        &["Ok", "NotFound", "Unauthorized", "nonce"],
    ),
    ("share_links_memories", &["Ok", "NotFound", "limit"]),
    ("share_links_memory", &["Ok", "NotFound"]),
    ("share_links_asset", &["Ok", "NotFound"]),
    ("vault_status", &["Ok", "Unauthorized"]),
    ("capsule_status", &["Ok", "NotFound", "Unauthorized"]),
    (
        "uploads_put_blob",
        &[
            "Ok",
            "NotFound",
            "Unauthorized",
            "ResourceExhausted",
            "hash_mismatch",
            "sha256",
            "chunk_too_large",
            "idem_empty",
        ],
    ),
    (
        "blob_get_meta",
        &["Ok", "NotFound", "Unauthorized", "blob_id_malformed"],
    ),
    ("blob_read", &["Ok", "NotFound"]),
    ("blob_read_chunk", &["Ok", "NotFound"]),
    (
        "memories_create",
        &[
            "Ok",
            "NotFound",
            "Unauthorized",
            "ResourceExhausted",
            "blob_mismatch",
            "size_mismatch",
            "exactly_one_asset",
        ],
    ),
    (
        "memories_create_with_internal_blobs",
        &[
            "Ok",
            "NotFound",
            "Unauthorized",
            "blob_mismatch",
            "size_mismatch",
            "exactly_one_asset",
        ],
    ),
    (
        "memories_create_with_internal_blobs_and_inline_assets",
        &[
            "Ok",
            "NotFound",
            "Unauthorized",
            "ResourceExhausted",
            "blob_mismatch",
            "size_mismatch",
        ],
    ),
    (
        "memories_add_assets",
        &[
            "Ok",
            "NotFound",
            "Unauthorized",
            "ResourceExhausted",
            "blob_mismatch",
            "exactly_one_asset",
        ],
    ),
    ("memories_add_asset", &["Ok", "NotFound", "blob_mismatch"]),
    (
        "memories_add_inline_asset",
        &["Ok", "NotFound", "ResourceExhausted"],
    ),
    ("memories_read", &["Ok", "NotFound", "Unauthorized"]),
    (
        "memories_list",
        &["Ok", "NotFound", "Unauthorized", "cursor"],
    ),
    ("memories_delete", &["Ok", "NotFound", "Unauthorized"]),
    (
        "memories_update",
        &["Ok", "NotFound", "Unauthorized", "access_entries"],
    ),
    (
        "access_grant",
        &["Ok", "NotFound", "Unauthorized", "access_entries"],
    ),
    ("access_revoke", &["Ok", "NotFound", "Unauthorized"]),
    ("memories_ping", &["Ok", "Unauthorized"]),
    ("memories_shared_with_me", &["Ok", "Unauthorized", "limit"]),
    ("memories_list_assets", &["Ok", "NotFound", "Unauthorized"]),
    ("memories_read_asset", &["Ok", "NotFound", "Unauthorized"]),
    ("asset_get_by_id", &["Ok", "NotFound", "Unauthorized"]),
    ("asset_remove", &["Ok", "NotFound", "Unauthorized"]),
    ("asset_remove_by_id", &["Ok", "NotFound"]),
    ("asset_remove_inline", &["Ok", "NotFound"]),
    ("asset_remove_internal", &["Ok", "NotFound"]),
    ("asset_remove_external", &["Ok", "NotFound"]),
    ("memories_cleanup_assets_all", &["Ok", "NotFound"]),
    ("memories_cleanup_assets_bulk", &["Ok"]),
    ("memories_delete_bulk", &["Ok", "NotFound"]),
    (
        "blob_delete",
        &["Ok", "NotFound", "Unauthorized", "Conflict"],
    ),
    ("uploads_status", &["Ok", "NotFound"]),
    ("uploads_list", &["Ok", "Unauthorized"]),
    ("capsules_read_full", &["Ok", "NotFound"]),
    ("capsules_list", &["Ok"]),
    ("capsules_update", &["Ok", "NotFound", "Unauthorized"]),
    ("capsules_delete", &["Ok", "NotFound", "Unauthorized"]),
    ("memories_delete_all", &["Ok", "NotFound"]),
    ("memories_trash", &["Ok", "NotFound", "Unauthorized"]),
    ("memories_restore", &["Ok", "NotFound", "Unauthorized"]),
    (
        "memories_trashed",
        &["Ok", "NotFound", "Unauthorized", "limit"],
    ),
    ("memories_trash_empty", &["Ok", "NotFound", "Unauthorized"]),
];

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
