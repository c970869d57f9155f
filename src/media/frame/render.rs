//! A frame made a picture: progressive, upright, with square pixels, in the colours of SDR, packed or as a file.

use crate::deadline::Deadline;
use crate::limits::Limit;
use crate::media::error::Error;
use crate::media::ffi::codec::encode_jpeg;
use crate::media::ffi::frame::{ColourCodes, Edges, Frame};
use crate::media::ffi::pixel_format::PixelFormat;
use crate::media::ffi::scale::scale;
use crate::media::frame::colour;
use crate::media::frame::poster::PosterFrame;
use crate::media::input::Fault;
use crate::picture::deinterlace::deinterlace_plane;
use crate::picture::matrix::ToJfif;
use crate::picture::orient::{orient_rgb, orient_yuv};
use crate::picture::tone_map::{HdrLight, tone_map};
use crate::picture::{Encoding, ImageFormat, Thumbnail};
use crate::pixels::{Framing, Orientation, Plane, RgbPicture, YuvPicture};

/// JPEG sides are 16 bits (ITU-T T.81, B.2.2), and libavcodec's encoder leaves room for its blocks.
const JPEG_MAX_SIDE: u32 = 65_500;

impl PosterFrame {
    /// The picture as packed RGB: upright, square pixels, SDR, within these bounds, or as this [`Encoding`] fills them. For encoders of
    /// your own.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::Error> {
    /// use std::time::Duration;
    /// use posterframe::{Bounds, Media, OpenOptions};
    ///
    /// let mut media = Media::open_file("tests/fixtures/hdr10.mp4", &OpenOptions::default())?;
    /// let frame = media.frame(Duration::from_secs(1))?;
    /// let picture = frame.to_rgb8(Bounds::default())?;
    /// assert_eq!(picture.pixels.len() as u64, u64::from(picture.width) * u64::from(picture.height) * 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::Picture`] when libswscale cannot convert the pixel format.
    /// - [`Error::LimitExceeded`], [`Error::Timeout`], [`Error::Cancelled`]: as the options of the `Media` say.
    pub fn to_rgb8(&self, framing: impl Into<Framing>) -> Result<RgbPicture, Error> {
        let framing = framing.into();
        let work = self.begin(framing)?;
        self.upright_rgb(framing, &work)
    }

    /// The picture that was requested with the frame, as a file in memory.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn thumbnail(&self) -> Result<Thumbnail, Error> {
        self.encode(&self.terms.encoding)
    }

    /// The picture as a file in memory: upright, square pixels, SDR, of the size and part that the encoding describes.
    ///
    /// # Errors
    /// - [`Error::Picture`] when libswscale cannot convert the pixel format, or the encoder fails (WebP and JPEG have
    ///   a largest size).
    /// - [`Error::LimitExceeded`], [`Error::Timeout`], [`Error::Cancelled`]: as the options of the `Media` say.
    pub fn encode(&self, encoding: &Encoding) -> Result<Thumbnail, Error> {
        let framing = Framing::from(encoding);
        let work = self.begin(framing)?;
        let (width, height) = self.display_size(framing);
        let bytes = match encoding.format {
            ImageFormat::Jpeg => self.encode_as_jpeg(encoding, &work)?,
            #[cfg(feature = "png")]
            ImageFormat::Png => crate::picture::encode::encode_png(&self.upright_rgb(framing, &work)?)
                .map_err(|reason| Error::Picture { step: "encoded as PNG", reason })?,
            #[cfg(feature = "webp")]
            ImageFormat::WebP => {
                let picture = self.upright_rgb(framing, &work)?;
                crate::picture::encode::encode_webp(&picture, encoding.quality)
                    .map_err(|reason| Error::Picture { step: "encoded as WebP", reason })?
            }
        };
        check(&work)?;
        Ok(Thumbnail { width, height, format: encoding.format, bytes })
    }

    /// Begins a picture: its time runs from here, and its size is looked at.
    /// Nothing in between is larger than that and the decoded frame, which has been looked at.
    fn begin(&self, framing: Framing) -> Result<Deadline, Error> {
        let (max_pixels, work) = (self.terms.max_pixels, self.terms.work.begin());
        check(&work)?;
        let (width, height) = self.display_size(framing);
        if u64::from(width) * u64::from(height) > max_pixels {
            return Err(Error::LimitExceeded { limit: Limit::MaxPixels, allowed: max_pixels });
        }
        Ok(work)
    }

    fn upright_rgb(&self, framing: Framing, work: &Deadline) -> Result<RgbPicture, Error> {
        let (source, colour) = self.shown_part(framing)?;
        check(work)?;
        let picture = self.scale_to_rgb(&source, colour, self.scaled_size(framing), work)?;
        check(work)?;
        Ok(orient_rgb(picture, self.orientation))
    }

    fn encode_as_jpeg(&self, encoding: &Encoding, work: &Deadline) -> Result<Vec<u8>, Error> {
        let (width, height) = self.scaled_size(encoding.into());
        if width.max(height) > JPEG_MAX_SIDE {
            let reason = format!("{width} x {height} is larger than JPEG's {JPEG_MAX_SIDE} pixels a side");
            return Err(Error::Picture { step: "encoded as JPEG", reason });
        }
        let (mut source, mut colour) = self.shown_part(encoding.into())?;
        check(work)?;
        // HDR goes through RGB, where tones are mapped.
        if colour::hdr_transfer(colour).is_some() {
            source = rgb_frame(&self.scale_to_rgb(&source, colour, (width, height), work)?)?;
            colour = colour::sdr_rgb();
        }
        let picture = jfif_frame(&source, colour, (width, height))?;
        check(work)?;
        let mut upright = match self.orientation {
            Orientation::Upright => picture,
            orientation => yuv_frame(&orient_yuv(yuv_planes(&picture)?, orientation), colour::jfif(colour))?,
        };
        encode_jpeg(&mut upright, encoding.quality.mjpeg_quantiser())
            .map_err(Error::picture("encoded as JPEG"))
    }

    /// The size to scale to before turning.
    fn scaled_size(&self, framing: Framing) -> (u32, u32) {
        let (width, height) = self.display_size(framing);
        if self.orientation.swaps_sides() { (height, width) } else { (width, height) }
    }

    /// The part of the prepared frame that is shown, as the scaler should see it. Only its edges are cut off, so nothing is copied, and what
    /// lies beyond them is not scaled. It begins at whole chroma samples, so that colours stay where they are.
    fn shown_part(&self, framing: Framing) -> Result<(Frame, ColourCodes), Error> {
        let (source, colour) = self.prepared()?;
        let share = || source.share().map_err(Error::library("sharing a frame"));
        let size = (source.width(), source.height());
        let layout = source.format().layout();
        let align = layout.map_or((1, 1), |layout| layout.cut_step());
        let Some(part) = framing.part(size, self.upright_size(), self.orientation, align) else {
            return Ok((share()?, *colour));
        };
        // Pixels that do not begin at a byte get bytes of their own.
        let (mut cropped, colour) = match layout {
            Some(layout) if layout.is_bit_packed => {
                let colour = colour::rgb(*colour);
                (scaled(source, PixelFormat::RGB24, size, colour)?, colour)
            }
            _ => (share()?, *colour),
        };
        let edges = Edges {
            top: part.top as usize,
            bottom: size.1.saturating_sub(part.top).saturating_sub(part.height) as usize,
            left: part.left as usize,
            right: size.0.saturating_sub(part.left).saturating_sub(part.width) as usize,
        };
        cropped.crop(edges).map_err(Error::picture("cropped"))?;
        Ok((cropped, colour))
    }

    /// What all pictures of the frame have in common.
    fn prepared(&self) -> Result<&(Frame, ColourCodes), Error> {
        if self.prepared.get().is_none() {
            // Of several threads that come here at once, the first one's counts.
            let _ = self.prepared.set(self.prepare()?);
        }
        self.prepared.get().ok_or_else(|| unreadable("it was not prepared"))
    }

    /// The frame as the scaler should see it: progressive, its colours told in full, and no more than that.
    fn prepare(&self) -> Result<(Frame, ColourCodes), Error> {
        let mut source = self.frame.share().map_err(Error::library("sharing a frame"))?;
        let layout = source.format().layout().ok_or_else(|| Error::Picture {
            step: "scaled",
            reason: "its pixel format is unknown".to_owned(),
        })?;
        let colour = colour::complete(source.colour(), layout, source.height());
        source.set_colour(colour);
        source.forget_light_levels();
        if source.is_interlaced() {
            self.deinterlace(&mut source)?;
            source.mark_progressive();
        }
        Ok((source, colour))
    }

    /// Joins the fields, in the pixel formats that interlaced video comes in (planar YUV in native byte order); the
    /// others are left as they are.
    fn deinterlace(&self, frame: &mut Frame) -> Result<(), Error> {
        let Some(layout) = frame.format().layout() else { return Ok(()) };
        let supported = layout.is_planar && !layout.is_rgb && !layout.is_big_endian && layout.components == 3;
        // Formats with both chroma components in one plane have no third one.
        if !supported || frame.plane(2, 0).is_none() {
            return Ok(());
        }
        let keep_top = frame.is_top_field_first();
        let sample_bytes = if layout.depth > 8 { 2 } else { 1 };
        let width = frame.width() as usize;
        for index in 0..layout.components {
            let shift_x = if index == 0 { 0 } else { layout.chroma_shift.0 };
            let columns = width.div_ceil(1 << shift_x);
            let Some(mut bytes) = frame.plane(index, columns * sample_bytes) else { continue };
            if sample_bytes == 1 {
                deinterlace_plane(&mut bytes, columns, layout.depth, keep_top);
            } else {
                let (samples, _) = bytes.as_chunks_mut::<2>();
                deinterlace_plane(samples, columns, layout.depth, keep_top);
            }
            frame
                .write_plane(index, columns * sample_bytes, &bytes)
                .map_err(Error::picture("deinterlaced"))?;
        }
        Ok(())
    }

    fn scale_to_rgb(
        &self,
        source: &Frame,
        colour: ColourCodes,
        (width, height): (u32, u32),
        work: &Deadline,
    ) -> Result<RgbPicture, Error> {
        let hdr = colour::hdr_transfer(colour);
        let (format, bytes_per_pixel) =
            if hdr.is_some() { (PixelFormat::RGB48LE, 6) } else { (PixelFormat::RGB24, 3) };
        let scaled = scaled(source, format, (width, height), colour::rgb(colour))?;
        check(work)?;
        let pixels = scaled
            .plane(0, width as usize * bytes_per_pixel)
            .ok_or_else(|| unreadable("the scaled picture has no pixels"))?;
        Ok(match hdr {
            Some(transfer) => {
                let primaries = colour::hdr_primaries(colour);
                let light = HdrLight { transfer, primaries, peak_nits: self.frame.peak_nits() };
                tone_map(&pixels, width, height, light)
            }
            None => RgbPicture { width, height, pixels },
        })
    }
}

/// Ends a picture whose time is over, or that nobody waits for any more.
fn check(work: &Deadline) -> Result<(), Error> {
    work.expired().map_or(Ok(()), |stop| Err(Fault::Stopped(stop).into()))
}

fn unreadable(reason: &str) -> Error {
    Error::Picture { step: "scaled", reason: reason.to_owned() }
}

fn blank(format: PixelFormat, width: u32, height: u32, colour: ColourCodes) -> Result<Frame, Error> {
    let mut frame =
        Frame::with_size(format, width, height).map_err(Error::library("allocating a picture"))?;
    frame.set_colour(colour);
    Ok(frame)
}

/// The frame at a size, 4:2:0 in the numbers of JFIF.
///
/// libswscale changes size, depth and chroma sampling where they differ; matrix and range are changed afterwards, on fewer
/// samples. It does both for the matrices that are not made of luma weights, and for RGB.
fn jfif_frame(source: &Frame, colour: ColourCodes, (width, height): (u32, u32)) -> Result<Frame, Error> {
    let Some(weights) = colour::luma_weights(colour) else {
        return scaled(source, PixelFormat::YUVJ420P, (width, height), colour::jfif(colour));
    };
    let full_range = colour::is_full_range(colour);
    let format = if full_range { PixelFormat::YUVJ420P } else { PixelFormat::YUV420P };
    let fits = source.format() == format && (source.width(), source.height()) == (width, height);
    let planar = if fits { None } else { Some(scaled(source, format, (width, height), colour)?) };
    let mut out = blank(PixelFormat::YUVJ420P, width, height, colour::jfif(colour))?;
    rewrite_rows(planar.as_ref().unwrap_or(source), &mut out, ToJfif::new(weights, full_range))
        .ok_or_else(|| unreadable("a plane is missing"))?;
    Ok(out)
}

/// Fills `out` with the rows of `source`, both 4:2:0 and of one size.
fn rewrite_rows(source: &Frame, out: &mut Frame, to_jfif: ToJfif) -> Option<()> {
    let (width, height) = (source.width() as usize, source.height() as usize);
    let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut added = Vec::with_capacity(chroma_width * 2);
    for row in 0..chroma_height {
        let (cb, cr) = (source.row(1, row, chroma_width)?, source.row(2, row, chroma_width)?);
        to_jfif.blue(cb, cr, out.row_mut(1, row, chroma_width)?);
        to_jfif.red(cb, cr, out.row_mut(2, row, chroma_width)?);
        to_jfif.added_to_luma(cb, cr, &mut added);
        for row in (row * 2..height).take(2) {
            to_jfif.luma(source.row(0, row, width)?, &added, out.row_mut(0, row, width)?);
        }
    }
    Some(())
}

fn scaled(
    source: &Frame,
    format: PixelFormat,
    (width, height): (u32, u32),
    colour: ColourCodes,
) -> Result<Frame, Error> {
    let mut scaled = blank(format, width, height, colour)?;
    scale(source, &mut scaled).map_err(Error::picture("scaled"))?;
    Ok(scaled)
}

fn rgb_frame(picture: &RgbPicture) -> Result<Frame, Error> {
    let mut frame = blank(PixelFormat::RGB24, picture.width, picture.height, colour::sdr_rgb())?;
    frame
        .write_plane(0, picture.width as usize * 3, &picture.pixels)
        .map_err(Error::library("copying a picture"))?;
    Ok(frame)
}

fn yuv_frame(picture: &YuvPicture, colour: ColourCodes) -> Result<Frame, Error> {
    let [luma, ..] = &picture.planes;
    let side = |samples: usize| u32::try_from(samples).map_err(|_| unreadable("it is too large"));
    let mut frame = blank(PixelFormat::YUVJ420P, side(luma.width)?, side(luma.height)?, colour)?;
    for (index, plane) in picture.planes.iter().enumerate() {
        frame.write_plane(index, plane.width, &plane.samples).map_err(Error::library("copying a picture"))?;
    }
    Ok(frame)
}

fn yuv_planes(frame: &Frame) -> Result<YuvPicture, Error> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let plane = |index: usize, width: usize, height: usize| {
        let samples = frame.plane(index, width).ok_or_else(|| unreadable("a plane is missing"))?;
        Ok::<_, Error>(Plane { width, height, samples })
    };
    let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
    Ok(YuvPicture {
        planes: [
            plane(0, width, height)?,
            plane(1, chroma_width, chroma_height)?,
            plane(2, chroma_width, chroma_height)?,
        ],
    })
}
