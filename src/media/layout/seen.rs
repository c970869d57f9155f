//! The bytes that the driver has read for a planner.

use std::collections::BTreeMap;

use crate::media::input::{Fault, Input, Pinned};
use crate::source::ByteRange;

use super::bytes::Bytes;

/// Bytes that are held for planners beside those that libav needs too, about. What goes is read again when a planner wants it.
const MAX_HELD: u64 = 8 << 20;
/// Separate windows that are held.
const MAX_WINDOWS: usize = 1024;

/// Windows on a file, by their offsets. None lies within another.
#[derive(Debug)]
pub(super) struct Seen {
    size: u64,
    windows: BTreeMap<u64, Window>,
    /// Bytes of the windows that may go.
    held: u64,
}

#[derive(Debug)]
struct Window {
    bytes: Pinned,
    /// Whether it stays, because libav needs it too.
    is_kept: bool,
}

impl Bytes for Seen {
    fn size(&self) -> u64 {
        self.size
    }

    fn get(&self, range: ByteRange) -> Option<&[u8]> {
        // The last window that begins here or before reaches furthest.
        let (&offset, window) = self.windows.range(..=range.start()).next_back()?;
        let start = usize::try_from(range.start().checked_sub(offset)?).ok()?;
        let end = start.checked_add(usize::try_from(range.len()).ok()?)?;
        window.bytes.get(start..end)
    }
}

impl Seen {
    /// Begins with nothing of a file of `size` bytes.
    pub(super) const fn new(size: u64) -> Self {
        Self { size, windows: BTreeMap::new(), held: 0 }
    }

    /// Reads a range, and makes room for it if need be.
    ///
    /// # Errors
    /// What reading gives.
    pub(super) fn read(
        &mut self,
        input: &mut Input<'_>,
        range: ByteRange,
        is_kept: bool,
    ) -> Result<(), Fault> {
        if range.is_empty() {
            return Ok(());
        }
        let length = usize::try_from(range.len()).unwrap_or(usize::MAX);
        let bytes = if is_kept {
            input.pin(range.start(), length)?
        } else {
            input.peek(range.start(), length)?.into()
        };
        if !is_kept {
            self.held = self.held.saturating_add(range.len());
        }
        if self.held > MAX_HELD || self.windows.len() >= MAX_WINDOWS {
            self.windows.retain(|_, window| window.is_kept);
            self.held = if is_kept { 0 } else { range.len() };
        }
        let inside = self.windows.range(range.start()..range.end());
        let is_covered = |(start, window): &(&u64, &Window)| {
            start.saturating_add(window.bytes.len() as u64) <= range.end()
        };
        let covered: Vec<u64> = inside.filter(is_covered).map(|(&start, _)| start).collect();
        for start in covered {
            self.windows.remove(&start);
        }
        self.windows.insert(range.start(), Window { bytes, is_kept });
        Ok(())
    }
}
