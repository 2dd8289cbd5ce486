//! What the vault says of itself, compared.

use keepsake_api::CapsuleStatus;
use keepsake_vault::Means;

use super::Driver;
use crate::model::State;

impl Driver {
    /// Plenty, or nothing at all.
    pub(super) fn means(&self) -> Means {
        let liquid = if self.model.is_poor { 0 } else { 1 << 100 };
        Means {
            balance: liquid + 1_000_000,
            liquid,
            heap: 3 << 20,
        }
    }

    pub(super) fn capsule_status(&mut self, who: usize, capsule: Option<usize>, real: &str) {
        let expected = self.model.capsule_status(who, capsule);
        let got = (self.vault).capsule_status(self.context(who), real, self.means());
        let Some((expected, got)) = self.agree("capsule_status", expected, got) else {
            return;
        };
        let expired = self
            .model
            .sessions
            .iter()
            .filter(|s| s.state == State::Expired)
            .count();
        let open = expected.uploads_open..=expected.uploads_open + expired as u64;
        assert!(open.contains(&got.uploads_open), "{got:?}");
        let lingering = capsule.map_or(0, |capsule| self.model.bytes_lingering(capsule));
        let bytes = expected.bytes..=expected.bytes + lingering;
        assert!(bytes.contains(&got.bytes), "{got:?}");
        let expected = CapsuleStatus {
            capsule_id: real.into(),
            bytes: got.bytes,
            uploads_open: got.uploads_open,
            ..expected
        };
        assert_eq!(got, expected, "capsule_status");
    }

    pub(super) fn vault_status(&mut self, who: usize, is_operator: bool) {
        let expected = self.model.vault_status(who, is_operator);
        let got = (self.vault).vault_status(self.context(who), is_operator, self.means());
        let Some((quotas, got)) = self.agree("vault_status", expected, got) else {
            return;
        };
        assert_eq!(got.quotas, quotas, "quotas");
        assert_eq!(got.refuses_content.is_some(), self.model.is_short());
        assert_eq!(
            got.http_token_key,
            self.first_token_key + self.model.token_key
        );
        let memory = got.memory;
        assert_eq!(
            memory.stable_used + memory.stable_reusable,
            memory.stable_allocated
        );
        let allocated: u64 = memory.regions.iter().map(|region| region.allocated).sum();
        assert!(allocated <= memory.stable_allocated);
        let holdings = got.holdings;
        assert_eq!(
            (holdings.memories, holdings.memories_trashed),
            (
                self.model.memories.len() as u64,
                self.model.trash.len() as u64
            )
        );
        let live = self
            .model
            .capsules
            .iter()
            .filter(|capsule| !capsule.deleted);
        assert_eq!(holdings.capsules, live.count() as u64, "capsules");
        let live = || self.model.blobs.iter().filter(|blob| !blob.deleted);
        let unreferenced = live().filter(|blob| !blob.referenced);
        assert_eq!(
            (holdings.blobs, holdings.blobs_unreferenced),
            (live().count() as u64, unreferenced.count() as u64)
        );
        let listed = self
            .model
            .capsules
            .iter()
            .map(|capsule| capsule.to_delete.len() as u64);
        assert_eq!(holdings.external_deletions, listed.sum::<u64>());
    }

    pub(super) fn rotate(&mut self, who: usize, is_operator: bool, above: i32) -> String {
        let number = (self.first_token_key + self.model.token_key).saturating_add_signed(above);
        let known = number.saturating_sub(self.first_token_key);
        let expected = self.model.http_token_key_rotate(who, is_operator, known);
        let got = (self.vault).http_token_key_rotate(self.context(who), is_operator, number);
        self.done("http_token_key_rotate", expected, got)
    }
}
