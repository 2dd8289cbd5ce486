//! Rows about capsules, who is what in them, and what is done to a capsule as a whole.

use keepsake_api::{AccessEvent, CapsuleUpdateData, UploadAnnouncement};

use super::Rows;
use crate::calls::sha256;
use crate::people::{GROUP, SECOND_OWNER};
use crate::rules::{self, GOVERN, Part, USE};
use crate::things::On;
use crate::verdict::Verdict;
use crate::world::{MEANS, NOW, somebody};

pub fn themselves(rows: &mut Rows) {
    let on = On::Nothing;
    let anybody = rules::anybody;
    rows.add(("capsules_create", "own"), on, anybody(), |v, c| {
        v.capsules_create(c.call, None)
    });
    rows.add(
        ("capsules_create", "about somebody"),
        on,
        anybody(),
        |v, c| v.capsules_create(c.call, Some(somebody())),
    );
    let own = || rules::own_capsule(Verdict::Ok);
    rows.add(("capsules_read_basic", "own"), on, own(), |v, c| {
        v.capsules_read_basic(c.call, None)
    });
    rows.add(("capsules_read_full", "own"), on, own(), |v, c| {
        v.capsules_read_full(c.call, None)
    });
    let last = rules::own_capsule(Verdict::Conflict);
    rows.add(("capsule_owner_remove", "the last"), on, last, |v, c| {
        let own = c.world.own_capsule(c.role);
        let info = v.capsules_read_basic(c.call, Some(own))?;
        v.capsule_owner_remove(c.call, own, info.subject)
    });

    let on = On::Capsules;
    let uses = || rules::in_capsule(USE);
    rows.add(("capsules_read_basic", ""), on, uses(), |v, c| {
        v.capsules_read_basic(c.call, Some(c.id()))
    });
    rows.add(("capsules_read_full", ""), on, uses(), |v, c| {
        v.capsules_read_full(c.call, Some(c.id()))
    });
    rows.add(("capsule_status", ""), on, uses(), |v, c| {
        v.capsule_status(c.call, c.id(), MEANS)
    });
    rows.add_giving(
        ("capsules_list", ""),
        on,
        rules::lists_capsule(),
        |v, c| Ok(v.capsules_list(c.call)),
        |list, c| list.iter().any(|header| header.id == c.id()),
    );
    let governs = rules::in_capsule(GOVERN);
    rows.add(("capsules_update", ""), on, governs, |v, c| {
        let update = CapsuleUpdateData {
            bound_to_neon: Some(true),
        };
        v.capsules_update(c.call, c.id(), update)
    });
    let owns = rules::in_capsule_or_after(Part::Owner);
    rows.add(("capsules_delete", ""), on, owns, |v, c| {
        v.capsules_delete(c.call, c.id())
    });
}

pub fn their_people(rows: &mut Rows) {
    let on = On::Capsules;
    let owns = || rules::in_capsule(Part::Owner);
    rows.add(("capsule_owner_add", ""), on, owns(), |v, c| {
        v.capsule_owner_add(c.call, c.id(), somebody())
    });
    rows.add(("capsule_owner_remove", "another"), on, owns(), |v, c| {
        v.capsule_owner_remove(c.call, c.id(), SECOND_OWNER.person())
    });
    let itself = rules::takes_itself_out(Part::Owner);
    rows.add(("capsule_owner_remove", "itself"), on, itself, |v, c| {
        v.capsule_owner_remove(c.call, c.id(), c.role.person())
    });
    rows.add(("capsule_controller_add", ""), on, owns(), |v, c| {
        v.capsule_controller_add(c.call, c.id(), somebody())
    });
    let another = ("capsule_controller_remove", "another");
    rows.add(another, on, owns(), |v, c| {
        v.capsule_controller_remove(c.call, c.id(), somebody())
    });
    let itself = rules::takes_itself_out(Part::Controller);
    let row = ("capsule_controller_remove", "itself");
    rows.add(row, on, itself, |v, c| {
        v.capsule_controller_remove(c.call, c.id(), c.role.person())
    });
    rows.add(("capsule_event_record", ""), on, owns(), |v, c| {
        v.capsule_event_record(c.call, c.id(), &AccessEvent::Wedding)
    });
    let governs = || rules::in_capsule(GOVERN);
    rows.add(("connection_group_put", "new"), on, governs(), |v, c| {
        let members = vec![c.role.person()];
        v.connection_group_put(c.call, c.id(), "friends", "Friends", None, members)
    });
    rows.add(("connection_group_put", "there"), on, governs(), |v, c| {
        v.connection_group_put(c.call, c.id(), GROUP, "Family", None, vec![somebody()])
    });
    rows.add(("connection_group_remove", ""), on, governs(), |v, c| {
        v.connection_group_remove(c.call, c.id(), GROUP)
    });
    let after = || rules::in_capsule_or_after(GOVERN);
    rows.add(("external_deletions_list", ""), on, after(), |v, c| {
        v.external_deletions_list(c.call, c.id())
    });
    let acknowledge = ("external_deletions_acknowledge", "");
    rows.add(acknowledge, on, after(), |v, c| {
        let ids = [c.world.deletion.clone()];
        v.external_deletions_acknowledge(c.call, c.id(), &ids)
    });
}

pub fn what_is_in_them(rows: &mut Rows) {
    let on = On::Capsules;
    let uses = || rules::in_capsule(USE);
    let governs = || rules::in_capsule(GOVERN);
    for method in ["memories_list", "memories_list_by_capsule"] {
        rows.add((method, ""), on, uses(), |v, c| {
            v.memories_list(c.call, c.id(), None, None)
        });
    }
    rows.add(("memories_trashed", ""), on, governs(), |v, c| {
        v.memories_trashed(c.call, c.id(), None, None)
    });
    rows.add(("memories_delete_all", ""), on, governs(), |v, c| {
        v.memories_delete_all_step(c.call, c.id(), true, NOW)
    });
    rows.add(("memories_trash_empty", ""), on, governs(), |v, c| {
        v.memories_trash_empty_step(c.call, c.id(), NOW)
    });
    rows.add(("blobs_by_hash", ""), on, uses(), |v, c| {
        let hashes = [sha256(b"unreferenced").into(), sha256(b"nothing").into()];
        v.blobs_by_hash(c.call, c.id(), &hashes)
    });
    rows.add(("uploads_begin", "new"), on, uses(), |v, c| {
        v.uploads_begin(c.call, c.id(), 3, "new")
    });
    rows.add(("uploads_begin", "as begun"), on, uses(), |v, c| {
        v.uploads_begin(c.call, c.id(), 2, "Begun")
    });
    let contents = [
        ("new", b"new content".as_slice()),
        ("held", b"unreferenced"),
    ];
    for (what, content) in contents {
        rows.add(
            ("uploads_begin_announced", what),
            on,
            uses(),
            move |v, c| {
                let announced = UploadAnnouncement {
                    sha256: sha256(content).into(),
                    total_len: content.len() as u64,
                    chunk_size: 100,
                };
                v.uploads_begin_announced(c.call, c.id(), &announced, "announced")
            },
        );
        rows.add(("uploads_put_blob", what), on, uses(), move |v, c| {
            v.uploads_put_blob(c.call, c.id(), content, &sha256(content), "new")
        });
    }
}
