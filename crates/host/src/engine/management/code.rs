//! Installing code: `install_code`, and in pieces by `upload_chunk` and `install_chunked_code` (specification, "Wasm chunk store").
//!
//! A chunk is a file named by its hash: writing it twice changes nothing, and it is durable before it is acknowledged.

use super::{check_canister, decode, done, encode, refused};
use crate::engine::Shared;
use crate::message::Reject;
use crate::runtime::{CompiledModule, MAX_MODULE_BYTES};
use crate::snapshot::read::{MAX_CHUNK, MAX_CHUNKS};
use crate::snapshot::write::list_chunks;
use crate::store::{private_dir, replace};
use candid::{CandidType, Principal};
use ic_management_canister_types::{
    CanisterIdRecord, CanisterInstallMode, ChunkHash, InstallChunkedCodeArgs, UpgradeFlags,
    WasmMemoryPersistence,
};
use serde::Deserialize;
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::sync::Arc;

/// What an installation does to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallMode {
    /// Nothing may be there.
    Install,
    /// Everything goes.
    Reinstall,
    Upgrade {
        skip_pre_upgrade: bool,
    },
}

/// A module that only has to be put in place.
pub struct Ready {
    pub module: Arc<CompiledModule>,
    pub wasm: Vec<u8>,
    pub arg: Vec<u8>,
    pub mode: InstallMode,
}

/// The arguments of `install_code`, with byte strings that decode fast.
#[derive(CandidType, Deserialize)]
struct InstallCode {
    mode: CanisterInstallMode,
    canister_id: Principal,
    wasm_module: ByteBuf,
    arg: ByteBuf,
}

#[derive(CandidType, Deserialize)]
struct UploadChunk {
    canister_id: Principal,
    chunk: ByteBuf,
}

/// Reads and compiles what `install_code` is given.
pub fn install_code(shared: &Shared, arg: &[u8]) -> Result<Ready, Reject> {
    let install: InstallCode = decode(arg)?;
    check_canister(install.canister_id, shared.canister_id)?;
    ready(
        shared,
        install.mode,
        install.wasm_module.into_vec(),
        install.arg.into_vec(),
    )
}

/// Puts the chunks together that `install_chunked_code` names, and compiles them.
pub fn install_chunked_code(shared: &Shared, arg: &[u8]) -> Result<Ready, Reject> {
    let install: InstallChunkedCodeArgs = decode(arg)?;
    check_canister(install.target_canister, shared.canister_id)?;
    if let Some(store) = install.store_canister {
        check_canister(store, shared.canister_id)?;
    }
    let mut wasm = Vec::new();
    for chunk in &install.chunk_hashes_list {
        let missing = || {
            refused(
                "IC0408",
                format!("there is no chunk {}", hex::encode(&chunk.hash)),
            )
        };
        let hash = <[u8; 32]>::try_from(chunk.hash.as_slice()).map_err(|_| missing())?;
        match fs::read(path(shared, &hash)) {
            Ok(chunk) => wasm.extend_from_slice(&chunk),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            Err(error) => return Err(unusable(&error)),
        }
        if wasm.len() > MAX_MODULE_BYTES {
            return Err(refused("IC0505", "the module is too large"));
        }
    }
    if Sha256::digest(&wasm)[..] != install.wasm_module_hash[..] {
        return Err(refused(
            "IC0408",
            "the chunks together do not have the hash given",
        ));
    }
    ready(shared, install.mode, wasm, install.arg)
}

fn ready(
    shared: &Shared,
    mode: CanisterInstallMode,
    wasm: Vec<u8>,
    arg: Vec<u8>,
) -> Result<Ready, Reject> {
    let mode = match mode {
        CanisterInstallMode::Install => InstallMode::Install,
        CanisterInstallMode::Reinstall => InstallMode::Reinstall,
        CanisterInstallMode::Upgrade(flags) => {
            let flags = flags.unwrap_or(UpgradeFlags {
                skip_pre_upgrade: None,
                wasm_memory_persistence: None,
            });
            if flags.wasm_memory_persistence == Some(WasmMemoryPersistence::Keep) {
                return Err(refused(
                    "IC0504",
                    "this host does not keep the heap over an upgrade",
                ));
            }
            InstallMode::Upgrade {
                skip_pre_upgrade: flags.skip_pre_upgrade.unwrap_or(false),
            }
        }
    };
    if mode == InstallMode::Reinstall {
        // It begins in the next generation of stable memory, which has to be empty.
        shared
            .store
            .remove_leftovers(false)
            .map_err(|error| super::super::rejects::storage(&error))?;
    }
    let module = CompiledModule::new(&shared.runtime, &wasm, &shared.folder.cache())
        .map_err(|error| refused("IC0505", error.to_string()))?;
    Ok(Ready {
        module: Arc::new(module),
        wasm,
        arg,
        mode,
    })
}

/// Answers `upload_chunk`.
pub fn upload_chunk(shared: &Shared, arg: &[u8]) -> Result<Vec<u8>, Reject> {
    let upload: UploadChunk = decode(arg)?;
    check_canister(upload.canister_id, shared.canister_id)?;
    if upload.chunk.len() > MAX_CHUNK {
        return Err(refused(
            "IC0408",
            format!("a chunk has at most {MAX_CHUNK} bytes"),
        ));
    }
    let hash: [u8; 32] = Sha256::digest(&upload.chunk).into();
    let stored = list(shared)?;
    if !stored.contains(&hash) {
        if stored.len() >= MAX_CHUNKS {
            return Err(refused(
                "IC0408",
                format!("there are {MAX_CHUNKS} chunks already; clear the chunk store"),
            ));
        }
        private_dir(&shared.folder.chunks()).map_err(|error| unusable(&error))?;
        replace(&path(shared, &hash), &upload.chunk).map_err(|error| unusable(&error))?;
    }
    encode(&ChunkHash {
        hash: hash.to_vec(),
    })
}

/// Answers `stored_chunks`.
pub fn stored_chunks(shared: &Shared, arg: &[u8]) -> Result<Vec<u8>, Reject> {
    let asked: CanisterIdRecord = decode(arg)?;
    check_canister(asked.canister_id, shared.canister_id)?;
    let chunks: Vec<ChunkHash> = list(shared)?
        .into_iter()
        .map(|hash| ChunkHash {
            hash: hash.to_vec(),
        })
        .collect();
    encode(&chunks)
}

/// Answers `clear_chunk_store`.
pub fn clear_chunk_store(shared: &Shared, arg: &[u8]) -> Result<Vec<u8>, Reject> {
    let asked: CanisterIdRecord = decode(arg)?;
    check_canister(asked.canister_id, shared.canister_id)?;
    for hash in list(shared)? {
        fs::remove_file(path(shared, &hash)).map_err(|error| unusable(&error))?;
    }
    done()
}

/// Bytes that the chunk store counts for, as on the Internet Computer: 1 MiB each.
pub fn chunk_store_bytes(shared: &Shared) -> u64 {
    list(shared).map_or(0, |chunks| (chunks.len() * MAX_CHUNK) as u64)
}

fn list(shared: &Shared) -> Result<Vec<[u8; 32]>, Reject> {
    list_chunks(&shared.folder.chunks()).map_err(|error| unusable(&error))
}

fn path(shared: &Shared, hash: &[u8; 32]) -> std::path::PathBuf {
    let name = format!("{}.bin", hex::encode(hash));
    shared.folder.chunks().join(name)
}

fn unusable(error: &dyn std::fmt::Display) -> Reject {
    super::super::rejects::storage(error)
}
