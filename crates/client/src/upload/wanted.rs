//! Which chunks of an upload have to travel.

use std::{collections::VecDeque, ops::RangeInclusive};

/// A set of chunk indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted(VecDeque<RangeInclusive<u32>>);

impl Wanted {
    /// All of `chunks` chunks.
    pub fn all(chunks: u32) -> Self {
        match chunks.checked_sub(1) {
            Some(last) => Wanted(VecDeque::from([0..=last])),
            None => Wanted::none(),
        }
    }

    /// No chunk.
    pub fn none() -> Self {
        Wanted(VecDeque::new())
    }

    /// Whether it is one of them.
    pub fn contains(&self, index: u32) -> bool {
        self.0.iter().any(|range| range.contains(&index))
    }

    /// Parses `chunk_missing: 3,7-9`. `None` for any other text; all chunks where the list is there but not
    /// understood; what lies beyond `chunks` is left out.
    pub fn from_error(text: &str, chunks: u32) -> Option<Self> {
        let list = text
            .strip_prefix("chunk_missing")?
            .trim_start_matches([':', ' ']);
        let last = chunks.checked_sub(1)?;
        let mut ranges: VecDeque<RangeInclusive<u32>> = VecDeque::new();
        for part in list.split(',') {
            // The vault shortens a long list; beyond it anything may be missing.
            let Some(range) = parse_range(part.trim()) else {
                let after = ranges
                    .back()
                    .map_or(0, |range| range.end().saturating_add(1));
                if after <= last {
                    ranges.push_back(after..=last);
                }
                break;
            };
            if *range.start() > last {
                continue;
            }
            let range = *range.start()..=(*range.end()).min(last);
            match ranges.back_mut() {
                Some(before) if before.end().checked_add(1) == Some(*range.start()) => {
                    *before = *before.start()..=*range.end();
                }
                _ => ranges.push_back(range),
            }
        }
        Some(if ranges.is_empty() {
            Wanted::all(chunks)
        } else {
            Wanted(ranges)
        })
    }
}

fn parse_range(text: &str) -> Option<RangeInclusive<u32>> {
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    (start <= end).then_some(start..=end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_missing_chunks() {
        let parse = |text: &str| Wanted::from_error(text, 10).map(|w| Vec::from(w.0));
        assert_eq!(parse("chunk_missing: 3,7-9"), Some(vec![3..=3, 7..=9]));
        assert_eq!(parse("chunk_missing: 0-9"), Some(vec![0..=9]));
        assert_eq!(parse("chunk_missing: 1,2,3"), Some(vec![1..=3]));
        assert_eq!(
            parse("chunk_missing: 3,7,…"),
            Some(vec![3..=3, 7..=7, 8..=9])
        );
        assert_eq!(parse("chunk_missing: 9,…"), Some(vec![9..=9]));
        assert_eq!(parse("chunk_missing: 8-99,200"), Some(vec![8..=9]));
        // Not understood: better too many than too few.
        assert_eq!(parse("chunk_missing"), Some(vec![0..=9]));
        assert_eq!(parse("chunk_missing: 9-3"), Some(vec![0..=9]));
        assert_eq!(parse("chunk_missing: 4294967296"), Some(vec![0..=9]));
        assert_eq!(parse("hash_mismatch: chunk_missing"), None);
        assert_eq!(parse(""), None);
    }
}
