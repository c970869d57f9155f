//! Writes a poster frame of a video in memory, scaled to fit 320x320: `cursor VIDEO PICTURE.jpg`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::io::Cursor;
use std::time::Duration;

use posterframe::{Bounds, Encoding, Media, OpenOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(video), Some(picture)) = (arguments.next(), arguments.next()) else {
        return Err("usage: cursor VIDEO PICTURE.jpg".into());
    };
    let bytes = std::fs::read(video)?;

    // The reader may borrow: `media` cannot outlive `bytes`.
    let mut media = Media::open(Cursor::new(&bytes), &OpenOptions::default())?;
    let frame = media.frame(Duration::from_secs(5))?;
    println!("frame at {:.3} s ({})", frame.pts_seconds(), frame.reason().as_str());

    let encoding = Encoding::default().with_bounds(Bounds::new(320, 320));
    let thumbnail = frame.encode(&encoding)?;
    println!("{}x{}", thumbnail.width, thumbnail.height);
    std::fs::write(picture, thumbnail.bytes)?;
    Ok(())
}
