//! Google Takeout's description of a photo.

use serde::Deserialize;

use super::{Sidecar, SidecarKind};
use crate::capture::{CaptureTime, Point, TimeSource};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Takeout {
    title: Option<String>,
    description: Option<String>,
    photo_taken_time: Option<Moment>,
    #[serde(default)]
    people: Vec<Person>,
    geo_data: Option<Geo>,
    geo_data_exif: Option<Geo>,
    #[serde(default)]
    favorited: bool,
}

#[derive(Deserialize)]
struct Moment {
    /// Seconds since 1970 UTC, in digits.
    timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Person {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Geo {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// `None` for JSON that describes no photo.
pub(super) fn read(json: &str) -> Option<Sidecar> {
    let takeout: Takeout = serde_json::from_str(json).ok()?;
    // Every description of a photo has it, and hardly anything else.
    let timestamp = takeout.photo_taken_time?.timestamp;
    let point = [takeout.geo_data, takeout.geo_data_exif]
        .into_iter()
        .flatten()
        .find_map(|geo| Point::new(geo.latitude?, geo.longitude?));
    Some(Sidecar {
        title: takeout.title,
        description: takeout.description,
        tags: takeout
            .favorited
            .then(|| "favorite".to_owned())
            .into_iter()
            .collect(),
        people: takeout.people.into_iter().filter_map(|p| p.name).collect(),
        taken: timestamp
            .and_then(|t| t.parse().ok())
            .and_then(|seconds| CaptureTime::at(seconds, 0, TimeSource::Takeout)),
        point,
        ..Sidecar::silent(SidecarKind::Takeout)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_it_says_is_read() {
        let sidecar = read(
            r#"{
              "title": "IMG_2682.HEIC", "description": "Granny &amp; the sea", "imageViews": "3",
              "creationTime": {"timestamp": "1588999999", "formatted": "whenever"},
              "photoTakenTime": {"timestamp": "1588336402", "formatted": "May 1, 2020, 12:33:22 PM UTC"},
              "geoData": {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0},
              "geoDataExif": {"latitude": 48.8582222, "longitude": -2.2945, "altitude": 35.0},
              "people": [{"name": "Granny"}, {"name": "Grandpa"}], "favorited": true, "url": "https://photos.google.com/x"
            }"#,
        )
        .unwrap();
        assert_eq!(
            sidecar,
            Sidecar {
                kind: SidecarKind::Takeout,
                title: Some("IMG_2682.HEIC".into()),
                description: Some("Granny &amp; the sea".into()),
                tags: vec!["favorite".into()],
                people: vec!["Granny".into(), "Grandpa".into()],
                taken: Some(CaptureTime {
                    nanos: 1_588_336_402_000_000_000,
                    source: TimeSource::Takeout
                }),
                place: None,
                point: Point::new(48.858_222, -2.2945),
            }
        );
    }

    #[test]
    fn times_that_are_none_are_left_out() {
        let taken = |timestamp: &str| {
            read(&format!(
                r#"{{"photoTakenTime": {{"timestamp": "{timestamp}"}}}}"#
            ))
            .unwrap()
            .taken
        };
        assert_eq!(
            taken("-1000").map(|time| (time.nanos, time.source)),
            Some((1, TimeSource::Before1970))
        );
        for wrong in [
            "",
            "soon",
            "1e9",
            "9223372036854775807",
            "99999999999999999999",
        ] {
            assert_eq!(taken(wrong), None, "{wrong}");
        }
    }
}
