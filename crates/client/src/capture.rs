//! When a picture was taken, and which way is up.
//!
//! The time comes from EXIF with its offset; else from EXIF and the GPS clock, which together give the offset;
//! else from EXIF read as UTC; else from what a sidecar says; else from the file's name; else from the file's time. Which of
//! these it was is recorded ([`TimeSource`]). The place is taken over into the memory's metadata only where that was asked for:
//! whoever may see a memory's metadata need not be allowed to see its original.

use std::{
    fs::File,
    io::{BufReader, Seek},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use exif::{Exif, In, Tag, Value};
use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// A TIFF is read whole by the EXIF reader; longer ones (bytes) are not looked into.
const LONGEST_TIFF: u64 = 256 * 1024 * 1024;

/// Where a capture time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// EXIF, with its UTC offset.
    Exif,
    /// EXIF without an offset; the GPS clock of the same picture gives it.
    ExifGps,
    /// EXIF without any offset: read as UTC, so that it may be off by half a day.
    ExifLocal,
    /// Earlier than 1970, which the interface cannot express: given as 1970-01-01.
    Before1970,
    /// Google Takeout's description of the photo.
    Takeout,
    /// An XMP sidecar, with its UTC offset.
    Xmp,
    /// An XMP sidecar without an offset: read as UTC.
    XmpLocal,
    /// The file's name; read as UTC.
    FileName,
    /// The file's time of last modification.
    FileTime,
}

impl TimeSource {
    /// The tag by which the source is recorded on the original asset.
    pub fn tag(self) -> &'static str {
        match self {
            TimeSource::Exif => "capture-time:exif",
            TimeSource::ExifGps => "capture-time:exif-gps",
            TimeSource::ExifLocal => "capture-time:exif-local",
            TimeSource::Before1970 => "capture-time:before-1970",
            TimeSource::Takeout => "capture-time:google-takeout",
            TimeSource::Xmp => "capture-time:xmp",
            TimeSource::XmpLocal => "capture-time:xmp-local",
            TimeSource::FileName => "capture-time:file-name",
            TimeSource::FileTime => "capture-time:file-time",
        }
    }
}

/// A capture time in nanoseconds since 1970 UTC, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureTime {
    pub nanos: u64,
    pub source: TimeSource,
}

impl CaptureTime {
    /// The time `seconds` and `nanos` after 1970 UTC; [`TimeSource::Before1970`] where that is before. `None` beyond what fits.
    pub(crate) fn at(seconds: i64, nanos: u32, source: TimeSource) -> Option<Self> {
        if seconds < 0 || (seconds == 0 && nanos == 0) {
            // 1 and not 0, which means "not given" elsewhere in the interface.
            return Some(CaptureTime {
                nanos: 1,
                source: TimeSource::Before1970,
            });
        }
        let nanos = u64::try_from(seconds)
            .ok()?
            .checked_mul(1_000_000_000)?
            .checked_add(u64::from(nanos))?;
        Some(CaptureTime { nanos, source })
    }
}

/// A place on the earth, in millionths of a degree: north and east are positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    latitude: i32,
    longitude: i32,
}

impl Point {
    /// `None` for what is no place, and for 0, 0, which programs write when they know none.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let millionths = |degrees: f64, most: f64| {
            // NaN is in no range; at most 180 million fits.
            (-most..=most)
                .contains(&degrees)
                .then(|| (degrees * 1e6).round() as i32)
        };
        let point = Point {
            latitude: millionths(latitude, 90.0)?,
            longitude: millionths(longitude, 180.0)?,
        };
        (point.latitude != 0 || point.longitude != 0).then_some(point)
    }
}

impl std::fmt::Display for Point {
    /// Degrees of latitude and longitude: `48.858222, -2.294500`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let degrees = |millionths: i32| f64::from(millionths) / 1e6;
        write!(
            f,
            "{:.6}, {:.6}",
            degrees(self.latitude),
            degrees(self.longitude)
        )
    }
}

/// What is read from EXIF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExifFacts {
    /// 1 to 8; `None` where EXIF says nothing or nonsense.
    pub orientation: Option<u8>,
    /// As the camera's clock showed it.
    pub local: Option<PrimitiveDateTime>,
    pub offset: Option<UtcOffset>,
    /// The GPS clock, UTC.
    pub gps: Option<PrimitiveDateTime>,
    /// Where the picture was taken.
    pub point: Option<Point>,
}

/// Reads EXIF from a file (JPEG, TIFF, PNG, WebP, HEIF). `None` where there is none, or it is unreadable:
/// damaged EXIF costs what it says, never the file. Blocking.
pub fn read_exif(file: &File) -> Option<ExifFacts> {
    Some(facts(&exif_of(file)?))
}

/// The same, as the reader has it. Blocking.
pub(crate) fn exif_of(file: &File) -> Option<Exif> {
    let len = file.metadata().ok()?.len();
    let mut reader = BufReader::new(file);
    catch_unwind(AssertUnwindSafe(|| {
        reader.rewind().ok()?;
        let mut magic = [0; 4];
        let tiff = std::io::Read::read_exact(&mut reader, &mut magic).is_ok()
            && (magic == *b"II*\0" || magic == *b"MM\0*");
        if tiff && len > LONGEST_TIFF {
            return None;
        }
        reader.rewind().ok()?;
        exif::Reader::new()
            .continue_on_error(true)
            .read_from_container(&mut reader)
            .or_else(|e| e.distill_partial_result(|_| {}))
            .ok()
    }))
    .ok()?
}

fn facts(exif: &Exif) -> ExifFacts {
    let text = |tag: Tag| match exif.get_field(tag, In::PRIMARY).map(|f| &f.value) {
        Some(Value::Ascii(parts)) => parts
            .first()
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .map(|s| s.trim_matches(['\0', ' '])),
        _ => None,
    };
    // The moment of exposure first, then of digitisation, then of the file.
    let (local, offset) = [
        (
            Tag::DateTimeOriginal,
            Tag::SubSecTimeOriginal,
            Tag::OffsetTimeOriginal,
        ),
        (
            Tag::DateTimeDigitized,
            Tag::SubSecTimeDigitized,
            Tag::OffsetTimeDigitized,
        ),
        (Tag::DateTime, Tag::SubSecTime, Tag::OffsetTime),
    ]
    .into_iter()
    .find_map(|(time, fraction, offset)| {
        let whole = parse_exif_time(text(time)?)?;
        let nanos = text(fraction).and_then(parse_fraction).unwrap_or(0);
        let local = whole.replace_nanosecond(nanos).unwrap_or(whole);
        Some((local, text(offset).and_then(parse_offset)))
    })
    .map_or((None, None), |(local, offset)| (Some(local), offset));
    ExifFacts {
        orientation: exif
            .get_field(Tag::Orientation, In::PRIMARY)
            .and_then(|f| f.value.get_uint(0))
            .and_then(|n| u8::try_from(n).ok())
            .filter(|n| (1..=8).contains(n)),
        local,
        offset,
        gps: gps_time(exif),
        point: gps_point(exif),
    }
}

fn gps_point(exif: &Exif) -> Option<Point> {
    let degrees = |value: Tag, reference: Tag, negative: u8| {
        let Value::Rational(parts) = &exif.get_field(value, In::PRIMARY)?.value else {
            return None;
        };
        let part = |i: usize| parts.get(i).map_or(0.0, exif::Rational::to_f64);
        let degrees = part(0) + part(1) / 60.0 + part(2) / 3600.0;
        let Value::Ascii(direction) = &exif.get_field(reference, In::PRIMARY)?.value else {
            return None;
        };
        let is_negative = direction.first()?.first()?.eq_ignore_ascii_case(&negative);
        Some(if is_negative { -degrees } else { degrees })
    };
    Point::new(
        degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S')?,
        degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W')?,
    )
}

fn gps_time(exif: &Exif) -> Option<PrimitiveDateTime> {
    let date = match &exif.get_field(Tag::GPSDateStamp, In::PRIMARY)?.value {
        Value::Ascii(parts) => std::str::from_utf8(parts.first()?).ok()?,
        _ => return None,
    };
    let clock = match &exif.get_field(Tag::GPSTimeStamp, In::PRIMARY)?.value {
        Value::Rational(parts) => parts,
        _ => return None,
    };
    let part = |i: usize| {
        let value = clock.get(i)?.to_f64();
        (value.is_finite() && (0.0..=60.0).contains(&value)).then_some(value as u8)
    };
    let mut fields = date.trim_matches(['\0', ' ']).splitn(3, [':', '-', '/']);
    let date = calendar_date(
        fields.next()?.parse().ok()?,
        fields.next()?.parse().ok()?,
        fields.next()?.parse().ok()?,
    )?;
    Some(date.with_time(Time::from_hms(part(0)?, part(1)?, part(2)?.min(59)).ok()?))
}

/// When the file called `name`, last modified at `modified`, was made; `told` is what a sidecar says. `None` only where nothing is
/// known: no usable EXIF, no sidecar, no date in the name, no file time after 1970.
pub fn capture_time(
    exif: Option<&ExifFacts>,
    told: Option<CaptureTime>,
    name: &Path,
    modified: Option<SystemTime>,
) -> Option<CaptureTime> {
    exif.and_then(from_exif)
        .or(told)
        .or_else(|| from_name(&name.file_stem()?.to_string_lossy()))
        .or_else(|| {
            Some(CaptureTime {
                nanos: file_time(modified?)?,
                source: TimeSource::FileTime,
            })
        })
}

fn from_exif(facts: &ExifFacts) -> Option<CaptureTime> {
    let local = facts.local?;
    let (offset, source) = match (facts.offset, facts.gps) {
        (Some(offset), _) => (offset, TimeSource::Exif),
        (None, Some(gps)) => match offset_between(local, gps) {
            Some(offset) => (offset, TimeSource::ExifGps),
            None => (UtcOffset::UTC, TimeSource::ExifLocal),
        },
        (None, None) => (UtcOffset::UTC, TimeSource::ExifLocal),
    };
    let at = local.assume_offset(offset);
    CaptureTime::at(at.unix_timestamp(), at.nanosecond(), source)
}

/// The UTC offset by which a camera's clock differs from the GPS clock: a multiple of 15 minutes within 14
/// hours, with the clocks at most 2 minutes apart beyond it; otherwise one of them is not to be trusted.
fn offset_between(local: PrimitiveDateTime, gps: PrimitiveDateTime) -> Option<UtcOffset> {
    let seconds = (local.replace_nanosecond(0).ok()? - gps).whole_seconds();
    let quarters = (seconds as f64 / 900.0).round() as i64;
    let offset = quarters * 900;
    ((seconds - offset).abs() <= 120 && offset.abs() <= 14 * 3600)
        .then(|| UtcOffset::from_whole_seconds(i32::try_from(offset).ok()?).ok())?
}

/// `YYYY:MM:DD HH:MM:SS` (EXIF 2.32, 4.6.5 D); other separators are seen in the wild.
fn parse_exif_time(text: &str) -> Option<PrimitiveDateTime> {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|s| !s.is_empty())
        .map(|s| s.parse::<u16>().ok());
    let mut next = || numbers.next()?;
    let date = calendar_date(next()?, next()?, next()?)?;
    let time = clock_time(next()?, next()?, next().unwrap_or(0))?;
    Some(date.with_time(time))
}

/// A date as in ISO 8601, whose time, or month and day, may be missing, and its UTC offset where it has one.
pub(crate) fn parse_iso_time(text: &str) -> Option<(PrimitiveDateTime, Option<UtcOffset>)> {
    let text = text.trim();
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut numbers = date.splitn(3, '-').map(|part| part.parse::<u16>().ok());
    let mut next = |missing: u16| numbers.next().unwrap_or(Some(missing));
    let date = calendar_date(next(0)?, next(1)?, next(1)?)?;
    let (clock, offset) = match clock.find(['Z', '+', '-']) {
        Some(at) => (&clock[..at], Some(parse_offset(&clock[at..])?)),
        None => (clock, None),
    };
    let mut parts = clock.splitn(3, ':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok()?;
    let (second, fraction) = match parts.next() {
        Some(second) => second.split_once('.').unwrap_or((second, "")),
        None => ("0", ""),
    };
    let time = clock_time(hour, minute, second.parse().ok()?)?;
    let nanos = parse_fraction(fraction).unwrap_or(0);
    Some((
        date.with_time(time.replace_nanosecond(nanos).unwrap_or(time)),
        offset,
    ))
}

/// Digits after the decimal point of a second, as nanoseconds.
fn parse_fraction(text: &str) -> Option<u32> {
    let digits: &str = text.get(..text.len().min(9))?;
    let value: u32 = digits.parse().ok()?;
    let missing = 9 - u32::try_from(digits.len()).ok()?;
    value.checked_mul(10u32.pow(missing))
}

/// `+HH:MM`, `-HH:MM` or `Z` (EXIF 2.31, OffsetTime).
fn parse_offset(text: &str) -> Option<UtcOffset> {
    if text == "Z" {
        return Some(UtcOffset::UTC);
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, text.get(1..)?),
        b'-' => (-1, text.get(1..)?),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None => (rest.get(..2)?, rest.get(2..)?),
    };
    let hours: i8 = hours.parse().ok().filter(|h| (0..=14).contains(h))?;
    let minutes: i8 = minutes.parse().ok().filter(|m| (0..=59).contains(m))?;
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

/// A date, with a time where one follows, as cameras, phones and messengers put it into file names:
/// `IMG_20190713_120312`, `2020-05-01 12.33.22`, `Screenshot 2020-05-01 at 12.33.22`, `IMG-20190713-WA0001`.
fn from_name(stem: &str) -> Option<CaptureTime> {
    let bytes = stem.as_bytes();
    (0..bytes.len()).find_map(|start| {
        if start > 0 && bytes[start - 1].is_ascii_digit() {
            return None;
        }
        let (date, after) = date_at(bytes, start)?;
        let time = time_after(bytes, after);
        // Eight digits followed by more digits are some other number, unless these are the time.
        if time.is_none() && bytes.get(after).is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let at = date.with_time(time.unwrap_or(Time::MIDNIGHT)).assume_utc();
        Some(CaptureTime {
            nanos: u64::try_from(at.unix_timestamp_nanos()).ok()?,
            source: TimeSource::FileName,
        })
    })
}

fn date_at(bytes: &[u8], start: usize) -> Option<(Date, usize)> {
    let year = digits(bytes, start, 4)?;
    let (month_at, separator) = skip_separator(bytes, start + 4);
    let month = digits(bytes, month_at, 2)?;
    let (day_at, second) = skip_separator(bytes, month_at + 2);
    if separator != second || !(1970..=2199).contains(&year) {
        return None;
    }
    let day = digits(bytes, day_at, 2)?;
    Some((calendar_date(year, month, day)?, day_at + 2))
}

/// A clock time at most four characters, none of them a digit, after the date.
fn time_after(bytes: &[u8], after: usize) -> Option<Time> {
    let gap = bytes
        .get(after..)?
        .iter()
        .take_while(|b| !b.is_ascii_digit())
        .count();
    if gap > 4 {
        return None;
    }
    let start = after + gap;
    let hour = digits(bytes, start, 2)?;
    let (minute_at, separator) = skip_separator(bytes, start + 2);
    let minute = digits(bytes, minute_at, 2)?;
    let (second_at, second_separator) = skip_separator(bytes, minute_at + 2);
    if separator != second_separator {
        return None;
    }
    clock_time(hour, minute, digits(bytes, second_at, 2)?)
}

fn skip_separator(bytes: &[u8], at: usize) -> (usize, Option<u8>) {
    match bytes.get(at) {
        Some(&b @ (b'-' | b'_' | b'.' | b':')) => (at + 1, Some(b)),
        _ => (at, None),
    }
}

fn digits(bytes: &[u8], start: usize, count: usize) -> Option<u16> {
    let part = bytes.get(start..start + count)?;
    if !part.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(part).ok()?.parse().ok()
}

fn calendar_date(year: u16, month: u16, day: u16) -> Option<Date> {
    if !(1800..=2199).contains(&year) {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}

/// A leap second is given as the second before it.
fn clock_time(hour: u16, minute: u16, second: u16) -> Option<Time> {
    let second = if second == 60 { 59 } else { second };
    Time::from_hms(
        u8::try_from(hour).ok()?,
        u8::try_from(minute).ok()?,
        u8::try_from(second).ok()?,
    )
    .ok()
}

/// A file's time in nanoseconds since 1970 UTC; `None` before that.
pub fn file_time(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

#[cfg(test)]
mod tests;
