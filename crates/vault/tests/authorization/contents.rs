//! What is in an answer that is given: a reply to somebody with few permissions must not carry what needs more (I6).

use keepsake_api::{AccessEntry, GrantSource, MemoryHeader, PersonRef};
use keepsake_vault::{Call, Vault};

use crate::calls::Cell;
use crate::people::{DOWNLOAD, OWNER, ROLES, Role, SHARE, Standing, VIEW};
use crate::rules::{self, Part};
use crate::things::{OfCapsule, OfMemory, Target};
use crate::world::{NOW, World};
use crate::{Copy, things::On};

fn owner() -> Call {
    Call {
        caller: OWNER.principal(),
        now: NOW,
    }
}

/// Whether the entry is for this role: by one of its principals, by a group that it is in, or because it is for everybody.
fn concerns(entry: &AccessEntry, role: &Role) -> bool {
    let own = [role.principal(), role.other()];
    let is_own = |person: &PersonRef| own.iter().any(|own| *person == PersonRef::Principal(*own));
    entry.is_public
        || entry.person_ref.as_ref().is_some_and(is_own)
        || (entry.grant_source == GrantSource::Group && role.standing == Standing::Member)
}

/// Every role and memory, with what the role may do with it.
fn readable<'a>(world: &'a World, role: &'a Role) -> impl Iterator<Item = (Cell<'a>, u32)> {
    let states = On::Memories.states().iter();
    states.filter_map(move |target| {
        let Target::Memory(state) = *target else {
            return None;
        };
        let may = rules::readable(role, state)?;
        Some((Cell::new(world, role, *target), may))
    })
}

#[test]
fn a_memory_is_read_with_what_its_reader_may_have_and_nothing_else() {
    let world = World::prepared();
    let vault: Vault<_> = Copy::of(&world.bytes).vault;
    let mut read = 0;
    for role in ROLES {
        for (cell, may) in readable(&world, role) {
            let about = format!("{:?} as {}", cell.target, role.name);
            let memory = vault.memories_read(cell.call, cell.id()).expect(&about);
            read += 1;
            for asset in &memory.inline_assets {
                let is_original = asset.asset_id == cell.thing.assets[0];
                let may_have = !is_original || may & DOWNLOAD != 0;
                assert_eq!(!asset.bytes.is_empty(), may_have, "bytes of {about}");
            }
            let all = vault.memories_read(owner(), cell.id()).expect("the owner");
            if may & SHARE != 0 {
                assert_eq!(memory.access_entries, all.access_entries, "{about}");
            } else {
                let own = all.access_entries.into_iter();
                let own: Vec<_> = own.filter(|entry| concerns(entry, role)).collect();
                assert_eq!(memory.access_entries, own, "{about}");
            }
        }
    }
    assert!(read > 100, "only {read} were read");
}

fn check_header(world: &World, role: &Role, header: &MemoryHeader) {
    let cells = readable(world, role);
    let mut cells = cells.filter(|(cell, _)| cell.id() == header.id);
    let Some((cell, may)) = cells.next() else {
        // A memory that the matrix is not about: only who uses the capsule lists it.
        assert!(
            rules::part(role) > Part::None,
            "{} lists {}",
            role.name,
            header.id
        );
        return;
    };
    let is_external = cell.target == Target::Memory(OfMemory::External);
    let about = format!("{:?} as {}", cell.target, role.name);
    let original = may & DOWNLOAD != 0 && !is_external;
    assert_eq!(header.assets.original.is_some(), original, "{about}");
    assert!(header.assets.thumbnail.is_some(), "{about}");
    // The token opens what it is shown for, and not the original to who may not have it.
    let links = [&header.assets.thumbnail, &header.assets.original];
    let token = links.into_iter().flatten().next().expect("a link");
    for (asset, may_have) in [(0, original), (1, true)] {
        let request = cell.request(asset, Some(&token.token));
        let vault: Vault<_> = Copy::of(&world.bytes).vault;
        let answer = vault.http_request(NOW, crate::world::MEANS, &request);
        assert_eq!(
            answer.status_code == 200,
            may_have,
            "asset {asset} of {about}"
        );
    }
}

#[test]
fn listings_link_what_their_reader_may_have_and_nothing_else() {
    let world = World::prepared();
    let vault: Vault<_> = Copy::of(&world.bytes).vault;
    let (mut shared, mut listed) = (0, 0);
    for role in ROLES.iter().filter(|role| role.is_named()) {
        let call = Call {
            caller: role.principal(),
            now: NOW,
        };
        let page = vault.memories_shared_with_me(call, None, None);
        for header in page.expect("what is shared").items {
            assert_eq!(rules::part(role), Part::None);
            check_header(&world, role, &header);
            shared += 1;
        }
        let live = world.capsule(OfCapsule::Live);
        let Ok(page) = vault.memories_list(call, live, None, Some(100)) else {
            continue;
        };
        for header in &page.items {
            check_header(&world, role, header);
            listed += 1;
        }
        let full = vault
            .capsules_read_full(call, Some(live))
            .expect("a reader");
        assert_eq!(full.memories.len(), page.items.len());
        for (_, memory) in full.memories {
            let may_share = rules::part(role) > Part::Subject;
            let mut entries = memory.access_entries.iter();
            let own = entries.all(|entry| concerns(entry, role));
            assert!(
                may_share || own,
                "entries of {} as {}",
                memory.id,
                role.name
            );
        }
    }
    assert!(
        shared > 30 && listed > 20,
        "{shared} shared, {listed} listed"
    );
}

/// Who views and may do more is told more; who views nothing has no permission at all.
#[test]
fn the_rules_have_readers_of_every_kind() {
    let readers = |needed: u32| {
        let roles = ROLES.iter();
        roles
            .filter_map(|role| rules::readable(role, OfMemory::Internal))
            .filter(|may| may & (DOWNLOAD | SHARE) == needed)
            .count()
    };
    for needed in [0, DOWNLOAD, SHARE, DOWNLOAD | SHARE] {
        assert!(readers(needed) > 0, "{needed}");
    }
    let every = ROLES
        .iter()
        .filter_map(|role| rules::readable(role, OfMemory::Internal));
    assert!(every.into_iter().all(|may| may & VIEW != 0));
}
