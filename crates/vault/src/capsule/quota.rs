//! What the installer lets a capsule hold. Checked before bytes are stored, and once more where they become a blob or a memory.

use ic_stable_structures::Memory;

use super::record::CapsuleUsage;
use crate::Vault;
use crate::error::{Error, Result};

impl<M: Memory> Vault<M> {
    /// Checks that the capsule's quota takes `bytes` more bytes.
    ///
    /// # Errors
    /// [`Error::ResourceExhausted`].
    pub(crate) fn check_quota(&self, usage: &CapsuleUsage, bytes: u64) -> Result<()> {
        let held = usage.blob_bytes.saturating_add(usage.inline_bytes);
        match self.settings.get().capsule_bytes {
            Some(quota) if held.saturating_add(bytes) > quota => Err(Error::ResourceExhausted),
            _ => Ok(()),
        }
    }

    /// Checks that the capsule's quota takes one more memory. Those in the trash count, so that they can always be restored.
    ///
    /// # Errors
    /// [`Error::ResourceExhausted`].
    pub(crate) fn check_memory_quota(&self, usage: &CapsuleUsage) -> Result<()> {
        match self.settings.get().capsule_memories {
            Some(quota) if usage.memories + usage.trashed >= quota => Err(Error::ResourceExhausted),
            _ => Ok(()),
        }
    }
}
