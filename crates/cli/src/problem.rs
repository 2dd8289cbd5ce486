//! Errors for people: one sentence that says what is wrong and what to do.

use keepsake_client::{ClientError, DEFAULT_CANISTER_ID, api::Error as VaultError};

/// An error of the client library, in the words of this command.
pub fn explain_client(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { url, .. } => {
            format!("no vault answers at {url}; start one with `keepsake serve`, or say where it is with --url")
        }
        ClientError::CanisterIdNeeded { url } => {
            format!("{url} is the Internet Computer: say which canister is your vault with --canister-id")
        }
        ClientError::Refused { url, reason, .. } => {
            format!("what answers at {url} is no vault, or refuses this client: {reason}")
        }
        ClientError::Rejected {
            canister_id, code, ..
        } if code.starts_with("DestinationInvalid")
            // It has no such method, or no code.
            || code.ends_with("IC0536")
            || code.ends_with("IC0537") =>
        {
            format!(
                "there is no vault {canister_id} here, or it is of another version: {error}; give its id with \
                 --canister-id (`keepsake serve` prints it; the usual one is {DEFAULT_CANISTER_ID})"
            )
        }
        ClientError::Vault {
            error: VaultError::Unauthorized,
            ..
        } => "this key may not do that; `keepsake identity` shows whose it is, --identity takes another".to_owned(),
        ClientError::Vault {
            method: "memories_list" | "memories_trashed" | "memories_trash_empty" | "capsules_read_basic" | "capsule_status"
            | "uploads_begin" | "uploads_put_blob",
            error: VaultError::NotFound,
        } => "there is no such capsule, or this key may not see it (`keepsake identity` shows whose it is)".to_owned(),
        ClientError::Vault {
            method: "memories_read" | "memories_trash" | "memories_delete" | "access_grant" | "access_revoke",
            error: VaultError::NotFound,
        } => "there is no such memory, or this key may not see it (`keepsake list` shows those that are there)".to_owned(),
        ClientError::Vault {
            method: "memories_restore",
            error: VaultError::NotFound,
        } => "it is not in the trash, or not yours to restore (`keepsake trash` shows what is in it)".to_owned(),
        ClientError::Vault {
            method: "person_link_accept",
            error: VaultError::NotFound,
        } => "there is no such offer: have it made by `keepsake link offer` on the other side, less than 24 hours ago".to_owned(),
        ClientError::Vault {
            method: "uploads_begin",
            error: VaultError::ResourceExhausted,
        } => "the vault is full, or too many uploads were begun and never finished; these expire after seven days"
            .to_owned(),
        ClientError::Vault {
            error: VaultError::ResourceExhausted,
            ..
        } => "the vault is full, or a limit of it is used up".to_owned(),
        ClientError::Key { path, reason } => {
            format!(
                "{} holds no key that can be used: {reason}; give another with --identity",
                path.display()
            )
        }
        other => other.to_string(),
    }
}

/// Any error of a command, on one line.
pub fn explain(error: &anyhow::Error) -> String {
    let text = match error.downcast_ref::<ClientError>() {
        Some(client) => explain_client(client),
        // The causes, from the general to the particular.
        None => format!("{error:#}"),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}
