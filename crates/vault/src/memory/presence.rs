//! Which of these memories are there.

use ic_stable_structures::Memory as StableMemory;
use keepsake_api::MemoryPresenceResult;

use crate::Vault;
use crate::call::Call;
use crate::error::Result;
use crate::limits;

impl<M: StableMemory> Vault<M> {
    /// For each id whether the memory is there, and whether it has an asset. For what the caller may not view both are false.
    ///
    /// # Errors
    /// [`crate::Error::Unauthorized`] for the anonymous caller; [`crate::Error::Invalid`] for more than [`limits::BULK_MAX`] ids.
    pub fn memories_ping(
        &self,
        call: Call,
        memories: Vec<String>,
    ) -> Result<Vec<MemoryPresenceResult>> {
        let person = self.person(call)?;
        limits::check_bulk("memory_ids", memories.len())?;
        Ok(memories
            .into_iter()
            .map(|memory_id| {
                let memory = self.visible_memory(&person, call.now, &memory_id).ok();
                MemoryPresenceResult {
                    metadata_present: memory.is_some(),
                    asset_present: memory
                        .is_some_and(|(memory, _)| !memory.record.assets.is_empty()),
                    memory_id,
                }
            })
            .collect())
    }
}
