//! Pictures must be upright, must have the right shape, size and colours, and must be files that other programs can read.

mod common;
#[path = "common/matroska.rs"]
mod matroska;

use std::num::NonZeroU32;
use std::time::Duration;

use common::{Outcome, frame};
use image::RgbImage;
use posterframe::{
    Bounds, Encoding, ImageFormat, OpenOptions, Orientation, PosterFrame, Quality, Thumbnail, Transparency,
};

/// The colours of the four quarters in the colour fixtures, left to right and top to bottom.
const PATCHES: [[u8; 3]; 4] = [[192, 32, 32], [32, 192, 32], [32, 32, 192], [192, 192, 192]];
/// The colours of the corners in the orientation fixtures when upright, in the same order.
const CORNERS: [[u8; 3]; 4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]];

fn formats() -> Vec<ImageFormat> {
    vec![
        ImageFormat::Jpeg,
        #[cfg(feature = "png")]
        ImageFormat::Png,
        #[cfg(feature = "webp")]
        ImageFormat::WebP,
    ]
}

fn within(width: u32, height: u32) -> Bounds {
    Bounds { max_width: NonZeroU32::new(width), max_height: NonZeroU32::new(height) }
}

fn jpeg(frame: &PosterFrame) -> Outcome<Thumbnail> {
    Ok(frame.encode(&Encoding::default())?)
}

/// Decodes a thumbnail, and asserts that the picture has the size that the thumbnail reports.
fn decode(thumbnail: &Thumbnail) -> Outcome<RgbImage> {
    let picture = image::load_from_memory(&thumbnail.bytes)?.to_rgb8();
    assert_eq!(picture.dimensions(), (thumbnail.width, thumbnail.height));
    Ok(picture)
}

/// The largest difference of a colour component.
fn difference(a: [u8; 3], b: [u8; 3]) -> u8 {
    (0..3).map(|component| a[component].abs_diff(b[component])).max().unwrap_or(0)
}

/// The colours in the middle of the four quarters.
fn quarters(picture: &RgbImage) -> [[u8; 3]; 4] {
    let (width, height) = picture.dimensions();
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| picture.get_pixel(width * x / 4, height * y / 4).0)
}

/// The colours of the pixels 4 pixels inside the four corners.
fn corners(picture: &RgbImage) -> [[u8; 3]; 4] {
    let (right, bottom) = (picture.width() - 5, picture.height() - 5);
    [(4, 4), (right, 4), (4, bottom), (right, bottom)].map(|(x, y)| picture.get_pixel(x, y).0)
}

/// Asserts that each colour is within `tolerance` of the expected colour.
fn close(what: &str, found: [[u8; 3]; 4], expected: [[u8; 3]; 4], tolerance: u8) {
    for (found, expected) in found.into_iter().zip(expected) {
        assert!(difference(found, expected) <= tolerance, "{what}: {found:?} should be {expected:?}");
    }
}

#[test]
fn all_eight_orientations_stand_upright() -> Outcome {
    let orientations = [
        Orientation::Upright,
        Orientation::FlipHorizontal,
        Orientation::Rotate180,
        Orientation::FlipVertical,
        Orientation::Transpose,
        Orientation::Rotate90,
        Orientation::Transverse,
        Orientation::Rotate270,
    ];
    for (number, orientation) in (1..).zip(orientations) {
        let name = format!("orient_{number}.mp4");
        let frame = frame(&name)?;
        assert_eq!(frame.orientation(), orientation, "{name}");
        for format in formats() {
            let picture = decode(&frame.encode(&Encoding::default().with_format(format))?)?;
            assert_eq!(picture.dimensions(), (96, 64), "{name} {format:?}");
            close(&format!("{name} {format:?}"), corners(&picture), CORNERS, 8);
        }
    }
    Ok(())
}

#[test]
fn orientation_is_read_in_matroska_too() -> Outcome {
    let frame = frame("rotated_90.mkv")?;
    assert_eq!(frame.orientation(), Orientation::Rotate90);
    close("rotated_90.mkv", corners(&decode(&jpeg(&frame)?)?), CORNERS, 8);
    Ok(())
}

#[test]
fn turned_pictures_shrink_within_upright_bounds() -> Outcome {
    for number in 1..=8 {
        let frame = frame(&format!("orient_{number}.mp4"))?;
        for format in formats() {
            let encoding = Encoding::default().with_format(format).with_bounds(within(48, 48));
            let picture = decode(&frame.encode(&encoding)?)?;
            assert_eq!(picture.dimensions(), (48, 32), "orient_{number} {format:?}");
            close(&format!("orient_{number} {format:?}"), corners(&picture), CORNERS, 24);
        }
    }
    Ok(())
}

#[test]
fn pixels_that_are_not_square_are_stretched() -> Outcome {
    for name in ["anamorphic.mp4", "anamorphic_vp8.mkv"] {
        let frame = frame(name)?;
        assert_eq!(frame.decoded_size(), (176, 144), "{name}");
        // 176 * 64 / 45 = 250.3
        assert_eq!(frame.display_size(Bounds::default()), (250, 144), "{name}");
        for format in formats() {
            let picture = decode(&frame.encode(&Encoding::default().with_format(format))?)?;
            assert_eq!(picture.dimensions(), (250, 144), "{name} {format:?}");
        }
        assert_eq!(frame.display_size(within(125, 0)), (125, 72), "{name}");
    }
    Ok(())
}

#[test]
fn bounds_never_enlarge_and_keep_the_shape() -> Outcome {
    for (name, full) in
        [("h264_front.mp4", (160, 120)), ("odd_size.webm", (161, 121)), ("orient_6.mp4", (96, 64))]
    {
        let frame = frame(name)?;
        let shape = f64::from(full.0) / f64::from(full.1);
        for (width, height) in
            [(0, 0), (4000, 4000), (100, 0), (0, 50), (77, 77), (30, 1000), (1000, 30), (1, 1)]
        {
            let bounds = within(width, height);
            let picture = decode(&frame.encode(&Encoding::default().with_bounds(bounds))?)?;
            let (shown_width, shown_height) = picture.dimensions();
            assert_eq!((shown_width, shown_height), frame.display_size(bounds), "{name}");
            assert!(shown_width <= full.0 && shown_height <= full.1, "{name} in {bounds:?}");
            assert!(width == 0 || shown_width <= width, "{name} in {bounds:?}");
            assert!(height == 0 || shown_height <= height, "{name} in {bounds:?}");
            // One side follows from the other side and the shape, rounded.
            let by_width = (f64::from(shown_width) / shape - f64::from(shown_height)).abs();
            let by_height = (f64::from(shown_height) * shape - f64::from(shown_width)).abs();
            assert!(by_width.min(by_height) <= 0.51, "{name} in {bounds:?}: {shown_width}x{shown_height}");
        }
    }
    Ok(())
}

#[test]
fn colours_are_right_in_each_matrix_and_range_tagged_or_not() -> Outcome {
    for kind in ["bt709", "bt601", "bt2020", "ycgco", "untagged_sd", "untagged_720", "full_range"] {
        let name = format!("colours_{kind}.mp4");
        let frame = frame(&name)?;
        for format in formats() {
            let picture = decode(&frame.encode(&Encoding::default().with_format(format))?)?;
            // SMPTE 170M has other primaries than BT.709. scripts/colour_science.py computes these colours in BT.709.
            let expected = match kind {
                "bt601" => [[187, 45, 30], [61, 189, 27], [40, 44, 192], [192; 3]],
                _ => PATCHES,
            };
            close(&format!("{name} {format:?}"), quarters(&picture), expected, 4);
        }
    }
    Ok(())
}

/// Luma without chroma in limited range is expanded to full range, as luma of colour video is.
#[test]
fn grey_in_limited_range_is_stretched() -> Outcome {
    // BT.709's luma of the patches, 0.2126 R + 0.7152 G + 0.0722 B.
    const LUMA: [[u8; 3]; 4] = [[66; 3], [146; 3], [44; 3], [192; 3]];
    let frame = frame("colours_grey.mp4")?;
    assert_eq!(frame.pixel_format(), "gray");
    for format in formats() {
        let picture = decode(&frame.encode(&Encoding::default().with_format(format))?)?;
        close(&format!("{format:?}"), quarters(&picture), LUMA, 3);
    }
    Ok(())
}

/// Five bits are widened to eight by repeating them: the maximum is 255, and 24 of 31 is 198. Shifted bits would be 248 and 192.
#[test]
fn five_bits_are_widened_alike_in_all_formats() -> Outcome {
    const WIDENED: [[u8; 3]; 4] = [[198, 33, 33], [33, 198, 33], [33, 33, 198], [255; 3]];
    let frame = frame("colours_rgb555.mov")?;
    assert_eq!(frame.pixel_format(), "rgb555le");
    for format in formats() {
        for bounds in [Bounds::default(), within(80, 60)] {
            let encoding = Encoding::default().with_format(format).with_bounds(bounds);
            let picture = decode(&frame.encode(&encoding)?)?;
            let tolerance = if format.extension() == "png" { 0 } else { 3 };
            close(&format!("{format:?} {bounds:?}"), quarters(&picture), WIDENED, tolerance);
        }
    }
    Ok(())
}

/// Returns a ProRes video whose frames declare these codes of ITU-T H.273: primaries, transfer, matrix.
fn prores_with_colours(codes: [u8; 3]) -> Outcome<Vec<u8>> {
    let mut bytes = common::fixture_bytes("prores.mov")?;
    let frames: Vec<usize> =
        bytes.windows(4).enumerate().filter(|(_, word)| word == b"icpf").map(|(at, _)| at).collect();
    for at in frames {
        // The codes are 14 bytes after the name (SMPTE RDD 36, 5.1.1).
        bytes[at + 18..at + 21].copy_from_slice(&codes);
    }
    Ok(bytes)
}

/// A matrix without equations yields a permanent error, and no picture in wrong colours.
#[test]
fn matrices_without_equations_are_unsupported() -> Outcome {
    // IPT-C2; ICtCp with a curve of SDR; constant luminance with PQ, and that of the primaries with HLG.
    for (codes, name) in [
        ([9, 16, 15], "ipt-c2"),
        ([9, 1, 14], "ictcp"),
        ([9, 16, 10], "bt2020c"),
        ([9, 18, 13], "chroma-derived-c"),
    ] {
        let frame = common::frame_of_bytes(&prores_with_colours(codes)?, &OpenOptions::default())?;
        for format in formats() {
            let error = frame.encode(&Encoding::default().with_format(format)).unwrap_err();
            assert_eq!(error.kind(), posterframe::ErrorKind::Unsupported, "{name}: {error}");
            assert!(error.to_string().contains(name), "{name}: {error}");
        }
    }
    // The same video with a matrix that has equations.
    let frame = common::frame_of_bytes(&prores_with_colours([9, 16, 14])?, &OpenOptions::default())?;
    assert_eq!(decode(&jpeg(&frame)?)?.dimensions(), frame.display_size(Bounds::default()));
    Ok(())
}

/// 4:4:0 has chroma in every second row.
#[test]
fn chroma_of_half_the_rows_is_right() -> Outcome {
    for (name, pixel_format) in
        [("colours_440_10.webm", "yuv440p10le"), ("colours_440_12.webm", "yuv440p12le")]
    {
        let frame = frame(name)?;
        assert_eq!(frame.pixel_format(), pixel_format);
        for format in formats() {
            for bounds in [Bounds::default(), within(80, 60)] {
                let encoding = Encoding::default().with_format(format).with_bounds(bounds);
                let picture = decode(&frame.encode(&encoding)?)?;
                close(&format!("{name} {format:?} {bounds:?}"), quarters(&picture), PATCHES, 4);
            }
        }
    }
    Ok(())
}

/// The videos with transparency: name, pixel format, and the alpha of the four patches. GIF has no half-transparent pixels.
const TRANSPARENT: [(&str, &str, [u8; 4]); 4] = [
    ("colours_alpha.mov", "argb", [255, 255, 128, 0]),
    ("colours_alpha_png.mov", "rgba", [255, 255, 128, 0]),
    ("colours_alpha_prores.mov", "yuva444p12le", [255, 255, 128, 0]),
    ("colours_alpha.gif", "bgra", [255, 255, 0, 0]),
];

/// Returns the patches over a background.
fn composited(alphas: [u8; 4], background: [u8; 3]) -> [[u8; 3]; 4] {
    let mut shown = PATCHES;
    for (patch, alpha) in shown.iter_mut().zip(alphas) {
        for (value, behind) in patch.iter_mut().zip(background) {
            let sum = u32::from(*value) * u32::from(alpha) + u32::from(behind) * u32::from(255 - alpha);
            *value = u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX);
        }
    }
    shown
}

/// Transparent pixels are drawn over the requested background, and over white by default.
#[test]
fn transparent_pixels_show_white_or_a_background() -> Outcome {
    for (name, pixel_format, alphas) in TRANSPARENT {
        let frame = frame(name)?;
        assert_eq!(frame.pixel_format(), pixel_format, "{name}");
        for format in formats() {
            for bounds in [Bounds::default(), within(80, 60)] {
                let encoding = Encoding::default().with_format(format).with_bounds(bounds);
                let picture = decode(&frame.encode(&encoding)?)?;
                close(
                    &format!("{name} {format:?} {bounds:?}"),
                    quarters(&picture),
                    composited(alphas, [255; 3]),
                    4,
                );
                let blue = encoding.with_transparency(Transparency::Over([0, 0, 255]));
                let picture = decode(&frame.encode(&blue)?)?;
                close(
                    &format!("{name} {format:?} {bounds:?}"),
                    quarters(&picture),
                    composited(alphas, [0, 0, 255]),
                    4,
                );
            }
        }
    }
    assert_eq!(
        composited(TRANSPARENT[0].2, [255; 3]),
        [[192, 32, 32], [32, 192, 32], [143, 143, 223], [255; 3]]
    );
    Ok(())
}

/// A lossless VP9 frame of 64 x 48 pixels, all of the colour (192, 32, 32).
const VP9_RED: &[u8] = b"\x82\x49\x83\x42\x00\x03\xf0\x02\xf6\x00\x38\x24\x1c\x18\x00\x00\x00\x20\x00\x00\x78\xb9\xff\xff\xfc\x1d\xa0\x06\x3f\xff\xff\xfb\x29\xa3\x87\xff\xff\xff\x7d\x7c\x06\x66\xb2\xc4\xd2\x00";
/// Such a frame whose luma is 255 at the left, 128 at the top right, and 0 at the bottom right.
const VP9_ALPHA: &[u8] = b"\x82\x49\x83\x42\x00\x03\xf0\x02\xf6\x00\x38\x24\x1c\x18\x00\x00\x00\x60\x7d\x8e\xbd\xa0\x00\x00\x78\xb6\x6f\x80\x02\xd7\x17\x8d\x00\x56\x14\xc1\xd5\x5f\xbd\x69\x4d\x9e\x8a\x10\xd0\x00";

/// Builds a WebM file of one frame that stores its alpha channel as a separate picture (RFC 9559, 5.1.3.5.2).
fn webm_with_alpha() -> Vec<u8> {
    use matroska::{CLUSTER, INFO, SEGMENT, TRACKS, element, integer};
    let header = [integer(0x4286, 1), integer(0x42f7, 1), element(0x4282, b"webm")].concat();
    let size = [integer(0xb0, 64), integer(0xba, 48), integer(0x53c0, 1)].concat();
    let track = [
        integer(0xd7, 1),
        integer(0x73c5, 1),
        integer(0x83, 1),
        integer(0x55ee, 1),
        element(0x86, b"V_VP9"),
        element(0xe0, &size),
    ];
    let more = [integer(0xee, 1), element(0xa5, VP9_ALPHA)].concat();
    let block =
        [element(0xa1, &[&[0x81, 0, 0, 0], VP9_RED].concat()), element(0x75a1, &element(0xa6, &more))];
    let cluster = [integer(0xe7, 0), element(0xa0, &block.concat())].concat();
    let segment = [
        element(INFO, &integer(0x2a_d7b1, 1_000_000)),
        element(TRACKS, &element(0xae, &track.concat())),
        element(CLUSTER, &cluster),
    ];
    [element(0x1a45_dfa3, &header), element(SEGMENT, &segment.concat())].concat()
}

/// WebM stores alpha as a separate picture beside each frame. Two quarters of this frame are opaque, one is half transparent, and
/// one is fully transparent.
#[test]
fn transparency_of_webm_is_decoded() -> Outcome {
    let frame = common::frame_of_bytes(&webm_with_alpha(), &OpenOptions::default())?;
    const OVER_WHITE: [[u8; 3]; 4] = [[192, 32, 32], [223, 143, 143], [192, 32, 32], [255; 3]];
    for format in formats() {
        let picture = decode(&frame.encode(&Encoding::default().with_format(format))?)?;
        close(&format!("{format:?}"), quarters(&picture), OVER_WHITE, 4);
    }
    // The frame itself is as FFmpeg decodes it, without alpha.
    assert_eq!((frame.pixel_format(), frame.copy_planes()?.len()), ("yuv420p", 64 * 48 * 3 / 2));
    Ok(())
}

/// Encodes the frame in a format and keeps its alpha.
#[cfg(any(feature = "png", feature = "webp"))]
fn kept(frame: &PosterFrame, format: ImageFormat, bounds: Bounds) -> Outcome<image::RgbaImage> {
    let encoding = Encoding::default().with_format(format).with_bounds(bounds);
    let thumbnail = frame.encode(&encoding.with_transparency(Transparency::Keep))?;
    let picture = image::load_from_memory(&thumbnail.bytes)?;
    assert_eq!((picture.width(), picture.height()), (thumbnail.width, thumbnail.height));
    Ok(picture.into_rgba8())
}

#[cfg(any(feature = "png", feature = "webp"))]
#[test]
fn transparency_is_kept_on_request() -> Outcome {
    let mut films =
        vec![(common::frame_of_bytes(&webm_with_alpha(), &OpenOptions::default())?, [255, 128, 255, 0])];
    for (name, _, alphas) in TRANSPARENT {
        films.push((frame(name)?, alphas));
    }
    for format in formats().into_iter().filter(|format| *format != ImageFormat::Jpeg) {
        for bounds in [Bounds::default(), within(40, 30)] {
            for (frame, alphas) in &films {
                let picture = kept(frame, format, bounds)?;
                let (width, height) = picture.dimensions();
                let places = [(1, 1), (3, 1), (1, 3), (3, 3)]
                    .map(|(x, y)| picture.get_pixel(width * x / 4, height * y / 4));
                let found = places.map(|pixel| pixel.0[3]);
                let what = format!("{} {format:?}", frame.pixel_format());
                assert!(found.iter().zip(alphas).all(|(a, b)| a.abs_diff(*b) <= 1), "{what}: {found:?}");
                let [r, g, b, _] = places[0].0;
                assert!(difference([r, g, b], PATCHES[0]) <= 6, "{what}: {:?}", places[0]);
            }
        }
        // A picture of an opaque video is opaque.
        let opaque = kept(&frame("h264_front.mp4")?, format, Bounds::default())?;
        assert!(opaque.pixels().all(|pixel| pixel.0[3] == 255), "{format:?}");
    }
    Ok(())
}

#[test]
fn a_jpeg_keeps_no_transparency_and_shows_any_background() -> Outcome {
    let frame = frame("colours_alpha.mov")?;
    let error = frame.encode(&Encoding::default().with_transparency(Transparency::Keep)).unwrap_err();
    assert_eq!(error.to_string(), "image/jpeg has no transparency: choose PNG or WebP, or a background");
    assert_eq!(error.kind(), posterframe::ErrorKind::Config);
    const ON_BLUE: [[u8; 3]; 4] = [[192, 32, 32], [32, 192, 32], [16, 16, 224], [0, 0, 255]];
    for format in formats() {
        let encoding = Encoding::default().with_format(format);
        let picture = decode(&frame.encode(&encoding.with_transparency(Transparency::Over([0, 0, 255])))?)?;
        close(&format!("{format:?}"), quarters(&picture), ON_BLUE, 4);
    }
    Ok(())
}

/// The crop at each edge has the width that the stream declares. It is not rounded to the alignment that the processor prefers.
/// `tests/oracle.rs` compares the pixels.
#[test]
fn edges_are_cut_off_where_the_stream_says() -> Outcome {
    for (name, size) in [
        ("left_crop.mp4", (152, 120)),
        ("crop_h264.mp4", (146, 122)),
        ("crop_h264_right.mp4", (154, 128)),
        ("crop_hevc.mp4", (146, 122)),
        ("crop_hevc.mkv", (146, 122)),
        ("av1_odd.mp4", (161, 121)),
    ] {
        let frame = frame(name)?;
        assert_eq!(frame.decoded_size(), size, "{name}");
        assert_eq!(decode(&jpeg(&frame)?)?.dimensions(), size, "{name}");
    }
    Ok(())
}

/// A frame may differ in size from its reference frames and from the container. The picture has the size of the requested frame.
#[test]
fn each_frame_has_the_size_that_it_is_coded_in() -> Outcome {
    let mut media = common::open("vp9_resized.webm")?;
    for (milliseconds, size) in
        [(0, (64, 48)), (5000, (96, 72)), (5500, (48, 36)), (6000, (80, 60)), (500, (96, 72))]
    {
        let frame = media.frame(Duration::from_millis(milliseconds))?;
        assert_eq!(frame.decoded_size(), size, "{milliseconds} ms");
        for format in formats() {
            let picture = decode(&frame.encode(&Encoding::default().with_format(format))?)?;
            assert_eq!(picture.dimensions(), size, "{milliseconds} ms {format:?}");
        }
    }
    assert_eq!(frame("av1_resized.mp4")?.decoded_size(), (107, 80));
    Ok(())
}

/// Whether each of the first three patches is mainly red, green and blue, and the fourth is grey.
fn hues_hold(patches: [[u8; 3]; 4]) -> bool {
    let strongest = |index: usize| {
        let patch = patches[index];
        (0..3).all(|other| other == index || patch[index] > patch[other].saturating_add(60))
    };
    let [r, g, b] = patches[3];
    (0..3).all(strongest) && r.abs_diff(g) <= 3 && g.abs_diff(b) <= 3
}

#[test]
fn pq_light_looks_like_the_sdr_it_was_made_from() -> Outcome {
    let frame = frame("hdr10_patches.mp4")?;
    assert_eq!(frame.pixel_format(), "yuv420p10le");
    for format in formats() {
        let patches = quarters(&decode(&frame.encode(&Encoding::default().with_format(format))?)?);
        assert!(hues_hold(patches), "{format:?}: {patches:?}");
        close(&format!("{format:?}"), patches, PATCHES, 5);
    }
    Ok(())
}

#[test]
fn hlg_light_looks_like_what_its_maker_made_of_the_sdr() -> Outcome {
    // zimg, which wrote the fixture, undid the system gamma (BT.2100's OOTF) for each component separately, not by luminance. The
    // colours in the file are therefore less saturated than the patches. These values follow from the standard's equations in
    // double precision.
    const MADE: [[u8; 3]; 4] = [[176, 51, 42], [76, 188, 59], [49, 39, 161], [192, 192, 192]];
    let frame = frame("hlg_patches.mp4")?;
    assert_eq!(frame.pixel_format(), "yuv420p10le");
    for format in formats() {
        let patches = quarters(&decode(&frame.encode(&Encoding::default().with_format(format))?)?);
        assert!(hues_hold(patches), "{format:?}: {patches:?}");
        close(&format!("{format:?}"), patches, MADE, 5);
    }
    Ok(())
}

#[test]
fn moving_hdr_gives_pictures_with_light_and_shadow() -> Outcome {
    for name in ["hdr10.mp4", "hlg.mp4"] {
        let picture = decode(&jpeg(&frame(name)?)?)?;
        let luma: Vec<u8> = picture.pixels().map(|pixel| pixel.0[1]).collect();
        assert!(luma.iter().any(|&sample| sample > 180), "{name} is dark");
        assert!(luma.iter().any(|&sample| sample < 40), "{name} is pale");
    }
    Ok(())
}

#[test]
fn jpeg_is_jfif_with_square_pixels_and_no_comment() -> Outcome {
    for name in ["h264_front.mp4", "anamorphic.mp4", "orient_6.mp4", "hdr10.mp4", "gif.gif"] {
        let bytes = jpeg(&frame(name)?)?.bytes;
        assert_eq!(bytes[..4], [0xff, 0xd8, 0xff, 0xe0], "{name}");
        assert_eq!(&bytes[6..11], b"JFIF\0", "{name}");
        // Density without a unit, 1 to 1, which is a pixel aspect ratio (ITU-T T.871, 10.1).
        assert_eq!(bytes[13..18], [0, 0, 1, 0, 1], "{name}");
        assert!(bytes.ends_with(&[0xff, 0xd9]), "{name}");
        assert!(!bytes.windows(4).any(|word| word == b"Lavc"), "{name}");
        // The file has no comment segment in front of the picture.
        assert!(!segments(&bytes).contains(&0xfe), "{name}");
    }
    Ok(())
}

/// Returns the markers up to the start of the scan (ITU-T T.81, Annex B).
fn segments(bytes: &[u8]) -> Vec<u8> {
    let (mut markers, mut at) = (Vec::new(), 2);
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        markers.push(marker);
        if marker == 0xda {
            break;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    assert_eq!(markers.last(), Some(&0xda), "the segments do not lead to the scan");
    markers
}

/// Rows of luma samples from 0 to 255.
struct Luma {
    width: usize,
    samples: Vec<f64>,
}

impl Luma {
    /// Reads the luma of the decoded frame: its first plane, in limited range.
    fn decoded(frame: &PosterFrame) -> Outcome<Self> {
        Self::decoded_from(frame, 0, 1)
    }

    /// Reads the luma of packed pixels. The first sample is at byte `first`, and the samples are `step` bytes apart.
    fn decoded_from(frame: &PosterFrame, first: usize, step: usize) -> Outcome<Self> {
        let (width, height) = frame.decoded_size();
        let planes = frame.copy_planes()?;
        let luma = planes.iter().skip(first).step_by(step).take((width * height) as usize);
        let full_range = luma.map(|&sample| (f64::from(sample) - 16.0) * 255.0 / 219.0).collect();
        Ok(Self { width: width as usize, samples: full_range })
    }

    /// Computes the luma of the picture by the weights of BT.601.
    fn shown(frame: &PosterFrame) -> Outcome<Self> {
        let picture = frame.to_rgb8(Bounds::default())?;
        let weigh = |pixel: &[u8]| {
            0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2])
        };
        Ok(Self {
            width: picture.width as usize,
            samples: picture.pixels.chunks_exact(3).map(weigh).collect(),
        })
    }

    /// Counts the samples that are more than 16 above both vertical neighbours, or more than 16 below both.
    fn teeth(&self) -> usize {
        let (middle, below) = (&self.samples[self.width..], &self.samples[2 * self.width..]);
        let rows = self.samples.iter().zip(middle).zip(below);
        rows.filter(|((above, here), below)| {
            let (over, under) = (*here - *above, *here - *below);
            over * under > 0.0 && over.abs().min(under.abs()) > 16.0
        })
        .count()
    }
}

#[test]
fn combs_of_interlaced_video_are_gone() -> Outcome {
    let planar = ["interlaced.mp4", "interlaced.ts", "interlaced_mpeg2.mpg"].map(|name| (name, 0, 1));
    for (name, first, step) in planar.into_iter().chain([("interlaced_packed.mov", 1, 2)]) {
        let frame = frame(name)?;
        let (before, after) = (Luma::decoded_from(&frame, first, step)?, Luma::shown(&frame)?);
        // Deinterlacing keeps lines of one row in the content, also where motion made them. So some teeth remain.
        assert!(after.teeth() * 3 < before.teeth(), "{name}: {} {}", before.teeth(), after.teeth());
    }
    Ok(())
}

/// Formats that are widened before they are scaled. Such a frame is deinterlaced first, because libswscale refuses to convert
/// interlaced frames to progressive ones.
#[test]
fn fields_of_five_bits_have_a_picture() -> Outcome {
    let mut bytes = common::fixture_bytes("interlaced_packed.mov")?;
    // Declares the same bytes as RGB555. The depth is 74 bytes behind the type (QuickTime File Format, video sample description).
    let entry = bytes.windows(4).position(|word| word == b"2vuy").ok_or("no sample description")?;
    bytes[entry..entry + 4].copy_from_slice(b"raw ");
    bytes[entry + 78..entry + 80].copy_from_slice(&16_u16.to_be_bytes());
    let frame = common::frame_of_bytes(&bytes, &OpenOptions::default())?;
    assert_eq!(frame.pixel_format(), "rgb555be");
    for format in formats() {
        let picture = decode(&frame.encode(&Encoding::default().with_format(format))?)?;
        assert_eq!(picture.dimensions(), (64, 48));
    }
    Ok(())
}

/// Returns how many luma samples the conversion changed, and how many samples were compared. Only samples whose colours fit into
/// RGB are compared, because RGB preserves the luma of no other sample.
fn changed_luma(frame: &PosterFrame) -> Outcome<(usize, usize)> {
    let picture = frame.to_rgb8(Bounds::default())?;
    let fits =
        picture.pixels.chunks_exact(3).map(|pixel| pixel.iter().all(|sample| (3..=252).contains(sample)));
    let (before, after) = (Luma::decoded(frame)?, Luma::shown(frame)?);
    let pairs = before.samples.iter().zip(&after.samples).zip(fits).filter(|(_, fits)| *fits);
    let differences: Vec<f64> = pairs.map(|((a, b), _)| (a - b).abs()).collect();
    Ok((differences.iter().filter(|&&difference| difference > 5.0).count(), differences.len()))
}

#[test]
fn progressive_video_keeps_its_lines() -> Outcome {
    for name in ["h264_front.mp4", "mpeg2.ps.mpg", "h264.ts", "vp8.webm", "mpeg4.avi"] {
        let frame = frame(name)?;
        let teeth = Luma::decoded(&frame)?.teeth();
        assert!(teeth > 100, "{name} has only {teeth} lines that could be taken for combs");
        let (changed, of) = changed_luma(&frame)?;
        assert!(of > 2000 && changed == 0, "{name}: {changed} of {of} samples");
    }
    // The measure detects deinterlacing of interlaced video.
    let (changed, of) = changed_luma(&frame("interlaced.mp4")?)?;
    assert!(changed * 50 > of, "{changed} of {of} samples");
    Ok(())
}

#[test]
fn one_decode_gives_any_number_of_pictures() -> Outcome {
    for name in ["h264_front.mp4", "orient_6.mp4", "interlaced.mp4", "hdr10.mp4"] {
        let frame = frame(name)?;
        let first = jpeg(&frame)?;
        let planes = frame.copy_planes()?;
        for side in [40, 20, 64] {
            for format in formats() {
                let encoding = Encoding::default().with_format(format).with_bounds(within(side, side));
                let picture = decode(&frame.encode(&encoding)?)?;
                assert_eq!(picture.width().max(picture.height()), side, "{name}");
            }
        }
        assert_eq!(jpeg(&frame)?, first, "{name}: the first picture again");
        assert_eq!(frame.copy_planes()?, planes, "{name}: the frame itself");
    }
    Ok(())
}

#[test]
fn higher_quality_is_a_larger_file_nearer_to_the_frame() -> Outcome {
    let frame = frame("h264_1080p.mp4")?;
    let bounds = within(320, 180);
    let exact = frame.to_rgb8(bounds)?;
    for format in formats().into_iter().filter(|format| format.extension() != "png") {
        let mut last: Option<(usize, u64)> = None;
        for quality in [30, 60, 90] {
            let quality = Quality::new(quality).ok_or("no such quality")?;
            let encoding = Encoding::default().with_format(format).with_bounds(bounds).with_quality(quality);
            let thumbnail = frame.encode(&encoding)?;
            let picture = decode(&thumbnail)?;
            let pairs = picture.as_raw().iter().zip(&exact.pixels);
            let error: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
            if let Some((bytes, larger_error)) = last {
                assert!(thumbnail.bytes.len() > bytes, "{format:?} {quality:?}");
                assert!(error < larger_error, "{format:?} {quality:?}");
            }
            last = Some((thumbnail.bytes.len(), error));
        }
    }
    Ok(())
}

#[test]
fn odd_sizes_are_kept() -> Outcome {
    let frame = frame("odd_size.webm")?;
    assert_eq!(frame.decoded_size(), (161, 121));
    for format in formats() {
        let picture = decode(&frame.encode(&Encoding::default().with_format(format))?)?;
        assert_eq!(picture.dimensions(), (161, 121), "{format:?}");
        let bounds = within(33, 0);
        let small = decode(&frame.encode(&Encoding::default().with_format(format).with_bounds(bounds))?)?;
        assert_eq!(small.dimensions(), (33, 25), "{format:?}");
    }
    Ok(())
}

#[test]
fn lines_that_are_only_coded_are_not_shown() -> Outcome {
    let frame = frame("h264_1080p.mp4")?;
    assert_eq!(frame.decoded_size(), (1920, 1080));
    assert_eq!(frame.display_size(Bounds::default()), (1920, 1080));
    Ok(())
}

#[test]
fn unknown_colour_numbers_still_give_the_picture() -> Outcome {
    let (strange, plain) = (frame("bad_enum.mp4")?, frame("av1.mp4")?);
    assert_eq!(strange.copy_planes()?, plain.copy_planes()?);
    assert_eq!(strange.to_rgb8(Bounds::default())?, plain.to_rgb8(Bounds::default())?);
    assert_eq!(jpeg(&strange)?, jpeg(&plain)?);
    Ok(())
}

#[cfg(feature = "png")]
#[test]
fn png_holds_exactly_the_rgb_pixels() -> Outcome {
    for name in
        ["h264_front.mp4", "orient_5.mp4", "odd_size.webm", "ffv1.mkv", "gif.gif", "hdr10.mp4", "prores.mov"]
    {
        let frame = frame(name)?;
        for bounds in [Bounds::default(), within(50, 50)] {
            let rgb = frame.to_rgb8(bounds)?;
            assert_eq!((rgb.width, rgb.height), frame.display_size(bounds), "{name}");
            let encoding = Encoding::default().with_format(ImageFormat::Png).with_bounds(bounds);
            let png = frame.encode(&encoding)?;
            assert_eq!(*decode(&png)?.as_raw(), rgb.pixels, "{name}");
        }
    }
    Ok(())
}

#[test]
fn rgb_video_without_loss_comes_out_as_it_went_in() -> Outcome {
    let frame = frame("ffv1.mkv")?;
    assert_eq!(frame.pixel_format(), "bgr0");
    let planes = frame.copy_planes()?;
    let swapped: Vec<u8> = planes.chunks_exact(4).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect();
    assert_eq!(frame.to_rgb8(Bounds::default())?.pixels, swapped);
    Ok(())
}

#[test]
fn every_fixture_with_a_frame_encodes_in_every_format() -> Outcome {
    // The frame of this fixture is black.
    let has_picture = |name: &&String| !common::gives_no_picture(name) && *name != "black_around_5s.mp4";
    for name in common::fixtures()?.iter().filter(has_picture) {
        let frame = frame(name)?;
        for format in formats() {
            let encoding = Encoding::default().with_format(format).with_bounds(within(64, 64));
            let picture = decode(&frame.encode(&encoding)?)?;
            let (darkest, brightest) = picture
                .as_raw()
                .iter()
                .fold((255, 0), |(low, high), &sample| (sample.min(low), sample.max(high)));
            assert!(brightest - darkest > 60, "{name} {format:?} is flat: {darkest} to {brightest}");
        }
    }
    Ok(())
}
