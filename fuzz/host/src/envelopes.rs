//! Envelopes out of the fuzzer's bytes: mostly right in every field, with true signatures and delegations, and wrong in one place or another.

use arbitrary::{Result, Unstructured};
use candid::Principal;
use ciborium::Value;
use ed25519_dalek::{Signer, SigningKey};
use keepsake_host::crypto::domain;
use keepsake_host::crypto::representation::Hashable;

use crate::canister::{METHODS, NOW, canister_id};

const MINUTE: u64 = 60_000_000_000;

/// A client's key.
pub fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

/// Its public key in DER form (RFC 8410).
pub fn der(key: &SigningKey) -> Vec<u8> {
    const HEAD: &[u8] = &[
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    [HEAD, key.verifying_key().as_bytes()].concat()
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

type Fields = Vec<(Value, Value)>;

fn set(fields: &mut Fields, name: &str, value: impl Into<Value>) {
    fields.push((name.into(), value.into()));
}

/// A public key of a kind that the host knows and nobody here signs with: P-256, secp256k1, WebAuthn's form of the former, a canister's.
fn foreign_key(kind: u8) -> Vec<u8> {
    const P256: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    const K256: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
    let (x, y) = P256.split_at(64);
    let hex = match kind % 4 {
        0 => format!("3059301306072a8648ce3d020106082a8648ce3d03010703420004{P256}"),
        1 => format!("3056301006072a8648ce3d020106052b8104000a03420004{K256}"),
        2 => format!("305e300c060a2b0601040183b8430101034e00a5010203262001215820{x}225820{y}"),
        _ => "3020300c060a2b0601040183b843010203100009ffffffffffe000000101010203040506".into(),
    };
    let digits = (0..hex.len()).step_by(2);
    digits
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

/// Any CBOR value, not deep.
fn any(u: &mut Unstructured, depth: usize) -> Result<Value> {
    Ok(match u.int_in_range(0..=if depth == 0 { 5 } else { 8 })? {
        0 => Value::Integer(u.arbitrary::<i64>()?.into()),
        1 => Value::Integer(u.arbitrary::<u64>()?.into()),
        2 => Value::Bytes(u.arbitrary()?),
        3 => Value::Text(u.arbitrary()?),
        4 => Value::Bool(u.arbitrary()?),
        5 => Value::Float(u.arbitrary()?),
        6 => Value::Tag(u.arbitrary()?, Box::new(any(u, depth - 1)?)),
        7 => Value::Array(
            (0..u.int_in_range(0..=4)?)
                .map(|_| any(u, depth - 1))
                .collect::<Result<_>>()?,
        ),
        _ => Value::Map(
            (0..u.int_in_range(0..=4)?)
                .map(|_| Ok((any(u, depth - 1)?, any(u, depth - 1)?)))
                .collect::<Result<_>>()?,
        ),
    })
}

/// How often something is made wrong: once in so many.
fn is_wrong(u: &mut Unstructured) -> Result<bool> {
    u.ratio(1, 12)
}

fn moment(u: &mut Unstructured) -> Result<u64> {
    Ok(match u.int_in_range(0..=9)? {
        0 => NOW - 1,
        1 => NOW + 7 * MINUTE,
        2 => u.arbitrary()?,
        _ => NOW + 4 * MINUTE,
    })
}

fn canister(u: &mut Unstructured) -> Result<Vec<u8>> {
    Ok(match u.int_in_range(0..=9)? {
        0 => Vec::new(),
        1 => vec![1; u.int_in_range(0..=30)?],
        _ => canister_id().as_slice().to_vec(),
    })
}

/// An envelope's bytes; `known` are ids of requests that were made, to which this one's is added.
///
/// # Errors
/// Where the fuzzer's bytes are at their end.
pub fn envelope(
    u: &mut Unstructured,
    request_type: &str,
    known: &mut Vec<[u8; 32]>,
) -> Result<Vec<u8>> {
    let chain = match u.int_in_range(0..=7)? {
        0..=4 => 0,
        5 | 6 => u.int_in_range(1..=3)?,
        _ => u.int_in_range(1..=21)?,
    };
    let is_foreign = is_wrong(u)?;
    let is_anonymous = u.ratio(1, 5)?;
    let first = u.int_in_range(1..=3)?;
    let pubkey = if is_foreign {
        foreign_key(u.arbitrary()?)
    } else {
        der(&key(first))
    };
    let sender = match is_anonymous {
        true => Principal::anonymous().as_slice().to_vec(),
        false if is_wrong(u)? => vec![7; u.int_in_range(0..=30)?],
        false => Principal::self_authenticating(&pubkey).as_slice().to_vec(),
    };
    let mut content = content(u, request_type, &sender, known)?;
    spoil(u, &mut content)?;
    let content = Value::Map(content);
    let id = Hashable::try_from(&content)
        .ok()
        .map(|content| content.hash());
    known.extend(id);

    let mut fields = vec![("content".into(), content)];
    if !is_anonymous || is_wrong(u)? {
        let (links, last) = delegations(u, chain, first)?;
        set(&mut fields, "sender_pubkey", bytes(&pubkey));
        if chain > 0 || is_wrong(u)? {
            set(&mut fields, "sender_delegation", Value::Array(links));
        }
        let signature = match is_foreign {
            true => u.bytes(64.min(u.len()))?.to_vec(),
            false => key(last)
                .sign(&[domain::REQUEST, &id.unwrap_or_default()].concat())
                .to_bytes()
                .to_vec(),
        };
        set(&mut fields, "sender_sig", bytes(&signature));
    }
    spoil(u, &mut fields)?;
    let mut value = Value::Map(fields);
    if u.ratio(3, 4)? {
        value = Value::Tag(55_799, Box::new(value));
    }
    let mut encoded = Vec::new();
    ciborium::into_writer(&value, &mut encoded).expect("a value can be written into memory");
    Ok(encoded)
}

fn content(
    u: &mut Unstructured,
    request_type: &str,
    sender: &[u8],
    known: &[[u8; 32]],
) -> Result<Fields> {
    let mut fields = Vec::new();
    set(&mut fields, "request_type", request_type);
    set(&mut fields, "sender", bytes(sender));
    set(&mut fields, "ingress_expiry", moment(u)?);
    if u.arbitrary()? {
        let nonce = u.int_in_range(0..=33)?;
        set(&mut fields, "nonce", bytes(&vec![9; nonce]));
    }
    if request_type == "read_state" {
        let paths = (0..u.int_in_range(0..=4)?)
            .map(|_| path(u, known))
            .collect::<Result<_>>()?;
        set(&mut fields, "paths", Value::Array(paths));
    } else {
        set(&mut fields, "canister_id", bytes(&canister(u)?));
        let method = match is_wrong(u)? {
            true => u.arbitrary::<String>()?,
            false => (*u.choose(METHODS)?).to_owned(),
        };
        set(&mut fields, "method_name", method);
        set(&mut fields, "arg", bytes(u.arbitrary::<&[u8]>()?));
    }
    Ok(fields)
}

fn path(u: &mut Unstructured, known: &[[u8; 32]]) -> Result<Value> {
    const LABELS: &[&str] = &[
        "time",
        "canister",
        "request_status",
        "subnet",
        "canister_ranges",
        "module_hash",
        "controllers",
        "metadata",
        "candid:service",
        "secret",
        "status",
        "reply",
        "public_key",
        "node",
        "",
    ];
    let label = |u: &mut Unstructured| -> Result<Value> {
        Ok(match u.int_in_range(0..=7)? {
            0 => Value::Bytes(u.arbitrary()?),
            1 | 2 => bytes(&canister(u)?),
            3 if !known.is_empty() => bytes(u.choose(known)?),
            _ => bytes(u.choose(LABELS)?.as_bytes()),
        })
    };
    let labels = match u.int_in_range(0..=3)? {
        0 => (0..u.int_in_range(0..=130)?)
            .map(|_| label(u))
            .collect::<Result<_>>()?,
        1 if !known.is_empty() => vec![bytes(b"request_status"), bytes(u.choose(known)?)],
        2 => vec![
            bytes(b"canister"),
            bytes(canister_id().as_slice()),
            label(u)?,
            label(u)?,
        ],
        _ => vec![label(u)?],
    };
    Ok(Value::Array(labels))
}

/// A chain of so many delegations that begins at the key `first`, and the key that it ends at.
fn delegations(u: &mut Unstructured, chain: u8, first: u8) -> Result<(Vec<Value>, u8)> {
    let mut links = Vec::new();
    let mut from = first;
    for place in 0..chain {
        // Keys of their own, or one that was there before.
        let to = if is_wrong(u)? { first } else { 100 + place };
        let mut delegation = Vec::new();
        set(&mut delegation, "pubkey", bytes(&der(&key(to))));
        set(&mut delegation, "expiration", moment(u)?);
        if u.ratio(1, 4)? {
            let targets = (0..u.int_in_range(0..=3)?).map(|_| Ok(bytes(&canister(u)?)));
            set(
                &mut delegation,
                "targets",
                Value::Array(targets.collect::<Result<_>>()?),
            );
        }
        if u.ratio(1, 4)? {
            set(
                &mut delegation,
                "permissions",
                *u.choose(&["all", "queries", "none"])?,
            );
        }
        spoil(u, &mut delegation)?;
        let delegation = Value::Map(delegation);
        let hash = Hashable::try_from(&delegation)
            .map(|delegation| delegation.hash())
            .unwrap_or_default();
        let signature = key(from)
            .sign(&[domain::DELEGATION, &hash].concat())
            .to_bytes();
        let mut link = vec![
            ("delegation".into(), delegation),
            ("signature".into(), bytes(&signature)),
        ];
        spoil(u, &mut link)?;
        links.push(Value::Map(link));
        from = to;
    }
    Ok((links, from))
}

/// Leaves a record as it is, or takes a field away, doubles it, adds one, or puts anything in its place.
fn spoil(u: &mut Unstructured, fields: &mut Fields) -> Result<()> {
    if fields.is_empty() || !is_wrong(u)? {
        return Ok(());
    }
    let at = u.choose_index(fields.len())?;
    match u.int_in_range(0..=4)? {
        0 => drop(fields.swap_remove(at)),
        1 => fields.push(fields[at].clone()),
        2 => fields[at].1 = any(u, 3)?,
        3 => fields[at].0 = any(u, 1)?,
        _ => fields.push((Value::Text(u.arbitrary()?), any(u, 12)?)),
    }
    Ok(())
}
