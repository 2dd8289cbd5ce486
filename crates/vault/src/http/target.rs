//! The target of a request: path and query (RFC 9112, section 3.2.1; RFC 3986).

/// A request's path and query, as they were sent.
pub struct Target<'a> {
    path: &'a str,
    query: &'a str,
}

impl<'a> Target<'a> {
    /// Takes any text apart. A fragment is not part of a request, and is dropped.
    pub fn parse(url: &'a str) -> Self {
        let url = url.split('#').next().unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        Target { path, query }
    }

    /// The path's segments. Nothing of ours is spelled with an escape: a segment that has one is another one. Empty for a path that does
    /// not begin at the root.
    pub fn segments(&self) -> Vec<&'a str> {
        match self.path.strip_prefix('/') {
            Some(path) => path.split('/').collect(),
            None => Vec::new(),
        }
    }

    /// The value of the query's first parameter of this name, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.query
            .split('&')
            .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
            .find(|(given, _)| *given == name)
            .map(|(_, value)| decoded(value))
    }
}

/// Resolves `%xx` (RFC 3986, section 2.1). An escape that is none stays as it is, and so does not become anything else.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits make at most 255.
                decoded.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// `text` as the value of a header's extended parameter (RFC 8187, section 3.2): what is not plain is escaped.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_of_any_shape_are_taken_apart() {
        let target = Target::parse("/asset/m/display?id=a%2Db&token=x%ff&id=c&empty#there");
        assert_eq!(target.segments(), ["asset", "m", "display"]);
        assert_eq!(target.parameter("id").as_deref(), Some("a-b"));
        assert_eq!(target.parameter("token").as_deref(), Some("x\u{fffd}"));
        assert_eq!(target.parameter("empty").as_deref(), Some(""));
        assert_eq!(target.parameter("i"), None);
        assert_eq!(Target::parse("/").segments(), [""]);
        assert_eq!(Target::parse("/a//b/").segments(), ["a", "", "b", ""]);
        for odd in ["", "asset", "?", "#", "%", "?=&&=%", "http://x/asset"] {
            let target = Target::parse(odd);
            assert!(target.segments().is_empty(), "{odd}");
            assert_eq!(target.parameter("token"), None, "{odd}");
        }
        for odd in ["%", "%a", "%g0", "%é", "%+1", "a%"] {
            assert_eq!(decoded(odd), odd);
        }
        assert_eq!(encoded("Straße 1.png"), "Stra%C3%9Fe%201.png");
    }
}
