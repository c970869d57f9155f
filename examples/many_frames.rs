//! Measures the cost of several frames of one file by byte ranges: `many_frames FILE [exact|keyframe] COUNT...`.
//!
//! `cargo run --release --example many_frames --no-default-features --features remote -- video.mp4 1 2 10 100` prints a line for each
//! count. The frames lie at equal intervals. Each list is read from a file as from a remote source, and no list reuses bytes of another.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use posterframe::source::{BlockCache, FileSource};
use posterframe::{FrameRequest, Media, OpenOptions, Pick};

/// Maximum number of bytes that wait to be read: the same as in the cache of the process.
const CACHE: u64 = 32 << 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: many_frames FILE [exact|keyframe] COUNT...");
        return ExitCode::from(2);
    };
    println!("frames\tround trips\trequests\tbytes\tpackets decoded\tmilliseconds");
    let mut pick = Pick::Exact;
    for argument in arguments {
        if let Some(named) = Pick::from_name(&argument) {
            pick = named;
            continue;
        }
        let result = argument.parse().map_err(Into::into).and_then(|count| take(&path, count, pick));
        if let Err(error) = result {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn take(path: &str, count: u32, pick: Pick) -> Result<(), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let options = OpenOptions::default().with_cache(BlockCache::new(CACHE));
    let mut media = Media::open_source(FileSource::open(path)?, &options)?;
    let seconds = media.info().duration_seconds.ok_or("the video does not declare its duration")?;
    let step = Duration::try_from_secs_f64(seconds)? / count.max(1);
    let mut packets = 0;
    let request = |number| FrameRequest::at(step * number + step / 2).with_pick(pick);
    for frame in media.frames((0..count).map(request)) {
        packets += frame?.packets_decoded();
    }
    let ledger = media.ledger();
    let (trips, requests, bytes) = (ledger.round_trips, ledger.requests, ledger.bytes_fetched);
    println!("{count}\t{trips}\t{requests}\t{bytes}\t{packets}\t{}", started.elapsed().as_millis());
    Ok(())
}
