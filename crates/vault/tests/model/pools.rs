//! The small pools that generated calls draw from, so that callers, contents and keys collide all the time.

use std::sync::LazyLock;

use candid::Principal;
use keepsake_api::AccessEvent;
use keepsake_vault::limits;
use sha2::{Digest, Sha256};

pub const PRINCIPALS: usize = 5;
/// The caller number that stands for the anonymous principal.
pub const ANONYMOUS: usize = PRINCIPALS;

/// The principal of a caller number.
pub fn principal(who: usize) -> Principal {
    static ALL: LazyLock<Vec<Principal>> = LazyLock::new(|| {
        let named = (0..PRINCIPALS).map(|n| Principal::self_authenticating([n as u8 + 1; 32]));
        named.chain([Principal::anonymous()]).collect()
    });
    ALL[who]
}

/// Contents of all lengths that matter: empty, tiny, small, close to the inline limit, at it, and past it. Two pairs have the
/// same length, so that the hash is what tells them apart.
pub static CONTENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let max = limits::INLINE_MAX as usize;
    [
        (0, 0),
        (1, 7),
        (1, 8),
        (1024, 1),
        (1024, 2),
        (31 * 1024, 3),
        (max, 4),
        (max + 1, 5),
    ]
    .iter()
    .map(|(len, seed)| (0..*len).map(|i| (i * 31 + i / 256) as u8 ^ seed).collect())
    .collect()
});

/// A chunk of the largest allowed length, and one byte more.
pub static LARGE_CHUNK: LazyLock<Vec<u8>> =
    LazyLock::new(|| vec![9; limits::CHUNK_MAX as usize + 1]);

/// Idempotency keys: three good ones that everybody shares, the longest, one that is too long, and none.
pub static IDEMS: LazyLock<Vec<String>> = LazyLock::new(|| {
    vec![
        "a".into(),
        "b".into(),
        "photo/2019-07-14".into(),
        "k".repeat(limits::IDEM_MAX),
        "k".repeat(limits::IDEM_MAX + 1),
        String::new(),
    ]
});

/// Events that time capsules wait for, and one that cannot be.
pub static EVENTS: LazyLock<Vec<AccessEvent>> = LazyLock::new(|| {
    vec![
        AccessEvent::Wedding,
        AccessEvent::Birthday(18),
        AccessEvent::Custom("the first tooth".into()),
        AccessEvent::Custom(String::new()),
    ]
});

/// Ids of connection groups, and one that cannot be.
pub const GROUPS: &[&str] = &["family", "friends", ""];

/// How many secrets share links have.
pub const SECRETS: usize = 6;

/// The secret of a share link, by its number.
pub fn link_secret(number: usize) -> [u8; 32] {
    [number as u8 + 100; 32]
}

/// Things that are no blob id, whatever the vault holds.
pub const MALFORMED_BLOB_IDS: &[&str] = &[
    "",
    "blob_",
    "blob_007",
    "blob_+7",
    "blob_-7",
    "blob_ 7",
    "blob_7 ",
    "BLOB_7",
    "7",
    "blob_0x7",
    "blob_٣",
    "blob_18446744073709551616",
    "blob_99999999999999999999999",
    "inline_7",
    "blob_7\0",
];

/// Things that are no id of a capsule or a memory.
pub const MALFORMED_IDS: &[&str] = &[
    "",
    " ",
    "memory_1",
    "capsule_1",
    "nonsense",
    "../..",
    "\0",
    "ä",
    "0",
    "-1",
    "18446744073709551616",
    "00000000000000000000000000000000",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// Cursors that no page returned.
pub const BAD_CURSORS: &[&str] = &["", "garbage", "0", "////", "AAAA", "\0", "ä"];

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
