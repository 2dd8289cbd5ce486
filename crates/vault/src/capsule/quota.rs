//! What the installer lets a capsule hold. Checked before bytes are stored, and once more where they become a blob or a memory.
//!
//! Chunks of uploads under way count too, so that many sessions cannot store many times the quota. They are counted only while there is
//! a quota: each session keeps how many of its bytes are in the capsule's counter, and as many are taken off when it ends, in
//! whichever way. A session that an earlier build opened counts from its next chunk on.

use ic_stable_structures::Memory;

use super::record::CapsuleUsage;
use crate::Vault;
use crate::error::{Error, Result};
use crate::ids::CapsuleId;

impl<M: Memory> Vault<M> {
    /// Checks that the capsule's quota takes `bytes` more bytes.
    ///
    /// # Errors
    /// [`Error::ResourceExhausted`].
    pub(crate) fn check_quota(&self, usage: &CapsuleUsage, bytes: u64) -> Result<()> {
        match self.settings.get().capsule_bytes {
            Some(quota) if usage.bytes().saturating_add(bytes) > quota => {
                Err(Error::ResourceExhausted)
            }
            _ => Ok(()),
        }
    }

    /// Whether chunks count as they come.
    pub(crate) fn counts_uploads(&self) -> bool {
        self.settings.get().capsule_bytes.is_some()
    }

    /// The capsule's counters without an upload that counts with so many bytes: what that upload itself is judged by.
    pub(crate) fn usage_without(&self, capsule: CapsuleId, counted: u64) -> CapsuleUsage {
        let mut usage = self.capsules.usage(capsule);
        // Exact, but for an earlier build that was put back for a while: it writes counters without this one.
        usage.uploading = usage.uploading.saturating_sub(counted);
        usage
    }

    /// An upload that counted with `before` bytes counts with `after` from now on. The reservation is the caller's, where they differ.
    pub(crate) fn recount_upload(&mut self, capsule: CapsuleId, before: u64, after: u64) {
        if before == after {
            return;
        }
        let mut usage = self.usage_without(capsule, before);
        usage.uploading = usage.uploading.saturating_add(after);
        self.capsules.set_usage(capsule, &usage);
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
