//! One generated call, as vault and model take it.

use keepsake_vault::{Error, limits};

use super::Driver;
use crate::calls::{Call, Given, Piece, Who, hash};
use crate::model::{Announced, Answer, BlobArg};
use crate::pools::{BAD_CURSORS, CONTENTS, IDEMS, LARGE_CHUNK, principal, sha256};

impl Driver {
    /// One call, compared; the vault's answer as text, where a repetition must give the same.
    pub(super) fn call(&mut self, who: Who, call: &Call) -> String {
        match call {
            Call::Capsule { capsule, about } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                return self.capsule_call(who, capsule, &real, about);
            }
            Call::CapsulesCreate { subject } => {
                return self.capsules_create(self.caller(who, None), *subject);
            }
            Call::CapsulesReadBasic { capsule: None } => {
                self.capsules_read_basic(self.caller(who, None), None);
            }
            Call::CapsulesReadBasic {
                capsule: Some(pick),
            } => {
                let (capsule, real, who) = self.capsule_and_caller(*pick, who);
                self.capsules_read_basic(who, Some((capsule, &real)));
            }
            Call::CapsulesReadFull { capsule: None } => {
                self.capsules_read_full(self.caller(who, None), None);
            }
            Call::CapsulesReadFull {
                capsule: Some(pick),
            } => {
                let (capsule, real, who) = self.capsule_and_caller(*pick, who);
                self.capsules_read_full(who, Some((capsule, &real)));
            }
            Call::CapsulesList => self.capsules_list(self.caller(who, None)),
            Call::LinkOffer { to } => {
                let who = self.caller(who, Some(0));
                let expected = self.model.person_link_offer((who, self.now), *to);
                let got = (self.vault).person_link_offer(self.context(who), principal(*to));
                return self.done("person_link_offer", expected, got);
            }
            Call::LinkAccept { by } => {
                let who = self.caller(who, Some(1));
                let expected = self.model.person_link_accept((who, self.now), *by);
                let got = (self.vault).person_link_accept(self.context(who), principal(*by));
                return self.done("person_link_accept", expected, got);
            }
            Call::Unlink { principal: taken } => {
                let who = self.caller(who, Some(0));
                let expected = self.model.person_unlink(who, *taken);
                let got = (self.vault).person_unlink(self.context(who), principal(*taken));
                return self.done("person_unlink", expected, got);
            }
            Call::Http { .. } => self.http(call),
            Call::TokenKeyRotate { operator, above } => {
                return self.rotate(self.caller(who, Some(0)), *operator, *above);
            }
            Call::ShareLinkCreate { .. } => return self.share_link_create(who, call),
            Call::ShareLinkList { capsule } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                self.share_link_list(who, capsule, &real);
            }
            Call::ShareLinkRevoke { capsule, secret } => {
                return self.share_link_revoke(who, *capsule, *secret);
            }
            Call::ShareLinkOpen { secret, nonce } => {
                return self.share_link_open(self.caller(who, Some(0)), *secret, *nonce);
            }
            Call::ShareLinkShow {
                secret,
                limit,
                memory,
                nth,
            } => self.share_link_show(*secret, *limit, *memory, *nth),
            Call::VaultStatus { operator } if !self.memory.is_bounded() => {
                self.vault_status(self.caller(who, Some(0)), *operator);
            }
            Call::VaultStatus { .. } => {} // what is deleted there may wait for room
            Call::Means { poor } => {
                self.model.is_poor = *poor;
                self.vault.set_means(self.means());
            }
            Call::PersonRead => self.person_read(self.caller(who, Some(0))),
            Call::HoursPass { hours } => self.hours_pass(*hours),
            Call::Upgrade { args } => {
                self.reopen();
                self.vault.configure(args);
                self.model.configure(args);
            }
            Call::Update { .. } | Call::Grant { .. } | Call::Revoke { .. } => {
                return self.access_call(who, call);
            }
            Call::SharedWithMe { limit } => {
                self.shared_with_me(self.caller(who, Some(2)), *limit);
            }
            Call::Mint {
                memories,
                variants,
                assets,
                ttl,
            } => self.mint(who, memories, variants, assets.as_deref(), *ttl),
            Call::Begin { .. }
            | Call::BeginAnnounced { .. }
            | Call::Put { .. }
            | Call::Finish { .. }
            | Call::Abort { .. }
            | Call::Uploads { .. }
            | Call::UploadConfig
            | Call::CleanupExpired
            | Call::PutBlob { .. }
            | Call::BlobsByHash { .. }
            | Call::BlobRead { .. } => return self.upload_call(who, call),
            Call::Create { .. }
            | Call::CreateWithAssets { .. }
            | Call::Add { .. }
            | Call::AddSeveral { .. }
            | Call::Read { .. }
            | Call::List { .. }
            | Call::ListBadCursor { .. }
            | Call::Ping { .. }
            | Call::Trash { .. }
            | Call::Restore { .. }
            | Call::Delete { .. } => return self.memory_call(who, call),
            Call::DeleteBulk { .. }
            | Call::AssetRead { .. }
            | Call::AssetRemove { .. }
            | Call::Cleanup { .. }
            | Call::CleanupBulk { .. }
            | Call::BlobDelete { .. } => return self.asset_call(who, call),
        }
        String::new()
    }

    fn upload_call(&mut self, who: Who, call: &Call) -> String {
        match call {
            Call::Begin {
                capsule,
                expected,
                idem,
            } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                return self.begin(who, capsule, &real, *expected, &IDEMS[*idem]);
            }
            Call::BeginAnnounced {
                capsule,
                content,
                sha,
                len,
                chunk_size,
                idem,
            } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                let bytes = &CONTENTS[*content];
                let said = Announced {
                    sha: hash(*sha, sha256(bytes)).unwrap_or_default(),
                    len: bytes.len() as u64 + u64::from(*len == Given::Wrong),
                    chunk_size: *chunk_size,
                };
                return self.begin_announced(who, (capsule, &real), said, &IDEMS[*idem]);
            }
            Call::Put {
                session,
                index,
                piece,
            } => {
                let (session, real, who) = self.session_and_caller(*session, who);
                let bytes = match piece {
                    Piece::Content { content, from, to } => &CONTENTS[*content][*from..*to],
                    Piece::Large { over } => &LARGE_CHUNK[..limits::CHUNK_MAX as usize + over],
                };
                return self.put_chunk(who, session, real, *index, bytes);
            }
            Call::Finish { session, claim } => {
                let (session, real, who) = self.session_and_caller(*session, who);
                return self.finish(who, session, real, *claim);
            }
            Call::Abort { session } => {
                let (session, real, who) = self.session_and_caller(*session, who);
                let expected = self.model.uploads_abort((who, self.now), session);
                let got = self.vault.uploads_abort(self.context(who), real);
                return self.done("uploads_abort", expected, got);
            }
            Call::Uploads { session } => {
                let (session, real, who) = self.session_and_caller(*session, who);
                self.uploads_status(who, session, real);
                self.uploads_list(who);
            }
            Call::UploadConfig => self.upload_config(),
            Call::CleanupExpired => {
                let who = self.caller(who, Some(0));
                let expected = self.model.uploads_cleanup_expired(who);
                let got = self.vault.uploads_cleanup_expired(self.context(who));
                if let Some((expected, got)) = self.agree("sessions_cleanup_expired", expected, got)
                {
                    // Some may have been cleared away to make room for others.
                    assert!(got <= expected, "{got} cleared away, of {expected}");
                }
            }
            Call::PutBlob {
                capsule,
                content,
                sha,
                over,
                idem,
            } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                let bytes = over.map_or(&CONTENTS[*content][..], |over| {
                    &LARGE_CHUNK[..limits::CHUNK_MAX as usize + over]
                });
                let sha = hash(*sha, sha256(bytes)).unwrap_or_default();
                return self.put_blob(who, (capsule, &real), (bytes, &sha), &IDEMS[*idem]);
            }
            Call::BlobsByHash { capsule, contents } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                let each = contents.iter();
                let hashes = each.filter_map(|(n, given)| hash(*given, sha256(&CONTENTS[*n])));
                let hashes = hashes.collect();
                self.blobs_by_hash(who, (capsule, &real), hashes);
            }
            Call::BlobRead { blob, chunk } => {
                let (blob, real) = self.blob_pick(*blob, None);
                let capsule = if let BlobArg::Known(n) = blob {
                    Some(self.model.blobs[n].capsule)
                } else {
                    None
                };
                self.blob_read(self.caller(who, self.owner(capsule)), blob, &real, *chunk);
            }
            other => unreachable!("dispatched elsewhere: {other:?}"),
        }
        String::new()
    }

    fn memory_call(&mut self, who: Who, call: &Call) -> String {
        match call {
            Call::Create {
                capsule,
                assets,
                stray_hash,
                said,
                idem,
            } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                return self.create(who, capsule, real, assets, *stray_hash, said, &IDEMS[*idem]);
            }
            Call::CreateWithAssets {
                capsule,
                said,
                assets,
                idem,
            } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                let said = said.metadata();
                return self.create_with_assets(who, (capsule, &real), said, assets, &IDEMS[*idem]);
            }
            Call::Add {
                memory,
                asset,
                said,
                idem,
            } => {
                let (memory, real, who) = self.memory_and_caller(*memory, who);
                return self.add(who, memory.as_ref(), &real, asset, said, &IDEMS[*idem]);
            }
            Call::AddSeveral {
                memory,
                assets,
                idem,
            } => {
                let (memory, real, who) = self.memory_and_caller(*memory, who);
                return self.add_several(who, memory.as_ref(), &real, assets, &IDEMS[*idem]);
            }
            Call::Read { memory } => {
                let (memory, real, who) = self.memory_and_caller(*memory, who);
                self.read(who, memory.as_ref(), &real);
            }
            Call::List {
                capsule,
                limit,
                go_on,
            } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                self.list(who, capsule, &real, *limit, *go_on);
            }
            Call::ListBadCursor { capsule, cursor } => {
                let (capsule, real, who) = self.capsule_and_caller(*capsule, who);
                let expected = self.model.memories_list(who, capsule, None, false);
                let (context, cursor) = (self.context(who), Some(BAD_CURSORS[*cursor]));
                let got = self.vault.memories_list(context, &real, cursor, None);
                self.agree("memories_list", expected, got);
            }
            Call::Ping { memories } => self.ping(self.caller(who, Some(0)), memories),
            Call::Trash { memory } => {
                let (memory, real, who) = self.memory_and_caller(*memory, who);
                let expected = self.model.memories_trash((who, self.now), memory.as_ref());
                let got = self.vault.memories_trash(self.context(who), &real);
                if let (Some(memory), true) = (&memory, got.is_ok()) {
                    self.walks.deleted(memory);
                }
                return self.done("memories_trash", expected, got);
            }
            Call::Restore { memory } => {
                let (memory, real, who) = self.memory_and_caller(*memory, who);
                let expected = self
                    .model
                    .memories_restore((who, self.now), memory.as_ref());
                let got = self.vault.memories_restore(self.context(who), &real);
                return self.done("memories_restore", expected, got);
            }
            Call::Delete {
                memory,
                delete_assets,
            } => {
                let (memory, real, who) = self.memory_and_caller(*memory, who);
                let caller = (who, self.now);
                let expected =
                    (self.model).memories_delete(caller, memory.as_ref(), *delete_assets);
                let context = self.context(who);
                let got = self.vault.memories_delete(context, &real, *delete_assets);
                if let (Some(memory), true) = (&memory, got.is_ok()) {
                    self.walks.deleted(memory);
                }
                return self.done("memories_delete", expected, got);
            }
            other => unreachable!("dispatched elsewhere: {other:?}"),
        }
        String::new()
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
