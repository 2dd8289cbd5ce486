//! Opaque ids of the vault beside the model's own, learned as they are handed out. One thing has one id for ever, and no id ever
//! stands for two things.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

pub struct Names<T> {
    what: &'static str,
    real: BTreeMap<T, String>,
    things: HashMap<String, T>,
}

impl<T: Ord + Clone + Debug> Names<T> {
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            real: BTreeMap::new(),
            things: HashMap::new(),
        }
    }

    /// Takes note that the vault calls this thing so.
    pub fn learn(&mut self, thing: &T, real: &str) {
        let known = self
            .real
            .entry(thing.clone())
            .or_insert_with(|| real.to_owned());
        assert_eq!(
            known, real,
            "one {} was given two ids: {thing:?}",
            self.what
        );
        let known = self
            .things
            .entry(real.to_owned())
            .or_insert_with(|| thing.clone());
        assert_eq!(
            known, thing,
            "two of {} were given the one id {real}",
            self.what
        );
    }

    /// What the vault calls a thing that it has named.
    pub fn of(&self, thing: &T) -> &str {
        self.real
            .get(thing)
            .unwrap_or_else(|| panic!("the vault never named {} {thing:?}", self.what))
    }

    /// The thing that the vault called so, if it did.
    pub fn find(&self, real: &str) -> Option<&T> {
        self.things.get(real)
    }

    pub fn thing(&self, real: &str) -> &T {
        self.things
            .get(real)
            .unwrap_or_else(|| panic!("the vault never handed out {} {real}", self.what))
    }

    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.things.keys().map(String::as_str)
    }
}
