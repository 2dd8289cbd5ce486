//! One name made fit for every common file system, and unable to lead anywhere.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Longest name as a memory's own, in bytes; what is added to it for sidecars and derivatives stays below the 255 bytes
/// of every common file system.
const LONGEST: usize = 100;

/// Longest extension that survives shortening, in bytes with its dot.
const LONGEST_EXTENSION: usize = 16;

/// A file's name from what somebody called it: `name`, else `instead`, else `memory`; with an extension where the kind of
/// file says one and the name has none.
pub(super) fn file_name(name: &str, mime: &str, instead: &str) -> String {
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
    // To many programs a leading `-` is an option.
    if is_device(&name) || name.starts_with('-') {
        name.insert(0, '_');
    }
    name
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*' | '%')
        // Line separators, marks of direction, characters without width but those that join, and what is no character.
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
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
        matches!(
            (chars.next(), chars.next()),
            (Some('0'..='9' | '¹' | '²' | '³'), None)
        )
    })
}

/// The usual extension of a kind of file, for names that have none. A list of our own: it may never change, or names would.
pub(super) fn extension_for(mime: &str) -> Option<&'static str> {
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

/// The extension with its dot, where the last component has one of letters and digits that is not all of
/// its name.
pub(super) fn extension_of(name: &str) -> Option<&str> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let dot = last.rfind('.').filter(|&dot| dot > 0)?;
    let extension = &last[dot..];
    let is_one = extension.len() > 1
        && extension.len() <= LONGEST_EXTENSION
        && extension[1..].bytes().all(|b| b.is_ascii_alphanumeric());
    is_one.then_some(extension)
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

/// The composed form (Unicode, NFC): names that look alike are alike.
pub(super) fn nfc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc()
        .normalize(text)
        .into_owned()
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
            ("-rf", "_-rf.jpg"),
            (
                "\u{1f468}\u{200d}\u{1f469}.jpg",
                "\u{1f468}\u{200d}\u{1f469}.jpg",
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(
                file_name(given, "image/jpeg", "instead"),
                expected,
                "{given:?}"
            );
        }
        let shortened = file_name(&format!("{long}.jpeg"), "", "");
        assert!(shortened.len() <= LONGEST && shortened.ends_with("x.jpeg"));
        assert!(file_name(&"\u{1f600}".repeat(99), "", "").len() <= LONGEST);
        assert_eq!(file_name("\u{0}", "", ""), "_");
        assert_eq!(file_name(" ", "", "/"), "_");
        assert_eq!(file_name("", "", ""), "memory");
    }
}
