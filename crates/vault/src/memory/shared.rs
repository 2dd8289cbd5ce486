//! What others share with the caller.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ic_stable_structures::Memory as StableMemory;
use keepsake_api::{GrantSource, Page};

use super::grants::Grantee;
use super::list::{header_len, page_limit};
use super::record::Memory;
use crate::Vault;
use crate::access::{Permissions, concerns, counts};
use crate::call::Call;
use crate::capsule::GroupKey;
use crate::error::{Error, Result};
use crate::ids::MemoryId;
use crate::limits;
use crate::person::Person;
use crate::stable::Key;
use crate::token::Holder;

/// Most entries looked at for one page: those that do not count at this time are passed over.
const LOOKED_AT: usize = 500;

impl<M: StableMemory> Vault<M> {
    /// A page of the memories that have an access entry for one of the caller's principals, or for a group that one of them is in, which
    /// counts now; each memory once. A page may be short, or empty, with a cursor to go on from, where many entries do not count.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::Invalid`] for a limit of 0, and for a cursor that no page returned.
    pub fn memories_shared_with_me(
        &self,
        call: Call,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page> {
        let person = self.person(call)?;
        let limit = page_limit(limit)?;
        let start = cursor.map(parse_cursor).transpose()?;
        let tokens = self.listing_tokens(Holder::Person(person.acting), call.now)?;
        let mut items = Vec::new();
        let (mut bytes, mut records, mut looked_at) = (0, 0, 0);
        let mut last = None;
        let from = start.map_or(Way::Name(Grantee([0; 16])), |(way, _)| way);
        for way in self.ways_to(&person, from) {
            let after = start
                .filter(|(from, _)| *from == way)
                .map(|(_, memory)| memory);
            if looked_at > LOOKED_AT {
                let next_cursor = Some(format_cursor((way, MemoryId([0; 16]))));
                return Ok(Page { items, next_cursor });
            }
            looked_at += 1;
            for id in self.grants.of(way.grantee(), after) {
                if items.len() == limit
                    || bytes > limits::PAGE_BYTES_MAX
                    || records > limits::PAGE_RECORDS_MAX
                    || looked_at > LOOKED_AT
                {
                    let next_cursor = last.map(format_cursor);
                    return Ok(Page { items, next_cursor });
                }
                looked_at += 1;
                last = Some((way, id));
                let Some((memory, record_len)) = self.memories.get_with_len(id) else {
                    continue;
                };
                records += record_len;
                let may = self.permissions_on(&person, call.now, &memory);
                // What is shared in several ways is listed for the first of them only.
                if may.has(Permissions::VIEW)
                    && self.first_way(&person, call.now, &memory) == Some(way)
                {
                    let header = self.header(&tokens, call.now, memory, may);
                    bytes += header_len(&header);
                    items.push(header);
                }
            }
        }
        Ok(Page {
            items,
            next_cursor: None,
        })
    }

    /// The ways in which something can be shared with the person, in order, from `from` on: as many as one page looks at, and one more.
    /// One that is gone meanwhile is passed over, not searched for.
    fn ways_to(&self, person: &Person, from: Way) -> BTreeSet<Way> {
        let names = person.keys().map(|key| Way::Name(Grantee::of_person(key)));
        let mut ways: BTreeSet<Way> = names.filter(|way| *way >= from).collect();
        let from = match from {
            Way::Name(_) => GroupKey([0; 16]),
            Way::Group(group) => GroupKey(group.0),
        };
        for key in person.keys() {
            let groups = self.facts.groups_of(key, from).take(LOOKED_AT + 2);
            ways.extend(groups.map(|group| Way::Group(Grantee::of_group(group))));
        }
        ways
    }

    /// By which of the entries that count now the memory is shared with the person: the first in the order of [`Self::ways_to`].
    fn first_way(&self, person: &Person, now: u64, memory: &Memory) -> Option<Way> {
        let facts = self.facts.of(memory.capsule);
        memory
            .record
            .access_entries()
            .iter()
            .filter(|entry| counts(entry, now, &facts) && concerns(entry, person, &facts))
            .filter_map(|entry| {
                let grantee = Grantee::of(memory.capsule, entry)?;
                Some(match entry.grant_source {
                    GrantSource::Group => Way::Group(grantee),
                    _ => Way::Name(grantee),
                })
            })
            .min()
    }
}

/// How something is shared with a person. What is shared with a principal comes before what is shared with groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Name(Grantee),
    Group(Grantee),
}

impl Way {
    fn grantee(self) -> Grantee {
        match self {
            Way::Name(grantee) | Way::Group(grantee) => grantee,
        }
    }
}

type Position = (Way, MemoryId);

fn format_cursor((way, memory): Position) -> String {
    let kind = matches!(way, Way::Group(_)) as u8;
    URL_SAFE_NO_PAD.encode([&[kind][..], &way.grantee().0, &memory.0].concat())
}

fn parse_cursor(text: &str) -> Result<Position> {
    let malformed = || Error::invalid("cursor", "malformed; use next_cursor of a page as it is");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
    let bytes: [u8; 33] = bytes.try_into().map_err(|_| malformed())?;
    let key: Key<32> = Key::of(&[&bytes[1..]]);
    let way = match bytes[0] {
        0 => Way::Name(Grantee(key.part(0))),
        1 => Way::Group(Grantee(key.part(0))),
        _ => return Err(malformed()),
    };
    Ok((way, MemoryId(key.part(16))))
}
