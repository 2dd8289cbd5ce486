//! P-256 keys of browser authenticators (specification, "Web Authentication"): the key comes as a COSE map, a
//! signature as an assertion whose challenge is the signed message.

use ciborium::Value;
use p256::ecdsa::signature::Verifier;
use serde::Deserialize;

/// Nesting that a COSE key or an assertion needs; what is deeper is refused.
const MAX_DEPTH: usize = 4;

/// The uncompressed point in a COSE key that is of type EC2 (2), for ES256 (-7) on P-256 (1); `None` for
/// anything else.
pub(super) fn cose_point(cose: &[u8]) -> Option<Vec<u8>> {
    let Value::Map(entries) = decode(cose)? else {
        return None;
    };
    let mut kind = None;
    let mut algorithm = None;
    let mut curve = None;
    let mut x = None;
    let mut y = None;
    for (key, value) in entries {
        let Value::Integer(key) = key else {
            return None;
        };
        let duplicate = match (i64::try_from(key).ok()?, value) {
            (1, Value::Integer(value)) => kind.replace(i64::try_from(value).ok()?).is_some(),
            (3, Value::Integer(value)) => algorithm.replace(i64::try_from(value).ok()?).is_some(),
            (-1, Value::Integer(value)) => curve.replace(i64::try_from(value).ok()?).is_some(),
            (-2, Value::Bytes(value)) => x.replace(value).is_some(),
            (-3, Value::Bytes(value)) => y.replace(value).is_some(),
            (1 | 3 | -1 | -2 | -3, _) => return None,
            _ => false,
        };
        if duplicate {
            return None;
        }
    }
    if (kind, algorithm, curve) != (Some(2), Some(-7), Some(1)) {
        return None;
    }
    let (x, y) = (x?, y?);
    if x.len() != 32 || y.len() != 32 {
        return None;
    }
    Some([&[4], x.as_slice(), y.as_slice()].concat())
}

/// The part of an assertion's client data that is checked. The origin is not: which page asked is the browser's
/// and the user's affair, as on the Internet Computer.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
}

/// Verifies an assertion over `message`; `None` where anything about it is not as it must be.
pub(super) fn verify(
    key: &p256::ecdsa::VerifyingKey,
    message: &[u8],
    assertion: &[u8],
) -> Option<()> {
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
    let signature = p256::ecdsa::Signature::from_der(&signature).ok()?;
    let signed = [
        authenticator_data.as_slice(),
        &super::sha256(&[&client_data]),
    ]
    .concat();
    key.verify(&signed, &signature).ok()
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
        let signature: p256::ecdsa::Signature = secret.sign(&signed);
        let map = Value::Map(vec![
            ("authenticator_data".into(), Value::Bytes(data)),
            ("client_data_json".into(), Value::Text(client)),
            (
                "signature".into(),
                Value::Bytes(signature.to_der().as_bytes().to_vec()),
            ),
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
    fn assertions() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
        let key = *secret.verifying_key();
        let point = key.to_encoded_point(false);
        assert_eq!(
            cose_point(&cose(point.as_bytes())).as_deref(),
            Some(point.as_bytes())
        );

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
