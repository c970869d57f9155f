//! Finished pictures read back, and made small.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
#[cfg(feature = "cli")]
use image::imageops::thumbnail;
use image::{ColorType, DynamicImage, GrayImage, ImageDecoder as _, RgbImage};

/// The picture in a JPEG file of at most so many pixels.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn read_jpeg(bytes: &[u8], max_pixels: u64) -> Result<RgbImage, String> {
    // The decoder itself: `ImageReader` would bring those of all other formats with it.
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > max_pixels {
        return Err(format!("{width} x {height} is more than {max_pixels} pixels"));
    }
    let (colour, size) = (decoder.color_type(), usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX));
    let mut samples = vec![0; size];
    decoder.read_image(&mut samples).map_err(|error| error.to_string())?;
    let picture = match colour {
        ColorType::L8 => {
            GrayImage::from_raw(width, height, samples).map(|grey| DynamicImage::ImageLuma8(grey).into_rgb8())
        }
        ColorType::Rgb8 => RgbImage::from_raw(width, height, samples),
        _ => return Err(format!("its samples are {colour:?}")),
    };
    picture.ok_or_else(|| "it has fewer samples than pixels".to_owned())
}

/// The size of a picture whose longer side is `longest` at most.
pub(super) fn shrunk(width: u32, height: u32, longest: u32) -> (u32, u32) {
    let longer = width.max(height).max(1);
    let side = |side: u32| match longer > longest {
        // At most `longest`, so it fits.
        true => u32::try_from((u64::from(side) * u64::from(longest)).div_ceil(u64::from(longer)))
            .unwrap_or(longest),
        false => side,
    };
    (side(width), side(height))
}

/// A JPEG file of the picture in another, its longer side `longest` pixels at most.
///
/// # Errors
/// What is wrong with the file.
#[cfg(feature = "cli")]
pub(crate) fn shrink_jpeg(bytes: &[u8], longest: u32) -> Result<Vec<u8>, String> {
    /// 8K and a half.
    const MAX_PIXELS: u64 = 50_000_000;
    const QUALITY: u8 = 75;
    let picture = read_jpeg(bytes, MAX_PIXELS)?;
    let (width, height) = shrunk(picture.width(), picture.height(), longest);
    let mut small = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut small, QUALITY)
        .encode_image(&thumbnail(&picture, width, height))
        .map_err(|error| error.to_string())?;
    Ok(small)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shrunk_picture_has_at_least_a_pixel() {
        assert_eq!(shrunk(65535, 1, 128), (128, 1));
        assert_eq!(shrunk(1920, 1080, 128), (128, 72));
        assert_eq!(shrunk(100, 50, 128), (100, 50));
    }

    #[cfg(feature = "cli")]
    #[test]
    fn shrinks_what_is_a_picture() -> Result<(), String> {
        let picture = RgbImage::from_pixel(640, 480, image::Rgb([200, 100, 50]));
        let mut bytes = Vec::new();
        let encoded = image::codecs::jpeg::JpegEncoder::new(&mut bytes).encode_image(&picture);
        encoded.map_err(|error| error.to_string())?;
        let small = read_jpeg(&shrink_jpeg(&bytes, 240)?, u64::MAX)?;
        assert_eq!(small.dimensions(), (240, 180));
        assert!(small.get_pixel(100, 100).0[0].abs_diff(200) < 4);
        assert!(shrink_jpeg(b"no JPEG", 240).is_err());
        Ok(())
    }
}
