//! The parts of HTTP headers and errors that several sources share.

use super::{ByteRange, Identity, RangeRequest, SourceError};

/// Rejects an empty range, which no header can express: `bytes=5-4` is invalid, and servers then send the whole
/// object.
pub(super) fn check_not_empty(range: RangeRequest) -> Result<(), SourceError> {
    if range.resolve(u64::MAX).is_empty() { Err(SourceError::NotSatisfiable { range }) } else { Ok(()) }
}

/// Interprets 416 (Range Not Satisfiable). Every object has a first and a last byte, except an empty one.
pub(super) fn not_satisfiable(range: RangeRequest, content_range: Option<&str>) -> SourceError {
    let says_empty = content_range.is_some_and(|value| value.trim() == "bytes */0");
    let asks_for_an_end = match range {
        RangeRequest::Bounded(range) => range.start() == 0,
        RangeRequest::Suffix(_) => true,
    };
    if says_empty || asks_for_an_end { SourceError::Empty } else { SourceError::NotSatisfiable { range } }
}

/// Returns the ETag that `If-Match` can carry. A weak ETag never matches (RFC 9110, section 13.1.1).
pub(super) fn strong_etag(identity: &Identity) -> Option<&str> {
    identity.etag.as_deref().filter(|etag| !etag.starts_with("W/"))
}

/// Parses `Content-Range: bytes first-last/size`. A reply without a size does not contain enough to check it.
pub(super) fn parse_content_range(value: &str) -> Option<(ByteRange, u64)> {
    let (range, size) = value.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (number(first)?, number(last)?, number(size)?);
    (first <= last && last < size).then(|| (ByteRange::new(first, last + 1), size))
}

/// Parses digits only: `parse` would accept a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn only_the_empty_object_has_no_first_and_no_last_byte() {
        let middle = RangeRequest::Bounded(ByteRange::new(5, 9));
        assert_eq!(not_satisfiable(middle, None), SourceError::NotSatisfiable { range: middle });
        let other = not_satisfiable(middle, Some("bytes */3"));
        assert_eq!(other, SourceError::NotSatisfiable { range: middle });
        assert_eq!(not_satisfiable(middle, Some("bytes */0")), SourceError::Empty);
        assert_eq!(not_satisfiable(RangeRequest::Suffix(5), None), SourceError::Empty);
        let start = RangeRequest::Bounded(ByteRange::new(0, 9));
        assert_eq!(not_satisfiable(start, None), SourceError::Empty);
    }

    #[test]
    fn empty_ranges_are_rejected() {
        for range in [RangeRequest::Suffix(0), RangeRequest::Bounded(ByteRange::new(5, 5))] {
            assert_eq!(check_not_empty(range), Err(SourceError::NotSatisfiable { range }));
        }
        assert_eq!(check_not_empty(RangeRequest::Suffix(1)), Ok(()));
    }
}
