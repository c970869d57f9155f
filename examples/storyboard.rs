//! Writes frames at equal intervals on one sheet, and a WebVTT file with the position of each frame: `storyboard VIDEO COUNT SHEET.jpg`.
//!
//! `cargo run --example storyboard --no-default-features -- video.mp4 100 sheet.jpg` also writes `sheet.vtt`. Players present such
//! pictures above their seek bar. `posterframe storyboard` has more options.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::num::NonZeroU32;
use std::path::Path;

use posterframe::{Media, OpenOptions, Pick, Spacing, StoryboardRequest};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [video, count, sheet] = arguments.as_slice() else {
        return Err("usage: storyboard VIDEO COUNT SHEET.jpg".into());
    };
    let count: NonZeroU32 = count.parse()?;
    // Enough rows for a single sheet.
    let request = StoryboardRequest::default()
        .with_spacing(Spacing::Count(count))
        .with_pick(Pick::Exact)
        .with_grid(count.isqrt(), count);

    let mut media = Media::open_file(video, &OpenOptions::default())?;
    let storyboard = media.storyboard(&request)?;

    let path = Path::new(sheet);
    let name = path.file_name().ok_or("the sheet needs a name")?.to_string_lossy();
    std::fs::write(path, &storyboard.sheets[0].bytes)?;
    std::fs::write(path.with_extension("vtt"), storyboard.webvtt(|_| name.to_string()))?;
    println!("{count} frames from {} bytes", media.ledger().bytes_fetched);
    Ok(())
}
