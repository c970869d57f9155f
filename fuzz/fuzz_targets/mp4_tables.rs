//! The tables of an MP4 as we read them before libav does: no panic, no endless walk, and nothing that contradicts itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    for at_microseconds in [5_000_000, 0, i64::MAX] {
        posterframe::fuzzing::read_mp4_tables(file, at_microseconds);
    }
});
