//! Installation, upgrade, and which messages are let in.

use std::time::Duration;

use candid::Principal;
use keepsake_api::InitArgs;

use crate::{http, reply, state};

#[ic_cdk::init]
fn init(args: Option<InitArgs>) {
    start(args);
}

#[ic_cdk::post_upgrade]
fn post_upgrade(args: Option<InitArgs>) {
    start(args);
}

fn start(args: Option<InitArgs>) {
    state::open();
    reply::prepare();
    http::certify();
    if let Some(args) = args {
        state::write(|vault| vault.configure(&args));
    }
    // Calls are not possible here; whoever needs the seed before the timer fires draws it.
    ic_cdk_timers::set_timer(Duration::ZERO, async {
        if let Err(error) = state::ensure_seed().await {
            ic_cdk::api::debug_print(format!("drawing the seed failed: {error}"));
        }
    });
    ic_cdk_timers::set_timer_interval(SWEEP_INTERVAL, sweep);
    // What an upgrade cut off goes on.
    sweep_soon();
}

/// Sweeps in a message of its own, right after this one.
pub fn sweep_soon() {
    ic_cdk_timers::set_timer(Duration::ZERO, sweep());
}

/// How often the vault looks for what nobody needs any more.
const SWEEP_INTERVAL: Duration = Duration::from_secs(3_600);

async fn sweep() {
    let now = ic_cdk::api::time();
    while state::write(|vault| vault.sweep(now)) {
        if state::next_message().await.is_err() {
            return;
        }
    }
}

/// Refuses anonymous updates before they cost anything; whoever has a name gets a typed answer.
#[ic_cdk::inspect_message]
fn inspect_message() {
    if ic_cdk::api::msg_caller() != Principal::anonymous() {
        ic_cdk::api::accept_message();
    }
}
