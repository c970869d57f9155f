//! The frame of each fixture must be, bit for bit, the frame that the ffmpeg program decodes from the start of the file. The
//! times must be ffmpeg's too (`tests/fixtures/oracle.tsv`).

mod common;

use common::{AT, Outcome, Table, fixture, fixtures, fixtures_folder, gives_no_picture, open, planes_md5};

/// The tolerance of times. libav sometimes rounds a time to microseconds once more than posterframe does.
const TOLERANCE_SECONDS: f64 = 2.0e-6;

/// Whether a time equals that of the table, where `-` means no time.
fn same_time(ours: Option<f64>, oracle: &str) -> Outcome<bool> {
    Ok(match ours {
        None => oracle == "-",
        Some(seconds) => oracle != "-" && (seconds - oracle.parse::<f64>()?).abs() <= TOLERANCE_SECONDS,
    })
}

/// Compares a fixture with its row, and returns the differences as texts.
fn compare(table: &Table, row: &[String]) -> Outcome<Vec<String>> {
    let name = table.get(row, "file")?;
    let mut media = open(name)?;
    let mut wrong = Vec::new();
    let (start, duration) = (media.info().start_seconds, media.info().duration_seconds);
    for (what, ours) in [("container_start", start), ("container_duration", duration)] {
        // FFmpeg stops at the damaged packet, and reports no time. The header has both times.
        let oracle = match (what, name) {
            ("container_start", "damaged_first_h264.avi" | "damaged_first_hevc.avi") => "0.0",
            ("container_duration", "damaged_first_h264.avi" | "damaged_first_hevc.avi") => "7.0",
            _ => table.get(row, what)?,
        };
        if !same_time(ours, oracle)? {
            wrong.push(format!("{name}: {what} is {ours:?}, not {oracle}"));
        }
    }
    let frame = media.frame(AT).map_err(|error| format!("{name}: {error}"))?;
    let (width, height) = frame.decoded_size();
    let time_base = frame.time_base();
    let ours = [
        ("reason", frame.reason().as_str().to_owned()),
        ("pts", frame.pts().to_string()),
        ("time_base", format!("{}/{}", time_base.num, time_base.den)),
        ("width", width.to_string()),
        ("height", height.to_string()),
        ("pix_fmt", frame.pixel_format().to_owned()),
        ("md5", planes_md5(&frame)?),
        ("stream", frame.stream_index().to_string()),
    ];
    for (what, ours) in ours {
        let oracle = table.get(row, what)?;
        if ours != oracle {
            wrong.push(format!("{name}: {what} is {ours}, not {oracle}"));
        }
    }
    Ok(wrong)
}

#[test]
fn every_frame_is_the_one_a_whole_decode_gives() -> Outcome {
    let table = Table::read(&fixture("oracle.tsv"))?;
    let mut wrong = Vec::new();
    for row in &table.rows {
        if gives_no_picture(table.get(row, "file")?) {
            continue;
        }
        // An error of a file is one more difference.
        wrong.extend(compare(&table, row).unwrap_or_else(|error| vec![error.to_string()]));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn every_fixture_with_a_picture_is_in_the_table() -> Outcome {
    let table = Table::read(&fixtures_folder().join("oracle.tsv"))?;
    let known: Vec<&str> = table.rows.iter().map(|row| table.get(row, "file")).collect::<Outcome<_>>()?;
    for name in fixtures()?.iter().filter(|name| !gives_no_picture(name)) {
        assert!(known.contains(&name.as_str()), "{name} is not in oracle.tsv");
    }
    Ok(())
}

#[test]
fn a_later_call_gives_the_same_frame() -> Outcome {
    for name in ["h264_end.mp4", "h264.ts", "vp9.webm", "mpeg2.ps.mpg", "short_3s.mp4", "h264_raw.h264"] {
        let mut media = open(name)?;
        let first = planes_md5(&media.frame(AT)?)?;
        let other = planes_md5(&media.frame(AT / 2)?)?;
        let again = planes_md5(&media.frame(AT)?)?;
        assert_eq!(first, again, "{name}");
        if name != "short_3s.mp4" {
            assert_ne!(first, other, "{name}");
        }
    }
    Ok(())
}
