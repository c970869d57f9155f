//! Orientation, crop, pixel shape, odd sizes and chroma sampling together, against a slope whose place in the picture is known.

use std::sync::OnceLock;

use proptest::prelude::*;

use crate::media::OpenOptions;
use crate::media::ffi::frame::{ColourCodes, Edges, Frame};
use crate::media::ffi::pixel_format::PixelFormat;
use crate::media::frame::bands::{blank, rgb_to_jfif};
use crate::media::frame::poster::{PosterFrame, Terms, crop};
use crate::media::frame::via_rgb::ViaRgb;
use crate::media::info::Ratio;
use crate::media::search::FrameReason;
use crate::picture::{Encoding, Quality};
use crate::pixels::{Bounds, Orientation};

/// Limited range, BT.709; chroma at the left.
const TAGGED: ColourCodes =
    ColourCodes { range: 1, matrix: 1, transfer: 1, primaries: 1, chroma_location: 1 };
/// Pixel shapes, the last three of which are damage.
const SHAPES: [(i32, i32); 10] =
    [(1, 1), (4, 3), (10, 11), (64, 45), (3, 1), (1, 3), (15, 1), (17, 1), (0, 1), (1, 0)];
/// Formats, and how many columns and rows share a sample of chroma.
const FORMATS: [(PixelFormat, (u32, u32)); 5] = [
    (PixelFormat::RGB24, (1, 1)),
    (PixelFormat::YUV444P, (1, 1)),
    (PixelFormat::YUV422P, (2, 1)),
    (PixelFormat::YUV420P, (2, 2)),
    (PixelFormat::YUV410P, (4, 4)),
];

/// A slope of grey from the left and, twice as steep, from the top: 0 to 240.
fn slope(x: f64, y: f64, (width, height): (u32, u32)) -> f64 {
    80.0 * (x + 0.5) / f64::from(width) + 160.0 * (y + 0.5) / f64::from(height)
}

/// The slope as a frame; its grey needs no chroma, which is neutral in all of them.
fn sloping(format: PixelFormat, size: (u32, u32)) -> Frame {
    let mut frame = blank(format, size, TAGGED).unwrap();
    let is_rgb = format == PixelFormat::RGB24;
    for y in 0..size.1 {
        let bytes = if is_rgb { size.0 * 3 } else { size.0 } as usize;
        let row = frame.row_mut(0, y as usize, bytes).unwrap();
        for x in 0..size.0 {
            let value = slope(f64::from(x), f64::from(y), size);
            let code = if is_rgb { value } else { 16.0 + value * 219.0 / 255.0 }.round();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
            let code = code as u8;
            let step = if is_rgb { 3 } else { 1 };
            row[x as usize * step..][..step].fill(code);
        }
    }
    for plane in 1..if is_rgb { 1 } else { 3 } {
        for row in 0..frame.rows_of_plane(plane) {
            frame.row_mut(plane, row, 1).unwrap();
            let width = chroma_width(format, size.0);
            frame.row_mut(plane, row, width).unwrap().fill(128);
        }
    }
    frame
}

fn chroma_width(format: PixelFormat, width: u32) -> usize {
    let (across, _) = FORMATS.iter().find(|(known, _)| *known == format).unwrap().1;
    width.div_ceil(across) as usize
}

fn poster(frame: Frame, orientation: Orientation, shape: (i32, i32), max_pixels: u64) -> PosterFrame {
    PosterFrame {
        frame,
        alpha: None,
        orientation,
        sample_aspect_ratio: Some(Ratio { num: shape.0, den: shape.1 }),
        pts: 0,
        time_base: Ratio { num: 1, den: 1 },
        pts_seconds: 0.0,
        reason: FrameReason::AtTarget,
        stream_index: 0,
        packets_decoded: 1,
        passes: 1,
        terms: Terms { encoding: Encoding::default(), max_pixels, work: OpenOptions::default().work() },
        prepared: OnceLock::new(),
        considered: Vec::new(),
    }
}

/// The size with square pixels: the width is stretched, or the height shrunk where that would be too many pixels.
fn square((width, height): (u32, u32), (num, den): (i32, i32), max_pixels: u64) -> (u32, u32) {
    let is_damage = num <= 0 || den <= 0 || num / den >= 16 || den / num >= 16;
    if is_damage {
        return (width, height);
    }
    let ratio = f64::from(num) / f64::from(den);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sides of at most 1500")]
    let side = |value: f64| ((value + 1e-9).round() as u32).max(1);
    let stretched = side(f64::from(width) * ratio);
    match u64::from(stretched) * u64::from(height) > max_pixels {
        true => (width, side(f64::from(height) / ratio)),
        false => (stretched, height),
    }
}

/// A place of the upright picture in the one that is not turned, both from 0 to 1.
fn unturned(orientation: Orientation, (x, y): (f64, f64)) -> (f64, f64) {
    match orientation {
        Orientation::Upright => (x, y),
        Orientation::FlipHorizontal => (1.0 - x, y),
        Orientation::Rotate180 => (1.0 - x, 1.0 - y),
        Orientation::FlipVertical => (x, 1.0 - y),
        Orientation::Transpose => (y, x),
        // The left edge is shown at the top, the lower edge at the left.
        Orientation::Rotate90 => (y, 1.0 - x),
        Orientation::Transverse => (1.0 - y, 1.0 - x),
        Orientation::Rotate270 => (1.0 - y, x),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Each failure prints the parameters that were drawn.
    #[test]
    fn all_of_geometry_together(
        size in (9_u32..90, 9_u32..90), edges in prop::array::uniform4(0_usize..9), orientation in 0_usize..8,
        shape in 0_usize..SHAPES.len(), format in 0_usize..FORMATS.len(), is_tight: bool, as_jpeg: bool,
    ) {
        let (format, step) = FORMATS[format];
        let (orientation, shape) = (Orientation::ALL[orientation], SHAPES[shape]);
        let mut frame = sloping(format, size);
        let [left, right, top, bottom] = edges;
        crop(&mut frame, Edges { top, bottom, left, right }).unwrap();
        // Whole samples of chroma at the left and at the top; edges that leave nothing are damage.
        let (left, top) = (left - left % step.0 as usize, top - top % step.1 as usize);
        let cut = (edges[0] + edges[1], edges[2] + edges[3]);
        let (width, height) = (size.0 as usize, size.1 as usize);
        let is_cut = cut.0 < width && cut.1 < height;
        let kept = if is_cut { (width - cut.0, height - cut.1) } else { (width, height) };
        let (left, top) = if is_cut { (left, top) } else { (0, 0) };
        let kept = (u32::try_from(kept.0).unwrap(), u32::try_from(kept.1).unwrap());
        let max_pixels = if is_tight { u64::from(kept.0) * u64::from(kept.1) } else { 1 << 24 };
        let poster = poster(frame, orientation, shape, max_pixels);
        prop_assert_eq!(poster.decoded_size(), kept);
        let (wide, high) = square(kept, shape, max_pixels);
        let upright = if orientation.swaps_sides() { (high, wide) } else { (wide, high) };
        prop_assert_eq!(poster.display_size(Bounds::default()), upright);
        prop_assert!(u64::from(wide) * u64::from(high) <= max_pixels);
        let pixels = if as_jpeg {
            let encoding = Encoding::default().with_quality(Quality::new(100).unwrap());
            image::load_from_memory(&poster.encode(&encoding).unwrap().bytes).unwrap().into_rgb8().into_raw()
        } else {
            poster.to_rgb8(Bounds::default()).unwrap().pixels
        };
        prop_assert_eq!(pixels.len(), upright.0 as usize * upright.1 as usize * 3);
        // Filters round the slope off at the edges; a pixel there is worth so much.
        let (across, down) = (80.0 / f64::from(size.0), 160.0 / f64::from(size.1));
        let tolerance = across + down + if as_jpeg { 8.0 } else { 3.0 };
        for (index, pixel) in pixels.chunks_exact(3).enumerate() {
            let (x, y) = (index % upright.0 as usize, index / upright.0 as usize);
            let place = |at: usize, of: u32| (f64::from(u32::try_from(at).unwrap()) + 0.5) / f64::from(of);
            let (x, y) = unturned(orientation, (place(x, upright.0), place(y, upright.1)));
            let source = |part: f64, kept: u32, cut: usize| part * f64::from(kept) - 0.5 + f64::from(u32::try_from(cut).unwrap());
            let expected = slope(source(x, kept.0, left), source(y, kept.1, top), size);
            for value in pixel {
                prop_assert!((f64::from(*value) - expected).abs() <= tolerance, "{} at pixel {index}: {value}, not {expected}", poster.pixel_format());
            }
        }
    }
}

/// The chroma of JPEG is that of the other formats: a coloured edge is at the same place.
#[test]
fn chroma_is_moved_to_the_middle_of_its_pixels() {
    // Red at the left of column 24, blue at its right.
    let mut frame = blank(PixelFormat::YUV420P, (48, 16), TAGGED).unwrap();
    for row in 0..16 {
        frame.row_mut(0, row, 48).unwrap().fill(60);
    }
    for (plane, (red, blue)) in [(1, (102, 240)), (2, (240, 118))] {
        for row in 0..8 {
            let samples = frame.row_mut(plane, row, 24).unwrap();
            samples[..12].fill(red);
            samples[12..].fill(blue);
        }
    }
    let work = OpenOptions::default().work();
    // The way of PNG and WebP, and from there to JFIF.
    let expected = rgb_to_jfif(&frame, TAGGED, &ViaRgb::new(None, None, None), (48, 16), &work).unwrap();
    let found = |codes: ColourCodes| {
        let weights = crate::media::frame::colour::luma_weights(codes).unwrap();
        super::render::jfif_frame(&frame, codes, weights, (48, 16), &work).unwrap()
    };
    let off = |found: &Frame| -> u32 {
        let planes = [1, 2].into_iter().flat_map(|plane| {
            let (a, b) = (found.row(plane, 3, 24).unwrap(), expected.row(plane, 3, 24).unwrap());
            a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).collect::<Vec<_>>()
        });
        planes.max().unwrap()
    };
    let (left, centre) = (found(TAGGED), found(ColourCodes { chroma_location: 2, ..TAGGED }));
    assert!(off(&left) <= 16 && off(&centre) >= 24, "{} {}", off(&left), off(&centre));
}
