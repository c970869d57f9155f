//! The costs of a search, and that earlier requests do not change its result.

mod common;

use std::io::Cursor;
use std::num::NonZeroUsize;
use std::time::Duration;

use common::{Outcome, Table, fixture, fixture_bytes, fixtures, gives_no_picture, open, planes_md5};
use posterframe::{FrameReason, Media, OpenOptions, Threads};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Files whose packets each give one frame, at the time of the packet.
const WELL_FORMED: [&str; 18] = [
    "h264_front.mp4",
    "h264_end.mp4",
    "h264_frag_noindex.mp4",
    "h264_frag_sidx.mp4",
    "h264.mkv",
    "h264.ts",
    "hevc.mp4",
    "vvc.mp4",
    "vp8.webm",
    "vp9.webm",
    "av1.mp4",
    "av1.mkv",
    "flv.flv",
    "mjpeg.mov",
    "open_gop.mp4",
    "open_gop.ts",
    "paff.mp4",
    "paff_no_pts.ts",
];

/// The packets of a GOP. Fixtures have a keyframe every 3 s, at 10 frames a second.
const GOP: u64 = 30;
/// Size of a packet of a transport stream in bytes.
const PACKET: usize = 188;

#[test]
fn well_formed_files_take_one_pass() -> Outcome {
    let table = Table::read(&fixture("times.tsv"))?;
    let mut seen = 0;
    for row in &table.rows {
        let (name, reason) = (table.get(row, "file")?, table.get(row, "reason")?);
        if !WELL_FORMED.contains(&name) || reason != "at_target" {
            continue;
        }
        let at = Duration::from_micros(table.get(row, "microseconds")?.parse()?);
        let frame = open(name)?.frame(at)?;
        assert_eq!(frame.passes(), 1, "{name} at {at:?}");
        seen += 1;
    }
    assert!(seen > 100, "{seen} frames");
    Ok(())
}

/// A recovery point begins to refresh the picture, and x264's frames are exact after a second refresh. The passes begin at the last keyframe,
/// ten seconds earlier, and at the start.
#[test]
fn gradual_refresh_takes_earlier_entries_but_no_full_decode_of_the_last_one() -> Outcome {
    for name in ["intra_refresh.mp4", "intra_refresh_twice.mp4"] {
        let mut media = open(name)?;
        let frame = media.frame(Duration::from_millis(5200))?;
        assert_eq!(frame.reason(), FrameReason::AtTarget, "{name}");
        assert!((2..=3).contains(&frame.passes()), "{name}: {} passes", frame.passes());
        // The first frames follow an IDR picture, which refreshes everything.
        assert_eq!(media.frame(Duration::from_millis(500))?.passes(), 1, "{name}");
    }
    Ok(())
}

#[test]
fn a_time_behind_the_end_decodes_the_gop_at_half() -> Outcome {
    for name in [
        "h264_front.mp4",
        "h264_end.mp4",
        "h264_frag_noindex.mp4",
        "h264_frag_mfra.mp4",
        "h264_frag_sidx.mp4",
        "h264_frag_dash.mp4",
        "h264.mkv",
        "h264.ts",
        "hevc.mp4",
        "open_gop.mp4",
        "mpeg4.avi",
    ] {
        let mut media = open(name)?;
        let frame = media.frame(Duration::from_secs(600))?;
        assert_eq!(frame.reason(), FrameReason::HalfDuration, "{name}");
        // In AVI, only decoding shows that the last GOP has no frame at the time.
        let (packets, passes) = if name == "mpeg4.avi" { (3 * GOP, 2) } else { (GOP, 1) };
        assert!(frame.packets_decoded() <= packets, "{name}: {} packets", frame.packets_decoded());
        assert!(frame.passes() <= passes, "{name}: {} passes", frame.passes());
    }
    Ok(())
}

/// In a file without an index, the search keeps the frame at half of the duration until it knows that no frame is at the requested time.
#[test]
fn what_is_read_on_is_decoded_once_for_a_time_behind_the_end() -> Outcome {
    let mut seen = 0;
    for name in fixtures()?.iter().filter(|name| name.starts_with("noindex_")) {
        // An interrupted recorder wrote no duration, so one pass decodes everything to find the duration.
        let passes = if name == "noindex_stopped.avi" { 2 } else { 1 };
        let frame = open(name)?.frame(Duration::from_secs(600))?;
        assert_eq!((frame.reason(), frame.passes()), (FrameReason::HalfDuration, passes), "{name}");
        seen += 1;
    }
    assert!(seen > 6, "{seen} files");
    Ok(())
}

/// Sets the declared duration of a Matroska file to `seconds` (`Duration`: RFC 9559, 5.1.2.10; FFmpeg writes 8 bytes, in
/// milliseconds). Returns `None` if the file declares no duration.
fn with_duration(mut file: Vec<u8>, seconds: f64) -> Option<Vec<u8>> {
    let at = file.windows(3).position(|id| id == [0x44, 0x89, 0x88])? + 3;
    file.get_mut(at..at + 8)?.copy_from_slice(&(seconds * 1000.0).to_be_bytes());
    Some(file)
}

/// The declared duration is wrong. No frame is at the requested time nor at half of that duration, so the search returns the last frame.
#[test]
fn the_last_frame_costs_the_last_gop() -> Outcome {
    let (mut seen, at) = (0, Duration::from_secs(300));
    let names = fixtures()?.into_iter().filter(|name| name.ends_with(".mkv") || name.ends_with(".webm"));
    // A truncated file has no index, and is read from its start.
    for name in names.filter(|name| !gives_no_picture(name) && !name.starts_with("truncated_")) {
        let Some(file) = with_duration(fixture_bytes(&name)?, 200.0) else { continue };
        let mut media = Media::open(Cursor::new(&file), &OpenOptions::default())?;
        let frame = media.frame(at)?;
        assert_eq!(frame.reason(), FrameReason::LastFrame, "{name}");
        assert!(frame.packets_decoded() <= GOP, "{name}: {} packets", frame.packets_decoded());
        seen += 1;
    }
    assert!(seen > 12, "{seen} files");
    Ok(())
}

/// The keyframe at the start of a WebM file: the content of the first `SimpleBlock` (RFC 9559, 10.2).
fn first_keyframe(webm: &[u8]) -> Option<&[u8]> {
    // In a VP8 keyframe, the start code follows a frame tag of three bytes (RFC 6386, 9.1).
    let block = webm.windows(3).position(|code| code == [0x9d, 1, 0x2a])?.checked_sub(3 + 4)?;
    let width = (1..=8).find(|width| webm.get(block - width - 1) == Some(&0xa3))?;
    let size = webm.get(block - width..block)?.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
    webm.get(block + 4..block + (size & ((1 << (7 * width)) - 1)))
}

/// Builds an IVF file of these frames, with 10 frames a second.
fn ivf(frames: &[&[u8]]) -> Outcome<Vec<u8>> {
    let header: [&[u8]; 6] =
        [b"DKIF\0\0\x20\0VP80", &[160, 0, 120, 0], &[10, 0, 0, 0], &[1, 0, 0, 0], &[0; 4], &[0; 4]];
    let mut file = header.concat();
    for (frame, time) in frames.iter().zip(0_u64..) {
        file.extend(u32::try_from(frame.len())?.to_le_bytes());
        file.extend(time.to_le_bytes());
        file.extend(*frame);
    }
    Ok(file)
}

/// Decoders with several threads give their last frames, and the errors of those frames, only when they are drained.
#[test]
fn damage_before_the_end_loses_no_frame_behind_it() -> Outcome {
    let webm = fixture_bytes("vp8.webm")?;
    let keyframe = first_keyframe(&webm).ok_or("no keyframe")?;
    let mut expected = None;
    for threads in (1..6).filter_map(NonZeroUsize::new) {
        for damaged in [0, 1, 5, 63, 64, 65, 66, 100] {
            // One byte is too short for a frame header.
            let frames: Vec<&[u8]> = std::iter::repeat_n(&[0xff][..], damaged).chain([keyframe]).collect();
            let options = OpenOptions::default().with_threads(Threads::Count(threads));
            let mut media = Media::open(Cursor::new(ivf(&frames)?), &options)?;
            let what = format!("{threads} threads, {damaged} damaged frames");
            let at = Duration::from_millis(u64::try_from(damaged)? * 100);
            let frame = media.frame(at).map_err(|error| format!("{what}: {error}"))?;
            assert_eq!(
                (frame.reason(), frame.pts()),
                (FrameReason::AtTarget, i64::try_from(damaged)?),
                "{what}"
            );
            let planes = planes_md5(&frame)?;
            assert_eq!(&planes, expected.get_or_insert_with(|| planes.clone()), "{what}");
        }
    }
    Ok(())
}

#[test]
fn a_cover_picture_can_be_requested_again() -> Outcome {
    let mut media = open("cover_only.m4a")?;
    let first = planes_md5(&media.frame(common::AT)?)?;
    let again = planes_md5(&media.frame(Duration::ZERO)?)?;
    assert_eq!(first, again);
    // The cover is not a packet of the stream. The second request reads nothing, and decodes only the cover.
    let frame = media.frame(common::AT)?;
    assert_eq!((frame.packets_decoded(), frame.passes()), (1, 1));
    Ok(())
}

#[test]
fn damage_at_the_end_gives_the_frame_before_it() -> Outcome {
    let mut media = open("cut_packet_qtrle.mov")?;
    let frame = media.frame(Duration::from_secs(60))?;
    assert_eq!((frame.reason(), frame.pts_seconds()), (FrameReason::LastFrame, 1.5));
    Ok(())
}

/// A video of noise gives no frame. The search must not read it again for the frame at half of the duration and for the last frame.
#[test]
fn what_gives_no_frame_from_the_start_is_searched_no_further() -> Outcome {
    let mut file = fixture_bytes("mjpeg.mov")?;
    let place = file.windows(4).position(|name| name == b"mdat").ok_or("no mdat")?;
    let (head, data) = file.split_at_mut(place);
    let size = head.last_chunk::<4>().map(|size| u32::from_be_bytes(*size)).ok_or("no size")?;
    data[4..usize::try_from(size)? - 4].fill(0x55);
    let packets = open("mjpeg.mov")?.info().streams[0].frame_count.ok_or("no count")?;
    for seconds in [2, 5, 99] {
        let mut media = Media::open(Cursor::new(file.clone()), &OpenOptions::default())?;
        let error = media.frame(Duration::from_secs(seconds)).expect_err("noise is no picture");
        let posterframe::Error::NoFrame { packets: read, .. } = error else { return Err(error.into()) };
        assert!((packets..=4 * packets).contains(&read), "{read} packets read of {packets} at {seconds} s");
    }
    Ok(())
}

#[test]
fn a_media_that_stays_open_gives_the_frames_of_fresh_ones() -> Outcome {
    const NAMES: [&str; 6] = [
        "h264_end.mp4",
        "h264.ts",
        "paff.ts",
        "open_gop_mpeg2.ts",
        "no_key_flags_vp8.webm",
        "noindex_wmv2.avi",
    ];
    let milliseconds = prop::collection::vec(0_u64..9000, 1..5);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let failed = |error: Box<dyn std::error::Error>| TestCaseError::fail(error.to_string());
    runner.run(&(prop::sample::select(&NAMES[..]), milliseconds), |(name, times)| {
        let mut kept = open(name).map_err(failed)?;
        for &at in &times {
            let at = Duration::from_millis(at);
            let ours = kept.frame(at).map_err(|error| failed(error.into()))?;
            let fresh = open(name).map_err(failed)?.frame(at).map_err(|error| failed(error.into()))?;
            prop_assert_eq!((ours.pts(), ours.reason()), (fresh.pts(), fresh.reason()));
            let planes = |frame| planes_md5(frame).map_err(|error| failed(error.into()));
            prop_assert_eq!(planes(&ours)?, planes(&fresh)?);
        }
        Ok(())
    })?;
    Ok(())
}

/// Merges entries of the index in front (`sidx`: ISO/IEC 14496-12, 8.16.3), so that each entry names `count` fragments. Other
/// offsets in the file are relative to a fragment.
fn join_index_entries(file: &[u8], count: usize) -> Option<Vec<u8>> {
    let start = file.windows(4).position(|kind| kind == b"sidx")?.checked_sub(4)?;
    let number = |at: usize| Some(u32::from_be_bytes(*file.get(at..)?.first_chunk()?));
    let length = usize::try_from(number(start)?).ok()?;
    let (end, entries) = (start + length, start + length - 12 * usize::from(*file.get(start + 31)?));
    let mut joined = Vec::new();
    let places: Vec<usize> = (entries..end).step_by(12).collect();
    for group in places.chunks(count) {
        for field in [0, 4] {
            let sum: u32 = group.iter().map(|at| number(at + field)).sum::<Option<_>>()?;
            joined.extend(sum.to_be_bytes());
        }
        joined.extend(number(group.first()? + 8)?.to_be_bytes());
    }
    let mut result = file.get(..entries)?.to_vec();
    let length = u32::try_from(length - (end - entries) + joined.len()).ok()?;
    result.get_mut(start..start + 4)?.copy_from_slice(&length.to_be_bytes());
    *result.get_mut(start + 31)? = u8::try_from(joined.len() / 12).ok()?;
    result.extend(joined);
    result.extend(file.get(end..)?);
    Some(result)
}

/// libavformat reads only the first of several fragments that one index entry names. We must read all of them.
#[test]
fn an_index_may_name_several_fragments_by_one_entry() -> Outcome {
    let original = std::fs::read(fixture("h264_frag_sidx.mp4"))?;
    for count in [2, 3, 5] {
        let file = join_index_entries(&original, count).ok_or("the fixture has no index")?;
        let open = |file| Media::open(Cursor::new(file), &OpenOptions::default());
        let (mut expected, mut kept) = (open(original.clone())?, open(file.clone())?);
        for tenths in [95, 5, 64, 33, 12, 600, 15, 50] {
            let at = Duration::from_millis(tenths * 100);
            let expected = expected.frame(at)?;
            let mut fresh = Media::open(Cursor::new(&file), &OpenOptions::default().with_frame(at))?;
            for (state, media) in [("kept", &mut kept), ("fresh", &mut fresh)] {
                let frame = media.frame(at)?;
                assert_eq!(frame.pts(), expected.pts(), "{state}, {count} fragments, at {at:?}");
                assert_eq!(planes_md5(&frame)?, planes_md5(&expected)?);
            }
        }
    }
    Ok(())
}

/// Packets of a transport stream, each followed by this many null packets (ISO/IEC 13818-1, 2.4.3.3).
fn with_null_packets(stream: &[u8], count: usize) -> Vec<u8> {
    let mut null = [0xff; PACKET];
    null[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
    stream.chunks(PACKET).flat_map(|packet| [packet, &null.repeat(count)].concat()).collect()
}

/// The first part of a joined file is longer than the second one, whose times begin again. The end of the file shows the end of the second
/// part only.
#[test]
fn a_joined_transport_stream_has_the_frames_behind_its_last_time() -> Outcome {
    let whole = fixture_bytes("h264.ts")?;
    // Behind the end of a short second part, and behind that of one that is hardly shorter than the first.
    for (share, tenths) in [(1, 0..69), (3, 60..69)] {
        let second = &whole[..whole.len() / PACKET * (2 * share) / 7 * PACKET];
        let joined = with_null_packets(&[&whole, second].concat(), 24);
        for at in tenths.map(|tenth| Duration::from_millis(100 * tenth)) {
            let alone = open("h264.ts")?.frame(at)?;
            let inside = Media::open(Cursor::new(joined.clone()), &OpenOptions::default())?.frame(at)?;
            assert_eq!(inside.reason(), FrameReason::AtTarget, "{share}, {at:?}");
            assert_eq!(inside.pts_seconds(), alone.pts_seconds(), "{share}, {at:?}");
            assert_eq!(planes_md5(&inside)?, planes_md5(&alone)?, "{share}, {at:?}");
        }
    }
    Ok(())
}
