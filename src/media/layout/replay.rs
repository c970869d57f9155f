//! A file in memory that shows a planner nothing but the bytes that it asked for, as the driver does: for tests and fuzzing.

use super::bytes::{Bytes, Pause, Plan, Planner};
use crate::source::ByteRange;

/// A file, and what a planner has been given of it.
#[derive(Debug)]
pub(super) struct Replay<'f> {
    file: &'f [u8],
    /// What was read, in the order of the steps.
    pub(super) read: Vec<ByteRange>,
    /// What was requested beside it.
    pub(super) soon: Vec<ByteRange>,
}

impl Bytes for Replay<'_> {
    fn size(&self) -> u64 {
        self.file.len() as u64
    }

    fn get(&self, range: ByteRange) -> Option<&[u8]> {
        let is_whole = |read: &&ByteRange| read.start() <= range.start() && range.end() <= read.end();
        self.read.iter().rev().find(is_whole)?;
        self.file.get(usize::try_from(range.start()).ok()?..usize::try_from(range.end()).ok()?)
    }
}

impl<'f> Replay<'f> {
    pub(super) const fn new(file: &'f [u8]) -> Self {
        Self { file, read: Vec::new(), soon: Vec::new() }
    }

    /// Runs a planner to its end, in at most `max_steps`.
    ///
    /// # Panics
    /// When the planner takes more steps, or waits for what it has been given.
    #[expect(clippy::panic, reason = "for tests")]
    pub(super) fn run(&mut self, planner: &mut dyn Planner, max_steps: usize) -> Result<Plan, Pause> {
        for _ in 0..max_steps {
            match planner.step(self) {
                Err(Pause::Need(need)) => {
                    assert!(need.now.is_empty() || self.get(need.now).is_none(), "waits for {need:?} twice");
                    assert!(need.now.end() <= self.size(), "waits for {need:?} behind the end");
                    self.soon.extend(need.soon);
                    self.read.push(need.now);
                }
                result => return result,
            }
        }
        panic!("no plan after {max_steps} steps");
    }
}
