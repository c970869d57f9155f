//! Benchmarks of opening, probing and poster frame on all fixtures, and of encoding on one: `make bench`.
//!
//! Files are read into memory first, so that the benchmarks measure our work and libav's, not the disk.

use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use posterframe::{Encoding, ImageFormat, Media, OpenOptions, PosterFrame};

const FIXTURES: &[&str] =
    &["h264_front.mp4", "h264_end.mp4", "hevc.mp4", "vp9.webm", "av1.mp4", "h264.ts", "h264.mkv"];
const TARGET: Duration = Duration::from_secs(5);

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(path).expect("the fixtures are in the repository")
}

fn open(bytes: &[u8]) -> Media<'_> {
    Media::open(Cursor::new(bytes), &OpenOptions::default()).expect("a fixture opens")
}

fn poster_frame(bytes: &[u8]) -> PosterFrame {
    open(bytes).frame(TARGET).expect("a fixture has a frame")
}

/// Opening includes probing: the information is complete once the container is open.
fn probe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open_and_probe");
    for name in FIXTURES {
        let bytes = fixture(name);
        group.bench_function(*name, |bencher| {
            bencher.iter(|| black_box(open(&bytes).info().duration_seconds));
        });
    }
    group.finish();
}

/// Only the frame, from an open container.
fn frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("poster_frame");
    for name in FIXTURES {
        let bytes = fixture(name);
        group.bench_function(*name, |bencher| {
            bencher.iter_batched_ref(
                || open(&bytes),
                |media| black_box(media.frame(TARGET).expect("a fixture has a frame")),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// Encodes the thumbnail from a decoded frame, in each format.
fn encode(criterion: &mut Criterion) {
    let bytes = fixture(FIXTURES[0]);
    let frame = poster_frame(&bytes);
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let encoding = Encoding::default().with_format(format);
        group.bench_function(format.extension(), |bencher| {
            bencher.iter(|| black_box(frame.encode(&encoding).expect("a frame encodes")));
        });
    }
    group.finish();
}

/// All steps, as `posterframe grab` does for a local file.
fn whole(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open_to_jpeg");
    for name in FIXTURES {
        let bytes = fixture(name);
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                black_box(poster_frame(&bytes).encode(&Encoding::default()).expect("a frame encodes"));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, probe, frame, encode, whole);
criterion_main!(benches);
