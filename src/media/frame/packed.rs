//! Packed pixels as a file.

use crate::deadline::Deadline;
use crate::media::error::Error;
use crate::media::ffi::codec::encode_jpeg;
use crate::media::ffi::pixel_format::PixelFormat;
use crate::media::frame::bands::{blank, scaled, unreadable};
use crate::media::frame::colour;
#[cfg(feature = "webp")]
use crate::media::frame::render::encode_as_webp;
use crate::media::frame::render::{JPEG_MAX_SIDE, check_sides};
use crate::media::work::Work;
use crate::picture::{ImageFormat, Quality, Thumbnail};
use crate::pixels::RgbPicture;

impl RgbPicture {
    /// A picture of these pixels: `width * height * 3` bytes, red, green and blue, rows without padding. What is missing is black, what is too
    /// much is left out.
    #[must_use]
    pub fn new(width: u32, height: u32, mut pixels: Vec<u8>) -> Self {
        pixels.resize(3 * width as usize * height as usize, 0);
        Self { width, height, pixels }
    }

    /// The picture as a file in memory, for pictures that were composed of several frames, or drawn on.
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
    /// - [`Error::TooLarge`] when a side is longer than those of the format: 65,500 pixels of JPEG, 16,383 of WebP.
    /// - [`Error::Picture`] when the encoder fails, as with a side of 0.
    pub fn encode(&self, format: ImageFormat, quality: Quality) -> Result<Thumbnail, Error> {
        Error::guard(|| {
            let bytes = match format {
                ImageFormat::Jpeg => self.encode_as_jpeg(quality)?,
                #[cfg(feature = "png")]
                ImageFormat::Png => crate::picture::encode::encode_png(self)
                    .map_err(|reason| Error::Picture { step: "encoded as PNG".into(), reason })?,
                #[cfg(feature = "webp")]
                ImageFormat::WebP => {
                    let unbounded =
                        Work::new(Deadline::new(std::time::Duration::MAX, None), std::time::Duration::MAX);
                    encode_as_webp(self, quality, &unbounded)?
                }
            };
            Ok(Thumbnail { width: self.width, height: self.height, format, bytes })
        })
    }

    fn encode_as_jpeg(&self, quality: Quality) -> Result<Vec<u8>, Error> {
        let size @ (width, height) = (self.width, self.height);
        check_sides(ImageFormat::Jpeg, size, JPEG_MAX_SIDE)?;
        let rgb = colour::sdr_rgb();
        let mut frame = blank(PixelFormat::RGB24, size, rgb)?;
        let row_bytes = width as usize * 3;
        let rows = self.pixels.chunks_exact(row_bytes.max(1)).take(height as usize);
        for (row, from) in rows.enumerate() {
            let to = frame.row_mut(0, row, row_bytes).ok_or_else(|| unreadable("a row is missing"))?;
            to.copy_from_slice(from);
        }
        let mut jfif = scaled(&frame, PixelFormat::YUVJ420P, size, colour::jfif(rgb))?;
        encode_jpeg(&mut jfif, quality.mjpeg_quantiser()).map_err(Error::picture("encoded as JPEG"))
    }
}
