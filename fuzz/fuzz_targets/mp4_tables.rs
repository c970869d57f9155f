//! The layout of a file as the planners read it before libav does: no panic, no endless walk, no more CPU time than
//! its size allows, and nothing that contradicts itself.
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
