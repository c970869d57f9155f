//! Prints the properties of a video behind a URL and writes its poster frame, by byte ranges: `http URL PICTURE.jpg`.
//!
//! `cargo run --example http --no-default-features --features http -- https://example.org/a.mp4 poster.jpg`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::time::Duration;

use posterframe::source::HttpSource;
use posterframe::{Media, OpenOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(picture)) = (arguments.next(), arguments.next()) else {
        return Err("usage: http URL PICTURE.jpg".into());
    };
    let source = HttpSource::new(url.parse()?)?;

    // Passing the time of the frame before opening saves a round trip: the frame's packets are requested as soon as the
    // index has arrived.
    let at = Duration::from_secs(5);
    let mut media = Media::open_source(source, &OpenOptions::default().with_frame(at))?;
    let info = media.info();
    println!("{}, {:?} seconds", info.format_name, info.duration_seconds);
    for stream in &info.streams {
        let (kind, codec) = (stream.kind.as_str().unwrap_or("unknown"), stream.codec_name.as_deref());
        println!("  {kind}: {}", codec.unwrap_or("unknown"));
    }

    let frame = media.frame(at)?;
    println!("frame at {:.3} s ({})", frame.pts_seconds(), frame.reason().as_str());
    std::fs::write(picture, frame.thumbnail()?.bytes)?;

    let ledger = media.ledger();
    println!(
        "{} bytes of {} in {} requests, {} round trips",
        ledger.bytes_fetched,
        media.info().size_bytes.unwrap_or_default(),
        ledger.requests,
        ledger.round_trips,
    );
    Ok(())
}
