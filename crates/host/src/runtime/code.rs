//! Compiled modules on the disk, so that a start does not compile: in the state folder, and where the operator names one, in a folder that
//! several vaults share.
//!
//! Compiled code is run as it is, so that reading it is as unsafe as running a program. What makes it safe, all of it together:
//!
//! - A file and its folder belong to this account or to root, and nobody else may write to them; a file is no link. Whoever can put
//!   something there can replace this program's own data anyway. It is the opened file that is asked, not its name.
//! - It begins with the SHA-256 of the rest, so that a file cut off or rotten is not code.
//! - Its name has the module's hash, the version of the rewriting and what wasmtime's compatibility depends on: its version, its
//!   settings, the processor's features. wasmtime compares these again with what is in the file, and refuses code that this processor lacks instructions for.
//!
//! Whatever is not as it must be is passed over: that costs a compilation, and the file is replaced.

use super::Runtime;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::Module;

/// Changes whenever the rewriting does, so that an older compiled module is not taken for a current one.
const REWRITE_VERSION: u32 = 1;

/// Compiled modules kept in a folder that is shared; the oldest go.
const MAX_SHARED: usize = 16;

/// The largest file that is read, in bytes: ten times what the largest module compiles to with room.
const MAX_FILE: u64 = 2 << 30;

/// Where compiled modules may be besides the state folder, and whether new ones are left there and here.
#[derive(Clone, Debug)]
pub struct CodeCache {
    /// A folder for several state folders; made where it is missing.
    pub shared: Option<PathBuf>,
    /// Whether code that had to be compiled is written; false for who only looks.
    pub writes: bool,
}

impl Default for CodeCache {
    fn default() -> Self {
        CodeCache {
            shared: None,
            writes: true,
        }
    }
}

/// The compiled code of the module with this hash, whose rewritten form is `rewritten`: from `own` or the shared folder, or compiled now and left
/// there.
///
/// # Errors
/// Those of the compiler.
pub(super) fn compiled(
    runtime: &Runtime,
    hash: &[u8; 32],
    rewritten: &[u8],
    own: &Path,
) -> wasmtime::Result<Module> {
    let name = file_name(runtime, hash);
    let shared = runtime.code.shared.as_deref();
    for folder in [Some(own), shared].into_iter().flatten() {
        match load(runtime, folder, &name) {
            Ok(module) => return Ok(module),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "compiled code is not used");
            }
        }
    }
    let module = Module::from_binary(&runtime.engine, rewritten)?;
    if runtime.code.writes {
        let kept = save(&module, own, &name, 1)
            .and_then(|()| shared.map_or(Ok(()), |to| save(&module, to, &name, MAX_SHARED)));
        // It costs a compilation later, no more.
        if let Err(error) = kept {
            tracing::warn!(%error, "the compiled module could not be kept");
        }
    }
    Ok(module)
}

fn file_name(runtime: &Runtime, hash: &[u8; 32]) -> String {
    let mut compatible = twox_hash::XxHash3_64::new();
    runtime
        .engine
        .precompile_compatibility_hash()
        .hash(&mut compatible);
    let compatible = compatible.finish();
    format!("{}-{REWRITE_VERSION}-{compatible:016x}", hex::encode(hash))
}

fn load(runtime: &Runtime, folder: &Path, name: &str) -> io::Result<Module> {
    let unfit = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(folder.join(name))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(unfit("it is no file of compiled code"));
    }
    if !is_ours(&metadata) || !is_ours(&fs::metadata(folder)?) {
        return Err(unfit("others may write to it"));
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.read_to_end(&mut content)?;
    let (digest, code) = content
        .split_first_chunk::<32>()
        .ok_or_else(|| unfit("it is cut off"))?;
    if <[u8; 32]>::from(Sha256::digest(code)) != *digest {
        return Err(unfit("it is not what was written"));
    }
    // SAFETY: wasmtime wants what `Module::serialize` has made. This has the checksum that `save` gave it and lies where nobody but
    // this account and root can write, as this module's header says; code of another version, of other settings or for another processor
    // wasmtime refuses itself.
    unsafe { Module::deserialize(&runtime.engine, code) }
        .map_err(|error| unfit(&format!("{error:#}")))
}

/// Whether nobody but this account and root can have written it.
fn is_ours(metadata: &Metadata) -> bool {
    // SAFETY: a plain query.
    let account = unsafe { libc::geteuid() };
    let owned = metadata.uid() == account || metadata.uid() == 0;
    owned && metadata.mode() & 0o022 == 0
}

/// Leaves compiled code in a folder, whole or not at all, and removes the oldest so that `most` stay.
fn save(module: &Module, folder: &Path, name: &str, most: usize) -> io::Result<()> {
    crate::store::private_dir(folder)?;
    let code = module.serialize().map_err(io::Error::other)?;
    // Of this process alone: others may be leaving the same.
    let aside = folder.join(format!("{name}.{}.new", std::process::id()));
    let write = || -> io::Result<()> {
        // What a killed process of the same number has left goes first, so that the file is made here and now.
        let _ = fs::remove_file(&aside);
        let mut file: File = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(&Sha256::digest(&code))?;
        file.write_all(&code)?;
        fs::rename(&aside, folder.join(name))
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&aside);
    })?;
    let mut others: Vec<(SystemTime, PathBuf)> = fs::read_dir(folder)?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name() != OsStr::new(name))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    others.sort_unstable_by(|a, b| b.cmp(a));
    for (_, old) in others.iter().skip(most.saturating_sub(1)) {
        // Another process may have been faster.
        let _ = fs::remove_file(old);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{CompiledModule, Environment};
    use candid::Principal;
    use std::os::unix::fs::PermissionsExt;

    fn runtime(shared: Option<&Path>, writes: bool) -> Runtime {
        let environment = Environment {
            canister_id: Principal::anonymous(),
            cycle_balance: 0,
            network: Default::default(),
        };
        let cache = CodeCache {
            shared: shared.map(Path::to_owned),
            writes,
        };
        Runtime::new(environment, 1 << 20)
            .unwrap()
            .with_code_cache(cache)
    }

    fn module(n: u8) -> Vec<u8> {
        let text = format!("(module (func (export \"canister_query m{n}\")))");
        wat::parse_str(text).unwrap()
    }

    fn names(folder: &Path) -> Vec<PathBuf> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        names
    }

    /// Whether there was code to be used: nothing was compiled in a runtime that writes nothing.
    fn is_found(runtime: &Runtime, own: &Path, wasm: &[u8]) -> bool {
        let hash = Sha256::digest(wasm).into();
        let name = file_name(runtime, &hash);
        load(runtime, own, &name).is_ok()
    }

    #[test]
    fn code_is_kept_once_compiled_and_others_find_it() {
        let dir = tempfile::tempdir().unwrap();
        let (own, other, shared) = (
            dir.path().join("own"),
            dir.path().join("other"),
            dir.path().join("shared"),
        );
        let looking = runtime(Some(&shared), false);
        CompiledModule::new(&looking, &module(1), &own).unwrap();
        assert!(names(&own).is_empty() && names(&shared).is_empty());

        let runtime = runtime(Some(&shared), true);
        CompiledModule::new(&runtime, &module(1), &own).unwrap();
        assert_eq!((names(&own).len(), names(&shared).len()), (1, 1));
        assert!(is_found(&runtime, &own, &module(1)));
        assert!(is_found(&looking, &shared, &module(1)));
        // Another state folder has no need of its own.
        CompiledModule::new(&runtime, &module(1), &other).unwrap();
        assert!(names(&other).is_empty());
        // The state folder has the one in use, the shared one the latest.
        for n in 2..=u8::try_from(MAX_SHARED).unwrap() + 3 {
            CompiledModule::new(&runtime, &module(n), &own).unwrap();
            assert_eq!(names(&own).len(), 1);
        }
        assert_eq!(names(&shared).len(), MAX_SHARED);
        let mode = fs::metadata(&names(&own)[0]).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_not_as_it_must_be_is_passed_over_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        let runtime = runtime(None, true);
        let wasm = module(1);
        CompiledModule::new(&runtime, &wasm, &own).unwrap();
        let file = names(&own).remove(0);
        let whole = fs::read(&file).unwrap();
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        for content in [&changed[..], &whole[..whole.len() - 1], &whole[..20], b""] {
            fs::write(&file, content).unwrap();
            assert!(!is_found(&runtime, &own, &wasm));
            CompiledModule::new(&runtime, &wasm, &own).unwrap();
            assert!(is_found(&runtime, &own, &wasm));
        }
        // With a right checksum, and not wasmtime's.
        let mut foreign = Sha256::digest(b"other").to_vec();
        foreign.extend(b"other");
        fs::write(&file, foreign).unwrap();
        assert!(!is_found(&runtime, &own, &wasm));
        // Of another module, under this one's name: the hash in the name says what it is, so that only we may put it there.
        CompiledModule::new(&runtime, &wasm, &own).unwrap();
        for (path, mode) in [(&file, 0o666), (&file, 0o620), (&own, 0o777)] {
            let before = fs::metadata(path).unwrap().permissions();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(!is_found(&runtime, &own, &wasm), "{mode:o}");
            fs::set_permissions(path, before).unwrap();
            assert!(is_found(&runtime, &own, &wasm));
        }
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        assert!(!is_found(&runtime, &own, &wasm));
        CompiledModule::new(&runtime, &wasm, &own).unwrap();
        assert!(is_found(&runtime, &own, &wasm));
    }
}
