//! Files truncated at any byte must soon give a picture, or an error that blames the file, and never a panic.

mod common;

use std::time::{Duration, Instant};

use common::{Outcome, fixture_bytes, fixtures, frame_of_bytes};
use posterframe::{Bounds, Encoding, Error, ErrorKind, Limits, OpenOptions};

/// The number of evenly spaced cuts of each file.
const SPREAD: usize = 96;
/// The distance of cuts in the first bytes, which contain the headers.
const HEAD_STEP: usize = 37;
const HEAD_BYTES: usize = 1000;
/// The longest time for one cut: a thousand times the usual time, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the first `length` bytes, and encodes a picture if there is a frame.
fn try_cut(name: &str, bytes: &[u8], length: usize) -> Outcome<bool> {
    let mut limits = Limits::default();
    limits.max_time = PATIENCE;
    let options = OpenOptions::default().with_limits(limits);
    let started = Instant::now();
    let result = frame_of_bytes(&bytes[..length], &options).and_then(|frame| {
        let thumbnail = frame.encode(&Encoding::default())?;
        assert_eq!((thumbnail.width, thumbnail.height), frame.display_size(Bounds::default()));
        assert!(thumbnail.bytes.starts_with(&[0xff, 0xd8]) && thumbnail.bytes.ends_with(&[0xff, 0xd9]));
        Ok(())
    });
    assert!(started.elapsed() < PATIENCE, "{name} cut at {length} took {:?}", started.elapsed());
    match result {
        Ok(()) => Ok(true),
        Err(error) => {
            let kind = error.kind();
            // The error must blame the file, not the program or the reader.
            let expected = [ErrorKind::Malformed, ErrorKind::Unsupported, ErrorKind::LimitExceeded];
            assert!(expected.contains(&kind), "{name} cut at {length}: {kind}: {error}");
            assert_eq!(matches!(error, Error::Empty), length == 0, "{name} cut at {length}: {error}");
            Ok(false)
        }
    }
}

/// Cuts every fixture that `chosen` accepts. Returns how many cuts gave a picture, and how many gave none.
fn cut_each(chosen: impl Fn(&str) -> bool) -> Outcome<(usize, usize)> {
    let (mut pictures, mut errors) = (0, 0);
    for name in fixtures()?.iter().filter(|name| chosen(name)) {
        let bytes = fixture_bytes(name)?;
        // The decoder is slow only on large pictures, so those files get fewer cuts.
        let large =
            ["h264_1080p.mp4", "x_huge_pixels.mp4", "colours_untagged_720.mp4"].contains(&name.as_str());
        let spread = if large { 12 } else { SPREAD };
        let mut cuts: Vec<usize> = (0..spread).map(|part| bytes.len() * part / spread).collect();
        // Two more cuts: without the last byte, and without the last nine.
        cuts.extend([1, 9].map(|less| bytes.len().saturating_sub(less)));
        cuts.sort_unstable();
        cuts.dedup();
        for cut in cuts {
            if try_cut(name, &bytes, cut)? { pictures += 1 } else { errors += 1 }
        }
    }
    Ok((pictures, errors))
}

fn is_mp4(name: &str) -> bool {
    [".mp4", ".mov", ".m4a", ".3gp"].iter().any(|extension| name.ends_with(extension))
}

#[test]
fn mp4_cut_anywhere() -> Outcome {
    let (pictures, errors) = cut_each(is_mp4)?;
    assert!(pictures > 50 && errors > 50, "{pictures} pictures, {errors} errors");
    Ok(())
}

#[test]
fn other_containers_cut_anywhere() -> Outcome {
    let (pictures, errors) = cut_each(|name| !is_mp4(name))?;
    assert!(pictures > 50 && errors > 50, "{pictures} pictures, {errors} errors");
    Ok(())
}

#[test]
fn headers_cut_anywhere() -> Outcome {
    let files = [
        "h264_front.mp4",
        "h264_frag_sidx.mp4",
        "orient_6.mp4",
        "h264.ts",
        "h264.mkv",
        "vp9.webm",
        "mpeg2.ps.mpg",
        "mpeg2.mxf",
        "mpeg4.avi",
        "flv.flv",
        "wmv2.asf",
        "theora.ogv",
        "gif.gif",
        "h264_raw.h264",
        "dv.avi",
    ];
    for name in files {
        let bytes = fixture_bytes(name)?;
        for cut in (1..HEAD_BYTES.min(bytes.len())).step_by(HEAD_STEP) {
            try_cut(name, &bytes, cut)?;
        }
    }
    Ok(())
}
