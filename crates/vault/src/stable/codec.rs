//! Encodings in stable memory: fixed-size keys whose byte order is their sort order, and records with numbered
//! fields (minicbor), apart from the wire types, so that both can evolve (I8). A field that is added is `Option`, or has
//! `#[cbor(default)]`, and takes the next number; a number is never used again.

use std::borrow::Cow;
use std::marker::PhantomData;

use ic_stable_structures::Storable;
use ic_stable_structures::storable::Bound;
use minicbor::{Decode, Encode};

/// A key of `N` bytes, ordered bytewise. Numbers in keys are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<const N: usize>(pub [u8; N]);

impl<const N: usize> Key<N> {
    /// Puts the parts one after the other. Their lengths must add up to `N`, which the callers' types guarantee.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut key = [0; N];
        let mut at = 0;
        for part in parts {
            key[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        debug_assert_eq!(at, N);
        Key(key)
    }

    /// The big-endian number at `at`.
    pub fn number(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[at..at + 8]);
        u64::from_be_bytes(bytes)
    }

    /// `L` bytes from `at` on.
    pub fn part<const L: usize>(&self, at: usize) -> [u8; L] {
        let mut bytes = [0; L];
        bytes.copy_from_slice(&self.0[at..at + L]);
        bytes
    }
}

impl<const N: usize> Storable for Key<N> {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }

    fn into_bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn from_bytes(bytes: Cow<[u8]>) -> Self {
        Key::of(&[&bytes])
    }

    const BOUND: Bound = Bound::Bounded {
        max_size: N as u32,
        is_fixed_size: true,
    };
}

/// A record as stored: its encoding, decoded only where it is looked at. Records are compared by their encodings: values that
/// are not equal to themselves (a NaN in metadata) are the same record all the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Record<T> {
    bytes: Vec<u8>,
    of: PhantomData<T>,
}

impl<T> Record<T>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    pub fn encode(value: &T) -> Self {
        let mut bytes = Vec::new();
        match minicbor::encode(value, &mut bytes) {
            Ok(()) => Record {
                bytes,
                of: PhantomData,
            },
            // Writing to a Vec cannot fail, and the derived encoders have no error of their own.
            Err(error) => unreachable!("encoding a record into memory failed: {error}"),
        }
    }

    /// Panics (in a canister: traps, which rolls the message back) where the stored bytes are not such a record. Only
    /// damage or a bug of ours leads there, and going on would make it worse.
    pub fn decode(&self) -> T {
        match minicbor::decode(&self.bytes) {
            Ok(value) => value,
            Err(error) => panic!(
                "a stored {} cannot be decoded: {error}",
                std::any::type_name::<T>()
            ),
        }
    }

    /// Length of the encoding in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl<T> Storable for Record<T> {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn from_bytes(bytes: Cow<[u8]>) -> Self {
        Record {
            bytes: bytes.into_owned(),
            of: PhantomData,
        }
    }

    const BOUND: Bound = Bound::Unbounded;
}
