//! The state folder itself: who may use it, which version it has, and the small secrets kept in it.
//!
//! | name      | what it is                                                       |
//! | --------- | ---------------------------------------------------------------- |
//! | `lock`    | held exclusively by the process that runs the canister           |
//! | `version` | the format version, in decimal                                   |
//! | `data/`   | the database                                                     |
//! | `keys/`   | secrets, one file each with its checksum beside it, readable by the owner only |
//! | `cache/`  | compiled modules; may be deleted at any time                     |
//! | `snapshots/` | snapshots of the canister, a folder each                      |
//! | `chunks/` | pieces of a module that is not complete yet                      |

use super::FORMAT_VERSION;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The format version of before there were checksums.
const WITHOUT_CHECKSUMS: &str = "1";

/// Why a folder cannot be used as a state folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("the state folder {0} is in use by another process")]
    Locked(PathBuf),
    #[error(
        "the state folder {folder} has format version {found}, and this program knows versions up to {FORMAT_VERSION} only"
    )]
    OtherVersion { folder: PathBuf, found: String },
    #[error("{0} is not a state folder: it holds other files")]
    Foreign(PathBuf),
    #[error("no permission to write to the state folder {0}")]
    NoPermission(PathBuf),
    #[error("the state folder {folder} cannot be used: {error}")]
    Io { folder: PathBuf, error: io::Error },
}

/// A state folder, locked for this process until dropped.
pub struct Folder {
    path: PathBuf,
    /// Closing the file releases the lock.
    _lock: File,
}

impl Folder {
    /// Creates the folder where it is missing (readable by its owner only), locks it and checks its version.
    pub fn open(path: &Path) -> Result<Folder, FolderError> {
        let fail = |error: io::Error| failed(path, error);
        private_dir(path).map_err(fail)?;
        let foreign = is_foreign(path).map_err(fail)?;
        if foreign {
            return Err(FolderError::Foreign(path.to_path_buf()));
        }
        let lock = lock(path)?;
        let version = path.join("version");
        match fs::read_to_string(&version) {
            Ok(found) if found.trim() == FORMAT_VERSION.to_string() => {}
            // Its records are read as they are, and what is written from now on only this version reads.
            Ok(found) if found.trim() == WITHOUT_CHECKSUMS => {
                write_version(&version).map_err(fail)?
            }
            Ok(found) => {
                return Err(FolderError::OtherVersion {
                    folder: path.to_path_buf(),
                    found: found.trim().chars().take(20).collect(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_version(&version).map_err(fail)?;
            }
            Err(error) => return Err(fail(error)),
        }
        private_dir(&path.join("data")).map_err(fail)?;
        // What is in the folders is durable only if they are: `data` in this one, and this one, which may be new, in its own.
        for folder in path.canonicalize().map_err(fail)?.ancestors().take(2) {
            sync_dir(folder).map_err(fail)?;
        }
        Ok(Folder {
            path: path.to_path_buf(),
            _lock: lock,
        })
    }

    /// Takes a state folder of this version for this process, and changes nothing in it.
    ///
    /// # Errors
    /// [`FolderError::Locked`], [`FolderError::Foreign`] where it is none, [`FolderError::OtherVersion`].
    pub fn hold(path: &Path) -> Result<Folder, FolderError> {
        Folder::check_version(path)?;
        Ok(Folder {
            path: path.to_path_buf(),
            _lock: lock(path)?,
        })
    }

    /// Where the database lies.
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where snapshots of the canister are.
    pub fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// Where the chunks of a module are gathered that comes in pieces.
    pub fn chunks(&self) -> PathBuf {
        self.path.join("chunks")
    }

    /// Whether a folder is a state folder of this version, which somebody else may be using.
    ///
    /// # Errors
    /// [`FolderError::Foreign`] where it is none, [`FolderError::OtherVersion`].
    pub fn check_version(path: &Path) -> Result<(), FolderError> {
        let foreign = || FolderError::Foreign(path.to_path_buf());
        match fs::read_to_string(path.join("version")) {
            Ok(found) if found.trim() == FORMAT_VERSION.to_string() => Ok(()),
            Ok(found) => Err(FolderError::OtherVersion {
                folder: path.to_path_buf(),
                found: found.trim().chars().take(20).collect(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(foreign()),
            Err(error) => Err(FolderError::Io {
                folder: path.to_path_buf(),
                error,
            }),
        }
    }

    /// Where compiled modules may be kept.
    pub fn cache(&self) -> PathBuf {
        self.path.join("cache")
    }

    /// The secret called `name` (lowercase letters, digits, `-` and `_`), made by `make` the first time and durable before it is
    /// returned.
    pub fn secret(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
        let proper = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(proper) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a secret's name has lowercase letters, digits, - and _ only",
            ));
        }
        let keys = self.path.join("keys");
        private_dir(&keys)?;
        let file = keys.join(name);
        match fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = make();
                // Before the secret, so that there is none without.
                replace(&checksum_file(&file), checksum(&secret).as_bytes())?;
                replace(&file, &secret)?;
                Ok(secret)
            }
            Err(error) => Err(error),
            Ok(secret) => match fs::read(checksum_file(&file)) {
                Ok(written) if written == checksum(&secret).as_bytes() => Ok(secret),
                Ok(_) => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is not what was written", file.display()),
                )),
                // Made before there were checksums.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    replace(&checksum_file(&file), checksum(&secret).as_bytes())?;
                    Ok(secret)
                }
                Err(error) => Err(error),
            },
        }
    }

    /// The secrets that are not what was written, and what cannot be read of them.
    pub fn damaged_secrets(&self) -> Vec<String> {
        let keys = self.path.join("keys");
        let mut damaged = Vec::new();
        let names = fs::read_dir(&keys).into_iter().flatten().flatten();
        for file in names.map(|entry| entry.path()) {
            if file.extension().is_some() {
                continue;
            }
            let read = fs::read(&file).map(|secret| (secret, fs::read(checksum_file(&file))));
            match read {
                Ok((secret, Ok(written))) if written == checksum(&secret).as_bytes() => {}
                // Made before there were checksums.
                Ok((_, Err(error))) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(_) => damaged.push(format!("{} is not what was written", file.display())),
                Err(error) => damaged.push(format!("{}: {error}", file.display())),
            }
        }
        damaged
    }
}

/// Where the checksum of a secret is kept.
fn checksum_file(secret: &Path) -> PathBuf {
    secret.with_extension("xxh3")
}

fn checksum(secret: &[u8]) -> String {
    format!("{:016x}\n", twox_hash::XxHash3_64::oneshot(secret))
}

/// Writes a whole file so that, whatever happens, it holds either the old or the new content; durable on return. Readable by its
/// owner only.
pub fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let new = folder.join(name);
    let mut writer = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&new)?;
    writer.write_all(content)?;
    writer.sync_all()?;
    fs::rename(&new, file)?;
    File::open(folder)?.sync_all()
}

fn failed(path: &Path, error: io::Error) -> FolderError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            FolderError::NoPermission(path.to_path_buf())
        }
        _ => FolderError::Io {
            folder: path.to_path_buf(),
            error,
        },
    }
}

/// Locks a state folder for this process, until the file is closed.
fn lock(path: &Path) -> Result<File, FolderError> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path.join("lock"))
        .map_err(|error| failed(path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(FolderError::Locked(path.to_path_buf())),
        Err(TryLockError::Error(error)) => Err(failed(path, error)),
    }
}

fn write_version(file: &Path) -> io::Result<()> {
    replace(file, format!("{FORMAT_VERSION}\n").as_bytes())
}

/// Makes a folder's entries durable, where this user may read the folder.
fn sync_dir(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        result => result,
    }
}

/// Creates a folder, and those above it, for its owner only.
pub fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Something lies here that no host put there.
fn is_foreign(path: &Path) -> io::Result<bool> {
    if path.join("version").try_exists()? {
        return Ok(false);
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != "lock" && name != "version.new" {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = Folder::open(&path).unwrap();
        assert!(matches!(Folder::open(&path), Err(FolderError::Locked(_))));
        drop(first);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn another_version_and_other_peoples_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for other in ["3", "0", "", "two", "2 2", "11"] {
            fs::write(dir.path().join("version"), other).unwrap();
            assert!(matches!(
                Folder::open(dir.path()),
                Err(FolderError::OtherVersion { found, .. }) if found == other
            ));
            assert!(!dir.path().join("data").exists());
        }
        fs::write(dir.path().join("version"), "1\n").unwrap();
        Folder::open(dir.path()).unwrap();
        let version = fs::read_to_string(dir.path().join("version")).unwrap();
        assert_eq!(version, "2\n");
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("holiday.jpg"), "").unwrap();
        assert!(matches!(
            Folder::open(dir.path()),
            Err(FolderError::Foreign(_))
        ));
    }

    #[test]
    fn a_secret_is_made_once_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.secret("root", || vec![1]).unwrap(), [1]);
        assert_eq!(folder.secret("root", || vec![2]).unwrap(), [1]);
        let mode = fs::metadata(dir.path().join("keys/root"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(folder.secret("../x", Vec::new).is_err());
        assert_eq!(folder.damaged_secrets(), [""; 0]);
        // As it was made before there were checksums.
        fs::remove_file(dir.path().join("keys/root.xxh3")).unwrap();
        assert_eq!(folder.secret("root", || vec![2]).unwrap(), [1]);
        fs::write(dir.path().join("keys/root"), [3]).unwrap();
        let error = folder.secret("root", || vec![2]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(folder.damaged_secrets().len(), 1);
    }
}
