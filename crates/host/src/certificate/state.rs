//! The system state tree of this host (specification, "The system state tree"): time, the one canister, the
//! statuses of update calls, and the subnet that this host is.
//!
//! Request statuses are kept as their hashes in a red-black tree: a change costs O(log n) hashes, and 300,000
//! statuses take tens of megabytes, whatever their replies weigh. A reply that has to be shown is handed in by the caller,
//! who has it from the store, and is checked against the hash.

use super::labeled::{Entry, Label, LabeledTree, Mark, Selection, Shown, assemble, forks_hash};
use crate::crypto::Sha256Digest;
use crate::crypto::representation::leb128;
use crate::message::{CanisterState, MetadataSection, RequestId, RequestStatus, TreeChanges};
use candid::Principal;
use ic_certification::{AsHashTree, HashTree, RbTree, labeled_hash, pruned};
use serde_bytes::Bytes;
use std::sync::Arc;

/// The labels below the root, in ascending order.
const ROOT_LABELS: [&[u8]; 5] = [
    b"canister",
    b"canister_ranges",
    b"request_status",
    b"subnet",
    b"time",
];

/// Where `request_status` stands in [`ROOT_LABELS`].
const REQUEST_STATUS: usize = 2;

/// The identity of the subnet that this host is, as the state tree shows it.
#[derive(Clone, Debug)]
pub struct SubnetIdentity {
    /// Self-authenticating principal of the root key.
    pub subnet_id: Principal,
    /// DER form of the root key.
    pub public_key: Vec<u8>,
    /// Self-authenticating principal of the node key.
    pub node_id: Principal,
    /// DER form of the node key.
    pub node_public_key: Vec<u8>,
    /// The one canister of the subnet.
    pub canister_id: Principal,
}

/// A request's status in the tree is not the one the caller has: it changed, or was pruned, in between. Asking
/// the store again and making the witness anew resolves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's status is changing")]
pub struct StatusChanged;

/// The hash of one request's subtree.
struct StatusHash(Sha256Digest);

impl AsHashTree for StatusHash {
    fn root_hash(&self) -> Sha256Digest {
        self.0
    }

    fn as_hash_tree(&self) -> HashTree {
        pruned(self.0)
    }
}

/// The state tree at the last commit.
pub struct CertifiedState {
    canister_id: Principal,
    time: u64,
    time_leaf: Arc<LabeledTree>,
    canister: Arc<LabeledTree>,
    metadata: Option<(Vec<MetadataSection>, Arc<LabeledTree>)>,
    canister_ranges: Arc<LabeledTree>,
    subnet: Arc<LabeledTree>,
    requests: RbTree<RequestId, StatusHash>,
}

impl CertifiedState {
    pub fn new(identity: &SubnetIdentity) -> Self {
        let canister = identity.canister_id.as_slice();
        let subnet = identity.subnet_id.as_slice();
        let ranges =
            LabeledTree::leaf(super::cbor(&[[Bytes::new(canister), Bytes::new(canister)]]));
        let node = LabeledTree::branch([(
            "public_key",
            LabeledTree::leaf(identity.node_public_key.as_slice()),
        )]);
        Self {
            canister_id: identity.canister_id,
            time: 0,
            time_leaf: LabeledTree::leaf(leb128(0)),
            canister: LabeledTree::branch(Vec::<(Label, _)>::new()),
            metadata: None,
            canister_ranges: LabeledTree::branch([(
                subnet,
                LabeledTree::branch([(canister, ranges.clone())]),
            )]),
            subnet: LabeledTree::branch([(
                subnet,
                LabeledTree::branch([
                    ("canister_ranges", ranges),
                    (
                        "node",
                        LabeledTree::branch([(identity.node_id.as_slice(), node)]),
                    ),
                    (
                        "public_key",
                        LabeledTree::leaf(identity.public_key.as_slice()),
                    ),
                ]),
            )]),
            requests: RbTree::new(),
        }
    }

    /// Takes in one commit: O(log n) for each request, n being the requests that are kept.
    pub fn apply(&mut self, changes: &TreeChanges) {
        self.advance(changes.time);
        for (id, status) in &changes.requests {
            self.requests
                .insert(*id, StatusHash(status_tree(status).hash()));
        }
        for id in &changes.pruned {
            self.requests.delete(id);
        }
        if let Some(state) = &changes.canister {
            self.set_canister(state);
        }
    }

    /// Nanoseconds since 1970 of the tree.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Sets the tree's time, unless that would take it back.
    pub fn advance(&mut self, time: u64) {
        if time > self.time {
            self.time = time;
            self.time_leaf = LabeledTree::leaf(leb128(time));
        }
    }

    fn set_canister(&mut self, state: &CanisterState) {
        // Metadata holds the whole interface description and changes with upgrades only, certified data with
        // any message: its tree is kept while it is the same.
        let metadata = match &self.metadata {
            Some((sections, tree)) if *sections == state.metadata => tree.clone(),
            _ => {
                let leaves = state.metadata.iter().map(|section| {
                    (
                        section.name.as_bytes(),
                        LabeledTree::leaf(section.content.as_slice()),
                    )
                });
                LabeledTree::branch(leaves)
            }
        };
        self.metadata = Some((state.metadata.clone(), metadata.clone()));

        let controllers: Vec<&Bytes> = state
            .controllers
            .iter()
            .map(|id| Bytes::new(id.as_slice()))
            .collect();
        let mut children = vec![
            (
                "certified_data",
                LabeledTree::leaf(state.certified_data.as_slice()),
            ),
            ("controllers", LabeledTree::leaf(super::cbor(&controllers))),
        ];
        if let Some(hash) = state.module_hash {
            children.push(("module_hash", LabeledTree::leaf(hash)));
            children.push(("metadata", metadata));
        }
        self.canister =
            LabeledTree::branch([(self.canister_id.as_slice(), LabeledTree::branch(children))]);
    }

    /// The hash that is signed.
    pub fn root_hash(&self) -> Sha256Digest {
        let mut hashes = self.root_children();
        for (label, hash) in ROOT_LABELS.iter().zip(&mut hashes) {
            *hash = labeled_hash(label, hash);
        }
        forks_hash(&hashes)
    }

    fn root_children(&self) -> [Sha256Digest; 5] {
        let [canister, ranges, subnet, time] = [
            &self.canister,
            &self.canister_ranges,
            &self.subnet,
            &self.time_leaf,
        ]
        .map(|tree| tree.hash());
        [canister, ranges, self.requests.root_hash(), subnet, time]
    }

    /// A witness for `paths`, none of them empty. Paths below `request_status` name one request, whose status as
    /// the store has it is `request`; of any other request only the hash is shown.
    ///
    /// # Errors
    /// [`StatusChanged`] where the tree holds another status for that request.
    pub fn witness(
        &self,
        paths: &[&[Label]],
        request: Option<(&RequestId, Option<&RequestStatus>)>,
    ) -> Result<HashTree, StatusChanged> {
        let selection = Selection::of(&ROOT_LABELS, paths);
        let mut entries = Vec::with_capacity(ROOT_LABELS.len());
        for (index, (hash, mark)) in self
            .root_children()
            .into_iter()
            .zip(&selection.marks)
            .enumerate()
        {
            let shown = match mark {
                Mark::Hidden => Shown::Hidden,
                Mark::Neighbour => Shown::Tree(pruned(hash)),
                Mark::Wanted(rest) => Shown::Tree(match index {
                    0 => self.canister.witness(rest),
                    1 => self.canister_ranges.witness(rest),
                    REQUEST_STATUS => self.request_witness(rest, request)?,
                    3 => self.subnet.witness(rest),
                    _ => self.time_leaf.witness(rest),
                }),
            };
            entries.push(Entry {
                label: ROOT_LABELS[index],
                hash,
                shown,
            });
        }
        Ok(assemble(entries))
    }

    fn request_witness(
        &self,
        paths: &[&[Label]],
        request: Option<(&RequestId, Option<&RequestStatus>)>,
    ) -> Result<HashTree, StatusChanged> {
        let Some((id, status)) = request else {
            return Ok(pruned(self.requests.root_hash()));
        };
        let below: Vec<&[Label]> = paths
            .iter()
            .filter_map(|path| path.split_first())
            .filter(|(first, _)| first.as_slice() == id)
            .map(|(_, rest)| rest)
            .collect();
        let Some(StatusHash(certified)) = self.requests.get(id) else {
            return Ok(self.requests.witness(id));
        };
        // The store may already be one step ahead of the tree; a status without a payload can be told by its hash.
        let bare = [
            RequestStatus::Received,
            RequestStatus::Processing,
            RequestStatus::Done,
        ];
        let tree = status
            .into_iter()
            .chain(&bare)
            .map(status_tree)
            .find(|tree| tree.hash() == *certified)
            .ok_or(StatusChanged)?;
        Ok(self.requests.nested_witness(id, |_| tree.witness(&below)))
    }
}

/// The subtree `/request_status/<request id>`.
fn status_tree(status: &RequestStatus) -> Arc<LabeledTree> {
    let mut children = vec![("status", LabeledTree::leaf(status_name(status)))];
    match status {
        RequestStatus::Received | RequestStatus::Processing | RequestStatus::Done => {}
        RequestStatus::Replied(reply) => {
            children.push(("reply", LabeledTree::leaf(reply.as_slice())))
        }
        RequestStatus::Rejected(reject) => {
            children.push(("reject_code", LabeledTree::leaf(leb128(reject.code as u64))));
            children.push(("reject_message", LabeledTree::leaf(reject.message.as_str())));
            if let Some(code) = &reject.error_code {
                children.push(("error_code", LabeledTree::leaf(code.as_str())));
            }
        }
    }
    LabeledTree::branch(children)
}

fn status_name(status: &RequestStatus) -> &'static str {
    match status {
        RequestStatus::Received => "received",
        RequestStatus::Processing => "processing",
        RequestStatus::Replied(_) => "replied",
        RequestStatus::Rejected(_) => "rejected",
        RequestStatus::Done => "done",
    }
}

#[cfg(test)]
mod tests;
