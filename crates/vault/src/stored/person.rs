//! A person as stored: a principal as a byte string, an opaque name as text.

use candid::Principal;
use keepsake_api::PersonRef;
use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPerson(pub PersonRef);

impl<C> Encode<C> for StoredPerson {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match &self.0 {
            PersonRef::Principal(principal) => e.bytes(principal.as_slice())?.ok(),
            PersonRef::Opaque(name) => e.str(name)?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for StoredPerson {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.datatype()? == Type::Bytes {
            let principal = Principal::try_from_slice(d.bytes()?)
                .map_err(|_| minicbor::decode::Error::message("not a principal"))?;
            Ok(StoredPerson(PersonRef::Principal(principal)))
        } else {
            Ok(StoredPerson(PersonRef::Opaque(d.str()?.to_owned())))
        }
    }
}
