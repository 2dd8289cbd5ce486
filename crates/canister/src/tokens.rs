//! Endpoints that mint access tokens for content over HTTP, and replace the key that they are made with.

use keepsake_api::Error;

use crate::reply::Reply;
use crate::state::{call, is_operator, read, write};

/// A token that opens assets of a memory over HTTP: of these variants (original, display, thumbnail, placeholder), and of them those
/// with these ids, for at most 180 seconds (0: 180). It stops working when the caller loses access. A refusal is a reject.
#[ic_cdk::query(manual_reply = true)]
fn mint_http_token(
    memory: String,
    variants: Vec<String>,
    asset_ids: Option<Vec<String>>,
    ttl_seconds: u32,
) -> Reply<String> {
    Reply::or_reject(read(|vault| {
        vault.mint_http_token(
            call(),
            &memory,
            &variants,
            asset_ids.as_deref(),
            ttl_seconds,
        )
    }))
}

/// Tokens for at most 1,000 memories, each with its memory; those that the caller may not open are left out.
#[ic_cdk::query(manual_reply = true)]
fn mint_http_tokens_bulk(
    memories: Vec<String>,
    variants: Vec<String>,
    asset_ids: Option<Vec<String>>,
    ttl_seconds: u32,
) -> Reply<Vec<(String, String)>> {
    Reply::or_reject(read(|vault| {
        vault.mint_http_tokens_bulk(
            call(),
            memories,
            &variants,
            asset_ids.as_deref(),
            ttl_seconds,
        )
    }))
}

/// Replaces the key that access tokens are made with: none that was minted before opens anything any more. `number` is the key to be
/// replaced, `http_token_key` of vault_status; again: Ok, with no further effect. For the canister's controllers.
#[ic_cdk::update(manual_reply = true)]
fn http_token_key_rotate(number: u32) -> Reply<Result<(), Error>> {
    Reply::of(write(|vault| {
        vault.http_token_key_rotate(call(), is_operator(), number)
    }))
}
