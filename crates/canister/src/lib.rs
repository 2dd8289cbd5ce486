//! The vault as an Internet Computer canister. Endpoints read caller and time, call one operation of the vault and return
//! its result; everything that matters is decided there. All state is in stable memory: there is no pre_upgrade, and
//! post_upgrade opens what is there (I1).

mod arguments;
mod assets;
mod capsules;
mod http;
mod lifecycle;
mod links;
mod memories;
mod people;
mod reply;
mod state;
mod status;
mod tokens;
mod trash;
mod uploads;

use candid::Principal;
use keepsake_api::*;
use reply::Reply;

/// The caller's principal, as the vault sees it.
#[ic_cdk::query(manual_reply = true)]
fn whoami() -> Reply<Principal> {
    Reply::send(ic_cdk::api::msg_caller())
}

ic_cdk::export_candid!();
