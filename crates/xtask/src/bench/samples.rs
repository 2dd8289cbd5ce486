//! Counts of many calls, by what was called, in the order in which each was first called.

use super::record::Count;

/// Counts, and for each the name of the call.
#[derive(Default)]
pub struct Samples(Vec<(String, Vec<u64>)>);

impl Samples {
    /// Adds the count of one call.
    pub fn add(&mut self, call: &str, instructions: u64) {
        match self.0.iter_mut().find(|(name, _)| name == call) {
            Some((_, counts)) => counts.push(instructions),
            None => self.0.push((call.to_owned(), vec![instructions])),
        }
    }

    /// Adds the counts of another vault.
    pub fn merge(&mut self, other: Self) {
        for (call, counts) in other.0 {
            for count in counts {
                self.add(&call, count);
            }
        }
    }

    /// The mean of each call's counts: what it costs in the long run, split nodes of trees and all.
    pub fn means(self, memories: u32) -> Vec<Count> {
        let count = |(call, counts): (String, Vec<u64>)| Count {
            call,
            memories,
            // Never empty: an entry is made with its first count.
            instructions: counts.iter().sum::<u64>() / counts.len().max(1) as u64,
        };
        self.0.into_iter().map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_keep_the_order_of_the_first_calls() {
        let mut samples = Samples::default();
        samples.add("b", 1);
        samples.add("a", 10);
        samples.add("b", 4);
        let means: Vec<(String, u64)> = samples
            .means(7)
            .into_iter()
            .map(|c| (c.call, c.instructions))
            .collect();
        assert_eq!(means, [("b".to_owned(), 2), ("a".to_owned(), 10)]);
    }
}
