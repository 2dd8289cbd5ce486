//! One generated call, as vault and model take it.

use keepsake_vault::{Error, limits};

use super::Driver;
use crate::calls::{Call, Piece, Who};
use crate::model::{Answer, BlobArg};
use crate::pools::{BAD_CURSORS, CONTENTS, IDEMS, LARGE_CHUNK};

impl Driver {
    /// One call, compared; the vault's answer as text.
    pub(super) fn call(&mut self, who: Who, call: &Call) -> String {
        match call {
            Call::CapsulesCreate { subject } => {
                self.capsules_create(self.caller(who, None), *subject)
            }
            Call::CapsulesReadBasic { capsule } => {
                let picked = capsule.map(|pick| self.capsule(pick));
                let who = self.caller(
                    who,
                    picked
                        .as_ref()
                        .and_then(|(capsule, _)| self.owner(*capsule)),
                );
                self.capsules_read_basic(
                    who,
                    picked
                        .as_ref()
                        .map(|(capsule, real)| (*capsule, real.as_str())),
                );
                String::new()
            }
            Call::CapsulesList => {
                self.capsules_list(self.caller(who, None));
                String::new()
            }
            Call::Begin {
                capsule,
                expected,
                idem,
            } => {
                let (capsule, real) = self.capsule(*capsule);
                self.begin(
                    self.caller(who, self.owner(capsule)),
                    capsule,
                    &real,
                    *expected,
                    &IDEMS[*idem],
                )
            }
            Call::Put {
                session,
                index,
                piece,
            } => {
                let (session, real) = self.session_pick(*session);
                let who = self.caller(who, session.map(|s| self.model.sessions[s].creator));
                let bytes = match piece {
                    Piece::Content { content, from, to } => &CONTENTS[*content][*from..*to],
                    Piece::Large { over } => &LARGE_CHUNK[..limits::CHUNK_MAX as usize + over],
                };
                self.put_chunk(who, session, real, *index, bytes)
            }
            Call::Finish { session, claim } => {
                let (session, real) = self.session_pick(*session);
                let who = self.caller(who, session.map(|s| self.model.sessions[s].creator));
                self.finish(who, session, real, *claim)
            }
            Call::Abort { session } => {
                let (session, real) = self.session_pick(*session);
                let who = self.caller(who, session.map(|s| self.model.sessions[s].creator));
                let expected = self.model.uploads_abort((who, self.now), session);
                let got = self.vault.uploads_abort(self.context(who), real);
                self.done("uploads_abort", expected, got)
            }
            Call::BlobRead { blob, chunk } => {
                let (blob, real) = self.blob_pick(*blob, None);
                let capsule = if let BlobArg::Known(n) = blob {
                    Some(self.model.blobs[n].capsule)
                } else {
                    None
                };
                self.blob_read(self.caller(who, self.owner(capsule)), blob, &real, *chunk);
                String::new()
            }
            Call::Create {
                capsule,
                assets,
                stray_hash,
                said,
                idem,
            } => {
                let (capsule, real) = self.capsule(*capsule);
                let who = self.caller(who, self.owner(capsule));
                self.create(who, capsule, real, assets, *stray_hash, said, &IDEMS[*idem])
            }
            Call::CreateWithAssets {
                capsule,
                said,
                blobs,
                inline,
                idem,
            } => {
                let (capsule, real) = self.capsule(*capsule);
                let who = self.caller(who, self.owner(capsule));
                let said = said.metadata();
                let blobs: Vec<_> = blobs
                    .iter()
                    .map(|(pick, said)| self.blob_input(capsule, *pick, said))
                    .collect();
                let inline: Vec<_> = inline
                    .iter()
                    .map(|(content, said)| self.inline_input(*content, said))
                    .collect();
                self.create_with_assets(who, (capsule, &real), said, blobs, inline, &IDEMS[*idem])
            }
            Call::Add {
                memory,
                asset,
                said,
                idem,
            } => {
                let (memory, real) = self.memory_pick(*memory);
                let who = self.caller(who, self.owner(memory.as_ref().map(|m| m.capsule)));
                self.add(who, memory.as_ref(), &real, asset, said, &IDEMS[*idem])
            }
            Call::Read { memory } => {
                let (memory, real) = self.memory_pick(*memory);
                let who = self.caller(who, self.owner(memory.as_ref().map(|m| m.capsule)));
                self.read(who, memory.as_ref(), &real);
                String::new()
            }
            Call::List {
                capsule,
                limit,
                go_on,
            } => {
                let (capsule, real) = self.capsule(*capsule);
                self.list(
                    self.caller(who, self.owner(capsule)),
                    capsule,
                    &real,
                    *limit,
                    *go_on,
                );
                String::new()
            }
            Call::ListBadCursor { capsule, cursor } => {
                let (capsule, real) = self.capsule(*capsule);
                let who = self.caller(who, self.owner(capsule));
                let expected = self.model.memories_list(who, capsule, None, false);
                let got = self.vault.memories_list(
                    self.context(who),
                    &real,
                    Some(BAD_CURSORS[*cursor]),
                    None,
                );
                self.agree("memories_list", expected, got);
                String::new()
            }
            Call::Delete {
                memory,
                delete_assets,
            } => {
                let (memory, real) = self.memory_pick(*memory);
                let who = self.caller(who, self.owner(memory.as_ref().map(|m| m.capsule)));
                let expected =
                    (self.model).memories_delete((who, self.now), memory.as_ref(), *delete_assets);
                let got = self
                    .vault
                    .memories_delete(self.context(who), &real, *delete_assets);
                if let (Some(memory), true) = (&memory, got.is_ok()) {
                    self.walks.deleted(memory);
                }
                self.done("memories_delete", expected, got)
            }
            Call::DaysPass { days } => {
                self.days_pass(*days);
                String::new()
            }
            Call::Reopen => {
                self.reopen();
                String::new()
            }
            Call::Update { .. } | Call::Grant { .. } | Call::Revoke { .. } => {
                self.access_call(who, call)
            }
            Call::Ping { memories } => {
                self.ping(self.caller(who, Some(0)), memories);
                String::new()
            }
            Call::SharedWithMe { limit } => {
                self.shared_with_me(self.caller(who, Some(2)), *limit);
                String::new()
            }
            Call::CapsulesReadFull { capsule } => {
                let picked = capsule.map(|pick| self.capsule(pick));
                let owner = picked
                    .as_ref()
                    .and_then(|(capsule, _)| self.owner(*capsule));
                let who = self.caller(who, owner);
                let picked = picked.as_ref();
                self.capsules_read_full(who, picked.map(|(c, real)| (*c, real.as_str())));
                String::new()
            }
            Call::CapsulesUpdate { capsule, .. }
            | Call::CapsulesDelete { capsule }
            | Call::DeleteAll { capsule, .. } => {
                let (capsule, real) = self.capsule(*capsule);
                let who = self.caller(who, self.owner(capsule));
                self.capsule_call(who, capsule, &real, call)
            }
            Call::Uploads { session } => {
                let (session, real) = self.session_pick(*session);
                let who = self.caller(who, session.map(|s| self.model.sessions[s].creator));
                self.uploads_status(who, session, real);
                self.uploads_list(who);
                String::new()
            }
            _ => self.asset_call(who, call),
        }
    }

    /// Compares a reply without content.
    pub(super) fn done(
        &mut self,
        method: &'static str,
        expected: Answer<()>,
        got: Result<(), Error>,
    ) -> String {
        let text = format!("{got:?}");
        self.agree(method, expected, got);
        text
    }
}
