//! Names of files in an archive: as people know them, legal on every common file system, and the same for the same
//! memories whatever the order in which they were listed.
//!
//! A memory claims the names of its originals and of its sidecars in the folder of its month. Where two memories claim one
//! name, upper and lower case being the same, both get a part of their hash in theirs: so a name never depends on what
//! came first. Nothing in a title or a file's name can lead out of the folder: a name is one component by construction.

use std::collections::{BTreeMap, HashMap, HashSet};

use icu_normalizer::ComposingNormalizerBorrowed;
use keepsake_api::AssetType;

use super::{
    portable::{Portable, PortableAsset},
    values::Hash,
};
use crate::download::type_name;

/// Longest name as a memory's own, in bytes; what is added to it for sidecars and derivatives stays below the 255 bytes
/// of every common file system.
const LONGEST: usize = 100;

/// Longest extension that survives shortening, in bytes with its dot.
const LONGEST_EXTENSION: usize = 16;

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
    let mut marks: HashMap<String, usize> = HashMap::new();
    let mut named = Vec::with_capacity(members.len());
    for (paths, &at) in wanted.into_iter().zip(members) {
        if plain(&paths) {
            named.push((at, paths));
            continue;
        }
        *marks.entry(short(&memories[at].1)).or_default() += 1;
    }
    let done: HashSet<usize> = named.iter().map(|(at, _)| *at).collect();
    let mut equal: HashMap<Hash, usize> = HashMap::new();
    for &at in members.iter().filter(|at| !done.contains(at)) {
        let (portable, digest) = memories[at];
        let mut mark = if marks.get(&short(&digest)) == Some(&1) {
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
    name.split('~').skip(1).any(|after| {
        after.len() >= MARK && after.bytes().take(MARK).all(|b| b.is_ascii_hexdigit())
    })
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

fn nfc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc()
        .normalize(text)
        .into_owned()
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

/// The extension with its dot, where the last component has one that is not all of its name.
fn extension_of(name: &str) -> Option<&str> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let dot = last.rfind('.').filter(|&dot| dot > 0)?;
    let extension = &last[dot..];
    (extension.len() > 1 && extension.len() <= LONGEST_EXTENSION).then_some(extension)
}

/// A file's name from what somebody called it: `name`, else `instead`, else `memory`; with an extension where the kind of
/// file says one and the name has none.
fn file_name(name: &str, mime: &str, instead: &str) -> String {
    let mut name = safe(name);
    if name.is_empty() {
        name = safe(instead);
    }
    if name.is_empty() {
        name = "memory".to_owned();
    }
    if extension_of(&name).is_none()
        && let Some(extension) = extension_for(mime)
    {
        name = format!("{name}.{extension}");
    }
    name
}

/// One legal component, or nothing: no separators, no characters that Windows or a shell script stumbles over, none that
/// turns text around, no reserved device, no dot or space at an end; at most [`LONGEST`] bytes, with its extension.
fn safe(name: &str) -> String {
    let cleaned: String = nfc(name)
        .chars()
        .map(|c| if is_unsafe(c) { '_' } else { c })
        .collect();
    let trimmed = cleaned.trim_matches(|c: char| c.is_whitespace() || c == '.');
    let mut name = shortened(trimmed);
    if is_device(&name) {
        name.insert(0, '_');
    }
    name
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*' | '%')
        // Line separators, marks of direction, characters without width, and what is no character.
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}')
}

fn shortened(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let extension = extension_of(name).unwrap_or_default();
    let mut end = LONGEST - extension.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let base = name[..end].trim_end_matches(|c: char| c.is_whitespace() || c == '.');
    format!("{base}{extension}")
}

/// Names that Windows keeps for devices, with any extension.
fn is_device(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default().trim_end();
    let base = base.to_uppercase();
    if matches!(
        base.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) {
        return true;
    }
    let numbered = base
        .strip_prefix("COM")
        .or_else(|| base.strip_prefix("LPT"));
    numbered.is_some_and(|rest| {
        let mut chars = rest.chars();
        matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    })
}

/// The usual extension of a kind of file, for names that have none. A list of our own: it may never change, or names would.
fn extension_for(mime: &str) -> Option<&'static str> {
    Some(match mime {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/tiff" => "tif",
        "image/bmp" => "bmp",
        "image/heic" => "heic",
        "image/avif" => "avif",
        "image/svg+xml" => "svg",
        "video/mp4" => "mp4",
        "video/quicktime" => "mov",
        "video/webm" => "webm",
        "video/x-matroska" => "mkv",
        "video/x-msvideo" => "avi",
        "audio/mpeg" => "mp3",
        "audio/mp4" => "m4a",
        "audio/flac" => "flac",
        "audio/ogg" => "ogg",
        "audio/wav" | "audio/x-wav" => "wav",
        "text/plain" => "txt",
        "text/markdown" => "md",
        "text/html" => "html",
        "application/pdf" => "pdf",
        "application/json" => "json",
        "application/zip" => "zip",
        _ => return None,
    })
}

/// The folder of a capsule about somebody whom only a client's name tells, or of any text: one legal component.
pub fn folder_name(text: &str) -> String {
    let name = safe(text);
    if name.is_empty() {
        "somebody".to_owned()
    } else {
        name
    }
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
    fn whatever_somebody_called_it_the_name_is_one_legal_component() {
        let long = "x".repeat(300);
        let cases = [
            ("IMG_1234.jpg", "IMG_1234.jpg"),
            ("../../etc/passwd", "_.._etc_passwd.jpg"),
            ("/etc/passwd", "_etc_passwd.jpg"),
            ("C:\\boot.ini", "C__boot.ini"),
            ("", "instead.jpg"),
            ("...", "instead.jpg"),
            (".hidden", "hidden.jpg"),
            ("CON", "_CON.jpg"),
            ("nul.txt", "_nul.txt"),
            ("com1.tar.gz", "_com1.tar.gz"),
            ("lpt¹", "_lpt¹.jpg"),
            ("company", "company.jpg"),
            ("a\nb\u{202e}gpj.exe", "a_b_gpj.exe"),
            ("100%.jpg", "100_.jpg"),
            ("e\u{301}te\u{301}.jpg", "\u{e9}t\u{e9}.jpg"),
            ("dot.", "dot.jpg"),
        ];
        for (given, expected) in cases {
            assert_eq!(file_name(given, "image/jpeg", "instead"), expected, "{given:?}");
        }
        let shortened = file_name(&format!("{long}.jpeg"), "", "");
        assert!(shortened.len() <= LONGEST && shortened.ends_with("x.jpeg"));
        assert!(file_name(&"\u{1f600}".repeat(99), "", "").len() <= LONGEST);
        assert_eq!(file_name("\u{0}", "", ""), "_");
        assert_eq!(file_name(" ", "", "/"), "_");
        assert_eq!(file_name("", "", ""), "memory");
    }

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
}
