//! The state tree against plain models of it.

use super::*;
use crate::message::{Reject, RejectCode};
use ic_certification::LookupResult;
use proptest::prelude::*;

fn identity() -> SubnetIdentity {
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

proptest! {
    #[test]
    fn the_tree_is_what_was_applied(
        commits in proptest::collection::vec(
            proptest::collection::vec((0u32..24, proptest::option::of(any::<u8>())), 0..6),
            0..40,
        ),
    ) {
        let mut state = CertifiedState::new(&identity());
        let mut model = std::collections::BTreeMap::new();
        for commit in commits {
            let mut changes = TreeChanges::default();
            // One change of a request in a commit, the last one.
            let commit: std::collections::BTreeMap<_, _> = commit.into_iter().collect();
            for (number, reply) in commit {
                match reply {
                    Some(byte) => {
                        let status = RequestStatus::Replied(vec![byte]);
                        model.insert(number, status.clone());
                        changes.requests.push((id(number), status));
                    }
                    None => {
                        model.remove(&number);
                        changes.pruned.push(id(number));
                    }
                }
            }
            state.apply(&changes);
            let once = state.root_hash();
            state.apply(&changes);
            prop_assert_eq!(state.root_hash(), once, "applied again, it changes nothing");
        }
        for number in 0..24 {
            let id = id(number);
            let wanted = path(&[b"request_status", &id]);
            let witness = state.witness(&[&wanted], Some((&id, model.get(&number)))).unwrap();
            prop_assert_eq!(witness.digest(), state.root_hash());
            let found = witness.lookup_path([b"request_status".as_slice(), &id, b"reply"]);
            match (model.get(&number), found) {
                (Some(RequestStatus::Replied(reply)), LookupResult::Found(found)) => prop_assert_eq!(found, reply),
                (None, LookupResult::Absent) => {}
                (expected, found) => prop_assert!(false, "{:?} instead of {:?}", found, expected),
            }
        }
    }
}

#[test]
fn time_does_not_go_back() {
    let mut state = CertifiedState::new(&identity());
    state.advance(10);
    state.advance(9);
    assert_eq!(state.time(), 10);
}
