//! Cursors of a share link's pages. A position is the time and id of a memory, which may be one that the link leaves out, or its number in
//! the selection, which tells how many are left out: a cursor is encrypted, and authenticated, under a secret of the vault.
//!
//! A cursor is base64url of a tag, a keyed hash of link and position, and of the position under a pad, a keyed hash of link and tag. The same position gives
//! the same cursor, which says nothing that the page before it does not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::hash::{Sha256Digest, sha256_of_fields};
use crate::ids::{MemoryId, ShareLinkId};
use crate::memory::Position;

const TAG_LEN: usize = 16;
const POSITION_LEN: usize = 24;

/// Makes and reads the cursors of one link.
pub struct CursorKey {
    secret: Sha256Digest,
    link: ShareLinkId,
}

/// Behind what a page goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// This memory of the capsule's timeline.
    Memory(Position),
    /// This one of the selection, counted from 0.
    Selected(u64),
}

impl CursorKey {
    pub fn new(secret: Sha256Digest, link: ShareLinkId) -> Self {
        Self { secret, link }
    }

    pub fn write(&self, behind: Behind) -> String {
        let (number, memory) = match behind {
            Behind::Memory(position) => (position.time, position.memory.0),
            Behind::Selected(number) => (number, [0; 16]),
        };
        let mut position = [0; POSITION_LEN];
        position[..8].copy_from_slice(&number.to_be_bytes());
        position[8..].copy_from_slice(&memory);
        let tag = self.tag(&position);
        self.cover(&tag, &mut position);
        URL_SAFE_NO_PAD.encode([&tag[..], &position[..]].concat())
    }

    /// The position of a cursor of this link; `has_selection` says which kind the link's are. `None` for anything else.
    pub fn read(&self, cursor: &str, has_selection: bool) -> Option<Behind> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, position) = bytes.split_first_chunk::<TAG_LEN>()?;
        let mut position: [u8; POSITION_LEN] = position.try_into().ok()?;
        self.cover(tag, &mut position);
        if self.tag(&position) != *tag {
            return None;
        }
        let (number, memory) = position.split_first_chunk::<8>()?;
        let number = u64::from_be_bytes(*number);
        Some(if has_selection {
            Behind::Selected(number)
        } else {
            Behind::Memory(Position {
                time: number,
                memory: MemoryId(memory.try_into().ok()?),
            })
        })
    }

    fn tag(&self, position: &[u8; POSITION_LEN]) -> [u8; TAG_LEN] {
        let fields: [&[u8]; 3] = [&self.secret, &self.link.0, position];
        let digest = sha256_of_fields("share link cursor tag", &fields);
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&digest[..TAG_LEN]);
        tag
    }

    /// Puts the pad of this tag over the position, or takes it away.
    fn cover(&self, tag: &[u8; TAG_LEN], position: &mut [u8; POSITION_LEN]) {
        let fields: [&[u8]; 3] = [&self.secret, &self.link.0, tag];
        let pad = sha256_of_fields("share link cursor pad", &fields);
        for (byte, pad) in position.iter_mut().zip(pad) {
            *byte ^= pad;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_says_nothing_and_is_taken_by_its_own_link_only() {
        let key = CursorKey::new([1; 32], ShareLinkId([2; 16]));
        let position = Position {
            time: 0x0102_0304_0506_0708,
            memory: MemoryId([9; 16]),
        };
        for (behind, has_selection) in [
            (Behind::Memory(position), false),
            (Behind::Selected(999), true),
        ] {
            let cursor = key.write(behind);
            assert_eq!(key.read(&cursor, has_selection), Some(behind));
            let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
            assert!(
                !bytes
                    .windows(6)
                    .any(|part| part == [9; 6] || part == [0; 6])
            );
            let others = [
                CursorKey::new([3; 32], ShareLinkId([2; 16])),
                CursorKey::new([1; 32], ShareLinkId([3; 16])),
            ];
            assert!(
                others
                    .iter()
                    .all(|other| other.read(&cursor, has_selection).is_none())
            );
            for at in 0..cursor.len() {
                let mut forged = cursor.clone().into_bytes();
                forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
                let forged = String::from_utf8(forged).unwrap();
                assert_eq!(key.read(&forged, has_selection), None);
            }
        }
        for bad in ["", "A", "====", "ä", &"A".repeat(10_000)] {
            assert_eq!(key.read(bad, false), None);
        }
    }
}
