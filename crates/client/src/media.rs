//! What kind of file something is: by its first bytes, and by its name where those say too little.
//!
//! Content decides over the name: a JPEG named `.png` is a JPEG. The name decides where formats share their
//! beginning (camera raw files are TIFFs, office documents are ZIPs), and where the content says nothing.

use std::path::Path;

use image::ImageFormat;
use keepsake_api::MemoryType;

/// How many bytes from the beginning of a file [`identify`] wants to see (fewer if the file is shorter).
pub const HEAD_LEN: usize = 4096;

/// Whether derivatives can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoding {
    /// A photo in this format; decoding may still fail.
    Photo(ImageFormat),
    /// An image in a format that is kept, but not decoded (HEIC, AVIF, camera raw, …).
    NotDecoded,
    /// Not an image.
    NotAnImage,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    pub memory_type: MemoryType,
    /// IANA media type.
    pub mime: String,
    pub decoding: Decoding,
}

/// Tells what a file is from its name and its first [`HEAD_LEN`] bytes.
pub fn identify(name: &Path, head: &[u8]) -> Media {
    let by_name = mime_guess::from_path(name).first_raw();
    let mime = match (sniff(head), by_name) {
        (Some(Sniffed::Exactly(mime)), _) => mime,
        (Some(Sniffed::Family(family, fallback)), by_name) => by_name
            .filter(|mime| belongs(family, mime))
            .unwrap_or(fallback),
        (None, Some(mime)) => mime,
        (None, None) if is_text(head) => "text/plain",
        (None, None) => "application/octet-stream",
    };
    Media {
        memory_type: memory_type(mime),
        mime: mime.to_owned(),
        decoding: decoding(mime),
    }
}

enum Sniffed {
    Exactly(&'static str),
    /// Several types begin like this: one that the name says, or else the given one.
    Family(Family, &'static str),
}

#[derive(Clone, Copy)]
enum Family {
    Tiff,
    Zip,
    IsoMedia,
    Ogg,
    Matroska,
    CompoundFile,
}

fn belongs(family: Family, mime: &str) -> bool {
    match family {
        // Raw formats of cameras: image types other than those that have a beginning of their own.
        Family::Tiff => {
            mime.starts_with("image/")
                && !matches!(
                    mime,
                    "image/jpeg" | "image/png" | "image/gif" | "image/webp" | "image/bmp"
                )
        }
        Family::Zip | Family::CompoundFile => mime.starts_with("application/"),
        Family::IsoMedia => {
            mime.starts_with("video/") || mime.starts_with("audio/") || mime == "image/x-canon-cr3"
        }
        Family::Ogg | Family::Matroska => {
            mime.starts_with("video/") || mime.starts_with("audio/") || mime == "application/ogg"
        }
    }
}

/// Signatures from the formats' specifications; RIFF and ISO base media name their kind at a fixed offset.
fn sniff(head: &[u8]) -> Option<Sniffed> {
    use Sniffed::{Exactly, Family as Of};
    let at = |offset: usize, bytes: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(bytes))
    };
    Some(match () {
        () if at(0, b"\xff\xd8\xff") => Exactly("image/jpeg"),
        () if at(0, b"\x89PNG\r\n\x1a\n") => Exactly("image/png"),
        () if at(0, b"GIF87a") || at(0, b"GIF89a") => Exactly("image/gif"),
        () if at(0, b"RIFF") && at(8, b"WEBP") => Exactly("image/webp"),
        () if at(0, b"RIFF") && at(8, b"WAVE") => Exactly("audio/wav"),
        () if at(0, b"RIFF") && at(8, b"AVI ") => Exactly("video/x-msvideo"),
        () if at(0, b"BM") && at(6, b"\0\0\0\0") => Exactly("image/bmp"),
        () if at(0, b"II*\0") || at(0, b"MM\0*") => Of(Family::Tiff, "image/tiff"),
        () if at(0, b"\xff\x0a") || at(0, b"\0\0\0\x0cJXL \r\n\x87\n") => Exactly("image/jxl"),
        () if at(4, b"ftyp") => iso_media(head.get(8..12)?),
        () if at(0, b"\x1a\x45\xdf\xa3") => Of(Family::Matroska, "video/x-matroska"),
        () if at(0, b"OggS") => Of(Family::Ogg, "audio/ogg"),
        () if at(0, b"fLaC") => Exactly("audio/flac"),
        () if at(0, b"ID3") || at(0, b"\xff\xfb") || at(0, b"\xff\xf3") => Exactly("audio/mpeg"),
        () if at(0, b"%PDF-") => Exactly("application/pdf"),
        () if at(0, b"PK\x03\x04") => Of(Family::Zip, "application/zip"),
        () if at(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") => {
            Of(Family::CompoundFile, "application/x-cfb")
        }
        () => return None,
    })
}

/// ISO base media files (ISO/IEC 14496-12) by major brand.
fn iso_media(brand: &[u8]) -> Sniffed {
    match brand {
        b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" => Sniffed::Exactly("image/heic"),
        b"mif1" | b"msf1" => Sniffed::Exactly("image/heif"),
        b"avif" | b"avis" => Sniffed::Exactly("image/avif"),
        b"crx " => Sniffed::Exactly("image/x-canon-cr3"),
        b"qt  " => Sniffed::Exactly("video/quicktime"),
        b"M4A " | b"M4B " => Sniffed::Exactly("audio/mp4"),
        _ => Sniffed::Family(Family::IsoMedia, "video/mp4"),
    }
}

fn memory_type(mime: &str) -> MemoryType {
    match mime {
        "text/plain" | "text/markdown" => MemoryType::Note,
        "application/ogg" => MemoryType::Audio,
        _ if mime.starts_with("image/") => MemoryType::Image,
        _ if mime.starts_with("video/") => MemoryType::Video,
        _ if mime.starts_with("audio/") => MemoryType::Audio,
        _ => MemoryType::Document,
    }
}

fn decoding(mime: &str) -> Decoding {
    match mime {
        "image/jpeg" => Decoding::Photo(ImageFormat::Jpeg),
        "image/png" => Decoding::Photo(ImageFormat::Png),
        "image/gif" => Decoding::Photo(ImageFormat::Gif),
        "image/bmp" => Decoding::Photo(ImageFormat::Bmp),
        "image/tiff" => Decoding::Photo(ImageFormat::Tiff),
        "image/webp" => Decoding::Photo(ImageFormat::WebP),
        _ if mime.starts_with("image/") => Decoding::NotDecoded,
        _ => Decoding::NotAnImage,
    }
}

/// Not empty, UTF-8 (save for a character cut off at the end of `head`), and no NUL.
fn is_text(head: &[u8]) -> bool {
    let utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(e) => e.error_len().is_none(),
    };
    !head.is_empty() && utf8 && !head.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, head: &[u8]) -> (MemoryType, String, Decoding) {
        let media = identify(Path::new(name), head);
        (media.memory_type, media.mime, media.decoding)
    }

    #[test]
    fn content_decides_over_the_name() {
        assert_eq!(
            kind("holiday.png", b"\xff\xd8\xff\xe0\0\x10JFIF"),
            (
                MemoryType::Image,
                "image/jpeg".into(),
                Decoding::Photo(ImageFormat::Jpeg)
            )
        );
        assert_eq!(
            kind("a.jpg", b"RIFF\x10\0\0\0WEBPVP8 ").2,
            Decoding::Photo(ImageFormat::WebP)
        );
    }

    #[test]
    fn the_name_decides_within_a_family() {
        let tiff = b"II*\0\x08\0\0\0";
        assert_eq!(kind("a.tif", tiff).2, Decoding::Photo(ImageFormat::Tiff));
        let raw = kind("DSC_0001.nef", tiff);
        assert_eq!((raw.0, raw.2), (MemoryType::Image, Decoding::NotDecoded));
        assert_eq!(kind("a.jpg", tiff).1, "image/tiff");
        assert_eq!(
            kind("letter.docx", b"PK\x03\x04").1,
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        );
        assert_eq!(kind("photos", b"PK\x03\x04").1, "application/zip");
        assert_eq!(kind("a.m4a", b"\0\0\0\x20ftypisom").0, MemoryType::Audio);
        assert_eq!(kind("a.mp4", b"\0\0\0\x20ftypisom").1, "video/mp4");
    }

    #[test]
    fn heic_is_an_image_that_is_not_decoded() {
        assert_eq!(
            kind("IMG_2682.heic", b"\0\0\0\x24ftypheic\0\0\0\0"),
            (MemoryType::Image, "image/heic".into(), Decoding::NotDecoded)
        );
    }

    #[test]
    fn a_photo_by_name_without_a_photos_beginning_is_still_tried() {
        for head in [&b""[..], b"this is no image"] {
            assert_eq!(
                kind("broken.jpg", head).2,
                Decoding::Photo(ImageFormat::Jpeg)
            );
        }
    }

    #[test]
    fn the_rest() {
        assert_eq!(kind("notes.md", b"# Day one").0, MemoryType::Note);
        assert_eq!(kind("README", b"read me").1, "text/plain");
        assert_eq!(kind("blob", &[0, 1, 2]).1, "application/octet-stream");
        assert_eq!(kind("empty", b"").1, "application/octet-stream");
        assert_eq!(kind("scan.pdf", b"%PDF-1.7").0, MemoryType::Document);
        assert_eq!(kind("a.mov", b"\0\0\0\x14ftypqt  ").0, MemoryType::Video);
        assert_eq!(kind("a.svg", b"<svg").2, Decoding::NotDecoded);
    }
}
