use super::region_manager::*;
use ic_stable_structures::{Memory, VectorMemory};

#[test]
fn regions_keep_their_bytes_apart_and_survive_reopening() {
    let memory = VectorMemory::default();
    let manager = RegionManager::open(memory.clone()).unwrap();
    let (a, b) = (manager.region(3), manager.region(40));
    a.grow(10);
    b.grow(10);
    for i in 0..100u64 {
        manager.reserve(&[(3, 5_000), (40, 5_000)]).unwrap();
        a.write(i * 5_000, &[i as u8 + 1; 5_000]);
        b.write(i * 5_000, &[200 - i as u8; 5_000]);
    }
    let reopened = RegionManager::open(memory).unwrap();
    assert_eq!(reopened.used(), manager.used());
    let (a, b) = (reopened.region(3), reopened.region(40));
    let mut bytes = vec![0; 500_000];
    a.read(0, &mut bytes);
    assert!(
        bytes
            .chunks(5_000)
            .enumerate()
            .all(|(i, c)| c.iter().all(|b| *b == i as u8 + 1))
    );
    b.read(0, &mut bytes);
    assert!(
        bytes
            .chunks(5_000)
            .enumerate()
            .all(|(i, c)| c.iter().all(|b| *b == 200 - i as u8))
    );
}

#[test]
fn what_was_never_written_reads_as_zero_and_takes_no_space() {
    let manager = RegionManager::open(VectorMemory::default()).unwrap();
    let region = manager.region(1);
    assert_eq!(region.grow(1_000_000), 0);
    assert_eq!(manager.used(), DATA_OFFSET);
    let mut bytes = [1; 100];
    region.read(64_000_000_000, &mut bytes);
    assert_eq!(bytes, [0; 100]);
}

#[test]
fn a_reservation_that_cannot_be_met_changes_nothing() {
    struct Full(VectorMemory);
    impl Memory for Full {
        fn size(&self) -> u64 {
            self.0.size()
        }
        fn grow(&self, pages: u64) -> i64 {
            if self.0.size() + pages > 6 {
                -1
            } else {
                self.0.grow(pages)
            }
        }
        fn read(&self, offset: u64, dst: &mut [u8]) {
            self.0.read(offset, dst)
        }
        fn write(&self, offset: u64, src: &[u8]) {
            self.0.write(offset, src)
        }
    }
    let memory = VectorMemory::default();
    let manager = RegionManager::open(Full(memory.clone())).unwrap();
    manager.reserve(&[(1, 60_000)]).unwrap();
    let before = memory.borrow().clone();
    assert_eq!(manager.reserve(&[(1, 1_000_000)]), Err(OutOfMemory));
    assert_eq!(manager.reserve(&[(1, u64::MAX)]), Err(OutOfMemory));
    assert_eq!(*memory.borrow(), before);
    manager.region(1).grow(1);
    manager.region(1).write(0, &[7; 60_000]);
}

#[test]
fn foreign_and_newer_memories_are_refused() {
    let memory = VectorMemory::default();
    memory.grow(1);
    memory.write(0, b"MGR\x01");
    assert!(matches!(
        RegionManager::open(memory),
        Err(UnknownLayout::NotOurs)
    ));
    let memory = VectorMemory::default();
    drop(RegionManager::open(memory.clone()).unwrap());
    memory.write(4, &2u32.to_le_bytes());
    assert!(matches!(
        RegionManager::open(memory),
        Err(UnknownLayout::Version { found: 2, known: 1 })
    ));
}
