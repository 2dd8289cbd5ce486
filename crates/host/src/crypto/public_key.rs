//! The keys a caller may authenticate with (specification, "Signatures"): Ed25519, ECDSA on P-256 and on
//! secp256k1, keys of a browser's authenticator (Web Authentication), and those of canisters.

use super::canister_signature::{CanisterKey, TrustedNetworks};
use super::webauthn::{self, CoseKey, RsaKey};
use p256::pkcs8::der::asn1::ObjectIdentifier;
use p256::pkcs8::spki::SubjectPublicKeyInfoRef;

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const COSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.56387.1.1");
const CANISTER_SIGNATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.56387.1.2");

/// Bytes of an uncompressed curve point, the only form the specification allows.
const POINT_LENGTH: usize = 65;

/// Why a public key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not one `SubjectPublicKeyInfo`, completely.
    #[error("the public key is not DER-encoded")]
    Encoding,
    /// An algorithm or curve other than those of [`PublicKey`].
    #[error("the public key's algorithm is not supported")]
    Algorithm,
    /// A point that is not on its curve, or not in uncompressed form.
    #[error("the public key is not a valid key of its algorithm")]
    Key,
}

/// The signature does not verify: wrong key, wrong message or wrong form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} signature could not be verified")]
pub struct SignatureError(pub(crate) &'static str);

/// A public key that signatures can be verified with.
#[derive(Clone, Debug)]
pub enum PublicKey {
    /// RFC 8032, RFC 8410.
    Ed25519(ed25519_dalek::VerifyingKey),
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256(p256::ecdsa::VerifyingKey),
    /// ECDSA on secp256k1 with SHA-256.
    EcdsaSecp256k1(k256::ecdsa::VerifyingKey),
    /// A P-256 key of an authenticator, whose signatures come wrapped as Web Authentication assertions.
    WebAuthnP256(p256::ecdsa::VerifyingKey),
    /// An RSA key of an authenticator, likewise.
    WebAuthnRsa(RsaKey),
    /// A canister, such as Internet Identity.
    Canister(CanisterKey),
}

impl PublicKey {
    /// Reads a key in DER form (`SubjectPublicKeyInfo`).
    ///
    /// # Errors
    /// [`KeyError`]: not DER, an algorithm that is not supported, or not a point of the curve.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| KeyError::Encoding)?;
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or(KeyError::Encoding)?;
        let curve = match info.algorithm.parameters {
            None => None,
            Some(parameters) => Some(
                parameters
                    .decode_as::<ObjectIdentifier>()
                    .map_err(|_| KeyError::Algorithm)?,
            ),
        };
        match (info.algorithm.oid, curve) {
            (ED25519, None) => {
                let bytes = key.try_into().map_err(|_| KeyError::Key)?;
                ed25519_dalek::VerifyingKey::from_bytes(bytes)
                    .map(Self::Ed25519)
                    .map_err(|_| KeyError::Key)
            }
            (EC_PUBLIC_KEY, Some(P256)) => p256_key(key).map(Self::EcdsaP256),
            (EC_PUBLIC_KEY, Some(SECP256K1)) => {
                k256::ecdsa::VerifyingKey::from_sec1_bytes(uncompressed(key)?)
                    .map(Self::EcdsaSecp256k1)
                    .map_err(|_| KeyError::Key)
            }
            (COSE, None) => match webauthn::cose_key(key).ok_or(KeyError::Key)? {
                CoseKey::P256(point) => p256_key(&point).map(Self::WebAuthnP256),
                CoseKey::Rsa(key) => Ok(Self::WebAuthnRsa(key)),
            },
            (CANISTER_SIGNATURE, None) => CanisterKey::read(key)
                .map(Self::Canister)
                .ok_or(KeyError::Key),
            _ => Err(KeyError::Algorithm),
        }
    }

    /// Verifies `signature` over `message` (domain separator included): 64 bytes for Ed25519 and ECDSA (r and s,
    /// big-endian), CBOR maps for Web Authentication and for canisters, of which those of the `trusted` networks count.
    ///
    /// # Errors
    /// [`SignatureError`] for anything that is not this key's signature over exactly this message.
    pub fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
        trusted: &TrustedNetworks,
    ) -> Result<(), SignatureError> {
        match self {
            Self::Ed25519(key) => {
                // Strict: no small-order keys, no second encoding of a signature.
                let error = SignatureError("Ed25519");
                let signature =
                    ed25519_dalek::Signature::from_slice(signature).map_err(|_| error)?;
                key.verify_strict(message, &signature).map_err(|_| error)
            }
            Self::EcdsaP256(key) => {
                use p256::ecdsa::signature::Verifier;
                let error = SignatureError("ECDSA P-256");
                let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| error)?;
                key.verify(message, &signature).map_err(|_| error)
            }
            Self::EcdsaSecp256k1(key) => {
                use k256::ecdsa::signature::Verifier;
                let error = SignatureError("ECDSA secp256k1");
                let signature = k256::ecdsa::Signature::from_slice(signature).map_err(|_| error)?;
                // Clients may send either of the two equivalent values of s; the library takes the lower one only.
                let signature = signature.normalize_s().unwrap_or(signature);
                key.verify(message, &signature).map_err(|_| error)
            }
            Self::WebAuthnP256(key) => webauthn::verify(key, message, signature)
                .ok_or(SignatureError("Web Authentication")),
            Self::WebAuthnRsa(key) => webauthn::verify_rsa(key, message, signature)
                .ok_or(SignatureError("Web Authentication")),
            Self::Canister(key) => key
                .verify(message, signature, trusted)
                .ok_or(SignatureError("canister")),
        }
    }
}

fn uncompressed(key: &[u8]) -> Result<&[u8], KeyError> {
    if key.len() == POINT_LENGTH && key.first() == Some(&4) {
        Ok(key)
    } else {
        Err(KeyError::Key)
    }
}

fn p256_key(point: &[u8]) -> Result<p256::ecdsa::VerifyingKey, KeyError> {
    p256::ecdsa::VerifyingKey::from_sec1_bytes(uncompressed(point)?).map_err(|_| KeyError::Key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::signature::Signer as _;
    use p256::pkcs8::EncodePublicKey as _;
    use proptest::prelude::*;

    const ED25519_KEY: &str =
        "302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const P256_KEY: &str = concat!(
        "3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0",
        "f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    );
    const COSE_KEY: &str = concat!(
        "305e300c060a2b0601040183b8430101034e00a50102032620012158207ffd83632072fd1bfeaf3fbaa43146e0ef95",
        "c3f55e3994a41bbf2b5174d771da22582032497eed0a7f6f000928765b8318162cfd80a94e525a6a368c2363063d04e6ed"
    );

    #[test]
    fn ed25519() {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        let der = secret.verifying_key().to_public_key_der().unwrap();
        let key = PublicKey::from_der(der.as_bytes()).unwrap();
        let signature = ed25519_dalek::Signer::sign(&secret, b"message").to_bytes();
        good_and_bad(&key, &signature);
    }

    #[test]
    fn p256() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
        let der = p256::PublicKey::from(secret.verifying_key())
            .to_public_key_der()
            .unwrap();
        let key = PublicKey::from_der(der.as_bytes()).unwrap();
        let signature: p256::ecdsa::Signature = secret.sign(b"message");
        good_and_bad(&key, &signature.to_bytes());
    }

    #[test]
    fn secp256k1_in_both_forms_of_s() {
        let secret = k256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
        let der = k256::PublicKey::from(secret.verifying_key())
            .to_public_key_der()
            .unwrap();
        let key = PublicKey::from_der(der.as_bytes()).unwrap();
        let low: k256::ecdsa::Signature = secret.sign(b"message");
        good_and_bad(&key, &low.to_bytes());
        let (r, s) = low.split_scalars();
        let high = k256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        assert_ne!(high, low);
        key.verify(b"message", &high.to_bytes(), &none()).unwrap();
    }

    fn none() -> TrustedNetworks {
        TrustedNetworks::default()
    }

    fn good_and_bad(key: &PublicKey, signature: &[u8]) {
        key.verify(b"message", signature, &none()).unwrap();
        assert!(key.verify(b"massage", signature, &none()).is_err());
        assert!(key.verify(b"message", &signature[1..], &none()).is_err());
        assert!(key.verify(b"message", &[], &none()).is_err());
        assert!(key.verify(b"message", &[0; 64], &none()).is_err());
        for bit in [0, 7, 255, 256, 511] {
            let mut forged = signature.to_vec();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(key.verify(b"message", &forged, &none()).is_err());
        }
    }

    #[test]
    fn keys_that_are_accepted() {
        for key in [ED25519_KEY, P256_KEY, COSE_KEY] {
            PublicKey::from_der(&hex::decode(key).unwrap()).unwrap();
        }
    }

    #[test]
    fn keys_that_are_refused() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
        let der = p256::PublicKey::from(secret.verifying_key())
            .to_public_key_der()
            .unwrap()
            .into_vec();
        let mut off_curve = der.clone();
        *off_curve.last_mut().unwrap() ^= 1;
        let mut trailing = der.clone();
        trailing.push(0);
        let compressed_point = secret.verifying_key().to_encoded_point(true);
        let mut compressed =
            hex::decode("3039301306072a8648ce3d020106082a8648ce3d030107032200").unwrap();
        compressed.extend_from_slice(compressed_point.as_bytes());
        for (der, why) in [
            (vec![], KeyError::Encoding),
            (der[..40].to_vec(), KeyError::Encoding),
            (trailing, KeyError::Encoding),
            (off_curve, KeyError::Key),
            (compressed, KeyError::Key),
            (
                crate::crypto::root_key::RootKey::from_secret(&[1; 32])
                    .unwrap()
                    .der()
                    .to_vec(),
                KeyError::Algorithm,
            ),
        ] {
            assert_eq!(
                PublicKey::from_der(&der).unwrap_err(),
                why,
                "{}",
                hex::encode(&der)
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_keys_and_signatures_never_panic(
            der in proptest::collection::vec(any::<u8>(), 0..200),
            position in 0usize..120,
            byte in any::<u8>(),
            signature in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = PublicKey::from_der(&der);
            for key in [ED25519_KEY, P256_KEY, COSE_KEY] {
                let mut key = hex::decode(key).unwrap();
                let position = position % key.len();
                key[position] = byte;
                if let Ok(key) = PublicKey::from_der(&key) {
                    prop_assert!(key.verify(b"message", &signature, &none()).is_err());
                }
            }
        }
    }
}
