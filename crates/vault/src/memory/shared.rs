//! What others share with the caller.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ic_stable_structures::Memory as StableMemory;
use keepsake_api::Page;

use super::grants::Grantee;
use super::list::{header_len, page_limit};
use super::record::Memory;
use crate::Vault;
use crate::access::{Permissions, PersonKey, concerns, counts};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::ids::MemoryId;
use crate::limits;
use crate::token::TokenKey;

/// Most entries looked at for one page: those that do not count at this time are passed over.
const LOOKED_AT: usize = 500;

impl<M: StableMemory> Vault<M> {
    /// A page of the memories that have an access entry for the caller, or for a group that the caller is in, which counts now. A page may be short, or empty, with a
    /// cursor to go on from, where many entries do not count.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::Invalid`] for a limit of 0, and for a cursor that no page returned.
    pub fn memories_shared_with_me(
        &self,
        call: Call,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Page> {
        let person = call.person()?;
        let limit = page_limit(limit)?;
        let start = cursor.map(parse_cursor).transpose()?;
        let tokens = TokenKey::new(self.settings.secret(crate::token::SECRET)?);
        let mut items = Vec::new();
        let (mut bytes, mut records, mut looked_at) = (0, 0, 0);
        let mut last = None;
        let own = Grantee::of_person(person);
        let groups = self.facts.groups_of(person).map(Grantee::of_group);
        let grantees = std::iter::once(own).chain(groups).skip_while(|grantee| {
            // A group that the caller has left meanwhile is passed over, not searched for.
            start.is_some_and(|(from, _)| (*grantee != own, *grantee) < (from != own, from))
        });
        for grantee in grantees {
            let after = start
                .filter(|(from, _)| *from == grantee)
                .map(|(_, memory)| memory);
            if looked_at > LOOKED_AT {
                let next_cursor = Some(format_cursor((grantee, MemoryId([0; 16]))));
                return Ok(Page { items, next_cursor });
            }
            looked_at += 1;
            for id in self.grants.of(grantee, after) {
                if items.len() == limit
                    || bytes > limits::PAGE_BYTES_MAX
                    || records > limits::PAGE_RECORDS_MAX
                    || looked_at > LOOKED_AT
                {
                    let next_cursor = last.map(format_cursor);
                    return Ok(Page { items, next_cursor });
                }
                looked_at += 1;
                last = Some((grantee, id));
                let Some((memory, record_len)) = self.memories.get_with_len(id) else {
                    continue;
                };
                records += record_len;
                let may = self.permissions_on(person, call.now, &memory);
                // What is shared in several ways is listed for the first of them only.
                if may.has(Permissions::VIEW)
                    && self.first_share(person, call.now, &memory) == Some(grantee)
                {
                    let header = self.header(call, &tokens, memory, may);
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

    /// By which of the entries that count now the memory is shared with the person: the person's own, else the first group's.
    fn first_share(&self, person: PersonKey, now: u64, memory: &Memory) -> Option<Grantee> {
        let facts = self.facts.of(memory.capsule);
        let own = Grantee::of_person(person);
        memory
            .record
            .access_entries()
            .iter()
            .filter(|entry| counts(entry, now, &facts) && concerns(entry, person, &facts))
            .filter_map(|entry| Grantee::of(memory.capsule, entry))
            .min_by_key(|grantee| (*grantee != own, *grantee))
    }
}

type Position = (Grantee, MemoryId);

fn format_cursor((grantee, memory): Position) -> String {
    URL_SAFE_NO_PAD.encode([grantee.0, memory.0].concat())
}

fn parse_cursor(text: &str) -> Result<Position> {
    let malformed = || Error::invalid("cursor", "malformed; use next_cursor of a page as it is");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
    let (grantee, memory) = bytes.split_first_chunk().ok_or_else(malformed)?;
    Ok((
        Grantee(*grantee),
        MemoryId(memory.try_into().map_err(|_| malformed())?),
    ))
}
