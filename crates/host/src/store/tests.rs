//! The store against a plain model: random messages, groups, commits and reopenings.

use super::*;
use crate::runtime::RunState;
use proptest::prelude::*;
use std::sync::Arc;

const MODEL_PAGES: u64 = 4;

#[derive(Clone, Debug)]
enum Step {
    Write {
        at: u32,
        len: u16,
        byte: u8,
    },
    Read {
        at: u32,
        len: u16,
    },
    Grow(u64),
    Accept,
    Discard,
    /// Ends the group, and commits it: at once, or after the next group has begun.
    Commit {
        late: bool,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<u32>(), any::<u16>(), any::<u8>()).prop_map(|(at, len, byte)| Step::Write { at, len, byte }),
        6 => (any::<u32>(), any::<u16>()).prop_map(|(at, len)| Step::Read { at, len }),
        1 => (0..3u64).prop_map(Step::Grow),
        3 => Just(Step::Accept),
        1 => Just(Step::Discard),
        2 => any::<bool>().prop_map(|late| Step::Commit { late }),
        1 => Just(Step::Reopen),
    ]
}

struct Home {
    folder: tempfile::TempDir,
    store: Store,
    record: CanisterRecord,
    /// A group sealed and not committed yet.
    sealed: Option<(Arc<Overlay>, u64)>,
}

impl Home {
    fn commit(&mut self, overlay: &Overlay, pages: u64) {
        self.record.stable_pages = pages;
        self.record.commit += 1;
        self.store
            .commit(&Commit {
                canister: &self.record,
                units: overlay,
                requests: &[],
                wasm: None,
                prune_before: 0,
            })
            .unwrap();
    }

    fn commit_sealed(&mut self) {
        if let Some((overlay, pages)) = self.sealed.take() {
            self.commit(&overlay, pages);
        }
    }

    fn memory(&self, pages: u64) -> StableMemory {
        let sealed = self.sealed.as_ref().map(|(overlay, _)| overlay.clone());
        StableMemory::new(self.store.view().unwrap(), sealed, pages)
    }
}

fn record() -> CanisterRecord {
    CanisterRecord {
        canister_id: candid::Principal::anonymous(),
        module_hash: None,
        stable_pages: 0,
        time: 0,
        certified_data: serde_bytes::ByteBuf::new(),
        canister_version: 0,
        commit: 0,
        generation: 0,
        settings: None,
        run_state: RunState::Running,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn stable_memory_is_what_a_plain_buffer_would_be(steps in proptest::collection::vec(step(), 1..80)) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        let mut home = Home { folder, store, record: record(), sealed: None };
        let size = |pages: u64| (pages * WASM_PAGE) as usize;
        let mut memory = home.memory(0);
        let mut message = Vec::new();
        let mut group = Vec::new();
        for step in steps {
            match step {
                Step::Write { at, len, byte } => {
                    let at = at as usize % (size(MODEL_PAGES) + 10);
                    let data: Vec<u8> = (0..len).map(|i| byte.wrapping_add(i as u8)).collect();
                    let fits = at + data.len() <= message.len();
                    let written = memory.write(at as u64, &data);
                    prop_assert_eq!(written.is_ok(), fits);
                    if fits {
                        message[at..at + data.len()].copy_from_slice(&data);
                    }
                }
                Step::Read { at, len } => {
                    let at = at as usize % (size(MODEL_PAGES) + 10);
                    let mut into = vec![0xee; len as usize];
                    let read = memory.read(at as u64, &mut into);
                    prop_assert_eq!(read.is_ok(), at + into.len() <= message.len());
                    if read.is_ok() {
                        prop_assert_eq!(&into[..], &message[at..at + into.len()]);
                    }
                }
                Step::Grow(pages) => {
                    if size(memory.pages() + pages) <= size(MODEL_PAGES) {
                        prop_assert_eq!(memory.grow(pages), Some((message.len() / WASM_PAGE as usize) as u64));
                        message.resize(size(memory.pages()), 0);
                    }
                }
                Step::Accept => {
                    memory.accept();
                    group.clone_from(&message);
                }
                Step::Discard => {
                    memory.discard();
                    message.clone_from(&group);
                }
                Step::Commit { late } => {
                    // As the executor does: one commit under way at most, and messages end with their group.
                    home.commit_sealed();
                    memory.discard();
                    message.clone_from(&group);
                    let (overlay, pages) = memory.into_group();
                    home.sealed = Some((Arc::new(overlay), pages));
                    memory = home.memory(pages);
                    if !late {
                        home.commit_sealed();
                    }
                }
                Step::Reopen => {
                    memory.discard();
                    let (overlay, pages) = memory.into_group();
                    home.commit_sealed();
                    home.commit(&overlay, pages);
                    message.clone_from(&group);
                    let Home { folder, store, record, .. } = home;
                    drop(store);
                    let store = Store::open(folder.path(), None).unwrap();
                    prop_assert_eq!(store.view().unwrap().canister().unwrap(), Some(record.clone()));
                    home = Home { folder, store, record, sealed: None };
                    memory = home.memory(pages);
                }
            }
            prop_assert_eq!(size(memory.pages()), message.len());
        }
        let mut all = vec![0; message.len()];
        memory.read(0, &mut all).unwrap();
        prop_assert_eq!(all, message);
    }
}

#[test]
fn memory_never_written_takes_no_space_and_reads_as_zeros() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    let mut memory = StableMemory::new(store.view().unwrap(), None, 0);
    assert_eq!(memory.grow(MAX_STABLE_PAGES), Some(0));
    assert_eq!(memory.grow(1), None);
    let far = MAX_STABLE_PAGES * WASM_PAGE - 3;
    assert_eq!(memory.write(far, &[1, 2, 3]).unwrap(), 1);
    assert!(memory.write(far, &[1, 2, 3, 4]).is_err());
    assert!(memory.read(u64::MAX, &mut [0]).is_err());
    let mut into = [9; 100];
    memory.read(far / 2, &mut into).unwrap();
    assert_eq!(into, [0; 100]);
    memory.accept();
    let (overlay, pages) = memory.into_group();
    assert_eq!((overlay.bytes(), pages), (UNIT_BYTES, MAX_STABLE_PAGES));
}

#[test]
fn a_page_of_4_kib_is_dirtied_once_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    let mut memory = StableMemory::new(store.view().unwrap(), None, 2);
    assert_eq!(memory.write(4095, &[1, 2]).unwrap(), 2);
    assert_eq!(memory.write(0, &[0; 8192]).unwrap(), 0);
    assert_eq!(memory.write(8000, &[0; 200]).unwrap(), 1);
    assert_eq!(memory.write(0, &[]).unwrap(), 0);
    memory.accept();
    assert_eq!(memory.write(0, &[1]).unwrap(), 1);
}

#[test]
fn expired_requests_are_forgotten_a_bounded_number_at_a_time() {
    use crate::message::RequestStatus;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    let anyone = candid::Principal::anonymous();
    let id = |number: u32| {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id
    };
    let count = MAX_PRUNED_PER_COMMIT as u32 + 10;
    let status = RequestStatus::Replied(vec![1]);
    let requests: Vec<_> = (0..count)
        .map(|number| {
            (
                id(number),
                RequestRecord::new(anyone, anyone, u64::from(number), &status),
            )
        })
        .collect();
    let commit = |requests: &[_], prune_before| {
        store
            .commit(&Commit {
                canister: &record(),
                units: &Overlay::default(),
                requests,
                wasm: None,
                prune_before,
            })
            .unwrap()
    };
    assert!(commit(&requests, 0).is_empty());
    let view = store.view().unwrap();
    assert_eq!(
        commit(&[], u64::from(count) - 1).len(),
        MAX_PRUNED_PER_COMMIT
    );
    assert_eq!(commit(&[], u64::from(count) - 1).len(), 9);
    assert!(commit(&[], u64::from(count) - 1).is_empty());
    // A view stays as it was.
    assert_eq!(view.requests().unwrap().count(), count as usize);
    let view = store.view().unwrap();
    assert_eq!(view.request(&id(0)).unwrap(), None);
    assert_eq!(
        view.request(&id(count - 1)).unwrap().unwrap().status(),
        status
    );
    assert_eq!(view.next_expiry().unwrap(), Some(u64::from(count) - 1));
}
