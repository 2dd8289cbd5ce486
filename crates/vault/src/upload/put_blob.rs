//! A small blob in one message: a session's begin, chunk and finish cost two further messages, each as much as 600 bytes of content.
//!
//! There is no session. The blob's number follows from capsule, content and idempotency key, keyed with the vault's secret so that it
//! tells nothing: a retry finds its first result without a table (I5).

use ic_stable_structures::Memory;
use keepsake_api::UploadFinishResult;

use super::finish::{check_hash, finish_result};
use super::operations::parse_sha256;
use crate::Vault;
use crate::arena::Extent;
use crate::blob::{
    Blob, BlobRecord, BlobStore, Chunking, Content, Slot, extent_table_len, store_parts,
};
use crate::call::Call;
use crate::capsule::CapsuleStore;
use crate::error::{Error, Result};
use crate::hash::{Sha256Digest, sha256, sha256_of_fields};
use crate::ids::{BlobId, CapsuleId, Idem};
use crate::limits;

/// What a request for a blob comes to.
enum Named {
    /// It was made before.
    Made(Blob),
    /// It will have this number.
    New(BlobId),
}

impl<M: Memory> Vault<M> {
    /// Makes a blob of at most [`limits::CHUNK_MAX`] bytes, verified, or nothing. Content that the capsule holds already is not stored
    /// again, but has an id more.
    ///
    /// The same request returns the same blob, with the time at which it was made. The same key with other content makes another
    /// blob. Once the blob was deleted, the same request makes it again.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for the anonymous caller; [`Error::NotFound`] for a capsule that the caller may not use;
    /// [`Error::IdemEmpty`], [`Error::IdemTooLong`], [`Error::ChunkTooLarge`]; [`Error::Invalid`] for a hash that has not 32 bytes;
    /// [`Error::HashMismatch`]; [`Error::ResourceExhausted`] where the capsule's quota does not take it, or the vault is full.
    pub fn uploads_put_blob(
        &mut self,
        call: Call,
        capsule: &str,
        bytes: &[u8],
        sha256_given: &[u8],
        idem: &str,
    ) -> Result<UploadFinishResult> {
        let person = self.person(call)?;
        let (capsule, _) = self.capsule_for(&person, capsule)?;
        let idem = Idem::parse(idem)?;
        if bytes.len() > limits::CHUNK_MAX as usize {
            return Err(Error::ChunkTooLarge { len: bytes.len() });
        }
        let given = parse_sha256(sha256_given)?;
        let actual = sha256(&[bytes]);
        check_hash(&given, &actual)?;
        let len = bytes.len() as u64;
        match self.named_blob(capsule, &actual, idem)? {
            Named::Made(blob) => Ok(finish_result(blob.id, len, &actual, blob.record.created_at)),
            Named::New(id) => {
                self.check_means()?;
                self.put_blob(call.now, capsule, id, bytes, &actual)?;
                Ok(finish_result(id, len, &actual, call.now))
            }
        }
    }

    /// The blob that the key names for this content.
    fn named_blob(&self, capsule: CapsuleId, sha256: &Sha256Digest, idem: Idem) -> Result<Named> {
        let secret = self.settings.secret("blob by key")?;
        // A number may be that of a blob that was deleted: it stands for that one for ever.
        for attempt in 0u32.. {
            let digest = sha256_of_fields(
                "blob",
                &[
                    &secret,
                    &capsule.0.to_be_bytes(),
                    sha256,
                    idem.as_bytes(),
                    &attempt.to_be_bytes(),
                ],
            );
            let mut number = [0; 8];
            number.copy_from_slice(&digest[..8]);
            let id = BlobId(u64::from_be_bytes(number));
            match self.blobs.slot(id) {
                Slot::Free if self.blobs.deleted_from(id).is_none() => return Ok(Named::New(id)),
                Slot::Taken(blob)
                    if blob.record.capsule() == capsule && blob.content.sha256 == *sha256 =>
                {
                    return Ok(Named::Made(blob));
                }
                Slot::Free | Slot::Taken(_) | Slot::Deleted => {}
            }
        }
        Err(Error::ResourceExhausted)
    }

    fn put_blob(
        &mut self,
        now: u64,
        capsule: CapsuleId,
        id: BlobId,
        bytes: &[u8],
        sha256: &Sha256Digest,
    ) -> Result<()> {
        let len = bytes.len() as u64;
        let holder = self
            .blobs
            .with_hash(capsule, sha256)
            .map(|blob| blob.holder);
        // Where equal content is held already, nothing is stored.
        let stored = if holder.is_none() { len } else { 0 };
        if holder.is_none() {
            self.check_quota(&self.capsules.usage(capsule), stored)?;
        }
        let placement = self.arena.place(stored, true);
        let table = self.arena.place(extent_table_len(placement.parts()), false);
        let mut needs = BlobStore::<M>::needs_for_insert();
        needs.extend(self.arena.needs(&[&placement, &table], 0));
        needs.push(CapsuleStore::<M>::need_for_usage());
        self.regions.reserve(&needs)?;

        let content = match holder {
            Some(holder) => Content::SharedWith(holder.0),
            None => {
                let parts: Vec<Extent> = self.arena.take(placement);
                store_parts(&self.arena, bytes, &parts);
                self.hold(capsule, *sha256, len, &parts)
            }
        };
        let chunking = Chunking::Uniform {
            size: bytes.len() as u32,
            count: 1,
        };
        let record = BlobRecord::new(capsule, now, chunking, content);
        self.blobs.insert(id, &record, sha256);
        Ok(())
    }
}
