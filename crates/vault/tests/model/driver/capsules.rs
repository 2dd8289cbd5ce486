//! Capsules, compared.

use std::collections::BTreeMap;

use keepsake_api::PersonRef;
use keepsake_vault::limits;

use super::Driver;
use crate::calls::Subject;
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
            assert!(!got.is_controller && !got.bound_to_neon);
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
