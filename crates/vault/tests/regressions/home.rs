//! A vault and the shortest way to each call.

use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::{
    AccessCondition, AccessEntry, AssetMetadata, AssetMetadataBase, AssetType, BlobRef,
    Error as Wire, GrantSource, HttpRequest, InternalBlobAssetInput, PersonRef, ResourceRole,
};
use keepsake_vault::{Call, FinishStep, Means, NewMemory, Result, Vault};
use sha2::{Digest, Sha256};

pub const SECOND: u64 = 1_000_000_000;
pub const DAY: u64 = 24 * 3_600 * SECOND;

/// More than enough to live on.
const MEANS: Means = Means {
    balance: u128::MAX / 2,
    liquid: u128::MAX / 4,
    heap: 0,
};

#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Who {
    Owner = 1,
    Controller,
    Stranger,
}

impl Who {
    pub fn principal(self) -> Principal {
        Principal::self_authenticating([self as u8; 32])
    }

    pub fn person(self) -> PersonRef {
        PersonRef::Principal(self.principal())
    }
}

pub struct Home {
    memory: VectorMemory,
    pub vault: Vault<VectorMemory>,
    pub now: u64,
    /// The owner's own, which the controller controls.
    pub capsule: String,
}

pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

pub fn note() -> AssetMetadata {
    AssetMetadata::Note(AssetMetadataBase::new("note", AssetType::Original, "text/plain").into())
}

/// An entry for everybody: to view and download.
pub fn public() -> AccessEntry {
    AccessEntry {
        id: "public".into(),
        person_ref: None,
        is_public: true,
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Member,
        perm_mask: 3,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}

impl Home {
    pub fn new() -> Self {
        let memory = VectorMemory::default();
        let mut vault = Vault::open(memory.clone()).expect("an empty memory");
        vault.set_seed([7; 32]);
        let now = 1_760_000_000 * SECOND;
        let owner = Call {
            caller: Who::Owner.principal(),
            now,
        };
        let capsule = vault.capsules_create(owner, None).expect("a capsule").id;
        let added = vault.capsule_controller_add(owner, &capsule, Who::Controller.person());
        added.expect("a controller");
        Self {
            memory,
            vault,
            now,
            capsule,
        }
    }

    pub fn by(&self, who: Who) -> Call {
        Call {
            caller: who.principal(),
            now: self.now,
        }
    }

    pub fn owner(&self) -> Call {
        self.by(Who::Owner)
    }

    pub fn blob(&mut self, bytes: &[u8], idem: &str) -> String {
        let owner = self.owner();
        let sha = sha256(bytes);
        let put = self
            .vault
            .uploads_put_blob(owner, &self.capsule, bytes, &sha, idem);
        put.expect("a blob").blob_id
    }

    /// A memory of the blob.
    pub fn of_blob(&mut self, blob: &str, idem: &str) -> String {
        let new = NewMemory {
            capsule: self.capsule.clone(),
            inline: None,
            blob: Some(BlobRef {
                locator: blob.into(),
                hash: None,
                len: 0,
            }),
            location: None,
            storage_key: None,
            url: None,
            size: None,
            sha256: None,
            metadata: note(),
            idem: idem.into(),
        };
        let created = self.vault.memories_create(self.owner(), new);
        created.expect("a memory")
    }

    /// The blob once more, in the same memory; the asset's id.
    pub fn add(&mut self, memory: &str, blob: &str, idem: &str) -> String {
        let input = InternalBlobAssetInput {
            blob_id: blob.into(),
            metadata: note(),
        };
        let owner = self.owner();
        let added = self.vault.memories_add_asset(owner, memory, input, idem);
        added.expect("an asset")
    }

    pub fn begin(&mut self, chunks: u32, idem: &str) -> u64 {
        let owner = self.owner();
        let session = self.vault.uploads_begin(owner, &self.capsule, chunks, idem);
        session.expect("a session")
    }

    pub fn put(&mut self, session: u64, index: u32, bytes: &[u8]) -> Result<()> {
        let owner = self.owner();
        self.vault.uploads_put_chunk(owner, session, index, bytes)
    }

    /// Finishes with hash and length of this content; the blob's id.
    pub fn finish(&mut self, session: u64, content: &[u8]) -> Result<String> {
        let (owner, len) = (self.owner(), content.len() as u64);
        loop {
            let step = self
                .vault
                .uploads_finish(owner, session, &sha256(content), len)?;
            match step {
                FinishStep::Done(result) => return Ok(result.blob_id),
                FinishStep::HashMore => {}
            }
        }
    }

    /// Status of an answer to a request for the memory's original with this token.
    pub fn get(&self, memory: &str, token: &str) -> u16 {
        let request = HttpRequest {
            method: "GET".into(),
            url: format!("/asset/{memory}/original?token={token}"),
            headers: Vec::new(),
            body: Vec::new().into(),
            certificate_version: None,
        };
        let response = self.vault.http_request(self.now, MEANS, &request);
        response.status_code
    }

    /// Bytes that content takes up.
    pub fn content_bytes(&self) -> u64 {
        let status = self.vault.status(self.now, MEANS);
        status.holdings.content_bytes
    }

    /// Sweeps until there is nothing left to sweep.
    pub fn sweep(&mut self) {
        while self.vault.sweep(self.now) {}
    }

    /// Closes the vault and opens it again, as an upgrade does; counted anew before and after.
    pub fn upgrade(&mut self) {
        self.vault.recount().expect("counters");
        self.vault = Vault::open(self.memory.clone()).expect("our own memory");
        self.vault.recount().expect("counters after an upgrade");
    }
}

/// The error as clients see it.
#[track_caller]
pub fn refusal<T: std::fmt::Debug>(result: Result<T>) -> Wire {
    Wire::from(result.expect_err("this call must be refused"))
}

/// An `InvalidArgument` with this beginning.
#[track_caller]
pub fn assert_invalid<T: std::fmt::Debug>(result: Result<T>, beginning: &str) {
    match refusal(result) {
        Wire::InvalidArgument(text) if text.starts_with(beginning) => {}
        other => panic!("expected InvalidArgument({beginning}…), got {other:?}"),
    }
}
