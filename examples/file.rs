//! Prints the properties of a video file and writes its poster frame: `file VIDEO PICTURE.jpg`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::time::Duration;

use posterframe::{Media, OpenOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(video), Some(picture)) = (arguments.next(), arguments.next()) else {
        return Err("usage: file VIDEO PICTURE.jpg".into());
    };

    let mut media = Media::open_file(video, &OpenOptions::default())?;
    let info = media.info();
    println!("{}, {:?} seconds, {} streams", info.format_name, info.duration_seconds, info.streams.len());

    let frame = media.frame(Duration::from_secs(5))?;
    println!("frame at {:.3} s ({})", frame.pts_seconds(), frame.reason().as_str());

    let thumbnail = frame.thumbnail()?;
    println!("{}x{} JPEG of {} bytes", thumbnail.width, thumbnail.height, thumbnail.bytes.len());
    std::fs::write(picture, thumbnail.bytes)?;
    Ok(())
}
