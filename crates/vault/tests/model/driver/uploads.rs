//! Uploads and blobs, compared.

use keepsake_api::{
    ByteBuf, HeldBlob, StorageBackend, UploadAnnouncement, UploadBegin, UploadConfig, UploadState,
    UploadStatus,
};
use keepsake_vault::{FinishStep, limits};

use super::Driver;
use crate::calls::Claim;
use crate::model::{Announced, Begun, BlobArg, Refusal, State, Status};
use crate::pools::{CONTENTS, sha256};

impl Driver {
    pub fn begin(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        real: &str,
        expected_chunks: u32,
        idem: &str,
    ) -> String {
        let expected = self
            .model
            .uploads_begin((who, self.now), capsule, expected_chunks, idem);
        let got = self
            .vault
            .uploads_begin(self.context(who), real, expected_chunks, idem);
        let text = format!("{got:?}");
        if let Some((session, got)) = self.agree("uploads_begin", expected, got) {
            self.sessions.learn(&session, &got.to_string());
            self.current = Some(session);
        }
        text
    }

    pub(super) fn upload_config(&mut self) {
        let expected = UploadConfig {
            inline_max: 32_768,
            chunk_size: 1_800_000,
            inline_budget_per_capsule: self.model.quotas.inline as u32,
        };
        let got = self.vault.upload_config();
        if let Some((expected, got)) = self.agree("upload_config", Ok(expected), Ok(got)) {
            assert_eq!(got, expected);
        }
    }

    pub(super) fn begin_announced(
        &mut self,
        who: usize,
        (capsule, real): (Option<usize>, &str),
        said: Announced,
        idem: &str,
    ) -> String {
        let announcement = UploadAnnouncement {
            sha256: said.sha.clone().into(),
            total_len: said.len,
            chunk_size: said.chunk_size,
        };
        let sha = said.sha.clone();
        let expected = (self.model).uploads_begin_announced((who, self.now), capsule, said, idem);
        let context = self.context(who);
        let got = (self.vault).uploads_begin_announced(context, real, &announcement, idem);
        let text = format!("{got:?}");
        match self.agree("uploads_begin_announced", expected, got) {
            Some((Begun::Present, UploadBegin::Present(held))) => self.held(capsule, &sha, &held),
            Some((
                Begun::Open(expected),
                UploadBegin::Open {
                    session,
                    expected_chunks,
                },
            )) => {
                self.sessions.learn(&expected, &session.to_string());
                assert_eq!(expected_chunks, self.model.sessions[expected].expected);
                self.current = Some(expected);
            }
            Some((expected, got)) => panic!("begun as {got:?}, not {expected:?}"),
            None => {}
        }
        text
    }

    pub(super) fn put_blob(
        &mut self,
        who: usize,
        (capsule, real): (Option<usize>, &str),
        (bytes, sha): (&[u8], &[u8]),
        idem: &str,
    ) -> String {
        let count = self.model.blobs.len();
        let expected = (self.model).uploads_put_blob((who, self.now), capsule, bytes, sha, idem);
        let context = self.context(who);
        let got = (self.vault).uploads_put_blob(context, real, bytes, sha, idem);
        let text = format!("{got:?}");
        if let Some((mut blob, got)) = self.agree("uploads_put_blob", expected, got) {
            if blob == count
                && let Some(before) = self.blobs.find(&got.blob_id)
            {
                blob = *before;
                self.model.made_again(blob);
            }
            self.blobs.learn(&blob, &got.blob_id);
            let known = &self.model.blobs[blob];
            assert_eq!(
                (got.size, got.checksum_sha256, got.uploaded_at),
                (
                    bytes.len() as u64,
                    Some(sha.to_vec().into()),
                    known.created_at
                )
            );
            assert_eq!(
                (got.storage_backend, got.memory_id.as_str()),
                (StorageBackend::Icp, "")
            );
        }
        text
    }

    /// A blob of the capsule with this content.
    fn held(&self, capsule: Option<usize>, sha: &[u8], held: &HeldBlob) {
        let blob = &self.model.blobs[*self.blobs.thing(&held.blob_id)];
        assert!(
            Some(blob.capsule) == capsule && !blob.deleted,
            "held: {held:?}"
        );
        assert_eq!(
            (sha256(&blob.bytes()).as_slice(), blob.bytes().len() as u64),
            (sha, held.size)
        );
    }

    pub(super) fn blobs_by_hash(
        &mut self,
        who: usize,
        (capsule, real): (Option<usize>, &str),
        hashes: Vec<Vec<u8>>,
    ) {
        let expected = self.model.blobs_by_hash(who, capsule, &hashes);
        let asked: Vec<ByteBuf> = hashes.iter().cloned().map(ByteBuf::from).collect();
        let got = self.vault.blobs_by_hash(self.context(who), real, &asked);
        if let Some((expected, got)) = self.agree("blobs_by_hash", expected, got) {
            let holds: Vec<bool> = got.iter().map(Option::is_some).collect();
            assert_eq!(holds, expected, "which contents the capsule holds");
            for (sha, held) in hashes.iter().zip(&got) {
                if let Some(held) = held {
                    self.held(capsule, sha, held);
                }
            }
        }
    }

    pub(super) fn put_chunk(
        &mut self,
        who: usize,
        session: Option<usize>,
        real: u64,
        index: u32,
        bytes: &[u8],
    ) -> String {
        let gone = session.is_some_and(|session| self.model.content_is_gone(session));
        let mut expected = (self.model).uploads_put_chunk((who, self.now), session, index, bytes);
        let got = self
            .vault
            .uploads_put_chunk(self.context(who), real, index, bytes);
        if gone && expected.is_ok() && got.is_err() {
            // The same chunk once more, after the content that it was part of was deleted: the vault need not remember it.
            expected = Err(vec![Refusal::Conflict]);
        }
        self.done("uploads_put_chunk", expected, got)
    }

    pub(super) fn finish(
        &mut self,
        who: usize,
        session: Option<usize>,
        real: u64,
        claim: Claim,
    ) -> String {
        let held = session
            .map(|s| {
                self.model.sessions[s]
                    .chunks
                    .values()
                    .flatten()
                    .copied()
                    .collect::<Vec<u8>>()
            })
            .unwrap_or_default();
        let (sha, len) = (sha256(&held).to_vec(), held.len() as u64);
        let (sha, len) = match claim {
            Claim::Truth => (sha, len),
            Claim::Content(content) => (
                sha256(&CONTENTS[content]).to_vec(),
                CONTENTS[content].len() as u64,
            ),
            Claim::WrongHash => (sha.iter().map(|b| !b).collect(), len),
            Claim::WrongLength(by) => (sha, len.wrapping_add_signed(by.into())),
            Claim::HashOfLength(n) => (vec![1; n], len),
        };
        let expected = self
            .model
            .uploads_finish((who, self.now), session, &sha, len);
        let got = loop {
            match self
                .vault
                .uploads_finish(self.context(who), real, &sha, len)
            {
                Ok(FinishStep::HashMore) => {}
                Ok(FinishStep::Done(result)) => break Ok(result),
                Err(error) => break Err(error),
            }
        };
        let text = format!("{got:?}");
        if let Some(((blob, at), got)) = self.agree("uploads_finish", expected, got) {
            self.blobs.learn(&blob, &got.blob_id);
            assert_eq!(got.memory_id, "", "finishing an upload creates no memory");
            assert_eq!(
                (got.size, got.checksum_sha256.as_deref()),
                (len, Some(&sha))
            );
            assert_eq!(
                (got.storage_backend, got.uploaded_at),
                (StorageBackend::Icp, at)
            );
            let first = self.finished.entry(blob).or_insert_with(|| got.clone());
            assert_eq!(*first, got, "finish asked again");
        }
        text
    }

    pub(super) fn uploads_status(&mut self, who: usize, session: Option<usize>, real: u64) {
        let expected = self.model.uploads_status(who, session);
        let got = self.vault.uploads_status(self.context(who), real);
        if let (Some(session), Some((expected, got))) =
            (session, self.agree("uploads_status", expected, got))
        {
            self.status(session, expected, got);
        }
    }

    pub(super) fn uploads_list(&mut self, who: usize) {
        let expected = self.model.uploads_list(who);
        let got = self.vault.uploads_list(self.context(who));
        let Some((expected, got)) = self.agree("uploads_list", expected, got) else {
            return;
        };
        assert_eq!(got.len(), expected.len(), "sessions of caller {who}");
        for got in got {
            let session = *self.sessions.thing(&got.session.to_string());
            assert!(expected.contains(&session), "not a session of his: {got:?}");
            let known = self.model.uploads_status(who, Some(session));
            self.status(session, known.expect("it is his"), got);
        }
    }

    fn status(&self, session: usize, (state, chunks, bytes, missing): Status, got: UploadStatus) {
        let known = &self.model.sessions[session];
        let ranges: Vec<_> = got
            .missing
            .iter()
            .map(|gap| (gap.first, gap.last))
            .collect();
        assert_eq!(
            (got.received_chunks, got.received_bytes, ranges),
            (chunks, bytes, missing),
            "status of a session"
        );
        let expected = match state {
            State::Finished { blob, .. } => UploadState::Finished {
                blob_id: self.blobs.of(&blob).to_owned(),
            },
            State::Aborted => UploadState::Aborted,
            _ => UploadState::Open,
        };
        assert_eq!(
            (got.state, got.expected_chunks, got.expires_at),
            (expected, known.expected, known.until)
        );
        assert_eq!(got.capsule_id, self.capsules.of(&known.capsule));
        assert_eq!(got.session.to_string(), self.sessions.of(&session));
    }

    pub fn blob_read(&mut self, who: usize, blob: BlobArg, real: &str, chunk: u32) {
        let context = self.context(who);
        let known = (self.model.blob((who, self.now), blob)).map(|blob| blob.chunks.clone());
        let got = self.vault.blob_get_meta(context, real);
        if let Some((chunks, got)) = self.agree("blob_get_meta", known.clone(), got) {
            assert_eq!(
                (got.size, got.chunk_count as usize),
                (chunks.concat().len() as u64, chunks.len()),
                "blob_get_meta"
            );
        }
        let whole = known.clone().and_then(|chunks| {
            let bytes = chunks.concat();
            if bytes.len() as u64 > limits::BLOB_READ_MAX {
                Err(vec![Refusal::Invalid(String::new())])
            } else {
                Ok(bytes)
            }
        });
        let got = self.vault.blob_read(context, real);
        if let Some((bytes, got)) = self.agree("blob_read", whole, got) {
            assert!(bytes == got, "blob_read of {real} gives other bytes");
        }
        let got = self.vault.blob_read_chunk(context, real, chunk);
        if let Some((chunks, got)) = self.agree("blob_read_chunk", known, got) {
            assert!(
                chunks.get(chunk as usize).cloned().unwrap_or_default() == got,
                "blob_read_chunk of {real}, {chunk}, gives other bytes"
            );
        }
    }
}
