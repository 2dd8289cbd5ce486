//! Capsules, compared.

use std::collections::{BTreeMap, BTreeSet};

use keepsake_api::{Capsule, CapsuleUpdateData, Memory, PersonRef};
use keepsake_vault::{Error, limits};

use super::Driver;
use crate::calls::{Call, Subject};
use crate::pools::principal;

impl Driver {
    pub(super) fn capsules_create(&mut self, who: usize, subject: Option<Subject>) -> String {
        let subject = subject.map(|subject| match subject {
            Subject::Principal(n) => PersonRef::Principal(principal(n)),
            Subject::Opaque(name) if name.len() > 20 => {
                PersonRef::Opaque("n".repeat(limits::OPAQUE_PERSON_MAX + 1))
            }
            Subject::Opaque(name) => PersonRef::Opaque(name.into()),
        });
        let expected = self.model.capsules_create(who, self.now, subject.clone());
        let got = self.vault.capsules_create(self.context(who), subject);
        let text = format!("{:?}", got.as_ref().map(|capsule| &capsule.id));
        if let Some((capsule, got)) = self.agree("capsules_create", expected, got) {
            self.capsules.learn(&capsule, &got.id);
            let known = &self.model.capsules[capsule];
            let owners: Vec<_> = got
                .owners
                .iter()
                .map(|(person, state)| (person.clone(), state.since))
                .collect();
            assert_eq!(
                owners,
                [(
                    PersonRef::Principal(principal(known.owner)),
                    known.created_at
                )]
            );
            assert_eq!(
                (&got.subject, got.created_at),
                (&known.subject, known.created_at)
            );
            assert_eq!(
                got.inline_bytes_used,
                self.model.inline_bytes_used(capsule),
                "inline_bytes_used"
            );
            assert!(
                got.controllers.is_empty() && got.connections.is_empty() && got.folders.is_empty()
            );
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
            assert!(!got.is_controller);
            assert_eq!(got.bound_to_neon, known.bound_to_neon);
            assert_eq!(
                got.is_self_capsule,
                self.model.is_owner(who, capsule) && self.model.is_subject(who, capsule)
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
        call: &Call,
    ) -> String {
        let context = self.context(who);
        match call {
            Call::CapsulesUpdate { bound_to_neon, .. } => {
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
            Call::CapsulesDelete { .. } => {
                let expected = self.model.capsules_delete(who, capsule);
                let got = self.vault.capsules_delete(context, real);
                if let (Some(capsule), true) = (capsule, got.is_ok()) {
                    self.walks.all_deleted(capsule);
                }
                self.done("capsules_delete", expected, got)
            }
            Call::DeleteAll { delete_assets, .. } => {
                let expected = self.model.memories_delete_all(who, capsule, *delete_assets);
                let got = self.delete_all(who, real, *delete_assets);
                if let Some((expected, got)) = self.agree("memories_delete_all", expected, got) {
                    assert_eq!(got, expected, "memories deleted");
                    self.walks.all_deleted(capsule.expect("it was found"));
                }
                String::new()
            }
            other => unreachable!("dispatched elsewhere: {other:?}"),
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
                        1,
                        0,
                    ),
                )
            })
            .collect();
        let got = self.vault.capsules_list(self.context(who));
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
        assert_eq!(got.len(), count, "a capsule is listed twice");
        assert_eq!(got, expected, "capsules_list of caller {who}");
    }
}
