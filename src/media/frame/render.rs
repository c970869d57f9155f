//! Conversion of a frame into a picture: progressive, upright, with square pixels, in SDR colours, packed or encoded.

use crate::limits::Limit;
use crate::media::error::Error;
use crate::media::ffi::codec::encode_jpeg;
use crate::media::ffi::frame::{ColourCodes, Edges, Frame};
use crate::media::ffi::pixel_format::{PixelFormat, PixelLayout};
#[cfg(feature = "webp")]
use crate::media::ffi::webp::{WebPError, encode_webp};
use crate::media::frame::bands::{
    Packed, blank, check, check_at_row, rgb_to_jfif, scaled, to_packed, unreadable,
};
use crate::media::frame::colour;
use crate::media::frame::fields::join_fields;
use crate::media::frame::poster::PosterFrame;
use crate::media::frame::via_rgb::ViaRgb;
use crate::media::work::Work;
#[cfg(feature = "webp")]
use crate::picture::Quality;
#[cfg(feature = "png")]
use crate::picture::encode::encode_png;
use crate::picture::matrix::{self, ChromaColumn, LumaWeights, ToJfif};
use crate::picture::orient::{fill_row, turned};
use crate::picture::tone_map::ToneMap;
use crate::picture::{Encoding, ImageFormat, Placeholder, Thumbnail, Transparency};
use crate::pixels::{Framing, Orientation, RgbPicture};

/// JPEG sides have 16 bits (ITU-T T.81, B.2.2), and libavcodec's encoder leaves room for its blocks.
pub(super) const JPEG_MAX_SIDE: u32 = 65_500;

impl PosterFrame {
    /// Returns the picture as packed RGB: upright, square pixels, SDR, within these bounds, or with the fit of this [`Encoding`]. Use
    /// this method with your own encoder.
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
    /// - [`Error::LimitExceeded`], [`Error::Timeout`], [`Error::Cancelled`]: a limit or token of the `Media`'s options ended the call.
    pub fn to_rgb8(&self, framing: impl Into<Framing>) -> Result<RgbPicture, Error> {
        let framing = framing.into();
        self.call(framing, |work| {
            self.upright_packed(framing, Transparency::default(), work).map(RgbPicture::from)
        })
    }

    /// Returns the ThumbHash and the average colour of the picture, for a page to show until the picture is loaded. They depend on the part
    /// of the frame that is shown, and on no size, format or quality.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::Error> {
    /// use std::time::Duration;
    /// use posterframe::{Bounds, Media, OpenOptions};
    ///
    /// let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
    /// let placeholder = media.frame(Duration::from_secs(1))?.placeholder(Bounds::default())?;
    /// println!("{} {}", placeholder.thumb_hash, placeholder.average_colour);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`to_rgb8`](Self::to_rgb8).
    pub fn placeholder(&self, framing: impl Into<Framing>) -> Result<Placeholder, Error> {
        let framing = framing.into();
        let small = framing.within(Placeholder::BOUNDS, self.display_size(framing));
        Ok(Placeholder::of(&self.to_rgb8(small)?))
    }

    /// Encodes the picture that was requested with the frame, in memory.
    ///
    /// # Errors
    /// The errors of [`encode`](Self::encode).
    pub fn thumbnail(&self) -> Result<Thumbnail, Error> {
        self.encode(&self.terms.encoding)
    }

    /// Encodes the picture in memory: upright, square pixels, SDR, in the size and part that the encoding describes.
    ///
    /// # Errors
    /// - [`Error::Picture`] when libswscale cannot convert the pixel format, or the encoder fails.
    /// - [`Error::TooLarge`] when a side is longer than the format allows: 65,500 pixels of JPEG, 16,383 of WebP.
    /// - [`Error::NoTransparency`] when the encoding keeps transparency in a JPEG.
    /// - [`Error::LimitExceeded`], [`Error::Timeout`], [`Error::Cancelled`]: a limit or token of the `Media`'s options ended the call.
    pub fn encode(&self, encoding: &Encoding) -> Result<Thumbnail, Error> {
        self.call(encoding.into(), |work| self.make(encoding, work))
    }

    fn make(&self, encoding: &Encoding, work: &Work) -> Result<Thumbnail, Error> {
        let framing = Framing::from(encoding);
        let (width, height) = self.display_size(framing);
        #[cfg(any(feature = "png", feature = "webp"))]
        let packed = || self.upright_packed(framing, encoding.transparency, work);
        let bytes = match encoding.format {
            ImageFormat::Jpeg => self.encode_as_jpeg(encoding, work)?,
            #[cfg(feature = "png")]
            ImageFormat::Png => {
                let Packed { channels, pixels, .. } = packed()?;
                encode_png(&pixels, (width, height), channels)
                    .map_err(|reason| Error::Picture { step: "encoded as PNG".into(), reason })?
            }
            #[cfg(feature = "webp")]
            ImageFormat::WebP => {
                let Packed { channels, pixels, .. } = packed()?;
                encode_as_webp((&pixels, channels), (width, height), encoding.quality, work)?
            }
        };
        check(work)?;
        Ok(Thumbnail { width, height, format: encoding.format, bytes })
    }

    /// Creates a picture: its time runs from here, and its size is checked. No intermediate result is larger than the picture or the
    /// decoded frame, whose size was checked before.
    fn call<T>(&self, framing: Framing, make: impl FnOnce(&Work) -> Result<T, Error>) -> Result<T, Error> {
        Error::guard(|| {
            let (max_pixels, mut work) = (self.terms.max_pixels, self.terms.work.begin());
            check(&work)?;
            let (width, height) = self.display_size(framing);
            if u64::from(width) * u64::from(height) > max_pixels {
                return Err(Error::LimitExceeded { limit: Limit::MaxPixels, allowed: max_pixels });
            }
            let made = make(&work);
            work.end();
            made
        })
    }

    fn upright_packed(
        &self,
        framing: Framing,
        transparency: Transparency,
        work: &Work,
    ) -> Result<Packed, Error> {
        let (source, colour) = self.shown_part(framing, work)?;
        let way = self.way(&source, colour, transparency);
        let picture = to_packed(&source, colour, &way, self.scaled_size(framing), work)?;
        upright(picture, self.orientation, work)
    }

    fn encode_as_jpeg(&self, encoding: &Encoding, work: &Work) -> Result<Vec<u8>, Error> {
        if encoding.transparency == Transparency::Keep {
            return Err(Error::NoTransparency { format: ImageFormat::Jpeg });
        }
        let (width, height) = self.scaled_size(encoding.into());
        check_sides(ImageFormat::Jpeg, (width, height), JPEG_MAX_SIDE)?;
        let (source, colour) = self.shown_part(encoding.into(), work)?;
        check(work)?;
        let way = self.way(&source, colour, encoding.transparency);
        let picture = match colour::luma_weights(colour).filter(|_| way.is_plain()) {
            Some(weights) => jfif_frame(&source, colour, weights, (width, height), work)?,
            None => rgb_to_jfif(&source, colour, &way, (width, height), work)?,
        };
        check(work)?;
        let mut upright = match self.orientation {
            Orientation::Upright => picture,
            orientation => upright_jfif(&picture, orientation, work)?,
        };
        check(work)?;
        encode_jpeg(&mut upright, encoding.quality.mjpeg_quantiser())
            .map_err(Error::picture("encoded as JPEG"))
    }

    /// Returns the size before rotation.
    fn scaled_size(&self, framing: Framing) -> (u32, u32) {
        let (width, height) = self.display_size(framing);
        if self.orientation.swaps_sides() { (height, width) } else { (width, height) }
    }

    /// Returns the part of the prepared frame that the picture contains, as the scaler receives it. Only the edges are cropped, so no
    /// samples are copied, and the cropped samples are not scaled. The part begins at whole chroma samples, so that colours stay in
    /// place.
    fn shown_part(&self, framing: Framing, work: &Work) -> Result<(Frame, ColourCodes), Error> {
        let (source, colour) = self.prepared(work)?;
        let share = || source.share().map_err(Error::library("sharing a frame"));
        let size = (source.width(), source.height());
        let layout = source.format().layout();
        let align = layout.map_or((1, 1), |layout| layout.cut_step());
        let Some(part) = framing.part(size, self.upright_size(), self.orientation, align) else {
            return Ok((share()?, *colour));
        };
        // Pixels that do not begin at a byte boundary are expanded to whole bytes.
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

    /// Returns the conversion of a frame in these colours.
    fn way(&self, source: &Frame, colour: ColourCodes, transparency: Transparency) -> ViaRgb {
        let tones = colour::light(colour, self.frame.peak_nits()).map(ToneMap::new);
        let layout = source.format().layout();
        let components = layout.and_then(|layout| colour::component_reader(colour, layout));
        let has_alpha = layout.is_some_and(|layout| layout.has_alpha);
        ViaRgb::new(components, has_alpha.then_some(transparency), tones)
    }

    /// Returns the work that all pictures of the frame share.
    fn prepared(&self, work: &Work) -> Result<&(Frame, ColourCodes), Error> {
        if self.prepared.get().is_none() {
            // If several threads get here at the same time, the result of the first one is kept.
            let _ = self.prepared.set(self.prepare(work)?);
        }
        self.prepared.get().ok_or_else(|| unreadable("the frame was not prepared"))
    }

    /// Returns the frame as the scaler receives it: progressive, with complete colour codes, and otherwise unchanged.
    fn prepare(&self, work: &Work) -> Result<(Frame, ColourCodes), Error> {
        let mut source = match &self.alpha {
            Some(alpha) => with_alpha(&self.frame, alpha)?,
            None => None,
        }
        .map_or_else(|| self.frame.share().map_err(Error::library("sharing a frame")), Ok)?;
        let layout = source.format().layout().ok_or_else(|| Error::Picture {
            step: "scaled".into(),
            reason: "the pixel format is unknown".to_owned(),
        })?;
        let size = (source.width(), source.height());
        let colour = colour::complete(source.colour(), layout, size);
        if !colour::is_convertible(colour) {
            let matrix = colour.matrix_name().unwrap_or("unknown").to_owned();
            return Err(Error::ColourMatrix { matrix });
        }
        source.set_colour(colour::for_scaler(colour));
        source.forget_light_levels();
        // This comes first: libswscale cannot create progressive frames from interlaced ones.
        if source.is_interlaced() {
            join_fields(&mut source, layout, work)?;
            source.mark_progressive();
        }
        if let (true, Some(format)) =
            (layout.components == 1 && !colour::is_full_range(colour), source.format().grey_in_colour())
        {
            source = in_colour(&source, format, layout)?;
        }
        // Five and six bits are widened by repetition, for all picture formats.
        if layout.is_rgb && layout.depth < 8 && !layout.has_alpha {
            source = scaled(&source, PixelFormat::RGB24, size, colour::for_scaler(colour))?;
        }
        Ok((source, colour))
    }
}

/// Returns an error for a picture whose sides exceed its file format.
pub(super) fn check_sides(
    format: ImageFormat,
    (width, height): (u32, u32),
    max_side: u32,
) -> Result<(), Error> {
    match width.max(height) > max_side {
        true => Err(Error::TooLarge { format, width, height, max_side }),
        false => Ok(()),
    }
}

/// Combines an 8-bit 4:2:0 frame with its alpha, which is the luma of `alpha`. Returns `None` for other formats, and different sizes.
fn with_alpha(colour: &Frame, alpha: &Frame) -> Result<Option<Frame>, Error> {
    let size = (colour.width(), colour.height());
    if colour.format() != PixelFormat::YUV420P || alpha.format() != PixelFormat::YUV420P {
        return Ok(None);
    }
    if size != (alpha.width(), alpha.height()) {
        return Ok(None);
    }
    let mut frame = blank(PixelFormat::YUVA420P, size, colour.colour())?;
    for (from, plane, to) in [(colour, 0, 0), (colour, 1, 1), (colour, 2, 2), (alpha, 0, 3)] {
        let width = if plane == 0 { size.0 as usize } else { (size.0 as usize).div_ceil(2) };
        for row in 0..frame.rows_of_plane(to) {
            let copied = from
                .row(plane, row, width)
                .and_then(|samples| frame.row_mut(to, row, width).map(|out| out.copy_from_slice(samples)));
            copied.ok_or_else(|| unreadable("a plane is missing"))?;
        }
    }
    Ok(Some(frame))
}

/// Grey as luma with neutral chroma: libswscale takes grey for full range, whatever it says.
fn in_colour(grey: &Frame, format: PixelFormat, layout: PixelLayout) -> Result<Frame, Error> {
    let mut frame = blank(format, (grey.width(), grey.height()), grey.colour())?;
    let sample_bytes = if layout.depth > 8 { 2 } else { 1 };
    let row_bytes = grey.width() as usize * sample_bytes;
    let missing = || unreadable("a plane is missing");
    for row in 0..grey.height() as usize {
        let from = grey.row(0, row, row_bytes).ok_or_else(missing)?;
        frame.row_mut(0, row, row_bytes).ok_or_else(missing)?.copy_from_slice(from);
    }
    let neutral = (1_u16 << (layout.depth - 1)).to_le_bytes();
    let row_bytes = (grey.width() as usize).div_ceil(2) * sample_bytes;
    for index in [1, 2] {
        for row in 0..frame.rows_of_plane(index) {
            let row = frame.row_mut(index, row, row_bytes).ok_or_else(missing)?;
            row.chunks_mut(sample_bytes).for_each(|sample| sample.copy_from_slice(&neutral[..sample_bytes]));
        }
    }
    Ok(frame)
}

/// Returns the frame at a size, as 4:2:0 in the numbers of JFIF.
///
/// libswscale changes size, depth and chroma sampling where they differ; matrix, range and the place of chroma are changed afterwards, on
/// fewer samples.
pub(super) fn jfif_frame(
    source: &Frame,
    colour: ColourCodes,
    weights: LumaWeights,
    size: (u32, u32),
    work: &Work,
) -> Result<Frame, Error> {
    let full_range = colour::is_full_range(colour);
    let format = if full_range { PixelFormat::YUVJ420P } else { PixelFormat::YUV420P };
    let fits = source.format() == format && (source.width(), source.height()) == size;
    let planar = if fits { None } else { Some(scaled(source, format, size, colour::for_scaler(colour))?) };
    let mut rewriter = Rewriter {
        source: planar.as_ref().unwrap_or(source),
        to_jfif: ToJfif::new(weights, full_range),
        column: colour::chroma_column(colour),
        row_shift: colour::chroma_row_shift(colour),
        added: Vec::new(),
        chroma: [Vec::new(), Vec::new()],
    };
    let mut out = blank(PixelFormat::YUVJ420P, size, colour::jfif(colour))?;
    for row in 0..(size.1 as usize).div_ceil(2) {
        check_at_row(work, row)?;
        rewriter.rewrite_row(&mut out, row).ok_or_else(|| unreadable("a plane is missing"))?;
    }
    Ok(out)
}

/// Converts the rows of a 4:2:0 frame to the numbers of JFIF.
struct Rewriter<'a> {
    source: &'a Frame,
    to_jfif: ToJfif,
    /// Place of the source's chroma samples. Those of JFIF lie in the middle of four pixels.
    column: ChromaColumn,
    row_shift: isize,
    added: Vec<i32>,
    chroma: [Vec<u8>; 2],
}

impl Rewriter<'_> {
    /// Converts a row of chroma, and the two rows of luma that share it.
    fn rewrite_row(&mut self, out: &mut Frame, row: usize) -> Option<()> {
        let Self { source, to_jfif, column, row_shift, added, chroma } = self;
        let (width, height) = (source.width() as usize, source.height() as usize);
        let chroma_width = width.div_ceil(2);
        let (cb, cr) = (source.row(1, row, chroma_width)?, source.row(2, row, chroma_width)?);
        to_jfif.added_to_luma(cb, cr, *column, added);
        for row in (row * 2..height).take(2) {
            to_jfif.luma(source.row(0, row, width)?, added, out.row_mut(0, row, width)?);
        }
        let last = height.div_ceil(2).saturating_sub(1);
        let other = row.checked_add_signed(*row_shift).unwrap_or(row).min(last);
        for (index, middle) in [1, 2].into_iter().zip(chroma.iter_mut()) {
            let (here, there) =
                (source.row(index, row, chroma_width)?, source.row(index, other, chroma_width)?);
            match column {
                ChromaColumn::Left => matrix::centred(here, middle),
                ChromaColumn::Centre => here.clone_into(middle),
            }
            if other != row {
                let mut far = Vec::new();
                match column {
                    ChromaColumn::Left => matrix::centred(there, &mut far),
                    ChromaColumn::Centre => there.clone_into(&mut far),
                }
                middle.iter_mut().zip(far).for_each(|(near, far)| *near = matrix::quarters(*near, far));
            }
        }
        let [cb, cr] = chroma;
        to_jfif.blue(cb, cr, out.row_mut(1, row, chroma_width)?);
        to_jfif.red(cb, cr, out.row_mut(2, row, chroma_width)?);
        Some(())
    }
}

/// WebP sides have 14 bits (RFC 9649, section 2.5).
#[cfg(feature = "webp")]
const WEBP_MAX_SIDE: u32 = 16_383;

#[cfg(feature = "webp")]
pub(super) fn encode_as_webp(
    pixels: (&[u8], usize),
    size: (u32, u32),
    quality: Quality,
    work: &Work,
) -> Result<Vec<u8>, Error> {
    let failed = |reason| Error::Picture { step: "encoded as WebP".into(), reason };
    check_sides(ImageFormat::WebP, size, WEBP_MAX_SIDE)?;
    let mut goes_on = || work.expired().is_none();
    encode_webp(pixels, size, f32::from(quality.get()), &mut goes_on).map_err(|error| match error {
        WebPError::Stopped => {
            check(work).err().unwrap_or_else(|| failed("the encoder was stopped".to_owned()))
        }
        WebPError::Failed(reason) => failed(reason),
    })
}

/// Returns the picture in upright orientation.
fn upright(picture: Packed, orientation: Orientation, work: &Work) -> Result<Packed, Error> {
    if orientation == Orientation::Upright {
        return Ok(picture);
    }
    let channels = picture.channels;
    let rows: Vec<&[u8]> = picture.pixels.chunks_exact((picture.width as usize * channels).max(1)).collect();
    let (width, height) = turned(picture.width, picture.height, orientation);
    let fill = if channels == 4 { fill_row::<4> } else { fill_row::<3> };
    let mut pixels = vec![0; picture.pixels.len()];
    for (row, out) in pixels.chunks_exact_mut((width as usize * channels).max(1)).enumerate() {
        check_at_row(work, row)?;
        fill(&rows, orientation, row, out).ok_or_else(|| unreadable("a row is missing"))?;
    }
    Ok(Packed { width, height, channels, pixels })
}

/// Returns a 4:2:0 picture in the numbers of JFIF in upright orientation.
fn upright_jfif(picture: &Frame, orientation: Orientation, work: &Work) -> Result<Frame, Error> {
    let size = turned(picture.width(), picture.height(), orientation);
    let mut out = blank(PixelFormat::YUVJ420P, size, picture.colour())?;
    for index in 0..3 {
        let halved = |side: u32| if index == 0 { side as usize } else { (side as usize).div_ceil(2) };
        let (width, height) = (halved(picture.width()), halved(picture.height()));
        let rows = (0..height).map(|row| picture.row(index, row, width));
        let rows = rows.collect::<Option<Vec<_>>>().ok_or_else(|| unreadable("a plane is missing"))?;
        for row in 0..halved(size.1) {
            check_at_row(work, row)?;
            let filled = out
                .row_mut(index, row, halved(size.0))
                .and_then(|out| fill_row::<1>(&rows, orientation, row, out));
            filled.ok_or_else(|| unreadable("a row is missing"))?;
        }
    }
    Ok(out)
}
