//! A picture that covers a box is the part of the frame around the focal point, for any orientation, sample aspect ratio and colour format.

mod common;

use std::io::Write as _;

use common::{AT, Outcome, fixture_bytes, frame, frame_of_bytes};
use image::RgbImage;
use posterframe::{
    Bounds, CoverArt, Encoding, Fit, Focus, FrameRequest, Framing, ImageFormat, Limits, Media, OpenOptions,
    Orientation, PosterFrame, Quality, RgbPicture,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The eight orientations, with a, b, c and d of their display matrices.
const ORIENTATIONS: [(Orientation, [i32; 4]); 8] = [
    (Orientation::Upright, [1, 0, 0, 1]),
    (Orientation::FlipHorizontal, [-1, 0, 0, 1]),
    (Orientation::Rotate180, [-1, 0, 0, -1]),
    (Orientation::FlipVertical, [1, 0, 0, -1]),
    (Orientation::Transpose, [0, 1, 1, 0]),
    (Orientation::Rotate90, [0, 1, -1, 0]),
    (Orientation::Transverse, [0, -1, -1, 0]),
    (Orientation::Rotate270, [0, -1, 1, 0]),
];

/// All kinds of subsampled chroma, odd sides, pixels that are not square, fields, HDR, RGB and palettes.
const FILMS: [&str; 7] = [
    "odd_size.webm",
    "anamorphic.mp4",
    "hdr10.mp4",
    "interlaced.mp4",
    "prores.mov",
    "gif.gif",
    "allsync_qtrle.mov",
];

fn cover(width: u32, height: u32, focus: Focus) -> Encoding {
    Encoding::default().with_bounds(Bounds::new(width, height)).with_fit(Fit::Cover { focus })
}

fn focus(x: f64, y: f64) -> Outcome<Focus> {
    Ok(Focus::new(x, y).ok_or("no such point")?)
}

/// A frame of the test picture from a file with this display matrix.
fn turned((orientation, matrix): (Orientation, [i32; 4])) -> Outcome<PosterFrame> {
    let mut bytes = fixture_bytes("h264_front.mp4")?;
    // The video is the first track. The matrix follows version, flags and 36 bytes (ISO/IEC 14496-12, 8.3.2): a, b, u, c, d, ...
    let header = bytes.windows(4).position(|word| word == b"tkhd").ok_or("no track")?;
    for (place, number) in [0, 1, 3, 4].into_iter().zip(matrix) {
        let at = header + 44 + 4 * place;
        bytes[at..at + 4].copy_from_slice(&(number << 16).to_be_bytes());
    }
    let frame = frame_of_bytes(&bytes, &OpenOptions::default())?;
    assert_eq!(frame.orientation(), orientation);
    Ok(frame)
}

fn rgb(frame: &PosterFrame, framing: impl Into<Framing>) -> Outcome<RgbImage> {
    let RgbPicture { width, height, pixels, .. } = frame.to_rgb8(framing)?;
    Ok(RgbImage::from_raw(width, height, pixels).ok_or("pixels are missing")?)
}

fn jpeg(frame: &PosterFrame, encoding: Encoding) -> Outcome<RgbImage> {
    let quality = Quality::new(95).ok_or("no such quality")?;
    let thumbnail = frame.encode(&encoding.with_format(ImageFormat::Jpeg).with_quality(quality))?;
    let picture = image::load_from_memory(&thumbnail.bytes)?.to_rgb8();
    assert_eq!(picture.dimensions(), (thumbnail.width, thumbnail.height));
    Ok(picture)
}

/// Luma in thousandths, with the weights of BT.601.
fn luma(pixel: image::Rgb<u8>) -> u32 {
    let [r, g, b] = pixel.0.map(u32::from);
    299 * r + 587 * g + 114 * b
}

/// The mean difference in luma between a part and the whole at (left, top). Luma is compared because JPEG subsamples chroma. Every fourth
/// line across the direction of search is enough.
fn difference(whole: &RgbImage, part: &RgbImage, (left, top): (u32, u32), across: bool) -> f64 {
    let steps = if across { (1, 4) } else { (4, 1) };
    let (mut sum, mut samples) = (0_u64, 0_u64);
    for y in (0..part.height()).step_by(steps.1) {
        for x in (0..part.width()).step_by(steps.0) {
            let (a, b) = (luma(*part.get_pixel(x, y)), luma(*whole.get_pixel(left + x, top + y)));
            (sum, samples) = (sum + u64::from(a.abs_diff(b)), samples + 1);
        }
    }
    sum as f64 / samples as f64 / 1000.0
}

/// Finds the position of the part in the whole, along the direction in which the part is shorter, and the difference there. Flat pictures
/// contain the same part at several positions: the position nearest to the expected one is returned.
fn place_of(whole: &RgbImage, part: &RgbImage, across: bool, expected: f64) -> (u32, f64) {
    let room = match across {
        true => whole.width() - part.width(),
        false => whole.height() - part.height(),
    };
    let places = (0..=room).map(|at| {
        let place = if across { (at, 0) } else { (0, at) };
        (at, difference(whole, part, place, across))
    });
    let off = |at: u32| (f64::from(at) - expected).abs();
    let nearest = |(a, x): &(u32, f64), (b, y): &(u32, f64)| x.total_cmp(y).then(off(*a).total_cmp(&off(*b)));
    places.min_by(nearest).unwrap_or((0, f64::MAX))
}

/// The boxes are as high or as wide as the picture. The picture is not scaled, so that the test can search for the part in the whole.
#[test]
fn the_part_around_the_focal_point_is_shown() -> Outcome {
    let mut frames = Vec::new();
    for orientation in ORIENTATIONS {
        frames.push((format!("{:?}", orientation.0), turned(orientation)?));
    }
    for name in FILMS {
        frames.push((name.to_owned(), frame(name)?));
    }
    let wholes = frames.iter().map(|(_, frame)| rgb(frame, Bounds::default()));
    let wholes = wholes.collect::<Outcome<Vec<_>>>()?;
    let strategy = (0..frames.len(), any::<bool>(), 0.3..1.0_f64, 0.0..=1.0_f64, 0.0..=1.0_f64);
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    runner.run(&strategy, |(index, across, length, x, y)| {
        let ((name, frame), whole) = (&frames[index], &wholes[index]);
        let (width, height) = whole.dimensions();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the side")]
        let shorter = |side: u32| (f64::from(side) * length).ceil() as u32;
        let (box_width, box_height) =
            if across { (shorter(width), height) } else { (width, shorter(height)) };
        let encoding = cover(box_width, box_height, Focus::new(x, y).unwrap());
        let (side, part, fraction) = if across { (width, box_width, x) } else { (height, box_height, y) };
        let expected = f64::from(side).mul_add(fraction, -f64::from(part) / 2.0);
        let expected = expected.clamp(0.0, f64::from(side - part));
        // Cropping removes whole chroma samples, of at most two pixels. The size in decoded
        // pixels is rounded, and so is the searched position.
        let (decoded, _) = frame.decoded_size();
        let stretch = (f64::from(width.max(height)) / f64::from(decoded)).max(1.0);
        let allowed = if stretch > 1.0 { 1.5 * stretch + 0.5 } else { 1.5 };
        let pictures = [("RGB", rgb(frame, encoding)), ("JPEG", jpeg(frame, encoding))];
        for (kind, picture) in pictures {
            let picture = picture.map_err(|error| TestCaseError::fail(format!("{name}: {error}")))?;
            let what = format!("{kind} of {name}, {width} x {height}");
            prop_assert_eq!(picture.dimensions(), (box_width, box_height), "{}", what);
            prop_assert_eq!(picture.dimensions(), frame.display_size(encoding), "{}", what);
            let (place, difference) = place_of(whole, &picture, across, expected);
            prop_assert!(
                (f64::from(place) - expected).abs() <= allowed,
                "{what}: it begins at {place}, not {expected}"
            );
            prop_assert!(difference < 6.0, "{what}: {difference} at {place}");
        }
        Ok(())
    })?;
    Ok(())
}

/// For every pixel format of the fixtures and each file format: the scaled picture contains the right part.
#[test]
fn every_fixture_covers_a_box() -> Outcome {
    const SIDE: u32 = 48;
    let (x, y) = (0.35, 0.65);
    let encoding = cover(SIDE, SIDE, focus(x, y)?);
    let mut searched = 0;
    for name in common::fixtures()?.iter().filter(|name| !common::gives_no_picture(name)) {
        let frame = frame(name)?;
        let (width, height) = frame.display_size(Bounds::default());
        let side = SIDE.min(width).min(height);
        let picture = rgb(&frame, encoding)?;
        assert_eq!(picture.dimensions(), (side, side), "{name}");
        assert_eq!(jpeg(&frame, encoding)?.dimensions(), (side, side), "{name}");
        #[cfg(feature = "png")]
        {
            let png = frame.encode(&encoding.with_format(ImageFormat::Png))?;
            assert!(image::load_from_memory(&png.bytes)?.to_rgb8() == picture, "{name}");
        }
        #[cfg(feature = "webp")]
        {
            let webp = frame.encode(&encoding.with_format(ImageFormat::WebP))?;
            let webp = image::load_from_memory(&webp.bytes)?.to_rgb8();
            assert_eq!(webp.dimensions(), (side, side), "{name}");
            assert!(difference(&picture, &webp, (0, 0), true) < 12.0, "{name}");
        }
        let across = width > height;
        let whole = rgb(&frame, if across { Bounds::new(0, side) } else { Bounds::new(side, 0) })?;
        let (longer, fraction) = if across { (whole.width(), x) } else { (whole.height(), y) };
        let middle = f64::from(side) / 2.0;
        let expected = (f64::from(longer) * fraction).clamp(middle, f64::from(longer) - middle) - middle;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the picture")]
        let expected = expected.round() as u32;
        let places = expected.saturating_sub(2)..=(expected + 2).min(longer - side);
        let differences = places.map(|at| {
            let place = if across { (at, 0) } else { (0, at) };
            difference(&whole, &picture, place, across)
        });
        let least = differences.fold(f64::MAX, f64::min);
        assert!(least < 8.0, "{name}: {least} around {expected}");
        searched += 1;
    }
    assert!(searched > 70, "{searched}");
    Ok(())
}

/// The corners of the orientation fixtures, upright, from left to right and from top to bottom.
#[test]
fn a_corner_is_kept_in_view_in_each_orientation() -> Outcome {
    const CORNERS: [[u8; 3]; 4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]];
    for number in 1..=8 {
        let name = format!("orient_{number}.mp4");
        let frame = frame(&name)?;
        assert_eq!(frame.display_size(Bounds::default()), (96, 64), "{name}");
        for (corner, (x, y)) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)].into_iter().enumerate() {
            // The first box keeps half of the picture's width, the second a quarter of its height.
            for (width, height) in [(24, 32), (48, 8)] {
                let encoding = cover(width, height, focus(x, y)?);
                for picture in [rgb(&frame, encoding)?, jpeg(&frame, encoding)?] {
                    assert_eq!(picture.dimensions(), (width, height), "{name}");
                    let at = |near: u32, side: u32, far: bool| if far { side - 1 - near } else { near };
                    let pixel = picture.get_pixel(at(2, width, x > 0.5), at(2, height, y > 0.5)).0;
                    let off = pixel.iter().zip(CORNERS[corner]).map(|(a, b)| a.abs_diff(b)).max();
                    assert!(off.is_some_and(|off| off < 30), "{name}, {width} x {height}: {pixel:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_box_larger_than_the_picture_keeps_its_shape() -> Outcome {
    let whole = rgb(&frame("h264_front.mp4")?, Bounds::default())?;
    let frame = frame("h264_front.mp4")?;
    assert_eq!(whole.dimensions(), (160, 120));
    for (width, height, expected) in [(4000, 4000, (120, 120)), (320, 120, (160, 60)), (90, 240, (45, 120))] {
        let picture = rgb(&frame, cover(width, height, Focus::MIDDLE))?;
        assert_eq!(picture.dimensions(), expected);
        let across = expected.1 == 120;
        let middle = if across { (160 - expected.0) / 2 } else { (120 - expected.1) / 2 };
        let (place, difference) = place_of(&whole, &picture, across, middle.into());
        assert!(place.abs_diff(middle) <= 1 && difference < 6.0, "{place}, {difference}");
    }
    // With one bound, and with a box of the picture's own shape, the whole picture is kept.
    for (width, height) in [(80, 0), (0, 60), (80, 60), (0, 0)] {
        let contained = Encoding::default().with_bounds(Bounds::new(width, height));
        assert_eq!(rgb(&frame, cover(width, height, focus(0.0, 1.0)?))?, rgb(&frame, contained)?);
    }
    Ok(())
}

/// Pixels that are wider than high are stretched after cropping: no picture has more pixels than the limit.
#[test]
fn a_covered_box_obeys_the_limits() -> Outcome {
    let pixels = 176 * 144;
    let options = OpenOptions::default().with_limits(Limits::default().with_max_pixels(pixels));
    let frame = frame_of_bytes(&fixture_bytes("anamorphic.mp4")?, &options)?;
    for (width, height) in [(4000, 4000), (4000, 20), (20, 4000), (176, 101)] {
        let encoding = cover(width, height, Focus::MIDDLE);
        let picture = rgb(&frame, encoding)?;
        assert_eq!(picture.dimensions(), frame.display_size(encoding));
        assert!(u64::from(picture.width()) * u64::from(picture.height()) <= pixels);
    }
    Ok(())
}

/// A chunk of a PNG file (PNG, third edition, 5.3).
fn chunk(kind: &[u8; 4], body: &[u8]) -> Outcome<Vec<u8>> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(body);
    let length = u32::try_from(body.len())?;
    Ok([&length.to_be_bytes()[..], kind, body, &crc.sum().to_be_bytes()].concat())
}

/// Pixels of one bit do not start at byte boundaries: before a crop at the left, the pixels must be expanded to bytes.
#[test]
fn pixels_of_one_bit_are_cut_where_they_should_be() -> Outcome {
    // 48 x 32 pixels, of which the columns from 30 on are white.
    let row = [0, 0, 0, 0, 0b0000_0011, 0xff, 0xff];
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&row.repeat(32))?;
    let header = [0, 0, 0, 48, 0, 0, 0, 32, 1, 0, 0, 0, 0];
    let parts = [chunk(b"IHDR", &header)?, chunk(b"IDAT", &zlib.finish()?)?, chunk(b"IEND", &[])?];
    let png = [b"\x89PNG\r\n\x1a\n", &parts.concat()[..]].concat();
    let mut bytes = fixture_bytes("cover_only.m4a")?;
    let at = bytes.windows(8).position(|word| word == b"\x89PNG\r\n\x1a\n").ok_or("no PNG in it")?;
    bytes[at..at + png.len()].copy_from_slice(&png);
    let mut media = Media::open(std::io::Cursor::new(&bytes[..]), &OpenOptions::default())?;
    let frame = media.frame(FrameRequest::at(AT).with_cover(CoverArt::Only))?;
    assert_eq!((frame.pixel_format(), frame.decoded_size()), ("monob", (48, 32)));
    // The part is 20 pixels wide, and starts at 0, 14, 15 and 28.
    for (x, white) in [(0.0, 0), (0.5, 4), (0.52, 5), (1.0, 18)] {
        let encoding = cover(20, 32, focus(x, 0.5)?);
        for picture in [rgb(&frame, encoding)?, jpeg(&frame, encoding)?] {
            assert_eq!(picture.dimensions(), (20, 32));
            for row in picture.rows() {
                let row: Vec<bool> = row.map(|pixel| pixel.0[1] > 127).collect();
                assert_eq!(row, [vec![false; 20 - white], vec![true; white]].concat(), "at {x}");
            }
        }
    }
    Ok(())
}
