//! The cost of a frame of a long transport stream in bytes, requests and packets, from the file and by byte ranges.
//!
//! The tests build the streams: they repeat the packets of a fixture, with the timestamps of one long video. Null packets
//! between them raise the bit rate to that of a typical video.

mod common;
#[path = "transport/stream.rs"]
mod stream;

use std::io::Cursor;
use std::time::Duration;

use common::{Outcome, fixture_bytes, planes_md5};
use posterframe::{FrameReason, Ledger, Limits, Media, MediaInfo, OpenOptions, PosterFrame};
use stream::{SECONDS_PER_TURN, long_stream, padded, without_encoder_options};

/// The number of null packets after each packet.
const PADDING: usize = 19;
/// The number of repetitions of the fixture.
const TURNS: u32 = 15;
/// The distance of keyframes in seconds, and in frames.
const GOP_SECONDS: f64 = 3.0;
const GOP: u64 = 30;
/// The bytes that a frame may cost in addition to the needed ones.
const ALLOWED: f64 = 800_000.0;
/// The distance of frames in seconds, and the time of the first frame. The presentation starts earlier, with the sound.
const FRAME: f64 = 0.1;
const FIRST_FRAME: f64 = 0.046_444;
/// Additional packets: a keyframe, the frame itself, and the frame behind it to which it refers.
const MORE_PACKETS: f64 = 2.5;

/// A frame and its cost.
struct Taken {
    seconds: f64,
    reason: FrameReason,
    packets: u64,
    passes: u32,
    planes: String,
    ledger: Ledger,
    info: MediaInfo,
}

fn options(at: Duration) -> OpenOptions {
    OpenOptions::default()
        .with_frame(at)
        .with_limits(Limits::default().with_max_time(Duration::from_secs(600)))
}

fn take(mut media: Media<'_>, at: Duration) -> Outcome<Taken> {
    let frame: PosterFrame = media.frame(at)?;
    Ok(Taken {
        seconds: frame.pts_seconds(),
        reason: frame.reason(),
        packets: frame.packets_decoded(),
        passes: frame.passes(),
        planes: planes_md5(&frame)?,
        ledger: media.ledger(),
        info: media.info().clone(),
    })
}

type Take = fn(&[u8], Duration) -> Outcome<Taken>;

fn from_file(bytes: &[u8], at: Duration) -> Outcome<Taken> {
    take(Media::open(Cursor::new(bytes), &options(at))?, at)
}

#[cfg(feature = "remote")]
fn by_ranges(bytes: &[u8], at: Duration) -> Outcome<Taken> {
    use posterframe::source::{FirstReads, MemorySource};

    let options = options(at).with_first_reads(FirstReads::for_name("video.ts"));
    take(Media::open_source(MemorySource::new(bytes.to_vec()), &options)?, at)
}

/// The ways to read.
fn ways() -> Vec<(&'static str, Take)> {
    vec![
        ("from the file", from_file),
        #[cfg(feature = "remote")]
        ("by ranges", by_ranges),
    ]
}

/// The bytes of a second.
fn rate(bytes: &[u8], taken: &Taken) -> f64 {
    let size = bytes.len() as f64;
    size / taken.info.duration_seconds.unwrap_or(1.0)
}

/// Compares a frame with the frame at the same place of the fixture.
fn check_frame(what: &str, taken: &Taken, at: f64) -> Outcome {
    let turn = f64::from(SECONDS_PER_TURN);
    let fixture = from_file(&fixture_bytes("h264.ts")?, Duration::from_secs_f64(at % turn))?;
    assert_eq!(taken.planes, fixture.planes, "{what}");
    let difference = taken.seconds - (at / turn).floor() * turn - fixture.seconds;
    assert!(difference.abs() < 1e-6, "{what}: {}", taken.seconds);
    Ok(())
}

#[test]
fn a_frame_costs_the_packets_from_its_keyframe() -> Outcome {
    let announced = padded(&long_stream(TURNS)?, PADDING);
    let silent = without_encoder_options(&announced);
    // How many seconds before the keyframe a jump may land, when the stream announces its keyframe distance, and when it does not.
    for (kind, bytes, before) in [("announced", &announced, 0.6), ("not announced", &silent, 1.6)] {
        for (way, take) in ways() {
            for at in [5.0, 17.9, 31.25, 47.31, 62.95, 80.2] {
                let what = format!("{kind}, {way}, {at} s");
                let taken = take(bytes, Duration::from_secs_f64(at))?;
                check_frame(&what, &taken, at)?;
                assert_eq!((taken.reason, taken.passes), (FrameReason::AtTarget, 1), "{what}");
                let past = (taken.seconds - FIRST_FRAME) % GOP_SECONDS;
                assert!(
                    taken.packets as f64 <= past / FRAME + MORE_PACKETS,
                    "{what}: {} packets",
                    taken.packets
                );
                // This close to the start, reading from the start costs as little as a jump.
                let reach = if at < 6.0 { at } else { past + before };
                let most = ALLOWED + 1.02 * rate(bytes, &taken) * reach;
                assert!(taken.ledger.bytes_fetched as f64 <= most, "{what}: {:?}", taken.ledger);
                assert!(taken.ledger.requests <= 9, "{what}: {:?}", taken.ledger);
                assert!(taken.ledger.round_trips <= 7, "{what}: {:?}", taken.ledger);
            }
        }
    }
    Ok(())
}

#[test]
fn a_keyframe_just_behind_the_goal_is_decoded_alone() -> Outcome {
    let bytes = padded(&long_stream(TURNS)?, PADDING);
    for (way, take) in ways() {
        // The frames are 0.046 s behind the sound, and the presentation starts with the sound.
        for at in [36.0, 60.0] {
            let taken = take(&bytes, Duration::from_secs_f64(at))?;
            let what = format!("{way}, {at} s");
            check_frame(&what, &taken, at)?;
            assert_eq!((taken.packets, taken.passes), (1, 1), "{what}");
            let most = ALLOWED + rate(&bytes, &taken);
            assert!(taken.ledger.bytes_fetched as f64 <= most, "{what}: {:?}", taken.ledger);
        }
    }
    Ok(())
}

/// The time of the frame right before a keyframe, exactly. If a jump lands on the keyframe first, the search must still take the frame
/// before it.
#[test]
fn the_last_frame_before_a_keyframe_is_not_passed_over() -> Outcome {
    let bytes = padded(&long_stream(TURNS)?, PADDING);
    for (way, take) in ways() {
        for keyframe in (8..28).map(|number| FIRST_FRAME + GOP_SECONDS * f64::from(number)) {
            let at = keyframe - FRAME;
            let taken = take(&bytes, Duration::from_secs_f64(at))?;
            let what = format!("{way}, {at} s");
            assert!((taken.seconds - at).abs() < 1e-4, "{what}: {} s", taken.seconds);
            check_frame(&what, &taken, at)?;
        }
    }
    Ok(())
}

#[test]
fn a_time_behind_the_end_costs_the_gop_at_half() -> Outcome {
    let bytes = padded(&long_stream(TURNS)?, PADDING);
    for (way, take) in ways() {
        for at in [90.2, 95.0, 1000.0] {
            let taken = take(&bytes, Duration::from_secs_f64(at))?;
            assert_eq!((taken.reason, taken.passes), (FrameReason::HalfDuration, 1), "{way}, {at} s");
            assert!(taken.packets <= GOP, "{way}, {at} s: {} packets", taken.packets);
            // For a time right behind the end, the last access units are read too.
            let most = ALLOWED + rate(&bytes, &taken) * 6.0;
            assert!(taken.ledger.bytes_fetched as f64 <= most, "{way}, {at} s: {:?}", taken.ledger);
        }
    }
    Ok(())
}

#[test]
fn a_stream_with_one_keyframe_is_read_up_to_the_frame() -> Outcome {
    let announced = padded(&fixture_bytes("one_keyframe.ts")?, 99);
    let silent = without_encoder_options(&announced);
    // If nothing announces the keyframe, a part of the packets before the frame is read twice.
    for (kind, bytes, allowed) in
        [("announced", &announced, ALLOWED), ("not announced", &silent, 1.5 * ALLOWED)]
    {
        for (way, take) in ways() {
            for (at, seconds) in [(5.0, 5.0), (60.0, 3.5)] {
                let what = format!("{kind}, {way}, {at} s");
                let taken = take(bytes, Duration::from_secs_f64(at))?;
                assert!((taken.seconds - seconds).abs() < 0.2, "{what}: {}", taken.seconds);
                assert_eq!(taken.passes, 1, "{what}");
                assert!(
                    taken.packets as f64 <= seconds / FRAME + MORE_PACKETS,
                    "{what}: {} packets",
                    taken.packets
                );
                let most = allowed + 1.02 * rate(bytes, &taken) * taken.seconds;
                assert!(taken.ledger.bytes_fetched as f64 <= most, "{what}: {:?}", taken.ledger);
                // Behind the end, two positions show whether the times increase throughout.
                let samples = if taken.reason == FrameReason::HalfDuration { 2 } else { 0 };
                assert!(taken.ledger.requests <= 9 + samples, "{what}: {:?}", taken.ledger);
            }
        }
    }
    Ok(())
}

/// At a high bit rate, the analysis reads the fewest frames. It must still report the same information.
#[test]
fn the_bit_rate_changes_nothing_of_what_is_told() -> Outcome {
    let plain = long_stream(TURNS)?;
    let told = |bytes: &[u8]| -> Outcome<_> {
        let media = Media::open(Cursor::new(bytes), &OpenOptions::default())?;
        let info = media.info();
        let streams: Vec<_> = info
            .streams
            .iter()
            .map(|stream| {
                let rates = (stream.real_frame_rate, stream.average_frame_rate);
                (stream.start_pts, stream.duration_ts, rates, stream.profile.clone())
            })
            .collect();
        Ok((info.start_seconds, info.duration_seconds, streams))
    };
    let expected = told(&plain)?;
    assert_eq!(expected.1.map(|seconds| seconds.round()), Some(90.0));
    for padding in [3, PADDING, 60] {
        assert_eq!(told(&padded(&plain, padding))?, expected, "{padding}");
    }
    Ok(())
}
