//! A file in memory that gives a planner only the bytes that it requested, like the driver: for tests and fuzzing.

use std::ops::Range;

use super::planner::{Pause, Plan, Planner};
use crate::media::seen::Seen;
use crate::source::ByteRange;

/// A file, and the bytes of it that a planner has received.
pub(super) struct Replay<'f> {
    file: &'f [u8],
    seen: Seen,
    /// The ranges that were read, in the order of the steps.
    pub(super) read: Vec<ByteRange>,
    /// The ranges that were requested in parallel.
    pub(super) soon: Vec<ByteRange>,
}

impl<'f> Replay<'f> {
    pub(super) fn new(file: &'f [u8]) -> Self {
        Self { file, seen: Seen::new(file.len() as u64), read: Vec::new(), soon: Vec::new() }
    }

    /// Runs a planner to its end, in at most `max_steps`.
    ///
    /// # Panics
    /// The planner takes more steps, or waits for bytes that it has received, or for bytes after the end.
    #[expect(clippy::panic, reason = "for tests")]
    pub(super) fn run(&mut self, planner: &mut dyn Planner, max_steps: usize) -> Result<Plan, Pause> {
        for _ in 0..max_steps {
            match planner.step(&self.seen) {
                Err(Pause::Need { now, stays, beside }) => {
                    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
                    let part: Range<usize> = place(now.start())..place(now.end());
                    let Some(bytes) = self.file.get(part) else { panic!("waits for {now} behind the end") };
                    let is_new = now.is_empty() || self.seen.bytes(now.start(), now.len()).is_err();
                    assert!(is_new, "waits for {now} twice");
                    self.seen.add(now.start(), bytes.to_vec(), stays);
                    self.soon.extend(beside.ranges);
                    self.read.push(now);
                }
                result => return result,
            }
        }
        panic!("no plan after {max_steps} steps");
    }
}
