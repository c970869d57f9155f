//! Values that variables and arguments share.

use std::num::NonZeroU32;

use crate::Quality;

/// The `Cache-Control` of thumbnails and storyboards, unless another value is set. The time is short because a replaced video reuses its keys.
pub(crate) const CACHE_CONTROL: &str = "public, max-age=300";

/// Description of a valid side length.
pub(crate) const PIXELS: &str = "a whole number of pixels from 1 to 65535";

/// Names of the picture formats in this build.
pub(crate) const FORMATS: &str = match (cfg!(feature = "png"), cfg!(feature = "webp")) {
    (true, true) => "jpeg, png or webp",
    (true, false) => "jpeg or png",
    (false, true) => "jpeg or webp",
    (false, false) => "jpeg",
};

/// Reads a side length. The limit is that of JPEG, whose sides are 16-bit numbers.
pub(crate) fn parse_pixels(text: &str) -> Option<NonZeroU32> {
    text.parse().ok().filter(|pixels: &NonZeroU32| pixels.get() <= 65535)
}

/// Reads the quality of a picture.
pub(crate) fn parse_quality(text: &str) -> Option<Quality> {
    text.parse().ok().and_then(Quality::new)
}

/// Reads the value of an HTTP header.
pub(crate) fn parse_header(text: &str) -> Option<String> {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then(|| text.to_owned())
}
