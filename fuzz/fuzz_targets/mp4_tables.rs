//! The planners read a file's layout before libav does: without a panic, without an endless loop, in no more CPU time than the file's size
//! allows, and with consistent results.
#![no_main]

use libfuzzer_sys::fuzz_target;
use posterframe::fuzzing::{Cost, plan_layout};

fuzz_target!(|file: &[u8]| {
    for at_microseconds in [5_000_000, 0, i64::MAX] {
        let cost = Cost::begin();
        plan_layout(file, at_microseconds);
        cost.end(file.len(), "planning");
    }
});
