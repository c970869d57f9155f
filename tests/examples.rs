//! Runs the programs in `examples/`. `cargo test` builds them before it runs any test. `cargo test --test
//! examples` alone requires `cargo build --examples` before.

mod common;
#[cfg(all(feature = "http", feature = "s3"))]
#[path = "common/ports.rs"]
mod ports;
#[cfg(all(feature = "http", feature = "s3"))]
#[path = "common/programs.rs"]
mod programs;
#[cfg(all(feature = "http", feature = "s3"))]
#[path = "examples/remote.rs"]
mod remote;
#[cfg(all(feature = "http", feature = "s3"))]
#[path = "common/servers.rs"]
mod servers;
#[cfg(all(feature = "http", feature = "s3"))]
#[path = "examples/thumbnails.rs"]
mod thumbnails;

use std::ffi::OsStr;
use std::fs;
#[cfg(feature = "remote")]
use std::io::Write;
use std::process::Command;
#[cfg(feature = "remote")]
use std::process::Stdio;
use std::time::Duration;

use common::{AT, Outcome, fixture, open};
use posterframe::{Bounds, Encoding};

const FILM: &str = "h264_front.mp4";

/// `target/<profile>/examples/NAME`, beside the `deps` folder that this test runs in. The example gets no environment variables.
fn example(name: &str) -> Outcome<Command> {
    let deps = std::env::current_exe()?;
    let profile = deps.ancestors().nth(2).ok_or("the test runs outside of a target folder")?;
    let path = profile.join("examples").join(name);
    assert!(path.exists(), "{}: build it with `cargo build --examples`", path.display());
    let mut command = Command::new(path);
    command.env_clear();
    Ok(command)
}

/// Runs an example, asserts its success, and returns its output.
fn output_of(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The picture of the film, encoded by the library.
fn poster(encoding: &Encoding) -> Outcome<Vec<u8>> {
    Ok(open(FILM)?.frame(AT)?.encode(encoding)?.bytes)
}

/// Runs an example whose arguments are a video and the path of a picture. Returns its output and the picture.
fn run(name: &str) -> Outcome<(String, Vec<u8>)> {
    let folder = tempfile::tempdir()?;
    let picture = folder.path().join("picture.jpg");
    let printed = output_of(example(name)?.arg(fixture(FILM)).arg(&picture))?;
    Ok((printed, fs::read(picture)?))
}

#[test]
fn file() -> Outcome {
    let (printed, picture) = run("file")?;
    assert!(printed.contains("Some(7.0) seconds, 2 streams"), "{printed}");
    assert!(printed.contains("frame at 5.000 s (at_target)"), "{printed}");
    assert_eq!(picture, poster(&Encoding::default())?);
    Ok(())
}

#[test]
fn cursor() -> Outcome {
    let (printed, picture) = run("cursor")?;
    assert!(printed.contains("frame at 5.000 s (at_target)\n160x120"), "{printed}");
    assert_eq!(picture, poster(&Encoding::default())?);
    Ok(())
}

#[test]
fn own_reader() -> Outcome {
    let (printed, picture) = run("own_reader")?;
    let read: u64 =
        printed.lines().filter_map(|line| line.trim().split_once(" bytes at ")?.0.parse::<u64>().ok()).sum();
    assert!(printed.contains(&format!("{read} bytes read in ")), "{printed}");
    assert_eq!(picture, poster(&Encoding::default())?);
    Ok(())
}

/// Returns the reason for the film's frame, and the MD5 of its planes.
fn golden_frame() -> Outcome<(&'static str, &'static str)> {
    let golden = include_str!("golden.txt").lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let line = golden.into_iter().find(|line| line[0] == FILM).ok_or("the table lacks the film")?;
    Ok((line[1], line[6]))
}

#[test]
fn frame_md5() -> Outcome {
    let printed = output_of(example("frame_md5")?.arg(fixture(FILM)))?;
    let (reason, md5) = golden_frame()?;
    assert!(
        printed.contains(&format!("\t{reason}\t")) && printed.contains(&format!("\t{md5}\t")),
        "{printed}"
    );
    Ok(())
}

#[cfg(feature = "remote")]
#[test]
fn any_time() -> Outcome {
    let printed = output_of(example("any_time")?.arg(fixture(FILM)).args(["5000000", "0"]))?;
    let lines: Vec<Vec<&str>> = printed.lines().map(|line| line.split('\t').collect()).collect();
    let ways: Vec<&[&str]> = lines.iter().map(|line| &line[..3]).collect();
    let expected = [["file", "fresh"], ["file", "kept"], ["ranges", "fresh"], ["ranges", "kept"]];
    let expected = expected.map(|way| ["5000000", "0"].map(|at| [way[0], way[1], at]));
    assert_eq!(ways, expected.as_flattened());
    let (reason, md5) = golden_frame()?;
    for line in lines.iter().step_by(2) {
        assert_eq!((line[5], line[7]), (reason, md5));
    }
    Ok(())
}

#[cfg(feature = "remote")]
#[test]
fn soak() -> Outcome {
    for (arguments, has_children) in [(&["3"][..], false), (&["3", "isolate"], true)] {
        let mut child = example("soak")?
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut paths = child.stdin.take().ok_or("no standard input")?;
        for name in [FILM, "x_garbage.mp4", FILM, "x_no_such_file.mp4"] {
            writeln!(paths, "{}", fixture(name).display())?;
        }
        drop(paths);
        let output = child.wait_with_output()?;
        assert!(output.status.success(), "{output:?}");
        let printed = String::from_utf8(output.stdout)?;
        let lines: Vec<&str> = printed.lines().collect();
        let (sample, outcomes) = (lines.get(3).ok_or("no sample")?, [&lines[..3], &lines[4..]].concat());
        assert_eq!(outcomes, ["picture", "malformed", "picture", "not_found"]);
        let held: Vec<u64> = sample.split('\t').skip(1).map(str::parse).collect::<Result<_, _>>()?;
        let [files, kilobytes, descriptors, threads, of_children] = held[..] else {
            return Err(printed.into());
        };
        assert_eq!(files, 3);
        assert!(
            kilobytes > 5_000 && (3..50).contains(&descriptors) && (1..50).contains(&threads),
            "{sample}"
        );
        assert_eq!(of_children > 5_000, has_children, "{sample}");
    }
    Ok(())
}

#[cfg(feature = "remote")]
#[test]
fn own_source() -> Outcome {
    let (folder, film) = (tempfile::tempdir()?, common::fixture_bytes(FILM)?);
    let picture = folder.path().join("picture.jpg");
    let parts: Vec<_> = (0..4).map(|part| folder.path().join(format!("film.{part}"))).collect();
    for (part, bytes) in parts.iter().zip(film.chunks(film.len().div_ceil(4))) {
        fs::write(part, bytes)?;
    }
    let printed = output_of(example("own_source")?.arg(&picture).args(&parts))?;
    assert!(printed.contains(&format!("{} bytes read in 1 requests", film.len())), "{printed}");
    assert_eq!(fs::read(&picture)?, poster(&Encoding::default())?);

    fs::remove_file(&parts[2])?;
    let output = example("own_source")?.arg(&picture).args(&parts).output()?;
    assert!(String::from_utf8_lossy(&output.stderr).contains("NotFound"), "{output:?}");
    Ok(())
}

/// The average difference between the samples of a cell of the sheet and of the frame that belongs there.
fn difference(sheet: &image::RgbImage, (x, y): (u32, u32), at: Duration) -> Outcome<u64> {
    let frame = open(FILM)?.frame(at)?.to_rgb8(Bounds::default())?;
    let cell = image::imageops::crop_imm(sheet, x, y, frame.width, frame.height).to_image();
    let sum: u64 = cell.iter().zip(&frame.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    Ok(sum / frame.pixels.len() as u64)
}

#[test]
fn storyboard() -> Outcome {
    let folder = tempfile::tempdir()?;
    let sheet = folder.path().join("sheet.jpg");
    let run = |count: &str| {
        output_of(example("storyboard")?.args([
            fixture(FILM).as_os_str(),
            OsStr::new(count),
            sheet.as_os_str(),
        ]))
    };
    assert!(run("7")?.starts_with("7 frames from "));
    let picture = image::open(&sheet)?.into_rgb8();
    assert_eq!(picture.dimensions(), (2 * 160, 4 * 120));
    let cues = fs::read_to_string(folder.path().join("sheet.vtt"))?;
    let cues: Vec<&str> = cues.split("\n\n").map(str::trim).collect();
    assert_eq!(cues[0], "WEBVTT");
    assert_eq!(cues.len(), 8);
    // Seven cells of one second each.
    assert_eq!(cues[2], "00:00:01.000 --> 00:00:02.000\nsheet.jpg#xywh=160,0,160,120");
    assert_eq!(cues[7], "00:00:06.000 --> 00:00:07.000\nsheet.jpg#xywh=0,360,160,120");
    for second in 0..7 {
        let place = (u32::try_from(second % 2)? * 160, u32::try_from(second / 2)? * 120);
        let at = |second: u64| Duration::from_millis(second * 1000 + 500);
        let (own, next) =
            (difference(&picture, place, at(second))?, difference(&picture, place, at((second + 1) % 7))?);
        assert!(own < 8 && own < next, "{second}: {own} {next}");
    }

    assert!(run("1")?.starts_with("1 frames from "));
    assert_eq!(image::image_dimensions(&sheet)?, (160, 120));
    Ok(())
}

#[test]
fn candidates() -> Outcome {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("choices");
    let arguments = [fixture(FILM).into_os_string(), "3".into(), out.clone().into_os_string()];
    let printed = output_of(example("candidates")?.args(arguments))?;
    let lines: Vec<Vec<&str>> = printed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 4, "{printed}");
    for line in &lines[..3] {
        assert_eq!(image::image_dimensions(out.join(line[0]))?, (160, 120), "{printed}");
        let time: posterframe::FrameTime = line[1].parse()?;
        let frame = open(FILM)?.frame(time)?;
        assert_eq!(line[2], "Good", "{printed}");
        let placeholder = frame.placeholder(Bounds::default())?;
        let near = |hash: &str| hash.parse::<posterframe::ThumbHash>().is_ok();
        assert!(near(line[3]) && line[4].len() == placeholder.average_colour.to_string().len(), "{printed}");
    }
    assert_eq!((lines[3][0], image::image_dimensions(out.join("square.jpg"))?), ("square.jpg", (120, 120)));
    assert_eq!((lines[3][1], lines[3][2]), ("5", "1 looked at"), "{printed}");
    Ok(())
}
