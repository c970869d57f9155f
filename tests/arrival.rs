//! The picture does not depend on how its bytes arrive. However few bytes a read returns, frame, information and encoded file are the same.

mod common;

use std::io::Cursor;

use common::{AT, Outcome, fixture_bytes, fixtures, gives_no_picture, md5_hex, planes_md5};
use posterframe::testing::FailingReader;
use posterframe::{Encoding, Media, MediaInfo, OpenOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Everything that a reader reports about a file, and its picture.
#[derive(Debug, PartialEq)]
struct Seen {
    info: MediaInfo,
    pts: i64,
    planes: String,
    jpeg: String,
}

/// Reads a file in reads of these sizes, in turn. Without sizes, each read returns as much as requested.
fn see(bytes: &[u8], sizes: Vec<usize>) -> Outcome<Seen> {
    let reader = FailingReader::new(Cursor::new(bytes)).read_sizes(sizes);
    let mut media = Media::open(reader, &OpenOptions::default())?;
    let frame = media.frame(AT)?;
    let jpeg = frame.encode(&Encoding::default())?;
    Ok(Seen {
        info: media.info().clone(),
        pts: frame.pts(),
        planes: planes_md5(&frame)?,
        jpeg: md5_hex(&jpeg.bytes),
    })
}

/// Asserts that reads of `size` bytes change nothing, for every fixture that `chosen` selects.
fn same_by(size: usize, chosen: impl Fn(&str, usize) -> bool) -> Outcome {
    let mut compared = 0;
    for name in fixtures()?.iter().filter(|name| !gives_no_picture(name)) {
        let bytes = fixture_bytes(name)?;
        if !chosen(name, bytes.len()) {
            continue;
        }
        let whole = see(&bytes, Vec::new()).map_err(|error| format!("{name}: {error}"))?;
        let parts = see(&bytes, vec![size]).map_err(|error| format!("{name} by {size}: {error}"))?;
        assert_eq!(whole, parts, "{name} by reads of {size}");
        compared += 1;
    }
    assert!(compared >= 8, "only {compared} fixtures were compared");
    Ok(())
}

#[test]
fn reads_of_one_byte_give_the_same() -> Outcome {
    // One large file of each kind of container, in addition to the small files.
    let larger =
        ["h264.ts", "mpeg4.avi", "flv.flv", "wmv2.asf", "theora.ogv", "vp9.webm", "mpeg1.mpg", "gif.gif"];
    same_by(1, |name, bytes| bytes < 15_000 || larger.contains(&name))
}

#[test]
fn reads_of_seven_bytes_give_the_same() -> Outcome {
    same_by(7, |name, _| name != "h264_1080p.mp4")
}

#[test]
fn reads_of_4096_bytes_give_the_same() -> Outcome {
    same_by(4096, |name, _| name != "h264_1080p.mp4")
}

#[test]
fn any_sizes_in_any_order_give_the_same() -> Outcome {
    let files = [
        "vp9.webm",
        "h264_end.mp4",
        "h264_frag_dash.mp4",
        "h264.ts",
        "mpeg4.avi",
        "odd_size.webm",
        "mpeg2.ps.mpg",
    ];
    let known = files
        .iter()
        .map(|name| {
            let bytes = fixture_bytes(name)?;
            let whole = see(&bytes, Vec::new())?;
            Ok((bytes, whole))
        })
        .collect::<Outcome<Vec<_>>>()?;
    let size = prop_oneof![1_usize..64, 64_usize..5000, Just(32_768), Just(1 << 20)];
    let scripts = (0..files.len(), prop::collection::vec(size, 1..40));
    // proptest writes no file of past failures. The failure itself prints its inputs.
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&scripts, |(index, sizes)| {
        let (bytes, whole) = &known[index];
        let parts =
            see(bytes, sizes).map_err(|error| TestCaseError::fail(format!("{}: {error}", files[index])))?;
        prop_assert_eq!(whole, &parts, "{}", files[index]);
        Ok(())
    })?;
    Ok(())
}
