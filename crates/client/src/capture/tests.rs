use super::*;

fn fixture(name: &str) -> Option<ExifFacts> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    read_exif(&File::open(path).unwrap())
}

fn seconds(time: Option<CaptureTime>) -> Option<(u64, TimeSource)> {
    time.map(|t| (t.nanos / 1_000_000_000, t.source))
}

fn local(year: i32, month: u8, day: u8, h: u8, m: u8, s: u8) -> PrimitiveDateTime {
    Date::from_calendar_date(year, month.try_into().unwrap(), day)
        .unwrap()
        .with_hms(h, m, s)
        .unwrap()
}

#[test]
fn names_of_cameras_phones_and_messengers() {
    // 2019-07-13T12:03:12Z, 2020-05-01T12:33:22Z, and midnights.
    for (name, expected) in [
        ("IMG_20190713_120312", Some(1_563_019_392)),
        ("20190713_120312", Some(1_563_019_392)),
        ("20190713120312", Some(1_563_019_392)),
        ("PXL_20190713_120312345", Some(1_563_019_392)),
        ("VID-20190713-WA0001", Some(1_562_976_000)),
        ("Screenshot 2020-05-01 at 12.33.22", Some(1_588_336_402)),
        ("2020-05-01 12.33.22", Some(1_588_336_402)),
        ("signal-2020-05-01-123322", Some(1_588_336_402)),
        ("2020-05-01", Some(1_588_291_200)),
        ("DSC_0001", None),
        ("IMG_2682", None),
        ("1234567890123", None),
        ("20191399", None),
        ("99920190713", None),
        ("report-18000101", None),
        ("", None),
    ] {
        assert_eq!(
            seconds(from_name(name)),
            expected.map(|s| (s, TimeSource::FileName)),
            "{name}"
        );
    }
}

#[test]
fn the_offset_is_taken_from_exif_then_gps_then_assumed() {
    let taken = local(2020, 5, 1, 12, 33, 22);
    let with = |offset: Option<UtcOffset>, gps: Option<PrimitiveDateTime>| {
        seconds(from_exif(&ExifFacts {
            local: Some(taken),
            offset,
            gps,
            ..Default::default()
        }))
    };
    let utc = 1_588_336_402;
    assert_eq!(with(None, None), Some((utc, TimeSource::ExifLocal)));
    assert_eq!(
        with(parse_offset("+02:00"), None),
        Some((utc - 7200, TimeSource::Exif))
    );
    assert_eq!(
        with(None, Some(local(2020, 5, 1, 7, 4, 0))),
        Some((utc - 19_800, TimeSource::ExifGps)),
        "five and a half hours, clocks 38 s apart"
    );
    assert_eq!(
        with(None, Some(local(2020, 4, 29, 7, 4, 0))),
        Some((utc, TimeSource::ExifLocal)),
        "a GPS fix of another day says nothing"
    );
}

#[test]
fn before_1970_is_said() {
    let facts = ExifFacts {
        local: Some(local(1955, 6, 1, 0, 0, 0)),
        ..Default::default()
    };
    assert_eq!(
        from_exif(&facts),
        Some(CaptureTime {
            nanos: 1,
            source: TimeSource::Before1970
        })
    );
}

#[test]
fn exif_text_forms() {
    assert!(parse_exif_time("0000:00:00 00:00:00").is_none());
    assert!(parse_exif_time("    :  :     :  :  ").is_none());
    assert!(parse_exif_time("2020:02:30 00:00:00").is_none());
    assert_eq!(
        parse_exif_time("2020:05:01 12:33:22"),
        Some(local(2020, 5, 1, 12, 33, 22))
    );
    assert_eq!(parse_fraction("5"), Some(500_000_000));
    assert_eq!(parse_fraction("001234567899"), Some(1_234_567));
    assert_eq!(parse_fraction(""), None);
    assert_eq!(parse_offset("-03:30"), UtcOffset::from_hms(-3, -30, 0).ok());
    assert_eq!(parse_offset("+0530"), UtcOffset::from_hms(5, 30, 0).ok());
    for bad in ["", "+", "02:00", "+99:00", "+02:99", "+é"] {
        assert_eq!(parse_offset(bad), None, "{bad}");
    }
}

#[test]
fn real_photos() {
    let portrait = fixture("portrait-orientation-6.jpg").unwrap();
    assert_eq!(portrait.orientation, Some(6));
    let gps = fixture("date-gps.jpg");
    assert!(gps.is_some_and(|f| f.local.is_some() || f.gps.is_some()));
    assert_eq!(fixture("density_plot.png").and_then(|f| f.local), None);
}

#[test]
fn the_files_time_is_the_last_resort() {
    let modified = UNIX_EPOCH + std::time::Duration::from_secs(1_000);
    let time = capture_time(None, None, Path::new("DSC_0001.JPG"), Some(modified));
    assert_eq!(seconds(time), Some((1_000, TimeSource::FileTime)));
    assert_eq!(capture_time(None, None, Path::new("x"), None), None);
}

#[test]
fn a_sidecar_counts_before_the_name_and_behind_exif() {
    let told = Some(CaptureTime {
        nanos: 5,
        source: TimeSource::Takeout,
    });
    let name = Path::new("IMG_20190713_120312.jpg");
    assert_eq!(capture_time(None, told, name, None), told);
    let exif = ExifFacts {
        local: Some(local(2020, 5, 1, 12, 33, 22)),
        ..Default::default()
    };
    assert_eq!(
        capture_time(Some(&exif), told, name, None).map(|time| time.source),
        Some(TimeSource::ExifLocal)
    );
}

#[test]
fn iso_times_in_all_lengths() {
    let parsed = |text: &str| {
        parse_iso_time(text).map(|(at, offset)| (at, offset.map(UtcOffset::whole_seconds)))
    };
    assert_eq!(
        parsed("2020-05-01T12:33:22.25+02:00"),
        Some((
            local(2020, 5, 1, 12, 33, 22)
                .replace_nanosecond(250_000_000)
                .unwrap(),
            Some(7200)
        ))
    );
    assert_eq!(
        parsed("2020-05-01 12:33Z"),
        Some((local(2020, 5, 1, 12, 33, 0), Some(0)))
    );
    assert_eq!(parsed("2020-05"), Some((local(2020, 5, 1, 0, 0, 0), None)));
    assert_eq!(parsed("2020"), Some((local(2020, 1, 1, 0, 0, 0), None)));
    for wrong in [
        "",
        "20-5",
        "2020-13",
        "2020-05-01T",
        "2020-05-01T25:00",
        "2020-05-01T12",
        "2020-05-01T12:00:xx",
        "é",
    ] {
        assert_eq!(parsed(wrong), None, "{wrong}");
    }
}

#[test]
fn places_are_places() {
    assert_eq!(
        Point::new(48.858_222, -2.2945)
            .map(|p| p.to_string())
            .as_deref(),
        Some("48.858222, -2.294500")
    );
    for (latitude, longitude) in [
        (0.0, 0.0),
        (91.0, 0.0),
        (0.0, -181.0),
        (f64::NAN, 1.0),
        (1.0, f64::INFINITY),
    ] {
        assert_eq!(Point::new(latitude, longitude), None);
    }
    let point = fixture("date-gps.jpg").and_then(|facts| facts.point);
    assert_eq!(point, Point::new(39.0, -108.0));
}
