//! From picks to things: the model's own id, and what the request calls it.

use super::Driver;
use crate::calls::{Pick, Who};
use crate::model::{BlobArg, MemoryId};
use crate::pools::{MALFORMED_BLOB_IDS, MALFORMED_IDS};

impl Driver {
    pub(super) fn nth_newest(n: usize, count: usize) -> Option<usize> {
        (count > 0).then(|| count - 1 - n % count)
    }

    /// The capsule, and what the request calls it.
    pub(super) fn capsule(&self, pick: Pick) -> (Option<usize>, String) {
        match pick {
            Pick::Nth(n) if self.counts.capsules > 0 => {
                let capsule = n % self.counts.capsules;
                (Some(capsule), self.capsules.of(&capsule).to_owned())
            }
            Pick::Malformed(n) => (None, MALFORMED_IDS[n].to_owned()),
            _ => (
                None,
                altered(self.capsules.all().next().unwrap_or("capsule")),
            ),
        }
    }

    pub(super) fn memory_pick(&self, pick: Pick) -> (Option<MemoryId>, String) {
        match pick {
            Pick::Nth(n) if self.counts.memories > 0 => {
                let newest = Self::nth_newest(n, self.counts.memories).expect("there is one");
                let id = self.model.ever[newest].clone();
                let real = self.memories.of(&id).to_owned();
                (Some(id), real)
            }
            Pick::Malformed(n) => (None, MALFORMED_IDS[n].to_owned()),
            _ => (
                None,
                altered(self.memories.all().next().unwrap_or("memory")),
            ),
        }
    }

    pub(super) fn session_pick(&self, pick: Pick) -> (Option<usize>, u64) {
        let picked = match pick {
            Pick::Nth(0) => self.counts.current,
            Pick::Nth(n) => Self::nth_newest(n, self.counts.sessions),
            _ => None,
        };
        let real = picked.map_or(u64::MAX / 3, |session| {
            self.sessions.of(&session).parse().expect("a number")
        });
        (picked, real)
    }

    /// Where the request is about a capsule, mostly one of its blobs.
    pub(super) fn blob_pick(&self, pick: Pick, capsule: Option<usize>) -> (BlobArg, String) {
        match pick {
            Pick::Nth(n) => {
                let all = 0..self.counts.blobs;
                let blobs: Vec<usize> = match n {
                    0..3 => all
                        .filter(|b| {
                            capsule.is_none_or(|c| {
                                self.model.blobs[*b].capsule == c && !self.model.blobs[*b].deleted
                            })
                        })
                        .collect(),
                    3 => all
                        .filter(|b| capsule.is_none_or(|c| self.model.blobs[*b].capsule == c))
                        .collect(),
                    _ => all.collect(),
                };
                match Self::nth_newest(n, blobs.len()) {
                    Some(nth) => (
                        BlobArg::Known(blobs[nth]),
                        self.blobs.of(&blobs[nth]).to_owned(),
                    ),
                    None => (BlobArg::Unknown, "blob_7".into()),
                }
            }
            Pick::Unknown => (BlobArg::Unknown, "blob_18446744073709551615".into()),
            Pick::Malformed(n) => (BlobArg::Malformed, MALFORMED_BLOB_IDS[n].to_owned()),
        }
    }

    pub(super) fn caller(&self, who: Who, rightful: Option<usize>) -> usize {
        match who {
            Who::Rightful => rightful.unwrap_or(0),
            Who::Number(n) => n,
        }
    }

    pub(super) fn owner(&self, capsule: Option<usize>) -> Option<usize> {
        capsule.map(|capsule| self.model.an_owner(capsule))
    }

    /// The memory, what the request calls it, and who calls.
    pub(super) fn memory_and_caller(
        &self,
        pick: Pick,
        who: Who,
    ) -> (Option<MemoryId>, String, usize) {
        let (memory, real) = self.memory_pick(pick);
        let owner = self.owner(memory.as_ref().map(|memory| memory.capsule));
        (memory, real, self.caller(who, owner))
    }

    /// The capsule, what the request calls it, and who calls.
    pub(super) fn capsule_and_caller(
        &self,
        pick: Pick,
        who: Who,
    ) -> (Option<usize>, String, usize) {
        let (capsule, real) = self.capsule(pick);
        (capsule, real, self.caller(who, self.owner(capsule)))
    }

    /// The session, its number, and who calls.
    pub(super) fn session_and_caller(&self, pick: Pick, who: Who) -> (Option<usize>, u64, usize) {
        let (session, real) = self.session_pick(pick);
        let creator = session.map(|session| self.model.sessions[session].creator);
        (session, real, self.caller(who, creator))
    }
}

/// An id of the same form as one that exists, but another.
fn altered(id: &str) -> String {
    let mut bytes = id.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last = if *last == b'0' { b'1' } else { b'0' };
    }
    String::from_utf8(bytes).expect("ASCII")
}
