//! Which photo a JSON file of Google Takeout describes, by its name. All names are in lower case.
//!
//! The usual name is `img_1.jpg.json`, since 2024 `img_1.jpg.supplemental-metadata.json`. Before `.json` it is cut to
//! [`LONGEST`] characters, in the middle of a word. Several photos of one name get a number: `img_1(2).jpg` is described by
//! `img_1.jpg(2).json` or `img_1.jpg.supplemental-metadata(2).json`, while a photo that was called `img_1(2).jpg` from the
//! beginning is described by `img_1(2).jpg.json`. A version that was edited has no description of its own.

/// Characters of a name before the number and `.json`.
const LONGEST: usize = 46;

/// What stands between the photo's name and `.json`, if anything.
const SUFFIX: &str = "supplemental-metadata";

/// What is added to the names of edited versions, in the languages that are known.
const EDITED: [&str; 12] = [
    "-edited",
    "-bearbeitet",
    "-modifié",
    "-editado",
    "-editada",
    "-modificato",
    "-bewerkt",
    "-redigerad",
    "-redigert",
    "-redigeret",
    "-edytowane",
    "-muokattu",
];

/// A photo as such a file's name gives it: its name, whole or cut, and its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    name: String,
    number: Option<u32>,
}

impl Key {
    fn new(name: impl Into<String>, number: Option<u32>) -> Self {
        Key {
            name: name.into(),
            number,
        }
    }
}

/// The photos that the file called `name` may describe.
pub fn described_by(name: &str) -> Vec<Key> {
    let Some(name) = name.strip_suffix(".json") else {
        return Vec::new();
    };
    let (name, number) = match numbered(name) {
        Some((name, number)) => (name, Some(number)),
        None => (name, None),
    };
    let mut keys = Vec::new();
    if let Some((photo, rest)) = name.rsplit_once('.')
        && SUFFIX.starts_with(rest)
    {
        keys.push(Key::new(photo, number));
    }
    keys.push(Key::new(name, number));
    keys
}

/// By which names the photo called `name` may be described, the most exact first.
pub fn describing(name: &str) -> Vec<Key> {
    let mut keys = unedited(name);
    let (stem, extension) = split(name);
    let (plain, number) = match numbered(stem) {
        Some((plain, number)) => (plain, Some(number)),
        None => (stem, None),
    };
    if let Some(plain) = EDITED.iter().find_map(|edited| plain.strip_suffix(edited)) {
        let number = number.map_or(String::new(), |number| format!("({number})"));
        keys.extend(unedited(&format!("{plain}{number}{extension}")));
    }
    keys
}

fn unedited(name: &str) -> Vec<Key> {
    let mut keys = vec![Key::new(name, None)];
    let (stem, extension) = split(name);
    if let Some((plain, number)) = numbered(stem) {
        keys.push(Key::new(format!("{plain}{extension}"), Some(number)));
    }
    let cut: Vec<Key> = keys
        .iter()
        .filter_map(|key| {
            let (end, _) = key.name.char_indices().nth(LONGEST)?;
            Some(Key::new(&key.name[..end], key.number))
        })
        .collect();
    keys.extend(cut);
    keys
}

/// `a(2)` is `a`, number 2.
fn numbered(text: &str) -> Option<(&str, u32)> {
    let (plain, number) = text.strip_suffix(')')?.rsplit_once('(')?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    Some((plain, digits.then(|| number.parse().ok())??))
}

/// The stem, and the extension with its dot.
fn split(name: &str) -> (&str, &str) {
    name.rfind('.').map_or((name, ""), |dot| name.split_at(dot))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describes(json: &str, photo: &str) -> bool {
        let by = described_by(json);
        describing(photo).iter().any(|key| by.contains(key))
    }

    #[test]
    fn names_as_takeout_makes_them() {
        for (json, photo) in [
            ("img_1.jpg.json", "img_1.jpg"),
            ("img_1.jpg.supplemental-metadata.json", "img_1.jpg"),
            ("img_1.jpg.supplemental-meta.json", "img_1.jpg"),
            ("img_1.jpg.s.json", "img_1.jpg"),
            ("img_1.jpg..json", "img_1.jpg"),
            ("img_1.jpg(2).json", "img_1(2).jpg"),
            ("img_1.jpg.supplemental-metadata(2).json", "img_1(2).jpg"),
            ("img_1(2).jpg.json", "img_1(2).jpg"),
            ("img_1(2).jpg.suppl.json", "img_1(2).jpg"),
            ("img_1.jpg.json", "img_1-edited.jpg"),
            ("img_1.jpg(1).json", "img_1-edited(1).jpg"),
            ("img_1.heic.json", "img_1.heic"),
            // 46 characters, in the middle of the extension, before it, and with a number.
            (
                "a2345678901234567890123456789012345678901234.j.json",
                "a2345678901234567890123456789012345678901234.jpg",
            ),
            (
                "a23456789012345678901234567890123456789012345..json",
                "a23456789012345678901234567890123456789012345.jpg",
            ),
            (
                "a23456789012345678901234567890123456789012345.(3).json",
                "a23456789012345678901234567890123456789012345(3).jpg",
            ),
            (
                "ä234567890123456789012345678901234567890123456.json",
                "ä2345678901234567890123456789012345678901234567.jpg",
            ),
        ] {
            assert!(describes(json, photo), "{json} describes {photo}");
        }
    }

    #[test]
    fn names_of_other_photos() {
        for (json, photo) in [
            ("img_1.jpg.json", "img_2.jpg"),
            ("img_1.jpg.json", "img_1(1).jpg"),
            ("img_1.jpg(1).json", "img_1.jpg"),
            ("img_1.json", "img_1.jpg"),
            ("img_1.jpg.metadata.json", "img_1.jpg"),
            ("img_1.jpg.xmp", "img_1.jpg"),
            ("metadata.json", "metadata.jpg"),
            (".json", ".jpg"),
            ("().json", "().jpg"),
            ("img_1.jpg(99999999999).json", "img_1(99999999999).jpg"),
        ] {
            assert!(!describes(json, photo), "{json} does not describe {photo}");
        }
    }
}
