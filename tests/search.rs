//! What a search costs, and that it does not depend on what was asked before.

mod common;

use std::io::Cursor;
use std::time::Duration;

use common::{Outcome, Table, fixture, open, planes_md5};
use posterframe::{FrameReason, Media, OpenOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Files whose packets each give one frame, at the time that the packet has.
const WELL_FORMED: [&str; 19] = [
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
    "intra_refresh.mp4",
    "paff.mp4",
    "paff_no_pts.ts",
];

/// Fixtures have a keyframe every 3 s, at 10 frames a second.
const GOP: u64 = 30;

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

#[test]
fn a_time_behind_the_end_decodes_the_gop_at_half() -> Outcome {
    for name in ["h264_front.mp4", "h264_end.mp4", "h264.mkv", "hevc.mp4", "open_gop.mp4", "mpeg4.avi"] {
        let mut media = open(name)?;
        let frame = media.frame(Duration::from_secs(600))?;
        assert_eq!(frame.reason(), FrameReason::HalfDuration, "{name}");
        // AVI does not tell without decoding that the last GOP has no such frame.
        let allowed = if name == "mpeg4.avi" { 3 * GOP } else { GOP };
        assert!(frame.packets_decoded() <= allowed, "{name}: {} packets", frame.packets_decoded());
    }
    Ok(())
}

#[test]
fn a_cover_picture_can_be_requested_again() -> Outcome {
    let mut media = open("cover_only.m4a")?;
    let first = planes_md5(&media.frame(common::AT)?)?;
    let again = planes_md5(&media.frame(Duration::ZERO)?)?;
    assert_eq!(first, again);
    Ok(())
}

#[test]
fn damage_at_the_end_gives_the_frame_before_it() -> Outcome {
    let mut media = open("cut_packet_qtrle.mov")?;
    let frame = media.frame(Duration::from_secs(60))?;
    assert_eq!((frame.reason(), frame.pts_seconds()), (FrameReason::LastFrame, 1.5));
    Ok(())
}

/// Catches, for instance, a rewind of transport streams by time instead of by byte (`entry.rs`, `rewind`).
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

/// Lets each entry of the index in front (`sidx`: ISO/IEC 14496-12, 8.16.3) name `count` fragments. Other offsets in the file are
/// relative to a fragment.
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

/// libavformat reads the first fragment only of several that one entry of an index names.
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
