//! Sets of byte ranges.

use crate::source::range::ByteRange;

/// The bytes of an object, as sorted ranges that neither touch nor overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RangeSet(Vec<ByteRange>);

impl RangeSet {
    /// Adds a range and returns the number of bytes that the set did not contain before.
    pub(crate) fn insert(&mut self, range: ByteRange) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let first = self.0.partition_point(|old| old.end() < range.start());
        let last = self.0.partition_point(|old| old.start() <= range.end());
        let touched = &self.0[first..last];
        let before: u64 = touched.iter().map(|old| old.len()).sum();
        let merged = ByteRange::new(
            touched.first().map_or(range.start(), |old| old.start().min(range.start())),
            touched.last().map_or(range.end(), |old| old.end().max(range.end())),
        );
        self.0.splice(first..last, [merged]);
        merged.len() - before
    }

    /// Returns the parts of a range that the set does not contain, in order.
    pub(crate) fn missing(&self, range: ByteRange) -> Vec<ByteRange> {
        let mut gaps = Vec::new();
        let mut at = range.start();
        let first = self.0.partition_point(|old| old.end() <= range.start());
        for old in self.0[first..].iter().take_while(|old| old.start() < range.end()) {
            if old.start() > at {
                gaps.push(ByteRange::new(at, old.start()));
            }
            at = old.end();
        }
        if at < range.end() {
            gaps.push(ByteRange::new(at, range.end()));
        }
        gaps
    }

    /// Returns the last range that has bytes in common with `range`.
    pub(crate) fn last_within(&self, range: ByteRange) -> Option<ByteRange> {
        let before_end = self.0.partition_point(|old| old.start() < range.end());
        self.0[..before_end].last().copied().filter(|last| last.end() > range.start() && !range.is_empty())
    }

    /// Returns the ranges, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ByteRange> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<ByteRange> for RangeSet {
    fn from_iter<I: IntoIterator<Item = ByteRange>>(ranges: I) -> Self {
        let mut set = Self::default();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_of_ranges_is_a_set_of_bytes(
            ranges in prop::collection::vec((0_u64..60, 0_u64..20), 0..12), start in 0_u64..60, length in 0_u64..30,
        ) {
            let mut set = RangeSet::default();
            let mut bytes = [false; 100];
            for (start, length) in ranges {
                let new = (start..start + length).filter(|&at| !bytes[usize::try_from(at).unwrap()]).count();
                prop_assert_eq!(set.insert(ByteRange::new(start, start + length)), new as u64);
                for at in start..start + length {
                    bytes[usize::try_from(at).unwrap()] = true;
                }
            }
            let all: Vec<_> = set.iter().collect();
            prop_assert!(all.windows(2).all(|pair| pair[0].end() < pair[1].start()));
            let range = ByteRange::new(start, start + length);
            let missing = set.missing(range);
            for at in start..start + length {
                let is_missing = missing.iter().any(|gap| gap.contains(at));
                prop_assert_eq!(is_missing, !bytes[usize::try_from(at).unwrap()]);
            }
            let last = (start..start + length).rev().find(|&at| bytes[usize::try_from(at).unwrap()]);
            prop_assert_eq!(set.last_within(range).map(|last| last.end().min(range.end())), last.map(|last| last + 1));
        }
    }
}
