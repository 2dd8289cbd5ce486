//! How the one prepared state comes about, step by step and at its times.
mod links;

use std::collections::BTreeMap;

use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::{AccessEntry, AssetType, MemoryUpdateData};
use keepsake_vault::{Call, FinishStep, Vault};

use crate::calls::{blob_input, dated, external, inline, inline_input, of_blob, sha256};
use crate::people::{
    self, GROUP, OWN_ENTRY, OWNER, ROLES, Role, all_entries, entries_for_all, plain_entry, recorded,
};
use crate::rules::opened_sessions;
use crate::things::{OfBlob, OfCapsule, OfMemory, OfSession, Target, Thing};
use crate::world::{CHUNKS, MEANS, NOW, World, unknown_things};

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;

impl World {
    pub fn prepared() -> Self {
        let mut setup = Setup::new();
        let live = setup.capsule("live");
        let own = [OWNER, people::STRANGER].map(|role| setup.own(&role));
        setup.link();
        let deleted = setup.capsule("deleted");
        let emptying = setup.capsule("emptying");
        setup.things.extend(unknown_things(&live));
        for (state, id) in [
            (OfCapsule::Live, &live),
            (OfCapsule::Deleted, &deleted),
            (OfCapsule::Emptying, &emptying),
        ] {
            let thing = Thing {
                id: id.clone(),
                capsule: id.clone(),
                ..Thing::default()
            };
            setup.things.insert(Target::Capsule(state), thing);
        }

        setup.overdue(&live);
        setup.now = NOW - 8 * DAY;
        setup.sessions(&live, &[OfSession::Expired]);
        setup.offers();

        setup.now = NOW - 100 * SECOND;
        setup.memories(&live, &deleted, &emptying);
        setup.lone_blobs(&live, &own[0]);
        let open = [
            OfSession::Begun,
            OfSession::Complete,
            OfSession::Finished,
            OfSession::Aborted,
        ];
        setup.sessions(&live, &open);
        for (capsule, state) in [
            (&deleted, OfSession::InDeletedCapsule),
            (&emptying, OfSession::InEmptyingCapsule),
        ] {
            let session = setup.session(&OWNER, capsule, OfSession::Begun, "in another");
            setup.things.insert(Target::Session(state), session);
        }
        setup.mint();
        setup.links(&live, &deleted, &emptying);

        setup.now = NOW - 50 * SECOND;
        setup.take_rights();
        let deletion = setup.external_deletion(&live);
        setup.delete(&deleted, &emptying);
        setup.now = NOW;
        setup.finished(own, deletion)
    }
}

struct Setup {
    memory: VectorMemory,
    vault: Vault<VectorMemory>,
    now: u64,
    things: BTreeMap<Target, Thing>,
    sessions: BTreeMap<(&'static str, OfSession), Thing>,
    tokens: BTreeMap<(&'static str, OfMemory), [String; 2]>,
    link_tokens: BTreeMap<OfMemory, [String; 2]>,
}

impl Setup {
    fn new() -> Self {
        let memory = VectorMemory::default();
        let mut vault = Vault::open(memory.clone()).expect("an empty memory");
        vault.set_seed([7; 32]);
        Self {
            memory,
            vault,
            now: NOW - 40 * DAY,
            things: BTreeMap::new(),
            sessions: BTreeMap::new(),
            tokens: BTreeMap::new(),
            link_tokens: BTreeMap::new(),
        }
    }

    fn by(&self, role: &Role) -> Call {
        Call {
            caller: role.principal(),
            now: self.now,
        }
    }

    fn own(&mut self, role: &Role) -> String {
        let created = self.vault.capsules_create(self.by(role), None);
        created.expect("an own capsule").id
    }

    /// A capsule about the subject, in which everybody is what they are or were.
    fn capsule(&mut self, what: &str) -> String {
        let owner = self.by(&OWNER);
        let subject = Some(people::SUBJECT.person());
        let id = self.vault.capsules_create(owner, subject).expect(what).id;
        for role in [
            &people::SECOND_OWNER,
            &people::FORMER_OWNER,
            &people::OWNER_WHO_LEFT,
        ] {
            let added = self.vault.capsule_owner_add(owner, &id, role.person());
            added.expect(role.name);
        }
        for role in [
            &people::CONTROLLER,
            &people::FORMER_CONTROLLER,
            &people::CONTROLLER_WHO_LEFT,
        ] {
            let added = self.vault.capsule_controller_add(owner, &id, role.person());
            added.expect(role.name);
        }
        let recorded = self.vault.capsule_event_record(owner, &id, &recorded());
        recorded.expect("an event");
        self.group(&id, &[&people::MEMBER, &people::FORMER_MEMBER]);
        id
    }

    fn group(&mut self, capsule: &str, members: &[&Role]) {
        let members = members.iter().map(|role| role.person()).collect();
        let owner = self.by(&OWNER);
        let put = self
            .vault
            .connection_group_put(owner, capsule, GROUP, "Family", None, members);
        put.expect("a group");
    }

    fn link(&mut self) {
        let mut link = |first: Principal, second: candid::Principal| {
            let now = self.now;
            let by = |caller| Call { caller, now };
            let offered = self.vault.person_link_offer(by(first), second);
            offered.expect("an offer");
            let accepted = self.vault.person_link_accept(by(second), first);
            accepted.expect("an acceptance");
        };
        link(OWNER.principal(), people::LINKED_TO_OWNER.principal());
        let (to, by) = (people::LINKED_TO_GRANTEE, people::LINKED_BY_GRANTEE);
        link(to.other(), to.principal());
        link(by.principal(), by.other());
    }

    /// Offers to each role, one that has ended by now and one that has not; and one to somebody else.
    fn offers(&mut self) {
        let somebody_else = people::other_principal(102);
        for (kind, at) in [(1, NOW - 25 * HOUR), (0, NOW - 2 * HOUR)] {
            for role in ROLES.iter().filter(|role| role.is_named()) {
                let by = Call {
                    caller: role.offerer(kind),
                    now: at,
                };
                let offered = self.vault.person_link_offer(by, role.principal());
                offered.expect("an offer");
            }
        }
        let by = Call {
            caller: people::other_principal(101),
            now: NOW - 2 * HOUR,
        };
        let offered = self.vault.person_link_offer(by, somebody_else);
        offered.expect("an offer");
    }

    fn blob(&mut self, capsule: &str, bytes: &str) -> String {
        let (owner, bytes) = (self.by(&OWNER), bytes.as_bytes());
        let put = self
            .vault
            .uploads_put_blob(owner, capsule, bytes, &sha256(bytes), "blob");
        put.expect("a blob").blob_id
    }

    /// A memory of an original and a thumbnail.
    fn memory(&mut self, capsule: &str, what: &str, kind: Kind) -> Thing {
        let owner = self.by(&OWNER);
        let names = [format!("{what}, original"), format!("{what}, thumbnail")];
        let mut thing = Thing {
            capsule: capsule.into(),
            blobs: [
                "blob_1234567890123456781".into(),
                "blob_1234567890123456782".into(),
            ],
            places: [0, 1],
            ..Thing::default()
        };
        if kind == Kind::Internal {
            thing.blobs = names.clone().map(|name| self.blob(capsule, &name));
        }
        let new = match kind {
            Kind::Inline => inline(capsule, names[0].as_bytes(), what),
            Kind::Internal => of_blob(capsule, &thing.blobs[0], what),
            Kind::External => external(capsule, &names[0], what),
        };
        thing.id = self.vault.memories_create(owner, new).expect("a memory");
        let vault = &mut self.vault;
        thing.storage_key.clone_from(&names[0]);
        match kind {
            // There is no way to add a second external asset.
            Kind::Inline | Kind::External => {
                let input = inline_input(names[1].as_bytes(), AssetType::Thumbnail);
                let added = vault.memories_add_inline_asset(owner, &thing.id, input, "small");
                added.expect("an asset");
            }
            Kind::Internal => {
                let input = blob_input(&thing.blobs[1], AssetType::Thumbnail);
                let added = vault.memories_add_asset(owner, &thing.id, input, "small");
                added.expect("an asset");
            }
        }
        let read = vault.memories_read(owner, &thing.id).expect("the memory");
        let ids = read.inline_assets.into_iter().map(|asset| asset.asset_id);
        let ids = ids.chain(read.blob_internal_assets.into_iter().map(|a| a.asset_id));
        let ids = ids.chain(read.blob_external_assets.into_iter().map(|a| a.asset_id));
        let ids: Vec<String> = ids.collect();
        if kind == Kind::External {
            thing.places = [1, 0];
        }
        thing.assets = thing.places.map(|place| ids[place as usize].clone());
        thing
    }

    fn set_entries(&mut self, memory: &str, entries: Vec<AccessEntry>) {
        let update = MemoryUpdateData {
            access_entries: Some(entries),
            ..Default::default()
        };
        let set = self.vault.memories_update(self.by(&OWNER), memory, update);
        set.expect("entries");
    }

    fn overdue(&mut self, live: &str) {
        let overdue = self.memory(live, "overdue", Kind::Inline);
        self.set_entries(&overdue.id, all_entries());
        self.now = NOW - 31 * DAY;
        let trashed = self.vault.memories_trash(self.by(&OWNER), &overdue.id);
        trashed.expect("trash");
        let target = Target::Memory(OfMemory::Overdue);
        self.things.insert(target, overdue);
    }

    fn memories(&mut self, live: &str, deleted: &str, emptying: &str) {
        for (state, capsule, kind) in [
            (OfMemory::Inline, live, Kind::Inline),
            (OfMemory::Internal, live, Kind::Internal),
            (OfMemory::External, live, Kind::External),
            (OfMemory::Unshared, live, Kind::Inline),
            (OfMemory::PublicView, live, Kind::Internal),
            (OfMemory::PublicDownload, live, Kind::Internal),
            (OfMemory::Trashed, live, Kind::Internal),
            (OfMemory::Deleted, live, Kind::Internal),
            (OfMemory::DeletedByGrantee, live, Kind::Inline),
            (OfMemory::InDeletedCapsule, deleted, Kind::Internal),
            (OfMemory::InEmptyingCapsule, emptying, Kind::Internal),
        ] {
            let thing = self.memory(capsule, &format!("{state:?}"), kind);
            self.set_entries(&thing.id, entries_for_all());
            self.things.insert(Target::Memory(state), thing);
        }
        // Newer than all others and larger than a step: it is what the first step of emptying its capsule takes away.
        let large = (0..60u8).map(|n| inline_input(&[n], AssetType::Original));
        let created = self.vault.memories_create_with_assets(
            self.by(&OWNER),
            emptying,
            dated(Some(NOW + DAY)),
            vec![],
            large.collect(),
            "large",
        );
        created.expect("a large memory");
    }

    fn lone_blobs(&mut self, live: &str, own: &str) {
        let blob_of = |setup: &Self, state| setup.things[&Target::Memory(state)].blobs.clone();
        let [shared, thumbnail] = blob_of(self, OfMemory::Internal);
        let unshared = self.blob(live, "of a memory without entries");
        let created = of_blob(live, &unshared, "unshared");
        let created = self.vault.memories_create(self.by(&OWNER), created);
        created.expect("a memory");
        let deleted = self.blob(live, "deleted");
        let gone = self.vault.blob_delete(self.by(&OWNER), &deleted);
        gone.expect("a deletion");
        for (state, id) in [
            (OfBlob::SharedOriginal, shared),
            (OfBlob::SharedThumbnail, thumbnail),
            (OfBlob::Unshared, unshared),
            (
                OfBlob::PublicView,
                blob_of(self, OfMemory::PublicView)[0].clone(),
            ),
            (
                OfBlob::PublicDownload,
                blob_of(self, OfMemory::PublicDownload)[0].clone(),
            ),
            (OfBlob::Trashed, blob_of(self, OfMemory::Trashed)[0].clone()),
            (
                OfBlob::LeftOver,
                blob_of(self, OfMemory::Deleted)[0].clone(),
            ),
            (OfBlob::Unreferenced, self.blob(live, "unreferenced")),
            (OfBlob::Deleted, deleted),
            (OfBlob::InOtherCapsule, self.blob(own, "in the owner's own")),
            (
                OfBlob::InDeletedCapsule,
                blob_of(self, OfMemory::InDeletedCapsule)[0].clone(),
            ),
            (
                OfBlob::InEmptyingCapsule,
                blob_of(self, OfMemory::InEmptyingCapsule)[0].clone(),
            ),
        ] {
            let thing = Thing {
                id,
                ..Thing::default()
            };
            self.things.insert(Target::Blob(state), thing);
        }
    }

    fn session(&mut self, role: &Role, capsule: &str, state: OfSession, idem: &str) -> Thing {
        let by = self.by(role);
        let vault = &mut self.vault;
        let number = vault
            .uploads_begin(by, capsule, 2, idem)
            .expect("a session");
        let chunks = match state {
            OfSession::Complete | OfSession::Finished => 2,
            _ => 1,
        };
        for (index, chunk) in CHUNKS.iter().enumerate().take(chunks) {
            let put = vault.uploads_put_chunk(by, number, index as u32, chunk);
            put.expect("a chunk");
        }
        if state == OfSession::Finished {
            let whole = CHUNKS.concat();
            let finished = vault.uploads_finish(by, number, &sha256(&whole), whole.len() as u64);
            assert!(matches!(finished, Ok(FinishStep::Done(_))));
        }
        if state == OfSession::Aborted {
            vault.uploads_abort(by, number).expect("an abort");
        }
        Thing {
            number,
            capsule: capsule.into(),
            ..Thing::default()
        }
    }

    fn sessions(&mut self, live: &str, states: &[OfSession]) {
        let openers = ROLES
            .iter()
            .filter(|role| opened_sessions(role) && role.name != people::LINKED_TO_OWNER.name);
        for role in openers {
            for state in states {
                let session = self.session(role, live, *state, &format!("{state:?}"));
                self.sessions.insert((role.name, *state), session);
            }
        }
    }

    fn mint(&mut self) {
        for (target, thing) in &self.things {
            let Target::Memory(state) = target else {
                continue;
            };
            if matches!(
                state,
                OfMemory::NeverExisted | OfMemory::Malformed | OfMemory::Overdue
            ) {
                continue;
            }
            for role in ROLES.iter().filter(|role| role.is_named()) {
                let tokens = ["original", "thumbnail"].map(|variant| {
                    let (by, variants) = (self.by(role), [variant.to_owned()]);
                    let token = self
                        .vault
                        .mint_http_token(by, &thing.id, &variants, None, 0);
                    token.expect("a token for somebody who may everything")
                });
                self.tokens.insert((role.name, *state), tokens);
            }
        }
    }

    /// Everybody has only the rights of the role from now on.
    fn take_rights(&mut self) {
        let memory =
            |state: OfMemory, setup: &Self| setup.things[&Target::Memory(state)].id.clone();
        for (state, entries) in [
            (OfMemory::Inline, all_entries()),
            (OfMemory::Internal, all_entries()),
            (OfMemory::External, all_entries()),
            (OfMemory::Unshared, vec![]),
            (
                OfMemory::PublicView,
                vec![plain_entry("public", None, people::VIEW)],
            ),
            (
                OfMemory::PublicDownload,
                vec![plain_entry("public", None, people::VIEW | people::DOWNLOAD)],
            ),
            (OfMemory::Trashed, all_entries()),
            (OfMemory::Deleted, all_entries()),
            (OfMemory::DeletedByGrantee, all_entries()),
            (OfMemory::InDeletedCapsule, all_entries()),
            (OfMemory::InEmptyingCapsule, all_entries()),
        ] {
            let id = memory(state, self);
            self.set_entries(&id, entries);
        }
        let owner = self.by(&OWNER);
        for capsule in [OfCapsule::Live, OfCapsule::Deleted, OfCapsule::Emptying] {
            let id = self.things[&Target::Capsule(capsule)].id.clone();
            self.group(&id, &[&people::MEMBER]);
            let left = &people::OWNER_WHO_LEFT;
            let by = self.by(left);
            let vault = &mut self.vault;
            let former = people::FORMER_OWNER.person();
            let removed = vault.capsule_owner_remove(owner, &id, former);
            removed.expect("an owner taken out");
            let removed = vault.capsule_owner_remove(by, &id, left.person());
            removed.expect("an owner leaves");
            let former = people::FORMER_CONTROLLER.person();
            let removed = vault.capsule_controller_remove(owner, &id, former);
            removed.expect("a controller taken out");
            let left = &people::CONTROLLER_WHO_LEFT;
            let by = self.by(left);
            let removed = self.vault.capsule_controller_remove(by, &id, left.person());
            removed.expect("a controller leaves");
        }
    }

    /// External content of an asset that was removed.
    fn external_deletion(&mut self, live: &str) -> String {
        let memory = self.memory(live, "to be deleted elsewhere", Kind::External);
        let owner = self.by(&OWNER);
        let deleted = self.vault.memories_delete(owner, &memory.id, true);
        deleted.expect("a deletion");
        let listed = self.vault.external_deletions_list(owner, live);
        listed.expect("a list").remove(0).id
    }

    fn delete(&mut self, deleted: &str, emptying: &str) {
        let owner = self.by(&OWNER);
        let grantee = self.by(&OWN_ENTRY);
        let id = |setup: &Self, state| setup.things[&Target::Memory(state)].id.clone();
        let trashed = id(self, OfMemory::Trashed);
        self.vault.memories_trash(owner, &trashed).expect("trash");
        let gone = id(self, OfMemory::Deleted);
        let deletion = self.vault.memories_delete(owner, &gone, false);
        deletion.expect("a deletion");
        let gone = id(self, OfMemory::DeletedByGrantee);
        let deletion = self.vault.memories_delete(grantee, &gone, true);
        deletion.expect("a deletion");
        for capsule in [deleted, emptying] {
            let deletion = self.vault.capsules_delete(owner, capsule);
            deletion.expect("a deletion");
        }
    }

    fn finished(self, own: [String; 2], deletion: String) -> World {
        let status = self.vault.status(NOW, MEANS);
        assert_eq!(status.maintenance.capsules_emptying, 1);
        self.vault.recount().expect("counters");
        let bytes = self.memory.borrow().clone();
        World {
            bytes,
            things: self.things,
            sessions: self.sessions,
            tokens: self.tokens,
            link_tokens: self.link_tokens,
            own,
            deletion,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inline,
    Internal,
    External,
}
