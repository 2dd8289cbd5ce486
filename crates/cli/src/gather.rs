//! Which files the arguments of `upload` mean.
//!
//! A folder means every regular file in it, at any depth, in the order of their names; hidden files and folders are
//! left out, links are followed, and a link that leads back into a folder above it is not entered again. What is named
//! on the command line itself is always meant, hidden or not. Patterns narrow down what folders mean: one without a slash is
//! matched with names, one with a slash with the way from the folder that was named.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use keepsake_client::{Bundle, Companions, companions};
use walkdir::{DirEntry, WalkDir};

/// A file to upload, or a place that could not be looked into.
#[derive(Debug)]
pub enum Found {
    File { path: PathBuf, len: u64 },
    Unreadable { path: PathBuf, reason: String },
}

/// Which files of folders are meant.
#[derive(Debug, Default)]
pub struct Selection {
    /// `None`: all.
    include: Option<Patterns>,
    exclude: Option<Patterns>,
}

#[derive(Debug)]
struct Patterns {
    names: GlobSet,
    ways: GlobSet,
}

impl Selection {
    /// Files that match one of `include` (all, where there is none) and none of `exclude`; a folder that matches one of
    /// `exclude` is not entered.
    ///
    /// # Errors
    /// A pattern that is none, named.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Selection {
            include: Patterns::new(include)?,
            exclude: Patterns::new(exclude)?,
        })
    }

    fn enters(&self, root: &Path, folder: &Path) -> bool {
        !self.exclude.as_ref().is_some_and(|p| p.fit(root, folder))
    }

    fn means(&self, root: &Path, file: &Path) -> bool {
        self.enters(root, file) && self.include.as_ref().is_none_or(|p| p.fit(root, file))
    }
}

impl Patterns {
    fn new(patterns: &[String]) -> Result<Option<Self>> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let mut names = GlobSetBuilder::new();
        let mut ways = GlobSetBuilder::new();
        for pattern in patterns {
            let glob: Glob = GlobBuilder::new(pattern)
                .literal_separator(true)
                .case_insensitive(true)
                .build()
                .with_context(|| format!("{pattern:?} is no pattern"))?;
            if pattern.contains('/') {
                ways.add(glob);
            } else {
                names.add(glob);
            }
        }
        Ok(Some(Patterns {
            names: names.build().context("too many patterns")?,
            ways: ways.build().context("too many patterns")?,
        }))
    }

    fn fit(&self, root: &Path, path: &Path) -> bool {
        let way = path.strip_prefix(root).unwrap_or(path);
        self.ways.is_match(way)
            || path
                .file_name()
                .is_some_and(|name| self.names.is_match(name))
    }
}

/// Follows `arguments`, in their order. Blocking.
pub fn gather(arguments: &[PathBuf], selection: &Selection) -> Vec<Found> {
    arguments
        .iter()
        .flat_map(|path| walk(path, selection))
        .collect()
}

/// What becomes one memory, or cannot.
#[derive(Debug)]
pub enum Item {
    /// `len` is that of the file alone, as listed.
    Bundle {
        bundle: Bundle,
        len: u64,
    },
    Unreadable {
        path: PathBuf,
        reason: String,
    },
}

/// Brings together what belongs together, unless each is to be `separate`. A file that was found twice counts once. What cannot
/// be read comes first. Blocking.
pub fn bundled(found: Vec<Found>, separate: bool) -> Vec<Item> {
    let mut items = Vec::new();
    let mut lengths = HashMap::new();
    let mut files = Vec::new();
    for found in found {
        match found {
            Found::File { path, len } => {
                if lengths.insert(path.clone(), len).is_none() {
                    files.push(path);
                }
            }
            Found::Unreadable { path, reason } => items.push(Item::Unreadable { path, reason }),
        }
    }
    let bundles = if separate {
        let alone = |path| Bundle {
            path,
            companions: Companions::default(),
        };
        files.into_iter().map(alone).collect()
    } else {
        companions::bundle(files)
    };
    items.extend(bundles.into_iter().map(|bundle| Item::Bundle {
        len: lengths.get(&bundle.path).copied().unwrap_or(0),
        bundle,
    }));
    items
}

fn walk(root: &Path, selection: &Selection) -> Vec<Found> {
    WalkDir::new(root)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| {
            entry.depth() == 0 || (!is_hidden(entry) && selection.enters(root, entry.path()))
        })
        .filter_map(|entry| match entry {
            Ok(entry) if entry.depth() > 0 && !selection.means(root, entry.path()) => None,
            Ok(entry) => file(entry),
            // Its files are found where the link leads to.
            Err(e) if e.loop_ancestor().is_some() => None,
            Err(e) => Some(Found::Unreadable {
                path: e.path().unwrap_or(root).to_owned(),
                reason: e
                    .io_error()
                    .map_or_else(|| e.to_string(), |io| io.to_string()),
            }),
        })
        .collect()
}

fn file(entry: DirEntry) -> Option<Found> {
    let kind = entry.file_type();
    if kind.is_dir() {
        return None;
    }
    if kind.is_file() {
        // The length serves the progress display only.
        let len = entry.metadata().map_or(0, |metadata| metadata.len());
        return Some(Found::File {
            path: entry.into_path(),
            len,
        });
    }
    // Sockets, pipes and devices are nothing to keep; named outright, they are a mistake worth a word.
    (entry.depth() == 0).then(|| Found::Unreadable {
        path: entry.into_path(),
        reason: "not a regular file".to_owned(),
    })
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(root: &Path, arguments: &[PathBuf]) -> Vec<String> {
        gather(arguments, &Selection::default())
            .into_iter()
            .map(|found| match found {
                Found::File { path, .. } => path
                    .strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
                Found::Unreadable { reason, .. } => format!("unreadable: {reason}"),
            })
            .collect()
    }

    #[test]
    fn folders_are_walked_in_order_without_what_is_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("a/.git")).unwrap();
        fs::create_dir_all(root.join("a/deep")).unwrap();
        for file in [
            "a/2.jpg",
            "a/1.jpg",
            "a/.DS_Store",
            "a/.git/x",
            "a/deep/3.jpg",
            "b.txt",
        ] {
            fs::write(root.join(file), "x").unwrap();
        }
        assert_eq!(
            names(root, &[root.join("b.txt"), root.join("a")]),
            ["b.txt", "a/1.jpg", "a/2.jpg", "a/deep/3.jpg"]
        );
        assert_eq!(
            names(root, &[root.join("a/.DS_Store"), root.join("a/.git")]),
            ["a/.DS_Store", "a/.git/x"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn loops_end_and_what_is_missing_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join("a")).unwrap();
        fs::write(root.join("a/1.jpg"), "x").unwrap();
        std::os::unix::fs::symlink(root.join("a"), root.join("a/again")).unwrap();
        std::os::unix::fs::symlink(root.join("a/1.jpg"), root.join("a/link.jpg")).unwrap();
        std::os::unix::fs::symlink(root.join("nowhere"), root.join("a/broken.jpg")).unwrap();
        let found = names(root, &[root.join("a")]);
        assert_eq!(found[0], "a/1.jpg");
        assert!(
            found[1].starts_with("unreadable: No such file"),
            "{found:?}"
        );
        assert_eq!(found[2..], ["a/link.jpg"]);
        let missing = names(root, &[root.join("missing")]);
        assert_eq!(missing.len(), 1);
        assert!(missing[0].starts_with("unreadable: "), "{missing:?}");
        // A socket: no regular file.
        let _socket = std::os::unix::net::UnixListener::bind(root.join("a/socket")).unwrap();
        assert_eq!(names(root, &[root.join("a")]).len(), 3);
        assert_eq!(
            names(root, &[root.join("a/socket")]),
            ["unreadable: not a regular file"]
        );
    }

    #[test]
    fn patterns_narrow_down_folders_only() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("a/cache/deep")).unwrap();
        fs::create_dir_all(root.join("a/raw")).unwrap();
        for file in [
            "a/1.JPG",
            "a/2.mov",
            "a/cache/3.jpg",
            "a/cache/deep/4.jpg",
            "a/raw/5.jpg",
        ] {
            fs::write(root.join(file), "x").unwrap();
        }
        let found = |include: &[&str], exclude: &[&str], argument: &str| -> Vec<String> {
            let owned = |list: &[&str]| -> Vec<String> { list.iter().map(|&s| s.into()).collect() };
            let selection = Selection::new(&owned(include), &owned(exclude)).unwrap();
            gather(&[root.join(argument)], &selection)
                .into_iter()
                .map(|found| match found {
                    Found::File { path, .. } => {
                        path.file_name().unwrap().to_string_lossy().into_owned()
                    }
                    Found::Unreadable { reason, .. } => reason,
                })
                .collect()
        };
        assert_eq!(found(&["*.jpg"], &["cache"], "a"), ["1.JPG", "5.jpg"]);
        assert_eq!(found(&["raw/*", "*.mov"], &[], "a"), ["2.mov", "5.jpg"]);
        assert_eq!(
            found(&[], &["**/deep", "*.mov", "raw/5.*"], "a"),
            ["1.JPG", "3.jpg"]
        );
        assert_eq!(found(&["*.png"], &["*.mov"], "a/2.mov"), ["2.mov"]);
        assert!(Selection::new(&["[".into()], &[]).is_err());
    }
}
