//! Encoding of packed pixels.

use crate::media::error::Error;
use crate::media::ffi::codec::encode_jpeg;
use crate::media::ffi::frame::ColourCodes;
use crate::media::ffi::pixel_format::PixelFormat;
use crate::media::frame::bands::{blank, jfif_rows, unreadable};
use crate::media::frame::colour;
use crate::media::frame::render::{JPEG_MAX_SIDE, check_sides};
#[cfg(feature = "png")]
use crate::picture::encode::encode_png;
use crate::picture::{ImageFormat, Quality, Thumbnail};
use crate::pixels::RgbPicture;
#[cfg(feature = "webp")]
use {
    crate::deadline::Deadline, crate::media::frame::render::encode_as_webp, crate::media::work::Work,
    std::time::Duration,
};

impl RgbPicture {
    /// Encodes the picture in memory, for pictures that were composed of several frames, or drawn on.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::Error> {
    /// use posterframe::{ImageFormat, Quality, RgbPicture};
    ///
    /// let grey = RgbPicture::new(64, 48, vec![128; 64 * 48 * 3]);
    /// let file = grey.encode(ImageFormat::Jpeg, Quality::default())?;
    /// assert!(file.bytes.starts_with(&[0xff, 0xd8]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::TooLarge`]: a side is longer than the format allows: 65,500 pixels for JPEG, 16,383 for WebP.
    /// - [`Error::Picture`]: `pixels` does not have `width * height * 3` bytes, or the encoder fails, as with a side of 0.
    pub fn encode(&self, format: ImageFormat, quality: Quality) -> Result<Thumbnail, Error> {
        Error::guard(|| {
            let needed = (u64::from(self.width) * u64::from(self.height)).saturating_mul(3);
            if self.pixels.len() as u64 != needed {
                let reason = format!("the picture has {} bytes instead of {needed}", self.pixels.len());
                return Err(Error::Picture { step: "encoded".into(), reason });
            }
            #[cfg(any(feature = "png", feature = "webp"))]
            let size = (self.width, self.height);
            let bytes = match format {
                ImageFormat::Jpeg => self.encode_as_jpeg(quality)?,
                #[cfg(feature = "png")]
                ImageFormat::Png => encode_png(&self.pixels, size, 3)
                    .map_err(|reason| Error::Picture { step: "encoded as PNG".into(), reason })?,
                #[cfg(feature = "webp")]
                ImageFormat::WebP => {
                    let unbounded = Duration::MAX;
                    encode_as_webp(
                        (&self.pixels, 3),
                        size,
                        quality,
                        &Work::new(Deadline::new(unbounded, None), unbounded),
                    )?
                }
            };
            Ok(Thumbnail { width: self.width, height: self.height, format, bytes })
        })
    }

    fn encode_as_jpeg(&self, quality: Quality) -> Result<Vec<u8>, Error> {
        let size @ (width, height) = (self.width, self.height);
        check_sides(ImageFormat::Jpeg, size, JPEG_MAX_SIDE)?;
        let mut jfif = blank(PixelFormat::YUVJ420P, size, colour::jfif(ColourCodes::UNSPECIFIED))?;
        let row_bytes = (width as usize * 3).max(1);
        let mut rows = self.pixels.chunks_exact(row_bytes).map(<[u8]>::to_vec).take(height as usize);
        let mut row = 0;
        while let Some(upper) = rows.next() {
            jfif_rows(&upper, rows.next().as_ref(), row, &mut jfif)
                .ok_or_else(|| unreadable("a row is missing"))?;
            row += 2;
        }
        encode_jpeg(&mut jfif, quality.mjpeg_quantiser()).map_err(Error::picture("encoded as JPEG"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats() -> Vec<ImageFormat> {
        vec![
            ImageFormat::Jpeg,
            #[cfg(feature = "png")]
            ImageFormat::Png,
            #[cfg(feature = "webp")]
            ImageFormat::WebP,
        ]
    }

    #[test]
    fn pictures_of_the_wrong_size_are_rejected() {
        for format in formats() {
            for (width, height, bytes) in
                [(0, 0, 0), (0, 4, 0), (4, 4, 47), (4, 4, 49), (u32::MAX, u32::MAX, 3)]
            {
                let picture = RgbPicture { width, height, pixels: vec![0; bytes] };
                let error = picture.encode(format, Quality::default()).unwrap_err();
                assert!(
                    matches!(error, Error::Picture { .. } | Error::Library { .. }),
                    "{format:?}: {error:?}"
                );
            }
            let long = RgbPicture::new(70_000, 1, Vec::new()).encode(format, Quality::default());
            match format {
                ImageFormat::Jpeg => assert!(matches!(long, Err(Error::TooLarge { max_side: 65_500, .. }))),
                #[cfg(feature = "png")]
                ImageFormat::Png => assert!(long.is_ok()),
                #[cfg(feature = "webp")]
                ImageFormat::WebP => assert!(matches!(long, Err(Error::TooLarge { max_side: 16_383, .. }))),
            }
        }
    }

    #[test]
    fn flat_pictures_keep_their_colour() {
        for format in formats() {
            let picture = RgbPicture::new(33, 17, [200, 100, 50].repeat(33 * 17));
            let file = picture.encode(format, Quality::new(95).unwrap()).unwrap();
            assert_eq!((file.width, file.height, file.format), (33, 17, format));
            let decoded = image::load_from_memory(&file.bytes).unwrap().into_rgb8();
            for pixel in decoded.pixels() {
                let off = pixel.0.iter().zip([200, 100, 50]).map(|(a, b)| a.abs_diff(b)).max();
                assert!(off <= Some(4), "{format:?}: {pixel:?}");
            }
        }
    }
}
