//! How alike two pictures are, whoever has compressed them.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::imageops::{grayscale, thumbnail};
use image::{ColorType, GrayImage, ImageDecoder as _, RgbImage};

/// The longer side to which pictures are shrunk before they are compared: what compression has done to single pixels is averaged
/// out, another frame is not.
const SIDE: u32 = 128;

/// What equal pictures get, whose ratio is infinite.
const EQUAL_DB: f64 = 100.0;

/// A picture's brightness, small, and how large the picture was. Colour is left out: encoders differ most in how they thin it.
#[derive(Debug)]
pub(crate) struct Sketch {
    /// Pixels from left to right, before.
    pub(crate) width: u32,
    /// Pixels from top to bottom, before.
    pub(crate) height: u32,
    small: GrayImage,
}

impl Sketch {
    /// Of a JPEG file of at most so many pixels.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn of_jpeg(bytes: &[u8], max_pixels: u64) -> Result<Self, String> {
        // The decoder itself: `ImageReader` would bring those of all other formats with it.
        let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
        let (width, height) = decoder.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        if pixels > max_pixels {
            return Err(format!("{width} x {height} is more than {max_pixels} pixels"));
        }
        let (colour, size) =
            (decoder.color_type(), usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX));
        let mut samples = vec![0; size];
        decoder.read_image(&mut samples).map_err(|error| error.to_string())?;
        let brightness = match colour {
            ColorType::L8 => GrayImage::from_raw(width, height, samples),
            ColorType::Rgb8 => RgbImage::from_raw(width, height, samples).map(|picture| grayscale(&picture)),
            _ => return Err(format!("its samples are {colour:?}")),
        };
        let brightness = brightness.ok_or("it has fewer samples than pixels")?;
        let (small_width, small_height) = shrunk(width, height);
        Ok(Self { width, height, small: thumbnail(&brightness, small_width, small_height) })
    }

    /// The peak signal-to-noise ratio of the two in decibels, `10 log10(255^2 / MSE)`, where MSE is the mean of the squared
    /// differences. `None` where their shapes differ.
    pub(crate) fn psnr(&self, other: &Self) -> Option<f64> {
        let (a, b) = (&self.small, &other.small);
        if a.width().abs_diff(b.width()) > 1 || a.height().abs_diff(b.height()) > 1 {
            return None;
        }
        let resized = thumbnail(b, a.width(), a.height());
        let squares = a.iter().zip(resized.iter()).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2));
        let (sum, samples) = squares.fold((0, 0), |(sum, samples), square| (sum + square, samples + 1));
        let mean = sum as f64 / f64::from(samples);
        Some((10.0 * (255.0_f64.powi(2) / mean).log10()).min(EQUAL_DB))
    }
}

/// The size to which a picture is shrunk.
fn shrunk(width: u32, height: u32) -> (u32, u32) {
    let longer = width.max(height).max(1);
    let side = |side: u32| match longer > SIDE {
        // At most SIDE, so it fits.
        true => {
            u32::try_from((u64::from(side) * u64::from(SIDE)).div_ceil(u64::from(longer))).unwrap_or(SIDE)
        }
        false => side,
    };
    (side(width), side(height))
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;

    use super::*;

    /// Waves whose crests lie `shift` further on.
    fn jpeg(width: u32, height: u32, shift: f32, quality: u8) -> Vec<u8> {
        let picture = RgbImage::from_fn(width, height, |x, y| {
            let wave = |at: u32, along: u32| {
                let turn = (at as f32 / along as f32 * 9.0 + shift).sin();
                (turn * 100.0 + 128.0) as u8
            };
            image::Rgb([wave(x, width), wave(y, height), wave(x + y, width + height)])
        });
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(&picture).unwrap();
        bytes
    }

    fn sketch(bytes: &[u8]) -> Sketch {
        Sketch::of_jpeg(bytes, 1 << 24).unwrap()
    }

    #[test]
    fn compression_and_size_matter_little_and_the_picture_much() {
        let whole = sketch(&jpeg(1280, 720, 0.0, 95));
        assert_eq!((whole.width, whole.height), (1280, 720));
        assert_eq!(whole.psnr(&whole), Some(EQUAL_DB));
        let psnr = |other: &[u8]| whole.psnr(&sketch(other)).unwrap();
        assert!(psnr(&jpeg(1280, 720, 0.0, 60)) > 40.0);
        assert!(psnr(&jpeg(640, 360, 0.0, 80)) > 40.0);
        assert!(psnr(&jpeg(1280, 720, 0.5, 95)) < 25.0);
    }

    #[test]
    fn other_shapes_are_not_compared() {
        let upright = sketch(&jpeg(720, 1280, 0.0, 90));
        assert_eq!(sketch(&jpeg(1280, 720, 0.0, 90)).psnr(&upright), None);
    }

    #[test]
    fn no_picture_and_too_large_a_picture_are_told() {
        let picture = jpeg(64, 32, 0.0, 90);
        assert!(Sketch::of_jpeg(&picture, 2047).unwrap_err().contains("64 x 32"));
        assert!(Sketch::of_jpeg(&picture[..picture.len() / 4], 1 << 20).is_err());
        assert!(Sketch::of_jpeg(b"no JPEG", 1 << 20).is_err());
    }

    #[test]
    fn a_shrunk_picture_has_at_least_a_pixel() {
        assert_eq!(shrunk(65535, 1), (128, 1));
        assert_eq!(shrunk(1920, 1080), (128, 72));
        assert_eq!(shrunk(100, 50), (100, 50));
    }
}
