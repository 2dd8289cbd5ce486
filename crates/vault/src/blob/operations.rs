//! What callers do with blobs (contract, "Uploads"). Writing is the uploads' part.

use ic_stable_structures::Memory;
use keepsake_api::BlobMeta;

use super::content::{append_content, chunk_range, read_range};
use super::record::{Blob, HeldContent};
use super::store::BlobStore;
use crate::Vault;
use crate::arena::Extent;
use crate::call::Call;
use crate::capsule::CapsuleStore;
use crate::error::{Error, Result};
use crate::ids::BlobId;
use crate::limits;
use crate::person::Person;
use crate::regions::RegionId;

/// A range of a blob that the caller may read.
pub struct BlobRange {
    content: HeldContent,
    start: u64,
    len: u64,
}

impl BlobRange {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<M: Memory> Vault<M> {
    /// Length and number of chunks.
    ///
    /// # Errors
    /// [`Error::BlobIdMalformed`]; [`Error::NotFound`] where there is no such blob or the caller may not read it.
    pub fn blob_get_meta(&self, call: Call, locator: &str) -> Result<BlobMeta> {
        let blob = self.readable_blob(call, locator)?;
        Ok(BlobMeta {
            size: blob.content.len,
            chunk_count: blob.record.chunking.count(),
        })
    }

    /// All of a blob that fits a query's reply.
    ///
    /// # Errors
    /// As [`Self::blob_get_meta`]; [`Error::Invalid`] for a longer one, which `blob_read_chunk` reads.
    pub fn blob_read(&self, call: Call, locator: &str) -> Result<Vec<u8>> {
        self.blob_range(call, locator)
            .map(|range| self.bytes_of(&range))
    }

    /// Where [`Self::blob_read`] reads, checked; [`Self::append_range`] reads it.
    ///
    /// # Errors
    /// As [`Self::blob_read`].
    pub fn blob_range(&self, call: Call, locator: &str) -> Result<BlobRange> {
        let Blob { content, .. } = self.readable_blob(call, locator)?;
        let len = content.len;
        if len > limits::BLOB_READ_MAX {
            return Err(Error::invalid(
                "locator",
                format!(
                    "the blob has {len} bytes, one reply carries at most {}; read it with blob_read_chunk",
                    limits::BLOB_READ_MAX
                ),
            ));
        }
        Ok(BlobRange {
            content,
            start: 0,
            len,
        })
    }

    /// One chunk, as it was uploaded; empty past the end.
    ///
    /// # Errors
    /// As [`Self::blob_get_meta`].
    pub fn blob_read_chunk(&self, call: Call, locator: &str, index: u32) -> Result<Vec<u8>> {
        self.blob_chunk_range(call, locator, index)
            .map(|range| self.bytes_of(&range))
    }

    /// Where [`Self::blob_read_chunk`] reads, checked; [`Self::append_range`] reads it.
    ///
    /// # Errors
    /// As [`Self::blob_read_chunk`].
    pub fn blob_chunk_range(&self, call: Call, locator: &str, index: u32) -> Result<BlobRange> {
        let Blob {
            record, content, ..
        } = self.readable_blob(call, locator)?;
        let (start, len) =
            chunk_range(&self.arena, &record.chunking, content.len, index).unwrap_or_default();
        Ok(BlobRange {
            content,
            start,
            len,
        })
    }

    /// Appends the range's bytes: one copy, from stable memory into the buffer.
    pub fn append_range(&self, range: &BlobRange, bytes: &mut Vec<u8>) {
        append_content(&self.arena, &range.content, range.start, range.len, bytes);
    }

    fn bytes_of(&self, range: &BlobRange) -> Vec<u8> {
        read_range(&self.arena, &range.content, range.start, range.len)
    }

    /// Deletes a blob that no memory references, in the trash or not; returns its id. Again: the same, for who governs its capsule.
    ///
    /// # Errors
    /// [`Error::BlobIdMalformed`]; [`Error::NotFound`] where there is no such blob or the caller may not read it;
    /// [`Error::Unauthorized`] for one who may read it but not govern its capsule; [`Error::Conflict`] while a memory references it.
    pub fn blob_delete(&mut self, call: Call, locator: &str) -> Result<String> {
        let person = self.person(call)?;
        let id = BlobId::parse(locator)?;
        if self.blobs.get(id).is_none()
            && let Some(capsule) = self.blobs.deleted_from(id)
            && self.capsules.roles(&person, capsule).may_govern()
        {
            return Ok(id.to_string());
        }
        let blob = self.blob_readable_to(&person, call.now, locator)?;
        let capsule = blob.record.capsule();
        if !self.capsules.roles(&person, capsule).may_govern() {
            return Err(Error::Unauthorized);
        }
        if blob.record.references > 0 {
            return Err(Error::Conflict(format!(
                "{} is referenced by {} assets; remove them first, those of memories in the trash too",
                blob.id, blob.record.references
            )));
        }
        let mut needs = self.needs_for_removal(&blob);
        needs.push(BlobStore::<M>::need_for_deleted());
        self.regions.reserve_for_freeing(&needs)?;
        self.remove_blob(&blob);
        self.blobs.remember_deleted(blob.id, capsule);
        Ok(blob.id.to_string())
    }

    fn readable_blob(&self, call: Call, locator: &str) -> Result<Blob> {
        self.blob_readable_to(&self.person(call)?, call.now, locator)
    }

    fn blob_readable_to(&self, person: &Person, now: u64, locator: &str) -> Result<Blob> {
        let blob = self
            .blobs
            .get(BlobId::parse(locator)?)
            .ok_or(Error::NotFound)?;
        if self.may_read_blob(person, now, &blob) {
            Ok(blob)
        } else {
            Err(Error::NotFound)
        }
    }

    /// How many extents are freed at the most when these blobs are removed: what to reserve for.
    pub(crate) fn extents_freed_with(&self, blobs: &[Blob]) -> usize {
        blobs
            .iter()
            .map(|blob| blob.content.all_extents(&self.arena).len() + 1)
            .sum()
    }

    /// What removing a blob needs.
    fn needs_for_removal(&self, blob: &Blob) -> Vec<(RegionId, u64)> {
        let mut needs = BlobStore::<M>::needs_for_references(1);
        let freed = self.extents_freed_with(std::slice::from_ref(blob));
        needs.extend(self.arena.needs(&[], freed));
        needs.push(CapsuleStore::<M>::need_for_usage());
        needs
    }

    /// Reserves what removing a blob needs.
    pub(crate) fn reserve_for_removal(&self, blob: &Blob) -> Result<()> {
        let needs = self.needs_for_removal(blob);
        Ok(self.regions.reserve_for_freeing(&needs)?)
    }

    /// Deletes a blob id, and its content where no other id has it. The reservation is the caller's.
    pub(crate) fn remove_blob(&mut self, blob: &Blob) {
        if let Some(table) = blob.record.chunking.table() {
            self.arena.free(table);
        }
        if let Some(content) = self.blobs.remove(blob) {
            let extents: Vec<Extent> = content.all_extents(&self.arena);
            for extent in extents {
                self.arena.free(extent);
            }
            let capsule = blob.record.capsule();
            let mut usage = self.capsules.usage(capsule);
            usage.blob_bytes -= content.len;
            self.capsules.set_usage(capsule, &usage);
        }
    }
}
