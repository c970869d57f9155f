//! Checks what opening a file reports of its pictures from the codec's configuration record. The values equal those of
//! ffprobe 9.0.2, and opening reads no extra bytes for them.

mod common;

use common::{Outcome, open};
use posterframe::{ColourInfo, Media, Ratio, StreamInfo, VideoInfo};

/// Profile, level, pixel format, field order, and the number of frames that the decoder holds back.
type Coding = (&'static str, i32, &'static str, Option<&'static str>, i32);
/// Range, matrix, transfer, primaries and chroma location.
type Colour = [Option<&'static str>; 5];

fn video_stream(media: &Media<'_>) -> Outcome<(StreamInfo, VideoInfo)> {
    let index = media.info().video_stream.ok_or("no video")?;
    let stream = media.info().streams[index].clone();
    let video = stream.video.clone().ok_or("no picture properties")?;
    Ok((stream, video))
}

fn check(name: &str, coding: Coding, colour: Colour, aspect: Option<(i32, i32)>) -> Outcome {
    let (stream, video) = video_stream(&open(name)?)?;
    let (profile, level, pixel_format, field_order, held_back) = coding;
    assert_eq!(stream.profile.as_deref(), Some(profile), "{name}");
    assert_eq!(video.level, Some(level), "{name}");
    assert_eq!(video.pixel_format.as_deref(), Some(pixel_format), "{name}");
    assert_eq!((video.field_order.as_deref(), video.has_b_frames), (field_order, held_back), "{name}");
    let ColourInfo { range, matrix, transfer, primaries, chroma_location, .. } = video.colour;
    let named = [range, matrix, transfer, primaries, chroma_location];
    assert_eq!(named.each_ref().map(Option::as_deref), colour, "{name}");
    assert_eq!(video.sample_aspect_ratio, aspect.map(|(num, den)| Ratio { num, den }), "{name}");
    Ok(())
}

const PROGRESSIVE: Option<&str> = Some("progressive");
const UNTAGGED: Colour = [None, None, None, None, Some("left")];

#[test]
fn h264_by_its_parameter_set() -> Outcome {
    let square = Some((1, 1));
    check("h264_front.mp4", ("High", 10, "yuv420p", PROGRESSIVE, 2), UNTAGGED, square)?;
    check("h264_10bit.mp4", ("High 10", 10, "yuv420p10le", PROGRESSIVE, 2), UNTAGGED, square)?;
    check("anamorphic.mp4", ("High", 10, "yuv420p", PROGRESSIVE, 2), UNTAGGED, Some((64, 45)))?;
    let bt709 = Some("bt709");
    let full = [Some("pc"), bt709, bt709, bt709, Some("left")];
    check("colours_full_range.mp4", ("High", 10, "yuvj420p", PROGRESSIVE, 2), full, None)?;
    let limited = [Some("tv"), None, None, None, Some("left")];
    check("h264.mkv", ("High", 10, "yuv420p", PROGRESSIVE, 2), limited, square)
}

#[test]
fn hevc_and_av1_by_their_decoders() -> Outcome {
    let square = Some((1, 1));
    let limited = [Some("tv"), None, None, None, Some("left")];
    check("hevc.mp4", ("Main", 30, "yuv420p", PROGRESSIVE, 2), limited, square)?;
    let pq = [Some("tv"), Some("bt2020nc"), Some("smpte2084"), Some("bt2020"), Some("left")];
    check("hdr10.mp4", ("Main 10", 60, "yuv420p10le", PROGRESSIVE, 2), pq, square)?;
    let av1 = [Some("tv"), None, None, None, None];
    check("av1.mp4", ("Main", 0, "yuv420p", PROGRESSIVE, 0), av1, square)
}

/// When the range in the container's `colr` box differs from the codec's, the container's is reported. The pixel format is the decoder's.
#[test]
fn the_container_goes_before_the_codec() -> Outcome {
    let mut bytes = common::fixture_bytes("hdr10.mp4")?;
    let place = bytes.windows(4).position(|name| name == b"colr").ok_or("no colr")?;
    // nclx: primaries, transfer, matrix of two bytes each, range in the highest bit.
    bytes[place + 8..place + 15].copy_from_slice(&[0, 9, 0, 18, 0, 9, 0x80]);
    let media = Media::open(std::io::Cursor::new(bytes), &posterframe::OpenOptions::default())?;
    let (_, video) = video_stream(&media)?;
    let colour = (video.colour.range.as_deref(), video.colour.transfer.as_deref());
    assert_eq!(colour, (Some("pc"), Some("arib-std-b67")));
    assert_eq!(video.pixel_format.as_deref(), Some("yuv420p10le"));
    Ok(())
}

/// The requests and bytes of opening alone. They equal the costs of the version that read these values only from the container.
#[test]
fn no_sample_is_read_for_it() -> Outcome {
    let costs = [
        ("h264_front.mp4", 1, 16_384),
        ("h264_10bit.mp4", 3, 34_464),
        ("anamorphic.mp4", 3, 37_368),
        ("colours_full_range.mp4", 1, 1_991),
        ("h264.mkv", 1, 65_536),
        ("hevc.mp4", 3, 42_853),
        ("hdr10.mp4", 1, 23_569),
        ("av1.mp4", 1, 25_517),
    ];
    for (name, requests, bytes_fetched) in costs {
        let ledger = open(name)?.ledger();
        assert_eq!((ledger.requests, ledger.bytes_fetched), (requests, bytes_fetched), "{name}");
    }
    Ok(())
}
