//! Access entries and what they show, compared.

use std::collections::BTreeSet;

use keepsake_api::{AccessCondition, AccessEntry, GrantSource, MemoryUpdateData, PersonRef};

use super::{BORN, Driver, named};
use crate::calls::{Call, Condition, EntrySaid, Pick, Who};
use crate::model::{MemoryId, Refusal};
use crate::pools::{ANONYMOUS, EVENTS, GROUPS, principal};

impl EntrySaid {
    fn entry(&self) -> AccessEntry {
        AccessEntry {
            id: self.id.into(),
            person_ref: self.whom.map(named),
            is_public: self.public,
            grant_source: self.group.map_or(GrantSource::User, |_| GrantSource::Group),
            source_id: self.group.map(|group| GROUPS[group].into()),
            role: self.role,
            perm_mask: self.mask,
            invited_by_person_ref: self.inviter.map(|n| PersonRef::Principal(principal(n))),
            created_at: 3,
            updated_at: 4,
            condition: match self.condition {
                Condition::Immediate => AccessCondition::Immediate,
                Condition::Scheduled(after) => AccessCondition::Scheduled {
                    accessible_after: BORN + after,
                },
                Condition::ExpiresAt(after) => AccessCondition::ExpiresAt {
                    expires: BORN + after,
                },
                Condition::Event(event) => AccessCondition::EventTriggered {
                    event: EVENTS[event].clone(),
                },
            },
        }
    }
}

impl Driver {
    pub(super) fn access_call(&mut self, who: Who, call: &Call) -> String {
        let (Call::Update { memory, .. }
        | Call::Grant { memory, .. }
        | Call::Revoke { memory, .. }) = call
        else {
            unreachable!("dispatched by its kind")
        };
        let (memory, real, who) = self.memory_and_caller(*memory, who);
        let memory = memory.as_ref();
        let (caller, context) = ((who, self.now), self.context(who));
        match call {
            Call::Update {
                title,
                said,
                entries,
                ..
            } => {
                let update = MemoryUpdateData {
                    name: title.map(Into::into),
                    metadata: said.as_ref().map(|said| said.metadata()),
                    access_entries: (entries.as_ref())
                        .map(|entries| entries.iter().map(EntrySaid::entry).collect()),
                };
                let before = memory.map_or(0, |id| self.model.may(who, id, self.now));
                let date = memory.filter(|id| self.model.memories.contains_key(id));
                let date = date.map(|id| self.model.date(id));
                let expected = self.model.memories_update(
                    caller,
                    memory,
                    update.name.clone(),
                    update.metadata.clone(),
                    update.access_entries.clone(),
                );
                let got = self.vault.memories_update(context, &real, update);
                let text = format!("{got:?}");
                if let Some((id, got)) = self.agree("memories_update", expected, got) {
                    if date != Some(self.model.date(&id)) {
                        // It stands elsewhere in the listing: a walk under way may meet it again, or not at all.
                        self.walks.deleted(&id);
                    }
                    // Answered as to somebody who may do what the caller might before: he may have given it up by this very call.
                    let owner = self.model.an_owner(id.capsule);
                    let unchanged = before == self.model.may(who, &id, self.now);
                    let reader = self.context(if unchanged { who } else { owner });
                    let read = self.vault.memories_read(reader, &real);
                    let read = read.expect("the owner reads, and who still may");
                    assert_eq!(got.metadata, read.metadata, "memories_update");
                    if unchanged {
                        assert_eq!(got, read, "memories_update answers the memory");
                    }
                    self.read(who, Some(&id), &real);
                }
                text
            }
            Call::Grant { entry, .. } => {
                let entry = entry.entry();
                let expected = self.model.access_grant(caller, memory, entry.clone());
                let got = self.vault.access_grant(context, &real, entry);
                let text = format!("{got:?}");
                if let Some((expected, got)) = self.agree("access_grant", expected, got) {
                    assert_eq!(got, expected, "the entry as it is kept");
                }
                text
            }
            Call::Revoke { id, .. } => {
                let expected = self.model.access_revoke(caller, memory, id);
                let got = self.vault.access_revoke(context, &real, id);
                self.done("access_revoke", expected, got)
            }
            _ => unreachable!("dispatched by its kind"),
        }
    }

    pub(super) fn ping(&mut self, who: usize, memories: &[Pick]) {
        let picked: Vec<_> = memories
            .iter()
            .map(|pick| self.memory_pick(*pick))
            .collect();
        let ids = picked.iter().map(|(_, real)| real.clone()).collect();
        let expected = match who {
            ANONYMOUS => Err(vec![Refusal::Unauthorized]),
            _ => Ok(()),
        };
        let got = self.vault.memories_ping(self.context(who), ids);
        let Some((_, got)) = self.agree("memories_ping", expected, got) else {
            return;
        };
        assert_eq!(got.len(), picked.len());
        for ((id, real), got) in picked.into_iter().zip(got) {
            let seen = self.model.memories_read((who, self.now), id.as_ref()).ok();
            let has_asset = |id: &MemoryId| !self.model.memories[id].assets.is_empty();
            assert_eq!(
                (got.memory_id, got.metadata_present, got.asset_present),
                (real, seen.is_some(), seen.as_ref().is_some_and(has_asset)),
                "memories_ping"
            );
        }
    }

    /// All pages of what is shared with the caller.
    pub(super) fn shared_with_me(&mut self, who: usize, limit: u32) {
        let expected = match (who, limit) {
            (ANONYMOUS, _) => Err(vec![Refusal::Unauthorized]),
            (_, 0) => Err(vec![Refusal::Invalid("limit".into())]),
            _ => Ok(self.model.shared_with(who, self.now)),
        };
        let context = self.context(who);
        let first = self
            .vault
            .memories_shared_with_me(context, None, Some(limit));
        let Some((expected, mut page)) = self.agree("memories_shared_with_me", expected, first)
        else {
            return;
        };
        let mut met = BTreeSet::new();
        for _ in 0..=expected.len() {
            assert!(
                page.items.len() <= limit as usize,
                "a page that is too long"
            );
            for header in &page.items {
                let id = self.header(who, header);
                assert!(met.insert(id), "listed twice: {header:?}");
            }
            let Some(cursor) = page.next_cursor.take() else {
                break;
            };
            let next = self
                .vault
                .memories_shared_with_me(context, Some(&cursor), Some(limit));
            page = next.expect("a good cursor");
        }
        assert_eq!(page.next_cursor, None, "a listing that never ends");
        assert_eq!(met, expected, "shared with caller {who}");
    }
}
