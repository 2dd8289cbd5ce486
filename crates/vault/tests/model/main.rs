//! The vault against a plain in-memory model: random calls of three people and a stranger on a few capsules, every reply compared.
//!
//! Carries I1 (the vault is closed and opened again in between), I2 (a refused call changes nothing), I5 (calls are sent twice), I6
//! and I7 (counters recomputed from scratch) of the design.
//!
//! `KEEPSAKE_MODEL_CASES` sets how many lives of a vault are run; a failing one is shrunk and printed.

mod calls;
mod driver;
mod model;
mod names;
mod pools;

use std::cell::RefCell;

use keepsake_api::PersonRef;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::calls::{Step, budget, life};
use crate::driver::{Coverage, Driver};
use crate::pools::principal;

const CASES_DEFAULT: u32 = 300;

/// A capsule that 0 owns, about 1; one that 2 owns, about somebody without a principal. 2 is a stranger to the first, 0 and 1 to
/// the second.
fn two_capsules(driver: &mut Driver) {
    use crate::calls::{Call, Subject, Who};
    for (who, subject) in [
        (0, Subject::Principal(1)),
        (2, Subject::Opaque("grandmother")),
    ] {
        let call = Call::CapsulesCreate {
            subject: Some(subject),
        };
        driver.step(&Step {
            who: Who::Number(who),
            call,
            later: 0,
            twice: false,
        });
    }
    assert_eq!(
        driver.model.capsules[0].subject,
        PersonRef::Principal(principal(1))
    );
}

fn run(inline_budget: Option<u32>, steps: &[Vec<Step>]) -> Coverage {
    let mut driver = Driver::new(inline_budget);
    two_capsules(&mut driver);
    for step in steps.iter().flatten() {
        driver.step(step);
    }
    driver.everything();
    driver.reopen();
    driver.everything();
    driver.coverage
}

#[test]
fn the_vault_does_what_the_model_does() {
    let cases = std::env::var("KEEPSAKE_MODEL_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(CASES_DEFAULT);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let coverage = RefCell::new(Coverage::new());
    let result = TestRunner::new(config).run(&(budget(), life()), |(inline_budget, steps)| {
        for (outcome, count) in run(inline_budget, &steps) {
            *coverage.borrow_mut().entry(outcome).or_default() += count;
        }
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Abort(why)) => panic!("aborted: {why}"),
        Err(TestError::Fail(why, (inline_budget, steps))) => {
            let calls: Vec<String> = steps
                .iter()
                .flatten()
                .map(|step| format!("\n  {step:?}"))
                .collect();
            panic!(
                "{why}\nafter these calls, with an inline budget of {inline_budget:?}:{}",
                calls.concat()
            );
        }
    }
    let coverage = coverage.into_inner();
    for ((method, outcome), count) in &coverage {
        println!("{count:>8}  {method}: {outcome}");
    }
    println!("{:>8}  calls", coverage.values().sum::<u64>());
}
