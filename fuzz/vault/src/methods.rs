//! Every method of the interface as the canister serves it: how its raw arguments are decoded, and the operation that they are given to.
//! A test compares the table with interface/vault.did, names and argument types.

use candid::types::Type;
use candid::utils::{ArgumentDecoder, ArgumentEncoder, decode_args_with_config, encode_args};
use candid::{CandidType, DecoderConfig, Encode, Principal};
use ic_stable_structures::VectorMemory;
use keepsake_api::*;
use keepsake_arguments::Arguments;
use keepsake_vault::{Call, FinishStep, Means, NewMemory, Vault};

use crate::world::OPERATOR;

/// What the canister has to live on: enough for everything.
pub const MEANS: Means = Means {
    balance: 1 << 70,
    liquid: 1 << 70,
    heap: 1 << 20,
};

/// How a call was answered.
pub struct Answer {
    /// The reply's Candid bytes.
    pub bytes: Vec<u8>,
    /// Why it was refused, where it was.
    pub refusal: Option<Error>,
}

/// A method of the interface.
pub struct Method {
    pub name: &'static str,
    /// The types of its arguments.
    pub types: fn() -> Vec<Type>,
    /// Decodes a message and carries the call out; `None` where the message is not the method's arguments.
    pub run: fn(&mut Vault<VectorMemory>, Call, &[u8]) -> Option<Answer>,
}

/// Something that an operation returns, as the canister replies it.
trait Reply {
    fn answer(self) -> Answer;
}

fn encoded<T: CandidType>(reply: &T) -> Vec<u8> {
    Encode!(reply).expect("every reply can be encoded")
}

impl<T: CandidType> Reply for keepsake_vault::Result<T> {
    fn answer(self) -> Answer {
        let result = self.map_err(Error::from);
        Answer {
            bytes: encoded(&result),
            refusal: result.err(),
        }
    }
}

/// A reply that cannot be a refusal.
struct Plain<T>(T);

impl<T: CandidType> Reply for Plain<T> {
    fn answer(self) -> Answer {
        Answer {
            bytes: encoded(&self.0),
            refusal: None,
        }
    }
}

/// As ic-cdk decodes arguments.
fn by_candid<T: for<'a> ArgumentDecoder<'a>>(message: &[u8]) -> Option<T> {
    let message = if message.is_empty() {
        b"DIDL\0\0"
    } else {
        message
    };
    let mut config = DecoderConfig::new();
    config.set_skipping_quota(10_000);
    decode_args_with_config(message, &config).ok()
}

/// As the canister decodes where it learns descriptions; it must accept what candid accepts, with the same values, when it sees a
/// description first and when it knows it.
fn learning<T: Arguments + ArgumentEncoder + for<'a> ArgumentDecoder<'a>>(
    message: &[u8],
) -> Option<T> {
    let bytes = |arguments: T| encode_args(arguments).expect("what was decoded can be encoded");
    let expected = by_candid::<T>(message).map(bytes);
    for _ in 0..2 {
        let decoded = keepsake_arguments::decode::<T>(message).ok().map(bytes);
        assert!(decoded == expected, "decoded otherwise than by candid");
    }
    keepsake_arguments::decode(message).ok()
}

fn is_operator(call: Call) -> bool {
    call.caller == *OPERATOR
}

/// The most messages that a call in several of them may take in a vault as small as this one.
const MOST_STEPS: usize = 100;

fn steps<T>(
    mut step: impl FnMut() -> keepsake_vault::Result<(T, bool)>,
) -> keepsake_vault::Result<Vec<T>> {
    let mut all = Vec::new();
    loop {
        let (one, more) = step()?;
        all.push(one);
        if !more {
            return Ok(all);
        }
        assert!(all.len() < MOST_STEPS, "it does not come to an end");
    }
}

fn deleted(counts: Vec<u32>) -> BulkDeleteResult {
    BulkDeleteResult {
        deleted_count: counts.iter().sum(),
        failed_count: 0,
        message: String::new(),
    }
}

macro_rules! methods {
    ($($decode:ident $name:ident($vault:ident, $call:ident $(, $arg:ident: $type:ty)*) $body:block)*) => {
        /// All of them.
        pub const METHODS: &[Method] = &[$(Method {
            name: stringify!($name),
            types: || vec![$(<$type as CandidType>::ty()),*],
            run: |$vault, $call, message| {
                let ($($arg,)*) = $decode::<($($type,)*)>(message)?;
                let _ = (&*$vault, $call);
                Some(Reply::answer($body))
            },
        }),*];
    };
}

methods! {
    by_candid access_revoke(vault, call, memory: String, entry: String) { vault.access_revoke(call, &memory, &entry) }
    learning access_grant(vault, call, memory: String, entry: AccessEntry) { vault.access_grant(call, &memory, entry) }
    by_candid asset_get_by_id(vault, call, memory: String, asset: String) { vault.asset_get_by_id(call, &memory, &asset) }
    by_candid asset_remove(vault, call, memory: String, asset: String) { vault.asset_remove(call, &memory, &asset) }
    by_candid asset_remove_by_id(vault, call, memory: String, asset: String) { vault.asset_remove_by_id(call, &memory, &asset) }
    by_candid asset_remove_external(vault, call, memory: String, key: String) { vault.asset_remove_external(call, &memory, &key) }
    by_candid asset_remove_inline(vault, call, memory: String, index: u32) { vault.asset_remove_inline(call, &memory, index) }
    by_candid asset_remove_internal(vault, call, memory: String, blob: String) { vault.asset_remove_internal(call, &memory, &blob) }
    by_candid blob_delete(vault, call, locator: String) { vault.blob_delete(call, &locator) }
    by_candid blob_get_meta(vault, call, locator: String) { vault.blob_get_meta(call, &locator) }
    by_candid blob_read(vault, call, locator: String) { vault.blob_read(call, &locator).map(ByteBuf::from) }
    by_candid blob_read_chunk(vault, call, locator: String, index: u32) {
        vault.blob_read_chunk(call, &locator, index).map(ByteBuf::from)
    }
    by_candid blobs_by_hash(vault, call, capsule: String, hashes: Vec<ByteBuf>) { vault.blobs_by_hash(call, &capsule, &hashes) }
    by_candid capsule_controller_add(vault, call, capsule: String, who: PersonRef) { vault.capsule_controller_add(call, &capsule, who) }
    by_candid capsule_controller_remove(vault, call, capsule: String, who: PersonRef) {
        vault.capsule_controller_remove(call, &capsule, who)
    }
    by_candid capsule_event_record(vault, call, capsule: String, event: AccessEvent) { vault.capsule_event_record(call, &capsule, &event) }
    by_candid capsule_owner_add(vault, call, capsule: String, who: PersonRef) { vault.capsule_owner_add(call, &capsule, who) }
    by_candid capsule_owner_remove(vault, call, capsule: String, who: PersonRef) { vault.capsule_owner_remove(call, &capsule, who) }
    by_candid capsule_status(vault, call, capsule: String) { vault.capsule_status(call, &capsule, MEANS) }
    by_candid capsules_create(vault, call, subject: Option<PersonRef>) { vault.capsules_create(call, subject) }
    by_candid capsules_delete(vault, call, capsule: String) { vault.capsules_delete(call, &capsule) }
    by_candid capsules_list(vault, call) { Plain(vault.capsules_list(call)) }
    by_candid capsules_read_basic(vault, call, capsule: Option<String>) { vault.capsules_read_basic(call, capsule.as_deref()) }
    by_candid capsules_read_full(vault, call, capsule: Option<String>) { vault.capsules_read_full(call, capsule.as_deref()) }
    by_candid capsules_update(vault, call, capsule: String, update: CapsuleUpdateData) { vault.capsules_update(call, &capsule, update) }
    by_candid connection_group_put(
        vault, call, capsule: String, id: String, name: String, description: Option<String>, members: Vec<PersonRef>
    ) {
        vault.connection_group_put(call, &capsule, &id, &name, description, members)
    }
    by_candid connection_group_remove(vault, call, capsule: String, id: String) { vault.connection_group_remove(call, &capsule, &id) }
    by_candid external_deletions_acknowledge(vault, call, capsule: String, ids: Vec<String>) {
        vault.external_deletions_acknowledge(call, &capsule, &ids)
    }
    by_candid external_deletions_list(vault, call, capsule: String) { vault.external_deletions_list(call, &capsule) }
    by_candid http_request(vault, call, request: HttpRequest) { Plain(vault.http_request(call.now, MEANS, &request)) }
    by_candid http_token_key_rotate(vault, call, number: u32) { vault.http_token_key_rotate(call, is_operator(call), number) }
    learning memories_add_asset(vault, call, memory: String, asset: InternalBlobAssetInput, idem: String) {
        vault.memories_add_asset(call, &memory, asset, &idem)
    }
    learning memories_add_assets(
        vault, call, memory: String, blobs: Vec<InternalBlobAssetInput>, inline: Vec<InlineAssetInput>, idem: String
    ) {
        vault.memories_add_assets(call, &memory, blobs, inline, &idem)
    }
    learning memories_add_inline_asset(vault, call, memory: String, asset: InlineAssetInput, idem: String) {
        vault.memories_add_inline_asset(call, &memory, asset, &idem)
    }
    by_candid memories_cleanup_assets_all(vault, call, memory: String) { vault.memories_cleanup_assets_all(call, &memory) }
    by_candid memories_cleanup_assets_bulk(vault, call, memories: Vec<String>) { vault.memories_cleanup_assets_bulk(call, memories) }
    learning memories_create(
        vault, call, capsule: String, inline: Option<ByteBuf>, blob: Option<BlobRef>, location: Option<BlobHosting>,
        storage_key: Option<String>, url: Option<String>, size: Option<u64>, sha256: Option<ByteBuf>, metadata: AssetMetadata, idem: String
    ) {
        vault.memories_create(
            call,
            NewMemory { capsule, inline, blob, location, storage_key, url, size, sha256, metadata, idem },
        )
    }
    learning memories_create_with_internal_blobs(
        vault, call, capsule: String, metadata: MemoryMetadata, blobs: Vec<InternalBlobAssetInput>, idem: String
    ) {
        vault.memories_create_with_assets(call, &capsule, metadata, blobs, Vec::new(), &idem)
    }
    learning memories_create_with_internal_blobs_and_inline_assets(
        vault, call, capsule: String, metadata: MemoryMetadata, blobs: Vec<InternalBlobAssetInput>, inline: Vec<InlineAssetInput>,
        idem: String
    ) {
        vault.memories_create_with_assets(call, &capsule, metadata, blobs, inline, &idem)
    }
    learning memories_delete(vault, call, memory: String, assets: bool) { vault.memories_delete(call, &memory, assets) }
    by_candid memories_delete_all(vault, call, capsule: String, assets: bool) {
        steps(|| vault.memories_delete_all_step(call, &capsule, assets, call.now)).map(deleted)
    }
    by_candid memories_delete_bulk(vault, call, capsule: String, memories: Vec<String>, assets: bool) {
        vault.memories_delete_bulk(call, &capsule, &memories, assets)
    }
    by_candid memories_list(vault, call, capsule: String, cursor: Option<String>, limit: Option<u32>) {
        vault.memories_list(call, &capsule, cursor.as_deref(), limit)
    }
    by_candid memories_list_assets(vault, call, memory: String) { vault.memories_list_assets(call, &memory) }
    by_candid memories_list_by_capsule(vault, call, capsule: String, cursor: Option<String>, limit: Option<u32>) {
        vault.memories_list(call, &capsule, cursor.as_deref(), limit)
    }
    by_candid memories_ping(vault, call, memories: Vec<String>) { vault.memories_ping(call, memories) }
    by_candid memories_read(vault, call, memory: String) { vault.memories_read(call, &memory) }
    by_candid memories_read_asset(vault, call, memory: String, index: u32) { vault.memories_read_asset(call, &memory, index) }
    by_candid memories_restore(vault, call, memory: String) { vault.memories_restore(call, &memory) }
    by_candid memories_shared_with_me(vault, call, cursor: Option<String>, limit: Option<u32>) {
        vault.memories_shared_with_me(call, cursor.as_deref(), limit)
    }
    by_candid memories_trash(vault, call, memory: String) { vault.memories_trash(call, &memory) }
    by_candid memories_trash_empty(vault, call, capsule: String) {
        steps(|| vault.memories_trash_empty_step(call, &capsule, call.now)).map(deleted)
    }
    by_candid memories_trashed(vault, call, capsule: String, cursor: Option<String>, limit: Option<u32>) {
        vault.memories_trashed(call, &capsule, cursor.as_deref(), limit)
    }
    learning memories_update(vault, call, memory: String, update: MemoryUpdateData) { vault.memories_update(call, &memory, update) }
    by_candid mint_http_token(vault, call, memory: String, variants: Vec<String>, assets: Option<Vec<String>>, ttl: u32) {
        vault.mint_http_token(call, &memory, &variants, assets.as_deref(), ttl)
    }
    by_candid mint_http_tokens_bulk(
        vault, call, memories: Vec<String>, variants: Vec<String>, assets: Option<Vec<String>>, ttl: u32
    ) {
        vault.mint_http_tokens_bulk(call, memories, &variants, assets.as_deref(), ttl)
    }
    by_candid person_link_accept(vault, call, principal: Principal) { vault.person_link_accept(call, principal) }
    by_candid person_link_offer(vault, call, principal: Principal) { vault.person_link_offer(call, principal) }
    by_candid person_read(vault, call) { vault.person_read(call) }
    by_candid person_unlink(vault, call, principal: Principal) { vault.person_unlink(call, principal) }
    by_candid sessions_cleanup_expired(vault, call) { vault.uploads_cleanup_expired(call) }
    by_candid sessions_list(vault, call) { vault.uploads_list(call) }
    by_candid sessions_stats(vault, call) { vault.uploads_list(call) }
    by_candid upload_config(vault, call) { Plain(vault.upload_config()) }
    by_candid uploads_abort(vault, call, session: u64) { vault.uploads_abort(call, session) }
    learning uploads_begin(vault, call, capsule: String, chunks: u32, idem: String) { vault.uploads_begin(call, &capsule, chunks, &idem) }
    learning uploads_begin_announced(vault, call, capsule: String, content: UploadAnnouncement, idem: String) {
        vault.uploads_begin_announced(call, &capsule, &content, &idem)
    }
    learning uploads_finish(vault, call, session: u64, sha256: ByteBuf, len: u64) {
        steps(|| {
            Ok(match vault.uploads_finish(call, session, &sha256, len)? {
                FinishStep::Done(result) => (Some(result), false),
                FinishStep::HashMore => (None, true),
            })
        })
        .map(|mut results| results.pop().flatten().expect("the last step is the result"))
    }
    by_candid uploads_list(vault, call) { vault.uploads_list(call) }
    learning uploads_put_blob(vault, call, capsule: String, bytes: ByteBuf, sha256: ByteBuf, idem: String) {
        vault.uploads_put_blob(call, &capsule, &bytes, &sha256, &idem)
    }
    learning uploads_put_chunk(vault, call, session: u64, index: u32, bytes: ByteBuf) {
        vault.uploads_put_chunk(call, session, index, &bytes)
    }
    by_candid uploads_status(vault, call, session: u64) { vault.uploads_status(call, session) }
    by_candid vault_status(vault, call) { vault.vault_status(call, is_operator(call), MEANS) }
    by_candid whoami(vault, call) { Plain(call.caller) }
    // Of a later time than the seeds: their numbers stay what they are.
    by_candid share_links_asset(vault, call, secret: ByteBuf, memory: String, asset: String, start: u64, len: u32) {
        vault.share_links_asset(call.now, &secret, &memory, &asset, start, len).map(|range| {
            let mut bytes = Vec::new();
            vault.append_shared(&range, &mut bytes);
            ByteBuf::from(bytes)
        })
    }
    by_candid share_links_create(vault, call, link: ShareLinkInput) { vault.share_links_create(call, link) }
    by_candid share_links_list(vault, call, capsule: String) { vault.share_links_list(call, &capsule) }
    by_candid share_links_memories(vault, call, secret: ByteBuf, cursor: Option<String>, limit: Option<u32>) {
        vault.share_links_memories(call.now, &secret, cursor.as_deref(), limit)
    }
    by_candid share_links_memory(vault, call, secret: ByteBuf, memory: String) { vault.share_links_memory(call.now, &secret, &memory) }
    by_candid share_links_open(vault, call, secret: ByteBuf, nonce: ByteBuf) { vault.share_links_open(call, &secret, &nonce) }
    by_candid share_links_revoke(vault, call, capsule: String, link: String) { vault.share_links_revoke(call, &capsule, &link) }
}

#[cfg(test)]
mod tests {
    use super::METHODS;
    use candid::types::subtype::{Gamma, equal};
    use candid_parser::utils::CandidSource;
    use std::path::Path;

    #[test]
    fn the_table_is_the_interface() {
        let did = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interface/vault.did");
        let (env, service) = CandidSource::File(&did).load().unwrap();
        let service = service.unwrap();
        let methods = env.as_service(&service).unwrap();
        let mut names: Vec<_> = METHODS.iter().map(|method| method.name).collect();
        names.sort_unstable();
        let expected: Vec<_> = methods.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, expected);
        for method in METHODS {
            let function = env.get_method(&service, method.name).unwrap();
            let types = (method.types)();
            assert_eq!(types.len(), function.args.len(), "{}", method.name);
            for (ours, expected) in types.iter().zip(&function.args) {
                equal(&mut Gamma::new(), &env, ours, expected)
                    .unwrap_or_else(|error| panic!("{}: {error}", method.name));
            }
        }
    }
}
