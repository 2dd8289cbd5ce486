//! The domain of Keepsake: capsules, memories, assets, blobs, uploads and access, over any stable memory. Nothing here
//! knows of the Internet Computer: caller and time are arguments.
//!
//! Each concept has a module with its stored record, its store (the only code that touches stable memory for it) and its
//! operations, which are methods of [`Vault`]. An operation checks the caller first, then everything else, then reserves the
//! memory it may need, and only then writes: nothing fails after the first write (I2).

pub mod access;
mod arena;
mod blob;
mod call;
mod capsule;
mod contents;
mod error;
mod hash;
mod http;
mod ids;
pub mod limits;
mod maintenance;
mod memory;
mod person;
#[cfg(any(test, feature = "recount"))]
pub mod recount;
pub mod regions;
mod settings;
mod share_link;
mod stable;
mod status;
mod stored;
mod token;
mod upkeep;
mod upload;

pub use blob::BlobRange;
pub use call::Call;
pub use contents::{KeptContent, KeptMemory};
pub use error::{Error, Result};
pub use memory::{BulkDelete, NewMemory};
pub use share_link::SharedRange;
pub use stable::UnknownLayout;
#[cfg(any(test, feature = "recount"))]
pub use stored::decoders;
pub use upkeep::Means;
pub use upload::FinishStep;

use ic_stable_structures::Memory;
use keepsake_api::InitArgs;

use arena::Arena;
use blob::BlobStore;
use capsule::{CapsuleStore, FactStore};
use maintenance::MaintenanceStore;
use memory::{ExternalContent, Grants, MemoryStore};
use person::PersonStore;
use settings::{LAYOUT_VERSION, SettingsStore};
use share_link::ShareLinkStore;
use stable::RegionManager;
use upload::SessionStore;

/// All of the vault's state, in one stable memory (I1). Opening it reads a few kilobytes, whatever it holds.
pub struct Vault<M: Memory> {
    regions: RegionManager<M>,
    settings: SettingsStore<M>,
    people: PersonStore<M>,
    capsules: CapsuleStore<M>,
    facts: FactStore<M>,
    memories: MemoryStore<M>,
    external: ExternalContent<M>,
    grants: Grants<M>,
    blobs: BlobStore<M>,
    sessions: SessionStore<M>,
    share_links: ShareLinkStore<M>,
    arena: Arena<M>,
    maintenance: MaintenanceStore<M>,
    /// Told by the canister before each change; not stored.
    means: Option<Means>,
}

impl<M: Memory> Vault<M> {
    /// Opens the vault in this memory, or makes one in an empty memory.
    ///
    /// # Errors
    /// [`UnknownLayout`] where the memory holds something else, or a vault of a layout that this build does not know. Nothing was
    /// changed then (I8).
    pub fn open(memory: M) -> std::result::Result<Self, UnknownLayout> {
        let regions = RegionManager::open(memory)?;
        // A vault that is full must still open: only what a region that was never used writes first is reserved.
        let unused: Vec<_> = regions::ALL
            .iter()
            .filter(|(id, _)| regions.region(*id).size() == 0)
            .map(|(id, _)| (*id, 1_024))
            .collect();
        regions
            .reserve_for_freeing(&unused)
            .map_err(|_| UnknownLayout::NoRoom)?;
        let settings = SettingsStore::open(regions.region(regions::SETTINGS)).map_err(|found| {
            UnknownLayout::Version {
                found,
                known: LAYOUT_VERSION,
            }
        })?;
        Ok(Self {
            people: PersonStore::open(&regions),
            capsules: CapsuleStore::open(&regions),
            facts: FactStore::open(&regions),
            memories: MemoryStore::open(&regions),
            external: ExternalContent::open(&regions),
            grants: Grants::open(&regions),
            blobs: BlobStore::open(&regions),
            sessions: SessionStore::open(&regions),
            share_links: ShareLinkStore::open(&regions),
            arena: Arena::open(&regions),
            maintenance: MaintenanceStore::open(regions.region(regions::MAINTENANCE)),
            means: None,
            settings,
            regions,
        })
    }

    /// Takes over what the installer sets; what is `None` stays.
    pub fn configure(&mut self, args: &InitArgs) {
        self.settings.configure(args);
    }

    /// Whether [`Self::set_seed`] must be called before ids can be drawn.
    pub fn needs_seed(&self) -> bool {
        self.settings.get().seed.is_none()
    }

    /// Sets the random seed that every secret is derived from. Later calls change nothing: ids and tokens depend on it.
    pub fn set_seed(&mut self, seed: [u8; 32]) {
        if self.needs_seed() {
            self.settings.set_seed(seed);
        }
    }
}

/// Bytes to reserve in a tree's region for `changes` insertions or removals with records of `record_bytes` together: each may
/// split every node on the way down once, and replaces its record.
pub(crate) fn tree_need(changes: usize, record_bytes: usize) -> u64 {
    (NODE_BYTES * (changes + TREE_DEPTH) + 2 * record_bytes) as u64
}

/// A bound on the length of a tree's node without its records, and on the depth of a tree of 10^9 entries with at least 6 a node.
const NODE_BYTES: usize = 1_024;
const TREE_DEPTH: usize = 12;
