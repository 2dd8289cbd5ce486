//! A whole stable memory as a build wrote it: every later build opens it, counts it anew, gives the same answers, and goes on from there (I8).
//!
//! `image-<n>.bin` is the memory, `image-<n>.txt` has the names of what is in it and the answers that it gave, as Candid. An image stays as it
//! is for ever. When a layout gains something that no image has, the scene is extended and the next number is added:
//! `KEEPSAKE_GOLDEN=add cargo test --test golden` writes files that are missing, and never changes one that is there. Where an answer means something else on purpose since, its line in the text is replaced by
//! hand, and the commit says why; the memory is not.

mod answers;
mod arguments;
mod image;
mod later;
mod links;
mod scene;

use keepsake_vault::{UnknownLayout, Vault};

use crate::image::Image;

/// The images that there are. All but the last were written by earlier builds.
const IMAGES: &[u32] = &[1, 2];

fn all() -> impl Iterator<Item = Image> {
    let latest = *IMAGES.last().expect("there is an image");
    image::add_missing(latest);
    IMAGES.iter().map(|number| Image::load(*number))
}

#[test]
fn every_image_opens_counts_right_and_answers_as_it_did() {
    for image in all() {
        let memory = image.memory();
        let vault = Vault::open(memory).expect("an image of ours");
        vault.recount().expect("counters");
        let given = answers::all(&vault, &image.names);
        image.compare(&given);
    }
}

#[test]
fn every_image_opens_again_after_everything_in_it_went_on() {
    for image in all() {
        let memory = image.memory();
        let mut vault = Vault::open(memory.clone()).expect("an image of ours");
        later::what_was_done_is_done(&mut vault, &memory, &image.names);
        later::what_was_begun_goes_on(&mut vault, &image.names);
        vault.recount().expect("counters after going on");
        let mut vault = Vault::open(memory.clone()).expect("our own memory");
        vault.recount().expect("counters after opening again");
        later::everything_goes(&mut vault, &image.names);
        vault.recount().expect("counters after deleting everything");
    }
}

/// The region table as its documentation says: whoever reads an image needs no code of ours.
#[test]
fn every_image_begins_with_the_region_table() {
    for image in all() {
        let memory = image.memory();
        let bytes = memory.borrow();
        let word = |at: usize| {
            let bytes: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
            u32::from_le_bytes(bytes)
        };
        assert_eq!(&bytes[..4], b"KSRM");
        assert_eq!(word(4), 1, "layout version");
        let buckets = word(8) as usize;
        assert!(buckets > 30, "{buckets}");
        let mut backed = [0u64; 64];
        let mut first = [0; 64];
        let mut at = 36_864;
        for bucket in 0..buckets {
            let entry = word(4_096 + bucket * 4);
            let region = (entry >> 24) as usize;
            let length = u64::from(entry & 0x00FF_FFFF) * 4_096;
            if backed[region] == 0 {
                first[region] = at as usize;
            }
            backed[region] += length;
            at += length;
        }
        let end = 36_864 + backed.iter().sum::<u64>();
        assert!(end <= bytes.len() as u64, "buckets lie within the memory");
        // Later builds add regions, which an earlier image does not have.
        if IMAGES.last() != Some(&image.number) {
            continue;
        }
        let mut trees = 0;
        for (region, name) in keepsake_vault::regions::ALL {
            assert!(backed[usize::from(*region)] > 0, "{name} has a bucket");
            assert!(word(16 + usize::from(*region) * 8) > 0, "{name} has a size");
            // Each tree of the image holds something (header of ic-stable-structures' BTreeMap: magic, ..., number of entries at 20).
            let header = first[usize::from(*region)];
            if &bytes[header..header + 3] == b"BTR" {
                assert!(word(header + 20) > 0, "{name} is empty");
                trees += 1;
            }
        }
        // All but the settings, the maintenance's record, and the arena.
        assert_eq!(trees + 3, keepsake_vault::regions::ALL.len());
    }
}

/// Of the region table, or of the records taken together: the first field of the settings, the only record in their region.
#[test]
fn an_image_of_an_unknown_layout_is_refused_and_stays_as_it_is() {
    for image in all() {
        let settings = settings_at(&image);
        for (at, layout) in [(4, "region table"), (settings, "records")] {
            let memory = image.memory();
            assert_eq!(memory.borrow()[at], 1, "{layout}");
            memory.borrow_mut()[at] = 2;
            let before = memory.borrow().clone();
            match Vault::open(memory.clone()).map(|_| ()) {
                Err(UnknownLayout::Version { found: 2, known: 1 }) => {}
                other => panic!("{layout}: {other:?}"),
            }
            let unchanged = before == *memory.borrow();
            assert!(unchanged, "{layout}: a refused memory was changed");
        }
    }
}

/// Where the version of the records stands: behind the header of ic-stable-structures' Cell (8 bytes) and that of the record's array.
fn settings_at(image: &Image) -> usize {
    let memory = image.memory();
    let bytes = memory.borrow();
    let mut at = 36_864;
    for entry in bytes[4_096..36_864].chunks_exact(4) {
        if entry[3] == keepsake_vault::regions::SETTINGS {
            assert_eq!(&bytes[at..at + 3], b"SCL");
            return at + 9;
        }
        at += (entry[0] as usize | (entry[1] as usize) << 8 | (entry[2] as usize) << 16) * 4_096;
    }
    panic!("the settings have no bucket");
}
