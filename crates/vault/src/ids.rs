//! Identifiers: how they are derived, written and read. An id has exactly one spelling; anything else is no id.
//!
//! Numbers of capsules, blobs and sessions come from a keyed function of a counter, so that they tell nothing of what else
//! exists. Ids of memories and assets are derived from what they identify, so that a retry finds its first result without a
//! table (I5).

use candid::Principal;
use keepsake_api::{AssetType, BlobHosting};

use crate::error::{Error, Result};
use crate::hash::{Sha256Digest, sha256_of_fields};
use crate::limits;
use crate::stored::Code;

macro_rules! numbered_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    };
}

numbered_id!(
    /// A capsule; on the wire `capsule_` and 16 hexadecimal digits.
    CapsuleId
);
numbered_id!(
    /// A blob; on the wire `blob_` and the number in decimal.
    BlobId
);
numbered_id!(
    /// An upload session; on the wire the number.
    SessionId
);

macro_rules! derived_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            fn from_digest(digest: Sha256Digest) -> Self {
                let mut id = [0; 16];
                id.copy_from_slice(&digest[..16]);
                $name(id)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($prefix)?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    };
}

derived_id!(
    /// A memory; on the wire `mem_` and 32 hexadecimal digits.
    MemoryId,
    "mem_"
);
derived_id!(
    /// An asset, unique within its memory; on the wire `asset_` and 32 hexadecimal digits.
    AssetId,
    "asset_"
);
derived_id!(
    /// A share link; on the wire `share_` and 32 hexadecimal digits.
    ShareLinkId,
    "share_"
);

/// `None` where the text is not `N` bytes in lower-case hexadecimal digits.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

impl CapsuleId {
    /// `None` where the text is not a capsule id in its one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text.strip_prefix("capsule_")?).map(|bytes| CapsuleId(u64::from_be_bytes(bytes)))
    }
}

impl std::fmt::Display for CapsuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "capsule_{:016x}", self.0)
    }
}

impl BlobId {
    /// # Errors
    /// [`Error::BlobIdMalformed`] for anything but `blob_<n>` in its one spelling (`blob_007` and `blob_+7` are malformed).
    pub fn parse(text: &str) -> Result<Self> {
        let digits = text.strip_prefix("blob_").ok_or(Error::BlobIdMalformed)?;
        let canonical = digits.bytes().all(|c| c.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        if !canonical {
            return Err(Error::BlobIdMalformed);
        }
        digits
            .parse()
            .map(BlobId)
            .map_err(|_| Error::BlobIdMalformed)
    }
}

impl std::fmt::Display for BlobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "blob_{}", self.0)
    }
}

/// An idempotency key that is well formed: 1 to 256 bytes.
#[derive(Clone, Copy)]
pub struct Idem<'a>(&'a str);

impl<'a> Idem<'a> {
    /// # Errors
    /// [`Error::IdemEmpty`], [`Error::IdemTooLong`].
    pub fn parse(text: &'a str) -> Result<Self> {
        match text.len() {
            0 => Err(Error::IdemEmpty),
            length if length > limits::IDEM_MAX => Err(Error::IdemTooLong(length)),
            _ => Ok(Idem(text)),
        }
    }

    pub fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }
}

/// What a memory or asset id is derived from, for one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentIdentity {
    /// Content with a known SHA-256 and length.
    Hashed { sha256: Sha256Digest, len: u64 },
    /// External content without a hash.
    Located {
        location: BlobHosting,
        storage_key: String,
        len: Option<u64>,
    },
}

impl ContentIdentity {
    fn digest(&self) -> Sha256Digest {
        match self {
            ContentIdentity::Hashed { sha256, len } => {
                sha256_of_fields("content", &[sha256, &len.to_be_bytes()])
            }
            ContentIdentity::Located {
                location,
                storage_key,
                len,
            } => sha256_of_fields(
                "location",
                &[
                    &[location.code()],
                    storage_key.as_bytes(),
                    &len.map_or([0; 8], u64::to_be_bytes),
                    &[u8::from(len.is_some())],
                ],
            ),
        }
    }
}

impl MemoryId {
    /// `None` where the text is not a memory id in its one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text.strip_prefix("mem_")?).map(MemoryId)
    }

    /// The id that follows this one in the order of ids.
    pub fn next(self) -> Option<Self> {
        let number = u128::from_be_bytes(self.0).checked_add(1)?;
        Some(MemoryId(number.to_be_bytes()))
    }

    /// The memory that `idem` names in the capsule, made of this content in this order.
    pub fn derive(capsule: CapsuleId, contents: &[&ContentIdentity], idem: Idem) -> Self {
        let mut list = Vec::with_capacity(contents.len() * 32);
        for content in contents {
            list.extend_from_slice(&content.digest());
        }
        Self::from_digest(sha256_of_fields(
            "memory",
            &[&capsule.0.to_be_bytes(), &list, idem.0.as_bytes()],
        ))
    }
}

impl ShareLinkId {
    /// `None` where the text is not a share link's id in its one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text.strip_prefix("share_")?).map(ShareLinkId)
    }

    /// The link whose secret has this SHA-256. It tells nothing of the secret.
    pub fn derive(secret_sha256: &Sha256Digest) -> Self {
        Self::from_digest(sha256_of_fields("share link", &[secret_sha256]))
    }
}

impl AssetId {
    /// `None` where the text is not an asset id in its one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text.strip_prefix("asset_")?).map(AssetId)
    }

    /// The asset that `idem` names in the memory. `occurrence` counts equal (content, type) pairs within one call from 0, so
    /// that a call with the same content twice makes two assets.
    pub fn derive(
        memory: MemoryId,
        content: &ContentIdentity,
        asset_type: AssetType,
        idem: Idem,
        occurrence: u32,
    ) -> Self {
        Self::from_digest(sha256_of_fields(
            "asset",
            &[
                &memory.0,
                &content.digest(),
                &[asset_type.code()],
                idem.0.as_bytes(),
                &occurrence.to_be_bytes(),
            ],
        ))
    }
}

/// Keys under which sessions are found again: 16 bytes of a hash each.
pub(crate) fn session_idem_key(capsule: CapsuleId, caller: Principal, idem: Idem) -> [u8; 16] {
    MemoryId::from_digest(sha256_of_fields(
        "session",
        &[
            &capsule.0.to_be_bytes(),
            caller.as_slice(),
            idem.0.as_bytes(),
        ],
    ))
    .0
}

pub(crate) fn session_owner_key(capsule: CapsuleId, caller: &[u8]) -> [u8; 16] {
    MemoryId::from_digest(sha256_of_fields(
        "session owner",
        &[&capsule.0.to_be_bytes(), caller],
    ))
    .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_one_spelling() {
        for bad in [
            "",
            "7",
            "blob_",
            "blob_007",
            "blob_+7",
            "blob_-7",
            "blob_ 7",
            "blob_7 ",
            "Blob_7",
            "blob_0x7",
            "blob_18446744073709551616",
            "blob_٧",
        ] {
            assert_eq!(BlobId::parse(bad), Err(Error::BlobIdMalformed), "{bad:?}");
        }
        for n in [0, 7, u64::MAX] {
            assert_eq!(BlobId::parse(&BlobId(n).to_string()), Ok(BlobId(n)));
            assert_eq!(
                CapsuleId::parse(&CapsuleId(n).to_string()),
                Some(CapsuleId(n))
            );
        }
        let memory = MemoryId([0xa7; 16]);
        assert_eq!(MemoryId::parse(&memory.to_string()), Some(memory));
        assert_eq!(MemoryId::parse(&memory.to_string().to_uppercase()), None);
        assert_eq!(MemoryId::parse(&AssetId([0xa7; 16]).to_string()), None);
        assert_eq!(CapsuleId::parse("capsule_123"), None);
    }

    #[test]
    fn ids_differ_wherever_what_they_identify_differs() {
        let content = |byte, len| ContentIdentity::Hashed {
            sha256: [byte; 32],
            len,
        };
        let located = |key: &str, len| ContentIdentity::Located {
            location: BlobHosting::S3,
            storage_key: key.into(),
            len,
        };
        let idem = Idem::parse("k").unwrap();
        let (a, b) = (content(1, 10), content(2, 10));
        let ids = [
            MemoryId::derive(CapsuleId(1), &[&a], idem),
            MemoryId::derive(CapsuleId(2), &[&a], idem),
            MemoryId::derive(CapsuleId(1), &[&b], idem),
            MemoryId::derive(CapsuleId(1), &[&content(1, 11)], idem),
            MemoryId::derive(CapsuleId(1), &[&a, &b], idem),
            MemoryId::derive(CapsuleId(1), &[&b, &a], idem),
            MemoryId::derive(CapsuleId(1), &[&a], Idem::parse("l").unwrap()),
            MemoryId::derive(CapsuleId(1), &[&located("x", None)], idem),
            MemoryId::derive(CapsuleId(1), &[&located("x", Some(0))], idem),
            MemoryId::derive(CapsuleId(1), &[&located("y", None)], idem),
        ];
        for (i, id) in ids.iter().enumerate() {
            assert!(!ids[..i].contains(id), "{i}");
        }
    }
}
