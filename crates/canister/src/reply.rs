//! Encodes replies. A Candid message begins with a description of its types, which candid derives anew for every message: 0.2 M to 6 M
//! instructions, many times what the values cost. It depends on the type alone, so it is made once and kept on the heap; what an
//! upgrade or a query loses is only the saving.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::rc::Rc;

use candid::ser::{IDLBuilder, ValueSerializer};
use candid::types::{Serializer, Type};
use candid::{CandidType, Principal};
use keepsake_api::*;
use keepsake_vault::{BlobRange, SharedRange};

use crate::state::StableVault;

/// What an endpoint that replies with a `T` returns. The reply itself is on its way when one exists.
pub struct Reply<T>(PhantomData<T>);

impl<T: CandidType> CandidType for Reply<T> {
    fn _ty() -> Type {
        T::ty()
    }

    fn idl_serialize<S: Serializer>(&self, serializer: S) -> Result<(), S::Error> {
        // Endpoints with `manual_reply` are never encoded by the CDK.
        serializer.serialize_null(())
    }
}

impl<T: CandidType + 'static> Reply<T> {
    pub fn send(value: T) -> Self {
        Self::send_encoded(encode(value))
    }

    fn send_encoded(reply: Vec<u8>) -> Self {
        ic_cdk::api::msg_reply(reply);
        Reply(PhantomData)
    }
}

impl<T: CandidType + 'static> Reply<Result<T, Error>> {
    /// Replies with what an operation of the vault returned.
    pub fn of(result: keepsake_vault::Result<T>) -> Self {
        Self::send(result.map_err(Error::from))
    }
}

impl<T: CandidType + 'static> Reply<T> {
    /// Replies with the value, or rejects the call with what was wrong: for methods whose interface has no place for an error.
    pub fn or_reject(result: keepsake_vault::Result<T>) -> Self {
        match result {
            Ok(value) => Self::send(value),
            Err(error) => {
                ic_cdk::api::msg_reject(Error::from(error).to_string());
                Reply(PhantomData)
            }
        }
    }
}

impl Reply<Result<ByteBuf, Error>> {
    /// Replies with a range of a blob: one copy, from stable memory into the reply.
    pub fn of_range(vault: &StableVault, range: keepsake_vault::Result<BlobRange>) -> Self {
        Self::send_encoded(match range {
            Ok(range) => encode_bytes(range.len(), |reply| vault.append_range(&range, reply)),
            Err(error) => encode(Err::<ByteBuf, Error>(error.into())),
        })
    }

    /// The same of an asset that a share link gives.
    pub fn of_shared(vault: &StableVault, range: keepsake_vault::Result<SharedRange>) -> Self {
        Self::send_encoded(match range {
            Ok(range) => encode_bytes(range.len(), |reply| vault.append_shared(&range, reply)),
            Err(error) => encode(Err::<ByteBuf, Error>(error.into())),
        })
    }
}

thread_local! {
    /// The encoding up to the values, by reply type.
    static HEADERS: RefCell<BTreeMap<TypeId, Rc<[u8]>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The reply of an endpoint that returns `value`: what `candid::encode_one` gives, byte for byte.
fn encode<T: CandidType + 'static>(value: T) -> Vec<u8> {
    let values = encode_values(&value);
    let values = values.get_result();
    let header = header(&value, values.len());
    let mut reply = Vec::with_capacity(header.len() + values.len());
    reply.extend_from_slice(&header);
    reply.extend_from_slice(values);
    reply
}

/// The reply `Ok(bytes)` of an endpoint that returns `Result<ByteBuf, Error>`, with `len` bytes that `append` puts at the end of the
/// buffer it is given: content goes from stable memory into the reply without a copy in between.
fn encode_bytes(len: u64, append: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut reply = encode(Ok::<_, Error>(ByteBuf::new()));
    // The empty byte string ends in its length, one byte of LEB128.
    reply.pop();
    reply.reserve(len as usize + 10);
    let mut rest = len;
    while rest >= 0x80 {
        reply.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    reply.push(rest as u8);
    append(&mut reply);
    reply
}

fn encode_values<T: CandidType>(value: &T) -> ValueSerializer {
    let mut values = ValueSerializer::new();
    match value.idl_serialize(&mut values) {
        Ok(()) => values,
        Err(error) => ic_cdk::trap(format!("a reply could not be encoded: {error}")),
    }
}

/// What comes before the values of this type; `value` is any of them, and `values_len` the length of its encoding.
fn header<T: CandidType + 'static>(value: &T, values_len: usize) -> Rc<[u8]> {
    let known = HEADERS.with_borrow(|headers| headers.get(&TypeId::of::<T>()).cloned());
    known.unwrap_or_else(|| {
        let mut builder = IDLBuilder::new();
        let whole = builder
            .arg(value)
            .and_then(|builder| builder.serialize_to_vec());
        let header: Rc<[u8]> = match whole {
            Ok(whole) => whole[..whole.len() - values_len].into(),
            Err(error) => ic_cdk::trap(format!("a reply could not be encoded: {error}")),
        };
        HEADERS.with_borrow_mut(|headers| headers.insert(TypeId::of::<T>(), header.clone()));
        header
    })
}

fn prepare_one<T: CandidType + 'static>(value: T) {
    let values_len = encode_values(&value).get_result().len();
    header(&value, values_len);
}

fn prepare_result<T: CandidType + 'static>() {
    prepare_one(Err::<T, Error>(Error::NotFound));
}

/// Makes the headers of all replies, so that queries, whose heap is dropped, find them.
pub fn prepare() {
    prepare_one(Principal::anonymous());
    prepare_one(Vec::<CapsuleHeader>::new());
    prepare_one(UploadConfig {
        inline_max: 0,
        chunk_size: 0,
        inline_budget_per_capsule: 0,
    });
    prepare_result::<()>();
    prepare_result::<u64>();
    prepare_result::<String>();
    prepare_result::<ByteBuf>();
    prepare_result::<BlobMeta>();
    prepare_result::<Capsule>();
    prepare_result::<CapsuleInfo>();
    prepare_result::<Memory>();
    prepare_result::<Page>();
    prepare_result::<TrashPage>();
    prepare_result::<Person>();
    prepare_result::<ShareLink>();
    prepare_result::<Vec<ShareLink>>();
    prepare_result::<SharedLink>();
    prepare_result::<SharedPage>();
    prepare_result::<SharedMemory>();
    prepare_result::<MemoryAssetData>();
    prepare_result::<MemoryAssetsList>();
    prepare_result::<Vec<MemoryPresenceResult>>();
    prepare_result::<Vec<Option<HeldBlob>>>();
    prepare_result::<Vec<ExternalDeletion>>();
    prepare_result::<UploadStatus>();
    prepare_result::<Vec<UploadStatus>>();
    prepare_one(String::new());
    prepare_one(Vec::<(String, String)>::new());
    prepare_result::<UploadFinishResult>();
    prepare_result::<VaultStatus>();
    prepare_result::<CapsuleStatus>();
    prepare_one(HttpResponse {
        status_code: 404,
        headers: Vec::new(),
        body: ByteBuf::new(),
        upgrade: None,
    });
}
