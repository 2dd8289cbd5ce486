//! The XMP sidecar (ISO 16684-1) of a memory: what programs for photos read of it beside the photo, in their own properties.
//! Everything else is in the JSON sidecar.

use std::fmt::Write;

use super::portable::{Portable, Said};

/// The sidecar. The same for the same memory.
pub fn sidecar(portable: &Portable) -> String {
    let said = &portable.memory;
    let mut body = String::new();
    alternative(&mut body, "dc:title", said.title.as_deref());
    alternative(&mut body, "dc:description", said.description.as_deref());
    list(&mut body, "dc:subject", &said.tags);
    let people = said.people_in_memory.as_deref().unwrap_or_default();
    list(&mut body, "Iptc4xmpExt:PersonInImage", people);
    simple(&mut body, "dc:format", Some(&said.content_type));
    let date = portable.date().map(|time| time.to_string());
    simple(&mut body, "xmp:CreateDate", date.as_deref());
    simple(&mut body, "photoshop:DateCreated", date.as_deref());
    place(&mut body, said);
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n\
         \x20<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n\
         \x20 <rdf:Description rdf:about=\"\"\n\
         \x20   xmlns:dc=\"http://purl.org/dc/elements/1.1/\"\n\
         \x20   xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"\n\
         \x20   xmlns:exif=\"http://ns.adobe.com/exif/1.0/\"\n\
         \x20   xmlns:photoshop=\"http://ns.adobe.com/photoshop/1.0/\"\n\
         \x20   xmlns:Iptc4xmpCore=\"http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/\"\n\
         \x20   xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\">\n\
         {body}\
         \x20 </rdf:Description>\n\
         \x20</rdf:RDF>\n\
         </x:xmpmeta>\n\
         <?xpacket end=\"w\"?>\n"
    )
}

/// Degrees where they are given, else the place's name.
fn place(body: &mut String, said: &Said) {
    let Some(location) = said.location.as_deref() else {
        return;
    };
    match degrees(location) {
        Some((latitude, longitude)) => {
            let latitude = gps(latitude, 'N', 'S');
            let longitude = gps(longitude, 'E', 'W');
            simple(body, "exif:GPSLatitude", Some(&latitude));
            simple(body, "exif:GPSLongitude", Some(&longitude));
        }
        None => simple(body, "Iptc4xmpCore:Location", Some(location)),
    }
}

/// `52.52, 13.405`, with `geo:` before it (RFC 5870) and an altitude behind it, or without.
fn degrees(text: &str) -> Option<(f64, f64)> {
    let text = text.trim();
    let text = text.strip_prefix("geo:").unwrap_or(text);
    let text = text.split(';').next()?;
    let mut numbers = text.split(',').map(|part| part.trim().parse::<f64>());
    let (latitude, longitude) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    if numbers.next().is_some_and(|altitude| altitude.is_err()) || numbers.next().is_some() {
        return None;
    }
    let possible = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    possible.then_some((latitude, longitude))
}

/// Degrees and minutes as XMP writes them: `52,31.2000000N`. To some centimetres.
fn gps(degrees: f64, positive: char, negative: char) -> String {
    let side = if degrees < 0.0 { negative } else { positive };
    let minutes = degrees.abs() * 60.0;
    // Rounded first, so that no 60 minutes come out.
    let rounded = (minutes * 1e7).round() / 1e7;
    let whole = (rounded / 60.0).floor();
    format!("{whole},{:.7}{side}", rounded - whole * 60.0)
}

fn simple(body: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        // Writing to a String does not fail.
        let _ = writeln!(body, "   <{name}>{}</{name}>", escaped(value));
    }
}

fn alternative(body: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        let value = escaped(value);
        let _ = writeln!(
            body,
            "   <{name}><rdf:Alt><rdf:li xml:lang=\"x-default\">{value}</rdf:li></rdf:Alt></{name}>"
        );
    }
}

fn list(body: &mut String, name: &str, values: &[String]) {
    if values.is_empty() {
        return;
    }
    let _ = write!(body, "   <{name}><rdf:Bag>");
    for value in values {
        let _ = write!(body, "<rdf:li>{}</rdf:li>", escaped(value));
    }
    let _ = writeln!(body, "</rdf:Bag></{name}>");
}

/// Text for XML 1.0: what it cannot carry stands as U+FFFD (the JSON sidecar has it exactly), and a carriage return as
/// a reference, because readers turn a plain one into a line feed.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c < ' ' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element() {
        assert_eq!(
            escaped("a</dc:title>&\"\u{0}\r\n\u{ffff}]]>"),
            "a&lt;/dc:title&gt;&amp;&quot;\u{fffd}&#13;\n\u{fffd}]]&gt;"
        );
    }

    #[test]
    fn places_are_degrees_or_names() {
        assert_eq!(degrees("52.52,13.405"), Some((52.52, 13.405)));
        assert_eq!(degrees("geo:-33.9, 151.2,30;u=35"), Some((-33.9, 151.2)));
        for no in [
            "Berlin", "52.52", "91,0", "0,181", "1,2,3,4", "1,2,x", "NaN,1", "",
        ] {
            assert_eq!(degrees(no), None, "{no}");
        }
        assert_eq!(gps(52.52, 'N', 'S'), "52,31.2000000N");
        assert_eq!(gps(-0.5, 'N', 'S'), "0,30.0000000S");
        assert_eq!(gps(59.999_999_999_999, 'E', 'W'), "60,0.0000000E");
    }
}
