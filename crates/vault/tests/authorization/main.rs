//! The authorization matrix: every method, as every kind of caller, on every state of what it is about. Carries I6 (nothing private leaves,
//! and who may not read a thing cannot tell it from one that does not exist) and I2 (a refused call changes nothing).
//!
//! What is expected is said in `rules.rs` as the contract says it, and in `rows.rs`, which right each method needs: neither was written from
//! the vault's code. A method of the interface that has no row fails the test, as does a row of no method.

mod calls;
mod contents;
mod people;
mod rows;
mod rules;
mod setup;
mod things;
mod verdict;
mod world;

use std::collections::BTreeSet;
use std::sync::Mutex;

use ic_stable_structures::{Memory, VectorMemory};
use keepsake_vault::Vault;

use crate::calls::Cell;
use crate::people::{ROLES, Role};
use crate::rows::{Row, WITHOUT_OPERATION, rows};
use crate::things::Target;
use crate::verdict::{Answer, Verdict};
use crate::world::World;

/// Failures that are shown, at the most: one cause often fails many cells.
const SHOWN: usize = 40;

/// A vault over a copy of the prepared memory. Copied again whenever something was written.
struct Copy<'a> {
    prepared: &'a [u8],
    memory: VectorMemory,
    vault: Vault<VectorMemory>,
}

impl<'a> Copy<'a> {
    fn of(prepared: &'a [u8]) -> Self {
        let memory = VectorMemory::default();
        memory.grow(prepared.len() as u64 / 65_536);
        memory.write(0, prepared);
        let vault = Vault::open(memory.clone()).expect("a vault's memory");
        Copy {
            prepared,
            memory,
            vault,
        }
    }

    fn is_changed(&self) -> bool {
        self.memory.borrow().as_slice() != self.prepared
    }
}

/// Runs one row in every role on every state. Returns what is wrong.
fn run(row: &Row, world: &World, is_query: bool) -> Vec<String> {
    let mut copy = Copy::of(&world.bytes);
    let mut wrong = Vec::new();
    for role in ROLES {
        let mut ask = |target: Target| {
            let cell = Cell::new(world, role, target);
            let answer = (row.call)(&mut copy.vault, &cell);
            let changed = !is_query && copy.is_changed();
            if changed {
                copy = Copy::of(&world.bytes);
            }
            (answer, changed)
        };
        let unknown = row.on.never_existed().map(|target| (target, ask(target).0));
        for &target in row.on.states() {
            let expected = (row.rule)(role, target);
            let (answer, changed) = ask(target);
            let cell = || format!("{} as {} on {target:?}", row.name(), role.name);
            if !expected.agrees(&answer.verdict) {
                let got = &answer.verdict;
                wrong.push(format!("{}: expected {expected:?}, got {got:?}", cell()));
            } else if changed && !answer.verdict.may_write() {
                wrong.push(format!("{}: {:?}, and wrote something", cell(), expected));
            }
            if let Some((never, unknown)) = &unknown
                && expected == (row.rule)(role, *never)
                && expected.hides()
                && !is_same(world, role, (target, &answer), (*never, unknown))
            {
                wrong.push(format!(
                    "{}: answers otherwise than for what never existed",
                    cell()
                ));
            }
        }
    }
    if copy.is_changed() {
        wrong.push(format!("{} is a query and writes", row.name()));
    }
    wrong
}

/// Whether two answers are the same, byte for byte, but for the names that were asked for and that some answers repeat.
fn is_same(world: &World, role: &Role, a: (Target, &Answer), b: (Target, &Answer)) -> bool {
    let anonymous = |(target, answer): (Target, &Answer)| {
        let name = world.thing(role, target).id.clone();
        let mut bytes = answer.bytes.clone();
        let at = (0..bytes.len())
            .filter(|at| bytes[*at..].starts_with(name.as_bytes()) && !name.is_empty());
        for at in at.collect::<Vec<_>>() {
            bytes[at..at + name.len()].fill(b'.');
        }
        bytes
    };
    anonymous(a) == anonymous(b)
}

/// The methods of the interface, and which of them are queries.
fn interface() -> Vec<(String, bool)> {
    let did = include_str!("../../../../interface/vault.did");
    let service = did.split("\nservice : ").nth(1).expect("a service");
    let lines: Vec<&str> = service
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let methods = lines.join(" ");
    let methods = methods.split_once('{').expect("methods").1;
    methods
        .split(';')
        .filter_map(|method| {
            let (name, types) = method.split_once(" : (")?;
            let name = name.split_whitespace().last()?;
            let is_method = !types.contains("{ ") || types.contains("->");
            (types.contains("->") && is_method)
                .then(|| (name.to_owned(), types.trim_end().ends_with("query")))
        })
        .collect()
}

#[test]
fn every_method_has_a_row_and_every_row_a_method() {
    let methods: BTreeSet<String> = interface().into_iter().map(|(name, _)| name).collect();
    assert!(
        methods.len() > 70,
        "the interface was not read: {methods:?}"
    );
    let rows = rows();
    let judged: BTreeSet<String> = rows
        .iter()
        .map(|row| row.method.to_owned())
        .chain(WITHOUT_OPERATION.iter().map(|(name, _)| (*name).to_owned()))
        .collect();
    let missing: Vec<_> = methods.difference(&judged).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    let unknown: Vec<_> = judged.difference(&methods).collect();
    assert!(unknown.is_empty(), "no such method: {unknown:?}");
}

#[test]
fn every_method_answers_every_role_on_every_state_as_the_contract_says() {
    let world = World::prepared();
    let queries: BTreeSet<String> = interface()
        .into_iter()
        .filter(|(_, is_query)| *is_query)
        .map(|(name, _)| name)
        .collect();
    let rows = rows();
    let next = Mutex::new(rows.iter());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(row) = next.lock().expect("no test panicked").next() else {
                        return;
                    };
                    let found = run(row, &world, queries.contains(row.method));
                    wrong.lock().expect("no test panicked").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no test panicked");
    let shown = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    assert!(
        wrong.is_empty(),
        "{} cells are wrong:\n{}",
        wrong.len(),
        shown.join("\n")
    );
}

/// The rules are only worth something if they tell roles apart: each verdict comes up, for memories as for capsules.
#[test]
fn the_rules_tell_roles_apart() {
    let mut met: BTreeSet<String> = BTreeSet::new();
    let mut cells = 0;
    for row in rows() {
        for role in ROLES {
            for &target in row.on.states() {
                met.insert(format!("{:?}", (row.rule)(role, target)));
                cells += 1;
            }
        }
    }
    assert!(cells > 30_000, "only {cells} cells");
    for verdict in [
        Verdict::Ok,
        Verdict::Nothing,
        Verdict::Unauthorized,
        Verdict::NotFound,
        Verdict::Conflict,
        Verdict::Invalid("blob_mismatch".into()),
        Verdict::Invalid("blob_id_malformed".into()),
        Verdict::Invalid("chunk_missing".into()),
        Verdict::Status(200),
        Verdict::Status(401),
        Verdict::Status(403),
        Verdict::Status(404),
    ] {
        assert!(met.contains(&format!("{verdict:?}")), "{verdict:?}");
    }
}
