//! PNG bytes in memory, and what a thumbnail may be asked to be.

use serde::{Deserialize, Serialize};

use crate::pixels::{Bounds, Fit, Framing};

/// File formats of thumbnails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ImageFormat {
    /// JPEG in a JFIF file: 4:2:0, full range, without a conversion to RGB.
    #[default]
    Jpeg,
    /// PNG, lossless RGB.
    #[cfg(feature = "png")]
    Png,
    /// Lossy WebP.
    #[cfg(feature = "webp")]
    WebP,
}

impl ImageFormat {
    /// Returns the usual file name extension, without a dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            #[cfg(feature = "png")]
            Self::Png => "png",
            #[cfg(feature = "webp")]
            Self::WebP => "webp",
        }
    }

    /// Returns the media type (IANA registry).
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            #[cfg(feature = "png")]
            Self::Png => "image/png",
            #[cfg(feature = "webp")]
            Self::WebP => "image/webp",
        }
    }

    /// Returns the format with this file name extension or name, in any letter case, or `None` when no such format is compiled in.
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" => Some(Self::Jpeg),
            #[cfg(feature = "png")]
            "png" => Some(Self::Png),
            #[cfg(feature = "webp")]
            "webp" => Some(Self::WebP),
            _ => None,
        }
    }
}

/// The treatment of transparent pixels. An opaque video always has an opaque picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transparency {
    /// Blends the pixels over a background of this red, green and blue. The default is white.
    Over([u8; 3]),
    /// Keeps the pixels transparent: PNG and WebP contain straight alpha. JPEG has no alpha, and fails with
    /// [`Error::NoTransparency`](crate::Error::NoTransparency).
    Keep,
}

impl Default for Transparency {
    fn default() -> Self {
        Self::Over([255; 3])
    }
}

/// Quality of a lossy picture, from 1 (smallest file) to 100, on libjpeg's scale. PNG ignores the quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Quality(u8);

impl Quality {
    /// Creates a quality. Returns `None` outside of 1 to 100.
    pub const fn new(value: u8) -> Option<Self> {
        if matches!(value, 1..=100) { Some(Self(value)) } else { None }
    }

    /// Returns the number, from 1 to 100.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The quantiser of libavcodec's MJPEG encoder that comes nearest: 2 (best) to 31.
    ///
    /// libjpeg scales its tables by `S` percent, `200 - 2q` from 50 up and `5000 / q` below; a quantiser step of
    /// libavcodec is a tenth of that. Measured on 1080p video, quality 90 and quantiser 2 give the same file size and
    /// structural similarity. 2 is libavcodec's lowest, so 90 to 100 are one.
    pub(crate) fn mjpeg_quantiser(self) -> i32 {
        let quality = i32::from(self.0);
        let scale_percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
        ((scale_percent + 5) / 10).clamp(2, 31)
    }
}

impl From<Quality> for u8 {
    fn from(quality: Quality) -> Self {
        quality.0
    }
}

/// Fails outside of 1 to 100.
impl TryFrom<u8> for Quality {
    type Error = &'static str;

    fn try_from(value: u8) -> Result<Self, &'static str> {
        Self::new(value).ok_or("a quality lies between 1 and 100")
    }
}

impl Default for Quality {
    /// Returns 85. At 1080p, the file is a fifth smaller than the JPEG encoder's best, for a hundredth of structural similarity (SSIM .973 instead of
    /// .983).
    fn default() -> Self {
        Self(85)
    }
}

/// Format, size and quality of a picture. Start from `Encoding::default()`: a JPEG of the video's own size, quality 85.
///
/// ```
/// # fn main() -> Result<(), posterframe::Error> {
/// use std::time::Duration;
/// use posterframe::{Bounds, Encoding, Media, OpenOptions, Quality};
///
/// let mut media = Media::open_file("tests/fixtures/rotated_90.mkv", &OpenOptions::default())?;
/// let frame = media.frame(Duration::from_secs(1))?;
/// // One decode, two sizes.
/// for side in [40, 20] {
///     let bounds = Bounds::new(side, side);
///     let quality = Quality::new(70).expect("70 lies between 1 and 100");
///     let thumbnail = frame.encode(&Encoding::default().with_bounds(bounds).with_quality(quality))?;
///     assert_eq!(thumbnail.width.max(thumbnail.height), side);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Encoding {
    /// File format.
    pub format: ImageFormat,
    /// Largest size, upright.
    pub bounds: Bounds,
    /// How the picture fills the bounds.
    pub fit: Fit,
    /// Quality of a lossy format.
    pub quality: Quality,
    /// Treatment of transparent pixels.
    pub transparency: Transparency,
}

impl Encoding {
    /// Sets the file format.
    #[must_use]
    pub const fn with_format(mut self, format: ImageFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets the largest size.
    #[must_use]
    pub const fn with_bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Sets how the picture fills the bounds.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::Error> {
    /// use std::time::Duration;
    /// use posterframe::{Bounds, Encoding, Fit, Focus, Media, OpenOptions};
    ///
    /// let mut media = Media::open_file("tests/fixtures/h264_front.mp4", &OpenOptions::default())?;
    /// let frame = media.frame(Duration::from_secs(1))?;
    /// let square = Encoding::default().with_bounds(Bounds::new(90, 90));
    /// assert_eq!(frame.display_size(square), (90, 68));
    /// // A face in the upper third.
    /// let focus = Focus::new(0.5, 0.3).expect("fractions lie between 0 and 1");
    /// let square = square.with_fit(Fit::Cover { focus });
    /// assert_eq!(frame.display_size(square), (90, 90));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn with_fit(mut self, fit: Fit) -> Self {
        self.fit = fit;
        self
    }

    /// Sets the treatment of transparent pixels.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::Error> {
    /// use std::time::Duration;
    /// use posterframe::{Encoding, Media, OpenOptions, Transparency};
    ///
    /// let mut media = Media::open_file("tests/fixtures/colours_alpha.mov", &OpenOptions::default())?;
    /// let frame = media.frame(Duration::from_secs(1))?;
    /// let on_black = frame.encode(&Encoding::default().with_transparency(Transparency::Over([0, 0, 0])))?;
    /// assert!(on_black.bytes.starts_with(&[0xff, 0xd8]));
    /// // A JPEG has no alpha.
    /// assert!(frame.encode(&Encoding::default().with_transparency(Transparency::Keep)).is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn with_transparency(mut self, transparency: Transparency) -> Self {
        self.transparency = transparency;
        self
    }

    /// Sets the quality.
    #[must_use]
    pub const fn with_quality(mut self, quality: Quality) -> Self {
        self.quality = quality;
        self
    }
}

/// Takes bounds and fit. Format, quality and transparency do not affect the size.
impl From<Encoding> for Framing {
    fn from(encoding: Encoding) -> Self {
        Self::new(encoding.bounds, encoding.fit)
    }
}

/// Takes bounds and fit. Format, quality and transparency do not affect the size.
impl From<&Encoding> for Framing {
    fn from(encoding: &Encoding) -> Self {
        (*encoding).into()
    }
}

/// An encoded picture: a file in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Thumbnail {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// The file format of `bytes`.
    pub format: ImageFormat,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Encodes packed pixels as PNG: red, green and blue, and alpha as the fourth of four channels.
#[cfg(feature = "png")]
pub(crate) fn encode_png(
    pixels: &[u8],
    (width, height): (u32, u32),
    channels: usize,
) -> Result<Vec<u8>, String> {
    use image::ImageEncoder as _;
    let colour = if channels == 4 { image::ExtendedColorType::Rgba8 } else { image::ExtendedColorType::Rgb8 };
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(pixels, width, height, colour)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_maps_onto_the_whole_quantiser_range() {
        let quantiser = |quality| Quality::new(quality).map(Quality::mjpeg_quantiser);
        assert_eq!(quantiser(100), Some(2));
        assert_eq!(quantiser(90), Some(2));
        assert_eq!(quantiser(80), Some(4));
        assert_eq!(quantiser(50), Some(10));
        assert_eq!(quantiser(1), Some(31));
        assert_eq!(quantiser(0), None);
        assert_eq!(quantiser(101), None);
    }

    #[test]
    fn names_of_a_format_agree() {
        let formats: Vec<_> =
            ["jpeg", "png", "webp"].into_iter().filter_map(ImageFormat::from_extension).collect();
        assert_eq!(
            formats.len(),
            1 + usize::from(cfg!(feature = "png")) + usize::from(cfg!(feature = "webp"))
        );
        for format in formats {
            let name: String = serde_json::from_value(serde_json::to_value(format).unwrap()).unwrap();
            assert_eq!(format.content_type(), format!("image/{name}"));
            assert_eq!(ImageFormat::from_extension(&name), Some(format));
            assert_eq!(ImageFormat::from_extension(format.extension()), Some(format));
        }
    }
}
