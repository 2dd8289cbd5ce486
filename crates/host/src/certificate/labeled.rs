//! A labeled tree whose every node carries its hash, so that a witness for some of its paths is made without
//! hashing again (specification, "Certificate": labeled nodes, forks, leaves, pruned subtrees). For the small
//! parts of the state tree; request statuses, of which there are many, live in a balanced tree of their own.
//!
//! The children of a node hang below a balanced binary tree of forks in the order of their labels. A witness
//! shows what was asked for, proves the absence of what is not there by its two neighbours' labels, and prunes the
//! rest.

use crate::crypto::Sha256Digest;
use ic_certification::{
    HashTree, empty, fork, fork_hash, labeled, labeled_hash, leaf, leaf_hash, pruned,
};
use std::sync::Arc;

/// One label of a path in the state tree.
pub type Label = Vec<u8>;

/// A leaf, or labeled children in the order of their labels.
#[derive(Clone, Debug)]
pub enum LabeledTree {
    /// A value, with the hash of its leaf.
    Leaf { value: Vec<u8>, hash: Sha256Digest },
    /// Children by their labels, with the hash of the forks above them.
    Branch {
        children: Vec<(Label, Arc<LabeledTree>)>,
        hash: Sha256Digest,
    },
}

impl LabeledTree {
    /// A leaf with this value.
    pub fn leaf(value: impl Into<Vec<u8>>) -> Arc<Self> {
        let value = value.into();
        let hash = leaf_hash(&value);
        Arc::new(Self::Leaf { value, hash })
    }

    /// A branch of these children, in any order. Of children with equal labels the last one stays.
    pub fn branch(children: impl IntoIterator<Item = (impl Into<Label>, Arc<Self>)>) -> Arc<Self> {
        let sorted: std::collections::BTreeMap<Label, Arc<Self>> = children
            .into_iter()
            .map(|(label, child)| (label.into(), child))
            .collect();
        let children: Vec<_> = sorted.into_iter().collect();
        let hashes: Vec<_> = children
            .iter()
            .map(|(label, child)| labeled_hash(label, &child.hash()))
            .collect();
        Arc::new(Self::Branch {
            hash: forks_hash(&hashes),
            children,
        })
    }

    /// The hash of the tree from here on down.
    pub fn hash(&self) -> Sha256Digest {
        match self {
            Self::Leaf { hash, .. } | Self::Branch { hash, .. } => *hash,
        }
    }

    /// A hash tree with this tree's root hash that reveals everything below each of `paths`, or proves that
    /// nothing is there. A path that goes on below a leaf reveals nothing.
    pub fn witness(&self, paths: &[&[Label]]) -> HashTree {
        let all = paths.iter().any(|path| path.is_empty());
        match self {
            Self::Leaf { value, .. } if all => leaf(value.as_slice()),
            Self::Leaf { hash, .. } => pruned(*hash),
            Self::Branch { children, .. } => {
                let labels: Vec<&[u8]> =
                    children.iter().map(|(label, _)| label.as_slice()).collect();
                let selection = if all {
                    Selection::everything(labels.len())
                } else {
                    Selection::of(&labels, paths)
                };
                let entries: Vec<Entry<'_>> = children
                    .iter()
                    .enumerate()
                    .map(|(index, (label, child))| {
                        let shown = match &selection.marks[index] {
                            Mark::Hidden => Shown::Hidden,
                            Mark::Neighbour => Shown::Tree(pruned(child.hash())),
                            Mark::Wanted(rest) => Shown::Tree(child.witness(rest)),
                        };
                        Entry {
                            label,
                            hash: child.hash(),
                            shown,
                        }
                    })
                    .collect();
                assemble(entries)
            }
        }
    }
}

/// What a witness shows of one child.
#[derive(Clone, Debug)]
pub enum Mark<'a> {
    /// Nothing.
    Hidden,
    /// Its label, which with the other neighbour's proves that nothing lies between.
    Neighbour,
    /// What lies below these paths, relative to the child.
    Wanted(Vec<&'a [Label]>),
}

/// Which children of a branch a witness for some paths has to show.
pub struct Selection<'a> {
    /// One mark for each child.
    pub marks: Vec<Mark<'a>>,
}

impl<'a> Selection<'a> {
    fn everything(count: usize) -> Self {
        Self {
            marks: vec![Mark::Wanted(vec![&[]]); count],
        }
    }

    /// For a branch whose children have these labels, in ascending order. `paths` are not empty.
    pub fn of(labels: &[&[u8]], paths: &[&'a [Label]]) -> Self {
        let mut marks = vec![Mark::Hidden; labels.len()];
        for path in paths {
            let Some((first, rest)) = path.split_first() else {
                continue;
            };
            match labels.binary_search(&first.as_slice()) {
                Ok(index) => match &mut marks[index] {
                    Mark::Wanted(paths) => paths.push(rest),
                    mark => *mark = Mark::Wanted(vec![rest]),
                },
                Err(index) => {
                    for neighbour in [index.checked_sub(1), Some(index)].into_iter().flatten() {
                        if let Some(mark @ Mark::Hidden) = marks.get_mut(neighbour) {
                            *mark = Mark::Neighbour;
                        }
                    }
                }
            }
        }
        Self { marks }
    }
}

/// One child in the making of a witness.
pub struct Entry<'a> {
    /// The child's label.
    pub label: &'a [u8],
    /// The hash of the child below its label.
    pub hash: Sha256Digest,
    /// What the witness has of it.
    pub shown: Shown,
}

/// What a witness has of a child.
pub enum Shown {
    /// Its hash at most.
    Hidden,
    /// Its label, and this below.
    Tree(HashTree),
}

/// The hash tree of a branch with these children. What is hidden is pruned as high up as possible.
pub fn assemble(entries: Vec<Entry<'_>>) -> HashTree {
    fn build(entries: &mut [Entry<'_>]) -> HashTree {
        if entries
            .iter()
            .all(|entry| matches!(entry.shown, Shown::Hidden))
        {
            let hashes: Vec<_> = entries
                .iter()
                .map(|entry| labeled_hash(entry.label, &entry.hash))
                .collect();
            return if hashes.is_empty() {
                empty()
            } else {
                pruned(forks_hash(&hashes))
            };
        }
        if let [entry] = entries {
            return match std::mem::replace(&mut entry.shown, Shown::Hidden) {
                Shown::Tree(tree) => labeled(entry.label, tree),
                Shown::Hidden => pruned(labeled_hash(entry.label, &entry.hash)),
            };
        }
        let (left, right) = entries.split_at_mut(entries.len() / 2);
        fork(build(left), build(right))
    }
    let mut entries = entries;
    build(&mut entries)
}

/// The hash of the balanced tree of forks over labeled children with these hashes.
pub fn forks_hash(labeled: &[Sha256Digest]) -> Sha256Digest {
    match labeled {
        [] => empty().digest(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            fork_hash(&forks_hash(left), &forks_hash(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ic_certification::LookupResult;
    use proptest::prelude::*;

    fn path(labels: &[&str]) -> Vec<Label> {
        labels
            .iter()
            .map(|label| label.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn a_witness_shows_what_was_asked_and_nothing_else() {
        let tree = LabeledTree::branch([
            (
                "a",
                LabeledTree::branch([("x", LabeledTree::leaf("1")), ("y", LabeledTree::leaf("2"))]),
            ),
            ("b", LabeledTree::leaf("3")),
            ("d", LabeledTree::leaf("4")),
        ]);
        let wanted = [path(&["a", "x"]), path(&["c"])];
        let witness = tree.witness(&wanted.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert_eq!(witness.digest(), tree.hash());
        assert_eq!(witness.lookup_path(["a", "x"]), LookupResult::Found(b"1"));
        assert_eq!(witness.lookup_path(["a", "y"]), LookupResult::Unknown);
        assert_eq!(witness.lookup_path(["b"]), LookupResult::Unknown);
        assert_eq!(witness.lookup_path(["c"]), LookupResult::Absent);
    }

    #[test]
    fn an_empty_branch_proves_absence() {
        let tree = LabeledTree::branch(Vec::<(Label, _)>::new());
        let wanted = path(&["a"]);
        let witness = tree.witness(&[&wanted]);
        assert_eq!(witness.digest(), tree.hash());
        assert_eq!(witness.lookup_path(["a"]), LookupResult::Absent);
    }

    proptest! {
        #[test]
        fn every_lookup_is_answered_as_the_tree_has_it(
            present in proptest::collection::btree_map("[a-e]{0,2}", any::<u8>(), 0..12),
            asked in proptest::collection::vec("[a-e]{0,2}", 1..4),
        ) {
            let tree = LabeledTree::branch(present.iter().map(|(label, value)| (label.clone(), LabeledTree::leaf([*value]))));
            let paths: Vec<Vec<Label>> = asked.iter().map(|label| vec![label.clone().into_bytes()]).collect();
            let witness = tree.witness(&paths.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(witness.digest(), tree.hash());
            for label in &asked {
                let expected = present.get(label).map(std::slice::from_ref);
                match (witness.lookup_path([label]), expected) {
                    (LookupResult::Found(value), Some(expected)) => prop_assert_eq!(value, expected),
                    (LookupResult::Absent, None) => {}
                    (found, expected) => prop_assert!(false, "{:?} instead of {:?}", found, expected),
                }
            }
        }
    }
}
