//! What earlier runs of `upload` kept, so that a run that was killed goes on without reading every file again.
//!
//! One journal for each capsule of each vault: a file to which a line is appended when the vault has acknowledged something, never
//! before. A line is the checksum of what follows it and a JSON document; the first one says whose journal it is. A line that is
//! torn or damaged counts as not written: the file that it was about is read again. Nothing is flushed to the disk on its own account,
//! for the same reason.
//!
//! A line is believed only while its file has the same length, times and inode, and was not written to just before it was read; and
//! the vault is asked whether the memory is still there. What is not noticed is the loss of a derivative or a companion of a memory
//! that stays; `--no-journal` reads everything.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

/// Version of the form of journals.
const VERSION: u32 = 1;

/// A file written to so shortly (nanoseconds) before it was read may have been written to again without its times showing it: the
/// coarsest clock of a file system in use ticks every 2 seconds.
const TOO_FRESH: u64 = 2_000_000_000;

/// Lines without effect that are put up with before the journal is written anew, beside as many as there are with effect.
const MOST_STALE: usize = 1_000;

/// How often a journal that another run has is asked for.
const POLL: Duration = Duration::from_millis(200);

/// Whose journal it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The vault's root key, in hex: vaults on one's own machine share a canister id.
    pub root_key: String,
    pub canister_id: String,
    pub capsule_id: String,
}

impl Owner {
    /// The name of the journal's file.
    pub fn file_name(&self) -> String {
        let text = format!("{}/{}/{}", self.root_key, self.canister_id, self.capsule_id);
        let hash = XxHash3_64::oneshot(text.as_bytes());
        format!("{}-{hash:016x}.journal", self.canister_id)
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    keepsake_upload_journal: u32,
    #[serde(flatten)]
    owner: Owner,
}

/// What tells a file that has changed from one that has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    size: u64,
    /// Nanoseconds since 1970 UTC; of the content, and of the file as a whole where the system says so.
    modified: i64,
    changed: i64,
    inode: u64,
}

impl Stamp {
    /// The file's at `path`, following links. Blocking.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let nanos = |time: SystemTime| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
        };
        let modified = nanos(metadata.modified()?);
        #[cfg(unix)]
        let (changed, inode) = {
            use std::os::unix::fs::MetadataExt;
            let seconds = metadata.ctime().saturating_mul(1_000_000_000);
            (
                seconds.saturating_add(metadata.ctime_nsec()),
                metadata.ino(),
            )
        };
        #[cfg(not(unix))]
        let (changed, inode) = (modified, 0);
        Ok(Stamp {
            size: metadata.len(),
            modified,
            changed,
            inode,
        })
    }
}

/// How far a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its hash is known.
    Seen,
    /// It is kept, but not with all that should come with it.
    Incomplete,
    /// It is kept without derivatives, which were not wanted.
    Fast,
    Whole,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    #[serde(flatten)]
    pub stamp: Stamp,
    /// When the stamp was taken, before the file was read: nanoseconds since 1970 UTC.
    pub read_at: u64,
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_id: Option<String>,
    pub state: State,
    /// SHA-256 of each companion that its memory has: a sidecar may belong to several memories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    pub mime: String,
    pub memory_type: String,
}

impl Entry {
    /// The hash as bytes; `None` where it is none.
    pub fn hash(&self) -> Option<[u8; 32]> {
        let mut hash = [0; 32];
        hex::decode_to_slice(&self.sha256, &mut hash).ok()?;
        Some(hash)
    }

    fn is_too_fresh(&self) -> bool {
        let written = self.stamp.modified.max(self.stamp.changed);
        let written = u64::try_from(written).unwrap_or(0);
        self.read_at < written.saturating_add(TOO_FRESH)
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    path: String,
    #[serde(flatten)]
    entry: Entry,
}

/// A journal in use by this run alone.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    entries: HashMap<String, Entry>,
    file: Mutex<Option<File>>,
    /// Held as long as the journal is.
    _lock: File,
}

impl Journal {
    /// Opens the journal at `path`, which is made if it is not there. While another run has it, waits; `waiting` is called once then.
    ///
    /// # Errors
    /// What keeps the file from being read or written; a file that is no journal, or not `owner`'s.
    pub async fn open(path: &Path, owner: &Owner, waiting: impl FnOnce()) -> Result<Self> {
        let what = || format!("the journal {} cannot be used", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(what)?;
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(".lock");
        let lock = private().truncate(false).open(&beside).with_context(what)?;
        let mut waiting = Some(waiting);
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    if let Some(waiting) = waiting.take() {
                        waiting();
                    }
                    tokio::time::sleep(POLL).await;
                }
                Err(TryLockError::Error(e)) => return Err(e).with_context(what),
            }
        }
        let (entries, lines, ends) = match File::open(path) {
            Ok(file) => read(file, path, owner)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => (HashMap::new(), 0, true),
            Err(e) => return Err(e).with_context(what),
        };
        // Also where a line is torn, so that the next one begins on its own.
        if lines == 0 || !ends || lines > 2 * entries.len() + MOST_STALE {
            rewrite(path, owner, &entries).with_context(what)?;
        }
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .with_context(what)?;
        Ok(Journal {
            path: path.to_owned(),
            entries,
            file: Mutex::new(Some(file)),
            _lock: lock,
        })
    }

    /// What an earlier run knew of the file at `path`, if it is still as it was.
    pub fn find(&self, path: &Path, stamp: &Stamp) -> Option<&Entry> {
        self.entries
            .get(&key(path)?)
            .filter(|entry| entry.stamp == *stamp && !entry.is_too_fresh())
    }

    /// Notes what is known of the file at `path` now. A journal that cannot be written to is told of once; the run goes on without.
    pub fn note(&self, path: &Path, entry: Entry) {
        let Some(path) = key(path) else {
            return;
        };
        let line = line(&Line { path, entry });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = file.as_mut() else {
            return;
        };
        // One write, so that a kill tears one line at the most.
        if let Err(e) = line.and_then(|line| open.write_all(line.as_bytes())) {
            eprintln!(
                "keepsake: the journal {} cannot be written to, so that a next run will read everything again: {e}",
                self.path.display()
            );
            *file = None;
        }
    }
}

/// For this user alone: it names files.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// The file's whole path; what is not UTF-8 as hex behind a character that no path has.
fn key(path: &Path) -> Option<String> {
    let whole = std::path::absolute(path).ok()?;
    Some(match whole.to_str() {
        Some(text) => text.to_owned(),
        None => format!("\0{}", hex::encode(whole.as_os_str().as_encoded_bytes())),
    })
}

fn line(document: &impl Serialize) -> io::Result<String> {
    let json = serde_json::to_string(document)?;
    let sum = XxHash3_64::oneshot(json.as_bytes());
    Ok(format!("{sum:016x} {json}\n"))
}

/// The document of a line; `None` where it is torn or damaged.
fn checked(line: &[u8]) -> Option<&str> {
    let (sum, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let sum = u64::from_str_radix(sum, 16).ok()?;
    (sum == XxHash3_64::oneshot(json.as_bytes())).then_some(json)
}

/// Entries, the latest of each file; the number of lines; whether the last one ends.
fn read(file: File, path: &Path, owner: &Owner) -> Result<(HashMap<String, Entry>, usize, bool)> {
    let mut reader = BufReader::new(file);
    let mut entries = HashMap::new();
    let mut lines = 0;
    let mut ends = true;
    let mut line = Vec::new();
    loop {
        line.clear();
        let len = reader
            .read_until(b'\n', &mut line)
            .with_context(|| format!("the journal {} cannot be read", path.display()))?;
        if len == 0 {
            break;
        }
        ends = line.last() == Some(&b'\n');
        let json = checked(line.strip_suffix(b"\n").unwrap_or(&line));
        if lines == 0 {
            is_owners(json, path, owner)?;
        } else if let Some(read) = json.and_then(|json| serde_json::from_str::<Line>(json).ok()) {
            entries.insert(read.path, read.entry);
        }
        lines += 1;
    }
    Ok((entries, lines, ends))
}

fn is_owners(head: Option<&str>, path: &Path, owner: &Owner) -> Result<()> {
    let head = head.and_then(|json| serde_json::from_str::<Head>(json).ok());
    let path = path.display();
    match head {
        None => bail!(
            "{path} is no journal of `keepsake upload`, or its beginning is damaged; delete it, or name another file with --journal"
        ),
        Some(head) if head.keepsake_upload_journal != VERSION => {
            bail!(
                "the journal {path} is of another version of this command; name another file with --journal"
            )
        }
        Some(head) if head.owner != *owner => {
            bail!(
                "the journal {path} belongs to another capsule or vault; name another file with --journal"
            )
        }
        Some(_) => Ok(()),
    }
}

/// Writes the journal anew, beside the old one, and puts it in its place.
fn rewrite(path: &Path, owner: &Owner, entries: &HashMap<String, Entry>) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut out = BufWriter::new(private().truncate(true).open(&beside)?);
    let head = Head {
        keepsake_upload_journal: VERSION,
        owner: owner.clone(),
    };
    out.write_all(line(&head)?.as_bytes())?;
    for (path, entry) in entries {
        let written = line(&Line {
            path: path.clone(),
            entry: entry.clone(),
        })?;
        out.write_all(written.as_bytes())?;
    }
    // Before it takes the old one's place, so that a crash leaves one of them.
    out.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    fs::rename(&beside, path)
}

/// Now, in nanoseconds since 1970 UTC.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests;
