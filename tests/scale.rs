//! Audits and back-fills of many objects. Their memory must not grow with the number of objects, and after an interruption every object
//! must be handled once. `make scale` does the same with a million objects.
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "the bench uses all of it")]
#[path = "common/synthetic.rs"]
mod synthetic;

use synthetic::{Outcome, Run, Synthetic};

const PROGRAM: &str = env!("CARGO_BIN_EXE_posterframe");

/// `growth` is how many more kilobytes a run with ten times as many objects may use: the data that is sorted in memory before a file is
/// written.
fn assert_flat(few: &[Run], many: &[Run], growth: u64) {
    for (few, many) in few.iter().zip(many) {
        let (few, many) = (few.peak_kilobytes, many.peak_kilobytes);
        assert!(few > 0 && many <= few + growth, "{few} kB, and {many} kB for ten times as many");
    }
}

#[test]
fn an_audit_takes_no_more_memory_for_ten_times_as_many_and_continues_where_it_was_killed() -> Outcome {
    let (few, many) = (Synthetic::start(1_000, PROGRAM)?, Synthetic::start(10_000, PROGRAM)?);
    assert_flat(&few.audits()?, &many.audits()?, 10_000);
    Ok(())
}

#[test]
fn a_back_fill_takes_no_more_memory_for_ten_times_as_many_and_does_each_object_once() -> Outcome {
    let (few, many) = (Synthetic::start(500, PROGRAM)?, Synthetic::start(5_000, PROGRAM)?);
    // Half as many objects as the audits, because each object costs a development build several requests.
    assert_flat(&few.back_fills("TERM")?, &many.back_fills("KILL")?, 7_000);
    Ok(())
}
