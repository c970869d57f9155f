//! The layout of a file as the planners read it before libav does: no panic, no endless walk, and nothing that contradicts itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    for at_microseconds in [5_000_000, 0, i64::MAX] {
        posterframe::fuzzing::plan_layout(file, at_microseconds);
    }
});
