use super::*;
use ic_stable_structures::VectorMemory;
use proptest::prelude::*;

fn take(
    arena: &mut Arena<VectorMemory>,
    manager: &RegionManager<VectorMemory>,
    len: u64,
) -> Vec<Extent> {
    let placement = arena.place(len, true);
    manager.reserve(&arena.needs(&[&placement], 0)).unwrap();
    arena.take(placement)
}

proptest! {
    /// Whatever is stored and freed in whatever order: contents keep their bytes, nothing overlaps, free and used space add
    /// up, neighbours are merged, and a reopened arena is the same.
    #[test]
    fn contents_never_overlap_and_space_adds_up(steps in prop::collection::vec((0u64..40_000, any::<bool>(), any::<prop::sample::Index>()), 1..60)) {
        let memory = VectorMemory::default();
        let manager = RegionManager::open(memory.clone()).unwrap();
        let mut arena = Arena::open(&manager);
        let mut kept: Vec<(u8, Vec<Extent>)> = Vec::new();
        for (i, (len, remove, which)) in steps.into_iter().enumerate() {
            if remove && !kept.is_empty() {
                let (_, extents) = kept.swap_remove(which.index(kept.len()));
                manager.reserve(&arena.needs(&[], extents.len())).unwrap();
                extents.into_iter().for_each(|extent| arena.free(extent));
            } else {
                let extents = take(&mut arena, &manager, len);
                prop_assert_eq!(extents.iter().map(|e| e.len).sum::<u64>(), len);
                for extent in &extents {
                    arena.write(*extent, &vec![i as u8; extent.len as usize]);
                }
                kept.push((i as u8, extents));
            }
            let mut all: Vec<Extent> = kept.iter().flat_map(|(_, e)| e.iter().copied()).filter(|e| e.len > 0)
                .map(|e| Extent { offset: e.offset, len: e.span() }).collect();
            prop_assert_eq!(all.iter().map(|e| e.len).sum::<u64>(), arena.used_bytes());
            let free = arena.free_extents();
            prop_assert_eq!(free.iter().map(|e| e.len).sum::<u64>(), arena.free_bytes());
            prop_assert!(free.windows(2).all(|w| w[0].offset + w[0].len < w[1].offset), "neighbours not merged");
            all.extend(free);
            all.sort_by_key(|e| e.offset);
            let (mut at, end) = arena.bounds();
            for extent in all {
                prop_assert_eq!(extent.offset, at);
                at += extent.len;
            }
            prop_assert_eq!(at, end);
        }
        let reopened = Arena::open(&RegionManager::open(memory).unwrap());
        prop_assert_eq!(reopened.used_bytes(), arena.used_bytes());
        for (byte, extents) in &kept {
            for extent in extents {
                prop_assert!(reopened.read(*extent).iter().all(|b| b == byte));
            }
        }
    }
}

#[test]
fn what_is_freed_serves_larger_and_smaller_content_at_once() {
    let manager = RegionManager::open(VectorMemory::default()).unwrap();
    let mut arena = Arena::open(&manager);
    let small: Vec<Extent> = (0..400)
        .map(|_| take(&mut arena, &manager, 10_000)[0])
        .collect();
    let (_, end) = arena.bounds();
    manager.reserve(&arena.needs(&[], 200)).unwrap();
    small
        .iter()
        .step_by(2)
        .for_each(|extent| arena.free(*extent));
    take(&mut arena, &manager, 1_800_000);
    assert_eq!(arena.bounds().1, end, "1.8 MB fit into 200 holes of 10 KB");
    for _ in 0..20 {
        take(&mut arena, &manager, 10_000);
    }
    assert!(arena.bounds().1 <= end + 10_016);
}
