//! Changes random bytes of every fixture. Each copy must give an error or a picture, within the limits, and never a panic.

mod common;

use std::io::Cursor;
use std::time::{Duration, Instant};

use common::{AT, Outcome, fixture_bytes, fixtures};
use posterframe::{Encoding, Error, ErrorKind, Limits, Media, OpenOptions};

/// The number of changed copies of each file.
const COPIES: u64 = 6;
/// The longest time for one copy, in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pseudo-random numbers, the same in every run (SplitMix64, Steele, Lea and Flood 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }
}

/// Changes random bytes. Half of the changes are in the first 2048 bytes, because the headers decide how the rest is read.
fn mutate(bytes: &mut [u8], numbers: &mut Numbers) {
    let header = bytes.len().min(2048);
    for _ in 0..=numbers.below(12) {
        let reach = if numbers.below(2) == 0 { header } else { bytes.len() };
        let at = numbers.below(reach);
        let run = (1 + numbers.below(8)).min(bytes.len() - at);
        match numbers.below(4) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at..at + run].fill(0),
            2 => bytes[at..at + run].fill(0xff),
            _ => bytes[at] = numbers.next().to_le_bytes()[0],
        }
    }
}

fn take(bytes: &[u8], options: &OpenOptions) -> Result<usize, Error> {
    let mut media = Media::open(Cursor::new(bytes), options)?;
    Ok(media.frame(AT)?.encode(&Encoding::default())?.bytes.len())
}

#[test]
fn changed_files_give_an_error_or_a_picture() -> Outcome {
    let mut limits = Limits::default();
    limits.max_time = Duration::from_secs(10);
    let options = OpenOptions::default().with_limits(limits);
    let (mut pictures, mut errors) = (0, 0);
    for (index, name) in fixtures()?.iter().enumerate() {
        let original = fixture_bytes(name)?;
        if original.is_empty() {
            continue;
        }
        for copy in 0..COPIES {
            let mut numbers = Numbers(index as u64 * 1_000_003 + copy);
            let mut bytes = original.clone();
            mutate(&mut bytes, &mut numbers);
            let started = Instant::now();
            match take(&bytes, &options) {
                Ok(length) => {
                    assert!(length > 100, "{name}, copy {copy}: {length} bytes are no picture");
                    pictures += 1;
                }
                Err(error) => {
                    // The source is memory, so the error must not blame the source, and must not be an internal error.
                    let blamed_on_file =
                        !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal);
                    assert!(blamed_on_file, "{name}, copy {copy}: {error}");
                    errors += 1;
                }
            }
            assert!(started.elapsed() < PATIENCE, "{name}, copy {copy}: {:?}", started.elapsed());
        }
    }
    // Both results must be frequent. Otherwise the changes are too small to matter, or so large that nothing decodes.
    assert!(pictures > errors && errors > 20, "{pictures} pictures, {errors} errors");
    Ok(())
}
