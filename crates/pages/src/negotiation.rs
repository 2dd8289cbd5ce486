//! What a request's headers ask for.

use crate::file::{Coding, File};

/// The values of the headers of this name (RFC 9110, section 5.1: names know no case).
pub fn values<'a>(
    headers: &'a [(String, String)],
    name: &'a str,
) -> impl Iterator<Item = &'a str> + 'a {
    headers
        .iter()
        .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// The coding that `file` is sent in. Who does not say that gzip is understood gets the bytes as they are, also where the request has no
/// such header at all: programs that send none mostly cannot unpack.
pub fn coding(file: &File<'_>, headers: &[(String, String)]) -> Coding {
    let accepted = values(headers, "Accept-Encoding")
        .flat_map(|value| value.split(','))
        .map(preference);
    // What is named counts, and the star for what is not (RFC 9110, section 12.5.3).
    let (mut named, mut others) = (None, None);
    for (coding, is_accepted) in accepted {
        match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => named = Some(is_accepted),
            "*" => others = Some(is_accepted),
            _ => {}
        }
    }
    match named.or(others).unwrap_or(false) && file.has_gzip() {
        true => Coding::Gzip,
        false => Coding::Identity,
    }
}

/// An item of a list of preferences, and whether its weight is above nothing.
fn preference(item: &str) -> (&str, bool) {
    let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
    let weight = parameters.trim().strip_prefix(['q', 'Q']).map(str::trim);
    let weight = weight.and_then(|weight| weight.strip_prefix('='));
    let is_nothing = weight.is_some_and(|weight| {
        let weight = weight.trim();
        weight.starts_with('0') && weight.bytes().all(|byte| b"0.".contains(&byte))
    });
    (coding.trim(), !is_nothing)
}
