//! Every update method ended by its instruction limit, at points spread over its whole length: nothing of it is left, in stable memory,
//! in the replies of queries, and on the heap, where the same call then finds all it needs.
//!
//! How long a call is, a twin vault tells, which has come to be in the same way.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keepsake_client::api::Error;

use crate::home::{Home, answer};
use crate::scenarios::{full_world, nothing_there, world};
use crate::world::World;

/// Points at which each call is ended.
const POINTS: u64 = 200;

/// The same where most calls are refused, and there is less to be undone.
const FEWER_POINTS: u64 = 25;

/// By how many instructions the same call may be shorter in one vault than in its twin, whose heap has lived otherwise.
const MARGIN: u64 = 1_000;

/// Points after which all of stable memory is compared.
const COMPARED_AFTER: u64 = 10;

/// Nanoseconds since 1970 UTC by the machine's clock.
fn clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("the clock is set").as_nanos() as u64
}

/// Waits until the machine's clock says so.
async fn wait_until(time: u64) {
    loop {
        let now = clock();
        if now > time {
            return;
        }
        tokio::time::sleep(Duration::from_nanos(time - now + 1)).await;
    }
}

/// Makes the calls one after the other, each after it has been ended at so many points. `expected` says which answers are right.
async fn end_anywhere(
    world: &World,
    room: Option<u64>,
    points: u64,
    expected: impl Fn(&Result<(), Error>) -> bool,
) {
    let over = || {
        Home::over(&world.image, |config| {
            if let Some(pages) = room {
                config.max_stable_pages = pages;
            }
        })
    };
    let (twin, home) = (over().await, over().await);
    // On a machine that is very slow a canister's first sweep may have come first.
    let expires = clock() < world.expired_at;
    let (mut ended, mut changed) = (0u64, 0);
    for scenario in &world.scenarios {
        let name = scenario.name();
        if scenario.method == "sessions_cleanup_expired" {
            if !expires && world.expired_at > 0 {
                println!("{name}: left out, it took too long to begin");
                continue;
            }
            wait_until(world.expired_at).await;
        }
        let whole = twin.run(scenario).await;
        let first = answer(scenario, &whole);
        assert!(expected(&first), "{name}: {first:?}");

        let before = home.stable();
        let replies = home.ask_all(&world.probes).await;
        for point in 0..points {
            let limit = whole.instructions.saturating_sub(MARGIN) * point / points;
            let cut = home.within(scenario, limit).await;
            let reject = match cut.result {
                Err(reject) => reject,
                Ok(_) => panic!(
                    "{name} ended with {limit} of {} instructions",
                    whole.instructions
                ),
            };
            assert_eq!(reject.error_code.as_deref(), Some("IC0522"), "{name}");
            // What one leaves the next ones would not take away: looking for it now and then finds it.
            if point % COMPARED_AFTER == COMPARED_AFTER - 1 || point == points - 1 {
                assert!(
                    home.stable() == before,
                    "{name}: {limit} instructions, or somewhat fewer, left something"
                );
            }
            let probe = (ended % world.probes.len() as u64) as usize;
            let reply = home.ask(&world.probes[probe]).await;
            assert!(
                reply == replies[probe],
                "{name}: {limit} instructions changed a reply"
            );
            ended += 1;
        }
        let after = home.ask_all(&world.probes).await;
        assert!(after == replies, "{name}: a reply changed");

        let again = home.run(scenario).await;
        assert_eq!(answer(scenario, &again), first, "{name}");
        let len = |executed: &keepsake_host::engine::Executed| {
            executed.result.as_ref().map(Vec::len).ok()
        };
        assert_eq!(len(&again), len(&whole), "{name}: another answer");
        if home.stable() != before {
            changed += 1;
        }
    }
    home.recounted("after all of them");
    println!(
        "{ended} calls ended, of {}; {changed} of them changed something at last",
        world.scenarios.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_anywhere_leaves_nothing() {
    end_anywhere(&world(), None, POINTS, Result::is_ok).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_anywhere_in_a_full_vault_leaves_nothing() {
    let world = full_world();
    let room = (world.image.len() / crate::failing::PAGE) as u64;
    end_anywhere(&world, Some(room), FEWER_POINTS, |answer| {
        matches!(answer, Ok(()) | Err(Error::ResourceExhausted))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_anywhere_in_an_empty_vault_leaves_nothing() {
    end_anywhere(&nothing_there(), None, FEWER_POINTS, |answer| {
        !matches!(answer, Err(Error::Internal(_)))
    })
    .await;
}
