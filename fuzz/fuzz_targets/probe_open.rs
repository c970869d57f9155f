//! Opens an untrusted upload, reads its information and takes its frame, within limits: once as a file, once by byte ranges. Opening takes
//! no more CPU time than the file's size allows.
#![no_main]

use std::io::Cursor;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use posterframe::fuzzing::Cost;
use posterframe::source::{FirstReads, MemorySource, ReadSize};
use posterframe::{
    Bounds, Encoding, Error, ErrorKind, Limits, Media, OpenOptions, PosterFrame, ProcessOptions, RgbPicture,
    Threads,
};

const AT: Duration = Duration::from_secs(5);
/// Twice the limit of time, because the clock is checked only between steps.
const PATIENCE: Duration = Duration::from_secs(10);

fn options() -> OpenOptions {
    posterframe::init(&ProcessOptions::default().with_max_allocation(64 << 20));
    let mut limits = Limits::default();
    limits.max_time = Duration::from_secs(5);
    limits.max_pixels = 1 << 20;
    limits.max_packets = 2000;
    limits.max_decoded_pixels = 1 << 28;
    limits.max_index_entries = 400_000;
    OpenOptions::default().with_limits(limits).with_threads(Threads::Count(NonZeroUsize::MIN))
}

/// The smallest possible first reads, so that the planner has requests to plan.
fn by_ranges() -> OpenOptions {
    let mut reads = FirstReads::default();
    (reads.head, reads.tail, reads.whole) = (ReadSize::fixed(512), ReadSize::fixed(64), 0);
    options().with_first_reads(reads).with_frame(AT)
}

/// The frame's time and its pixels.
fn take(media: Result<Media<'_>, Error>) -> Result<(i64, RgbPicture), Error> {
    let mut media = media?;
    let frame: PosterFrame = media.frame(AT)?;
    let bounds = Bounds { max_width: NonZeroU32::new(64), max_height: NonZeroU32::new(64) };
    let thumbnail = frame.encode(&Encoding::default().with_bounds(bounds))?;
    assert!(thumbnail.bytes.len() > 100 && thumbnail.width.max(thumbnail.height) <= 64);
    Ok((frame.pts(), frame.to_rgb8(bounds)?))
}

fuzz_target!(|file: &[u8]| {
    let started = Instant::now();
    let cost = Cost::begin();
    let whole = Media::open(Cursor::new(file), &options());
    cost.end(file.len(), "opening a file");
    let whole = take(whole);
    let cost = Cost::begin();
    let ranges = Media::open_source(MemorySource::new(file.to_vec()), &by_ranges());
    cost.end(file.len(), "opening by ranges");
    let ranges = take(ranges);
    for error in [&whole, &ranges].into_iter().filter_map(|result| result.as_ref().err()) {
        // The source is memory: an error must not blame the source, and must not be internal.
        assert!(!matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal), "{error}");
    }
    if let (Ok(whole), Ok(ranges)) = (&whole, &ranges) {
        assert!(whole == ranges, "the picture depends on how its bytes came: {} and {}", whole.0, ranges.0);
    }
    assert!(started.elapsed() < 2 * PATIENCE, "{:?}", started.elapsed());
});
