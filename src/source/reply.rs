//! What the headers and errors of HTTP say, where that is the same for several sources.

use std::time::{Duration, SystemTime};

use super::{ByteRange, Identity, RangeRequest, SourceError};

/// Refuses what no header can ask for: no bytes. `bytes=5-4` is invalid, and servers then send the whole object.
pub(super) fn check_not_empty(range: RangeRequest) -> Result<(), SourceError> {
    if range.of(u64::MAX).is_empty() { Err(SourceError::NotSatisfiable { range }) } else { Ok(()) }
}

/// What 416 (Range Not Satisfiable) means. Every object has a first and a last byte, but the empty one.
pub(super) fn not_satisfiable(range: RangeRequest, content_range: Option<&str>) -> SourceError {
    let says_empty = content_range.is_some_and(|value| value.trim() == "bytes */0");
    let asks_for_an_end = match range {
        RangeRequest::Bounded(range) => range.start() == 0,
        RangeRequest::Suffix(_) => true,
    };
    if says_empty || asks_for_an_end { SourceError::Empty } else { SourceError::NotSatisfiable { range } }
}

/// The ETag that `If-Match` can carry. A weak one never matches (RFC 9110, section 13.1.1).
pub(super) fn strong_etag(identity: &Identity) -> Option<&str> {
    identity.etag.as_deref().filter(|etag| !etag.starts_with("W/"))
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). A date that has passed asks for no pause.
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// An error and what caused it, in one line.
pub(crate) fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some layers repeat the one below them.
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}

/// Reads `Content-Range: bytes first-last/size`. A reply without a size tells too little to go by.
pub(super) fn parse_content_range(value: &str) -> Option<(ByteRange, u64)> {
    let (range, size) = value.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (number(first)?, number(last)?, number(size)?);
    (first <= last && last < size).then(|| (ByteRange::new(first, last + 1), size))
}

/// Digits only: `parse` would take a sign.
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
    fn pauses_are_seconds_or_dates() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let pause = retry_after(&date);
        assert!(pause.is_some_and(|pause| (90..=100).contains(&pause.as_secs())), "{pause:?}");
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        for wrong in ["", "-1", "1.5", "soon", "99999999999999999999"] {
            assert_eq!(retry_after(wrong), None, "{wrong}");
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
    fn nothing_is_not_asked_for() {
        for range in [RangeRequest::Suffix(0), RangeRequest::Bounded(ByteRange::new(5, 5))] {
            assert_eq!(check_not_empty(range), Err(SourceError::NotSatisfiable { range }));
        }
        assert_eq!(check_not_empty(RangeRequest::Suffix(1)), Ok(()));
    }
}
