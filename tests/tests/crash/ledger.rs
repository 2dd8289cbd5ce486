//! What a client knows to be acknowledged, and whether the vault still has it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use keepsake_client::{ClientError, Vault, api::UploadFinishResult, upload::UploadCalls};

pub type Hash = [u8; 32];

/// What one client knows to be acknowledged.
#[derive(Default)]
pub struct Ledger {
    pub sessions: BTreeMap<u64, Session>,
    /// Content of the assets of memories, by memory.
    pub memories: BTreeMap<String, BTreeSet<Hash>>,
    /// A call was sent that may have made one memory more.
    pub may_have_created: bool,
    /// A memory whose deletion was sent.
    pub may_have_deleted: Option<String>,
    /// Chunks acknowledged by every session since the beginning.
    pub travelled: BTreeMap<u64, BTreeSet<u32>>,
    /// Uploads that went on in a session with chunks from before.
    pub resumed: usize,
}

#[derive(Default)]
pub struct Session {
    pub chunks: BTreeSet<u32>,
    pub finish: Option<(Hash, u64)>,
    pub blob: Option<String>,
    pub aborted: bool,
}

/// The client's upload calls, written down as they are acknowledged.
#[derive(Clone)]
pub struct Recorded {
    pub vault: Vault,
    pub ledger: Arc<Mutex<Ledger>>,
    pub acknowledged: Arc<AtomicUsize>,
}

impl Recorded {
    fn note(&self, session: u64, note: impl FnOnce(&mut Session)) {
        let mut ledger = self.ledger.lock().unwrap();
        note(ledger.sessions.entry(session).or_default());
    }

    pub fn acknowledged(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

impl UploadCalls for Recorded {
    async fn begin(&self, capsule: &str, chunks: u32, idem: &str) -> Result<u64, ClientError> {
        let session = self.vault.uploads_begin(capsule, chunks, idem).await?;
        self.note(session, |_| {});
        let mut ledger = self.ledger.lock().unwrap();
        let before = ledger
            .travelled
            .get(&session)
            .is_some_and(|chunks| !chunks.is_empty());
        ledger.resumed += usize::from(before);
        self.acknowledged();
        Ok(session)
    }

    async fn put_chunk(&self, session: u64, index: u32, bytes: Vec<u8>) -> Result<(), ClientError> {
        self.vault.uploads_put_chunk(session, index, &bytes).await?;
        self.note(session, |session| {
            session.chunks.insert(index);
        });
        let mut ledger = self.ledger.lock().unwrap();
        let new = ledger.travelled.entry(session).or_default().insert(index);
        assert!(
            new,
            "chunk {index} of session {session} was acknowledged before, and sent again"
        );
        self.acknowledged();
        Ok(())
    }

    async fn finish(
        &self,
        session: u64,
        hash: Hash,
        len: u64,
    ) -> Result<UploadFinishResult, ClientError> {
        // A hash of zeros only asks what is missing.
        let real = hash != [0; 32];
        if real {
            self.note(session, |session| session.finish = Some((hash, len)));
        }
        let result = self.vault.uploads_finish(session, &hash, len).await?;
        self.note(session, |session| {
            session.blob = Some(result.blob_id.clone());
        });
        self.acknowledged();
        Ok(result)
    }

    async fn put_blob(
        &self,
        capsule: &str,
        bytes: &[u8],
        hash: Hash,
        idem: &str,
    ) -> Result<UploadFinishResult, ClientError> {
        let result = self
            .vault
            .uploads_put_blob(capsule, bytes, &hash, idem)
            .await?;
        self.acknowledged();
        Ok(result)
    }

    async fn abort(&self, session: u64) -> Result<(), ClientError> {
        self.note(session, |session| session.aborted = true);
        self.vault.uploads_abort(session).await
    }
}

/// A session has every chunk that it acknowledged; one that was asked to finish with all of them does.
pub async fn check_session(vault: &Vault, id: u64, session: &Session) {
    if let Some((hash, len)) = session.finish {
        let finished = vault
            .uploads_finish(id, &hash, len)
            .await
            .unwrap_or_else(|error| panic!("session {id}, of which all was acknowledged: {error}"));
        if let Some(blob) = &session.blob {
            assert_eq!(&finished.blob_id, blob, "session {id}");
        }
        return;
    }
    let error = vault.uploads_finish(id, &[0; 32], 0).await.unwrap_err();
    let text = error
        .invalid_argument()
        .unwrap_or_else(|| panic!("session {id}: {error}"));
    let missing = missing(text);
    let lost: Vec<&u32> = session.chunks.intersection(&missing).collect();
    assert!(lost.is_empty(), "session {id} lost chunks {lost:?}: {text}");
}

/// The chunks named in `chunk_missing: 3,7-9`; none where all are there and something else is wrong.
fn missing(text: &str) -> BTreeSet<u32> {
    let Some(list) = text.strip_prefix("chunk_missing: ") else {
        assert!(text.starts_with("size_mismatch"), "{text}");
        return BTreeSet::new();
    };
    let number = |text: &str| text.parse::<u32>().unwrap();
    list.split(',')
        .flat_map(|range| match range.split_once('-') {
            Some((first, last)) => number(first)..=number(last),
            None => number(range)..=number(range),
        })
        .collect()
}

#[test]
fn missing_chunks_are_read_as_they_are_written() {
    let all = |list: &[u32]| list.iter().copied().collect::<BTreeSet<u32>>();
    assert_eq!(missing("chunk_missing: 3,7-9"), all(&[3, 7, 8, 9]));
    assert_eq!(missing("chunk_missing: 0"), all(&[0]));
    assert_eq!(missing("size_mismatch: 1 of 2"), all(&[]));
}
