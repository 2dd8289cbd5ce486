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
    pub subnet_id: Principal,
    /// DER form of the root key.
    pub public_key: Vec<u8>,
    pub node_id: Principal,
    /// DER form of the node key.
    pub node_public_key: Vec<u8>,
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
        let candidates = [
            status.cloned(),
            Some(RequestStatus::Received),
            Some(RequestStatus::Processing),
            Some(RequestStatus::Done),
        ];
        let tree = candidates
            .iter()
            .flatten()
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
mod tests {
    use super::*;
    use crate::message::{Reject, RejectCode};
    use ic_certification::LookupResult;

    pub(crate) fn identity() -> SubnetIdentity {
        SubnetIdentity {
            subnet_id: Principal::from_slice(&[1; 29]),
            public_key: vec![1; 133],
            node_id: Principal::from_slice(&[2; 29]),
            node_public_key: vec![2; 44],
            canister_id: Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 9, 1, 1]),
        }
    }

    fn id(number: u32) -> RequestId {
        crate::crypto::sha256(&[&number.to_be_bytes()])
    }

    fn requests(statuses: impl IntoIterator<Item = (u32, RequestStatus)>) -> TreeChanges {
        TreeChanges {
            time: 5,
            requests: statuses
                .into_iter()
                .map(|(number, status)| (id(number), status))
                .collect(),
            ..TreeChanges::default()
        }
    }

    fn path(labels: &[&[u8]]) -> Vec<Label> {
        labels.iter().map(|label| label.to_vec()).collect()
    }

    fn rejected() -> RequestStatus {
        RequestStatus::Rejected(Reject {
            code: RejectCode::CanisterError,
            message: "trap".into(),
            error_code: Some("IC0503".into()),
        })
    }

    #[test]
    fn statuses_are_found_and_absent_ones_proven_absent() {
        let mut state = CertifiedState::new(&identity());
        state.apply(&requests((0..500u32).map(|number| {
            (
                number,
                RequestStatus::Replied(number.to_be_bytes().to_vec()),
            )
        })));
        state.apply(&requests([
            (77, rejected()),
            (78, RequestStatus::Processing),
        ]));
        let lookup = |number: u32, status: Option<RequestStatus>, label: &[u8]| {
            let id = id(number);
            let wanted = path(&[b"request_status", &id]);
            let witness = state
                .witness(&[&wanted], Some((&id, status.as_ref())))
                .unwrap();
            assert_eq!(witness.digest(), state.root_hash());
            match witness.lookup_path([b"request_status".as_slice(), &id, label]) {
                LookupResult::Found(value) => Some(value.to_vec()),
                LookupResult::Absent => None,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            lookup(3, Some(RequestStatus::Replied(vec![0, 0, 0, 3])), b"reply"),
            Some(vec![0, 0, 0, 3])
        );
        assert_eq!(
            lookup(77, Some(rejected()), b"status"),
            Some(b"rejected".to_vec())
        );
        assert_eq!(lookup(77, Some(rejected()), b"reject_code"), Some(vec![5]));
        assert_eq!(
            lookup(77, Some(rejected()), b"error_code"),
            Some(b"IC0503".to_vec())
        );
        assert_eq!(lookup(77, Some(rejected()), b"reply"), None);
        assert_eq!(
            lookup(78, Some(rejected()), b"status"),
            Some(b"processing".to_vec())
        );
        assert_eq!(lookup(10_000, None, b"status"), None);
    }

    #[test]
    fn a_status_other_than_the_certified_one_is_never_shown() {
        let mut state = CertifiedState::new(&identity());
        state.apply(&requests([(1, RequestStatus::Replied(vec![1]))]));
        let id = id(1);
        let wanted = path(&[b"request_status", &id]);
        let other = RequestStatus::Replied(vec![2]);
        assert_eq!(
            state
                .witness(&[&wanted], Some((&id, Some(&other))))
                .unwrap_err(),
            StatusChanged
        );
        assert_eq!(
            state.witness(&[&wanted], Some((&id, None))).unwrap_err(),
            StatusChanged
        );
        state.apply(&TreeChanges {
            pruned: vec![id],
            ..TreeChanges::default()
        });
        let witness = state.witness(&[&wanted], Some((&id, None))).unwrap();
        assert_eq!(
            witness.lookup_path([b"request_status".as_slice(), &id]),
            LookupResult::Absent
        );
    }

    #[test]
    fn the_canister_and_the_subnet_are_shown() {
        let mut state = CertifiedState::new(&identity());
        let canister = identity().canister_id;
        let controller = Principal::from_slice(&[7; 29]);
        state.apply(&TreeChanges {
            time: 1_000,
            canister: Some(CanisterState {
                module_hash: Some([3; 32]),
                controllers: vec![controller],
                certified_data: vec![4; 32],
                metadata: vec![MetadataSection {
                    name: "candid:service".into(),
                    public: true,
                    content: b"service : {}".to_vec(),
                }],
            }),
            ..TreeChanges::default()
        });
        let wanted = [
            path(&[b"canister", canister.as_slice(), b"module_hash"]),
            path(&[
                b"canister",
                canister.as_slice(),
                b"metadata",
                b"candid:service",
            ]),
            path(&[b"canister", canister.as_slice(), b"metadata", b"other"]),
            path(&[b"canister", canister.as_slice(), b"controllers"]),
            path(&[b"subnet"]),
            path(&[b"canister_ranges"]),
            path(&[b"time"]),
            path(&[b"api_boundary_nodes"]),
        ];
        let witness = state
            .witness(&wanted.iter().map(Vec::as_slice).collect::<Vec<_>>(), None)
            .unwrap();
        assert_eq!(witness.digest(), state.root_hash());
        let id = canister.as_slice();
        let find = |labels: &[&[u8]]| match witness.lookup_path(labels) {
            LookupResult::Found(value) => value.to_vec(),
            other => panic!("{other:?}"),
        };
        assert_eq!(find(&[b"canister", id, b"module_hash"]), [3; 32]);
        assert_eq!(
            find(&[b"canister", id, b"metadata", b"candid:service"]),
            b"service : {}"
        );
        assert_eq!(find(&[b"time"]), leb128(1_000));
        let mut controllers = hex::decode("d9d9f781581d").unwrap();
        controllers.extend_from_slice(controller.as_slice());
        assert_eq!(find(&[b"canister", id, b"controllers"]), controllers);
        let subnet = identity().subnet_id;
        let node = identity().node_id;
        assert_eq!(
            find(&[b"subnet", subnet.as_slice(), b"public_key"]),
            [1; 133]
        );
        assert_eq!(
            find(&[
                b"subnet",
                subnet.as_slice(),
                b"node",
                node.as_slice(),
                b"public_key"
            ]),
            [2; 44]
        );
        let ranges = find(&[b"subnet", subnet.as_slice(), b"canister_ranges"]);
        assert_eq!(
            hex::encode(&ranges),
            format!("d9d9f781824a{0}4a{0}", hex::encode(id))
        );
        assert_eq!(find(&[b"canister_ranges", subnet.as_slice(), id]), ranges);
        assert_eq!(
            witness.lookup_path([b"canister", id, b"metadata", b"other"]),
            LookupResult::Absent
        );
        assert_eq!(
            witness.lookup_path([b"canister", id, b"certified_data"]),
            LookupResult::Unknown
        );
        assert_eq!(
            witness.lookup_path([b"api_boundary_nodes"]),
            LookupResult::Absent
        );
    }

    #[test]
    fn time_does_not_go_back() {
        let mut state = CertifiedState::new(&identity());
        state.advance(10);
        state.advance(9);
        assert_eq!(state.time(), 10);
    }
}
