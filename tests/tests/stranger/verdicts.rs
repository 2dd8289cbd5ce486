//! What an answer gave away, or did: some methods succeed for everybody, and only their answers tell.

use candid::{CandidType, Deserialize, Reserved, decode_one};
use ic_agent::{AgentError, agent::RejectCode};
use keepsake_client::api::{
    AssetCleanupResult, AssetRemovalResult, BulkDeleteResult, BulkResult, CapsuleHeader, Error,
    HttpResponse, MemoryPresenceResult, Page, Person, ShareLink, SharedPage, TrashPage,
    UploadStatus,
};

/// The error in an answer that must be one.
#[track_caller]
pub fn error(method: &str, what: &str, reply: &[u8]) -> Error {
    // Reserved takes anything: whatever a success would carry.
    let answer: Result<Reserved, Error> =
        decode_one(reply).unwrap_or_else(|error| panic!("{method}({what}): {error}"));
    match answer {
        Ok(_) => panic!("{method}({what}) succeeded"),
        Err(error) => error,
    }
}

/// What the canister said when it rejected the call.
#[track_caller]
pub fn rejection(what: &str, answer: Result<Vec<u8>, AgentError>) -> String {
    match answer {
        Err(AgentError::UncertifiedReject { reject, .. })
            if reject.reject_code == RejectCode::CanisterReject =>
        {
            reject.reject_message
        }
        other => panic!("{what}: {other:?}"),
    }
}

/// What a request over HTTP without a good token was answered: figures that are for everybody, or a refusal, which says nothing of what
/// is there.
#[track_caller]
pub fn served(url: &str, reply: &[u8]) -> (u16, Vec<u8>) {
    let answer: HttpResponse = decode(reply);
    if url == "/metrics" {
        assert_eq!(answer.status_code, 200);
        return (200, Vec::new());
    }
    assert!([401, 403].contains(&answer.status_code), "{url}");
    (answer.status_code, answer.body.into_vec())
}

pub fn decode<T: CandidType + for<'a> Deserialize<'a>>(reply: &[u8]) -> T {
    decode_one(reply).unwrap()
}

/// What an answer carries unless it is an error. Where the type has no place for one: what it carries.
fn success<T: CandidType + for<'a> Deserialize<'a>>(reply: &[u8]) -> Option<T> {
    decode::<Result<T, Error>>(reply).ok()
}

/// Whether a successful answer says that there is nothing for the caller, and that nothing was done. `None` for methods whose
/// success would be something, and for errors.
pub fn says_nothing(method: &str, reply: &[u8]) -> Option<bool> {
    match method {
        "capsules_list" => Some(decode::<Vec<CapsuleHeader>>(reply).is_empty()),
        "mint_http_tokens_bulk" => Some(decode::<Vec<(String, String)>>(reply).is_empty()),
        "uploads_list" => success(reply).map(|uploads: Vec<UploadStatus>| uploads.is_empty()),
        "sessions_list" => success(reply).map(|text: String| text.is_empty()),
        "sessions_stats" => success(reply)
            .map(|text: String| text == "0 open (0 bytes received), 0 finished, 0 aborted"),
        "sessions_cleanup_expired" => {
            success(reply).map(|text: String| text == "0 expired sessions cleared away")
        }
        "memories_shared_with_me" => {
            success(reply).map(|page: Page| page.items.is_empty() && page.next_cursor.is_none())
        }
        // Anybody may offer, which is nothing without the other's consent, and withdraw what was never there.
        "person_link_offer" | "person_unlink" => success(reply).map(|(): ()| true),
        "person_read" => success(reply).map(|person: Person| person.principals.len() == 1),
        "memories_ping" => success(reply).map(|found: Vec<MemoryPresenceResult>| {
            found
                .iter()
                .all(|one| !one.metadata_present && !one.asset_present)
        }),
        "memories_cleanup_assets_bulk" => success(reply).map(|result: BulkResult| {
            let mut failed = result.failed.iter();
            result.ok.is_empty() && failed.all(|failure| failure.err == Error::NotFound)
        }),
        "memories_delete_bulk" => {
            success(reply).map(|result: BulkDeleteResult| result.deleted_count == 0)
        }
        "asset_remove" | "asset_remove_internal" | "asset_remove_external" => {
            success(reply).map(|result: AssetRemovalResult| !result.asset_removed)
        }
        _ => None,
    }
}

/// Whether the call did, or gave, what it is for.
pub fn achieved(method: &str, reply: &[u8]) -> bool {
    match method {
        "http_request" => decode::<HttpResponse>(reply).status_code == 200,
        // Nothing is shared with the owner, and nothing has expired.
        "memories_shared_with_me"
        | "sessions_cleanup_expired"
        | "person_link_offer"
        | "person_unlink" => says_nothing(method, reply).is_some(),
        "asset_remove_by_id" | "asset_remove_inline" => {
            success(reply).is_some_and(|result: AssetRemovalResult| result.asset_removed)
        }
        "memories_cleanup_assets_all" => {
            success(reply).is_some_and(|result: AssetCleanupResult| result.assets_cleaned > 0)
        }
        "share_links_list" => success(reply).is_some_and(|links: Vec<ShareLink>| !links.is_empty()),
        "share_links_memories" => {
            success(reply).is_some_and(|page: SharedPage| !page.items.is_empty())
        }
        "memories_trashed" => success(reply).is_some_and(|page: TrashPage| !page.items.is_empty()),
        "memories_delete_all" | "memories_trash_empty" => {
            success(reply).is_some_and(|result: BulkDeleteResult| result.deleted_count > 0)
        }
        _ => match says_nothing(method, reply) {
            Some(nothing) => !nothing,
            // What has no error in its type has succeeded.
            None => !matches!(decode_one::<Result<Reserved, Error>>(reply), Ok(Err(_))),
        },
    }
}
