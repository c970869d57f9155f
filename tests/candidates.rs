//! Tests candidates for a poster: each candidate is the frame at its time, the candidates come from all
//! parts of the video, and a command writes them on a sheet.

mod common;
#[path = "common/films.rs"]
mod films;
#[path = "common/matroska.rs"]
mod matroska;

use std::fs;
use std::io::Cursor;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use common::{Outcome, RETIMED, fixture, fixtures, gives_no_picture, open};
use films::{CONTAINERS, Container, Film, Index};
use posterframe::source::{BlockCache, FirstReads, MemorySource, ReadSize};
use posterframe::{
    Appearance, Bounds, Candidate, CandidatesRequest, CoverArt, Error, FrameRequest, Ledger, Limit, Limits,
    Media, OpenOptions, Pick, Verdict,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value;

fn request(count: u32) -> CandidatesRequest {
    CandidatesRequest::new(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN))
}

fn check(name: &str, count: u32, side: u32) -> Outcome {
    let request = request(count).with_tile(Bounds::new(side, side));
    let candidates = match open(name)?.candidates(&request) {
        Err(Error::NoDuration | Error::NoVideo { .. } | Error::Encrypted { .. }) => return Ok(()),
        candidates => candidates?,
    };
    assert!((1..=count as usize).contains(&candidates.len()), "{name}: {} of {count}", candidates.len());
    let mut again = open(name)?;
    for (index, candidate) in candidates.iter().enumerate() {
        let Candidate { at, pts_seconds, appearance, picture, .. } = candidate;
        if let Some(before) = index.checked_sub(1).and_then(|before| candidates.get(before)) {
            assert!(before.pts_seconds < *pts_seconds, "{name}, {count}: {before:?}");
        }
        let frame = again.frame(FrameRequest::at(*at).with_cover(CoverArt::Ignore))?;
        let what = format!("{name}, {count}: {at} gives {}, not {pts_seconds}", frame.pts_seconds());
        if RETIMED.contains(&name) {
            continue;
        }
        assert!(frame.pts_seconds().total_cmp(pts_seconds).is_eq(), "{what}");
        assert!(frame.to_rgb8(request.tile)? == *picture, "{name}, {count}: another picture at {at}");
        assert_eq!(Appearance::of(&frame.to_rgb8(Bounds::new(320, 320))?), *appearance, "{name}");
        // The printed time can be parsed again, as people type it.
        assert_eq!(at.to_string().parse(), Ok(*at), "{name}");
    }
    Ok(())
}

/// A request returns at most as many candidates as requested, in the order of time, without
/// duplicates. Each candidate is the frame at its time.
#[test]
fn each_candidate_is_the_frame_at_its_time() -> Outcome {
    let films: Vec<String> = fixtures()?.into_iter().filter(|name| !gives_no_picture(name)).collect();
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let strategy = (prop::sample::select(films), 1_u32..14, 16_u32..200);
    TestRunner::new(config).run(&strategy, |(name, count, side)| {
        check(&name, count, side).map_err(|error| TestCaseError::fail(format!("{name}: {error}")))
    })?;
    Ok(())
}

/// Of a film whose frames are all good and equally distant: as many candidates as requested, or all frames. Wherever a frame lies in its part,
/// and whether it is a keyframe.
#[test]
fn a_film_offers_as_many_candidates_as_it_has_frames() -> Outcome {
    for (name, frames) in
        [("orient_1.mp4", 12), ("colours_alpha.mov", 12), ("rotated_90.mkv", 12), ("one_frame.mp4", 1)]
    {
        let mut media = open(name)?;
        for count in 1..=14 {
            let candidates = media.candidates(&request(count).with_tile(Bounds::width(16)))?;
            let times: Vec<f64> = candidates.iter().map(|candidate| candidate.pts_seconds).collect();
            assert_eq!(times.len(), frames.min(count as usize), "{name}, {count}: {times:?}");
        }
    }
    Ok(())
}

/// A film that is black around its middle: the middle part offers another frame, and no candidate is black.
#[test]
fn blank_frames_are_no_candidates() -> Outcome {
    let name = "black_around_5s.mp4";
    let mut media = open(name)?;
    let middle = media.frame(FrameRequest::at(Duration::from_secs(5)).with_pick(Pick::Keyframe))?;
    assert_eq!(Appearance::of(&middle.to_rgb8(Bounds::new(320, 320))?).verdict, Verdict::Black);
    for count in 1..9 {
        let candidates = media.candidates(&request(count))?;
        let verdicts: Vec<_> =
            candidates.iter().map(|seen| (seen.pts_seconds, seen.appearance.verdict)).collect();
        assert_eq!(candidates.len(), count as usize, "{verdicts:?}");
        assert!(verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Good), "{verdicts:?}");
    }
    Ok(())
}

/// The cost of a call on a newly opened film.
fn cost(film: &[u8], work: impl FnOnce(&mut Media<'_>) -> Outcome) -> Outcome<Ledger> {
    let mut reads = FirstReads::default();
    (reads.head, reads.tail, reads.whole) = (ReadSize::fixed(64 << 10), ReadSize::fixed(32 << 10), 0);
    let mut options = OpenOptions::default().with_first_reads(reads);
    options.cache = Some(BlockCache::new(32 << 20));
    let mut media = Media::open_source(MemorySource::new(film.to_vec()), &options)?;
    work(&mut media)?;
    Ok(media.ledger())
}

/// If the first frame of each part is good, candidates take at most one round trip more than one frame
/// takes, and little more bytes than their keyframes have.
#[test]
fn candidates_are_planned_together() -> Outcome {
    let film = Film::new(20, [90_000, 20_000])?;
    let (key, group) = film.sizes();
    for container in
        CONTAINERS.into_iter().filter(|container| *container != Container::Fragments(Index::None))
    {
        let bytes = film.in_container(container);
        let one = cost(&bytes, |media| {
            media.frame(FrameRequest::at(Duration::from_secs(30)).with_pick(Pick::Keyframe))?;
            Ok(())
        })?;
        for count in [2, 7, 20] {
            let many = cost(&bytes, |media| {
                assert_eq!(media.candidates(&request(count))?.len(), count as usize);
                Ok(())
            })?;
            let what = format!("{container:?}, {count}: {many:?}, one takes {one:?}");
            assert!(many.round_trips <= one.round_trips + 1, "{what}");
            let most = one.bytes_fetched + u64::from(count) * (key + group / 8 + 100_000);
            assert!(many.bytes_fetched <= most.min(bytes.len() as u64), "at most {most}: {what}");
        }
    }
    Ok(())
}

#[test]
fn limits_hold() -> Outcome {
    let limited = |limits: Limits| {
        Media::open_file(fixture("h264_end.mp4"), &OpenOptions::default().with_limits(limits))
    };
    let error =
        limited(Limits::default().with_max_tiles(5))?.candidates(&request(6)).expect_err("6 are too many");
    assert_eq!(error.limit(), Some(Limit::MaxTiles), "{error}");
    assert_eq!(limited(Limits::default().with_max_tiles(5))?.candidates(&request(5))?.len(), 5);
    // Each candidate has 160 x 120 pixels.
    let pixels = 160 * 120 * 5;
    let error =
        limited(Limits::default().with_max_pixels(pixels))?.candidates(&request(6)).expect_err("too large");
    assert_eq!(error.limit(), Some(Limit::MaxPixels), "{error}");
    assert_eq!(limited(Limits::default().with_max_pixels(pixels))?.candidates(&request(5))?.len(), 5);
    let error = open("h264_raw.h264")?.candidates(&request(3));
    assert!(matches!(error, Err(Error::NoDuration)), "{error:?}");
    let error = open("cover_only.m4a")?.candidates(&request(3));
    assert!(matches!(error, Err(Error::NoVideo { .. })), "{error:?}");
    Ok(())
}

/// A film that is cut off has candidates in the part that exists.
#[test]
fn damaged_parts_are_left_out() -> Outcome {
    let bytes = common::fixture_bytes("h264_front.mp4")?;
    let cut = &bytes[..bytes.len() / 5];
    let candidates = Media::open(Cursor::new(cut), &OpenOptions::default())?.candidates(&request(6))?;
    assert!((1..6).contains(&candidates.len()), "{candidates:?}");
    // These bytes contain the index, but no frame.
    let none = Media::open(Cursor::new(&bytes[..4000]), &OpenOptions::default())
        .and_then(|mut media| media.candidates(&request(6)));
    assert!(matches!(none, Err(Error::NoFrame { .. } | Error::NotMedia { .. })), "{none:?}");
    Ok(())
}

/// The command `grab`, without settings.
fn grab(arguments: &[&str]) -> Outcome<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_posterframe")).env_clear().arg("grab").args(arguments).output()?)
}

fn text(path: &Path) -> Outcome<&str> {
    Ok(path.to_str().ok_or("a path that is no text")?)
}

/// The file declares 17 s and has frames for 7 s. A part behind the last frame takes no frame from far away: it gets one from the widest gap.
#[test]
fn parts_without_frames_take_none_from_afar() -> Outcome {
    let candidates = open("start_offset.mkv")?.candidates(&request(3))?;
    let times: Vec<String> = candidates.iter().map(|candidate| candidate.pts_seconds.to_string()).collect();
    assert_eq!(times, ["0", "3", "6"]);
    Ok(())
}

/// The number of pixels as bright as the text.
fn bright(sheet: &image::RgbImage, (left, top, width, height): (u32, u32, u32, u32)) -> usize {
    let part = image::imageops::crop_imm(sheet, left, top, width, height).to_image();
    part.pixels().filter(|pixel| pixel.0.iter().all(|sample| *sample > 250)).count()
}

#[test]
fn the_command_writes_a_sheet_with_times() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (out, film) = (folder.path().join("choices.png"), fixture("black_around_5s.mp4"));
    let arguments = [text(&film)?, "-o", text(&out)?, "--candidates", "5", "--json"];
    let mut answers = Vec::new();
    for isolation in [&[][..], &["--isolate"]] {
        let output = grab(&[&arguments[..], isolation].concat())?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(answer["isolation"].is_null(), isolation.is_empty(), "{answer}");
        answers.push((answer["candidates"].clone(), fs::read(&out)?));
    }
    assert!(answers[0] == answers[1], "a cage gives what there is without one: {:?}", answers[0].0);
    let (candidates, sheet) = (&answers[0].0, image::load_from_memory(&answers[0].1)?.into_rgb8());
    let candidates = candidates.as_array().ok_or("no list")?;
    assert_eq!(candidates.len(), 5);
    let mut media = open("black_around_5s.mp4")?;
    for candidate in candidates {
        let number = |name: &str| candidate[name].as_u64().and_then(|side| u32::try_from(side).ok());
        let place = [number("x"), number("y"), number("width"), number("height")];
        let [Some(x), Some(y), Some(width), Some(height)] = place else { return Err("no place".into()) };
        let at = candidate["at"].as_str().ok_or("no time")?;
        let frame = media.frame(at.parse::<posterframe::FrameTime>()?)?.to_rgb8(Bounds::new(320, 320))?;
        let shown = image::imageops::crop_imm(&sheet, x, y, width, height).to_image();
        assert!(shown == image::RgbImage::from(frame), "another picture at {at}");
        assert_eq!(candidate["verdict"], "good", "{candidate}");
        // The time is written in white on black below the candidate. Above the text, the sheet is black.
        assert!(bright(&sheet, (x, y + height + 1, width, 15)) > 50, "{candidate}");
        assert_eq!(bright(&sheet, (x, y + height, width, 2)), 0, "{candidate}");
    }
    let printed = grab(&[text(&film)?, "-o", text(&out)?, "--candidates", "5"])?;
    let printed = String::from_utf8(printed.stdout)?;
    let choose = format!("posterframe grab {} -o OUT --at TIME", film.display());
    assert!(printed.contains(&choose) && printed.contains("metadata or tag poster-at=TIME"), "{printed}");
    let first = candidates[0]["pts_seconds"].as_f64().ok_or("no time")?;
    assert!(printed.contains(&format!("0:0{first:.3}")), "{printed}");
    Ok(())
}

#[test]
fn the_command_refuses_what_makes_no_sense() -> Outcome {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("choices.jpg");
    let fixtures =
        ["h264_end.mp4", "h264_front.mp4", "audio_only.m4a", "h264_raw.h264", "x_garbage.mp4"].map(fixture);
    let [film, other, sound, raw, garbage] = &fixtures;
    let [film, other, sound, raw, garbage] =
        [text(film)?, text(other)?, text(sound)?, text(raw)?, text(garbage)?];
    let written = ["-o", text(&out)?];
    for (more, code, word) in [
        (&[film, "--candidates", "0"][..], 2, "--candidates"),
        (&[film, "--candidates", "many"], 2, "--candidates"),
        (&[film, "--candidates", "10001"], 7, "max_tiles is 10000"),
        (&[film, "--candidates", "4", "--cover", "prefer"], 2, "--cover"),
        (&[film, "--candidates", "4", "--at", "3"], 2, "--at"),
        (&[film, "--candidates", "4", "--pick", "auto"], 2, "--pick"),
        (&[film, "--candidates", "4", "--fit", "cover"], 2, "--fit"),
        (&[film, "--candidates", "4", "--show"], 2, "--show"),
        (&[film, other, "--candidates", "4"], 2, "--candidates is for one input"),
        (&[sound, "--candidates", "4"], 5, "no video"),
        (&[raw, "--candidates", "4"], 5, "declares no duration"),
        (&[garbage, "--candidates", "4"], 6, "not a readable media file"),
        (&[film, "--candidates", "4", "--timeout", "0"], 8, "not done within"),
    ] {
        let output = grab(&[more, &written].concat())?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {stderr}");
        assert!(stderr.contains(word), "{more:?}: {stderr}");
        assert!(!out.exists(), "{more:?}");
    }
    let output = grab(&[film, "--candidates", "4"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--output"), "{output:?}");
    let output = grab(&[film, "--candidates", "4", "-o", "-", "--json"])?;
    assert_eq!(output.status.code(), Some(2));
    // The sheet goes to standard output, in the named format.
    let output = grab(&[film, "--candidates", "4", "-o", "-", "--format", "png", "--width", "40"])?;
    assert!(output.status.success() && output.stdout.starts_with(b"\x89PNG"), "{output:?}");
    Ok(())
}
