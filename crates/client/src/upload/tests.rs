use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use keepsake_api::{ByteBuf, StorageBackend};

use super::*;
use crate::RetryPolicy;

#[derive(Default)]
struct Session {
    chunks: u32,
    received: BTreeMap<u32, Vec<u8>>,
    finished: Option<UploadFinishResult>,
}

#[derive(Default)]
struct State {
    sessions: BTreeMap<u64, Session>,
    by_idem: BTreeMap<(String, String), u64>,
    blobs: Vec<Vec<u8>>,
}

/// Uploads as the contract describes them, in memory, with faults on request.
#[derive(Clone, Default)]
struct FakeVault {
    state: Arc<Mutex<State>>,
    in_flight: Arc<AtomicUsize>,
    most_in_flight: Arc<AtomicUsize>,
    puts: Arc<AtomicU64>,
    /// Puts after this many fail with a transport error until the vault is healed.
    dies_after: Arc<Mutex<Option<u64>>>,
    /// Every n-th put fails once in a way that a retry heals.
    flaky: u64,
}

fn vault_error(method: &'static str, text: String) -> ClientError {
    ClientError::Vault {
        method,
        error: VaultError::InvalidArgument(text),
    }
}

fn unreachable() -> ClientError {
    ClientError::Busy {
        url: "http://vault".into(),
        method: "uploads_put_chunk",
        reason: "connection reset".into(),
    }
}

fn stored(number: usize, size: u64, sha256: [u8; 32]) -> UploadFinishResult {
    UploadFinishResult {
        blob_id: format!("blob_{number}"),
        memory_id: String::new(),
        size,
        checksum_sha256: Some(ByteBuf::from(sha256.to_vec())),
        storage_backend: StorageBackend::Icp,
        storage_location: String::new(),
        remote_id: None,
        uploaded_at: 1,
        expires_at: None,
    }
}

impl UploadCalls for FakeVault {
    async fn begin(&self, capsule_id: &str, chunks: u32, idem: &str) -> Result<u64, ClientError> {
        let mut state = self.state.lock().unwrap();
        let key = (capsule_id.to_owned(), idem.to_owned());
        if let Some(&id) = state.by_idem.get(&key)
            && state.sessions[&id].finished.is_none()
        {
            return Ok(id);
        }
        let id = state.sessions.len() as u64 + 1;
        state.by_idem.insert(key, id);
        state.sessions.insert(
            id,
            Session {
                chunks,
                ..Session::default()
            },
        );
        Ok(id)
    }

    async fn put_chunk(&self, session: u64, index: u32, bytes: Vec<u8>) -> Result<(), ClientError> {
        let policy = RetryPolicy {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(2),
            give_up_after: Duration::from_millis(20),
        };
        policy
            .run(|| async {
                let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_in_flight.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.in_flight.fetch_sub(1, Ordering::SeqCst);
                let n = self.puts.fetch_add(1, Ordering::SeqCst) + 1;
                if self
                    .dies_after
                    .lock()
                    .unwrap()
                    .is_some_and(|limit| n > limit)
                {
                    return Err(unreachable());
                }
                if self.flaky > 0 && n.is_multiple_of(self.flaky) {
                    return Err(unreachable());
                }
                let mut state = self.state.lock().unwrap();
                let Some(open) = state.sessions.get_mut(&session) else {
                    return Err(ClientError::Vault {
                        method: "uploads_put_chunk",
                        error: VaultError::NotFound,
                    });
                };
                assert!(index < open.chunks);
                open.received.insert(index, bytes.clone());
                Ok(())
            })
            .await
    }

    async fn finish(
        &self,
        session: u64,
        sha256: [u8; 32],
        len: u64,
    ) -> Result<UploadFinishResult, ClientError> {
        let mut state = self.state.lock().unwrap();
        let Some(open) = state.sessions.get(&session) else {
            return Err(ClientError::Vault {
                method: "uploads_finish",
                error: VaultError::NotFound,
            });
        };
        if let Some(result) = &open.finished {
            return Ok(result.clone());
        }
        let missing: Vec<String> = (0..open.chunks)
            .filter(|i| !open.received.contains_key(i))
            .map(|i| i.to_string())
            .collect();
        if !missing.is_empty() {
            let text = format!("chunk_missing: {}", missing.join(","));
            return Err(vault_error("uploads_finish", text));
        }
        let bytes: Vec<u8> = open.received.values().flatten().copied().collect();
        if bytes.len() as u64 != len {
            return Err(vault_error("uploads_finish", "size_mismatch".into()));
        }
        if <[u8; 32]>::from(Sha256::digest(&bytes)) != sha256 {
            return Err(vault_error("uploads_finish", "hash_mismatch".into()));
        }
        state.blobs.push(bytes);
        let result = stored(state.blobs.len(), len, sha256);
        if let Some(open) = state.sessions.get_mut(&session) {
            open.finished = Some(result.clone());
        }
        Ok(result)
    }

    async fn put_blob(
        &self,
        _capsule_id: &str,
        bytes: &[u8],
        sha256: [u8; 32],
        _idem: &str,
    ) -> Result<UploadFinishResult, ClientError> {
        if <[u8; 32]>::from(Sha256::digest(bytes)) != sha256 {
            return Err(vault_error("uploads_put_blob", "hash_mismatch".into()));
        }
        let mut state = self.state.lock().unwrap();
        state.blobs.push(bytes.to_vec());
        Ok(stored(state.blobs.len(), bytes.len() as u64, sha256))
    }

    async fn abort(&self, session: u64) -> Result<(), ClientError> {
        let mut state = self.state.lock().unwrap();
        state.sessions.remove(&session);
        state.by_idem.retain(|_, id| *id != session);
        Ok(())
    }
}

impl FakeVault {
    fn puts(&self) -> u64 {
        self.puts.load(Ordering::SeqCst)
    }

    fn blobs(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().blobs.clone()
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

fn written(dir: &tempfile::TempDir, bytes: &[u8]) -> Content {
    let path = dir.path().join("video.mp4");
    std::fs::write(&path, bytes).unwrap();
    Content::File(FileContent::at(&path).unwrap())
}

fn in_memory(bytes: Vec<u8>) -> Content {
    Content::Bytes {
        bytes: bytes.into(),
        label: String::new(),
    }
}

#[tokio::test]
async fn content_arrives_whole_in_a_bounded_window() {
    let vault = FakeVault::default();
    let uploader = Uploader::over(vault.clone(), 100).with_window(3);
    let dir = tempfile::tempdir().unwrap();
    for len in [0, 1, 99, 100, 101, 1_000, 2_345] {
        let bytes = pattern(len);
        let sent = AtomicU64::new(0);
        let count = |n| {
            sent.fetch_add(n, Ordering::SeqCst);
        };
        for content in [in_memory(bytes.clone()), written(&dir, &bytes)] {
            sent.store(0, Ordering::SeqCst);
            let blob = uploader.upload("capsule", &content, &count).await.unwrap();
            assert_eq!(blob.len, len as u64);
            assert_eq!(blob.sha256, <[u8; 32]>::from(Sha256::digest(&bytes)));
            assert_eq!(sent.load(Ordering::SeqCst), len as u64);
            assert_eq!(vault.blobs().last(), Some(&bytes));
        }
    }
    assert!(vault.most_in_flight.load(Ordering::SeqCst) <= 3);
    assert!(vault.most_in_flight.load(Ordering::SeqCst) >= 2);
}

#[tokio::test]
async fn transport_errors_cost_their_chunk_alone() {
    let vault = FakeVault {
        flaky: 4,
        ..FakeVault::default()
    };
    let uploader = Uploader::over(vault.clone(), 10);
    let bytes = pattern(200);
    uploader
        .upload("capsule", &in_memory(bytes.clone()), &|_| {})
        .await
        .unwrap();
    assert_eq!(vault.blobs(), [bytes]);
    assert!((21..=30).contains(&vault.puts()), "{}", vault.puts());
}

#[tokio::test]
async fn a_file_goes_on_where_it_stopped() {
    let vault = FakeVault::default();
    *vault.dies_after.lock().unwrap() = Some(6);
    let uploader = Uploader::over(vault.clone(), 100).with_window(1);
    let dir = tempfile::tempdir().unwrap();
    let bytes = pattern(1_000);
    let content = written(&dir, &bytes);
    let error = uploader
        .upload("capsule", &content, &|_| {})
        .await
        .unwrap_err();
    assert!(error.is_transient());

    *vault.dies_after.lock().unwrap() = None;
    let before = vault.puts();
    uploader.upload("capsule", &content, &|_| {}).await.unwrap();
    assert_eq!(vault.puts() - before, 4, "only the missing chunks travel");
    assert_eq!(vault.blobs(), [bytes]);
}

#[tokio::test]
async fn a_resumed_session_with_other_bytes_is_sent_anew() {
    let vault = FakeVault::default();
    *vault.dies_after.lock().unwrap() = Some(6);
    let uploader = Uploader::over(vault.clone(), 100_000).with_window(1);
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = pattern(1_000_000);
    assert!(
        uploader
            .upload("capsule", &written(&dir, &bytes), &|_| {})
            .await
            .is_err()
    );
    // Same place, length and beginning, so the same session; but a byte in the second chunk differs.
    bytes[150_000] ^= 0xff;
    *vault.dies_after.lock().unwrap() = None;
    let before = vault.puts();
    uploader
        .upload("capsule", &written(&dir, &bytes), &|_| {})
        .await
        .unwrap();
    assert_eq!(vault.puts() - before, 4 + 10);
    assert_eq!(vault.blobs(), [bytes]);
}

#[tokio::test]
async fn a_lost_answer_to_finish_costs_no_bytes() {
    let vault = FakeVault::default();
    let uploader = Uploader::over(vault.clone(), 100);
    let dir = tempfile::tempdir().unwrap();
    let bytes = pattern(1_000);
    let content = written(&dir, &bytes);
    // Everything arrived, and the client went away before it asked to finish.
    let session = {
        let idem = uploader.idem(&content).await.unwrap();
        vault.begin("capsule", 10, &idem).await.unwrap()
    };
    for (index, chunk) in bytes.chunks(100).enumerate() {
        vault
            .put_chunk(session, index as u32, chunk.to_vec())
            .await
            .unwrap();
    }
    let before = vault.puts();
    uploader.upload("capsule", &content, &|_| {}).await.unwrap();
    assert_eq!(vault.puts(), before);
    assert_eq!(vault.blobs(), [bytes]);
}

#[tokio::test]
async fn a_session_that_vanished_is_begun_again() {
    let vault = FakeVault::default();
    let uploader = Uploader::over(vault.clone(), 100);
    let content = in_memory(pattern(300));
    let gone = |n| {
        if n > 0 && vault.puts() == 1 {
            vault.state.lock().unwrap().sessions.clear();
            vault.state.lock().unwrap().by_idem.clear();
        }
    };
    uploader
        .with_window(1)
        .upload("capsule", &content, &gone)
        .await
        .unwrap();
    assert_eq!(vault.blobs(), [pattern(300)]);
}

#[tokio::test]
async fn sources_that_cannot_be_uploaded_are_named() {
    let uploader = Uploader::over(FakeVault::default(), 1);
    let dir = tempfile::tempdir().unwrap();
    let too_large = uploader
        .upload("capsule", &in_memory(pattern(20_000)), &|_| {})
        .await;
    assert!(matches!(
        too_large,
        Err(ClientError::TooLarge {
            len: 20_000,
            max: 16_384
        })
    ));
    assert!(matches!(
        FileContent::at(dir.path()),
        Err(ClientError::NotAFile { .. })
    ));
    assert!(matches!(
        FileContent::at(&dir.path().join("missing")),
        Err(ClientError::File { .. })
    ));
    let content = written(&dir, &pattern(10));
    std::fs::write(dir.path().join("video.mp4"), pattern(5)).unwrap();
    let changed = uploader.upload("capsule", &content, &|_| {}).await;
    assert!(matches!(changed, Err(ClientError::FileChanged { .. })));
}
