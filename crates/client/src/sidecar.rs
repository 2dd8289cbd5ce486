//! What programs write beside a photo: Google Takeout's JSON, XMP, and the edits of Apple's phones.
//!
//! A sidecar is kept whole as an asset of its photo's memory, whatever it says; what is understood of it fills in what the photo
//! itself does not say. Sidecars come from anywhere: a damaged or oversized one says nothing, and what is taken over is bounded, so
//! that it always fits a memory's metadata.

mod takeout;
mod xmp;

use std::{fs::File, io::Read, path::Path};

use crate::capture::{CaptureTime, Point};

/// Longest sidecar that is looked into (bytes).
const LONGEST_READ: u64 = 4 << 20;

/// Longest title, tag or name, and longest description (bytes), and most tags and most people, that are taken over.
const LONGEST_LINE: usize = 256;
const LONGEST_TEXT: usize = 8 * 1024;
const MOST_WORDS: usize = 64;

/// Who wrote a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidecarKind {
    /// Google Takeout.
    Takeout,
    /// Adobe's XMP (ISO 16684-1), written by most photo programs.
    Xmp,
    /// Edits made on an Apple phone; nothing is read from them.
    Aae,
    /// JSON of somebody else; nothing is read from it.
    Unknown,
}

impl SidecarKind {
    /// The tag by which the kind is recorded on the asset.
    pub fn tag(self) -> &'static str {
        match self {
            SidecarKind::Takeout => "sidecar:google-takeout",
            SidecarKind::Xmp => "sidecar:xmp",
            SidecarKind::Aae => "sidecar:apple-edits",
            SidecarKind::Unknown => "sidecar:unknown",
        }
    }

    /// IANA media type, where there is one.
    pub fn mime(self) -> &'static str {
        match self {
            SidecarKind::Takeout | SidecarKind::Unknown => "application/json",
            SidecarKind::Xmp => "application/rdf+xml",
            SidecarKind::Aae => "application/x-plist",
        }
    }
}

/// What a sidecar says of its photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    pub kind: SidecarKind,
    pub title: Option<String>,
    pub description: Option<String>,
    pub tags: Vec<String>,
    pub people: Vec<String>,
    pub taken: Option<CaptureTime>,
    /// Where the photo was taken, by name and by coordinates.
    pub place: Option<String>,
    pub point: Option<Point>,
}

impl Sidecar {
    fn silent(kind: SidecarKind) -> Self {
        Sidecar {
            kind,
            title: None,
            description: None,
            tags: Vec::new(),
            people: Vec::new(),
            taken: None,
            place: None,
            point: None,
        }
    }

    /// Cuts what is said to what is taken over.
    fn bounded(self) -> Self {
        let words = |words: Vec<String>| {
            let mut kept: Vec<String> = Vec::new();
            for word in words {
                if let Some(word) = line(&word)
                    && !kept.contains(&word)
                    && kept.len() < MOST_WORDS
                {
                    kept.push(word);
                }
            }
            kept
        };
        Sidecar {
            title: self.title.as_deref().and_then(line),
            description: self
                .description
                .as_deref()
                .and_then(|text| cut(text, LONGEST_TEXT)),
            tags: words(self.tags),
            people: words(self.people),
            place: self.place.as_deref().and_then(line),
            ..self
        }
    }
}

fn line(text: &str) -> Option<String> {
    let one_line: Vec<&str> = text.split_whitespace().collect();
    cut(&one_line.join(" "), LONGEST_LINE)
}

/// `None` where nothing is left.
fn cut(text: &str, most: usize) -> Option<String> {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text[..end].trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Reads the sidecar at `path`, whose kind its name tells. One that cannot be read says nothing. Blocking.
pub fn read(path: &Path) -> Sidecar {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let read = match extension.as_deref() {
        Some("aae") => return Sidecar::silent(SidecarKind::Aae),
        Some("xmp") => text(path).and_then(|text| xmp::read(&text)),
        _ => text(path).and_then(|text| takeout::read(&text)),
    };
    match read {
        Some(sidecar) => sidecar.bounded(),
        None if extension.as_deref() == Some("xmp") => Sidecar::silent(SidecarKind::Xmp),
        None => Sidecar::silent(SidecarKind::Unknown),
    }
}

fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(LONGEST_READ + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    (bytes.len() as u64 <= LONGEST_READ).then_some(())?;
    let text = String::from_utf8(bytes).ok()?;
    Some(
        text.strip_prefix('\u{feff}')
            .map_or_else(|| text.clone(), str::to_owned),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, content: &[u8]) -> Sidecar {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        read(&path)
    }

    #[test]
    fn what_is_not_understood_says_nothing() {
        for (name, content, kind) in [
            ("a.jpg.json", &b"{"[..], SidecarKind::Unknown),
            ("a.jpg.json", b"[1, 2]", SidecarKind::Unknown),
            ("a.jpg.json", b"{\"scripts\": {}}", SidecarKind::Unknown),
            ("a.jpg.json", b"\xff\xfe", SidecarKind::Unknown),
            ("a.xmp", b"", SidecarKind::Xmp),
            ("a.XMP", b"<a><b></a>", SidecarKind::Xmp),
            ("a.aae", b"<plist/>", SidecarKind::Aae),
        ] {
            assert_eq!(
                written(name, content),
                Sidecar::silent(kind),
                "{name} {content:?}"
            );
        }
        assert_eq!(
            read(Path::new("not there.xmp")),
            Sidecar::silent(SidecarKind::Xmp)
        );
    }

    #[test]
    fn what_is_taken_over_is_bounded() {
        let long = "ä ".repeat(10_000);
        let many: Vec<serde_json::Value> = (0..1_000)
            .map(|n| serde_json::json!({ "name": format!("person {}", n / 2) }))
            .collect();
        let json = serde_json::json!({
            "title": long, "description": long, "people": many,
            "photoTakenTime": { "timestamp": "1588336402" },
        });
        let sidecar = written("a.jpg.json", json.to_string().as_bytes());
        assert!(
            sidecar
                .title
                .is_some_and(|t| t.len() <= LONGEST_LINE && t.ends_with('ä'))
        );
        assert!(sidecar.description.is_some_and(|d| d.len() <= LONGEST_TEXT));
        assert_eq!(sidecar.people.len(), MOST_WORDS);
        assert_eq!(sidecar.people[1], "person 1");
        assert_eq!(
            written("a.jpg.json", &vec![b' '; LONGEST_READ as usize + 1]).kind,
            SidecarKind::Unknown
        );
    }
}
