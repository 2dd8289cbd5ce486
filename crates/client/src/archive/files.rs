//! The folder of an archive on the disk: files that are there whole or not at all, and readings that never follow a link
//! out of it.
//!
//! What is written begins in a folder of its own, is flushed to the disk, and takes its place by a rename. Everything is
//! the owner's alone: an archive holds what a vault keeps private.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    ArchiveError,
    values::{Hash, Time},
};

/// Longest path of an archive, in bytes, from its folder on.
const LONGEST_PATH: usize = 4_096;

/// Where files are written before they take their place.
const PARTIAL: &str = ".partial";

/// There from the beginning of an export to its end, and held by the one that is running.
const UNFINISHED: &str = "EXPORT-IS-NOT-FINISHED.txt";

const UNFINISHED_TEXT: &str = "An export into this folder has not ended yet, or was stopped. Run the same command again: it goes on from here.\n";

/// A file of an archive as its manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveFile {
    /// From the archive's folder on, with `/` between folders.
    pub path: String,
    pub bytes: u64,
    pub sha256: Hash,
}

/// An archive's folder.
#[derive(Clone, Debug)]
pub struct Root {
    dir: PathBuf,
    /// An export was stopped in it: what the manifest says of a file may be of another one by now.
    doubtful: bool,
}

/// Held while an export writes.
#[derive(Debug)]
pub struct Writing {
    _lock: File,
    marker: PathBuf,
}

impl Root {
    /// The folder at `dir`, which need not be there.
    pub fn new(dir: &Path) -> Self {
        Root {
            dir: dir.to_owned(),
            doubtful: dir.join(UNFINISHED).exists(),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether an export into it has begun and not ended.
    pub fn is_unfinished(&self) -> bool {
        self.dir.join(UNFINISHED).exists()
    }

    /// Whether nothing is in it, or it is not there.
    ///
    /// # Errors
    /// [`ArchiveError::File`] where it cannot be listed.
    pub fn is_empty(&self) -> Result<bool, ArchiveError> {
        match fs::read_dir(&self.dir) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(e) => Err(ArchiveError::file(&self.dir, e)),
        }
    }

    /// Makes the folder and begins to write: nobody else may meanwhile. What an export that was killed left half written
    /// is cleared away.
    ///
    /// # Errors
    /// [`ArchiveError::Busy`], [`ArchiveError::File`].
    pub fn begin(&self) -> Result<Writing, ArchiveError> {
        private_folder(&self.dir).map_err(|e| ArchiveError::file(&self.dir, e))?;
        let marker = self.dir.join(UNFINISHED);
        let failed = |e| ArchiveError::file(&marker, e);
        let mut lock = private(OpenOptions::new().create(true).append(true))
            .open(&marker)
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(ArchiveError::Busy {
                    dir: self.dir.clone(),
                });
            }
            Err(fs::TryLockError::Error(e)) => return Err(failed(e)),
        }
        if lock.metadata().map_err(failed)?.len() == 0 {
            lock.write_all(UNFINISHED_TEXT.as_bytes()).map_err(failed)?;
            lock.sync_all().map_err(failed)?;
        }
        let partial = self.dir.join(PARTIAL);
        match fs::remove_dir_all(&partial) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(ArchiveError::file(&partial, e));
            }
            _ => {}
        }
        private_folder(&partial).map_err(|e| ArchiveError::file(&partial, e))?;
        Ok(Writing {
            _lock: lock,
            marker,
        })
    }

    /// Ends writing: the folder is an archive.
    pub fn end(&self, writing: Writing) -> Result<(), ArchiveError> {
        let partial = self.dir.join(PARTIAL);
        fs::remove_dir_all(&partial).map_err(|e| ArchiveError::file(&partial, e))?;
        fs::remove_file(&writing.marker).map_err(|e| ArchiveError::file(&writing.marker, e))?;
        self.sync_folders([""])
    }

    /// A new file that has no place yet.
    pub fn incoming(&self) -> Result<Incoming, ArchiveError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(PARTIAL).join(number.to_string());
        let file = private(OpenOptions::new().write(true).create_new(true))
            .open(&path)
            .map_err(|e| ArchiveError::file(&path, e))?;
        Ok(Incoming {
            file,
            path,
            placed: false,
        })
    }

    /// A file of the archive once more, without a place: the same one (`alone`), for a file that gives up its name, or else a
    /// copy.
    pub fn link(&self, path: &str, alone: bool) -> Result<Incoming, ArchiveError> {
        let from = self.inside(path)?;
        let incoming = self.incoming()?;
        let failed = |e| ArchiveError::file(&incoming.path, e);
        if alone {
            fs::remove_file(&incoming.path).map_err(failed)?;
            if fs::hard_link(&from, &incoming.path).is_ok() {
                return Ok(incoming);
            }
        }
        // Some file systems have no links.
        fs::copy(&from, &incoming.path).map_err(failed)?;
        File::open(&incoming.path)
            .and_then(|copy| copy.sync_all())
            .map_err(failed)?;
        Ok(incoming)
    }

    /// Writes a whole file and gives it its place.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<ArchiveFile, ArchiveError> {
        let mut incoming = self.incoming()?;
        incoming
            .file
            .write_all(bytes)
            .map_err(|e| ArchiveError::file(&incoming.path, e))?;
        incoming.flush(None)?;
        self.place(incoming, path)?;
        Ok(described(path, bytes))
    }

    /// Gives a flushed file its place, in place of what is there.
    pub fn place(&self, mut incoming: Incoming, path: &str) -> Result<(), ArchiveError> {
        let target = self.inside(path)?;
        if let Some(parent) = target.parent() {
            private_folder(parent).map_err(|e| ArchiveError::file(parent, e))?;
        }
        fs::rename(&incoming.path, &target).map_err(|e| ArchiveError::file(&target, e))?;
        incoming.placed = true;
        Ok(())
    }

    /// Makes renames durable in the folders of these files.
    pub fn sync_folders<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), ArchiveError> {
        let folders: BTreeSet<&Path> = paths
            .into_iter()
            .flat_map(|path| Path::new(path).ancestors().skip(1))
            .chain([Path::new("")])
            .collect();
        for folder in folders {
            let folder = self.dir.join(folder);
            File::open(&folder)
                .and_then(|open| open.sync_all())
                .map_err(|e| ArchiveError::file(&folder, e))?;
        }
        Ok(())
    }

    /// Removes a file and the folders that are empty without it. One that is not there is fine.
    pub fn remove(&self, path: &str) -> Result<(), ArchiveError> {
        let target = self.inside(path)?;
        match fs::remove_file(&target) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(ArchiveError::file(&target, e));
            }
            _ => {}
        }
        for folder in Path::new(path).ancestors().skip(1) {
            // The first one that has something in it ends this.
            if folder.as_os_str().is_empty() || fs::remove_dir(self.dir.join(folder)).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Length of a regular file of the archive; `None` where there is none.
    pub fn len_of(&self, path: &str) -> Option<u64> {
        let target = self.inside(path).ok()?;
        let metadata = fs::symlink_metadata(target).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Opens a regular file of the archive.
    ///
    /// # Errors
    /// [`ArchiveError::UnsafePath`] for what leads out of the folder; [`ArchiveError::File`].
    pub fn open(&self, path: &str) -> Result<File, ArchiveError> {
        let target = self.inside(path)?;
        let failed = |e| ArchiveError::file(&target, e);
        // A pipe would keep whoever opens it waiting.
        if !fs::symlink_metadata(&target).map_err(failed)?.is_file() {
            return Err(failed(io::Error::other("not a regular file")));
        }
        File::open(&target).map_err(failed)
    }

    /// A whole file of at most `most` bytes.
    pub fn read(&self, path: &str, most: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        self.open(path)?
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| ArchiveError::file(self.dir.join(path), e))?;
        if bytes.len() as u64 > most {
            return Err(ArchiveError::Malformed {
                what: path.to_owned(),
                reason: format!("it is longer than {most} bytes"),
            });
        }
        Ok(bytes)
    }

    /// Length and SHA-256 of a file of the archive, read to its end.
    pub fn describe(&self, path: &str) -> Result<ArchiveFile, ArchiveError> {
        let mut file = self.open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        let mut bytes = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    hasher.update(&buffer[..n]);
                    bytes += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(ArchiveError::file(self.dir.join(path), e)),
            }
        }
        Ok(ArchiveFile {
            path: path.to_owned(),
            bytes,
            sha256: Hash(hasher.finalize().into()),
        })
    }

    /// Whether a file that a manifest names is still there: by its length, and where an export was stopped by its hash.
    pub fn still_has(&self, listed: &ArchiveFile) -> bool {
        self.len_of(&listed.path) == Some(listed.bytes) && (!self.doubtful || self.holds(listed))
    }

    /// Whether a file of the archive has this length and SHA-256.
    pub fn holds(&self, wanted: &ArchiveFile) -> bool {
        self.len_of(&wanted.path) == Some(wanted.bytes)
            && self
                .describe(&wanted.path)
                .is_ok_and(|found| found == *wanted)
    }

    /// The place of a file of the archive, with no link on the way.
    fn inside(&self, path: &str) -> Result<PathBuf, ArchiveError> {
        check_path(path)?;
        let mut place = self.dir.clone();
        for component in path.split('/') {
            place.push(component);
            if fs::symlink_metadata(&place).is_ok_and(|m| m.is_symlink()) {
                return Err(ArchiveError::UnsafePath {
                    path: path.to_owned(),
                });
            }
        }
        Ok(place)
    }
}

/// What is known of bytes in memory.
pub fn described(path: &str, bytes: &[u8]) -> ArchiveFile {
    ArchiveFile {
        path: path.to_owned(),
        bytes: bytes.len() as u64,
        sha256: Hash(Sha256::digest(bytes).into()),
    }
}

/// # Errors
/// [`ArchiveError::UnsafePath`] for a path that leads out of the folder on any common platform, or into what is not the
/// archive's.
pub fn check_path(path: &str) -> Result<(), ArchiveError> {
    let sound = |component: &str| {
        !matches!(component, "" | "." | ".." | PARTIAL)
            && !component
                .chars()
                .any(|c| c.is_control() || matches!(c, '\\' | ':'))
    };
    if path.len() <= LONGEST_PATH && path.split('/').all(sound) {
        Ok(())
    } else {
        Err(ArchiveError::UnsafePath {
            path: path.to_owned(),
        })
    }
}

/// A file on its way; removed unless it was given a place.
#[derive(Debug)]
pub struct Incoming {
    pub file: File,
    path: PathBuf,
    placed: bool,
}

impl Incoming {
    /// Flushes it to the disk, dated as what it holds.
    pub fn flush(&self, date: Option<Time>) -> Result<(), ArchiveError> {
        let failed = |e| ArchiveError::file(&self.path, e);
        if let Some(date) = date
            && let Some(at) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(date.0))
        {
            // A file system that cannot keep the date keeps the file all the same.
            let _ = self.file.set_modified(at);
        }
        self.file.sync_all().map_err(failed)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.placed {
            // The next export clears away what is left.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "data/../../x",
            "data/./x",
            "data//x",
            "data/",
            "C:/x",
            "data\\..\\x",
            "data/x\0",
            "data/.partial/1",
        ] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
        assert!(check_path("data/mine/2019/2019-07/..jpg").is_ok());
    }

    #[test]
    #[cfg(unix)]
    fn links_are_not_followed_and_everything_is_private() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        let root = Root::new(&dir.path().join("archive"));
        let writing = root.begin().unwrap();
        assert!(matches!(root.begin(), Err(ArchiveError::Busy { .. })));
        symlink(dir.path(), root.dir().join("data")).unwrap();
        assert!(matches!(
            root.read("data/secret", 10),
            Err(ArchiveError::UnsafePath { .. })
        ));
        assert!(root.write("data/new", b"x").is_err());
        fs::remove_file(root.dir().join("data")).unwrap();

        let written = root.write("data/a/b.txt", b"content").unwrap();
        assert!(root.holds(&written));
        for (path, mode) in [("data", 0o700), ("data/a", 0o700), ("data/a/b.txt", 0o600)] {
            let found = fs::metadata(root.dir().join(path)).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, mode, "{path}");
        }
        assert!(root.read("data/a/b.txt", 3).is_err());
        root.remove("data/a/b.txt").unwrap();
        assert!(!root.dir().join("data").exists());
        assert!(root.is_unfinished());
        root.end(writing).unwrap();
        assert!(root.is_empty().unwrap());
    }
}
