//! Connection groups, and the list of external content to delete, compared.

use std::collections::BTreeMap;

use keepsake_api::{ConnectionGroup, ExternalDeletion};

use super::{Driver, named};
use crate::calls::Subject;
use crate::model::Address;

fn address(deletion: &ExternalDeletion) -> Address {
    (
        format!("{:?}", deletion.location),
        deletion.storage_key.clone(),
    )
}

impl Driver {
    pub(super) fn group_put(
        &mut self,
        who: usize,
        (capsule, real): (Option<usize>, &str),
        id: &str,
        name: &str,
        members: &[Subject],
    ) -> String {
        let members: Vec<_> = members.iter().copied().map(named).collect();
        let group = ConnectionGroup {
            id: id.into(),
            name: name.into(),
            description: Some("on both sides".into()),
            members: members.clone(),
            created_at: 0,
            updated_at: 0,
        };
        let description = group.description.clone();
        let expected = (self.model).connection_group_put((who, self.now), capsule, group);
        let context = self.context(who);
        let got = (self.vault).connection_group_put(context, real, id, name, description, members);
        let text = format!("{got:?}");
        if let Some((expected, got)) = self.agree("connection_group_put", expected, got) {
            assert_eq!(got, expected, "the group as it is kept");
        }
        text
    }

    /// What the list of a capsule says now.
    pub(super) fn external_deletions(
        &mut self,
        who: usize,
        capsule: Option<usize>,
        real: &str,
    ) -> Vec<ExternalDeletion> {
        let expected = self.model.external_deletions_list(who, capsule);
        let got = self.vault.external_deletions_list(self.context(who), real);
        let Some((expected, got)) = self.agree("external_deletions_list", expected, got) else {
            return vec![];
        };
        let listed: BTreeMap<Address, u64> = got
            .iter()
            .map(|one| (address(one), one.removed_at))
            .collect();
        assert_eq!(listed.len(), got.len(), "listed twice");
        let being_emptied = capsule.is_some_and(|capsule| self.model.capsules[capsule].deleted)
            && self.memory.is_bounded();
        if !being_emptied {
            assert_eq!(listed, expected.into_iter().collect(), "external deletions");
        }
        got
    }

    pub(super) fn acknowledge(
        &mut self,
        who: usize,
        (capsule, real): (Option<usize>, &str),
        which: &[usize],
        unknown: bool,
    ) -> String {
        let list = self.external_deletions(who, capsule, real);
        let picked = which.iter().filter_map(|nth| list.get(*nth));
        let done: Vec<Address> = picked.clone().map(address).collect();
        let mut ids: Vec<String> = picked.map(|deletion| deletion.id.clone()).collect();
        if unknown {
            ids.push("00000000000000000000000000000000".into());
            ids.push("no id".into());
        }
        let expected = (self.model).external_deletions_acknowledge(who, capsule, &done);
        let context = self.context(who);
        let got = (self.vault).external_deletions_acknowledge(context, real, &ids);
        let text = format!("{got:?}");
        if let Some((expected, got)) = self.agree("external_deletions_acknowledge", expected, got) {
            assert_eq!(got, expected, "taken off the list");
        }
        text
    }
}
