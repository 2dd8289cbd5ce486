//! Signatures of canisters (specification, "Canister signatures"): what a canister, Internet Identity for example, has put into its
//! certified data, proven by a certificate of its network. A host believes the networks whose root keys it was given.
//!
//! A signature says nothing of when it was made, and the certificate's time is not looked at, as on the Internet Computer: what it
//! signs, a delegation for example, carries its own expiry.

use super::root_key::{self, DER_LENGTH};
use super::{Sha256Digest, sha256};
use candid::Principal;
use ciborium::Value;
use ic_certification::{Certificate, HashTree, LookupResult, SubtreeLookupResult};
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The root key of the Internet Computer, in DER form.
pub const INTERNET_COMPUTER: [u8; DER_LENGTH] = [
    0x30, 0x81, 0x82, 0x30, 0x1d, 0x06, 0x0d, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xdc, 0x7c, 0x05,
    0x03, 0x01, 0x02, 0x01, 0x06, 0x0c, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xdc, 0x7c, 0x05, 0x03,
    0x02, 0x01, 0x03, 0x61, 0x00, 0x81, 0x4c, 0x0e, 0x6e, 0xc7, 0x1f, 0xab, 0x58, 0x3b, 0x08, 0xbd,
    0x81, 0x37, 0x3c, 0x25, 0x5c, 0x3c, 0x37, 0x1b, 0x2e, 0x84, 0x86, 0x3c, 0x98, 0xa4, 0xf1, 0xe0,
    0x8b, 0x74, 0x23, 0x5d, 0x14, 0xfb, 0x5d, 0x9c, 0x0c, 0xd5, 0x46, 0xd9, 0x68, 0x5f, 0x91, 0x3a,
    0x0c, 0x0b, 0x2c, 0xc5, 0x34, 0x15, 0x83, 0xbf, 0x4b, 0x43, 0x92, 0xe4, 0x67, 0xdb, 0x96, 0xd6,
    0x5b, 0x9b, 0xb4, 0xcb, 0x71, 0x71, 0x12, 0xf8, 0x47, 0x2e, 0x0d, 0x5a, 0x4d, 0x14, 0x50, 0x5f,
    0xfd, 0x74, 0x84, 0xb0, 0x12, 0x91, 0x09, 0x1c, 0x5f, 0x87, 0xb9, 0x88, 0x83, 0x46, 0x3f, 0x98,
    0x09, 0x1a, 0x0b, 0xaa, 0xae,
];

/// The longest signature, in bytes: certificate, delegation and tree have some kilobytes each.
const MAX_SIGNATURE: usize = 64 * 1024;

/// Nesting of a certificate and its trees; what is deeper is refused.
const MAX_DEPTH: usize = 128;

/// Signatures that are known to be right; each costs milliseconds to verify, and a session sends the same one with every request.
const MAX_KNOWN: usize = 4096;

/// The networks whose canisters' signatures are believed.
#[derive(Debug, Default)]
pub struct TrustedNetworks {
    root_keys: Vec<Vec<u8>>,
    /// Hashes of key, message and signature.
    known: Mutex<HashSet<Sha256Digest>>,
}

impl TrustedNetworks {
    /// Those with these root keys, in DER form.
    pub fn new(root_keys: Vec<Vec<u8>>) -> TrustedNetworks {
        TrustedNetworks {
            root_keys,
            known: Mutex::default(),
        }
    }
}

/// The key of a canister's signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanisterKey {
    canister: Principal,
    seed: Vec<u8>,
}

impl CanisterKey {
    /// Reads the content of the key's bit string: the length of the canister's id, the id, and a seed of the canister's choice.
    pub(super) fn read(key: &[u8]) -> Option<CanisterKey> {
        let (length, rest) = key.split_first()?;
        let (id, seed) = rest.split_at_checked(usize::from(*length))?;
        Some(CanisterKey {
            canister: Principal::try_from_slice(id).ok()?,
            seed: seed.to_vec(),
        })
    }

    /// Verifies a signature over `message`, domain separator included; `None` where anything about it is not as it must be.
    /// Two signatures of networks are verified, unless it is known.
    pub(super) fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
        trusted: &TrustedNetworks,
    ) -> Option<()> {
        if signature.len() > MAX_SIGNATURE {
            return None;
        }
        let id = sha256(&[
            &sha256(&[self.canister.as_slice()]),
            &sha256(&[&self.seed]),
            &sha256(&[message]),
            &sha256(&[signature]),
        ]);
        let known = || trusted.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(&id) {
            return Some(());
        }
        let roots = &trusted.root_keys;
        roots
            .iter()
            .find_map(|root| self.verify_of(message, signature, root))?;
        let mut known = known();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(id);
        Some(())
    }

    fn verify_of(&self, message: &[u8], signature: &[u8], root_key: &[u8]) -> Option<()> {
        let (certificate, tree) = parts(signature)?;
        let certificate: Certificate = decode(&certificate)?;
        let network_key = match &certificate.delegation {
            None => root_key.to_vec(),
            Some(delegation) => subnet_key(
                &delegation.subnet_id,
                &delegation.certificate,
                self.canister,
                root_key,
            )?,
        };
        verify_certificate(&certificate, &network_key)?;
        let certified = [
            b"canister".as_slice(),
            self.canister.as_slice(),
            b"certified_data",
        ];
        if certificate.tree.lookup_path(certified) != LookupResult::Found(&tree.digest()) {
            return None;
        }
        let signed = [
            b"sig".as_slice(),
            &sha256(&[&self.seed]),
            &sha256(&[message]),
        ];
        (tree.lookup_path(signed) == LookupResult::Found(&[])).then_some(())
    }
}

/// The certificate and the tree of a signature.
fn parts(signature: &[u8]) -> Option<(Vec<u8>, HashTree)> {
    #[derive(serde::Deserialize)]
    struct Parts {
        certificate: serde_bytes::ByteBuf,
        tree: HashTree,
    }
    let parts: Parts = decode(signature)?;
    Some((parts.certificate.into_vec(), parts.tree))
}

/// The key of the subnet, as the root key certifies it, if the canister is one of the subnet's.
fn subnet_key(
    subnet: &[u8],
    certificate: &[u8],
    canister: Principal,
    root_key: &[u8],
) -> Option<Vec<u8>> {
    let certificate: Certificate = decode(certificate)?;
    // A subnet does not delegate further.
    if certificate.delegation.is_some() {
        return None;
    }
    verify_certificate(&certificate, root_key)?;
    if !is_in_ranges(&certificate.tree, subnet, canister) {
        return None;
    }
    match certificate
        .tree
        .lookup_path([b"subnet".as_slice(), subnet, b"public_key"])
    {
        LookupResult::Found(key) => Some(key.to_vec()),
        _ => None,
    }
}

fn verify_certificate(certificate: &Certificate, key: &[u8]) -> Option<()> {
    root_key::verify(key, &certificate.tree.digest(), &certificate.signature).then_some(())
}

/// Whether the tree says that the subnet has the canister: in the shards of `/canister_ranges/<subnet>`, or in the one list that was there
/// before them.
fn is_in_ranges(tree: &HashTree, subnet: &[u8], canister: Principal) -> bool {
    let shards = tree.lookup_subtree([b"canister_ranges".as_slice(), subnet]);
    if let SubtreeLookupResult::Found(shards) = shards {
        // Each is named by the first canister in it.
        let shard = shards
            .list_paths()
            .into_iter()
            .filter_map(|mut path| path.pop())
            .filter(|label| label.as_bytes() <= canister.as_slice())
            .max();
        return shard.is_some_and(|shard| match shards.lookup_path([shard.as_bytes()]) {
            LookupResult::Found(ranges) => ranges_contain(ranges, canister),
            _ => false,
        });
    }
    match tree.lookup_path([b"subnet".as_slice(), subnet, b"canister_ranges"]) {
        LookupResult::Found(ranges) => ranges_contain(ranges, canister),
        _ => false,
    }
}

/// Whether one of the ranges, CBOR pairs of the first and the last id, has the canister.
fn ranges_contain(ranges: &[u8], canister: Principal) -> bool {
    let ranges: Option<Vec<(serde_bytes::ByteBuf, serde_bytes::ByteBuf)>> = decode(ranges);
    let id = canister.as_slice();
    ranges.is_some_and(|ranges| {
        ranges
            .iter()
            .any(|(first, last)| first.as_slice() <= id && id <= last.as_slice())
    })
}

/// One CBOR value, completely, self-described or not.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut rest = bytes;
    let value: Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let value = match value {
        Value::Tag(55799, value) => *value,
        Value::Tag(..) => return None,
        value => value,
    };
    value.deserialized().ok()
}

#[cfg(test)]
#[path = "canister_signature/tests.rs"]
mod tests;
