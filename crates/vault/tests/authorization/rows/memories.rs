//! Rows about memories: making, reading, changing, sharing and deleting them.

use keepsake_api::{AccessEntry, AssetType, MemoryUpdateData, ResourceRole};
use keepsake_vault::Call;

use super::{Rows, V};
use crate::calls::{Cell, blob_input, dated, external, inline, inline_input, of_blob};
use crate::people::{ALL, DOWNLOAD, MANAGE, OWNER, SHARE, VIEW, plain_entry};
use crate::rules::{self, Rule, USE};
use crate::things::{OfCapsule, OfMemory, On, Target};
use crate::verdict::Verdict;
use crate::world::somebody;

const WITH_BLOBS: &str = "memories_create_with_internal_blobs";
const WITH_BOTH: &str = "memories_create_with_internal_blobs_and_inline_assets";

pub fn new(rows: &mut Rows) {
    let on = On::Capsules;
    let uses = || rules::in_capsule(USE);
    rows.add(("memories_create", "inline"), on, uses(), |v, c| {
        v.memories_create(c.call, inline(c.id(), b"new", "new"))
    });
    rows.add(("memories_create", "external"), on, uses(), |v, c| {
        v.memories_create(c.call, external(c.id(), "new", "new"))
    });
    rows.add(("memories_create", "again"), on, uses(), |v, c| {
        v.memories_create(c.call, inline(c.id(), b"Inline, original", "Inline"))
    });
    rows.add((WITH_BOTH, "inline"), on, uses(), |v, c| {
        let small = vec![inline_input(b"new", AssetType::Original)];
        v.memories_create_with_assets(c.call, c.id(), dated(None), vec![], small, "new")
    });
}

pub fn of_blobs(rows: &mut Rows) {
    fn live<'a>(c: &Cell<'a>) -> &'a str {
        c.world.capsule(OfCapsule::Live)
    }
    fn own<'a>(c: &Cell<'a>) -> &'a str {
        c.world.own_capsule(c.role)
    }
    let on = On::Blobs;
    for (what, elsewhere) in [("of a blob", false), ("of a blob, elsewhere", true)] {
        let rule = || match elsewhere {
            true => rules::creates_of_blob_elsewhere(),
            false => rules::creates_of_blob(),
        };
        let capsule = if elsewhere { own } else { live };
        rows.add(("memories_create", what), on, rule(), move |v, c| {
            v.memories_create(c.call, of_blob(capsule(c), c.id(), "new"))
        });
        for method in [WITH_BLOBS, WITH_BOTH] {
            rows.add((method, what), on, rule(), move |v, c| {
                let blobs = vec![blob_input(c.id(), AssetType::Original)];
                let small = inline_input(b"new", AssetType::Thumbnail);
                let small = if method == WITH_BOTH {
                    vec![small]
                } else {
                    vec![]
                };
                let to = capsule(c);
                v.memories_create_with_assets(c.call, to, dated(None), blobs, small, "new")
            });
        }
    }
}

pub fn reading(rows: &mut Rows) {
    let on = On::Memories;
    let views = || rules::on_memory(VIEW);
    rows.add(("memories_read", ""), on, views(), |v, c| {
        v.memories_read(c.call, c.id())
    });
    rows.add(("memories_list_assets", ""), on, views(), |v, c| {
        v.memories_list_assets(c.call, c.id())
    });
    let which = [(0, "original", VIEW | DOWNLOAD), (1, "thumbnail", VIEW)];
    for (asset, what, needed) in which {
        let rule = || rules::on_memory(needed);
        rows.add(("memories_read_asset", what), on, rule(), move |v, c| {
            v.memories_read_asset(c.call, c.id(), c.thing.places[asset])
        });
        rows.add(("asset_get_by_id", what), on, rule(), move |v, c| {
            v.asset_get_by_id(c.call, c.id(), &c.thing.assets[asset])
        });
    }
    let none = || rules::on_memory_then(VIEW, |_, _| Verdict::NotFound);
    let past_the_end = ("memories_read_asset", "past the end");
    rows.add(past_the_end, on, none(), |v, c| {
        v.memories_read_asset(c.call, c.id(), 9)
    });
    rows.add(("asset_get_by_id", "no such"), on, none(), |v, c| {
        let other = &c.world.memory(OfMemory::NeverExisted).assets[0];
        v.asset_get_by_id(c.call, c.id(), other)
    });
    rows.add_giving(
        ("memories_ping", ""),
        on,
        rules::left_out(VIEW),
        |v, c| v.memories_ping(c.call, vec![c.id().to_owned()]),
        |found, _| {
            let mut found = found.iter();
            found.any(|one| one.metadata_present || one.asset_present)
        },
    );
    rows.add_giving(
        ("memories_shared_with_me", ""),
        on,
        rules::shared_with_caller(),
        |v, c| v.memories_shared_with_me(c.call, None, None),
        |page, c| page.items.iter().any(|item| item.id == c.id()),
    );
}

pub fn changing(rows: &mut Rows) {
    let on = On::Memories;
    let nothing = ("memories_update", "nothing");
    rows.add(nothing, on, rules::on_memory(VIEW), |v, c| {
        v.memories_update(c.call, c.id(), MemoryUpdateData::default())
    });
    let manages = || rules::on_memory(MANAGE);
    rows.add(("memories_update", "name"), on, manages(), |v, c| {
        let update = MemoryUpdateData {
            name: Some("another name".into()),
            ..MemoryUpdateData::default()
        };
        v.memories_update(c.call, c.id(), update)
    });
    rows.add(("memories_update", "metadata"), on, manages(), |v, c| {
        let update = MemoryUpdateData {
            metadata: Some(dated(Some(7))),
            ..MemoryUpdateData::default()
        };
        v.memories_update(c.call, c.id(), update)
    });
    let shares = || rules::on_memory(SHARE);
    let masks = [
        ("an entry with VIEW", VIEW),
        ("an entry with everything", ALL),
    ];
    for (what, mask) in masks {
        let rule = || if mask == ALL { shares_all() } else { shares() };
        rows.add(("memories_update", what), on, rule(), move |v, c| {
            let mut entries = entries_of(v, c);
            entries.push(plain_entry("new", Some(somebody()), mask));
            let update = MemoryUpdateData {
                access_entries: Some(entries),
                ..MemoryUpdateData::default()
            };
            v.memories_update(c.call, c.id(), update)
        });
        rows.add(("access_grant", what), on, rule(), move |v, c| {
            let entry = plain_entry("new", Some(somebody()), mask);
            v.access_grant(c.call, c.id(), entry)
        });
    }
    let as_owner = ("access_grant", "an entry as Owner");
    rows.add(as_owner, on, shares_all(), |v, c| {
        let mut entry = plain_entry("new", Some(somebody()), 0);
        entry.role = ResourceRole::Owner;
        v.access_grant(c.call, c.id(), entry)
    });
    let least = ("access_revoke", "an entry with VIEW");
    rows.add(least, on, shares(), |v, c| {
        v.access_revoke(c.call, c.id(), "entry with VIEW")
    });
    let most = ("access_revoke", "an entry with everything");
    rows.add(most, on, takes_all(), |v, c| {
        v.access_revoke(c.call, c.id(), "entry with everything")
    });
    rows.add(("access_revoke", "no such"), on, shares(), |v, c| {
        v.access_revoke(c.call, c.id(), "no such entry")
    });
}

/// The memory's entries, as its owner reads them.
fn entries_of(v: &V, c: &Cell) -> Vec<AccessEntry> {
    let owner = Call {
        caller: OWNER.principal(),
        ..c.call
    };
    let memory = v.memories_read(owner, c.id());
    memory
        .map(|memory| memory.access_entries)
        .unwrap_or_default()
}

/// Nobody gives more than he has.
fn shares_all() -> Rule {
    let all = rules::on_memory(ALL);
    rules::on_memory_then(SHARE, move |role, state| all(role, Target::Memory(state)))
}

/// Nobody takes away what gives more than he has, where it is there to be taken away.
fn takes_all() -> Rule {
    let all = rules::on_memory(ALL);
    rules::on_memory_then(SHARE, move |role, state| match state {
        OfMemory::Inline | OfMemory::Internal | OfMemory::External => {
            all(role, Target::Memory(state))
        }
        _ => Verdict::Ok,
    })
}

pub fn deleting(rows: &mut Rows) {
    let on = On::Memories;
    let deletes = rules::deletes;
    for (what, with_assets) in [("with assets", true), ("without assets", false)] {
        rows.add(("memories_delete", what), on, deletes(), move |v, c| {
            v.memories_delete(c.call, c.id(), with_assets)
        });
        rows.add_giving(
            ("memories_delete_bulk", what),
            on,
            rules::deletes_in_bulk(),
            move |v, c| {
                let ids = [c.id().to_owned()];
                v.memories_delete_bulk(c.call, &c.thing.capsule, &ids, with_assets)
            },
            |result, _| result.deleted_count > 0,
        );
    }
    rows.add_giving(
        ("memories_delete_bulk", "of another capsule"),
        on,
        rules::deletes_elsewhere(),
        |v, c| {
            let ids = [c.id().to_owned()];
            v.memories_delete_bulk(c.call, c.world.own_capsule(c.role), &ids, true)
        },
        |result, _| result.deleted_count > 0,
    );
    rows.add(("memories_trash", ""), on, deletes(), |v, c| {
        v.memories_trash(c.call, c.id())
    });
    let restores = rules::restores();
    rows.add(("memories_restore", ""), on, restores, |v, c| {
        v.memories_restore(c.call, c.id())
    });
}
