//! Stable memory refused, at every request that a call makes: a typed error, nothing changed, and the call succeeds when it is sent again.
//!
//! Natively, where each request can be refused by its number. Whether a call asks for memory at all depends on how full the trees are
//! that it writes to: each call is made in many vaults, each a little fuller than the one before.

use std::collections::BTreeSet;

use keepsake_client::api::Error;
use keepsake_vault::Vault;

use crate::failing::{Failing, Refused};
use crate::scenarios::furnished;
use crate::world::{Effect, OWNER, Scenario};

/// Vaults that each call is made in, each fuller than the one before by a memory, a blob, an upload, a group and a capsule: so
/// many that every tree meets the end of what is allocated in it.
const VAULTS: usize = 16;

/// What became of calls whose requests were refused.
#[derive(Default)]
struct Tried {
    /// Calls that asked for memory, by method.
    asked: BTreeSet<&'static str>,
    refusals: u32,
}

/// Makes the call with every request refused in turn, until it asks for no more.
fn refuse_each(image: &[u8], now: u64, scenario: &Scenario, tried: &mut Tried) {
    for refused in [Refused::Only, Refused::From] {
        for n in 1.. {
            let memory = Failing::over(image.to_vec());
            let mut vault = Vault::open(memory.clone()).expect("our own memory");
            memory.refuse(refused(n));
            let answer = scenario.run(&mut vault, now);
            let name = scenario.name();
            let asked = memory.requests();
            memory.refuse(Refused::None);
            if asked < n {
                // It had what it asked for.
                answer.unwrap_or_else(|error| panic!("{name}: {error}"));
                if n == 1 || refused(n) == Refused::Only(n) {
                    vault
                        .recount()
                        .unwrap_or_else(|why| panic!("{name}: {why}"));
                }
                break;
            }
            tried.asked.insert(scenario.method);
            tried.refusals += 1;
            match (scenario.effect, answer) {
                (Effect::PutOff, Ok(())) => {}
                (_, Ok(())) => panic!("{name} succeeded although request {n} was refused"),
                (_, Err(error)) => assert_eq!(error, Error::ResourceExhausted, "{name}"),
            }
            match scenario.effect {
                Effect::Whole => {
                    assert!(
                        memory.holds(image),
                        "{name}, request {n}: it left something"
                    );
                }
                Effect::Each | Effect::PutOff => {
                    vault
                        .recount()
                        .unwrap_or_else(|why| panic!("{name}: {why}"));
                }
            }
            // The same vault goes on, with what it has on the heap.
            let again = scenario.run(&mut vault, now);
            again.unwrap_or_else(|error| panic!("{name}, again: {error}"));
            while vault.sweep(now) {}
            vault
                .recount()
                .unwrap_or_else(|why| panic!("{name}, again: {why}"));
        }
    }
}

#[test]
fn memory_refused_at_any_request_changes_nothing() {
    let (mut b, expired_at) = furnished(1);
    let scenarios = std::mem::take(&mut b.scenarios);
    let capsule = b.capsule(OWNER, None);
    let mut tried = Tried::default();
    for n in 0..VAULTS {
        let image = b.image();
        for scenario in &scenarios {
            refuse_each(&image, expired_at, scenario, &mut tried);
        }
        b.fuller(&capsule, n);
    }
    println!("{} calls refused", tried.refusals);
    let mut all: BTreeSet<&str> = scenarios.iter().map(|scenario| scenario.method).collect();
    // It changes a number in a record that keeps its length.
    all.remove("http_token_key_rotate");
    assert_eq!(tried.asked, all, "not every call was refused memory");
}
