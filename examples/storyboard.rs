//! Frames at even intervals on one sheet, and beside it a WebVTT file that says which lies where: `storyboard VIDEO COUNT SHEET.jpg`.
//!
//! `cargo run --example storyboard --no-default-features -- video.mp4 100 sheet.jpg` also writes `sheet.vtt`. Players show such pictures
//! above the bar on which one seeks.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::BufWriter;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};
use posterframe::{Bounds, FrameReason, Media, OpenOptions};

/// The longer side of a picture on the sheet, in pixels.
const SIDE: u32 = 160;
/// More would make a sheet that browsers refuse.
const MOST: u32 = 1000;
const QUALITY: u8 = 80;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [video, count, sheet] = arguments.as_slice() else {
        return Err("usage: storyboard VIDEO COUNT SHEET.jpg".into());
    };
    let count = count.parse::<NonZeroU32>()?.get().min(MOST);

    let mut media = Media::open_file(video, &OpenOptions::default())?;
    let seconds = media.info().duration_seconds.ok_or("the video does not say how long it is")?;
    let step = Duration::try_from_secs_f64(seconds)? / count;
    let pictures = pictures(&mut media, step, count)?;

    // All as large as the first; one of another shape stands in its corner.
    let (width, height) = pictures[0].dimensions();
    let columns = count.isqrt();
    let place = |index: u32| (index % columns * width, index / columns * height);
    let mut whole = RgbImage::new(columns * width, count.div_ceil(columns) * height);
    let mut cues = "WEBVTT\n".to_owned();
    let name = Path::new(sheet).file_name().ok_or("the sheet needs a name")?.to_string_lossy();
    for (index, picture) in (0..).zip(&pictures) {
        let (x, y) = place(index);
        imageops::replace(&mut whole, picture, x.into(), y.into());
        let (from, to) = (clock(step * index), clock(step * (index + 1)));
        write!(cues, "\n{from} --> {to}\n{name}#xywh={x},{y},{width},{height}\n")?;
    }

    let mut file = BufWriter::new(File::create(sheet)?);
    JpegEncoder::new_with_quality(&mut file, QUALITY).encode_image(&whole)?;
    std::fs::write(Path::new(sheet).with_extension("vtt"), cues)?;
    let ledger = media.ledger();
    println!("{count} frames from {} bytes", ledger.bytes_fetched);
    Ok(())
}

/// The frames in the middle of `count` intervals, all from one open file.
fn pictures(media: &mut Media<'_>, step: Duration, count: u32) -> Result<Vec<RgbImage>, Box<dyn Error>> {
    let mut pictures: Vec<RgbImage> = Vec::new();
    for frame in media.frames((0..count).map(|index| step * index + step / 2)) {
        let frame = frame?;
        // Sound may go on after the last frame; that one stays then, and not the substitute from half-way.
        let last = pictures.last().filter(|_| frame.reason() != FrameReason::AtTarget);
        let picture = match last {
            Some(last) => last.clone(),
            None => {
                let (width, height) = pictures.first().map_or((SIDE, SIDE), RgbImage::dimensions);
                frame.to_rgb8(Bounds::new(width, height))?.into()
            }
        };
        pictures.push(picture);
    }
    Ok(pictures)
}

/// `01:02:03.456`, as WebVTT writes times.
fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, at.subsec_millis())
}
