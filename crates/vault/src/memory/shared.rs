//! What others share with the caller.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ic_stable_structures::Memory as StableMemory;
use keepsake_api::Page;

use super::grants::Grantee;
use super::list::{header_len, page_limit};
use crate::Vault;
use crate::access::{Permissions, counts};
use crate::call::Call;
use crate::capsule::NothingRecorded;
use crate::error::{Error, Result};
use crate::ids::MemoryId;
use crate::limits;
use crate::token::TokenKey;

/// Most entries looked at for one page: those that do not count at this time are passed over.
const LOOKED_AT: usize = 500;

impl<M: StableMemory> Vault<M> {
    /// A page of the memories that have an access entry for the caller which counts now, by id. A page may be short, or empty, with a
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
        let after = cursor.map(parse_cursor).transpose()?;
        let tokens = TokenKey::new(self.settings.secret(crate::token::SECRET)?);
        let mut items = Vec::new();
        let mut bytes = 0;
        let mut records = 0;
        let mut last = None;
        let grantee = Grantee::of_person(person);
        let shared = self.grants.of(grantee, after);
        for (looked_at, id) in shared.enumerate() {
            if items.len() == limit
                || bytes > limits::PAGE_BYTES_MAX
                || records > limits::PAGE_RECORDS_MAX
                || looked_at == LOOKED_AT
            {
                let next_cursor = last.map(|id: MemoryId| URL_SAFE_NO_PAD.encode(id.0));
                return Ok(Page { items, next_cursor });
            }
            last = Some(id);
            let Some((memory, record_len)) = self.memories.get_with_len(id) else {
                continue;
            };
            records += record_len;
            let may = self.permissions_on(person, call.now, &memory);
            let is_shared = memory.record.access_entries().iter().any(|entry| {
                Grantee::of(memory.capsule, entry) == Some(grantee)
                    && counts(entry, call.now, &NothingRecorded)
            });
            if is_shared && may.has(Permissions::VIEW) {
                let header = self.header(call, &tokens, memory, may);
                bytes += header_len(&header);
                items.push(header);
            }
        }
        Ok(Page {
            items,
            next_cursor: None,
        })
    }
}

fn parse_cursor(text: &str) -> Result<MemoryId> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .map(MemoryId)
        .ok_or_else(|| Error::invalid("cursor", "malformed; use next_cursor of a page as it is"))
}
