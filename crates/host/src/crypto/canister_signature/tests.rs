//! Signatures of a canister on a network made here: a root key, a subnet that it delegates to, and what may be wrong with each.

use super::*;
use crate::certificate::cbor;
use crate::crypto::domain;
use crate::crypto::public_key::PublicKey;
use crate::crypto::root_key::RootKey;
use ic_certification::{Delegation, fork, labeled, leaf};

type Ranges = Vec<(serde_bytes::ByteBuf, serde_bytes::ByteBuf)>;

/// What a signature is made of; each field can be made wrong.
struct Making {
    root: RootKey,
    subnet: RootKey,
    delegates: bool,
    /// In the encoding of before there were shards.
    old_ranges: bool,
    ranges: (Principal, Principal),
    canister: Principal,
    certified: Option<Sha256Digest>,
    seed: Vec<u8>,
    signed: Vec<u8>,
}

fn canister(number: u8) -> Principal {
    Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, number, 1, 1])
}

const MESSAGE: &[u8] = b"message";

impl Default for Making {
    fn default() -> Self {
        Making {
            root: RootKey::from_secret(&[1; 32]).unwrap(),
            subnet: RootKey::from_secret(&[2; 32]).unwrap(),
            delegates: true,
            old_ranges: false,
            ranges: (canister(5), canister(9)),
            canister: canister(7),
            certified: None,
            seed: b"seed".to_vec(),
            signed: MESSAGE.to_vec(),
        }
    }
}

impl Making {
    fn delegation(&self) -> Vec<u8> {
        let subnet_id = self.subnet.subnet_id();
        let bytes = |id: Principal| serde_bytes::ByteBuf::from(id.as_slice().to_vec());
        let ranges: Ranges = vec![(bytes(self.ranges.0), bytes(self.ranges.1))];
        let ranges = cbor(&ranges);
        let key = labeled("public_key", leaf(self.subnet.der().to_vec()));
        let tree = if self.old_ranges {
            labeled(
                "subnet",
                labeled(
                    subnet_id.as_slice(),
                    fork(labeled("canister_ranges", leaf(ranges)), key),
                ),
            )
        } else {
            fork(
                labeled(
                    "canister_ranges",
                    labeled(
                        subnet_id.as_slice(),
                        labeled(self.ranges.0.as_slice(), leaf(ranges)),
                    ),
                ),
                labeled("subnet", labeled(subnet_id.as_slice(), key)),
            )
        };
        let signature = self.root.sign(&tree.digest()).to_vec();
        cbor(&Certificate {
            tree,
            signature,
            delegation: None,
        })
    }

    fn signature(&self) -> Vec<u8> {
        let tree: HashTree = labeled(
            "sig",
            labeled(
                sha256(&[&self.seed]),
                labeled(sha256(&[&self.signed]), leaf(Vec::new())),
            ),
        );
        let certified = self.certified.unwrap_or_else(|| tree.digest());
        let state: HashTree = labeled(
            "canister",
            labeled(
                self.canister.as_slice(),
                labeled("certified_data", leaf(certified.to_vec())),
            ),
        );
        let (signer, delegation) = if self.delegates {
            let delegation = Delegation {
                subnet_id: self.subnet.subnet_id().as_slice().to_vec(),
                certificate: self.delegation(),
            };
            (&self.subnet, Some(delegation))
        } else {
            (&self.root, None)
        };
        let certificate = Certificate {
            signature: signer.sign(&state.digest()).to_vec(),
            tree: state,
            delegation,
        };
        #[derive(serde::Serialize)]
        struct Signature {
            certificate: serde_bytes::ByteBuf,
            tree: HashTree,
        }
        cbor(&Signature {
            certificate: cbor(&certificate).into(),
            tree,
        })
    }
}

fn trusted() -> TrustedNetworks {
    let root = RootKey::from_secret(&[1; 32]).unwrap();
    TrustedNetworks::new(vec![INTERNET_COMPUTER.to_vec(), root.der().to_vec()])
}

fn key() -> CanisterKey {
    CanisterKey {
        canister: canister(7),
        seed: b"seed".to_vec(),
    }
}

fn verifies(making: Making) -> bool {
    key()
        .verify(MESSAGE, &making.signature(), &trusted())
        .is_some()
}

#[test]
fn signatures_that_are_right() {
    assert!(verifies(Making::default()));
    assert!(verifies(Making {
        old_ranges: true,
        ..Making::default()
    }));
    assert!(verifies(Making {
        delegates: false,
        ..Making::default()
    }));
}

#[test]
fn signatures_that_are_not() {
    let other = || RootKey::from_secret(&[3; 32]).unwrap();
    let wrong = [
        (
            "of a network nobody trusts",
            Making {
                root: other(),
                ..Making::default()
            },
        ),
        (
            "of such a network without a delegation",
            Making {
                root: other(),
                delegates: false,
                ..Making::default()
            },
        ),
        (
            "of another canister",
            Making {
                canister: canister(6),
                ..Making::default()
            },
        ),
        (
            "of a subnet that does not have the canister",
            Making {
                ranges: (canister(8), canister(9)),
                ..Making::default()
            },
        ),
        (
            "of one that had not",
            Making {
                ranges: (canister(1), canister(6)),
                old_ranges: true,
                ..Making::default()
            },
        ),
        (
            "with another seed",
            Making {
                seed: b"another".to_vec(),
                ..Making::default()
            },
        ),
        (
            "over another message",
            Making {
                signed: b"another".to_vec(),
                ..Making::default()
            },
        ),
        (
            "that is not certified",
            Making {
                certified: Some([5; 32]),
                ..Making::default()
            },
        ),
    ];
    for (what, making) in wrong {
        assert!(!verifies(making), "{what}");
    }
    let good = Making::default().signature();
    let untrusting = TrustedNetworks::default();
    assert!(key().verify(MESSAGE, &good, &untrusting).is_none());
    let mut long = good.clone();
    long.push(0);
    assert!(key().verify(MESSAGE, &long, &trusted()).is_none());
    assert!(
        key()
            .verify(MESSAGE, &good[..good.len() - 1], &trusted())
            .is_none()
    );
}

#[test]
fn every_byte_counts() {
    let good = Making::default().signature();
    let trusted = trusted();
    for position in (0..good.len()).step_by(7) {
        let mut forged = good.clone();
        forged[position] ^= 1;
        assert!(
            key().verify(MESSAGE, &forged, &trusted).is_none(),
            "{position}"
        );
    }
}

#[test]
fn what_is_known_is_not_verified_again_and_nothing_else_is_known_by_it() {
    let trusted = trusted();
    let good = Making::default().signature();
    assert!(key().verify(MESSAGE, &good, &trusted).is_some());
    assert_eq!(trusted.known.lock().unwrap().len(), 1);
    assert!(key().verify(MESSAGE, &good, &trusted).is_some());
    assert!(key().verify(b"another", &good, &trusted).is_none());
    let other = CanisterKey {
        canister: canister(6),
        ..key()
    };
    assert!(other.verify(MESSAGE, &good, &trusted).is_none());
    assert_eq!(trusted.known.lock().unwrap().len(), 1);
}

#[test]
fn the_key_is_read_from_its_der_form() {
    let id = canister(7);
    let content = [&[10], id.as_slice(), b"seed"].concat();
    let der = [
        &[0x30, (14 + 3 + content.len()) as u8][..],
        &hex::decode("300c060a2b0601040183b8430102").unwrap(),
        &[0x03, (1 + content.len()) as u8, 0],
        &content,
    ]
    .concat();
    let read = PublicKey::from_der(&der).unwrap();
    assert!(matches!(&read, PublicKey::Canister(read) if *read == key()));
    let signature = Making {
        signed: [domain::REQUEST, MESSAGE].concat(),
        ..Making::default()
    }
    .signature();
    let message = [domain::REQUEST, MESSAGE].concat();
    read.verify(&message, &signature, &trusted()).unwrap();
    assert!(CanisterKey::read(&[]).is_none());
    assert!(CanisterKey::read(&[30, 1, 2]).is_none());
}
