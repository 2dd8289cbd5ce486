//! A vault and the shortest way to each call, for tests that say every step themselves.

use std::fmt::Debug;

use keepsake_api::{
    AssetMetadata, AssetType, BlobHosting, BlobRef, Error as Wire, InlineAssetInput,
    InternalBlobAssetInput, MemoryMetadata, MemoryType, PersonRef, UploadFinishResult,
};
use keepsake_vault::{Call, FinishStep, NewMemory, Result, Vault};

use crate::bounded::Bounded;
use crate::calls::{Given, MemorySaid, Said};
use crate::pools::{principal, sha256};

pub const DAY: u64 = 24 * 3_600 * 1_000_000_000;

pub struct Home {
    pub memory: Bounded,
    pub vault: Vault<Bounded>,
    pub now: u64,
}

impl Home {
    pub fn new() -> Self {
        let memory = Bounded::endless();
        let mut vault = Vault::open(memory.clone()).expect("an empty memory");
        vault.set_seed([7; 32]);
        let now = 1_760_000_000_000_000_000;
        Self { memory, vault, now }
    }

    pub fn by(&self, who: usize) -> Call {
        Call {
            caller: principal(who),
            now: self.now,
        }
    }

    /// The caller's own capsule.
    pub fn own(&mut self, who: usize) -> String {
        let created = self.vault.capsules_create(self.by(who), None);
        created.expect("anybody may have a capsule").id
    }

    /// A capsule about somebody else.
    pub fn about(&mut self, owner: usize, subject: usize) -> String {
        let subject = PersonRef::Principal(principal(subject));
        let created = self.vault.capsules_create(self.by(owner), Some(subject));
        created.expect("a capsule about somebody").id
    }

    pub fn begin(&mut self, who: usize, capsule: &str, chunks: u32, idem: &str) -> Result<u64> {
        self.vault
            .uploads_begin(self.by(who), capsule, chunks, idem)
    }

    pub fn put(&mut self, who: usize, session: u64, index: u32, bytes: &[u8]) -> Result<()> {
        self.vault
            .uploads_put_chunk(self.by(who), session, index, bytes)
    }

    /// Finishes with the hash and length of this content.
    pub fn finish(&mut self, who: usize, session: u64, bytes: &[u8]) -> Result<UploadFinishResult> {
        self.finish_as(who, session, &sha256(bytes), bytes.len() as u64)
    }

    pub fn finish_as(
        &mut self,
        who: usize,
        session: u64,
        sha: &[u8],
        len: u64,
    ) -> Result<UploadFinishResult> {
        loop {
            match self.vault.uploads_finish(self.by(who), session, sha, len)? {
                FinishStep::Done(result) => return Ok(result),
                FinishStep::HashMore => {}
            }
        }
    }

    /// A whole upload; the blob's id.
    pub fn upload(&mut self, who: usize, capsule: &str, chunks: &[&[u8]], idem: &str) -> String {
        let session = self.begin(who, capsule, chunks.len() as u32, idem);
        let session = session.expect("begin");
        for (index, chunk) in chunks.iter().enumerate() {
            self.put(who, session, index as u32, chunk).expect("put");
        }
        self.finish(who, session, &chunks.concat())
            .expect("finish")
            .blob_id
    }

    pub fn create(&mut self, who: usize, new: NewMemory) -> Result<String> {
        self.vault.memories_create(self.by(who), new)
    }

    pub fn inline(
        &mut self,
        who: usize,
        capsule: &str,
        bytes: &[u8],
        idem: &str,
    ) -> Result<String> {
        self.create(who, inline(capsule, bytes, idem))
    }

    pub fn add(&mut self, who: usize, memory: &str, bytes: &[u8], idem: &str) -> Result<String> {
        let input = InlineAssetInput {
            bytes: bytes.to_vec().into(),
            metadata: plain(),
        };
        self.vault
            .memories_add_inline_asset(self.by(who), memory, input, idem)
    }

    pub fn add_blob(&mut self, who: usize, memory: &str, blob: &str, idem: &str) -> Result<String> {
        self.vault
            .memories_add_asset(self.by(who), memory, blob_input(blob), idem)
    }

    pub fn delete(&mut self, who: usize, memory: &str, delete_assets: bool) -> Result<()> {
        self.vault
            .memories_delete(self.by(who), memory, delete_assets)
    }

    /// Ids on a page, and the cursor of the next.
    pub fn page(
        &self,
        who: usize,
        capsule: &str,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<(Vec<String>, Option<String>)> {
        let page = self
            .vault
            .memories_list(self.by(who), capsule, cursor, limit)?;
        Ok((
            page.items.into_iter().map(|item| item.id).collect(),
            page.next_cursor,
        ))
    }

    /// Sweeps until there is nothing left to sweep.
    pub fn sweep(&mut self) {
        while self.vault.sweep_sessions(self.now, 10) {}
    }

    /// The counters are right, and the vault opens again.
    pub fn sound(&mut self) {
        self.vault.recount().expect("counters");
        self.vault = Vault::open(self.memory.clone()).expect("our own memory");
        self.vault.recount().expect("counters after opening again");
    }
}

/// Asset metadata that says nothing.
pub fn plain() -> AssetMetadata {
    let said = Said {
        kind: MemoryType::Image,
        asset_type: AssetType::Original,
        bytes: Given::Nothing,
        sha256: Given::Nothing,
        created_at: 0,
        rich: false,
    };
    said.metadata(0, [0; 32])
}

/// Memory metadata with this date.
pub fn dated(date_of_memory: Option<u64>) -> MemoryMetadata {
    let said = MemorySaid {
        kind: MemoryType::Image,
        title: None,
        created_at: 0,
        date_of_memory,
        rich: false,
    };
    said.metadata()
}

pub fn blob_input(blob_id: &str) -> InternalBlobAssetInput {
    InternalBlobAssetInput {
        blob_id: blob_id.into(),
        metadata: plain(),
    }
}

fn nothing(capsule: &str, idem: &str) -> NewMemory {
    NewMemory {
        capsule: capsule.into(),
        inline: None,
        blob: None,
        location: None,
        storage_key: None,
        url: None,
        size: None,
        sha256: None,
        metadata: plain(),
        idem: idem.into(),
    }
}

pub fn inline(capsule: &str, bytes: &[u8], idem: &str) -> NewMemory {
    NewMemory {
        inline: Some(bytes.to_vec().into()),
        ..nothing(capsule, idem)
    }
}

pub fn of_blob(capsule: &str, blob: &str, hash: Option<Vec<u8>>, idem: &str) -> NewMemory {
    NewMemory {
        blob: Some(BlobRef {
            locator: blob.into(),
            hash: hash.map(Into::into),
            len: 0,
        }),
        ..nothing(capsule, idem)
    }
}

pub fn external(capsule: &str, key: &str, size: Option<u64>, idem: &str) -> NewMemory {
    NewMemory {
        location: Some(BlobHosting::S3),
        storage_key: Some(key.into()),
        size,
        ..nothing(capsule, idem)
    }
}

/// The error as clients see it.
pub fn refusal<T: Debug>(result: Result<T>) -> Wire {
    Wire::from(result.expect_err("this call must be refused"))
}

/// An `InvalidArgument` with this beginning.
#[track_caller]
pub fn assert_invalid<T: Debug>(result: Result<T>, beginning: &str) {
    match refusal(result) {
        Wire::InvalidArgument(text) if text.starts_with(beginning) && text.contains(':') => {}
        other => panic!("expected InvalidArgument({beginning}…), got {other:?}"),
    }
}
