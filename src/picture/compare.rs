//! The similarity of two pictures, whichever encoder has compressed them.

use image::GrayImage;
use image::imageops::{grayscale, thumbnail};

use super::shrink::{read_jpeg, shrunk};

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
        let picture = read_jpeg(bytes, max_pixels)?;
        let (width, height) = picture.dimensions();
        let (small_width, small_height) = shrunk(width, height, SIDE);
        Ok(Self { width, height, small: thumbnail(&grayscale(&picture), small_width, small_height) })
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

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use image::codecs::jpeg::JpegEncoder;

    use super::*;

    /// Waves whose crests lie `shift` further on.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "28 to 228")]
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

    /// Encoders round sides, so a pixel of the small picture is no other shape.
    #[test]
    fn two_pixels_of_the_small_picture_are_another_shape() {
        for (difference, is_compared) in [(0, true), (1, true), (2, false), (28, false)] {
            let (wide, lower) =
                (sketch(&jpeg(128, 100, 0.0, 90)), sketch(&jpeg(128, 100 - difference, 0.0, 90)));
            let (high, slimmer) =
                (sketch(&jpeg(100, 128, 0.0, 90)), sketch(&jpeg(100 - difference, 128, 0.0, 90)));
            for (one, other) in [(&wide, &lower), (&high, &slimmer)] {
                assert_eq!(one.psnr(other).is_some(), is_compared, "{difference}");
                assert_eq!(other.psnr(one).is_some(), is_compared, "{difference}");
            }
        }
    }

    #[test]
    fn no_picture_and_too_large_a_picture_are_told() {
        let picture = jpeg(64, 32, 0.0, 90);
        assert!(Sketch::of_jpeg(&picture, 2047).unwrap_err().contains("64 x 32"));
        assert!(Sketch::of_jpeg(&picture[..picture.len() / 4], 1 << 20).is_err());
        assert!(Sketch::of_jpeg(b"no JPEG", 1 << 20).is_err());
    }
}
