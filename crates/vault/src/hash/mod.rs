//! SHA-256 whose state can be stored: an upload is hashed as its chunks arrive, over many messages and upgrades (I4).
//! FIPS 180-4.

mod compress;

use compress::compress;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Sha256Digest = [u8; 32];

const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The digest of the parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> Sha256Digest {
    let mut hasher = ResumableSha256::default();
    for part in parts {
        hasher.update(part);
    }
    hasher.digest()
}

/// The digest of parts of variable length: each is preceded by its length, so that no two lists of parts collide.
/// `domain` separates what is hashed for different purposes.
pub fn sha256_of_fields(domain: &str, fields: &[&[u8]]) -> Sha256Digest {
    let mut hasher = Sha256::new();
    hasher.update((domain.len() as u64).to_be_bytes());
    hasher.update(domain);
    for field in fields {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    hasher.finalize().into()
}

/// A SHA-256 computation that can be put down and taken up again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ResumableSha256 {
    #[n(0)]
    state: [u32; 8],
    /// Bytes hashed so far.
    #[n(1)]
    length: u64,
    /// The last `length % 64` bytes, which do not fill a block yet.
    #[cbor(n(2), with = "minicbor::bytes")]
    tail: Vec<u8>,
}

impl Default for ResumableSha256 {
    fn default() -> Self {
        Self {
            state: INITIAL,
            length: 0,
            tail: Vec::new(),
        }
    }
}

impl ResumableSha256 {
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if !self.tail.is_empty() {
            let take = (64 - self.tail.len()).min(bytes.len());
            self.tail.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.tail.len() < 64 {
                return;
            }
            compress(&mut self.state, &self.tail);
            self.tail.clear();
        }
        let whole = bytes.len() / 64 * 64;
        compress(&mut self.state, &bytes[..whole]);
        self.tail.extend_from_slice(&bytes[whole..]);
    }

    /// The digest of all that was hashed.
    pub fn digest(&self) -> Sha256Digest {
        let mut last = self.clone();
        let mut padding = vec![0x80];
        let zeros = (119 - self.length % 64) % 64;
        padding.resize(1 + zeros as usize, 0);
        padding.extend_from_slice(&(self.length * 8).to_be_bytes());
        last.update(&padding);
        let mut digest = [0; 32];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(last.state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_split_and_any_pause_gives_the_digest(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_500), 0..8)) {
            let mut resumable = ResumableSha256::default();
            for piece in &pieces {
                resumable.update(piece);
                resumable = minicbor::decode(&minicbor::to_vec(&resumable).unwrap()).unwrap();
            }
            let whole = pieces.concat();
            let expected: Sha256Digest = Sha256::digest(&whole).into();
            prop_assert_eq!(resumable.digest(), expected);
            prop_assert_eq!(sha256(&[&whole]), expected);
        }
    }
}
