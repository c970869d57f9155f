//! Decodes the object keys of events.

use percent_encoding::percent_decode_str;

use super::error::EventError;

/// Decodes `application/x-www-form-urlencoded`, which S3 notifications use: `+` is a space, `%2B` a plus.
///
/// A `%` without two hexadecimal digits is kept, as in Python's `unquote_plus`.
pub(super) fn form_decoded(raw: &str) -> Result<String, EventError> {
    // Replaces `+` before decoding: a decoded `+` belongs to the key.
    percent_decoded(&raw.replace('+', " "))
}

/// Decodes percent-encoding only: a `+` is kept.
pub(super) fn percent_decoded(raw: &str) -> Result<String, EventError> {
    match percent_decode_str(raw).decode_utf8() {
        Ok(key) => Ok(key.into_owned()),
        Err(_) => Err(EventError::KeyEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_pluses() -> Result<(), EventError> {
        assert_eq!(form_decoded("videos/1_red+flower%2B%25.mp4")?, "videos/1_red flower+%.mp4");
        assert_eq!(percent_decoded("videos/1_red+flower%20%2B.mp4")?, "videos/1_red+flower +.mp4");
        assert_eq!(form_decoded("%ED%95%9C%EA%B8%80+%F0%9F%8E%AC")?, "한글 🎬");
        Ok(())
    }

    #[test]
    fn a_percent_sign_that_begins_no_byte_stays() -> Result<(), EventError> {
        assert_eq!(form_decoded("100%.mp4")?, "100%.mp4");
        assert_eq!(form_decoded("%zz%2")?, "%zz%2");
        Ok(())
    }

    #[test]
    fn what_is_not_utf8_is_an_error() {
        assert!(matches!(form_decoded("videos/%ED%95.mp4"), Err(EventError::KeyEncoding)));
        assert!(matches!(percent_decoded("%FF"), Err(EventError::KeyEncoding)));
    }
}
