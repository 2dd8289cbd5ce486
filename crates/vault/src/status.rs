//! State of the vault and of a capsule. Every figure is known, or its counting is bounded: asking costs the same whatever the vault holds
//! (I3).

use ic_stable_structures::Memory;
use keepsake_api::{
    CapsuleStatus, CyclesUse, Holdings, Maintenance, MemoryUse, Quotas, RegionUse, VaultStatus,
};

use crate::Vault;
use crate::call::Call;
use crate::capsule::Standing;
use crate::error::{Error, Result};
use crate::ids::session_owner_key;
use crate::limits;
use crate::person::Person;
use crate::regions;
use crate::settings::LAYOUT_VERSION;
use crate::upkeep::Means;

impl<M: Memory> Vault<M> {
    /// State of the vault, for an operator (who controls the canister) and for whoever owns or controls a capsule in it.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for everybody else.
    pub fn vault_status(&self, call: Call, is_operator: bool, means: Means) -> Result<VaultStatus> {
        let person = self.person(call)?;
        if is_operator || self.governs_any(&person) {
            Ok(self.status(call.now, means))
        } else {
            Err(Error::Unauthorized)
        }
    }

    /// State of the vault at this time. Asks nobody: the caller of this decides who sees what of it (I6).
    pub fn status(&self, now: u64, means: Means) -> VaultStatus {
        let reserve = self.reserve_of_cycles(means);
        let at_rest_per_day = self.at_rest_per_day(means);
        let days_left = means.liquid / at_rest_per_day.max(1);
        VaultStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            layout_version: LAYOUT_VERSION,
            memory: self.memory_use(means),
            holdings: self.holdings(),
            cycles: CyclesUse {
                balance: means.balance,
                liquid: means.liquid,
                freezing_threshold: means.balance.saturating_sub(means.liquid),
                at_rest_per_day,
                reserve,
                days_left: u64::try_from(days_left).unwrap_or(u64::MAX),
            },
            refuses_content: self.is_short(means).then(|| {
                format!(
                    "cycles are low: {} above the freezing threshold, {reserve} are needed",
                    means.liquid
                )
            }),
            maintenance: self.maintenance_status(now),
            quotas: self.quotas(),
            http_token_key: self.settings.get().token_key(),
        }
    }

    /// How much of its quotas a capsule uses.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a capsule that the caller may not read.
    pub fn capsule_status(&self, call: Call, capsule: &str, means: Means) -> Result<CapsuleStatus> {
        let person = self.person(call)?;
        let (capsule, _) = self.capsule_for(&person, capsule)?;
        let usage = self.capsules.usage(capsule);
        let settings = self.settings.get();
        let owner = session_owner_key(capsule, person.acting.as_slice());
        Ok(CapsuleStatus {
            capsule_id: capsule.to_string(),
            memories: usage.memories,
            memories_max: settings.capsule_memories,
            memories_trashed: usage.trashed,
            bytes: usage.bytes(),
            bytes_max: settings.capsule_bytes,
            blob_bytes: usage.blob_bytes,
            inline_bytes: usage.inline_bytes,
            inline_bytes_max: u64::from(settings.inline_budget),
            uploads_open: u64::from(self.sessions.open_count(owner)),
            uploads_open_max: u64::from(settings.open_sessions()),
            refuses_content: self.is_short(means),
        })
    }

    /// Whether the person owns or controls a capsule.
    fn governs_any(&self, person: &Person) -> bool {
        person.keys().any(|key| {
            let mut governed = [Standing::Made, Standing::Governs].into_iter();
            governed.any(|standing| self.capsules.listed(key, standing).next().is_some())
        })
    }

    fn memory_use(&self, means: Means) -> MemoryUse {
        let regions: Vec<RegionUse> = regions::ALL
            .iter()
            .map(|&(id, name)| {
                let (allocated, free) = self.regions.extent_of(id);
                let free = match id {
                    regions::ARENA => self.arena.free_bytes() + self.arena.spare_bytes(),
                    _ => free,
                };
                RegionUse {
                    name: name.to_owned(),
                    allocated,
                    free,
                }
            })
            .collect();
        let allocated = self.regions.allocated();
        let inside: u64 = regions.iter().map(|region| region.free).sum();
        let reusable = inside + allocated.saturating_sub(self.regions.used());
        MemoryUse {
            stable_allocated: allocated,
            stable_used: allocated.saturating_sub(reusable),
            stable_reusable: reusable,
            stable_obtainable: limits::STABLE_BYTES_MAX.saturating_sub(allocated),
            heap: means.heap,
            regions,
        }
    }

    fn holdings(&self) -> Holdings {
        Holdings {
            capsules: self.capsules.len(),
            memories: self.memories.timeline_len(),
            memories_trashed: self.memories.trash_len(),
            blobs: self.blobs.len(),
            blobs_unreferenced: self.blobs.unreferenced_len(),
            uploads_open: self.sessions.open_len(),
            content_bytes: self.arena.used_bytes(),
            external_deletions: self.external.deletions_len(),
        }
    }

    fn maintenance_status(&self, now: u64) -> Maintenance {
        let bound = limits::DUE_COUNTED_MAX;
        let past = |lifetime| now.checked_sub(lifetime);
        let blobs_due = past(limits::UNREFERENCED_LIFETIME).map_or(0, |before| {
            self.blobs.unreferenced(before).take(bound).count()
        });
        let trash_due = past(limits::TRASH_LIFETIME).map_or(0, |before| {
            self.memories.trashed_before(before).take(bound).count()
        });
        let swept = self.maintenance.get();
        Maintenance {
            capsules_emptying: self.capsules.emptying_len(),
            uploads_due: self.sessions.due(now).take(bound).count() as u64,
            blobs_due: blobs_due as u64,
            trash_due: trash_due as u64,
            last_run: swept.last_run,
            cleared: swept.cleared(),
        }
    }

    fn quotas(&self) -> Quotas {
        let settings = self.settings.get();
        Quotas {
            inline_budget_per_capsule: settings.inline_budget,
            bytes_per_capsule: settings.capsule_bytes,
            memories_per_capsule: settings.capsule_memories,
            open_sessions: settings.open_sessions(),
            cycles_reserve_days: settings.cycles_reserve_days(),
        }
    }
}

#[cfg(test)]
mod tests;
