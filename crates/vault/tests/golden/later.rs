//! What goes on in an image: what was done is not done again, what was begun is finished, and all of it can be deleted.

use ic_stable_structures::VectorMemory;
use keepsake_api::{Error as Wire, UploadFinishResult};
use keepsake_vault::{FinishStep, Means, Vault};

use crate::arguments::{external_memory, inline_memory};
use crate::image::Names;
use crate::scene::{DAY, NOW, Who, by, chunks, noise, sha256};

/// More than enough to live on.
pub const MEANS: Means = Means {
    balance: u128::MAX / 2,
    liquid: u128::MAX / 4,
    heap: 0,
};

fn finish(vault: &mut Vault<VectorMemory>, session: u64, content: &[u8]) -> UploadFinishResult {
    let owner = by(Who::Owner, NOW);
    let len = content.len() as u64;
    match vault.uploads_finish(owner, session, &sha256(content), len) {
        Ok(FinishStep::Done(result)) => result,
        other => panic!("{other:?}"),
    }
}

fn number(names: &Names, what: &str) -> u64 {
    names[what].parse().expect("a number")
}

/// The same requests again, at any time, have the same answers and no second effect (I5): ids follow from what they name, and from the
/// vault's secret, in every build alike.
pub fn what_was_done_is_done(
    vault: &mut Vault<VectorMemory>,
    memory: &VectorMemory,
    names: &Names,
) {
    let before = memory.borrow().clone();
    let unchanged = |what: &str| assert!(before == *memory.borrow(), "{what}: done once more");
    let owner = by(Who::Owner, NOW);
    let capsule = &names["capsule"];
    let own = vault.capsules_create(owner, None);
    assert_eq!(own.expect("the own capsule").id, names["own"]);
    unchanged("capsules_create");
    let inline = vault.memories_create(owner, inline_memory(capsule));
    assert_eq!(inline.as_ref(), Ok(&names["inline"]));
    let external = external_memory(capsule, "photos/1.jpg");
    let external = vault.memories_create(owner, external);
    assert_eq!(external.as_ref(), Ok(&names["external"]));
    unchanged("memories_create");
    for (what, content, idem) in [
        ("original", noise(10, 9_000), "blob"),
        ("original again", noise(10, 9_000), "again"),
        ("content of a deleted holder", noise(12, 4_000), "again"),
    ] {
        let put = vault.uploads_put_blob(owner, capsule, &content, &sha256(&content), idem);
        assert_eq!(put.expect("a blob").blob_id, names[what]);
        unchanged(what);
    }
    let open = vault.uploads_begin(owner, capsule, 3, "open");
    assert_eq!(open, Ok(number(names, "open")));
    unchanged("uploads_begin");
    let finished = finish(vault, number(names, "finished"), &chunks().concat());
    assert_eq!(finished.blob_id, names["uploaded"]);
    unchanged("uploads_finish");
    let aborted = vault.uploads_abort(owner, number(names, "aborted"));
    assert_eq!(aborted, Ok(()));
    unchanged("uploads_abort");
    assert_eq!(vault.memories_trash(owner, &names["trashed"]), Ok(()));
    unchanged("memories_trash");
    let deleted = vault.memories_delete(owner, &names["deleted"], true);
    assert_eq!(deleted, Ok(()));
    unchanged("memories_delete");
    let blob = &names["deleted blob"];
    assert_eq!(vault.blob_delete(owner, blob).as_ref(), Ok(blob));
    unchanged("blob_delete");
    let deleted = vault.capsules_delete(owner, &names["about grandmother"]);
    assert_eq!(deleted, Ok(()));
    unchanged("capsules_delete");
    let left = Who::Stranger;
    let left = vault.capsule_controller_remove(by(left, NOW), capsule, left.person());
    assert_eq!(left, Ok(()));
    unchanged("capsule_controller_remove");
    assert_eq!(vault.http_token_key_rotate(owner, true, 0), Ok(()));
    unchanged("http_token_key_rotate");
    crate::links::is_done(vault, names, &unchanged);
}

pub fn what_was_begun_goes_on(vault: &mut Vault<VectorMemory>, names: &Names) {
    let owner = by(Who::Owner, NOW);
    let status = vault.status(NOW, MEANS);
    assert_eq!(status.maintenance.capsules_emptying, 1);
    assert_eq!(status.http_token_key, 1);
    assert_eq!(status.quotas.memories_per_capsule, Some(1_000));

    // The hash goes on where it was put down, over the chunk that was missing and the one that waited.
    let open = number(names, "open");
    let chunks = chunks();
    let put = vault.uploads_put_chunk(owner, open, 1, &chunks[1]);
    put.expect("the missing chunk");
    let whole = chunks.concat();
    let blob = finish(vault, open, &whole).blob_id;
    assert_eq!(vault.blob_read(owner, &blob).as_ref(), Ok(&whole));
    let announced = number(names, "announced");
    let content = noise(14, 3_000);
    for (index, chunk) in (0..).zip(content.chunks(1_000)) {
        let put = vault.uploads_put_chunk(owner, announced, index, chunk);
        put.expect("a chunk");
    }
    let blob = finish(vault, announced, &content).blob_id;
    assert_eq!(vault.blob_read(owner, &blob).as_ref(), Ok(&content));

    let trashed = &names["trashed"];
    vault
        .memories_restore(owner, trashed)
        .expect("out of the trash");
    let restored = vault.memories_read(owner, trashed).expect("as it was");
    assert_eq!(restored.blob_external_assets[0].storage_key, "photos/2.jpg");

    let invited = by(Who::Invited, NOW);
    let accepted = vault.person_link_accept(invited, Who::Grantee.principal());
    accepted.expect("an open offer");
    let several = vault.memories_read(invited, &names["several"]);
    assert_eq!(
        several
            .expect("shared with the grantee")
            .access_entries
            .len(),
        3
    );
}

/// Everything is deleted, and all that it took up is free.
pub fn everything_goes(vault: &mut Vault<VectorMemory>, names: &Names) {
    let later = NOW + 40 * DAY;
    let owner = by(Who::Linked, later);
    for what in ["own", "capsule"] {
        let deleted = vault.capsules_delete(owner, &names[what]);
        deleted.expect("a deletion");
    }
    crate::links::are_gone(vault, later);
    while vault.sweep(later) {}
    let status = vault.status(later, MEANS);
    let holdings = status.holdings;
    assert_eq!(holdings.content_bytes, 0, "{holdings:?}");
    assert_eq!(
        (holdings.capsules, holdings.memories, holdings.blobs),
        (0, 0, 0)
    );
    let gone = vault.memories_read(owner, &names["several"]);
    assert_eq!(gone.map_err(Wire::from), Err(Wire::NotFound));
}
