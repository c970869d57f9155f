//! Writes the poster frame of an object in S3, by byte ranges: `s3 BUCKET KEY PICTURE.jpg`.
//!
//! `cargo run --example s3 --no-default-features --features s3 -- films videos/1_x.mp4 poster.jpg`
//!
//! Region, credentials and endpoint come from the same places as in AWS's own tools: `AWS_REGION`, `AWS_PROFILE`,
//! roles.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::time::Duration;

use posterframe::source::{S3Source, block_on};
use posterframe::{Media, OpenOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(bucket), Some(key), Some(picture)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: s3 BUCKET KEY PICTURE.jpg".into());
    };

    // For a single object. A program that reads many objects creates one client: `S3Source::client_from_env`, then
    // `S3Source::new`.
    let source = block_on(S3Source::connect(bucket, key))??;

    let at = Duration::from_secs(5);
    let mut media = Media::open_source(source, &OpenOptions::default().with_frame(at))?;
    let version = media.identity().and_then(|identity| identity.etag);
    println!("{:?} seconds, ETag {}", media.info().duration_seconds, version.unwrap_or_default());

    let frame = media.frame(at)?;
    println!("frame at {:.3} s ({})", frame.pts_seconds(), frame.reason().as_str());
    std::fs::write(picture, frame.thumbnail()?.bytes)?;

    let ledger = media.ledger();
    println!(
        "{} bytes in {} requests, {} round trips",
        ledger.bytes_fetched, ledger.requests, ledger.round_trips
    );
    Ok(())
}
