//! Keys of browser authenticators (specification, "Web Authentication"), on P-256 or RSA: the key comes as a COSE map, a
//! signature as an assertion whose challenge is the signed message.

use ciborium::Value;
use p256::ecdsa::signature::Verifier;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Nesting that a COSE key or an assertion needs; what is deeper is refused.
const MAX_DEPTH: usize = 4;

/// A key of an authenticator.
#[derive(Clone, Debug)]
pub(super) enum CoseKey {
    /// The uncompressed point of a key of type EC2 (2), for ES256 (-7) on P-256 (1).
    P256(Vec<u8>),
    /// A key of type RSA (3), for RS256 (-257).
    Rsa(RsaKey),
}

/// An RSA public key: modulus and exponent, big-endian. Of fewer than 2,048 or more than 8,192 bits it verifies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// The longest modulus, in bytes.
const MAX_MODULUS: usize = 1024;

/// Reads a COSE key; `None` for anything but those of [`CoseKey`].
pub(super) fn cose_key(cose: &[u8]) -> Option<CoseKey> {
    let Value::Map(entries) = decode(cose)? else {
        return None;
    };
    let mut fields = BTreeMap::new();
    for (key, value) in entries {
        let key = i64::try_from(key.as_integer()?).ok()?;
        if fields.insert(key, value).is_some() {
            return None;
        }
    }
    let number = |key| i64::try_from(fields.get(&key)?.as_integer()?).ok();
    let bytes = |key| fields.get(&key)?.as_bytes().cloned();
    match (number(1)?, number(3)?) {
        (2, -7) if number(-1)? == 1 => {
            let (x, y) = (bytes(-2)?, bytes(-3)?);
            (x.len() == 32 && y.len() == 32)
                .then(|| CoseKey::P256([&[4], x.as_slice(), y.as_slice()].concat()))
        }
        (3, -257) => {
            let (modulus, exponent) = (bytes(-1)?, bytes(-2)?);
            (modulus.len() <= MAX_MODULUS && exponent.len() <= 8)
                .then_some(CoseKey::Rsa(RsaKey { modulus, exponent }))
        }
        _ => None,
    }
}

/// The part of an assertion's client data that is checked. The origin is not: which page asked is the browser's
/// and the user's affair, as on the Internet Computer.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
}

/// Verifies an assertion over `message` by a key on P-256; `None` where anything about it is not as it must be.
pub(super) fn verify(
    key: &p256::ecdsa::VerifyingKey,
    message: &[u8],
    assertion: &[u8],
) -> Option<()> {
    let Asserted { signed, signature } = asserted(message, assertion)?;
    let signature = p256::ecdsa::Signature::from_der(&signature).ok()?;
    key.verify(&signed, &signature).ok()
}

/// As [`verify`], by an RSA key (PKCS #1 v1.5 with SHA-256).
pub(super) fn verify_rsa(key: &RsaKey, message: &[u8], assertion: &[u8]) -> Option<()> {
    let Asserted { signed, signature } = asserted(message, assertion)?;
    let key = ring::signature::RsaPublicKeyComponents {
        n: &key.modulus,
        e: &key.exponent,
    };
    let algorithm = &ring::signature::RSA_PKCS1_2048_8192_SHA256;
    key.verify(algorithm, &signed, &signature).ok()
}

/// What an authenticator has signed, and its signature.
struct Asserted {
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// Reads an assertion whose challenge is `message`.
fn asserted(message: &[u8], assertion: &[u8]) -> Option<Asserted> {
    let value = match decode(assertion)? {
        Value::Tag(55799, value) => *value,
        value => value,
    };
    let Value::Map(entries) = value else {
        return None;
    };
    let mut authenticator_data = None;
    let mut client_data = None;
    let mut signature = None;
    for (key, value) in entries {
        let duplicate = match (key.as_text()?, value) {
            ("authenticator_data", Value::Bytes(bytes)) => {
                authenticator_data.replace(bytes).is_some()
            }
            ("client_data_json", Value::Text(text)) => {
                client_data.replace(text.into_bytes()).is_some()
            }
            ("client_data_json", Value::Bytes(bytes)) => client_data.replace(bytes).is_some(),
            ("signature", Value::Bytes(bytes)) => signature.replace(bytes).is_some(),
            _ => return None,
        };
        if duplicate {
            return None;
        }
    }
    let (authenticator_data, client_data, signature) =
        (authenticator_data?, client_data?, signature?);

    let claims: ClientData = serde_json::from_slice(&client_data).ok()?;
    if claims.kind != "webauthn.get" || claims.challenge.trim_end_matches('=') != base64url(message)
    {
        return None;
    }
    let signed = [
        authenticator_data.as_slice(),
        &super::sha256(&[&client_data]),
    ]
    .concat();
    Some(Asserted { signed, signature })
}

fn decode(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH).ok()?;
    rest.is_empty().then_some(value)
}

/// Base64 with the URL alphabet, without padding (RFC 4648, section 5).
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bits);
        // A group of n bytes makes n + 1 digits of six bits; the mask keeps the index below 64.
        for digit in 0..=group.len() {
            let index = bits >> (18 - 6 * digit) & 0x3f;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::signature::Signer;

    fn cose(point: &[u8]) -> Vec<u8> {
        let key = Value::Map(vec![
            (1.into(), 2.into()),
            (3.into(), Value::Integer((-7).into())),
            (Value::Integer((-1).into()), 1.into()),
            (
                Value::Integer((-2).into()),
                Value::Bytes(point[1..33].to_vec()),
            ),
            (
                Value::Integer((-3).into()),
                Value::Bytes(point[33..].to_vec()),
            ),
        ]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&key, &mut bytes).unwrap();
        bytes
    }

    fn assertion(secret: &p256::ecdsa::SigningKey, kind: &str, challenge: &[u8]) -> Vec<u8> {
        signed_by(kind, challenge, |signed| {
            let signature: p256::ecdsa::Signature = secret.sign(signed);
            signature.to_der().as_bytes().to_vec()
        })
    }

    fn signed_by(kind: &str, challenge: &[u8], sign: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let client = format!(
            r#"{{"type":"{kind}","challenge":"{}","origin":"http://localhost"}}"#,
            base64url(challenge)
        );
        let data = vec![9; 37];
        let signed = [
            data.as_slice(),
            &crate::crypto::sha256(&[client.as_bytes()]),
        ]
        .concat();
        let map = Value::Map(vec![
            ("authenticator_data".into(), Value::Bytes(data)),
            ("client_data_json".into(), Value::Text(client)),
            ("signature".into(), Value::Bytes(sign(&signed))),
        ]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&Value::Tag(55799, Box::new(map)), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn base64url_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
        ] {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn the_cose_key_of_the_specification() {
        let der = hex::decode(concat!(
            "305e300c060a2b0601040183b8430101034e00a50102032620012158207ffd83632072fd1bfeaf3fbaa43146e0ef95",
            "c3f55e3994a41bbf2b5174d771da225820",
            "32497eed0a7f6f000928765b8318162cfd80a94e525a6a368c2363063d04e6ed"
        ))
        .unwrap();
        let key = crate::crypto::public_key::PublicKey::from_der(&der);
        assert!(
            matches!(
                key,
                Ok(crate::crypto::public_key::PublicKey::WebAuthnP256(_))
            ),
            "{key:?}"
        );
    }

    #[test]
    fn assertions_by_rsa() {
        use ring::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
        let pair = RsaKeyPair::from_pkcs8(include_bytes!("webauthn_rsa_test_key.der")).unwrap();
        let public = ring::signature::RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let cose = |modulus: &[u8]| {
            let mut bytes = Vec::new();
            let map = Value::Map(vec![
                (1.into(), 3.into()),
                (3.into(), (-257).into()),
                ((-1).into(), Value::Bytes(modulus.to_vec())),
                ((-2).into(), Value::Bytes(public.e.clone())),
            ]);
            ciborium::into_writer(&map, &mut bytes).unwrap();
            bytes
        };
        let Some(CoseKey::Rsa(key)) = cose_key(&cose(&public.n)) else {
            panic!("it is an RSA key")
        };
        let sign = |signed: &[u8]| {
            let mut signature = vec![0; pair.public().modulus_len()];
            let random = ring::rand::SystemRandom::new();
            pair.sign(&RSA_PKCS1_SHA256, &random, signed, &mut signature)
                .unwrap();
            signature
        };
        let good = signed_by("webauthn.get", b"message", sign);
        assert!(verify_rsa(&key, b"message", &good).is_some());
        assert!(verify_rsa(&key, b"massage", &good).is_none());
        assert!(verify_rsa(&key, b"message", &good[..good.len() - 1]).is_none());
        let other = signed_by("webauthn.create", b"message", sign);
        assert!(verify_rsa(&key, b"message", &other).is_none());
        let mut modulus = public.n.clone();
        modulus[100] ^= 1;
        let Some(CoseKey::Rsa(other)) = cose_key(&cose(&modulus)) else {
            panic!("it looks like an RSA key")
        };
        assert!(verify_rsa(&other, b"message", &good).is_none());
        assert!(cose_key(&cose(&[1; 2000])).is_none());
    }

    #[test]
    fn assertions() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
        let key = *secret.verifying_key();
        let point = key.to_encoded_point(false);
        let read = cose_key(&cose(point.as_bytes()));
        assert!(matches!(read, Some(CoseKey::P256(read)) if read == point.as_bytes()));

        let good = assertion(&secret, "webauthn.get", b"message");
        assert!(verify(&key, b"message", &good).is_some());
        assert!(verify(&key, b"massage", &good).is_none());
        assert!(verify(&key, b"message", &good[..good.len() - 1]).is_none());
        assert!(
            verify(
                &key,
                b"message",
                &assertion(&secret, "webauthn.create", b"message")
            )
            .is_none()
        );
        let other = p256::ecdsa::SigningKey::from_slice(&[6; 32]).unwrap();
        assert!(
            verify(
                &key,
                b"message",
                &assertion(&other, "webauthn.get", b"message")
            )
            .is_none()
        );
    }
}
