//! What an archive says it holds.
//!
//! Two manifests, one truth. `manifest.jsonl` is ours: a line of JSON for each capsule and each memory, with length and
//! SHA-256 of every file, so that damage is known to be one memory's. `manifest-sha256.txt` names the same files as BagIt
//! (RFC 8493) does, which is also what `sha256sum -c` reads: nobody needs this program to check an archive. Both depend on
//! nothing but the files, and those under `data/` on nothing but the memories.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read},
};

use serde::{Deserialize, Serialize};

use super::{
    ArchiveError,
    files::{ArchiveFile, Root, check_path},
};

/// Our manifest.
pub const MANIFEST: &str = "manifest.jsonl";

/// The standard's.
pub const SUMS: &str = "manifest-sha256.txt";

/// Checksums of everything outside `data/`.
pub const TAG_SUMS: &str = "tagmanifest-sha256.txt";

/// Where everything lies that depends on nothing but the memories.
pub const DATA: &str = "data";

const FORMAT: &str = "keepsake archive";
const VERSION: u32 = 1;

/// Longest line, in bytes: that of a memory with 1,000 files of long names.
const LONGEST_LINE: u64 = 4 << 20;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Archive {
        format: String,
        version: u32,
    },
    Capsule {
        files: Vec<ArchiveFile>,
    },
    Memory {
        files: Vec<ArchiveFile>,
    },
    /// The last line, so that a manifest that was cut short is none.
    End {
        memories: u64,
        files: u64,
        bytes: u64,
    },
}

/// The files of a capsule or of a memory: first the one that says what the others are, then the others by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub files: Vec<ArchiveFile>,
}

impl Entry {
    /// Brings the files into their order.
    pub fn new(first: ArchiveFile, mut others: Vec<ArchiveFile>) -> Self {
        others.sort_by(|a, b| a.path.cmp(&b.path));
        let mut files = vec![first];
        files.extend(others);
        Entry { files }
    }

    /// The path of the first file: a sidecar, or a capsule's.
    pub fn path(&self) -> &str {
        self.files.first().map_or("", |file| &file.path)
    }

    /// The capsule's folder, from the archive's on: `data/mine`.
    pub fn capsule_folder(&self) -> &str {
        let path = self.path();
        let end = path
            .match_indices('/')
            .nth(1)
            .map_or(path.len(), |(at, _)| at);
        &path[..end]
    }

    pub fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// What an archive holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// By path.
    pub capsules: Vec<Entry>,
    /// By path.
    pub memories: Vec<Entry>,
}

impl Manifest {
    /// Reads the manifest of the archive at `root`; `None` where there is none.
    ///
    /// # Errors
    /// [`ArchiveError::UnsafePath`] for a file outside `data/`, before anything else is done with the archive;
    /// [`ArchiveError::Malformed`] for one that is damaged, cut short or of another version; [`ArchiveError::File`].
    pub fn read(root: &Root) -> Result<Option<Self>, ArchiveError> {
        if root.len_of(MANIFEST).is_none() {
            return Ok(None);
        }
        let malformed = |line: usize, reason: String| ArchiveError::Malformed {
            what: format!("{MANIFEST}, line {line}"),
            reason,
        };
        let mut reader = BufReader::new(root.open(MANIFEST)?);
        let mut manifest = Manifest::default();
        let mut paths = HashSet::new();
        for number in 1.. {
            let mut line = Vec::new();
            (&mut reader)
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)
                .map_err(|e| ArchiveError::file(root.dir().join(MANIFEST), e))?;
            if line.pop() != Some(b'\n') {
                return Err(malformed(number, "it is cut short".to_owned()));
            }
            let parsed: Line = match serde_json::from_slice(&line) {
                Ok(parsed) => parsed,
                Err(e) => return Err(malformed(number, e.to_string())),
            };
            match (number, parsed) {
                (1, Line::Archive { format, version }) => {
                    if format != FORMAT || version != VERSION {
                        let reason = format!(
                            "it is {format:?} of version {version}; this build reads {FORMAT:?} of version {VERSION}"
                        );
                        return Err(malformed(number, reason));
                    }
                }
                (1, _) => return Err(malformed(number, "it does not say what it is".to_owned())),
                (_, Line::Capsule { files }) => {
                    let entry = checked(files, &mut paths, number, &malformed)?;
                    manifest.capsules.push(entry);
                }
                (_, Line::Memory { files }) => {
                    let entry = checked(files, &mut paths, number, &malformed)?;
                    manifest.memories.push(entry);
                }
                (_, Line::End { .. }) => {
                    let mut rest = [0];
                    let more = reader.read(&mut rest).unwrap_or(0) > 0;
                    if more || serde_json::to_vec(&manifest.end()).ok() != Some(line) {
                        let reason = "the manifest does not end where it says".to_owned();
                        return Err(malformed(number, reason));
                    }
                    break;
                }
                (_, Line::Archive { .. }) => {
                    return Err(malformed(number, "it begins twice".to_owned()));
                }
            }
        }
        Ok(Some(manifest))
    }

    /// Every file, in no particular order.
    pub fn files(&self) -> impl Iterator<Item = &ArchiveFile> {
        self.capsules
            .iter()
            .chain(&self.memories)
            .flat_map(|entry| &entry.files)
    }

    /// Brings the entries into their order.
    pub fn sort(&mut self) {
        self.capsules.sort_by(|a, b| a.path().cmp(b.path()));
        self.memories.sort_by(|a, b| a.path().cmp(b.path()));
    }

    /// Our form.
    pub fn lines(&self) -> Result<Vec<u8>, ArchiveError> {
        let mut out = Vec::new();
        let mut put = |line: &Line| {
            serde_json::to_writer(&mut out, line).map_err(|e| ArchiveError::Malformed {
                what: MANIFEST.to_owned(),
                reason: e.to_string(),
            })?;
            out.push(b'\n');
            Ok::<(), ArchiveError>(())
        };
        put(&Line::Archive {
            format: FORMAT.to_owned(),
            version: VERSION,
        })?;
        for capsule in &self.capsules {
            let files = capsule.files.clone();
            put(&Line::Capsule { files })?;
        }
        for memory in &self.memories {
            let files = memory.files.clone();
            put(&Line::Memory { files })?;
        }
        put(&self.end())?;
        Ok(out)
    }

    fn end(&self) -> Line {
        Line::End {
            memories: self.memories.len() as u64,
            files: self.files().count() as u64,
            bytes: self.bytes(),
        }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files()
            .fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// The standard's form.
    pub fn sums(&self) -> String {
        sums(self.files())
    }
}

/// Lines that `sha256sum -c` reads, by path.
pub fn sums<'a>(files: impl Iterator<Item = &'a ArchiveFile>) -> String {
    let mut files: Vec<&ArchiveFile> = files.collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
        .iter()
        .map(|file| format!("{}  {}\n", file.sha256, file.path))
        .collect()
}

fn checked(
    files: Vec<ArchiveFile>,
    paths: &mut HashSet<String>,
    line: usize,
    malformed: &dyn Fn(usize, String) -> ArchiveError,
) -> Result<Entry, ArchiveError> {
    for file in &files {
        check_path(&file.path)?;
        // data/<capsule>/<name> at the least.
        if file.path.split('/').next() != Some(DATA) || file.path.split('/').count() < 3 {
            return Err(ArchiveError::UnsafePath {
                path: file.path.clone(),
            });
        }
        if !paths.insert(file.path.clone()) {
            return Err(malformed(line, format!("{} stands twice", file.path)));
        }
    }
    if files.is_empty() {
        return Err(malformed(line, "it names no file".to_owned()));
    }
    let entry = Entry { files };
    let folder = format!("{}/", entry.capsule_folder());
    if let Some(stray) = entry.files.iter().find(|f| !f.path.starts_with(&folder)) {
        return Err(malformed(
            line,
            format!("{} lies in another capsule", stray.path),
        ));
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::files::described;

    fn sample() -> Manifest {
        let capsule = Entry::new(described("data/mine/capsule.json", b"{}"), Vec::new());
        let memory = Entry::new(
            described("data/mine/2019/a.jpg.json", b"{}"),
            vec![
                described("data/mine/2019/a.jpg.xmp", b"<>"),
                described("data/mine/2019/a.jpg", b"photo"),
            ],
        );
        Manifest {
            capsules: vec![capsule],
            memories: vec![memory],
        }
    }

    fn read_back(bytes: &[u8]) -> Result<Option<Manifest>, ArchiveError> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), bytes).unwrap();
        Manifest::read(&Root::new(dir.path()))
    }

    #[test]
    fn a_manifest_comes_back_and_a_damaged_one_does_not() {
        let manifest = sample();
        let bytes = manifest.lines().unwrap();
        assert_eq!(read_back(&bytes).unwrap(), Some(manifest.clone()));
        assert_eq!(manifest.memories[0].capsule_folder(), "data/mine");
        assert_eq!(manifest.sums().lines().count(), 4);
        for cut in 0..bytes.len() {
            assert!(read_back(&bytes[..cut]).is_err(), "{cut}");
        }
        assert!(read_back(&[&bytes[..], b"x"].concat()).is_err());
        let text = String::from_utf8(bytes).unwrap();
        for (what, instead) in [
            ("\"version\":1", "\"version\":2"),
            ("data/mine/2019/a.jpg.xmp", "data/mine/2019/a.jpg"),
            ("data/mine/2019/a.jpg.xmp", "data/other/2019/a.jpg.xmp"),
            ("\"bytes\":5", "\"bytes\":-5"),
            ("\"memories\":1", "\"memories\":2"),
        ] {
            assert!(text.contains(what), "{what}");
            assert!(read_back(text.replace(what, instead).as_bytes()).is_err());
        }
        for outside in ["../../x", "/etc/passwd", "source/x/y", "data/x"] {
            let hostile = text.replace("data/mine/2019/a.jpg.xmp", outside);
            assert!(
                matches!(
                    read_back(hostile.as_bytes()),
                    Err(ArchiveError::UnsafePath { .. })
                ),
                "{outside}"
            );
        }
    }
}
