//! XMP (ISO 16684-1): what Lightroom, digiKam, darktable, Capture One and others write beside a photo.
//!
//! Properties come as elements or as attributes of `rdf:Description`, lists as `rdf:Bag`, `rdf:Seq` or `rdf:Alt`; namespaces count, not
//! prefixes. Entities of a document's own are not expanded.

use std::collections::HashMap;

use quick_xml::{
    XmlVersion,
    escape::resolve_xml_entity,
    events::{BytesStart, Event},
    name::ResolveResult,
    reader::NsReader,
};

use super::{Sidecar, SidecarKind};
use crate::capture::{self, CaptureTime, Point, TimeSource};

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const DC: &str = "http://purl.org/dc/elements/1.1/";
const XMP: &str = "http://ns.adobe.com/xap/1.0/";
const EXIF: &str = "http://ns.adobe.com/exif/1.0/";
const PHOTOSHOP: &str = "http://ns.adobe.com/photoshop/1.0/";
const IPTC_CORE: &str = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/";
const IPTC_EXT: &str = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
const REGIONS: &str = "http://www.metadataworkinggroup.com/schemas/regions/";

/// Deepest nesting, and most values, that are followed: far beyond what programs write.
const DEEPEST: usize = 64;
const MOST_VALUES: usize = 4_096;

/// A property: namespace and name.
type Property = (String, String);

/// The values of each property, in the document's order.
#[derive(Default)]
struct Values {
    all: HashMap<Property, Vec<String>>,
    count: usize,
    /// Names of people, from regions that are marked as faces.
    faces: Vec<String>,
}

impl Values {
    fn add(&mut self, namespace: &str, name: &str, value: &str) {
        let value = value.trim();
        if value.is_empty() || self.count >= MOST_VALUES {
            return;
        }
        self.count += 1;
        self.all
            .entry((namespace.to_owned(), name.to_owned()))
            .or_default()
            .push(value.to_owned());
    }

    fn list(&mut self, namespace: &str, name: &str) -> Vec<String> {
        self.all
            .remove(&(namespace.to_owned(), name.to_owned()))
            .unwrap_or_default()
    }

    fn one(&mut self, namespace: &str, name: &str) -> Option<String> {
        self.list(namespace, name).into_iter().next()
    }
}

/// `None` for what is not well formed, or has no RDF in it.
pub(super) fn read(text: &str) -> Option<Sidecar> {
    let mut values = parse(text)?;
    let people = {
        let mut people = values.list(IPTC_EXT, "PersonInImage");
        people.append(&mut values.faces);
        people
    };
    // The moment of exposure first.
    let taken = [
        (EXIF, "DateTimeOriginal"),
        (PHOTOSHOP, "DateCreated"),
        (EXIF, "DateTimeDigitized"),
        (XMP, "CreateDate"),
    ]
    .into_iter()
    .filter_map(|(namespace, name)| values.one(namespace, name))
    .find_map(|date| time(&date));
    let place: Vec<String> = [
        (IPTC_CORE, "Location"),
        (PHOTOSHOP, "City"),
        (PHOTOSHOP, "State"),
        (PHOTOSHOP, "Country"),
    ]
    .into_iter()
    .filter_map(|(namespace, name)| values.one(namespace, name))
    .collect();
    let degrees = [
        values.one(EXIF, "GPSLatitude"),
        values.one(EXIF, "GPSLongitude"),
    ];
    let point = match degrees {
        [Some(latitude), Some(longitude)] => coordinate(&latitude, "NS")
            .zip(coordinate(&longitude, "EW"))
            .and_then(|(latitude, longitude)| Point::new(latitude, longitude)),
        _ => None,
    };
    Some(Sidecar {
        title: values.one(DC, "title"),
        description: values.one(DC, "description"),
        tags: values.list(DC, "subject"),
        people,
        taken,
        place: (!place.is_empty()).then(|| place.join(", ")),
        point,
        ..Sidecar::silent(SidecarKind::Xmp)
    })
}

/// An element on the way from the root to where the reader is.
struct Open {
    namespace: String,
    name: String,
    text: String,
    /// Of a region: its name and its type.
    region: (Option<String>, Option<String>),
}

fn parse(text: &str) -> Option<Values> {
    let mut reader = NsReader::from_str(text);
    let mut values = Values::default();
    let mut path: Vec<Open> = Vec::new();
    let mut is_rdf = false;
    loop {
        let event = reader.read_event().ok()?;
        match event {
            Event::Start(start) => {
                let open = opened(&reader, &start, &mut values, &path)?;
                is_rdf |= open.namespace == RDF && open.name == "RDF";
                if path.len() >= DEEPEST {
                    return None;
                }
                path.push(open);
            }
            Event::Empty(start) => {
                let open = opened(&reader, &start, &mut values, &path)?;
                closed(open, &mut path, &mut values);
            }
            Event::End(_) => {
                let open = path.pop()?;
                closed(open, &mut path, &mut values);
            }
            Event::Text(part) => {
                if let Some(open) = path.last_mut() {
                    open.text.push_str(&part.xml10_content());
                }
            }
            Event::CData(part) => {
                if let Some(open) = path.last_mut() {
                    open.text.push_str(&part.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                let open = path.last_mut()?;
                match reference.resolve_char_ref().ok()? {
                    Some(character) => open.text.push(character),
                    None => open
                        .text
                        .push_str(resolve_xml_entity(&reference.into_inner())?),
                }
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    is_rdf.then_some(values)
}

/// An element that begins; properties among its attributes are noted.
fn opened(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    values: &mut Values,
    path: &[Open],
) -> Option<Open> {
    let resolver = reader.resolver();
    let (namespace, name) = resolver.resolve_element(start.name());
    let mut open = Open {
        namespace: namespace_of(&namespace),
        name: name.into_inner().to_owned(),
        text: String::new(),
        region: (None, None),
    };
    let in_region = open.namespace == RDF && path.iter().any(|above| above.namespace == REGIONS);
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let (namespace, name) = resolver.resolve_attribute(attribute.key);
        let namespace = namespace_of(&namespace);
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        match (namespace.as_str(), name.into_inner()) {
            (REGIONS, "Name") => open.region.0 = Some(value.into_owned()),
            (REGIONS, "Type") => open.region.1 = Some(value.into_owned()),
            (namespace, name)
                if open.namespace == RDF && open.name == "Description" && !in_region =>
            {
                values.add(namespace, name, &value);
            }
            _ => {}
        }
    }
    Some(open)
}

/// An element that ends: its text is a value of the property that it is, or is in a list of.
fn closed(open: Open, path: &mut [Open], values: &mut Values) {
    match (open.namespace.as_str(), open.name.as_str()) {
        (RDF, "li" | "Description") => {
            if let (Some(name), Some(kind)) = &open.region
                && kind == "Face"
                && values.count < MOST_VALUES
            {
                values.count += 1;
                values.faces.push(name.clone());
            }
            // A region may be a description within its list's item.
            if let Some(above) = path.last_mut()
                && open.name == "Description"
                && above.name == "li"
                && above.region == (None, None)
                && open.region.1.as_deref() != Some("Face")
            {
                above.region = open.region;
            }
            // rdf:li is in a container, which is in the property.
            if open.name == "li"
                && let [.., property, _container] = path
            {
                values.add(&property.namespace, &property.name, &open.text);
            }
        }
        (RDF, _) => {}
        (REGIONS, "Name" | "Type") => {
            let text = open.text.trim().to_owned();
            if let Some(region) = path.last_mut() {
                let part = if open.name == "Name" {
                    &mut region.region.0
                } else {
                    &mut region.region.1
                };
                *part = Some(text);
            }
        }
        (namespace, name) => values.add(namespace, name, &open.text),
    }
}

fn namespace_of(resolved: &ResolveResult<'_>) -> String {
    match resolved {
        ResolveResult::Bound(namespace) => namespace.into_inner().to_owned(),
        ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
    }
}

/// A date as in ISO 8601, which may end after the year, month or day, and may have no offset: read as UTC then.
fn time(text: &str) -> Option<CaptureTime> {
    let (local, offset) = capture::parse_iso_time(text)?;
    let source = if offset.is_some() {
        TimeSource::Xmp
    } else {
        TimeSource::XmpLocal
    };
    let at = local.assume_offset(offset.unwrap_or(time::UtcOffset::UTC));
    CaptureTime::at(at.unix_timestamp(), at.nanosecond(), source)
}

/// `48,51.4933N` or `48,51,29.6N` (degrees, minutes, seconds), or a plain number of degrees.
fn coordinate(text: &str, directions: &str) -> Option<f64> {
    let text = text.trim();
    let Some(direction) = text.chars().last().filter(|c| directions.contains(*c)) else {
        return text.parse().ok();
    };
    let mut degrees = 0.0;
    let mut unit = 1.0;
    for part in text.strip_suffix(direction)?.split(',') {
        degrees += part.trim().parse::<f64>().ok()? / unit;
        unit *= 60.0;
    }
    let negative = matches!(direction, 'S' | 'W');
    Some(if negative { -degrees } else { degrees })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"<?xpacket begin="?" id="W5M0MpCehiHzreSzNTczkc9d"?>
        <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
         xmlns:ps="http://ns.adobe.com/photoshop/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
         xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:mwg="http://www.metadataworkinggroup.com/schemas/regions/" "#;
    const TAIL: &str = "</rdf:Description></rdf:RDF></x:xmpmeta>";

    fn said(attributes: &str, elements: &str) -> Sidecar {
        read(&format!("{HEAD}{attributes}>{elements}{TAIL}")).unwrap()
    }

    #[test]
    fn elements_and_attributes_are_alike() {
        let elements = said(
            "",
            "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Tom &amp; Jerry &#x263a;</rdf:li></rdf:Alt></dc:title>
             <dc:description><rdf:Alt><rdf:li><![CDATA[a < b]]></rdf:li></rdf:Alt></dc:description>
             <dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li> summer </rdf:li></rdf:Bag></dc:subject>
             <ext:PersonInImage><rdf:Bag><rdf:li>Granny</rdf:li></rdf:Bag></ext:PersonInImage>
             <xmp:CreateDate>2021-01-01</xmp:CreateDate><exif:DateTimeOriginal>2020-05-01T14:33:22.5+02:00</exif:DateTimeOriginal>
             <exif:GPSLatitude>48,51.4933N</exif:GPSLatitude><exif:GPSLongitude>2,17,40.2W</exif:GPSLongitude>
             <ps:City>Paris</ps:City><ps:Country>France</ps:Country>",
        );
        assert_eq!(elements.title.as_deref(), Some("Tom & Jerry ☺"));
        assert_eq!(elements.description.as_deref(), Some("a < b"));
        assert_eq!(elements.tags, ["sea", "summer"]);
        assert_eq!(elements.people, ["Granny"]);
        assert_eq!(elements.place.as_deref(), Some("Paris, France"));
        assert_eq!(elements.point, Point::new(48.858_222, -2.2945));
        assert_eq!(
            elements.taken,
            Some(CaptureTime {
                nanos: 1_588_336_402_500_000_000,
                source: TimeSource::Xmp
            })
        );
        let attributes = said(
            "dc:title='Tom &amp; Jerry &#x263a;' exif:DateTimeOriginal='2020-05-01T14:33:22.5+02:00' ps:City='Paris' ps:Country='France'",
            "",
        );
        assert_eq!(attributes.title, elements.title);
        assert_eq!(attributes.taken, elements.taken);
        assert_eq!(attributes.place, elements.place);
    }

    #[test]
    fn people_in_regions_are_people() {
        let region = |inner: &str| {
            format!(
                "<mwg:Regions rdf:parseType='Resource'><mwg:RegionList><rdf:Bag>{inner}</rdf:Bag></mwg:RegionList></mwg:Regions>"
            )
        };
        for inner in [
            "<rdf:li rdf:parseType='Resource'><mwg:Name>Granny</mwg:Name><mwg:Type>Face</mwg:Type></rdf:li>",
            "<rdf:li><rdf:Description mwg:Name='Granny' mwg:Type='Face'><mwg:Area/></rdf:Description></rdf:li>",
            "<rdf:li><rdf:Description><mwg:Name>Granny</mwg:Name><mwg:Type>Face</mwg:Type></rdf:Description></rdf:li>",
            "<rdf:li mwg:Name='Granny' mwg:Type='Face'/><rdf:li mwg:Name='Rex' mwg:Type='Pet'/>",
        ] {
            assert_eq!(said("", &region(inner)).people, ["Granny"], "{inner}");
        }
    }

    #[test]
    fn dates_without_an_offset_and_parts_of_dates() {
        let taken =
            |date: &str| said("", &format!("<ps:DateCreated>{date}</ps:DateCreated>")).taken;
        assert_eq!(
            taken("2020-05-01T12:33"),
            Some(CaptureTime {
                nanos: 1_588_336_380_000_000_000,
                source: TimeSource::XmpLocal
            })
        );
        assert_eq!(
            taken("2020"),
            Some(CaptureTime {
                nanos: 1_577_836_800_000_000_000,
                source: TimeSource::XmpLocal
            })
        );
        assert_eq!(
            taken("2020-05-01T12:33:22Z").map(|t| t.source),
            Some(TimeSource::Xmp)
        );
        assert_eq!(taken("yesterday"), None);
    }

    #[test]
    fn what_is_not_well_formed_says_nothing() {
        for text in [
            "<rdf:RDF",
            "<a/>",
            "{}",
            "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'></a>",
            "<!DOCTYPE a [<!ENTITY b 'bbb'>]><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>&b;</rdf:RDF>",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let deep = format!(
            "{HEAD}>{}{}{TAIL}",
            "<dc:a>".repeat(10_000),
            "</dc:a>".repeat(10_000)
        );
        assert_eq!(read(&deep), None);
        let many = "<dc:subject><rdf:Bag>".to_owned()
            + &"<rdf:li>a</rdf:li>".repeat(100_000)
            + "</rdf:Bag></dc:subject>";
        assert_eq!(said("", &many).tags.len(), MOST_VALUES);
    }
}
