//! Capsules, compared.

use std::collections::{BTreeMap, BTreeSet};

use keepsake_api::{Capsule, CapsuleHeader, CapsuleUpdateData, Memory};
use keepsake_vault::{Error, limits};

use super::{Driver, named};
use crate::calls::{OnCapsule, Subject};
use crate::pools::{EVENTS, GROUPS};

impl Driver {
    pub(super) fn capsules_create(&mut self, who: usize, subject: Option<Subject>) -> String {
        let subject = subject.map(named);
        let expected = self.model.capsules_create(who, self.now, subject.clone());
        let got = self.vault.capsules_create(self.context(who), subject);
        let text = format!("{:?}", got.as_ref().map(|capsule| &capsule.id));
        if let Some((capsule, got)) = self.agree("capsules_create", expected, got) {
            self.capsules.learn(&capsule, &got.id);
            self.capsule_read(capsule, &got);
            assert_eq!(got.memories, []);
        }
        text
    }

    pub fn capsules_read_basic(&mut self, who: usize, capsule: Option<(Option<usize>, &str)>) {
        let expected = self
            .model
            .capsules_read_basic(who, capsule.map(|(capsule, _)| capsule));
        let got = self
            .vault
            .capsules_read_basic(self.context(who), capsule.map(|(_, real)| real));
        if let Some((capsule, got)) = self.agree("capsules_read_basic", expected, got) {
            let known = &self.model.capsules[capsule];
            assert_eq!(got.capsule_id, self.capsules.of(&capsule));
            assert_eq!(
                (&got.subject, got.created_at),
                (&known.subject, known.created_at)
            );
            assert_eq!(got.is_owner, self.model.is_owner(who, capsule));
            assert_eq!(got.is_controller, self.model.is_controller(who, capsule));
            assert_eq!(got.bound_to_neon, known.bound_to_neon);
            assert_eq!(
                got.is_self_capsule,
                self.model.is_own(capsule) && self.model.is_subject(who, capsule)
            );
            assert_eq!(
                got.memory_count,
                self.model.memories_of(capsule).count() as u64,
                "memory_count"
            );
            assert_eq!((got.gallery_count, got.connection_count), (0, 0));
        }
    }

    /// What hangs on the capsule beside its memories.
    fn capsule_read(&self, capsule: usize, got: &Capsule) {
        let known = &self.model.capsules[capsule];
        assert_eq!(got.id, self.capsules.of(&capsule));
        assert_eq!(
            (&got.subject, got.created_at, got.bound_to_neon),
            (&known.subject, known.created_at, known.bound_to_neon)
        );
        assert_eq!(
            got.inline_bytes_used,
            self.model.inline_bytes_used(capsule),
            "inline_bytes_used"
        );
        let owners: BTreeMap<_, _> = (got.owners.iter())
            .map(|(owner, state)| (owner.clone(), state.since))
            .collect();
        assert_eq!(owners, known.owners.iter().cloned().collect(), "owners");
        let each = got.controllers.iter().cloned();
        let controllers: BTreeSet<_> = each
            .map(|(controller, state)| (controller, state.granted_at, state.granted_by))
            .collect();
        let expected = known.controllers.iter().cloned().collect();
        assert_eq!(controllers, expected, "controllers");
        let groups: BTreeMap<_, _> = got.connection_groups.iter().cloned().collect();
        assert_eq!(groups, known.groups, "connection groups");
        assert!(got.connections.is_empty() && got.folders.is_empty() && got.galleries.is_empty());
    }

    /// The newest memories come along, as they are read one by one.
    pub(super) fn capsules_read_full(
        &mut self,
        who: usize,
        capsule: Option<(Option<usize>, &str)>,
    ) {
        let expected = (self.model).capsules_read_basic(who, capsule.map(|(capsule, _)| capsule));
        let context = self.context(who);
        let got = (self.vault).capsules_read_full(context, capsule.map(|(_, real)| real));
        let Some((capsule, got)) = self.agree("capsules_read_full", expected, got) else {
            return;
        };
        self.capsule_read(capsule, &got);
        let all = self.model.memories_of(capsule).count();
        let most = limits::CAPSULE_MEMORIES_MAX as usize;
        assert_eq!(got.memories.len(), all.min(most), "memories of a capsule");
        let mut ids = vec![];
        let mut inline = 0;
        for (id, memory) in &got.memories {
            ids.push(self.memories.thing(id).clone());
            let read = self.vault.memories_read(context, id).expect("it is there");
            let carried = |memory: &Memory| -> usize {
                memory
                    .inline_assets
                    .iter()
                    .map(|asset| asset.bytes.len())
                    .sum()
            };
            inline += carried(&read);
            // Inline bytes are left out where the reply would be too long.
            if inline <= limits::REPLY_INLINE_MAX {
                assert!(*memory == read, "a memory that comes with its capsule");
            }
        }
        let dates: Vec<_> = ids.iter().map(|id| self.model.date(id)).collect();
        assert!(dates.is_sorted_by(|a, b| a >= b), "not newest first");
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "a memory comes twice");
    }

    pub(super) fn capsule_call(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        real: &str,
        about: &OnCapsule,
    ) -> String {
        let caller = (who, self.now);
        let context = self.context(who);
        match about {
            OnCapsule::Update { bound_to_neon } => {
                let bound_to_neon = *bound_to_neon;
                let expected = self.model.capsules_update(who, capsule, bound_to_neon);
                let update = CapsuleUpdateData { bound_to_neon };
                let got = self.vault.capsules_update(context, real, update);
                let text = format!("{got:?}");
                if let Some((capsule, got)) = self.agree("capsules_update", expected, got) {
                    self.capsule_read(capsule, &got);
                    assert_eq!(got.memories, []);
                }
                text
            }
            OnCapsule::OwnerAdd { whom } => {
                let whom = named(*whom);
                let expected = self.model.capsule_owner_add(caller, capsule, &whom);
                let got = self.vault.capsule_owner_add(context, real, whom);
                self.done("capsule_owner_add", expected, got)
            }
            OnCapsule::OwnerRemove { whom } => {
                let whom = named(*whom);
                let expected = self.model.capsule_owner_remove(who, capsule, &whom);
                let got = self.vault.capsule_owner_remove(context, real, whom);
                self.done("capsule_owner_remove", expected, got)
            }
            OnCapsule::ControllerAdd { whom } => {
                let whom = named(*whom);
                let expected = self.model.capsule_controller_add(caller, capsule, &whom);
                let got = self.vault.capsule_controller_add(context, real, whom);
                self.done("capsule_controller_add", expected, got)
            }
            OnCapsule::ControllerRemove { whom } => {
                let whom = named(*whom);
                let expected = self.model.capsule_controller_remove(who, capsule, &whom);
                let got = self.vault.capsule_controller_remove(context, real, whom);
                self.done("capsule_controller_remove", expected, got)
            }
            OnCapsule::Status => {
                self.capsule_status(who, capsule, real);
                String::new()
            }
            OnCapsule::Delete => {
                let expected = self.model.capsules_delete(caller, capsule);
                let got = self.vault.capsules_delete(context, real);
                if let (Some(capsule), true) = (capsule, got.is_ok()) {
                    self.walks.all_deleted(capsule);
                }
                self.done("capsules_delete", expected, got)
            }
            OnCapsule::DeleteAll { delete_assets } => {
                let expected = (self.model).memories_delete_all(caller, capsule, *delete_assets);
                let got = self.delete_all(who, real, *delete_assets);
                if let Some((expected, got)) = self.agree("memories_delete_all", expected, got) {
                    assert_eq!(got, expected, "memories deleted");
                    self.walks.all_deleted(capsule.expect("it was found"));
                }
                String::new()
            }
            OnCapsule::Trashed { limit } => {
                self.trashed(who, capsule, real, *limit);
                String::new()
            }
            OnCapsule::TrashEmpty => {
                let expected = self.model.memories_trash_empty(caller, capsule);
                let got = self.trash_empty(who, real);
                if let Some((expected, got)) = self.agree("memories_trash_empty", expected, got) {
                    assert_eq!(got, expected, "memories in the trash");
                }
                String::new()
            }
            OnCapsule::Event { event } => {
                let event = &EVENTS[*event];
                let expected = self.model.capsule_event_record(who, capsule, event);
                let got = self.vault.capsule_event_record(context, real, event);
                self.done("capsule_event_record", expected, got)
            }
            OnCapsule::GroupPut {
                group,
                name,
                members,
            } => self.group_put(who, (capsule, real), GROUPS[*group], name, members),
            OnCapsule::GroupRemove { group } => {
                let group = GROUPS[*group];
                let expected = self.model.connection_group_remove(who, capsule, group);
                let got = self.vault.connection_group_remove(context, real, group);
                self.done("connection_group_remove", expected, got)
            }
            OnCapsule::ExternalDeletions => {
                self.external_deletions(who, capsule, real);
                String::new()
            }
            OnCapsule::Acknowledge { which, unknown } => {
                self.acknowledge(who, (capsule, real), which, *unknown)
            }
        }
    }

    /// In as many messages as it takes.
    fn delete_all(&mut self, who: usize, real: &str, delete_assets: bool) -> Result<u32, Error> {
        let context = self.context(who);
        let mut deleted = 0;
        loop {
            let (some, more) =
                (self.vault).memories_delete_all_step(context, real, delete_assets, self.now)?;
            deleted += some;
            if !more {
                return Ok(deleted);
            }
        }
    }

    pub fn capsules_list(&mut self, who: usize) {
        let expected: BTreeMap<String, _> = self
            .model
            .capsules_list(who)
            .into_iter()
            .map(|c| {
                let known = &self.model.capsules[c];
                (
                    self.capsules.of(&c).to_owned(),
                    (
                        known.subject.clone(),
                        known.created_at,
                        self.model.memories_of(c).count() as u64,
                        known.owners.len() as u64,
                        known.controllers.len() as u64,
                    ),
                )
            })
            .collect();
        let got = self.vault.capsules_list(self.context(who));
        let governed = |header: &CapsuleHeader| {
            let capsule = *self.capsules.thing(&header.id);
            self.model.may_govern(who, capsule)
        };
        assert!(
            got.is_sorted_by_key(|header| !governed(header)),
            "not the governed ones first"
        );
        let count = got.len();
        let got: BTreeMap<String, _> = got
            .into_iter()
            .map(|h| {
                (
                    h.id,
                    (
                        h.subject,
                        h.created_at,
                        h.memory_count,
                        h.owner_count,
                        h.controller_count,
                    ),
                )
            })
            .collect();
        self.note("capsules_list", "Ok".into());
        assert_eq!(got.len(), count, "a capsule is listed twice");
        assert_eq!(got, expected, "capsules_list of caller {who}");
    }
}
