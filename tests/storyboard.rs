//! Storyboards: each tile is the frame of a single call, the intervals cover the whole video, and a command writes all files or none.

mod common;

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use common::{Outcome, fixture, fixture_bytes};
use image::RgbImage;
use posterframe::{
    Bounds, CoverArt, Error, FrameReason, FrameRequest, ImageFormat, Limit, Limits, Media, OpenOptions, Pick,
    Quality, RgbPicture, Spacing, Storyboard, StoryboardRequest,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value;

/// Videos with and without an index, a rotated one, one with sound after the last frame, one of two frame sizes, and one of one frame.
const FILMS: [&str; 8] = [
    "h264_end.mp4",
    "rotated_90.mkv",
    "h264.ts",
    "vp9.webm",
    "short_3s.mp4",
    "resolution_change.ts",
    "h264_frag_sidx.mp4",
    "odd_size.webm",
];

fn number(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN)
}

fn open(name: &str) -> Outcome<Media<'static>> {
    Ok(Media::open_file(fixture(name), &OpenOptions::default())?)
}

/// Decodes the sheets, which are lossless.
fn sheets(storyboard: &Storyboard) -> Outcome<Vec<RgbImage>> {
    let decoded =
        storyboard.sheets.iter().map(|sheet| Ok(image::load_from_memory(&sheet.bytes)?.into_rgb8()));
    decoded.collect()
}

/// The expected tile of a picture: in the middle, on black.
fn in_tile(picture: RgbPicture, (width, height): (u32, u32)) -> RgbImage {
    let picture = RgbImage::from(picture);
    let mut tile = RgbImage::new(width, height);
    let (left, top) = ((width - picture.width()) / 2, (height - picture.height()) / 2);
    image::imageops::replace(&mut tile, &picture, left.into(), top.into());
    tile
}

fn check(name: &str, request: &StoryboardRequest) -> Outcome {
    let mut media = open(name)?;
    let storyboard = media.storyboard(request)?;
    let sheets = sheets(&storyboard)?;
    let size = (storyboard.tile_width, storyboard.tile_height);
    let duration = media.info().duration_seconds.ok_or("no duration")?;

    let (first, last) =
        (storyboard.tiles.first().ok_or("no tile")?, storyboard.tiles.last().ok_or("no tile")?);
    assert!(first.start_seconds.abs() < 1e-9 && (last.end_seconds - duration).abs() <= 0.001, "{duration}");
    for pair in storyboard.tiles.windows(2) {
        assert!((pair[0].end_seconds - pair[1].start_seconds).abs() < 1e-9, "{pair:?}");
        assert!((pair[0].sheet, pair[0].y, pair[0].x) < (pair[1].sheet, pair[1].y, pair[1].x), "{pair:?}");
    }
    let mut again = open(name)?;
    let mut before: Option<RgbImage> = None;
    for tile in &storyboard.tiles {
        // The storyboard computes in whole milliseconds.
        let ms = |seconds: f64| Duration::from_secs_f64((seconds * 1000.0).round() / 1000.0).as_millis();
        let middle = u64::try_from(ms(tile.start_seconds).midpoint(ms(tile.end_seconds)))?;
        let at = FrameRequest::from(Duration::from_millis(middle));
        let frame = again.frame(at.with_pick(request.pick).with_cover(CoverArt::Ignore))?;
        let is_there = matches!(frame.reason(), FrameReason::AtTarget | FrameReason::Keyframe);
        let picture = match before {
            Some(before) if !is_there => before,
            _ => {
                let bounds = before.as_ref().map_or(request.tile, |_| Bounds::new(size.0, size.1));
                in_tile(frame.to_rgb8(bounds)?, size)
            }
        };
        let shown = image::imageops::crop_imm(&sheets[tile.sheet], tile.x, tile.y, size.0, size.1).to_image();
        assert!(shown == picture, "{name} {request:?}: {tile:?}");
        before = Some(picture);
    }
    Ok(())
}

/// Any number of tiles, in any layout, from keyframes and from exact frames.
#[test]
fn tiles_are_the_frames_of_single_calls() {
    let strategy = (
        proptest::sample::select(FILMS.to_vec()),
        prop_oneof![
            (1_u32..40).prop_map(|count| Spacing::Count(number(count))),
            (150_u64..9000).prop_map(|ms| Spacing::Every(Duration::from_millis(ms))),
        ],
        any::<bool>(),
        (1_u32..9, 1_u32..6, 8_u32..200),
    );
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&strategy, |(name, spacing, exact, (columns, rows, side))| {
        let request = StoryboardRequest::default()
            .with_spacing(spacing)
            .with_pick(if exact { Pick::Exact } else { Pick::Keyframe })
            .with_grid(number(columns), number(rows))
            .with_tile(Bounds::new(side, side))
            .with_format(ImageFormat::Png, Quality::default());
        check(name, &request).map_err(|error| TestCaseError::fail(format!("{name}: {error}")))
    });
    assert!(result.is_ok(), "{}", result.err().map(|error| error.to_string()).unwrap_or_default());
}

#[test]
fn limits_hold() -> Outcome {
    let limited = |limits: Limits| {
        Media::open_file(fixture("h264_end.mp4"), &OpenOptions::default().with_limits(limits))
    };
    let every = |ms| StoryboardRequest::default().with_spacing(Spacing::Every(Duration::from_millis(ms)));
    // The video lasts seven seconds.
    let error = limited(Limits::default().with_max_tiles(69))?.storyboard(&every(100)).expect_err("70 tiles");
    assert_eq!(error.limit(), Some(Limit::MaxTiles), "{error}");
    assert_eq!(error.to_string(), "limit reached: max_tiles is 69");
    assert_eq!(limited(Limits::default().with_max_tiles(70))?.storyboard(&every(100))?.tiles.len(), 70);
    // A frame of 160 x 120 pixels is within the limit, and a sheet of ten by ten tiles is not.
    let small = Limits::default().with_max_pixels(160 * 120 * 99);
    let error =
        limited(small)?.storyboard(&StoryboardRequest::default()).expect_err("the sheet is too large");
    assert_eq!(error.limit(), Some(Limit::MaxPixels), "{error}");
    Ok(())
}

#[test]
fn a_file_without_duration_has_no_storyboard() -> Outcome {
    // An elementary stream declares no duration.
    let error = open("h264_raw.h264")?.storyboard(&StoryboardRequest::default());
    assert!(matches!(error, Err(Error::NoDuration)), "{error:?}");
    Ok(())
}

/// Runs the program without settings.
fn storyboard(arguments: &[&str], folder: &Path) -> Outcome<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
    Ok(command.env_clear().arg("storyboard").args(arguments).arg("-o").arg(folder).output()?)
}

fn names(folder: &Path) -> Outcome<Vec<String>> {
    let mut names = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Outcome<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn film(name: &str) -> String {
    fixture(name).display().to_string()
}

#[test]
fn the_command_writes_sheets_webvtt_and_json() -> Outcome {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("new");
    let video = film("h264_end.mp4");
    let arguments = ["--count", "7", "--columns", "2", "--rows", "2", "--width", "80", "--json"];
    let mut answers = Vec::new();
    for isolation in [None, Some("--isolate")] {
        let all: Vec<&str> = [video.as_str()].into_iter().chain(arguments).chain(isolation).collect();
        let output = storyboard(&all, &out)?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(
            names(&out)?,
            ["storyboard-1.jpg", "storyboard-2.jpg", "storyboard.json", "storyboard.vtt"]
        );
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        let index: Value = serde_json::from_slice(&fs::read(out.join("storyboard.json"))?)?;
        for field in ["duration_seconds", "pick", "format", "tile_width", "tile_height", "sheets", "tiles"] {
            assert!(!index[field].is_null() && index[field] == answer[field], "{field}: {index} {answer}");
        }
        assert_eq!(answer["isolation"].is_null(), isolation.is_none(), "{answer}");
        answers.push((index, fs::read(out.join("storyboard-2.jpg"))?));
    }
    // With and without a cage, the answers are equal.
    assert!(answers[0] == answers[1], "{:?}", answers[0].0);
    let index = &answers[0].0;
    assert_eq!((&index["tiles"][5]["sheet"], &index["tiles"][5]["x"]), (&Value::from(1), &Value::from(80)));
    assert_eq!(image::image_dimensions(out.join("storyboard-1.jpg"))?, (160, 120));
    let webvtt = fs::read_to_string(out.join("storyboard.vtt"))?;
    let cues: Vec<&str> = webvtt.split("\n\n").map(str::trim).collect();
    assert_eq!((cues.len(), cues[0]), (8, "WEBVTT"));
    assert_eq!(cues[6], "00:00:05.000 --> 00:00:06.000\nstoryboard-2.jpg#xywh=80,0,80,60");
    Ok(())
}

#[test]
fn a_failure_leaves_everything_as_it_was() -> Outcome {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("previews");
    fs::create_dir(&out)?;
    fs::write(out.join("storyboard.vtt"), "an older one")?;
    fs::write(out.join("notes.txt"), "mine")?;
    let cut = folder.path().join("cut.mp4");
    // The file contains the whole index, in front, but no frames after the first second.
    let bytes = fixture_bytes("h264_front.mp4")?;
    fs::write(&cut, &bytes[..bytes.len() / 5])?;
    let (cut, whole) = (cut.display().to_string(), film("h264_end.mp4"));
    let file = folder.path().join("file");
    fs::write(&file, "not a folder")?;
    for (arguments, out, code, word) in [
        (vec![film("x_garbage.mp4")], &out, 6, "not a readable media file"),
        (vec![film("h264_raw.h264")], &out, 5, "declares no duration"),
        (vec![whole.clone(), "--every".to_owned(), "0.0001".to_owned()], &out, 2, "1 ms or longer"),
        (vec![whole.clone(), "--count".to_owned(), "10001".to_owned()], &out, 7, "max_tiles is 10000"),
        (vec![whole.clone(), "--count".to_owned(), "0".to_owned()], &out, 2, "--count"),
        (vec![whole.clone(), "--timeout".to_owned(), "0".to_owned()], &out, 8, "not done within"),
        (vec![whole], &file, 2, "is not a folder"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = storyboard(&arguments, out)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(word), "{arguments:?}: {stderr}");
    }
    assert_eq!(names(&out)?, ["notes.txt", "storyboard.vtt"]);
    assert_eq!(fs::read_to_string(out.join("storyboard.vtt"))?, "an older one");
    assert_eq!(fs::read_to_string(&file)?, "not a folder");

    // In a truncated video, the storyboard shows the frames that exist.
    let output = storyboard(&[&cut, "--count", "3"], &out)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(names(&out)?, ["notes.txt", "storyboard-1.jpg", "storyboard.json", "storyboard.vtt"]);
    Ok(())
}

/// Tiles from keyframes repeat pictures when the video has fewer keyframes than tiles. A note reports this.
#[test]
fn too_few_keyframes_are_reported() -> Outcome {
    let folder = tempfile::tempdir()?;
    let pictures = |name: &str, more: &[&str]| -> Outcome<(usize, String)> {
        let video = film(name);
        let arguments: Vec<&str> = [video.as_str(), "--json"].iter().chain(more).copied().collect();
        let output = storyboard(&arguments, folder.path())?;
        let stderr = String::from_utf8(output.stderr)?;
        assert!(output.status.success(), "{stderr}");
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        let tiles = answer["tiles"].as_array().ok_or("no tiles")?;
        let mut times: Vec<String> = tiles.iter().map(|tile| tile["frame_pts_seconds"].to_string()).collect();
        times.dedup();
        Ok((times.len(), stderr))
    };
    let note = |tiles: u32, shown: &str| {
        format!(
            "The video has too few keyframes for {tiles} tiles: the tiles show {shown}. --pick exact shows the frame in the middle of \
             each interval, and reads more\n"
        )
    };
    let of = |count, stderr: &str| (count, stderr.to_owned());
    // The video lasts seven seconds and has three keyframes.
    assert_eq!(pictures("h264_end.mp4", &[])?, (3, note(100, "3 different pictures")));
    assert_eq!(pictures("h264_end.mp4", &["--count", "3"])?, (2, note(3, "2 different pictures")));
    assert_eq!(pictures("long_gop.mp4", &["--every", "1"])?, (1, note(7, "the same picture")));
    // Nothing to report: each tile has its own keyframe, tiles of exact frames, and --quiet.
    assert_eq!(pictures("h264_end.mp4", &["--count", "2"])?, of(2, ""));
    assert_eq!(pictures("h264_end.mp4", &["--count", "7", "--pick", "exact"])?, of(7, ""));
    assert_eq!(pictures("h264_end.mp4", &["--quiet"])?, of(3, ""));
    Ok(())
}

/// `grab` and `storyboard` replace the existing files that they write, keep all others, and their help announces this.
#[test]
fn existing_files_are_replaced() -> Outcome {
    let folder = tempfile::tempdir()?;
    let out = folder.path();
    fs::write(out.join("notes.txt"), "mine")?;
    let run = |arguments: &[&str]| -> Outcome<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
        let output = command.env_clear().current_dir(out).args(arguments).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let (one, other) = (film("h264_end.mp4"), film("mjpeg.mov"));
    let mut before = Vec::new();
    for video in [one.as_str(), other.as_str()] {
        run(&["storyboard", video, "-o", ".", "--count", "4", "--columns", "2", "--rows", "1"])?;
        run(&["grab", video, "-o", "poster.jpg"])?;
        let files = ["poster.jpg", "storyboard-1.jpg", "storyboard-2.jpg", "storyboard.json"];
        let contents = files.map(|name| fs::read(out.join(name)));
        let contents = contents.into_iter().collect::<Result<Vec<_>, _>>()?;
        for (name, (now, before)) in files.iter().zip(contents.iter().zip(&before)) {
            assert!(now != before, "{name} was not replaced");
        }
        before = contents;
    }
    // One sheet takes the place of the first. The second sheet of the earlier storyboard stays, like any other file.
    run(&["storyboard", &one, "-o", ".", "--count", "2"])?;
    assert!(
        fs::read(out.join("storyboard-1.jpg"))? != before[1]
            && fs::read(out.join("storyboard-2.jpg"))? == before[2]
    );
    assert_eq!(fs::read_to_string(out.join("notes.txt"))?, "mine");
    for command in ["grab", "storyboard"] {
        let help = run(&[command, "--help"])?.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("and replace") && help.contains("existing file"), "{help}");
    }
    Ok(())
}
