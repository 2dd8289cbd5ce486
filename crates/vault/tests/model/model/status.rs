//! What the vault says of itself, and new content refused where cycles are low, as the interface says.

use keepsake_api::{AccessCondition, CapsuleStatus, InitArgs, Quotas as QuotasSaid};
use keepsake_vault::limits;

use super::{Answer, Model, Refusal, State, only};
use crate::pools::ANONYMOUS;

impl Model {
    /// What an installer leaves out stays as it is.
    pub fn configure(&mut self, args: &InitArgs) {
        let quotas = &mut self.quotas;
        quotas.inline = args
            .inline_budget_per_capsule
            .map_or(quotas.inline, u64::from);
        quotas.bytes = args.bytes_per_capsule.or(quotas.bytes);
        quotas.memories = args.memories_per_capsule.or(quotas.memories);
        quotas.open_sessions = args.open_sessions.unwrap_or(quotas.open_sessions);
        quotas.reserve_days = args.cycles_reserve_days.unwrap_or(quotas.reserve_days);
    }

    /// Whether new content is refused.
    pub fn is_short(&self) -> bool {
        self.is_poor && self.quotas.reserve_days > 0
    }

    pub fn takes_content(&self) -> Answer<()> {
        if self.is_short() {
            only(Refusal::ResourceExhausted)
        } else {
            Ok(())
        }
    }

    /// When something begins or ends to count, by itself: entries, what is in the trash, sessions, and offers.
    pub fn moments(&self) -> [Vec<u64>; 4] {
        let live = self.memories.values();
        let memories = live.chain(self.trash.values().map(|trashed| &trashed.memory));
        let conditions = memories.flat_map(|memory| &memory.access);
        let entries = conditions.filter_map(|entry| match entry.condition {
            AccessCondition::Scheduled { accessible_after } => Some(accessible_after),
            AccessCondition::ExpiresAt { expires } => Some(expires),
            _ => None,
        });
        let trash = self.trash.values();
        let trash = trash.map(|trashed| trashed.since + limits::TRASH_LIFETIME);
        let sessions = self.sessions.iter().map(|session| session.until);
        let offers = self.offers.values().copied();
        [
            entries.collect(),
            trash.collect(),
            sessions.collect(),
            offers.collect(),
        ]
    }

    /// For operators, and for whoever owns or controls a capsule. The quotas in force.
    pub fn vault_status(&self, who: usize, is_operator: bool) -> Answer<QuotasSaid> {
        let mut capsules = 0..self.capsules.len();
        let governs = capsules.any(|capsule| self.may_govern(who, capsule));
        if who == ANONYMOUS || !(is_operator || governs) {
            return only(Refusal::Unauthorized);
        }
        Ok(QuotasSaid {
            inline_budget_per_capsule: self.quotas.inline as u32,
            bytes_per_capsule: self.quotas.bytes,
            memories_per_capsule: self.quotas.memories,
            open_sessions: self.quotas.open_sessions,
            cycles_reserve_days: self.quotas.reserve_days,
        })
    }

    /// The id is the caller's to fill in.
    pub fn capsule_status(&self, who: usize, capsule: Option<usize>) -> Answer<CapsuleStatus> {
        let capsule = self.capsule(who, capsule)?;
        let acting = self.acting(who);
        let open = self.sessions.iter().filter(|session| {
            let by_me = session.capsule == capsule && session.creator == acting;
            by_me && session.state == State::Open
        });
        let inline_bytes = self.inline_bytes_used(capsule);
        Ok(CapsuleStatus {
            capsule_id: String::new(),
            memories: self.memories_of(capsule).count() as u64,
            memories_max: self.quotas.memories,
            memories_trashed: self.trashed_in(capsule).count() as u64,
            bytes: self.bytes_used(capsule),
            bytes_max: self.quotas.bytes,
            blob_bytes: self.bytes_held(capsule) - inline_bytes,
            inline_bytes,
            inline_bytes_max: self.quotas.inline,
            uploads_open: open.count() as u64,
            uploads_open_max: self.quotas.open_sessions.into(),
            refuses_content: self.is_short(),
        })
    }
}
