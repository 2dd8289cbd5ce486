//! Certificates: the state tree of this host and the root key's signature over it (specification,
//! "Certification"). What a client is told of an update call, and what the canister proves to whoever calls
//! its queries, is a part of one tree under one signature.
//!
//! The tree follows the engine's commits ([`StateTree::apply`] is called after each of them, before the
//! submitters hear of it), so that whoever has been answered finds the answer certified. A root is signed once,
//! when the first certificate for it is asked for; a group of messages committed together shares one signature.

mod labeled;
mod state;

pub use labeled::Label;
pub use state::StatusChanged;

use crate::crypto::Sha256Digest;
use crate::crypto::node_key::NodeKey;
use crate::crypto::root_key::{RootKey, SIGNATURE_LENGTH};
use crate::message::{RequestId, RequestStatus, StateTree, TreeChanges};
use candid::Principal;
use ic_certification::HashTree;
use serde::Serialize;
use serde_bytes::Bytes;
use state::{CertifiedState, SubnetIdentity};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How far a certificate's time may lag behind the clock while nothing is committed. Clients refuse certificates
/// minutes old; each renewal costs a signature.
const TIME_RESOLUTION: Duration = Duration::from_secs(1);

/// CBOR tag 55799, which marks what follows as CBOR; certificates, lists and replies of the interface begin with
/// it.
pub(crate) const SELF_DESCRIBED: [u8; 3] = [0xd9, 0xd9, 0xf7];

/// `value` as self-described CBOR.
pub(crate) fn cbor<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = SELF_DESCRIBED.to_vec();
    // Writing to a vector does not fail, and the types of this crate that are given here have no value that
    // CBOR cannot express: records with text keys, byte strings, texts, lengths known in advance.
    if let Err(error) = ciborium::into_writer(value, &mut bytes) {
        unreachable!("CBOR encoding failed: {error}");
    }
    bytes
}

/// The state tree with the keys that certify it.
pub struct Certification {
    root_key: RootKey,
    node_key: NodeKey,
    canister_id: Principal,
    state: Mutex<CertifiedState>,
    /// The signature over the root hash that was last asked for.
    signature: Mutex<Option<(Sha256Digest, [u8; SIGNATURE_LENGTH])>>,
    /// The certificate of the canister's certified data that was last asked for, by its root hash.
    data_certificate: Mutex<Option<(Sha256Digest, Vec<u8>)>>,
}

impl std::fmt::Debug for Certification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certification")
            .field("root_key", &self.root_key)
            .field("node_key", &self.node_key)
            .finish()
    }
}

impl Certification {
    /// An empty tree: no canister, no requests, time zero. The engine fills it by [`StateTree::apply`].
    pub fn new(root_key: RootKey, node_key: NodeKey, canister_id: Principal) -> Self {
        let identity = SubnetIdentity {
            subnet_id: root_key.subnet_id(),
            public_key: root_key.der().to_vec(),
            node_id: node_key.node_id(),
            node_public_key: node_key.der().to_vec(),
            canister_id,
        };
        Self {
            state: Mutex::new(CertifiedState::new(&identity)),
            signature: Mutex::new(None),
            data_certificate: Mutex::new(None),
            root_key,
            node_key,
            canister_id,
        }
    }

    /// The key that signs certificates.
    pub fn root_key(&self) -> &RootKey {
        &self.root_key
    }

    /// The key that signs query replies.
    pub fn node_key(&self) -> &NodeKey {
        &self.node_key
    }

    /// A certificate, in its CBOR form, that reveals what lies below `paths` or proves that nothing is there, and
    /// `/time` always. Whether the caller may see it is for the caller of this method to decide. Paths below
    /// `request_status` must all name the request given with its status in the store.
    ///
    /// Costs O(log n), and half a millisecond for the signature where the tree changed since the last one.
    ///
    /// # Errors
    /// [`StatusChanged`] where the tree has another status for that request than the store had.
    pub fn certificate(
        &self,
        paths: &[Vec<Label>],
        request: Option<(&RequestId, Option<&RequestStatus>)>,
    ) -> Result<Vec<u8>, StatusChanged> {
        let time = [b"time".to_vec()];
        let mut wanted: Vec<&[Label]> = paths.iter().map(Vec::as_slice).collect();
        wanted.push(&time);

        let (tree, root_hash) = {
            let state = self.fresh_state();
            (state.witness(&wanted, request)?, state.root_hash())
        };
        Ok(encode(&tree, &self.sign(&root_hash)))
    }

    /// The state, its time brought up to date.
    fn fresh_state(&self) -> MutexGuard<'_, CertifiedState> {
        let mut state = self.state();
        let now = now();
        if now.saturating_sub(state.time()) > TIME_RESOLUTION.as_nanos() as u64 {
            state.advance(now);
        }
        state
    }

    fn sign(&self, root_hash: &Sha256Digest) -> [u8; SIGNATURE_LENGTH] {
        // Held while signing: whoever asks for the same root meanwhile waits for the one signature.
        let mut last = self
            .signature
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((signed, signature)) if signed == root_hash => *signature,
            _ => {
                let signature = self.root_key.sign(root_hash);
                *last = Some((*root_hash, signature));
                signature
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, CertifiedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateTree for Certification {
    /// O(log n) for each request, n being the requests whose status is kept.
    fn apply(&self, changes: &TreeChanges) {
        self.state().apply(changes);
    }

    fn data_certificate(&self) -> Option<Vec<u8>> {
        // Every query asks, and most find the tree as the one before did.
        let root_hash = self.fresh_state().root_hash();
        let mut last = self
            .data_certificate
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((root, certificate)) = &*last
            && *root == root_hash
        {
            return Some(certificate.clone());
        }
        let path = vec![
            b"canister".to_vec(),
            self.canister_id.as_slice().to_vec(),
            b"certified_data".to_vec(),
        ];
        // No request is asked for, so that none can have changed.
        let certificate = self.certificate(&[path], None).ok()?;
        *last = Some((root_hash, certificate.clone()));
        Some(certificate)
    }
}

fn encode(tree: &HashTree, signature: &[u8; SIGNATURE_LENGTH]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Certificate<'a> {
        tree: &'a HashTree,
        signature: &'a Bytes,
    }
    cbor(&Certificate {
        tree,
        signature: Bytes::new(signature),
    })
}

/// Nanoseconds since 1970 by the system's clock.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Reading certificates back in tests, as a client does.
#[cfg(test)]
pub(crate) mod testing {
    use super::SELF_DESCRIBED;
    use crate::crypto::root_key;
    use ciborium::Value;
    use ic_certification::{HashTree, empty, fork, labeled, leaf, pruned};

    /// The tree of a certificate without delegation, after its signature has been verified.
    pub fn verified(certificate: &[u8], root_key_der: &[u8]) -> HashTree {
        assert_eq!(certificate[..3], SELF_DESCRIBED);
        let value: Value = ciborium::from_reader(&certificate[3..]).unwrap();
        let Value::Map(fields) = value else {
            panic!("not a map")
        };
        let [(tree_key, tree), (signature_key, signature)] = fields.as_slice() else {
            panic!("fields")
        };
        assert_eq!(
            (tree_key.as_text(), signature_key.as_text()),
            (Some("tree"), Some("signature"))
        );
        let tree = hash_tree(tree);
        assert!(root_key::verify(
            root_key_der,
            &tree.digest(),
            signature.as_bytes().unwrap()
        ));
        tree
    }

    fn hash_tree(value: &Value) -> HashTree {
        let items = value.as_array().unwrap();
        let bytes = |index: usize| items[index].as_bytes().unwrap().clone();
        match (i128::from(items[0].as_integer().unwrap()), items.len()) {
            (0, 1) => empty(),
            (1, 3) => fork(hash_tree(&items[1]), hash_tree(&items[2])),
            (2, 3) => labeled(bytes(1), hash_tree(&items[2])),
            (3, 2) => leaf(bytes(1)),
            (4, 2) => pruned(<[u8; 32]>::try_from(bytes(1)).unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::verified;
    use super::*;
    use crate::message::CanisterState;
    use ic_certification::LookupResult;

    fn certification() -> Certification {
        let canister = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 9, 1, 1]);
        Certification::new(
            RootKey::from_secret(&[1; 32]).unwrap(),
            NodeKey::from_secret(&[2; 32]).unwrap(),
            canister,
        )
    }

    #[test]
    fn certificates_verify_under_the_root_key() {
        let certification = certification();
        certification.apply(&TreeChanges {
            time: 7,
            canister: Some(CanisterState {
                certified_data: vec![9; 32],
                ..CanisterState::default()
            }),
            ..TreeChanges::default()
        });
        let tree = verified(
            &certification.data_certificate().unwrap(),
            certification.root_key().der(),
        );
        let path = [
            b"canister",
            certification.canister_id.as_slice(),
            b"certified_data",
        ];
        assert_eq!(tree.lookup_path(path), LookupResult::Found(&[9; 32]));
        let LookupResult::Found(mut time) = tree.lookup_path([b"time"]) else {
            panic!("no time")
        };
        let time = leb128::read::unsigned(&mut time).unwrap();
        assert!(
            now().abs_diff(time) < 60_000_000_000,
            "an idle host's certificates are fresh"
        );
    }

    #[test]
    fn one_signature_serves_a_whole_commit() {
        let certification = certification();
        let hash = [3; 32];
        let first = certification.sign(&hash);
        assert_eq!(first, certification.sign(&hash));
        assert_ne!(first, certification.sign(&[4; 32]));
    }

    #[test]
    fn a_proof_among_many_statuses_is_short() {
        let certification = certification();
        let id = |number: u32| crate::crypto::sha256(&[&number.to_be_bytes()]);
        let mut number = 0;
        for _ in 0..100 {
            let requests = (0..200)
                .map(|_| {
                    number += 1;
                    (id(number), RequestStatus::Replied(vec![1]))
                })
                .collect();
            certification.apply(&TreeChanges {
                time: 1,
                requests,
                ..TreeChanges::default()
            });
        }
        let one = id(5);
        let path = vec![b"request_status".to_vec(), one.to_vec()];
        let status = RequestStatus::Replied(vec![1]);
        let certificate = certification
            .certificate(&[path], Some((&one, Some(&status))))
            .unwrap();
        assert!(
            certificate.len() < 4_000,
            "a proof is logarithmic in size: {}",
            certificate.len()
        );
    }
}
