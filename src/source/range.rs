//! Byte ranges: arithmetic, and the two headers that contain them (RFC 9110, sections 14.1 to 14.4).

use std::fmt;
use std::ops::Range;

/// The bytes of an object from `start` (inclusive) to `end` (exclusive). `start` is never greater than `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// Creates the range from `start` (inclusive) to `end` (exclusive). The range is empty if `end` is less
    /// than `start`.
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start, end: if end > start { end } else { start } }
    }

    /// Returns the offset of the first byte.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Returns the offset after the last byte.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Returns the number of bytes.
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Returns whether the range is empty.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Returns whether the range contains the byte at `offset`.
    pub const fn contains(self, offset: u64) -> bool {
        self.start <= offset && offset < self.end
    }

    /// Returns the part of the range that lies within an object of `size` bytes.
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
    /// Formats the range as in `Content-Range`: first and last byte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end.saturating_sub(1))
    }
}

/// The bytes that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeRequest {
    /// These bytes, or as many of them as exist.
    Bounded(ByteRange),
    /// The last bytes: this number, or all if the object has fewer. The size need not be known.
    Suffix(u64),
}

impl RangeRequest {
    /// Returns the bytes that this request selects in an object of `size` bytes.
    #[must_use]
    pub const fn resolve(self, size: u64) -> ByteRange {
        match self {
            Self::Bounded(range) => range.clipped(size),
            Self::Suffix(length) => ByteRange::new(size.saturating_sub(length), size),
        }
    }
}

impl fmt::Display for RangeRequest {
    /// Formats the value of a `Range` header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounded(range) => write!(f, "bytes={range}"),
            Self::Suffix(length) => write!(f, "bytes=-{length}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(RangeRequest::Bounded(ByteRange::new(0, 100)).to_string(), "bytes=0-99");
        assert_eq!(RangeRequest::Suffix(7).to_string(), "bytes=-7");
        assert_eq!(RangeRequest::Suffix(7).resolve(5), ByteRange::new(0, 5));
        assert_eq!(RangeRequest::Bounded(ByteRange::new(3, 9)).resolve(5), ByteRange::new(3, 5));
    }
}
