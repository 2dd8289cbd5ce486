//! The trash of a vault whose stable memory has come to its end.

use keepsake_api::{Error as Wire, InitArgs};

use crate::home::{Home, inline};

/// Keeps small memories until one is refused.
fn full_of_records(home: &mut Home, capsule: &str, description: usize) -> Vec<String> {
    home.vault.configure(&InitArgs {
        inline_budget_per_capsule: Some(u32::MAX),
        ..InitArgs::default()
    });
    let mut kept = vec![];
    loop {
        let mut new = inline(capsule, &(kept.len() as u32).to_be_bytes(), "k");
        new.metadata.base_mut().description = Some("d".repeat(description));
        match home.create(0, new) {
            Ok(memory) => kept.push(memory),
            Err(error) => {
                assert_eq!(Wire::from(error), Wire::ResourceExhausted);
                return kept;
            }
        }
        assert!(kept.len() < 20_000, "a memory that never ends");
    }
}

/// Putting something in the trash is possible in a full vault, and however much is put there, deleting for good stays possible.
#[test]
fn the_trash_never_takes_the_room_that_deleting_needs() {
    for (pages, description) in [(3, 100), (10, 2_000), (60, 500), (160, 5_000)] {
        let mut home = Home::new();
        let capsule = home.own(0);
        home.memory.leave(pages);
        let kept = full_of_records(&mut home, &capsule, description);
        let mut trashed = 0;
        for memory in &kept {
            match home.vault.memories_trash(home.by(0), memory) {
                Ok(()) => trashed += 1,
                Err(error) => {
                    assert_eq!(Wire::from(error), Wire::ResourceExhausted);
                    break;
                }
            }
        }
        assert!(trashed > 0, "a full vault takes nothing into the trash");
        home.sound();
        for memory in &kept {
            home.delete(0, memory, true)
                .expect("deleting needs no room");
        }
        home.sound();
    }
}

/// What is put in the trash one after the other, and restored, takes no more room than it did.
#[test]
fn a_full_vault_restores_what_it_took_into_the_trash() {
    let mut home = Home::new();
    let capsule = home.own(0);
    home.memory.leave(10);
    let kept = full_of_records(&mut home, &capsule, 500);
    for _ in 0..3 {
        for memory in &kept {
            let by = home.by(0);
            home.vault
                .memories_trash(by, memory)
                .expect("one at a time");
            home.vault
                .memories_restore(by, memory)
                .expect("it was there");
        }
    }
    home.sound();
}
