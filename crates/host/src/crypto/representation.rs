//! Representation-independent hashing of structured data (specification section of that name): one hash for a
//! record, however it was encoded. Request ids, delegations and query replies are signed by way of it.
//!
//! The hash covers every field that is present, known or not, so that a signature over a field this host does
//! not know yet still verifies, and nothing can be added to a signed request.

use super::{Sha256Digest, sha256};
use ciborium::Value;

/// A value that has a representation-independent hash: blobs, texts, natural numbers, and arrays and records of
/// them. Byte strings are borrowed, so that an argument of 2 MiB is hashed where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hashable<'a> {
    /// Hashed as it is.
    Bytes(&'a [u8]),
    /// Hashed as UTF-8.
    Text(&'a str),
    /// Hashed as shortest unsigned LEB128.
    Nat(u64),
    /// Hashed as the concatenation of its items' hashes.
    Array(Vec<Hashable<'a>>),
    /// Hashed as the concatenation of its fields, in the order of their hashes; names are distinct.
    Record(Vec<(&'a str, Hashable<'a>)>),
}

/// Why a CBOR value has no representation-independent hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unhashable {
    /// CBOR integers and bignums outside of 0 to 2^64 - 1.
    #[error("a number that is negative or does not fit into 64 bits")]
    Number,
    /// Records have text keys only.
    #[error("a record key that is not text")]
    Key,
    /// The specification forbids it, and its hash would be ambiguous.
    #[error("a record key that occurs twice")]
    DuplicateKey,
    /// Among them floating point numbers, booleans and null.
    #[error("a value that is neither blob, text, natural number, array nor record")]
    Type,
}

impl Hashable<'_> {
    /// The representation-independent hash. Linear in the size of the value; recursion is as deep as the value,
    /// whose depth the CBOR decoder bounds.
    pub fn hash(&self) -> Sha256Digest {
        match self {
            Self::Bytes(bytes) => sha256(&[bytes]),
            Self::Text(text) => sha256(&[text.as_bytes()]),
            Self::Nat(number) => sha256(&[&leb128(*number)]),
            Self::Array(items) => {
                let hashes: Vec<Sha256Digest> = items.iter().map(Self::hash).collect();
                sha256(&[hashes.as_flattened()])
            }
            Self::Record(fields) => hash_of_record(fields),
        }
    }
}

/// The representation-independent hash of a record with these fields.
pub fn hash_of_record(fields: &[(&str, Hashable<'_>)]) -> Sha256Digest {
    let mut pairs: Vec<[Sha256Digest; 2]> = fields
        .iter()
        .map(|(name, value)| [sha256(&[name.as_bytes()]), value.hash()])
        .collect();
    pairs.sort_unstable();
    sha256(&[pairs.as_flattened().as_flattened()])
}

/// `number` as shortest unsigned LEB128, the form of natural numbers in hashes and in the state tree.
pub fn leb128(number: u64) -> Vec<u8> {
    let mut rest = number;
    let mut bytes = Vec::with_capacity(10);
    loop {
        // The mask leaves seven bits, which a byte holds.
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

impl<'a> TryFrom<&'a Value> for Hashable<'a> {
    type Error = Unhashable;

    fn try_from(value: &'a Value) -> Result<Self, Unhashable> {
        Ok(match value {
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Text(text) => Self::Text(text),
            Value::Integer(number) => {
                Self::Nat(u64::try_from(*number).map_err(|_| Unhashable::Number)?)
            }
            Value::Array(items) => {
                Self::Array(items.iter().map(Self::try_from).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                let mut fields = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let Value::Text(key) = key else {
                        return Err(Unhashable::Key);
                    };
                    fields.push((key.as_str(), Self::try_from(value)?));
                }
                let mut keys: Vec<&str> = fields.iter().map(|(key, _)| *key).collect();
                keys.sort_unstable();
                if keys.windows(2).any(|pair| pair[0] == pair[1]) {
                    return Err(Unhashable::DuplicateKey);
                }
                Self::Record(fields)
            }
            _ => return Err(Unhashable::Type),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_id_of_the_specification() {
        let id = hash_of_record(&[
            ("request_type", Hashable::Text("call")),
            ("sender", Hashable::Bytes(&[4])),
            ("ingress_expiry", Hashable::Nat(1_685_570_400_000_000_000)),
            ("canister_id", Hashable::Bytes(&[0, 0, 0, 0, 0, 0, 4, 0xd2])),
            ("method_name", Hashable::Text("hello")),
            ("arg", Hashable::Bytes(b"DIDL\x00\xFD*")),
        ]);
        assert_eq!(
            hex::encode(id),
            "1d1091364d6bb8a6c16b203ee75467d59ead468f523eb058880ae8ec80e2b101"
        );
    }

    #[test]
    fn nested_record_of_the_specification() {
        let nested = Hashable::Record(vec![(
            "reply",
            Hashable::Record(vec![("arg", Hashable::Bytes(b"DIDL\0\0"))]),
        )]);
        let inner = sha256(&[&sha256(&[b"arg"]), &sha256(&[b"DIDL\0\0"])]);
        assert_eq!(nested.hash(), sha256(&[&sha256(&[b"reply"]), &inner]));
    }

    #[test]
    fn leb128_of_the_specification() {
        assert_eq!(leb128(0), [0]);
        assert_eq!(leb128(624_485), [0xe5, 0x8e, 0x26]);
        assert_eq!(
            leb128(u64::MAX),
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]
        );
    }

    #[test]
    fn order_of_fields_does_not_matter_and_every_field_counts() {
        let fields = [("a", Hashable::Nat(1)), ("b", Hashable::Text("x"))];
        let reversed = [("b", Hashable::Text("x")), ("a", Hashable::Nat(1))];
        assert_eq!(hash_of_record(&fields), hash_of_record(&reversed));
        assert_ne!(hash_of_record(&fields), hash_of_record(&fields[..1]));
    }

    #[test]
    fn values_without_a_hash_are_refused() {
        let twice = Value::Map(vec![
            ("a".into(), 1.into()),
            ("b".into(), 1.into()),
            ("a".into(), 1.into()),
        ]);
        for (value, why) in [
            (Value::Integer((-1).into()), Unhashable::Number),
            (Value::Bool(true), Unhashable::Type),
            (Value::Null, Unhashable::Type),
            (Value::Float(1.0), Unhashable::Type),
            (Value::Map(vec![(1.into(), 1.into())]), Unhashable::Key),
            (twice, Unhashable::DuplicateKey),
            (Value::Array(vec![Value::Null]), Unhashable::Type),
        ] {
            assert_eq!(Hashable::try_from(&value), Err(why));
        }
    }
}
