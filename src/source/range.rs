//! Byte ranges: arithmetic, and the two headers that carry them (RFC 9110, sections 14.1 to 14.4).

use std::fmt;
use std::ops::Range;

/// Bytes of an object from `start` up to, not including, `end`. Never reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// The bytes from `start` to before `end`; none when `end` comes first.
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start, end: if end > start { end } else { start } }
    }

    /// The first byte.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The byte behind the last one.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Number of bytes.
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether there is no byte in it.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether the byte at `offset` is in it.
    pub const fn contains(self, offset: u64) -> bool {
        self.start <= offset && offset < self.end
    }

    /// The part that lies within an object of `size` bytes.
    #[must_use]
    pub const fn clipped(self, size: u64) -> Self {
        let end = if self.end < size { self.end } else { size };
        Self::new(self.start, end)
    }
}

impl From<Range<u64>> for ByteRange {
    fn from(range: Range<u64>) -> Self {
        Self::new(range.start, range.end)
    }
}

impl fmt::Display for ByteRange {
    /// As in `Content-Range`: first and last byte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end.saturating_sub(1))
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeRequest {
    /// These bytes, or as many of them as there are.
    Bounded(ByteRange),
    /// The last bytes, this many, or all if there are fewer. The size need not be known.
    Suffix(u64),
}

impl RangeRequest {
    /// The bytes this asks for of an object of `size` bytes.
    #[must_use]
    pub const fn of(self, size: u64) -> ByteRange {
        match self {
            Self::Bounded(range) => range.clipped(size),
            Self::Suffix(length) => ByteRange::new(size.saturating_sub(length), size),
        }
    }
}

impl fmt::Display for RangeRequest {
    /// The value of a `Range` header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounded(range) => write!(f, "bytes={range}"),
            Self::Suffix(length) => write!(f, "bytes=-{length}"),
        }
    }
}

/// Reads `Content-Range: bytes first-last/size`. A reply without a size tells too little to go by.
#[cfg(feature = "remote")]
pub(crate) fn parse_content_range(value: &str) -> Option<(ByteRange, u64)> {
    let (range, size) = value.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (number(first)?, number(last)?, number(size)?);
    (first <= last && last < size).then(|| (ByteRange::new(first, last + 1), size))
}

/// Digits only: `parse` would take a sign.
#[cfg(feature = "remote")]
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Bytes of an object, as ranges in order that neither touch nor overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RangeSet(Vec<ByteRange>);

impl RangeSet {
    /// Adds a range; the number of bytes that were not there before.
    pub(crate) fn insert(&mut self, range: ByteRange) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let first = self.0.partition_point(|old| old.end < range.start);
        let last = self.0.partition_point(|old| old.start <= range.end);
        let touched = &self.0[first..last];
        let before: u64 = touched.iter().map(|old| old.len()).sum();
        let merged = ByteRange::new(
            touched.first().map_or(range.start, |old| old.start.min(range.start)),
            touched.last().map_or(range.end, |old| old.end.max(range.end)),
        );
        self.0.splice(first..last, [merged]);
        merged.len() - before
    }

    /// What is not there of a range, in order.
    pub(crate) fn missing(&self, range: ByteRange) -> Vec<ByteRange> {
        let mut gaps = Vec::new();
        let mut at = range.start;
        let first = self.0.partition_point(|old| old.end <= range.start);
        for old in self.0[first..].iter().take_while(|old| old.start < range.end) {
            if old.start > at {
                gaps.push(ByteRange::new(at, old.start));
            }
            at = old.end;
        }
        if at < range.end {
            gaps.push(ByteRange::new(at, range.end));
        }
        gaps
    }

    /// The ranges, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ByteRange> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers() {
        assert_eq!(RangeRequest::Bounded(ByteRange::new(0, 100)).to_string(), "bytes=0-99");
        assert_eq!(RangeRequest::Suffix(7).to_string(), "bytes=-7");
        assert_eq!(RangeRequest::Suffix(7).of(5), ByteRange::new(0, 5));
        assert_eq!(RangeRequest::Bounded(ByteRange::new(3, 9)).of(5), ByteRange::new(3, 5));
    }

    #[cfg(feature = "remote")]
    #[test]
    fn content_ranges() {
        assert_eq!(parse_content_range("bytes 0-99/1000"), Some((ByteRange::new(0, 100), 1000)));
        let wrong = [
            "",
            "bytes */1000",
            "bytes 0-99/*",
            "bytes 9-5/1000",
            "bytes 0-1000/1000",
            "bytes +0-1/9",
            "items 0-1/9",
            "bytes 0-99999999999999999999/999999999999999999999",
        ];
        for value in wrong {
            assert_eq!(parse_content_range(value), None, "{value}");
        }
    }

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
        }
    }
}
