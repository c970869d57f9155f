//! Value types for pictures: orientation, bounds, fit, and packed pixels.

mod fit;

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

pub use fit::{Fit, Focus, FocusError, Framing};

/// The transformation that turns a decoded picture upright, numbered as in Exif (TIFF tag 274): the eight symmetries of
/// a rectangle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// 1: unchanged.
    #[default]
    Upright,
    /// 2: mirrored left to right.
    FlipHorizontal,
    /// 3: rotated by 180 degrees.
    Rotate180,
    /// 4: mirrored top to bottom.
    FlipVertical,
    /// 5: mirrored over the diagonal from top left to bottom right.
    Transpose,
    /// 6: rotated by 90 degrees clockwise.
    Rotate90,
    /// 7: mirrored over the other diagonal.
    Transverse,
    /// 8: rotated by 90 degrees counter-clockwise.
    Rotate270,
}

impl Orientation {
    /// All orientations.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::Upright,
        Self::FlipHorizontal,
        Self::Rotate180,
        Self::FlipVertical,
        Self::Transpose,
        Self::Rotate90,
        Self::Transverse,
        Self::Rotate270,
    ];

    /// Reads the linear part of a display matrix. A point (x, y) of the decoded picture is presented at (a x + c y, b x
    /// + d y), where y points down (ISO/IEC 14496-12, 6.2.2; `libavutil/display.h`).
    ///
    /// A matrix that scales or shears yields the nearest of the eight orientations. An invalid matrix yields `Upright`.
    pub fn from_matrix(a: i32, b: i32, c: i32, d: i32) -> Self {
        let [a, b, c, d] = [a, b, c, d].map(i64::from);
        let straight = a.abs().min(d.abs());
        let crossed = b.abs().min(c.abs());
        if straight == 0 && crossed == 0 {
            return Self::Upright;
        }
        if straight >= crossed {
            match (a > 0, d > 0) {
                (true, true) => Self::Upright,
                (false, true) => Self::FlipHorizontal,
                (false, false) => Self::Rotate180,
                (true, false) => Self::FlipVertical,
            }
        } else {
            match (b > 0, c > 0) {
                (true, true) => Self::Transpose,
                // x points down and y points left: the top row becomes the right column.
                (true, false) => Self::Rotate90,
                (false, false) => Self::Transverse,
                (false, true) => Self::Rotate270,
            }
        }
    }

    /// Returns the clockwise rotation in degrees, after the mirroring of [`is_mirrored`](Self::is_mirrored): 0, 90, 180
    /// or 270.
    pub const fn rotation_degrees(self) -> u32 {
        match self {
            Self::Upright | Self::FlipHorizontal => 0,
            Self::Rotate90 | Self::Transverse => 90,
            Self::Rotate180 | Self::FlipVertical => 180,
            Self::Rotate270 | Self::Transpose => 270,
        }
    }

    /// Returns whether the picture is mirrored left to right before it is rotated.
    pub const fn is_mirrored(self) -> bool {
        matches!(self, Self::FlipHorizontal | Self::FlipVertical | Self::Transpose | Self::Transverse)
    }

    /// Returns whether width and height are swapped.
    pub const fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270)
    }
}

/// The largest size of a picture. A larger picture is scaled down to fit and keeps its aspect ratio. A smaller picture
/// is never scaled up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Bounds {
    /// Maximum width in pixels; `None` is no bound.
    pub max_width: Option<NonZeroU32>,
    /// Maximum height in pixels; `None` is no bound.
    pub max_height: Option<NonZeroU32>,
}

impl Bounds {
    /// Creates bounds of at most `max_width` by `max_height` pixels; 0 is no bound.
    pub const fn new(max_width: u32, max_height: u32) -> Self {
        Self { max_width: NonZeroU32::new(max_width), max_height: NonZeroU32::new(max_height) }
    }

    /// Creates bounds of at most `max_width` pixels from left to right; 0 is no bound.
    pub const fn width(max_width: u32) -> Self {
        Self::new(max_width, 0)
    }

    /// Returns the size of a `width` x `height` picture within these bounds. Each side is at least 1.
    pub fn fit(self, width: u32, height: u32) -> (u32, u32) {
        let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let max_width = self.max_width.map_or(width, |side| u64::from(side.get()).min(width));
        let max_height = self.max_height.map_or(height, |side| u64::from(side.get()).min(height));
        // Compare the two shrink factors max_width/width and max_height/height without dividing.
        let (fitted_width, fitted_height) = if max_width * height <= max_height * width {
            (max_width, rounded_div(height * max_width, width))
        } else {
            (rounded_div(width * max_height, height), max_height)
        };
        (saturate(fitted_width.max(1)), saturate(fitted_height.max(1)))
    }
}

fn rounded_div(numerator: u64, denominator: u64) -> u64 {
    (numerator + denominator / 2) / denominator
}

fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Packed 8-bit RGB in sRGB / BT.709, three bytes a pixel, rows without padding. With the feature `image`, a picture
/// converts into an `image::RgbImage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RgbPicture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height * 3` bytes.
    pub pixels: Vec<u8>,
}

impl RgbPicture {
    /// Creates a picture from `width * height * 3` bytes: red, green and blue, rows without padding. Missing bytes
    /// become black, and excess bytes are dropped.
    #[must_use]
    pub fn new(width: u32, height: u32, mut pixels: Vec<u8>) -> Self {
        pixels.resize(3 * width as usize * height as usize, 0);
        Self { width, height, pixels }
    }
}

#[cfg(feature = "image")]
impl From<RgbPicture> for image::RgbImage {
    /// Converts the picture without copying its pixels.
    fn from(picture: RgbPicture) -> Self {
        // The fields are public and may contradict each other.
        let RgbPicture { width, height, pixels } =
            RgbPicture::new(picture.width, picture.height, picture.pixels);
        Self::from_raw(width, height, pixels).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_without_enlarging() {
        assert_eq!(Bounds::new(0, 0).fit(1920, 1080), (1920, 1080));
        assert_eq!(Bounds::new(640, 0).fit(1920, 1080), (640, 360));
        assert_eq!(Bounds::new(0, 540).fit(1920, 1080), (960, 540));
        assert_eq!(Bounds::new(100, 1000).fit(1920, 1080), (100, 56));
        assert_eq!(Bounds::new(4000, 4000).fit(1920, 1080), (1920, 1080));
        assert_eq!(Bounds::new(10, 10).fit(10_000, 1), (10, 1));
        assert_eq!(Bounds::new(1, 1).fit(u32::MAX, u32::MAX), (1, 1));
    }

    #[test]
    fn reads_the_eight_matrices() {
        const ONE: i32 = 1 << 16;
        let cases = [
            ([ONE, 0, 0, ONE], Orientation::Upright),
            ([-ONE, 0, 0, ONE], Orientation::FlipHorizontal),
            ([-ONE, 0, 0, -ONE], Orientation::Rotate180),
            ([ONE, 0, 0, -ONE], Orientation::FlipVertical),
            ([0, ONE, ONE, 0], Orientation::Transpose),
            ([0, ONE, -ONE, 0], Orientation::Rotate90),
            ([0, -ONE, -ONE, 0], Orientation::Transverse),
            ([0, -ONE, ONE, 0], Orientation::Rotate270),
            ([0, 0, 0, 0], Orientation::Upright),
            ([i32::MIN, 0, 0, i32::MIN], Orientation::Rotate180),
        ];
        for ([a, b, c, d], expected) in cases {
            assert_eq!(Orientation::from_matrix(a, b, c, d), expected);
        }
    }

    #[cfg(feature = "image")]
    #[test]
    fn an_image_has_the_size_of_the_picture_whatever_its_bytes() {
        for bytes in [0, 5, 6, 9] {
            let picture = RgbPicture { width: 2, height: 1, pixels: vec![200; bytes] };
            let image = image::RgbImage::from(picture);
            assert_eq!(image.dimensions(), (2, 1));
            let mut expected = vec![200; bytes];
            expected.resize(6, 0);
            assert_eq!(image.into_raw(), expected);
        }
    }
}
