//! The root key: a BLS12-381 key pair of this host's own, with which it signs the root hash of the state tree.
//! Clients take its public half from `/api/v2/status`, as from any network that is not the mainnet. This host is
//! its own root subnet, so that certificates need no delegation.

use super::{Sha256Digest, domain};
use blst::BLST_ERROR;
use blst::min_sig::{PublicKey, SecretKey, Signature};
use candid::Principal;

/// The ciphersuite of the specification ("Certification"): signatures in G1, hashed to the curve with SHA-256.
const CIPHERSUITE: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

/// What precedes the 96 bytes of the key in its DER form: algorithm 1.3.6.1.4.1.44668.5.3.1.2.1, curve
/// 1.3.6.1.4.1.44668.5.3.2.1.
const DER_PREFIX: [u8; 37] = [
    0x30, 0x81, 0x82, 0x30, 0x1d, 0x06, 0x0d, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xdc, 0x7c, 0x05,
    0x03, 0x01, 0x02, 0x01, 0x06, 0x0c, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xdc, 0x7c, 0x05, 0x03,
    0x02, 0x01, 0x03, 0x61, 0x00,
];

/// Bytes of a root key in DER form.
pub const DER_LENGTH: usize = 133;

/// Bytes of a certificate's signature.
pub const SIGNATURE_LENGTH: usize = 48;

/// The stored secret is not a secret key of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored secret is not a valid key")]
pub struct InvalidSecret;

/// A BLS12-381 key pair. Its `Debug` form shows the public half only.
pub struct RootKey {
    secret: SecretKey,
    der: [u8; DER_LENGTH],
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RootKey({})", self.subnet_id())
    }
}

impl RootKey {
    /// A new secret: 32 random bytes, from which [`RootKey::from_secret`] derives the key pair.
    pub fn generate_secret() -> [u8; 32] {
        rand::random()
    }

    /// The key pair derived from `secret` (at least 32 bytes), always the same for the same secret.
    ///
    /// # Errors
    /// [`InvalidSecret`] where it is shorter.
    pub fn from_secret(secret: &[u8]) -> Result<Self, InvalidSecret> {
        let secret = SecretKey::key_gen(secret, &[]).map_err(|_| InvalidSecret)?;
        let mut der = [0; DER_LENGTH];
        der[..DER_PREFIX.len()].copy_from_slice(&DER_PREFIX);
        der[DER_PREFIX.len()..].copy_from_slice(&secret.sk_to_pk().to_bytes());
        Ok(Self { secret, der })
    }

    /// The public key in DER form, 133 bytes.
    pub fn der(&self) -> &[u8; DER_LENGTH] {
        &self.der
    }

    /// The id of the subnet that this key is the key of: the self-authenticating principal of the public key.
    pub fn subnet_id(&self) -> Principal {
        Principal::self_authenticating(self.der)
    }

    /// Signs the root hash of a state tree. About half a millisecond.
    pub fn sign(&self, root_hash: &Sha256Digest) -> [u8; SIGNATURE_LENGTH] {
        self.secret
            .sign(&message(root_hash), CIPHERSUITE, &[])
            .to_bytes()
    }
}

/// Whether `der` is a root key in DER form: a valid point of the curve, in the right wrapping.
pub fn is_root_key(der: &[u8]) -> bool {
    der.strip_prefix(&DER_PREFIX)
        .is_some_and(|key| PublicKey::key_validate(key).is_ok())
}

/// Whether `signature` over `root_hash` was made by the root key with the DER form `der`.
pub fn verify(der: &[u8], root_hash: &Sha256Digest, signature: &[u8]) -> bool {
    let Some(key) = der.strip_prefix(&DER_PREFIX) else {
        return false;
    };
    let (Ok(key), Ok(signature)) = (
        PublicKey::key_validate(key),
        Signature::from_bytes(signature),
    ) else {
        return false;
    };
    signature.verify(true, &message(root_hash), CIPHERSUITE, &[], &key, false)
        == BLST_ERROR::BLST_SUCCESS
}

fn message(root_hash: &Sha256Digest) -> Vec<u8> {
    [domain::STATE_ROOT, root_hash].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_verify_and_forgeries_do_not() {
        let key = RootKey::from_secret(&[7; 32]).unwrap();
        let other = RootKey::from_secret(&[8; 32]).unwrap();
        let signature = key.sign(&[1; 32]);
        assert!(verify(key.der(), &[1; 32], &signature));
        assert!(!verify(key.der(), &[2; 32], &signature));
        assert!(!verify(other.der(), &[1; 32], &signature));
        assert!(!verify(key.der(), &[1; 32], &signature[1..]));
        assert!(!verify(&key.der()[1..], &[1; 32], &signature));
        assert!(is_root_key(key.der()));
        assert!(is_root_key(
            &super::super::canister_signature::INTERNET_COMPUTER
        ));
        assert!(!is_root_key(&key.der()[1..]) && !is_root_key(&[0; DER_LENGTH]));
        assert!(!is_root_key(&[key.der(), &[0][..]].concat()));
    }

    #[test]
    fn the_same_secret_gives_the_same_key() {
        let secret = RootKey::generate_secret();
        assert_eq!(
            RootKey::from_secret(&secret).unwrap().der(),
            RootKey::from_secret(&secret).unwrap().der()
        );
        assert!(RootKey::from_secret(&secret[1..]).is_err());
    }
}
