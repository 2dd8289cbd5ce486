//! A hash tree of labelled nodes (Internet Computer interface specification, "Certification"), and its witnesses.
//!
//! The library's own tree hashes its way up at every insertion: a few hundred leaves cost more at each start than an upgrade may. This one
//! is made at once from what is known, subtrees by their digest alone, and hashes each node once.

use std::collections::BTreeMap;

use ic_certification_4::hash_tree::{fork_hash, labeled_hash, leaf_hash};
use ic_certification_4::{HashTree, empty, fork, labeled, leaf, pruned};

use crate::Hash;

/// A label.
pub type Label = Vec<u8>;

/// A path of labels.
pub type Path = Vec<Label>;

/// A tree, or what is known of it.
#[derive(Clone, Debug)]
pub enum Tree {
    /// The empty value: only that it is there matters.
    Leaf,
    /// A subtree of this digest.
    Known(Hash),
    /// Labelled subtrees.
    Node(BTreeMap<Label, Tree>),
}

impl Default for Tree {
    fn default() -> Self {
        Tree::Node(BTreeMap::new())
    }
}

impl Tree {
    /// Puts `subtree` at `path`, in place of what is there.
    pub fn insert(&mut self, path: &[Label], subtree: Tree) {
        let Some((first, rest)) = path.split_first() else {
            *self = subtree;
            return;
        };
        if !matches!(self, Tree::Node(_)) {
            *self = Tree::default();
        }
        if let Tree::Node(nodes) = self {
            nodes
                .entry(first.clone())
                .or_default()
                .insert(rest, subtree);
        }
    }

    pub fn digest(&self) -> Hash {
        match self {
            Tree::Leaf => leaf_hash(&[]),
            Tree::Known(digest) => *digest,
            Tree::Node(nodes) => forked_digest(&entries(nodes)),
        }
    }

    /// The subtree at this label of the root.
    pub fn child(&self, label: &[u8]) -> Option<&Tree> {
        match self {
            Tree::Node(nodes) => nodes.get(label),
            _ => None,
        }
    }

    /// The tree with all subtrees of its root but these known by their digest: what is asked of it afterwards does not hash them again.
    pub fn outline(&self, kept: &[&[u8]]) -> Tree {
        let Tree::Node(nodes) = self else {
            return self.clone();
        };
        let outlined = nodes.iter().map(|(label, tree)| {
            let tree = match kept.contains(&label.as_slice()) {
                true => tree.clone(),
                false => Tree::Known(tree.digest()),
            };
            (label.clone(), tree)
        });
        Tree::Node(outlined.collect())
    }

    /// The tree, cut down to what shows what is at these paths, and where nothing is, that nothing is there.
    pub fn witness(&self, paths: &[&[Label]]) -> HashTree {
        if paths.is_empty() {
            return pruned(self.digest());
        }
        match self {
            Tree::Leaf => leaf(Vec::new()),
            Tree::Known(digest) => pruned(*digest),
            Tree::Node(nodes) => {
                let entries = entries(nodes);
                forked_witness(&entries, &shown(&entries, paths))
            }
        }
    }
}

type Entry<'a> = (&'a Label, &'a Tree);

fn entries(nodes: &BTreeMap<Label, Tree>) -> Vec<Entry<'_>> {
    nodes.iter().collect()
}

/// For each entry the rests of the paths that lead through it; `None` where it need not be seen. What is not there is shown by its
/// neighbours on both sides.
fn shown<'a>(entries: &[Entry<'_>], paths: &[&'a [Label]]) -> Vec<Option<Vec<&'a [Label]>>> {
    let mut shown: Vec<Option<Vec<&[Label]>>> = vec![None; entries.len()];
    for path in paths {
        let Some((first, rest)) = path.split_first() else {
            continue;
        };
        match entries.binary_search_by(|(label, _)| label.as_slice().cmp(first)) {
            Ok(at) => shown[at].get_or_insert_default().push(rest),
            Err(at) => {
                for neighbour in [at.checked_sub(1), Some(at)].into_iter().flatten() {
                    if let Some(shown) = shown.get_mut(neighbour) {
                        shown.get_or_insert_default();
                    }
                }
            }
        }
    }
    shown
}

/// Entries are forked in halves: the shape follows from their number alone.
fn forked_digest(entries: &[Entry<'_>]) -> Hash {
    match entries {
        [] => empty().digest(),
        [(label, tree)] => labeled_hash(label, &tree.digest()),
        _ => {
            let (left, right) = entries.split_at(entries.len() / 2);
            fork_hash(&forked_digest(left), &forked_digest(right))
        }
    }
}

fn forked_witness(entries: &[Entry<'_>], shown: &[Option<Vec<&[Label]>>]) -> HashTree {
    if entries.is_empty() {
        return empty();
    }
    if shown.iter().all(Option::is_none) {
        return pruned(forked_digest(entries));
    }
    if let ([(label, tree)], [Some(paths)]) = (entries, shown) {
        return labeled((*label).clone(), tree.witness(paths));
    }
    let half = entries.len() / 2;
    let (left, right) = entries.split_at(half);
    let (shown_left, shown_right) = shown.split_at(half);
    fork(
        forked_witness(left, shown_left),
        forked_witness(right, shown_right),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ic_certification_4::hash_tree::SubtreeLookupResult::{Absent, Found, Unknown};
    use proptest::prelude::*;

    fn path(text: &str) -> Path {
        text.split('/').map(|label| label.into()).collect()
    }

    #[test]
    fn a_witness_has_the_digest_of_the_tree() {
        let mut tree = Tree::default();
        assert_eq!(tree.digest(), empty().digest());
        for at in ["a/b", "a/c/d", "e", "f/g/h"] {
            tree.insert(&path(at), Tree::Leaf);
        }
        tree.insert(&path("z"), Tree::Known([7; 32]));
        let wanted = path("a/c/d");
        let witness = tree.witness(&[&wanted]);
        assert_eq!(witness.digest(), tree.digest());
        assert!(matches!(witness.lookup_subtree(&wanted), Found(_)));
        assert!(matches!(witness.lookup_subtree(&path("e")), Unknown));
        let witness = tree.witness(&[&path("a/c/c"), &path("e/x")]);
        assert_eq!(witness.digest(), tree.digest());
        assert!(matches!(witness.lookup_subtree(&path("a/c/c")), Absent));
        assert!(matches!(witness.lookup_subtree(&path("e/x")), Absent));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_is_shown_to_be_there_or_not(
            there in prop::collection::btree_set("[a-d]{1,2}(/[a-d]{1,2}){0,2}", 0..20),
            asked in prop::collection::vec("[a-e]{1,2}(/[a-e]{1,2}){0,3}", 1..6),
        ) {
            let mut tree = Tree::default();
            for at in &there {
                let mut at = path(at);
                // Of equal length, so that none is above another.
                at.resize(3, b"x".to_vec());
                tree.insert(&at, Tree::Leaf);
            }
            let asked: Vec<Path> = asked.iter().map(|at| path(at)).collect();
            let paths: Vec<&[Label]> = asked.iter().map(Vec::as_slice).collect();
            let witness = tree.witness(&paths);
            prop_assert_eq!(witness.digest(), tree.digest());
            for at in &asked {
                let mut subtree = Some(&tree);
                for label in at {
                    subtree = match subtree {
                        Some(Tree::Node(nodes)) => nodes.get(label),
                        _ => None,
                    };
                }
                match witness.lookup_subtree(at) {
                    Found(found) => prop_assert_eq!(Some(found.digest()), subtree.map(Tree::digest)),
                    Absent => prop_assert!(subtree.is_none()),
                    Unknown => prop_assert!(false, "unknown: {:?}", at),
                }
            }
        }
    }
}
