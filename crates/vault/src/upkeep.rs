//! What the vault lives on. New content is refused long before the canister would freeze, while whatever reads, shares, deletes, or finishes
//! an upload whose bytes are there goes on: nobody is locked out of what is kept already.
//!
//! New content is: a new capsule, a new upload, a chunk, inline assets. A memory made of blobs, or of external content, is not: it makes
//! use of what was taken in before.

use ic_stable_structures::Memory;

use crate::Vault;
use crate::error::{Error, Result};
use crate::limits;

/// What the canister has to live on at the moment of a call. It says so itself: the vault cannot ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// Cycles.
    pub balance: u128,
    /// Cycles above the freezing threshold.
    pub liquid: u128,
    /// Bytes of heap, which cost as much as stable memory.
    pub heap: u64,
}

/// Cycles for a GiB of memory and a second, on a subnet of 13 nodes (Internet Computer, "Cycles costs").
const GIB_SECOND: u128 = 127_000;
const SECONDS_A_DAY: u128 = 86_400;
const GIB: u128 = 1 << 30;

/// Cost of a day at rest, in cycles, of a canister with this many bytes of memory. The module itself, some megabytes, is not counted.
pub fn at_rest_per_day(bytes: u64) -> u128 {
    u128::from(bytes) * GIB_SECOND * SECONDS_A_DAY / GIB
}

impl<M: Memory> Vault<M> {
    /// Notes what there is to live on, for the calls that follow. A vault that is never told refuses nothing.
    pub fn set_means(&mut self, means: Means) {
        self.means = Some(means);
    }

    /// Cost of a day at rest at the present size, in cycles.
    pub(crate) fn at_rest_per_day(&self, means: Means) -> u128 {
        at_rest_per_day(self.regions.allocated().saturating_add(means.heap))
    }

    /// Cycles that must be there beyond the freezing threshold for new content to be taken.
    pub(crate) fn reserve_of_cycles(&self, means: Means) -> u128 {
        match self.settings.get().cycles_reserve_days() {
            0 => 0,
            days => self.at_rest_per_day(means) * u128::from(days) + limits::CYCLES_OF_A_DAY_OF_USE,
        }
    }

    /// Whether new content is refused with these means.
    pub(crate) fn is_short(&self, means: Means) -> bool {
        means.liquid < self.reserve_of_cycles(means)
    }

    /// Checks that new content may be taken. Asked after what is there already was looked for, so that a request that is sent again finds
    /// its first result (I5).
    ///
    /// # Errors
    /// [`Error::ResourceExhausted`].
    pub(crate) fn check_means(&self) -> Result<()> {
        match self.means {
            Some(means) if self.is_short(means) => Err(Error::ResourceExhausted),
            _ => Ok(()),
        }
    }
}
