//! The headers of what is answered, apart from certification.

use crate::Hash;
use crate::file::{Coding, File};

/// A header's name and value.
pub type Header = (String, String);

/// What a page may load and do: its own scripts and styles, pictures and films it has in memory, and calls to the vault: at its own origin
/// on somebody's machine, at the Internet Computer's API elsewhere. Nobody may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
media-src 'self' blob:; font-src 'self'; connect-src 'self' https://icp-api.io https://icp0.io; worker-src 'self'; manifest-src 'self'; \
base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What no page of ours uses.
const PERMISSIONS_POLICY: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), \
magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=(), xr-spatial-tracking=()";

/// With each file: workers are bound by the policy of their own script's answer, and a picture opened by itself is a page.
const SECURITY: [(&str, &str); 6] = [
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    // Signing in opens a window of Internet Identity's, which answers the page that opened it.
    ("Cross-Origin-Opener-Policy", "same-origin-allow-popups"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", PERMISSIONS_POLICY),
];

/// A year: what caches are asked to keep at most.
const LASTING: &str = "public, max-age=31536000, immutable";

/// Kept, but asked for again each time.
const CHANGING: &str = "no-cache";

pub fn header(name: &str, value: impl ToString) -> Header {
    (name.to_owned(), value.to_string())
}

/// Of every answer about this file: what caches and browsers go by.
fn common(file: &File<'_>, coding: Coding, cookie: Option<&str>) -> Vec<Header> {
    let mut headers: Vec<Header> = SECURITY
        .iter()
        .map(|(name, value)| header(name, value))
        .collect();
    let caching = if file.is_lasting { LASTING } else { CHANGING };
    headers.push(header("Cache-Control", caching));
    if !file.is_lasting {
        headers.push(header("ETag", etag(&file.encoded(coding).sha256)));
    }
    if file.has_gzip() {
        headers.push(header("Vary", "Accept-Encoding"));
    }
    // A cookie that was forgotten while the page was kept comes back with the answer that it has not changed.
    if let Some(cookie) = cookie.filter(|_| file.is_document()) {
        headers.push(header("Set-Cookie", cookie));
    }
    headers
}

/// Of the file itself.
pub fn of_content(file: &File<'_>, coding: Coding, cookie: Option<&str>) -> Vec<Header> {
    let mut headers = vec![
        header("Content-Type", file.content_type),
        header("Content-Length", file.encoded(coding).len),
    ];
    if coding == Coding::Gzip {
        headers.push(header("Content-Encoding", "gzip"));
    }
    headers.extend(common(file, coding, cookie));
    headers
}

/// Of the answer that the file has not changed (RFC 9110, section 15.4.5).
pub fn of_unchanged(file: &File<'_>, coding: Coding, cookie: Option<&str>) -> Vec<Header> {
    common(file, coding, cookie)
}

/// Of an answer that says what is wrong in plain text.
pub fn of_refusal(len: usize) -> Vec<Header> {
    let mut headers = vec![
        header("Content-Type", "text/plain; charset=utf-8"),
        header("Content-Length", len),
        header("Cache-Control", "no-store"),
    ];
    headers.extend(SECURITY.iter().map(|(name, value)| header(name, value)));
    headers
}

/// An entity tag for bytes of this hash: half of it, which no two files share.
pub fn etag(sha256: &Hash) -> String {
    let digits: String = sha256[..16].iter().map(|b| format!("{b:02x}")).collect();
    format!("\"{digits}\"")
}
