//! The matrix's rows: each method, what it is called on, which right it needs, and the call.

mod assets;
mod capsules;
mod links;
mod memories;
mod uploads;

use candid::CandidType;
use ic_stable_structures::VectorMemory;
use keepsake_vault::{Result, Vault};

use crate::calls::Cell;
use crate::rules::{self, Rule};
use crate::things::On;
use crate::verdict::{Answer, Verdict, judged};
use crate::world::MEANS;

type V = Vault<VectorMemory>;

/// Makes the call of one cell.
type Ask = dyn Fn(&mut V, &Cell) -> Answer + Send + Sync;

pub struct Row {
    pub method: &'static str,
    /// What the call is for, where a method has several rows.
    what: &'static str,
    pub on: On,
    pub rule: Rule,
    pub call: Box<Ask>,
}

impl Row {
    pub fn name(&self) -> String {
        match self.what {
            "" => self.method.to_owned(),
            what => format!("{} ({what})", self.method),
        }
    }
}

/// Methods that the canister answers without an operation of the vault of their own, and why.
pub const WITHOUT_OPERATION: &[(&str, &str)] = &[
    ("whoami", "says who calls, and looks at nothing"),
    ("sessions_list", "the answer of uploads_list in words"),
    (
        "sessions_stats",
        "counts of the answer of uploads_list in words",
    ),
];

#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    /// A row whose successes all give or do something.
    fn add<T: CandidType + 'static>(
        &mut self,
        (method, what): (&'static str, &'static str),
        on: On,
        rule: Rule,
        call: impl Fn(&mut V, &Cell) -> Result<T> + Send + Sync + 'static,
    ) {
        self.add_giving((method, what), on, rule, call, |_, _| true);
    }

    /// A row of which `gave` says whether a success gave or did anything.
    fn add_giving<T: CandidType + 'static>(
        &mut self,
        (method, what): (&'static str, &'static str),
        on: On,
        rule: Rule,
        call: impl Fn(&mut V, &Cell) -> Result<T> + Send + Sync + 'static,
        gave: impl Fn(&T, &Cell) -> bool + Send + Sync + 'static,
    ) {
        self.0.push(Row {
            method,
            what,
            on,
            rule,
            call: Box::new(move |vault, cell| judged(call(vault, cell), |given| gave(given, cell))),
        });
    }
}

pub fn rows() -> Vec<Row> {
    let mut rows = Rows::default();
    about_the_vault(&mut rows);
    people(&mut rows);
    capsules::themselves(&mut rows);
    capsules::their_people(&mut rows);
    capsules::what_is_in_them(&mut rows);
    memories::new(&mut rows);
    memories::of_blobs(&mut rows);
    memories::reading(&mut rows);
    memories::changing(&mut rows);
    memories::deleting(&mut rows);
    assets::adding(&mut rows);
    assets::removing(&mut rows);
    assets::tokens(&mut rows);
    links::managing(&mut rows);
    links::showing(&mut rows);
    uploads::blobs(&mut rows);
    uploads::sessions(&mut rows);
    rows.0
}

fn about_the_vault(rows: &mut Rows) {
    let on = On::Nothing;
    let everybody = rules::always(Verdict::Ok);
    rows.add(("upload_config", ""), on, everybody, |v, _| {
        Ok(v.upload_config())
    });
    let governors = rules::governs_any();
    rows.add(("vault_status", "by no operator"), on, governors, |v, c| {
        v.vault_status(c.call, false, MEANS)
    });
    let anybody = rules::anybody;
    rows.add(("vault_status", "by an operator"), on, anybody(), |v, c| {
        v.vault_status(c.call, true, MEANS)
    });
    let nobody = rules::always(Verdict::Unauthorized);
    rows.add(
        ("http_token_key_rotate", "by no operator"),
        on,
        nobody,
        |v, c| v.http_token_key_rotate(c.call, false, 0),
    );
    rows.add(
        ("http_token_key_rotate", "by an operator"),
        on,
        anybody(),
        |v, c| v.http_token_key_rotate(c.call, true, 0),
    );
}

fn people(rows: &mut Rows) {
    let anybody = rules::anybody();
    rows.add(("person_read", ""), On::Nothing, anybody, |v, c| {
        v.person_read(c.call)
    });
    let rule = rules::accepts();
    rows.add(("person_link_accept", ""), On::Offers, rule, |v, c| {
        v.person_link_accept(c.call, c.world.principal(c.role, c.target))
    });
    let rule = rules::offers();
    rows.add(("person_link_offer", ""), On::Principals, rule, |v, c| {
        v.person_link_offer(c.call, c.world.principal(c.role, c.target))
    });
    let rule = rules::unlinks();
    rows.add(("person_unlink", ""), On::Principals, rule, |v, c| {
        v.person_unlink(c.call, c.world.principal(c.role, c.target))
    });
}
