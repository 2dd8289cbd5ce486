//! Stored forms of what travels on the wire: numbered fields, so that both can evolve apart (I8). A number is never used for
//! anything else again.

mod access_entry;
mod asset_metadata;
#[cfg(any(test, feature = "recount"))]
pub mod decoders;
#[cfg(test)]
mod golden;
mod memory_metadata;
mod person;

pub use access_entry::{StoredAccessEntry, StoredEvent};
pub use asset_metadata::StoredAssetMetadata;
pub use memory_metadata::{Derived, StoredMemoryMetadata};
pub use person::StoredPerson;

/// A wire enum without fields, stored as a number. `None` for a number that this build does not know.
pub(crate) trait Code: Sized + Copy {
    fn code(self) -> u8;
    fn from_code(code: u8) -> Option<Self>;
}

macro_rules! codes {
    ($type:ty { $($code:literal = $variant:ident),+ $(,)? }) => {
        impl Code for $type {
            fn code(self) -> u8 {
                match self { $(<$type>::$variant => $code),+ }
            }
            fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(<$type>::$variant),)+ _ => None }
            }
        }
    };
}

codes!(keepsake_api::MemoryType { 0 = Image, 1 = Video, 2 = Audio, 3 = Document, 4 = Note });
codes!(keepsake_api::AssetType { 0 = Original, 1 = Display, 2 = Thumbnail, 3 = Placeholder, 4 = Metadata });
codes!(keepsake_api::BlobHosting { 0 = Icp, 1 = S3, 2 = VercelBlob, 3 = Ipfs, 4 = Arweave, 5 = Neon });
codes!(keepsake_api::DatabaseHosting { 0 = Icp, 1 = Neon });
codes!(keepsake_api::ResourceRole { 0 = Owner, 1 = SuperAdmin, 2 = Admin, 3 = Member, 4 = Guest });
codes!(keepsake_api::GrantSource { 0 = User, 1 = Group, 2 = MagicLink, 3 = System });

/// A coded enum as a CBOR number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded<T>(pub T);

impl<C, T: Code> minicbor::Encode<C> for Coded<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u8(self.0.code())?.ok()
    }
}

impl<'b, C, T: Code> minicbor::Decode<'b, C> for Coded<T> {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let code = d.u8()?;
        T::from_code(code)
            .map(Coded)
            .ok_or_else(|| minicbor::decode::Error::unknown_variant(i64::from(code)))
    }
}
