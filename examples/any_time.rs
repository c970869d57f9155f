//! Prints the frame of a video at each of several times: `any_time VIDEO MICROSECONDS...`.
//!
//! `cargo run --example any_time --no-default-features --features remote -- video.mp4 0 2500000 90000000`
//!
//! The program requests each time in four ways: from the file and by byte ranges, and each of these from a `Media` that is opened
//! for this time alone, and from one `Media` that stays open for all times. All four return the same frame. `scripts/any_time.py`
//! compares the lines with a full decode by FFmpeg.
//!
//! A line has tab-separated columns: `file` or `ranges`, `fresh` or `kept`, the time in microseconds after the start, then pts,
//! time base, reason, decoded packets, the MD5 of the planes, and the number of passes; or `error`, its kind, and its message.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest as _, Md5};
use posterframe::source::FileSource;
use posterframe::{Error, Limits, Media, OpenOptions};

/// A busy machine must not change the result.
const MAX_TIME: Duration = Duration::from_secs(1800);

type Open = fn(&Path, &OpenOptions) -> Result<Media<'static>, Error>;

fn open_file(path: &Path, options: &OpenOptions) -> Result<Media<'static>, Error> {
    Media::open_file(path, options)
}

fn open_ranges(path: &Path, options: &OpenOptions) -> Result<Media<'static>, Error> {
    Media::open_source(FileSource::open(path)?, options)
}

fn options() -> OpenOptions {
    OpenOptions::default().with_limits(Limits::default().with_max_time(MAX_TIME))
}

/// Returns the columns of the frame at `at`.
fn frame_columns(media: &mut Media<'static>, at: Duration) -> Result<String, Error> {
    let frame = media.frame(at)?;
    let md5: String = Md5::digest(frame.copy_planes()?).iter().map(|byte| format!("{byte:02x}")).collect();
    let time_base = frame.time_base();
    Ok(format!(
        "{}\t{}/{}\t{}\t{}\t{md5}\t{}",
        frame.pts(),
        time_base.num,
        time_base.den,
        frame.reason().as_str(),
        frame.packets_decoded(),
        frame.passes(),
    ))
}

fn error_columns(error: &Error) -> String {
    // A message may quote bytes of the file.
    format!("error\t{}\t{}", error.kind(), error.to_string().replace(char::is_control, " "))
}

fn print_line(source: &str, state: &str, at: Duration, columns: Result<String, String>) {
    println!("{source}\t{state}\t{}\t{}", at.as_micros(), columns.unwrap_or_else(|error| error));
}

/// Opens the video again for each time, with the time as a hint for the first reads.
fn print_fresh(source: &str, open: Open, path: &Path, times: &[Duration]) {
    for &at in times {
        let media = open(path, &options().with_frame(at));
        let columns = media.and_then(|mut media| frame_columns(&mut media, at));
        print_line(source, "fresh", at, columns.map_err(|error| error_columns(&error)));
    }
}

/// Opens the video once. Times may be requested in any order.
fn print_kept(source: &str, open: Open, path: &Path, times: &[Duration]) {
    let mut media = open(path, &options()).map_err(|error| error_columns(&error));
    for &at in times {
        let columns = match &mut media {
            Ok(media) => frame_columns(media, at).map_err(|error| error_columns(&error)),
            Err(columns) => Err(columns.clone()),
        };
        print_line(source, "kept", at, columns);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path: PathBuf = arguments.next().ok_or("usage: any_time VIDEO MICROSECONDS...")?.into();
    let mut times = Vec::new();
    for argument in arguments {
        let microseconds = argument.to_str().ok_or("a time is not a number")?.parse()?;
        times.push(Duration::from_micros(microseconds));
    }

    let sources: [(&str, Open); 2] = [("file", open_file), ("ranges", open_ranges)];
    for (source, open) in sources {
        print_fresh(source, open, &path, &times);
        print_kept(source, open, &path, &times);
    }
    Ok(())
}
