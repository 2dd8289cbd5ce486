//! The node key: the Ed25519 key pair with which this host signs query replies. The state tree carries its
//! public half, so that a client trusting the root key can check a query reply's origin.

use super::domain;
use super::root_key::InvalidSecret;
use crate::crypto::Sha256Digest;
use candid::Principal;
use ed25519_dalek::{Signer, SigningKey};

/// What precedes the 32 bytes of an Ed25519 public key in its DER form (RFC 8410).
const DER_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Bytes of a node key in DER form.
pub const DER_LENGTH: usize = 44;

/// An Ed25519 key pair. Its `Debug` form shows the public half only.
pub struct NodeKey {
    secret: SigningKey,
    der: [u8; DER_LENGTH],
}

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeKey({})", self.node_id())
    }
}

impl NodeKey {
    /// A new secret: 32 random bytes.
    pub fn generate_secret() -> [u8; 32] {
        rand::random()
    }

    /// The key pair with this secret.
    ///
    /// # Errors
    /// [`InvalidSecret`] where it is not of 32 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, InvalidSecret> {
        let secret = SigningKey::from_bytes(secret.try_into().map_err(|_| InvalidSecret)?);
        let mut der = [0; DER_LENGTH];
        der[..DER_PREFIX.len()].copy_from_slice(&DER_PREFIX);
        der[DER_PREFIX.len()..].copy_from_slice(secret.verifying_key().as_bytes());
        Ok(Self { secret, der })
    }

    /// The public key in DER form, 44 bytes.
    pub fn der(&self) -> &[u8; DER_LENGTH] {
        &self.der
    }

    /// The id of this node: the self-authenticating principal of its public key.
    pub fn node_id(&self) -> Principal {
        Principal::self_authenticating(self.der)
    }

    /// Signs the representation-independent hash of a query reply.
    pub fn sign_response(&self, hash: &Sha256Digest) -> [u8; 64] {
        self.secret
            .sign(&[domain::RESPONSE, hash].concat())
            .to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::canister_signature::TrustedNetworks;
    use crate::crypto::public_key::PublicKey;

    #[test]
    fn a_signed_response_verifies_under_the_published_key() {
        let key = NodeKey::from_secret(&NodeKey::generate_secret()).unwrap();
        let public = PublicKey::from_der(key.der()).unwrap();
        let signature = key.sign_response(&[3; 32]);
        public
            .verify(
                &[domain::RESPONSE, &[3; 32]].concat(),
                &signature,
                &TrustedNetworks::default(),
            )
            .unwrap();
        assert!(
            public
                .verify(
                    &[domain::RESPONSE, &[4; 32]].concat(),
                    &signature,
                    &TrustedNetworks::default()
                )
                .is_err()
        );
        assert!(NodeKey::from_secret(&[1; 31]).is_err());
    }
}
