//! The decoders of everything that is stored as a record, by the record's name, for tests that give them what they like (I8). The stores
//! reach them through [`crate::stable::Record`], which panics where one fails: what they answer to bytes that no build has written is the
//! last thing that can be told of damage before that.

use minicbor::{Decode, Encode};

use super::access_entry::StoredCondition;
use super::asset_metadata::{StoredBase, StoredKind};
use super::{
    Coded, StoredAccessEntry, StoredAssetMetadata, StoredEvent, StoredMemoryMetadata, StoredPerson,
};
use crate::arena::Extent;
use crate::blob::{BlobRecord, Chunking, Content, Extents, HeldContent};
use crate::capsule::{CapsuleRecord, CapsuleUsage, ControllerRecord, GroupRecord, OwnerRecord};
use crate::hash::ResumableSha256;
use crate::maintenance::Swept;
use crate::memory::{AssetRecord, ExternalDeletion, MemoryRecord, StoredAsset};
use crate::person::{MemberRecord, OfferRecord, PersonRecord};
use crate::settings::Settings;
use crate::share_link::{EndedShareLink, OpenShareLink, SelectionPart, StoredShareLink};
use crate::upload::{Announced, Progress, SessionRecord, SessionState};

/// The decoder of one kind of record.
pub struct Decoder {
    /// The record's type.
    pub name: &'static str,
    /// Decodes a record and encodes it again as this build writes it.
    ///
    /// # Errors
    /// What is wrong with the bytes, in words.
    pub again: fn(&[u8]) -> Result<Vec<u8>, String>,
}

fn again<T>(bytes: &[u8]) -> Result<Vec<u8>, String>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let value: T = minicbor::decode(bytes).map_err(|error| error.to_string())?;
    minicbor::to_vec(&value).map_err(|error| error.to_string())
}

macro_rules! decoders {
    ($($type:ident),* $(,)?) => {
        &[$(Decoder { name: stringify!($type), again: again::<$type> }),*]
    };
}

/// All of them; a coded enum by one that stands for all.
pub const ALL: &[Decoder] = decoders![
    AssetRecord,
    Announced,
    BlobRecord,
    CapsuleRecord,
    CapsuleUsage,
    Chunking,
    CodedRole,
    Content,
    ControllerRecord,
    Extent,
    Extents,
    ExternalDeletion,
    GroupRecord,
    HeldContent,
    MemberRecord,
    MemoryRecord,
    OfferRecord,
    OwnerRecord,
    PersonRecord,
    Progress,
    ResumableSha256,
    SessionRecord,
    SessionState,
    Settings,
    StoredAccessEntry,
    StoredAsset,
    StoredAssetMetadata,
    StoredBase,
    StoredCondition,
    StoredEvent,
    StoredKind,
    StoredMemoryMetadata,
    StoredPerson,
    Swept,
    // Of a later time than the fuzz targets' seeds, which name a decoder by its place.
    EndedShareLink,
    OpenShareLink,
    SelectionPart,
    StoredShareLink,
];

type CodedRole = Coded<keepsake_api::ResourceRole>;

#[cfg(test)]
mod tests {
    use super::ALL;

    /// Each golden record is taken by a decoder, and what a decoder gives is what it takes.
    #[test]
    fn what_is_decoded_and_encoded_again_stays() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/records.txt");
        let records = std::fs::read_to_string(path).unwrap();
        for (name, hex) in records.lines().filter_map(|line| line.split_once(" = ")) {
            let digits = (0..hex.len()).step_by(2);
            let bytes: Vec<u8> = digits
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            for decoder in ALL {
                if let Ok(written) = (decoder.again)(&bytes) {
                    let again = (decoder.again)(&written);
                    assert_eq!(again, Ok(written), "{name} as {}", decoder.name);
                }
            }
        }
    }
}
