//! Dates as people type them: a year, a month, a day, or a time in RFC 3339. All are UTC where they do not say otherwise.

use time::{
    Date, Month, OffsetDateTime, format_description::well_known::Rfc3339,
    macros::format_description,
};

/// What a date on the command line covers, in nanoseconds since 1970 UTC: from its beginning to before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub begin: u64,
    pub end: u64,
}

/// Reads `2020`, `2020-05`, `2020-05-01`, or `2020-05-01T12:33:22Z`, which covers only itself. For clap: the error is a
/// sentence.
pub fn parse(text: &str) -> Result<Span, String> {
    span(text).ok_or_else(|| {
        "write 2020, 2020-05, 2020-05-01 or 2020-05-01T12:33:22Z, between 1970 and 2500".to_owned()
    })
}

fn span(text: &str) -> Option<Span> {
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        let at = nanos(at)?;
        return Some(Span { begin: at, end: at });
    }
    let (first, next) = match text.len() {
        4 => {
            let year = number(text)?;
            (day(year, 1, 1)?, day(year + 1, 1, 1)?)
        }
        7 => {
            let (year, month) = text.split_once('-')?;
            let (year, month) = (number(year)?, u8::try_from(number(month)?).ok()?);
            let next = if month == 12 {
                day(year + 1, 1, 1)?
            } else {
                day(year, month + 1, 1)?
            };
            (day(year, month, 1)?, next)
        }
        10 => {
            let first = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
            (first, first.next_day()?)
        }
        _ => return None,
    };
    Some(Span {
        begin: nanos(first.midnight().assume_utc())?,
        end: nanos(next.midnight().assume_utc())?,
    })
}

/// Digits and nothing else.
fn number(text: &str) -> Option<i32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn day(year: i32, month: u8, day: u8) -> Option<Date> {
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

fn nanos(at: OffsetDateTime) -> Option<u64> {
    u64::try_from(at.unix_timestamp_nanos()).ok()
}

/// Year and month of a time in nanoseconds since 1970 UTC.
pub fn year_and_month(nanos: u64) -> (i32, u8) {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos))
        .map_or((1970, 1), |at| (at.year(), at.month().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000_000_000;

    #[test]
    fn a_date_covers_what_it_says() {
        let may = parse("2020-05").unwrap();
        let first = parse("2020-05-01").unwrap();
        assert_eq!(first.begin, 1_588_291_200_000_000_000);
        assert_eq!(first.end - first.begin, DAY);
        assert_eq!((may.begin, may.end - may.begin), (first.begin, 31 * DAY));
        assert_eq!(parse("2020-12").unwrap().end, parse("2020").unwrap().end);
        let year = parse("2020").unwrap();
        assert_eq!(year.end - year.begin, 366 * DAY);
        let at = parse("2020-05-01T02:00:00+02:00").unwrap();
        assert_eq!((at.begin, at.end), (first.begin, first.begin));
        assert_eq!(year_and_month(may.begin), (2020, 5));
        assert_eq!(year_and_month(may.begin - 1), (2020, 4));
    }

    #[test]
    fn what_is_no_date_is_told() {
        for text in [
            "",
            "today",
            "20",
            "202o",
            "+202",
            "2020-13",
            "2020-00",
            "2020-5-1",
            "2020-02-30",
            "1969",
            "9999",
            "2020-05-01 12:00",
            "-2020-05-0",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
