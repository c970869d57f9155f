//! Conversion of a frame band by band. A whole 8K picture would take hundreds of megabytes, and a band of it takes a few. Between two
//! bands, the deadline is checked.
//!
//! A band has the same samples as the whole picture in these rows. libswscale computes each row from the rows around it, so a band is
//! scaled with a margin, and the margin is discarded. This method works where rows are not scaled, and where rows come in whole
//! groups that share chroma. Other pictures are first scaled as a whole.

use std::ops::Range;

use crate::media::error::Error;
use crate::media::ffi::frame::{ColourCodes, Frame};
use crate::media::ffi::pixel_format::PixelFormat;
use crate::media::ffi::scale::scale;
use crate::media::frame::colour;
use crate::media::frame::via_rgb::ViaRgb;
use crate::media::input::Fault;
use crate::media::work::Work;
use crate::picture::matrix;
use crate::pixels::RgbPicture;

/// Rows in a band. A multiple of 8: dithering patterns repeat after 8 rows (libswscale/output.c), and at most four rows share a row of
/// chroma.
const BAND: usize = 256;
/// Rows before and after a band that are scaled with the band: bicubic filters extend over 4 rows, and over 8 rows when they halve
/// the size. A multiple of 8, too.
const MARGIN: usize = 16;
/// Rows of work in this crate between two checks of the deadline.
pub(super) const ROWS_BETWEEN_CHECKS: usize = 64;

/// Returns an error if the allowed time has passed, or the picture was cancelled.
///
/// # Errors
/// [`Error::Timeout`], [`Error::Cancelled`], [`Error::LimitExceeded`].
pub(super) fn check(work: &Work) -> Result<(), Error> {
    work.expired().map_or(Ok(()), |stop| Err(Fault::Stopped(stop).into()))
}

/// Calls [`check`] in one of [`ROWS_BETWEEN_CHECKS`] rows.
pub(super) fn check_at_row(work: &Work, row: usize) -> Result<(), Error> {
    if row.is_multiple_of(ROWS_BETWEEN_CHECKS) { check(work) } else { Ok(()) }
}

pub(super) fn unreadable(reason: &str) -> Error {
    Error::Picture { step: "scaled".into(), reason: reason.to_owned() }
}

pub(super) fn blank(
    format: PixelFormat,
    (width, height): (u32, u32),
    colour: ColourCodes,
) -> Result<Frame, Error> {
    let mut frame =
        Frame::with_size(format, width, height).map_err(Error::library("allocating a picture"))?;
    frame.set_colour(colour);
    Ok(frame)
}

/// Returns the frame in another size, format and colour space.
pub(super) fn scaled(
    source: &Frame,
    format: PixelFormat,
    size: (u32, u32),
    colour: ColourCodes,
) -> Result<Frame, Error> {
    let mut scaled = blank(format, size, colour)?;
    scale(source, &mut scaled).map_err(Error::picture("scaled"))?;
    Ok(scaled)
}

/// The target of scaling.
#[derive(Clone, Copy)]
struct Scaled {
    format: PixelFormat,
    size: (u32, u32),
    colour: ColourCodes,
}

/// A part of a scaled picture.
struct Band<'a> {
    frame: &'a Frame,
    /// The row of the picture that is the frame's first row.
    first: usize,
    /// The rows of the picture that the band covers.
    rows: Range<usize>,
}

impl Band<'_> {
    /// Returns a packed row of the picture.
    fn row(&self, row: usize, row_bytes: usize) -> Result<&[u8], Error> {
        let row = row.checked_sub(self.first).and_then(|row| self.frame.row(0, row, row_bytes));
        row.ok_or_else(|| unreadable("the scaled picture lacks a row"))
    }
}

/// Scales a frame, and passes it on band by band.
fn in_bands(
    source: &Frame,
    scaled_to: Scaled,
    work: &Work,
    mut take: impl FnMut(Band<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let Scaled { format, size: (width, height), colour } = scaled_to;
    let rows = height as usize;
    let has_whole_groups = rows.is_multiple_of(4);
    let whole = if has_whole_groups && source.height() == height {
        None
    } else {
        Some(scaled(source, format, (width, height), colour)?)
    };
    let step = if has_whole_groups { BAND } else { rows.max(1) };
    for start in (0..rows).step_by(step) {
        check(work)?;
        let end = start.saturating_add(step).min(rows);
        if let Some(frame) = &whole {
            take(Band { frame, first: 0, rows: start..end })?;
            continue;
        }
        let around = start.saturating_sub(MARGIN)..end.saturating_add(MARGIN).min(rows);
        let (first, count) = (around.start, u32::try_from(around.len()).unwrap_or(height));
        let part = source.band(around).map_err(Error::picture("cut into bands"))?;
        let frame = scaled(&part, format, (width, count), colour)?;
        take(Band { frame: &frame, first, rows: start..end })?;
    }
    Ok(())
}

/// Packed pixels: red, green, blue, and perhaps alpha, a byte each, rows without padding.
pub(super) struct Packed {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: usize,
    pub(super) pixels: Vec<u8>,
}

impl From<Packed> for RgbPicture {
    /// Takes pixels without alpha.
    fn from(Packed { width, height, pixels, .. }: Packed) -> Self {
        Self { width, height, pixels }
    }
}

/// Returns the frame as packed pixels.
pub(super) fn to_packed(
    source: &Frame,
    colour: ColourCodes,
    way: &ViaRgb,
    (width, height): (u32, u32),
    work: &Work,
) -> Result<Packed, Error> {
    let (format, bytes_per_pixel, colour) = way.scaled_to(colour);
    let scaled_to = Scaled { format, size: (width, height), colour };
    let channels = way.channels();
    let (row_bytes, out_bytes) = (width as usize * bytes_per_pixel, width as usize * channels);
    let mut pixels = vec![0; out_bytes * height as usize];
    let mut rows = pixels.chunks_exact_mut(out_bytes.max(1));
    in_bands(source, scaled_to, work, |band| {
        for (row, out) in band.rows.clone().zip(&mut rows) {
            check_at_row(work, row)?;
            way.map(band.row(row, row_bytes)?, out);
        }
        Ok(())
    })?;
    Ok(Packed { width, height, channels, pixels })
}

/// Converts a frame through RGB to 4:2:0 in the numbers of JFIF. `way` must not keep transparency.
pub(super) fn rgb_to_jfif(
    source: &Frame,
    colour: ColourCodes,
    way: &ViaRgb,
    (width, height): (u32, u32),
    work: &Work,
) -> Result<Frame, Error> {
    let (format, bytes_per_pixel, codes) = way.scaled_to(colour);
    let scaled_to = Scaled { format, size: (width, height), colour: codes };
    let row_bytes = width as usize * bytes_per_pixel;
    let mut out = blank(PixelFormat::YUVJ420P, (width, height), colour::jfif(colour))?;
    let (mut upper, mut lower) = (vec![0; width as usize * 3], vec![0; width as usize * 3]);
    // A band begins with a whole row of chroma.
    in_bands(source, scaled_to, work, |band| {
        for row in band.rows.clone().step_by(2) {
            check_at_row(work, row)?;
            way.map(band.row(row, row_bytes)?, &mut upper);
            let is_pair = row + 1 < band.rows.end;
            if is_pair {
                way.map(band.row(row + 1, row_bytes)?, &mut lower);
            }
            jfif_rows(&upper, is_pair.then_some(&lower), row, &mut out)
                .ok_or_else(|| unreadable("a plane is missing"))?;
        }
        Ok(())
    })?;
    Ok(out)
}

/// Writes two rows of packed RGB into a 4:2:0 picture in the numbers of JFIF. The last row of an odd number has no `lower`.
pub(super) fn jfif_rows(upper: &[u8], lower: Option<&Vec<u8>>, row: usize, out: &mut Frame) -> Option<()> {
    let width = out.width() as usize;
    let (mut cb, mut cr) = (vec![0; width.div_ceil(2)], vec![0; width.div_ceil(2)]);
    matrix::luma_of_rgb(upper, out.row_mut(0, row, width)?);
    if let Some(lower) = lower {
        matrix::luma_of_rgb(lower, out.row_mut(0, row + 1, width)?);
    }
    matrix::chroma_of_rgb(upper, lower.map_or(upper, Vec::as_slice), &mut cb, &mut cr);
    out.row_mut(1, row / 2, cb.len())?.copy_from_slice(&cb);
    out.row_mut(2, row / 2, cr.len())?.copy_from_slice(&cr);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::deadline::Deadline;
    use crate::media::OpenOptions;
    use crate::picture::primaries::Primaries;
    use crate::picture::tone_map::{Light, OutputCurve, ToneMap, Transfer};

    /// BT.2020, limited range, PQ.
    const HDR: ColourCodes =
        ColourCodes { range: 1, matrix: 9, transfer: 16, primaries: 9, chroma_location: 1 };

    /// Creates a frame of noise on slopes (SplitMix64), so that neither clipping nor flatness hides a difference.
    fn noise(size: (u32, u32), mut state: u64) -> Frame {
        let mut frame = blank(PixelFormat::YUV420P10LE, size, colour::for_scaler(HDR)).unwrap();
        for index in 0..3 {
            let shift = usize::from(index > 0);
            let bytes = (size.0 as usize).div_ceil(1 << shift) * 2;
            for row in 0..(size.1 as usize).div_ceil(1 << shift) {
                for (column, sample) in
                    frame.row_mut(index, row, bytes).unwrap().chunks_exact_mut(2).enumerate()
                {
                    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    let noise = u16::try_from((mixed ^ mixed >> 27) % 64).unwrap();
                    let slope = u16::try_from((row * 3 + column * 2) % 800).unwrap();
                    sample.copy_from_slice(&(64 + slope + noise).to_le_bytes());
                }
            }
        }
        frame
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn bands_equal_the_whole_picture(
            width in 2_u32..90, quarters in 1_u32..220, seed: u64, is_422: bool, hlg: bool, wider: bool,
        ) {
            let size = (width, quarters * 4);
            let out = (if wider { width * 3 / 2 } else { width }, size.1);
            let work = OpenOptions::default().work();
            let source = if is_422 { noise_422(size, seed) } else { noise(size, seed) };
            let transfer = if hlg { Transfer::Hlg } else { Transfer::Pq };
            let tones =
                ToneMap::new(Light { transfer, primaries: Primaries::BT2020, output: OutputCurve::Video, peak_nits: Some(1000.0) });
            // As a whole: one step after the other, each on all rows.
            let (columns, rows) = (out.0 as usize, out.1 as usize);
            let deep = scaled(&source, PixelFormat::RGB48LE, out, colour::rgb(HDR)).unwrap();
            let mut rgb = blank(PixelFormat::RGB24, out, colour::rgb(HDR)).unwrap();
            for row in 0..rows {
                tones.map(deep.row(0, row, columns * 6).unwrap(), rgb.row_mut(0, row, columns * 3).unwrap());
            }
            let jfif = rgb_to_jfif(&rgb, colour::rgb(HDR), &ViaRgb::new(None, None, None), out, &work).unwrap();
            let way = ViaRgb::new(None, None, Some(tones));
            let banded = to_packed(&source, HDR, &way, out, &work).unwrap();
            prop_assert!(banded.pixels == rgb.copy_planes().unwrap(), "{size:?}");
            let banded = rgb_to_jfif(&source, HDR, &way, out, &work).unwrap();
            prop_assert!(banded.copy_planes().unwrap() == jfif.copy_planes().unwrap(), "{size:?}");
            let flat = scaled(&source, PixelFormat::RGB24, out, colour::rgb(HDR)).unwrap();
            let banded = to_packed(&source, HDR, &ViaRgb::new(None, None, None), out, &work).unwrap();
            prop_assert!(banded.pixels == flat.copy_planes().unwrap(), "{size:?}");
        }
    }

    /// Creates noise with chroma in every row.
    fn noise_422(size: (u32, u32), seed: u64) -> Frame {
        let half = noise(size, seed);
        scaled(&half, PixelFormat::YUV422P10LE, size, colour::for_scaler(HDR)).unwrap()
    }

    #[test]
    fn scaling_stops_at_the_deadline() {
        let source = noise((64, 64), 1);
        let tones = ToneMap::new(Light {
            transfer: Transfer::Pq,
            primaries: Primaries::BT2020,
            output: OutputCurve::Video,
            peak_nits: None,
        });
        let work = Work::new(Deadline::new(Duration::ZERO, None), Duration::MAX);
        let way = ViaRgb::new(None, None, Some(tones));
        let late = rgb_to_jfif(&source, HDR, &way, (64, 64), &work).map(|_| ());
        assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
        let late = to_packed(&source, HDR, &ViaRgb::new(None, None, None), (64, 64), &work).map(|_| ());
        assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
    }
}
