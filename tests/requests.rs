//! The requests that an open file accepts: times in all their forms, keyframes, cover pictures, pictures of one frame, and repeated
//! calls.

mod common;

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{AT, Outcome, RETIMED, fixture_bytes, fixtures, gives_no_picture, open, planes_md5};
use posterframe::source::{FirstReads, MemorySource, ReadSize};
use posterframe::{
    Appearance, Bounds, CancelToken, CoverArt, Encoding, Error, ErrorKind, Fit, FrameReason, FrameRequest,
    FrameTime, Ledger, Limits, Media, MediaInfo, OpenOptions, Percent, Pick, PosterFrame, Verdict,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The fixtures that have a frame.
fn films() -> Outcome<Vec<String>> {
    Ok(fixtures()?.into_iter().filter(|name| !gives_no_picture(name)).collect())
}

fn duration_of(media: &Media<'_>) -> Option<Duration> {
    media.info().duration_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// A time from the end, or a part of the duration, must give the frame at the equivalent time from the start.
#[test]
fn a_time_before_the_end_is_a_time_after_the_start() -> Outcome {
    let mut films = films()?;
    films.retain(|name| name != "clear_lead.mp4");
    let strategy = (0..films.len(), 0.0..=100.0_f64);
    TestRunner::default().run(&strategy, |(film, percent)| {
        let (name, percent) = (&films[film], Percent::new(percent).unwrap());
        let mut media = open(name).unwrap();
        let part = FrameTime::Part(percent);
        let Some(duration) = duration_of(&media) else {
            let mut frame_at = |time: FrameTime| media.frame(time).map(|frame| (frame.reason(), frame.pts()));
            let (reason, pts) = frame_at(part).unwrap();
            prop_assert_ne!(reason, FrameReason::AtTarget, "{} has no duration", name);
            prop_assert_eq!(frame_at(FrameTime::FromEnd(AT)).unwrap(), (reason, pts), "{}", name);
            return Ok(());
        };
        let at = part.from_start(Some(duration)).unwrap();
        let mut frame_at = |time: FrameTime| {
            let frame = media.frame(time).unwrap();
            (frame.reason(), frame.pts(), planes_md5(&frame).unwrap())
        };
        let expected = frame_at(at.into());
        prop_assert_eq!(frame_at(part), expected.clone(), "{} at {:?}", name, part);
        let from_end = FrameTime::FromEnd(duration.saturating_sub(at));
        prop_assert_eq!(frame_at(from_end), expected, "{} at {:?}", name, from_end);
        Ok(())
    })?;
    Ok(())
}

/// A keyframe is presented at or before the time. Alone it decodes to the same frame that a full search gives at the keyframe's time.
/// All times up to the next keyframe give the same keyframe.
#[test]
fn a_keyframe_is_the_last_one_before_the_time() -> Outcome {
    let mut films = films()?;
    // In these films, the exact frame at the keyframe's time may be another frame.
    films.retain(|name| !RETIMED.contains(&&**name));
    let strategy = (0..films.len(), 0.0..=1.0_f64);
    TestRunner::default().run(&strategy, |(film, part)| {
        let name = &films[film];
        let mut media = open(name).unwrap();
        let Some(duration) = duration_of(&media) else { return Ok(()) };
        let at = duration.mul_f64(part);
        let mut keyframe_at = |at: Duration| {
            let frame = media.frame(FrameRequest::at(at).with_pick(Pick::Keyframe));
            frame.map(|frame| {
                (frame.reason(), frame.pts_seconds(), planes_md5(&frame).unwrap(), frame.packets_decoded())
            })
        };
        let (reason, seconds, md5, packets) = match keyframe_at(at) {
            Err(Error::Encrypted { .. }) => return Ok(()),
            found => found.unwrap(),
        };
        // Where fragments are not in the order of time, frames may come before the start.
        if reason != FrameReason::Keyframe || seconds < 0.0 {
            return Ok(());
        }
        let base = media.info().streams[media.info().video_stream.unwrap()].time_base;
        let tick = f64::from(base.num) / f64::from(base.den);
        prop_assert!(seconds <= at.as_secs_f64() + tick, "{} at {:?}: {}", name, at, seconds);
        prop_assert!(packets <= 2, "{} at {:?}: {} packets", name, at, packets);
        let exact = media.frame(Duration::from_secs_f64(seconds)).unwrap();
        prop_assert_eq!(exact.pts_seconds(), seconds, "{} at {:?}", name, at);
        prop_assert_eq!(planes_md5(&exact).unwrap(), md5, "{} at {:?}", name, at);
        Ok(())
    })?;
    Ok(())
}

/// The recipes place keyframes every three seconds, and in fragmented files every second. In some files, sound begins slightly
/// before the picture.
#[test]
fn the_nearest_keyframe_is_found_in_each_container() -> Outcome {
    for (name, first, interval) in [
        ("h264_end.mp4", 0.0, 3.0),
        ("h264.mkv", 0.0, 3.0),
        ("h264.ts", 0.046_444, 3.0),
        ("h264_frag_noindex.mp4", 0.2, 1.0),
        ("h264_frag_sidx.mp4", 0.2, 1.0),
    ] {
        let mut media = open(name)?;
        for (after, number) in [(0.5, 0.0), (0.0, 1.0), (0.9, 1.0), (0.04, 2.0), (0.96, 0.0)] {
            let expected = first + number * interval;
            let at = Duration::from_secs_f64(expected + after);
            let frame = media.frame(FrameRequest::at(at).with_pick(Pick::Keyframe));
            let frame = frame.map_err(|error| format!("{name} at {at:?}: {error}"))?;
            assert_eq!(
                (frame.reason(), frame.packets_decoded()),
                (FrameReason::Keyframe, 1),
                "{name} at {at:?}"
            );
            let seconds = frame.pts_seconds();
            assert!((seconds - expected).abs() < 0.001, "{name} at {at:?}: {seconds}");
        }
    }
    Ok(())
}

/// `Pick::Auto` looks at the exact frame first, and keeps it if it is good. Otherwise it takes the first good keyframe, or the best
/// of all considered frames.
#[test]
fn the_choice_is_the_exact_frame_unless_that_is_bad() -> Outcome {
    let films = films()?;
    let strategy = (0..films.len(), 0_u64..9_000);
    TestRunner::default().run(&strategy, |(film, at)| {
        let name = &films[film];
        let request = FrameRequest::from(Duration::from_millis(at));
        let take = |pick| open(name).unwrap().frame(request.with_pick(pick));
        let (exact, auto) = match (take(Pick::Exact), take(Pick::Auto)) {
            (Ok(exact), Ok(auto)) => (exact, auto),
            // The film is encrypted from some time on.
            (exact, auto) => {
                let errors = [exact.err(), auto.err()].map(|error| error.map(|error| error.to_string()));
                prop_assert_eq!(&errors[0], &errors[1], "{}", name);
                return Ok(());
            }
        };
        let considered = auto.considered();
        let Some(first) = considered.first() else {
            // Only a cover picture has no alternatives.
            prop_assert_eq!(planes_md5(&auto).unwrap(), planes_md5(&exact).unwrap(), "{}", name);
            return Ok(());
        };
        let small = exact.to_rgb8(Bounds::new(320, 320)).unwrap();
        prop_assert_eq!(first.appearance, Appearance::of(&small), "{}", name);
        prop_assert!(considered.len() <= 5, "{}: {:?}", name, considered);
        let taken =
            considered.iter().position(|seen| seen.pts_seconds.total_cmp(&auto.pts_seconds()).is_eq());
        let good = considered.iter().position(|seen| seen.appearance.verdict == Verdict::Good);
        match (good, taken) {
            (Some(good), Some(taken)) => {
                prop_assert_eq!((good, taken + 1), (taken, considered.len()), "{}: {:?}", name, considered);
            }
            (None, Some(taken)) => {
                let entropies = considered.iter().map(|seen| seen.appearance.entropy);
                let is_same_class = considered
                    .iter()
                    .all(|seen| seen.appearance.verdict == considered[taken].appearance.verdict);
                let most = entropies.fold(0.0, f32::max);
                prop_assert!(
                    !is_same_class || considered[taken].appearance.entropy >= most,
                    "{:?}",
                    considered
                );
            }
            (_, None) => prop_assert!(false, "{}: {} is none of {:?}", name, auto.pts_seconds(), considered),
        }
        Ok(())
    })?;
    let mut media = open("black_around_5s.mp4")?;
    let auto = media.frame(FrameRequest::at(AT).with_pick(Pick::Auto))?;
    assert_eq!((auto.pts_seconds(), auto.reason()), (6.0, FrameReason::Keyframe));
    let verdicts: Vec<Verdict> = auto.considered().iter().map(|seen| seen.appearance.verdict).collect();
    assert_eq!(verdicts, [Verdict::Black, Verdict::Good]);
    assert!(media.frame(AT)?.considered().is_empty());
    // Of frames that are equally bad, the requested one.
    let auto = open("ffv1.mkv")?.frame(FrameRequest::at(AT).with_pick(Pick::Auto))?;
    assert!(auto.considered().len() > 1 && auto.reason() == FrameReason::AtTarget, "{:?}", auto.considered());
    Ok(())
}

/// In a file that marks no keyframes, `Pick::Keyframe` gives the exact frame.
#[test]
fn without_keyframes_the_exact_frame_is_taken() -> Outcome {
    for name in ["noindex_cinepak.avi", "allsync_cinepak.mov", "h264_raw.h264"] {
        let exact = open(name)?.frame(AT)?;
        let picked = open(name)?.frame(FrameRequest::at(AT).with_pick(Pick::Keyframe))?;
        assert_eq!((picked.reason(), picked.pts()), (exact.reason(), exact.pts()), "{name}");
    }
    Ok(())
}

#[test]
fn a_cover_picture_is_taken_as_requested() -> Outcome {
    let size = |name: &str, cover| {
        let frame = open(name).unwrap().frame(FrameRequest::at(AT).with_cover(cover));
        frame.map(|frame| frame.stream_index()).map_err(|error| (error.kind(), error.to_string()))
    };
    let cover =
        open("cover_art.mp4")?.info().streams.iter().position(|stream| stream.disposition.attached_pic);
    let cover = cover.ok_or("the fixture has no cover")?;
    let video = open("cover_art.mp4")?.info().video_stream.ok_or("no video")?;
    assert_ne!(cover, video);
    let of_both = [CoverArt::Fallback, CoverArt::Ignore, CoverArt::Prefer, CoverArt::Only];
    let taken = of_both.map(|use_of_cover| size("cover_art.mp4", use_of_cover));
    assert_eq!(taken, [Ok(video), Ok(video), Ok(cover), Ok(cover)]);
    let is_there = |result: Result<usize, (ErrorKind, String)>| result.is_ok();
    assert_eq!(
        of_both.map(|use_of_cover| is_there(size("cover_only.m4a", use_of_cover))),
        [true, false, true, true]
    );
    let (kind, message) = size("cover_only.m4a", CoverArt::Ignore).unwrap_err();
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(message.starts_with("the file contains no video"), "{message}");
    let none = (ErrorKind::Unsupported, "the file contains no cover picture".to_owned());
    assert_eq!(size("h264_end.mp4", CoverArt::Only), Err(none));
    Ok(())
}

/// Several threads that encode one frame at the same time must give the same pictures as one thread.
#[test]
fn threads_share_a_frame() -> Outcome {
    for name in ["interlaced.mp4", "hdr10.mp4", "rotated_90.mkv"] {
        let encodings = [0, 40, 31].map(|width| Encoding::default().with_bounds(Bounds::width(width)));
        let mut alone = Vec::new();
        for encoding in &encodings {
            alone.push(open(name)?.frame(AT)?.encode(encoding)?);
        }
        let frame = open(name)?.frame(AT)?;
        let together: Vec<_> = thread::scope(|scope| {
            let work: Vec<_> =
                encodings.iter().map(|encoding| scope.spawn(|| frame.encode(encoding))).collect();
            work.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert_eq!(together, alone, "{name}");
    }
    Ok(())
}

/// The result of a search: reason, time and pixels, or the kind of the error.
type Given = Result<(FrameReason, i64, String), ErrorKind>;

fn given(result: Result<PosterFrame, Error>) -> Given {
    let frame = result.map_err(|error| error.kind())?;
    let planes = planes_md5(&frame).map_err(|error| error.kind())?;
    Ok((frame.reason(), frame.pts(), planes))
}

/// A list of requests gives the same results as single calls: in any order, near each other or not, from a file and by byte ranges.
#[test]
fn a_list_gives_what_single_calls_give() -> Outcome {
    let films = films()?;
    let time = prop_oneof![
        3 => (0..7500_u64).prop_map(|milliseconds| FrameTime::FromStart(Duration::from_millis(milliseconds))),
        1 => (0.0..=100.0_f64).prop_map(|percent| FrameTime::Part(Percent::new(percent).unwrap())),
    ];
    let pick = prop_oneof![4 => Just(Pick::Exact), 1 => Just(Pick::Keyframe)];
    let steps = prop::collection::vec(0..400_u64, 1..10);
    let list = prop_oneof![
        prop::collection::vec((time, pick), 0..8).prop_map(|list| list
            .into_iter()
            .map(|(time, pick)| FrameRequest::at(time).with_pick(pick))
            .collect()),
        (0..6000_u64, steps).prop_map(|(mut at, steps)| {
            let mut next = |step| {
                at += step;
                FrameRequest::at(Duration::from_millis(at))
            };
            steps.into_iter().map(&mut next).collect::<Vec<_>>()
        }),
    ];
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    runner.run(&(0..films.len(), list, any::<bool>()), |(film, list, by_ranges)| {
        let name = &films[film];
        let fresh = || match by_ranges {
            true => {
                Media::open_source(MemorySource::new(fixture_bytes(name).unwrap()), &OpenOptions::default())
            }
            false => Media::open_file(common::fixture(name), &OpenOptions::default()),
        };
        let mut media = fresh().unwrap();
        let frames = media.frames(&list);
        prop_assert_eq!(frames.len(), list.len());
        let together: Vec<Given> = frames.map(given).collect();
        let single: Vec<Given> = list.iter().map(|request| given(fresh().unwrap().frame(request))).collect();
        prop_assert_eq!(together, single, "{}: {:?}", name, list);
        Ok(())
    })?;
    Ok(())
}

/// Jumping back and forth between fragments must give the same frames as a file that was just opened. libavformat reads fragments
/// that an index names out of order.
#[test]
fn the_fragments_read_before_change_no_frame() -> Outcome {
    let film = prop::sample::select(vec!["h264_frag_sidx.mp4", "h264_frag_dash.mp4"]);
    let last_first_last = [5700, 6800, 3300, 7050].map(|milliseconds| {
        prop_oneof![Just(milliseconds), (milliseconds - 500..milliseconds + 500), 0..7500_u64,]
    });
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&(film, last_first_last), |(name, times)| {
        let times = times.map(Duration::from_millis);
        let mut media = open(name).unwrap();
        let kept = times.map(|at| given(media.frame(at)));
        let fresh = times.map(|at| given(open(name).unwrap().frame(at)));
        prop_assert_eq!(kept, fresh, "{} at {:?}", name, times);
        Ok(())
    })?;
    Ok(())
}

/// Frames of one GOP share the packets of one decode. The keyframes of these films are three seconds apart.
#[test]
fn near_times_are_decoded_together() -> Outcome {
    for name in ["h264_end.mp4", "h264.mkv", "h264.ts", "hevc.mp4", "vp9.webm"] {
        let times: Vec<Duration> = (0..8).map(|number| Duration::from_millis(3200 + number * 200)).collect();
        let mut together = 0;
        for frame in open(name)?.frames(times.iter().copied()) {
            together += frame?.packets_decoded();
        }
        let mut single = 0;
        for &at in &times {
            single += open(name)?.frame(at)?.packets_decoded();
        }
        let last = open(name)?.frame(times[7])?.packets_decoded();
        assert!(together * 2 < single, "{name}: {together} packets together, {single} one by one");
        // The first 8 is for rounding, because each of the eight frames counts its share of the packets, rounded up. The second 8 is for
        // requested frames that the decode of the last one alone may skip.
        assert!(together <= last + 8 + 8, "{name}: {together} packets, the last one alone takes {last}");
    }
    Ok(())
}

/// A list of any length, in a film with an index, takes at most one round trip more than a single frame.
#[test]
fn a_list_takes_the_round_trips_of_one_frame() -> Outcome {
    for name in ["h264_end.mp4", "h264_front.mp4", "h264_1080p.mp4", "h264.mkv", "h264_frag_sidx.mp4"] {
        let bytes = fixture_bytes(name)?;
        let mut first_reads = FirstReads::for_name(name);
        (first_reads.head, first_reads.tail, first_reads.whole) =
            (ReadSize::fixed(4096), ReadSize::fixed(4096), 0);
        let options = OpenOptions::default().with_first_reads(first_reads);
        let mut media = Media::open_source(MemorySource::new(bytes.clone()), &options)?;
        media.frame(Duration::from_secs(1))?;
        let of_one = media.ledger().round_trips;
        for count in [2, 10, 100] {
            let mut media = Media::open_source(MemorySource::new(bytes.clone()), &options)?;
            let seconds = media.info().duration_seconds.ok_or("no duration")?;
            let times: Vec<Duration> = (0..count)
                .map(|number| Duration::from_secs_f64(seconds * f64::from(number) / f64::from(count)))
                .collect();
            for frame in media.frames(times) {
                frame?;
            }
            let Ledger { round_trips, bytes_fetched, .. } = media.ledger();
            assert!(
                round_trips <= of_one + 1,
                "{name}, {count} frames: {round_trips} round trips, one takes {of_one}"
            );
            assert!(bytes_fetched <= bytes.len() as u64, "{name}, {count} frames: {bytes_fetched} bytes");
        }
    }
    Ok(())
}

/// `frames_between` gives every frame that single calls give in that range, in order and without duplicates.
#[test]
fn frames_between_two_times_are_all_there() -> Outcome {
    let mut films = films()?;
    films.retain(|name| !RETIMED.contains(&&**name) && name != "clear_lead.mp4");
    let strategy = (0..films.len(), 0.0..8.0_f64, 0.0..1.5_f64);
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    runner.run(&strategy, |(film, start, length)| {
        let name = &films[film];
        let (start, end) = (Duration::from_secs_f64(start), Duration::from_secs_f64(start + length));
        let mut media = open(name).unwrap();
        let found: Vec<_> = media
            .frames_between(start..end)
            .map(|frame| frame.map(|frame| (frame.pts(), frame.pts_seconds(), planes_md5(&frame).unwrap())))
            .collect::<Result<_, _>>()
            .map_err(|error| TestCaseError::fail(format!("{name} from {start:?} to {end:?}: {error}")))?;
        let base = media.info().streams[media.info().video_stream.unwrap()].time_base;
        let tick = f64::from(base.num) / f64::from(base.den);
        let mut single = |at: f64| {
            let frame = media.frame(Duration::from_secs_f64(at)).unwrap();
            let is_there = frame.reason() == FrameReason::AtTarget;
            is_there.then(|| (frame.pts(), frame.pts_seconds(), planes_md5(&frame).unwrap()))
        };
        let what = format!("{name} from {start:?} to {end:?}");
        // The first frame is that of the start. Each next frame is found at the middle between its predecessor and itself.
        let mut at = start.as_secs_f64();
        for frame in &found {
            let alone = single(at);
            prop_assert_eq!(alone.as_ref(), Some(frame), "{} at {}", what, at);
            let following = found.iter().find(|(pts, ..)| *pts > frame.0);
            at = following.map_or(frame.1, |(_, seconds, _)| f64::midpoint(frame.1, *seconds));
        }
        prop_assert!(found.is_sorted_by_key(|(pts, ..)| *pts), "{}", what);
        // A single call one tick behind the last frame must give a frame behind the end of the range.
        let last = found.last().map_or(start.as_secs_f64(), |(_, seconds, _)| seconds + tick + 0.000_001);
        if last < end.as_secs_f64() - tick
            && let Some((_, seconds, _)) = single(last)
        {
            prop_assert!(seconds > end.as_secs_f64() - tick, "{} lacks {}", what, seconds);
        }
        Ok(())
    })?;
    Ok(())
}

/// Frames of one GOP must not each decode the GOP again.
#[test]
fn frames_between_two_times_cost_one_decode() -> Outcome {
    for name in ["h264_end.mp4", "h264.mkv", "hevc.mp4"] {
        let mut media = open(name)?;
        let (mut count, mut packets) = (0, 0);
        for frame in media.frames_between(Duration::from_secs(3)..Duration::from_secs(6)) {
            (count, packets) = (count + 1, packets + frame?.packets_decoded());
        }
        assert_eq!(count, 30, "{name}");
        // The frames are decoded in groups of eight, each group from the keyframe: 8, 16, 24 and 30 packets.
        assert!(packets < 120, "{name}: {packets} packets");
    }
    assert_eq!(open("h264_end.mp4")?.frames_between(AT..AT).count(), 0);
    Ok(())
}

/// In a fragmented file, libavformat sees only the fragments that a frame needs. The frame must be the same as with all fragments.
#[test]
fn hidden_fragments_change_no_frame() -> Outcome {
    let mut films = films()?;
    films.retain(|name| name.contains("frag"));
    assert!(films.len() >= 5, "{films:?}");
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let damage = prop::option::of(any::<prop::sample::Index>());
    runner.run(&(0..films.len(), 0..8_000_000_u64, damage), |(film, microseconds, damage)| {
        let (name, at) = (&films[film], Duration::from_micros(microseconds));
        let mut bytes = fixture_bytes(name).unwrap();
        if let Some(place) = damage {
            let places = media_data(&bytes);
            let place = places[place.index(places.len())];
            bytes[place..place + DAMAGE].fill(0xff);
        }
        let fresh = || Media::open(Cursor::new(&bytes[..]), &OpenOptions::default()).unwrap();
        let mut media = fresh();
        // A time behind the end makes all fragments visible. Without its only keyframe, a film has no frame.
        let last = media.frame(Duration::from_secs(1000)).map_err(|error| error.kind());
        prop_assert!(matches!(last, Ok(_) | Err(ErrorKind::Malformed)), "{}, {:?}: {:?}", name, damage, last);
        prop_assert_eq!(
            given(fresh().frame(at)),
            given(media.frame(at)),
            "{} at {:?}, {:?}",
            name,
            at,
            damage
        );
        Ok(())
    })?;
    Ok(())
}

/// The number of bytes that the damage overwrites.
const DAMAGE: usize = 40;

/// The offsets in the media data of an MP4 that have room for the damage behind them.
fn media_data(file: &[u8]) -> Vec<usize> {
    let (mut places, mut at) = (Vec::new(), 0);
    while let Some(header) = file.get(at..at + 8) {
        let size = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if &header[4..] == b"mdat" {
            places.extend(at + 8..(at + size).min(file.len()).saturating_sub(DAMAGE));
        }
        at += size.max(8);
    }
    places
}

/// In a list, an error takes the place of its frame, and the other frames follow.
#[test]
fn an_error_in_a_list_is_one_of_its_items() -> Outcome {
    let list = [CoverArt::Ignore, CoverArt::Only, CoverArt::Fallback];
    let mut media = open("h264_end.mp4")?;
    let kinds: Vec<_> = media
        .frames(list.map(|cover| FrameRequest::at(AT).with_cover(cover)))
        .map(|frame| frame.map(|frame| frame.pts_seconds()).map_err(|error| error.kind()))
        .collect();
    assert_eq!(kinds, [Ok(5.0), Err(ErrorKind::Unsupported), Ok(5.0)]);
    assert_eq!(media.frames([] as [Duration; 0]).count(), 0);
    Ok(())
}

/// The thumbnail has the encoding of the request.
#[test]
fn the_request_says_what_the_thumbnail_is() -> Outcome {
    let encoding = Encoding::default().with_bounds(Bounds::new(50, 50));
    let frame = open("h264_end.mp4")?.frame(FrameRequest::at(AT).with_encoding(encoding))?;
    assert_eq!(frame.thumbnail()?, frame.encode(&encoding)?);
    assert_eq!(frame.thumbnail()?.width, 50);
    Ok(())
}

/// Results of the library must survive serialization to JSON.
#[test]
fn results_survive_json() -> Outcome {
    for name in fixtures()? {
        let Ok(media) = open(&name) else { continue };
        let json = serde_json::to_string(media.info())?;
        let read: MediaInfo = serde_json::from_str(&json).map_err(|error| format!("{name}: {error}"))?;
        // Numbers may differ in their last digit; their JSON text must not.
        assert_eq!(serde_json::to_string(&read)?, json, "{name}");
        let json = serde_json::to_string(&media.ledger())?;
        let read: Ledger = serde_json::from_str(&json)?;
        assert_eq!(read.bytes_fetched, media.ledger().bytes_fetched);
    }
    let request =
        FrameRequest::at("-2.5".parse::<FrameTime>()?).with_pick(Pick::Keyframe).with_cover(CoverArt::Only);
    let json = serde_json::to_string(&request)?;
    assert_eq!(serde_json::from_str::<FrameRequest>(&json)?, request, "{json}");
    let focus = "0.25,75%".parse()?;
    let covered = FrameRequest::at(AT).with_encoding(Encoding::default().with_fit(Fit::Cover { focus }));
    let json = serde_json::to_string(&covered)?;
    assert_eq!(serde_json::from_str::<FrameRequest>(&json)?, covered, "{json}");
    // A request in the stored form from before the field existed.
    let stored =
        r#"{"time": "5", "encoding": {"format": "jpeg", "bounds": {"max_width": 640}, "quality": 85}}"#;
    let bounded = Encoding::default().with_bounds(Bounds::width(640));
    assert_eq!(serde_json::from_str::<FrameRequest>(stored)?, FrameRequest::at(AT).with_encoding(bounded));
    assert_eq!(serde_json::from_str::<FrameRequest>("{}")?, FrameRequest::default());
    assert!(serde_json::from_str::<FrameRequest>(r#"{"encoding": {"quality": 101}}"#).is_err());
    let thumbnail = open("h264_end.mp4")?.frame(AT)?.thumbnail()?;
    assert_eq!(
        serde_json::from_str::<posterframe::Thumbnail>(&serde_json::to_string(&thumbnail)?)?,
        thumbnail
    );
    Ok(())
}

fn with_limits(change: impl FnOnce(&mut Limits)) -> OpenOptions {
    let mut limits = Limits::default();
    change(&mut limits);
    OpenOptions::default().with_limits(limits)
}

#[expect(clippy::disallowed_methods, reason = "time has to pass while nothing is called")]
fn lie_idle(time: Duration) {
    thread::sleep(time);
}

/// The time limit counts only while a call runs.
#[test]
fn an_idle_file_does_not_run_out_of_time() -> Outcome {
    let allowed = Duration::from_secs(2);
    let options = with_limits(|limits| limits.max_time = allowed);
    let mut media = Media::open(Cursor::new(fixture_bytes("h264_end.mp4")?), &options)?;
    lie_idle(allowed);
    let frame = media.frame(AT)?;
    lie_idle(allowed);
    frame.thumbnail()?;
    Ok(())
}

/// The total time limits every call, also a call that begins after it.
#[test]
fn all_calls_end_by_the_deadline() -> Outcome {
    let options = OpenOptions::default().with_total_time(Duration::from_secs(2));
    let mut media = Media::open(Cursor::new(fixture_bytes("h264_end.mp4")?), &options)?;
    let frame = media.frame(AT)?;
    lie_idle(Duration::from_secs(2));
    for error in [media.frame(AT).map(drop), frame.thumbnail().map(drop)] {
        let error = error.err().ok_or("it went on behind its end")?;
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
    }
    // A total time beyond the range of the clock is no limit.
    let options = OpenOptions::default().with_total_time(Duration::MAX);
    Media::open(Cursor::new(fixture_bytes("h264_end.mp4")?), &options)?.frame(AT)?;
    Ok(())
}

#[test]
fn a_picture_is_cancelled_as_a_search_is() -> Outcome {
    let token = CancelToken::default();
    let options = OpenOptions::default().with_cancel(token.clone());
    let frame = Media::open(Cursor::new(fixture_bytes("h264_end.mp4")?), &options)?.frame(AT)?;
    token.cancel();
    assert!(matches!(frame.thumbnail(), Err(Error::Cancelled)));
    Ok(())
}

/// A reader whose network fails for a while.
struct Away<R>(R, Arc<AtomicBool>);

impl<R: Read> Read for Away<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.1.load(Ordering::Relaxed) {
            true => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            // Small pieces, so that later calls still have to read.
            false => {
                let length = buffer.len().min(1000);
                self.0.read(&mut buffer[..length])
            }
        }
    }
}

impl<R: Seek> Seek for Away<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.0.seek(position)
    }
}

/// After a failed call, the next call must give the same result as without the failure.
#[test]
fn a_fault_that_has_passed_is_forgotten() -> Outcome {
    for name in
        ["h264_end.mp4", "h264_frag_noindex.mp4", "h264.mkv", "h264.ts", "mpeg4.avi", "theora.ogv", "flv.flv"]
    {
        let bytes = fixture_bytes(name)?;
        let times = [1.0, 4.5, 0.2, 6.0].map(Duration::from_secs_f64);
        let mut healthy = Media::open(Cursor::new(&bytes[..]), &OpenOptions::default())?;
        let is_away = Arc::new(AtomicBool::new(false));
        let reader = Away(Cursor::new(&bytes[..]), Arc::clone(&is_away));
        let mut media = Media::open(reader, &OpenOptions::default())?;
        for at in times {
            is_away.store(true, Ordering::Relaxed);
            // Bytes that are already in memory may be enough.
            if let Err(error) = media.frame(at) {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{name} at {at:?}: {error}");
            }
            is_away.store(false, Ordering::Relaxed);
            let frame = media.frame(at).map_err(|error| format!("{name} at {at:?}: {error}"))?;
            let expected = healthy.frame(at)?;
            assert_eq!(
                (frame.reason(), frame.pts()),
                (expected.reason(), expected.pts()),
                "{name} at {at:?}"
            );
            assert_eq!(planes_md5(&frame)?, planes_md5(&expected)?, "{name} at {at:?}");
        }
    }
    Ok(())
}

/// Non-square pixels stretch the picture in width. If the stretched picture would have more pixels than allowed, its height shrinks.
#[test]
fn no_picture_has_more_pixels_than_are_allowed() -> Outcome {
    let mut media = open("anamorphic.mp4")?;
    let frame = media.frame(AT)?;
    let (width, height) = frame.decoded_size();
    let pixels = u64::from(width) * u64::from(height);
    assert!(frame.display_size(Bounds::default()).0 > width);
    let options = with_limits(|limits| limits.max_pixels = pixels);
    let frame = Media::open(Cursor::new(fixture_bytes("anamorphic.mp4")?), &options)?.frame(AT)?;
    let (shown, lower) = frame.display_size(Bounds::default());
    assert_eq!((shown, lower), (width, (height * 45 + 32) / 64));
    let picture = frame.to_rgb8(Bounds::default())?;
    assert_eq!((picture.width, picture.height), (shown, lower));
    Ok(())
}
