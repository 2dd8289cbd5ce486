//! Which bytes a request asks for (RFC 9110, section 14).

/// What is to be sent of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    /// From the first to the last byte, both included, both within the content.
    Part {
        first: u64,
        last: u64,
    },
    /// The range lies behind the end.
    Nothing,
}

/// What the value of a `Range` header asks for of `len` bytes. What is not one range of bytes is not looked at, as the specification allows
/// (section 14.2): the whole is sent.
pub fn wanted(range: Option<&str>, len: u64) -> Wanted {
    let Some(range) = range else {
        return Wanted::Whole;
    };
    let Some((unit, range)) = range.split_once('=') else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Wanted::Whole,
        (Some(first), _) if first >= len => match last.is_empty() || number(last).is_some() {
            true => Wanted::Nothing,
            false => Wanted::Whole,
        },
        (Some(first), Some(last)) => Wanted::Part {
            first,
            last: last.min(len - 1),
        },
        (Some(first), None) if last.is_empty() => Wanted::Part {
            first,
            last: len - 1,
        },
        // The last so many bytes.
        (None, Some(count)) if first.is_empty() => match count.min(len) {
            0 => Wanted::Nothing,
            count => Wanted::Part {
                first: len - count,
                last: len - 1,
            },
        },
        _ => Wanted::Whole,
    }
}

/// A number in decimal digits; one too large for any content stands for the largest. `None` for anything else.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_specification_has_them() {
        let part = |first, last| Wanted::Part { first, last };
        for (range, len, expected) in [
            ("bytes=0-0", 10, part(0, 0)),
            ("bytes=2-5", 10, part(2, 5)),
            ("Bytes = 2-5", 10, part(2, 5)),
            ("bytes=2-", 10, part(2, 9)),
            ("bytes=2-99", 10, part(2, 9)),
            ("bytes=9-99999999999999999999999", 10, part(9, 9)),
            ("bytes=-3", 10, part(7, 9)),
            ("bytes=-30", 10, part(0, 9)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=10-20", 10, Wanted::Nothing),
            ("bytes=99999999999999999999999-", 10, Wanted::Nothing),
            ("bytes=-0", 10, Wanted::Nothing),
            ("bytes=0-", 0, Wanted::Nothing),
            ("bytes=-1", 0, Wanted::Nothing),
            ("bytes=5-2", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=20-,3-4", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("bytes=+1-2", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("bytes", 10, Wanted::Whole),
            ("items=0-1", 10, Wanted::Whole),
            ("", 10, Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(range), len), expected, "{range} of {len}");
        }
        assert_eq!(wanted(None, 10), Wanted::Whole);
    }
}
