//! Names of files in an archive: as people know them, legal on every common file system, and the same for the same
//! memories whatever the order in which they were listed.
//!
//! A memory claims the names of its originals and of its sidecars in the folder of its month. Where two memories claim one
//! name, upper and lower case being the same, both get a part of their hash in theirs: so a name never depends on what
//! came first. Nothing in a title or a file's name can lead out of the folder: a name is one component by construction.

mod safe;

use std::collections::{BTreeMap, HashMap, HashSet};

use keepsake_api::AssetType;

pub use self::safe::folder_name;
use self::safe::{extension_for, extension_of, file_name, nfc};
use super::{
    portable::{Portable, PortableAsset},
    values::Hash,
};
use crate::download::type_name;

/// Digits of a hash in a name that two memories claim.
const MARK: usize = 8;

/// Where derivatives lie, in the folder of the month.
pub const DERIVATIVES: &str = "derivatives";

/// Where the files of one memory lie, from the capsule's folder on, with `/` between folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The folder of the month, without a slash at its end.
    pub folder: String,
    /// Names in the folder.
    pub sidecar: String,
    pub xmp: String,
    /// For each asset its file, from the folder on; `None` for content kept elsewhere.
    pub assets: Vec<Option<String>>,
}

/// Names for all memories of a capsule: in the order given, each with its digest. Equal memories (equal digests) are told
/// apart by their order, which does not matter: they are equal.
pub fn name_all(memories: &[(&Portable, Hash)]) -> Vec<Paths> {
    let mut months: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, (portable, _)) in memories.iter().enumerate() {
        months.entry(month(portable)).or_default().push(at);
    }
    let mut named: Vec<Option<Paths>> = vec![None; memories.len()];
    for (folder, members) in months {
        for (at, paths) in name_month(&folder, &members, memories) {
            named[at] = Some(paths);
        }
    }
    // Every memory is in exactly one month.
    named.into_iter().flatten().collect()
}

/// `2019/2019-07`, in UTC; `undated` where nothing is known.
fn month(portable: &Portable) -> String {
    match portable.date() {
        Some(time) => {
            let at = time.at();
            format!("{0:04}/{0:04}-{1:02}", at.year(), u8::from(at.month()))
        }
        None => "undated".to_owned(),
    }
}

fn name_month(
    folder: &str,
    members: &[usize],
    memories: &[(&Portable, Hash)],
) -> Vec<(usize, Paths)> {
    let wanted: Vec<Paths> = members
        .iter()
        .map(|&at| paths_with(folder, memories[at].0, ""))
        .collect();
    let mut claims: HashMap<String, usize> = HashMap::from([(fold(DERIVATIVES), 1)]);
    for paths in &wanted {
        for name in claimed(paths) {
            *claims.entry(name).or_default() += 1;
        }
    }
    // What looks like a marked name is marked itself, so that no plain name meets a marked one.
    let plain = |paths: &Paths| {
        claimed(paths)
            .iter()
            .all(|name| claims.get(name) == Some(&1) && !looks_marked(name))
    };
    let mut marks: HashMap<String, HashSet<Hash>> = HashMap::new();
    let mut named = Vec::with_capacity(members.len());
    for (paths, &at) in wanted.into_iter().zip(members) {
        if plain(&paths) {
            named.push((at, paths));
            continue;
        }
        let digest = memories[at].1;
        marks.entry(short(&digest)).or_default().insert(digest);
    }
    let done: HashSet<usize> = named.iter().map(|(at, _)| *at).collect();
    let mut equal: HashMap<Hash, usize> = HashMap::new();
    for &at in members.iter().filter(|at| !done.contains(at)) {
        let (portable, digest) = memories[at];
        let alone = marks.get(&short(&digest)).is_some_and(|all| all.len() == 1);
        let mut mark = if alone {
            short(&digest)
        } else {
            digest.to_string()
        };
        let copies = equal.entry(digest).or_default();
        *copies += 1;
        if *copies > 1 {
            mark = format!("{mark}-{copies}");
        }
        named.push((at, paths_with(folder, portable, &format!("~{mark}"))));
    }
    named
}

fn short(digest: &Hash) -> String {
    let mut text = digest.to_string();
    text.truncate(MARK);
    text
}

/// Whether a name ends, before an extension, like one with a part of a hash.
fn looks_marked(name: &str) -> bool {
    name.split('~')
        .skip(1)
        .any(|after| after.len() >= MARK && after.bytes().take(MARK).all(|b| b.is_ascii_hexdigit()))
}

/// The names that must be this memory's alone in its folder. Derivatives follow from the first of them.
fn claimed(paths: &Paths) -> Vec<String> {
    let originals = paths
        .assets
        .iter()
        .flatten()
        .filter(|file| !file.contains('/'));
    originals
        .chain([&paths.sidecar, &paths.xmp])
        .map(|name| fold(name))
        .collect()
}

/// Equal for names that some file system takes for one.
fn fold(name: &str) -> String {
    nfc(&name.to_lowercase())
}

/// The paths of a memory whose names all carry `mark`, before their extensions.
fn paths_with(folder: &str, portable: &Portable, mark: &str) -> Paths {
    let mut own: HashSet<String> = HashSet::new();
    let stem = marked(&stem(portable), mark);
    let (sidecar, xmp) = (format!("{stem}.json"), format!("{stem}.xmp"));
    own.extend([fold(&sidecar), fold(&xmp)]);
    let mut first = true;
    let assets = portable
        .assets
        .iter()
        .map(|asset| {
            if asset.kept_elsewhere.is_some() {
                first = false;
                return None;
            }
            let is_first = std::mem::take(&mut first);
            let file = match asset.asset_type {
                AssetType::Original | AssetType::Metadata => {
                    let wanted = if is_first {
                        stem.clone()
                    } else {
                        marked(&file_name(&asset.name, &asset.mime_type, &stem), mark)
                    };
                    unclaimed(&mut own, |number| match number {
                        1 => wanted.clone(),
                        _ => with_part(&wanted, &format!(" ({number})")),
                    })
                }
                kind => unclaimed(&mut own, |number| derivative(&stem, kind, asset, number)),
            };
            Some(file)
        })
        .collect();
    Paths {
        folder: folder.to_owned(),
        sidecar,
        xmp,
        assets,
    }
}

/// What a memory is called: by its first file, else by its title.
fn stem(portable: &Portable) -> String {
    let title = portable.memory.title.as_deref().unwrap_or_default();
    match portable.assets.first() {
        Some(first) => file_name(&first.name, &first.mime_type, title),
        None => file_name(title, "", ""),
    }
}

/// Two memories never meet here: their stems differ, and no usual extension is the name of a kind.
fn derivative(stem: &str, kind: AssetType, asset: &PortableAsset, number: usize) -> String {
    let kind = type_name(kind);
    let number = match number {
        1 => String::new(),
        _ => format!("-{number}"),
    };
    let extension = extension_for(&asset.mime_type).map_or(String::new(), |e| format!(".{e}"));
    format!("{DERIVATIVES}/{stem}.{kind}{number}{extension}")
}

/// The first name, by number from 1 on, that is free within the memory.
fn unclaimed(own: &mut HashSet<String>, name: impl Fn(usize) -> String) -> String {
    let mut number = 1;
    loop {
        let name = name(number);
        if own.insert(fold(&name)) {
            return name;
        }
        number += 1;
    }
}

fn marked(name: &str, mark: &str) -> String {
    if mark.is_empty() {
        name.to_owned()
    } else {
        with_part(name, mark)
    }
}

/// `photo.jpg` and `~1` make `photo~1.jpg`.
fn with_part(name: &str, part: &str) -> String {
    let extension = extension_of(name).unwrap_or_default();
    let base = &name[..name.len() - extension.len()];
    format!("{base}{part}{extension}")
}

/// `name`, or the first of `name (2)`, `name (3)`, … for which `taken` does not hold.
pub fn free_name(name: &str, mut taken: impl FnMut(&str) -> bool) -> String {
    let mut candidate = name.to_owned();
    let mut number = 1;
    while taken(&candidate) {
        number += 1;
        candidate = format!("{name} ({number})");
    }
    candidate
}

/// Whether two names are one for some file system.
pub fn same(one: &str, other: &str) -> bool {
    fold(one) == fold(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_recognised() {
        assert!(looks_marked("photo~0123abcd.jpg"));
        assert!(looks_marked("photo~0123abcd-2.jpg.json"));
        assert!(!looks_marked("photo~1.jpg"));
        assert!(!looks_marked("photo.jpg"));
        assert_eq!(with_part("a.b/photo", "~1"), "a.b/photo~1");
        assert_eq!(with_part("photo.tar.gz", "~1"), "photo.tar~1.gz");
    }

    #[test]
    fn capsules_of_one_name_are_told_apart() {
        let taken = ["Granny", "granny (2)"];
        let name = free_name("Granny", |name| taken.iter().any(|t| same(t, name)));
        assert_eq!(name, "Granny (3)");
        assert_eq!(folder_name(".."), "somebody");
        assert_eq!(folder_name("a/b"), "a_b");
    }

    fn memory(names: &[&str], created_at: u64) -> Portable {
        let assets: Vec<_> = names
            .iter()
            .map(|name| {
                serde_json::json!({
                    "asset_type": "Original", "name": name, "mime_type": "", "bytes": 1,
                    "sha256": "ab".repeat(32), "tags": [], "details": { "kind": "note" },
                })
            })
            .collect();
        let json = serde_json::json!({
            "format": "keepsake memory", "version": 1, "assets": assets,
            "memory": {
                "memory_type": "Note", "content_type": "", "tags": [], "database_storage_edges": [],
                "created_at": super::super::values::Time(created_at),
            },
        });
        Portable::parse(json.to_string().as_bytes(), "sample").unwrap()
    }

    /// The files of each memory, in the order of digests and then as they come.
    fn named(memories: &[Portable]) -> Vec<(Hash, Paths)> {
        let pairs: Vec<(&Portable, Hash)> =
            memories.iter().map(|m| (m, m.digest().unwrap())).collect();
        let names = name_all(&pairs);
        assert_eq!(names.len(), memories.len());
        let mut named: Vec<_> = pairs.iter().map(|(_, digest)| *digest).zip(names).collect();
        named.sort_by(|a, b| (a.0, &a.1.sidecar).cmp(&(b.0, &b.1.sidecar)));
        named
    }

    #[test]
    fn names_are_unique_and_do_not_depend_on_the_order() {
        let mut memories = vec![
            memory(&["a.jpg"], 1),
            memory(&["A.JPG"], 2),
            memory(&["a.jpg.json"], 3),
            memory(&["b.heic", "b.mov", "b.mov"], 4),
            memory(&["b.mov"], 5),
            memory(&["alone.jpg"], 6),
            memory(&["derivatives"], 7),
            memory(&["alone~01234567.jpg"], 8),
            memory(&["same.txt"], 9),
            memory(&["same.txt"], 9),
            memory(&[], 10),
            memory(&["a.jpg"], 40 * 86_400_000_000_000),
        ];
        let first = named(&memories);
        memories.reverse();
        assert_eq!(named(&memories), first);
        memories.rotate_left(5);
        assert_eq!(named(&memories), first);
        let mut all = HashSet::new();
        for (_, paths) in &first {
            let texts = [&paths.sidecar, &paths.xmp];
            for file in paths.assets.iter().flatten().chain(texts) {
                let path = format!("{}/{}", paths.folder, fold(file));
                assert!(all.insert(path.clone()), "{path} stands twice");
            }
        }
        let plain = |name: &str| all.contains(&format!("1970/1970-01/{name}"));
        assert!(plain("alone.jpg") && plain("memory.json"));
        assert!(!plain("a.jpg") && !plain("b.mov") && !plain("same.txt") && !plain("derivatives"));
        assert!(all.contains("1970/1970-02/a.jpg"));
    }
}
