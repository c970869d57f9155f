//! ThumbHash and average colour depend only on what a thumbnail shows. The program, the job and the thumbnail's metadata must
//! report the same values.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{AT, Outcome, fixture, fixtures, gives_no_picture, open};
use posterframe::store::{FolderStore, Store as _};
use posterframe::{Bounds, Colour, Encoding, Fit, Focus, ImageFormat, Media, OpenOptions, Quality};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value;

fn average(picture: &image::RgbImage) -> [f64; 3] {
    let count = f64::from(picture.width()) * f64::from(picture.height());
    [0, 1, 2].map(|part| picture.pixels().map(|pixel| f64::from(pixel.0[part])).sum::<f64>() / count)
}

fn check(name: &str, (format, quality): (ImageFormat, u8), bounds: Bounds) -> Outcome {
    let frame = match Media::open_file(fixture(name), &OpenOptions::default())?.frame(AT) {
        Ok(frame) => frame,
        Err(posterframe::Error::Encrypted { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let quality = Quality::new(quality).ok_or("no quality")?;
    let encoding = Encoding::default().with_format(format).with_quality(quality).with_bounds(bounds);
    let placeholder = frame.placeholder(encoding)?;
    assert_eq!(placeholder, frame.placeholder(Bounds::default())?, "{name}: {encoding:?}");
    // The expected value is the average of the whole picture, encoded without losses.
    let whole = frame.encode(&Encoding::default().with_format(ImageFormat::Png))?;
    let expected = average(&image::load_from_memory(&whole.bytes)?.into_rgb8());
    let Colour { red, green, blue } = placeholder.average_colour;
    for (found, expected) in [red, green, blue].into_iter().zip(expected) {
        assert!((f64::from(found) - expected).abs() <= 4.0, "{name}: {placeholder:?}, {expected:?}");
    }
    Ok(())
}

/// Format, quality and size of the thumbnail must not change the placeholder.
#[test]
fn a_placeholder_depends_on_no_encoding() -> Outcome {
    // Scaling does not keep the average of a picture that is one or two pixels wide.
    let mut films: Vec<String> = fixtures()?.into_iter().filter(|name| !gives_no_picture(name)).collect();
    films.retain(|name| name != "cover_only.m4a");
    let formats = prop::sample::select(vec![ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP]);
    let strategy = (prop::sample::select(films), formats, 1_u8..=100, 0_u32..400, 0_u32..400);
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&strategy, |(name, format, quality, width, height)| {
        check(&name, (format, quality), Bounds::new(width, height))
            .map_err(|error| TestCaseError::fail(format!("{name}: {error}")))
    })?;
    Ok(())
}

/// When a thumbnail shows only a part of the frame, its placeholder describes that part.
#[test]
fn a_placeholder_shows_what_the_thumbnail_shows() -> Outcome {
    let frame = open("colours_bt709.mp4")?.frame(AT)?;
    let part = |x: f64| -> Outcome<_> {
        let focus = Focus::new(x, 0.5).ok_or("no focus")?;
        Ok(Encoding::default().with_bounds(Bounds::new(20, 60)).with_fit(Fit::Cover { focus }))
    };
    let (left, right) = (part(0.0)?, part(1.0)?);
    assert_ne!(frame.placeholder(left)?, frame.placeholder(right)?);
    for encoding in [left, right] {
        let shown = frame.encode(&encoding.with_format(ImageFormat::Png))?;
        let expected = average(&image::load_from_memory(&shown.bytes)?.into_rgb8());
        let Colour { red, green, blue } = frame.placeholder(encoding)?.average_colour;
        for (found, expected) in [red, green, blue].into_iter().zip(expected) {
            assert!((f64::from(found) - expected).abs() <= 6.0, "{found}, {expected}");
        }
    }
    Ok(())
}

/// Runs the program with these settings, and returns its JSON.
fn answer(arguments: &[&str], settings: &[(&str, &str)]) -> Outcome<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
    let output = command.env_clear().envs(settings.iter().copied()).args(arguments).arg("--json").output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {told}"))?)
}

fn text(path: &Path) -> Outcome<&str> {
    Ok(path.to_str().ok_or("a path that is no text")?)
}

#[test]
fn the_program_the_job_and_the_metadata_tell_the_same() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (film, out) = (fixture("h264_end.mp4"), folder.path().join("x.jpg"));
    let expected = open("h264_end.mp4")?.frame(AT)?.placeholder(Bounds::default())?;
    let expected =
        (Value::from(expected.thumb_hash.to_string()), Value::from(expected.average_colour.to_string()));
    for more in [&[][..], &["--isolate"], &["--width", "50", "--format", "png"]] {
        let grabbed = answer(&[&["grab", text(&film)?, "-o", text(&out)?], more].concat(), &[])?;
        assert_eq!(
            (&grabbed["thumb_hash"], &grabbed["average_colour"]),
            (&expected.0, &expected.1),
            "{grabbed}"
        );
    }
    let formats = [
        &[("THUMBNAIL_FORMAT", "jpeg")][..],
        &[("THUMBNAIL_FORMAT", "webp"), ("THUMBNAIL_WIDTH", "64")],
        &[
            ("THUMBNAIL_WIDTHS", "80,40"),
            ("THUMBNAIL_FORMATS", "png,jpeg"),
            ("THUMBNAIL_KEY", "{prefix}{dir}{name}-{width}.{ext}"),
        ],
        &[("ISOLATE", "process")],
    ];
    for (number, settings) in formats.into_iter().enumerate() {
        let root = folder.path().join(number.to_string());
        let video = root.join("videos/7_x.mp4");
        fs::create_dir_all(root.join("videos"))?;
        fs::copy(&film, &video)?;
        let store = FolderStore::open(&root)?;
        for status in ["processed", "unchanged"] {
            let report = answer(&["process", text(&video)?, "--store", text(&root)?], settings)?;
            assert_eq!(report["status"], status, "{report}");
            assert_eq!(
                (&report["thumb_hash"], &report["average_colour"]),
                (&expected.0, &expected.1),
                "{report}"
            );
            let others = report["other_thumbnail_urls"].as_array().cloned().unwrap_or_default();
            for url in [report["thumbnail_url"].clone()].iter().chain(&others) {
                let key = url.as_str().and_then(|url| store.key_of(url)).ok_or("no key")?;
                let describe = store.describe(&key);
                let object = tokio::runtime::Builder::new_current_thread().build()?.block_on(describe)?;
                let metadata = object.ok_or("no thumbnail")?.metadata;
                let read =
                    |name: &str| metadata.get(name).map(|value| Value::from(value.replace("%2B", "+")));
                assert_eq!(
                    (read("thumb-hash"), read("average-colour")),
                    (Some(expected.0.clone()), Some(expected.1.clone()))
                );
            }
        }
    }
    Ok(())
}
