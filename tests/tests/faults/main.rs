//! Failures anywhere: a call that traps after any number of instructions, in any of its messages, and a stable memory that refuses to grow
//! at any request, leave the vault as it was, and the call succeeds when it is sent again (I2, I5).

mod allocation;
mod elsewhere;
mod failing;
mod home;
mod later;
mod scenarios;
mod traps;
mod world;

use std::collections::BTreeSet;

use candid::types::FuncMode;
use candid_parser::utils::CandidSource;
use keepsake_tests::artefacts;

/// Every update method of the interface has a call that has something to do.
#[test]
fn every_update_method_has_a_scenario() {
    let (env, service) = CandidSource::File(&artefacts::interface()).load().unwrap();
    let updates: BTreeSet<String> = env
        .as_service(&service.unwrap())
        .unwrap()
        .iter()
        .filter(|(_, function)| {
            let modes = &env.as_func(function).unwrap().modes;
            !modes.contains(&FuncMode::Query) && !modes.contains(&FuncMode::CompositeQuery)
        })
        .map(|(name, _)| name.clone())
        .collect();
    let (builder, _) = scenarios::furnished(0);
    let covered: BTreeSet<String> = builder
        .scenarios
        .iter()
        .map(|scenario| scenario.method.to_owned())
        .collect();
    assert_eq!(covered, updates);
}
