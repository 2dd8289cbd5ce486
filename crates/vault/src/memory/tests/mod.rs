//! Unit tests of memories that need a whole vault: the trash, repeated deletions, and who reads a blob through a memory.

mod deletions;
mod readers;
mod trash;

use candid::Principal;
use ic_stable_structures::VectorMemory;
use keepsake_api::{
    AccessCondition, AccessEntry, AssetMetadata, AssetMetadataBase, AssetType, BlobHosting,
    BlobRef, ByteBuf, GrantSource, PersonRef, ResourceRole,
};

use crate::limits::TRASH_LIFETIME;
use crate::{Call, Error, FinishStep, NewMemory, Vault};

const OWNER: u8 = 1;
const SUBJECT: u8 = 2;
const FRIEND: u8 = 3;
const STRANGER: u8 = 4;

fn by(person: u8, now: u64) -> Call {
    Call {
        caller: Principal::self_authenticating([person]),
        now,
    }
}

fn principal(person: u8) -> PersonRef {
    PersonRef::Principal(Principal::self_authenticating([person]))
}

/// A vault, and a capsule in it of OWNER about SUBJECT.
fn vault() -> (Vault<VectorMemory>, VectorMemory, String) {
    let memory = VectorMemory::default();
    let mut vault = Vault::open(memory.clone()).unwrap();
    vault.set_seed([1; 32]);
    let capsule = vault
        .capsules_create(by(OWNER, 0), Some(principal(SUBJECT)))
        .unwrap()
        .id;
    (vault, memory, capsule)
}

fn upload(vault: &mut Vault<VectorMemory>, capsule: &str, bytes: &[u8], now: u64) -> String {
    let call = by(OWNER, now);
    let session = vault
        .uploads_begin(call, capsule, 1, &now.to_string())
        .unwrap();
    vault.uploads_put_chunk(call, session, 0, bytes).unwrap();
    let sha256 = crate::hash::sha256(&[bytes]);
    match vault
        .uploads_finish(call, session, &sha256, bytes.len() as u64)
        .unwrap()
    {
        FinishStep::Done(result) => result.blob_id,
        FinishStep::HashMore => unreachable!("one chunk is hashed at once"),
    }
}

fn asset(asset_type: AssetType) -> AssetMetadata {
    AssetMetadata::Note(AssetMetadataBase::new("n", asset_type, "text/plain").into())
}

fn nothing_in(capsule: &str, idem: &str) -> NewMemory {
    NewMemory {
        capsule: capsule.into(),
        inline: None,
        blob: None,
        location: None,
        storage_key: None,
        url: None,
        size: None,
        sha256: None,
        metadata: asset(AssetType::Original),
        idem: idem.into(),
    }
}

fn inline(capsule: &str, idem: &str) -> NewMemory {
    NewMemory {
        inline: Some(ByteBuf::from(vec![7; 10])),
        ..nothing_in(capsule, idem)
    }
}

fn of_blob(capsule: &str, blob: &str, idem: &str) -> NewMemory {
    NewMemory {
        blob: Some(BlobRef {
            locator: blob.into(),
            hash: None,
            len: 0,
        }),
        ..nothing_in(capsule, idem)
    }
}

fn external(capsule: &str, idem: &str) -> NewMemory {
    NewMemory {
        location: Some(BlobHosting::S3),
        storage_key: Some("key".into()),
        size: Some(5),
        ..nothing_in(capsule, idem)
    }
}

/// An entry for a person, or for everybody.
fn entry(person: Option<u8>, perm_mask: u32) -> AccessEntry {
    AccessEntry {
        id: person.map_or("public".into(), |person| person.to_string()),
        person_ref: person.map(principal),
        is_public: person.is_none(),
        grant_source: GrantSource::User,
        source_id: None,
        role: ResourceRole::Guest,
        perm_mask,
        invited_by_person_ref: None,
        created_at: 0,
        updated_at: 0,
        condition: AccessCondition::Immediate,
    }
}

fn memory_count(vault: &Vault<VectorMemory>, capsule: &str) -> u64 {
    let capsule = vault.capsules_read_basic(by(OWNER, 0), Some(capsule));
    capsule.unwrap().memory_count
}

fn in_trash(vault: &Vault<VectorMemory>, capsule: &str, now: u64) -> Vec<String> {
    let page = vault.memories_trashed(by(OWNER, now), capsule, None, None);
    let items = page.unwrap().items.into_iter();
    items.map(|item| item.header.id).collect()
}

fn listed(vault: &Vault<VectorMemory>, capsule: &str) -> Vec<String> {
    let page = vault.memories_list(by(OWNER, 0), capsule, None, None);
    let items = page.unwrap().items.into_iter();
    items.map(|item| item.id).collect()
}
