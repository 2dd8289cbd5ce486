//! What makes a still and a video one live photo: the content identifier that Apple's phones write into both.
//!
//! In a still it is in the maker's note of EXIF (tag 17), in a video in the QuickTime metadata
//! `com.apple.quicktime.content.identifier` (QuickTime File Format, "Metadata"). Whatever is missing, damaged or unusual means
//! only that nothing is known; a read never goes over more than a bounded number of boxes and bytes.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use exif::{In, Tag, Value};

use crate::capture;

/// Boxes that are looked at on one level.
const MOST_BOXES: usize = 1_000;

/// Longest metadata box that is read (bytes).
const LONGEST_META: u64 = 1 << 20;

/// Apple's key of the identifier.
const CONTENT_ID: &[u8] = b"com.apple.quicktime.content.identifier";

/// Apple's tag of the identifier in a maker's note.
const MAKER_CONTENT_ID: u16 = 17;

/// What a still or a video tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LiveFacts {
    pub content_id: Option<String>,
    /// Length of a video.
    pub seconds: Option<f64>,
}

/// Looks into the file at `path`. Blocking.
pub(crate) fn look(path: &Path) -> LiveFacts {
    let Ok(file) = File::open(path) else {
        return LiveFacts::default();
    };
    let mut head = [0; 12];
    let is_movie = (&file).read_exact(&mut head).is_ok()
        && (&head[4..8] == b"ftyp" || matches!(&head[4..8], b"moov" | b"wide" | b"mdat"))
        && !matches!(
            &head[8..12],
            b"heic" | b"heix" | b"mif1" | b"hevc" | b"heim" | b"heis"
        );
    if is_movie {
        return movie(&mut BufReader::new(file)).unwrap_or_default();
    }
    LiveFacts {
        content_id: capture::exif_of(&file).and_then(|exif| {
            match &exif.get_field(Tag::MakerNote, In::PRIMARY)?.value {
                Value::Undefined(note, _) => maker_content_id(note),
                _ => None,
            }
        }),
        seconds: None,
    }
}

/// The note begins with `Apple iOS\0`, a version and `MM`; then comes a big-endian directory, with offsets from the note's
/// beginning.
fn maker_content_id(note: &[u8]) -> Option<String> {
    let directory = note.strip_prefix(b"Apple iOS\0").and(note.get(14..))?;
    let count = u16::from_be_bytes(directory.get(..2)?.try_into().ok()?);
    let entry = directory
        .get(2..)?
        .chunks_exact(12)
        .take(usize::from(count))
        .find(|entry| entry[..2] == MAKER_CONTENT_ID.to_be_bytes() && entry[2..4] == [0, 2])?;
    let number =
        |at: usize| Some(u32::from_be_bytes(entry.get(at..at + 4)?.try_into().ok()?) as usize);
    let (len, at) = (number(4)?, number(8)?);
    identifier(note.get(at..at.checked_add(len)?)?)
}

/// Printable text of a reasonable length.
fn identifier(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim_matches(['\0', ' ']);
    let fits = (8..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    // Upper and lower case are the same in such identifiers.
    fits.then(|| text.to_ascii_uppercase())
}

fn movie<R: Read + Seek>(reader: &mut R) -> io::Result<LiveFacts> {
    let end = reader.seek(SeekFrom::End(0))?;
    let mut facts = LiveFacts::default();
    let Some(moov) = find(reader, 0, end, b"moov")? else {
        return Ok(facts);
    };
    if let Some(header) = find(reader, moov.start, moov.end, b"mvhd")? {
        facts.seconds = seconds(&read(reader, &header, 32)?);
    }
    if let Some(meta) = find(reader, moov.start, moov.end, b"meta")?
        && meta.end - meta.start <= LONGEST_META
    {
        let bytes = read(reader, &meta, LONGEST_META)?;
        facts.content_id = content_id(&bytes);
    }
    Ok(facts)
}

/// Where the content of a box lies.
struct Place {
    start: u64,
    end: u64,
}

/// The first box of this type between `start` and `end` (ISO/IEC 14496-12, 4.2).
fn find<R: Read + Seek>(
    reader: &mut R,
    start: u64,
    end: u64,
    wanted: &[u8; 4],
) -> io::Result<Option<Place>> {
    let mut at = start;
    for _ in 0..MOST_BOXES {
        if end.saturating_sub(at) < 8 {
            break;
        }
        reader.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        reader.read_exact(&mut head)?;
        let short = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let (header, len) = match short {
            0 => (8, end - at),
            1 => {
                let mut long = [0; 8];
                reader.read_exact(&mut long)?;
                (16, u64::from_be_bytes(long))
            }
            len => (8, u64::from(len)),
        };
        let Some(next) = at
            .checked_add(len)
            .filter(|&next| len >= header && next <= end)
        else {
            break;
        };
        if head[4..] == wanted[..] {
            return Ok(Some(Place {
                start: at + header,
                end: next,
            }));
        }
        at = next;
    }
    Ok(None)
}

/// At most `most` bytes of a box's content.
fn read<R: Read + Seek>(reader: &mut R, place: &Place, most: u64) -> io::Result<Vec<u8>> {
    reader.seek(SeekFrom::Start(place.start))?;
    let mut bytes = Vec::new();
    reader
        .take((place.end - place.start).min(most))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The length that a movie header gives (ISO/IEC 14496-12, 8.2.2).
fn seconds(header: &[u8]) -> Option<f64> {
    let u32_at = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let (scale, duration) = match header.first()? {
        0 => (u32_at(12)?, u64::from(u32_at(16)?)),
        _ => (
            u32_at(20)?,
            u64::from_be_bytes(header.get(24..32)?.try_into().ok()?),
        ),
    };
    // All ones: the length is not known.
    let known = scale != 0 && duration != u64::from(u32::MAX) && duration != u64::MAX;
    known.then(|| duration as f64 / f64::from(scale))
}

/// The identifier in a `meta` box's content: `keys` names the entries of `ilst` by their place, counted from 1.
fn content_id(meta: &[u8]) -> Option<String> {
    // QuickTime's box has no version before its first child, which is the handler.
    let children = if meta.get(4..8)? == b"hdlr" {
        meta
    } else {
        meta.get(4..)?
    };
    let keys = boxes(children).find(|(kind, _)| kind == b"keys")?.1;
    let place = boxes(keys.get(8..)?).position(|(_, name)| name == CONTENT_ID)? + 1;
    let place = u32::try_from(place).ok()?.to_be_bytes();
    let values = boxes(children).find(|(kind, _)| kind == b"ilst")?.1;
    let entry = boxes(values).find(|(kind, _)| *kind == place)?.1;
    let data = boxes(entry).find(|(kind, _)| kind == b"data")?.1;
    // The value's type and its language come first.
    identifier(data.get(8..)?)
}

/// Boxes that stand one after the other in memory, up to the first that is none.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let len = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let kind = bytes.get(4..8)?.try_into().ok()?;
        let content = bytes.get(8..len)?;
        bytes = &bytes[len..];
        Some((kind, content))
    })
    .take(MOST_BOXES)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(content.len() + 8)
            .unwrap()
            .to_be_bytes()
            .to_vec();
        bytes.extend(kind);
        bytes.extend(content);
        bytes
    }

    /// A movie of `seconds`, with `id` as its content identifier; metadata as in QuickTime, or as in ISO files.
    fn movie_file(seconds: u32, id: &str, iso: bool) -> Vec<u8> {
        let mut header = vec![0; 100];
        header[12..16].copy_from_slice(&600u32.to_be_bytes());
        header[16..20].copy_from_slice(&(seconds * 600).to_be_bytes());
        let mut keys = vec![0, 0, 0, 0, 0, 0, 0, 2];
        keys.extend(boxed(b"mdta", b"com.apple.quicktime.make"));
        keys.extend(boxed(b"mdta", CONTENT_ID));
        let data = |text: &str| {
            boxed(
                b"data",
                &[&[0, 0, 0, 1, 0, 0, 0, 0], text.as_bytes()].concat(),
            )
        };
        let values = [
            boxed(&[0, 0, 0, 1], &data("Apple")),
            boxed(&[0, 0, 0, 2], &data(id)),
        ]
        .concat();
        let mut meta = if iso { vec![0; 4] } else { Vec::new() };
        meta.extend(boxed(b"hdlr", &[0; 24]));
        meta.extend(boxed(b"keys", &keys));
        meta.extend(boxed(b"ilst", &values));
        let moov = [
            boxed(b"mvhd", &header),
            boxed(b"trak", &[0; 40]),
            boxed(b"meta", &meta),
        ]
        .concat();
        [
            boxed(b"ftyp", b"qt  \0\0\0\0qt  "),
            boxed(b"mdat", &[7; 5_000]),
            boxed(b"moov", &moov),
        ]
        .concat()
    }

    fn looked_at(bytes: &[u8]) -> LiveFacts {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        look(&path)
    }

    #[test]
    fn a_movie_says_whose_motion_it_is() {
        for iso in [false, true] {
            assert_eq!(
                looked_at(&movie_file(3, "1af5c2d8-77aa-4fd4-8e3a-000000000001", iso)),
                LiveFacts {
                    content_id: Some("1AF5C2D8-77AA-4FD4-8E3A-000000000001".into()),
                    seconds: Some(3.0),
                }
            );
        }
    }

    #[test]
    fn damage_means_that_nothing_is_known() {
        let whole = movie_file(3, "1af5c2d8-77aa-4fd4-8e3a-000000000001", false);
        for len in 0..whole.len() {
            looked_at(&whole[..len]);
        }
        for at in (0..whole.len()).filter(|at| !(40..5_000).contains(at)) {
            for value in [0, 1, 255] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let mut reader = io::Cursor::new(damaged);
                let _ = movie(&mut reader);
            }
        }
    }

    #[test]
    fn a_makers_note_has_it_behind_its_directory() {
        let id = b"1AF5C2D8-77AA-4FD4-8E3A-000000000001\0";
        let mut note = b"Apple iOS\0\0\x01MM".to_vec();
        note.extend(2u16.to_be_bytes());
        note.extend([0, 1, 0, 9, 0, 0, 0, 1, 0, 0, 0, 14]);
        note.extend([0, 17, 0, 2, 0, 0, 0, 37, 0, 0, 0, 44]);
        note.extend([0; 4]);
        assert_eq!(note.len(), 44);
        note.extend(id);
        assert_eq!(
            maker_content_id(&note).as_deref(),
            Some("1AF5C2D8-77AA-4FD4-8E3A-000000000001")
        );
        for len in 0..note.len() {
            assert_eq!(maker_content_id(&note[..len]), None, "{len}");
        }
        note[39] = 255;
        assert_eq!(maker_content_id(&note), None);
        assert_eq!(maker_content_id(b"Nikon\0"), None);
    }

    #[test]
    fn a_photo_without_an_identifier_has_none() {
        let photo =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/portrait-orientation-6.jpg");
        assert_eq!(look(&photo), LiveFacts::default());
        assert_eq!(look(Path::new("not there")), LiveFacts::default());
    }
}
