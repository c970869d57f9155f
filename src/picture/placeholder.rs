//! What a page shows in place of a picture until it is loaded: a ThumbHash and the average colour.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::pixels::{Bounds, RgbPicture};

/// The longest side of the picture that a ThumbHash is made of, as its format demands.
const MAX_SIDE: u32 = 100;
/// Bytes of a ThumbHash: a header of 5 or 6, and half a byte for each of its factors, which the format limits.
const HASH_BYTES: std::ops::RangeInclusive<usize> = 5..=40;

/// What a page shows in place of a picture until it is loaded.
///
/// ```
/// use posterframe::{Placeholder, RgbPicture};
///
/// let orange = RgbPicture::new(16, 9, [255, 128, 0].repeat(16 * 9));
/// let placeholder = Placeholder::of(&orange);
/// assert_eq!(placeholder.average_colour.to_string(), "#ff8000");
/// assert_eq!(placeholder.thumb_hash.to_string().parse(), Ok(placeholder.thumb_hash));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Placeholder {
    /// A blurred copy of the picture in some 25 bytes, with its shape.
    pub thumb_hash: ThumbHash,
    /// The mean of red, green and blue over all pixels, in the numbers of the picture (sRGB).
    pub average_colour: Colour,
}

impl Placeholder {
    /// Computes the placeholder of a picture. The ThumbHash is that of a copy within 100 x 100 pixels.
    pub fn of(picture: &RgbPicture) -> Self {
        Self { thumb_hash: ThumbHash::of(picture), average_colour: Colour::average(picture) }
    }

    #[cfg(feature = "job")]
    pub(crate) const fn new(thumb_hash: ThumbHash, average_colour: Colour) -> Self {
        Self { thumb_hash, average_colour }
    }

    /// The bounds of a picture that is large enough for a placeholder.
    pub(crate) const BOUNDS: Bounds = Bounds::new(MAX_SIDE, MAX_SIDE);
}

/// A [ThumbHash](https://evanw.github.io/thumbhash/): a blurred copy of a picture. As text and in JSON: Base64 (RFC 4648, section 4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ThumbHash(Vec<u8>);

/// A text that is no [`ThumbHash`] or no [`Colour`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}")]
pub struct PlaceholderError {
    text: String,
    what: &'static str,
}

impl PlaceholderError {
    fn new(text: &str, what: &'static str) -> Self {
        Self { text: text.to_owned(), what }
    }
}

impl ThumbHash {
    fn of(picture: &RgbPicture) -> Self {
        let RgbPicture { width, height, pixels } = repeated(shrunk(picture));
        let opaque = pixels.chunks_exact(3).flat_map(|pixel| pixel.iter().copied().chain([u8::MAX]));
        let (width, height) = (width as usize, height as usize);
        Self(thumbhash::rgba_to_thumb_hash(width, height, &opaque.collect::<Vec<_>>()))
    }

    /// The hash, as decoders take it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ThumbHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.0))
    }
}

impl FromStr for ThumbHash {
    type Err = PlaceholderError;

    fn from_str(text: &str) -> Result<Self, PlaceholderError> {
        let bytes = STANDARD.decode(text).ok().filter(|bytes| HASH_BYTES.contains(&bytes.len()));
        bytes.map(Self).ok_or_else(|| PlaceholderError::new(text, "ThumbHash"))
    }
}

/// A colour in sRGB. As text and in JSON: `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour {
    /// 0 to 255.
    pub red: u8,
    /// 0 to 255.
    pub green: u8,
    /// 0 to 255.
    pub blue: u8,
}

impl Colour {
    /// The mean of all pixels, rounded; black where there are none.
    fn average(picture: &RgbPicture) -> Self {
        let (mut sums, mut count) = ([0_u64; 3], 0_u64);
        for pixel in picture.pixels.chunks_exact(3) {
            for (sum, sample) in sums.iter_mut().zip(pixel) {
                *sum = sum.saturating_add(u64::from(*sample));
            }
            count = count.saturating_add(1);
        }
        let [red, green, blue] = sums.map(|sum| mean(sum, count));
        Self { red, green, blue }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

impl FromStr for Colour {
    type Err = PlaceholderError;

    fn from_str(text: &str) -> Result<Self, PlaceholderError> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        // `from_str_radix` alone would take a sign, too.
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, red, green, blue] =
            number.ok_or_else(|| PlaceholderError::new(text, "colour such as #0080ff"))?.to_be_bytes();
        Ok(Self { red, green, blue })
    }
}

/// Text in JSON, in the form of `Display`.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

as_text!(ThumbHash, Colour);

fn mean(sum: u64, count: u64) -> u8 {
    u8::try_from(sum.saturating_add(count / 2).checked_div(count).unwrap_or(0)).unwrap_or(u8::MAX)
}

/// The picture within [`MAX_SIDE`] pixels: each pixel is the mean of those in its place. What is empty becomes one black pixel.
fn shrunk(picture: &RgbPicture) -> RgbPicture {
    let (from_width, from_height) = (picture.width.max(1), picture.height.max(1));
    let (width, height) = Placeholder::BOUNDS.fit(from_width, from_height);
    // The fields are public, and may not fit each other.
    if (width, height) == (from_width, from_height) {
        return RgbPicture::new(width, height, picture.pixels.clone());
    }
    let source = RgbPicture::new(from_width, from_height, picture.pixels.clone());
    let edge = |index: u32, of: u32, from: u32| {
        usize::try_from(u64::from(index) * u64::from(from) / u64::from(of.max(1))).unwrap_or(usize::MAX)
    };
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        let rows = edge(y, height, from_height)..edge(y + 1, height, from_height);
        for x in 0..width {
            let columns = edge(x, width, from_width)..edge(x + 1, width, from_width);
            let part: Vec<u8> = rows
                .clone()
                .flat_map(|row| {
                    let start = row * from_width as usize;
                    let range = (start + columns.start) * 3..(start + columns.end) * 3;
                    source.pixels.get(range).unwrap_or_default().iter().copied()
                })
                .collect();
            let Colour { red, green, blue } =
                Colour::average(&RgbPicture { width: 1, height: 1, pixels: part });
            pixels.extend([red, green, blue]);
        }
    }
    RgbPicture::new(width, height, pixels)
}

/// A small picture with each pixel repeated: seven waves of light and three of colour must fit into its sides, or they are taken for its mean.
fn repeated(picture: RgbPicture) -> RgbPicture {
    const WAVES: u32 = 7;
    const WAVES_OF_COLOUR: u32 = 3;
    let RgbPicture { width, height, pixels } = picture;
    let (across, down) = match (width.max(height), width.min(height)) {
        (longer, _) if longer <= 2 * WAVES => (WAVES, WAVES),
        (_, shorter) if shorter >= WAVES_OF_COLOUR => return RgbPicture { width, height, pixels },
        _ if width < height => (WAVES_OF_COLOUR, 1),
        _ => (1, WAVES_OF_COLOUR),
    };
    let rows = pixels.chunks_exact((width as usize).saturating_mul(3).max(1)).flat_map(|row| {
        let row: Vec<u8> = row.chunks_exact(3).flat_map(|pixel| pixel.repeat(across as usize)).collect();
        row.repeat(down as usize)
    });
    let pixels = rows.collect();
    RgbPicture::new(width.saturating_mul(across), height.saturating_mul(down), pixels)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A picture of smooth light: two waves in each of the three colours.
    fn waves(width: u32, height: u32, seeds: [u8; 6]) -> RgbPicture {
        let [a, b, c, d, e, f] = seeds.map(|seed| f64::from(seed) / 255.0);
        let sample = |at: f64, (base, swing): (f64, f64)| {
            let value = 127.0 + 100.0 * (base - 0.5) + 27.0 * swing * (at * std::f64::consts::TAU).sin();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "50 to 204")]
            let value = value as u8;
            value
        };
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (f64::from(x), f64::from(y))));
        let pixel = |(x, y): (f64, f64)| {
            let (x, y) = (x / f64::from(width), y / f64::from(height));
            [sample(x, (a, b)), sample(y, (c, d)), sample(x + y, (e, f))]
        };
        RgbPicture::new(width, height, places.flat_map(pixel).collect())
    }

    fn small_or_large() -> impl Strategy<Value = u32> {
        prop_oneof![1..20_u32, 20..240_u32]
    }

    fn decoded(hash: &ThumbHash) -> (RgbPicture, Vec<u8>) {
        let (width, height, rgba) = thumbhash::thumb_hash_to_rgba(hash.as_bytes()).unwrap();
        let pixels = rgba.chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
        let alpha = rgba.chunks_exact(4).map(|pixel| pixel[3]).collect();
        (RgbPicture::new(u32::try_from(width).unwrap(), u32::try_from(height).unwrap(), pixels), alpha)
    }

    fn distance(one: Colour, other: Colour) -> u8 {
        let parts = [(one.red, other.red), (one.green, other.green), (one.blue, other.blue)];
        parts.into_iter().map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Of any size and shape, smaller and larger than what a hash is made of.
        #[test]
        fn the_average_of_one_colour_is_that_colour(red: u8, green: u8, blue: u8, width in small_or_large(), height in small_or_large()) {
            let pixels = [red, green, blue].repeat(width as usize * height as usize);
            let placeholder = Placeholder::of(&RgbPicture::new(width, height, pixels));
            prop_assert_eq!(placeholder.average_colour, Colour { red, green, blue });
            // The hash has 6 bits for luma and for each of two differences of colours: 12 levels of green at most.
            let (picture, alpha) = decoded(&placeholder.thumb_hash);
            prop_assert!(distance(Colour::average(&picture), placeholder.average_colour) <= 13, "{:?}", placeholder);
            prop_assert!(alpha.iter().all(|alpha| *alpha == u8::MAX));
        }

        /// A hash decodes to a picture of the same shape, of nearly the same average colour, and little different anywhere.
        #[test]
        fn a_hash_decodes_to_nearly_the_picture(seeds: [u8; 6], width in 8..240_u32, height in 8..240_u32) {
            let picture = waves(width, height, seeds);
            let placeholder = Placeholder::of(&picture);
            let (shown, _) = decoded(&placeholder.thumb_hash);
            prop_assert!(distance(Colour::average(&shown), placeholder.average_colour) <= 13, "{:?}", placeholder);
            let shape = f64::from(width) / f64::from(height);
            let found = f64::from(shown.width) / f64::from(shown.height);
            // The shape is kept in sevenths of the longer side, and one at least.
            prop_assert!((shape / found).max(found / shape) < 1.5 || !(0.21..=4.6).contains(&shape), "{} {}", shape, found);
            let at = |picture: &RgbPicture, x: u32, y: u32| {
                let (x, y) = (x * picture.width / 4 + picture.width / 8, y * picture.height / 4 + picture.height / 8);
                let start = (y * picture.width + x) as usize * 3;
                let pixel = &picture.pixels[start..start + 3];
                Colour { red: pixel[0], green: pixel[1], blue: pixel[2] }
            };
            for (x, y) in (0..4).flat_map(|y| (0..4).map(move |x| (x, y))) {
                let (original, hashed) = (at(&picture, x, y), at(&shown, x, y));
                prop_assert!(distance(original, hashed) < 48, "{:?} {:?} at {}, {}", original, hashed, x, y);
            }
        }

        /// Whatever the fields of a picture say.
        #[test]
        fn any_picture_has_a_placeholder(width in 0..300_u32, height in 0..300_u32, pixels: Vec<u8>) {
            let placeholder = Placeholder::of(&RgbPicture { width, height, pixels });
            let json = serde_json::to_string(&placeholder).unwrap();
            prop_assert_eq!(serde_json::from_str::<Placeholder>(&json).unwrap(), placeholder);
        }

        #[test]
        fn colours_are_read_as_they_are_written(red: u8, green: u8, blue: u8, text: String) {
            let colour = Colour { red, green, blue };
            prop_assert_eq!(colour.to_string().parse(), Ok(colour));
            if let Ok(colour) = text.parse::<Colour>() {
                prop_assert!(colour.to_string().eq_ignore_ascii_case(&text));
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "#", "#12345", "#+12345", "123456", "#12345g", "#1234567"] {
            assert!(text.parse::<Colour>().is_err(), "{text}");
        }
        assert_eq!("red".parse::<Colour>().unwrap_err().to_string(), "\"red\" is no colour such as #0080ff");
        for text in ["", "AAAA", "%%%%", &"A".repeat(400)] {
            assert!(text.parse::<ThumbHash>().is_err(), "{text}");
        }
    }
}
